/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where a table lives, whether multi-TCE may be enabled, and which rule says so. Nothing here reads a file or keeps a state:
 * what goes in is values, and so is what comes out. Strings of a Rule are owned by it, those of a Window are borrowed. */

#include "policy.h"

#include <fnmatch.h>
#include <inttypes.h>

#include "util.h"

/* Names that settings, the bus and JSON spell alike; kept for good. */
static const char *const accel_names[_ACCEL_MAX] = {
        [ACCEL_AUTO] = "auto",
        [ACCEL_KERNEL] = "kernel",
        [ACCEL_USER] = "user",
};

static const char *const tristate_names[_TRISTATE_MAX] = {
        [TRISTATE_AUTO] = "auto",
        [TRISTATE_YES] = "yes",
        [TRISTATE_NO] = "no",
};

static const char *const reason_names[_REASON_MAX] = {
        [REASON_IN_KERNEL] = "in-kernel",
        [REASON_IN_KERNEL_LINKED] = "in-kernel-linked",
        [REASON_RULE_USER] = "rule-user",
        [REASON_NO_KVM] = "no-kvm",
        [REASON_NO_TCE] = "no-tce",
        [REASON_NO_TCE_64] = "no-tce-64",
        [REASON_NO_VFIO_COUPLING] = "no-vfio-coupling",
        [REASON_TCG] = "tcg",
        [REASON_KERNEL_REFUSED] = "kernel-refused",
        [REASON_TOO_MANY_ENTRIES] = "too-many-entries",
        [REASON_INVALID_WINDOW] = "invalid-window",
};

/* Each fits behind "because" and names the capability that is missing, so that it can be looked up. */
static const char *const reason_texts[_REASON_MAX] = {
        [REASON_IN_KERNEL] = "KVM can hold this table",
        [REASON_IN_KERNEL_LINKED] = "KVM can hold this table and link it to the device's IOMMU group",
        [REASON_RULE_USER] = "a rule or the default says Accel=user",
        [REASON_NO_KVM] = "no VM can be created with KVM on this host",
        [REASON_NO_TCE] = "this host's KVM has no TCE tables (KVM_CAP_SPAPR_TCE)",
        [REASON_NO_TCE_64] = "a base above 0, pages other than 4 KiB, or 4 GiB and more need KVM_CAP_SPAPR_TCE_64, which KVM lacks",
        [REASON_NO_VFIO_COUPLING] = "VFIO, vDPA and iommu_platform need KVM_CAP_SPAPR_TCE_VFIO, which this host's KVM lacks",
        [REASON_TCG] = "the VM runs without KVM (type='qemu')",
        [REASON_KERNEL_REFUSED] = "the VMM asked KVM for this table and was refused",
        [REASON_TOO_MANY_ENTRIES] = "the window needs 2^32 TCEs or more, which no VMM can count",
        [REASON_INVALID_WINDOW] = "no table can have this window's geometry",
};

static const char *const multitce_reason_names[_MULTITCE_REASON_MAX] = {
        [MULTITCE_CHECKED] = "checked",
        [MULTITCE_FIXED_VERSION] = "fixed-version",
        [MULTITCE_RULE_YES] = "rule-yes",
        [MULTITCE_RULE_NO] = "rule-no",
        [MULTITCE_UNUSABLE] = "unusable",
        [MULTITCE_TCG] = "tcg",
        [MULTITCE_FAULTY] = "faulty",
        [MULTITCE_UNKNOWN] = "unknown",
};

/* What it comes to stands first: these are shown alone, and "unknown" is a refusal too. */
static const char *const multitce_reason_texts[_MULTITCE_REASON_MAX] = {
        [MULTITCE_CHECKED] = "allowed: this kernel was seen to refuse a write past the end of a window",
        [MULTITCE_FIXED_VERSION] = "allowed: this kernel's version is known to check the end of the window",
        [MULTITCE_RULE_YES] = "allowed: a rule or the default says MultiTce=yes, and nothing is known against this kernel",
        [MULTITCE_RULE_NO] = "refused: a rule or the default says MultiTce=no",
        [MULTITCE_UNUSABLE] = "refused: this host's KVM can't take over H_PUT_TCE_INDIRECT and H_STUFF_TCE",
        [MULTITCE_TCG] = "refused: the VM runs without KVM (type='qemu')",
        [MULTITCE_FAULTY] = "refused, whatever rules say: this kernel was seen to let a guest write past the end of its window",
        [MULTITCE_UNKNOWN] = "refused: whether this kernel checks the end of a window is not known; the deep probe finds out",
};

const char *accel_to_string(Accel accel) {
        return accel_names[accel];
}

int accel_from_string(const char *text) {
        return name_lookup(accel_names, ELEMENTSOF(accel_names), text);
}

const char *tristate_to_string(Tristate t) {
        return tristate_names[t];
}

int tristate_from_string(const char *text) {
        int found = name_lookup(tristate_names, ELEMENTSOF(tristate_names), text);
        bool yes;

        if (found >= 0)
                return found;
        if (parse_bool(text, &yes) < 0)
                return -EINVAL;
        return yes ? TRISTATE_YES : TRISTATE_NO;
}

const char *reason_to_string(Reason reason) {
        return reason_names[reason];
}

int reason_from_string(const char *text) {
        return name_lookup(reason_names, ELEMENTSOF(reason_names), text);
}

const char *reason_text(Reason reason) {
        return reason_texts[reason];
}

const char *multitce_reason_to_string(MultiTceReason reason) {
        return multitce_reason_names[reason];
}

int multitce_reason_from_string(const char *text) {
        return name_lookup(multitce_reason_names, ELEMENTSOF(multitce_reason_names), text);
}

const char *multitce_reason_text(MultiTceReason reason) {
        return multitce_reason_texts[reason];
}

/* A proof outweighs what is declared; where there is none yet, the declaration is taken at its word. */
static bool usable(const KvmFacts *kvm, KvmCapability capability) {
        const KvmCapabilityFact *fact = &kvm->capability[capability];

        switch (fact->proven.proof) {
        case PROOF_YES:
                return true;
        case PROOF_NO:
                return false;
        case PROOF_UNKNOWN:
        case _PROOF_MAX:
                break;
        }
        return fact->declared > 0;
}

PolicyFacts policy_facts_from(const KvmFacts *kvm) {
        PolicyFacts facts = {
                /* The capabilities read 1 also where no VM can be created: what VMs say comes first. */
                .kvm = kvm->device_error == 0 && kvm->vm.proof != PROOF_NO,
                .tce = usable(kvm, KVM_CAPABILITY_TCE) || usable(kvm, KVM_CAPABILITY_TCE_64),
                .tce_64 = usable(kvm, KVM_CAPABILITY_TCE_64),
                .tce_vfio = usable(kvm, KVM_CAPABILITY_TCE_VFIO),
                .multitce = usable(kvm, KVM_CAPABILITY_MULTITCE),
        };
        Proof by_version;

        /* What was seen outweighs any version: distributions carry fixes back, and patch kernels of their own. */
        if (kvm->range_check.proof != PROOF_UNKNOWN) {
                facts.range_check = kvm->range_check;
                facts.range_check_by_probe = true;
                return facts;
        }
        by_version = facts_range_check_by_version(kvm->release, kvm->version);
        outcome_set(&facts.range_check, by_version,
                    by_version == PROOF_YES ? "not tried; kernel %s has the fix by its version" :
                                              "not tried; whether kernel %s has the fix can't be told by its version",
                    kvm->release);
        return facts;
}

/* Why KVM can't hold this window's table; REASON_IN_KERNEL or REASON_IN_KERNEL_LINKED where it can. QEMU asks much the same
 * (target/ppc/kvm.c:kvmppc_create_spapr_tce), but forgets the page size where there is no KVM_CAP_SPAPR_TCE_64: its table
 * would have 4 KiB pages whatever the guest asked for. */
static Reason kernel_reason(const PolicyFacts *facts, const Window *window) {
        bool vfio = window->kind == DEVICE_VFIO;

        if (!facts->kvm)
                return REASON_NO_KVM;
        if (!facts->tce)
                return REASON_NO_TCE;
        /* KVM_CREATE_SPAPR_TCE has 32 bits for the size in bytes, and neither an offset nor a page size. */
        if (!facts->tce_64 &&
            (window->bus_offset > 0 || window->page_shift != TCE_PAGE_SHIFT_MIN || window->size > UINT32_MAX))
                return REASON_NO_TCE_64;
        if ((vfio || window->notifier) && !facts->tce_vfio)
                return REASON_NO_VFIO_COUPLING;
        return vfio ? REASON_IN_KERNEL_LINKED : REASON_IN_KERNEL;
}

Verdict policy_decide(const PolicyFacts *facts, const Window *window, Accel accel) {
        TceWindowError geometry = tce_window_check(window->bus_offset, window->size, window->page_shift);
        Verdict verdict = { .placement = PLACEMENT_USER };

        /* Before the rules: the VMM can't have such a table either. */
        if (geometry != TCE_WINDOW_OK) {
                verdict.refused = true;
                verdict.reason = geometry == TCE_WINDOW_TOO_LARGE ? REASON_TOO_MANY_ENTRIES : REASON_INVALID_WINDOW;
                return verdict;
        }
        /* Of the VM itself: no rule could say otherwise. */
        if (facts->tcg) {
                verdict.refused = accel == ACCEL_KERNEL;
                verdict.reason = REASON_TCG;
                return verdict;
        }
        if (accel == ACCEL_USER) {
                verdict.reason = REASON_RULE_USER;
                return verdict;
        }
        verdict.reason = kernel_reason(facts, window);
        if (verdict.reason == REASON_IN_KERNEL)
                verdict.placement = PLACEMENT_KERNEL;
        else if (verdict.reason == REASON_IN_KERNEL_LINKED)
                verdict.placement = PLACEMENT_KERNEL_VFIO;
        else
                verdict.refused = accel == ACCEL_KERNEL;
        return verdict;
}

/* What is known of the range check, once neither a rule nor the lack of KVM has settled the matter. */
static MultiTceReason multitce_by_range_check(const PolicyFacts *facts, Tristate rule) {
        switch (facts->range_check.proof) {
        case PROOF_YES:
                return facts->range_check_by_probe ? MULTITCE_CHECKED : MULTITCE_FIXED_VERSION;
        case PROOF_NO:
                return MULTITCE_FAULTY;
        case PROOF_UNKNOWN:
        case _PROOF_MAX:
                break;
        }
        return rule == TRISTATE_YES ? MULTITCE_RULE_YES : MULTITCE_UNKNOWN;
}

MultiTceVerdict policy_multitce(const PolicyFacts *facts, Tristate rule) {
        MultiTceVerdict verdict;

        /* As with tables, a wish for less is granted without a look at what KVM can do. */
        if (rule == TRISTATE_NO)
                verdict.reason = MULTITCE_RULE_NO;
        else if (facts->tcg)
                verdict.reason = MULTITCE_TCG;
        else if (!facts->kvm || !facts->tce || !facts->multitce)
                verdict.reason = MULTITCE_UNUSABLE;
        else
                verdict.reason = multitce_by_range_check(facts, rule);
        verdict.allowed = verdict.reason == MULTITCE_CHECKED || verdict.reason == MULTITCE_FIXED_VERSION ||
                          verdict.reason == MULTITCE_RULE_YES;
        return verdict;
}

void rule_clear(Rule *rule) {
        free(rule->path);
        free(rule->machine);
        free(rule->uuid);
        free(rule->kind);
        free(rule->device);
        free(rule->liobn);
        *rule = (Rule) { .setting.numa_node = NUMA_NODE_ANY };
}

void rules_clear(Rules *rules) {
        for (size_t i = 0; i < rules->n; i++)
                rule_clear(&rules->items[i]);
        free(rules->items);
        *rules = (Rules) {};
}

/* A name that is not known is matched as an empty one: by no pattern but those that match everything. */
static bool glob_matches(const char *glob, const char *text) {
        return !glob || fnmatch(glob, text ? text : "", 0) == 0;
}

/* The two halves of a match: of a VM, which is all that MultiTce= looks at, and of one of its windows. */
static bool rule_matches_machine(const Rule *rule, const char *machine, const char *uuid) {
        return glob_matches(rule->machine, machine) && glob_matches(rule->uuid, uuid);
}

static bool rule_matches_window(const Rule *rule, const Window *window) {
        char liobn[9]; /* the form that rule_file.c brings patterns into */

        (void) snprintf(liobn, sizeof(liobn), "%08" PRIx32, window->liobn);
        return glob_matches(rule->kind, device_kind_to_string(window->kind)) &&
               glob_matches(rule->device, window->device) && glob_matches(rule->liobn, liobn);
}

PolicySetting policy_setting_for(const Rules *rules, const PolicySetting *by_default, const char *machine,
                                 const char *uuid, const Window *window, const Rule **ret_rule) {
        PolicySetting setting = *by_default;
        const Rule *found = NULL;

        for (size_t i = 0; i < rules->n && !found; i++)
                if (rule_matches_machine(&rules->items[i], machine, uuid) &&
                    rule_matches_window(&rules->items[i], window))
                        found = &rules->items[i];
        /* Key by key over the default: a rule about huge pages has no opinion on accel. */
        if (found) {
                if (found->has_accel)
                        setting.accel = found->setting.accel;
                if (found->has_multitce)
                        setting.multitce = found->setting.multitce;
                if (found->has_huge_pages)
                        setting.huge_pages = found->setting.huge_pages;
                if (found->has_numa_node)
                        setting.numa_node = found->setting.numa_node;
        }
        if (ret_rule)
                *ret_rule = found;
        return setting;
}

Tristate policy_multitce_for(const Rules *rules, const PolicySetting *by_default, const char *machine,
                             const char *uuid) {
        for (size_t i = 0; i < rules->n; i++) {
                const Rule *rule = &rules->items[i];

                if (rule->has_multitce && !rule->kind && !rule->device && !rule->liobn &&
                    rule_matches_machine(rule, machine, uuid))
                        return rule->setting.multitce;
        }
        return by_default->multitce;
}
