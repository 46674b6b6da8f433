/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One deadline is over all of it: reading the XML, connecting, the call. Behind it stands a timer of the kernel's, for what
 * should not block and does (a file system, the journal). */

#include "hook.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sys/time.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "config.h"
#include "domain_read.h"
#include "error.h"
#include "log.h"
#include "names.h"
#include "util.h"

#define USEC_PER_SEC UINT64_C(1000000)
/* What is left for saying why, once the deadline has passed. */
#define GRACE_USEC (USEC_PER_SEC / 2)

DEFINE_POINTER_CLEANUP(sd_bus, sd_bus_unref, bus_unrefp)
DEFINE_POINTER_CLEANUP(sd_bus_message, sd_bus_message_unref, message_unrefp)

typedef enum Operation {
        OPERATION_START,
        OPERATION_STARTED,
        OPERATION_RELEASE,
        OPERATION_RECONNECT,
        _OPERATION_MAX,
} Operation;

static const struct {
        const char *operation, *sub_operation; /* libvirt's */
        const char *method;
        uint64_t flags;
        const char *what; /* for the log: "tced was not told that web1 …" */
} operations[_OPERATION_MAX] = {
        [OPERATION_START] = { "start", "begin", "RegisterDomain", 0, "starts" },
        [OPERATION_STARTED] = { "started", "begin", "Audit", 0, "runs" }, /* of which no answer is waited for */
        [OPERATION_RELEASE] = { "release", "end", "ReleaseDomain", 0, "has ended" },
        [OPERATION_RECONNECT] = { "reconnect", "begin", "RegisterDomain", TCED_REGISTER_RUNNING, "runs on" },
};

typedef struct Hook {
        const HookPlaces *places;
        Operation operation;
        char name[TCED_DOMAIN_NAME_MAX + 1]; /* fit to be shown */
        uint64_t deadline; /* microseconds of CLOCK_MONOTONIC */
        bool required;     /* a start that tced could not be asked about is refused */
} Hook;

/* For the signal's handler. */
static volatile sig_atomic_t refuse_late_start;

static uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * USEC_PER_SEC + (uint64_t) t.tv_nsec / 1000;
}

static uint64_t time_left(const Hook *h) {
        uint64_t now = now_usec();

        return now < h->deadline ? h->deadline - now : 0;
}

static void on_alarm(int number) {
        static const char text[] = "tced could not be asked in time, and tced.conf has Required=yes in [Hook]\n";
        struct pollfd pfd = { .fd = STDERR_FILENO, .events = POLLOUT };

        /* Maybe nobody reads it, and that is what took so long. */
        if (refuse_late_start && poll(&pfd, 1, 0) > 0)
                (void) !write(STDERR_FILENO, text, sizeof(text) - 1);
        _exit(refuse_late_start ? 1 : 0);
}

static void set_alarm(uint64_t usec) {
        const struct itimerval timer = {
                .it_value = { .tv_sec = (time_t) (usec / USEC_PER_SEC), .tv_usec = (suseconds_t) (usec % USEC_PER_SEC) },
        };

        (void) setitimer(ITIMER_REAL, &timer, NULL);
}

/* Whoever starts us may have left these otherwise. */
static void set_signals(void) {
        const struct sigaction action = { .sa_handler = on_alarm };
        sigset_t set;

        (void) sigaction(SIGALRM, &action, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
        sigemptyset(&set);
        sigaddset(&set, SIGALRM);
        (void) sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* What we open must not become standard error. */
static void fill_standard_fds(void) {
        int fd;

        do
                fd = open("/dev/null", O_RDWR);
        while (fd >= 0 && fd <= STDERR_FILENO);
        (void) fd_close(fd);
}

/* The name as it may stand in a log. */
static void copy_name(Hook *h, const char *name) {
        (void) snprintf(h->name, sizeof(h->name), "%s", name);
        for (char *c = utf8_mend(h->name); *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        *c = '?';
}

/* tced could not be asked, or failed. */
static _printf_(2, 3) int fail(const Hook *h, const char *format, ...) {
        bool refuse = h->operation == OPERATION_START && h->required;
        char why[1024];
        va_list ap;

        /* Nothing is lost: tced looks at VMs by itself, too; and its absence was said when this one was to start. */
        if (h->operation == OPERATION_STARTED)
                return EXIT_SUCCESS;
        va_start(ap, format);
        (void) vsnprintf(why, sizeof(why), format, ap);
        va_end(ap);
        log_warning("libvirt's hook could not tell tced that %s %s: %s%s", h->name, operations[h->operation].what, why,
                    refuse ? ". Refused, as tced.conf has Required=yes in [Hook]" : "");
        if (!refuse)
                return EXIT_SUCCESS;
        (void) fprintf(stderr, "tced could not be asked about %s: %s\n"
                       "Set Required=no in [Hook] of tced.conf to start VMs without it\n", h->name, why);
        return EXIT_FAILURE;
}

/* Standard input to its end, terminated. 0, -ETIMEDOUT, -EFBIG or another negative errno. */
static int read_xml(const Hook *h, char **ret) {
        _cleanup_free_ char *text = malloc(DOMAIN_XML_MAX + 2);
        size_t have = 0;

        if (!text)
                return -ENOMEM;
        for (;;) {
                struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
                ssize_t n;
                int r;

                r = poll(&pfd, 1, (int) (time_left(h) / 1000));
                if (r == 0)
                        return -ETIMEDOUT;
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r < 0)
                        continue;
                n = read(STDIN_FILENO, text + have, DOMAIN_XML_MAX + 1 - have);
                if (n < 0 && errno != EINTR && errno != EAGAIN)
                        return -errno;
                if (n == 0)
                        break;
                have += n > 0 ? (size_t) n : 0;
                if (have > DOMAIN_XML_MAX)
                        return -EFBIG;
        }
        text[have] = '\0';
        if (have == 0)
                return -ENODATA;
        if (strlen(text) != have || !utf8_valid(text))
                return -EILSEQ;
        *ret = TAKE_PTR(text);
        return 0;
}

static const char *xml_error(int error) {
        switch (-error) {
        case ETIMEDOUT:
                return "libvirt did not give its XML in time";
        case EFBIG:
                return "its XML is longer than tced reads";
        case ENODATA:
                return "libvirt gave no XML";
        case EILSEQ:
                return "its XML is no UTF-8";
        default:
                return strerror(-error);
        }
}

/* Connects, and waits until the connection is authenticated: sd_bus_call() would do so for as long as it takes. */
static int connect_tced(const Hook *h, sd_bus **ret) {
        _cleanup_(bus_unrefp) sd_bus *bus = NULL;
        char address[256];
        int r;

        (void) snprintf(address, sizeof(address), "unix:path=%s", h->places->socket);
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_start(bus);
        while (r >= 0) {
                uint64_t left;

                r = sd_bus_is_ready(bus);
                if (r > 0) {
                        *ret = TAKE_PTR(bus);
                        return 0;
                }
                if (r == 0)
                        r = sd_bus_process(bus, NULL);
                if (r != 0)
                        continue;
                left = time_left(h);
                r = left > 0 ? sd_bus_wait(bus, left) : -ETIMEDOUT;
                if (r == -EINTR)
                        r = 0;
        }
        return r;
}

static int fail_connect(const Hook *h, int error) {
        switch (-error) {
        case ENOENT:
        case ECONNREFUSED:
                return fail(h, "tced does not run; start it: systemctl start tced");
        case ETIMEDOUT:
        case EAGAIN: /* so many wait to be let in that the kernel takes no more */
                return fail(h, "tced does not answer; see what holds it up: journalctl -u tced");
        default:
                return fail(h, "can't connect to %s: %s", h->places->socket, strerror(-error));
        }
}

/* What tced has answered, if it is no success. */
static int answer(const Hook *h, int error, const sd_bus_error *e) {
        if (h->operation == OPERATION_START && sd_bus_error_has_name(e, TCED_ERROR_DOMAIN_REFUSED)) {
                (void) fprintf(stderr, "%s\n", e->message);
                return EXIT_FAILURE;
        }
        /* It ended with its process, or tced was away when it started. */
        if (h->operation == OPERATION_RELEASE && sd_bus_error_has_name(e, TCED_ERROR_NO_SUCH_MACHINE))
                return EXIT_SUCCESS;
        if (error == -ETIMEDOUT || sd_bus_error_has_name(e, SD_BUS_ERROR_NO_REPLY))
                return fail(h, "tced does not answer; see what holds it up: journalctl -u tced");
        return fail(h, "%s", e->message ? e->message : strerror(-error));
}

/* libvirt waits for us while it holds the VM's lock: whoever looks at the VM does so without us. */
static int send_only(const Hook *h, sd_bus *bus, sd_bus_message *m) {
        int r = sd_bus_message_set_expect_reply(m, 0);

        if (r >= 0)
                r = sd_bus_send(bus, m, NULL);
        if (r >= 0)
                r = sd_bus_flush(bus);
        return r < 0 ? fail(h, "%s", strerror(-r)) : EXIT_SUCCESS;
}

static int tell(const Hook *h) {
        _cleanup_(message_unrefp) sd_bus_message *m = NULL;
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(bus_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *xml = NULL;
        uint64_t left;
        int r;

        r = h->operation == OPERATION_STARTED ? 0 : read_xml(h, &xml);
        if (r < 0)
                return fail(h, "%s", xml_error(r));
        r = connect_tced(h, &bus);
        if (r < 0)
                return fail_connect(h, r);
        r = sd_bus_message_new_method_call(bus, &m, NULL, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, operations[h->operation].method);
        if (r >= 0 && xml)
                r = sd_bus_message_append(m, "s", xml);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", operations[h->operation].flags);
        if (r < 0)
                return fail(h, "the call can't be made: %s", strerror(-r));
        if (h->operation == OPERATION_STARTED)
                return send_only(h, bus, m);
        left = time_left(h);
        r = left > 0 ? sd_bus_call(bus, m, left, &error, NULL) : -ETIMEDOUT;
        return r < 0 ? answer(h, r, &error) : EXIT_SUCCESS;
}

/* Which of ours it is; false: none, of which nothing is to be said. */
static bool find_operation(int argc, char *argv[], Operation *ret) {
        for (int i = 0; argc >= 4 && i < _OPERATION_MAX; i++)
                if (streq(argv[2], operations[i].operation) && streq(argv[3], operations[i].sub_operation)) {
                        *ret = (Operation) i;
                        return true;
                }
        return false;
}

int hook_main(int argc, char *argv[], const HookPlaces *places) {
        Hook h = { .places = places };
        Config config = {};
        uint64_t start;

        /* A user's own libvirt (qemu:///session) may run it too. */
        if (!find_operation(argc, argv, &h.operation) || geteuid() != 0)
                return EXIT_SUCCESS;
        start = now_usec();
        set_signals();
        fill_standard_fds();
        program_invocation_short_name = (char *) "tced-hook"; /* as which it is in the journal */
        (void) log_set_target(access(places->journal, F_OK) == 0 ? "journal" : "console");
        set_alarm(2 * USEC_PER_SEC + GRACE_USEC);
        /* What is wrong with it is tced's to tell. */
        if (config_load(places->config_root, NULL, NULL, &config) < 0)
                return EXIT_SUCCESS;
        copy_name(&h, argv[1]);
        h.required = config.hook_required;
        h.deadline = start + config.hook_timeout_usec;
        refuse_late_start = h.required && h.operation == OPERATION_START;
        set_alarm(config.hook_timeout_usec + GRACE_USEC);
        config_clear(&config);
        return tell(&h);
}
