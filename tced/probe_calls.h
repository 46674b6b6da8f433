/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How the proofs call the kernel: what probe_kvm.c, probe_deep.c and probe_link.c share, and nobody else includes. */

#include "probe_kvm.h"

/* Odd on purpose: no VMM numbers its tables so, and a log that shows it names its maker ("tced"). */
#define PROBE_LIOBN UINT64_C(0x74636564)

/* The call's result, or negative errno. A number goes in as its pointer does in the system call. */
int probe_ioctl(const KvmOps *ops, int fd, unsigned long request, void *argument);
int probe_ioctl_number(const KvmOps *ops, int fd, unsigned long request, unsigned long number);

/* dev/name, for reading and writing; negative errno. */
int probe_open(const KvmOps *ops, const char *dev, const char *name);

/* A VM of a KVM_VM_TYPE_…: its fd, or negative errno. */
int probe_create_vm(const KvmOps *ops, int kvm_fd, unsigned long type);

/* Sets *o to what a failed step shows: NO where the kernel won't, UNKNOWN where it only could not now (memory, fds, locked
 * memory, a signal). error is negative. */
void outcome_failed(Outcome *o, const char *step, int error);

/* KVM_ENABLE_CAP on a VM or vCPU; negative errno. */
int probe_enable(const KvmOps *ops, int fd, uint32_t capability, uint64_t first, uint64_t second);
