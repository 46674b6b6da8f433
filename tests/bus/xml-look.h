/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A look at the XML that introspection answers. */

#include <libxml/tree.h>

#include "util.h"

/* "": it has none. */
static inline const char *attribute(xmlNode *node, const char *name) {
        for (xmlAttr *a = node->properties; a; a = a->next)
                if (streq((const char *) a->name, name) && a->children)
                        return (const char *) a->children->content;
        return "";
}

static inline bool is_element(const xmlNode *node, const char *name) {
        return node->type == XML_ELEMENT_NODE && streq((const char *) node->name, name);
}
