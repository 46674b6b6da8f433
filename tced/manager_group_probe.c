/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Group.Probe: an idle group is opened by the helper and taken in a child, whose memory the container gets bound to. tced closes its copy
 * of the group as soon as the child has it, and the child ends with all that it had: the group is free again. */

#include "error.h"
#include "log.h"
#include "manager_internal.h"
#include "probe_ddw.h"
#include "util.h"

typedef struct GroupProbe GroupProbe;
struct GroupProbe {
        Manager *manager;
        unsigned number;
        bool started;
        int group_fd; /* for the child */
        Child *child;
        GroupProbeDone done;
        void *userdata;
        GroupProbe *next;
};

/* What the child sends. */
typedef struct GroupAnswer {
        int error; /* of probe_ddw() */
        WindowProof proof;
} GroupAnswer;

static void start_next(Manager *m);

/* Its facts, where they are still those of the devices that are being asked. */
static GroupFacts *find_asked(const GroupProbe *p) {
        GroupFacts *g = (GroupFacts *) vfio_facts_find_group(&p->manager->vfio, p->number);

        return g && g->window_proof && g->window_proof->running ? g : NULL;
}

/* The first one leaves the queue; who asked is told. The next is the caller's to start. */
static void finish(GroupProbe *p, const Refusal *refusal) {
        Manager *m = p->manager;
        GroupFacts *group = find_asked(p);

        m->group_probes = p->next;
        if (group)
                group->window_proof->running = false;
        if (group && !m->ending) {
                if (refusal && group->window_proof->ddw.proof == PROOF_UNKNOWN)
                        outcome_set(&group->window_proof->ddw, PROOF_UNKNOWN, "%s", refusal->text);
                log_info("IOMMU group %u: can 64-bit windows be made? %s: %s", p->number, proof_to_string(group->window_proof->ddw.proof),
                         refusal ? refusal->text : group->window_proof->ddw.why);
                if (manager_update_findings(m) < 0)
                        log_warning("No memory for the host's findings");
                if (m->observer.group_changed)
                        m->observer.group_changed(p->number, GROUP_CHANGE_PROOF, m->observer.userdata);
                if (m->observer.host_changed)
                        m->observer.host_changed(m->observer.userdata);
        }
        p->done(refusal, p->userdata);
        free(p);
}

typedef struct Holder {
        const GroupFacts *group;
        const Machine *machine;
} Holder;

/* What a user registers for itself gives no right to devices, and so keeps nobody from them. */
static int match_claimed(Machine *machine, void *userdata) {
        Holder *h = userdata;

        if (machine->state != MACHINE_CLAIMED || !machine_is_masters(machine) || !machine_holds_group(machine, h->group->number, h->group))
                return 0;
        h->machine = machine;
        return -EEXIST;
}

/* May it be taken? Marks its facts as being asked. 0, or -EINVAL and why. */
static int begin(GroupProbe *p, Refusal *refusal) {
        GroupFacts *g = (GroupFacts *) vfio_facts_find_group(&p->manager->vfio, p->number);
        Holder holder = { .group = g };

        if (!g)
                return refuse(refusal, TCED_ERROR_NO_SUCH_GROUP, "IOMMU group %u is gone; `tcectl groups` lists those that are there", p->number);
        if (g->viability != GROUP_VIABLE)
                return refuse(refusal, TCED_ERROR_GROUP_NOT_VIABLE, "IOMMU group %u: %s", p->number, g->viability_why);
        if (manager_foreach_machine(p->manager, match_claimed, &holder) < 0)
                return refuse(refusal, TCED_ERROR_GROUP_BUSY, "IOMMU group %u belongs to VM '%s', which runs; ask again when that has ended",
                              p->number, holder.machine->name);
        if (!g->window_proof) {
                g->window_proof = calloc(1, sizeof(*g->window_proof));
                if (!g->window_proof)
                        return refuse(refusal, TCED_ERROR_NO_MEMORY, "No memory to probe IOMMU group %u; try again later", p->number);
                outcome_set(&g->window_proof->ddw, PROOF_UNKNOWN, "it is being asked");
        }
        g->window_proof->running = true;
        return 0;
}

/* In the child, which has tced's facts as they were. */
static int ask(void *result, size_t size, void *userdata) {
        const GroupProbe *p = userdata;
        GroupAnswer *answer = result;

        answer->error = probe_ddw(&kvm_ops_system, p->manager->places.dev, p->group_fd,
                                  vfio_facts_find_group(&p->manager->vfio, p->number), &answer->proof);
        return 0;
}

/* The kernel would not give the group to the child. */
static void refuse_untaken(Refusal *refusal, const GroupAnswer *answer) {
        const char *why = answer->proof.ddw.why;

        if (answer->error == -EBUSY)
                (void) refuse(refusal, TCED_ERROR_GROUP_BUSY, "%s: it is in use; end who has it", why);
        else if (answer->error == -EPERM)
                (void) refuse(refusal, TCED_ERROR_GROUP_NOT_VIABLE, "%s: a device of it is still on a host driver; bind the whole group to "
                              "vfio-pci", why);
        else
                (void) refuse(refusal, TCED_ERROR_PROBE_FAILED, "%s", why);
}

static void refuse_changed(const GroupProbe *p, Refusal *refusal) {
        (void) refuse(refusal, TCED_ERROR_PROBE_FAILED, "IOMMU group %u changed while it was probed; try again", p->number);
}

static void on_asked(int error, const void *result, size_t size, void *userdata) {
        GroupProbe *p = userdata;
        Manager *m = p->manager;
        const GroupAnswer *answer = result;
        GroupFacts *group = find_asked(p);
        Refusal refusal;
        bool shown = false;

        p->child = NULL;
        if (error == 0 && !window_proof_valid(&answer->proof))
                error = EBADMSG;
        if (error == ETIMEDOUT)
                (void) refuse(&refusal, TCED_ERROR_TIMED_OUT, "IOMMU group %u: the probe did not end in %u s (TimeoutSec=) and was killed; look "
                              "into the kernel's log", p->number, (unsigned) (m->config.proof_timeout_usec / 1000000));
        else if (error)
                (void) refuse(&refusal, TCED_ERROR_PROBE_FAILED, "IOMMU group %u: the process that probed it failed (%s); look into the kernel's "
                              "log", p->number, strerror(error));
        else if (answer->error < 0)
                refuse_untaken(&refusal, answer);
        else if (!group)
                refuse_changed(p, &refusal);
        else {
                *group->window_proof = answer->proof;
                group->window_proof->running = true;
                shown = true;
        }
        finish(p, shown ? NULL : &refusal);
        start_next(m);
}

static int run_child(GroupProbe *p, int fd, Refusal *refusal) {
        Manager *m = p->manager;
        GroupAnswer answer = {};
        int r;

        if (!find_asked(p)) {
                refuse_changed(p, refusal);
                return -EINVAL;
        }
        p->group_fd = fd;
        r = child_run(m->event, ask, &answer, sizeof(answer), fd, m->config.proof_timeout_usec, on_asked, p, &p->child);
        p->group_fd = -EBADF;
        if (r < 0)
                (void) refuse(refusal, TCED_ERROR_PROBE_FAILED, "IOMMU group %u: no process could be started to probe it: %s; try again later",
                              p->number, strerror(-r));
        return r;
}

static void on_group(int error, const char *text, int fd, void *userdata) {
        Manager *m = userdata;
        GroupProbe *p = m->group_probes;
        Refusal refusal;
        int r;

        /* tced is ending: who asked was told. */
        if (!p) {
                (void) fd_close(fd);
                return;
        }
        if (error)
                manager_refuse_unopened(&refusal, error, text);
        else {
                r = run_child(p, fd, &refusal);
                /* Of what tced holds no VM could have any. */
                (void) fd_close(fd);
                if (r >= 0)
                        return;
        }
        finish(p, &refusal);
        start_next(m);
}

static void start_next(Manager *m) {
        for (GroupProbe *p; (p = m->group_probes) && !p->started;) {
                Refusal refusal;
                int r;

                p->started = true;
                r = begin(p, &refusal);
                if (r >= 0) {
                        r = helper_open_group(m->helper, p->number, on_group, m);
                        if (r >= 0)
                                return;
                        manager_refuse_unasked(&refusal, r);
                }
                finish(p, &refusal);
        }
}

void manager_probe_group(Manager *m, unsigned number, GroupProbeDone done, void *userdata) {
        GroupProbe *p = calloc(1, sizeof(*p)), **end = &m->group_probes;
        Refusal refusal;

        if (!p) {
                (void) refuse(&refusal, TCED_ERROR_NO_MEMORY, "No memory to probe IOMMU group %u; try again later", number);
                done(&refusal, userdata);
                return;
        }
        *p = (GroupProbe){ .manager = m, .number = number, .group_fd = -EBADF, .done = done, .userdata = userdata };
        while (*end)
                end = &(*end)->next;
        *end = p;
        start_next(m);
}

void manager_group_probe_cancel(Manager *m) {
        Refusal refusal;

        (void) refuse(&refusal, TCED_ERROR_FAILED, "tced is ending; try again when it runs");
        for (GroupProbe *p; (p = m->group_probes);) {
                p->child = child_free(p->child);
                finish(p, &refusal);
        }
}
