/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tced-qemu-system-ppc64: what a domain names as its <emulator>. It becomes the packaged QEMU, with libtced-qemu.so preloaded where a VM is to
 * run: LD_PRELOAD set by others is dropped where the process's security label changes (AT_SECURE), and it has changed by now. What
 * libvirt asks of a QEMU before it runs a VM (-M none) gets the plain one. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build-config.h"
#include "util.h"

/* A test names others. */
#ifndef WRAPPED_PROGRAM
#define WRAPPED_PROGRAM TCED_QEMU_PROGRAM
#define WRAPPED_LIBRARY TCED_QEMU_LIBRARY
#endif

/* QEMU takes its options with one dash or two (system/vl.c: lookup_opt). */
static bool is_option(const char *argument, const char *name) {
        if (*argument++ != '-')
                return false;
        return streq(argument + (*argument == '-'), name);
}

/* The first part of "guest=web1,debug-threads=on" or "web1,…", up to its comma; two commas are one. */
static void copy_name(const char *text, char *buf, size_t size) {
        size_t n = 0;

        if (strncmp(text, "guest=", 6) == 0)
                text += 6;
        while (*text && n + 1 < size) {
                if (*text == ',' && *++text != ',')
                        break;
                buf[n++] = *text++;
        }
        buf[n] = '\0';
}

/* *ret: which machine of tced's this is to be, "": none. */
static void find_machine(int argc, char *argv[], char *ret, size_t size) {
        const char *uuid = NULL, *name = NULL;

        *ret = '\0';
        for (int i = 1; i + 1 < argc; i++) {
                const char *value = argv[i + 1];

                if (is_option(argv[i], "M") || is_option(argv[i], "machine")) {
                        if (streq(value, "none") || strncmp(value, "none,", 5) == 0 || strstr(value, "type=none"))
                                return;
                } else if (is_option(argv[i], "uuid"))
                        uuid = value;
                else if (is_option(argv[i], "name"))
                        name = value;
        }
        if (uuid)
                (void) snprintf(ret, size, "%s", uuid);
        else if (name)
                copy_name(name, ret, size);
}

static int preload(const char *machine) {
        const char *before = getenv("LD_PRELOAD");
        char value[4096];
        int n;

        n = snprintf(value, sizeof(value), "%s%s%s", WRAPPED_LIBRARY, isempty(before) ? "" : ":", isempty(before) ? "" : before);
        if (n < 0 || (size_t) n >= sizeof(value))
                return -ENAMETOOLONG;
        return setenv("LD_PRELOAD", value, 1) < 0 || setenv("TCED_MACHINE", machine, 1) < 0 ? -errno : 0;
}

int main(int argc, char *argv[]) {
        char machine[512];
        int r;

        find_machine(argc, argv, machine, sizeof(machine));
        if (*machine) {
                r = access(WRAPPED_LIBRARY, R_OK) < 0 ? -errno : preload(machine);
                if (r < 0)
                        (void) fprintf(stderr, "tced: %s can't be preloaded: %s; the VM's tables go where QEMU puts them\n", WRAPPED_LIBRARY,
                                       strerror(-r));
        }
        (void) execv(WRAPPED_PROGRAM, argv);
        (void) fprintf(stderr, "tced-qemu-system-ppc64: can't run %s: %s; install qemu-system-ppc\n", WRAPPED_PROGRAM, strerror(errno));
        return 127;
}
