/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The DMA windows of a layout's PHBs and of a domain's VIO devices, as QEMU makes them and as Linux asks for more. Part of
 * domain_layout.c. */

#include "domain_layout.h"

/* Where QEMU puts a VIO device that came without a register: the first free one from here (hw/ppc/spapr_vio.c). */
#define VIO_REG_QEMU UINT64_C(0x71000000)

/* The page sizes that ibm,query-pe-dma-window can tell of, a bit each; QEMU answers none of the others that `pgsz` may have. */
uint64_t ddw_page_sizes(uint64_t pgsz);

/* The highest address of the guest's memory, that to be plugged in too: Linux makes its 64-bit windows cover it. */
uint64_t domain_memory_top(const Domain *d);

/* Fills in l->description from l->phbs and the domain. 0 or -ENOMEM; what is there by then is layout_clear()'s. */
int layout_add_windows(const Domain *d, Layout *l);
