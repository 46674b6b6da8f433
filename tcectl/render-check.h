/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The line that `tcectl plan` and `tcectl check` begin with. */

#include "render.h"

/* "web1: starts, with 2 warnings" */
void render_verdict(json_object *plan, const Output *out);
