/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tables a process should have that no machine of tced's is: those that a stock QEMU makes with its arguments on this host. Pure. */

#include "audit_process.h"
#include "facts.h"
#include "plan.h"

#define AUDIT_UNKNOWN_MAX 192

/* What QEMU's -name says that its VM is called; NULL in *ret: it says nothing. 0 or -ENOMEM. */
int audit_guest_name(const SeenProcess *process, char **ret);

/* 0; -ENOENT where there is nothing to go by, and why is filled in with the reason; -ENOMEM. *ret is untouched on failure. */
int audit_expect_command_line(const SeenProcess *process, const KvmFacts *kvm, const VfioFacts *vfio, Plan *ret, char why[AUDIT_UNKNOWN_MAX]);
