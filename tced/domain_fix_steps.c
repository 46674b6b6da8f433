/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What --fix mends of numbers: PHB indexes, VIO registers, memory. Devices are moved in domain_fix_move.c. Each step changes what
 * it advises in domain_check.c. */

#include <inttypes.h>

#include "domain_check_internal.h"
#include "domain_fix_internal.h"
#include "domain_memory.h"
#include "util.h"

static const char *name_of(const DomainDevice *device) {
        return device->alias ? device->alias : domain_device_type_to_string(device->type);
}

/* The controller's <target index=>, where it has one or gets one. */
static int set_target_index(Repair *r, size_t controller, int index) {
        size_t target = xml_child(&r->text, controller, "target", ELEMENT_NONE);
        char text[64];

        if (target == ELEMENT_NONE) {
                (void) snprintf(text, sizeof(text), "<target index='%d'/>", index);
                return change_append_child(&r->changes, controller, text);
        }
        (void) snprintf(text, sizeof(text), "%d", index);
        return change_attribute(&r->changes, target, "index", text);
}

int repair_phb_index(Repair *r) {
        const Layout *layout = &r->plan.layout;
        uint64_t taken = phb_indexes_taken(layout);

        for (size_t i = 0; i < layout->n_phbs; i++) {
                const Phb *phb = &layout->phbs[i];
                size_t controller = phb->controller ? repair_element(r, phb->controller->line) : ELEMENT_NONE;
                int index = phb->controller_index == 0 ? 0 : phb_index_free(taken), e;

                if (!phb_index_refused(layout, i, NULL) || controller == ELEMENT_NONE || index < 0)
                        continue;
                taken |= UINT64_C(1) << index;
                e = set_target_index(r, controller, index);
                if (e >= 0)
                        e = repair_note(r, true, "%s has PHB index %d now, not %d: the guest sees its devices in PCI domain %04x",
                                        phb->alias ? phb->alias : "A PHB", index, phb->index, (unsigned) index);
                if (e < 0)
                        return e;
        }
        return 0;
}

/* libvirt shows a domain's first serial device a second time, as <console>, address included. */
static int set_twin(Repair *r, size_t serial, const char *old, size_t old_length, const char *reg) {
        int e = 0;

        if (!streq(r->text.elements[serial].name, "serial"))
                return 0;
        for (size_t i = xml_child(&r->text, r->devices, "console", ELEMENT_NONE); e >= 0 && i != ELEMENT_NONE;
             i = xml_child(&r->text, r->devices, "console", i)) {
                size_t address = xml_child(&r->text, i, "address", ELEMENT_NONE), at, length;

                if (address != ELEMENT_NONE && xml_attribute(&r->text, address, "reg", &at, &length) && length == old_length &&
                    strncmp(r->text.text + at, old, length) == 0)
                        e = change_attribute(&r->changes, address, "reg", reg);
        }
        return e;
}

static int set_register(Repair *r, const DomainDevice *device, size_t element, uint64_t reg) {
        size_t address = xml_child(&r->text, element, "address", ELEMENT_NONE), at, length;
        char value[24], text[80];
        int e = 0;

        (void) snprintf(value, sizeof(value), "0x%08" PRIx64, reg);
        if (address == ELEMENT_NONE) {
                (void) snprintf(text, sizeof(text), "<address type='spapr-vio' reg='%s'/>", value);
                e = change_append_child(&r->changes, element, text);
        } else {
                if (xml_attribute(&r->text, address, "reg", &at, &length))
                        e = set_twin(r, element, r->text.text + at, length, value);
                if (e >= 0)
                        e = change_attribute(&r->changes, address, "reg", value);
        }
        if (e >= 0)
                e = repair_note(r, true, "%s has the VIO register %s now", name_of(device), value);
        return e;
}

/* Of those that collide one that can be changed: the one whose fault it is, or else (libvirt or QEMU makes that one) its
 * other. */
static size_t vio_to_move(const Repair *r, size_t at, const char *other, size_t *ret_element) {
        const Layout *layout = &r->plan.layout;
        const DomainDevice *devices = r->plan.domain.devices;

        *ret_element = repair_element(r, devices[layout->vio[at].device].line);
        for (size_t i = 0; *ret_element == ELEMENT_NONE && other && i < layout->n_vio; i++)
                if (streq(name_of(&devices[layout->vio[i].device]), other)) {
                        at = i;
                        *ret_element = repair_element(r, devices[layout->vio[i].device].line);
                }
        return at;
}

int repair_vio(Repair *r) {
        const Layout *layout = &r->plan.layout;
        _cleanup_free_ uint64_t *taken = NULL;
        _cleanup_free_ bool *moved = calloc(layout->n_vio + 1, sizeof(*moved));
        size_t n;
        int e = moved ? vio_registers_taken(&r->plan, &taken, &n) : -ENOMEM;

        for (size_t i = 0; e >= 0 && i < layout->n_vio; i++) {
                const DomainDevice *device;
                const char *other;
                size_t at, element;
                uint64_t reg;

                if (vio_fault(&r->plan, i, &other) == VIO_OK)
                        continue;
                at = vio_to_move(r, i, other, &element);
                if (element == ELEMENT_NONE || moved[at])
                        continue;
                device = &r->plan.domain.devices[layout->vio[at].device];
                reg = vio_register_take(device->type, layout->vio[at].reg, taken, n);
                if (reg == 0)
                        continue;
                moved[at] = true;
                e = set_register(r, device, element, reg);
        }
        return e;
}

/* Where libvirt writes it: before <memory>, or else before the first of what comes after. */
static size_t place_of_maxmemory(const Repair *r) {
        static const char *const after[] = { "memory", "currentMemory", "memtune", "memoryBacking", "vcpu", "os", "devices" };

        for (size_t i = 0; i < ELEMENTSOF(after); i++) {
                size_t found = xml_child(&r->text, r->domain, after[i], ELEMENT_NONE);

                if (found != ELEMENT_NONE)
                        return found;
        }
        return ELEMENT_NONE;
}

/* ppc64 needs no NUMA cells for it (libvirt's src/qemu/qemu_domain.c: qemuDomainDefValidateMemoryHotplug). */
static int set_maxmemory(Repair *r, uint64_t kib) {
        size_t element = xml_child(&r->text, r->domain, "maxMemory", ELEMENT_NONE), place = place_of_maxmemory(r);
        unsigned slots = domain_maxmemory_slots(&r->plan.domain);
        char text[128], number[24];
        int e;

        (void) snprintf(number, sizeof(number), "%" PRIu64, kib);
        if (element == ELEMENT_NONE) {
                (void) snprintf(text, sizeof(text), "<maxMemory slots='%u' unit='KiB'>%s</maxMemory>", slots, number);
                return place == ELEMENT_NONE ? 0 : change_insert_before(&r->changes, place, text);
        }
        e = change_content(&r->changes, element, number);
        if (e >= 0)
                e = change_attribute(&r->changes, element, "unit", "KiB");
        if (e < 0 || (r->plan.domain.memory_slots > 0 && r->plan.domain.memory_slots >= r->plan.domain.n_dimms))
                return e;
        (void) snprintf(number, sizeof(number), "%u", slots);
        return change_attribute(&r->changes, element, "slots", number);
}

int repair_maxmemory(Repair *r) {
        uint64_t kib = domain_maxmemory(&r->plan);
        char size[32];
        int e;

        if (!r->plan.domain.pseries || !domain_lacks_maxmemory(&r->plan) || kib == 0)
                return 0;
        e = set_maxmemory(r, kib);
        if (e < 0)
                return e;
        if (!domain_dimms_fit(&r->plan.domain))
                return repair_note(r, true, "maxMemory is %s now, with %u slots, as memory devices need it",
                                   format_bytes(size, sizeof(size), kib * 1024), domain_maxmemory_slots(&r->plan.domain));
        return repair_note(r, true,
                           "maxMemory is %s now, so that every guest can have a 64-bit DMA window; nothing is used of it until "
                           "memory is plugged in",
                           format_bytes(size, sizeof(size), kib * 1024));
}

/* A number alone, as libvirt reads it: in KiB. What has another unit is left to people. */
static bool content_in_kib(const XmlText *t, size_t element, uint64_t *ret) {
        const XmlElement *e = &t->elements[element];
        char text[24];
        size_t at = e->content, end = e->end_tag, dummy;

        while (at < end && strchr(" \t\r\n", t->text[at]))
                at++;
        while (end > at && strchr(" \t\r\n", t->text[end - 1]))
                end--;
        if (end - at >= sizeof(text) ||
            (xml_attribute(t, element, "unit", &dummy, &dummy) && !xml_attribute_is(t, element, "unit", "KiB")))
                return false;
        memcpy(text, t->text + at, end - at);
        text[end - at] = '\0';
        return parse_u64(text, UINT64_MAX, ret) >= 0;
}

static int set_limit(Repair *r, size_t element, const char *number) {
        int e = change_content(&r->changes, element, number);

        return e < 0 ? e : change_attribute(&r->changes, element, "unit", "KiB");
}

/* <swap_hard_limit> counts memory and swap together, so that it can't be the lower one. */
static int set_hard_limit(Repair *r, uint64_t kib) {
        static const char *const before[] = { "currentMemory", "memory", "maxMemory" };
        size_t memtune = xml_child(&r->text, r->domain, "memtune", ELEMENT_NONE), limit, swap, place = ELEMENT_NONE;
        char number[24], text[128];
        uint64_t swap_kib;
        int e;

        (void) snprintf(number, sizeof(number), "%" PRIu64, kib);
        (void) snprintf(text, sizeof(text), "<hard_limit unit='KiB'>%s</hard_limit>", number);
        if (memtune != ELEMENT_NONE) {
                limit = xml_child(&r->text, memtune, "hard_limit", ELEMENT_NONE);
                swap = xml_child(&r->text, memtune, "swap_hard_limit", ELEMENT_NONE);
                e = limit == ELEMENT_NONE ? change_append_child(&r->changes, memtune, text) : set_limit(r, limit, number);
                if (e >= 0 && swap != ELEMENT_NONE && content_in_kib(&r->text, swap, &swap_kib) && swap_kib < kib)
                        e = set_limit(r, swap, number);
                return e;
        }
        for (size_t i = 0; i < ELEMENTSOF(before) && place == ELEMENT_NONE; i++)
                place = xml_child(&r->text, r->domain, before[i], ELEMENT_NONE);
        (void) snprintf(text, sizeof(text), "<memtune>\n  <hard_limit unit='KiB'>%s</hard_limit>\n</memtune>", number);
        return place == ELEMENT_NONE ? change_append_child(&r->changes, r->domain, text) :
                                       change_insert_after(&r->changes, place, text);
}

int repair_memlock(Repair *r) {
        uint64_t kib = memlock_hard_limit(&r->plan, r->host);
        char size[32];
        int e;

        if (!findings_find(&r->plan.findings, FINDING_MEMLOCK_LOW))
                return 0;
        e = set_hard_limit(r, kib);
        if (e < 0)
                return e;
        return repair_note(r, true,
                           "hard_limit is %s now: it limits locked memory and all other memory of QEMU as well, so it has room "
                           "for the guest's memory and for QEMU itself",
                           format_bytes(size, sizeof(size), kib * 1024));
}
