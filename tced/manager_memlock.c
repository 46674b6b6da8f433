/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whose VMM's limit of locked memory is raised, when, and what is said of it. Nothing here keeps a VM from what it asked for: a table that
 * the kernel then refuses goes to the VMM. */

#include <inttypes.h>

#include "log.h"
#include "manager_internal.h"
#include "memlock_raise.h"
#include "names.h"
#include "util.h"

/* The limit is root's to give. In --user mode tced may not raise it anyway. */
static bool may_raise(const Machine *machine) {
        return machine->registrar == 0 || machine->memlock_permitted;
}

static MemlockNeed need_of(const Manager *m, const Machine *machine) {
        return memlock_need(&machine->plan, machine->source == MACHINE_SOURCE_LIBVIRT ? &machine->domain.memlock : NULL, &m->vfio,
                            m->kvm.page_size);
}

static void log_failure(const Machine *machine, const MemlockRaised *raised, int error) {
        const char *remedy = error == -EPERM || error == -EACCES ?
                                     "See that tced.service has CAP_SYS_RESOURCE, or raise it where the VM is started" :
                                     "Raise it where the VM is started";

        log_message(LOG_WARNING, TCED_MESSAGE_MACHINE_STR,
                    "%s: can't raise the locked-memory limit of process %d%s%s: %s; tables that don't fit go to the VMM. %s (systemd: LimitMEMLOCK=, "
                    "libvirt: <memtune><hard_limit>)",
                    machine->name, (int) machine->process.pid, raised->wanted > 0 ? " to " : "",
                    raised->wanted > 0 ? FORMAT_BYTES(raised->wanted) : "", strerror(-error), remedy);
}

/* quietly: its VMM decides how often it comes to that. */
static void raise_for(Manager *m, Machine *machine, MemlockNeed need, bool quietly) {
        uint64_t most = m->config.limits.raise_memlock_max;
        MemlockRaised raised;
        int r;

        if (most == 0 || need.bytes == 0 || !may_raise(machine) || machine->state != MACHINE_CLAIMED)
                return;
        r = memlock_raise(m->proc_fd, &machine->process, need, most, &raised);
        if (r == -ESRCH)
                return; /* it is about to be gone */
        if (r < 0 && !quietly)
                log_failure(machine, &raised, r);
        if (r < 0)
                return;
        if (raised.after != raised.before) {
                machine->memlock_raised = raised.after;
                (void) machine_update_findings(machine);
                log_message(LOG_INFO, TCED_MESSAGE_MACHINE_STR, "%s: raised the locked-memory limit of process %d from %s to %s", machine->name,
                            (int) machine->process.pid, FORMAT_BYTES(raised.before), FORMAT_BYTES(raised.after));
        }
        if (raised.after < raised.wanted && !quietly)
                log_message(LOG_WARNING, TCED_MESSAGE_MACHINE_STR,
                            "%s: process %d may lock %s of memory and needs %s, and RaiseMemlockMax=%" PRIu64
                            " allows no more; tables that don't fit go to the VMM. Raise it in tced.conf",
                            machine->name, (int) machine->process.pid, FORMAT_BYTES(raised.after), FORMAT_BYTES(raised.wanted), most);
}

void manager_raise_memlock(Manager *m, Machine *machine) {
        raise_for(m, machine, need_of(m, machine), false);
}

void manager_raise_memlock_for_window(Manager *m, Machine *machine, const PlanTable *t) {
        uint64_t before = machine->memlock_raised;
        PlanTable one = *t;
        Plan plan = { .tables = &one, .n_tables = 1, .locked_bytes = tce_kernel_charge(t->entries, m->kvm.page_size) };

        /* How large it is says the VMM. A user's VMM could have said so when it was registered; of root's only the plan is root's word. */
        if (machine->registrar == 0)
                return;
        raise_for(m, machine, memlock_need(&plan, NULL, &m->vfio, m->kvm.page_size), true);
        if (machine->memlock_raised == before)
                return;
        manager_save_soon(m, machine);
        if (m->observer.machine_changed)
                m->observer.machine_changed(machine, m->observer.userdata);
}

bool manager_wants_memlock(const Manager *m, const Machine *machine, uint64_t *ret_bytes) {
        *ret_bytes = need_of(m, machine).bytes;
        /* Without windows it opens them as it runs. */
        return m->config.limits.raise_memlock_max > 0 && !may_raise(machine) && (*ret_bytes > 0 || machine->n_tables == 0);
}

void manager_permit_memlock(Manager *m, Machine *machine) {
        machine->memlock_permitted = true;
        manager_raise_memlock(m, machine);
        manager_save(m, machine);
        if (machine->memlock_raised > 0 && m->observer.machine_changed)
                m->observer.machine_changed(machine, m->observer.userdata);
}
