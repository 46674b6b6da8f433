/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.LogControl1 (its manual page is the specification), for `systemctl service-log-level tced debug`. */

#include "dbus_internal.h"
#include "log.h"
#include "names.h"
#include "util.h"

#define LOG_PATH "/org/freedesktop/LogControl1"
#define LOG_INTERFACE "org.freedesktop.LogControl1"

static int permit(sd_bus_message *m, const char *property, const char *value, sd_bus_error *error) {
        const char *details[] = { "property", property, "value", value, NULL };
        char refusal[64];

        (void) snprintf(refusal, sizeof(refusal), "%s is for root: try sudo", property);
        return caller_permit(m, &(Permission) { .action = TCED_POLKIT_SET_LOG_LEVEL, .details = details, .refusal = refusal }, error);
}

/* sd-bus answers for a property as soon as its callback returns. So who asks is looked at before, where polkit can be waited for; that callback
 * finds its permit. */
static int on_set(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const char *interface, *property, *value;
        int r;

        if (sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Set") <= 0)
                return 0;
        r = sd_bus_message_read(m, "ssv", &interface, &property, "s", &value);
        /* What is no such property's is for sd-bus to refuse. */
        if (r >= 0 && streq(interface, LOG_INTERFACE) && (streq(property, "LogLevel") || streq(property, "LogTarget")))
                r = permit(m, property, value, error);
        else
                r = 0;
        if (r == 0)
                (void) sd_bus_message_rewind(m, true);
        return r;
}

static int get_level(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply, void *userdata,
                     sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_level_to_string(log_get_level()));
}

static int set_level(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *value, void *userdata,
                     sd_bus_error *error) {
        const char *text;
        int r, level;

        r = sd_bus_message_read(value, "s", &text);
        if (r >= 0)
                r = permit(value, "LogLevel", text, error);
        if (r != 0)
                return r < 0 ? r : -EPERM;
        level = log_level_from_string(text);
        if (level < 0)
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT,
                                         "'%s' is no log level; emerg, alert, crit, err, warning, notice, info, debug are", text);
        log_set_level(level);
        return 0;
}

static int get_target(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                      void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", log_get_target());
}

static int set_target(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *value,
                      void *userdata, sd_bus_error *error) {
        const char *text;
        int r;

        r = sd_bus_message_read(value, "s", &text);
        if (r >= 0)
                r = permit(value, "LogTarget", text, error);
        if (r != 0)
                return r < 0 ? r : -EPERM;
        if (log_set_target(text) < 0)
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "'%s' is no log target; auto, console, journal, null are",
                                         text);
        return 0;
}

static int get_identifier(sd_bus *bus, const char *path, const char *interface, const char *property, sd_bus_message *reply,
                          void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", program_invocation_short_name);
}

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_VTABLE_END,
};

int dbus_log_attach(Connection *c) {
        sd_bus_slot *object;
        int r;

        if (c->has_log)
                return 0;
        r = sd_bus_add_object(c->bus, &object, LOG_PATH, on_set, c);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(c->bus, NULL, LOG_PATH, LOG_INTERFACE, vtable, c);
        if (r < 0) {
                (void) sd_bus_slot_unref(object);
                return r;
        }
        (void) sd_bus_slot_set_floating(object, 1);
        (void) sd_bus_slot_unref(object);
        c->has_log = true;
        return 0;
}
