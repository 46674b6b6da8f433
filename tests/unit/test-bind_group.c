/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind_group.c in a loop, with a socket on which this test, as a service manager would, starts a worker for each connection: bind_work.c on a
 * made-up host (fake-sysfs.c). Whatever becomes of a worker, whoever asked is answered once, and the group is wholly one thing or the other. */

#include "bind_group.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "bind_record.h"
#include "bind_work.h"
#include "event-loop.h"
#include "fake-sysfs.h"
#include "log.h"
#include "tap.h"

#define A "0001:00:00.0"
#define B "0001:00:00.1"
#define BEFORE A " nvme -\n" B " - -\n"
#define BOUND A " vfio-pci vfio-pci\n" B " vfio-pci vfio-pci\n"
/* Long enough for a worker to be at its step on a host that is busy. */
#define DEADLINE (3 * SECOND_USEC)

/* How the service manager serves. */
typedef enum Mood {
        MOOD_WORKS,
        MOOD_HANGS_UP, /* at once */
        MOOD_LEAVES_WAITING,
        MOOD_SLOW, /* workers that take half a second before they begin */
} Mood;

typedef struct Stage {
        FakeHost host;
        sd_event *event;
        BindGroups *groups;
        BindGroupPlaces places;
        char socket[96];
        sd_event_source *listener;
        Mood mood;
        unsigned workers, changes, most; /* most at a time */
        pid_t last;
        int waiting; /* of MOOD_LEAVES_WAITING */
} Stage;

typedef struct Told {
        unsigned calls;
        BindReply reply;
} Told;

static void work(Stage *s, int connection) {
        const BindPlaces places = { .kernel = &bind_kernel, .sys = s->host.sys, .dev = s->host.dev, .records = s->host.records };

        s->workers++;
        s->last = fork();
        if (s->last != 0)
                return;
        /* A process of its own has none of this one's. */
        (void) dup2(connection, 3);
        (void) close_range(4, ~0U, 0);
        if (s->mood == MOOD_SLOW)
                (void) usleep(SECOND_USEC / 2);
        (void) bind_work_serve(&places, 3);
        _exit(0);
}

static int on_work(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        _cleanup_fd_ int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        Stage *s = userdata;

        if (s->mood == MOOD_LEAVES_WAITING)
                s->waiting = TAKE_FD(connection);
        else if (s->mood != MOOD_HANGS_UP)
                work(s, connection);
        while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
        return 0;
}

static void on_change(void *userdata) {
        ((Stage *) userdata)->changes++;
}

static void stage_listen(Stage *s) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", s->socket);
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 64) < 0 ||
            sd_event_add_io(s->event, &s->listener, fd, EPOLLIN, on_work, s) < 0)
                exit(EXIT_FAILURE);
        (void) sd_event_source_set_io_fd_own(s->listener, 1);
}

static void stage_start(Stage *s) {
        if (bind_groups_new(s->event, &s->places, on_change, s, &s->groups) < 0)
                exit(EXIT_FAILURE);
}

static Stage *stage_make(void) {
        Stage *s = calloc(1, sizeof(*s));

        if (!s)
                exit(EXIT_FAILURE);
        *s = (Stage) { .host = fake_host_make(), .event = loop_new(), .waiting = -EBADF };
        (void) snprintf(s->socket, sizeof(s->socket), "%s/work", s->host.root);
        fake_add_driver(&s->host, "nvme");
        fake_add_device(&s->host, A, 7, NULL, "nvme", NULL, "nvme");
        fake_add_device(&s->host, B, 7, NULL, NULL, NULL, "");
        fake_plan(&s->host, "");
        s->places = (BindGroupPlaces) { .records = s->host.records, .work_socket = s->socket, .deadline_usec = DEADLINE };
        stage_listen(s);
        stage_start(s);
        return s;
}

static void stage_remove(Stage *s) {
        s->groups = bind_groups_free(s->groups);
        (void) sd_event_source_disable_unref(s->listener);
        (void) fd_close(s->waiting);
        (void) sd_event_unref(s->event);
        while (waitpid(-1, NULL, 0) > 0)
                ;
        fake_host_remove(&s->host);
        free(s);
}

static void on_told(const BindReply *reply, void *userdata) {
        Told *told = userdata;

        told->calls++;
        told->reply = *reply;
}

static void ask(Stage *s, BindOperation operation, Told *told) {
        static const char *const addresses[] = { B, A };
        BindRequest request = { .id = 9, .operation = operation, .group = 7 };

        (void) bind_request_set_addresses(&request, addresses, 2);
        bind_groups_ask(s->groups, &request, on_told, told);
}

/* Asks and waits; the error. */
static int perform(Stage *s, BindOperation operation, Told *told) {
        *told = (Told) {};
        ask(s, operation, told);
        (void) loop_until(s->event, &told->calls, 1, LOOP_LIMIT_USEC);
        return told->calls == 1 ? told->reply.error : -1;
}

/* Runs until no operation is left. */
static bool settle(Stage *s) {
        uint64_t end = monotonic_usec() + LOOP_LIMIT_USEC;

        while (bind_groups_running(s->groups) > 0 && monotonic_usec() < end)
                (void) sd_event_run(s->event, 100000);
        return bind_groups_running(s->groups) == 0;
}

static int state_of(const Stage *s, char why[BIND_TEXT_MAX]) {
        _cleanup_fd_ int dir = open(s->host.records, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        BindRecord record = {};
        int r = bind_record_read(dir, A ".json", &record);
        int state = r >= 0 ? (int) record.state : -1;

        if (why)
                (void) strcpy(why, record.why);
        bind_record_clear(&record);
        return state;
}

static bool is(const Stage *s, const char *want, int state) {
        char now[512];

        fake_describe(&s->host, now, sizeof(now));
        if (!streq(now, want) || state_of(s, NULL) != state)
                printf("# have state %d, want %d, and:\n# %s\n", state_of(s, NULL), state, now);
        return streq(now, want) && state_of(s, NULL) == state;
}

static void test_simple(void) {
        Stage *s = stage_make();
        unsigned fds = count_fds();
        struct stat st;
        Told told;

        tap_eq(perform(s, BIND_BIND_GROUP, &told), 0, "bound");
        tap_ok(is(s, BOUND, BIND_BOUND) && told.reply.id == 9 && told.reply.fd < 0, "wholly");
        tap_ok(bind_groups_running(s->groups) == 0 && s->changes == 1, "nothing goes on then");
        tap_eq(perform(s, BIND_BIND_GROUP, &told), 0, "bound again");
        tap_eq(perform(s, BIND_RELEASE_GROUP, &told), 0, "given back");
        tap_ok(is(s, BEFORE, -1), "wholly");
        tap_ok(perform(s, BIND_RELEASE_GROUP, &told) == ENOENT && strstr(told.reply.text, "there is nothing to give back"), "once: %s", told.reply.text);
        tap_eq(count_fds(), fds, "no fd is left");
        s->groups = bind_groups_free(s->groups);
        (void) snprintf(s->host.records + strlen(s->host.records), 8, "/new");
        stage_start(s);
        tap_ok(stat(s->host.records, &st) == 0 && (st.st_mode & 0777) == 0755, "a folder of records that is not there is made, for all to read");
        s->groups = bind_groups_free(s->groups);
        (void) snprintf(s->host.records, sizeof(s->host.records), "/nonexistent/records");
        tap_eq(bind_groups_new(s->event, &s->places, on_change, s, &s->groups), -ENOENT, "where it can't be, that is said");
        stage_remove(s);
}

/* Workers that die, once and more often. */
static void test_deaths(void) {
        static const struct {
                const char *name, *plan;
                BindOperation operation;
                int error;
                const char *text; /* part of it */
                const char *after;
                int state;
        } cases[] = {
                { "a worker that is killed before it has changed a thing", "1 kill-before", BIND_BIND_GROUP, EIO, "the worker ended before it was done; all is as it was",
                  BEFORE, -1 },
                { "a worker that is killed when it binds", "3 kill-after", BIND_BIND_GROUP, EIO, "the worker ended before it was done; all is as it was", BEFORE, -1 },
                { "a worker that is killed at its last write", "5 kill-after", BIND_BIND_GROUP, EIO, "all is as it was", BEFORE, -1 },
                { "a worker that is killed when it gives back", "3 kill-after", BIND_RELEASE_GROUP, 0, "", BEFORE, -1 },
                { "two workers", "3 kill-after\n5 kill-before", BIND_BIND_GROUP, EIO, "all is as it was", BEFORE, -1 },
                { "every worker", "* kill-before", BIND_BIND_GROUP, EIO, "all is as it was", BEFORE, -1 },
                { "every worker, when something is changed", "3 kill-after\n4 kill-before\n5 kill-before\n6 kill-before", BIND_BIND_GROUP, ENOTRECOVERABLE,
                  "the group is half done, and 3 workers that should put it back ended before", NULL, BIND_BINDING },
                { "what can't be put back", "3 kill-after\n4 fail\n5 fail\n6 fail", BIND_BIND_GROUP, ENOTRECOVERABLE, A ": ", NULL, BIND_FAILED },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Stage *s = stage_make();
                char after[512];
                Told told;

                if (cases[i].operation == BIND_RELEASE_GROUP)
                        (void) perform(s, BIND_BIND_GROUP, &told);
                fake_plan(&s->host, cases[i].plan);
                tap_eq(perform(s, cases[i].operation, &told), cases[i].error, "%s", cases[i].name);
                tap_ok(strstr(told.reply.text, cases[i].text), "%s: '%s'", cases[i].name, told.reply.text);
                fake_describe(&s->host, after, sizeof(after));
                tap_ok(is(s, cases[i].after ? cases[i].after : after, cases[i].state), "%s: what is left", cases[i].name);
                tap_ok(settle(s) && told.calls == 1, "%s: answered once", cases[i].name);
                fake_plan(&s->host, "");
                if (cases[i].state >= 0)
                        tap_ok(perform(s, BIND_RELEASE_GROUP, &told) == 0 && is(s, BEFORE, -1), "%s: can be given back later (%s)", cases[i].name,
                               told.reply.text);
                stage_remove(s);
        }
}

static void test_hanging(void) {
        static const struct {
                const char *name, *plan;
                BindOperation operation;
                const char *step;
        } cases[] = {
                { "a bind that hangs", "2 hang", BIND_BIND_GROUP, B ": probing for vfio-pci" },
                { "an unbind that hangs", "4 hang", BIND_BIND_GROUP, A ": unbinding it from nvme" },
                { "giving back hangs", "1 hang", BIND_RELEASE_GROUP, A ": unbinding it from vfio-pci" },
                { "a bind that hangs and is killed", "3 hang-kill", BIND_BIND_GROUP, ": " },
                { "giving back hangs and is killed", "3 hang-kill", BIND_RELEASE_GROUP, ": " },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Stage *s = stage_make();
                uint64_t start;
                char why[BIND_TEXT_MAX];
                Told told, other = {};

                if (cases[i].operation == BIND_RELEASE_GROUP)
                        (void) perform(s, BIND_BIND_GROUP, &told);
                fake_plan(&s->host, cases[i].plan);
                start = monotonic_usec();
                tap_eq(perform(s, cases[i].operation, &told), ETIMEDOUT, "%s: %s", cases[i].name, told.reply.text);
                tap_ok(monotonic_usec() - start >= DEADLINE && monotonic_usec() - start < 5 * slack() * DEADLINE, "%s: at the deadline", cases[i].name);
                tap_ok(strstr(told.reply.text, cases[i].step) && strstr(told.reply.text, "the kernel has not finished within 3 s; when it has, all is put back"),
                       "%s: what hangs, and what becomes of it", cases[i].name);
                tap_ok(state_of(s, why) == BIND_STUCK && streq(why, told.reply.text), "%s: the record says it as well", cases[i].name);
                tap_eq(bind_groups_running(s->groups), 1, "%s: it is still watched", cases[i].name);
                tap_ok(perform(s, BIND_BIND_GROUP, &other) == EALREADY && streq(other.reply.text, why), "%s: who asks for it then is told", cases[i].name);
                fake_plan(&s->host, "");
                (void) fake_wait_hung(&s->host);
                fake_let_go(&s->host);
                tap_ok(settle(s) && is(s, BEFORE, -1), "%s: when it is let go, all is put back", cases[i].name);
                tap_eq(told.calls, 1, "%s: answered once", cases[i].name);
                tap_ok(perform(s, BIND_BIND_GROUP, &told) == 0 && is(s, BOUND, BIND_BOUND), "%s: then it can be bound", cases[i].name);
                stage_remove(s);
        }
}

/* Workers that can't be had. */
static void test_no_workers(void) {
        Stage *s = stage_make();
        Told told;

        s->mood = MOOD_HANGS_UP;
        tap_ok(perform(s, BIND_BIND_GROUP, &told) == EIO && strstr(told.reply.text, "journalctl -u 'tced-bind-work@*'"), "a worker that is not started: %s",
               told.reply.text);
        s->mood = MOOD_LEAVES_WAITING;
        tap_ok(perform(s, BIND_BIND_GROUP, &told) == ETIMEDOUT && strstr(told.reply.text, "has not begun within 3 s, and will not"), "one that does not begin: %s",
               told.reply.text);
        s->mood = MOOD_WORKS;
        work(s, s->waiting);
        s->waiting = fd_close(s->waiting);
        tap_ok(settle(s) && is(s, BEFORE, -1) && fake_count(&s->host) == 0, "when it is started later, it does nothing");
        s->listener = sd_event_source_disable_unref(s->listener);
        tap_ok(perform(s, BIND_BIND_GROUP, &told) == EHOSTDOWN && strstr(told.reply.text, "Connection refused: systemctl start tced-bind-work.socket"),
               "nobody listens: %s", told.reply.text);
        (void) unlink(s->socket);
        tap_ok(perform(s, BIND_BIND_GROUP, &told) == EHOSTDOWN && strstr(told.reply.text, "No such file or directory: systemctl start"), "no socket");
        tap_eq(bind_groups_running(s->groups), 0, "nothing goes on");
        stage_remove(s);

        /* It goes away between a worker and the one that should put back. */
        s = stage_make();
        s->mood = MOOD_SLOW;
        fake_plan(&s->host, "3 kill-after");
        told = (Told) {};
        ask(s, BIND_BIND_GROUP, &told);
        while (s->workers == 0)
                (void) sd_event_run(s->event, 100000);
        s->listener = sd_event_source_disable_unref(s->listener);
        (void) loop_until(s->event, &told.calls, 1, LOOP_LIMIT_USEC);
        tap_ok(told.reply.error == ENOTRECOVERABLE && strstr(told.reply.text, "no worker can be had to put it back"), "none to put back: %s", told.reply.text);
        (void) unlink(s->socket);
        stage_listen(s);
        s->mood = MOOD_WORKS;
        bind_groups_recover(s->groups);
        tap_ok(settle(s) && is(s, BEFORE, -1), "a start puts it back");
        stage_remove(s);
}

/* More at once than there are workers. */
static void test_many(void) {
        enum { N = 40 };
        Stage *s = stage_make();
        Told told[N] = {};
        unsigned bound = 0, most = 0, before;
        char address[BIND_ADDRESS_MAX + 1];

        /* None of these is to be late. */
        s->groups = bind_groups_free(s->groups);
        s->places.deadline_usec = 3 * LOOP_LIMIT_USEC;
        stage_start(s);
        for (unsigned i = 0; i < N; i++) {
                const char *const list[] = { address };
                BindRequest request = { .operation = BIND_BIND_GROUP, .group = 100 + i };

                (void) snprintf(address, sizeof(address), "0002:%02x:00.0", i);
                fake_add_device(&s->host, address, 100 + i, NULL, "nvme", NULL, "nvme");
                (void) bind_request_set_addresses(&request, list, 1);
                bind_groups_ask(s->groups, &request, on_told, &told[i]);
        }
        (void) usleep(100000);
        tap_eq(bind_groups_running(s->groups), N, "all that were asked go on or wait");
        before = 0;
        while (bind_groups_running(s->groups) > 0) {
                unsigned done = 0;

                if (sd_event_run(s->event, LOOP_LIMIT_USEC) <= 0)
                        break;
                for (unsigned i = 0; i < N; i++)
                        done += told[i].calls;
                most = s->workers - before > most ? s->workers - before : most;
                before = done;
        }
        for (unsigned i = 0; i < N; i++)
                bound += told[i].calls == 1 && told[i].reply.error == 0;
        tap_eq(bound, N, "each is bound");
        tap_ok(most <= 17 && s->workers == N, "by a worker each, and no more than 16 at a time (%u)", most);
        stage_remove(s);
}

/* What an earlier tced-bind has left. */
static void test_restart(void) {
        Stage *s = stage_make();
        char name[128];
        Told told = {}, later = {};
        FILE *file;

        /* It is killed, and its worker as well. */
        fake_plan(&s->host, "3 kill-after");
        ask(s, BIND_BIND_GROUP, &told);
        while (s->workers == 0)
                (void) sd_event_run(s->event, 100000);
        (void) waitpid(s->last, NULL, 0);
        s->groups = bind_groups_free(s->groups);
        tap_ok(told.calls == 0 && state_of(s, NULL) == BIND_BINDING, "a half-bound group is left");
        fake_plan(&s->host, "");
        stage_start(s);
        bind_groups_recover(s->groups);
        tap_ok(bind_groups_running(s->groups) == 1 && settle(s) && is(s, BEFORE, -1), "a start puts it back");

        (void) perform(s, BIND_BIND_GROUP, &told);
        fake_plan(&s->host, "2 kill-before");
        ask(s, BIND_RELEASE_GROUP, &later);
        while (s->workers < 4)
                (void) sd_event_run(s->event, 100000);
        (void) waitpid(s->last, NULL, 0);
        s->groups = bind_groups_free(s->groups);
        tap_eq(state_of(s, NULL), BIND_RELEASING, "a group that is half given back");
        fake_plan(&s->host, "");
        stage_start(s);
        bind_groups_recover(s->groups);
        tap_ok(settle(s) && is(s, BEFORE, -1), "a start gives it back");

        (void) perform(s, BIND_BIND_GROUP, &told);
        s->groups = bind_groups_free(s->groups);
        (void) snprintf(name, sizeof(name), "%s/0002:00:00.0.json", s->host.records);
        file = fopen(name, "we");
        (void) fputs("nonsense", file);
        (void) fclose(file);
        stage_start(s);
        bind_groups_recover(s->groups);
        tap_ok(bind_groups_running(s->groups) == 0 && is(s, BOUND, BIND_BOUND) && access(name, F_OK) == 0, "what is bound stays so, and nonsense is let be");
        stage_remove(s);
}

/* It is killed, and its worker goes on. */
static void test_restart_with_worker(void) {
        Stage *s = stage_make();
        Told told = {};

        fake_plan(&s->host, "3 hang");
        ask(s, BIND_BIND_GROUP, &told);
        while (s->workers == 0)
                (void) sd_event_run(s->event, 100000);
        (void) fake_wait_hung(&s->host);
        s->groups = bind_groups_free(s->groups);
        stage_start(s);
        bind_groups_recover(s->groups);
        loop_for(s->event, DEADLINE / 3);
        tap_ok(bind_groups_running(s->groups) == 1 && state_of(s, NULL) == BIND_BINDING, "a worker of an earlier one is given its time");
        fake_let_go(&s->host);
        tap_ok(settle(s) && is(s, BOUND, BIND_BOUND), "it goes on alone, and finishes");

        (void) perform(s, BIND_RELEASE_GROUP, &told);
        fake_plan(&s->host, "3 hang");
        s->workers = 0;
        ask(s, BIND_BIND_GROUP, &told);
        while (s->workers == 0)
                (void) sd_event_run(s->event, 100000);
        (void) fake_wait_hung(&s->host);
        s->groups = bind_groups_free(s->groups);
        stage_start(s);
        bind_groups_recover(s->groups);
        tap_ok(settle(s) && state_of(s, NULL) == BIND_STUCK, "one that does not is stuck");
        bind_groups_recover(s->groups);
        tap_eq(bind_groups_running(s->groups), 0, "which a further start leaves alone");
        fake_let_go(&s->host);
        for (unsigned i = 0; i < 500 && state_of(s, NULL) >= 0; i++)
                (void) usleep(10000);
        tap_ok(is(s, BEFORE, -1), "and puts back when it is let go");

        /* The old worker is done within the deadline, and something new is asked that takes longer. */
        fake_plan(&s->host, "3 hang");
        s->workers = 0;
        ask(s, BIND_BIND_GROUP, &told);
        while (s->workers == 0)
                (void) sd_event_run(s->event, 100000);
        (void) fake_wait_hung(&s->host);
        s->groups = bind_groups_free(s->groups);
        stage_start(s);
        bind_groups_recover(s->groups);
        loop_for(s->event, DEADLINE / 2);
        fake_let_go(&s->host);
        for (unsigned i = 0; i < 500 && state_of(s, NULL) != BIND_BOUND; i++)
                (void) usleep(10000);
        fake_plan(&s->host, "1 hang");
        told = (Told) {};
        ask(s, BIND_RELEASE_GROUP, &told);
        loop_for(s->event, DEADLINE * 3 / 4);
        tap_eq(state_of(s, NULL), BIND_RELEASING, "the old one's deadline is not the new one's");
        fake_let_go(&s->host);
        tap_ok(settle(s) && told.calls == 1 && told.reply.error == 0 && is(s, BEFORE, -1), "which has its own");
        stage_remove(s);
}

int main(void) {
        (void) log_set_target("null");
        test_simple();
        test_deaths();
        test_hanging();
        test_no_workers();
        test_many();
        test_restart();
        test_restart_with_worker();
        return tap_done();
}
