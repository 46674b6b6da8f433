/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libxml2 does the parsing. What it leaves open is closed here: a DTD, of which libvirt's domains have none, is refused where it
 * begins, before any entity of it is known; so are depths and numbers of elements that no domain has. What is refused while it is
 * read is told by the hooks into libxml2's SAX interface, which build the tree as well. */

#include "xml_reader.h"

#include <limits.h>
#include <stdarg.h>
#include <strings.h>

#include "util.h"
#include "xml_library.h"

/* The largest domains of libvirt's have some thousand elements. */
#define ELEMENTS_MAX 65536
/* libxml2 before 2.12 compares each attribute of an element with all the others: with 8192 of these in each of its elements the
 * largest file takes seconds. */
#define ATTRIBUTES_MAX 1024

#define NAME(s) ((const char *) (s))
#define SHOWN "%.64s"

static void parser_freep(xmlParserCtxt **ctxt) {
        if (*ctxt)
                sym_xmlFreeParserCtxt(*ctxt);
}

static void xml_content_freep(xmlChar **content) {
        xml_library_free(*content);
}

/* What the hooks into the parser know; by ctxt->_private. */
typedef struct Parse {
        DomainError *error;
        size_t depth, elements;
        bool refused;
} Parse;

static __attribute__((__format__(__printf__, 3, 0))) int fail_line(DomainError *error, unsigned line, const char *format, va_list ap) {
        DomainError e = { .line = line };
        int n = 0;

        if (line > 0)
                n = snprintf(e.text, sizeof(e.text), "line %u: ", line);
        (void) vsnprintf(e.text + n, sizeof(e.text) - (size_t) n, format, ap);
        (void) utf8_mend(e.text);
        *error = e;
        return -EINVAL;
}

static _printf_(3, 4) int fail_at(DomainError *error, unsigned line, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) fail_line(error, line, format, ap);
        va_end(ap);
        return -EINVAL;
}

/* Lines above 65535 are only there with XML_PARSE_BIG_LINES. */
unsigned xml_line(const xmlNode *node) {
        long line = sym_xmlGetLineNo(node);

        return line > 0 && line <= INT_MAX ? (unsigned) line : 0;
}

int xml_fail(DomainError *error, const xmlNode *node, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) fail_line(error, xml_line(node), format, ap);
        va_end(ap);
        return -EINVAL;
}

/* Ends the parse from inside of a hook. The parser may call a few more before it stops: the first reason stands. */
static void refuse(xmlParserCtxt *ctxt, const char *what) {
        Parse *p = ctxt->_private;

        if (!p->refused)
                (void) fail_at(p->error, ctxt->input && ctxt->input->line > 0 ? (unsigned) ctxt->input->line : 0, "%s", what);
        p->refused = true;
        sym_xmlStopParser(ctxt);
}

static void on_dtd(void *ctxt, _unused_ const xmlChar *name, _unused_ const xmlChar *external, _unused_ const xmlChar *system) {
        refuse(ctxt, "<!DOCTYPE>: a domain has no document type and no entities; take it away");
}

/* The depth is counted here, as libxml2's own limit is four times as high, and more in newer ones. */
static void on_start(void *userdata, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri, int n_namespaces,
                     const xmlChar **namespaces, int n_attributes, int n_defaulted, const xmlChar **attributes) {
        xmlParserCtxt *ctxt = userdata;
        Parse *p = ctxt->_private;

        if (++p->depth > DOMAIN_DEPTH_MAX)
                refuse(ctxt, "elements are nested too deep: a domain's are less than 64 deep");
        else if (++p->elements > ELEMENTS_MAX)
                refuse(ctxt, "more elements than any domain has: 65536 are read at most");
        else
                sym_xmlSAX2StartElementNs(ctxt, name, prefix, uri, n_namespaces, namespaces, n_attributes, n_defaulted, attributes);
}

static void on_end(void *userdata, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri) {
        xmlParserCtxt *ctxt = userdata;
        Parse *p = ctxt->_private;

        if (p->depth > 0)
                p->depth--;
        sym_xmlSAX2EndElementNs(ctxt, name, prefix, uri);
}

/* An attribute has one of these, and none has a '<'; in other texts it is rare. */
static bool begins_value(const char *text, const char *end) {
        if (*text++ != '=')
                return false;
        while (text < end && strchr(" \t\r\n", *text) && *text)
                text++;
        return text < end && (*text == '"' || *text == '\'');
}

static unsigned line_at(const char *xml, const char *at) {
        unsigned line = 1;

        for (const char *p = xml; p < at; p++)
                line += *p == '\n';
        return line;
}

/* The first attribute beyond ATTRIBUTES_MAX in one element, or NULL. An element is what stands between one '<' and the next, and an attribute has
 * two bytes at least: one that is shorter, as each is, is not looked at. */
static const char *excess_attribute(const char *xml, const char *end) {
        for (const char *from = xml, *to; from < end; from = to + 1) {
                unsigned n = 0;

                to = memchr(from, '<', (size_t) (end - from));
                if (!to)
                        to = end;
                if (to - from <= 2 * ATTRIBUTES_MAX)
                        continue;
                for (const char *p = from; p < to; p++) {
                        n += begins_value(p, end);
                        if (n > ATTRIBUTES_MAX)
                                return p;
                }
        }
        return NULL;
}

/* What is refused before libxml2 sees it. */
static int check_text(const char *xml, size_t size, DomainError *error) {
        const char *zero, *excess;

        if (size == 0)
                return fail_at(error, 0, "There is no XML: a domain is expected, as \"virsh dumpxml\" prints it");
        if (size > DOMAIN_XML_MAX)
                return fail_at(error, 0, "The XML is %zu bytes long: a domain's is %zu at most", size, (size_t) DOMAIN_XML_MAX);
        zero = memchr(xml, '\0', size);
        excess = excess_attribute(xml, zero ? zero : xml + size);
        if (excess)
                return fail_at(error, line_at(xml, excess), "an element with more attributes than any domain has: %d are read at most",
                               ATTRIBUTES_MAX);
        if (zero)
                return fail_at(error, line_at(xml, zero), "a zero byte: a domain is text, in UTF-8");
        return 0;
}

/* libxml2's own words end with a newline. */
static int fail_parse(const xmlParserCtxt *ctxt, DomainError *error) {
        const xmlError *e = sym_xmlCtxtGetLastError((void *) ctxt);
        int length;

        if (e && e->code == XML_ERR_NO_MEMORY)
                return -ENOMEM;
        if (!e || !e->message)
                return fail_at(error, 0, "This is no XML: a domain is expected, as \"virsh dumpxml\" prints it");
        length = (int) strcspn(e->message, "\n");
        return fail_at(error, e->line > 0 ? (unsigned) e->line : 0, "no well-formed XML: %.*s; mend it there", length > 200 ? 200 : length,
                       e->message);
}

int xml_load(DomainError *error) {
        DomainError e = {};
        int r = xml_library_load(e.text);

        if (r < 0)
                *error = e;
        return r;
}

/* libxml2 goes by the encoding that the text declares; what comes out is UTF-8. */
int xml_parse(const char *xml, size_t size, xmlDoc **ret, DomainError *error) {
        _cleanup_(parser_freep) xmlParserCtxt *ctxt = NULL;
        Parse p = { .error = error };
        xmlDoc *doc;
        int r = check_text(xml, size, error);

        if (r >= 0)
                r = xml_load(error);
        if (r < 0)
                return r;
        ctxt = sym_xmlNewParserCtxt();
        if (!ctxt)
                return -ENOMEM;
        ctxt->_private = &p;
        ctxt->sax->internalSubset = on_dtd;
        ctxt->sax->startElementNs = on_start;
        ctxt->sax->endElementNs = on_end;
        /* NOENT: the five that XML has by itself (&lt;) become text; others there are none without a DTD. */
        doc = sym_xmlCtxtReadMemory(ctxt, xml, (int) size, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOENT | XML_PARSE_NOERROR |
                                    XML_PARSE_NOWARNING | XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES);
        if (doc && !p.refused && xml_root(doc)) {
                *ret = doc;
                return 0;
        }
        xml_free(doc);
        return p.refused ? -EINVAL : fail_parse(ctxt, error);
}

void xml_free(xmlDoc *doc) {
        if (doc)
                sym_xmlFreeDoc(doc);
}

const xmlNode *xml_root(const xmlDoc *doc) {
        return sym_xmlDocGetRootElement(doc);
}

bool xml_named(const xmlNode *node, const char *name) {
        return node->type == XML_ELEMENT_NODE && !node->ns && (!name || streq(NAME(node->name), name));
}

/* The node itself, or the next of its siblings of this name. */
static const xmlNode *find(const xmlNode *node, const char *name) {
        while (node && !xml_named(node, name))
                node = node->next;
        return node;
}

const xmlNode *xml_first(const xmlNode *node, const char *name) {
        return node ? find(node->children, name) : NULL;
}

const xmlNode *xml_next(const xmlNode *sibling, const char *name) {
        return find(sibling->next, name);
}

/* An attribute's text is one node, as there are no entities but those that are text at once. */
const char *xml_text_of(const xmlNode *node, const char *attribute) {
        const xmlAttr *a = node ? node->properties : NULL;

        while (a && (a->ns || !streq(NAME(a->name), attribute)))
                a = a->next;
        if (!a)
                return NULL;
        return a->children && a->children->content ? NAME(a->children->content) : "";
}

bool xml_is(const xmlNode *node, const char *attribute, const char *value) {
        const char *text = xml_text_of(node, attribute);

        return text && streq(text, value);
}

int xml_copy(const xmlNode *node, const char *attribute, char **ret) {
        const char *text = xml_text_of(node, attribute);
        char *copy = text ? strdup(text) : NULL;

        if (text && !copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

/* Comments are left out, and CDATA is text: as XPath's string() has it, which libvirt uses. */
int xml_copy_content(const xmlNode *node, char **ret) {
        _cleanup_(xml_content_freep) xmlChar *content = node ? sym_xmlNodeGetContent(node) : NULL;
        char *copy = content ? strdup(NAME(content)) : NULL;

        if (node && !copy)
                return -ENOMEM;
        *ret = copy;
        return 0;
}

/* As strtoull() reads it, which is libvirt's way: space before it and a plus are no fault, a minus is. 0, -EINVAL or -ERANGE. */
static int parse_number(const char *text, int base, uint64_t max, uint64_t *ret) {
        unsigned long long value;
        char *end;

        if (strchr(text, '-'))
                return -EINVAL;
        errno = 0;
        value = strtoull(text, &end, base);
        if (end == text || *end != '\0')
                return -EINVAL;
        if (errno == ERANGE || value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

int xml_number(const xmlNode *node, const char *attribute, int base, uint64_t max, uint64_t *ret, DomainError *error) {
        const char *text = xml_text_of(node, attribute);
        int r;

        if (!text)
                return 0;
        r = parse_number(text, base, max, ret);
        if (r == -ERANGE)
                return xml_fail(error, node, "<" SHOWN " %s='" SHOWN "'>: the most is %llu", NAME(node->name), attribute, text,
                                (unsigned long long) max);
        if (r < 0)
                return xml_fail(error, node, "<" SHOWN " %s='" SHOWN "'>: not a number; give it in base %s", NAME(node->name),
                                attribute, text, base == 16 ? "16, as 0x1000" : base == 10 ? "10" : "10, or in 16 as 0x10");
        return 1;
}

int xml_int(const xmlNode *node, const char *attribute, int base, int *ret, DomainError *error) {
        uint64_t value;
        int r = xml_number(node, attribute, base, INT_MAX, &value, error);

        if (r > 0)
                *ret = (int) value;
        return r;
}

int xml_content_number(const xmlNode *node, uint64_t max, uint64_t *ret, DomainError *error) {
        _cleanup_free_ char *text = NULL;
        int r = xml_copy_content(node, &text);

        /* Empty counts as not there (src/util/virxml.c: virXPathString). */
        if (r < 0 || isempty(text))
                return r;
        r = parse_number(text, 10, max, ret);
        if (r == -ERANGE)
                return xml_fail(error, node, "<%s>" SHOWN "</%s>: the most is %llu", NAME(node->name), text, NAME(node->name),
                                (unsigned long long) max);
        if (r < 0)
                return xml_fail(error, node, "<%s>" SHOWN "</%s>: not a number; give it in base 10", NAME(node->name), text,
                                NAME(node->name));
        return 1;
}

/* "KiB", "K", "k" are 1024, "KB" 1000. 0: no unit of libvirt's. */
static uint64_t unit_bytes(const char *unit) {
        static const char letters[] = "kmgtpe";
        const char *letter;
        uint64_t base, bytes = 1;

        if (strcasecmp(unit, "b") == 0 || strcasecmp(unit, "byte") == 0 || strcasecmp(unit, "bytes") == 0)
                return 1;
        letter = strchr(letters, unit[0] | 0x20);
        if (!letter || *letter == '\0')
                return 0;
        if (unit[1] == '\0' || strcasecmp(unit + 1, "iB") == 0)
                base = 1024;
        else if (strcasecmp(unit + 1, "b") == 0)
                base = 1000;
        else
                return 0;
        for (const char *l = letters; l <= letter; l++)
                bytes *= base;
        return bytes;
}

int xml_size(const xmlNode *node, const char *attribute, uint64_t *ret, DomainError *error) {
        const char *unit = xml_text_of(node, "unit");
        uint64_t scale = isempty(unit) ? 1024 : unit_bytes(unit), value = 0;
        int r;

        if (!node || (attribute && !xml_text_of(node, attribute)))
                return 0;
        if (scale == 0)
                return xml_fail(error, node, "<" SHOWN " unit='" SHOWN "'>: no unit; give b, KiB, MiB, GiB or TiB",
                                NAME(node->name), unit);
        r = attribute ? xml_number(node, attribute, 10, UINT64_MAX, &value, error) :
                        xml_content_number(node, UINT64_MAX, &value, error);
        if (r <= 0)
                return r;
        /* src/conf/domain_conf.c: virDomainParseMemory(). It counts whole KiB, rounded up, and these have to fit in bytes, too. */
        if (value > INT64_MAX / scale || value * scale > INT64_MAX - 1023)
                return xml_fail(error, node, "<" SHOWN ">: %llu %s are more than any memory", NAME(node->name),
                                (unsigned long long) value, isempty(unit) ? "KiB" : unit);
        *ret = (value * scale + 1023) / 1024 * 1024;
        return 1;
}
