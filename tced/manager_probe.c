/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proofs: in a child, one at a time, with a deadline; the child gets a copy of the facts, fills in what it proved and sends it back.
 * What one kind of proof does not touch (the deep probe's results, a group that was linked) keeps what an earlier one found. */

#include <systemd/sd-daemon.h>

#include "error.h"
#include "log.h"
#include "manager_internal.h"
#include "probe_kvm.h"
#include "util.h"

struct ProbeWaiter {
        bool deep;
        bool running; /* the proof that runs is its own, or does at least as much */
        ProbeDone done;
        void *userdata;
        ProbeWaiter *next;
};

static void start_next(Manager *m);

/* In the child. */
static int prove(void *result, size_t size, void *userdata) {
        const Manager *m = userdata;
        KvmFacts *facts = result;

        probe_kvm_prove(&kvm_ops_system, m->places.dev, facts);
        if (m->proof_deep)
                probe_kvm_prove_deep(&kvm_ops_system, m->places.dev, facts);
        if (m->proof_group_fd >= 0)
                probe_kvm_prove_vfio(&kvm_ops_system, m->places.dev, m->proof_group_fd, (unsigned) m->proof_group, facts);
        return 0;
}

/* Answers those whose proof this was. */
static void answer_waiters(Manager *m, int error, const char *why) {
        ProbeWaiter **p = &m->probe_waiters;

        while (*p) {
                ProbeWaiter *w = *p;

                if (!w->running) {
                        p = &w->next;
                        continue;
                }
                *p = w->next;
                if (w->done)
                        w->done(error, why, w->userdata);
                free(w);
        }
}

static void finish_proof(Manager *m, int error, const char *why) {
        m->proof = NULL;
        m->proof_group_fd = fd_close(m->proof_group_fd);
        m->proof_group = -1;
        m->proving = false;
        if (error)
                log_warning("Can't prove what this host can do: %s", why);
        if (manager_update_findings(m) < 0)
                log_warning("No memory for the host's findings");
        if (m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
        (void) sd_notifyf(0, "STATUS=KVM is %s, %zu IOMMU groups",
                          m->kvm.vm.proof == PROOF_YES ? "usable" : m->kvm.vm.proof == PROOF_NO ? "not usable" : "not proven",
                          m->vfio.n_groups);
        answer_waiters(m, error, why);
        manager_resume_registrations(m);
        start_next(m);
}

/* A proof that never came back leaves what it might have shown unknown, with that as the reason. */
static void set_unproven(KvmFacts *kvm, const char *why) {
        if (kvm->vm.proof == PROOF_UNKNOWN)
                outcome_set(&kvm->vm, PROOF_UNKNOWN, "%s", why);
        for (int i = 0; i < _KVM_CAPABILITY_MAX; i++)
                if (kvm->capability[i].proven.proof == PROOF_UNKNOWN && i != KVM_CAPABILITY_TCE_VFIO)
                        outcome_set(&kvm->capability[i].proven, PROOF_UNKNOWN, "%s", why);
}

static void on_proof(int error, const void *result, size_t size, void *userdata) {
        Manager *m = userdata;
        char why[WHY_MAX] = "";

        if (error == 0 && !kvm_facts_valid(result))
                error = EBADMSG;
        if (error == 0)
                memcpy(&m->kvm, result, sizeof(m->kvm));
        else {
                if (error == ETIMEDOUT)
                        (void) snprintf(why, sizeof(why), "the proof did not end in %u s (TimeoutSec=) and was killed",
                                        (unsigned) (m->config.proof_timeout_usec / 1000000));
                else if (error == ECHILD)
                        (void) snprintf(why, sizeof(why), "the process that proved it died");
                else if (error == EBADMSG)
                        (void) snprintf(why, sizeof(why), "the process that proved it said what makes no sense");
                else
                        (void) snprintf(why, sizeof(why), "the proof could not be made: %s", strerror(error));
                set_unproven(&m->kvm, why);
        }
        finish_proof(m, error, why);
}

static void run_proof(Manager *m) {
        KvmFacts facts = m->kvm;
        int r;

        r = child_run(m->event, prove, &facts, sizeof(facts), m->proof_group_fd, m->config.proof_timeout_usec, on_proof, m, &m->proof);
        /* The child has its own copy; a group that tced holds could be given to no VM. */
        m->proof_group_fd = fd_close(m->proof_group_fd);
        if (r < 0) {
                set_unproven(&m->kvm, "no process could be started to prove it");
                finish_proof(m, -r, strerror(-r));
        }
}

static void on_group(int error, const char *text, int fd, void *userdata) {
        Manager *m = userdata;

        if (!m->proving) {
                (void) fd_close(fd);
                return;
        }
        if (error == 0)
                m->proof_group_fd = fd;
        else
                outcome_set(&m->kvm.capability[KVM_CAPABILITY_TCE_VFIO].proven, PROOF_UNKNOWN, "IOMMU group %d can't be opened: %s",
                            m->proof_group, text);
        run_proof(m);
}

/* A group that nobody uses and that is on vfio-pci already: the deep probe may take it for a moment. */
static const GroupFacts *find_idle_group(Manager *m) {
        for (size_t i = 0; i < m->vfio.n_groups; i++)
                if (m->vfio.groups[i].viability == GROUP_VIABLE && !manager_find_holder(m, m->vfio.groups[i].number))
                        return &m->vfio.groups[i];
        return NULL;
}

static void start_proof(Manager *m, bool deep) {
        const GroupFacts *group = NULL;
        KvmFacts before = m->kvm;
        int r;

        m->proving = true;
        m->proof_deep = deep;
        probe_kvm_declared(&kvm_ops_system, m->places.dev, &m->kvm);
        if (before.api_version > 0 && m->kvm.device_error == 0) {
                /* Only other kinds of proof settle these. */
                m->kvm.vm_type[VM_TYPE_PR] = before.vm_type[VM_TYPE_PR];
                m->kvm.range_check = before.range_check;
                m->kvm.capability[KVM_CAPABILITY_TCE_VFIO].proven = before.capability[KVM_CAPABILITY_TCE_VFIO].proven;
        }
        if (m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
        if (deep && facts_host_has_tce(&m->kvm))
                group = find_idle_group(m);
        if (group) {
                m->proof_group = (int) group->number;
                r = helper_open_group(m->helper, group->number, on_group, m);
                if (r >= 0)
                        return;
                outcome_set(&m->kvm.capability[KVM_CAPABILITY_TCE_VFIO].proven, PROOF_UNKNOWN,
                            "tced-bind, which opens IOMMU groups, can't be reached: %s", strerror(-r));
        }
        run_proof(m);
}

static void start_next(Manager *m) {
        bool deep = false;

        if (m->proving || !m->probe_waiters)
                return;
        /* All that wait are served by one proof, as deep as the deepest of them asks. */
        for (ProbeWaiter *w = m->probe_waiters; w; w = w->next) {
                w->running = true;
                deep |= w->deep;
        }
        start_proof(m, deep);
}

int manager_probe(Manager *m, bool deep, ProbeDone done, void *userdata) {
        ProbeWaiter *w = calloc(1, sizeof(*w)), **end = &m->probe_waiters;

        if (!w)
                return -ENOMEM;
        *w = (ProbeWaiter) { .deep = deep, .done = done, .userdata = userdata };
        while (*end)
                end = &(*end)->next;
        *end = w;
        start_next(m);
        return 0;
}

void manager_probe_cancel(Manager *m) {
        Refusal refusal;

        m->proof = child_free(m->proof);
        m->proof_group_fd = fd_close(m->proof_group_fd);
        m->proving = false;
        for (ProbeWaiter *w = m->probe_waiters; w; w = w->next)
                w->running = true;
        answer_waiters(m, ECANCELED, "tced is ending");
        (void) refuse(&refusal, TCED_ERROR_FAILED, "tced is ending; try again when it runs");
        manager_refuse_waiting(m, &refusal);
}
