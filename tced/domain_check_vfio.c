/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is wrong with the host's devices that a domain takes: on a PHB with emulated ones, in a group that is not wholly given or
 * another VM's, on a host that has them not or can't give them. libvirt's rules are those of src/hypervisor/virhostdev.c, the
 * kernel's those of probe_groups.c. */

#include <inttypes.h>

#include "domain_check_internal.h"
#include "util.h"

/* PCI Code and ID Assignment Specification: bridges of all kinds. */
#define PCI_BASE_CLASS_BRIDGE 0x06

#define PCI_CLASS_PCI_BRIDGE 0x0604

static bool same_function(const DomainDevice *a, const DomainDevice *b) {
        return a->host.domain == b->host.domain && a->host.bus == b->host.bus && a->host.slot == b->host.slot &&
               a->host.function == b->host.function;
}

int check_find_given(Check *c) {
        const Domain *d = &c->plan->domain;
        size_t allocated = 0;

        for (size_t i = 0; i < d->n_devices; i++) {
                const HostAddress *h = &d->devices[i].host;
                Given *given;

                if (!d->devices[i].host_pci)
                        continue;
                if (ARRAY_RESERVE(c->given, allocated, c->n_given + 1) < 0)
                        return -ENOMEM;
                given = &c->given[c->n_given++];
                *given = (Given) { .device = &d->devices[i], .at = i };
                (void) snprintf(given->address, sizeof(given->address), "%04x:%02x:%02x.%x", h->domain, h->bus, h->slot, h->function);
                given->group = vfio_facts_find_device(c->host->vfio, given->address);
        }
        return 0;
}

/* As finding.c's rule for the host: find_vfio_broken(). */
static bool kernel_is_broken(const Check *c) {
        const VfioFacts *vfio = c->host->vfio;
        bool broken = facts_vfio_broken_by_version(c->host->kvm->release, c->host->kvm->version);

        for (size_t i = 0; i < vfio->n_groups; i++)
                broken |= vfio->groups[i].viability == GROUP_VFIO_BROKEN;
        return c->power && vfio->groups_supported && !vfio->iommu_class && broken;
}

/* util/vfio-helpers.c: qemu_vfio_init_pci(). A domain for KVM runs on POWER, wherever it is planned. */
static int check_nvme(Check *c, const DomainDevice *device) {
        bool backs = !device->kind || !streq(device->kind, "nvme");

        if (!device->nvme || (!c->plan->domain.kvm && !c->power))
                return 0;
        return findings_add(&c->plan->findings, FINDING_VFIO_BROKEN, SEVERITY_ERROR, check_device_name(device),
                            backs ? "Leave it to the host's nvme driver, and back the disk with what that makes of it: "
                                    "<backingStore type='block'> and <source dev='/dev/nvme0n1'/>" :
                                    "Give the guest the whole device: <hostdev mode='subsystem' type='pci' managed='yes'> in "
                                    "place of <disk type='nvme'>",
                            "QEMU's driver for <%s type='nvme'> wants a type 1 IOMMU of VFIO, which POWER has not: the VM can't "
                            "start",
                            backs ? "backingStore" : "disk");
}

/* One finding for all, as it is the kernel's fault. Before libvirt has loaded its modules /dev/vfio/vfio may not be there yet. */
int check_vfio_broken(Check *c) {
        const DomainPlan *plan = c->plan;
        const DomainDevice *first = NULL;
        NameList names = {};
        int r = 0;

        for (size_t i = 0; i < plan->domain.n_devices; i++)
                if (domain_device_is_vfio(&plan->domain.devices[i])) {
                        first = first ? first : &plan->domain.devices[i];
                        name_list_add(&names, check_device_name(&plan->domain.devices[i]));
                }
        if (first && kernel_is_broken(c))
                r = findings_add(&c->plan->findings, FINDING_VFIO_BROKEN, SEVERITY_ERROR, check_device_name(first),
                                 "Use kernel 6.4 or newer (on a partition 6.15, Debian: 6.12.25-1): apt-get install -t "
                                 "bookworm-backports linux-image-powerpc64le",
                                 "VFIO does not work on POWER with kernels 5.19 to 6.3, and this is %s: %s can't be bound to "
                                 "vfio-pci, and the VM can't start",
                                 c->host->kvm->release, name_list_text(&names));
        else if (first && !c->elsewhere && c->host->vfio->container_error == ENOENT)
                r = findings_add(&c->plan->findings, FINDING_VFIO_BROKEN, SEVERITY_WARNING, check_device_name(first),
                                 "Load VFIO: modprobe vfio-pci",
                                 "There is no /dev/vfio/vfio, and without it libvirt passes no device through (%s)",
                                 name_list_text(&names));
        for (size_t i = 0; r >= 0 && i < plan->domain.n_devices; i++)
                r = check_nvme(c, &plan->domain.devices[i]);
        return r;
}

/* What it comes to here (hw/ppc/spapr_iommu.c: spapr_tce_set_need_vfio(), hw/vfio/spapr.c). */
static const char *mixed_cost(const Check *c) {
        if (!c->plan->domain.kvm)
                return "QEMU puts each mapping of the emulated devices into the IOMMU group's window, too";
        if (c->elsewhere)
                return "each mapping of the emulated devices goes into the IOMMU group's window, too, or, where KVM can't link "
                       "tables to groups, all of the PHB's tables are QEMU's";
        if (c->facts.tce_vfio)
                return "KVM keeps the PHB's tables, but each mapping of the emulated devices goes into the IOMMU group's "
                       "hardware table, too, and stays bound to it when the passed-through device is unplugged";
        return "as KVM can't link tables to IOMMU groups here, all of the PHB's tables are QEMU's until the guest's next reset, "
               "also once the passed-through device is unplugged: each TCE of the emulated devices costs an exit as well";
}

/* Those that share the first one's IOMMU group move with it. *parties gets all of the PHB's groups. */
static int mixed_remedy(const Check *c, const Phb *phb, Parties *parties, char **ret) {
        const Layout *layout = &c->plan->layout;
        const DomainDevice *first = NULL;
        const Party *party = NULL;
        NameList names = {};
        int group = -1;

        for (size_t i = 0; i < phb->n_devices; i++) {
                const DomainDevice *device = &c->plan->domain.devices[phb->devices[i]];
                const Party *own;

                if (!domain_device_is_vfio(device))
                        continue;
                if (!first && device->type == DOMAIN_DEVICE_QEMU)
                        return check_remedy(ret, "Take %s out of <qemu:commandline> and give it as a <hostdev>",
                                            check_device_name(device));
                own = parties_find(layout, parties, phb->device_groups[i]);
                if (!first) {
                        first = device;
                        party = own;
                        group = phb->device_groups[i];
                }
                if (phb->device_groups[i] == group)
                        name_list_add(&names, check_device_name(device));
        }
        if (!party)
                return check_remedy(ret,
                                    "Move the emulated devices to another PHB, or take a PHB away so that there can be one for "
                                    "%s: all 31 indexes are in use",
                                    name_list_text(&names));
        if (party->new_index < 0)
                return check_remedy(ret,
                                    "Move %s to the PHB that is controller %d: bus='0x%02x' and a free slot in %s <address>%s, or "
                                    "run tcectl plan --fix",
                                    name_list_text(&names), party->bus, (unsigned) party->bus, names.n > 1 ? "each" : "its",
                                    phb->n_groups > 1 ? ", and the other IOMMU groups to PHBs of their own" : "");
        return check_remedy(ret,
                            "Move %s to a PHB of %s own: <controller type='pci' index='%d' model='pci-root'/> and bus='0x%02x' "
                            "in %s <address>%s, or run tcectl plan --fix",
                            name_list_text(&names), names.n > 1 ? "their" : "its", party->bus, (unsigned) party->bus,
                            names.n > 1 ? "each" : "its", phb->n_groups > 1 ? ", and so for each IOMMU group" : "");
}

int check_mixed_phb(Check *c) {
        const DomainPlan *plan = c->plan;
        Parties parties;

        parties_begin(&plan->domain, &plan->layout, &parties);
        for (size_t i = 0; i < plan->layout.n_phbs; i++) {
                const Phb *phb = &plan->layout.phbs[i];
                NameList vfio = {}, emulated = {};
                _cleanup_free_ char *remedy = NULL;
                char subject[32];
                int r;

                if (!phb_is_mixed(phb))
                        continue;
                for (size_t j = 0; j < phb->n_devices; j++) {
                        const DomainDevice *device = &plan->domain.devices[phb->devices[j]];

                        if (domain_device_is_vfio(device))
                                name_list_add(&vfio, check_device_name(device));
                        else if (domain_device_does_dma(device))
                                name_list_add(&emulated, check_device_name(device));
                }
                r = mixed_remedy(c, phb, &parties, &remedy);
                if (r < 0)
                        return r;
                (void) snprintf(subject, sizeof(subject), "phb %d", phb->index);
                r = findings_add(&c->plan->findings, FINDING_MIXED_PHB, SEVERITY_WARNING, subject, remedy,
                                 "%s (passed through) and %s (emulated) share the PHB %s: %s", name_list_text(&vfio),
                                 name_list_text(&emulated), phb->alias ? phb->alias : subject, mixed_cost(c));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The domain's device that is this function of the host, or NULL. */
static const DomainDevice *given_as(const Check *c, const char *address) {
        for (size_t i = 0; i < c->n_given; i++)
                if (streq(c->given[i].address, address))
                        return c->given[i].device;
        return NULL;
}

/* No reason not to start; but whoever looks for that device will not find it. Bridges are nobody's. */
static int check_unused_member(Check *c, const GroupFacts *group, const DomainDevice *of, const DeviceFacts *member) {
        if (!member->is_pci || member->class_code >> 16 == PCI_BASE_CLASS_BRIDGE)
                return 0;
        return findings_add(&c->plan->findings, FINDING_GROUP_PARTIAL, SEVERITY_INFO, check_device_name(of),
                            "Give it to this VM too, if it is to be used",
                            "%s is in IOMMU group %u too and not given to the VM: nobody else can have it while the VM runs",
                            member->address, group->number);
}

/* Those who were told to give a group as a whole try this. libvirt: "Non-endpoint PCI devices cannot be assigned to guests"
 * (virHostdevPreparePCIDevicesImpl, step 1). */
static int add_bridge_given(Check *c, const DomainDevice *given, const DeviceFacts *member) {
        _cleanup_free_ char *remedy = NULL;
        int r = check_remedy(&remedy, "Take %s out of the domain: a group's bridges stay with the host", check_device_name(given));

        if (r < 0)
                return r;
        return findings_add(&c->plan->findings, FINDING_GROUP_PARTIAL, SEVERITY_ERROR, check_device_name(given), remedy,
                            "%s is a PCI bridge, and libvirt passes none through: the VM can't start", member->address);
}

/* libvirt takes a managed device from the host's driver, and no other one of its group; of one that is not managed it wants to
 * see that a VFIO driver has it (virHostdevPreparePCIDevicesImpl, step 2). What then is still on a host driver is the kernel's
 * "group is not viable". */
static int check_group_member(Check *c, const GroupFacts *group, const DomainDevice *of, const DeviceFacts *member) {
        const DomainDevice *given = given_as(c, member->address);
        _cleanup_free_ char *remedy = NULL;
        int r;

        if (given) {
                if (member->is_pci && member->class_code >> 8 == PCI_CLASS_PCI_BRIDGE)
                        return add_bridge_given(c, given, member);
                if (given->managed || given->nvme || device_is_on_vfio(member))
                        return 0;
                r = check_remedy(&remedy, "Add managed='yes' to %s, or bind it yourself: tcectl bind %s",
                                 check_device_name(given), member->address);
                if (r < 0)
                        return r;
                return findings_add(&c->plan->findings, FINDING_GROUP_PARTIAL, SEVERITY_ERROR, check_device_name(given), remedy,
                                    "%s %s%s, and libvirt does not take it from the host by itself (managed='no'): the VM can't "
                                    "start",
                                    member->address, member->driver ? "is used by the host's driver " : "has no driver",
                                    member->driver ? member->driver : "");
        }
        if (!device_blocks_group(member))
                return check_unused_member(c, group, of, member);
        r = check_remedy(&remedy, "Bind it as well: tcectl bind %s; or give %s back to the host",
                         member->address, check_device_name(of));
        if (r < 0)
                return r;
        return findings_add(&c->plan->findings, FINDING_GROUP_PARTIAL, SEVERITY_ERROR, check_device_name(of), remedy,
                            "IOMMU group %u is given as a whole or not at all, and %s of it is still used by the host's driver "
                            "%s: the VM can't start",
                            group->number, member->address, member->driver);
}

/* Is there a device before this one in the same group? Then the group was looked at. */
static bool group_was_seen(const Check *c, const Given *given) {
        for (const Given *g = c->given; g < given; g++)
                if (g->group == given->group)
                        return true;
        return false;
}

/* What VFIO was seen to refuse (probe_ddw.h) it refuses QEMU as well, which may do without a 64-bit window and not without any. */
int check_ddw_failed(Check *c) {
        int r = 0;

        for (size_t i = 0; !c->elsewhere && r >= 0 && i < c->n_given; i++) {
                const GroupFacts *group = c->given[i].group;
                const Outcome *ddw = group ? &group_window_proof(group)->ddw : NULL;
                _cleanup_free_ char *remedy = NULL;

                if (!ddw || ddw->proof != PROOF_NO || group_was_seen(c, &c->given[i]))
                        continue;
                r = check_remedy(&remedy, "See what the host's finding of group %u advises: tcectl status; once that is done, ask again: "
                                 "tcectl probe %u", group->number, group->number);
                if (r < 0)
                        return r;
                r = findings_add(&c->plan->findings, FINDING_DDW_FAILED, SEVERITY_WARNING, check_device_name(c->given[i].device), remedy,
                                 "The host made no 64-bit DMA window for IOMMU group %u when it was asked (%s): the guest's device is slow, or "
                                 "the VM can't start", group->number, ddw->why);
        }
        return r;
}

int check_group_partial(Check *c) {
        int r = 0;

        for (size_t i = 0; !c->elsewhere && i < c->n_given; i++) {
                const GroupFacts *group = c->given[i].group;

                if (!group || group_was_seen(c, &c->given[i]))
                        continue;
                for (size_t j = 0; r >= 0 && j < group->n_devices; j++)
                        r = check_group_member(c, group, c->given[i].device, &group->devices[j]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* libvirt: "Device … is already in use" (virPCIDeviceListAdd). Several namespaces of an NVMe device may be disks. */
static int check_given_twice(Check *c, const Given *given) {
        const DomainDevice *device = given->device;

        for (const Given *g = c->given; g < given; g++)
                if (same_function(g->device, device) && !(g->device->nvme && device->nvme)) {
                        _cleanup_free_ char *remedy = NULL;
                        int r = check_remedy(&remedy, "Take one of %s and %s out of the domain", check_device_name(g->device),
                                             check_device_name(device));

                        if (r < 0)
                                return r;
                        return findings_add(&c->plan->findings, FINDING_GROUP_BUSY, SEVERITY_ERROR, check_device_name(device),
                                            remedy, "The host's %s is given twice, as %s too: the VM can't start",
                                            given->address, check_device_name(g->device));
                }
        return 0;
}

/* own is to go to where first is. A mixed PHB is to be left anyway. */
static int apart_remedy(const DomainDevice *own, const Phb *from, const DomainDevice *first, const Phb *to, char **ret) {
        if (own->type == DOMAIN_DEVICE_QEMU || to->controller_index < 0)
                return check_remedy(ret, "Put %s on the PHB of %s", check_device_name(own), check_device_name(first));
        if (phb_is_mixed(from) || phb_is_mixed(to))
                return check_remedy(ret, "Bring them together on a PHB without emulated devices, as mixed-phb advises, or run "
                                         "tcectl plan --fix");
        return check_remedy(ret, "Move %s beside %s: bus='0x%02x' and a free slot in its <address>, or run tcectl plan --fix",
                            check_device_name(own), check_device_name(first), (unsigned) to->controller_index);
}

/* hw/vfio/container.c: vfio_get_group(): "group 3 used in multiple address spaces", and a PHB has one for all of its devices. */
static int check_group_apart(Check *c, const Given *given) {
        const DomainDevice *device = given->device;
        const Phb *phb = layout_phb_of(&c->plan->layout, given->at);
        unsigned group = given->group->number;

        for (const Given *g = c->given; g < given && phb && domain_device_is_vfio(device); g++) {
                const Phb *other = g->group == given->group ? layout_phb_of(&c->plan->layout, g->at) : NULL;
                _cleanup_free_ char *remedy = NULL;
                int r;

                if (!other || other == phb || !domain_device_is_vfio(g->device))
                        continue;
                r = apart_remedy(device, phb, g->device, other, &remedy);
                if (r < 0)
                        return r;
                return findings_add(&c->plan->findings, FINDING_GROUP_BUSY, SEVERITY_ERROR, check_device_name(device), remedy,
                                    "%s and %s are in one IOMMU group (%u) and on two PHBs, which QEMU refuses (\"group %u used "
                                    "in multiple address spaces\")",
                                    check_device_name(device), check_device_name(g->device), group, group);
        }
        return 0;
}

static int check_holder(Check *c, const Given *given) {
        unsigned group = given->group->number;
        const char *name = check_device_name(given->device);
        const char *holder = c->host->holder ? c->host->holder(group, c->plan->domain.uuid, c->host->userdata) : NULL;
        _cleanup_free_ char *remedy = NULL;
        int r;

        if (!holder)
                return 0;
        r = check_remedy(&remedy, "End the VM %s (virsh shutdown), or take %s out of one of them", holder, name);
        if (r < 0)
                return r;
        return findings_add(&c->plan->findings, FINDING_GROUP_BUSY, SEVERITY_ERROR, name, remedy,
                            "IOMMU group %u is the VM %s's, and one VM at a time has it: this one can't start while that one "
                            "runs",
                            group, holder);
}

int check_group_busy(Check *c) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->n_given; i++) {
                const Given *given = &c->given[i];
                bool known = given->group && !c->elsewhere;

                r = check_given_twice(c, given);
                if (r >= 0 && known)
                        r = check_group_apart(c, given);
                if (r >= 0 && known && !group_was_seen(c, given))
                        r = check_holder(c, given);
        }
        return r;
}

/* Where no group is listed nothing is known of the host's devices. What is there and in no group can't be given either. */
int check_device_missing(Check *c) {
        int r = 0;

        for (size_t i = 0; !c->elsewhere && c->host->vfio->n_groups > 0 && r >= 0 && i < c->n_given; i++)
                if (!c->given[i].group)
                        r = findings_add(&c->plan->findings, FINDING_DEVICE_MISSING, SEVERITY_ERROR,
                                         check_device_name(c->given[i].device),
                                         "See what there is: tcectl groups; then correct <source><address>",
                                         "The host has no %s in any IOMMU group: libvirt can't pass it through, and the VM can't "
                                         "start",
                                         c->given[i].address);
        return r;
}
