/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Binding a group and giving it back: whether the host can do without its devices is looked at here, the deed is tced-bind's, and when it is
 * done the facts are read again before whoever asked is told. */

#include "error.h"
#include "log.h"
#include "manager_bind_internal.h"
#include "util.h"

struct GroupBind {
        Manager *manager;
        unsigned number;
        bool release;
        uint64_t flags;
        char **addresses; /* of its devices when it was asked for */
        size_t n_addresses;
        Refusal refusal;  /* what is to be said where keeping fails */
        BindDone done;
        void *userdata;
        GroupBind *next;
};

/* Looked up anew each time: the facts are read again while tced-bind works, and the number may be another's then. */
static const GroupFacts *find_group(const GroupBind *b) {
        return vfio_facts_find_device(&b->manager->vfio, b->addresses[0]);
}

static void group_bind_free(GroupBind *b) {
        strings_free(b->addresses);
        free(b);
}

/* Takes it out of those that run, and tells. */
static void finish(GroupBind *b, const Refusal *refusal) {
        struct Binder *binder = b->manager->binder;
        GroupBind **at = &binder->running;

        while (*at != b)
                at = &(*at)->next;
        *at = b->next;
        b->done(refusal, b->userdata);
        group_bind_free(b);
}

/* What tced-bind answers (helper.h), as the bus says it. Its texts name the device, the step and the remedy. */
static int refuse_by_errno(Refusal *refusal, unsigned number, int error, const char *text) {
        static const struct {
                int error;
                const char *name;
        } names[] = {
                { EBUSY, TCED_ERROR_GROUP_BUSY },         { EALREADY, TCED_ERROR_GROUP_BUSY },
                { ETIMEDOUT, TCED_ERROR_GROUP_STUCK },    { ESTALE, TCED_ERROR_NO_SUCH_GROUP },
                { ENOENT, TCED_ERROR_NOT_BOUND },         { EHOSTDOWN, TCED_ERROR_HELPER_UNAVAILABLE },
                { EIO, TCED_ERROR_BIND_FAILED },          { ENOTRECOVERABLE, TCED_ERROR_BIND_FAILED },
        };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (names[i].error == error)
                        return refuse(refusal, names[i].name, "IOMMU group %u: %s", number, text);
        return refuse(refusal, TCED_ERROR_FAILED, "IOMMU group %u: %s", number, text);
}

/* What is to be bound at boot is what the files say, whoever wrote them. */
static void read_wanted(Manager *m) {
        _cleanup_(config_clear) Config now = {};
        char **devices;

        if (config_load(m->places.config_root, NULL, NULL, &now) < 0) {
                log_warning("No memory to read which groups are to be bound at boot; reload tced later");
                return;
        }
        devices = m->config.bind_devices;
        m->config.bind_devices = TAKE_PTR(now.bind_devices);
        m->config.n_bind_devices = now.n_bind_devices;
        now.bind_devices = devices;
}

static void on_kept(int error, const char *text, int fd, void *userdata) {
        GroupBind *b = userdata;
        Manager *m = b->manager;
        const GroupFacts *g;
        Refusal refusal;

        (void) fd_close(fd);
        read_wanted(m);
        g = find_group(b);
        if (g && m->observer.group_changed)
                m->observer.group_changed(g->number, GROUP_CHANGE_BINDING, m->observer.userdata);
        if (!m->ending && manager_update_findings(m) > 0 && m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
        if (error == 0 && b->release && g && manager_is_persistent(m, g)) {
                error = EEXIST;
                text = "another file still has a device of it in [Bind] Devices=: grep -r Devices= /etc/tced /run/tced /usr/lib/tced";
        }
        if (error)
                (void) refuse(&refusal, TCED_ERROR_FAILED, "IOMMU group %u is %s now, but what is done at boot could not be changed: %s", b->number,
                              b->release ? "given back" : "on vfio-pci", text);
        finish(b, error ? &refusal : NULL);
}

/* The next boot does the same; its file is tced-bind's to write. */
static void keep(GroupBind *b) {
        Refusal refusal;
        int r;

        r = helper_keep_group(b->manager->helper, (const char *const *) b->addresses, b->n_addresses, !b->release, on_kept, b);
        if (r >= 0)
                return;
        (void) refuse(&refusal, TCED_ERROR_HELPER_UNAVAILABLE,
                      "IOMMU group %u is %s now, but tced-bind, which writes what is done at boot, can't be reached: %s; systemctl start "
                      "tced-bind.socket",
                      b->number, b->release ? "given back" : "on vfio-pci", strerror(-r));
        finish(b, &refusal);
}

/* tced-bind itself is not heard of, as it does not start: where it has come so far as to be held up by the kernel, that is recorded. */
static bool is_unheard(const GroupBind *b, int error) {
        const GroupFacts *g = error == ETIMEDOUT ? find_group(b) : NULL;
        const BindRecord *record = g ? manager_find_binding(b->manager, g) : NULL;

        return g && !record;
}

static void on_done(int error, const char *text, int fd, void *userdata) {
        GroupBind *b = userdata;
        Manager *m = b->manager;
        const GroupFacts *g;
        Refusal refusal;

        (void) fd_close(fd);
        if (error == ECANCELED) {
                /* tced ends: nothing is there to look at any more. */
                (void) refuse(&refusal, TCED_ERROR_FAILED, "tced is ending; see `tcectl groups` when it runs again");
                finish(b, &refusal);
                return;
        }
        manager_read_bindings(m);
        if (manager_rescan_devices(m, (const char *const *) b->addresses, b->n_addresses) < 0)
                log_warning("No memory to read the IOMMU groups again; run `tcectl rescan` later");
        g = find_group(b);
        if (g)
                manager_bind_settled(m, g);
        /* Nothing to give back is no reason to do so at each boot. */
        if (error == ENOENT && b->release && (b->flags & GROUP_BIND_PERSISTENT) && g && manager_is_persistent(m, g))
                error = 0;
        if (error == 0 && (b->flags & GROUP_BIND_PERSISTENT)) {
                keep(b);
                return;
        }
        if (error)
                (void) refuse_by_errno(&refusal, b->number, is_unheard(b, error) ? EHOSTDOWN : error, text);
        else
                log_info("IOMMU group %u (%s%s): %s", b->number, b->addresses[0], b->n_addresses > 1 ? ", …" : "",
                         b->release ? "given back" : "bound to vfio-pci");
        finish(b, error ? &refusal : NULL);
}

/* A device that the host uses is not taken from it, unless that is what was asked for; nor one of which that can't be told. */
static int check_uses(Manager *m, const GroupFacts *g, Refusal *refusal) {
        const UseFacts *uses = manager_look_at_uses_now(m);

        if (!uses)
                return refuse(refusal, TCED_ERROR_GROUP_IN_USE, "IOMMU group %u can't be bound: what the host uses its devices for can't be "
                              "read (no memory?); try again, or bind it with --force", g->number);
        for (size_t i = 0; m->binder->net_unknown && i < g->n_devices; i++)
                if (!isempty(g->devices[i].interfaces))
                        return refuse(refusal, TCED_ERROR_GROUP_IN_USE,
                                      "IOMMU group %u can't be bound: whether the host uses %s (%s) can't be told, as the kernel did not answer about "
                                      "its network; try again, or bind it with --force", g->number, g->devices[i].address, g->devices[i].interfaces);
        for (size_t i = 0; uses && i < g->n_devices; i++) {
                size_t n;
                const DeviceUseFact *use = use_facts_find(uses, g->devices[i].address, &n);

                if (n > 0)
                        return refuse(refusal, TCED_ERROR_GROUP_IN_USE,
                                      "IOMMU group %u can't be bound: %s is in use: %s; %s%s", g->number, g->devices[i].address, use->text,
                                      use->remedy, streq(use->remedy, USE_REMEDY_FORCE) ? "" : ", or bind it with --force");
        }
        return 0;
}

/* A VM's devices are not taken from it; those of one that is only planned may be. */
static int check_holder(Manager *m, const GroupFacts *g, Refusal *refusal) {
        const Machine *holder = manager_find_holder(m, g->number);

        if (holder && holder->state == MACHINE_CLAIMED)
                return refuse(refusal, TCED_ERROR_GROUP_IN_USE,
                              "IOMMU group %u can't be given back: a VM that runs (PID %d) has it; end that VM, or release it with --force",
                              g->number, (int) holder->process.pid);
        return 0;
}

/* Virtual functions go with the driver of their physical one, also from the VMs that have them, and do not come back by themselves. */
static int check_functions(const GroupFacts *g, bool release, Refusal *refusal) {
        for (size_t i = 0; i < g->n_devices; i++)
                if (g->devices[i].vfs > 0)
                        return refuse(refusal, TCED_ERROR_GROUP_IN_USE,
                                      "IOMMU group %u can't be %s: %s has %u virtual functions, which would go with its driver; echo 0 "
                                      ">/sys/bus/pci/devices/%s/sriov_numvfs, or use --force",
                                      g->number, release ? "given back" : "bound", g->devices[i].address, g->devices[i].vfs, g->devices[i].address);
        return 0;
}

static int check(Manager *m, const GroupFacts *g, bool release, uint64_t flags, Refusal *refusal) {
        const BindRecord *record = manager_find_binding(m, g);

        if (g->n_devices == 0)
                return refuse(refusal, TCED_ERROR_GROUP_NOT_VIABLE, "IOMMU group %u has no devices: there is nothing to %s", g->number,
                              release ? "give back" : "bind");
        for (const GroupBind *b = m->binder->running; b; b = b->next)
                if (b->number == g->number)
                        return refuse(refusal, TCED_ERROR_GROUP_BUSY, "IOMMU group %u is just being %s; wait for that", g->number,
                                      b->release ? "given back" : "bound");
        if (record && record->state == BIND_STUCK)
                return refuse(refusal, TCED_ERROR_GROUP_STUCK, "IOMMU group %u is stuck: %s", g->number, record->why);
        if (flags & GROUP_BIND_FORCE)
                return 0;
        if (check_functions(g, release, refusal) < 0)
                return -EINVAL;
        return release ? check_holder(m, g, refusal) : check_uses(m, g, refusal);
}

static int copy_addresses(GroupBind *b, const GroupFacts *g) {
        b->addresses = calloc(g->n_devices + 1, sizeof(*b->addresses));
        for (size_t i = 0; b->addresses && i < g->n_devices; i++) {
                b->addresses[i] = strdup(g->devices[i].address);
                if (!b->addresses[i])
                        return -ENOMEM;
        }
        b->n_addresses = g->n_devices;
        return b->addresses ? 0 : -ENOMEM;
}

static void start(Manager *m, const GroupFacts *g, bool release, uint64_t flags, BindDone done, void *userdata) {
        struct Binder *binder = manager_binder(m);
        GroupBind *b = binder ? calloc(1, sizeof(*b)) : NULL;
        Refusal refusal;
        int r;

        if (!b || copy_addresses(b, g) < 0) {
                if (b)
                        group_bind_free(b);
                (void) refuse(&refusal, TCED_ERROR_NO_MEMORY, "No memory to %s IOMMU group %u; try again later",
                              release ? "give back" : "bind", g->number);
                done(&refusal, userdata);
                return;
        }
        if (check(m, g, release, flags, &refusal) < 0) {
                group_bind_free(b);
                done(&refusal, userdata);
                return;
        }
        b->manager = m;
        b->number = g->number;
        b->release = release;
        b->flags = flags;
        b->done = done;
        b->userdata = userdata;
        b->next = binder->running;
        binder->running = b;
        r = release ? helper_release_group(m->helper, (const char *const *) b->addresses, b->n_addresses, on_done, b)
                    : helper_bind_group(m->helper, b->number, (const char *const *) b->addresses, b->n_addresses, on_done, b);
        if (r >= 0)
                return;
        (void) refuse(&refusal, TCED_ERROR_HELPER_UNAVAILABLE,
                      "tced-bind, which binds devices, can't be reached: %s; systemctl start tced-bind.socket", strerror(-r));
        finish(b, &refusal);
}

void manager_bind_group(Manager *m, const GroupFacts *group, uint64_t flags, BindDone done, void *userdata) {
        start(m, group, false, flags, done, userdata);
}

void manager_release_group(Manager *m, const GroupFacts *group, uint64_t flags, BindDone done, void *userdata) {
        start(m, group, true, flags, done, userdata);
}
