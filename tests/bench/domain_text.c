/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain_text.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "util.h"

void domain_function(unsigned group, unsigned function, char ret[static 16]) {
        (void) snprintf(ret, 16, "%04x:01:00.%u", group, function);
}

static void put_head(FILE *f, const DomainShape *shape) {
        (void) fprintf(f,
                       "<domain type='kvm'%s>\n"
                       "  <name>bench</name>\n"
                       "  <uuid>" DOMAIN_UUID "</uuid>\n"
                       "  <maxMemory slots='32' unit='KiB'>67108864</maxMemory>\n"
                       "  <memory unit='KiB'>33554432</memory>\n"
                       "  <currentMemory unit='KiB'>33554432</currentMemory>\n"
                       "  <vcpu placement='static'>16</vcpu>\n"
                       "  <resource>\n    <partition>/machine</partition>\n  </resource>\n"
                       "  <os>\n    <type arch='ppc64le' machine='pseries-9.2'>hvm</type>\n    <boot dev='hd'/>\n  </os>\n"
                       "  <cpu mode='custom' match='exact' check='none'>\n    <model fallback='forbid'>POWER9</model>\n"
                       "    <topology sockets='1' dies='1' cores='16' threads='1'/>\n  </cpu>\n"
                       "  <clock offset='utc'/>\n"
                       "  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n  <on_crash>destroy</on_crash>\n"
                       "  <devices>\n"
                       "    <emulator>/usr/bin/qemu-system-ppc64</emulator>\n",
                       shape->as_defined ? "" : " id='7'");
}

static void put_alias(FILE *f, const DomainShape *shape, const char *name, unsigned number) {
        if (!shape->as_defined)
                (void) fprintf(f, "      <alias name='%s%u'/>\n", name, number);
}

static void put_controllers(FILE *f, const DomainShape *shape) {
        (void) fputs("    <controller type='usb' index='0' model='none'>\n", f);
        put_alias(f, shape, "usb", 0);
        (void) fputs("    </controller>\n", f);
        for (unsigned i = 0; i < shape->phbs; i++) {
                (void) fprintf(f, "    <controller type='pci' index='%u' model='pci-root'>\n      <model name='spapr-pci-host-bridge'/>\n"
                                  "      <target index='%u'/>\n", i, i);
                put_alias(f, shape, "pci.", i);
                (void) fputs("    </controller>\n", f);
        }
}

static void put_address(FILE *f, const DomainShape *shape, unsigned bus, unsigned slot, unsigned function, bool multifunction) {
        if (!shape->as_defined)
                (void) fprintf(f, "      <address type='pci' domain='0x0000' bus='0x%02x' slot='0x%02x' function='0x%x'%s/>\n", bus, slot, function,
                               multifunction ? " multifunction='on'" : "");
}

/* Disks are vda to vdz, vdaa and so on. */
static const char *disk_name(unsigned i, char buf[static 8]) {
        if (i < 26)
                (void) snprintf(buf, 8, "vd%c", 'a' + (int) i);
        else
                (void) snprintf(buf, 8, "vd%c%c", 'a' + (int) (i / 26 - 1) % 26, 'a' + (int) (i % 26));
        return buf;
}

static void put_disk(FILE *f, const DomainShape *shape, unsigned i, unsigned bus, unsigned slot) {
        char name[8];

        (void) fprintf(f, "    <disk type='file' device='disk'>\n      <driver name='qemu' type='qcow2' cache='none' io='native'/>\n"
                          "      <source file='/var/lib/libvirt/images/bench-%u.qcow2' index='%u'/>\n      <backingStore/>\n"
                          "      <target dev='%s' bus='virtio'/>\n", i, i + 1, disk_name(i, name));
        put_alias(f, shape, "virtio-disk", i);
        put_address(f, shape, bus, slot, 0, false);
        (void) fputs("    </disk>\n", f);
}

static void put_interface(FILE *f, const DomainShape *shape, unsigned i, unsigned bus, unsigned slot) {
        (void) fprintf(f, "    <interface type='bridge'>\n      <mac address='52:54:00:00:%02x:%02x'/>\n      <source bridge='br0'/>\n"
                          "      <target dev='vnet%u'/>\n      <model type='virtio'/>\n      <driver name='vhost' queues='4'/>\n",
                       i / 256, i % 256, i);
        put_alias(f, shape, "net", i);
        put_address(f, shape, bus, slot, 0, false);
        (void) fputs("    </interface>\n", f);
}

static void put_hostdev(FILE *f, const DomainShape *shape, unsigned group, unsigned function, unsigned bus) {
        (void) fprintf(f, "    <hostdev mode='subsystem' type='pci' managed='yes'>\n      <driver name='vfio'/>\n      <source>\n"
                          "        <address domain='0x%04x' bus='0x01' slot='0x00' function='0x%x'/>\n      </source>\n",
                       group, function);
        put_alias(f, shape, "hostdev", group * shape->functions + function);
        put_address(f, shape, bus, 1, function, function == 0 && shape->functions > 1);
        (void) fputs("    </hostdev>\n", f);
}

/* Two disks, then an interface. libvirt writes all disks first. */
static void put_emulated(FILE *f, const DomainShape *shape) {
        unsigned phbs = shape->phbs - shape->groups, slots = 0;

        for (unsigned nets = 0; nets <= 1; nets++)
                for (unsigned i = 0; i < shape->emulated; i++) {
                        unsigned bus = slots % phbs, slot = slots / phbs + 1;

                        if ((i % 3 == 2) != (nets == 1))
                                continue;
                        slots++;
                        if (nets)
                                put_interface(f, shape, i / 3, bus, slot);
                        else
                                put_disk(f, shape, i / 3 * 2 + i % 3, bus, slot);
                }
}

char *domain_text(const DomainShape *shape) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                bench_fail("no memory");
        put_head(f, shape);
        put_controllers(f, shape);
        put_emulated(f, shape);
        for (unsigned i = 0; i < shape->groups; i++)
                for (unsigned function = 0; function < shape->functions; function++)
                        put_hostdev(f, shape, i, function, shape->phbs - shape->groups + i);
        (void) fputs("    <memballoon model='none'/>\n  </devices>\n"
                     "  <seclabel type='dynamic' model='dac' relabel='yes'>\n    <label>+64055:+64055</label>\n"
                     "    <imagelabel>+64055:+64055</imagelabel>\n  </seclabel>\n</domain>\n", f);
        if (fclose(f) != 0)
                bench_fail("no memory");
        return text;
}
