/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A host's facts out of what `tcectl describe --json` printed there (docs/describe.md), for planning for another host. */

#include "config.h"
#include "facts.h"

typedef struct HostFacts {
        KvmFacts kvm;
        VfioFacts vfio;
        AdapterFacts adapter;
        PolicySetting policy;
        Rules rules;
        char **holders; /* for each of vfio.groups: the UUID of the VM that has it, or NULL */
} HostFacts;

#define FACTS_ERROR_MAX 256

/* The most that is read, in bytes; a host with 16,384 groups takes a third of it. */
#define FACTS_SIZE_MAX (UINT64_C(64) << 20)

/* 0; -EINVAL with a text in error that names the member and the remedy; -ENOMEM. *ret is untouched on failure.
 *
 * * The file may be of an older or a newer tced. What it does not have is taken as not known: a page size of 0, no groups, the
 * built-in policy. Members that are not known here are passed over, and a word that is not known is taken for the one that
 * says least: a proof is unknown, a group not viable, a rule leaves the default. A rule that asks for something which is not
 * known here is left out: it would match more than was meant. What names a thing (a group's number, a device's address) must
 * be there. */
int host_facts_read(const char *json, size_t size, HostFacts *ret, char error[FACTS_ERROR_MAX]);
void host_facts_clear(HostFacts *f);
