/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is wrong with a domain on a host, in the order of FindingId: here what concerns the VM as a whole, in domain_check_bus.c
 * PHBs, VIO registers and windows, in domain_check_vfio.c what is passed through. "Seen" in a comment is: on QEMU 7.2 with TCG,
 * stopped (-S). */

#include "domain_check.h"

#include <inttypes.h>
#include <stdarg.h>

#include "domain_check_internal.h"
#include "domain_memory.h"
#include "util.h"

#define KIB UINT64_C(1024)
#define GIB_IN_KIB (UINT64_C(1) << 20)

/* Where nothing is said of it. */
#define SLOTS_DEFAULT 16U
/* Far above any machine's and far below what libvirt takes (virMemoryMaxValue()), in KiB: a PiB. */
#define MEMORY_MAX_KIB (UINT64_C(1) << 40)

/* A name, or as much of it as there is room for, and an ellipsis; never a part of a letter. */
static void copy_name(char *to, size_t size, const char *name) {
        static const char more[] = "…";
        size_t length = strlen(name);

        if (length < size) {
                memcpy(to, name, length + 1);
                return;
        }
        length = size - sizeof(more);
        while (length > 0 && ((unsigned char) name[length] & 0xc0) == 0x80)
                length--;
        memcpy(to, name, length);
        memcpy(to + length, more, sizeof(more));
}

void name_list_add(NameList *list, const char *name) {
        size_t used = strlen(list->text), more = strlen(list->last), length = strlen(name);

        if (length > sizeof(list->last))
                length = sizeof(list->last);
        list->n++;
        /* Room for the joints and for " and 4294967295 more". */
        if (list->shown < list->n - 1 || used + more + length + 32 > sizeof(list->text))
                return;
        if (more > 0)
                (void) snprintf(list->text + used, sizeof(list->text) - used, "%s%s", used > 0 ? ", " : "", list->last);
        copy_name(list->last, sizeof(list->last), name);
        list->shown++;
}

const char *name_list_text(NameList *list) {
        size_t used = strlen(list->text), left = sizeof(list->text) - used;

        if (list->shown == list->n)
                (void) snprintf(list->text + used, left, "%s%s", used > 0 ? " and " : "", list->last);
        else
                (void) snprintf(list->text + used, left, "%s%s and %zu more", used > 0 ? ", " : "", list->last,
                                list->n - list->shown);
        return list->text;
}

const char *check_device_name(const DomainDevice *device) {
        return device->alias ? device->alias : domain_device_type_to_string(device->type);
}

int check_remedy(char **ret, const char *format, ...) {
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(ret, format, ap);
        va_end(ap);
        if (n < 0)
                *ret = NULL;
        return n < 0 ? -ENOMEM : 0;
}

const char *domain_label(const Domain *d) {
        return isempty(d->name) ? "domain" : d->name;
}

/* libvirt refuses type='kvm' where /dev/kvm is not there (virQEMUCapsInitHostCPUModel and after), QEMU where no VM can be made.
 * Whether libvirt's QEMU may open it is another matter than whether we may. */
static int check_kvm_unusable(Check *c) {
        const KvmFacts *kvm = c->host->kvm;
        bool denied = kvm->device_error == EACCES || kvm->device_error == EPERM;

        if (!c->plan->domain.kvm || c->elsewhere || (kvm->device_error == 0 && kvm->vm.proof != PROOF_NO))
                return 0;
        if (denied)
                return findings_add(&c->plan->findings, FINDING_KVM_UNUSABLE, SEVERITY_WARNING, domain_label(&c->plan->domain),
                                    "See who may open it: ls -l /dev/kvm. tced's user has to be in that group, and so has QEMU's "
                                    "(libvirt-qemu)",
                                    "The VM is for KVM (type='kvm'), and /dev/kvm can't be opened from here to see whether that "
                                    "works: %s",
                                    kvm->vm.why);
        return findings_add(&c->plan->findings, FINDING_KVM_UNUSABLE, SEVERITY_ERROR, domain_label(&c->plan->domain),
                            "Get KVM going (tcectl status says what is in the way), or run the VM without it: <domain "
                            "type='qemu'>",
                            "The VM is for KVM (type='kvm'), which this host can't give it: %s", kvm->vm.why);
}

/* A plan is useful on a desk too. */
static int check_no_tce(Check *c) {
        if (!c->elsewhere)
                return 0;
        return findings_add(&c->plan->findings, FINDING_NO_TCE, SEVERITY_INFO, domain_label(&c->plan->domain),
                            "Plan for the host that will run it, with what \"tcectl describe --json\" prints there: tcectl plan "
                            "--host=FACTS.json FILE",
                            "The VM is for KVM on POWER and this host is %s: placements here are this host's, and what depends "
                            "on the host that it will run on is not checked",
                            isempty(c->host->kvm->machine) ? "not" : c->host->kvm->machine);
}

/* libvirt refuses a domain with memory devices otherwise (src/qemu/qemu_domain.c: qemuDomainDefValidateMemoryHotplug,
 * src/conf/domain_postparse.c: virDomainDefPostParseMemory); seen. */
bool domain_dimms_fit(const Domain *d) {
        DomainMemory memory = domain_memory_at_start(d);

        return d->n_dimms == 0 || (d->max_memory > 0 && memory.max >= memory.total && d->n_dimms <= d->memory_slots);
}

unsigned domain_maxmemory_slots(const Domain *d) {
        size_t slots = d->n_dimms > d->memory_slots ? d->n_dimms : d->memory_slots;

        return slots > SLOTS_DEFAULT ? (unsigned) slots : SLOTS_DEFAULT;
}

bool domain_lacks_maxmemory(const DomainPlan *plan) {
        DomainMemory memory = domain_memory_at_start(&plan->domain);
        bool ddw = false;

        if (!domain_dimms_fit(&plan->domain))
                return true;
        for (size_t i = 0; i < plan->layout.n_phbs; i++)
                ddw |= plan->layout.phbs[i].ddw;
        if (plan->domain.max_memory > 0 && memory.max > memory.initial)
                return false;
        return ddw || (plan->domain.max_memory > 0 && plan->domain.memory_slots > 0);
}

uint64_t domain_maxmemory(const DomainPlan *plan) {
        DomainMemory memory = domain_memory_at_start(&plan->domain);
        uint64_t max = 1;

        if (memory.total >= MEMORY_MAX_KIB)
                return 0;
        while (max <= memory.total)
                max <<= 1;
        /* It may be slots alone that are missing. */
        return plan->domain.max_memory > 0 && memory.max > max ? memory.max : max;
}

/* QEMU tells the guest how far its memory may grow (ibm,lrdr-capacity), and told one that has no room for more: 0
 * (hw/ppc/spapr.c: spapr_dt_rtas). 7.2 does, 10.0.13 says the memory's size. Linux 6.12 then asks for a window of 0 bytes; seen.
 * A <maxMemory> as large as the memory and with slots is refused ("invalid value of maxmem"); seen. */
static int add_no_maxmemory(Check *c, bool vfio, const char *names, const char *remedy) {
        const Domain *d = &c->plan->domain;

        if (!domain_dimms_fit(d))
                return findings_add(&c->plan->findings, FINDING_NO_MAXMEMORY, SEVERITY_ERROR, domain_label(d), remedy,
                                    "Memory devices (%zu) need a <maxMemory> that has room for the VM's memory and theirs, and a slot "
                                    "for each: libvirt refuses them",
                                    d->n_dimms);
        if (d->max_memory > 0 && d->memory_slots > 0)
                return findings_add(&c->plan->findings, FINDING_NO_MAXMEMORY, SEVERITY_ERROR, domain_label(d), remedy,
                                    "<maxMemory> leaves no room above the VM's memory, and QEMU takes no slots then: the VM "
                                    "can't start");
        return findings_add(&c->plan->findings, FINDING_NO_MAXMEMORY, vfio ? SEVERITY_WARNING : SEVERITY_INFO, domain_label(d),
                            remedy,
                            "The VM has %s, and QEMU 7.2 (10.0.13 no longer) then tells the guest that its memory ends at 0: "
                            "Linux 6.12 gets no 64-bit DMA window%s%s%s",
                            d->max_memory == 0 ? "no <maxMemory>" : "a <maxMemory> that leaves no room", vfio ? ", so " : "",
                            names, vfio ? " must do with the default one of 4 KiB pages" : "");
}

static int check_no_maxmemory(Check *c) {
        const Domain *d = &c->plan->domain;
        uint64_t max = domain_maxmemory(c->plan);
        _cleanup_free_ char *remedy = NULL;
        NameList names = {};
        int r;

        if (!domain_lacks_maxmemory(c->plan))
                return 0;
        for (size_t i = 0; i < c->plan->layout.n_phbs; i++) {
                const Phb *phb = &c->plan->layout.phbs[i];

                for (size_t j = 0; phb->ddw && j < phb->n_devices; j++)
                        if (domain_device_is_vfio(&d->devices[phb->devices[j]]))
                                name_list_add(&names, check_device_name(&d->devices[phb->devices[j]]));
        }
        r = max == 0 ?
                    check_remedy(&remedy, "Give it a <maxMemory> above its memory") :
                    check_remedy(&remedy,
                                 "%s <maxMemory slots='%u' unit='KiB'>%" PRIu64 "</maxMemory>, or run tcectl plan --fix",
                                 d->max_memory > 0 ? "Make it" : "Add", domain_maxmemory_slots(d), max);
        if (r < 0)
                return r;
        return add_no_maxmemory(c, names.n > 0, names.n > 0 ? name_list_text(&names) : "", remedy);
}

/* What QEMU needs beside the guest's memory is known to nobody (libvirt's documentation of <hard_limit> warns of it): a sixteenth
 * of the guest's memory and 1 GiB is far above what any was seen to take. */
uint64_t memlock_hard_limit(const DomainPlan *plan, const PlanHost *host) {
        DomainMemory memory = domain_memory_at_start(&plan->domain);
        uint64_t needs = add_saturated(memory.max, (plan->plan.user_bytes + plan->plan.kernel_bytes) / KIB), formula;
        Domain without = plan->domain;
        bool unlimited;

        without.hard_limit = 0;
        without.hard_limit_zero = false;
        without.locked = false;
        memlock_limit(&without, host->vfio, &unlimited, &formula);
        if (!unlimited && formula / KIB > needs)
                needs = formula / KIB;
        if (plan->memlock.charged / KIB > needs)
                needs = plan->memlock.charged / KIB;
        needs = add_saturated(needs, add_saturated(memory.max / 16, GIB_IN_KIB));
        return add_saturated(needs, 1023) & ~UINT64_C(1023);
}

static bool has_vfio_table(const Plan *plan) {
        for (size_t i = 0; i < plan->n_tables; i++)
                if (plan->tables[i].window.kind == DEVICE_VFIO && !plan->tables[i].verdict.refused)
                        return true;
        return false;
}

/* Is it the adapter's wrapper? Its QEMU claims the VM as soon as KVM has made it, before it makes a table or registers memory with VFIO, and
 * tced raises its limit then. Of a QEMU that locks all of itself what is counted is the least of it. */
static bool has_limit_raised(const Domain *d) {
        const char *slash = d->emulator ? strrchr(d->emulator, '/') : NULL;

        return slash && streq(slash + 1, "tced-qemu-system-ppc64") && !d->locked;
}

static Severity memlock_severity(bool start_fails, bool raised) {
        if (start_fails)
                return raised ? SEVERITY_WARNING : SEVERITY_ERROR;
        return raised ? SEVERITY_INFO : SEVERITY_WARNING;
}

/* Too low for what QEMU does at the start is an end with VFIO (hw/vfio/spapr.c: "Memory registering failed") and where all memory
 * is to be locked (system/vl.c: os_mlock()); a table that KVM refuses is QEMU's own then, with one line on stderr. For the
 * guest's 64-bit window it ends QEMU (hw_error()) with VFIO. TCG has no tables in KVM, but may have VFIO. Huge pages that are
 * locked are not charged and must be within the limit all the same (mm/mmap.c: mlock_future_ok()). A limit of 0, so none, KVM
 * domains have only where <hard_limit> says 0. */
static int check_memlock(Check *c) {
        const Memlock *m = &c->plan->memlock;
        const Domain *d = &c->plan->domain;
        bool vfio = has_vfio_table(&c->plan->plan), fatal = vfio || d->locked, start_fails, raised = has_limit_raised(d);
        uint64_t start = m->charged_at_start, all = m->charged, ram = multiply_saturated(domain_memory_at_start(d).mapped, KIB);
        char limit[32], charge[32];
        _cleanup_free_ char *remedy = NULL;
        const char *costs;
        int r;

        if (d->locked && start < ram)
                start = ram;
        if (all < start)
                all = start;
        if (m->limit_unlimited || m->limit == 0 || all <= m->limit)
                return 0;
        start_fails = fatal && start > m->limit;
        if (start_fails)
                costs = vfio ? "QEMU can't register the guest's memory with VFIO and ends" :
                               "QEMU can't lock the guest's memory and ends";
        else if (vfio)
                costs = "the VM starts, and ends when its guest asks for the 64-bit DMA window";
        else
                costs = "KVM refuses what no longer fits, and QEMU keeps those tables itself: each of their TCEs costs an exit";
        r = check_remedy(&remedy,
                         "%s <hard_limit unit='KiB'>%" PRIu64 "</hard_limit> in <memtune> (it limits all of QEMU's memory too, "
                         "so leave it room), or run tcectl plan --fix",
                         d->hard_limit > 0 ? "Raise it to" : "Set", memlock_hard_limit(c->plan, c->host));
        if (r < 0)
                return r;
        return findings_add(&c->plan->findings, FINDING_MEMLOCK_LOW, memlock_severity(start_fails, raised), domain_label(d), remedy,
                            "libvirt will limit locked memory to %s (%s), and %s will be charged%s: %s%s",
                            format_bytes(limit, sizeof(limit), m->limit),
                            d->hard_limit > 0 ? "<hard_limit>" : "by its own formula",
                            format_bytes(charge, sizeof(charge), start_fails ? start : all),
                            start_fails ? " at the start" : "",
                            raised ? "tced raises the limit when QEMU claims the VM, within RaiseMemlockMax= of tced.conf; where it does not, " : "",
                            costs);
}

static bool by_demand(const PlanTable *table) {
        return table->verdict.refused && table->verdict.reason != REASON_TOO_MANY_ENTRIES &&
               table->verdict.reason != REASON_INVALID_WINDOW;
}

static const char *window_name(const PlanTable *table) {
        return table->window.device ? table->window.device : "a device";
}

static const char *file_name(const char *path) {
        const char *slash = strrchr(path, '/');
        return slash ? slash + 1 : path;
}

static int add_policy_unmet(Check *c, const PlanTable *table, bool starts) {
        _cleanup_free_ char *remedy = NULL, *who = NULL;
        int r;

        if (table->rule)
                r = check_remedy(&who, "The rule %s", table->rule);
        else
                r = check_remedy(&who, "The default in tced.conf");
        if (r >= 0 && table->rule)
                r = check_remedy(&remedy,
                                 "Change Accel=kernel to Accel=auto in %s, or have it not match %s; then: systemctl reload tced",
                                 file_name(table->rule), window_name(table));
        else if (r >= 0)
                r = check_remedy(&remedy,
                                 "Change Accel=kernel to Accel=auto in tced.conf, or give %s a rule with Accel=auto; then: "
                                 "systemctl reload tced",
                                 window_name(table));
        if (r < 0)
                return r;
        return findings_add(&c->plan->findings, FINDING_POLICY_UNMET, starts ? SEVERITY_WARNING : SEVERITY_ERROR,
                            window_name(table), remedy,
                            "%s demands that the table of %s%s (LIOBN %08" PRIx32 ") is in the kernel, and it can't be: %s", who,
                            window_name(table), starts ? "'s 64-bit window" : "", table->window.liobn,
                            reason_text(table->verdict.reason));
}

/* Those of the start, then those that the guest may ask for. */
static const PlanTable *table_at(const Plan *plan, size_t i) {
        return i < plan->n_tables ? &plan->tables[i] : &plan->dynamic[i - plan->n_tables];
}

static bool is_user_unmet(const Check *c, const PlanTable *table) {
        return table->verdict.reason == REASON_RULE_USER && (!table->window.dynamic || table->window.likely) &&
               policy_decide(&c->facts, &table->window, ACCEL_AUTO).placement != PLACEMENT_USER;
}

static bool device_was_unmet(const Check *c, const PlanTable *table) {
        const PlanTable *first = plan_find(&c->plan->plan, table->window.liobn & ~UINT32_C(0xff));

        return table->window.dynamic && first && is_user_unmet(c, first);
}

static bool rule_was_unmet(const Check *c, size_t at) {
        const char *rule = table_at(&c->plan->plan, at)->rule;

        for (size_t i = 0; i < at; i++) {
                const PlanTable *before = table_at(&c->plan->plan, i);

                if (is_user_unmet(c, before) && streq(before->rule ? before->rule : "", rule ? rule : ""))
                        return true;
        }
        return false;
}

/* What a rule asks of a QEMU that asks no one. One finding for all tables: it is the VMM's fault, not theirs. */
static int check_user_unmet(Check *c) {
        const Plan *plan = &c->plan->plan;
        const char *emulator = c->plan->domain.emulator;
        _cleanup_free_ char *remedy = NULL;
        NameList names = {}, rules = {};
        int r;

        if (!domain_has_stock_qemu(&c->plan->domain))
                return 0;
        for (size_t i = 0; i < plan->n_tables + plan->n_dynamic; i++) {
                const PlanTable *table = table_at(plan, i);

                if (!is_user_unmet(c, table))
                        continue;
                if (!device_was_unmet(c, table))
                        name_list_add(&names, window_name(table));
                if (!rule_was_unmet(c, i))
                        name_list_add(&rules, table->rule ? file_name(table->rule) : "tced.conf");
        }
        if (names.n == 0)
                return 0;
        r = check_remedy(&remedy,
                         "%s the VM %s as <emulator>, which has QEMU ask tced, or take Accel=user out of %s (then: systemctl "
                         "reload tced)",
                         check_adapter_installed(c) ? "Give" : "Install tced's adapter for QEMU, which is not here, and give",
                         adapter_part_path(ADAPTER_WRAPPER), name_list_text(&rules));
        if (r < 0)
                return r;
        return findings_add(&c->plan->findings, FINDING_POLICY_UNMET, SEVERITY_WARNING, domain_label(&c->plan->domain), remedy,
                            "Accel=user wants the tables of %s out of the kernel, and %s does not ask: KVM will hold them, and "
                            "their locked memory is charged",
                            name_list_text(&names), emulator ? file_name(emulator) : "QEMU");
}

/* What a guest asks for and does not get is its loss; what must be there at the start and can't be as the administrator demands
 * it is refused. */
static int check_policy_unmet(Check *c) {
        const Plan *plan = &c->plan->plan;
        int r = 0;

        if (c->elsewhere)
                return 0;
        for (size_t i = 0; r >= 0 && i < plan->n_tables; i++)
                if (by_demand(&plan->tables[i]))
                        r = add_policy_unmet(c, &plan->tables[i], false);
        for (size_t i = 0; r >= 0 && i < plan->n_dynamic; i++) {
                const PlanTable *table = &plan->dynamic[i];
                const PlanTable *first = plan_find(&c->plan->plan, table->window.liobn & ~UINT32_C(0xff));

                if (by_demand(table) && table->window.likely && (!first || !by_demand(first)))
                        r = add_policy_unmet(c, table, true);
        }
        return r < 0 ? r : check_user_unmet(c);
}

/* Not what is asked for, nor what another finding says. */
static bool is_slow(const PlanTable *table) {
        const Verdict *v = &table->verdict;

        return !v->refused && v->placement == PLACEMENT_USER && v->reason != REASON_RULE_USER && v->reason != REASON_TCG &&
               v->reason != REASON_NO_KVM && (!table->window.dynamic || table->window.likely);
}

/* Of the reasons that a plan can give. */
static const char *slow_remedy(Reason reason) {
        if (reason == REASON_NO_TCE_64)
                return "Use kernel 4.6 or newer, which has KVM_CAP_SPAPR_TCE_64";
        if (reason == REASON_NO_VFIO_COUPLING)
                return "On a partition use kernel 6.15 or newer (Debian: 6.12.25-1 or newer); tcectl status says what this one "
                       "has";
        return "Use a kernel built with CONFIG_SPAPR_TCE_IOMMU=y: grep SPAPR_TCE_IOMMU /boot/config-$(uname -r)";
}

/* The tables of one PHB, whose index is in bits 8 and up of the LIOBN. */
static int add_slow_phb(Check *c, const PlanTable *first) {
        const Plan *plan = &c->plan->plan;
        size_t tables = 0;

        for (size_t i = 0; i < plan->n_tables + plan->n_dynamic; i++) {
                const PlanTable *table = i < plan->n_tables ? &plan->tables[i] : &plan->dynamic[i - plan->n_tables];

                tables += table->window.kind != DEVICE_VIO && table->window.liobn >> 8 == first->window.liobn >> 8 &&
                          is_slow(table);
        }
        return findings_add(&c->plan->findings, FINDING_SLOW_PATH, SEVERITY_WARNING, window_name(first),
                            slow_remedy(first->verdict.reason),
                            "QEMU keeps %s of %s itself, and each TCE that the guest sets costs an exit: %s",
                            first->window.dynamic ? "the 64-bit window's table" :
                            tables > 1            ? "the tables" :
                                                    "the table",
                            window_name(first), reason_text(first->verdict.reason));
}

static int check_slow_path(Check *c) {
        const Plan *plan = &c->plan->plan;
        const PlanTable *vio = NULL;
        NameList names = {};
        uint32_t last = 0;
        int r = 0;

        if (!c->plan->domain.kvm || c->elsewhere)
                return 0;
        for (size_t i = 0; r >= 0 && i < plan->n_tables; i++) {
                const PlanTable *table = &plan->tables[i];

                if (!is_slow(table))
                        continue;
                if (table->window.kind == DEVICE_VIO) {
                        name_list_add(&names, window_name(table));
                        vio = table;
                } else if (last != table->window.liobn >> 8) {
                        last = table->window.liobn >> 8;
                        r = add_slow_phb(c, table);
                }
        }
        for (size_t i = 0; r >= 0 && i < plan->n_dynamic; i++) {
                const PlanTable *table = &plan->dynamic[i];
                const PlanTable *first = plan_find(&c->plan->plan, table->window.liobn & ~UINT32_C(0xff));

                if (is_slow(table) && (!first || !is_slow(first)))
                        r = add_slow_phb(c, table);
        }
        if (r >= 0 && vio)
                r = findings_add(&c->plan->findings, FINDING_SLOW_PATH, SEVERITY_WARNING, domain_label(&c->plan->domain),
                                 slow_remedy(vio->verdict.reason),
                                 "QEMU keeps the tables of the VIO devices (%s) itself, and each TCE that the guest sets costs "
                                 "an exit: %s",
                                 name_list_text(&names), reason_text(vio->verdict.reason));
        return r;
}

int domain_check(DomainPlan *plan, const PlanHost *host) {
        static int (*const checks[])(Check *) = {
                check_kvm_unusable,     check_no_tce,       check_vfio_broken,   check_ddw_failed,
                check_phb_index,        check_vio_irq,      check_vio_duplicate, check_vio_in_pci_range,
                check_window_too_large, check_no_maxmemory, check_mixed_phb,     check_group_partial,
                check_group_busy,       check_memlock,      check_policy_unmet,  check_adapter,
                check_slow_path,        check_device_missing,
        };
        Check c = { .plan = plan, .host = host, .facts = policy_facts_from(host->kvm), .power = facts_host_has_tce(host->kvm) };
        int r;

        if (!plan->domain.pseries)
                return 0;
        c.elsewhere = plan->domain.kvm && !c.power;
        r = check_find_given(&c);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(checks); i++)
                r = checks[i](&c);
        free(c.given);
        free(c.registers);
        return r;
}
