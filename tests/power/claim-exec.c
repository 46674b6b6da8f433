/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An <emulator> for libvirt that does what a guest's VMM may try with tced, and then becomes the stock QEMU: as the process that libvirt
 * started, under libvirt's user, it tries to see, claim and end every other VM in claim-test's list, claims its own, tries the others
 * again, and leaves a child behind that goes on trying while its QEMU runs. What happened is in claim-test/NAME.log. */

#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <time.h>

#include "tced.h"
#include "util.h"

#define QEMU "/usr/bin/qemu-system-ppc64"
#define FOLDER "/run/claim-test"
#define PID_FILES "/run/libvirt/qemu"
/* A VM of the same user whose VMM claims nothing. */
#define IDLE_NAME "idle"
#define IDLE_UUID "11111111-2222-3333-4444-00000000000c"
#define TRIES 40

static FILE *log_file;

static _printf_(1, 2) void say(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vfprintf(log_file, format, ap);
        va_end(ap);
        (void) fflush(log_file);
}

/* What can be tried with another's machine; each must fail. */
static void try_other(struct tced *t, const char *when, const char *uuid) {
        struct tced_machine *m = NULL;
        int r = tced_find(t, uuid, &m);

        say("%s see %s: %s\n", when, uuid, r < 0 ? strerror(-r) : "DONE");
        if (r < 0)
                return;
        r = tced_claim(m);
        say("%s claim %s: %s\n", when, uuid, r < 0 ? strerror(-r) : "DONE");
        r = tced_unregister(m);
        say("%s end %s: %s\n", when, uuid, r < 0 ? strerror(-r) : "DONE");
        m = tced_machine_unref(m);
}

static void try_others(struct tced *t, const char *when, const char *own) {
        _cleanup_file_ FILE *list = fopen(FOLDER "/uuids", "re");
        char uuid[64];

        while (list && fscanf(list, "%63s", uuid) == 1)
                if (!streq(uuid, own))
                        try_other(t, when, uuid);
}

/* libvirt 11 leaves its folder of pid files to the VMs' user, who may not write them, but give its own another's name. */
static void try_under_name(struct tced *t, const char *own_name, const char *name, const char *uuid) {
        char own_file[128], file[128], kept[128];

        (void) snprintf(own_file, sizeof(own_file), PID_FILES "/%s.pid", own_name);
        (void) snprintf(file, sizeof(file), PID_FILES "/%s.pid", name);
        (void) snprintf(kept, sizeof(kept), PID_FILES "/%s.kept", name);
        if (rename(file, kept) < 0 || rename(own_file, file) < 0) {
                say("pid file as %s: %s\n", name, strerror(errno));
                (void) rename(kept, file);
                return;
        }
        say("pid file as %s: renamed\n", name);
        try_other(t, "renamed", uuid);
        (void) rename(file, own_file);
        (void) rename(kept, file);
}

static void claim_own(struct tced *t, const char *own) {
        struct tced_machine *m = NULL;
        int r = tced_find(t, own, &m);

        if (r >= 0)
                r = tced_claim(m);
        say("own claim: %s%s%s\n", r < 0 ? strerror(-r) : "DONE", r < 0 ? ": " : "", r < 0 ? tced_last_error(t) : "");
        m = tced_machine_unref(m);
}

/* Not the VM's process, but of its user: it must come no further. */
static void stay_behind(const char *own) {
        struct tced *t = NULL;

        for (int i = 0; i < TRIES; i++) {
                const struct timespec pause = { .tv_nsec = 250000000 };

                if (!t && tced_connect(NULL, 0, &t) < 0)
                        t = NULL;
                if (t) {
                        try_others(t, "child", own);
                        try_other(t, "child", own);
                }
                (void) nanosleep(&pause, NULL);
        }
        t = tced_unref(t);
        _exit(0);
}

int main(int argc, char *argv[]) {
        const char *own = NULL, *name = "none";
        struct tced *t = NULL;
        char path[256];
        int r;

        for (int i = 1; i + 1 < argc; i++)
                if (streq(argv[i], "-uuid"))
                        own = argv[i + 1];
                else if (streq(argv[i], "-name"))
                        name = strncmp(argv[i + 1], "guest=", 6) == 0 ? argv[i + 1] + 6 : argv[i + 1];
        if (own) {
                (void) snprintf(path, sizeof(path), FOLDER "/%.*s.log", (int) strcspn(name, ","), name);
                log_file = fopen(path, "ae");
        }
        if (log_file) {
                r = tced_connect(NULL, 0, &t);
                if (r < 0)
                        say("connect: %s\n", strerror(-r));
                else {
                        char own_name[64];

                        (void) snprintf(own_name, sizeof(own_name), "%.*s", (int) strcspn(name, ","), name);
                        try_others(t, "before", own);
                        try_under_name(t, own_name, IDLE_NAME, IDLE_UUID);
                        claim_own(t, own);
                        try_others(t, "after", own);
                }
                t = tced_unref(t);
                (void) signal(SIGCHLD, SIG_IGN);
                if (fork() == 0)
                        stay_behind(own);
                (void) signal(SIGCHLD, SIG_DFL);
        }
        argv[0] = (char *) QEMU;
        (void) execv(QEMU, argv);
        return 127;
}
