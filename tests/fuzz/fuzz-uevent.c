/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: a message on the kernel's netlink socket. Nothing behind it is read; what it is understood as is fit to be looked for
 * in /sys; and a line more that says nothing to tced changes nothing. */

#include "fuzz.h"
#include "uevent.h"
#include "util.h"

#define EXPECT(what) fuzz_expect((what), #what)

typedef struct Understood {
        UeventNews news;
        bool of_vm, created;
        pid_t pid;
} Understood;

static Understood understand(const char *message, size_t size) {
        Understood u = {};

        u.of_vm = uevent_of_vm(message, size, &u.pid, &u.created);
        uevent_judge(message, size, &u.news);
        return u;
}

static void check(const Understood *u, const char *message, size_t size) {
        EXPECT(!*u->news.address || pci_address_valid(u->news.address));
        EXPECT(u->news.group >= -1 && u->news.group <= UINT32_MAX);
        EXPECT(!u->news.everything || (!*u->news.address && u->news.group < 0));
        EXPECT(!u->news.added || *u->news.address);
        EXPECT(!u->news.probe || u->news.everything);
        EXPECT(!u->of_vm || u->pid > 0);
        if (size == 0 || message[size - 1] != '\0')
                EXPECT(!u->of_vm && !u->news.everything && !*u->news.address && u->news.group < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char more[] = "add@/devices\0SEQNUM=1";
        /* As large as the message, so that a byte too many is seen. */
        char *message = malloc(size ? size : 1), *longer = malloc(size + sizeof(more));
        Understood u, v;

        EXPECT(message && longer);
        if (size > 0)
                memcpy(message, data, size);
        u = understand(message, size);
        check(&u, message, size);
        memcpy(longer, more, sizeof(more));
        if (size > 0)
                memcpy(longer + sizeof(more), data, size);
        v = understand(longer, size + sizeof(more));
        if (size > 0) {
                EXPECT(u.of_vm == v.of_vm && u.created == v.created && u.pid == v.pid);
                EXPECT(u.news.everything == v.news.everything && u.news.probe == v.news.probe && u.news.phb == v.news.phb);
                EXPECT(u.news.added == v.news.added && u.news.group == v.news.group && streq(u.news.address, v.news.address));
        }
        free(message);
        free(longer);
        return 0;
}
