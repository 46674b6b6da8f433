/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fuzz-values.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define LONG_TEXT 70000
#define MANY 4096
#define DEPTH_MAX 6

#define XML "<domain type='kvm'><name>web1</name><uuid>00112233-4455-6677-8899-aabbccddeeff</uuid><memory>1048576</memory>" \
            "<os><type arch='ppc64le' machine='pseries'>hvm</type></os><devices>%s</devices></domain>"

static const char *const texts[] = {
        "", "x", "web1", "vio", "pci", "vfio", "user", "kernel", "auto", "yes", "no", "any", "debug", "info", "0", "-1", "4294967296",
        "eth0", "0000:01:00.0", "0000:02:00.0", "00112233-4455-6677-8899-aabbccddeeff", "00112233445566778899aabbccddeeff", "offered",
        "claimed", "..", "../../etc/passwd", "/", "%s%n%1000000d", "a\nb", "\001\037\177", "Gr\303\274\303\237e \342\202\254",
        "\363\240\200\201", "{}", "[]", "{\"version\":1}", "<domain/>", "<domain", "<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>",
        "org.tced1.Manager", "org.tced1.Machine", "org.tced1.Group", "org.tced1.Table", "org.freedesktop.DBus.Properties", "owner", "persistent",
        "/machine/qemu", "qemu-system-ppc64",
};

static const char *const paths[] = {
        "/", "/org", "/org/tced1", "/org/tced1/machine", "/org/tced1/machine/x", "/org/tced1/machine/_00", "/org/tced1/group/7",
        "/org/tced1/group/4294967296", "/org/tced1/group/_", "/org/freedesktop/LogControl1", "/org/tced1/machine/a/table/b/c",
};

static const char *const signatures[] = {
        "", "s", "u", "h", "v", "as", "ah", "av", "a{sv}", "(s)", "((((((s))))))", "aaaaaau", "a(ssuttubi)", "sss", "uuuuuuuu", "yynqiuxtd", "og",
        "a{oa{sa{sv}}}", "hhhh", "ssa(ssuttubi)a{sv}t",
};

/* splitmix64, the same on every host */
uint64_t random_next(Random *r) {
        uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        return z ^ (z >> 31);
}

size_t random_below(Random *r, size_t n) {
        return (size_t) (random_next(r) % n);
}

bool random_one_in(Random *r, size_t n) {
        return random_below(r, n) == 0;
}

const char *random_signature(Random *r) {
        return signatures[random_below(r, ELEMENTSOF(signatures))];
}

static uint64_t random_number(Random *r) {
        static const uint64_t edges[] = {
                0, 1, 2, 3, 7, 8, 11, 12, 13, 16, 21, 24, 34, 63, 64, 255, 256, 4095, 4096, 65535, 65536, 0x100000, 0x200000, 0x10000000,
                0x71000000, 0x71000001, 0x71000002, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x800000000000000, INT64_MAX,
                (uint64_t) INT64_MAX + 1, UINT64_MAX - 1, UINT64_MAX,
        };

        return random_one_in(r, 8) ? random_next(r) : edges[random_below(r, ELEMENTSOF(edges))];
}

static int append_text(Random *r, const Known *known, sd_bus_message *m) {
        static char text[2 * LONG_TEXT];

        switch (random_below(r, 16)) {
        case 0:
                if (r->long_texts_left == 0)
                        break;
                r->long_texts_left--;
                memset(text, 'a', LONG_TEXT);
                text[random_one_in(r, 2) ? random_below(r, 300) : LONG_TEXT] = '\0';
                return sd_bus_message_append_basic(m, 's', text);
        case 1:
                (void) snprintf(text, sizeof(text), XML, random_one_in(r, 2) ? "" : "<controller type='pci' index='1' model='pci-root'/>");
                return sd_bus_message_append_basic(m, 's', text);
        case 2:
        case 3:
        case 4:
        case 5:
                if (known->n_words > 0)
                        return sd_bus_message_append_basic(m, 's', known->words[random_below(r, known->n_words)]);
        }
        return sd_bus_message_append_basic(m, 's', texts[random_below(r, ELEMENTSOF(texts))]);
}

static int append_path(Random *r, const Known *known, sd_bus_message *m) {
        if (known->n_paths > 0 && random_one_in(r, 2))
                return sd_bus_message_append_basic(m, 'o', known->paths[random_below(r, known->n_paths)]);
        return sd_bus_message_append_basic(m, 'o', paths[random_below(r, ELEMENTSOF(paths))]);
}

/* An fd of any kind; negative where this host has none. */
static int open_some(Random *r) {
        int two[2] = { -EBADF, -EBADF };

        switch (random_below(r, 11)) {
        case 0:
                return sys_pidfd_open(getpid(), 0);
        case 1:
                return sys_pidfd_open(getppid(), 0);
        case 2:
                return memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        case 3:
                if (pipe2(two, O_CLOEXEC) < 0)
                        return -errno;
                break;
        case 4:
                if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, two) < 0)
                        return -errno;
                break;
        case 5:
                return open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        case 6:
                return open("/proc/self/exe", O_PATH | O_CLOEXEC);
        case 7:
                return eventfd(0, EFD_CLOEXEC);
        case 8:
                return epoll_create1(EPOLL_CLOEXEC);
        case 9:
                return open("/proc/self/mem", O_RDWR | O_CLOEXEC);
        default:
                return open("/dev/null", O_RDWR | O_CLOEXEC);
        }
        (void) close(two[random_below(r, 2)]);
        return fcntl(two[0], F_GETFD) >= 0 ? two[0] : two[1];
}

static int append_fd(Random *r, sd_bus_message *m) {
        _cleanup_fd_ int fd = r->fds_left > 0 ? open_some(r) : -E2BIG;

        r->fds_left -= r->fds_left > 0;
        return fd < 0 ? fd : sd_bus_message_append_basic(m, 'h', &fd);
}

static int append_basic(Random *r, const Known *known, sd_bus_message *m, char type) {
        union {
                uint8_t y;
                uint16_t q;
                int b;
                uint64_t t;
                uint32_t u;
                double d;
        } value = {};
        uint64_t number = random_number(r);

        switch (type) {
        case 's':
                return append_text(r, known, m);
        case 'o':
                return append_path(r, known, m);
        case 'g':
                return sd_bus_message_append_basic(m, type, random_signature(r));
        case 'h':
                return append_fd(r, m);
        case 'y':
                value.y = (uint8_t) number;
                break;
        case 'n':
        case 'q':
                value.q = (uint16_t) number;
                break;
        case 'b':
                value.b = (int) (number & 1);
                break;
        case 'i':
        case 'u':
                value.u = random_one_in(r, 8) ? UINT32_MAX : (uint32_t) number;
                break;
        case 'd':
                value.d = number & 1 ? (double) number : -1.0 / 0.0;
                break;
        default:
                value.t = number;
        }
        return sd_bus_message_append_basic(m, type, &value);
}

/* How long the single complete type at the start of a signature is. */
static size_t type_length(const char *signature) {
        size_t depth = 0, n = 0;

        while (signature[n] == 'a')
                n++;
        do {
                depth += signature[n] == '(' || signature[n] == '{';
                depth -= signature[n] == ')' || signature[n] == '}';
                n++;
        } while (depth > 0);
        return n;
}

static int append_all(Random *r, const Known *known, sd_bus_message *m, const char *signature, unsigned depth);

/* contents: without what stands around them. */
static int append_container(Random *r, const Known *known, sd_bus_message *m, char type, const char *contents, unsigned depth) {
        int e = sd_bus_message_open_container(m, type, contents);

        if (e >= 0)
                e = append_all(r, known, m, contents, depth + 1);
        return e < 0 ? e : sd_bus_message_close_container(m);
}

static int append_array(Random *r, const Known *known, sd_bus_message *m, const char *contents, unsigned depth) {
        static const size_t few[] = { 0, 1, 1, 1, 2, 2, 3, 17 };
        size_t n = few[random_below(r, ELEMENTSOF(few))];
        int e = sd_bus_message_open_container(m, 'a', contents);

        if (depth == 0 && random_one_in(r, 16))
                n = *contents == 'h' ? r->fds_left : *contents == 's' ? 300 : MANY;
        if (depth > 2 && n > 1)
                n = 1;
        while (e >= 0 && n-- > 0)
                e = append_all(r, known, m, contents, depth + 1);
        return e < 0 ? e : sd_bus_message_close_container(m);
}

static int append_one(Random *r, const Known *known, sd_bus_message *m, const char *type, unsigned depth) {
        _cleanup_free_ char *contents = strdup(type + 1);

        if (!contents)
                return -ENOMEM;
        switch (*type) {
        case 'a':
                return append_array(r, known, m, contents, depth);
        case 'v':
                return append_container(r, known, m, 'v', depth > DEPTH_MAX ? "u" : (const char *[]) { "s", "u", "t", "b", "h", "as", "v", "a{sv}" }
                                        [random_below(r, 8)], depth);
        case '(':
        case '{':
                contents[strlen(contents) - 1] = '\0';
                return append_container(r, known, m, *type == '(' ? 'r' : 'e', contents, depth);
        default:
                return append_basic(r, known, m, *type);
        }
}

static int append_all(Random *r, const Known *known, sd_bus_message *m, const char *signature, unsigned depth) {
        int e = 0;

        while (*signature && e >= 0) {
                size_t n = type_length(signature);
                _cleanup_free_ char *type = strndup(signature, n);

                e = type ? append_one(r, known, m, type, depth) : -ENOMEM;
                signature += n;
        }
        return e;
}

int random_append(Random *r, const Known *known, sd_bus_message *m, const char *signature) {
        return append_all(r, known, m, signature, 0);
}
