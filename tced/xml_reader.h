/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* XML from outside -> a libxml2 tree, or a refusal with its line; and what every reader of such a tree needs: children, attributes,
 * numbers, sizes with units. No network, no DTD and so no entities, bounded in size, depth, elements and attributes.
 *
 * As in libvirt's XPath, a name means an element or an attribute without a namespace. Attributes' texts are the document's. */

#include <libxml/tree.h>
#include <stdbool.h>

#include "domain.h"

/* Loads libxml2, which xml_parse() does by itself. 0; -ELIBACC with *error filled in. */
int xml_load(DomainError *error);

/* The document. 0; -EINVAL or -ELIBACC with *error filled in; -ENOMEM. */
int xml_parse(const char *xml, size_t size, xmlDoc **ret, DomainError *error);
/* NULL is fine. */
void xml_free(xmlDoc *doc);
const xmlNode *xml_root(const xmlDoc *doc);

/* Fills in *error with "line N: …" and returns -EINVAL. */
int xml_fail(DomainError *error, const xmlNode *node, const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));

/* The node's line. */
unsigned xml_line(const xmlNode *node);

/* The first child element of this name, and the next one behind a sibling; name NULL: any. NULL: none. node may be NULL. */
const xmlNode *xml_first(const xmlNode *node, const char *name);
const xmlNode *xml_next(const xmlNode *sibling, const char *name);
bool xml_named(const xmlNode *node, const char *name);

/* An attribute's text, or NULL. node may be NULL. */
const char *xml_text_of(const xmlNode *node, const char *attribute);
/* Has it this value? */
bool xml_is(const xmlNode *node, const char *attribute, const char *value);
/* A copy of it, or NULL in *ret where there is none. 0 or -ENOMEM. */
int xml_copy(const xmlNode *node, const char *attribute, char **ret);
/* A copy of the text in an element, NULL in *ret where node is NULL. 0 or -ENOMEM. */
int xml_copy_content(const xmlNode *node, char **ret);

/* A number that may be absent, in base 10 or 16, or as C writes it with base 0, from 0 to max. 1; 0 where there is none, and *ret is
 * untouched; -EINVAL with *error filled in. */
int xml_number(const xmlNode *node, const char *attribute, int base, uint64_t max, uint64_t *ret, DomainError *error);
/* The same as an int from 0 up. */
int xml_int(const xmlNode *node, const char *attribute, int base, int *ret, DomainError *error);
/* The same of an element's text; an empty one is none. */
int xml_content_number(const xmlNode *node, uint64_t max, uint64_t *ret, DomainError *error);

/* A size with its unit (src/util/virutil.c: virScaleInteger; KiB where there is none), in bytes: the element's text with its attribute
 * "unit", or, where `attribute` is not NULL, that attribute with "unit" beside it. libvirt counts KiB, so that it is a whole number of
 * these. As xml_number(); -ENOMEM too. */
int xml_size(const xmlNode *node, const char *attribute, uint64_t *ret, DomainError *error);
