/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* `tcectl top`: the live view. */

#include <stdint.h>

#include "render.h"

#define DEBUGFS_KVM "/sys/kernel/debug/kvm"

/* How often the VMs of a process have left their guests: KVM's own count in debugfs (`root`), which only root may read. -ENOENT: it has none
 * there, or it may not be read. */
int top_read_exits(const char *root, uint64_t pid, uint64_t *ret);

/* What one screen is made of: asks again. 0 or negative errno, said by the caller. */
typedef int (*TopAsk)(void *userdata, json_object **ret);

/* Shows it until q, SIGINT or SIGTERM; with `once` prints it once, over delay_ms. The terminal is as it was when it returns. */
int top_run(TopAsk ask, void *userdata, const char *root, unsigned delay_ms, bool once, Output *out);
