/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A VM's log, as libvirt keeps it: which tables the kernel refused since the last start. */

#include "qemu_log.h"

#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"
#include "util.h"

#define START "2026-11-28 08:35:29.123+0000: starting up libvirt version: 9.0.0, package: 4+deb12u2, qemu version: 7.2.22, kernel: 6.1.0, hostname: host\n"
#define REFUSED(liobn) "KVM: Failed to create TCE64 table for liobn 0x" liobn "\n"

static const struct {
        const char *name, *text;
        uint32_t want[3];
        size_t n;
} cases[] = {
        { "nothing", "", {}, 0 },
        { "a start", START "LC_ALL=C PATH=/usr/bin \\\n/usr/bin/qemu-system-ppc64 \\\n-name guest=web1\nchar device redirected to /dev/pts/0\n", {}, 0 },
        { "one is refused", START REFUSED("80000000"), { 0x80000000 }, 1 },
        { "two are", START REFUSED("80000000") "other words\n" REFUSED("1000"), { 0x80000000, 0x1000 }, 2 },
        { "each counts once", START REFUSED("1000") REFUSED("1000"), { 0x1000 }, 1 },
        { "those of an earlier start don't count", START REFUSED("1000") START REFUSED("80000000"), { 0x80000000 }, 1 },
        { "all is well since", START REFUSED("1000") START, {}, 0 },
        { "a log of which this is the end", "ther words\n" REFUSED("1000"), { 0x1000 }, 1 },
        { "by the old call", START "KVM: Failed to create TCE table for liobn 0x1000\n", { 0x1000 }, 1 },
        { "a line that has not ended", START "KVM: Failed to create TCE64 table for liobn 0x80000100", { 0x80000100 }, 1 },
        { "no number", START REFUSED("") REFUSED("x"), {}, 0 },
        { "more digits than a LIOBN has", START REFUSED("123456789"), { 0x12345678 }, 1 },
        { "cut in the word", "Failed to create TCE tab", {}, 0 },
};

static void test_many(void) {
        _cleanup_free_ char *text = malloc(65536);
        uint32_t have[QEMU_LOG_REFUSED_MAX];
        size_t length = 0;

        for (unsigned i = 1; text && i <= 100; i++)
                length += (size_t) snprintf(text + length, 65536 - length, REFUSED("%x"), i);
        tap_eq(text ? qemu_log_refused(text, length, have) : 0, QEMU_LOG_REFUSED_MAX, "more than are kept");
}

/* A log of megabytes: its end counts. */
static void test_file(void) {
        _cleanup_fd_ int fd = memfd_create("log", MFD_CLOEXEC);
        uint32_t have[QEMU_LOG_REFUSED_MAX];
        size_t n = 7;

        tap_ok(fd >= 0 && qemu_log_read(fd, have, &n) == 0 && n == 0, "an empty file");
        (void) !write(fd, START REFUSED("1000"), strlen(START REFUSED("1000")));
        tap_ok(qemu_log_read(fd, have, &n) == 0 && n == 1 && have[0] == 0x1000, "a file");
        (void) !ftruncate(fd, 10 << 20);
        (void) lseek(fd, 0, SEEK_END);
        (void) !write(fd, "\n" REFUSED("2000"), strlen(REFUSED("2000")) + 1);
        tap_ok(qemu_log_read(fd, have, &n) == 0 && n == 1 && have[0] == 0x2000, "a large one: its end is read");
        tap_eq(qemu_log_read(-1, have, &n), -EBADF, "none");
}

int main(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                uint32_t have[QEMU_LOG_REFUSED_MAX];
                size_t n = qemu_log_refused(cases[i].text, strlen(cases[i].text), have);

                tap_ok(n == cases[i].n && memcmp(have, cases[i].want, n * sizeof(*have)) == 0, "%s", cases[i].name);
        }
        test_many();
        test_file();
        return tap_done();
}
