/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* XML from outside -> a libxml2 tree, or a refusal with its line; and what every reader of such a tree needs: children, attributes,
 * numbers, sizes with units. No network, no entities, bounded. */

#include <libxml/tree.h>

#include "domain_read.h"

/* The document; NULL with *error filled in (errno-like: -EINVAL in *ret_error, or -ENOMEM). The caller frees it (xmlFreeDoc). */
int xml_parse(const char *xml, size_t size, xmlDoc **ret, DomainError *error);

/* Fills in *error with "line N: …" and returns -EINVAL. */
int xml_fail(DomainError *error, const xmlNode *node, const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));
