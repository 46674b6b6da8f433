/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A finding: something about this host or a VM that an administrator should know, with its remedy. Ids are an interface
 * and kept for good (README "Findings"). */

#include <stddef.h>

#include "facts.h"

typedef enum Severity {
        SEVERITY_INFO,
        SEVERITY_WARNING,
        SEVERITY_ERROR,
        _SEVERITY_MAX,
} Severity;

/* "info", "warning", "error" */
const char *severity_to_string(Severity severity);
int severity_from_string(const char *text);

typedef enum FindingId {
        FINDING_KVM_UNUSABLE,
        FINDING_NO_TCE,
        FINDING_NO_VFIO_COUPLING,
        FINDING_VFIO_BROKEN,
        FINDING_MULTITCE_UNCHECKED,
        FINDING_DDW_FAILED,
        FINDING_PHB_INDEX,
        FINDING_VIO_IRQ,
        FINDING_VIO_DUPLICATE,
        FINDING_VIO_IN_PCI_RANGE,
        FINDING_WINDOW_TOO_LARGE,
        FINDING_NO_MAXMEMORY,
        FINDING_MIXED_PHB,
        FINDING_GROUP_PARTIAL,
        FINDING_GROUP_BUSY,
        FINDING_MEMLOCK_LOW,
        FINDING_POLICY_UNMET,
        FINDING_ADAPTER_UNREADY,
        FINDING_SLOW_PATH,
        FINDING_DEVICE_MISSING,
        FINDING_HOOK_NOT_LOADED,
        FINDING_STATE_NOT_KEPT,
        FINDING_BIND_FAILED,
        FINDING_GROUP_STUCK,
        _FINDING_ID_MAX,
} FindingId;

/* "kvm-unusable", "no-tce", "no-vfio-coupling", … */
const char *finding_id_to_string(FindingId id);
int finding_id_from_string(const char *text);

typedef struct Finding {
        FindingId id;
        Severity severity;
        char *subject; /* what it is about: "host", "group 3", "liobn 80000001" */
        char *text;
        char *remedy;
} Finding;

typedef struct Findings {
        Finding *items;
        size_t n;
        size_t allocated;
} Findings;

/* Adds one; subject and remedy are copied, the text formatted. 0 or -ENOMEM. */
int findings_add(Findings *f, FindingId id, Severity severity, const char *subject, const char *remedy,
                 const char *format, ...) __attribute__((__format__(__printf__, 6, 7)));
void findings_clear(Findings *f);
/* The first with that id, or NULL. */
const Finding *findings_find(const Findings *f, FindingId id);
/* Takes away what was found about this subject under this id, if anything was. */
void findings_drop(Findings *f, FindingId id, const char *subject);
/* A host's findings for one who sees the VMs on it that nobody registered, or does not: those that are about such are left out. *ret is good as
 * long as f is, its items, *ret_items, are to be freed but not cleared. 0 or -ENOMEM. */
int findings_seen(const Findings *f, bool with_vms, Finding **ret_items, Findings *ret);
bool findings_equal(const Findings *a, const Findings *b);

/* The host's findings from its facts, in the order of their ids; *f is cleared first. 0 or -ENOMEM. Pure. */
int findings_from_host(Findings *f, const KvmFacts *kvm, const VfioFacts *vfio);
