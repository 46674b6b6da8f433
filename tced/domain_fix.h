/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* `tcectl plan --fix`: a domain's XML with what tced can mend mended, everything else of it (comments, order, unknown elements)
 * as it was. */

#include "domain_plan.h"

/* What --fix did, or could not do, a sentence each. */
typedef struct FixNote {
        bool mended;
        char *text;
} FixNote;

typedef struct Fix {
        char *xml; /* the whole corrected domain */
        FixNote *notes;
        size_t n_notes, notes_allocated;
} Fix;

/* 0 also where nothing was to be mended (xml is the same then); -EINVAL with *error; -ENOMEM. *ret is untouched on failure. */
int domain_fix(const char *xml, size_t size, const PlanHost *host, Fix *ret, DomainError *error);
void fix_clear(Fix *fix);
