/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel, as bind_sysfs.c reaches it. */

#include <inttypes.h>
#include <sys/stat.h>

#include "bind_sysfs.h"
#include "kvm-abi.h"
#include "util.h"

static int kernel_write(int sys, const char *path, const char *text) {
        _cleanup_fd_ int fd = openat(sys, path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

static int kernel_open_group(int dev, uint32_t group) {
        _cleanup_fd_ int fd = -EBADF;
        struct stat st;
        char path[32];

        (void) snprintf(path, sizeof(path), "vfio/%" PRIu32, group);
        fd = openat(dev, path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        return S_ISCHR(st.st_mode) ? TAKE_FD(fd) : -ENODEV;
}

static int kernel_group_viable(int fd) {
        struct vfio_status status = { .argsz = sizeof(status) };

        if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0)
                return -errno;
        return (status.flags & VFIO_GROUP_STATUS_VIABLE) != 0;
}

static int kernel_name(struct utsname *ret) {
        return uname(ret) < 0 ? -errno : 0;
}

const BindKernel bind_kernel = {
        .write = kernel_write,
        .open_group = kernel_open_group,
        .group_viable = kernel_group_viable,
        .name = kernel_name,
};
