/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* machine_json.c: what is written is what is read, member by member; what tced never wrote is refused, and never a crash. */

#include "machine_json.h"

#include <inttypes.h>

#include "tap.h"
#include "util.h"

#define UUID "0123456789abcdef0123456789abcdef"
#define UUID_2 "1123456789abcdef0123456789abcdef"
#define UUID_3 "2123456789abcdef0123456789abcdef"
#define BOOT "00112233445566778899aabbccddeeff"

static void on_ended(Machine *machine, void *userdata) {
}

static int ended_for; /* its address is the userdata */

static PlanTable plan_table(uint32_t liobn, unsigned i) {
        return (PlanTable) {
                .window = { .kind = i % 2 ? DEVICE_VFIO : DEVICE_VIO, .liobn = liobn, .bus_offset = UINT64_MAX - i,
                            .size = (UINT64_C(1) << 63) + i, .page_shift = 63 - i, .notifier = i % 2, .group = i % 2 ? INT32_MAX : -1,
                            .dynamic = i % 3 == 1, .likely = i % 3 == 2, .device = strdup(i % 2 ? "net \"ä\" \\ 0" : "scsi0") },
                .entries = UINT64_C(1) << (30 + i), .bytes = UINT64_C(8) << (30 + i), .locked_bytes = i * 65536,
                .verdict = { .refused = i % 2, .placement = i % 3 == 0 ? PLACEMENT_USER : i % 3 == 1 ? PLACEMENT_KERNEL : PLACEMENT_KERNEL_VFIO,
                             .reason = (Reason) (i % _REASON_MAX) },
                .setting = { .accel = (Accel) (i % _ACCEL_MAX), .multitce = (Tristate) (i % _TRISTATE_MAX),
                             .huge_pages = (Tristate) ((i + 1) % _TRISTATE_MAX), .numa_node = (int) i - 1 },
                .rule = i % 2 ? strdup("/etc/tced/rules.d/50-\xff.rule") : NULL,
        };
}

/* With something in every member. */
static Machine *make_machine(const char *name, const char *uuid, MachineSource source) {
        Plan plan = {
                .tables = calloc(5, sizeof(PlanTable)), .n_tables = 5, .dynamic = calloc(2, sizeof(PlanTable)), .n_dynamic = 2,
                .multitce = { .allowed = true, .reason = MULTITCE_RULE_YES }, .user_bytes = 1, .kernel_bytes = 2, .locked_bytes = 3,
                .dynamic_user_bytes = 4, .dynamic_kernel_bytes = 5, .dynamic_locked_bytes = UINT64_MAX,
        };
        static const TableState states[] = { TABLE_READY, TABLE_MADE, TABLE_PLANNED, TABLE_HANDED_OUT, TABLE_PLANNED };
        Machine *m;

        for (unsigned i = 0; i < 5; i++)
                plan.tables[i] = plan_table(i == 4 ? UINT32_MAX : 0x1000 + i, i);
        for (unsigned i = 0; i < 2; i++)
                plan.dynamic[i] = plan_table(0x80000001, i + 7);
        if (machine_new(name, uuid, &plan, on_ended, NULL, &m) < 0)
                exit(EXIT_FAILURE);
        for (unsigned i = 0; i < 5; i++) {
                m->tables[i].state = states[i];
                m->tables[i].huge_pages = i % 2;
                m->tables[i].error = i == 2 ? ENOMEM : 0;
        }
        m->source = source;
        m->owner = source == MACHINE_SOURCE_LIBVIRT ? OWNER_UNKNOWN : 1000;
        m->registrar = 4294967294U;
        m->serial = UINT64_MAX;
        m->charged = 1234567890123456789U;
        m->memlock_permitted = source == MACHINE_SOURCE_BUS;
        m->memlock_raised = UINT64_MAX - 1;
        m->state = MACHINE_CLAIMED;
        m->process = (Process) { .pid = 4194303, .start = UINT64_C(1) << 62, .pidfd = -EBADF, .by_pid = true };
        strcpy(m->stored_as, "zz09ab");
        if (source == MACHINE_SOURCE_LIBVIRT) {
                static const int groups[] = { 0, 7, INT32_MAX };

                m->domain = (MachineDomain) {
                        .memlock = { .limit_unlimited = true, .limit = UINT64_MAX, .charged = 77, .charged_at_start = 66 }, .told_usec = 99, .id = 42,
                        .security_model = strdup("selinux"), .security_label = strdup("system_u:system_r:svirt_t:s0:c1,c2"),
                        .groups = memcpy(malloc(sizeof(groups)), groups, sizeof(groups)), .n_groups = 3,
                };
                (void) findings_add(&m->domain.findings, FINDING_MIXED_PHB, SEVERITY_WARNING, "pci.1", "Give it its own", "two\nlines \xc3");
                (void) findings_add(&m->domain.findings, FINDING_STATE_NOT_KEPT, SEVERITY_INFO, "", "", "%s", "");
        }
        m->groups = calloc(2, sizeof(*m->groups));
        m->groups[0] = (MachineGroup) { 7, "0001:01:00.0 8086:1572" };
        m->groups[1] = (MachineGroup) { UINT32_MAX, "fd400000.mmu 0000:0000" };
        m->n_groups = 2;
        (void) machine_update_findings(m);
        return m;
}

/* The document with these lines in it. */
static char *document(const char *lines) {
        const StateHead head = { .boot = BOOT, .last_serial = 99, .hook_called_usec = UINT64_MAX, .libvirtd_reloaded_usec = 1, .bound = true };
        char buf[STATE_HEAD_MAX], *text;

        if (asprintf(&text, "%s%s%s" STATE_TAIL, state_head_to_json(&head, buf), lines, *lines ? "," : "") < 0)
                exit(EXIT_FAILURE);
        return text;
}

static int read_text(const char *text, State *ret, char error[STATE_ERROR_MAX]) {
        *error = '\0';
        return state_read(text, strlen(text), BOOT, on_ended, &ended_for, ret, error);
}

static bool same_text(const char *a, const char *b) {
        return !a || !b ? a == b : streq(a, b);
}

static void compare_plan_table(const PlanTable *a, const PlanTable *b, const char *name) {
        tap_ok(a->window.kind == b->window.kind && a->window.liobn == b->window.liobn && a->window.bus_offset == b->window.bus_offset &&
                       a->window.size == b->window.size && a->window.page_shift == b->window.page_shift &&
                       a->window.notifier == b->window.notifier && a->window.group == b->window.group &&
                       a->window.dynamic == b->window.dynamic && a->window.likely == b->window.likely,
               "%s: its window", name);
        tap_streq(a->window.device, b->window.device, "%s: its device", name);
        tap_ok(a->entries == b->entries && a->bytes == b->bytes && a->locked_bytes == b->locked_bytes, "%s: what it takes", name);
        tap_ok(a->verdict.refused == b->verdict.refused && a->verdict.placement == b->verdict.placement &&
                       a->verdict.reason == b->verdict.reason,
               "%s: its verdict", name);
        tap_ok(a->setting.accel == b->setting.accel && a->setting.multitce == b->setting.multitce &&
                       a->setting.huge_pages == b->setting.huge_pages && a->setting.numa_node == b->setting.numa_node,
               "%s: its setting", name);
        if (b->rule)
                tap_streq(a->rule, "/etc/tced/rules.d/50-?.rule", "%s: its rule, as far as it is UTF-8", name);
        else
                tap_ok(!a->rule, "%s: no rule", name);
}

static void compare_domain(const MachineDomain *a, const MachineDomain *b) {
        tap_ok(a->memlock.limit_unlimited == b->memlock.limit_unlimited && a->memlock.limit == b->memlock.limit &&
                       a->memlock.charged == b->memlock.charged && a->memlock.charged_at_start == b->memlock.charged_at_start,
               "its locked memory");
        tap_eq(a->id, b->id, "libvirt's number of it");
        tap_eq(a->told_usec, b->told_usec, "when libvirt's hook told of it");
        tap_ok(same_text(a->security_model, b->security_model) && same_text(a->security_label, b->security_label), "its label");
        tap_ok(a->n_groups == b->n_groups && (a->n_groups == 0 || memcmp(a->groups, b->groups, a->n_groups * sizeof(int)) == 0),
               "its groups");
        if (b->findings.n == 2) {
                tap_eq(a->findings.n, 2, "its findings");
                tap_ok(a->findings.items[0].id == FINDING_MIXED_PHB && a->findings.items[0].severity == SEVERITY_WARNING &&
                               streq(a->findings.items[0].subject, "pci.1") && streq(a->findings.items[0].remedy, "Give it its own"),
                       "one of them");
                tap_streq(a->findings.items[0].text, "two\nlines ?", "its text, as far as it is UTF-8");
        }
}

static void test_round_trip(MachineSource source) {
        Machine *m = make_machine(source == MACHINE_SOURCE_BUS ? "db-1" : "db 1", UUID, source), *n;
        _cleanup_free_ char *line = NULL, *text = NULL, *again = NULL;
        char error[STATE_ERROR_MAX];
        State state = {};

        tap_eq(machine_to_json(m, &line), 0, "a machine is written");
        tap_ok(line && !strchr(line, '\n'), "as one line");
        text = document(line);
        if (!tap_eq(read_text(text, &state, error), 0, "and read: %s", error))
                return;
        tap_ok(state.head.last_serial == 99 && state.head.hook_called_usec == UINT64_MAX && state.head.libvirtd_reloaded_usec == 1 && state.head.bound &&
                       streq(state.head.boot, BOOT),
               "what is beside the machines");
        tap_eq(state.n_machines, 1, "one machine");
        n = state.machines[0];
        tap_streq(n->name, m->name, "its name");
        tap_streq(n->uuid, m->uuid, "its UUID");
        tap_ok(n->source == m->source && n->owner == m->owner && n->registrar == m->registrar && n->serial == m->serial &&
                       n->charged == m->charged && n->state == m->state,
               "what it is");
        tap_ok(n->n_groups == 2 && memcmp(n->groups, m->groups, 2 * sizeof(*m->groups)) == 0, "what its groups were");
        tap_ok(n->memlock_permitted == m->memlock_permitted && n->memlock_raised == m->memlock_raised, "its limit of locked memory");
        tap_ok(n->process.pid == m->process.pid && n->process.start == m->process.start && n->process.pidfd < 0 && n->process.by_pid,
               "its process");
        tap_streq(n->stored_as, m->stored_as, "the name of its pidfd");
        tap_ok(n->ended == on_ended && n->userdata == &ended_for, "who is told of its end");
        tap_ok(n->plan.multitce.allowed == m->plan.multitce.allowed && n->plan.multitce.reason == m->plan.multitce.reason, "multi-TCE");
        tap_ok(n->plan.user_bytes == 1 && n->plan.kernel_bytes == 2 && n->plan.locked_bytes == 3 && n->plan.dynamic_user_bytes == 4 &&
                       n->plan.dynamic_kernel_bytes == 5 && n->plan.dynamic_locked_bytes == UINT64_MAX,
               "its sums");
        tap_ok(n->n_tables == 5 && n->plan.n_tables == 5 && n->plan.n_dynamic == 2, "its tables");
        for (size_t i = 0; i < 5; i++) {
                const Table *a = &n->tables[i], *b = &m->tables[i];

                compare_plan_table(a->plan, b->plan, "a table");
                tap_ok(a->state == b->state && a->huge_pages == b->huge_pages && a->error == b->error && a->memory.fd < 0 && !a->moving &&
                               a->machine == n && a->plan == &n->plan.tables[i],
                       "what has become of it");
        }
        for (size_t i = 0; i < 2; i++)
                compare_plan_table(&n->plan.dynamic[i], &m->plan.dynamic[i], "a table that the guest may ask for");
        compare_domain(&n->domain, &m->domain);
        tap_eq(n->findings.n, m->findings.n, "what is said of it");
        tap_eq(machine_to_json(n, &again), 0, "it is written again");
        tap_streq(again, line, "and is the same");
        state_clear(&state);
        (void) machine_free(m);
}

/* Without what may be absent. */
static void test_bare(void) {
        Plan plan = {};
        Machine *m;
        _cleanup_free_ char *line = NULL, *text = NULL;
        char error[STATE_ERROR_MAX];
        State state = {};

        if (machine_new("a", UUID, &plan, on_ended, NULL, &m) < 0)
                exit(EXIT_FAILURE);
        (void) machine_to_json(m, &line);
        text = document(line);
        tap_eq(read_text(text, &state, error), 0, "a machine without tables, held by nobody: %s", error);
        tap_ok(state.n_machines == 1 && state.machines[0]->process.pid == 0 && !*state.machines[0]->stored_as &&
                       state.machines[0]->state == MACHINE_REGISTERED && state.machines[0]->n_tables == 0,
               "is as it was");
        state_clear(&state);
        (void) machine_free(m);
        free(text);
        text = document("");
        tap_ok(read_text(text, &state, error) == 0 && state.n_machines == 0, "no machines at all");
        state_clear(&state);
}

/* Every machine of many, in the order of their UUIDs. */
static void test_many(void) {
        Machine *a = make_machine("a", UUID_2, MACHINE_SOURCE_BUS), *b = make_machine("b", UUID, MACHINE_SOURCE_LIBVIRT);
        _cleanup_free_ char *one = NULL, *two = NULL, *lines = NULL, *text = NULL;
        char error[STATE_ERROR_MAX];
        State state = {};

        if (machine_to_json(a, &one) < 0 || machine_to_json(b, &two) < 0 || asprintf(&lines, "%s,\n%s", one, two) < 0)
                exit(EXIT_FAILURE);
        text = document(lines);
        tap_ok(read_text(text, &state, error) == 0 && state.n_machines == 2, "two machines");
        tap_ok(streq(state.machines[0]->name, "b") && streq(state.machines[1]->name, "a"), "by their UUIDs");
        state_clear(&state);
        (void) machine_free(a);
        (void) machine_free(b);
}

static char *replaced(const char *text, const char *what, const char *by) {
        const char *at = strstr(text, what);
        char *out;

        if (!at || asprintf(&out, "%.*s%s%s", (int) (at - text), text, by, at + strlen(what)) < 0) {
                printf("# '%s' is not in the text\n", what);
                exit(EXIT_FAILURE);
        }
        return out;
}

static const struct {
        const char *name, *what, *by, *text; /* the error has it */
} hostile[] = {
        { "a newer version", "\"version\":1", "\"version\":2", "newer tced's, of version 2" },
        { "a version beyond counting", "\"version\":1", "\"version\":18446744073709551615", "newer tced's" },
        { "a version below zero", "\"version\":1", "\"version\":-1", "version" },
        { "version 0", "\"version\":1", "\"version\":0", "version" },
        { "no version", "\"version\":1,", "", "version: it is missing" },
        { "a version that is a text", "\"version\":1", "\"version\":\"1\"", "version: a number" },
        { "no boot", "\"boot\"", "\"boots\"", "boot: it is missing" },
        { "no machines", "\"machines\"", "\"engines\"", "machines: it is missing" },
        { "machines that are no array", "\"machines\":[\n", "\"machines\":{}, \"x\":[\n", "machines: an array" },
        { "a machine that is none", "\"machines\":[\n", "\"machines\":[ 7,\n", "machines[0]: an object" },
        { "null for a machine", "\"machines\":[\n", "\"machines\":[ null,\n", "machines[0]: an object" },
        { "no UUID", "\"uuid\"", "\"uid\"", "machines[0].uuid: it is missing" },
        { "a UUID with dashes", UUID, "01234567-89ab-cdef-0123-456789abcdef", "machines[0].uuid" },
        { "a UUID in capitals", UUID, "0123456789ABCDEF0123456789abcdef", "machines[0].uuid" },
        { "a UUID too long", UUID, UUID "0", "machines[0].uuid" },
        { "no name", "\"name\":\"db 1\"", "\"name\":null", "machines[0].name: it is missing" },
        { "an empty name", "\"db 1\"", "\"\"", "machines[0].name" },
        { "a name that is a path", "\"db 1\"", "\"../../etc\"", "machines[0].name" },
        { "a name with a line feed", "\"db 1\"", "\"db\\n1\"", "machines[0].name" },
        { "a name with a NUL", "\"db 1\"", "\"db\\u0000\"", "machines[0].name" },
        { "an unknown source", "\"libvirt\"", "\"xen\"", "machines[0].source" },
        { "an unknown state", "\"claimed\"", "\"floating\"", "machines[0].state" },
        { "an owner beyond 32 bits", "\"owner\":4294967295", "\"owner\":4294967296", "machines[0].owner" },
        { "a serial number below zero", "\"serial\":18446744073709551615,", "\"serial\":-1,", "machines[0].serial" },
        { "half a byte charged", "\"charged\":1234567890123456789", "\"charged\":0.5", "machines[0].charged" },
        { "claimed by no process", "\"process\"", "\"processor\"", "machines[0].process: it is missing" },
        { "process 0", "\"pid\":4194303", "\"pid\":0", "machines[0].process.pid" },
        { "process -1", "\"pid\":4194303", "\"pid\":-1", "machines[0].process.pid" },
        { "a process beyond 32 bits", "\"pid\":4194303", "\"pid\":4294967297", "machines[0].process.pid" },
        { "a process without its start", "\"start\"", "\"stop\"", "machines[0].process.start" },
        { "an fd's name too long", "\"zz09ab\"", "\"zz09abc\"", "machines[0].process.fd" },
        { "an fd's name with a colon", "\"zz09ab\"", "\"a:b\"", "machines[0].process.fd" },
        { "an unknown reason of multi-TCE", "\"multitce_reason\":\"", "\"multitce_reason\":\"x", "machines[0].multitce_reason" },
        { "no tables", "\"tables\":", "\"chairs\":", "machines[0].tables: it is missing" },
        { "tables that are an object", "\"tables\":[", "\"tables\":{},\"x\":[", "machines[0].tables: an array" },
        { "a table that is none", "\"tables\":[", "\"tables\":[[],", "machines[0].tables[0]: an object" },
        { "a LIOBN twice", "\"liobn\":4097", "\"liobn\":4096", "machines[0].tables[1].liobn" },
        { "LIOBNs out of order", "\"liobn\":4097", "\"liobn\":1", "machines[0].tables[1].liobn" },
        { "a table without a device", "\"device\":\"scsi0\",", "", "machines[0].tables[0].device" },
        { "a device of no kind", "\"kind\":\"vio\"", "\"kind\":\"isa\"", "machines[0].tables[0].kind" },
        { "group -2", "\"group\":-1", "\"group\":-2", "machines[0].tables[0].group" },
        { "pages of 2^64", "\"page_shift\":63", "\"page_shift\":64", "machines[0].tables[0].page_shift" },
        { "no placement", "\"placement\":\"user\"", "\"placement\":\"moon\"", "machines[0].tables[0].placement" },
        { "a memfd of a table in the kernel", "\"placement\":\"user\"", "\"placement\":\"kernel\"", "machines[0].tables[0].state" },
        { "a table of the kernel's in the VMM", "\"placement\":\"kernel\"", "\"placement\":\"user\"", "machines[0].tables[1].state" },
        { "an error that is none", "\"error\":12", "\"error\":4096", "machines[0].tables[2].error" },
        { "an error below zero", "\"error\":12", "\"error\":-12", "machines[0].tables[2].error" },
        { "node -2", "\"numa_node\":-1", "\"numa_node\":-2", "machines[0].tables[0].numa_node" },
        { "no domain of libvirt's", "\"domain\":", "\"territory\":", "machines[0].domain: it is missing" },
        { "a finding that is not known", "\"mixed-phb\"", "\"mixed-drinks\"", "machines[0].domain.findings[0].id" },
        { "a group that is a text", "\"groups\":[0", "\"groups\":[\"0\"", "machines[0].domain.groups[0]" },
        { "what a group was, a number", "\"device\":\"0001:01:00.0 8086:1572\"", "\"device\":1", "machines[0].groups[0].device" },
        { "what a group was, not told", "\"device\":\"0001:01:00.0 8086:1572\"", "\"x\":1", "machines[0].groups[0].device" },
        { "a group that was without a number", "\"number\":7,", "", "machines[0].groups[0].number" },
        { "a group below zero", "\"groups\":[0", "\"groups\":[-1", "machines[0].domain.groups[0]" },
        { "text behind the end", "]}\n", "]}\n{}", "no JSON" },
        { "bytes that are no UTF-8", "\"db 1\"", "\"db \xff\"", "no text in UTF-8" },
};

static char *whole_document(void) {
        Machine *m = make_machine("db 1", UUID, MACHINE_SOURCE_LIBVIRT);
        _cleanup_free_ char *line = NULL;

        (void) machine_to_json(m, &line);
        (void) machine_free(m);
        return document(line);
}

static void test_hostile(void) {
        _cleanup_free_ char *text = whole_document(), *twice = NULL, *line = NULL;
        char error[STATE_ERROR_MAX];
        State state = {};

        for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
                _cleanup_free_ char *bad = replaced(text, hostile[i].what, hostile[i].by);
                int r = read_text(bad, &state, error);

                tap_ok(r == -EINVAL && strstr(error, hostile[i].text) && state.n_machines == 0, "%s: %d, '%s'", hostile[i].name, r, error);
        }
        line = strndup(strstr(text, "{\"uuid\""), strlen(strstr(text, "{\"uuid\"")) - strlen(STATE_TAIL));
        twice = replaced(text, STATE_TAIL, "\n");
        twice = realloc(twice, strlen(twice) + strlen(text));
        strcat(strcat(twice, line), STATE_TAIL);
        tap_ok(read_text(twice, &state, error) == -EINVAL && strstr(error, "there twice"), "a machine twice: '%s'", error);
        tap_ok(state_read(text, strlen(text), "ffffffffffffffffffffffffffffffff", on_ended, NULL, &state, error) == -ESTALE, "another boot");
        tap_ok(state.n_machines == 0, "nothing of all that is left");
        tap_ok(read_text("", &state, error) == -EINVAL && read_text("[]", &state, error) == -EINVAL && read_text("7", &state, error) == -EINVAL,
               "what is no object at all");
        state_clear(&state);
}

static char *line_of(const char *name, const char *uuid) {
        Machine *m = make_machine(name, uuid, MACHINE_SOURCE_BUS);
        char *line = NULL;

        (void) machine_to_json(m, &line);
        (void) machine_free(m);
        return line;
}

/* What can't be read of a state is left out, the other machines are taken up; where its head can't, nothing is. */
static void test_rest(void) {
        _cleanup_free_ char *text = whole_document(), *line = line_of("good", UUID_2), *end = NULL;
        State state = {};

        if (asprintf(&end, "\n%s," STATE_TAIL, line) < 0)
                exit(EXIT_FAILURE);
        for (size_t i = 0; i < ELEMENTSOF(hostile); i++) {
                _cleanup_free_ char *bad = replaced(text, hostile[i].what, hostile[i].by), *both = NULL;
                bool newer = strstr(hostile[i].text, "newer"), machine = strncmp(hostile[i].text, "machines[0]", strlen("machines[0]")) == 0;
                /* One more was put before two that are good. */
                size_t want = newer || strncmp(hostile[i].what, "\"machines\":", strlen("\"machines\":")) == 0 ? 2 : 1;
                int r;

                /* Behind the end there is no place for one. */
                if (streq(hostile[i].what, "]}\n"))
                        continue;
                both = replaced(bad, STATE_TAIL, end);
                r = state_read_rest(both, strlen(both), BOOT, on_ended, NULL, &state);
                if (newer || machine)
                        tap_ok(r == 0 && state.n_machines == want && streq(state.machines[want - 1]->name, "good"), "%s: all else is taken up: %d, %zu",
                               hostile[i].name, r, state.n_machines);
                else
                        tap_ok(r == -EINVAL && state.n_machines == 0, "%s: nothing is: %d", hostile[i].name, r);
                state_clear(&state);
        }
}

/* Which of two of a name, or of a UUID, is the right one can't be told. */
static void test_rest_twice(void) {
        static const struct {
                const char *name, *uuid;
        } doubles[] = { { "twice", UUID_3 }, { "another", UUID } };
        _cleanup_free_ char *good = line_of("good", UUID_2), *first = line_of("twice", UUID);

        for (size_t i = 0; i < ELEMENTSOF(doubles); i++) {
                _cleanup_free_ char *second = line_of(doubles[i].name, doubles[i].uuid), *lines = NULL, *text = NULL;
                State state = {};
                int r;

                if (asprintf(&lines, "%s,\n%s,\n%s", first, good, second) < 0)
                        exit(EXIT_FAILURE);
                text = document(lines);
                r = state_read_rest(text, strlen(text), BOOT, on_ended, NULL, &state);
                tap_ok(r == 0 && state.n_machines == 1 && streq(state.machines[0]->name, "good"), "two of one %s: neither is taken up, a third is",
                       i == 0 ? "name" : "UUID");
                state_clear(&state);
        }
}

/* Cut off anywhere, one bit or byte wrong anywhere: it is read or it is not, and nothing else happens (sanitizers look on). */
static void test_damaged(void) {
        _cleanup_free_ char *text = whole_document();
        size_t size = strlen(text), refused = 0, read = 0;
        char error[STATE_ERROR_MAX];
        uint32_t seed = 1;
        State state = {};

        for (size_t n = 0; n + 1 < size; n++) /* the line feed at the end may be missing */
                refused += state_read(text, n, BOOT, on_ended, NULL, &state, error) == -EINVAL;
        tap_eq(refused, size - 1, "a file that is cut off is refused, wherever");
        for (unsigned i = 0; i < 20000; i++) {
                size_t at = (seed = seed * 1664525 + 1013904223) % size;
                char before = text[at];

                if (i % 2)
                        text[at] = (char) ((unsigned char) before ^ (1U << (seed >> 29)));
                else
                        text[at] = "0\"[]{},:-9\\\x80 "[(seed >> 24) % 13];
                if (state_read(text, size, BOOT, on_ended, NULL, &state, error) >= 0)
                        read++;
                state_clear(&state);
                text[at] = before;
        }
        printf("# %zu of 20000 damaged ones could be read\n", read);
        tap_ok(read < 20000, "a byte that is wrong");
}

int main(void) {
        test_round_trip(MACHINE_SOURCE_BUS);
        test_round_trip(MACHINE_SOURCE_LIBVIRT);
        test_bare();
        test_many();
        test_hostile();
        test_rest();
        test_rest_twice();
        test_damaged();
        return tap_done();
}
