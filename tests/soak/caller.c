/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A client that calls anything with anything, and dies: at some time by its leader's SIGKILL, or else in a way of its own. */

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "fuzz-calls.h"
#include "soak.h"

#define CALL_USEC (20 * UINT64_C(1000000))
#define CALLS_MAX 400U
/* So often it is looked again which objects there are. */
#define LOOK_AGAIN 50U
/* Between two calls, at most: 24 callers are to keep the daemon busy, not the machine. */
#define PAUSE_USEC 20000U

typedef struct Call {
        Caller *caller;
        Random random;
        Targets all;
        sd_bus *bus;
        uint32_t turns; /* of the daemon's, when it connected */
        unsigned number;
} Call;

static bool stopped(const Call *c) {
        return __atomic_load_n(&c->caller->shared->stop, __ATOMIC_RELAXED);
}

static void connect_again(Call *c) {
        char address[128];

        c->bus = sd_bus_close_unref(c->bus);
        (void) snprintf(address, sizeof(address), c->caller->on_peer ? "unix:path=%s" : "%s",
                        c->caller->on_peer ? c->caller->host->socket : c->caller->host->address);
        do
                c->turns = turns_now(c->caller->shared);
        while (!stopped(c) && try_address(address, !c->caller->on_peer, &c->bus) < 0 && usleep(20 * 1000) == 0);
}

/* Was the daemon there all the time? For a peer that is as long as its connection. */
static bool was_there(const Call *c, uint32_t turns) {
        turns = c->caller->on_peer ? c->turns : turns;
        return turns % 2 == 0 && turns_now(c->caller->shared) == turns;
}

static Outcome judge(const Call *c, int r, const sd_bus_error *error, uint32_t turns) {
        if (sd_bus_is_open(c->bus) <= 0)
                return was_there(c, turns) ? OUTCOME_WRONG : OUTCOME_AWAY;
        if (r >= 0)
                return OUTCOME_WELL;
        if (is_error_in_words(error->name, error->message))
                return streq(error->name, SD_BUS_ERROR_SERVICE_UNKNOWN) || streq(error->name, SD_BUS_ERROR_NAME_HAS_NO_OWNER)
                               ? OUTCOME_AWAY : OUTCOME_REFUSED;
        return was_there(c, turns) ? OUTCOME_WRONG : OUTCOME_AWAY;
}

/* What became of a call, which was made when the daemon had turned so often; member: NULL: it was one of a property. Gives r back. */
static int count_call(const Call *c, const char *path, const char *interface, const char *member, int r, const sd_bus_error *error, uint32_t turns) {
        Outcome outcome = judge(c, r, error, turns);

        if (outcome == OUTCOME_WRONG)
                print_line("%s: %s of %s, %s: %s: %s (%s)%s", c->caller->who, member ? member : "a property", interface, path,
                           error->name ? error->name : "no error", error->message ? error->message : "", strerror(r < 0 ? -r : 0),
                           sd_bus_is_open(c->bus) > 0 ? "" : ", and the connection is lost");
        figures_count(c->caller->shared, interface, member, outcome);
        return r;
}

/* Something to find: a machine, most often claimed, now and then with its tables. What root registered and did not claim is tidied up. */
static void make_machine(Call *c) {
        _cleanup_error_ sd_bus_error registering = SD_BUS_ERROR_NULL, claiming = SD_BUS_ERROR_NULL, acquiring = SD_BUS_ERROR_NULL;
        TestWindow w[] = { small_window(0), small_window(1), small_window(2) };
        uint32_t turns = turns_now(c->caller->shared);
        _cleanup_free_ char *path = NULL;
        char name[48];
        int r;

        for (size_t i = 1; i < ELEMENTSOF(w); i++)
                w[i].device = "slow";
        (void) snprintf(name, sizeof(name), "called-%d-%u", (int) getpid(), c->number);
        r = register_windows(c->bus, name, "", w, ELEMENTSOF(w), NO_UID, &path, &registering);
        if (count_call(c, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterMachine", r, &registering, turns) < 0 || random_one_in(&c->random, 4))
                return;
        r = claim(c->bus, path, &claiming);
        if (count_call(c, path, TCED_INTERFACE_MACHINE, "Claim", r, &claiming, turns) < 0 || random_one_in(&c->random, 2))
                return;
        r = acquire(c->bus, path, NULL, 0, &acquiring, NULL);
        (void) count_call(c, path, TCED_INTERFACE_MACHINE, "AcquireTables", r, &acquiring, turns);
}

static void call_one(Call *c) {
        const Target *t = targets_pick(&c->all, &c->random);
        _cleanup_message_ sd_bus_message *m = targets_call(&c->all, &c->random, c->bus, t);
        _cleanup_error_ sd_bus_error error = SD_BUS_ERROR_NULL;
        uint32_t turns = turns_now(c->caller->shared);

        if (!m)
                return;
        (void) count_call(c, t->path, t->interface, t->property ? NULL : t->member, sd_bus_call(c->bus, m, CALL_USEC, &error, NULL), &error, turns);
}

/* ---- ways to die ---- */

/* Describe(0) of the manager, whole: half of it is sent. */
static const char message[] = "l\1\0\1" "\10\0\0\0" "\1\0\0\0" "\67\0\0\0"
                              "\1\1o\0" "\12\0\0\0/org/tced1\0" "\0\0\0\0\0"
                              "\3\1s\0" "\10\0\0\0Describe\0" "\0\0\0\0\0\0\0"
                              "\10\1g\0\1t\0" "\0"
                              "\0\0\0\0\0\0\0\0";

/* n bytes, with a few fds, which whoever drops the message must close; one is the connection itself, which nobody else may then close. */
static void send_some(int fd, const char *bytes, size_t n, bool with_fds) {
        struct iovec iov = { .iov_base = (char *) bytes, .iov_len = n };
        const int fds[] = { STDIN_FILENO, STDOUT_FILENO, fd };
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(fds))];
        } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(fds)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (with_fds) {
                memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
                m.msg_control = &control;
                m.msg_controllen = sizeof(control);
        }
        (void) !sendmsg(fd, &m, MSG_NOSIGNAL);
}

/* A connection to the private socket that is closed amid its greeting, or amid a message. */
static void close_half_way(Call *c, bool greeted) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_fd_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char uid[16], greeting[128];
        int n;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", c->caller->host->socket);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return;
        (void) snprintf(uid, sizeof(uid), "%u", (unsigned) getuid());
        n = snprintf(greeting, sizeof(greeting), "%cAUTH EXTERNAL ", 0);
        for (const char *digit = uid; *digit; digit++)
                n += snprintf(greeting + n, sizeof(greeting) - (size_t) n, "%02x", (unsigned) *digit);
        n += snprintf(greeting + n, sizeof(greeting) - (size_t) n, "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
        send_some(fd, greeting, greeted ? (size_t) n : 1 + random_below(&c->random, (size_t) n - 1), false);
        if (!greeted)
                return;
        (void) usleep((useconds_t) random_below(&c->random, 5000));
        send_some(fd, message, 1 + random_below(&c->random, sizeof(message) - 2), random_one_in(&c->random, 2));
        (void) usleep((useconds_t) random_below(&c->random, 5000));
}

/* A call that is on its way, and maybe no way back. */
static void send_call(Call *c) {
        const Target *t = c->all.n_targets > 0 ? targets_pick(&c->all, &c->random) : NULL;
        _cleanup_message_ sd_bus_message *m = t ? targets_call(&c->all, &c->random, c->bus, t) : NULL;

        if (!m || sd_bus_send(c->bus, m, NULL) < 0)
                return;
        (void) sd_bus_flush(c->bus);
        figures_count(c->caller->shared, t->interface, t->property ? NULL : t->member, OUTCOME_UNHEARD);
}

_Noreturn static void die(Call *c) {
        static const Death ways[] = { DEATH_IN_CALL, DEATH_IN_CALL, DEATH_HALF_MESSAGE, DEATH_HALF_GREETING, DEATH_HALF_CLOSED, DEATH_LEFT };
        Death death = ways[random_below(&c->random, ELEMENTSOF(ways))];

        count_one(&c->caller->shared->deaths[death]);
        switch (death) {
        case DEATH_IN_CALL:
                for (size_t n = 1 + random_below(&c->random, 8); n > 0; n--)
                        send_call(c);
                (void) raise(SIGKILL);
                break;
        case DEATH_HALF_MESSAGE:
        case DEATH_HALF_GREETING:
                for (size_t n = 1 + random_below(&c->random, 8); n > 0; n--)
                        close_half_way(c, death == DEATH_HALF_MESSAGE);
                break;
        case DEATH_HALF_CLOSED:
                send_call(c);
                (void) shutdown(sd_bus_get_fd(c->bus), random_one_in(&c->random, 2) ? SHUT_WR : SHUT_RD);
                (void) usleep((useconds_t) random_below(&c->random, 20000));
                break;
        case DEATH_LEFT:
                (void) sd_bus_flush_close_unref(c->bus);
                break;
        case DEATH_KILLED:
        case DEATH_HOLDER_KILLED:
        case DEATH_HOLDER_CLOSED:
        case DEATH_HOLDER_LEFT:
        case N_DEATHS:
                break;
        }
        _exit(0);
}

void caller_run(int fd, void *userdata) {
        Call c = { .caller = userdata, .random = { .state = ((Caller *) userdata)->seed } };
        size_t calls = 20 + random_below(&c.random, CALLS_MAX);

        (void) fd;
        c.all.leave_alone = c.caller->root ? HELD_UUID : NULL;
        for (; c.number < calls && !stopped(&c); c.number++) {
                if (!c.bus || sd_bus_is_open(c.bus) <= 0) {
                        connect_again(&c);
                        if (!c.bus)
                                break;
                }
                if (c.number % LOOK_AGAIN == 0 || c.all.n_targets == 0) {
                        make_machine(&c);
                        targets_look(&c.all, c.bus);
                }
                if (c.all.n_targets > 0)
                        call_one(&c);
                (void) usleep((useconds_t) random_below(&c.random, PAUSE_USEC));
        }
        if (!c.bus)
                _exit(0);
        die(&c);
}
