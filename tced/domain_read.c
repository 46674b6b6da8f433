/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What stands in a domain outside of <devices>: name, machine, memory, labels. Rules are libvirt's (src/conf/domain_conf.c:
 * virDomainDefParseXML and what it calls). Elements and attributes that tced has no use for are not looked at. */

#include "domain_read.h"

#include <limits.h>

#include "domain_elements.h"
#include "util.h"

#define SPACE " \t\r\n"

/* QEMU's MAX_NODES: with more there is no VM. */
#define CELLS_MAX 128U

/* Where QEMU's own words are. */
#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"

/* What <hugepages/> means where no size is given: the kernel's default on radix (arch/powerpc/mm/book3s64/radix_pgtable.c has
 * 2 MiB and 1 GiB). With the hash MMU it is 16 MiB. */
#define HUGEPAGE_DEFAULT (UINT64_C(2) << 20)

/* src/util/viruuid.c: virUUIDParse(). Space may stand around it, and between two pairs of digits dashes and blanks. */
static bool parse_uuid(const char *text, char ret[33]) {
        size_t n = 0;

        text += strspn(text, SPACE);
        while (n < 32) {
                text += strspn(text, "- ");
                for (int i = 0; i < 2; i++, text++) {
                        if (!*text || !strchr("0123456789abcdefABCDEF", *text))
                                return false;
                        ret[n++] = (char) (*text >= 'A' && *text <= 'F' ? *text | 0x20 : *text);
                }
        }
        ret[n] = '\0';
        return text[strspn(text, SPACE)] == '\0';
}

/* An empty one is none (virXPathString). */
static int read_uuid(const xmlNode *domain, Domain *d, DomainError *error) {
        const xmlNode *node = xml_first(domain, "uuid");
        _cleanup_free_ char *text = NULL;
        int r = xml_copy_content(node, &text);

        if (r < 0 || isempty(text))
                return r;
        if (!parse_uuid(text, d->uuid)) {
                d->uuid[0] = '\0';
                return xml_fail(error, node, "<uuid>%.64s</uuid>: no UUID; give 32 hex digits, dashes or not", text);
        }
        return 0;
}

/* Without an architecture libvirt takes the host's, and that is a POWER host's here; without a machine the first that QEMU
 * has for the architecture, which is pseries. */
static int read_os(const xmlNode *domain, Domain *d) {
        const xmlNode *type = xml_first(xml_first(domain, "os"), "type");
        int r = xml_copy(type, "arch", &d->arch);

        if (r >= 0)
                r = xml_copy(type, "machine", &d->machine);
        if (r < 0)
                return r;
        if (!d->arch && (!d->machine || domain_machine_is_pseries(d->machine))) {
                d->arch = strdup("ppc64le");
                if (!d->arch)
                        return -ENOMEM;
        }
        domain_settle_machine(d);
        return 0;
}

/* virDomainNumaDefParseXML(). A cell without memory counts as none. */
static int read_cells(const xmlNode *domain, Domain *d, DomainError *error) {
        const xmlNode *numa = xml_first(xml_first(domain, "cpu"), "numa");

        for (const xmlNode *cell = xml_first(numa, "cell"); cell; cell = xml_next(cell, "cell")) {
                int r = ARRAY_RESERVE(d->cells, d->cells_allocated, d->n_cells + 1);
                uint64_t size = 0;

                if (r >= 0)
                        r = xml_size(cell, "memory", &size, error);
                if (r < 0)
                        return r;
                d->cells[d->n_cells++] = size;
        }
        return 0;
}

/* src/util/virbitmap.c: virBitmapParse(): "0-3,^2,5". */
static bool nodeset_has(const char *set, size_t node) {
        bool has = false;

        for (;;) {
                bool without = *(set += strspn(set, SPACE ",")) == '^';
                char *end;
                unsigned long from = strtoul(set + without, &end, 10), to = *end == '-' ? strtoul(end + 1, &end, 10) : from;

                if (end == set)
                        return has;
                if (node >= from && node <= to)
                        has = !without;
                set = end;
        }
}

/* src/qemu/qemu_command.c: qemuBuildMemoryGetPagesize(): the first <page> whose nodeset has the cell, else one without nodeset. */
static const xmlNode *page_of_cell(const xmlNode *hugepages, size_t cell) {
        const xmlNode *of_all = NULL;

        for (const xmlNode *page = xml_first(hugepages, "page"); page; page = xml_next(page, "page")) {
                const char *nodeset = xml_text_of(page, "nodeset");

                if (!nodeset)
                        of_all = page;
                else if (nodeset_has(nodeset, cell))
                        return page;
        }
        return of_all;
}

/* A cell that no <page> is for has ordinary ones. */
static bool all_cells_have_pages(const xmlNode *hugepages, const Domain *d) {
        for (size_t i = 0; i < d->n_cells && i < CELLS_MAX; i++)
                if (!page_of_cell(hugepages, i))
                        return false;
        return true;
}

/* The smallest page is what VFIO's windows can count on (vfio_window.c). */
static int read_backing(const xmlNode *domain, Domain *d, DomainError *error) {
        const xmlNode *backing = xml_first(domain, "memoryBacking"), *hugepages = xml_first(backing, "hugepages");

        d->locked = xml_first(backing, "locked") != NULL;
        for (const xmlNode *page = xml_first(hugepages, "page"); page; page = xml_next(page, "page")) {
                uint64_t size = 0;
                int r = xml_size(page, "size", &size, error);

                if (r < 0)
                        return r;
                if (size == 0 || (size & (size - 1)) != 0)
                        return xml_fail(error, page, "<page size='%.32s'>: pages of this size there are none",
                                        xml_text_of(page, "size") ? xml_text_of(page, "size") : "");
                if (d->hugepage_size == 0 || size < d->hugepage_size)
                        d->hugepage_size = size;
        }
        if (hugepages && d->hugepage_size == 0)
                d->hugepage_size = HUGEPAGE_DEFAULT;
        else if (hugepages && !all_cells_have_pages(hugepages, d))
                d->hugepage_size = 0;
        return 0;
}

static int read_memory(const xmlNode *domain, Domain *d, DomainError *error) {
        const xmlNode *max = xml_first(domain, "maxMemory");
        uint64_t slots = 0;
        int r = xml_size(xml_first(domain, "memory"), NULL, &d->memory, error);

        if (r >= 0)
                r = xml_size(max, NULL, &d->max_memory, error);
        if (r >= 0)
                r = xml_number(max, "slots", 10, UINT_MAX, &slots, error);
        /* virDomainDefPostParseMemory(). A size without slots libvirt 11.3 takes and 9.0 refuses. */
        if (r >= 0 && slots > 0 && d->max_memory == 0)
                return xml_fail(error, max, "<maxMemory>: it has slots and no size; give both, as <maxMemory slots='16' "
                                "unit='GiB'>8</maxMemory>, or take it away");
        if (r >= 0)
                r = xml_size(xml_first(xml_first(domain, "memtune"), "hard_limit"), NULL, &d->hard_limit, error);
        d->hard_limit_zero = r > 0 && d->hard_limit == 0;
        if (r >= 0)
                r = read_cells(domain, d, error);
        if (r >= 0)
                r = read_backing(domain, d, error);
        d->memory_slots = (unsigned) slots;
        return r;
}

/* virSecurityLabelDefParseXML(). Labels are those of a VM that starts or runs; a domain that is only defined has none, but
 * where someone gave it one. The first of a kind counts. */
static int read_label(const xmlNode *seclabel, Domain *d) {
        const xmlNode *label = xml_first(seclabel, "label");
        const char *model = xml_text_of(seclabel, "model"), *type = xml_text_of(seclabel, "type");
        int r;

        if (type && streq(type, "none") && (!model || !streq(model, "dac")))
                d->unconfined = true;
        if (!model || !label)
                return 0;
        if (streq(model, "dac"))
                return d->dac_label ? 0 : xml_copy_content(label, &d->dac_label);
        if (d->security_label || (!streq(model, "apparmor") && !streq(model, "selinux")))
                return 0;
        r = xml_copy_content(label, &d->security_label);
        return r < 0 ? r : xml_copy(seclabel, "model", &d->security_model);
}

/* <memory> counts DIMMs in where there are no NUMA cells (virDomainDefPostParseMemory). */
static int take_dimms_off(const xmlNode *domain, Domain *d, DomainError *error) {
        uint64_t dimms = 0, cells = 0;

        for (size_t i = 0; i < d->n_dimms; i++)
                dimms = add_saturated(dimms, d->dimms[i].size);
        for (size_t i = 0; i < d->n_cells; i++)
                cells = add_saturated(cells, d->cells[i]);
        if (cells > 0) {
                d->memory = cells;
                return 0;
        }
        if (d->memory == 0)
                return xml_fail(error, domain, "<domain>: no <memory>; say how much the VM has");
        if (dimms >= d->memory)
                return xml_fail(error, xml_first(domain, "memory"), "<memory>: it counts in the <memory> devices, which leave nothing "
                                "of it to start with; give more");
        d->memory -= dimms;
        return 0;
}

/* QEMU's own words have a namespace, and without that libvirt does not look at them either. */
static bool is_qemu(const xmlNode *node, const char *name) {
        return node->type == XML_ELEMENT_NODE && node->ns && node->ns->href && streq((const char *) node->ns->href, QEMU_NAMESPACE) &&
               streq((const char *) node->name, name);
}

/* What has several: labels, devices, and QEMU's own words behind them, wherever these stand: QEMU makes their devices last. */
static int read_lists(const xmlNode *domain, Domain *d, DomainError *error) {
        int r = 0;

        for (const xmlNode *label = xml_first(domain, "seclabel"); r >= 0 && label; label = xml_next(label, "seclabel"))
                r = read_label(label, d);
        for (const xmlNode *devices = xml_first(domain, "devices"); devices; devices = xml_next(devices, "devices"))
                for (const xmlNode *e = xml_first(devices, NULL); r >= 0 && e; e = xml_next(e, NULL))
                        r = domain_element_read(e, d, NULL, error);
        for (const xmlNode *node = domain->children; r >= 0 && node; node = node->next) {
                if (is_qemu(node, "commandline"))
                        r = domain_commandline_read(node, d, error);
                else if (is_qemu(node, "override"))
                        r = domain_override_read(node, d, error);
        }
        return r;
}

/* In an order in which each part finds what it needs: devices ask whether there is KVM. */
static int read_domain(const xmlNode *domain, Domain *d, DomainError *error) {
        uint64_t number;
        const char *id;
        int r;

        if (!xml_named(domain, "domain"))
                return xml_fail(error, domain, "<%.64s>: no domain; a <domain> is expected, as \"virsh dumpxml\" prints it",
                                (const char *) domain->name);
        r = xml_copy(domain, "type", &d->type);
        if (r >= 0 && isempty(d->type))
                return xml_fail(error, domain, "<domain>: it has no type; give type='kvm', or type='qemu' for one without KVM");
        if (r >= 0)
                r = xml_copy_content(xml_first(domain, "name"), &d->name);
        if (r < 0)
                return r;
        d->kvm = streq(d->type, "kvm");
        id = xml_text_of(domain, "id");
        d->live = id != NULL;
        d->id = id && parse_u64(id, INT_MAX, &number) >= 0 ? (int) number : -1;
        r = read_uuid(domain, d, error);
        if (r >= 0)
                r = read_os(domain, d);
        if (r >= 0)
                r = read_memory(domain, d, error);
        if (r >= 0)
                r = read_lists(domain, d, error);
        return r < 0 ? r : take_dimms_off(domain, d, error);
}

int domain_read(const char *xml, size_t size, Domain *ret, DomainError *error) {
        _cleanup_(domain_clear) Domain d = {};
        const xmlNode *root;
        xmlDoc *doc;
        int r = xml_parse(xml, size, &doc, error);

        if (r < 0)
                return r;
        root = xml_root(doc);
        /* What libvirt keeps of a domain that runs (/run/libvirt/qemu/NAME.xml). */
        if (xml_named(root, "domstatus") && xml_first(root, "domain"))
                root = xml_first(root, "domain");
        r = read_domain(root, &d, error);
        xml_free(doc);
        if (r < 0)
                return r;
        *ret = TAKE_GENERIC(d, Domain, (Domain) {});
        return 0;
}

int domain_read_device(const char *xml, size_t size, Domain *d, DomainError *error) {
        const xmlNode *root;
        bool known = false;
        xmlDoc *doc;
        int r = xml_parse(xml, size, &doc, error);

        if (r < 0)
                return r;
        root = xml_root(doc);
        r = domain_element_read(root, d, &known, error);
        if (r >= 0 && !known)
                r = xml_fail(error, root, "<%.64s>: no device of libvirt's; one is expected, as \"virsh attach-device\" takes it",
                             (const char *) root->name);
        xml_free(doc);
        return r;
}
