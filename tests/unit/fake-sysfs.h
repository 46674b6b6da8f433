/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A made-up host below a folder: sys/, dev/, run/, and a kernel that does to it what drivers/base/bus.c, drivers/pci and drivers/vfio would
 * (bind_kernel of bind_sysfs.h). All of it is in files, so that it outlives the process that is killed within a write; the folder sys/fake
 * has what only the test knows. */

#include <stdbool.h>
#include <stddef.h>

typedef struct FakeHost {
        char root[64];
        char sys[80], dev[80], records[80];
} FakeHost;

FakeHost fake_host_make(void);
void fake_host_remove(FakeHost *host);

void fake_add_driver(const FakeHost *host, const char *driver);
void fake_remove_driver(const FakeHost *host, const char *driver);
/* class: NULL is a network function. driver, driver_override: NULL is none. matches: drivers that know its kind, with blanks between. */
void fake_add_device(const FakeHost *host, const char *address, unsigned group, const char *class, const char *driver, const char *driver_override,
                     const char *matches);
/* Unplugs it. */
void fake_remove_device(const FakeHost *host, const char *address);

/* What the kernel does at its writes, which are counted from now on: "3 kill-before", one a line. N may be '*'.
 *   kill-before, kill-after: the process dies, before or after it took effect
 *   fail: EIO, and no effect; silent: success, and no effect; noisy: an effect, and EIO
 *   hang: waits until fake_let_go() and takes effect then; hang-kill: and the process dies then
 *   unplug: the device of the write is gone before it; plug: the group has one more device after it */
void fake_plan(const FakeHost *host, const char *plan);
unsigned fake_count(const FakeHost *host);
/* Does a write hang? Waits for it for some seconds. */
bool fake_wait_hung(const FakeHost *host);
void fake_let_go(const FakeHost *host);

/* All devices, as "ADDRESS DRIVER OVERRIDE\n", sorted by address; '-' is none. */
void fake_describe(const FakeHost *host, char *ret, size_t size);

/* Opens /dev/vfio/N as a VMM does, which keeps others out: an fd. */
int fake_open(const FakeHost *host, unsigned group);
