/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libxml2, loaded when there is XML to read, or when tced has the time for it: it brings ICU and the C++ library along, and to link with them
 * takes longer than all else that tced does until it is ready (docs/performance.md). An ELF note tells packagers of it
 * (systemd.io/ELF_DLOPEN_METADATA), as no DT_NEEDED does. */

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <libxml/tree.h>

/* The ABI that the headers are of; 2.14 began a new one (its NEWS). */
#if LIBXML_VERSION >= 21400
#define XML_LIBRARY_SONAME "libxml2.so.16"
#else
#define XML_LIBRARY_SONAME "libxml2.so.2"
#endif

/* What of it is used. */
#define XML_FUNCTIONS(_)         \
        _(xmlByteConsumed)       \
        _(xmlCreateMemoryParserCtxt) \
        _(xmlCtxtGetLastError)   \
        _(xmlCtxtReadMemory)     \
        _(xmlCtxtUseOptions)     \
        _(xmlDocGetRootElement)  \
        _(xmlFreeDoc)            \
        _(xmlFreeParserCtxt)     \
        _(xmlGetLineNo)          \
        _(xmlNewParserCtxt)      \
        _(xmlNodeGetContent)     \
        _(xmlParseDocument)      \
        _(xmlSAX2EndElementNs)   \
        _(xmlSAX2GetLineNumber)  \
        _(xmlSAX2StartElementNs) \
        _(xmlStopParser)

/* Each as sym_…: NULL before xml_library_load() was well. */
#define XML_DECLARE(name) extern __typeof__(name) *sym_##name;
XML_FUNCTIONS(XML_DECLARE)
#undef XML_DECLARE
/* xmlFree is a variable in it. */
void xml_library_free(void *p);

/* Loads it, unless it was; it stays. From any thread. 0; -ELIBACC with the reason and a remedy in why: the next call tries again. */
#define XML_LIBRARY_WHY_MAX 400
int xml_library_load(char why[XML_LIBRARY_WHY_MAX]);
