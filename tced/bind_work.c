/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In this order: the locks, the questions that change nothing, the group held open so that no VMM gets it meanwhile, the record, and only
 * then the devices. What fails is put back in reverse. tced-bind, which waits no longer than its deadline, says in the record that a group is
 * stuck; whoever finds that said of its own group is late, and nobody waits for what it does: it puts back. */

#include "bind_work.h"

#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>

#include "bind_lock.h"
#include "log.h"
#include "util.h"

/* Until tced-bind, which has just connected, has sent its request, or takes the answer. */
#define TALK_MSEC 10000

#define AS_IT_WAS "; all is as it was"

typedef struct Work {
        const BindPlaces *places;
        const BindRequest *request;
        int connection;
        int dev, records, lock;
        BindSysfs sysfs;
        /* Groups that are held open. */
        int held[BIND_DEVICES_MAX + 1];
        int64_t held_group[BIND_DEVICES_MAX + 1];
        size_t n_held;
} Work;

static void drop_holds(Work *w) {
        for (size_t i = 0; i < w->n_held; i++)
                (void) fd_close(w->held[i]);
        w->n_held = 0;
}

static void work_close(Work *w) {
        drop_holds(w);
        (void) fd_close(w->sysfs.sys);
        (void) fd_close(w->dev);
        (void) fd_close(w->records);
        (void) fd_close(w->lock);
}

static int fail(Work *w, int error, const char *text) {
        return bind_sysfs_fail(&w->sysfs, error, "%s", text);
}

/* Lets somebody read what is going on. Nobody waits for it, so it is no matter whether it arrives. */
static void on_step(const char *step, void *userdata) {
        Work *w = userdata;
        BindReply reply = { .id = w->request->id, .error = EINPROGRESS, .fd = -EBADF };

        (void) snprintf(reply.text, sizeof(reply.text), "%s", step);
        log_debug("%s", step);
        (void) bind_send_reply(w->connection, &reply);
}

/* ---- records ---- */

/* Has tced-bind said that the group is stuck? */
static bool is_late(Work *w, const BindRecord *record) {
        BindRecord now = {};
        char name[32];
        bool late;

        (void) snprintf(name, sizeof(name), "%s.json", record->key);
        late = bind_record_read(w->records, name, &now) >= 0 && now.state == BIND_STUCK;
        bind_record_clear(&now);
        return late;
}

/* Says in the record how it ended. -ETIMEDOUT: nobody waits for that any more, and "stuck" stays. */
static int set_state(Work *w, BindRecord *record, BindState state) {
        int r = bind_lock_records(w->lock);

        if (r >= 0 && state != BIND_FAILED && is_late(w, record))
                r = fail(w, ETIMEDOUT, "it took too long");
        else if (r >= 0) {
                record->state = state;
                if (state != BIND_FAILED)
                        record->why[0] = '\0';
                r = bind_record_write(w->records, record);
                if (r < 0)
                        r = bind_sysfs_fail(&w->sysfs, EIO, "%s/%s.json can't be written: %s", w->places->records, record->key, strerror(-r));
        }
        bind_unlock_records(w->lock);
        return r;
}

/* The same before the first change, and only while somebody waits for it. */
static int begin(Work *w, BindRecord *record, BindState state) {
        struct pollfd pfd = { .fd = w->connection, .events = POLLRDHUP };
        int r = bind_lock_records(w->lock);

        if (r >= 0 && poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLRDHUP | POLLHUP | POLLERR)))
                r = fail(w, ECANCELED, "it was not asked for any more; nothing is changed");
        else if (r >= 0) {
                record->state = state;
                record->why[0] = '\0';
                r = bind_record_write(w->records, record);
                if (r < 0)
                        r = bind_sysfs_fail(&w->sysfs, EIO, "%s/%s.json can't be written: %s; nothing is changed", w->places->records, record->key,
                                            strerror(-r));
        }
        bind_unlock_records(w->lock);
        return r;
}

/* Nothing of ours is left. */
static int end(Work *w, const BindRecord *record) {
        int r = bind_lock_records(w->lock);

        if (r >= 0)
                r = bind_record_remove(w->records, record->key);
        bind_unlock_records(w->lock);
        if (r < 0)
                return bind_sysfs_fail(&w->sysfs, EIO, "%s/%s.json can't be removed: %s", w->places->records, record->key, strerror(-r));
        return 0;
}

/* What is left is not what was: the record stays, and says why. */
static int give_up(Work *w, BindRecord *record) {
        (void) snprintf(record->why, sizeof(record->why), "%s", w->sysfs.text);
        (void) set_state(w, record, BIND_FAILED);
        log_error("%s", w->sysfs.text);
        return -ENOTRECOVERABLE;
}

static int lock_device(Work *w, const char *address) {
        _cleanup_(bind_record_clear) BindRecord record = {};
        int r = bind_lock_device(w->lock, address);

        if (r == -EALREADY && bind_record_look_up(w->records, w->request->addresses, w->request->n_addresses, &record) > 0 &&
            record.state == BIND_STUCK)
                return fail(w, EALREADY, record.why);
        if (r == -EALREADY)
                return bind_sysfs_fail(&w->sysfs, EALREADY, "%s is being bound or given back: repeat it when that is done", address);
        if (r < 0)
                return bind_sysfs_fail(&w->sysfs, EIO, "%s/lock: %s", w->places->records, strerror(-r));
        return 0;
}

/* Takes the locks, and reads what there is of the group. 1; 0: there is no record. */
static int look_up(Work *w, BindRecord *ret) {
        int r = 0;

        for (size_t i = 0; i < w->request->n_addresses && r >= 0; i++)
                r = lock_device(w, w->request->addresses[i]);
        if (r < 0)
                return r;
        r = bind_record_look_up(w->records, w->request->addresses, w->request->n_addresses, ret);
        if (r < 0)
                return bind_sysfs_fail(&w->sysfs, EIO, "%s can't be read: %s", w->places->records, strerror(-r));
        /* It may have others by now than it had. */
        for (size_t i = 0; i < ret->n_devices && r >= 0; i++)
                r = lock_device(w, ret->devices[i].address);
        return r < 0 ? r : ret->n_devices > 0;
}

/* ---- the group, held open ---- */

/* 1: held; 0: there is no /dev/vfio/N; -EBUSY. */
static int hold(Work *w, int64_t group) {
        int fd;

        for (size_t i = 0; i < w->n_held; i++)
                if (w->held_group[i] == group)
                        return 1;
        fd = w->places->kernel->open_group(w->dev, (uint32_t) group);
        if (fd == -ENOENT || fd == -ENODEV || fd == -ENXIO)
                return 0;
        if (fd == -EBUSY)
                return bind_sysfs_fail(&w->sysfs, EBUSY, "another process has %s/vfio/%" PRId64 " open: end it first", w->places->dev, group);
        if (fd < 0)
                return bind_sysfs_fail(&w->sysfs, EIO, "%s/vfio/%" PRId64 ": %s", w->places->dev, group, strerror(-fd));
        w->held[w->n_held] = fd;
        w->held_group[w->n_held++] = group;
        return 1;
}

/* Holds what the devices of a record are in now. *ret_whole: all that are there are bound. */
static int hold_devices(Work *w, const BindRecord *record, bool *ret_whole) {
        BindDevice d;
        int r, s = 0;

        *ret_whole = true;
        for (size_t i = 0; i < record->n_devices; i++) {
                r = bind_sysfs_look(&w->sysfs, record->devices[i].address, &d);
                if (r < 0)
                        return r;
                if (d.present && !d.vfio)
                        *ret_whole = false;
                if (d.present && d.vfio && d.group >= 0 && s >= 0)
                        s = hold(w, d.group);
        }
        return s < 0 ? s : 0;
}

/* ---- back ---- */

/* Puts back the first n devices of a record, the last first; what can't be is told, and does not stop the others. */
static int give_back(Work *w, const BindRecord *record, size_t n) {
        int failed = 0;

        while (n-- > 0)
                if (bind_sysfs_give_back(&w->sysfs, &record->devices[n]) < 0)
                        failed = -ENOTRECOVERABLE;
                else
                        log_info("%s is given back to %s", record->devices[n].address,
                                 record->devices[n].driver ? record->devices[n].driver : "no driver, as it was");
        return failed;
}

/* Puts back what somebody has left half done. 0: there is nothing left of it; 1: it is bound after all, and in use; negative errno. */
static int recover(Work *w, BindRecord *record) {
        bool whole;
        int r = hold_devices(w, record, &whole);

        if (r == -EBUSY && whole) {
                w->sysfs.text[0] = '\0';
                record->state = BIND_BOUND;
                record->why[0] = '\0';
                r = bind_record_write(w->records, record);
                return r < 0 ? bind_sysfs_fail(&w->sysfs, EIO, "%s: %s", w->places->records, strerror(-r)) : 1;
        }
        log_notice("%s: putting back what was left half done (%s)", record->key, bind_state_to_string(record->state));
        if (r < 0 || give_back(w, record, record->n_devices) < 0)
                return give_up(w, record);
        return end(w, record);
}

static bool is_half_done(const BindRecord *record) {
        return record->n_devices > 0 && record->state != BIND_BOUND && record->state != BIND_FAILED;
}

/* ---- binding ---- */

/* Was it changed by us before, and not wholly put back, so that what it is now is not what it was? One that was plugged in anew is. */
static const BindRecordDevice *known(const BindRecord *before, const char *address, const BindDevice *d) {
        const BindRecordDevice *was = bind_record_find(before, address);

        if (!was || !d->driver[0] || streq(d->driver_override, BIND_VFIO_DRIVER))
                return was;
        return before->state == BIND_FAILED && was->driver && streq(d->driver, was->driver) ? was : NULL;
}

static int add(Work *w, BindRecord *record, const char *address, const char *driver, const char *driver_override) {
        return bind_record_add(record, address, driver, driver_override) < 0 ? fail(w, ENOMEM, "out of memory; nothing is changed") : 0;
}

/* What is to be bound, first in the record, and behind it what was bound before. */
static int make_record(Work *w, const BindRecord *before, BindRecord *ret, size_t *ret_todo) {
        const BindRequest *request = w->request;
        size_t candidates = 0;
        BindDevice d;
        int r = 0;

        for (size_t i = 0; i < request->n_addresses && r >= 0; i++) {
                const char *address = request->addresses[i];
                const BindRecordDevice *was;

                r = bind_sysfs_look(&w->sysfs, address, &d);
                if (r < 0 || d.bridge)
                        continue;
                candidates++;
                if (d.vfio)
                        continue;
                was = known(before, address, &d);
                r = was ? add(w, ret, address, was->driver, was->driver_override)
                        : add(w, ret, address, d.driver[0] ? d.driver : NULL, d.driver_override[0] ? d.driver_override : NULL);
        }
        if (r >= 0 && candidates == 0)
                r = bind_sysfs_fail(&w->sysfs, EIO, "IOMMU group %" PRIu32 " has only bridges, and no device for a VM", request->group);
        *ret_todo = ret->n_devices;
        for (size_t i = 0; i < before->n_devices && r >= 0; i++) {
                r = bind_sysfs_look(&w->sysfs, before->devices[i].address, &d);
                if (r >= 0 && d.vfio && !bind_record_find(ret, before->devices[i].address))
                        r = add(w, ret, before->devices[i].address, before->devices[i].driver, before->devices[i].driver_override);
        }
        (void) strcpy(ret->key, before->n_devices > 0 ? before->key : request->addresses[0]);
        for (size_t i = 0; i < request->n_addresses && before->n_devices == 0; i++)
                if (strcmp(request->addresses[i], ret->key) < 0)
                        (void) strcpy(ret->key, request->addresses[i]);
        ret->group = request->group;
        return r;
}

/* All devices are bound: has the kernel made a group of it that a VM can have? */
static int verify(Work *w) {
        const BindRequest *request = w->request;
        BindDevice d;
        int r = bind_sysfs_check_group(&w->sysfs, request->group, request->addresses, request->n_addresses);

        if (r < 0)
                return r;
        r = hold(w, request->group);
        if (r == -EBUSY) {
                /* A VMM that was quicker: it is there. */
                w->sysfs.text[0] = '\0';
                return 0;
        }
        if (r < 0)
                return r;
        if (r == 0)
                return bind_sysfs_fail(&w->sysfs, EIO, "the devices are bound to vfio-pci, but there is no %s/vfio/%" PRIu32
                                       "; on POWER that needs kernel 6.4 or later", w->places->dev, request->group);
        for (size_t i = 0; i < w->n_held; i++)
                if (w->held_group[i] == request->group)
                        r = w->places->kernel->group_viable(w->held[i]);
        if (r < 0)
                return bind_sysfs_fail(&w->sysfs, EIO, "%s/vfio/%" PRIu32 ": VFIO_GROUP_GET_STATUS: %s", w->places->dev, request->group, strerror(-r));
        for (size_t i = 0; i < request->n_addresses && r == 0; i++)
                if (bind_sysfs_look(&w->sysfs, request->addresses[i], &d) >= 0 && d.bridge && d.driver[0] && !streq(d.driver, "pcieport"))
                        return bind_sysfs_fail(&w->sysfs, EIO, "the bridge %s is on the driver %.64s, with which its group can't be given to a VM: "
                                               "unbind it", request->addresses[i], d.driver);
        return r > 0 ? 0 : bind_sysfs_fail(&w->sysfs, EIO, "the kernel says that IOMMU group %" PRIu32 " is not viable, though all its devices are "
                                           "bound to vfio-pci; `dmesg` may say why", request->group);
}

/* Back from where binding got to. Text and error are those of what failed, but where this fails too. */
static int roll_back(Work *w, const BindRecord *before, BindRecord *record, size_t n, int error) {
        char first[BIND_TEXT_MAX - sizeof(AS_IT_WAS)];
        int r;

        (void) snprintf(first, sizeof(first), "%.480s", w->sysfs.text);
        w->sysfs.text[0] = '\0';
        r = hold(w, w->request->group);
        if (r < 0 || give_back(w, record, n) < 0) {
                char second[BIND_TEXT_MAX];

                (void) strcpy(second, w->sysfs.text);
                (void) snprintf(w->sysfs.text, sizeof(w->sysfs.text), "%.230s; and that could not be undone: %.230s", first, second);
                return give_up(w, record);
        }
        if (before->n_devices > 0) {
                r = bind_lock_records(w->lock);
                if (r >= 0)
                        r = bind_record_write(w->records, before);
                bind_unlock_records(w->lock);
        } else
                r = end(w, record);
        if (r < 0)
                return r;
        (void) snprintf(w->sysfs.text, sizeof(w->sysfs.text), "%s" AS_IT_WAS, first);
        return error == -ENODEV ? -EIO : error;
}

static int bind_devices(Work *w, const BindRecord *before, BindRecord *record, size_t n) {
        size_t i = 0;
        int r = 0;

        while (i < n && r >= 0) {
                r = bind_sysfs_take(&w->sysfs, record->devices[i++].address);
                if (r >= 0 && is_late(w, record))
                        r = fail(w, ETIMEDOUT, "it took too long");
        }
        if (r >= 0)
                r = verify(w);
        if (r >= 0)
                r = set_state(w, record, BIND_BOUND);
        if (r < 0)
                return roll_back(w, before, record, i, r);
        for (i = 0; i < n; i++)
                log_info("%s is taken from %s to vfio-pci", record->devices[i].address,
                         record->devices[i].driver ? record->devices[i].driver : "no driver");
        return 0;
}

static int work_bind(Work *w) {
        _cleanup_(bind_record_clear) BindRecord before = {}, record = {};
        const BindRequest *request = w->request;
        size_t todo = 0;
        int r = look_up(w, &before);

        if (r > 0 && is_half_done(&before)) {
                r = recover(w, &before);
                if (r == 0)
                        bind_record_clear(&before);
                /* Of the group as vfio had it; what comes is another to vfio, though its number is the same. */
                drop_holds(w);
        }
        if (r >= 0)
                r = bind_sysfs_check_group(&w->sysfs, request->group, request->addresses, request->n_addresses);
        if (r >= 0)
                r = make_record(w, &before, &record, &todo);
        if (r < 0)
                return r;
        if (todo == 0)
                return before.state == BIND_FAILED && before.n_devices > 0 ? set_state(w, &before, BIND_BOUND) : 0;
        r = hold(w, request->group);
        if (r >= 0)
                r = begin(w, &record, BIND_BINDING);
        return r < 0 ? r : bind_devices(w, &before, &record, todo);
}

/* ---- giving back ---- */

/* There is no record: who did it, where it is bound? */
static int fail_not_ours(Work *w) {
        const BindRequest *request = w->request;
        BindDevice d;

        for (size_t i = 0; i < request->n_addresses; i++) {
                if (bind_sysfs_look(&w->sysfs, request->addresses[i], &d) < 0)
                        return -EIO;
                if (!d.vfio)
                        continue;
                if (strstr(d.driver_override, "vfio"))
                        return bind_sysfs_fail(&w->sysfs, ENOENT, "%s was not bound by tced, but by an administrator or libvirt, who set its "
                                               "driver_override: driverctl unset-override %s", request->addresses[i], request->addresses[i]);
                return bind_sysfs_fail(&w->sysfs, ENOENT, "%s was not bound by tced: %s takes its kind by itself (its ids=, or new_id); "
                                       "echo %s >/sys/bus/pci/drivers/%.64s/unbind", request->addresses[i], d.driver, request->addresses[i], d.driver);
        }
        return bind_sysfs_fail(&w->sysfs, ENOENT, "%s is not bound to vfio-pci: there is nothing to give back", request->addresses[0]);
}

static int work_release(Work *w) {
        _cleanup_(bind_record_clear) BindRecord record = {};
        int r = look_up(w, &record);
        bool whole;

        if (r < 0)
                return r;
        if (r == 0)
                return fail_not_ours(w);
        if (is_half_done(&record)) {
                r = recover(w, &record);
                return r > 0 ? fail(w, EBUSY, "another process has the group open: end it first") : r;
        }
        r = hold_devices(w, &record, &whole);
        if (r >= 0)
                r = begin(w, &record, BIND_RELEASING);
        if (r < 0)
                return r;
        return give_back(w, &record, record.n_devices) < 0 ? give_up(w, &record) : end(w, &record);
}

static int work_recover(Work *w) {
        _cleanup_(bind_record_clear) BindRecord record = {};
        int r = look_up(w, &record);

        if (r > 0 && is_half_done(&record))
                r = recover(w, &record);
        return r < 0 ? r : 0;
}

/* ---- */

static int open_folder(Work *w, const char *path, int *ret) {
        *ret = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret < 0 ? bind_sysfs_fail(&w->sysfs, EIO, "%s: %s", path, strerror(errno)) : 0;
}

static int work_open(Work *w) {
        int r = open_folder(w, w->places->sys, &w->sysfs.sys);

        if (r >= 0)
                r = open_folder(w, w->places->dev, &w->dev);
        if (r >= 0)
                r = open_folder(w, w->places->records, &w->records);
        if (r < 0)
                return r;
        w->lock = bind_lock_open(w->records);
        return w->lock < 0 ? bind_sysfs_fail(&w->sysfs, EIO, "%s/lock: %s", w->places->records, strerror(-w->lock)) : 0;
}

void bind_work_do(const BindPlaces *places, const BindRequest *request, int connection, BindReply *reply) {
        _cleanup_(work_close) Work w = {
                .places = places, .request = request, .connection = connection, .dev = -EBADF, .records = -EBADF, .lock = -EBADF,
        };
        int r;

        w.sysfs = (BindSysfs) { .kernel = places->kernel, .sys = -EBADF, .on_step = on_step, .userdata = &w };
        r = work_open(&w);
        if (r >= 0)
                switch (request->operation) {
                case BIND_BIND_GROUP:
                        r = work_bind(&w);
                        break;
                case BIND_RELEASE_GROUP:
                        r = work_release(&w);
                        break;
                case BIND_RECOVER_GROUP:
                        r = work_recover(&w);
                        break;
                case BIND_OPEN_GROUP:
                case BIND_OPEN_LOG:
                case BIND_KEEP_GROUP:
                case BIND_FORGET_GROUP:
                case _BIND_OPERATION_MAX:
                        r = fail(&w, EINVAL, "this is not for a worker");
                        break;
                }
        *reply = (BindReply) { .id = request->id, .error = r < 0 ? -r : 0, .fd = -EBADF };
        if (r < 0)
                (void) snprintf(reply->text, sizeof(reply->text), "%s", w.sysfs.text[0] ? w.sysfs.text : strerror(-r));
}

int bind_work_serve(const BindPlaces *places, int connection) {
        struct pollfd pfd = { .fd = connection, .events = POLLIN };
        BindRequest request;
        BindReply reply;
        int r = poll(&pfd, 1, TALK_MSEC) == 1 ? bind_receive_request(connection, &request) : -ETIMEDOUT;

        if (r <= 0)
                return r < 0 ? r : -ENODATA;
        bind_work_do(places, &request, connection, &reply);
        /* What it is at may have filled the socket. */
        pfd.events = POLLOUT;
        while ((r = bind_send_reply(connection, &reply)) == -EAGAIN && poll(&pfd, 1, TALK_MSEC) == 1)
                ;
        return r == -EPIPE ? 0 : r;
}
