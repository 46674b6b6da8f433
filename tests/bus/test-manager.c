/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manager, but for registering (test-register.c): what it tells of the host, Describe, ObjectManager, signals, proofs,
 * the configuration read again, groups that come and go, LogControl1. */

#include <inttypes.h>
#include <json-c/json.h>
#include <signal.h>
#include <time.h>

#include "client.h"
#include "tap.h"

#define GROUP_PATH TCED_GROUP_PREFIX "/7"

static void test_properties(sd_bus *bus) {
        _cleanup_free_ char *version = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Version");
        _cleanup_free_ char *release = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "KernelRelease");
        _cleanup_free_ char *usable = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "KvmUsable");
        _cleanup_free_ char *why = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "KvmUsableWhy");
        _cleanup_free_ char *check = get_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "MultiTceRangeCheck");
        sd_bus_error error = SD_BUS_ERROR_NULL;

        tap_ok(version && *version, "Version");
        tap_ok(release && *release, "KernelRelease");
        tap_eq(get_number(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "PageSize", 't'), sysconf(_SC_PAGESIZE), "PageSize");
        tap_eq(get_number(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "KvmApiVersion", 'u'), 0, "KvmApiVersion where there is no KVM");
        tap_streq(usable, "no", "KvmUsable where there is no KVM");
        tap_ok(why && *why, "KvmUsableWhy says what was tried: %s", why);
        tap_ok(check && (streq(check, "no") || streq(check, "unknown")), "MultiTceRangeCheck is not proven: %s", check);
        refused(set_string(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Version", "2", &error), &error,
                SD_BUS_ERROR_PROPERTY_READ_ONLY, "Version", "no property can be set");
        refused(call_manager(bus, "Describe", &error, "t", UINT64_C(4)), &error, "InvalidArgument", "0x4|pass 0", "Describe takes no flags");
        refused(call_manager(bus, "Probe", &error, "bt", 0, UINT64_C(4)), &error, "InvalidArgument", "0x4|pass 0", "Probe takes no flags");
        refused(call_manager(bus, "Describe", &error, "s", "all"), &error, SD_BUS_ERROR_INVALID_ARGS, "", "arguments of another type");
        refused(call_manager(bus, "Explode", &error, ""), &error, SD_BUS_ERROR_UNKNOWN_METHOD, "Explode", "a method that there is not");
        refused(call(bus, "/org/tced1/nothing", TCED_INTERFACE_MANAGER, "ListGroups", &error, NULL, ""), &error,
                SD_BUS_ERROR_UNKNOWN_OBJECT, "", "an object that there is not");
}

/* The JSON in docs/describe.md. */
static json_object *read_documentation(void) {
        char path[512];
        _cleanup_free_ char *text = NULL;
        json_object *json;
        char *begin, *end;

        (void) snprintf(path, sizeof(path), "%s/describe.md", getenv("TCED_DOCS"));
        text = read_whole(path);
        begin = strstr(text, "```json");
        end = begin ? strstr(begin + 7, "```") : NULL;
        if (!end)
                bail_out("%s has no JSON in it", path);
        *end = '\0';
        json = json_tokener_parse(begin + 7);
        if (!json)
                bail_out("the JSON in %s can't be parsed", path);
        return json;
}

static unsigned compare_json(json_object *want, json_object *have, const char *where);

static unsigned compare_members(json_object *want, json_object *have, const char *where) {
        unsigned wrong = 0;

        json_object_object_foreach(want, key, value) {
                char path[256];
                json_object *found;

                (void) snprintf(path, sizeof(path), "%s.%s", where, key);
                if (!json_object_object_get_ex(have, key, &found)) {
                        printf("#   %s is written down and missing\n", path);
                        wrong++;
                } else
                        wrong += compare_json(value, found, path);
        }
        /* Names of limits are those of tced.conf. */
        if (streq(where, "$.limits"))
                return wrong;
        json_object_object_foreach(have, other, unused) {
                (void) unused;
                if (!json_object_object_get_ex(want, other, NULL)) {
                        printf("#   %s.%s is not written down\n", where, other);
                        wrong++;
                }
        }
        return wrong;
}

/* How many members differ in name or type. null goes with everything. */
static unsigned compare_json(json_object *want, json_object *have, const char *where) {
        json_type type = json_object_get_type(want);
        unsigned wrong = 0;

        if (!want || !have)
                return 0;
        if (type != json_object_get_type(have)) {
                printf("#   %s is %s, not %s\n", where, json_type_to_name(json_object_get_type(have)), json_type_to_name(type));
                return 1;
        }
        if (type == json_type_object)
                return compare_members(want, have, where);
        if (type != json_type_array)
                return 0;
        for (size_t i = 0; i < json_object_array_length(have); i++) {
                char path[256];

                (void) snprintf(path, sizeof(path), "%s[%zu]", where, i);
                wrong += compare_json(json_object_array_get_idx(want, 0), json_object_array_get_idx(have, i), path);
        }
        return wrong;
}

static void test_describe(const Host *h, sd_bus *bus) {
        _cleanup_free_ char *machine = register_small(bus, "described", 2, NO_UID), *text = describe_text(bus);
        json_object *have = text ? json_tokener_parse(text) : NULL, *want = read_documentation(), *part, *pid;

        tap_ok(have, "Describe gives JSON");
        tap_eq(compare_json(want, have, "$"), 0, "its members are those of docs/describe.md");
        tap_ok(json_object_object_get_ex(have, "machines", &part) && json_object_array_length(part) == 1, "one machine is in it");
        tap_ok(json_object_object_get_ex(have, "groups", &part) && json_object_array_length(part) == 1, "one group is in it");
        tap_ok(json_object_object_get_ex(have, "findings", &part) && json_object_array_length(part) > 0, "a host without KVM has findings");
        tap_ok(json_object_object_get_ex(have, "tced", &part) && json_object_object_get_ex(part, "pid", &pid) &&
                       json_object_get_int(pid) == h->tced_pid,
               "tced's own PID is in it");
        (void) json_object_object_del(have, "host");
        tap_ok(compare_json(want, have, "$") > 0, "a member that is missing would be seen");
        (void) json_object_put(have);
        (void) json_object_put(want);
        (void) unregister(bus, machine, NULL);
}

/* Each connection hears of what happens, also by another one's doing. */
static void test_machine_signals(sd_bus *bus, sd_bus *listener) {
        _cleanup_signals_ Signals s = {};
        _cleanup_free_ char *path = NULL, *objects = NULL, *after = NULL;
        char text[256], table[128];

        signals_record(listener, &s);
        path = register_small(bus, "heard", 2, NO_UID);
        (void) snprintf(table, sizeof(table), "%s/table/%08x", path, SMALL_LIOBN + 1);
        (void) snprintf(text, sizeof(text), "MachineNew /org/tced1 heard\n");
        tap_ok(signals_wait(listener, &s, text), "MachineNew");
        (void) snprintf(text, sizeof(text), "InterfacesAdded /org/tced1 %s\n", path);
        tap_ok(signals_wait(listener, &s, text), "InterfacesAdded for the machine");
        (void) snprintf(text, sizeof(text), "InterfacesAdded /org/tced1 %s\n", table);
        tap_ok(signals_wait(listener, &s, text), "InterfacesAdded for its table");
        objects = managed_objects(bus);
        tap_ok(objects && strstr(objects, path) && strstr(objects, table) && strstr(objects, GROUP_PATH "\n"),
               "GetManagedObjects has machine, table and group");
        (void) claim(bus, path, NULL);
        (void) snprintf(text, sizeof(text), "PropertiesChanged %s org.tced1.Machine Pid State", path);
        tap_ok(signals_wait(listener, &s, text), "PropertiesChanged when it is claimed");
        (void) acquire(bus, path, NULL, 0, NULL, NULL);
        (void) snprintf(text, sizeof(text), "PropertiesChanged %s org.tced1.Table", table);
        tap_ok(signals_wait(listener, &s, text), "PropertiesChanged when its table is handed out");
        (void) unregister(bus, path, NULL);
        tap_ok(signals_wait(listener, &s, "MachineRemoved /org/tced1 heard\n"), "MachineRemoved");
        (void) snprintf(text, sizeof(text), "InterfacesRemoved /org/tced1 %s\n", path);
        tap_ok(signals_wait(listener, &s, text), "InterfacesRemoved for the machine");
        (void) snprintf(text, sizeof(text), "InterfacesRemoved /org/tced1 %s\n", table);
        tap_ok(signals_wait(listener, &s, text), "InterfacesRemoved for its table");
        after = managed_objects(bus);
        tap_ok(after && !strstr(after, path), "GetManagedObjects has it no more");
}

static void test_probe(sd_bus *bus, sd_bus *listener) {
        _cleanup_signals_ Signals s = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;

        signals_record(listener, &s);
        went_well(call_manager(bus, "Probe", &error, "bt", 0, UINT64_C(0)), &error, "Probe");
        went_well(call_manager(bus, "Probe", &error, "bt", 1, UINT64_C(0)), &error, "Probe, deep");
        tap_ok(signals_wait(listener, &s, "PropertiesChanged /org/tced1 org.tced1.Manager"), "it is told to others");
        tap_ok(strstr(s.text, " ProbeState") && strstr(s.text, " Capabilities") && strstr(s.text, " KvmUsable"), "with what it may change");
}

/* What the property Limits says of a setting; -1: it does not. */
static int64_t limit_of(sd_bus *bus, const char *setting) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *name;
        uint64_t value;

        if (sd_bus_get_property(bus, TCED_BUS_NAME, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "Limits", NULL, &reply, "a{st}") < 0 ||
            sd_bus_message_enter_container(reply, 'a', "{st}") < 0)
                return -1;
        while (sd_bus_message_read(reply, "{st}", &name, &value) > 0)
                if (streq(name, setting))
                        return (int64_t) value;
        return -1;
}

/* Each that the installed file shows under [Limits], with a value of its own. */
static void test_limits(const Host *h, sd_bus *bus) {
        _cleanup_free_ char *shipped = NULL;
        char path[512], conf[4096] = "[Limits]\n";
        const char *names[64];
        size_t n = 0;
        char *at, *end;

        (void) snprintf(path, sizeof(path), "%s/tced.conf", getenv("TCED_DATA"));
        shipped = read_whole(path);
        at = strstr(shipped, "\n[Limits]");
        end = at ? strstr(at, "\n[Probe]") : NULL;
        if (!tap_ok(end, "the limits in %s", path))
                return;
        *end = '\0';
        for (char *save, *line = strtok_r(at, "\n", &save); line && n < ELEMENTSOF(names); line = strtok_r(NULL, "\n", &save))
                if (line[0] == '#' && line[1] >= 'A' && line[1] <= 'Z' && strchr(line, '=')) {
                        *strchr(line, '=') = '\0';
                        names[n++] = line + 1;
                        (void) snprintf(conf + strlen(conf), sizeof(conf) - strlen(conf), "%s=%zu\n", line + 1, 5000 + n);
                }
        host_write(h, "root/etc/tced/tced.conf", "%s", conf);
        (void) call_manager(bus, "Reload", NULL, "");
        for (size_t i = 0; i < n; i++)
                tap_eq(limit_of(bus, names[i]), 5001 + (int64_t) i, "the property Limits has %s=", names[i]);
        tap_ok(n >= 16, "%zu limits", n);
        host_remove(h, "root/etc");
        (void) call_manager(bus, "Reload", NULL, "");
}

/* Something of the default that Describe shows. */
static bool described(sd_bus *bus, const char *text) {
        _cleanup_free_ char *json = describe_text(bus);

        return json && strstr(json, text);
}

/* The reason of the first table of a machine that is registered now. */
static char *reason_of_new(sd_bus *bus, const char *name) {
        _cleanup_free_ char *path = register_small(bus, name, 1, NO_UID);
        char table[128];

        (void) snprintf(table, sizeof(table), "%s/table/%08x", path, SMALL_LIOBN);
        return get_string(bus, table, TCED_INTERFACE_TABLE, "Reason");
}

static void test_reload(const Host *h, sd_bus *bus, sd_bus *listener) {
        _cleanup_signals_ Signals s = {};
        _cleanup_free_ char *before = reason_of_new(bus, "before"), *after = NULL, *rule = NULL, *old = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        TestWindow w = small_window(0);
        char table[128];

        signals_record(listener, &s);
        tap_streq(before, "no-kvm", "a table's reason before");
        host_write(h, "root/etc/tced/tced.conf", "[Policy]\nAccel=user\n[Limits]\nMachinesMax=9\nNonsense=1\n[Odd\n");
        host_write(h, "root/etc/tced/rules.d/10-db.rule", "[Match]\nMachine=db*\n[Policy]\nAccel=kernel\n");
        host_write(h, "root/etc/tced/rules.d/20-bad.rule", "[Match]\nColour=red\n");
        went_well(call_manager(bus, "Reload", &error, ""), &error, "Reload, with a file that is partly bad");
        tap_ok(host_log_has(h, "tced.conf:5:"), "it warns with file and line: a key that there is not");
        tap_ok(host_log_has(h, "tced.conf:6:"), "it warns with file and line: a header that does not end");
        tap_ok(host_log_has(h, "20-bad.rule:2:"), "it warns with file and line: a match that there is not");
        tap_ok(described(bus, "\"accel\":\"user\""), "the new default is in force");
        tap_ok(described(bus, "10-db.rule"), "the new rule is in force");
        tap_ok(described(bus, "\"MachinesMax\":9"), "the new limit is in force");
        tap_ok(signals_wait(listener, &s, " Limits"), "PropertiesChanged says so");
        after = reason_of_new(bus, "after");
        tap_streq(after, "rule-user", "the next machine goes by it");
        rule = find_machine(bus, "before");
        (void) snprintf(table, sizeof(table), "%s/table/%08x", rule ? rule : "", SMALL_LIOBN);
        old = get_string(bus, table, TCED_INTERFACE_TABLE, "Reason");
        tap_streq(old, "no-kvm", "the one before keeps its plan");
        refused(register_windows(bus, "db1", "", &w, 1, NO_UID, NULL, &error), &error, "KernelDemanded", "10-db.rule|vio-device|Accel=auto",
                "a demand that can't be met refuses the machine");
        tap_eq(count_machines(bus), 2, "and nothing stays of it");
        host_remove(h, "root/etc");
        went_well(call_manager(bus, "Reload", &error, ""), &error, "Reload, with no file at all");
        tap_ok(described(bus, "\"accel\":\"auto\"") && !described(bus, "10-db.rule"), "the defaults are in force again");
        (void) unregister(bus, rule, NULL);
        free(rule);
        rule = find_machine(bus, "after");
        (void) unregister(bus, rule, NULL);
}

/* What sd_notify(3) wants of Type=notify-reload. */
static void test_hangup(Host *h, sd_bus *bus) {
        char text[512] = "";
        const char *usec;
        struct timespec now;
        uint64_t before, told;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        before = (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
        while (notify_receive(h, text, sizeof(text), 0))
                ;
        host_write(h, "root/etc/tced/tced.conf", "[Limits]\nMachinesMax=11\n");
        (void) kill(h->tced_pid, SIGHUP);
        tap_ok(notify_receive(h, text, sizeof(text), HARNESS_PATIENCE * 1000) && strstr(text, "RELOADING=1"), "SIGHUP: RELOADING=1");
        usec = strstr(text, "MONOTONIC_USEC=");
        told = usec ? strtoull(usec + strlen("MONOTONIC_USEC="), NULL, 10) : 0;
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        tap_ok(told >= before && told <= (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000, "with the time of now");
        tap_ok(notify_receive(h, text, sizeof(text), HARNESS_PATIENCE * 1000) && strstr(text, "READY=1"), "then READY=1");
        tap_ok(described(bus, "\"MachinesMax\":11"), "what was read is in force");
        host_remove(h, "root/etc");
        (void) kill(h->tced_pid, SIGHUP);
        tap_ok(notify_receive(h, text, sizeof(text), HARNESS_PATIENCE * 1000) && strstr(text, "RELOADING=1") &&
                       notify_receive(h, text, sizeof(text), HARNESS_PATIENCE * 1000) && strstr(text, "READY=1"),
               "once more");
}

static char *group_of(sd_bus *bus, const char *address) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        const char *path;

        if (call(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "GetGroupByDevice", NULL, &reply, "s", address) < 0 ||
            sd_bus_message_read(reply, "o", &path) < 0)
                return NULL;
        return strdup(path);
}

static void test_rescan(const Host *h, sd_bus *bus, sd_bus *listener) {
        _cleanup_signals_ Signals s = {};
        _cleanup_free_ char *path = NULL, *viability = NULL, *why = NULL, *name = NULL, *other = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        signals_record(listener, &s);
        refused(call_manager(bus, "GetGroupByDevice", &error, "s", "0000:02:00.0"), &error, "NoSuchGroup", "0000:02:00.0|tcectl groups",
                "a device that is not there");
        host_add_group(h, 12, "0000:02:00.0", "e1000e");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "a group appears");
        tap_ok(signals_wait(listener, &s, "InterfacesAdded /org/tced1 /org/tced1/group/12\n"), "InterfacesAdded");
        path = group_of(bus, "0000:02:00.0");
        tap_streq(path, TCED_GROUP_PREFIX "/12", "GetGroupByDevice");
        viability = get_string(bus, path, TCED_INTERFACE_GROUP, "Viability");
        why = get_string(bus, path, TCED_INTERFACE_GROUP, "ViabilityWhy");
        name = get_string(bus, path, TCED_INTERFACE_GROUP, "Name");
        tap_streq(viability, "not-bound", "Viability");
        tap_ok(why && strstr(why, "0000:02:00.0") && strstr(why, "e1000e"), "ViabilityWhy names device and driver");
        tap_streq(name, "domain12-pe0", "Name");

        signals_forget(&s);
        host_add_group(h, 12, "0000:02:00.0", "vfio-pci");
        host_write(h, "dev/vfio/12", "%s", "");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "its device changes the driver");
        tap_ok(signals_wait(listener, &s, "PropertiesChanged /org/tced1/group/12 org.tced1.Group"), "PropertiesChanged");
        tap_ok(!signals_have(listener, &s, "InterfacesRemoved"), "it is the same object");
        tap_eq(get_number(bus, path, TCED_INTERFACE_GROUP, "Viable", 'b'), 1, "it is viable now");
        refused(call(bus, path, TCED_INTERFACE_GROUP, "Open", &error, NULL, "t", UINT64_C(0)), &error,
                geteuid() == 0 ? "HelperUnavailable" : "NotAuthorized", geteuid() == 0 ? "tced-bind" : "root",
                "it can't be opened without the helper, or without being root");
        refused(call(bus, GROUP_PATH, TCED_INTERFACE_GROUP, "Open", &error, NULL, "t", UINT64_C(0)), &error,
                geteuid() == 0 ? "GroupNotViable" : "NotAuthorized", geteuid() == 0 ? "group 7|0000:01:00.0" : "root",
                "nor another that is not viable");
        refused(call(bus, path, TCED_INTERFACE_GROUP, "Open", &error, NULL, "t", UINT64_C(1)), &error, "InvalidArgument", "pass 0",
                "Open takes no flags");

        signals_forget(&s);
        host_add_group(h, 12, "0000:03:00.0", "vfio-pci");
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "the number is used for another device");
        tap_ok(signals_wait(listener, &s, "InterfacesRemoved /org/tced1 /org/tced1/group/12\n"), "the object goes");
        tap_ok(signals_wait(listener, &s, "InterfacesAdded /org/tced1 /org/tced1/group/12\n"), "and comes");
        other = group_of(bus, "0000:02:00.0");
        tap_streq(other, NULL, "the device before is in no group");

        signals_forget(&s);
        host_remove_group(h, 12);
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "the group disappears");
        tap_ok(signals_wait(listener, &s, "InterfacesRemoved /org/tced1 /org/tced1/group/12\n"), "InterfacesRemoved");
        tap_ok(get_number(bus, path, TCED_INTERFACE_GROUP, "Number", 'u') < 0, "there is no such object");
        signals_forget(&s);
        went_well(call_manager(bus, "Rescan", &error, ""), &error, "nothing changes");
        tap_ok(!signals_have(listener, &s, "/org/tced1/group"), "no group says a word");
}

/* Who has a group is told, and told when it changes. */
static void test_holder(sd_bus *bus, sd_bus *listener) {
        _cleanup_signals_ Signals s = {};
        TestWindow w = { "vfio", "0000:01:00.0", 0x80000001, 0, 1 << 20, 12, 0, 7 };
        _cleanup_free_ char *path = NULL, *holder = NULL, *after = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        signals_record(listener, &s);
        went_well(register_windows(bus, "vm", "", &w, 1, NO_UID, &path, &error), &error, "a machine with a window of group 7");
        holder = get_string(bus, GROUP_PATH, TCED_INTERFACE_GROUP, "Holder");
        tap_ok(path && holder && streq(holder, path + strlen(TCED_MACHINE_PREFIX "/")), "Holder is its UUID");
        tap_ok(signals_wait(listener, &s, "PropertiesChanged /org/tced1/group/7 org.tced1.Group Holder\n"), "PropertiesChanged for the group, of that");
        signals_forget(&s);
        (void) unregister(bus, path, NULL);
        tap_ok(signals_wait(listener, &s, "PropertiesChanged /org/tced1/group/7 org.tced1.Group"), "and when it is gone");
        after = get_string(bus, GROUP_PATH, TCED_INTERFACE_GROUP, "Holder");
        tap_streq(after, "", "nobody has it");
}

static void test_log_control(sd_bus *bus) {
        static const char *const levels[] = { "emerg", "alert", "crit", "err", "warning", "notice", "debug", "info" };
        _cleanup_free_ char *identifier = get_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "SyslogIdentifier");
        _cleanup_free_ char *target = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        tap_streq(identifier, "tced", "SyslogIdentifier");
        for (size_t i = 0; i < ELEMENTSOF(levels); i++) {
                int r = set_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogLevel", levels[i], &error);
                _cleanup_free_ char *level = get_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogLevel");

                tap_ok(r >= 0 && level && streq(level, levels[i]), "LogLevel %s", levels[i]);
                sd_bus_error_free(&error);
        }
        refused(set_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogLevel", "loud", &error), &error, "InvalidArgument",
                "loud|warning", "a level that there is not");
        refused(set_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogTarget", "printer", &error), &error, "InvalidArgument",
                "printer|journal", "a target that there is not");
        refused(set_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "SyslogIdentifier", "x", &error), &error,
                SD_BUS_ERROR_PROPERTY_READ_ONLY, "", "SyslogIdentifier can't be set");
        went_well(set_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogTarget", "console", &error), &error, "LogTarget console");
        target = get_string(bus, LOG_CONTROL_PATH, LOG_CONTROL_INTERFACE, "LogTarget");
        tap_streq(target, "console", "it stays");
}

static void test_all(Host *h, sd_bus *bus, sd_bus *listener) {
        test_properties(bus);
        test_describe(h, bus);
        test_machine_signals(bus, listener);
        test_probe(bus, listener);
        test_reload(h, bus, listener);
        test_limits(h, bus);
        test_hangup(h, bus);
        test_rescan(h, bus, listener);
        test_holder(bus, listener);
        test_log_control(bus);
}

int main(void) {
        Host h;

        host_init(&h, 100);
        host_add_group(&h, 7, "0000:01:00.0", "e1000e");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "the manager");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        /* What one connection does is heard on the other, each way round; new ones for each, as matches stay. */
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_bus_ sd_bus *bus = open_bus(&h), *peer = open_peer(&h);

                wait_probed(bus);
                test_all(&h, i == 0 ? bus : peer, i == 0 ? peer : bus);
        }
        host_done(&h);
        return tap_done();
}
