/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Manager.Audit and AuditProcess. They answer when the processes have been read; who may see what is settled when they are asked, for only then
 * is it known who asks. */

#include "dbus_internal.h"
#include "manager_audit.h"
#include "util.h"

typedef struct Asking {
        Connection *connection; /* while it is asked alone: it may be gone when it is answered */
        Manager *manager;
        sd_bus_message *message;
        pid_t pid; /* 0: all */
        bool all;  /* root: every VM */
        uint64_t *serials; /* of the machines that are listed to who asks */
        size_t n, allocated;
        pid_t caller_pid;
        uint64_t caller_start;
} Asking;

static void asking_free(Asking *a) {
        if (a->message)
                request_end(a->message);
        free(a->serials);
        free(a);
}

static int note_listed(Machine *machine, void *userdata) {
        Asking *a = userdata;

        if (!connection_lists(a->connection, machine))
                return 0;
        if (ARRAY_RESERVE(a->serials, a->allocated, a->n + 1) < 0)
                return -ENOMEM;
        a->serials[a->n++] = machine->serial;
        return 0;
}

/* A VM that is no machine is told to root, and to the process itself. */
static bool visible(const AuditRecord *record, const Machine *machine, void *userdata) {
        const Asking *a = userdata;

        if (a->all || (record->process.pid == a->caller_pid && record->process.start == a->caller_start))
                return true;
        for (size_t i = 0; machine && i < a->n; i++)
                if (a->serials[i] == machine->serial)
                        return true;
        return false;
}

static void on_audited(int error, void *userdata) {
        Asking *a = userdata;
        _cleanup_free_ char *json = NULL;
        int r = -error;

        if (error == 0)
                r = manager_audit_json(a->manager, a->pid, visible, a, &json);
        if (r >= 0)
                r = sd_bus_reply_method_return(a->message, "s", json);
        else if (r == -ESRCH)
                r = sd_bus_reply_method_errorf(a->message, TCED_ERROR_NO_SUCH_MACHINE,
                                               "Process %d runs no KVM VM that you may see; `tcectl audit` lists those that do", (int) a->pid);
        else if (r == -ENOMEM)
                r = sd_bus_reply_method_errorf(a->message, TCED_ERROR_NO_MEMORY, "No memory to read the VMs' processes; try again later");
        else
                r = sd_bus_reply_method_errorf(a->message, TCED_ERROR_FAILED, "Can't read the VMs' processes: %s", strerror(-r));
        answered(a->message, r);
        asking_free(a);
}

static int ask(sd_bus_message *m, Connection *c, pid_t pid, bool own, sd_bus_error *error) {
        _cleanup_caller_ Caller caller = CALLER_INIT;
        Asking *a;
        int r;

        /* Root sees all, also where it has ended meanwhile: libvirt's hook asks and goes. */
        r = caller_get(m, false, &caller, error);
        if (r >= 0 && (own || !is_master(caller.uid)))
                r = caller_get(m, true, &caller, error);
        if (r < 0)
                return r;
        a = calloc(1, sizeof(*a));
        if (!a)
                return -ENOMEM;
        *a = (Asking) { .connection = c, .manager = c->manager, .all = is_master(caller.uid), .pid = own ? caller.process.pid : pid };
        if (caller.process.pid > 0 && !caller.process.by_pid) {
                a->caller_pid = caller.process.pid;
                a->caller_start = caller.process.start;
        }
        r = a->all ? 0 : manager_foreach_machine(c->manager, note_listed, a);
        if (r >= 0) {
                r = request_hold(m, caller.uid, error);
                if (r >= 0)
                        a->message = m;
        }
        if (r >= 0)
                r = manager_audit(c->manager, a->pid, on_audited, a);
        if (r < 0) {
                asking_free(a);
                return r;
        }
        return 1;
}

int method_audit(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        int r;

        r = read_flags(m, error);
        return r < 0 ? r : ask(m, userdata, 0, false, error);
}

int method_audit_process(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        uint32_t pid;
        int r;

        r = sd_bus_message_read(m, "u", &pid);
        if (r >= 0)
                r = read_flags(m, error);
        if (r < 0)
                return r;
        if (pid > INT32_MAX)
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "%u is no PID", pid);
        return ask(m, userdata, (pid_t) pid, pid == 0, error);
}
