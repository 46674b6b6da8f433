/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One rule: a file NN-NAME.rule with [Match] and [Policy] (tced.conf(5)). */

#include <stdio.h>

#include "conf_files.h"

/* Reads a rule from f; path is its name in warnings and in the rule. A line that might have narrowed [Match] and is not
 * understood spoils the rule: it would match more than was meant. 1; 0: no rule, and a warning says why; -ENOMEM. *ret is untouched
 * unless it returns 1. */
int rule_file_read(const char *path, FILE *f, ConfWarnings *w, Rule *ret);
