/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Does the libvirtd (or virtqemud) that runs call tced's hook? It looks for hooks when it starts and at each reload, and never again
 * (src/util/virhook.c:virHookInitialize): a hook that came later is not called, and nothing says so. */

#include <stdint.h>

#include "facts.h"

/* When things happened, in microseconds of CLOCK_REALTIME; 0: never, or not known. */
typedef struct HookTimes {
        uint64_t reloaded; /* libvirtd's last reload, by the service manager */
        uint64_t called;   /* the hook last called tced */
} HookTimes;

typedef struct HookState {
        bool installed;  /* <root>/etc/libvirt/hooks/qemu.d/tced can be run */
        bool libvirtd;   /* one runs */
        Proof loaded;    /* UNKNOWN where none runs */
        char why[WHY_MAX];
} HookState;

/* root: "" for /. run: the folder with driver.pid (LibvirtPlaces.run). Only looks; never fails. */
void hook_state_read(const char *root, const char *run, int proc_fd, const HookTimes *times, HookState *ret);
