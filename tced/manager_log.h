/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The log of one of libvirt's VMs, opened by the helper, read in a worker: which tables the kernel refused its QEMU. */

#include "manager.h"
#include "qemu_log.h"

/* n: 0 also where the log can't be read, as where there is no helper. */
typedef void (*LogDone)(const uint32_t *liobns, size_t n, void *userdata);

/* 0, and done is called once, later; or negative errno, and it is not. */
int manager_read_log(Manager *m, const char *domain, LogDone done, void *userdata);
