/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "polkit.h"

#include "client.h"
#include "util.h"

static char *details_text(sd_bus_message *m) {
        char *text = strdup("");
        const char *key, *value;

        if (sd_bus_message_enter_container(m, 'a', "{ss}") < 0)
                return text;
        while (sd_bus_message_read(m, "{ss}", &key, &value) > 0) {
                char *longer;

                if (asprintf(&longer, "%s%s=%s ", text, key, value) < 0)
                        bail_out("no memory");
                free(text);
                text = longer;
        }
        (void) sd_bus_message_exit_container(m);
        return text;
}

static int on_question(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const Host *h = userdata;
        const char *kind, *key, *name, *action, *cancel;
        _cleanup_free_ char *mode = NULL, *details = NULL;
        char path[128];
        uint32_t flags;

        if (sd_bus_message_is_method_call(m, "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization") <= 0)
                return 0;
        (void) snprintf(path, sizeof(path), "%s/polkit.mode", h->dir);
        mode = read_whole(path);
        if (sd_bus_message_read(m, "(sa{sv})s", &kind, 1, &key, "s", &name, &action) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "what is that");
        details = details_text(m);
        if (sd_bus_message_read(m, "us", &flags, &cancel) < 0)
                return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "what is that");
        host_write(h, "polkit.asked", "%s %s %s %s %s%u '%s'", kind, key, name, action, details, flags, cancel);
        if (streq(mode, "hang"))
                return 1;
        /* Empty: it is just being written. */
        while (streq(mode, "wait") || !*mode) {
                (void) usleep(20 * 1000);
                free(mode);
                mode = read_whole(path);
        }
        if (streq(mode, "leave"))
                _exit(0);
        if (streq(mode, "error"))
                return sd_bus_reply_method_errorf(m, "org.freedesktop.PolicyKit1.Error.Failed", "no such action");
        if (streq(mode, "odd"))
                return sd_bus_reply_method_return(m, "b", 1);
        return sd_bus_reply_method_return(m, "(bba{ss})", streq(mode, "yes"), streq(mode, "challenge"), 0);
}

static void be_polkit(int fd, void *userdata) {
        const Host *h = userdata;
        sd_bus *bus = open_bus(h);

        if (sd_bus_add_filter(bus, NULL, on_question, (void *) h) < 0 || sd_bus_request_name(bus, "org.freedesktop.PolicyKit1", 0) < 0)
                return;
        actor_say(fd, 'r');
        for (;;)
                if (sd_bus_process(bus, NULL) == 0)
                        (void) sd_bus_wait(bus, UINT64_MAX);
}

void polkit_set_mode(const Host *h, const char *mode) {
        host_write(h, "polkit.mode", "%s", mode);
        host_remove(h, "polkit.asked");
}

Actor polkit_start(const Host *h, const char *mode) {
        Actor a = actor_start(NO_UID, be_polkit, (void *) h);

        polkit_set_mode(h, mode);
        if (actor_hear(&a) != 'r')
                bail_out("the made-up polkit does not start");
        return a;
}

char *polkit_asked(const Host *h) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/polkit.asked", h->dir);
        return read_whole(path);
}
