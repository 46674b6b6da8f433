/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.freedesktop.LogControl1 (its manual page is the specification), for `systemctl service-log-level tced debug`. */

#include "dbus_internal.h"
#include "log.h"
#include "util.h"

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
                r = caller_check_root(value, "LogLevel", error);
        if (r < 0)
                return r;
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
                r = caller_check_root(value, "LogTarget", error);
        if (r < 0)
                return r;
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
        return sd_bus_add_object_vtable(c->bus, NULL, "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", vtable, c);
}
