/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* QEMU's own words in a domain: <qemu:commandline> has arguments, <qemu:override> properties of libvirt's devices. */

#include "domain_elements.h"
#include "qemu_devices.h"
#include "util.h"

/* Some are looked up for others; a person writes a few. */
#define ARGUMENTS_MAX 1024

/* <qemu:arg value='…'>; others libvirt refuses, and nothing is lost by passing over them. */
static bool is_argument(const xmlNode *node) {
        return node->type == XML_ELEMENT_NODE && streq((const char *) node->name, "arg") && xml_text_of(node, "value");
}

int domain_commandline_read(const xmlNode *commandline, Domain *d, DomainError *error) {
        _cleanup_free_ QemuWord *words = malloc(ARGUMENTS_MAX * sizeof(*words));
        _cleanup_free_ QemuArgument *arguments = malloc(ARGUMENTS_MAX * sizeof(*arguments));
        size_t n = 0;
        int r;

        if (!words || !arguments)
                return -ENOMEM;
        for (const xmlNode *node = commandline->children; node; node = node->next) {
                if (!is_argument(node))
                        continue;
                if (n == ARGUMENTS_MAX)
                        return xml_fail(error, node, "<qemu:arg>: more than %d of these", ARGUMENTS_MAX);
                words[n++] = (QemuWord) { xml_text_of(node, "value"), xml_line(node), "<qemu:arg>" };
        }
        r = qemu_split(words, n, arguments, &n, error);
        return r < 0 ? r : qemu_devices_read(arguments, n, d, error);
}

static const xmlNode *next_named(const xmlNode *node, const char *name) {
        while (node && (node->type != XML_ELEMENT_NODE || !streq((const char *) node->name, name)))
                node = node->next;
        return node;
}

/* libvirt reads numbers in base 10 and gives them to QEMU as such: no zeros in front, which would make them octal here.
 * type='remove' takes away what libvirt itself sets. */
static const char *override_value(const xmlNode *property) {
        const char *value = xml_text_of(property, "value");

        if (xml_is(property, "type", "remove"))
                return NULL;
        if (value && (xml_is(property, "type", "unsigned") || xml_is(property, "type", "signed")))
                while (value[0] == '0' && value[1] >= '0' && value[1] <= '9')
                        value++;
        return value;
}

/* <qemu:device alias='pci.1'><qemu:frontend><qemu:property name='ddw' type='bool' value='false'/>. */
int domain_override_read(const xmlNode *override, Domain *d, DomainError *error) {
        for (const xmlNode *device = next_named(override->children, "device"); device; device = next_named(device->next, "device")) {
                const char *alias = xml_text_of(device, "alias");
                const xmlNode *frontend = next_named(device->children, "frontend");

                if (isempty(alias))
                        return xml_fail(error, device, "<qemu:device>: it names no device; give it an alias, as <alias> has it");
                for (const xmlNode *p = frontend ? next_named(frontend->children, "property") : NULL; p;
                     p = next_named(p->next, "property")) {
                        const char *name = xml_text_of(p, "name"), *value = override_value(p);
                        int r;

                        if (isempty(name) || isempty(xml_text_of(p, "type")) || (!value && !xml_is(p, "type", "remove")))
                                return xml_fail(error, p, "<qemu:property>: it wants a name, a type and a value");
                        r = qemu_add_property(d, NULL, alias, name, value, &(QemuWord) { name, xml_line(p), "<qemu:property>" }, error);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}
