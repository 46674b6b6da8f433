/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One PCI device to vfio-pci and back, through /sys: each step is a write, and each is believed only when what it was to change reads as it
 * should, as the kernel answers some without doing them (drivers/base/bus.c:drivers_probe_store) and does others with an error. Every
 * function begins where the device is, so that it may be called again after an interruption at any point. May block for as long as a driver
 * likes, and not even SIGKILL ends that: for a process of its own. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/utsname.h>

#include "bind_record.h"

#define BIND_VFIO_DRIVER "vfio-pci"

/* How the kernel is reached: bind_kernel.c has the real one, tests play it. */
typedef struct BindKernel {
        /* One write() of the whole text to a file below the directory `sys`. 0 or negative errno. */
        int (*write)(int sys, const char *path, const char *text);
        /* /dev/vfio/N, below the directory dev: an fd or negative errno. */
        int (*open_group)(int dev, uint32_t group);
        /* Can such an fd's group be given to a container? 1, 0, negative errno. */
        int (*group_viable)(int fd);
        int (*name)(struct utsname *ret);
} BindKernel;

extern const BindKernel bind_kernel;

typedef struct BindSysfs {
        const BindKernel *kernel;
        int sys; /* the directory; borrowed */
        /* Told before each write what it is for: "0001:00:00.0: unbinding it from nvme". NULL: nobody. */
        void (*on_step)(const char *step, void *userdata);
        void *userdata;
        char text[BIND_TEXT_MAX]; /* of the first failure: what, why, and a remedy where there is one */
} BindSysfs;

/* How a device is now. */
typedef struct BindDevice {
        bool present;
        bool bridge;
        bool vfio;  /* on vfio-pci, or on another of vfio's drivers (mlx5_vfio_pci) */
        int64_t group; /* of its IOMMU group; -1: none */
        char driver[BIND_DRIVER_MAX + 1];          /* "": none */
        char driver_override[BIND_DRIVER_MAX + 1]; /* "": none */
} BindDevice;

/* Fills in a failure's text unless there is one already. Returns -error. */
int bind_sysfs_fail(BindSysfs *b, int error, const char *format, ...) __attribute__((__format__(__printf__, 3, 4)));

/* 0, also where it is not there; -EIO with the text filled in. */
int bind_sysfs_look(BindSysfs *b, const char *address, BindDevice *ret);

/* Has the group these devices, all of them and no others? 0; -ESTALE; -EIO. */
int bind_sysfs_check_group(BindSysfs *b, uint32_t group, const char (*addresses)[BIND_ADDRESS_MAX + 1], size_t n);

/* To vfio-pci, from wherever it is. 0; -ENODEV: it is not there (any more); -EIO. */
int bind_sysfs_take(BindSysfs *b, const char *address);

/* Puts it back to how it was. A device that is not there, or that somebody gave to a third driver meanwhile, is let be. 0 or -EIO: as much
 * as could be put back is. */
int bind_sysfs_give_back(BindSysfs *b, const BindRecordDevice *was);
