/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The whole daemon, started among files that are not what they should be, in each place that it reads then but for its own state, for which
 * there is test-restart: it comes up soon, says what it leaves out, takes up the good files beside it, and keeps no memory and no fd. Each
 * reader has its unit tests. */

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "client.h"
#include "tap.h"

/* More than a start among good files takes; the large files are 100 MiB each. */
#define MORE_KIB_MAX 16384

typedef enum Odd {
        ODD_FIFO,
        ODD_LINK_FIFO,
        ODD_LINK_ENDLESS, /* to /dev/zero */
        ODD_LINK_LOOP,
        ODD_LINK_NOWHERE,
        ODD_FOLDER,
        ODD_LARGE,
        ODD_BINARY,
        ODD_LONG_LINE,
        ODD_FOREIGN,    /* rubbish of another user, that all may write */
        ODD_UNREADABLE, /* the last: what tced loses for it does not come back */
        _ODD_MAX,
} Odd;

static const char *const odd_names[_ODD_MAX] = {
        "a FIFO", "a link to a FIFO", "a link to /dev/zero", "a link to itself", "a link to nowhere", "a folder", "100 MiB",
        "bytes of any kind", "one line of 64 KiB", "bytes of another user", "a file that may not be read",
};

/* Where they are put, and what is said of one: nothing of libvirt's files, which are a guess at best, and of a count that is made anew. */
static const struct {
        const char *path;
        const char *said;
} places[] = {
        { "root/etc/tced/tced.conf", "/tced.conf:" },
        { "root/etc/tced/tced.conf.d/10-odd.conf", "/10-odd.conf:" },
        { "root/etc/tced/rules.d/10-odd.rule", "/10-odd.rule:" },
        { "bind/groups/0000:fe:00.0.json", "record 0000:fe:00.0.json can't be read" },
        { "root/etc/libvirt/hooks/qemu.d/tced", NULL },
        { "root/etc/libvirt/hooks/qemu", NULL },
        { "libvirt/driver.pid", NULL },
        { TCED_STATE_NAME ".failed", NULL },
};

static void put(const Host *h, const char *where, Odd odd) {
        static const char *const targets[] = { [ODD_LINK_ENDLESS] = "/dev/zero", [ODD_LINK_NOWHERE] = "/nonexistent/file" };
        size_t times = odd == ODD_LONG_LINE ? 16 : odd == ODD_LARGE ? 0 : 1;
        _cleanup_fd_ int fd = -EBADF;
        unsigned char bytes[4096];
        char path[128];

        host_remove(h, where);
        if (odd == ODD_FOLDER)
                host_mkdir(h, where);
        if (odd == ODD_LINK_LOOP)
                host_link(h, where, strrchr(where, '/') ? strrchr(where, '/') + 1 : where);
        if (odd == ODD_LINK_FIFO)
                (void) snprintf(path, sizeof(path), "%s/fifo", h->dir);
        if (odd == ODD_LINK_FIFO || odd == ODD_LINK_ENDLESS || odd == ODD_LINK_NOWHERE)
                host_link(h, where, odd == ODD_LINK_FIFO ? path : targets[odd]);
        if (odd >= ODD_LINK_FIFO && odd <= ODD_FOLDER)
                return;
        host_write(h, where, "%s", "");
        (void) snprintf(path, sizeof(path), "%s/%s", h->dir, where);
        if (odd == ODD_FIFO && (unlink(path) < 0 || mkfifo(path, 0644) < 0))
                bail_out("mkfifo %s: %s", path, strerror(errno));
        if (odd == ODD_FIFO)
                return;
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || (odd == ODD_LARGE && ftruncate(fd, 100 << 20) < 0))
                bail_out("can't make %s: %s", path, strerror(errno));
        for (size_t i = 0; i < sizeof(bytes); i++)
                bytes[i] = odd != ODD_LONG_LINE ? (unsigned char) (i * 37 + i / 256) : '[';
        while (times-- > 0)
                if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
                        bail_out("can't write %s: %s", path, strerror(errno));
        if ((odd == ODD_FOREIGN && (fchown(fd, geteuid() == 0 ? 65534 : geteuid(), (gid_t) -1) < 0 || fchmod(fd, 0666) < 0)) ||
            (odd == ODD_UNREADABLE && fchmod(fd, 0) < 0))
                bail_out("can't change %s: %s", path, strerror(errno));
}

/* tced.service leaves root no right to read what is closed to all; nor must the test, to tced that it starts. */
static bool obey_modes(void) {
        return geteuid() != 0 || (prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) == 0 && prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH) == 0);
}

static void write_good(const Host *h) {
        host_write(h, "root/etc/tced/tced.conf.d/50-good.conf", "%s", "[Limits]\nMachinesMax=77\n");
        host_write(h, "root/etc/tced/rules.d/50-good.rule", "%s", "[Match]\nMachine=x*\n[Policy]\nAccel=user\n");
}

/* Do the good files count? */
static bool is_right(const Host *h) {
        _cleanup_bus_ sd_bus *bus = open_peer(h);
        _cleanup_free_ char *json = NULL;

        wait_probed(bus);
        json = describe_text(bus);
        return json && strstr(json, "50-good.rule") && strstr(json, "\"MachinesMax\":77");
}

static void test_said(const Host *h, Odd odd) {
        for (size_t i = 0; i < ELEMENTSOF(places); i++)
                if (places[i].said)
                        tap_ok(host_log_has(h, places[i].said), "%s as %s: it is said", odd_names[odd], places[i].path);
        if (odd == ODD_FIFO || odd == ODD_LINK_FIFO || odd == ODD_LINK_ENDLESS)
                tap_ok(host_log_has(h, "10-odd.rule: the file can't be read: It is no regular file"), "%s: it is said why", odd_names[odd]);
        if (odd == ODD_UNREADABLE)
                tap_ok(host_log_has(h, "10-odd.rule: the file can't be read: Permission denied"), "%s: it is said why", odd_names[odd]);
        if (odd == ODD_LARGE)
                tap_ok(host_log_has(h, "10-odd.rule: the file can't be read: File too large"), "it is not read, but found too large");
}

int main(void) {
        char name[96];
        long usual, now;
        int fds;
        Host h;

        host_init(&h, 300);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "hostile files");
                host_done(&h);
                return tap_done();
        }
        write_good(&h);
        if (!tap_ok(host_start_tced(&h, NULL) && is_right(&h), "among good files"))
                return tap_done();
        usual = resident_kib(h.tced_pid);
        fds = settled_fds(h.tced_pid);
        host_stop_tced(&h);
        put(&h, "fifo", ODD_FIFO);
        for (Odd odd = 0; odd < _ODD_MAX; odd++) {
                if (odd == ODD_UNREADABLE && !obey_modes()) {
                        tap_skip("root's right to read all can't be taken away here", odd_names[odd]);
                        continue;
                }
                for (size_t i = 0; i < ELEMENTSOF(places); i++)
                        put(&h, places[i].path, odd);
                if (tap_ok(host_start_tced(&h, NULL), "%s in each place: it starts", odd_names[odd])) {
                        tap_ok(is_right(&h), "%s: the good files count", odd_names[odd]);
                        test_said(&h, odd);
                        tap_ok(wait_fds(h.tced_pid, fds) <= fds, "%s: no fd more", odd_names[odd]);
                        now = resident_kib(h.tced_pid);
                        (void) snprintf(name, sizeof(name), "%s: no memory more", odd_names[odd]);
                        tap_memory(usual, now, MORE_KIB_MAX, name);
                }
                host_stop_tced(&h);
        }
        host_done(&h);
        return tap_done();
}
