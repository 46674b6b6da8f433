/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "bind_record.h"

#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <sys/stat.h>

#include "json_read.h"
#include "util.h"

#define SUFFIX ".json"

/* 256 devices, whose drivers and overrides are names; anything larger is none of ours. */
#define RECORD_MAX (1024U * 1024U)
#define PARTS_MAX 4096U

static const char *const state_names[_BIND_STATE_MAX] = {
        [BIND_BINDING] = "binding", [BIND_BOUND] = "bound",   [BIND_RELEASING] = "releasing",
        [BIND_STUCK] = "stuck",     [BIND_FAILED] = "failed",
};

DEFINE_POINTER_CLEANUP(struct json_object, json_object_put, json_putp)
#define _cleanup_json_ _cleanup_(json_putp)
DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

const char *bind_state_to_string(BindState state) {
        return state_names[state];
}

int bind_state_from_string(const char *text) {
        return name_lookup(state_names, ELEMENTSOF(state_names), text);
}

void bind_record_clear(BindRecord *record) {
        for (size_t i = 0; i < record->n_devices; i++) {
                free(record->devices[i].driver);
                free(record->devices[i].driver_override);
        }
        free(record->devices);
        *record = (BindRecord) {};
}

static int copy_text(const char *text, char **ret) {
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? -ENOMEM : 0;
}

int bind_record_add(BindRecord *record, const char *address, const char *driver, const char *driver_override) {
        _cleanup_free_ char *driver_copy = NULL, *override_copy = NULL;
        BindRecordDevice *grown, *device;

        if (copy_text(driver, &driver_copy) < 0 || copy_text(driver_override, &override_copy) < 0)
                return -ENOMEM;
        grown = reallocarray(record->devices, record->n_devices + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        record->devices = grown;
        device = &grown[record->n_devices++];
        *device = (BindRecordDevice) { .driver = TAKE_PTR(driver_copy), .driver_override = TAKE_PTR(override_copy) };
        (void) snprintf(device->address, sizeof(device->address), "%s", address);
        return 0;
}

const BindRecordDevice *bind_record_find(const BindRecord *record, const char *address) {
        for (size_t i = 0; i < record->n_devices; i++)
                if (streq(record->devices[i].address, address))
                        return &record->devices[i];
        return NULL;
}

/* "0001:00:00.0.json" -> the address. */
static bool name_to_key(const char *name, char ret[BIND_ADDRESS_MAX + 1]) {
        size_t length = strlen(name);

        if (length <= strlen(SUFFIX) || length - strlen(SUFFIX) > BIND_ADDRESS_MAX || !streq(name + length - strlen(SUFFIX), SUFFIX))
                return false;
        (void) snprintf(ret, BIND_ADDRESS_MAX + 1, "%.*s", (int) (length - strlen(SUFFIX)), name);
        return pci_address_valid(ret);
}

bool bind_record_name_valid(const char *name) {
        char key[BIND_ADDRESS_MAX + 1];

        return name_to_key(name, key);
}

/* A driver's name becomes part of a path below /sys. */
static bool driver_valid(const char *name) {
        return !name || (*name && strlen(name) <= BIND_DRIVER_MAX && !strchr(name, '/') && *name != '.');
}

static int read_device(const JsonPlace *item, void *userdata) {
        BindRecord *record = userdata;
        const char *address = NULL, *driver = NULL, *driver_override = NULL;

        if (json_read_string(item, "address", &address) < 0 || json_read_string(item, "driver", &driver) < 0 ||
            json_read_string(item, "driver_override", &driver_override) < 0)
                return -EINVAL;
        if (!address || !pci_address_valid(address) || bind_record_find(record, address) || record->n_devices == BIND_DEVICES_MAX)
                return -EINVAL;
        if (!driver_valid(driver) || (driver_override && !*driver_override))
                return -EINVAL;
        return bind_record_add(record, address, driver, driver_override);
}

static int read_members(struct json_object *json, const JsonFault *fault, BindRecord *record) {
        const JsonPlace top = { .value = json, .fault = fault };
        int r, state = -EINVAL;
        const char *why = "";

        if (!json_object_is_type(json, json_type_object))
                return -EINVAL;
        r = json_read_word(&top, "state", bind_state_from_string, &state);
        if (r < 0 || state < 0)
                return -EINVAL;
        record->state = (BindState) state;
        if (json_read_string(&top, "why", &why) < 0 || json_read_u32(&top, "group", UINT32_MAX, &record->group) < 0)
                return -EINVAL;
        (void) snprintf(record->why, sizeof(record->why), "%s", why);
        (void) utf8_mend(record->why);
        r = json_read_each(&top, "devices", read_device, record);
        return r < 0 ? r : record->n_devices > 0 ? 0 : -EINVAL;
}

static int read_text(int dirfd, const char *name, char **ret, size_t *ret_size) {
        /* Not a pipe that somebody put there, which would make it wait. */
        _cleanup_fd_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        _cleanup_free_ char *text = NULL;
        struct stat st;
        ssize_t n;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EBADMSG;
        if (st.st_size > (off_t) RECORD_MAX)
                return -EFBIG;
        text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        n = read(fd, text, (size_t) st.st_size);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        *ret = TAKE_PTR(text);
        *ret_size = (size_t) n;
        return 0;
}

int bind_record_read(int dirfd, const char *name, BindRecord *ret) {
        _cleanup_(bind_record_clear) BindRecord record = {};
        _cleanup_json_ struct json_object *json = NULL;
        _cleanup_free_ char *text = NULL;
        char fault_text[BIND_TEXT_MAX];
        const JsonFault fault = { fault_text, sizeof(fault_text), "" };
        size_t size = 0;
        int r;

        if (!name_to_key(name, record.key))
                return -EBADMSG;
        r = read_text(dirfd, name, &text, &size);
        if (r < 0)
                return r;
        r = json_read_text(text, size, PARTS_MAX, &fault, &json);
        if (r >= 0)
                r = read_members(json, &fault, &record);
        if (r < 0)
                return r == -EINVAL ? -EBADMSG : r;
        *ret = record;
        record = (BindRecord) {};
        return 0;
}

int bind_record_look_up(int dirfd, const char (*addresses)[BIND_ADDRESS_MAX + 1], size_t n, BindRecord *ret) {
        _cleanup_(dir_closep) DIR *dir = NULL;
        int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *entry;

        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                (void) fd_close(fd);
                return -errno;
        }
        while ((entry = readdir(dir))) {
                BindRecord record = {};

                if (bind_record_read(dirfd, entry->d_name, &record) < 0)
                        continue;
                for (size_t i = 0; i < n; i++)
                        if (bind_record_find(&record, addresses[i])) {
                                *ret = record;
                                return 1;
                        }
                bind_record_clear(&record);
        }
        return 0;
}

static int add_string(struct json_object *json, const char *key, const char *value) {
        return json_object_object_add(json, key, value ? json_object_new_string(value) : NULL);
}

static struct json_object *record_to_json(const BindRecord *record) {
        _cleanup_json_ struct json_object *json = json_object_new_object();
        struct json_object *devices = json_object_new_array();

        if (!json || !devices || json_object_object_add(json, "devices", devices) < 0) {
                (void) json_object_put(devices);
                return NULL;
        }
        if (add_string(json, "state", state_names[record->state]) < 0 || add_string(json, "why", record->why) < 0 ||
            json_object_object_add(json, "group", json_object_new_uint64(record->group)) < 0)
                return NULL;
        for (size_t i = 0; i < record->n_devices; i++) {
                struct json_object *device = json_object_new_object();

                if (!device || json_object_array_add(devices, device) < 0 || add_string(device, "address", record->devices[i].address) < 0 ||
                    add_string(device, "driver", record->devices[i].driver) < 0 ||
                    add_string(device, "driver_override", record->devices[i].driver_override) < 0)
                        return NULL;
        }
        return TAKE_PTR(json);
}

static int write_all(int fd, const char *text) {
        size_t size = strlen(text);

        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                text += n;
                size -= (size_t) n;
        }
        return 0;
}

int bind_record_write(int dirfd, const BindRecord *record) {
        _cleanup_json_ struct json_object *json = record_to_json(record);
        const char *text = json ? json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN) : NULL;
        char name[32], temporary[48];
        _cleanup_fd_ int fd = -EBADF;
        int r;

        if (!text)
                return -ENOMEM;
        (void) snprintf(name, sizeof(name), "%s" SUFFIX, record->key);
        (void) snprintf(temporary, sizeof(temporary), ".%s.%d", record->key, (int) getpid());
        (void) unlinkat(dirfd, temporary, 0);
        fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd < 0)
                return -errno;
        /* Whatever the umask. */
        r = fchmod(fd, 0644) < 0 ? -errno : write_all(fd, text);
        if (r >= 0 && renameat(dirfd, temporary, dirfd, name) < 0)
                r = -errno;
        if (r < 0)
                (void) unlinkat(dirfd, temporary, 0);
        return r;
}

int bind_record_remove(int dirfd, const char *key) {
        char name[32];

        (void) snprintf(name, sizeof(name), "%s" SUFFIX, key);
        return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}
