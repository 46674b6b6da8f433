/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Findings: the list, and those that follow from the host's facts. Each says what is so, what it costs and what to type; the
 * kernel versions in the remedies are those of the facts in HACKING.md. Pure but for memory. */

#include "finding.h"

#include <stdarg.h>

#include "util.h"

static const char *const severity_names[] = {
        [SEVERITY_INFO] = "info",
        [SEVERITY_WARNING] = "warning",
        [SEVERITY_ERROR] = "error",
};
_Static_assert(ELEMENTSOF(severity_names) == _SEVERITY_MAX, "a name for each");

static const char *const id_names[] = {
        [FINDING_KVM_UNUSABLE] = "kvm-unusable",
        [FINDING_NO_TCE] = "no-tce",
        [FINDING_NO_VFIO_COUPLING] = "no-vfio-coupling",
        [FINDING_VFIO_BROKEN] = "vfio-broken",
        [FINDING_MULTITCE_UNCHECKED] = "multitce-unchecked",
        [FINDING_DDW_FAILED] = "ddw-failed",
        [FINDING_PHB_INDEX] = "phb-index",
        [FINDING_VIO_IRQ] = "vio-irq",
        [FINDING_VIO_DUPLICATE] = "vio-duplicate",
        [FINDING_VIO_IN_PCI_RANGE] = "vio-in-pci-range",
        [FINDING_WINDOW_TOO_LARGE] = "window-too-large",
        [FINDING_NO_MAXMEMORY] = "no-maxmemory",
        [FINDING_MIXED_PHB] = "mixed-phb",
        [FINDING_GROUP_PARTIAL] = "group-partial",
        [FINDING_GROUP_BUSY] = "group-busy",
        [FINDING_MEMLOCK_LOW] = "memlock-low",
        [FINDING_POLICY_UNMET] = "policy-unmet",
        [FINDING_ADAPTER_UNREADY] = "adapter-unready",
        [FINDING_SLOW_PATH] = "slow-path",
        [FINDING_DEVICE_MISSING] = "device-missing",
        [FINDING_HOOK_NOT_LOADED] = "hook-not-loaded",
        [FINDING_STATE_NOT_KEPT] = "state-not-kept",
        [FINDING_BIND_FAILED] = "bind-failed",
        [FINDING_GROUP_STUCK] = "group-stuck",
};
_Static_assert(ELEMENTSOF(id_names) == _FINDING_ID_MAX, "a name for each");

const char *severity_to_string(Severity severity) {
        return severity_names[severity];
}

int severity_from_string(const char *text) {
        return name_lookup(severity_names, ELEMENTSOF(severity_names), text);
}

const char *finding_id_to_string(FindingId id) {
        return id_names[id];
}

int finding_id_from_string(const char *text) {
        return name_lookup(id_names, ELEMENTSOF(id_names), text);
}

/* Takes a half-made one. */
static void finding_clear(Finding *finding) {
        free(finding->subject);
        free(finding->text);
        free(finding->remedy);
}

int findings_add(Findings *f, FindingId id, Severity severity, const char *subject, const char *remedy,
                 const char *format, ...) {
        Finding finding = { .id = id, .severity = severity };
        va_list ap;
        int r;

        va_start(ap, format);
        r = vasprintf(&finding.text, format, ap);
        va_end(ap);
        if (r < 0)
                finding.text = NULL;
        finding.subject = strdup(subject);
        finding.remedy = strdup(remedy);
        if (!finding.text || !finding.subject || !finding.remedy ||
            ARRAY_RESERVE(f->items, f->allocated, f->n + 1) < 0) {
                finding_clear(&finding);
                return -ENOMEM;
        }
        f->items[f->n++] = finding;
        return 0;
}

void findings_clear(Findings *f) {
        for (size_t i = 0; i < f->n; i++)
                finding_clear(&f->items[i]);
        free(f->items);
        *f = (Findings){};
}

void findings_drop(Findings *f, FindingId id, const char *subject) {
        size_t n = 0;

        for (size_t i = 0; i < f->n; i++)
                if (f->items[i].id == id && streq(f->items[i].subject, subject))
                        finding_clear(&f->items[i]);
                else
                        f->items[n++] = f->items[i];
        f->n = n;
}

const Finding *findings_find(const Findings *f, FindingId id) {
        for (size_t i = 0; i < f->n; i++)
                if (f->items[i].id == id)
                        return &f->items[i];
        return NULL;
}

int findings_seen(const Findings *f, bool with_vms, Finding **ret_items, Findings *ret) {
        Finding *items = calloc(f->n + 1, sizeof(*items));
        size_t n = 0;

        if (!items)
                return -ENOMEM;
        for (size_t i = 0; i < f->n; i++)
                if (with_vms || f->items[i].id != FINDING_SLOW_PATH)
                        items[n++] = f->items[i];
        *ret_items = items;
        *ret = (Findings) { .items = items, .n = n };
        return 0;
}

/* The order counts: both come from findings_from_host(), which keeps to one. */
bool findings_equal(const Findings *a, const Findings *b) {
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++) {
                const Finding *p = &a->items[i], *q = &b->items[i];
                if (p->id != q->id || p->severity != q->severity || !streq(p->subject, q->subject) ||
                    !streq(p->text, q->text) || !streq(p->remedy, q->remedy))
                        return false;
        }
        return true;
}

/* What to do where /dev/kvm can't be opened. */
static const char *device_remedy(const KvmFacts *kvm) {
        if (kvm->device_error == EACCES || kvm->device_error == EPERM)
                return "Let tced open it: ls -l /dev/kvm shows its group; usermod --append --groups kvm tced; "
                       "systemctl restart tced";
        return facts_host_has_tce(kvm) ? "Load KVM: modprobe kvm_hv" : "Load KVM's module for this machine";
}

/* Without KVM a POWER host runs no guests at speed, which is all that it is for; another machine only shows its groups here. */
static int find_kvm_unusable(Findings *f, const KvmFacts *kvm) {
        bool tce = facts_host_has_tce(kvm);

        if (kvm->device_error != 0)
                return findings_add(f, FINDING_KVM_UNUSABLE, tce ? SEVERITY_ERROR : SEVERITY_INFO, "host",
                                    device_remedy(kvm), "KVM can't be used: %s", kvm->vm.why);
        if (kvm->vm.proof != PROOF_NO)
                return 0;
        if (!tce)
                return findings_add(f, FINDING_KVM_UNUSABLE, SEVERITY_INFO, "host", "See the kernel's log: dmesg | grep -i kvm",
                                    "KVM is there, but no VM can be created (%s)", kvm->vm.why);
        /* kvm.ko alone answers every question with yes (arch/powerpc/kvm/powerpc.c:kvm_vm_ioctl_check_extension). */
        return findings_add(f, FINDING_KVM_UNUSABLE, SEVERITY_ERROR, "host",
                            "Load the backend: modprobe kvm_hv. If that says \"No such device\", the hypervisor above this "
                            "partition has to allow KVM in it (QEMU: -machine pseries,cap-nested-hv=on)",
                            "KVM is there and declares its capabilities, but no VM can be created (%s): no guest can run "
                            "accelerated, and no table can be in the kernel", kvm->vm.why);
}

/* A kernel without CONFIG_SPAPR_TCE_IOMMU declares the capabilities and answers their ioctls with ENOTTY, as the first depends
 * on CONFIG_PPC_BOOK3S_64 alone (powerpc.c:kvm_vm_ioctl_check_extension): so what was disproven counts as not there. */
static int find_no_tce(Findings *f, const KvmFacts *kvm) {
        const KvmCapabilityFact *tce = &kvm->capability[KVM_CAPABILITY_TCE],
                                *tce_64 = &kvm->capability[KVM_CAPABILITY_TCE_64];

        if (!facts_host_has_tce(kvm))
                return findings_add(f, FINDING_NO_TCE, SEVERITY_INFO, "host", "Nothing to do: tced is for POWER hosts",
                                    "This machine (%s) has no TCEs: tced shows its IOMMU groups and that is all",
                                    kvm->machine);
        if (kvm->device_error != 0 || kvm->vm.proof == PROOF_NO)
                return 0;
        if ((tce->declared && tce->proven.proof != PROOF_NO) || (tce_64->declared && tce_64->proven.proof != PROOF_NO))
                return 0;
        return findings_add(f, FINDING_NO_TCE, SEVERITY_WARNING, "host",
                            "Use a kernel built with CONFIG_SPAPR_TCE_IOMMU=y: "
                            "grep SPAPR_TCE_IOMMU /boot/config-$(uname -r)",
                            "KVM has no in-kernel TCE tables here (%s): every TCE of every guest exits to its VMM",
                            tce->proven.why);
}

/* Partitions declared it from 6.15 on, and in Debian's 6.12.25-1, though they could do VFIO since 6.11. */
static int find_no_vfio_coupling(Findings *f, const KvmFacts *kvm) {
        const KvmCapabilityFact *vfio = &kvm->capability[KVM_CAPABILITY_TCE_VFIO];

        if (!facts_host_has_tce(kvm) || kvm->device_error != 0 || kvm->vm.proof == PROOF_NO)
                return 0;
        if (vfio->declared && vfio->proven.proof != PROOF_NO)
                return 0;
        return findings_add(f, FINDING_NO_VFIO_COUPLING, SEVERITY_WARNING, "host",
                            "On a partition use kernel 6.15 or newer (Debian: 6.12.25-1 or newer): apt-get install -t "
                            "bookworm-backports linux-image-powerpc64le",
                            "KVM can't link a guest's table to an IOMMU group (KVM_CAP_SPAPR_TCE_VFIO: %s): tables of PHBs "
                            "with VFIO devices are kept by the VMM, and each of their TCEs costs an exit",
                            vfio->declared ? vfio->proven.why : "declared 0");
}

/* Where /sys/class/iommu has a PHB the fix is there (arch/powerpc/kernel/iommu.c:spapr_tce_setup_phb_iommus_initcall), whatever
 * the version says; where it has none, a version may still be a distribution's, so a group that shows it counts as well. */
static int find_vfio_broken(Findings *f, const KvmFacts *kvm, const VfioFacts *vfio) {
        const GroupFacts *broken = NULL;

        if (!facts_host_has_tce(kvm) || !vfio->groups_supported || vfio->iommu_class)
                return 0;
        for (size_t i = 0; i < vfio->n_groups && !broken; i++)
                if (vfio->groups[i].viability == GROUP_VFIO_BROKEN)
                        broken = &vfio->groups[i];
        if (!broken && !facts_vfio_broken_by_version(kvm->release, kvm->version))
                return 0;
        /* Generic VFIO began to ask for iommu_ops that POWER had not: the bind fails and drivers_probe says nothing. */
        return findings_add(f, FINDING_VFIO_BROKEN, SEVERITY_ERROR, "host",
                            "Use kernel 6.4 or newer (on a partition 6.15, Debian: 6.12.25-1): apt-get install -t "
                            "bookworm-backports linux-image-powerpc64le",
                            "VFIO does not work on POWER with kernels 5.19 to 6.3, and this is %s: binding a device to "
                            "vfio-pci fails without an error, and /dev/vfio/N never appears%s%s", kvm->release,
                            broken ? "; seen here: " : "", broken ? broken->viability_why : "");
}

/* What a vCPU was seen to do outweighs what the version says: the probe is of this kernel as it runs. */
static int find_multitce_unchecked(Findings *f, const KvmFacts *kvm) {
        static const char remedy[] =
                "Use a kernel with the range check: 7.3 or newer, Debian 13 from 6.12.113-1, Debian 12 from 6.1.190-1 (apt-get "
                "upgrade, then reboot). Until then leave MultiTce= as it is: tced keeps multi-TCE off";
        const KvmCapabilityFact *multitce = &kvm->capability[KVM_CAPABILITY_MULTITCE];

        if (!multitce->declared || multitce->proven.proof == PROOF_NO || kvm->vm.proof == PROOF_NO ||
            kvm->range_check.proof == PROOF_YES)
                return 0;
        if (kvm->range_check.proof == PROOF_NO)
                return findings_add(f, FINDING_MULTITCE_UNCHECKED, SEVERITY_ERROR, "host", remedy,
                                    "In-kernel multi-TCE lets a guest write past its window, into the host's memory: %s",
                                    kvm->range_check.why);
        if (facts_range_check_by_version(kvm->release, kvm->version) == PROOF_YES)
                return 0;
        return findings_add(f, FINDING_MULTITCE_UNCHECKED, SEVERITY_WARNING, "host", remedy,
                            "In-kernel multi-TCE may let a guest write past its window: kernel %s is not known to have the "
                            "range check, and only `tcectl probe --deep` can tell", kvm->release);
}

/* Told before it happens, as afterwards nothing but a boot mends it; seen with 6.12 and 7.3. */
static int add_no_maxmem(Findings *f) {
        return findings_add(f, FINDING_DDW_FAILED, SEVERITY_WARNING, "host",
                            "Give the partition room for memory that it need not use (QEMU: -m 4G,slots=1,maxmem=16G), or keep "
                            "the host's drivers off the devices meant for VMs: vfio-pci.ids=VENDOR:DEVICE on the kernel's "
                            "command line",
                            "This partition has no maxmem (ibm,lrdr-capacity is 0). Under Linux (seen with 6.12 and 7.3) a "
                            "device that a host driver has used then gets no DMA window from VFIO any more, until the next boot");
}

/* What to do for a group that got no 64-bit window. */
static const char *window_remedy(const VfioFacts *vfio) {
        if (vfio->no_maxmem)
                return "Give the partition room for memory that it need not use (its profile's maximum memory; QEMU: "
                       "-m 4G,slots=1,maxmem=16G) and start it again";
        if (vfio->platform == PLATFORM_PSERIES)
                return "See the kernel's log: dmesg | grep -i ddw. The firmware has to offer dynamic DMA windows, and the partition needs kernel "
                       "6.11 or newer (Debian: 6.12.25-1); a group that failed once is tried again after a boot alone";
        return "See the kernel's log: dmesg | grep -iE 'iommu|vfio|tce'";
}

/* Seen by those that were asked (Group.Probe), one for each. */
static int find_windows_failed(Findings *f, const VfioFacts *vfio) {
        for (size_t i = 0; i < vfio->n_groups; i++) {
                const GroupFacts *g = &vfio->groups[i];
                const Outcome *ddw = &group_window_proof(g)->ddw;
                char subject[32];
                int r;

                if (ddw->proof != PROOF_NO)
                        continue;
                (void) snprintf(subject, sizeof(subject), "group %u", g->number);
                r = findings_add(f, FINDING_DDW_FAILED, SEVERITY_WARNING, subject, window_remedy(vfio),
                                 "No 64-bit DMA window can be made for the group (%s): a VM's devices in it reach its memory by the small "
                                 "32-bit window at best, slowly, or not at all", ddw->why);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int find_ddw_failed(Findings *f, const VfioFacts *vfio) {
        int r = vfio->no_maxmem ? add_no_maxmem(f) : 0;

        return r < 0 ? r : find_windows_failed(f, vfio);
}

/* One for each: they are bound and given back one by one. */
static int find_group_partial(Findings *f, const VfioFacts *vfio) {
        for (size_t i = 0; i < vfio->n_groups; i++) {
                const GroupFacts *g = &vfio->groups[i];
                char subject[32];
                int r;

                if (g->viability != GROUP_PARTIAL)
                        continue;
                (void) snprintf(subject, sizeof(subject), "group %u", g->number);
                r = findings_add(f, FINDING_GROUP_PARTIAL, SEVERITY_WARNING, subject,
                                 "Bind every device of the group to vfio-pci (tcectl bind), or give those that are there back to the host",
                                 "Some devices of the group are bound to a VFIO driver and one is still the host's, so no VM "
                                 "can have it: %s", g->viability_why);
                if (r < 0)
                        return r;
        }
        return 0;
}

int findings_from_host(Findings *f, const KvmFacts *kvm, const VfioFacts *vfio) {
        int r;

        findings_clear(f);
        r = find_kvm_unusable(f, kvm);
        if (r >= 0)
                r = find_no_tce(f, kvm);
        if (r >= 0)
                r = find_no_vfio_coupling(f, kvm);
        if (r >= 0)
                r = find_vfio_broken(f, kvm, vfio);
        if (r >= 0)
                r = find_multitce_unchecked(f, kvm);
        if (r >= 0)
                r = find_ddw_failed(f, vfio);
        if (r >= 0)
                r = find_group_partial(f, vfio);
        return r;
}
