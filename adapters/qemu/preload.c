/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libtced-qemu.so: ioctl(2) of a process that it is preloaded into. The environment says which machine of tced's the process runs:
 * TCED_MACHINE, its UUID or name, and where that tced is: TCED_ADDRESS, as for tced_connect(). Without the first nothing is changed. */

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "adapter.h"
#include "util.h"

static Adapter adapter;
static NextIoctl libc_ioctl;

/* Before main(): what QEMU's own constructors may ask of the kernel comes through here too, wherefore ioctl() looks for itself. glibc's,
 * not the bare system call: on POWER it translates some of the terminal's. */
static void find_libc(void) {
        void *found = dlsym(RTLD_NEXT, "ioctl");

        memcpy(&libc_ioctl, &found, sizeof(found));
}

__attribute__((__constructor__)) static void start(void) {
        find_libc();
        adapter_init(&adapter, libc_ioctl, secure_getenv("TCED_MACHINE"), secure_getenv("TCED_ADDRESS"));
}

_public_ int ioctl(int fd, unsigned long request, ...) {
        void *argument;
        va_list ap;

        va_start(ap, request);
        argument = va_arg(ap, void *);
        va_end(ap);
        if (adapter.next)
                return adapter_ioctl(&adapter, fd, request, argument);
        if (!libc_ioctl)
                find_libc();
        if (!libc_ioctl) {
                errno = ENOSYS;
                return -1;
        }
        return libc_ioctl(fd, request, argument);
}
