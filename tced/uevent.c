/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A burst of uevents (a hot-plug sends dozens, and IOMMU groups none at all) ends in one look, when it has been quiet for a moment, or after
 * a second at the latest. What is looked at is what they were about; everything, when there were too many or some were lost. */

#include "uevent.h"

#include <limits.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "log.h"
#include "manager_audit.h"
#include "util.h"

/* Together with the reading this stays below a tenth of a second. */
#define QUIET_USEC (40U * 1000U)
#define LATEST_USEC (1000U * 1000U)
#define ACCURACY_USEC 1000U
#define KERNEL_GROUP 1U
#define RECEIVE_BUFFER (4 * 1024 * 1024)
/* So many are read at a time before others have their turn. */
#define BATCH 64U
/* With more devices in one burst all are read. */
#define DEVICES_MAX 256U
#define GROUPS_MAX 256U

/* Each address once. */
typedef struct Devices {
        char address[DEVICES_MAX][UEVENT_ADDRESS_MAX];
        size_t n;
} Devices;

/* What a burst was about so far. */
typedef struct Burst {
        bool any, everything, probe;
        bool lost; /* messages, or which devices they were about */
        Devices devices;
        Devices added; /* of these, those that have just come */
        unsigned groups[GROUPS_MAX];
        size_t n_groups;
        uint64_t latest; /* when it is looked at even if it goes on */
} Burst;

/* Devices that had no group when they were looked at, as the kernel tells of a device before it puts it into one (drivers/base/core.c:
 * device_add). Most never will have: there is no word of that, so they are looked at a few times more. Nor is there a word of a group's end:
 * bare metal lets go of those of virtual functions a moment after the functions (platforms/powernv/pci-sriov.c). */
static const uint32_t late_usec[] = { 100 * 1000, 300 * 1000, 1000 * 1000 };

typedef struct Late {
        Devices devices;
        bool everything; /* not known which: all are read once more, the last time */
        bool emptied;    /* a device has gone, and its group may follow */
        unsigned round;
        uint64_t since;
} Late;

struct Uevent {
        Manager *manager;
        struct nl_sock *socket;
        sd_event_source *source;
        sd_event_source *quiet;
        sd_event_source *late_timer;
        Burst burst;
        Late late;
};

/* False: there are too many. */
static bool devices_add(Devices *d, const char *address) {
        for (size_t i = 0; i < d->n; i++)
                if (streq(d->address[i], address))
                        return true;
        if (d->n == DEVICES_MAX)
                return false;
        (void) snprintf(d->address[d->n++], UEVENT_ADDRESS_MAX, "%s", address);
        return true;
}

/* The value of KEY= in a message, or NULL. */
static const char *uevent_get(const char *message, size_t size, const char *key) {
        size_t length = strlen(key);

        for (const char *p = message; p < message + size; p += strnlen(p, (size_t) (message + size - p)) + 1)
                if ((size_t) (message + size - p) > length && strncmp(p, key, length) == 0 && p[length] == '=')
                        return p + length + 1;
        return NULL;
}

static bool starts_with(const char *text, const char *start) {
        return strncmp(text, start, strlen(start)) == 0;
}

/* The last part of the path that is a PCI address: the device itself, or what carries an interface or VFIO's side of it. */
static bool find_address(const char *path, char ret[UEVENT_ADDRESS_MAX]) {
        bool found = false;

        for (const char *part = path; *part; part += strspn(part, "/")) {
                size_t n = strcspn(part, "/");
                char name[UEVENT_ADDRESS_MAX];

                if (n > 0 && n < sizeof(name)) {
                        memcpy(name, part, n);
                        name[n] = '\0';
                        if (pci_address_valid(name)) {
                                memcpy(ret, name, n + 1);
                                found = true;
                        }
                }
                part += n;
        }
        return found;
}

/* /devices/virtual/vfio/N; noiommu-N is a group that the kernel made up. */
static bool find_group(const char *path, int64_t *ret) {
        const char *name = strrchr(path, '/');
        uint64_t number;

        if (!name)
                return false;
        name += starts_with(name, "/noiommu-") ? strlen("/noiommu-") : 1;
        if (parse_u64(name, UINT_MAX, &number) < 0)
                return false;
        *ret = (int64_t) number;
        return true;
}

/* VFIO's side of a device is in a folder of the device's own; a mediated device is none that is found by its address. */
static bool find_vfio_device(const char *path, char ret[UEVENT_ADDRESS_MAX]) {
        const char *folder = strstr(path, "/vfio-dev/"), *name = folder;

        while (name && name > path && name[-1] != '/')
                name--;
        if (!name || folder - name >= (ptrdiff_t) UEVENT_ADDRESS_MAX)
                return false;
        memcpy(ret, name, (size_t) (folder - name));
        ret[folder - name] = '\0';
        return pci_address_valid(ret);
}

/* What is not understood is a reason to read everything, as long as it is of a subsystem that matters. */
void uevent_judge(const char *message, size_t size, UeventNews *ret) {
        const char *subsystem, *path, *action;
        char address[UEVENT_ADDRESS_MAX];

        *ret = (UeventNews) { .group = -1 };
        /* Every message of the kernel's ends in a NUL; the one that does not is none. */
        if (size == 0 || message[size - 1] != '\0')
                return;
        subsystem = uevent_get(message, size, "SUBSYSTEM");
        path = uevent_get(message, size, "DEVPATH");
        action = uevent_get(message, size, "ACTION");
        if (!subsystem || !path)
                return;
        if (streq(subsystem, "pci")) {
                ret->everything = !find_address(path, ret->address);
                ret->added = !ret->everything && action && streq(action, "add");
        } else if (streq(subsystem, "pci_bus")) {
                /* A root bus: an empty PHB has a group on a partition, of which nothing else tells. Those below bridges have devices that do. */
                ret->everything = ret->phb = !find_address(path, address) && action && (streq(action, "add") || streq(action, "remove"));
        } else if (streq(subsystem, "net")) {
                /* Of those that no device carries there may be thousands, and nothing is told of them. */
                if (action && (streq(action, "add") || streq(action, "remove") || streq(action, "move")))
                        (void) find_address(path, ret->address);
        } else if (streq(subsystem, "vfio"))
                ret->everything = !find_group(path, &ret->group);
        else if (streq(subsystem, "vfio-dev"))
                ret->everything = !find_vfio_device(path, ret->address);
        else if (streq(subsystem, "module") && starts_with(path, "/module/vfio"))
                ret->everything = true;
        else if (streq(subsystem, "module") && starts_with(path, "/module/kvm"))
                ret->everything = ret->probe = true;
        if (ret->everything)
                *ret->address = '\0';
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

/* Not the loop's own time, which is that of the turn: reading all groups of a large host is a long turn. */
static uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static void set_timer(sd_event_source *timer, uint64_t when) {
        if (sd_event_source_set_time(timer, when) < 0 || sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT) < 0)
                log_warning("Can't wait for uevents; run `tcectl rescan` when devices have come or gone");
}

typedef enum Membership {
        DEVICE_GONE,
        DEVICE_ALONE,
        DEVICE_IN_GROUP,
} Membership;

static Membership device_membership(const Uevent *u, const char *address) {
        char path[PATH_MAX];
        int n;

        n = snprintf(path, sizeof(path), "%s/bus/pci/devices/%s/iommu_group", u->manager->places.sys, address);
        if ((size_t) n >= sizeof(path))
                return DEVICE_GONE;
        if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) >= 0)
                return DEVICE_IN_GROUP;
        path[n - (int) strlen("/iommu_group")] = '\0';
        return faccessat(AT_FDCWD, path, F_OK, 0) >= 0 ? DEVICE_ALONE : DEVICE_GONE;
}

/* Before the look, so that a group that comes meanwhile is not missed. */
static void note_late(Uevent *u, const Burst *b) {
        bool any = b->lost;

        u->late.everything |= b->lost;
        for (size_t i = 0; i < b->devices.n; i++)
                if (device_membership(u, b->devices.address[i]) == DEVICE_GONE)
                        any = u->late.emptied = true;
        for (size_t i = 0; i < b->added.n; i++) {
                if (device_membership(u, b->added.address[i]) != DEVICE_ALONE)
                        continue;
                any = true;
                u->late.everything |= !devices_add(&u->late.devices, b->added.address[i]);
        }
        if (!any)
                return;
        u->late.round = 0;
        u->late.since = now_usec();
        set_timer(u->late_timer, u->late.since + late_usec[0]);
}

static void look(Uevent *u) {
        const Burst b = u->burst;
        const char *devices[DEVICES_MAX];
        int r;

        u->burst = (Burst) {};
        if (!b.any)
                return;
        note_late(u, &b);
        for (size_t i = 0; i < b.devices.n; i++)
                devices[i] = b.devices.address[i];
        r = b.everything ? manager_rescan(u->manager)
                         : manager_rescan_groups(u->manager, devices, b.devices.n, b.groups, b.n_groups);
        if (r < 0)
                log_warning("No memory to read the IOMMU groups again; run `tcectl rescan` later");
        if (b.probe && manager_probe(u->manager, false, NULL, NULL) < 0)
                log_warning("No memory to prove KVM again; call Probe later");
}

static int on_quiet(sd_event_source *s, uint64_t usec, void *userdata) {
        look(userdata);
        return 0;
}

static void add_group(Uevent *u, unsigned number) {
        Burst *b = &u->burst;

        for (size_t i = 0; i < b->n_groups; i++)
                if (b->groups[i] == number)
                        return;
        if (b->n_groups < GROUPS_MAX)
                b->groups[b->n_groups++] = number;
        else
                b->everything = true;
}

/* Of the groups that were empty when they were looked at, those that are gone by now. False: there is no such group. */
static bool find_ended_groups(Uevent *u) {
        const VfioFacts *f = &u->manager->vfio;
        bool found = false;

        for (size_t i = 0; i < f->n_groups; i++) {
                char path[PATH_MAX];

                (void) snprintf(path, sizeof(path), "%s/kernel/iommu_groups/%u", u->manager->places.sys, f->groups[i].number);
                if (f->groups[i].n_devices > 0 || faccessat(AT_FDCWD, path, F_OK, 0) >= 0)
                        continue;
                add_group(u, f->groups[i].number);
                found = true;
        }
        return found;
}

/* Whatever has a group by now is looked at, at once; what is gone is forgotten. */
static int on_late(sd_event_source *s, uint64_t usec, void *userdata) {
        Uevent *u = userdata;
        Late *l = &u->late;
        bool found = false;
        size_t n = 0;

        for (size_t i = 0; i < l->devices.n; i++) {
                Membership membership = device_membership(u, l->devices.address[i]);

                if (membership == DEVICE_IN_GROUP) {
                        found = true;
                        u->burst.everything |= !devices_add(&u->burst.devices, l->devices.address[i]);
                } else if (membership == DEVICE_ALONE && n++ != i)
                        memcpy(l->devices.address[n - 1], l->devices.address[i], UEVENT_ADDRESS_MAX);
        }
        l->devices.n = n;
        found |= l->emptied && find_ended_groups(u);
        if (++l->round == ELEMENTSOF(late_usec)) {
                found |= l->everything;
                u->burst.everything |= l->everything;
                *l = (Late) {};
        } else if (n > 0 || l->everything || l->emptied)
                set_timer(u->late_timer, l->since + late_usec[l->round]);
        if (found) {
                u->burst.any = true;
                look(u);
        }
        return 0;
}

static void look_soon(Uevent *u) {
        uint64_t now = now_usec();

        if (!u->burst.any)
                u->burst.latest = now + LATEST_USEC;
        u->burst.any = true;
        set_timer(u->quiet, now + QUIET_USEC < u->burst.latest ? now + QUIET_USEC : u->burst.latest);
}

static void lose(Uevent *u) {
        u->burst.lost = u->burst.everything = true;
}

void uevent_take(Uevent *u, const char *message, size_t size) {
        UeventNews news;
        bool created;
        pid_t pid;

        if (uevent_of_vm(message, size, &pid, &created))
                (created ? manager_vm_created : manager_vm_destroyed)(u->manager, pid);
        uevent_judge(message, size, &news);
        if (!news.everything && !news.probe && !*news.address && news.group < 0)
                return;
        look_soon(u);
        u->burst.everything |= news.everything;
        u->burst.probe |= news.probe;
        if (news.phb)
                lose(u);
        if (news.group >= 0)
                add_group(u, (unsigned) news.group);
        if (*news.address && !devices_add(&u->burst.devices, news.address))
                lose(u);
        if (news.added && !devices_add(&u->burst.added, news.address))
                lose(u);
}

/* Root can inject messages that look like the kernel's in all but the credentials: pid 0 can't be forged
 * (net/netlink/af_netlink.c:netlink_sendmsg). */
static bool from_kernel(const struct sockaddr_nl *sender, const struct ucred *credentials) {
        return sender->nl_pid == 0 && sender->nl_groups == KERNEL_GROUP && credentials && credentials->pid == 0 &&
               credentials->uid == 0;
}

static int on_message(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Uevent *u = userdata;

        for (unsigned i = 0; i < BATCH; i++) {
                struct ucred *credentials = NULL;
                unsigned char *message = NULL;
                struct sockaddr_nl sender = {};
                int n;

                errno = 0;
                n = nl_recv(u->socket, &sender, &message, &credentials);
                if (n > 0 && from_kernel(&sender, credentials))
                        uevent_take(u, (const char *) message, (size_t) n);
                else if (n < 0 && errno == ENOBUFS) {
                        /* What came before is still there to be read, and what comes now again (netlink_overrun()). */
                        log_debug("Uevents were lost; reading everything again");
                        look_soon(u);
                        lose(u);
                } else if (n <= 0)
                        return 0;
                free(message);
                free(credentials);
        }
        return 0;
}

int uevent_new(Uevent **ret) {
        Uevent *u = calloc(1, sizeof(*u));

        if (!u)
                return -ENOMEM;
        u->socket = nl_socket_alloc();
        if (!u->socket) {
                free(u);
                return -ENOMEM;
        }
        nl_socket_disable_seq_check(u->socket);
        nl_join_groups(u->socket, KERNEL_GROUP);
        if (nl_connect(u->socket, NETLINK_KOBJECT_UEVENT) < 0 || nl_socket_set_passcred(u->socket, 1) < 0 ||
            nl_socket_set_nonblocking(u->socket) < 0) {
                (void) uevent_free(u);
                return -EPROTO;
        }
        /* As large as allowed; a burst that does not fit is noticed. */
        (void) nl_socket_set_buffer_size(u->socket, RECEIVE_BUFFER, 0);
        *ret = u;
        return 0;
}

static int add_timer(sd_event *event, sd_event_source **ret, sd_event_time_handler_t handler, Uevent *u) {
        int r = sd_event_add_time(event, ret, CLOCK_MONOTONIC, 0, ACCURACY_USEC, handler, u);

        return r < 0 ? r : sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int uevent_attach(Uevent *u, sd_event *event, Manager *m) {
        int r;

        u->manager = m;
        r = add_timer(event, &u->quiet, on_quiet, u);
        if (r >= 0)
                r = add_timer(event, &u->late_timer, on_late, u);
        return r < 0 ? r : sd_event_add_io(event, &u->source, nl_socket_get_fd(u->socket), EPOLLIN, on_message, u);
}

Uevent *uevent_free(Uevent *u) {
        if (!u)
                return NULL;
        u->late_timer = sd_event_source_disable_unref(u->late_timer);
        u->quiet = sd_event_source_disable_unref(u->quiet);
        u->source = sd_event_source_disable_unref(u->source);
        if (u->socket)
                nl_socket_free(u->socket);
        free(u);
        return NULL;
}
