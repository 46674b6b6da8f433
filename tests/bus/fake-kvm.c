/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A KVM with TCE tables for a daemon that runs elsewhere than on POWER: linked into one of its own with --wrap=ioctl, it answers
 * KVM's requests on whatever file stands in kvm's place. With TCED_FAKE_KVM=hang making a VM never ends. */

#include <stdarg.h>
#include <sys/mman.h>

#include "kvm-abi.h"
#include "util.h"

/* The largest page that there is: tables of one entry are mapped by a page. */
#define TABLE_BYTES 65536

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int new_fd(void) {
        int fd = memfd_create("fake-kvm", MFD_CLOEXEC);

        if (fd >= 0 && ftruncate(fd, TABLE_BYTES) < 0)
                return -1;
        return fd;
}

static int check_extension(unsigned long number) {
        return number == KVM_CAP_SPAPR_TCE || number == KVM_CAP_SPAPR_TCE_64 || number == KVM_CAP_SPAPR_TCE_VFIO ||
               number == KVM_CAP_SPAPR_MULTITCE;
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
        const char *mode = getenv("TCED_FAKE_KVM");
        unsigned long argument;
        va_list ap;

        va_start(ap, request);
        argument = va_arg(ap, unsigned long);
        va_end(ap);
        if ((request >> 8 & 0xff) != KVM_ABI_IO)
                return __real_ioctl(fd, request, argument);
        switch (request) {
        case KVM_GET_API_VERSION:
                return 12;
        case KVM_CHECK_EXTENSION:
                return check_extension(argument);
        case KVM_CREATE_VM:
                while (mode && streq(mode, "hang"))
                        (void) pause();
                return new_fd();
        case KVM_CREATE_SPAPR_TCE:
        case KVM_CREATE_SPAPR_TCE_64:
                return new_fd();
        case KVM_ENABLE_CAP:
                return 0;
        default:
                errno = ENOTTY;
                return -1;
        }
}
