/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client.h"

#include <stdarg.h>

int try_address(const char *address, bool is_bus, sd_bus **ret) {
        _cleanup_bus_ sd_bus *bus = NULL;
        int r;

        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0 && is_bus)
                r = sd_bus_set_bus_client(bus, 1);
        if (r >= 0)
                r = sd_bus_negotiate_fds(bus, 1);
        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, HARNESS_PATIENCE * UINT64_C(1000000));
        if (r >= 0)
                r = sd_bus_start(bus);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

sd_bus *open_address(const char *address, bool is_bus) {
        sd_bus *bus = NULL;
        int r = try_address(address, is_bus, &bus);

        if (r < 0)
                bail_out("can't connect to %s: %s", address, strerror(-r));
        return bus;
}

sd_bus *open_bus(const Host *h) {
        return open_address(h->address, true);
}

sd_bus *open_peer(const Host *h) {
        char address[128];

        (void) snprintf(address, sizeof(address), "unix:path=%s", h->socket);
        return open_address(address, false);
}

static const char *destination(sd_bus *bus) {
        return sd_bus_is_bus_client(bus) > 0 ? TCED_BUS_NAME : NULL;
}

int call(sd_bus *bus, const char *path, const char *interface, const char *method, sd_bus_error *error, sd_bus_message **ret_reply,
         const char *types, ...) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        va_list ap;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, destination(bus), path, interface, method);
        if (r < 0)
                return r;
        va_start(ap, types);
        r = isempty(types) ? 0 : sd_bus_message_appendv(m, types, ap);
        va_end(ap);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, error, &reply);
        if (r < 0)
                return r;
        if (ret_reply)
                *ret_reply = TAKE_PTR(reply);
        return 0;
}

bool is_refused(int r, sd_bus_error *error, const char *name, const char *fragments) {
        char whole[128], *copy = strdup(fragments), *rest = NULL;
        bool ok;

        (void) snprintf(whole, sizeof(whole), "%s%s", strchr(name, '.') ? "" : TCED_ERROR_PREFIX, name);
        ok = r < 0 && error->name && streq(error->name, whole);
        for (char *part = strtok_r(copy, "|", &rest); ok && part; part = strtok_r(NULL, "|", &rest))
                ok = strstr(error->message, part) != NULL;
        if (!ok)
                printf("#   have %s: %s\n#   want %s: %s\n", error->name ? error->name : r < 0 ? strerror(-r) : "success",
                       error->message ? error->message : "", whole, fragments);
        free(copy);
        sd_bus_error_free(error);
        return ok;
}

bool is_well(int r, sd_bus_error *error) {
        if (r < 0)
                printf("#   have %s: %s\n", error->name ? error->name : strerror(-r), error->message ? error->message : "");
        sd_bus_error_free(error);
        return r >= 0;
}

TestWindow small_window(unsigned i) {
        return (TestWindow) { .kind = "vio", .device = "vio-device", .liobn = SMALL_LIOBN + i, .size = 512 * 4096, .page_shift = 12,
                              .group = -1 };
}

int register_windows(sd_bus *bus, const char *name, const char *uuid, const TestWindow *w, size_t n, uid_t owner, char **ret_path,
                     sd_bus_error *error) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        const char *path;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, destination(bus), TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterMachine");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", name, uuid);
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssuttubi)");
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = sd_bus_message_append(m, "(ssuttubi)", w[i].kind, w[i].device, w[i].liobn, w[i].bus_offset, w[i].size,
                                          w[i].page_shift, w[i].notifier, w[i].group);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = owner == NO_UID ? sd_bus_message_append(m, "a{sv}", 0)
                                    : sd_bus_message_append(m, "a{sv}", 1, "OwnerUid", "u", (uint32_t) owner);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", UINT64_C(0));
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r < 0)
                return r;
        if (ret_path)
                *ret_path = strdup(path);
        return 0;
}

char *register_small(sd_bus *bus, const char *name, size_t n, uid_t owner) {
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_free_ TestWindow *w = calloc(n + 1, sizeof(*w));
        char *path = NULL;
        int r;

        for (unsigned i = 0; i < n; i++)
                w[i] = small_window(i);
        r = register_windows(bus, name, "", w, n, owner, &path, &error);
        if (r < 0 || !path)
                bail_out("can't register %s: %s: %s", name, error.name ? error.name : strerror(-r), error.message ? error.message : "");
        return path;
}

int claim(sd_bus *bus, const char *path, sd_bus_error *error) {
        return call(bus, path, TCED_INTERFACE_MACHINE, "Claim", error, NULL, "t", UINT64_C(0));
}

int unregister(sd_bus *bus, const char *path, sd_bus_error *error) {
        return call(bus, path, TCED_INTERFACE_MACHINE, "Unregister", error, NULL, "t", UINT64_C(0));
}

int acquire(sd_bus *bus, const char *path, const uint32_t *liobns, size_t n, sd_bus_error *error, sd_bus_message **ret_reply) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, destination(bus), path, TCED_INTERFACE_MACHINE, "AcquireTables");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'u', liobns, n * sizeof(*liobns));
        if (r >= 0)
                r = sd_bus_message_append(m, "t", UINT64_C(0));
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, error, &reply);
        if (r < 0)
                return r;
        if (ret_reply)
                *ret_reply = TAKE_PTR(reply);
        return 0;
}

char *get_string(sd_bus *bus, const char *path, const char *interface, const char *property) {
        char *value = NULL;

        return sd_bus_get_property_string(bus, destination(bus), path, interface, property, NULL, &value) < 0 ? NULL : value;
}

int64_t get_number(sd_bus *bus, const char *path, const char *interface, const char *property, char type) {
        uint64_t value = 0;

        if (sd_bus_get_property_trivial(bus, destination(bus), path, interface, property, NULL, type, &value) < 0)
                return -1;
        /* The narrow ones fill the first bytes. */
        switch (type) {
        case 'u':
                return *(uint32_t *) &value;
        case 'i':
        case 'b':
                return *(int32_t *) &value;
        default:
                return (int64_t) value;
        }
}

int set_string(sd_bus *bus, const char *path, const char *interface, const char *property, const char *value, sd_bus_error *error) {
        return sd_bus_set_property(bus, destination(bus), path, interface, property, error, "s", value);
}

int64_t usage_of(sd_bus *bus, const char *limit) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *name;
        uint64_t value;

        if (sd_bus_get_property(bus, destination(bus), TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Usage", NULL, &reply, "a{st}") < 0 ||
            sd_bus_message_enter_container(reply, 'a', "{st}") < 0)
                return -1;
        while (sd_bus_message_read(reply, "{st}", &name, &value) > 0)
                if (streq(name, limit))
                        return (int64_t) value;
        return -1;
}

int count_machines(sd_bus *bus) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        int n = 0, r;

        r = call(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ListMachines", NULL, &reply, "");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sssuuo)");
        while (r >= 0 && (r = sd_bus_message_skip(reply, "(sssuuo)")) > 0)
                n++;
        return r < 0 && r != -ENXIO ? -1 : n;
}

char *find_machine(sd_bus *bus, const char *name) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *path;

        if (call(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "GetMachine", NULL, &reply, "s", name) < 0 ||
            sd_bus_message_read(reply, "o", &path) < 0)
                return NULL;
        return strdup(path);
}

char *describe_text(sd_bus *bus) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *text;

        if (call(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Describe", NULL, &reply, "t", UINT64_C(0)) < 0 ||
            sd_bus_message_read(reply, "s", &text) < 0)
                return NULL;
        return strdup(text);
}

char *managed_objects(sd_bus *bus) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        char *text = NULL;
        const char *path;
        size_t size;
        FILE *f;
        int r;

        r = call(bus, TCED_BUS_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, &reply, "");
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");
        if (r < 0)
                return NULL;
        f = open_memstream(&text, &size);
        while (f && sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
                if (sd_bus_message_read(reply, "o", &path) > 0)
                        (void) fprintf(f, "%s\n", path);
                (void) sd_bus_message_skip(reply, "a{sa{sv}}");
                (void) sd_bus_message_exit_container(reply);
        }
        if (f)
                (void) fclose(f);
        return text;
}

char *introspect(sd_bus *bus, const char *path) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *text;

        if (call(bus, path, "org.freedesktop.DBus.Introspectable", "Introspect", NULL, &reply, "") < 0 ||
            sd_bus_message_read(reply, "s", &text) < 0)
                return NULL;
        return strdup(text);
}

void wait_probed(sd_bus *bus) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 50; i++) {
                _cleanup_free_ char *state = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ProbeState");

                if (state && streq(state, "done"))
                        return;
                (void) usleep(20 * 1000);
        }
        bail_out("the host is never proven");
}

/* The names of a{sv} behind the interface, or of the first string that there is. */
static void print_body(FILE *f, sd_bus_message *m) {
        const char *text, *contents;
        char type;

        if (sd_bus_message_peek_type(m, &type, &contents) <= 0)
                return;
        if (sd_bus_message_read_basic(m, type, &text) <= 0)
                return;
        (void) fprintf(f, " %s", text);
        if (sd_bus_message_enter_container(m, 'a', "{sv}") <= 0)
                return;
        while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
                if (sd_bus_message_read(m, "s", &text) > 0)
                        (void) fprintf(f, " %s", text);
                (void) sd_bus_message_skip(m, "v");
                (void) sd_bus_message_exit_container(m);
        }
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Signals *s = userdata;
        char *line = NULL, *all;
        size_t size;
        FILE *f = open_memstream(&line, &size);

        if (!f)
                return 0;
        (void) fprintf(f, "%s %s", sd_bus_message_get_member(m), sd_bus_message_get_path(m));
        print_body(f, m);
        (void) fputc('\n', f);
        (void) fclose(f);
        all = realloc(s->text, s->size + size + 1);
        if (all) {
                memcpy(all + s->size, line, size + 1);
                s->text = all;
                s->size += size;
        }
        free(line);
        return 0;
}

void signals_record(sd_bus *bus, Signals *s) {
        int r = sd_bus_is_bus_client(bus) > 0 ? sd_bus_add_match(bus, &s->slot, "type='signal',sender='" TCED_BUS_NAME "'", on_signal, s)
                                              : sd_bus_add_match(bus, &s->slot, "type='signal'", on_signal, s);

        if (r < 0)
                bail_out("can't listen to signals: %s", strerror(-r));
        /* A peer has no bus to ask, and its connection is not made yet: one round trip. */
        (void) call(bus, TCED_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, "");
}

bool signals_wait(sd_bus *bus, Signals *s, const char *text) {
        for (unsigned i = 0; i < HARNESS_PATIENCE; i++) {
                while (sd_bus_process(bus, NULL) > 0)
                        ;
                if (s->text && strstr(s->text, text))
                        return true;
                (void) sd_bus_wait(bus, 1000000);
        }
        printf("#   no signal has '%s'; there were:\n#   %s\n", text, s->text ? s->text : "none");
        return false;
}

bool signals_have(sd_bus *bus, Signals *s, const char *text) {
        /* What was sent before this answer came before it. */
        (void) call(bus, TCED_BUS_PATH, "org.freedesktop.DBus.Peer", "Ping", NULL, NULL, "");
        while (sd_bus_process(bus, NULL) > 0)
                ;
        return s->text && strstr(s->text, text);
}

void signals_forget(Signals *s) {
        free(s->text);
        s->text = NULL;
        s->size = 0;
}

void signals_end(Signals *s) {
        s->slot = sd_bus_slot_unref(s->slot);
        signals_forget(s);
}
