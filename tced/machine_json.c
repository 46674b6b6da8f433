/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Members are in tables, which serve both ways: what is written is what is read. Whoever reads what a machine has relies on what was
 * checked when it was registered, so that is checked again. */

#include "machine_json.h"

#include <inttypes.h>

#include "names.h"
#include "util.h"

/* An array of a member costs some hundred bytes: as many as a file of STATE_SIZE_MAX may have that tced wrote. */
#define PARTS_MAX ((size_t) 8 << 20)

/* As libtced and the bus take it (asm-generic/errno.h has none above). */
#define ERRNO_MAX 4095

typedef enum MemberType {
        MEMBER_U64,
        MEMBER_U32,
        MEMBER_INT,
        MEMBER_BOOL, /* absent where false */
        MEMBER_TEXT, /* a char * that is owned; absent where NULL */
        MEMBER_WORD, /* an enum */
} MemberType;

typedef struct Member {
        const char *key;
        MemberType type;
        size_t offset;
        bool optional;
        int64_t min, max; /* of U32 and INT; max of U64 where it is not 0 */
        const char *(*to_string)(int value);
        int (*from_string)(const char *text);
} Member;

#define WORD(name, Type)                              \
        static const char *name##_word(int value) {   \
                return name##_to_string((Type) value); \
        }

WORD(device_kind, DeviceKind)
WORD(placement, Placement)
WORD(reason, Reason)
WORD(accel, Accel)
WORD(tristate, Tristate)
WORD(multitce_reason, MultiTceReason)
WORD(machine_state, MachineState)
WORD(machine_source, MachineSource)
WORD(table_state, TableState)
WORD(finding_id, FindingId)
WORD(severity, Severity)

#define IS_WORD(k, o, name) { .key = (k), .type = MEMBER_WORD, .offset = (o), .to_string = name##_word, .from_string = name##_from_string }
#define IS_U64(k, o) { .key = (k), .type = MEMBER_U64, .offset = (o) }
#define IS_U32(k, o, most) { .key = (k), .type = MEMBER_U32, .offset = (o), .max = (most) }
#define IS_INT(k, o, least, most) { .key = (k), .type = MEMBER_INT, .offset = (o), .min = (least), .max = (most) }
#define IS_BOOL(k, o) { .key = (k), .type = MEMBER_BOOL, .offset = (o), .optional = true }
#define IS_TEXT(k, o, may_be_null) { .key = (k), .type = MEMBER_TEXT, .offset = (o), .optional = (may_be_null) }

static const Member plan_table_members[] = {
        IS_U32("liobn", offsetof(PlanTable, window.liobn), UINT32_MAX),
        IS_TEXT("device", offsetof(PlanTable, window.device), false),
        IS_WORD("kind", offsetof(PlanTable, window.kind), device_kind),
        IS_INT("group", offsetof(PlanTable, window.group), -1, INT32_MAX),
        IS_U64("bus_offset", offsetof(PlanTable, window.bus_offset)),
        IS_U64("size", offsetof(PlanTable, window.size)),
        IS_U32("page_shift", offsetof(PlanTable, window.page_shift), 63),
        IS_BOOL("notifier", offsetof(PlanTable, window.notifier)),
        IS_BOOL("dynamic", offsetof(PlanTable, window.dynamic)),
        IS_BOOL("likely", offsetof(PlanTable, window.likely)),
        IS_U64("entries", offsetof(PlanTable, entries)),
        IS_U64("bytes", offsetof(PlanTable, bytes)),
        IS_U64("locked_bytes", offsetof(PlanTable, locked_bytes)),
        IS_BOOL("refused", offsetof(PlanTable, verdict.refused)),
        IS_WORD("placement", offsetof(PlanTable, verdict.placement), placement),
        IS_WORD("reason", offsetof(PlanTable, verdict.reason), reason),
        IS_WORD("accel", offsetof(PlanTable, setting.accel), accel),
        IS_WORD("multitce", offsetof(PlanTable, setting.multitce), tristate),
        IS_WORD("huge_pages", offsetof(PlanTable, setting.huge_pages), tristate),
        IS_INT("numa_node", offsetof(PlanTable, setting.numa_node), NUMA_NODE_ANY, INT32_MAX),
        IS_TEXT("rule", offsetof(PlanTable, rule), true),
};

/* In the same object as the table's part of the plan. */
static const Member table_members[] = {
        IS_WORD("state", offsetof(Table, state), table_state),
        IS_BOOL("in_huge_pages", offsetof(Table, huge_pages)),
        IS_INT("error", offsetof(Table, error), 0, ERRNO_MAX),
};

static const Member plan_members[] = {
        IS_BOOL("multitce", offsetof(Plan, multitce.allowed)),
        IS_WORD("multitce_reason", offsetof(Plan, multitce.reason), multitce_reason),
        IS_U64("user_bytes", offsetof(Plan, user_bytes)),
        IS_U64("kernel_bytes", offsetof(Plan, kernel_bytes)),
        IS_U64("locked_bytes", offsetof(Plan, locked_bytes)),
        IS_U64("dynamic_user_bytes", offsetof(Plan, dynamic_user_bytes)),
        IS_U64("dynamic_kernel_bytes", offsetof(Plan, dynamic_kernel_bytes)),
        IS_U64("dynamic_locked_bytes", offsetof(Plan, dynamic_locked_bytes)),
};

static const Member machine_members[] = {
        IS_WORD("source", offsetof(Machine, source), machine_source),
        IS_WORD("state", offsetof(Machine, state), machine_state),
        IS_U32("owner", offsetof(Machine, owner), UINT32_MAX), /* with OWNER_UNKNOWN */
        IS_U32("registrar", offsetof(Machine, registrar), UINT32_MAX),
        IS_U64("serial", offsetof(Machine, serial)),
        IS_U64("charged", offsetof(Machine, charged)),
        IS_BOOL("memlock_permitted", offsetof(Machine, memlock_permitted)),
        { .key = "memlock_raised", .type = MEMBER_U64, .offset = offsetof(Machine, memlock_raised), .optional = true },
};

static const Member process_members[] = {
        IS_INT("pid", offsetof(Process, pid), 1, INT32_MAX),
        IS_U64("start", offsetof(Process, start)),
        IS_BOOL("by_pid", offsetof(Process, by_pid)),
};

static const Member domain_members[] = {
        IS_BOOL("memlock_unlimited", offsetof(MachineDomain, memlock.limit_unlimited)),
        IS_U64("memlock_limit", offsetof(MachineDomain, memlock.limit)),
        IS_U64("memlock_charged", offsetof(MachineDomain, memlock.charged)),
        IS_U64("memlock_charged_at_start", offsetof(MachineDomain, memlock.charged_at_start)),
        IS_U64("told_usec", offsetof(MachineDomain, told_usec)), /* the clock goes on while tced does not run */
        IS_INT("id", offsetof(MachineDomain, id), -1, INT32_MAX),
        IS_TEXT("security_model", offsetof(MachineDomain, security_model), true),
        IS_TEXT("security_label", offsetof(MachineDomain, security_label), true),
};

static const Member finding_members[] = {
        IS_WORD("id", offsetof(Finding, id), finding_id),
        IS_WORD("severity", offsetof(Finding, severity), severity),
        IS_TEXT("subject", offsetof(Finding, subject), false),
        IS_TEXT("text", offsetof(Finding, text), false),
        IS_TEXT("remedy", offsetof(Finding, remedy), false),
};

_Static_assert(sizeof(Placement) == sizeof(int) && sizeof(Reason) == sizeof(int) && sizeof(MachineState) == sizeof(int),
               "members of enums are copied as int");
_Static_assert(sizeof(uid_t) == sizeof(uint32_t) && sizeof(pid_t) == sizeof(int), "users and processes as well");

/* ---- out ---- */

/* What an administrator wrote may be in any encoding (a rule's path), and JSON is UTF-8. */
static Json *text_to_json(const char *text) {
        _cleanup_free_ char *copy = strdup(text);

        return copy ? json_object_new_string(utf8_mend(copy)) : NULL;
}

static void add_member(Json *o, const Member *m, const void *thing) {
        const char *at = (const char *) thing + m->offset;
        char *text;
        int number;

        switch (m->type) {
        case MEMBER_U64:
                json_add_number(o, m->key, *(const uint64_t *) at);
                break;
        case MEMBER_U32:
                json_add_number(o, m->key, *(const uint32_t *) at);
                break;
        case MEMBER_INT:
                json_add_int(o, m->key, *(const int *) at);
                break;
        case MEMBER_BOOL:
                if (*(const bool *) at)
                        json_add_bool(o, m->key, true);
                break;
        case MEMBER_TEXT:
                memcpy(&text, at, sizeof(text));
                if (text)
                        json_add(o, m->key, text_to_json(text));
                break;
        case MEMBER_WORD:
                memcpy(&number, at, sizeof(number));
                json_add_string(o, m->key, m->to_string(number));
                break;
        }
}

static void add_members_of(Json *o, const Member *members, size_t n, const void *thing) {
        for (size_t i = 0; i < n; i++)
                add_member(o, &members[i], thing);
}
#define ADD_MEMBERS(o, members, thing) add_members_of((o), (members), ELEMENTSOF(members), (thing))

static Json *domain_to_json(const MachineDomain *d) {
        Json *o = json_new_object(), *findings = json_new_array(), *groups = json_new_array();

        ADD_MEMBERS(o, domain_members, d);
        for (size_t i = 0; i < d->findings.n; i++) {
                Json *finding = json_new_object();

                ADD_MEMBERS(finding, finding_members, &d->findings.items[i]);
                json_push(findings, finding);
        }
        json_add(o, "findings", findings);
        for (size_t i = 0; i < d->n_groups; i++)
                json_push(groups, json_object_new_int(d->groups[i]));
        json_add(o, "groups", groups);
        return o;
}

static Json *groups_to_json(const Machine *machine) {
        Json *array = json_new_array();

        for (size_t i = 0; i < machine->n_groups; i++) {
                Json *o = json_new_object();

                json_add_number(o, "number", machine->groups[i].number);
                json_add(o, "device", text_to_json(machine->groups[i].identity));
                json_push(array, o);
        }
        return array;
}

static Json *process_to_json(const Machine *machine) {
        Json *o = json_new_object();

        ADD_MEMBERS(o, process_members, &machine->process);
        if (*machine->stored_as)
                json_add_string(o, "fd", machine->stored_as);
        return o;
}

int machine_to_json(const Machine *machine, char **ret) {
        Json *o = json_begin(), *tables = json_new_array(), *dynamic = json_new_array();

        json_add_string(o, "uuid", machine->uuid);
        json_add(o, "name", text_to_json(machine->name));
        ADD_MEMBERS(o, machine_members, machine);
        if (machine->process.pid > 0)
                json_add(o, "process", process_to_json(machine));
        ADD_MEMBERS(o, plan_members, &machine->plan);
        for (size_t i = 0; i < machine->n_tables; i++) {
                Json *table = json_new_object();

                ADD_MEMBERS(table, plan_table_members, machine->tables[i].plan);
                ADD_MEMBERS(table, table_members, &machine->tables[i]);
                json_push(tables, table);
        }
        json_add(o, "tables", tables);
        for (size_t i = 0; i < machine->plan.n_dynamic; i++) {
                Json *table = json_new_object();

                ADD_MEMBERS(table, plan_table_members, &machine->plan.dynamic[i]);
                json_push(dynamic, table);
        }
        json_add(o, "dynamic_tables", dynamic);
        json_add(o, "groups", groups_to_json(machine));
        if (machine->source == MACHINE_SOURCE_LIBVIRT)
                json_add(o, "domain", domain_to_json(&machine->domain));
        return json_end_consume(o, ret);
}

const char *state_head_to_json(const StateHead *head, char buf[STATE_HEAD_MAX]) {
        (void) snprintf(buf, STATE_HEAD_MAX,
                        "{\"version\":%d,\"boot\":\"%s\",\"serial\":%" PRIu64 ",\"hook_called\":%" PRIu64
                        ",\"libvirtd_reloaded\":%" PRIu64 ",\"bound\":%s,\"machines\":[\n",
                        STATE_VERSION, head->boot, head->last_serial, head->hook_called_usec, head->libvirtd_reloaded_usec,
                        head->bound ? "true" : "false");
        return buf;
}

/* ---- in ---- */

static int missing(const JsonPlace *at, const char *key) {
        return json_read_fail(at, key, "it is missing, or not known");
}

static int read_member(const JsonPlace *at, const Member *m, void *thing) {
        char *place = (char *) thing + m->offset, *text;
        int number, r = -EINVAL;

        switch (m->type) {
        case MEMBER_U64:
                r = json_read_number(at, m->key, UINT64_MAX, (uint64_t *) place);
                break;
        case MEMBER_U32:
                r = json_read_u32(at, m->key, (uint32_t) m->max, (uint32_t *) place);
                break;
        case MEMBER_INT:
                r = json_read_int(at, m->key, (int) m->min, (int) m->max, (int *) place);
                break;
        case MEMBER_BOOL:
                r = json_read_bool(at, m->key, (bool *) place);
                break;
        case MEMBER_TEXT:
                r = json_read_copy(at, m->key, &text);
                if (r > 0)
                        memcpy(place, &text, sizeof(text));
                break;
        case MEMBER_WORD:
                r = json_read_word(at, m->key, m->from_string, &number);
                if (r > 0)
                        memcpy(place, &number, sizeof(number));
                break;
        }
        return r == 0 && !m->optional ? missing(at, m->key) : r;
}

static int read_members_of(const JsonPlace *at, const Member *members, size_t n, void *thing) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                r = read_member(at, &members[i], thing);
        return r;
}
#define READ_MEMBERS(at, members, thing) read_members_of((at), (members), ELEMENTSOF(members), (thing))

/* Tables that are read one by one; those that were begun are the plan's to free. */
typedef struct TableReader {
        PlanTable *tables;
        size_t n, room;
        Table *states; /* for each; NULL: they have none */
} TableReader;

/* What the code relies on: one table for each LIOBN in their order; memory is made for those alone that live in the VMM. */
static int check_table(const JsonPlace *at, const TableReader *r) {
        const PlanTable *t = &r->tables[r->n - 1];
        const Table *state = &r->states[r->n - 1];

        if (r->n > 1 && t[-1].window.liobn >= t->window.liobn)
                return json_read_fail(at, "liobn", "it is not above the one before");
        if ((state->state == TABLE_READY || state->state == TABLE_HANDED_OUT) && t->verdict.placement != PLACEMENT_USER)
                return json_read_fail(at, "state", "a table in the kernel has no memfd");
        if (state->state == TABLE_MADE && t->verdict.placement == PLACEMENT_USER)
                return json_read_fail(at, "state", "a table in the VMM is none of the kernel's");
        return 0;
}

static int read_table(const JsonPlace *at, void *userdata) {
        TableReader *reader = userdata;
        int r;

        reader->n++;
        r = READ_MEMBERS(at, plan_table_members, &reader->tables[reader->n - 1]);
        if (r < 0 || !reader->states)
                return r;
        r = READ_MEMBERS(at, table_members, &reader->states[reader->n - 1]);
        return r < 0 ? r : check_table(at, reader);
}

/* Into *tables and *n also on failure, for plan_clear(). */
static int read_tables(const JsonPlace *at, const char *key, PlanTable **tables, size_t *n, Table **states) {
        TableReader reader = {};
        JsonPlace array;
        int r = json_read_member(at, key, json_type_array, &array);

        if (r <= 0)
                return r < 0 ? r : missing(at, key);
        reader.room = json_read_length(&array) + 1;
        *tables = reader.tables = calloc(reader.room, sizeof(*reader.tables));
        if (states)
                *states = reader.states = calloc(reader.room, sizeof(*reader.states));
        if (!reader.tables || (states && !reader.states))
                return -ENOMEM;
        r = json_read_each(at, key, read_table, &reader);
        *n = reader.n;
        return r;
}

static int read_finding(const JsonPlace *at, void *userdata) {
        Finding f = {};
        int r = READ_MEMBERS(at, finding_members, &f);

        if (r >= 0)
                r = findings_add(userdata, f.id, f.severity, f.subject, f.remedy, "%s", f.text);
        free(f.subject);
        free(f.text);
        free(f.remedy);
        return r;
}

static int read_groups(const JsonPlace *at, MachineDomain *d) {
        JsonPlace array, item;
        int r = json_read_member(at, "groups", json_type_array, &array);
        size_t n;

        if (r <= 0)
                return r;
        n = json_read_length(&array);
        d->groups = calloc(n + 1, sizeof(*d->groups));
        if (!d->groups)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                int64_t group;

                r = json_read_item(&array, i, json_type_int, &item);
                if (r < 0)
                        return r;
                group = json_object_get_int64(item.value);
                if (group < 0 || group > INT32_MAX)
                        return json_read_fail(&item, NULL, "it is no IOMMU group");
                d->groups[d->n_groups++] = (int) group;
        }
        return 0;
}

static int read_domain(const JsonPlace *at, MachineDomain *d) {
        JsonPlace domain;
        int r = json_read_member(at, "domain", json_type_object, &domain);

        if (r <= 0)
                return r < 0 ? r : missing(at, "domain");
        r = READ_MEMBERS(&domain, domain_members, d);
        if (r >= 0)
                r = json_read_each(&domain, "findings", read_finding, &d->findings);
        return r < 0 ? r : read_groups(&domain, d);
}

static int read_group(const JsonPlace *at, void *userdata) {
        Machine *machine = userdata;
        MachineGroup *g = &machine->groups[machine->n_groups];
        const char *device = NULL;
        uint64_t number = 0;
        int r = json_read_number(at, "number", UINT32_MAX, &number);

        if (r == 0)
                return missing(at, "number");
        if (r > 0)
                r = json_read_string(at, "device", &device);
        if (r < 0)
                return r;
        if (!device || strlen(device) >= sizeof(g->identity))
                return json_read_fail(at, "device", "it is no device as tced writes it");
        g->number = (unsigned) number;
        strcpy(g->identity, device);
        machine->n_groups++;
        return 0;
}

/* A tced before this one did not write them. */
static int read_machine_groups(const JsonPlace *at, Machine *machine) {
        JsonPlace array;
        int r = json_read_member(at, "groups", json_type_array, &array);

        if (r <= 0)
                return r;
        machine->groups = calloc(json_read_length(&array) + 1, sizeof(*machine->groups));
        return machine->groups ? json_read_each(at, "groups", read_group, machine) : -ENOMEM;
}

static int read_process(const JsonPlace *at, Machine *machine) {
        JsonPlace process;
        const char *fd;
        int r = json_read_member(at, "process", json_type_object, &process);

        if (r == 0 && machine->state == MACHINE_CLAIMED)
                return missing(at, "process");
        if (r <= 0)
                return r;
        r = READ_MEMBERS(&process, process_members, &machine->process);
        if (r >= 0)
                r = json_read_string(&process, "fd", &fd);
        if (r <= 0)
                return r;
        if (strlen(fd) >= sizeof(machine->stored_as) || strspn(fd, "0123456789abcdefghijklmnopqrstuvwxyz") != strlen(fd))
                return json_read_fail(&process, "fd", "it is no name of tced's");
        strcpy(machine->stored_as, fd);
        return 0;
}

/* It becomes part of paths, of the bus's and of files. */
static int read_identity(const JsonPlace *at, const char **ret_name, char uuid[33]) {
        const char *text = NULL, *name = NULL;
        int r = json_read_string(at, "uuid", &text);

        if (r > 0 && (!uuid_normalize(text, uuid) || !streq(text, uuid)))
                return json_read_fail(at, "uuid", "it is no UUID as tced writes it");
        if (r >= 0)
                r = text ? json_read_string(at, "name", &name) : missing(at, "uuid");
        if (r >= 0 && !name)
                r = missing(at, "name");
        if (r < 0)
                return r;
        for (const unsigned char *c = (const unsigned char *) name; *c; c++)
                if (*c < ' ' || *c == 0x7f || *c == '/')
                        return json_read_fail(at, "name", "it can't be a machine's name");
        if (!*name || strlen(name) > TCED_DOMAIN_NAME_MAX)
                return json_read_fail(at, "name", "it can't be a machine's name");
        *ret_name = name;
        return 0;
}

typedef struct StateReader {
        State state;
        size_t allocated;
        void (*ended)(Machine *, void *);
        void *userdata;
} StateReader;

static int read_rest(const JsonPlace *at, const Table *states, Machine *machine) {
        int r = READ_MEMBERS(at, machine_members, machine);

        if (r >= 0)
                r = read_process(at, machine);
        if (r >= 0)
                r = read_machine_groups(at, machine);
        if (r >= 0 && machine->source == MACHINE_SOURCE_LIBVIRT)
                r = read_domain(at, &machine->domain);
        for (size_t i = 0; i < machine->n_tables; i++) {
                machine->tables[i].state = states[i].state;
                machine->tables[i].huge_pages = states[i].huge_pages;
                machine->tables[i].error = states[i].error;
        }
        return r < 0 ? r : machine_update_findings(machine);
}

static int read_machine(const JsonPlace *at, StateReader *reader) {
        _cleanup_free_ Table *states = NULL;
        Machine *machine = NULL;
        const char *name = NULL;
        Plan plan = {};
        char uuid[33];
        int r;

        if (ARRAY_RESERVE(reader->state.machines, reader->allocated, reader->state.n_machines + 1) < 0)
                return -ENOMEM;
        r = read_identity(at, &name, uuid);
        if (r >= 0)
                r = read_tables(at, "tables", &plan.tables, &plan.n_tables, &states);
        if (r >= 0)
                r = read_tables(at, "dynamic_tables", &plan.dynamic, &plan.n_dynamic, NULL);
        if (r >= 0)
                r = READ_MEMBERS(at, plan_members, &plan);
        if (r >= 0)
                r = machine_new(name, uuid, &plan, reader->ended, reader->userdata, &machine);
        if (r < 0) {
                plan_clear(&plan);
                return r;
        }
        reader->state.machines[reader->state.n_machines++] = machine;
        return read_rest(at, states, machine);
}

/* lenient: leaves out what can't be read, or is none. */
static int read_machines(const JsonPlace *array, bool lenient, StateReader *reader) {
        State *s = &reader->state;

        for (size_t i = 0, n = json_read_length(array); i < n; i++) {
                size_t before = s->n_machines;
                JsonPlace item;
                int r;

                /* Behind the last comma. */
                if (i == n - 1 && !json_object_array_get_idx(array->value, i))
                        break;
                r = json_read_item(array, i, json_type_object, &item);
                if (r >= 0)
                        r = read_machine(&item, reader);
                if (r < 0 && (!lenient || r == -ENOMEM))
                        return r;
                while (r < 0 && s->n_machines > before)
                        (void) machine_free(s->machines[--s->n_machines]);
        }
        return 0;
}

static int compare_uuids(const void *a, const void *b) {
        return strcmp((*(Machine *const *) a)->uuid, (*(Machine *const *) b)->uuid);
}

static int compare_names(const void *a, const void *b) {
        return strcmp((*(Machine *const *) a)->name, (*(Machine *const *) b)->name);
}

/* Whose it is can't be told: none of them stays. */
static void drop_doubles(State *s, int (*compare)(const void *, const void *)) {
        size_t kept = 0, end;

        for (size_t i = 0; i < s->n_machines; i = end) {
                for (end = i + 1; end < s->n_machines && compare(&s->machines[i], &s->machines[end]) == 0;)
                        end++;
                if (end == i + 1)
                        s->machines[kept++] = s->machines[i];
                else
                        for (size_t j = i; j < end; j++)
                                (void) machine_free(s->machines[j]);
        }
        s->n_machines = kept;
}

/* Leaves them in the order of their UUIDs. */
static int check_unique(const JsonPlace *at, bool lenient, State *s) {
        static int (*const compare[])(const void *, const void *) = { compare_names, compare_uuids };

        for (size_t i = 0; i < ELEMENTSOF(compare); i++) {
                if (s->n_machines > 0)
                        qsort(s->machines, s->n_machines, sizeof(*s->machines), compare[i]);
                if (lenient)
                        drop_doubles(s, compare[i]);
                for (size_t j = 1; j < s->n_machines; j++)
                        if (compare[i](&s->machines[j - 1], &s->machines[j]) == 0)
                                return json_read_fail(at, "machines", "%.64s is there twice", s->machines[j]->name);
        }
        return 0;
}

static int read_head(const JsonPlace *at, const char *boot, bool lenient, StateHead *ret) {
        uint64_t version = 0;
        const char *text = "";
        int r;

        if (!json_object_is_type(at->value, json_type_object))
                return json_read_fail(at, NULL, "an object is expected");
        r = json_read_number(at, "version", UINT64_MAX, &version);
        if (r == 0 || (r > 0 && version == 0))
                return missing(at, "version");
        if (version > STATE_VERSION && !lenient)
                return json_read_fail(at, NULL, "it is a newer tced's, of version %" PRIu64 ", and this one reads up to %d", version,
                                      STATE_VERSION);
        if (r >= 0)
                r = json_read_string(at, "boot", &text);
        if (r > 0 && !streq(text, boot))
                return -ESTALE;
        if (r == 0)
                return missing(at, "boot");
        if (r >= 0)
                r = json_read_number(at, "serial", UINT64_MAX, &ret->last_serial);
        if (r >= 0)
                r = json_read_number(at, "hook_called", UINT64_MAX, &ret->hook_called_usec);
        if (r >= 0)
                r = json_read_number(at, "libvirtd_reloaded", UINT64_MAX, &ret->libvirtd_reloaded_usec);
        if (r >= 0)
                r = json_read_bool(at, "bound", &ret->bound);
        (void) snprintf(ret->boot, sizeof(ret->boot), "%s", boot);
        return r;
}

static int read_state(const char *text, size_t size, const char *boot, bool lenient, void (*ended)(Machine *, void *), void *userdata,
                      State *ret, char error[STATE_ERROR_MAX]) {
        const JsonFault fault = { .text = error, .size = STATE_ERROR_MAX, .remedy = "this tced writes no such file" };
        StateReader reader = { .ended = ended, .userdata = userdata };
        JsonPlace document = { .fault = &fault }, machines;
        int r;

        r = json_read_text(text, size, PARTS_MAX, &fault, &document.value);
        if (r < 0)
                return r;
        r = read_head(&document, boot, lenient, &reader.state.head);
        if (r >= 0) {
                r = json_read_member(&document, "machines", json_type_array, &machines);
                if (r == 0)
                        r = missing(&document, "machines");
        }
        if (r >= 0)
                r = read_machines(&machines, lenient, &reader);
        if (r >= 0)
                r = check_unique(&document, lenient, &reader.state);
        (void) json_object_put(document.value);
        if (r < 0) {
                state_clear(&reader.state);
                return r;
        }
        *ret = reader.state;
        return 0;
}

int state_read(const char *text, size_t size, const char *boot, void (*ended)(Machine *, void *), void *userdata, State *ret,
               char error[STATE_ERROR_MAX]) {
        return read_state(text, size, boot, false, ended, userdata, ret, error);
}

int state_read_rest(const char *text, size_t size, const char *boot, void (*ended)(Machine *, void *), void *userdata, State *ret) {
        char error[STATE_ERROR_MAX];

        return read_state(text, size, boot, true, ended, userdata, ret, error);
}

void state_clear(State *state) {
        for (size_t i = 0; i < state->n_machines; i++)
                (void) machine_free(state->machines[i]);
        free(state->machines);
        *state = (State) {};
}
