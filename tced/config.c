/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced.conf, its drop-ins and the rules, put together. The table below is the one list of settings: data/tced.conf shows them
 * commented out, man/tced.conf.5 describes them, and a test holds the first against config_set_defaults(). */

#include "config.h"

#include <syslog.h>

#include "conf_files.h"
#include "conf_value.h"
#include "ini_reader.h"
#include "rule_file.h"
#include "util.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

/* Each setting's section and key, what it takes, and where it goes. */
static const Setting settings[] = {
        { "Policy", "Accel", VALUE_ACCEL, offsetof(Config, policy.accel) },
        { "Policy", "MultiTce", VALUE_TRISTATE, offsetof(Config, policy.multitce) },
        { "Policy", "HugePages", VALUE_TRISTATE, offsetof(Config, policy.huge_pages) },
        { "Policy", "NumaNode", VALUE_NODE, offsetof(Config, policy.numa_node) },
        { "Limits", "MachinesMax", VALUE_COUNT, offsetof(Config, limits.machines_max) },
        { "Limits", "MachinesPerUserMax", VALUE_COUNT, offsetof(Config, limits.machines_per_user_max) },
        { "Limits", "TablesMax", VALUE_COUNT, offsetof(Config, limits.tables_max) },
        { "Limits", "TablesPerUserMax", VALUE_COUNT, offsetof(Config, limits.tables_per_user_max) },
        { "Limits", "TablesPerMachineMax", VALUE_COUNT, offsetof(Config, limits.tables_per_machine_max) },
        { "Limits", "TableBytesPerMachineMax", VALUE_SIZE, offsetof(Config, limits.table_bytes_per_machine_max) },
        { "Limits", "TableBytesPerUserMax", VALUE_SIZE, offsetof(Config, limits.table_bytes_per_user_max) },
        { "Limits", "TableBytesMax", VALUE_SIZE, offsetof(Config, limits.table_bytes_max) },
        { "Limits", "RaiseMemlockMax", VALUE_SIZE, offsetof(Config, limits.raise_memlock_max) },
        { "Limits", "ConnectionsMax", VALUE_COUNT, offsetof(Config, limits.connections_max) },
        { "Limits", "ConnectionsPerUserMax", VALUE_COUNT, offsetof(Config, limits.connections_per_user_max) },
        { "Limits", "ConnectionsPerMachineMax", VALUE_COUNT, offsetof(Config, limits.connections_per_machine_max) },
        { "Limits", "RequestsMax", VALUE_COUNT, offsetof(Config, limits.requests_max) },
        { "Limits", "RequestsPerUserMax", VALUE_COUNT, offsetof(Config, limits.requests_per_user_max) },
        { "Limits", "RequestsPerMachineMax", VALUE_COUNT, offsetof(Config, limits.requests_per_machine_max) },
        { "Limits", "DomainBytesMax", VALUE_SIZE, offsetof(Config, limits.domain_bytes_max) },
        { "Probe", "TimeoutSec", VALUE_TIMEOUT, offsetof(Config, proof_timeout_usec) },
        { "Manager", "LogLevel", VALUE_LEVEL, offsetof(Config, log_level) },
        { "Manager", "Group", VALUE_GROUP, offsetof(Config, kvm_group) },
        { "Hook", "TimeoutSec", VALUE_PATIENCE, offsetof(Config, hook_timeout_usec) },
        { "Hook", "Required", VALUE_BOOL, offsetof(Config, hook_required) },
        { "Libvirt", "Connect", VALUE_BOOL, offsetof(Config, libvirt_connect) },
        { "Libvirt", "Uri", VALUE_URI, offsetof(Config, libvirt_uri) },
        { "Bind", "Devices", VALUE_DEVICES, offsetof(Config, bind_devices) },
};

/* A bit for each setting. */
_Static_assert(ELEMENTSOF(settings) <= 64, "ConfReading.seen");

typedef struct ConfReading {
        const char *path;
        ConfWarnings *w;
        Config *config;
        char section[INI_LINE_MAX + 1];
        uint64_t seen; /* which settings this file had already */
        bool out_of_memory;
} ConfReading;

/* What tced does on a host that nobody has configured: tables in the kernel wherever they can be, no promise to users who are not root
 * that could take the host's memory. */
int config_set_defaults(Config *c) {
        _cleanup_free_ char *group = strdup("kvm"), *uri = strdup("qemu:///system");

        if (!group || !uri)
                return -ENOMEM;
        *c = (Config) {
                .policy = { .numa_node = NUMA_NODE_ANY },
                .limits = {
                        .machines_max = 4096,
                        .machines_per_user_max = 16,
                        .tables_max = 65536,
                        .tables_per_user_max = 1024,
                        .tables_per_machine_max = 256,
                        .table_bytes_per_machine_max = 16 * GIB,
                        .table_bytes_per_user_max = GIB,
                        .table_bytes_max = 64 * GIB,
                        .raise_memlock_max = 1024 * GIB,
                        .connections_max = 8192,
                        .connections_per_user_max = 64,
                        .connections_per_machine_max = 16,
                        .requests_max = 8192,
                        .requests_per_user_max = 64,
                        .requests_per_machine_max = 32,
                        .domain_bytes_max = 2 * MIB,
                },
                .proof_timeout_usec = 10 * UINT64_C(1000000),
                .log_level = LOG_INFO,
                .kvm_group = TAKE_PTR(group),
                .hook_timeout_usec = 2 * UINT64_C(1000000),
                .libvirt_connect = true,
                .libvirt_uri = TAKE_PTR(uri),
        };
        return 0;
}

void config_clear(Config *c) {
        rules_clear(&c->rules);
        free(c->kvm_group);
        free(c->libvirt_uri);
        strings_free(c->bind_devices);
        *c = (Config) {};
}

/* IniSink: a section's header. That of an unknown one is warned of once, not each line in it. */
static bool on_section(unsigned line, const char *name, void *userdata) {
        ConfReading *reading = userdata;

        if (!name)
                return false;
        (void) snprintf(reading->section, sizeof(reading->section), "%s", name);
        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                if (streq(settings[i].section, name))
                        return true;
        conf_warn(reading->w, reading->path, line,
                  "there is no section [%s], only [Policy], [Limits], [Probe], [Manager], [Hook], [Libvirt] and [Bind]; all lines up to the "
                  "next header are ignored", name);
        return false;
}

/* IniSink: a line of a section that is known. */
static void on_key(unsigned line, const char *key, const char *value, void *userdata) {
        ConfReading *reading = userdata;
        const Setting *setting = setting_find(settings, ELEMENTSOF(settings), reading->section, key);
        uint64_t bit;
        int r;

        if (!setting) {
                conf_warn(reading->w, reading->path, line,
                          "there is no %s= in [%s], see tced.conf(5); the line is ignored", key, reading->section);
                return;
        }
        /* In other files the same key is the purpose of drop-ins; twice in one is most likely an oversight. */
        bit = UINT64_C(1) << (setting - settings);
        if ((reading->seen & bit) && setting->type != VALUE_DEVICES)
                conf_warn(reading->w, reading->path, line, "%s= occurs twice; the later one counts, remove one", key);
        reading->seen |= bit;
        r = setting_parse(setting, value, reading->config);
        if (r == -ENOMEM)
                reading->out_of_memory = true;
        else if (r < 0)
                conf_warn(reading->w, reading->path, line, "%s=%s is not understood, it takes %s; the line is ignored", key,
                          value, value_type_text(setting->type));
}

static void on_bad(unsigned line, const char *text, void *userdata) {
        ConfReading *reading = userdata;

        conf_warn(reading->w, reading->path, line, "%s", text);
}

/* Lays what a file says over what *c has. 0, also where the file can't be read; -ENOMEM. */
static int load_settings(const char *path, ConfWarnings *w, Config *c) {
        ConfReading reading = { .path = path, .w = w, .config = c };
        IniSink sink = { .section = on_section, .key = on_key, .bad = on_bad, .userdata = &reading };
        _cleanup_file_ FILE *f = NULL;
        int r;

        if (conf_file_open(path, w, &f) == 0)
                return 0;
        /* What was read before an error stays: each line stands for itself, unlike a rule's. */
        r = ini_reader_run(f, &sink);
        if (r == -ENOMEM || reading.out_of_memory)
                return -ENOMEM;
        if (r < 0)
                conf_warn(w, path, 0, "the file can't be read to its end: %s", strerror(-r));
        return 0;
}

/* Adds the file's rule, if it has one, behind those that are there. */
static int load_rule(const char *path, ConfWarnings *w, Config *c) {
        _cleanup_file_ FILE *f = NULL;
        int r = ARRAY_RESERVE(c->rules.items, c->rules.allocated, c->rules.n + 1);

        if (r < 0)
                return r;
        if (conf_file_open(path, w, &f) == 0)
                return 0;
        r = rule_file_read(path, f, w, &c->rules.items[c->rules.n]);
        if (r > 0)
                c->rules.n++;
        return r < 0 ? r : 0;
}

/* Loads each of a folder's files by load(). */
static int load_folder(const char *root, const char *folder, const char *suffix, ConfWarnings *w, Config *c,
                       int (*load)(const char *path, ConfWarnings *w, Config *c)) {
        _cleanup_(conf_files_clear) ConfFiles files = {};
        int r = conf_files_list(root, folder, suffix, w, &files);

        for (size_t i = 0; r >= 0 && i < files.n; i++)
                r = load(files.paths[i], w, c);
        return r;
}

static int compare_texts(const void *a, const void *b) {
        return strcmp(*(char *const *) a, *(char *const *) b);
}

bool config_binds(const Config *c, const char *address) {
        return c->n_bind_devices > 0 && bsearch(&address, c->bind_devices, c->n_bind_devices, sizeof(*c->bind_devices), compare_texts);
}

int config_load(const char *root, ConfigWarning warn, void *userdata, Config *ret) {
        _cleanup_(config_clear) Config c = {};
        _cleanup_free_ char *main_file = NULL;
        ConfWarnings w = { .warn = warn, .userdata = userdata };
        int r;

        r = config_set_defaults(&c);
        if (r < 0)
                return r;
        r = conf_files_find(root, "tced.conf", &main_file);
        if (r >= 0 && main_file)
                r = load_settings(main_file, &w, &c);
        if (r >= 0)
                r = load_folder(root, "tced.conf.d", ".conf", &w, &c, load_settings);
        if (r >= 0)
                r = load_folder(root, "rules.d", ".rule", &w, &c, load_rule);
        if (r < 0)
                return r;
        while (c.bind_devices && c.bind_devices[c.n_bind_devices])
                c.n_bind_devices++;
        if (c.n_bind_devices > 1)
                qsort(c.bind_devices, c.n_bind_devices, sizeof(*c.bind_devices), compare_texts);
        /* All or nothing: a reload that runs out of memory leaves the daemon with what it had. */
        *ret = TAKE_GENERIC(c, Config, (Config) {});
        return w.n;
}

bool config_limit_at(const Config *c, size_t index, const char **ret_name, uint64_t *ret_value) {
        for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
                if (!streq(settings[i].section, "Limits") || index-- > 0)
                        continue;
                *ret_name = settings[i].key;
                memcpy(ret_value, (const char *) c + settings[i].offset, sizeof(*ret_value));
                return true;
        }
        return false;
}
