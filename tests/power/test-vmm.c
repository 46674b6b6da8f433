/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The small VMM, from the command line to the end: what vmm.h says of it. Exit status 0: all was done; 1: something failed, with
 * "errno=NAME" and the text on stderr; 77: not a POWER machine. */

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "util.h"
#include "vmm.h"

/* tced may be proving the host when we come, and an emulated POWER takes its time. */
#define PATIENCE UINT64_C(120000000)

static int failed(int error, const char *what, struct tced *t) {
        const char *text = t ? tced_last_error(t) : "";

        printf("errno=%s\n", strerrorname_np(-error));
        (void) fprintf(stderr, "test-vmm: %s: %s%s%s\n", what, strerrordesc_np(-error), *text ? ": " : "", text);
        return error;
}

/* A VM is made where the host can; without one every table has to be planned for us. */
static int make_guest(Vmm *v, const VmmOptions *options) {
        int r = vmm_make_memory(v);

        if (r < 0)
                return failed(r, "guest memory", NULL);
        r = vmm_make_vm(v);
        if (r >= 0)
                return 0;
        if (options->demo)
                printf("This host can't run a VM (%s): we get our tables, and no guest\nruns.\n\n", strerrordesc_np(-r));
        else
                printf("vm=%s\n", strerrorname_np(-r));
        vmm_clear(v);
        *v = (Vmm) VMM_INIT;
        return vmm_make_memory(v);
}

static int get_tables(Vmm *v, struct tced *t, VmmOptions *options, VmmGroups *groups, struct tced_machine **ret) {
        struct tced_window windows[VMM_WINDOWS_MAX];
        int r;

        r = vmm_vfio_find(t, options);
        if (r < 0)
                return failed(r, "finding groups", t);
        for (size_t i = 0; i < options->n_windows; i++)
                windows[i] = options->windows[i].window;
        if (options->registered)
                r = tced_find(t, options->name, ret);
        else
                r = tced_register(t, options->name, options->uuid, windows, options->n_windows, TCED_OWNER_CALLER, ret);
        if (r < 0)
                return failed(r, options->registered ? "finding the machine" : "registering", t);
        r = tced_claim(*ret);
        if (r < 0)
                return failed(r, "claiming", t);
        r = tced_acquire(*ret, v->vm);
        if (r < 0)
                return failed(r, "acquiring tables", t);
        r = vmm_vfio_link(v, t, *ret, options, groups);
        if (r < 0)
                return failed(r, "linking groups", t);
        if (!options->multitce || !tced_machine_multitce_allowed(*ret) || v->vm < 0)
                return 0;
        r = tced_machine_enable_multitce(*ret, v->vm);
        return r < 0 ? failed(r, "enabling multi-TCE", t) : 0;
}

static int run_program(Vmm *v, struct tced_machine *m, const VmmOptions *options, struct tced_table *table,
                       VmmProgram program) {
        uint64_t entries = tced_table_entries(table), count = options->puts < entries ? options->puts : entries;
        VmmResult result;
        int r;

        r = vmm_run(v, m, table, program, count, &result);
        if (r < 0)
                return failed(r, "running the guest", NULL);
        vmm_print_run(options, table, program, count, &result);
        return 0;
}

static int use_table(Vmm *v, struct tced_machine *m, const VmmOptions *options, struct tced_table *table) {
        uint64_t entries = tced_table_entries(table);
        int r = 0;

        vmm_print_table(options, table);
        if (v->vcpu >= 0 && options->puts > 0)
                r = run_program(v, m, options, table, options->indirect ? VMM_INDIRECT : VMM_PUT);
        if (r < 0)
                return r;
        vmm_print_entries(options, table, options->puts < entries ? options->puts : entries);
        if (options->dump) {
                r = vmm_dump(options->dump, table);
                if (r < 0)
                        return failed(r, "writing entries", NULL);
        }
        if (v->vcpu >= 0 && options->stuff)
                r = run_program(v, m, options, table, VMM_STUFF);
        return r;
}

static volatile sig_atomic_t terminated, asked;

static void on_signal(int number) {
        if (number == SIGTERM)
                terminated = 1;
        else
                asked++;
}

/* As the guest's last round left it? */
static int table_is_ours(const struct tced_table *table, uint64_t count) {
        const uint64_t *map = tced_table_map(table);

        for (uint64_t e = 0; e < tced_table_entries(table); e++)
                if (map[e] != (e < count ? vmm_guest_tce(table, e) : 0))
                        return failed(-EIO, "an entry has changed", NULL);
        return 0;
}

/* The guest finds its tables as they were, and maps its pages once more. */
static int work_again(Vmm *v, struct tced_machine *m, const VmmOptions *options, VmmState *state) {
        for (size_t i = 0; i < tced_machine_n_tables(m); i++) {
                struct tced_table *table = tced_machine_table(m, i);
                uint64_t entries = tced_table_entries(table), count = options->puts < entries ? options->puts : entries;
                VmmResult result;
                int r = state->rounds > 0 ? table_is_ours(table, count) : 0;

                if (r < 0)
                        return r;
                r = vmm_run(v, m, table, VMM_PUT, count, &result);
                if (r < 0)
                        return failed(r, "running the guest", NULL);
                if (result.done != count || result.code != 0)
                        return failed(-EIO, "a hypercall failed", NULL);
                r = table_is_ours(table, count);
                if (r < 0)
                        return r;
                state->exits[i] = result.exits;
        }
        state->rounds++;
        return 0;
}

/* Someone wants to know how we are (SIGUSR1), and whether tced knows us: by the connection that we have, whatever became of tced meanwhile. */
static int answer(struct tced *t, struct tced_machine *m, const VmmOptions *options, VmmState *state) {
        int r = tced_claim(m);

        if (r < 0)
                return failed(r, "claiming again", t);
        state->connections = tced_get_connection_number(t);
        state->answers++;
        vmm_print_answer(options, m, state);
        return 0;
}

/* Stays until the time is over or someone says so (SIGTERM), and reads what tced has to say, as any VMM's loop does. Where tced goes it
 * is connected to again by that. */
static int hold(Vmm *v, struct tced *t, struct tced_machine *m, const VmmOptions *options) {
        const struct sigaction action = { .sa_handler = on_signal };
        time_t end = time(NULL) + options->hold;
        bool busy = options->busy && v->vcpu >= 0;
        VmmState state = {};
        int r = 0;

        (void) sigaction(SIGTERM, &action, NULL);
        (void) sigaction(SIGUSR1, &action, NULL);
        printf("holding=1\n");
        (void) fflush(stdout);
        while (r >= 0 && time(NULL) < end && !terminated) {
                struct pollfd fd = { .fd = tced_get_fd(t), .events = (short) tced_get_events(t) };

                (void) poll(&fd, 1, (int) options->pause);
                r = tced_process(t);
                if (r < 0)
                        return failed(r, "reading what tced says", t);
                if (busy)
                        r = work_again(v, m, options, &state);
                if (r >= 0 && state.answers < (unsigned) asked)
                        r = answer(t, m, options, &state);
        }
        printf("rounds=%u\nconnections=%" PRIu64 "\n", state.rounds, tced_get_connection_number(t));
        (void) fflush(stdout);
        return r;
}

/* What a VM's tables may be to someone else when it has ended: mappings, by which they are written to. */
static int leave_heir(const VmmOptions *options, struct tced_machine *m) {
        time_t end = time(NULL) + options->heir;
        pid_t pid = fork();

        if (pid < 0)
                return failed(-errno, "leaving an heir", NULL);
        if (pid > 0) {
                printf("heir=%d\n", (int) pid);
                return 0;
        }
        (void) close_range(0, ~0U, 0);
        while (time(NULL) < end) {
                for (size_t i = 0; i < tced_machine_n_tables(m); i++) {
                        struct tced_table *table = tced_machine_table(m, i);

                        for (uint64_t e = 0; e < tced_table_entries(table); e++)
                                tced_table_map(table)[e] = UINT64_C(0x5ec2e75ec2e75003);
                }
                (void) poll(NULL, 0, 500);
        }
        _exit(EXIT_SUCCESS);
}

static int work(VmmOptions *options, Vmm *v, struct tced *t, VmmGroups *groups, struct tced_machine **ret_machine) {
        int r;

        vmm_print_start(options);
        r = make_guest(v, options);
        if (r < 0)
                return r;
        r = get_tables(v, t, options, groups, ret_machine);
        if (r < 0)
                return r;
        vmm_print_machine(options, *ret_machine);
        for (size_t i = 0; i < tced_machine_n_tables(*ret_machine); i++) {
                r = use_table(v, *ret_machine, options, tced_machine_table(*ret_machine, i));
                if (r < 0)
                        return r;
        }
        if (options->heir)
                r = leave_heir(options, *ret_machine);
        if (r >= 0 && options->hold)
                r = hold(v, t, *ret_machine, options);
        if (r < 0)
                return r;
        r = tced_unregister(*ret_machine);
        return r < 0 ? failed(r, "unregistering", t) : 0;
}

static bool is_power(void) {
#ifdef __powerpc64__
        return true;
#else
        return false;
#endif
}

int main(int argc, char **argv) {
        struct tced_machine *machine = NULL;
        VmmGroups groups = {};
        VmmOptions options;
        struct tced *t = NULL;
        Vmm v = VMM_INIT;
        int r;

        r = vmm_options_parse(argc, argv, &options);
        if (r != 0)
                return r < 0 ? 2 : 0;
        if (!is_power()) {
                (void) fprintf(stderr, "test-vmm: its guest needs a POWER machine; this is none\n");
                return 77;
        }
        r = tced_connect(options.socket, PATIENCE, &t);
        if (r < 0)
                r = failed(r, "connecting to tced", NULL);
        else
                r = work(&options, &v, t, &groups, &machine);
        (void) tced_machine_unref(machine);
        (void) tced_unref(t);
        vmm_clear(&v);
        vmm_vfio_clear(&groups);
        return r < 0;
}
