/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Policy: rules and facts -> where a table lives, and the reason. Pure: no I/O, no state; every case is a row in
 * tests/unit/test-policy.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "facts.h"
#include "tce.h"

/* What a rule or the default asks for a table. AUTO: in the kernel wherever that can be, else in the VMM. */
typedef enum Accel {
        ACCEL_AUTO,
        ACCEL_KERNEL,
        ACCEL_USER,
        _ACCEL_MAX,
} Accel;

/* What a rule asks of an on-or-off matter that tced would otherwise settle itself. */
typedef enum Tristate {
        TRISTATE_AUTO,
        TRISTATE_YES,
        TRISTATE_NO,
        _TRISTATE_MAX,
} Tristate;

const char *accel_to_string(Accel accel);
int accel_from_string(const char *text);
/* "auto", "yes", "no"; from_string takes every spelling of a boolean too. */
const char *tristate_to_string(Tristate t);
int tristate_from_string(const char *text);

/* Why a table lives where it does, or can't be. */
typedef enum Reason {
        REASON_IN_KERNEL,          /* KVM can hold it */
        REASON_IN_KERNEL_LINKED,   /* KVM can hold it and link it to the group */
        REASON_RULE_USER,          /* a rule or the default says user */
        REASON_NO_KVM,             /* no VM can be created here */
        REASON_NO_TCE,             /* KVM has no in-kernel TCE tables */
        REASON_NO_TCE_64,          /* base above zero, pages other than 4 KiB, or 4 GiB and more need KVM_CAP_SPAPR_TCE_64 */
        REASON_NO_VFIO_COUPLING,   /* an IOMMU notifier needs KVM_CAP_SPAPR_TCE_VFIO */
        REASON_TCG,                /* the VM has no KVM: a domain of type 'qemu' */
        REASON_KERNEL_REFUSED,     /* the VMM tried, the kernel refused */
        REASON_TOO_MANY_ENTRIES,   /* refused: 2^32 TCEs or more */
        REASON_INVALID_WINDOW,     /* refused: no table can have this geometry */
        _REASON_MAX,
} Reason;

/* "in-kernel", "in-kernel-linked", "rule-user", "no-kvm", …; a sentence for people. */
const char *reason_to_string(Reason reason);
int reason_from_string(const char *text);
const char *reason_text(Reason reason);

/* The facts that decide, boiled down from what was declared and proven. What was disproven counts as not there; what
 * is declared and could not be tried yet counts as there, since libtced falls back at run time. */
typedef struct PolicyFacts {
        bool kvm;         /* VMs can be created */
        bool tce;         /* KVM_CAP_SPAPR_TCE or, newer, _64: some in-kernel table */
        bool tce_64;
        bool tce_vfio;
        bool multitce;
        Outcome range_check; /* of in-kernel multi-TCE: by the deep probe, else by the kernel's version */
        bool range_check_by_probe;
        bool tcg;         /* the VM, not the host, does without KVM: nothing else matters */
} PolicyFacts;

PolicyFacts policy_facts_from(const KvmFacts *kvm);

/* One window of a VM's device: what a table is made for. */
typedef struct Window {
        DeviceKind kind;
        uint32_t liobn;
        uint64_t bus_offset; /* bytes */
        uint64_t size;       /* bytes */
        uint32_t page_shift;
        bool notifier;       /* an IOMMU notifier other than VFIO's: vDPA, vhost with iommu_platform */
        int group;           /* IOMMU group of a VFIO window; -1: not told */
        bool dynamic;        /* a 64-bit window that the guest may ask for at run time; its table is made then */
        bool likely;         /* of those of a PHB the one that Linux takes; sums count it */
        const char *device;  /* name for people and rules */
} Window;

typedef struct Verdict {
        bool refused;        /* by a demand for `kernel` that can't be met, or a window that can't be */
        Placement placement; /* where it goes; meaningless where refused */
        Reason reason;       /* where refused by a demand: why the kernel can't */
} Verdict;

Verdict policy_decide(const PolicyFacts *facts, const Window *window, Accel accel);

/* May the VM enable H_PUT_TCE_INDIRECT and H_STUFF_TCE in KVM (KVM_CAP_PPC_ENABLE_HCALL), and why. */
typedef enum MultiTceReason {
        MULTITCE_CHECKED,          /* allowed: the range check was proven */
        MULTITCE_FIXED_VERSION,    /* allowed: the kernel's version is known to have it */
        MULTITCE_RULE_YES,         /* allowed: a rule vouches for a kernel that nothing is known of */
        MULTITCE_RULE_NO,          /* refused by a rule */
        MULTITCE_UNUSABLE,         /* refused: KVM can't */
        MULTITCE_TCG,              /* refused: the VM has no KVM */
        MULTITCE_FAULTY,           /* refused, whatever rules say: a guest was seen to write past its window */
        MULTITCE_UNKNOWN,          /* refused: not known whether a guest can write past its window */
        _MULTITCE_REASON_MAX,
} MultiTceReason;

const char *multitce_reason_to_string(MultiTceReason reason);
int multitce_reason_from_string(const char *text);
const char *multitce_reason_text(MultiTceReason reason);

typedef struct MultiTceVerdict {
        bool allowed;
        MultiTceReason reason;
} MultiTceVerdict;

MultiTceVerdict policy_multitce(const PolicyFacts *facts, Tristate rule);

#define NUMA_NODE_ANY (-1)

/* What an administrator sets for tables: in tced.conf as the default, in a rule for those that it matches. In a rule a
 * key that is not given leaves the default. */
typedef struct PolicySetting {
        Accel accel;
        Tristate multitce;
        Tristate huge_pages;
        int numa_node; /* or NUMA_NODE_ANY */
} PolicySetting;

/* One file NN-*.rule. Globs are fnmatch(3)'s; NULL matches everything. */
typedef struct Rule {
        char *path;
        char *machine;
        char *uuid;   /* already without dashes, lower case, as it is compared */
        char *kind;   /* of "vio", "pci", "vfio" */
        char *device;
        char *liobn;  /* already eight lower-case hex digits without 0x, as it is compared; or a glob of such */
        bool has_accel, has_multitce, has_huge_pages, has_numa_node;
        PolicySetting setting;
} Rule;

typedef struct Rules {
        Rule *items; /* in the order in which they are tried */
        size_t n;
        size_t allocated;
} Rules;

/* Free what they hold and leave them empty. */
void rule_clear(Rule *rule);
void rules_clear(Rules *rules);

/* The setting for a window of a VM: the first rule all of whose globs match, over the default. *ret_rule (may be NULL) becomes
 * that rule or NULL. uuid without dashes, lower case. A NULL machine, uuid or device is matched as an empty name. */
PolicySetting policy_setting_for(const Rules *rules, const PolicySetting *by_default, const char *machine,
                                 const char *uuid, const Window *window, const Rule **ret_rule);

/* The setting of MultiTce, which is the VM's: the first rule that matches it, names no device (no Kind=, Device=, Liobn=)
 * and has MultiTce=. */
Tristate policy_multitce_for(const Rules *rules, const PolicySetting *by_default, const char *machine,
                             const char *uuid);
