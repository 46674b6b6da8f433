/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is all there that a stock QEMU of libvirt's needs to run on tced's tables? Reads some ten files; does not block but on the file system. */

#include "facts.h"

/* root: "" for /; sys: "/sys". connect: tries whether someone listens on tced's socket, which tced itself need not. Never fails. */
void probe_adapter(const char *root, const char *sys, bool connect, AdapterFacts *ret);
