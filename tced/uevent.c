/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A burst of uevents (a hot-plug sends dozens, and IOMMU groups none at all) ends in one look, when it has been quiet for a moment, or after
 * a second at the latest. When messages were lost, that changes nothing: everything is read again either way. */

#include "uevent.h"

#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "log.h"
#include "manager_audit.h"
#include "util.h"

#define QUIET_USEC (100U * 1000U)
#define LATEST_USEC (1000U * 1000U)
#define KERNEL_GROUP 1U
#define RECEIVE_BUFFER (4 * 1024 * 1024)

struct Uevent {
        Manager *manager;
        struct nl_sock *socket;
        sd_event_source *source;
        sd_event_source *quiet;
        uint64_t latest; /* when a burst that goes on is looked at all the same; 0: no burst */
        bool rescan, probe;
};

/* The value of KEY= in a message, or NULL. */
static const char *uevent_get(const char *message, size_t size, const char *key) {
        size_t length = strlen(key);

        for (const char *p = message; p < message + size; p += strnlen(p, (size_t) (message + size - p)) + 1)
                if ((size_t) (message + size - p) > length && strncmp(p, key, length) == 0 && p[length] == '=')
                        return p + length + 1;
        return NULL;
}

void uevent_judge(const char *message, size_t size, bool *ret_rescan, bool *ret_probe) {
        const char *subsystem, *path;

        *ret_rescan = *ret_probe = false;
        /* Every message of the kernel's ends in a NUL; the one that does not is none. */
        if (size == 0 || message[size - 1] != '\0')
                return;
        subsystem = uevent_get(message, size, "SUBSYSTEM");
        path = uevent_get(message, size, "DEVPATH");
        if (!subsystem || !path)
                return;
        if (streq(subsystem, "pci") || streq(subsystem, "vfio") || streq(subsystem, "vfio-dev"))
                *ret_rescan = true;
        else if (streq(subsystem, "module") && strncmp(path, "/module/vfio", strlen("/module/vfio")) == 0)
                *ret_rescan = true;
        else if (streq(subsystem, "module") && strncmp(path, "/module/kvm", strlen("/module/kvm")) == 0)
                *ret_probe = true;
}

/* virt/kvm/kvm_main.c:kvm_uevent_notify_change */
bool uevent_of_vm(const char *message, size_t size, pid_t *ret_pid, bool *ret_created) {
        const char *path, *what, *text;
        uint64_t pid;

        if (size == 0 || message[size - 1] != '\0')
                return false;
        path = uevent_get(message, size, "DEVPATH");
        what = uevent_get(message, size, "EVENT");
        text = uevent_get(message, size, "PID");
        if (!path || !what || !text || !streq(path, "/devices/virtual/misc/kvm") || parse_u64(text, INT32_MAX, &pid) < 0 || pid == 0)
                return false;
        if (!streq(what, "create") && !streq(what, "destroy"))
                return false;
        *ret_pid = (pid_t) pid;
        *ret_created = streq(what, "create");
        return true;
}

static int on_quiet(sd_event_source *s, uint64_t usec, void *userdata) {
        Uevent *u = userdata;
        bool probe = u->probe;

        u->latest = 0;
        u->rescan = u->probe = false;
        if (manager_rescan(u->manager) < 0)
                log_warning("No memory to read the IOMMU groups again; call Rescan later");
        if (probe && manager_probe(u->manager, false, NULL, NULL) < 0)
                log_warning("No memory to prove KVM again; call Probe later");
        return 0;
}

static int look_again(Uevent *u) {
        uint64_t now, when;
        int r;

        r = sd_event_now(u->manager->event, CLOCK_MONOTONIC, &now);
        if (r < 0)
                return r;
        if (u->latest == 0)
                u->latest = now + LATEST_USEC;
        when = now + QUIET_USEC < u->latest ? now + QUIET_USEC : u->latest;
        r = sd_event_source_set_time(u->quiet, when);
        return r < 0 ? r : sd_event_source_set_enabled(u->quiet, SD_EVENT_ONESHOT);
}

/* Root can inject messages that look like the kernel's in all but the credentials: pid 0 can't be forged
 * (net/netlink/af_netlink.c:netlink_sendmsg). */
static bool from_kernel(const struct sockaddr_nl *sender, const struct ucred *credentials) {
        return sender->nl_pid == 0 && sender->nl_groups == KERNEL_GROUP && credentials && credentials->pid == 0 &&
               credentials->uid == 0;
}

static int on_message(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Uevent *u = userdata;
        struct ucred *credentials = NULL;
        unsigned char *message = NULL;
        struct sockaddr_nl sender = {};
        bool rescan, probe, created;
        pid_t pid;
        int n;

        errno = 0;
        n = nl_recv(u->socket, &sender, &message, &credentials);
        if (n < 0 && errno == ENOBUFS) {
                /* Some were lost: as good a reason to look as any. */
                log_debug("Uevents were lost; reading everything again");
                u->rescan = true;
        } else if (n > 0 && from_kernel(&sender, credentials)) {
                uevent_judge((const char *) message, (size_t) n, &rescan, &probe);
                u->rescan |= rescan;
                u->probe |= probe;
                if (uevent_of_vm((const char *) message, (size_t) n, &pid, &created))
                        (created ? manager_vm_created : manager_vm_destroyed)(u->manager, pid);
        }
        free(message);
        free(credentials);
        if (u->rescan || u->probe)
                (void) look_again(u);
        return 0;
}

int uevent_new(sd_event *event, Manager *m, Uevent **ret) {
        Uevent *u = calloc(1, sizeof(*u));
        int r = -ENOMEM;

        if (!u)
                return -ENOMEM;
        u->manager = m;
        u->socket = nl_socket_alloc();
        if (!u->socket)
                goto fail;
        nl_socket_disable_seq_check(u->socket);
        nl_join_groups(u->socket, KERNEL_GROUP);
        r = -EPROTO;
        if (nl_connect(u->socket, NETLINK_KOBJECT_UEVENT) < 0 || nl_socket_set_passcred(u->socket, 1) < 0 ||
            nl_socket_set_nonblocking(u->socket) < 0)
                goto fail;
        /* As large as allowed; a burst that does not fit is noticed. */
        (void) nl_socket_set_buffer_size(u->socket, RECEIVE_BUFFER, 0);
        r = sd_event_add_io(event, &u->source, nl_socket_get_fd(u->socket), EPOLLIN, on_message, u);
        if (r >= 0)
                r = sd_event_add_time(event, &u->quiet, CLOCK_MONOTONIC, 0, 0, on_quiet, u);
        if (r >= 0)
                r = sd_event_source_set_enabled(u->quiet, SD_EVENT_OFF);
        if (r < 0)
                goto fail;
        *ret = u;
        return 0;
fail:
        (void) uevent_free(u);
        return r;
}

Uevent *uevent_free(Uevent *u) {
        if (!u)
                return NULL;
        u->quiet = sd_event_source_disable_unref(u->quiet);
        u->source = sd_event_source_disable_unref(u->source);
        if (u->socket)
                nl_socket_free(u->socket);
        free(u);
        return NULL;
}
