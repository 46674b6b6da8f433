/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's hook for QEMU domains: tells tced of a domain that starts, ends, or runs while libvirtd was away, and has the start
 * refused where tced says that it must fail. libvirt waits for it with the domain locked: it asks libvirt nothing, prints nothing
 * on standard output, and has a deadline. */

typedef struct HookPlaces {
        const char *config_root; /* "" for / */
        const char *socket;      /* tced's private socket */
        const char *journal;     /* the journal's socket: where there is none, warnings go to standard error */
} HookPlaces;

/* argv as libvirt gives it: the program, the domain's name, operation, sub-operation, and more (its page "Hooks for specific
 * system management"); the domain's XML on standard input. The exit status: 1 only where `start` must not go on. */
int hook_main(int argc, char *argv[], const HookPlaces *places);
