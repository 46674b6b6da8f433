/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A made-up polkit on the test's bus, since no real one asks without a session: it says what the file polkit.mode does, and writes what it was
 * asked into polkit.asked. */

#include "harness.h"

/* mode: "yes", "no", "challenge", "error", "odd" (an answer of another kind), "hang" (none), "wait" (yes, when the mode is another one), "leave" (it ends when it is asked). */
Actor polkit_start(const Host *h, const char *mode);
/* It is as at the start again: nothing was asked. */
void polkit_set_mode(const Host *h, const char *mode);

/* What it was asked last, to be freed, "": nothing. "system-bus-name name :1.7 ACTION key=value key=value FLAGS 'CANCELLATION'". */
char *polkit_asked(const Host *h);
