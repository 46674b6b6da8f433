/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program tcectl without any tced: plans, checks and mends domains from files, for a host that another file tells of. The first
 * argument is tcectl. What a plan has to be is in the planner's own tests. */

#include <json-c/json.h>

#include "tap.h"
#include "tcectl-fixtures.h"
#include "tcectl-run.h"
#include "util.h"

#define DOMAIN(name, devices) \
        "<!-- a comment -->\n<domain type='kvm'>\n  <name>" name "</name>\n  <memory unit='GiB'>2</memory>\n" \
        "  <maxMemory slots='4' unit='GiB'>8</maxMemory>\n  <os><type arch='ppc64le' machine='pseries-9.2'>hvm</type></os>\n" \
        "  <devices>\n" devices "  </devices>\n</domain>\n"
#define VLAN(reg) "    <interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='" reg "'/></interface>\n"
#define HOSTDEV(address) \
        "    <hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0002' bus='0x01' slot='0x00' function='0x0'/>" \
        "</source>" address "</hostdev>\n"

static void put_file(const char *path, const char *text) {
        FILE *f = fopen(path, "we");

        if (!f || fputs(text, f) < 0 || fclose(f) != 0)
                abort();
}

static const struct {
        const char *path, *text;
} files[] = {
        { "good.xml", DOMAIN("good", VLAN("0x1000")) },
        { "bad.xml", DOMAIN("bad", VLAN("0x1000") VLAN("0x1000")) },
        { "index.xml", DOMAIN("index", "    <controller type='pci' index='1' model='pci-root'><target index='31'/></controller>\n") },
        { "odd.xml", "<domain type='kvm'>\n  <name>odd</name>\n  <memory>x</memory>\n</domain>\n" },
        { "half.xml", "<domain>\n<name>half</name>\n" },
        { "x86.xml", "<domain type='kvm'><name>desk</name><memory>1048576</memory><os><type arch='x86_64' machine='q35'>hvm</type></os>"
                     "</domain>" },
        { "wrapper.xml", DOMAIN("wrapped", "    <emulator>/usr/bin/tced-qemu-system-ppc64</emulator>\n") },
        { "device.xml", HOSTDEV("") },
        { "device-odd.xml", "<domain/>" },
        { "half.json", "{ \"host\": " },
        { "list.json", "[]" },
};

/* A host.adapter that lacks this and that. */
static const char lacking[] = "{ 'wrapper': { 'error': null }, 'library': { 'error': 'No such file or directory' },"
                              "  'socket': { 'error': 'Connection refused' }, 'apparmor': 'not-included', 'selinux': 'unneeded' }";

static void make_files(void) {
        json_object *json = fixture(fixture_power);

        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                put_file(files[i].path, files[i].text);
        put_file("facts.json", json_object_to_json_string(json));
        (void) json_object_object_add(json_object_object_get(json, "host"), "adapter", fixture(lacking));
        put_file("lacking.json", json_object_to_json_string(json));
        (void) json_object_put(json);
}

typedef struct Case {
        const char *words[7]; /* the last is NULL */
        int status;
        const char *out, *err; /* what each has in it; NULL: it is empty */
} Case;

static bool is_as(const char *text, const char *want) {
        return want ? strstr(text, want) != NULL : isempty(text);
}

static void run_case(const Case *c) {
        static Run result;
        char title[160] = "";
        bool well;

        for (size_t i = 0; c->words[i]; i++)
                (void) snprintf(title + strlen(title), sizeof(title) - strlen(title), " %s", c->words[i]);
        run(&result, (char *const *) c->words);
        tap_eq(result.status, c->status, "%s: exit status", title);
        well = tap_ok(is_as(result.out, c->out), "%s: what it prints", title);
        if (!tap_ok(is_as(result.err, c->err), "%s: what it says", title) || !well)
                printf("# out %s\n# err %s\n", result.out, result.err);
}

static void test_cases(void) {
        static const Case cases[] = {
                { { "plan", "--host=facts.json", "good.xml" }, 0, "\n00001000  net0    256 MiB at 0", NULL },
                { { "plan", "--host", "facts.json", "--offline", "./good.xml", "--json=short" }, 0, "\"liobn\":4096", NULL },
                { { "plan", "--host=facts.json", "x86.xml" }, 0, "It is no pseries machine: it has no TCE tables.\n", NULL },
                { { "plan", "--host=facts.json", "bad.xml" }, 0, "bad: does not start: ", NULL },
                { { "plan", "--host=facts.json", "--attach=device.xml", "good.xml" }, 0, "(0002:01:00.0, group 2)", NULL },
                { { "plan", "--host=facts.json", "odd.xml" }, 1, NULL, "tcectl: odd.xml: line 3: " },
                { { "plan", "--host=facts.json", "half.xml" }, 1, NULL, "tcectl: half.xml: line " },
                { { "plan", "--host=facts.json", "--attach=device-odd.xml", "good.xml" }, 1, NULL, "tcectl: device-odd.xml: line 1: " },
                { { "plan", "--host=facts.json", "--attach=device.xml", "odd.xml" }, 1, NULL, "tcectl: odd.xml: line 3: " },
                { { "plan", "--host=half.json", "good.xml" }, 1, NULL, "tcectl: half.json: " },
                { { "plan", "--host=list.json", "good.xml" }, 1, NULL, "tcectl: list.json: " },
                { { "plan", "--host=nothing.json", "good.xml" }, 1, NULL, "tcectl: Can't open 'nothing.json': No such file" },
                { { "plan", "--host=facts.json", "-" }, 1, NULL, "tcectl: Standard input is empty." },
                { { "plan", "--host=facts.json", "tcectl-test-nobody" }, 1, NULL, "'tcectl-test-nobody'" },
                { { "check", "--host=facts.json", "good.xml" }, 0, "good: starts", NULL },
                { { "check", "--host=facts.json", "bad.xml" }, 1, "vio-duplicate", NULL },
                { { "check", "--host=facts.json", "bad.xml", "--json" }, 1, "\"verdict\": \"error\"", NULL },
                { { "check", "--host=facts.json", "--attach=device.xml", "good.xml" }, 1, "good: does not take the device: ", NULL },
                { { "check", "--host=facts.json", "odd.xml" }, 1, NULL, "tcectl: odd.xml: line 3: " },
                { { "plan", "--fix", "--host=facts.json", "odd.xml" }, 1, NULL, "tcectl: odd.xml: line 3: " },
                { { "plan", "--fix", "--host=half.json", "good.xml" }, 1, NULL, "tcectl: half.json: " },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                run_case(&cases[i]);
}

/* What --fix printed checks clean, and is what it was where nothing was wrong. */
static void test_fix(void) {
        static Run result;

        RUN(&result, (char *) "plan", (char *) "--fix", (char *) "--host=facts.json", (char *) "good.xml");
        tap_eq(result.status, 0, "--fix where nothing is to be mended: exit status");
        tap_streq(result.out, files[0].text, "--fix where nothing is to be mended: the same text");
        tap_streq(result.err, "", "--fix where nothing is to be mended: nothing said");
        RUN(&result, (char *) "plan", (char *) "--fix", (char *) "--host=facts.json", (char *) "index.xml");
        tap_eq(result.status, 0, "--fix: exit status");
        tap_ok(strncmp(result.out, "<!-- a comment -->\n<domain type='kvm'>\n", 39) == 0 && !strstr(result.out, "'31'"),
               "--fix: the domain, mended");
        tap_ok(strncmp(result.err, "tcectl: mended: ", 16) == 0 && strcspn(result.err, "\n") == strlen(result.err) - 1,
               "--fix: what was mended");
        put_file("fixed.xml", result.out);
        RUN(&result, (char *) "check", (char *) "--strict", (char *) "--host=facts.json", (char *) "fixed.xml");
        tap_ok(result.status == 0 && strncmp(result.out, "index: starts\n", 14) == 0, "what --fix printed checks clean");
}

/* This host, whatever it is: nobody can say what of a VM goes well here, but that the plan is there. */
static void test_here(void) {
        static Run result;
        json_object *json;

        RUN(&result, (char *) "plan", (char *) "--offline", (char *) "good.xml", (char *) "--json");
        json = json_tokener_parse(result.out);
        tap_ok(result.status == 0 && json_object_object_get(json, "tables"), "a plan for this host");
        (void) json_object_put(json);
        RUN(&result, (char *) "check", (char *) "--offline", (char *) "good.xml");
        tap_ok(strncmp(result.out, "good: ", 6) == 0, "a check for this host");
        RUN(&result, (char *) "plan", (char *) "--user", (char *) "--fix", (char *) "good.xml");
        tap_ok(strncmp(result.out, "<!-- a comment -->", 18) == 0, "--fix without a tced");
}

/* A host whose adapter lacks this and that, on a terminal of the usual width. */
static void test_adapter(void) {
        static const char *const told[] = {
                "warning  adapter-unready (wrapped)", "libtced-qemu.so is not there", "Connection refused", "systemctl restart tced",
                "echo 'include if exists <abstractions/libvirt-qemu.d>'",
        };
        static Run result;
        size_t wide = 0;

        RUN(&result, (char *) "check", (char *) "--host=facts.json", (char *) "wrapper.xml");
        tap_ok(result.status == 0 && !strstr(result.out, "adapter-unready"), "a host of which no adapter is told");
        RUN(&result, (char *) "check", (char *) "--host=lacking.json", (char *) "wrapper.xml");
        tap_eq(result.status, 0, "what the adapter lacks is a warning: exit status");
        for (size_t i = 0; i < ELEMENTSOF(told); i++)
                if (!tap_ok(strstr(result.out, told[i]), "what the adapter lacks: %s", told[i]))
                        printf("# %s\n", result.out);
        for (const char *line = result.out; *line; line += strcspn(line, "\n") + 1)
                wide = strcspn(line, "\n") > wide ? strcspn(line, "\n") : wide;
        tap_ok(wide <= 80, "what the adapter lacks: %zu columns", wide);
        RUN(&result, (char *) "check", (char *) "--strict", (char *) "--host=lacking.json", (char *) "wrapper.xml");
        tap_eq(result.status, 1, "what the adapter lacks is a warning, which --strict counts");
}

int main(int argc, char **argv) {
        char here[4096];

        if (argc < 2 || !getcwd(here, sizeof(here))) {
                tap_ok(false, "the program to be tested is the first argument");
                return tap_done();
        }
        program = realpath(argv[1], NULL);
        (void) snprintf(folder, sizeof(folder), "%s", "/tmp/tcectl-offline-XXXXXX");
        if (!program || !mkdtemp(folder) || chdir(folder) < 0)
                return 1;
        (void) setenv("XDG_RUNTIME_DIR", folder, 1);
        (void) setenv("LC_ALL", "C.UTF-8", 1);
        (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
        (void) unsetenv("DBUS_SESSION_BUS_ADDRESS");
        (void) unsetenv("COLUMNS");
        make_files();
        test_cases();
        test_fix();
        test_here();
        test_adapter();
        static const char *const left[] = { "facts.json", "lacking.json", "fixed.xml", "out", "err" };
        for (size_t i = 0; i < ELEMENTSOF(left); i++)
                (void) unlink(left[i]);
        for (size_t i = 0; i < ELEMENTSOF(files); i++)
                (void) unlink(files[i].path);
        (void) chdir(here);
        tap_eq(rmdir(folder), 0, "nothing is left behind");
        return tap_done();
}
