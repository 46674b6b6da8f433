/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "qemu_words.h"

#include <stdarg.h>

#include "util.h"

int qemu_fail(DomainError *error, const QemuWord *at, const char *format, ...) {
        size_t n = 0;
        va_list ap;

        *error = (DomainError) { .line = at->line };
        if (at->line > 0)
                n = (size_t) snprintf(error->text, sizeof(error->text), "line %u: ", at->line);
        if (at->element)
                n += (size_t) snprintf(error->text + n, sizeof(error->text) - n, "%s: ", at->element);
        va_start(ap, format);
        (void) vsnprintf(error->text + n, sizeof(error->text) - n, format, ap);
        va_end(ap);
        return -EINVAL;
}

int qemu_split(const QemuWord *words, size_t n, QemuArgument *ret, size_t *ret_n, DomainError *error) {
        static const char *const wanted[] = { "device", "global", "set" };
        /* Whose value may look like an option, and those that have none (qemu-options.def). */
        static const char *const valued[] = {
                "M", "accel", "append", "cdrom", "chardev", "device", "drive", "fw_cfg", "global", "hda", "hdb", "hdc", "hdd", "initrd", "kernel",
                "m", "machine", "name", "net", "netdev", "nic", "object", "prom-env", "readconfig", "serial", "set", "smbios",
        };
        static const char *const alone[] = {
                "S", "async-teardown", "audio-help", "daemonize", "enable-kvm", "enable-sync-profile", "full-screen", "help", "h", "mem-prealloc",
                "no-acpi", "no-fd-bootchk", "no-hpet", "no-quit", "no-reboot", "no-shutdown", "no-user-config", "nodefaults", "nographic",
                "old-param", "one-insn-per-tb", "only-migratable", "portrait", "preconfig", "s", "semihosting", "singlestep", "snapshot", "usb",
                "version", "win2k-hack", "xen-attach", "xen-domid-restrict",
        };
        size_t found = 0;

        for (size_t i = 0; i < n; i++) {
                const char *text = words[i].text;
                QemuArgument a = { .name = "", .word = words[i], .value = words[i] };

                if (text[0] == '-' && text[1] != '\0') {
                        const char *next = i + 1 < n ? words[i + 1].text : NULL;

                        a.name = text + (text[1] == '-' ? 2 : 1);
                        a.value = (QemuWord) {};
                        if (next && name_lookup(alone, ELEMENTSOF(alone), a.name) < 0 &&
                            (next[0] != '-' || name_lookup(valued, ELEMENTSOF(valued), a.name) >= 0))
                                a.value = words[++i];
                        if (!a.value.text && name_lookup(wanted, ELEMENTSOF(wanted), a.name) >= 0)
                                return qemu_fail(error, &a.word, "%s: QEMU wants another word behind it%s", text,
                                                 a.word.element ? "; add an <qemu:arg>" : "");
                }
                ret[found++] = a;
        }
        *ret_n = found;
        return 0;
}

bool qemu_is_vio(const char *driver, bool *ret_dma) {
        static const char *const with_window[] = { "spapr-vlan", "spapr-vscsi", "tpm-spapr" };
        static const char *const without[] = { "spapr-vty", "spapr-nvram" };

        *ret_dma = name_lookup(with_window, ELEMENTSOF(with_window), driver) >= 0;
        return *ret_dma || name_lookup(without, ELEMENTSOF(without), driver) >= 0;
}

int qemu_add_device(Domain *d, DomainDevice *device) {
        int r = ARRAY_RESERVE(d->devices, d->devices_allocated, d->n_devices + 1);

        if (r >= 0)
                d->devices[d->n_devices++] = TAKE_GENERIC(*device, DomainDevice, (DomainDevice) {});
        return r;
}

int qemu_add_implicit(Domain *d, const char *model, const QemuWord *at) {
        _cleanup_(domain_device_clear) DomainDevice v = { .type = DOMAIN_DEVICE_QEMU, .line = at->line, .index = -1, .ports = -1, .plain = true };

        v.model = strdup(model);
        if (!v.model)
                return -ENOMEM;
        v.vio = qemu_is_vio(model, &v.vio_dma);
        v.pci = !v.vio;
        if (v.vio)
                v.address = (DomainAddress) { .type = DOMAIN_ADDRESS_VIO };
        return qemu_add_device(d, &v);
}
