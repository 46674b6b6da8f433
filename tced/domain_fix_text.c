/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where the elements of an XML text lie, by libxml2's SAX interface, and changes to the text at these places. */

#include <limits.h>
#include <stdarg.h>
#include <strings.h>

#include "domain_fix_internal.h"
#include "util.h"
#include "xml_library.h"
#include "xml_reader.h"

/* What <devices> and the like are indented by where nothing tells. */
#define STEP 2

typedef struct Walk {
        XmlText t;
        size_t open; /* the element that we are in */
        int error;   /* 0, -ENOMEM, or -EINVAL: offsets can't be told */
} Walk;

void xml_text_clear(XmlText *t) {
        for (size_t i = 0; i < t->n; i++)
                free(t->elements[i].name);
        free(t->elements);
        *t = (XmlText){};
}

static void fail(xmlParserCtxt *ctxt, Walk *w, int error) {
        w->error = error;
        sym_xmlStopParser(ctxt);
}

/* How far the parser is: behind a start tag's attributes, behind an end tag. SIZE_MAX: it does not say. */
static size_t offset(xmlParserCtxt *ctxt, const Walk *w) {
        long consumed = sym_xmlByteConsumed(ctxt);

        return consumed < 0 || (size_t) consumed > w->t.size ? SIZE_MAX : (size_t) consumed;
}

/* The last '<' before `from`: no attribute's value may hold one. */
static size_t tag_start(const Walk *w, size_t from) {
        while (from > 0)
                if (w->t.text[--from] == '<')
                        return from;
        return SIZE_MAX;
}

static void on_start(void *userdata, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
                     const xmlChar **namespaces, int n_attributes, int n_defaulted, const xmlChar **attributes) {
        xmlParserCtxt *ctxt = userdata;
        Walk *w = ctxt->_private;
        size_t at = offset(ctxt, w), start = at == SIZE_MAX ? SIZE_MAX : tag_start(w, at);
        XmlElement *e;

        while (at < w->t.size && strchr(" \t\r\n", w->t.text[at]))
                at++;
        if (start == SIZE_MAX || at + 1 >= w->t.size || (w->t.text[at] != '>' && w->t.text[at] != '/')) {
                fail(ctxt, w, -EINVAL);
                return;
        }
        e = ARRAY_RESERVE(w->t.elements, w->t.allocated, w->t.n + 1) < 0 ? NULL : &w->t.elements[w->t.n];
        if (e) {
                *e = (XmlElement){ .parent = w->open, .start = start, .empty = w->t.text[at] == '/' };
                e->content = at + (e->empty ? 2 : 1);
                e->line = (unsigned) sym_xmlSAX2GetLineNumber(ctxt);
                e->name = uri ? NULL : strdup((const char *) name);
        }
        if (!e || (!uri && !e->name)) {
                fail(ctxt, w, -ENOMEM);
                return;
        }
        w->open = w->t.n++;
}

static void on_end(void *userdata, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri) {
        xmlParserCtxt *ctxt = userdata;
        Walk *w = ctxt->_private;
        XmlElement *e;

        if (w->error < 0 || w->open == ELEMENT_NONE)
                return;
        e = &w->t.elements[w->open];
        e->end = e->empty ? e->content : offset(ctxt, w);
        e->end_tag = e->empty || e->end == SIZE_MAX ? e->content : tag_start(w, e->end);
        w->open = e->parent;
        if (e->end == SIZE_MAX || e->end_tag == SIZE_MAX || e->end_tag < e->content)
                fail(ctxt, w, -EINVAL);
}

/* Told by the first attribute and the first end of a line that there is. */
static void find_habits(XmlText *t) {
        const char *newline = memchr(t->text, '\n', t->size);

        t->newline = newline && newline > t->text && newline[-1] == '\r' ? "\r\n" : "\n";
        t->quote = '\'';
        for (size_t i = 0; i < t->n; i++)
                for (size_t j = t->elements[i].start; j < t->elements[i].content; j++)
                        if (t->text[j] == '\'' || t->text[j] == '"') {
                                t->quote = t->text[j];
                                return;
                        }
}

/* In another encoding offsets would be those of what libxml2 makes of it. */
static bool is_utf8(const char *text, size_t size) {
        static const char *const names[] = { "utf-8", "us-ascii", "ascii" };
        const char *p = text, *end, *encoding;

        if (strnlen(text, size) != size || !utf8_valid(text))
                return false;
        if (strncmp(p, "\xef\xbb\xbf", 3) == 0)
                p += 3;
        end = strncmp(p, "<?xml", 5) == 0 ? strstr(p, "?>") : NULL;
        encoding = end ? strstr(p, "encoding") : NULL;
        if (!encoding || encoding > end)
                return true;
        encoding += strcspn(encoding, "'\"");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (strncasecmp(encoding + 1, names[i], strlen(names[i])) == 0 && encoding[1 + strlen(names[i])] == *encoding)
                        return true;
        return false;
}

static int refuse(DomainError *error) {
        *error = (DomainError){};
        (void) snprintf(error->text, sizeof(error->text),
                        "the domain can be mended in UTF-8 only: iconv --to-code=UTF-8, and encoding='UTF-8' in its first line");
        return -EINVAL;
}

int xml_text_parse(const char *text, size_t size, XmlText *ret, DomainError *error) {
        xmlSAXHandler sax = { .startElementNs = on_start, .endElementNs = on_end, .initialized = XML_SAX2_MAGIC };
        Walk w = { .t = { .text = text, .size = size }, .open = ELEMENT_NONE };
        xmlParserCtxt *ctxt;
        xmlSAXHandler *own;
        int r = xml_load(error);

        if (r < 0)
                return r;
        if (size == 0 || size > INT_MAX || !is_utf8(text, size))
                return refuse(error);
        ctxt = sym_xmlCreateMemoryParserCtxt(text, (int) size);
        if (!ctxt)
                return -ENOMEM;
        own = ctxt->sax;
        ctxt->sax = &sax;
        ctxt->_private = &w;
        (void) sym_xmlCtxtUseOptions(ctxt, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
        (void) sym_xmlParseDocument(ctxt);
        if (w.error == 0 && (!ctxt->wellFormed || w.t.n == 0))
                w.error = -EINVAL;
        ctxt->sax = own;
        if (ctxt->myDoc)
                sym_xmlFreeDoc(ctxt->myDoc);
        sym_xmlFreeParserCtxt(ctxt);
        if (w.error < 0) {
                xml_text_clear(&w.t);
                return w.error == -EINVAL ? refuse(error) : w.error;
        }
        find_habits(&w.t);
        *ret = w.t;
        return 0;
}

size_t xml_child(const XmlText *t, size_t parent, const char *name, size_t after) {
        for (size_t i = after == ELEMENT_NONE ? 0 : after + 1; i < t->n; i++)
                if (t->elements[i].parent == parent && t->elements[i].name && streq(t->elements[i].name, name))
                        return i;
        return ELEMENT_NONE;
}

/* Goes over the tag as XML has it: name, then name = 'value' and blanks. It is good XML, so each quote has its other. */
bool xml_attribute(const XmlText *t, size_t element, const char *name, size_t *ret_at, size_t *ret_length) {
        const XmlElement *e = &t->elements[element];
        size_t at = e->start + 1, end = e->content;

        at += strcspn(t->text + at, " \t\r\n/>");
        for (;;) {
                size_t start, length, value;
                char quote;

                at += strspn(t->text + at, " \t\r\n");
                start = at;
                length = strcspn(t->text + at, " \t\r\n=/>");
                at += length;
                at += strcspn(t->text + at, "'\"/>");
                if (at >= end || length == 0 || (t->text[at] != '\'' && t->text[at] != '"'))
                        return false;
                quote = t->text[at];
                value = ++at;
                while (at < end && t->text[at] != quote)
                        at++;
                if (length == strlen(name) && strncmp(t->text + start, name, length) == 0) {
                        *ret_at = value;
                        *ret_length = at - value;
                        return true;
                }
                at++;
        }
}

bool xml_attribute_is(const XmlText *t, size_t element, const char *name, const char *value) {
        size_t at, length;

        return xml_attribute(t, element, name, &at, &length) && length == strlen(value) &&
               strncmp(t->text + at, value, length) == 0;
}

void changes_clear(Changes *c) {
        for (size_t i = 0; i < c->n; i++)
                free(c->items[i].insert);
        free(c->items);
        *c = (Changes){};
}

/* Takes the text over. */
static int add_consume(Changes *c, size_t at, size_t remove, char *insert) {
        if (!insert || ARRAY_RESERVE(c->items, c->allocated, c->n + 1) < 0) {
                free(insert);
                return -ENOMEM;
        }
        c->items[c->n++] = (Change){ .at = at, .remove = remove, .insert = insert };
        return 0;
}

static _printf_(1, 2) char *print(const char *format, ...) {
        char *text;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        return n < 0 ? NULL : text;
}

int change_attribute(Changes *c, size_t element, const char *name, const char *value) {
        const XmlText *t = c->text;
        const XmlElement *e = &t->elements[element];
        size_t at, length;

        if (xml_attribute(t, element, name, &at, &length))
                return add_consume(c, at, length, strdup(value));
        at = e->content - (e->empty ? 2 : 1);
        while (strchr(" \t\r\n", t->text[at - 1]))
                at--;
        return add_consume(c, at, 0, print(" %s=%c%s%c", name, t->quote, value, t->quote));
}

int change_content(Changes *c, size_t element, const char *content) {
        const XmlElement *e = &c->text->elements[element];

        if (!e->empty)
                return add_consume(c, e->content, e->end_tag - e->content, strdup(content));
        return add_consume(c, e->content - 2, 2, print(">%s</%s>", content, e->name));
}

/* How far the element is indented, if it is the first thing on its line; else -1. */
static int indentation(const XmlText *t, size_t element) {
        size_t at = t->elements[element].start, width = 0;

        while (at > 0 && (t->text[at - 1] == ' ' || t->text[at - 1] == '\t')) {
                at--;
                width++;
        }
        return at == 0 || t->text[at - 1] != '\n' || width > INT_MAX ? -1 : (int) width;
}

/* The elements as they are to stand in the text: the quotes of the text, and for all lines but the first the line end and the
 * indentation `like` has and `deeper` more. Where that one stands among others on its line, they all do. */
static char *adapt(const XmlText *t, size_t like, int deeper, const char *elements) {
        int width = indentation(t, like);
        size_t size = 1, lines = 1;
        char *text, *p;

        for (const char *s = elements; *s; s++)
                lines += *s == '\n';
        size += strlen(elements) + lines * (2 + (size_t) (width > 0 ? width : 0) + (size_t) deeper);
        p = text = malloc(size);
        if (!text)
                return NULL;
        for (const char *s = elements; *s; s++)
                if (*s != '\n')
                        *p++ = *s == '\'' ? t->quote : *s;
                else if (width < 0)
                        s += strspn(s + 1, " ");
                else {
                        p = stpcpy(p, t->newline);
                        /* Tabs, where it has them. */
                        p = mempcpy(p, t->text + t->elements[like].start - width, (size_t) width);
                        p = memset(p, ' ', (size_t) deeper);
                        p += deeper;
                }
        *p = '\0';
        return text;
}

int change_insert_before(Changes *c, size_t sibling, const char *elements) {
        const XmlText *t = c->text;
        _cleanup_free_ char *lines = print("%s\n", elements);
        char *text = lines ? adapt(t, sibling, 0, lines) : NULL;

        return add_consume(c, t->elements[sibling].start, 0, text);
}

int change_insert_after(Changes *c, size_t sibling, const char *elements) {
        const XmlText *t = c->text;
        _cleanup_free_ char *lines = print("\n%s", elements);
        char *text = lines ? adapt(t, sibling, 0, lines) : NULL;

        return add_consume(c, t->elements[sibling].end, 0, text);
}

static size_t last_child(const XmlText *t, size_t parent) {
        for (size_t i = t->n; i > parent + 1; i--)
                if (t->elements[i - 1].parent == parent)
                        return i - 1;
        return ELEMENT_NONE;
}

/* Behind the last child, or as the only one, a step deeper than the parent. */
int change_append_child(Changes *c, size_t parent, const char *elements) {
        const XmlText *t = c->text;
        const XmlElement *e = &t->elements[parent];
        size_t last = last_child(t, parent), at;
        _cleanup_free_ char *lines = NULL, *inner = NULL, *outer = NULL;

        if (last != ELEMENT_NONE)
                return change_insert_after(c, last, elements);
        lines = print("\n%s", elements);
        inner = lines ? adapt(t, parent, STEP, lines) : NULL;
        outer = adapt(t, parent, 0, "\n");
        if (!inner || !outer)
                return -ENOMEM;
        if (e->empty)
                return add_consume(c, e->content - 2, 2, print(">%s%s</%s>", inner, outer, e->name));
        /* A comment may be all that is in it. */
        at = e->end_tag;
        while (at > e->content && strchr(" \t\r\n", t->text[at - 1]))
                at--;
        if (at > e->content)
                return add_consume(c, at, 0, TAKE_PTR(inner));
        return add_consume(c, at, e->end_tag - at, print("%s%s", inner, outer));
}

/* Those at one place stay in the order in which they were asked for. */
static void sort(Changes *c) {
        for (size_t i = 1; i < c->n; i++) {
                Change moved = c->items[i];
                size_t j = i;

                for (; j > 0 && c->items[j - 1].at > moved.at; j--)
                        c->items[j] = c->items[j - 1];
                c->items[j] = moved;
        }
}

int changes_apply(Changes *c, char **ret, size_t *ret_size) {
        size_t size = c->text->size + 1, from = 0;
        char *text, *p;

        sort(c);
        for (size_t i = 0; i < c->n; i++)
                size += strlen(c->items[i].insert);
        p = text = malloc(size);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < c->n; i++) {
                const Change *change = &c->items[i];

                p = mempcpy(p, c->text->text + from, change->at - from);
                p = stpcpy(p, change->insert);
                from = change->at + change->remove;
        }
        p = mempcpy(p, c->text->text + from, c->text->size - from);
        *p = '\0';
        *ret = text;
        *ret_size = (size_t) (p - text);
        return 0;
}
