/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of domain_fix.c share: a text of XML with where each element lies in it, changes to it, and the steps that make
 * them. The text is changed where something is mended and nowhere else: a tree written out anew would have other quotes, entities
 * and spaces all over. */

#include <stdbool.h>
#include <stddef.h>

#include "domain_fix.h"

#define ELEMENT_NONE SIZE_MAX

/* Offsets into the text, in bytes. */
typedef struct XmlElement {
        char *name;    /* without a prefix; NULL: of a namespace, so none of libvirt's */
        size_t parent; /* index, or ELEMENT_NONE */
        unsigned line;
        size_t start;   /* of the start tag */
        size_t content; /* behind the start tag */
        size_t end_tag; /* of the end tag; with <a/> the same as content */
        size_t end;     /* behind the end tag */
        bool empty;     /* <a/> */
} XmlElement;

typedef struct XmlText {
        const char *text; /* borrowed */
        size_t size;
        XmlElement *elements; /* in the order of their start tags */
        size_t n, allocated;
        char quote;          /* as the text has it */
        const char *newline; /* "\n" or "\r\n" */
} XmlText;

/* Text that is known to be good XML. 0; -EINVAL with *error where it is not UTF-8; -ENOMEM. Borrows text. */
int xml_text_parse(const char *text, size_t size, XmlText *ret, DomainError *error);
void xml_text_clear(XmlText *t);

/* The first child of that name behind `after` (ELEMENT_NONE: the first at all), or ELEMENT_NONE. */
size_t xml_child(const XmlText *t, size_t parent, const char *name, size_t after);

/* Where an attribute's value lies; false where the element has none of that name. */
bool xml_attribute(const XmlText *t, size_t element, const char *name, size_t *ret_at, size_t *ret_length);

/* Is the attribute's value this text? */
bool xml_attribute_is(const XmlText *t, size_t element, const char *name, const char *value);

typedef struct Change {
        size_t at, remove; /* bytes, of the text as it was */
        char *insert;
} Change;

/* Changes to one text; all refer to it as it was. */
typedef struct Changes {
        const XmlText *text;
        Change *items;
        size_t n, allocated;
} Changes;

void changes_clear(Changes *c);

/* Each 0 or -ENOMEM. Where new elements have more than one line these are parted by '\n', with two spaces for each level;
 * attributes in them are quoted by '. They get the quotes, line ends and indentation of their place. */
int change_attribute(Changes *c, size_t element, const char *name, const char *value);
int change_content(Changes *c, size_t element, const char *content);
int change_insert_before(Changes *c, size_t sibling, const char *elements);
int change_insert_after(Changes *c, size_t sibling, const char *elements);
int change_append_child(Changes *c, size_t parent, const char *elements);

/* The text with all changes made, to be freed. 0 or -ENOMEM. */
int changes_apply(Changes *c, char **ret, size_t *ret_size);

/* A domain that is being mended: its XML as it is by now, and what was found in it. */
typedef struct Repair {
        const PlanHost *host;
        Fix *fix; /* notes go here */
        DomainPlan plan;
        XmlText text;
        XmlText lined; /* the same elements, each of <devices> on a line of its own: the plan's lines are of this one */
        char *lined_text;
        size_t domain, devices; /* elements; devices may be ELEMENT_NONE */
        Changes changes;
} Repair;

/* The element of a device or controller of the plan, by its line; ELEMENT_NONE: libvirt or QEMU makes it. */
size_t repair_element(const Repair *r, unsigned line);

/* 0 or -ENOMEM. */
int repair_note(Repair *r, bool mended, const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));

/* The steps, in their order. Each adds changes and notes for what it can mend. 0 or -ENOMEM. */
int repair_phb_index(Repair *r);
int repair_vio(Repair *r);
int repair_mixed(Repair *r);
int repair_maxmemory(Repair *r);
int repair_memlock(Repair *r);
