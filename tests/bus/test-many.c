/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* As many machines as there may be: what their state takes, and what it takes to come back with them. Times are told as ratios, since hosts
 * differ. */

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#include "client.h"
#include "tap.h"

#define MACHINES 4096U
#define TABLES 4U
#define BATCH 128U

static double now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static double register_batch(sd_bus *bus, unsigned first, unsigned n) {
        double start = now();

        for (unsigned i = first; i < first + n; i++) {
                _cleanup_free_ char *path = NULL;
                char name[16];

                (void) snprintf(name, sizeof(name), "vm%u", i);
                path = register_small(bus, name, TABLES, NO_UID);
        }
        return now() - start;
}

/* In memory, as /run is. */
static char state[96];
static char option[128];
static const char *const options[] = { option, NULL };

static void find_place(const Host *h) {
        struct statfs shm;

        (void) snprintf(state, sizeof(state), "%s/" TCED_STATE_NAME, h->dir);
        if (statfs("/dev/shm", &shm) == 0 && shm.f_type == TMPFS_MAGIC)
                (void) snprintf(state, sizeof(state), "/dev/shm/tced-test-%d.json", (int) getpid());
        (void) snprintf(option, sizeof(option), "--state=%s", state);
}

static size_t state_size(void) {
        struct stat st;

        return stat(state, &st) < 0 ? 0 : (size_t) st.st_size;
}

/* Nobody holds these. Their tables are in the VMM, and made again. */
static void test_registered(Host *h) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);
        double first, last = 0, all, start, back;
        int fds;

        wait_probed(bus);
        start = now();
        first = register_batch(bus, 0, BATCH);
        for (unsigned i = BATCH; i < MACHINES; i += BATCH)
                last = register_batch(bus, i, BATCH);
        all = now() - start;
        printf("# the last %u took %.1f times as long to register as the first, %.1f ms each; the state has %zu bytes for each\n", BATCH,
               last / first, last / BATCH * 1e3, state_size() / MACHINES);
        tap_ok(state_size() > MACHINES * TABLES * 100 && state_size() < MACHINES * TABLES * 1000, "their state is there, %zu KiB",
               state_size() / 1024);
        tap_ok(last < 60 * first, "to register one more takes little longer than to register the first");
        fds = settled_fds(h->tced_pid);
        host_kill_tced(h);
        start = now();
        if (!tap_ok(host_restart_tced(h, options), "killed, it starts again"))
                return;
        back = now() - start;
        (void) sd_bus_flush_close_unref(TAKE_PTR(bus));
        bus = open_bus(h);
        tap_eq(count_machines(bus), MACHINES, "with all machines");
        printf("# it took %.0f %% of the time that it took to register them, %.2f s\n", back / all * 100, back);
        tap_ok(back < all, "in less time than it took to register them");
        tap_ok(count_fds(h->tced_pid) >= (int) (MACHINES * TABLES) && count_fds(h->tced_pid) <= fds + 64, "and all their tables");
        host_stop_tced(h);
}

/* ---- held by processes, whose pidfds are in the fd store, each by a name of its own: some processes stand for all ---- */

#define PROCESSES 32U

static void be_vmm(int fd, void *userdata) {
        const char *path = userdata;
        _cleanup_bus_ sd_bus *bus = NULL;

        bus = open_address(getenv("TEST_SOCKET"), false);
        actor_say(fd, claim(bus, path, NULL) >= 0 && acquire(bus, path, NULL, 0, NULL, NULL) >= 0 ? 'y' : 'n');
        (void) actor_listen(fd);
}

/* The line of a machine, of the many that are to stand for it, in the state file: its texts and numbers changed. */
static void write_line(FILE *f, const char *line, unsigned i) {
        const char *serial = strstr(line, "\"serial\":"), *fd = strstr(line, "\"fd\":\""), *rest;
        const char *source = strstr(line, "\"source\":");

        if (!serial || !fd || !source)
                bail_out("the state has no serial, fd or source: %.200s", line);
        rest = serial + strlen("\"serial\":");
        (void) fprintf(f, "{\"uuid\":\"%032x\",\"name\":\"copy%u\",%.*s\"serial\":%u%.*s\"fd\":\"%06u\"%s\n", i, i, (int) (serial - source),
                       source, i + 1, (int) (fd - rest) - (int) strspn(rest, "0123456789"), rest + strspn(rest, "0123456789"), i,
                       strchr(fd + strlen("\"fd\":\""), '"') + 1);
}

/* Writes the file anew with copies of what is in it. */
static void multiply(void) {
        _cleanup_free_ char *text = NULL;
        char *lines[PROCESSES], *at, *head;
        unsigned n = 0;
        FILE *f;

        text = read_whole(state);
        head = strtok_r(text, "\n", &at);
        for (char *line = strtok_r(NULL, "\n", &at); line; line = strtok_r(NULL, "\n", &at)) {
                /* Its comma, and what is blank behind it. */
                line[strrchr(line, '}') && *line == '{' ? strrchr(line, '}') + 1 - line : 0] = '\0';
                if (*line && n < PROCESSES)
                        lines[n++] = line;
        }
        if (n != PROCESSES || !(f = fopen(state, "we")))
                bail_out("the state has %u machines", n);
        (void) fprintf(f, "%s\n", head);
        for (unsigned i = 0; i < MACHINES; i++) {
                if (i > 0)
                        (void) fputc(',', f);
                write_line(f, lines[i % PROCESSES], i);
        }
        (void) fprintf(f, "]}\n");
        (void) fclose(f);
}

static pid_t pid_in(const char *line) {
        const char *pid = strstr(line, "\"pid\":");

        return pid ? (pid_t) strtol(pid + strlen("\"pid\":"), NULL, 10) : 0;
}

/* Every pidfd by the name that the file has for it. */
static void store_all(Host *h) {
        char name[8];
        _cleanup_free_ char *text = NULL;
        char *at;
        unsigned i = 0;

        text = read_whole(state);
        (void) strtok_r(text, "\n", &at);
        host_forget_stored(h);
        for (char *line = strtok_r(NULL, "\n", &at); line && i < MACHINES; line = strtok_r(NULL, "\n", &at)) {
                _cleanup_fd_ int pidfd = sys_pidfd_open(pid_in(line), 0);

                if (pidfd < 0)
                        bail_out("no process in %.200s", line);
                (void) snprintf(name, sizeof(name), "%06u", i++);
                host_store(h, name, pidfd);
        }
}

static void test_held(Host *h) {
        _cleanup_bus_ sd_bus *bus = open_bus(h);
        Actor vmms[PROCESSES];
        char socket[96];
        unsigned claimed = 0;
        double start;

        (void) snprintf(socket, sizeof(socket), "unix:path=%s", h->socket);
        (void) setenv("TEST_SOCKET", socket, 1);
        for (unsigned i = 0; i < PROCESSES; i++) {
                char name[16];
                char *path;

                (void) snprintf(name, sizeof(name), "vm%u", i);
                path = register_small(bus, name, TABLES, NO_UID);
                vmms[i] = actor_start(NO_UID, be_vmm, path);
                claimed += actor_hear(&vmms[i]) == 'y';
                free(path);
        }
        tap_eq(claimed, PROCESSES, "VMs are claimed");
        tap_ok(host_wait_stored(h, PROCESSES) == PROCESSES && host_stored_well(h), "their processes are stored");
        (void) sd_bus_flush_close_unref(TAKE_PTR(bus));
        host_kill_tced(h);
        multiply();
        store_all(h);
        start = now();
        if (!tap_ok(host_restart_tced(h, options), "with %u fds in the store, it starts again", MACHINES))
                return;
        printf("# in %.2f s\n", now() - start);
        bus = open_bus(h);
        tap_eq(count_machines(bus), MACHINES, "with all machines");
        tap_eq(host_stored(h), MACHINES, "all are still in the store, once");
        tap_ok(count_fds(h->tced_pid) >= (int) MACHINES, "it holds them");
        for (unsigned i = 0; i < PROCESSES; i++)
                actor_kill(&vmms[i]);
        tap_eq(host_wait_stored(h, 0), 0, "their processes end, and the store is empty");
        tap_eq(count_machines(bus), 0, "and they are gone");
}

int main(void) {
        Host h;

        host_init(&h, 580);
        if (geteuid() != 0 || !host_start_bus(&h)) {
                tap_skip("needs root and a dbus-daemon", "many machines");
                host_done(&h);
                return tap_done();
        }
        find_place(&h);
        if (!host_start_tced(&h, options))
                bail_out("tced does not start");
        test_registered(&h);
        (void) unlink(state);
        if (!host_start_tced(&h, options))
                bail_out("tced does not start");
        test_held(&h);
        host_done(&h);
        (void) unlink(state);
        return tap_done();
}
