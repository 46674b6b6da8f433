/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An audit as docs/audit.md has it. */

#include "audit.h"
#include "json_build.h"

/* Of one VM. machine, uuid: the machine's that it is, or NULL; age_usec: how long ago it was looked at. */
Json *audit_json(const SeenProcess *process, const Audit *audit, const char *machine, const char *uuid, uint64_t age_usec,
                 uint64_t page_size);
