/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a person names on the command line to be planned: a file, standard input, or a domain of libvirt's. Blocks as files do. */

#include <stdbool.h>
#include <stddef.h>

#include "problem.h"

/* A domain's XML in bytes, at most; libvirt's own stay below 100 KiB. */
#define INPUT_XML_MAX ((size_t) 2 << 20)
/* A host's facts: thousands of VMs may be in them. */
#define INPUT_FACTS_MAX ((size_t) 64 << 20)

/* Is it a file: "-", a path with a slash, or the name of one that ends in .xml and is there? Else it is a domain's name or UUID. */
bool input_is_file(const char *argument);

/* How people call it: "standard input", or the name. */
const char *input_name(const char *file);

/* All of a domain's or a device's XML: UTF-8 that begins with '<', a byte order mark and blanks before that left out. 0 or
 * negative errno with *problem filled in; the caller frees it. */
int input_read_xml(const char *file, char **ret, Problem *problem);
/* A file of facts, not looked into. */
int input_read_facts(const char *file, char **ret, size_t *ret_size, Problem *problem);

/* Where no domain is found by this name: was a file meant? */
void input_add_file(const char *argument, Problem *problem);

/* The XML that libvirt keeps of a domain, from folder ("/etc/libvirt/qemu"), for where no tced asks libvirt for it. */
int input_read_libvirt(const char *folder, const char *domain, char **ret, Problem *problem);
