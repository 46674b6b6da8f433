/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When was libvirtd last reloaded? The service manager knows (ExecReload of its unit, org.freedesktop.systemd1(5)) and says when that
 * changes. Asked once, then only heard; where there is no systemd nothing comes of it. */

#include "dbus_internal.h"
#include "log.h"
#include "util.h"

#define SYSTEMD_NAME "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"

/* libvirt's one daemon, and the one of its modular kind. */
static const char *const units[] = { SYSTEMD_PATH "/unit/libvirtd_2eservice", SYSTEMD_PATH "/unit/virtqemud_2eservice" };

/* ExecReload: path, arguments, ignore-failure, when it started and ended by the wall clock and the monotonic one, PID, how it ended. */
static int read_reload(sd_bus_message *m, uint64_t *ret) {
        uint64_t started, latest = 0;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "a(sasbttttuii)");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(sasbttttuii)");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "sasbttttuii")) > 0) {
                r = sd_bus_message_skip(m, "sasb");
                if (r >= 0)
                        r = sd_bus_message_read(m, "t", &started);
                if (r >= 0)
                        r = sd_bus_message_skip(m, "tttuii");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r >= 0 && started > latest)
                        latest = started;
        }
        *ret = latest;
        return r;
}

static int on_reload_time(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        Connection *c = userdata;
        uint64_t when;

        if (sd_bus_message_is_method_error(m, NULL))
                return 0;
        if (read_reload(m, &when) < 0)
                log_debug("The service manager's ExecReload can't be read; whether libvirtd was reloaded is not known");
        else if (when > 0)
                manager_libvirtd_reloaded(c->manager, when);
        return 0;
}

static void ask(Connection *c, const char *unit) {
        (void) sd_bus_call_method_async(c->bus, NULL, SYSTEMD_NAME, unit, "org.freedesktop.DBus.Properties", "Get", on_reload_time, c, "ss",
                                        SYSTEMD_NAME ".Service", "ExecReload");
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        ask(userdata, sd_bus_message_get_path(m));
        return 0;
}

int dbus_systemd_attach(Connection *c) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(units); i++) {
                r = sd_bus_match_signal_async(c->bus, NULL, SYSTEMD_NAME, units[i], "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                              on_changed, NULL, c);
                ask(c, units[i]);
        }
        if (r >= 0)
                r = sd_bus_call_method_async(c->bus, NULL, SYSTEMD_NAME, SYSTEMD_PATH, SYSTEMD_NAME ".Manager", "Subscribe", NULL, NULL, NULL);
        return r;
}
