/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* PlanDomain, RegisterDomain and ReleaseDomain, on the bus and on the private socket: who may, what they answer, what is there
 * afterwards. Who may claim such a machine is test-claim.c's. The daemon has a made-up KVM, so that tables can be the kernel's. */

#include <json-c/json.h>
#include <sys/stat.h>

#include "build-config.h"
#include "domain.h"
#include "tap.h"

#define NOBODY 65534

typedef struct World {
        Host *host;
        bool on_peer;
} World;

static sd_bus *open_one(const World *w) {
        return w->on_peer ? open_peer(w->host) : open_bus(w->host);
}

/* The member of a plan, as JSON text without blanks, to be freed; NULL: none. */
static char *member(const char *json, const char *key) {
        json_object *plan = json ? json_tokener_parse(json) : NULL, *value;
        char *text = NULL;

        if (plan && json_object_object_get_ex(plan, key, &value))
                text = strdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
        (void) json_object_put(plan);
        return text;
}

static bool has_finding(const char *json, const char *id) {
        _cleanup_free_ char *findings = member(json, "findings");
        char text[64];

        (void) snprintf(text, sizeof(text), "\"id\":\"%s\"", id);
        return findings && strstr(findings, text);
}

/* A dry run by anybody. */
static void try_plan(void *userdata) {
        static const TestDomain plain = {}, x86 = { .arch = "x86_64", .machine = "pc-q35-9.2" };
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        _cleanup_free_ char *xml = domain_xml(&plain), *json = NULL, *tables = NULL, *domain = NULL, *vio = NULL, *before = NULL;
        _cleanup_free_ char *other = domain_xml(&x86), *none = NULL, *with_blanks = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(plan_domain(bus, xml, NULL, &error, &json), &error, "a plan");
        tables = member(json, "tables");
        domain = member(json, "domain");
        before = member(json, "vio");
        tap_ok(tables && strstr(tables, "\"liobn\":2147483648"), "with the table of its PHB");
        tap_ok(tables && strstr(tables, "\"window\":\"dynamic\""), "and the windows that its guest may ask for");
        tap_ok(domain && strstr(domain, "\"name\":\"a\""), "and the domain's name");
        json = (free(json), NULL);
        went_well(plan_domain(bus, xml, "<interface type='user'><model type='spapr-vlan'/></interface>", &error, &json), &error,
                  "a plan with a further device");
        vio = member(json, "vio");
        tap_ok(before && vio && !strstr(before, "4096") && strstr(vio, "4096"), "it is there");
        went_well(plan_domain(bus, other, NULL, &error, &none), &error, "a domain of another architecture");
        tables = (free(tables), member(none, "tables"));
        tap_streq(tables, "[]", "has no tables");
        if (asprintf(&with_blanks, "\xef\xbb\xbf \n\t%s", xml) < 0)
                bail_out("no memory");
        went_well(plan_domain(bus, with_blanks + 3, NULL, &error, NULL), &error, "blanks before the XML");
        went_well(plan_domain(bus, with_blanks, NULL, &error, NULL), &error, "a byte order mark") ;
        tap_eq(count_machines(bus), 0, "nothing is registered");
}

static void try_bad_plan(void *userdata) {
        static const TestDomain plain = {};
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        _cleanup_free_ char *xml = domain_xml(&plain), *giant = malloc((2 << 20) + 2);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        refused(plan_domain(bus, "<domain>\n<oops>\n</domain>", NULL, &error, NULL), &error, "InvalidDomain", "line ", "XML that is none");
        refused(plan_domain(bus, "<network/>", NULL, &error, NULL), &error, "InvalidDomain", "domain", "XML of something else");
        refused(plan_domain(bus, xml, "<interface", &error, NULL), &error, "InvalidDomain", "", "a device that is none");
        refused(call_manager(bus, "PlanDomain", &error, "sa{sv}t", xml, 1, "Detach", "s", "x", UINT64_C(0)), &error, "InvalidArgument",
                "Detach|Attach is", "an option that there is not, by name");
        refused(call_manager(bus, "PlanDomain", &error, "sa{sv}t", xml, 1, "Attach", "u", 1U, UINT64_C(0)), &error, "InvalidArgument",
                "Attach takes", "an option of another type");
        refused(call_manager(bus, "PlanDomain", &error, "sa{sv}t", xml, 0, UINT64_C(1)), &error, "InvalidArgument", "0x1|pass 0",
                "flags that there are not");
        memset(giant, ' ', (2 << 20) + 1);
        giant[0] = '<';
        giant[(2 << 20) + 1] = '\0';
        refused(plan_domain(bus, giant, NULL, &error, NULL), &error, "LimitExceeded", "2 MiB", "XML that is too long");
        refused(plan_domain(bus, xml, giant, &error, NULL), &error, "LimitExceeded", "2 MiB", "a device that is too long");
}

/* So many devices that to look at each beside each other would hold up everyone else. */
static char *crowded_xml(void) {
        char *devices = NULL, *xml;
        size_t size;
        FILE *f = open_memstream(&devices, &size);

        for (unsigned i = 0; f && i < 1100; i++)
                (void) fputs("<input type='tablet' bus='usb'/>", f);
        if (!f || fclose(f) != 0)
                bail_out("no memory");
        xml = domain_xml(&(TestDomain) { .devices = devices });
        free(devices);
        return xml;
}

static void try_as_nobody(void *userdata) {
        static const TestDomain plain = {};
        _cleanup_free_ char *crowded = crowded_xml();
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        sd_bus_error error = SD_BUS_ERROR_NULL;

        refused(plan_domain(bus, crowded, NULL, &error, NULL), &error, "LimitExceeded", "devices, 1024 is the most",
                "a domain with more devices than anybody may have planned");
        refused(plan_domain(bus, "web1", NULL, &error, NULL), &error, "NotAuthorized", "root|virsh dumpxml",
                "by a domain's name: for root");
        refused(register_domain(bus, &plain, 0, &error, NULL, NULL), &error, "NotAuthorized", "RegisterDomain|root", "RegisterDomain is for root");
        refused(release_domain(bus, &plain, &error), &error, "NotAuthorized", "ReleaseDomain|root", "ReleaseDomain is for root");
}

/* Who has a group is told to root alone. */
static void try_holder(void *userdata) {
        static const TestDomain wants = { .name = "wants", .uuid = UUID_B, .devices = HOSTDEV("domain='0' bus='1' slot='0' function='0'") };
        const World *w = userdata;
        _cleanup_bus_ sd_bus *bus = open_one(w);
        _cleanup_free_ char *xml = domain_xml(&wants), *json = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(plan_domain(bus, xml, NULL, &error, &json), &error, "a plan with a device of a group that another VM has");
        tap_ok(has_finding(json, "group-busy"), "it is busy");
        if (geteuid() == 0)
                tap_ok(json && strstr(json, "secret-vm"), "root is told who has it");
        else
                tap_ok(json && !strstr(json, "secret-vm") && strstr(json, "another VM"), "others are not");
}

static void test_plan(World *w, sd_bus *root) {
        static const TestDomain has = { .name = "secret-vm", .devices = HOSTDEV("domain='0' bus='1' slot='0' function='0'") };
        static const TestDomain late = { .devices = HOSTDEV("domain='0' bus='5' slot='0' function='0'") };
        _cleanup_free_ char *xml = domain_xml(&late), *json = NULL, *phbs = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        run_as(NO_UID, NULL, 0, try_plan, w);
        run_as(NOBODY, NULL, 0, try_plan, w);
        run_as(NO_UID, NULL, 0, try_bad_plan, w);
        run_as(NOBODY, NULL, 0, try_bad_plan, w);
        run_as(NOBODY, NULL, 0, try_as_nobody, w);
        went_well(register_domain(root, &has, 1, &error, NULL, NULL), &error, "a VM that has a group");
        run_as(NO_UID, NULL, 0, try_holder, w);
        run_as(NOBODY, NULL, 0, try_holder, w);
        (void) release_domain(root, &has, NULL);

        host_add_group(w->host, 8, "0000:05:00.0", "vfio-pci");
        went_well(plan_domain(root, xml, NULL, &error, &json), &error, "a device that has just come");
        phbs = member(json, "phbs");
        tap_ok(phbs && strstr(phbs, "\"groups\":[8]"), "its group is looked up anew");
        host_remove_group(w->host, 8);
        (void) call_manager(root, "Rescan", NULL, "");
        refused(plan_domain(root, "", NULL, &error, NULL), &error, "NoSuchDomain", "", "no name at all");
        xml = (free(xml), crowded_xml());
        json = (free(json), NULL);
        went_well(plan_domain(root, xml, NULL, &error, &json), &error, "root may have one planned with very many devices");
}

/* What a machine that was registered by its domain shows. */
static void test_register(World *w, sd_bus *root) {
        static const TestDomain d = { .devices = "<interface type='user'><model type='spapr-vlan'/></interface>",
                                      .rest = "<seclabel type='dynamic' model='dac' relabel='yes'><label>+64055:+64055</label></seclabel>" };
        static const TestDomain unlabelled = { .name = "b", .uuid = UUID_B };
        _cleanup_free_ char *path = NULL, *source = NULL, *json = NULL, *found = NULL, *of_bus = NULL, *plain = NULL;
        _cleanup_message_ sd_bus_message *reply = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(register_domain(root, &d, 0, &error, &path, NULL), &error, "a domain is registered");
        tap_streq(path, PATH_A, "at its UUID");
        source = get_string(root, PATH_A, TCED_INTERFACE_MACHINE, "Source");
        tap_streq(source, "libvirt", "Source");
        tap_eq(get_number(root, PATH_A, TCED_INTERFACE_MACHINE, "Uid", 'u'), 64055, "Uid is its label's");
        tap_ok(get_number(root, PATH_A, TCED_INTERFACE_MACHINE, "MemlockLimit", 't') > 0, "MemlockLimit");
        tap_ok(get_number(root, PATH_A, TCED_INTERFACE_MACHINE, "MemlockCharged", 't') > 0, "MemlockCharged");
        tap_ok(call(root, PATH_A, "org.freedesktop.DBus.Properties", "Get", NULL, &reply, "ss", TCED_INTERFACE_MACHINE, "DynamicWindows") >= 0 &&
                       sd_bus_message_enter_container(reply, 'v', "a(usttutbss)") > 0 &&
                       sd_bus_message_enter_container(reply, 'a', "(usttutbss)") > 0 && sd_bus_message_at_end(reply, 0) == 0,
               "DynamicWindows has some");
        json = describe_text(root);
        tap_ok(json && strstr(json, "\"source\":\"libvirt\"") && strstr(json, "\"liobn\":4096"), "Describe has it, with its VIO table");
        found = find_machine(root, "a");
        tap_streq(found, PATH_A, "it is found by its name");
        refused(register_windows(root, "a", "", NULL, 0, NO_UID, NULL, &error), &error, "MachineExists", "", "RegisterMachine can't take its name");
        refused(register_windows(root, "x", UUID_A, NULL, 0, NO_UID, NULL, &error), &error, "MachineExists", "", "nor its UUID");

        went_well(register_domain(root, &unlabelled, 0, &error, NULL, NULL), &error, "one whose user libvirt does not say");
        tap_eq(get_number(root, PATH_B, TCED_INTERFACE_MACHINE, "Uid", 'u'), UINT32_MAX, "Uid is not known");
        plain = register_small(root, "plain", 1, NO_UID);
        of_bus = get_string(root, plain, TCED_INTERFACE_MACHINE, "Source");
        tap_streq(of_bus, "bus", "Source of one that RegisterMachine made");
        tap_eq(get_number(root, plain, TCED_INTERFACE_MACHINE, "MemlockLimit", 't'), 0, "its MemlockLimit");
        (void) unregister(root, plain, NULL);

        went_well(release_domain(root, &d, &error), &error, "released");
        went_well(release_domain(root, &unlabelled, &error), &error, "and the other");
        refused(release_domain(root, &d, &error), &error, "NoSuchMachine", "a |of libvirt's", "released twice");
        tap_eq(count_machines(root), 0, "nothing is left");
}

/* tced is killed right behind its answer: the domain can be registered again, whatever tced was about to do then. */
static void test_released(Host *h) {
        static const TestDomain d = {};
        bool free_again = true;

        for (unsigned i = 0; i < 5 && free_again; i++) {
                _cleanup_bus_ sd_bus *root = open_peer(h), *next = NULL;

                free_again = register_domain(root, &d, 0, NULL, NULL, NULL) >= 0 && release_domain(root, &d, NULL) >= 0;
                host_kill_tced(h);
                free_again = host_restart_tced(h, NULL) && free_again;
                next = open_peer(h);
                free_again = free_again && count_machines(next) == 0;
        }
        tap_ok(free_again, "killed behind its answer to ReleaseDomain, five times: the domain is gone");
}

/* A start that failed behind the hook, a VM that runs, and others of the same name. */
static void test_again(World *w, sd_bus *root) {
        static const TestDomain a = {}, renamed = { .name = "c" }, reborn = { .uuid = UUID_B };
        static const TestDomain labelled = { .rest = "<seclabel type='static' model='dac'><label>+1:+1</label></seclabel>" };
        _cleanup_free_ char *plain = NULL, *first = NULL, *second = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) register_domain(root, &a, 0, NULL, NULL, NULL);
        went_well(register_domain(root, &renamed, 0, &error, NULL, NULL), &error, "started again under another name: replaced");
        first = get_string(root, PATH_A, TCED_INTERFACE_MACHINE, "Name");
        tap_streq(first, "c", "by the new one");
        (void) register_domain(root, &a, 0, NULL, NULL, NULL);
        went_well(register_domain(root, &reborn, 0, &error, NULL, NULL), &error, "made anew with another UUID: replaced");
        tap_eq(count_machines(root), 1, "by the new one");
        (void) release_domain(root, &reborn, NULL);

        (void) register_domain(root, &a, 0, NULL, NULL, NULL);
        went_well(register_domain(root, &labelled, 1, &error, NULL, NULL), &error, "libvirtd was restarted");
        tap_eq(get_number(root, PATH_A, TCED_INTERFACE_MACHINE, "Uid", 'u'), UINT32_MAX, "the machine that is there is left as it is");
        (void) release_domain(root, &a, NULL);
        plain = register_small(root, "a", 1, NO_UID);
        refused(register_domain(root, &a, 0, &error, NULL, NULL), &error, "MachineExists", "name a ", "a machine that RegisterMachine made stays");
        refused(register_domain(root, &a, 1, &error, NULL, NULL), &error, "MachineExists", "name a ", "also beside a VM that runs");
        refused(release_domain(root, &a, &error), &error, "NoSuchMachine", "", "and is not released");
        (void) unregister(root, plain, NULL);
        (void) register_windows(root, "other", UUID_A, NULL, 0, NO_UID, &second, NULL);
        refused(release_domain(root, &a, &error), &error, "NoSuchMachine", "", "nor is one of the same UUID");
        (void) unregister(root, second, NULL);
        refused(call_manager(root, "RegisterDomain", &error, "st", "<domain/>", UINT64_C(2)), &error, "InvalidArgument", "0x2", "unknown flags");
}

/* Which domains are refused, and what a refusal leaves. */
static void test_refused(World *w, sd_bus *root) {
        static const TestDomain bad = {
                .devices = "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x80000001'/></interface>",
        };
        static const TestDomain worse = {
                .devices = "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x80000001'/></interface>"
                           "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x80000000'/></interface>",
        };
        sd_bus_error error = SD_BUS_ERROR_NULL;
        unsigned n = 0;

        refused(register_domain(root, &bad, 0, &error, NULL, NULL), &error, "DomainRefused", "80000001", "a start that must fail, by its cause");
        tap_eq(count_machines(root), 0, "it leaves nothing");
        refused(register_domain(root, &worse, 0, &error, NULL, NULL), &error, "DomainRefused", "\nand |more: tcectl check a",
                "two causes: the first, and how to see the other");
        went_well(register_domain(root, &bad, 1, &error, NULL, &n), &error, "the same, and it runs already: known");
        tap_ok(n > 0, "with its findings");
        (void) release_domain(root, &bad, NULL);
        refused(call_manager(root, "RegisterDomain", &error, "st", "<domain>", UINT64_C(0)), &error, "InvalidDomain", "line", "XML that is none");
        refused(call_manager(root, "RegisterDomain", &error, "st", "", UINT64_C(0)), &error, "InvalidDomain", "", "no XML");
        refused(call_manager(root, "RegisterDomain", &error, "st", "<domain type='kvm'><name>x</name></domain>", UINT64_C(0)), &error,
                "InvalidDomain", "", "a domain that is half of one");
        refused(call_manager(root, "ReleaseDomain", &error, "st", "garbage", UINT64_C(0)), &error, "InvalidDomain", "", "a release of none");
        refused(call_manager(root, "ReleaseDomain", &error, "st", "<domain/>", UINT64_C(1)), &error, "InvalidArgument", "0x1", "with flags");
}

/* Domains that tced has nothing to do for, and the tables of one that runs. */
static void test_tables(World *w, sd_bus *root) {
        static const TestDomain x86 = { .arch = "x86_64", .machine = "pc-q35-9.2" }, tcg = { .type = "qemu" };
        _cleanup_free_ char *state = NULL, *after = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        went_well(register_domain(root, &x86, 0, &error, NULL, NULL), &error, "a domain of another architecture");
        tap_eq(get_number(root, PATH_A, TCED_INTERFACE_MACHINE, "KernelBytes", 't'), 0, "is known, and has no tables");
        (void) release_domain(root, &x86, NULL);
        went_well(register_domain(root, &tcg, 0, &error, NULL, NULL), &error, "a domain without KVM");
        state = get_string(root, PATH_A "/table/80000000", TCED_INTERFACE_TABLE, "State");
        tap_streq(state, "ready", "its table is a memfd, ready");
        (void) release_domain(root, &tcg, NULL);
        went_well(register_domain(root, &tcg, 1, &error, NULL, NULL), &error, "one that runs already");
        after = get_string(root, PATH_A "/table/80000000", TCED_INTERFACE_TABLE, "State");
        tap_streq(after, "handed-out", "has its table");
        (void) release_domain(root, &tcg, NULL);
}

/* Names that libvirt takes. */
static void test_names(World *w, sd_bus *root) {
        static const struct {
                const char *xml, *name;
        } good[] = {
                { "two words", "two words" },
                { "a&amp;b &lt;c&gt; 'd'", "a&b <c> 'd'" },
                { "gr\xc3\xbc\xc3\x9f \xe4\xb8\xad", "gr\xc3\xbc\xc3\x9f \xe4\xb8\xad" },
                { "%s%n", "%s%n" },
                { "..", ".." },
                { "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef" },
        };
        static const char *const bad[] = { "a/b", "tab&#9;bed", "new&#10;line", "\xc2\x85next" };
        char longest[257];
        sd_bus_error error = SD_BUS_ERROR_NULL;

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                const TestDomain d = { .name = good[i].xml };
                _cleanup_free_ char *found = NULL, *name = NULL, *json = NULL;
                json_object *parsed;

                went_well(register_domain(root, &d, 0, &error, NULL, NULL), &error, "a domain called %s", good[i].name);
                name = get_string(root, PATH_A, TCED_INTERFACE_MACHINE, "Name");
                tap_streq(name, good[i].name, "that is its name");
                found = find_machine(root, good[i].name);
                tap_streq(found, PATH_A, "it is found by it");
                json = describe_text(root);
                parsed = json ? json_tokener_parse(json) : NULL;
                tap_ok(parsed, "Describe is JSON");
                (void) json_object_put(parsed);
                (void) release_domain(root, &d, NULL);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                const TestDomain d = { .name = bad[i] };

                refused(register_domain(root, &d, 0, &error, NULL, NULL), &error, "InvalidArgument", "rename it", "not one called %s", bad[i]);
        }
        memset(longest, 'x', 256);
        longest[256] = '\0';
        refused(register_domain(root, &(TestDomain) { .name = longest }, 0, &error, NULL, NULL), &error, "InvalidArgument", "255 bytes",
                "nor one of 256 bytes");
        longest[255] = '\0';
        went_well(register_domain(root, &(TestDomain) { .name = longest }, 0, &error, NULL, NULL), &error, "one of 255 bytes");
        (void) release_domain(root, &(TestDomain) { .name = longest }, NULL);
}

/* A name that is another's UUID does not stand in for it. */
static void test_uuid_name(World *w, sd_bus *root) {
        static const TestDomain a = {}, b = { .name = UUID_A, .uuid = UUID_B };
        _cleanup_free_ char *found = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        (void) register_domain(root, &a, 0, NULL, NULL, NULL);
        went_well(register_domain(root, &b, 0, &error, NULL, NULL), &error, "a domain whose name is another's UUID");
        found = find_machine(root, UUID_A);
        tap_streq(found, PATH_A, "that UUID is still the other's");
        (void) release_domain(root, &a, NULL);
        (void) release_domain(root, &b, NULL);
        tap_eq(count_machines(root), 0, "both are gone");
}

static bool machine_exists(sd_bus *bus, const char *name) {
        _cleanup_free_ char *found = find_machine(bus, name);

        return found;
}

/* A libvirt that answers from a script. */
static void test_by_name(Host *h) {
        static const TestDomain d = { .name = "web1" };
        static const char *const script =
                "#!/bin/sh\n"
                "printf '{\"event\":\"connected\"}\\n' >&0\n"
                "while read -r line; do\n"
                "  id=${line#*\\\"id\\\":}; id=${id%%%%[!0-9 ]*}\n"
                "  case $line in\n"
                "  *domains*) printf '{\"id\":%%s,\"domains\":[]}\\n' \"$id\" >&0 ;;\n"
                "  *devices*) printf '{\"id\":%%s,\"devices\":[]}\\n' \"$id\" >&0 ;;\n"
                "  *web1*) printf '{\"id\":%%s,\"xml\":' \"$id\" >&0; cat %s/xml.json >&0; printf '}\\n' >&0 ;;\n"
                "  *broken*) printf '{\"id\":%%s,\"error\":\"it is broken\"}\\n' \"$id\" >&0 ;;\n"
                "  *) printf '{\"id\":%%s,\"error\":\"no domain\",\"missing\":true}\\n' \"$id\" >&0 ;;\n"
                "  esac\n"
                "done\n";
        _cleanup_free_ char *xml = domain_xml(&d), *json = NULL, *name = NULL;
        json_object *text = json_object_new_string(xml);
        char child[128], path[96];
        const char *const options[] = { child, NULL };
        _cleanup_bus_ sd_bus *bus = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        host_write(h, "xml.json", "%s", json_object_to_json_string_ext(text, JSON_C_TO_STRING_PLAIN));
        (void) json_object_put(text);
        host_write(h, "libvirt-child", script, h->dir);
        host_write(h, "libvirt/driver.pid", "%d", (int) getpid());
        (void) snprintf(path, sizeof(path), "%s/libvirt-child", h->dir);
        (void) chmod(path, 0755);
        (void) snprintf(child, sizeof(child), "--libvirt-child=%s", path);
        if (!tap_ok(host_start_tced(h, options), "a daemon with a libvirt"))
                return;
        bus = open_bus(h);
        went_well(plan_domain(bus, "web1", NULL, &error, &json), &error, "a plan by a domain's name");
        name = member(json, "domain");
        tap_ok(name && strstr(name, "web1"), "it is that domain's");
        went_well(plan_domain(bus, "web1", "<interface type='user'><model type='spapr-vlan'/></interface>", &error, NULL), &error,
                  "with a further device");
        refused(plan_domain(bus, "nobody", NULL, &error, NULL), &error, "NoSuchDomain", "nobody|virsh list", "a domain that there is not");
        refused(plan_domain(bus, "broken", NULL, &error, NULL), &error, "LibvirtUnavailable", "it is broken|virsh dumpxml broken",
                "a libvirt that fails, and how to do without it");
        host_stop_tced(h);
        host_remove(h, "libvirt/driver.pid");
}

/* A libvirt that lists what $DIR/list has, as slowly as $DIR/slow says, and says that something came or went when asked for "event". */
static bool start_listing_libvirt(Host *h) {
        static const char *const script =
                "#!/bin/sh\n"
                "printf '{\"event\":\"connected\"}\\n' >&0\n"
                "while read -r line; do\n"
                "  id=${line#*\\\"id\\\":}; id=${id%%%%[!0-9 ]*}; name=${line#*\\\"name\\\":\\\"}; name=${name%%%%\\\"*}\n"
                "  case $line in\n"
                "  *domains*) list=$(cat %1$s/list); sleep $(cat %1$s/slow)\n"
                "     printf '{\"id\":%%s,\"domains\":[%%s]}\\n' \"$id\" \"$list\" >&0 ;;\n"
                "  *devices*) printf '{\"id\":%%s,\"devices\":[]}\\n' \"$id\" >&0 ;;\n"
                "  *event*) printf '{\"event\":\"domain\"}\\n{\"id\":%%s,\"error\":\"no domain\",\"missing\":true}\\n' \"$id\" >&0 ;;\n"
                "  *) printf '{\"id\":%%s,\"xml\":\"%%s\"}\\n' \"$id\""
                " \"<domain type='qemu' id='1'><name>$name</name><uuid>$name</uuid><memory>1</memory>"
                "<os><type arch='ppc64' machine='pseries-9.2'>hvm</type></os></domain>\" >&0 ;;\n"
                "  esac\n"
                "done\n";
        static char child[128];
        const char *const options[] = { child, NULL };

        host_write(h, "listing-child", script, h->dir);
        host_write(h, "slow", "0");
        host_write(h, "libvirt/driver.pid", "%d", (int) getpid());
        (void) snprintf(child, sizeof(child), "%s/listing-child", h->dir);
        (void) chmod(child, 0755);
        (void) snprintf(child, sizeof(child), "--libvirt-child=%s/listing-child", h->dir);
        return tap_ok(host_start_tced(h, options), "a daemon with a libvirt that lists domains");
}

static bool machines_become(sd_bus *bus, int n) {
        for (unsigned i = 0; i < HARNESS_PATIENCE * 20 && count_machines(bus) != n; i++)
                (void) usleep(50 * 1000);
        return count_machines(bus) == n;
}

/* More than may be asked for at a time. */
static void test_many_run(Host *h) {
        enum { MANY = 300 };
        _cleanup_free_ char *list = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        size_t size;
        FILE *f = open_memstream(&list, &size);

        if (!f)
                bail_out("no memory");
        for (unsigned i = 0; i < MANY; i++)
                (void) fprintf(f, "%s{\"name\":\"vm%u\",\"uuid\":\"11111111-2222-3333-4444-%012x\"}", i > 0 ? "," : "", i, i + 1);
        (void) fclose(f);
        host_write(h, "list", "%s", list);
        if (!start_listing_libvirt(h))
                return;
        bus = open_bus(h);
        tap_ok(machines_become(bus, MANY), "each of %d VMs that run when tced comes is registered", MANY);
        host_stop_tced(h);
        host_remove(h, TCED_STATE_NAME);
        host_remove(h, "libvirt/driver.pid");
}

/* A start that came to nothing without a word: libvirtd itself had ended. */
static void test_unlisted(Host *h) {
        static const TestDomain a = {}, b = { .name = "b", .uuid = UUID_B };
        _cleanup_bus_ sd_bus *bus = NULL;

        host_write(h, "list", "%s", "");
        if (!start_listing_libvirt(h))
                return;
        bus = open_bus(h);
        (void) plan_domain(bus, "event", NULL, NULL, NULL); /* it is connected now */
        (void) register_domain(bus, &a, 0, NULL, NULL, NULL);
        tap_eq(count_machines(bus), 1, "a domain starts");
        host_write(h, "slow", "1");
        (void) plan_domain(bus, "event", NULL, NULL, NULL);
        (void) register_domain(bus, &b, 0, NULL, NULL, NULL);
        tap_eq(count_machines(bus), 2, "another, while libvirt makes its list");
        tap_ok(machines_become(bus, 1), "one that is not on the list goes");
        tap_ok(machine_exists(bus, "b"), "not the one that it can't have");
        host_write(h, "slow", "0");
        (void) plan_domain(bus, "event", NULL, NULL, NULL);
        tap_ok(machines_become(bus, 0), "but by the next list it does");
        host_stop_tced(h);
        host_remove(h, "libvirt/driver.pid");
}

static void test_without_libvirt(Host *h) {
        _cleanup_bus_ sd_bus *bus = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        host_write(h, "root/etc/tced/tced.conf", "[Libvirt]\nConnect=no\n");
        if (!tap_ok(host_start_tced(h, NULL), "a daemon that does not ask libvirt"))
                return;
        bus = open_bus(h);
        refused(plan_domain(bus, "web1", NULL, &error, NULL), &error, "LibvirtUnavailable", "Connect=no|virsh dumpxml web1",
                "a plan by a domain's name: why not, and how else");
        host_stop_tced(h);
        host_remove(h, "root/etc/tced/tced.conf");
        bus = sd_bus_flush_close_unref(bus);
        if (!tap_ok(host_start_tced(h, NULL), "a daemon that gets no connection to libvirt"))
                return;
        bus = open_bus(h);
        /* Under valgrind a posix_spawn(3) can't tell that there is no program: its child has a memory of its own there. */
        refused(plan_domain(bus, "web1", NULL, &error, NULL), &error, "LibvirtUnavailable",
                under_valgrind() ? "tced-libvirt ended|systemctl status libvirtd|tcectl plan FILE"
                                 : "can't be started|systemctl status libvirtd|tcectl plan FILE",
                "virsh has no connection either");
        host_stop_tced(h);
}

static int count_error(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        const sd_bus_error *e = sd_bus_message_get_error(m);

        *(int *) userdata = e && e->message && strstr(e->message, "ended before it was registered") ? 1 : -1;
        return 0;
}

/* The host is being proven: a start waits for it, and is given up when libvirt says that the VM has ended. */
static void test_while_proving(Host *h) {
        static const char *const env[] = { "TCED_FAKE_KVM=hang", NULL };
        static const TestDomain a = {}, b = { .name = "b", .uuid = UUID_B };
        char options[5][96];
        const char *argv[] = { h->tced, options[0], options[1], options[2], options[3], options[4], "--libvirt-child=/nonexistent", NULL };
        _cleanup_free_ char *xml = domain_xml(&a), *path = NULL;
        _cleanup_bus_ sd_bus *bus = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;
        int given_up = 0;

        host_write(h, "root/etc/tced/tced.conf", "[Probe]\nTimeoutSec=2\n");
        (void) snprintf(options[0], sizeof(options[0]), "--socket=%s", h->socket);
        (void) snprintf(options[1], sizeof(options[1]), "--config-root=%s/root", h->dir);
        (void) snprintf(options[2], sizeof(options[2]), "--sys=%s/sys", h->dir);
        (void) snprintf(options[3], sizeof(options[3]), "--dev=%s/dev", h->dir);
        (void) snprintf(options[4], sizeof(options[4]), "--libvirt-run=%s/libvirt", h->dir);
        if (!tap_ok(host_spawn_tced(h, &(Spawn) { .argv = argv, .env = env }), "a host that is being proven"))
                return;
        bus = open_bus(h);
        (void) sd_bus_call_method_async(bus, NULL, TCED_BUS_NAME, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterDomain", count_error,
                                        &given_up, "st", xml, UINT64_C(0));
        went_well(plan_domain(bus, xml, NULL, &error, NULL), &error, "a plan does not wait");
        went_well(release_domain(bus, &a, &error), &error, "the VM ends before it is registered");
        while (given_up == 0 && (sd_bus_process(bus, NULL) > 0 || sd_bus_wait(bus, UINT64_C(5000000)) > 0))
                ;
        tap_eq(given_up, 1, "its registration is given up");
        went_well(register_domain(bus, &b, 0, &error, &path, NULL), &error, "another waits for the proof");
        tap_streq(path, PATH_B, "and is registered");
        tap_eq(count_machines(bus), 1, "alone");
        host_stop_tced(h);
}

/* Whoever puts what is missing in its place and asks again is told so, without anything between. */
static void test_adapter(const World *w, sd_bus *root) {
        static const char *const parts[] = { TCED_QEMU_WRAPPER, TCED_QEMU_PROGRAM, TCED_QEMU_LIBRARY };
        static const char *const missing[] = { "<emulator>, is not there", "becomes, is not there", "libtced-qemu.so is not there" };
        static const char xml[] = "<domain type='kvm'><name>a</name><memory unit='GiB'>1</memory><os><type arch='ppc64le' "
                                  "machine='pseries-9.2'>hvm</type></os><devices><emulator>" TCED_QEMU_WRAPPER "</emulator></devices></domain>";
        _cleanup_free_ char *described = NULL;

        for (size_t i = 0; i <= ELEMENTSOF(parts); i++) {
                _cleanup_free_ char *json = NULL, *findings = NULL;
                sd_bus_error error = SD_BUS_ERROR_NULL;
                char path[256];

                went_well(plan_domain(root, xml, NULL, &error, &json), &error, "a domain with the adapter's wrapper");
                findings = member(json, "findings");
                for (size_t j = 0; findings && j < ELEMENTSOF(parts); j++)
                        tap_eq(strstr(findings, missing[j]) != NULL, j >= i, "%s is %s", parts[j], j >= i ? "missing" : "there");
                if (i == ELEMENTSOF(parts))
                        break;
                (void) snprintf(path, sizeof(path), "root%s", parts[i]);
                host_write(w->host, path, "#!/bin/false\n");
                (void) snprintf(path, sizeof(path), "%s/root%s", w->host->dir, parts[i]);
                (void) chmod(path, 0755);
        }
        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                char path[256];

                (void) snprintf(path, sizeof(path), "root%s", parts[i]);
                host_remove(w->host, path);
        }
        described = describe_text(root);
        tap_ok(described && strstr(described, "tced-qemu-system-ppc64\",\"error\":\"No such file or directory\""), "what has gone again is described so");
}

int main(void) {
        World w = {};
        Host h;

        host_init(&h, 100);
        h.tced = getenv("TCED_ON_FAKE_KVM");
        host_write(&h, "dev/kvm", "%s", "");
        host_add_group(&h, 7, "0000:01:00.0", "vfio-pci");
        if (geteuid() != 0 || !host_start_bus(&h)) {
                tap_skip(geteuid() != 0 ? "only root can be other users" : "there is no dbus-daemon", "domains");
                host_done(&h);
                return tap_done();
        }
        if (!h.tced || !host_start_tced(&h, NULL))
                bail_out("tced does not start");
        w.host = &h;
        for (unsigned i = 0; i < 2; i++) {
                _cleanup_bus_ sd_bus *root = NULL;

                w.on_peer = i == 1;
                root = open_one(&w);
                wait_probed(root);
                test_plan(&w, root);
                test_adapter(&w, root);
                test_register(&w, root);
                test_again(&w, root);
                test_refused(&w, root);
                test_tables(&w, root);
                test_names(&w, root);
                test_uuid_name(&w, root);
        }
        test_released(&h);
        host_stop_tced(&h);
        test_by_name(&h);
        test_many_run(&h);
        test_unlisted(&h);
        test_without_libvirt(&h);
        test_while_proving(&h);
        host_done(&h);
        return tap_done();
}
