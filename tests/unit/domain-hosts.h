/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What may be wrong with the host of domain-fixtures.h, and what its rules may say. */

#include "domain-fixtures.h"

static void lack(Host *h, KvmCapability capability) {
        h->kvm.capability[capability].declared = 0;
        outcome_set(&h->kvm.capability[capability].proven, PROOF_NO, "not declared");
}

static void no_coupling(Host *h) {
        lack(h, KVM_CAPABILITY_TCE_VFIO);
}

static void no_tce(Host *h) {
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                lack(h, i);
}

static void no_tce_64(Host *h) {
        lack(h, KVM_CAPABILITY_TCE_64);
}

static void no_vm(Host *h) {
        outcome_set(&h->kvm.vm, PROOF_NO, "KVM_CREATE_VM: Invalid argument");
}

static void no_device(Host *h) {
        h->kvm.device_error = ENOENT;
        outcome_set(&h->kvm.vm, PROOF_NO, "/dev/kvm: No such file or directory");
}

static void no_permission(Host *h) {
        h->kvm.device_error = EACCES;
        outcome_set(&h->kvm.vm, PROOF_NO, "/dev/kvm: Permission denied");
}

static void x86(Host *h) {
        no_tce(h);
        (void) snprintf(h->kvm.machine, sizeof(h->kvm.machine), "x86_64");
        h->vfio.platform = PLATFORM_OTHER;
        h->held = 1;
}

static void old_kernel(Host *h) {
        (void) snprintf(h->kvm.release, sizeof(h->kvm.release), "6.1.0-50-powerpc64le");
        (void) snprintf(h->kvm.version, sizeof(h->kvm.version), "#1 SMP Debian 6.1.176-1 (2026-06-01)");
        h->vfio.iommu_class = false;
}

static void old_kernel_mended(Host *h) {
        old_kernel(h);
        h->vfio.iommu_class = true;
}

static void no_container(Host *h) {
        h->vfio.container_error = ENOENT;
}

static void nothing_known(Host *h) {
        h->vfio = (VfioFacts){ .platform = PLATFORM_PSERIES };
}

/* Of the first group. */
static void set_windows(Host *h, Proof proof) {
        static GroupFacts asked[GROUPS];
        static WindowProof windows;

        memcpy(asked, groups, sizeof(asked));
        asked[0].window_proof = &windows;
        outcome_set(&windows.ddw, proof, "VFIO_IOMMU_SPAPR_TCE_CREATE: No such device");
        h->vfio.groups = asked;
}

static void no_window(Host *h) {
        set_windows(h, PROOF_NO);
}

static void no_window_known(Host *h) {
        set_windows(h, PROOF_UNKNOWN);
}

static void held(Host *h) {
        h->held = 1;
}

static void all_kernel(Host *h) {
        h->policy.accel = ACCEL_KERNEL;
}

static void all_kernel_no_tce(Host *h) {
        no_tce(h);
        all_kernel(h);
}

static void all_kernel_no_tce_64(Host *h) {
        no_tce_64(h);
        all_kernel(h);
}

static Rule one_rule = { .path = (char *) "/etc/tced/rules.d/10-fast.rule",
                         .device = (char *) "net0",
                         .has_accel = true,
                         .setting = { .accel = ACCEL_KERNEL } };

static void rule_kernel_no_tce(Host *h) {
        no_tce(h);
        h->rules = (Rules){ .items = &one_rule, .n = 1 };
}

static void x86_all_kernel(Host *h) {
        x86(h);
        all_kernel(h);
}

static Rule user_rules[] = {
        { .path = (char *) "/etc/tced/rules.d/20-slow.rule", .kind = (char *) "vio", .has_accel = true, .setting = { .accel = ACCEL_USER } },
        { .path = (char *) "/etc/tced/rules.d/30-late.rule", .liobn = (char *) "80000001", .has_accel = true,
          .setting = { .accel = ACCEL_USER } },
};

static void late_user(Host *h) {
        h->rules = (Rules){ .items = &user_rules[1], .n = 1 };
}

static void user_by_rules(Host *h) {
        h->rules = (Rules){ .items = user_rules, .n = 2 };
        h->policy.accel = ACCEL_USER;
}

static void all_user(Host *h) {
        h->policy.accel = ACCEL_USER;
}

/* A host whose VMs have the adapter, and what may be wrong with it. */
static void with_adapter(Host *h) {
        h->policy.accel = ACCEL_USER;
        h->adapter = (AdapterFacts){ .known = true, .apparmor = ADAPTER_RULES_READY, .selinux = ADAPTER_RULES_UNNEEDED };
}

static void nothing_of_it(Host *h) {
        with_adapter(h);
        for (int i = 0; i < _ADAPTER_PART_MAX; i++)
                h->adapter.error[i] = ENOENT;
        h->adapter.apparmor = ADAPTER_RULES_MISSING;
}

static void not_for_others(Host *h) {
        with_adapter(h);
        h->adapter.error[ADAPTER_WRAPPER] = h->adapter.error[ADAPTER_LIBRARY] = EACCES;
}

static void no_qemu(Host *h) {
        with_adapter(h);
        h->adapter.error[ADAPTER_QEMU] = ENOENT;
}

static void tced_away(Host *h) {
        with_adapter(h);
        h->adapter.error[ADAPTER_SOCKET] = ECONNREFUSED;
}

static void rules_left_out(Host *h) {
        with_adapter(h);
        h->adapter.apparmor = ADAPTER_RULES_NOT_INCLUDED;
}

static void selinux_without(Host *h) {
        with_adapter(h);
        h->adapter.selinux = ADAPTER_RULES_MISSING;
}

static void rules_hidden(Host *h) {
        with_adapter(h);
        h->adapter.apparmor = h->adapter.selinux = ADAPTER_RULES_UNKNOWN;
}

static void adapter_of_old(Host *h) {
        nothing_of_it(h);
        h->adapter.known = false;
}

static void x86_without(Host *h) {
        nothing_of_it(h);
        x86(h);
}

static void all_user_no_tce(Host *h) {
        no_tce(h);
        all_user(h);
}
