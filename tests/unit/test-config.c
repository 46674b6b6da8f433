/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* config.c and what it is made of (conf_files.c, conf_value.c, ini_reader.c, rule_file.c): which files are read and in what
 * order, each setting and its bounds, each way in which a file or a rule can be wrong, and what the warning says. Files lie
 * below a folder of the test's own. */

#include "config.h"

#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <syslog.h>

#include "conf_value.h"
#include "tap.h"
#include "util.h"

static char root[] = "/tmp/tced-test-config-XXXXXX";

/* What was warned of, a line each: "NAME:LINE: TEXT\n". */
static char warnings[32768];

static void note_warning(const char *file, unsigned line, const char *text, void *userdata) {
        size_t n = strlen(warnings);

        (void) snprintf(warnings + n, sizeof(warnings) - n, "%s:%u: %s\n", file + sizeof(root) - 1, line, text);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where) {
        return where->level == 0 ? 0 : remove(path);
}

static void empty_root(void) {
        (void) nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *below_root(const char *path) {
        static char full[512];

        (void) snprintf(full, sizeof(full), "%s%s", root, path);
        return full;
}

static void make_folders(const char *path) {
        char *full = strdup(below_root(path));

        for (char *p = full + strlen(root) + 1; (p = strchr(p, '/')); p++) {
                *p = '\0';
                (void) mkdir(full, 0755);
                *p = '/';
        }
        free(full);
}

static void put_bytes(const char *path, const char *bytes, size_t n) {
        FILE *f;

        make_folders(path);
        f = fopen(below_root(path), "w");
        if (!f || fwrite(bytes, 1, n, f) != n)
                tap_ok(false, "can't write %s", path);
        if (f)
                (void) fclose(f);
}

static void put(const char *path, const char *text) {
        put_bytes(path, text, strlen(text));
}

static void put_link(const char *path, const char *to) {
        make_folders(path);
        if (symlink(to, below_root(path)) < 0)
                tap_ok(false, "can't link %s", path);
}

static int load(Config *c) {
        config_clear(c);
        warnings[0] = '\0';
        return config_load(root, note_warning, NULL, c);
}

static bool equal_settings(const Config *a, const Config *b) {
        return memcmp(&a->policy, &b->policy, sizeof(a->policy)) == 0 &&
               memcmp(&a->limits, &b->limits, sizeof(a->limits)) == 0 && a->proof_timeout_usec == b->proof_timeout_usec &&
               a->log_level == b->log_level && streq(a->kvm_group, b->kvm_group) && a->hook_timeout_usec == b->hook_timeout_usec &&
               a->hook_required == b->hook_required && a->libvirt_connect == b->libvirt_connect &&
               streq(a->libvirt_uri, b->libvirt_uri) && !a->bind_devices && !b->bind_devices;
}

/* A host without any file. */
static void test_defaults(void) {
        _cleanup_(config_clear) Config defaults = {}, c = {};

        tap_eq(config_set_defaults(&defaults), 0, "defaults");
        tap_eq(load(&c), 0, "no file at all: no warning");
        tap_ok(equal_settings(&c, &defaults) && c.rules.n == 0, "no file at all: the defaults");
        tap_ok(c.policy.accel == ACCEL_AUTO && c.policy.multitce == TRISTATE_AUTO && c.policy.huge_pages == TRISTATE_AUTO &&
                       c.policy.numa_node == NUMA_NODE_ANY,
               "the default policy");
        tap_ok(c.log_level == LOG_INFO && streq(c.kvm_group, "kvm") && c.proof_timeout_usec == 10000000, "the other defaults");
        tap_ok(c.hook_timeout_usec == 2000000 && !c.hook_required && c.libvirt_connect && streq(c.libvirt_uri, "qemu:///system"),
               "those for libvirt");
        config_clear(&c);
        tap_eq(config_load("/nonexistent", NULL, NULL, &c), 0, "no root at all is no files");
}

/* Takes the '#' off each line that is a setting: "#Key=value", with no blank behind the '#'. */
static size_t uncomment(const char *in, char *out) {
        size_t n = 0;

        for (const char *line = in; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
                bool setting = line[0] == '#' && line[1] >= 'A' && line[1] <= 'Z';
                size_t length = strcspn(line, "\n");

                out += sprintf(out, "%.*s\n", (int) (length - setting), line + setting);
                n += setting;
        }
        return n;
}

/* Each key that the installed file shows is described. */
static void check_man_page(const char *shown) {
        static char man[32768];
        _cleanup_file_ FILE *f = fopen(TEST_SOURCE_ROOT "/man/tced.conf.5", "re");

        if (!tap_ok(f && fread(man, 1, sizeof(man) - 1, f) > 0, "man/tced.conf.5 can be read"))
                return;
        for (const char *line = shown; (line = strchr(line, '\n')); ) {
                char key[64];

                line++;
                if (*line < 'A' || *line > 'Z' || strcspn(line, "=\n") >= sizeof(key) - 1)
                        continue;
                (void) snprintf(key, sizeof(key), "%.*s=", (int) strcspn(line, "=\n"), line);
                tap_ok(strstr(man, key), "tced.conf(5) describes %s", key);
        }
}

/* data/tced.conf, as it is installed, changes nothing; with all that it shows uncommented it still changes nothing, and shows
 * every setting. */
static void test_shipped_file(void) {
        static char text[16384], shown[16384];
        _cleanup_(config_clear) Config defaults = {}, c = {};
        _cleanup_file_ FILE *f = fopen(TEST_SOURCE_ROOT "/data/tced.conf", "re");
        size_t n;

        if (!tap_ok(f && fread(text, 1, sizeof(text) - 1, f) > 0, "data/tced.conf can be read"))
                return;
        (void) config_set_defaults(&defaults);
        put("/etc/tced/tced.conf", text);
        tap_eq(load(&c), 0, "the installed file gives no warning");
        tap_ok(equal_settings(&c, &defaults), "the installed file says what is the default anyway");
        n = uncomment(text, shown);
        tap_eq(n, 28, "it shows each setting");
        put("/etc/tced/tced.conf", shown);
        tap_eq(load(&c), 0, "with all uncommented, no warning (an unknown key, or one twice, would be)");
        tap_ok(equal_settings(&c, &defaults), "with all uncommented, the defaults");
        check_man_page(shown);
        empty_root();
}

/* One file, one warning at most: which text, and what is in force afterwards. */
static void test_settings(void) {
        static const struct {
                const char *name, *text;
                const char *warning; /* NULL: none */
                size_t offset;
                long long want;
        } cases[] = {
#define INT(field) offsetof(Config, field)
                { "Accel=kernel", "[Policy]\nAccel=kernel\n", NULL, INT(policy.accel), ACCEL_KERNEL },
                { "Accel=user", "[Policy]\nAccel=user\n", NULL, INT(policy.accel), ACCEL_USER },
                { "Accel= in capitals", "[Policy]\nAccel=User\n", ":2: Accel=User is not understood, it takes auto, kernel or user",
                  INT(policy.accel), ACCEL_AUTO },
                { "Accel= empty", "[Policy]\nAccel=\n", ":2: Accel= is not understood", INT(policy.accel), ACCEL_AUTO },
                { "MultiTce=yes", "[Policy]\nMultiTce=yes\n", NULL, INT(policy.multitce), TRISTATE_YES },
                { "MultiTce=off", "[Policy]\nMultiTce=off\n", NULL, INT(policy.multitce), TRISTATE_NO },
                { "MultiTce=perhaps", "[Policy]\nMultiTce=perhaps\n", "it takes auto, yes or no", INT(policy.multitce),
                  TRISTATE_AUTO },
                { "HugePages=no", "[Policy]\nHugePages=no\n", NULL, INT(policy.huge_pages), TRISTATE_NO },
                { "NumaNode=8", "[Policy]\nNumaNode=8\n", NULL, INT(policy.numa_node), 8 },
                { "NumaNode=any", "[Policy]\nNumaNode=8\n[Policy]\nNumaNode=any\n", ":4: NumaNode= occurs twice",
                  INT(policy.numa_node), -1 },
                { "NumaNode=-1", "[Policy]\nNumaNode=-1\n", "the number of a NUMA node, or any", INT(policy.numa_node), -1 },
                { "NumaNode=1024", "[Policy]\nNumaNode=1024\n", "NumaNode=1024", INT(policy.numa_node), -1 },
                { "LogLevel=debug", "[Manager]\nLogLevel=debug\n", NULL, INT(log_level), LOG_DEBUG },
                { "LogLevel=loud", "[Manager]\nLogLevel=loud\n", "it takes emerg, alert", INT(log_level), LOG_INFO },
                { "blanks around all", "  [Policy]  \n\t Accel \t=  user  \r\n", NULL, INT(policy.accel), ACCEL_USER },
                { "a byte order mark", "\xef\xbb\xbf[Policy]\nAccel=user\n", NULL, INT(policy.accel), ACCEL_USER },
                { "no newline at the end", "[Policy]\nAccel=user", NULL, INT(policy.accel), ACCEL_USER },
                { "comments", "# a\n;b\n\n[Policy] # c\n  # Accel=kernel\nAccel=user ; why\n", NULL, INT(policy.accel),
                  ACCEL_USER },
                { "a '#' does not end a value", "[Policy]\nAccel=user # why\n", ":2: Accel=user # why is not understood",
                  INT(policy.accel), ACCEL_AUTO },
                { "a key twice", "[Policy]\nAccel=user\nAccel=kernel\n", ":3: Accel= occurs twice; the later one counts",
                  INT(policy.accel), ACCEL_KERNEL },
                { "an indented line is no continuation", "[Policy]\nAccel=user\n  kernel\n",
                  ":3: the line is no KEY=VALUE; begin it with '#'", INT(policy.accel), ACCEL_USER },
                { "no '=' on the last line", "[Policy]\nAccel", ":2: the line is no KEY=VALUE", INT(policy.accel), ACCEL_AUTO },
                { "a key before any section", "Accel=user\n[Policy]\n", ":1: 'Accel=user' comes before any section",
                  INT(policy.accel), ACCEL_AUTO },
                { "an unknown key", "[Policy]\nAcel=user\n", ":2: there is no Acel= in [Policy], see tced.conf(5)",
                  INT(policy.accel), ACCEL_AUTO },
                { "a key of another section", "[Limits]\nAccel=user\n", ":2: there is no Accel= in [Limits]", INT(policy.accel),
                  ACCEL_AUTO },
                { "an unknown section", "[policy]\nAccel=user\nnonsense\n", ":1: there is no section [policy], only [Policy],",
                  INT(policy.accel), ACCEL_AUTO },
                { "a section after an unknown one", "[X]\nAccel=kernel\n[Policy]\nAccel=user\n", ":1: there is no section [X]",
                  INT(policy.accel), ACCEL_USER },
                { "a header without ']'", "[Policy]\nAccel=user\n[Limits\nAccel=kernel\n",
                  ":3: the section header [Limits has no ']'", INT(policy.accel), ACCEL_USER },
                { "text behind a header", "[Policy] Accel=kernel\nAccel=user\n",
                  ":1: there is text behind the section header [Policy] Accel=kernel", INT(policy.accel), ACCEL_AUTO },
                { "a section without a name", "[]\nAccel=user\n", ":1: there is no section []", INT(policy.accel), ACCEL_AUTO },
        };
        _cleanup_(config_clear) Config c = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int n, have;

                put("/etc/tced/tced.conf", cases[i].text);
                n = load(&c);
                memcpy(&have, (char *) &c + cases[i].offset, sizeof(have));
                tap_ok(n == (cases[i].warning ? 1 : 0) && have == cases[i].want &&
                               (!cases[i].warning || strstr(warnings, cases[i].warning)),
                       "setting: %s", cases[i].name);
                if (n != (cases[i].warning ? 1 : 0) || (cases[i].warning && !strstr(warnings, cases[i].warning)))
                        printf("# %d warnings: %s\n", n, warnings);
        }
        empty_root();
}

/* Both ends of each range. */
static void test_numbers(void) {
        static const struct {
                const char *text;
                size_t offset;
                int warnings;
                uint64_t want;
        } cases[] = {
                { "[Limits]\nMachinesMax=0\n", offsetof(Config, limits.machines_max), 0, 0 },
                { "[Limits]\nMachinesMax=1048576\n", offsetof(Config, limits.machines_max), 0, 1048576 },
                { "[Limits]\nMachinesMax=1048577\n", offsetof(Config, limits.machines_max), 1, 4096 },
                { "[Limits]\nMachinesPerUserMax=2\n", offsetof(Config, limits.machines_per_user_max), 0, 2 },
                { "[Limits]\nMachinesPerUserMax=2K\n", offsetof(Config, limits.machines_per_user_max), 1, 16 },
                { "[Limits]\nTablesPerMachineMax=7\n", offsetof(Config, limits.tables_per_machine_max), 0, 7 },
                { "[Limits]\nTableBytesPerMachineMax=1M\n", offsetof(Config, limits.table_bytes_per_machine_max), 0, 1 << 20 },
                { "[Limits]\nTableBytesPerUserMax=4096\n", offsetof(Config, limits.table_bytes_per_user_max), 0, 4096 },
                { "[Limits]\nTableBytesPerUserMax=4096B\n", offsetof(Config, limits.table_bytes_per_user_max), 1, 1 << 30 },
                { "[Limits]\nTableBytesMax=1T\n", offsetof(Config, limits.table_bytes_max), 0, UINT64_C(1) << 40 },
                { "[Limits]\nTableBytesMax=99999999T\n", offsetof(Config, limits.table_bytes_max), 1, UINT64_C(64) << 30 },
                { "[Limits]\nTablesMax=8\n", offsetof(Config, limits.tables_max), 0, 8 },
                { "[Limits]\nTablesPerUserMax=x\n", offsetof(Config, limits.tables_per_user_max), 1, 1024 },
                { "[Limits]\nRequestsMax=3\n", offsetof(Config, limits.requests_max), 0, 3 },
                { "[Limits]\nRequestsPerUserMax=0\n", offsetof(Config, limits.requests_per_user_max), 0, 0 },
                { "[Limits]\nRequestsPerMachineMax=\n", offsetof(Config, limits.requests_per_machine_max), 1, 32 },
                { "[Limits]\nDomainBytesMax=64K\n", offsetof(Config, limits.domain_bytes_max), 0, 65536 },
                { "[Limits]\nConnectionsMax=9\n", offsetof(Config, limits.connections_max), 0, 9 },
                { "[Limits]\nConnectionsPerUserMax=-9\n", offsetof(Config, limits.connections_per_user_max), 1, 64 },
                { "[Probe]\nTimeoutSec=1\n", offsetof(Config, proof_timeout_usec), 0, 1000000 },
                { "[Probe]\nTimeoutSec=3600\n", offsetof(Config, proof_timeout_usec), 0, UINT64_C(3600000000) },
                { "[Probe]\nTimeoutSec=0\n", offsetof(Config, proof_timeout_usec), 1, 10000000 },
                { "[Probe]\nTimeoutSec=3601\n", offsetof(Config, proof_timeout_usec), 1, 10000000 },
                { "[Probe]\nTimeoutSec=10s\n", offsetof(Config, proof_timeout_usec), 1, 10000000 },
                { "[Hook]\nTimeoutSec=1\n", offsetof(Config, hook_timeout_usec), 0, 1000000 },
                { "[Hook]\nTimeoutSec=60\n", offsetof(Config, hook_timeout_usec), 0, 60000000 },
                { "[Hook]\nTimeoutSec=0\n", offsetof(Config, hook_timeout_usec), 1, 2000000 },
                { "[Hook]\nTimeoutSec=61\n", offsetof(Config, hook_timeout_usec), 1, 2000000 },
        };
        _cleanup_(config_clear) Config c = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint64_t have;
                int n;

                put("/etc/tced/tced.conf", cases[i].text);
                n = load(&c);
                memcpy(&have, (char *) &c + cases[i].offset, sizeof(have));
                tap_ok(n == cases[i].warnings && have == cases[i].want, "number: %.*s",
                       (int) strcspn(strchr(cases[i].text, '\n') + 1, "\n"), strchr(cases[i].text, '\n') + 1);
        }
        empty_root();
}

/* Names that are none, and would be surprises in a polkit rule or a path. */
static void test_group(void) {
        static const struct {
                const char *name, *want;
        } cases[] = {
                { "tced-users", "tced-users" }, { "_x.Y9", "_x.Y9" },   { "", "kvm" },  { "a b", "kvm" },
                { "a:b", "kvm" },               { "-x", "kvm" },        { "../x", "kvm" },
                { "abcdefghijklmnopqrstuvwxyz0123456789", "kvm" },
        };
        _cleanup_(config_clear) Config c = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[128];

                (void) snprintf(text, sizeof(text), "[Manager]\nGroup=%s\n", cases[i].name);
                put("/etc/tced/tced.conf", text);
                tap_eq(load(&c), !streq(cases[i].name, cases[i].want), "group '%s'", cases[i].name);
                tap_streq(c.kvm_group, cases[i].want, "its name");
        }
        empty_root();
}

/* Settings that are yes or no, and what is neither. */
static void test_switches(void) {
        static const struct {
                const char *text;
                int warnings;
                bool required, connect;
        } cases[] = {
                { "[Hook]\nRequired=yes\n", 0, true, true },
                { "[Hook]\nRequired=no\n", 0, false, true },
                { "[Hook]\nRequired=maybe\n", 1, false, true },
                { "[Hook]\nRequired=\n", 1, false, true },
                { "[Libvirt]\nConnect=off\n", 0, false, false },
                { "[Libvirt]\nConnect=auto\n", 1, false, true },
        };
        _cleanup_(config_clear) Config c = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                put("/etc/tced/tced.conf", cases[i].text);
                tap_ok(load(&c) == cases[i].warnings && c.hook_required == cases[i].required && c.libvirt_connect == cases[i].connect,
                       "switch: %.*s", (int) strcspn(strchr(cases[i].text, '\n') + 1, "\n"), strchr(cases[i].text, '\n') + 1);
                if (cases[i].warnings > 0)
                        tap_ok(strstr(warnings, "it takes yes or no"), "what it takes is told");
        }
        empty_root();
}

/* It becomes an argument of a program. */
static void test_uri(void) {
        static const struct {
                const char *uri, *want;
        } cases[] = {
                { "qemu:///system", "qemu:///system" }, { "qemu+unix:///system?socket=/run/x", "qemu+unix:///system?socket=/run/x" },
                { "test:///default", "test:///default" }, { "", "qemu:///system" }, { "system", "qemu:///system" },
                { "-c:x", "qemu:///system" }, { ":x", "qemu:///system" }, { "qemu:///a b", "qemu:///system" },
        };
        _cleanup_(config_clear) Config c = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char text[256];

                (void) snprintf(text, sizeof(text), "[Libvirt]\nUri=%s\n", cases[i].uri);
                put("/etc/tced/tced.conf", text);
                tap_eq(load(&c), i > 2, "URI '%s'", cases[i].uri);
                tap_streq(c.libvirt_uri, cases[i].want, "what is in force");
        }
        (void) snprintf(warnings, sizeof(warnings), "[Libvirt]\nUri=q:%0159d\n", 0);
        put("/etc/tced/tced.conf", warnings);
        tap_ok(load(&c) == 1 && streq(c.libvirt_uri, "qemu:///system"), "a URI that is too long");
        empty_root();
}

/* Of several files and lines as of one. */
static void test_devices(void) {
        static const struct {
                const char *text;
                int warnings;
                const char *want;
        } cases[] = {
                { "[Bind]\nDevices=0001:00:00.0\n", 0, "0001:00:00.0 " },
                { "[Bind]\nDevices=0001:00:00.0 0001:00:00.1,10000:e1:1f.7\n", 0, "0001:00:00.0 0001:00:00.1 10000:e1:1f.7 " },
                { "[Bind]\nDevices=0001:00:00.0\nDevices=0001:00:00.1\n", 0, "0001:00:00.0 0001:00:00.1 " },
                { "[Bind]\nDevices=0001:00:00.0\nDevices=0001:00:00.1\nDevices=0001:00:00.2\n", 0, "0001:00:00.0 0001:00:00.1 0001:00:00.2 " },
                { "[Bind]\nDevices=0001:00:00.0\t0001:00:00.1\n", 0, "0001:00:00.0 0001:00:00.1 " },
                { "[Bind]\nDevices=0001:00:00.0\nDevices=\nDevices=0001:00:00.1\n", 0, "0001:00:00.1 " },
                { "[Bind]\nDevices=0001:00:00.0 eth0\n", 1, "" }, { "[Bind]\nDevices=../../x\n", 1, "" },
                { "[Bind]\nDevices=0001:00:00.0\nDevices=0001:00:00.8\n", 1, "0001:00:00.0 " },
        };
        _cleanup_(config_clear) Config c = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char have[256] = "";

                put("/etc/tced/tced.conf", cases[i].text);
                tap_eq(load(&c), cases[i].warnings, "devices, case %zu: warnings", i);
                for (char **d = c.bind_devices; d && *d; d++)
                        (void) snprintf(have + strlen(have), sizeof(have) - strlen(have), "%s ", *d);
                tap_streq(have, cases[i].want, "and what is to be bound");
        }
        put("/etc/tced/tced.conf", "[Bind]\nDevices=0001:00:00.0\n");
        put("/etc/tced/tced.conf.d/50-bind-0002:00:00.0.conf", "[Bind]\nDevices=0002:00:00.0\n");
        tap_ok(load(&c) == 0 && streq(c.bind_devices[0], "0001:00:00.0") && streq(c.bind_devices[1], "0002:00:00.0") && !c.bind_devices[2],
               "a drop-in adds to it");
        empty_root();
}

/* What libinih would cut in two, or end at a zero byte. */
static void test_long_lines(void) {
        _cleanup_(config_clear) Config c = {};
        char text[2048];

        (void) snprintf(text, sizeof(text), "[Policy]\n#%0500d\nAccel=user%*s\n", 0, 180, "");
        put("/etc/tced/tced.conf", text);
        tap_ok(load(&c) == 0 && c.policy.accel == ACCEL_USER, "a line of 190 bytes, and a comment of any length");
        (void) snprintf(text, sizeof(text), "[Policy]\nAccel=user%*s\n", 181, "");
        put("/etc/tced/tced.conf", text);
        tap_ok(load(&c) == 1 && c.policy.accel == ACCEL_AUTO, "a line of 191 bytes is ignored");
        tap_ok(strstr(warnings, "/etc/tced/tced.conf:2: the line has 191 bytes, 190 is the most"), "and told with its line");
        (void) snprintf(text, sizeof(text), "[Policy]\nX=%0300dAccel=user\nAccel=kernel\n", 0);
        put("/etc/tced/tced.conf", text);
        tap_ok(load(&c) == 1 && c.policy.accel == ACCEL_KERNEL, "the rest of an overlong line is no line of its own");
        (void) snprintf(text, sizeof(text), "[Policy]\n[%0300d]\nAccel=kernel\n[Policy]\nHugePages=no\n", 0);
        put("/etc/tced/tced.conf", text);
        tap_ok(load(&c) == 1 && c.policy.accel == ACCEL_AUTO && c.policy.huge_pages == TRISTATE_NO,
               "an overlong header ends the section before it");
        put_bytes("/etc/tced/tced.conf", "[Policy]\nAccel=user\0kernel\nHugePages=no\n", 40);
        tap_ok(load(&c) == 1 && c.policy.accel == ACCEL_AUTO && c.policy.huge_pages == TRISTATE_NO,
               "a line with a zero byte is ignored");
        empty_root();
}

/* Who hides whom. */
static void test_places(void) {
        _cleanup_(config_clear) Config c = {};

        put("/usr/lib/tced/tced.conf", "[Policy]\nAccel=user\nNumaNode=1\n");
        tap_ok(load(&c) == 0 && c.policy.accel == ACCEL_USER, "/usr/lib's tced.conf, where it is alone");
        put("/run/tced/tced.conf", "[Policy]\nNumaNode=2\n");
        tap_ok(load(&c) == 0 && c.policy.accel == ACCEL_AUTO && c.policy.numa_node == 2, "/run's hides all of it");
        put("/etc/tced/tced.conf", "[Policy]\nNumaNode=3\n");
        tap_ok(load(&c) == 0 && c.policy.numa_node == 3, "/etc's hides both");
        put("/etc/tced/tced.conf", "");
        tap_ok(load(&c) == 0 && c.policy.numa_node == NUMA_NODE_ANY, "an empty one too");
        (void) unlink(below_root("/etc/tced/tced.conf"));
        put_link("/etc/tced/tced.conf", "/dev/null");
        tap_ok(load(&c) == 0 && c.policy.numa_node == NUMA_NODE_ANY, "and a link to /dev/null");

        put("/usr/lib/tced/tced.conf.d/10-a.conf", "[Policy]\nAccel=user\nNumaNode=10\n");
        put("/etc/tced/tced.conf.d/20-b.conf", "[Policy]\nNumaNode=20\n");
        put("/run/tced/tced.conf.d/30-c.conf", "[Policy]\nHugePages=no\n");
        tap_ok(load(&c) == 0 && c.policy.accel == ACCEL_USER && c.policy.numa_node == 20 && c.policy.huge_pages == TRISTATE_NO,
               "drop-ins are laid over each other by name, wherever they lie");
        put("/usr/lib/tced/tced.conf.d/40-d.conf", "[Policy]\nNumaNode=40\n");
        tap_ok(load(&c) == 0 && c.policy.numa_node == 40, "the last by name counts, though it is in /usr/lib");
        put_link("/run/tced/tced.conf.d/40-d.conf", "/dev/null");
        tap_ok(load(&c) == 0 && c.policy.numa_node == 20, "a link to /dev/null masks it");
        put("/etc/tced/tced.conf.d/10-a.conf", "");
        tap_ok(load(&c) == 0 && c.policy.accel == ACCEL_AUTO, "an empty file masks one in /usr/lib");
        put("/etc/tced/tced.conf.d/50-e.conf~", "[Policy]\nNumaNode=50\n");
        put("/etc/tced/tced.conf.d/.60-f.conf", "[Policy]\nNumaNode=60\n");
        put("/etc/tced/tced.conf.d/.conf", "[Policy]\nNumaNode=61\n");
        put("/etc/tced/tced.conf.d/70-g.conf.dpkg-old", "[Policy]\nNumaNode=70\n");
        tap_ok(load(&c) == 0 && c.policy.numa_node == 20, "backups and hidden files are not read");
        empty_root();
}

/* What lies in a file's place and is none; the test may run as root, so permissions prove nothing. */
static void test_unreadable(void) {
        _cleanup_(config_clear) Config c = {};
        _cleanup_free_ char *big = calloc(1, (1 << 20) + 2);

        put("/etc/tced/tced.conf.d/50-z.conf", "[Policy]\nNumaNode=5\n");
        make_folders("/etc/tced/tced.conf.d/10-folder.conf/");
        tap_ok(load(&c) == 1 && strstr(warnings, "10-folder.conf:0: the file can't be read: Is a directory; it is left out") &&
                       c.policy.numa_node == 5,
               "a folder named like a file; the next is read");
        (void) rmdir(below_root("/etc/tced/tced.conf.d/10-folder.conf"));
        put_link("/etc/tced/tced.conf.d/10-nowhere.conf", "nowhere");
        tap_ok(load(&c) == 1 && strstr(warnings, "10-nowhere.conf:0: the file can't be read: No such file"),
               "a link that leads nowhere");
        (void) unlink(below_root("/etc/tced/tced.conf.d/10-nowhere.conf"));
        tap_ok(mkfifo(below_root("/etc/tced/tced.conf.d/10-fifo.conf"), 0600) == 0 && load(&c) == 1,
               "a FIFO does not hold tced up");
        (void) unlink(below_root("/etc/tced/tced.conf.d/10-fifo.conf"));
        memset(big, '\n', (1 << 20) + 1);
        put("/etc/tced/tced.conf.d/10-big.conf", big);
        tap_ok(load(&c) == 1 && strstr(warnings, "File too large"), "a file of more than 1 MiB");
        big[1 << 20] = '\0';
        put("/etc/tced/tced.conf.d/10-big.conf", big);
        tap_eq(load(&c), 0, "a file of 1 MiB");
        put("/run/tced/rules.d", "a file");
        tap_ok(load(&c) == 1 && strstr(warnings, "/run/tced/rules.d:0: the folder can't be read: Not a directory"),
               "a file in a folder's place");
        put_link("/etc/tced/tced.conf", "nowhere");
        tap_ok(load(&c) == 2 && strstr(warnings, "/etc/tced/tced.conf:0:"), "tced.conf as a link that leads nowhere");
        config_clear(&c);
        tap_ok(config_load(root, NULL, NULL, &c) == 2, "warnings are counted where nobody hears them");
        empty_root();
}

/* Each key of a rule arrives where policy.c looks for it. */
static void test_rule(void) {
        static const char full[] = "[Match]\nMachine=db[0-9]\nUUID=01234567-89AB-*\nKind=v[if]*\nDevice=net?\nLiobn=0x1000\n"
                                   "[Policy]\nAccel=kernel\nHugePages=no\nNumaNode=8\n";
        _cleanup_(config_clear) Config c = {};
        const Rule *rule;

        put("/etc/tced/rules.d/10-db.rule", full);
        tap_eq(load(&c), 0, "a rule with everything in it gives no warning");
        if (!tap_eq(c.rules.n, 1, "and is a rule"))
                return;
        rule = &c.rules.items[0];
        tap_streq(rule->path + strlen(root), "/etc/tced/rules.d/10-db.rule", "its path");
        tap_streq(rule->machine, "db[0-9]", "its machine");
        tap_streq(rule->uuid, "0123456789ab*", "its UUID without dashes, in lower case");
        tap_streq(rule->kind, "v[if]*", "its kind");
        tap_streq(rule->device, "net?", "its device");
        tap_streq(rule->liobn, "00001000", "its LIOBN in eight digits");
        tap_ok(rule->has_accel && !rule->has_multitce && rule->has_huge_pages && rule->has_numa_node &&
                       rule->setting.accel == ACCEL_KERNEL && rule->setting.huge_pages == TRISTATE_NO &&
                       rule->setting.numa_node == 8,
               "its settings");
        put("/etc/tced/rules.d/10-db.rule", "[Policy]\nAccel=user\n");
        tap_ok(load(&c) == 0 && c.rules.n == 1 && !c.rules.items[0].machine, "a rule for everything has no [Match]");
        put("/etc/tced/rules.d/10-db.rule", "[Policy]\nMultiTce=yes\n[Match]\nMachine=a\n");
        tap_ok(load(&c) == 0 && c.rules.n == 1 && c.rules.items[0].has_multitce, "[Policy] may come first");
        empty_root();
}

/* What a pattern becomes; NULL: the rule is ignored. */
static void test_patterns(void) {
        static const struct {
                const char *key, *pattern, *want;
        } cases[] = {
                { "UUID", "01234567-89ab-cdef-0123-456789abcdef", "0123456789abcdef0123456789abcdef" },
                { "UUID", "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef0123456789abcdef" },
                { "UUID", "[A-F]*-0?", "[a-f]*0?" },
                { "UUID", "[!0-4]*-[]0-]-*", "[!0-4]*[]0-]*" },
                { "UUID", "0123", NULL },
                { "UUID", "x1234567-89ab-cdef-0123-456789abcdef", NULL },
                { "Liobn", "0x80000001", "80000001" },
                { "Liobn", "8000000A", "8000000a" },
                { "Liobn", "0", "00000000" },
                { "Liobn", "0X8*", "8*" },
                { "Liobn", "[78]???????", "[78]???????" },
                { "Liobn", "0x8[[:xdigit:]]*", "8[[:xdigit:]]*" },
                { "Liobn", "8[[:xdigit:]", NULL },
                { "Liobn", "0x0x8*", NULL },
                { "Liobn", "0x\t8*", NULL },
                { "Liobn", "net*", NULL },
                { "Liobn", "180000001", NULL },
                { "Liobn", "0x", NULL },
                { "Liobn", "net0", NULL },
                { "Kind", "*", "*" },
                { "Kind", "pci", "pci" },
                { "Kind", "PCI", NULL },
                { "Kind", "usb*", NULL },
                { "Device", "a[b", NULL },
                { "Device", "a\\[b", "a\\[b" },
                { "Device", "a\\", NULL },
                { "Device", "[]x]*", "[]x]*" },
                { "Device", "[!]", NULL },
                { "Machine", "with blank", "with blank" },
                { "Machine", "", NULL },
        };
        _cleanup_(config_clear) Config c = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *have = NULL, *key = cases[i].key;
                char text[256];
                int n;

                (void) snprintf(text, sizeof(text), "[Match]\n%s=%s\n[Policy]\nAccel=user\n", key, cases[i].pattern);
                put("/etc/tced/rules.d/10.rule", text);
                n = load(&c);
                if (c.rules.n == 1) {
                        const Rule *r = &c.rules.items[0];

                        have = streq(key, "UUID")   ? r->uuid :
                               streq(key, "Liobn")  ? r->liobn :
                               streq(key, "Kind")   ? r->kind :
                               streq(key, "Device") ? r->device :
                                                      r->machine;
                }
                tap_streq(have, cases[i].want, "pattern %s=%s", key, cases[i].pattern);
                tap_ok(n == !cases[i].want && (cases[i].want || strstr(warnings, ":2: ")), "and its warning");
        }
        empty_root();
}

/* Each way in which a rule may be wrong, and whether it is still one. */
static void test_bad_rules(void) {
        static const struct {
                const char *name, *text, *warning;
                int warnings;
                size_t rules; /* 0: the rule must not match more than was meant, and is none */
        } cases[] = {
                { "an unknown key in [Match]", "[Match]\nMachine=a\nHost=b\n[Policy]\nAccel=user\n",
                  ":3: there is no Host= in [Match], only Machine=, UUID=, Kind=, Device= and Liobn=; the whole rule is ignored", 1, 0 },
                { "a key twice in [Match]", "[Match]\nMachine=a\nMachine=b\n[Policy]\nAccel=user\n", ":3: Machine= occurs twice", 1, 0 },
                { "[Match] twice", "[Match]\nMachine=a\n[Policy]\nAccel=user\n[Match]\nDevice=b\n", ":5: [Match] occurs twice", 1, 0 },
                { "[Policy] twice", "[Policy]\nAccel=user\n[Policy]\nHugePages=no\n", ":3: [Policy] occurs twice", 1, 0 },
                { "an unknown section", "[match]\nMachine=a\n[Policy]\nAccel=user\n", ":1: there is no section [match] in a rule", 1, 0 },
                { "a header without ']'", "[Policy]\nAccel=user\n[Match\nMachine=a\n", ":3: the section header [Match has no ']'", 1, 0 },
                { "text behind a header", "[Match] Machine=a\n[Policy]\nAccel=user\n", ":1: there is text behind", 1, 0 },
                { "no '=' in [Match]", "[Match]\nMachine a\n[Policy]\nAccel=user\n", ":2: the line is no KEY=VALUE; begin", 1, 0 },
                { "a line before any section", "Machine=a\n[Policy]\nAccel=user\n", ":1: 'Machine=a' comes before any", 1, 0 },
                { "a key of [Policy] in [Match]", "[Match]\nAccel=user\n", ":2: there is no Accel= in [Match]", 1, 0 },
                { "no [Policy]", "[Match]\nMachine=a\n", ":0: the rule has no setting; give it Accel=, MultiTce=,", 1, 0 },
                { "just a comment", "# later\n", ":0: the rule has no setting", 1, 0 },
                { "a bad value and no other", "[Policy]\nAccel=kernal\n", ":2: Accel=kernal is not understood, it takes auto, kernel", 2, 0 },
                { "a bad value and a good one", "[Policy]\nAccel=kernal\nHugePages=no\n", ":2: Accel=kernal is not understood", 1, 1 },
                { "an unknown key in [Policy]", "[Policy]\nAccel=user\nSpeed=high\n", ":3: there is no Speed= in a rule's [Policy]", 1, 1 },
                { "a key twice in [Policy]", "[Policy]\nAccel=user\nAccel=auto\n", ":3: Accel= occurs twice; the later one counts", 1, 1 },
                { "no '=' in [Policy]", "[Policy]\nAccel=user\nHugePages\n", ":3: the line is no KEY=VALUE", 1, 1 },
                { "MultiTce= for a device", "[Match]\nKind=vio\n[Policy]\nMultiTce=no\n", ":0: MultiTce= is for a whole VM", 1, 1 },
                { "an empty file", "", "", 0, 0 },
        };
        _cleanup_(config_clear) Config c = {};
        char text[512];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int n;

                put("/etc/tced/rules.d/10.rule", cases[i].text);
                n = load(&c);
                if (!tap_ok(n == cases[i].warnings && c.rules.n == cases[i].rules && strstr(warnings, cases[i].warning),
                            "rule: %s", cases[i].name))
                        printf("# %d warnings: %s\n", n, warnings);
                tap_ok(!cases[i].warning[0] || cases[i].rules || strstr(warnings, "ignored"), "and it says what becomes of it");
        }
        (void) snprintf(text, sizeof(text), "[Match]\nMachine=%0200d\n[Policy]\nAccel=user\n", 0);
        put("/etc/tced/rules.d/10.rule", text);
        tap_ok(load(&c) == 1 && c.rules.n == 0 && strstr(warnings, "10.rule:2: the line has 208 bytes"),
               "rule: an overlong pattern spoils it");
        (void) snprintf(text, sizeof(text), "[Policy]\nAccel=user\n[%0200d]\nMachine=a\n", 0);
        put("/etc/tced/rules.d/10.rule", text);
        tap_ok(load(&c) == 1 && c.rules.n == 0, "rule: so does an overlong header");
        empty_root();
}

/* First by name, whatever the folder. */
static void test_rule_order(void) {
        _cleanup_(config_clear) Config c = {};

        put("/usr/lib/tced/rules.d/10-first.rule", "[Policy]\nNumaNode=1\n");
        put("/etc/tced/rules.d/90-last.rule", "[Policy]\nNumaNode=9\n");
        put("/run/tced/rules.d/50-middle.rule", "[Policy]\nNumaNode=5\n");
        put("/usr/lib/tced/rules.d/70-hidden.rule", "[Policy]\nNumaNode=7\n");
        put_link("/etc/tced/rules.d/70-hidden.rule", "/dev/null");
        put("/usr/lib/tced/rules.d/50-middle.rule", "[Policy]\nNumaNode=55\n");
        put("/etc/tced/rules.d/60-note.txt", "not a rule");
        tap_eq(load(&c), 0, "rules in three folders give no warning");
        tap_ok(c.rules.n == 3 && c.rules.items[0].setting.numa_node == 1 && c.rules.items[1].setting.numa_node == 5 &&
                       c.rules.items[2].setting.numa_node == 9,
               "they are tried by name over all folders, hidden and masked ones left out");
        put("/etc/tced/rules.d/20-bad.rule", "[Match]\nX=y\n[Policy]\nNumaNode=2\n");
        for (int i = 0; i < 40; i++) {
                char path[64];

                (void) snprintf(path, sizeof(path), "/etc/tced/rules.d/80-%02d.rule", i);
                put(path, "[Policy]\nNumaNode=8\n");
        }
        tap_ok(load(&c) == 1 && c.rules.n == 43 && c.rules.items[1].setting.numa_node == 5,
               "a bad one among many is left out, the rest stays");
        empty_root();
}

int main(void) {
        if (!tap_ok(mkdtemp(root) != NULL, "a folder to test in"))
                return tap_done();
        test_defaults();
        test_shipped_file();
        test_settings();
        test_numbers();
        test_group();
        test_switches();
        test_uri();
        test_devices();
        test_long_lines();
        test_places();
        test_unreadable();
        test_rule();
        test_patterns();
        test_bad_rules();
        test_rule_order();
        empty_root();
        (void) rmdir(root);
        return tap_done();
}
