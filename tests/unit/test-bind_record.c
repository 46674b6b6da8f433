/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* bind_record.c: what is written is read, and what tced-bind would never write is not. */

#include "bind_record.h"

#include <sys/stat.h>

#include "event-loop.h"
#include "tap.h"
#include "tree.h"

#define FIRST "0001:00:00.0"
#define FIRST_FILE FIRST ".json"

static int open_tree(const Tree *tree) {
        int fd = open(tree->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                exit(EXIT_FAILURE);
        return fd;
}

static void put(int dirfd, const char *name, const char *text) {
        _cleanup_fd_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t) strlen(text))
                exit(EXIT_FAILURE);
}

/* NULL is a value. */
static bool same(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static void test_round_trip(void) {
        static const struct {
                const char *address, *driver, *driver_override;
        } devices[] = {
                { FIRST, "nvme", NULL },
                { "0001:00:00.1", NULL, NULL },
                { "00010000:00:1f.7", "mlx5_core", "mlx5_core" },
                { "0001:00:00.3", NULL, "an \"override\" with\ttab" },
        };
        BindRecord record = { .key = FIRST, .state = BIND_STUCK, .group = UINT32_MAX, .why = "the kernel, \303\274" }, back = {};
        Tree tree = tree_new();
        int dir = open_tree(&tree);
        struct stat st;
        unsigned fds = count_fds();

        for (size_t i = 0; i < ELEMENTSOF(devices); i++)
                (void) bind_record_add(&record, devices[i].address, devices[i].driver, devices[i].driver_override);
        (void) umask(0077);
        tap_eq(bind_record_write(dir, &record), 0, "a record is written");
        tap_ok(fstatat(dir, FIRST_FILE, &st, 0) == 0 && (st.st_mode & 0777) == 0644, "for all to read, whatever the umask");
        tap_eq(bind_record_read(dir, FIRST_FILE, &back), 0, "and read");
        tap_ok(streq(back.key, FIRST) && back.state == BIND_STUCK && back.group == UINT32_MAX, "its name, state and group");
        tap_streq(back.why, record.why, "why");
        tap_eq(back.n_devices, ELEMENTSOF(devices), "all its devices");
        for (size_t i = 0; i < back.n_devices; i++)
                tap_ok(streq(back.devices[i].address, devices[i].address) && same(back.devices[i].driver, devices[i].driver) &&
                               same(back.devices[i].driver_override, devices[i].driver_override),
                       "device %s as it was", devices[i].address);
        bind_record_clear(&back);

        record.state = BIND_BOUND;
        tap_eq(bind_record_write(dir, &record), 0, "it is written again");
        tap_ok(bind_record_read(dir, FIRST_FILE, &back) == 0 && back.state == BIND_BOUND, "in the place of the first");
        bind_record_clear(&back);
        tap_ok(bind_record_remove(dir, FIRST) == 0 && bind_record_read(dir, FIRST_FILE, &back) == -ENOENT, "it is removed");
        tap_eq(bind_record_remove(dir, FIRST), 0, "which is no error a second time");
        tap_eq(count_fds(), fds, "no fd is left");
        (void) close(dir);
        tap_eq(bind_record_write(-EBADF, &record), -EBADF, "a folder that is not there");
        bind_record_clear(&record);
        tree_remove(&tree);
        for (int i = 0; i < _BIND_STATE_MAX; i++)
                tap_eq(bind_state_from_string(bind_state_to_string((BindState) i)), i, "state %d and back", i);
        tap_ok(bind_state_from_string("unbound") < 0, "no state of that name");
}

/* The largest that can be: it must be readable again. */
static void test_largest(void) {
        BindRecord record = { .key = FIRST, .state = BIND_BOUND }, back = {};
        Tree tree = tree_new();
        int dir = open_tree(&tree);
        char name[256], address[BIND_ADDRESS_MAX + 1];

        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        for (unsigned i = 0; i < BIND_DEVICES_MAX; i++) {
                (void) snprintf(address, sizeof(address), "00010000:00:%02x.%u", i / 8, i % 8);
                (void) bind_record_add(&record, address, name, name);
        }
        tap_ok(bind_record_write(dir, &record) == 0 && bind_record_read(dir, FIRST_FILE, &back) == 0 && back.n_devices == BIND_DEVICES_MAX,
               "256 devices whose drivers have long names");
        bind_record_clear(&back);
        (void) bind_record_add(&record, "0002:00:00.0", NULL, NULL);
        tap_ok(bind_record_write(dir, &record) == 0 && bind_record_read(dir, FIRST_FILE, &back) == -EBADMSG, "and one more");
        bind_record_clear(&record);
        (void) close(dir);
        tree_remove(&tree);
}

#define DEVICE "{\"address\":\"" FIRST "\",\"driver\":\"nvme\",\"driver_override\":null}"
#define RECORD(state, group, devices) "{\"state\":" state ",\"why\":\"\",\"group\":" group ",\"devices\":[" devices "]}"

static void test_nonsense(void) {
        static const struct {
                const char *name, *text;
                int want;
        } cases[] = {
                { "a record", RECORD("\"bound\"", "7", DEVICE), 0 },
                { "no driver is named", RECORD("\"bound\"", "7", "{\"address\":\"" FIRST "\"}"), 0 },
                { "a member that is not known", "{\"x\":1,\"state\":\"bound\",\"devices\":[" DEVICE "]}", 0 },
                { "empty", "", -EBADMSG },
                { "half of it", "{\"state\":\"bound\",\"devices\":[", -EBADMSG },
                { "an array", "[]", -EBADMSG },
                { "no state", "{\"devices\":[" DEVICE "]}", -EBADMSG },
                { "a state that there is not", RECORD("\"lost\"", "7", DEVICE), -EBADMSG },
                { "a state that is a number", RECORD("1", "7", DEVICE), -EBADMSG },
                { "a group below zero", RECORD("\"bound\"", "-1", DEVICE), -EBADMSG },
                { "a group of 2^32", RECORD("\"bound\"", "4294967296", DEVICE), -EBADMSG },
                { "no devices", RECORD("\"bound\"", "7", ""), -EBADMSG },
                { "no list of devices", "{\"state\":\"bound\"}", -EBADMSG },
                { "a device that is a text", RECORD("\"bound\"", "7", "\"" FIRST "\""), -EBADMSG },
                { "a device without an address", RECORD("\"bound\"", "7", "{\"driver\":\"nvme\"}"), -EBADMSG },
                { "an address that is a path", RECORD("\"bound\"", "7", "{\"address\":\"../../../etc\"}"), -EBADMSG },
                { "the same device twice", RECORD("\"bound\"", "7", DEVICE "," DEVICE), -EBADMSG },
                { "a driver that is a path", RECORD("\"bound\"", "7", "{\"address\":\"" FIRST "\",\"driver\":\"../nvme\"}"), -EBADMSG },
                { "a driver that is the folder above", RECORD("\"bound\"", "7", "{\"address\":\"" FIRST "\",\"driver\":\"..\"}"), -EBADMSG },
                { "a driver without a name", RECORD("\"bound\"", "7", "{\"address\":\"" FIRST "\",\"driver\":\"\"}"), -EBADMSG },
                { "an override without a name", RECORD("\"bound\"", "7", "{\"address\":\"" FIRST "\",\"driver_override\":\"\"}"), -EBADMSG },
        };
        static const struct {
                const char *name;
                bool want;
        } names[] = {
                { FIRST_FILE, true },           { "00010000:00:00.0.json", true }, { FIRST, false },
                { ".json", false },             { "lock", false },                 { "." FIRST ".17", false },
                { "0001:00:00.8.json", false }, { "0001:00:00.0.json.json", false }, { "../" FIRST_FILE, false },
                { "000000001:00:00.0.json", false },
        };
        Tree tree = tree_new();
        int dir = open_tree(&tree);
        BindRecord back = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                put(dir, FIRST_FILE, cases[i].text);
                back.group = 77;
                tap_eq(bind_record_read(dir, FIRST_FILE, &back), cases[i].want, "%s", cases[i].name);
                if (cases[i].want == 0)
                        bind_record_clear(&back);
                else
                        tap_ok(back.group == 77 && back.n_devices == 0, "%s: nothing of it is kept", cases[i].name);
        }
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                tap_eq(bind_record_name_valid(names[i].name), names[i].want, "the name '%s'", names[i].name);
        (void) unlinkat(dir, FIRST_FILE, 0);
        (void) symlinkat("elsewhere", dir, FIRST_FILE);
        tap_eq(bind_record_read(dir, FIRST_FILE, &back), -ELOOP, "a link");
        (void) unlinkat(dir, FIRST_FILE, 0);
        (void) mkfifoat(dir, FIRST_FILE, 0600);
        tap_eq(bind_record_read(dir, FIRST_FILE, &back), -EBADMSG, "a pipe is not waited for");
        (void) unlinkat(dir, FIRST_FILE, 0);
        put(dir, FIRST_FILE, "");
        (void) truncate(tree_path(&tree, FIRST_FILE), 2 << 20);
        tap_eq(bind_record_read(dir, FIRST_FILE, &back), -EFBIG, "a file without end");
        (void) close(dir);
        tree_remove(&tree);
}

static void test_look_up(void) {
        static const char addresses[][BIND_ADDRESS_MAX + 1] = { "0009:00:00.0", "0001:00:00.1" };
        BindRecord record = { .key = FIRST, .state = BIND_BOUND }, back = {};
        Tree tree = tree_new();
        int dir = open_tree(&tree);
        unsigned fds = count_fds();

        (void) bind_record_add(&record, FIRST, NULL, NULL);
        (void) bind_record_add(&record, "0001:00:00.1", NULL, NULL);
        tap_eq(bind_record_look_up(dir, addresses, 2, &back), 0, "an empty folder");
        put(dir, "0000:00:00.0.json", "nonsense");
        put(dir, "lock", "");
        (void) bind_record_write(dir, &record);
        tap_ok(bind_record_look_up(dir, addresses, 2, &back) == 1 && streq(back.key, FIRST), "a record is found by any of its devices");
        bind_record_clear(&back);
        tap_eq(bind_record_look_up(dir, addresses, 1, &back), 0, "and by no other");
        tap_eq(count_fds(), fds, "no fd is left");
        bind_record_clear(&record);
        (void) close(dir);
        tap_eq(bind_record_look_up(dir, addresses, 2, &back), -EBADF, "no folder");
        tree_remove(&tree);
}

int main(void) {
        test_round_trip();
        test_largest();
        test_nonsense();
        test_look_up();
        return tap_done();
}
