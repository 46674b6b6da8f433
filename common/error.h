/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The errors that tced's bus answers with: one table, name to errno and back. The daemon sends the name, libtced and
 * tcectl turn it into the errno. Names are kept for good; several may share an errno. */

#include "names.h"

#define TCED_ERROR_NO_SUCH_GROUP TCED_ERROR_PREFIX "NoSuchGroup"
#define TCED_ERROR_NO_SUCH_MACHINE TCED_ERROR_PREFIX "NoSuchMachine"
#define TCED_ERROR_NO_SUCH_TABLE TCED_ERROR_PREFIX "NoSuchTable"
#define TCED_ERROR_MACHINE_EXISTS TCED_ERROR_PREFIX "MachineExists"
#define TCED_ERROR_ALREADY_CLAIMED TCED_ERROR_PREFIX "AlreadyClaimed"
#define TCED_ERROR_NOT_CLAIMED TCED_ERROR_PREFIX "NotClaimed"
#define TCED_ERROR_NOT_AUTHORIZED TCED_ERROR_PREFIX "NotAuthorized"
#define TCED_ERROR_INVALID_ARGUMENT TCED_ERROR_PREFIX "InvalidArgument"
#define TCED_ERROR_INVALID_WINDOW TCED_ERROR_PREFIX "InvalidWindow"
#define TCED_ERROR_LIOBN_TAKEN TCED_ERROR_PREFIX "LiobnTaken"
#define TCED_ERROR_TOO_MANY_ENTRIES TCED_ERROR_PREFIX "TooManyEntries"
#define TCED_ERROR_LIMIT_EXCEEDED TCED_ERROR_PREFIX "LimitExceeded"
#define TCED_ERROR_KERNEL_DEMANDED TCED_ERROR_PREFIX "KernelDemanded"
#define TCED_ERROR_TABLE_HANDED_OUT TCED_ERROR_PREFIX "TableHandedOut"
#define TCED_ERROR_NO_MEMORY TCED_ERROR_PREFIX "NoMemory"
#define TCED_ERROR_GROUP_BUSY TCED_ERROR_PREFIX "GroupBusy"
#define TCED_ERROR_GROUP_NOT_VIABLE TCED_ERROR_PREFIX "GroupNotViable"
#define TCED_ERROR_GROUP_IN_USE TCED_ERROR_PREFIX "GroupInUse"
#define TCED_ERROR_GROUP_STUCK TCED_ERROR_PREFIX "GroupStuck"
#define TCED_ERROR_BIND_FAILED TCED_ERROR_PREFIX "BindFailed"
#define TCED_ERROR_NOT_BOUND TCED_ERROR_PREFIX "NotBound"
#define TCED_ERROR_HELPER_UNAVAILABLE TCED_ERROR_PREFIX "HelperUnavailable"
#define TCED_ERROR_PROBE_FAILED TCED_ERROR_PREFIX "ProbeFailed"
#define TCED_ERROR_TIMED_OUT TCED_ERROR_PREFIX "TimedOut"
#define TCED_ERROR_INVALID_DOMAIN TCED_ERROR_PREFIX "InvalidDomain"
#define TCED_ERROR_NO_SUCH_DOMAIN TCED_ERROR_PREFIX "NoSuchDomain"
#define TCED_ERROR_DOMAIN_REFUSED TCED_ERROR_PREFIX "DomainRefused"
#define TCED_ERROR_LIBVIRT_UNAVAILABLE TCED_ERROR_PREFIX "LibvirtUnavailable"
#define TCED_ERROR_FAILED TCED_ERROR_PREFIX "Failed"

typedef struct ErrorName {
        const char *name;
        int number; /* positive errno */
} ErrorName;

/* All of them, in the order above; ends with a NULL name. */
extern const ErrorName error_names[];

/* The positive errno of a bus error's name, also of D-Bus's own well-known ones; EIO for one that is not known. */
int error_name_to_errno(const char *name);
