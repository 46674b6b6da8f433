/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A bug report: one archive of what tced knows and has logged; a README in it says what is what. */

#include "client.h"

/* Makes it at this path, which must not be there yet, readable by its owner alone. What can't be had is said in it, and is no failure; *ret_missing
 * counts that. 0 or negative errno with *problem filled in. */
int bugreport_make(Client *client, const char *path, unsigned *ret_missing, Problem *problem);

/* Is it an archive such as that? */
bool bugreport_is(const char *data, size_t size);
/* What tced answered when it was made, to be freed. fd: of the archive, read from its beginning. */
int bugreport_facts(int fd, const char *name, size_t max, char **ret, size_t *ret_size, Problem *problem);
