/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Everything as JSON, as docs/describe.md says it. */

#include "manager.h"

/* visible: which machines go in, and, asked with NULL, whether what was found of VMs that are none does; NULL: all. The text is the caller's to free. 0 or -ENOMEM. */
int describe(Manager *m, bool (*visible)(const Machine *machine, void *userdata), void *userdata, char **ret);
