/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What KVM declares and, by experiment, proves. probe_kvm_declared() only asks and takes microseconds; the proofs create a
 * VM and may block: they are run in a child (see child.h). Directories are passed in so that a made-up tree can stand in. */

#include "facts.h"

/* The kernel as the proofs reach it: the real one, or in unit tests a fake for what no kernel will do on request. open and ioctl
 * answer as the system calls do (-1 and errno); map gives `size` bytes of fd, shared and writable, or NULL and errno. What
 * they give is closed and unmapped by the system's own close() and munmap(). */
typedef struct KvmOps {
        int (*open)(const char *path, int flags);
        int (*ioctl)(int fd, unsigned long request, void *argument);
        void *(*map)(int fd, size_t size);
} KvmOps;

extern const KvmOps kvm_ops_system;

/* Fills *ret with what is declared below dev ("/dev"): device, API version, the four capabilities, page size, uname. Every
 * outcome is UNKNOWN with "not tried yet", or NO where KVM can't even be opened. */
void probe_kvm_declared(const KvmOps *ops, const char *dev, KvmFacts *ret);

/* Proves in place what probe_kvm_declared() left open: creates a VM (any type, HV), a small table of each kind, maps and closes
 * it, enables the two hypercalls of multi-TCE. KVM_CAP_SPAPR_TCE_VFIO and range_check stay UNKNOWN. */
void probe_kvm_prove(const KvmOps *ops, const char *dev, KvmFacts *facts);

/* The deep probe, only when asked for: also tries a PR VM, and lets a vCPU do H_STUFF_TCE over the end of a 7-entry table (the
 * overrun stays in the table's page): H_PARAMETER proves the range check, H_SUCCESS proves the fault. Where there is no real
 * vCPU (not POWER) it stays UNKNOWN with why; what an earlier probe has shown stays where this one can't be made. */
void probe_kvm_prove_deep(const KvmOps *ops, const char *dev, KvmFacts *facts);

/* Proves KVM_CAP_SPAPR_TCE_VFIO with an idle group whose fd the caller has: container, type, window, VM, table, link
 * (KVM_DEV_VFIO_GROUP_SET_SPAPR_TCE), then all undone. Fills in facts->capability[KVM_CAPABILITY_TCE_VFIO].proven. Binds
 * the container to the calling process: only in a child. */
void probe_kvm_prove_vfio(const KvmOps *ops, const char *dev, int group_fd, unsigned group, KvmFacts *facts);
