/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What outlives a restart: when it is written, and how a tced that comes back takes it up.
 *
 * A VM that is registered or claimed, or one of its tables that was made or refused, is in the file before anyone is told so. What a VMM
 * can find out for itself (a table was handed out, a VM has gone) is written a moment later, when who was answered has gone on, so that many
 * changes that come at once are one writing, and a writing is of what has changed. A pidfd is
 * in the fd store before the file tells of it, and is taken from it after the file does no more: at any moment the store has what the
 * file means, or more. */

#include <inttypes.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-id128.h>
#include <time.h>

#include "account.h"
#include "error.h"
#include "libvirt_claim.h"
#include "log.h"
#include "machine_json.h"
#include "manager_internal.h"
#include "names.h"
#include "store.h"
#include "util.h"

/* So long a change waits that nobody waits for; and so much longer where that saves a wake-up. */
#define SOON_USEC 2000U
#define SOON_ACCURACY_USEC 500U
/* With this state tced has run so long that what ends it now is not the state's doing; longer than its watchdog waits. */
#define PROVEN_USEC (10 * 60 * UINT64_C(1000000))
/* How often the service manager is asked for more time while tables are filled in, and for how much. */
#define EXTEND_AFTER_USEC (5 * UINT64_C(1000000))

#define REMEDY_RESTART "Running VMs keep their tables. Those of libvirt's are found again; others are known again once their VMMs register them"

struct Keeper {
        Store *store;
        sd_event_source *soon;   /* writes, a moment later, */
        bool waits;              /* what waits for that */
        sd_event_source *proven; /* the state is not at fault */
        char (*gone)[FD_NAME_MAX + 1]; /* pidfds to be taken from the fd store, once the file tells of them no more */
        size_t n_gone, gone_allocated;
        sd_event_source *store_again; /* leaves processes in the fd store anew */
        char (*again)[33];       /* the UUIDs of their machines */
        size_t n_again, again_allocated;
        StateFile *file;
        Machine **unsaved; /* what has changed since the last writing */
        size_t n_unsaved, unsaved_allocated;
        bool all_unsaved; /* there was no memory to tell which */
        char *lost;      /* why a state was set aside */
        int write_error; /* of the last write, a positive errno */
};

static uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

/* ---- writing ---- */

static int boot_id(char ret[33]) {
        sd_id128_t id;
        int r = sd_id128_get_boot(&id);

        if (r >= 0)
                (void) sd_id128_to_string(id, ret);
        return r;
}

static int text_of_machine(StateSlot *slot, char **ret) {
        return machine_to_json((const Machine *) ((const char *) slot - offsetof(Machine, saved)), ret);
}

static int put_machine(Machine *machine, void *userdata) {
        Keeper *k = userdata;
        char *line;
        int r = machine_to_json(machine, &line);

        return r < 0 ? r : state_file_put_consume(k->file, &machine->saved, line);
}

static int put_changes(Manager *m) {
        Keeper *k = m->keeper;
        int r = k->all_unsaved ? manager_foreach_machine(m, put_machine, k) : 0;

        while (r >= 0 && k->n_unsaved > 0) {
                Machine *machine = k->unsaved[k->n_unsaved - 1];

                r = put_machine(machine, k);
                if (r < 0)
                        break;
                machine->unsaved = false;
                k->n_unsaved--;
        }
        if (r >= 0)
                k->all_unsaved = false;
        return r;
}

static int write_state(Manager *m) {
        StateHead head = {
                .last_serial = m->last_serial, .hook_called_usec = m->hook_called_usec,
                .libvirtd_reloaded_usec = m->libvirtd_reloaded_usec, .bound = m->bound,
        };
        char text[STATE_HEAD_MAX];
        int r;

        r = boot_id(head.boot);
        if (r >= 0)
                r = put_changes(m);
        return r < 0 ? r : state_file_write(m->keeper->file, state_head_to_json(&head, text));
}

static void update_findings(Manager *m) {
        if (manager_update_findings(m) < 0)
                log_warning("No memory for the host's findings");
        if (m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
}

/* What can't be written is told, and VMs go on: to refuse them would be worse than to forget them, should tced be restarted. */
static void save(Manager *m) {
        Keeper *k = m->keeper;
        int r, before = k->write_error;

        (void) sd_event_source_set_enabled(k->soon, SD_EVENT_OFF);
        k->waits = false;
        r = write_state(m);
        k->write_error = r < 0 ? -r : 0;
        if (k->write_error != before) {
                log_message(r < 0 ? LOG_ERR : LOG_NOTICE, TCED_MESSAGE_STATE_STR, "%s %s%s%s", r < 0 ? "Can't write" : "Wrote again",
                            store_path(k->store), r < 0 ? ": " : "", r < 0 ? strerror(-r) : "");
                update_findings(m);
        }
        if (r < 0)
                return;
        for (size_t i = 0; i < k->n_gone; i++)
                fd_store_remove(k->gone[i]);
        k->n_gone = 0;
}

static int on_soon(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        save(userdata);
        return 0;
}

static void set_unsaved(Keeper *k, Machine *machine) {
        if (machine->unsaved)
                return;
        if (ARRAY_RESERVE(k->unsaved, k->unsaved_allocated, k->n_unsaved + 1) < 0) {
                k->all_unsaved = true;
                return;
        }
        machine->unsaved = true;
        k->unsaved[k->n_unsaved++] = machine;
}

/* It is about to go, and its place in the file with it. */
static void forget_machine(Keeper *k, Machine *machine) {
        for (size_t i = 0; machine->unsaved && i < k->n_unsaved; i++)
                if (k->unsaved[i] == machine) {
                        k->unsaved[i] = k->unsaved[--k->n_unsaved];
                        machine->unsaved = false;
                }
        state_file_drop(k->file, &machine->saved);
}

void manager_save(Manager *m, Machine *machine) {
        if (!m->keeper)
                return;
        if (machine)
                set_unsaved(m->keeper, machine);
        save(m);
}

void manager_flush(Manager *m) {
        manager_save(m, NULL);
}

void manager_save_soon(Manager *m, Machine *machine) {
        Keeper *k = m->keeper;

        if (!k)
                return;
        if (machine)
                set_unsaved(k, machine);
        if (k->waits)
                return;
        k->waits = sd_event_source_set_time_relative(k->soon, SOON_USEC) >= 0 && sd_event_source_set_enabled(k->soon, SD_EVENT_ONESHOT) >= 0;
        if (!k->waits)
                save(m);
}

void manager_store_process(Manager *m, Machine *machine) {
        char name[FD_NAME_MAX + 1];
        int r;

        if (!m->keeper || machine->process.pid <= 0 || *machine->stored_as)
                return;
        fd_store_name(machine->serial, name);
        r = fd_store_add(name, machine->process.pidfd);
        if (r > 0)
                strcpy(machine->stored_as, name);
        else if (r < 0)
                log_warning("Can't leave the process of %s in the service manager's fd store: %s; after a restart it is looked for by its PID",
                            machine->name, strerror(-r));
}

static void forget_fd(Keeper *k, const char *name) {
        if (!*name || ARRAY_RESERVE(k->gone, k->gone_allocated, k->n_gone + 1) < 0)
                return;
        strcpy(k->gone[k->n_gone++], name);
}

void manager_save_without(Manager *m, Machine *machine) {
        if (!m->keeper)
                return;
        forget_machine(m->keeper, machine);
        forget_fd(m->keeper, machine->stored_as);
        manager_save_soon(m, NULL);
}

/* ---- coming back ---- */

static int fill_table(const Machine *machine, Table *t) {
        TableMemory memory = TABLE_MEMORY_INIT;
        char name[96];
        int r;

        (void) snprintf(name, sizeof(name), "%s-%08" PRIx32, machine->name, t->plan->window.liobn);
        r = table_memory_make(name, t->plan->entries, t->plan->setting.huge_pages, t->plan->setting.numa_node, &memory);
        if (r >= 0)
                table_set_memory(t, &memory);
        return r;
}

int manager_make_tables(Manager *m, Machine *machine, Refusal *refusal) {
        for (size_t i = 0; i < machine->n_tables; i++) {
                Table *t = &machine->tables[i];
                int r = t->state == TABLE_READY && t->memory.fd < 0 ? fill_table(machine, t) : 0;

                if (r < 0)
                        return refuse(refusal, TCED_ERROR_NO_MEMORY,
                                      "tced was restarted, and can't make the table of %s (liobn %08" PRIx32 ", %s) again: %s; give the host "
                                      "more memory, and try again",
                                      t->plan->window.device, t->plan->window.liobn, FORMAT_BYTES(t->plan->bytes), strerror(-r));
        }
        return 0;
}

/* What comes back, and what has become of it. */
typedef struct Restoring {
        Manager *manager;
        StoredFds *fds;
        uint64_t extended; /* when more time was last asked for */
        size_t n, ended;
} Restoring;

/* The process that held it, by its pidfd or, where that is not in the store (a stop and a start empties it, a full one takes no more), by its
 * PID: the start time tells whether it is that one. -ESRCH: it has ended. */
static int find_process(const Restoring *r, Machine *machine, Process *ret) {
        StoredFd *stored = *machine->stored_as ? fd_store_find(r->fds, machine->stored_as) : NULL;
        const Process *before = &machine->process;
        Process now = PROCESS_INIT;
        int error;

        if (stored) {
                error = process_adopt_consume(r->manager->proc_fd, TAKE_FD(stored->fd), &now);
                if (error < 0 || !process_same(before, &now)) {
                        /* At once: another may get the name. */
                        fd_store_remove(machine->stored_as);
                        *machine->stored_as = '\0';
                        process_close(&now);
                }
        } else
                *machine->stored_as = '\0';
        if (now.pid <= 0) {
                error = process_open(r->manager->proc_fd, before->pid, &now);
                if (error < 0)
                        return error;
        }
        if (!process_same(before, &now)) {
                process_close(&now);
                return -ESRCH;
        }
        now.by_pid = before->by_pid;
        *ret = now;
        return 0;
}

/* 0; -ESRCH: it has ended with its process; other negative errno. */
static int hold_again(const Restoring *r, Machine *machine) {
        Process process = PROCESS_INIT;
        int error;

        if (machine->process.pid <= 0)
                return 0;
        error = find_process(r, machine, &process);
        if (error < 0)
                return error;
        machine->process = (Process) PROCESS_INIT;
        error = machine_hold(machine, r->manager->event, &process);
        process_close(&process);
        return error;
}

/* Tables that can't be made now are tried again when they are asked for. */
static void make_tables(Restoring *r, Machine *machine) {
        uint64_t now = now_usec();
        Refusal refusal;

        if (now - r->extended > EXTEND_AFTER_USEC) {
                r->extended = now;
                (void) sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, 12 * EXTEND_AFTER_USEC);
        }
        if (manager_make_tables(r->manager, machine, &refusal) < 0)
                log_warning("%s: %s", machine->name, refusal.text);
}

/* Where libvirt is never asked nobody would say that a domain has ended which nobody claimed, and its groups would be taken for good: its pid
 * file has to show that it runs. */
static bool domain_has_ended(const Manager *m, const Machine *machine) {
        return machine->source == MACHINE_SOURCE_LIBVIRT && machine->process.pid <= 0 &&
               !manager_asks_libvirt(m) && libvirt_claim_running(m->places.libvirt_run, machine->name) <= 0;
}

/* Neither the file's fault nor the machine's: the next start, which the service manager makes at once, may do better. */
static bool is_shortage(int error) {
        return error == -ENOMEM || error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -EAGAIN || error == -EIO ||
               error == -ENOSPC; /* of epoll_ctl(2): fs.epoll.max_user_watches */
}

/* 0: it is there; else it has ended, which is said. */
static int find_again(const Restoring *r, Machine *machine) {
        int error = domain_has_ended(r->manager, machine) ? -ESRCH : hold_again(r, machine);

        if (error < 0 && !is_shortage(error))
                log_message(error == -ESRCH ? LOG_INFO : LOG_WARNING, TCED_MESSAGE_MACHINE_STR, "%s (%s) is gone: %s%s", machine->name,
                            machine->uuid, error == -ESRCH ? "its process ended while tced did not run" : "its process can't be held: ",
                            error == -ESRCH ? "" : strerror(-error));
        return error;
}

/* Takes the machine over, on success and where it has ended. */
static int restore_machine(Restoring *r, Machine *machine) {
        Manager *m = r->manager;
        const Cost cost = { 1, machine->n_tables, machine->charged };
        int error = find_again(r, machine);

        if (is_shortage(error))
                return error;
        if (error < 0) {
                forget_fd(m->keeper, machine->stored_as);
                (void) machine_free(machine);
                r->ended++;
                return 0;
        }
        if (account_adopt(m, machine->registrar, cost) < 0)
                return -ENOMEM;
        error = manager_insert_machine(m, machine);
        if (error < 0) {
                account_release(m, machine->registrar, cost);
                return error;
        }
        set_unsaved(m->keeper, machine);
        if (machine->serial > m->last_serial)
                m->last_serial = machine->serial;
        make_tables(r, machine);
        r->n++;
        return 0;
}

/* One each time, when there is nothing else to do: with thousands in its store the service manager takes its time for each. */
static int on_store_again(sd_event_source *s, void *userdata) {
        Manager *m = userdata;
        Keeper *k = m->keeper;
        Machine *machine;

        if (k->n_again > 0) {
                machine = manager_find_machine_by_uuid(m, k->again[--k->n_again]);
                if (machine)
                        manager_store_process(m, machine);
                if (machine)
                        set_unsaved(k, machine);
        }
        if (k->n_again > 0)
                return 0;
        manager_save_soon(m, NULL);
        return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

/* A process that was found by its PID. */
static int store_again(Machine *machine, void *userdata) {
        Keeper *k = userdata;

        if (machine->process.pid <= 0 || *machine->stored_as)
                return 0;
        if (ARRAY_RESERVE(k->again, k->again_allocated, k->n_again + 1) < 0)
                return -ENOMEM;
        memcpy(k->again[k->n_again++], machine->uuid, sizeof(machine->uuid));
        return sd_event_source_set_enabled(k->store_again, SD_EVENT_ON);
}

static int restore_all(Manager *m, State *state, StoredFds *fds) {
        Restoring r = { .manager = m, .fds = fds, .extended = now_usec() };
        int error = 0;

        m->last_serial = state->head.last_serial;
        m->hook_called_usec = state->head.hook_called_usec;
        m->libvirtd_reloaded_usec = state->head.libvirtd_reloaded_usec;
        m->bound = state->head.bound;
        for (size_t i = 0; i < state->n_machines && error >= 0; i++) {
                error = restore_machine(&r, state->machines[i]);
                if (error >= 0)
                        state->machines[i] = NULL;
        }
        if (error >= 0)
                error = manager_foreach_machine(m, store_again, m->keeper);
        if (r.n + r.ended > 0)
                log_info("Took up %zu machines that an earlier tced had; %zu have ended since", r.n, r.ended);
        return error;
}

/* Out of the way, for a person to look at. */
static void set_aside(Keeper *k, const char *why) {
        int r = store_set_aside(k->store);

        if (r == -ENOENT)
                return; /* there was none to be at fault */
        if (r < 0)
                log_message(LOG_ERR, TCED_MESSAGE_STATE_STR, "Can't set the state in %s aside, which is to be (%s): %s; remove it",
                            store_path(k->store), why, strerror(-r));
        else
                log_message(LOG_WARNING, TCED_MESSAGE_STATE_STR,
                            "The state in %s is not taken up, but set aside as %s: %s. %s. Look at it, or send it with a report; then remove it",
                            store_path(k->store), store_bad_path(k->store), why, REMEDY_RESTART);
        free(k->lost);
        k->lost = strdup(why);
}

/* Of a state that was set aside: VMs that are known by it go on as ever, for which nobody has to do anything. */
static int load_rest(Manager *m, const char *text, size_t size, const char *boot, State *ret) {
        int r = state_read_rest(text, size, boot, manager_on_machine_end, m, ret);

        if (r < 0)
                return is_shortage(r) ? r : 0;
        log_message(LOG_WARNING, TCED_MESSAGE_STATE_STR, "What could be read of it is taken up: %zu machines", ret->n_machines);
        /* Nothing is in the file's place yet. */
        manager_save_soon(m, NULL);
        return 0;
}

/* 0 with a state, maybe an empty one; an error that says nothing about the file. What can't be read is set aside. */
static int load(Manager *m, unsigned failures, State *ret) {
        _cleanup_free_ char *text = NULL;
        char boot[33] = "", why[STATE_ERROR_MAX] = "";
        Keeper *k = m->keeper;
        size_t size;
        int r;

        if (failures >= STORE_FAILURES_MAX) {
                (void) snprintf(why, sizeof(why), "tced failed %u times in a row with it", failures);
                set_aside(k, why);
                return 0;
        }
        r = store_read(k->store, STATE_SIZE_MAX, &text, &size);
        if (r == -ENOENT)
                return 0;
        /* Only what is there can be at fault, not what keeps tced from it. */
        if (r < 0 && r != -EINVAL && r != -EFBIG && r != -ELOOP)
                return r;
        if (r < 0) {
                (void) snprintf(why, sizeof(why), "it can't be read: %s", strerror(-r));
                set_aside(k, why);
                return 0;
        }
        r = boot_id(boot);
        if (r < 0) {
                log_error("Can't tell this boot from others: %s", strerror(-r));
                return r;
        }
        r = state_read(text, size, boot, manager_on_machine_end, m, ret, why);
        if (r == -ESTALE)
                log_info("The state in %s is of another boot, and of no use", store_path(k->store));
        else if (is_shortage(r))
                return r;
        else if (r < 0) {
                set_aside(k, *why ? why : strerror(-r));
                return load_rest(m, text, size, boot, ret);
        }
        return 0;
}

static int on_proven(_unused_ sd_event_source *s, _unused_ uint64_t usec, void *userdata) {
        store_proven(((Keeper *) userdata)->store);
        return 0;
}

static Keeper *keeper_free(Keeper *k) {
        (void) sd_event_source_disable_unref(k->soon);
        (void) sd_event_source_disable_unref(k->store_again);
        (void) sd_event_source_disable_unref(k->proven);
        (void) store_free(k->store);
        free(k->gone);
        free(k->again);
        (void) state_file_free(k->file);
        free(k->unsaved);
        free(k->lost);
        free(k);
        return NULL;
}

static int keeper_new(Manager *m, const char *path) {
        Keeper *k = calloc(1, sizeof(*k));
        int r;

        if (!k)
                return -ENOMEM;
        r = store_new(path, &k->store);
        if (r >= 0)
                r = state_file_new(path, store_temporary_path(k->store), text_of_machine, &k->file);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &k->soon, CLOCK_MONOTONIC, SOON_USEC, SOON_ACCURACY_USEC, on_soon, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(k->soon, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_defer(m->event, &k->store_again, on_store_again, m);
        if (r >= 0)
                r = sd_event_source_set_enabled(k->store_again, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(k->store_again, SD_EVENT_PRIORITY_IDLE);
        if (r >= 0)
                r = sd_event_add_time_relative(m->event, &k->proven, CLOCK_MONOTONIC, PROVEN_USEC, 0, on_proven, k);
        if (r < 0)
                (void) keeper_free(k);
        else
                m->keeper = k;
        return r;
}

int manager_restore(Manager *m, const char *path, StoredFds *fds) {
        State state = {};
        size_t unknown;
        int r;

        r = keeper_new(m, path);
        if (r < 0)
                return r;
        r = load(m, store_begin(m->keeper->store), &state);
        if (r >= 0)
                r = restore_all(m, &state, fds);
        state_clear(&state);
        if (r < 0)
                return r;
        unknown = fd_store_drop_rest(fds);
        if (unknown > 0)
                log_info("Dropped %zu fds from the service manager's store that no machine is known for", unknown);
        /* The file, and its copy, so that the next writings are of no more than what has changed. */
        save(m);
        save(m);
        store_good(m->keeper->store);
        if (store_has_bad(m->keeper->store))
                update_findings(m);
        return 0;
}

void manager_stop_keeping(Manager *m) {
        if (!m->keeper)
                return;
        if (m->keeper->waits)
                save(m);
        m->keeper = keeper_free(m->keeper);
}

int manager_add_state_finding(const Manager *m, Findings *f) {
        const Keeper *k = m->keeper;
        char remedy[512];
        int r = 0;

        if (!k)
                return 0;
        if (store_has_bad(k->store)) {
                (void) snprintf(remedy, sizeof(remedy), "%s. Look at the file, or send it with a report; then: rm %s; tcectl rescan",
                                REMEDY_RESTART, store_bad_path(k->store));
                r = findings_add(f, FINDING_STATE_NOT_KEPT, SEVERITY_WARNING, "host", remedy,
                                 "What an earlier tced knew of the VMs was set aside as %s%s%s", store_bad_path(k->store),
                                 k->lost ? ": " : "", k->lost ? k->lost : "");
        }
        if (r >= 0 && k->write_error) {
                (void) snprintf(remedy, sizeof(remedy), "Make room there: df %s; until then don't restart tced", store_path(k->store));
                r = findings_add(f, FINDING_STATE_NOT_KEPT, SEVERITY_ERROR, "host", remedy,
                                 "%s can't be written, so that a tced that is restarted would not know the VMs of now: %s",
                                 store_path(k->store), strerror(k->write_error));
        }
        return r;
}
