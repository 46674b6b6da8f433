/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a QEMU has said on standard error of the tables that the kernel refused it (target/ppc/kvm.c: kvmppc_create_spapr_tce). Pure, but for
 * qemu_log_read(). */

#include <stddef.h>
#include <stdint.h>

#define QEMU_LOG_REFUSED_MAX 32U

/* The LIOBNs that it names since the VM was last started, each once: libvirt's log has earlier starts in it. Returns how many. */
size_t qemu_log_refused(const char *text, size_t size, uint32_t ret[QEMU_LOG_REFUSED_MAX]);

/* The same of the end of a file. Blocks as a file does: in a worker. 0 or negative errno. */
int qemu_log_read(int fd, uint32_t ret[QEMU_LOG_REFUSED_MAX], size_t *ret_n);
