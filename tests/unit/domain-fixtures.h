/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of domain_check.c and domain_fix.c share: a made-up POWER host, and a domain's XML in pieces. */

#include <string.h>

#include "domain_plan.h"
#include "util.h"

#define GROUPS 5

static char viable_why[] = "";

#define DEVICE(address_, driver_, class_) \
        { .address = (char *) address_, .driver = (char *) driver_, .class_code = class_, .is_pci = true }

/* The host's devices: one whole group, one of two functions, one whose second function is the host's, one on the host's drivers
 * with a bridge, one without drivers. */
static DeviceFacts one[] = { DEVICE("0001:00:00.0", "vfio-pci", 0x020000) };
static DeviceFacts two[] = { DEVICE("0002:00:00.0", "vfio-pci", 0x020000), DEVICE("0002:00:00.1", "vfio-pci", 0x020000) };
static DeviceFacts half[] = { DEVICE("0003:00:00.0", "vfio-pci", 0x020000), DEVICE("0003:00:00.1", "tg3", 0x020000) };
static DeviceFacts unbound[] = { DEVICE("0004:00:00.0", "pcieport", 0x060400), DEVICE("0004:01:00.0", "e1000e", 0x020000) };
static DeviceFacts bare[] = { DEVICE("0005:00:00.0", NULL, 0x020000), DEVICE("0005:00:00.1", NULL, 0x020000) };

#define GROUP(number_, devices_, viability_) \
        { \
                .number = number_, .devices = devices_, .n_devices = ELEMENTSOF(devices_), .viability = viability_, \
                .viability_why = viable_why, .ddw = 1, .page_sizes = 0x1211000, .dma32_size = UINT64_C(1) << 30 \
        }

static GroupFacts groups[GROUPS] = {
        GROUP(1, one, GROUP_VIABLE),        GROUP(2, two, GROUP_VIABLE),     GROUP(3, half, GROUP_PARTIAL),
        GROUP(4, unbound, GROUP_NOT_BOUND), GROUP(5, bare, GROUP_NOT_BOUND),
};

typedef struct Host {
        KvmFacts kvm;
        VfioFacts vfio;
        PolicySetting policy;
        Rules rules;
        AdapterFacts adapter;
        unsigned held; /* this group is another VM's */
} Host;

static inline const char *holder(unsigned group, const char *uuid, void *userdata) {
        const Host *host = userdata;

        /* Whose group it is, is asked for the VM itself. */
        return host->held == group && streq(uuid, "3f2c0000000000000000000000000001") ? "db7" : NULL;
}

/* A partition where all is well. */
static inline void good_host(Host *h) {
        *h = (Host){
                .kvm = { .api_version = 12, .page_size = 65536, .release = "7.3.0", .version = "#1 SMP", .machine = "ppc64le" },
                .vfio = { .platform = PLATFORM_PSERIES,
                          .groups_supported = true,
                          .iommu_class = true,
                          .groups = groups,
                          .n_groups = GROUPS },
                .policy = { .numa_node = NUMA_NODE_ANY },
        };
        outcome_set(&h->kvm.vm, PROOF_YES, "a VM was created");
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                h->kvm.capability[i].declared = 1;
                outcome_set(&h->kvm.capability[i].proven, PROOF_YES, "done");
        }
}

#define HEAD "<name>web1</name><uuid>3f2c0000-0000-0000-0000-000000000001</uuid>"
#define MEMORY "<maxMemory slots='16' unit='GiB'>8</maxMemory><memory unit='GiB'>4</memory>"
#define OS(machine) "<vcpu>1</vcpu><os><type arch='ppc64le' machine='" machine "'>hvm</type></os>"
#define NAMESPACE "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
#define NOTHING "<controller type='usb' index='0' model='none'/><memballoon model='none'/>\n"
#define DOMAIN(type, head, os, devices, rest) \
        "<domain type='" type "' " NAMESPACE ">\n" HEAD head os "<devices>" NOTHING devices "</devices>" rest "</domain>"
#define KVM(devices) DOMAIN("kvm", MEMORY, OS("pseries-9.2"), devices, "")
#define TCG(devices) DOMAIN("qemu", MEMORY, OS("pseries-9.2"), devices, "")
#define KVM_MEMORY(memory, devices) DOMAIN("kvm", memory, OS("pseries-9.2"), devices, "")
#define ARGUMENTS(devices, arguments) \
        DOMAIN("kvm", MEMORY, OS("pseries-9.2"), devices, "<qemu:commandline>" arguments "</qemu:commandline>")
#define GLOBAL(text) "<qemu:arg value='-global'/><qemu:arg value='spapr-pci-host-bridge." text "'/>"

#define PHB(controller, index) \
        "<controller type='pci' index='" controller "' model='pci-root'><target index='" index "'/></controller>\n"
#define PCI_AT(bus, slot) "<address type='pci' domain='0x0000' bus='" bus "' slot='" slot "' function='0x0'/>"
#define HOSTDEV(managed, domain, function, address) \
        "<hostdev mode='subsystem' type='pci' managed='" managed "'><source><address domain='" domain \
        "' bus='0x00' slot='0x00' function='" function "'/></source>" address "</hostdev>\n"
#define NET(model, address) "<interface type='user'><model type='" model "'/>" address "</interface>\n"
#define NETS_ON(a, b, c, d) \
        NET("virtio", PCI_AT(a, "0x01")) NET("virtio", PCI_AT(b, "0x01")) NET("virtio", PCI_AT(c, "0x01")) \
        NET("virtio", PCI_AT(d, "0x01"))
/* One on each of the 31 that there can be; libvirt makes them. */
#define NETS_ON_ALL_PHBS \
        NETS_ON("0x00", "0x01", "0x02", "0x03") NETS_ON("0x04", "0x05", "0x06", "0x07") \
        NETS_ON("0x08", "0x09", "0x0a", "0x0b") NETS_ON("0x0c", "0x0d", "0x0e", "0x0f") \
        NETS_ON("0x10", "0x11", "0x12", "0x13") NETS_ON("0x14", "0x15", "0x16", "0x17") \
        NETS_ON("0x18", "0x19", "0x1a", "0x1b") NET("virtio", PCI_AT("0x1c", "0x01")) \
        NET("virtio", PCI_AT("0x1d", "0x01")) NET("virtio", PCI_AT("0x1e", "0x01"))
#define VIO_AT(reg) "<address type='spapr-vio' reg='" reg "'/>"
#define VLAN(reg) NET("spapr-vlan", VIO_AT(reg))
#define VSCSI(index, reg) "<controller type='scsi' index='" index "' model='ibmvscsi'>" VIO_AT(reg) "</controller>\n"
#define CONSOLE_MODEL "<target type='spapr-vio-serial' port='0'><model name='spapr-vty'/></target>"
#define SERIAL(reg) "<serial type='pty'>" CONSOLE_MODEL VIO_AT(reg) "</serial>\n"
#define NVRAM(reg) "<nvram>" VIO_AT(reg) "</nvram>\n"

#define GOOD_HOSTDEV PHB("1", "1") HOSTDEV("yes", "0x0001", "0x0", PCI_AT("0x01", "0x01"))

static inline PlanHost plan_host(Host *h) {
        return (PlanHost){
                .kvm = &h->kvm, .vfio = &h->vfio, .policy = &h->policy, .rules = &h->rules, .adapter = &h->adapter, .holder = holder,
                .userdata = h
        };
}
