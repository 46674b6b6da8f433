/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Groups that are bound at each boot: a drop-in of tced.conf for each, 50-bind-ADDRESS.conf, which tced reads (tced.conf(5), [Bind]). It is
 * named after the lowest address of the group; that of a device that has gone since is found by what is in it. */

#include "bind_protocol.h"

/* BIND_KEEP_GROUP writes the file below the folder `conf` (/etc/tced/tced.conf.d), BIND_FORGET_GROUP removes each that names one of the
 * devices; that there is none is no error. Fills in the answer's error and text. */
void bind_keep_do(const char *conf, const BindRequest *request, BindReply *reply);
