/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a VM with the adapter's wrapper as its <emulator> lacks on this host. An error is what no start survives; that AppArmor or
 * SELinux will be in the way is a warning, as libvirt may be set not to confine VMs. */

#include "build-config.h"
#include "domain_check_internal.h"
#include "util.h"

#define APPARMOR TCED_SYSCONFDIR "/apparmor.d/"
#define APPARMOR_RULES APPARMOR "abstractions/libvirt-qemu.d/tced-qemu"

bool check_adapter_installed(const Check *c) {
        const AdapterFacts *a = c->host->adapter;

        return !a || !a->known || (a->error[ADAPTER_WRAPPER] != ENOENT && a->error[ADAPTER_LIBRARY] != ENOENT);
}

/* "is not there" or "can't be …: …" */
static const char *fault(int error, const char *use, char *buf, size_t size) {
        if (error == ENOENT)
                return "is not there";
        (void) snprintf(buf, size, "can't be %s by the VM's user: %s", use, error == EINVAL ? "it is of another kind" : strerror(error));
        return buf;
}

static int add(Check *c, Severity severity, const char *remedy, const char *text) {
        return findings_add(&c->plan->findings, FINDING_ADAPTER_UNREADY, severity, domain_label(&c->plan->domain), remedy, "%s", text);
}

/* A program or the library. */
static int add_file(Check *c, AdapterPart part, const char *install) {
        static const struct {
                const char *what, *use, *then, *mode;
                Severity severity;
        } parts[_ADAPTER_PART_MAX] = {
                [ADAPTER_WRAPPER] = { ", the VM's <emulator>,", "executed", "the start fails", "755", SEVERITY_ERROR },
                [ADAPTER_QEMU] = { ", which the VM's <emulator> becomes,", "executed", "the start fails", "755", SEVERITY_ERROR },
                [ADAPTER_LIBRARY] = { "", "read", "QEMU does not ask tced, and KVM holds its tables whatever rules say", "644",
                                      SEVERITY_WARNING },
        };
        int error = c->host->adapter->error[part], r;
        _cleanup_free_ char *text = NULL, *remedy = NULL;
        const char *path = adapter_part_path(part);
        char why[128];

        if (error == 0)
                return 0;
        r = check_remedy(&text, "%s%s %s: %s", path, parts[part].what, fault(error, parts[part].use, why, sizeof(why)), parts[part].then);
        if (r >= 0 && error == EACCES)
                r = check_remedy(&remedy, "Let everyone have it, and the folders above it: chmod %s %s", parts[part].mode, path);
        else if (r >= 0)
                r = check_remedy(&remedy, "%s", install);
        /* Who is let by a group or an ACL is not known here. */
        return r < 0 ? r : add(c, error == EACCES ? SEVERITY_WARNING : parts[part].severity, remedy, text);
}

static int add_socket(Check *c) {
        int error = c->host->adapter->error[ADAPTER_SOCKET], r;
        _cleanup_free_ char *text = NULL;

        if (error == 0)
                return 0;
        r = check_remedy(&text, "tced can't be reached at %s (%s): the VM's QEMU would start without a plan, and put its tables where it likes",
                         adapter_part_path(ADAPTER_SOCKET), strerror(error));
        return r < 0 ? r : add(c, SEVERITY_WARNING, "Start tced, or start it again: systemctl restart tced", text);
}

static int add_apparmor(Check *c) {
        switch (c->host->adapter->apparmor) {
        case ADAPTER_RULES_MISSING:
                return add(c, SEVERITY_WARNING, "Install tced with its rules for AppArmor: " APPARMOR_RULES,
                           "AppArmor confines libvirt's VMs, and will not let this one execute its <emulator>: tced's rules are not installed");
        case ADAPTER_RULES_NOT_INCLUDED:
                return add(c, SEVERITY_WARNING,
                           "Run: echo 'include if exists <abstractions/libvirt-qemu.d>' >>" APPARMOR "local/abstractions/libvirt-qemu",
                           "AppArmor confines libvirt's VMs, and will not let this one execute its <emulator>: " APPARMOR
                           "abstractions/libvirt-qemu does not include tced's rules");
        case ADAPTER_RULES_UNKNOWN:
                return add(c, SEVERITY_INFO, "See whether " APPARMOR_RULES " is there",
                           "AppArmor confines libvirt's VMs, and whether it has tced's rules can't be told");
        case ADAPTER_RULES_UNNEEDED:
        case ADAPTER_RULES_READY:
        case _ADAPTER_RULES_MAX:
                break;
        }
        return 0;
}

static int add_selinux(Check *c) {
        switch (c->host->adapter->selinux) {
        case ADAPTER_RULES_MISSING:
        case ADAPTER_RULES_NOT_INCLUDED:
                return add(c, SEVERITY_WARNING,
                           "Load tced_qemu as tced(8) says under \"CONFINED VMS\", and: restorecon -RF /run/tced " TCED_QEMU_WRAPPER,
                           "SELinux confines libvirt's VMs, and will not let this one execute its <emulator>: tced's module is not "
                           "loaded, or /run/tced has no label of its");
        case ADAPTER_RULES_UNKNOWN:
                return add(c, SEVERITY_INFO, "See as root whether it is: semodule -l | grep tced_qemu",
                           "SELinux confines libvirt's VMs, and whether tced's module is loaded can't be told");
        case ADAPTER_RULES_UNNEEDED:
        case ADAPTER_RULES_READY:
        case _ADAPTER_RULES_MAX:
                break;
        }
        return 0;
}

int check_adapter(Check *c) {
        static const char install[] = "Install tced with its adapter for QEMU, or take <emulator> out of the domain";
        const AdapterFacts *a = c->host->adapter;
        const Domain *d = &c->plan->domain;
        int r;

        if (!a || !a->known || c->elsewhere || !d->emulator || !streq(d->emulator, adapter_part_path(ADAPTER_WRAPPER)))
                return 0;
        r = add_file(c, ADAPTER_WRAPPER, install);
        if (r >= 0)
                r = add_file(c, ADAPTER_QEMU, "Install QEMU for POWER (Debian: apt install qemu-system-ppc)");
        /* Without KVM nobody asks. */
        if (r >= 0 && d->kvm)
                r = add_file(c, ADAPTER_LIBRARY, install);
        if (r >= 0 && d->kvm)
                r = add_socket(c);
        if (r >= 0 && !d->unconfined)
                r = add_apparmor(c);
        return r >= 0 && !d->unconfined ? add_selinux(c) : r;
}
