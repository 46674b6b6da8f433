/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs the probes in place, not in the daemon's child, and prints "KEY VALUE" lines for a script to check:
 *   probe-tool              what is declared and proven, VFIO's extensions, the groups, the findings
 *   probe-tool --deep       the deep probe's two answers too
 *   probe-tool --vfio NODE  links the group whose node is given (/dev/vfio/N) to a table
 *   probe-tool --sys DIR --dev DIR   reads a made-up tree */

#include <inttypes.h>

#include "finding.h"
#include "probe_kvm.h"
#include "probe_vfio.h"
#include "util.h"

static void print_outcome(const char *key, const Outcome *o) {
        printf("%s.proven %s\n%s.why %s\n", key, proof_to_string(o->proof), key, o->why);
}

static void print_kvm(const KvmFacts *facts) {
        printf("release %s\nversion %s\nmachine %s\n", facts->release, facts->version, facts->machine);
        printf("page-size %" PRIu64 "\ndevice-error %d\napi-version %d\n", facts->page_size, facts->device_error,
               facts->api_version);
        print_outcome("vm", &facts->vm);
        for (int i = 0; i < _VM_TYPE_MAX; i++)
                print_outcome(vm_type_to_string((VmType) i), &facts->vm_type[i]);
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++) {
                const char *name = kvm_capability_to_string((KvmCapability) i);
                printf("%s.declared %u\n", name, facts->capability[i].declared);
                print_outcome(name, &facts->capability[i].proven);
        }
        print_outcome("range-check", &facts->range_check);
        printf("range-check.by-version %s\n", proof_to_string(facts_range_check_by_version(facts->release, facts->version)));
}

static void print_device(unsigned group, const DeviceFacts *d) {
        printf("group.%u.device %s %06x %04x:%04x driver=%s numa=%d\n", group, d->address, d->class_code, d->vendor, d->device,
               d->driver ? d->driver : "-", d->numa_node);
        printf("device.%s.name %s | %s | %s\n", d->address, d->vendor_name ? d->vendor_name : "-",
               d->device_name ? d->device_name : "-", d->class_name ? d->class_name : "-");
        printf("device.%s.group %u\n", d->address, group);
}

static void print_group(const GroupFacts *g) {
        printf("group.%u.name %s\ngroup.%u.viability %s\ngroup.%u.why %s\n", g->number, g->name ? g->name : "-", g->number,
               group_viability_to_string(g->viability), g->number, g->viability_why);
        printf("group.%u.window32 %#" PRIx64 "+%#" PRIx64 "\ngroup.%u.page-sizes %#" PRIx64 "\ngroup.%u.ddw %d\n", g->number,
               g->dma32_start, g->dma32_size, g->number, g->page_sizes, g->number, g->ddw);
        printf("group.%u.windows %s\ngroup.%u.numa %d\n", g->number, g->windows_why, g->number, g->numa_node);
        for (size_t i = 0; i < g->n_devices; i++)
                print_device(g->number, &g->devices[i]);
}

static void print_vfio(const VfioFacts *facts) {
        printf("container-error %d\niommu-class %d\ngroups %zu\n", facts->container_error, facts->iommu_class, facts->n_groups);
        for (size_t i = 0; i < VFIO_EXTENSIONS_MAX; i++)
                printf("%s %u\n", facts->extension[i].name, facts->extension[i].value);
        for (size_t i = 0; i < facts->n_groups; i++)
                print_group(&facts->groups[i]);
}

static int print_findings(const KvmFacts *kvm, const VfioFacts *vfio) {
        _cleanup_(findings_clear) Findings findings = {};
        int r = findings_from_host(&findings, kvm, vfio);

        for (size_t i = 0; r >= 0 && i < findings.n; i++) {
                const Finding *f = &findings.items[i];
                printf("finding.%s %s %s: %s | %s\n", finding_id_to_string(f->id), severity_to_string(f->severity), f->subject,
                       f->text, f->remedy);
        }
        return r;
}

static int prove_link(const char *dev, const char *node, KvmFacts *facts) {
        const char *slash = strrchr(node, '/');
        _cleanup_fd_ int group = open(node, O_RDWR | O_CLOEXEC);
        uint64_t number;

        if (group < 0) {
                fprintf(stderr, "%s: %s\n", node, strerror(errno));
                return -EINVAL;
        }
        if (parse_u64(slash ? slash + 1 : node, UINT32_MAX, &number) < 0)
                return -EINVAL;
        probe_kvm_prove_vfio(&kvm_ops_system, dev, group, (unsigned) number, facts);
        return 0;
}

int main(int argc, char **argv) {
        const char *sys = "/sys", *dev = "/dev", *node = NULL;
        _cleanup_(vfio_facts_clear) VfioFacts vfio = {};
        KvmFacts kvm;
        bool deep = false;
        int r;

        for (int i = 1; i < argc; i++) {
                if (streq(argv[i], "--deep"))
                        deep = true;
                else if (streq(argv[i], "--vfio") && i + 1 < argc)
                        node = argv[++i];
                else if (streq(argv[i], "--sys") && i + 1 < argc)
                        sys = argv[++i];
                else if (streq(argv[i], "--dev") && i + 1 < argc)
                        dev = argv[++i];
                else
                        return fprintf(stderr, "usage: probe-tool [--deep] [--vfio NODE] [--sys DIR] [--dev DIR]\n"), 2;
        }
        probe_kvm_declared(&kvm_ops_system, dev, &kvm);
        probe_kvm_prove(&kvm_ops_system, dev, &kvm);
        if (deep)
                probe_kvm_prove_deep(&kvm_ops_system, dev, &kvm);
        r = node ? prove_link(dev, node, &kvm) : 0;
        if (r >= 0)
                r = probe_vfio(sys, dev, &vfio);
        print_kvm(&kvm);
        print_vfio(&vfio);
        if (r >= 0)
                r = print_findings(&kvm, &vfio);
        return r < 0;
}
