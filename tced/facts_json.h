/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A host's facts out of what `tcectl describe --json` printed there (docs/describe.md), for planning for another host. */

#include "config.h"
#include "facts.h"

typedef struct HostFacts {
        KvmFacts kvm;
        VfioFacts vfio;
        PolicySetting policy;
        Rules rules;
        char **holders; /* for each of vfio.groups: the UUID of the VM that has it, or NULL */
} HostFacts;

#define FACTS_ERROR_MAX 256

/* 0; -EINVAL with a text in error that names the member and the remedy; -ENOMEM. Members that an older tced did not print are taken as
 * not known. *ret is untouched on failure. */
int host_facts_read(const char *json, size_t size, HostFacts *ret, char error[FACTS_ERROR_MAX]);
void host_facts_clear(HostFacts *f);
