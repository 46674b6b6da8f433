/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tced-bind has recorded: which groups it has bound, with what drivers before, and what hangs. Read and watched, never written here: so it
 * outlives both processes, and neither has to tell the other. */

#include <dirent.h>
#include <sys/inotify.h>

#include "log.h"
#include "manager_bind_internal.h"
#include "util.h"

DEFINE_POINTER_CLEANUP(DIR, closedir, dir_closep)

/* Records are renamed into their place, and removed. */
#define RECORD_EVENTS (IN_MOVED_TO | IN_DELETE | IN_ONLYDIR)
/* Their folder comes with the first of them. */
#define FOLDER_EVENTS (IN_CREATE | IN_MOVED_TO | IN_ONLYDIR)

void records_clear(Records *r) {
        for (size_t i = 0; i < r->n; i++)
                bind_record_clear(&r->items[i]);
        free(r->items);
        free(r->places);
        *r = (Records) {};
}

static int compare_places(const void *a, const void *b) {
        return strcmp(((const RecordPlace *) a)->address, ((const RecordPlace *) b)->address);
}

/* Thousands of groups are looked up at a time. */
static int sort_places(Records *r) {
        size_t n = 0;

        for (size_t i = 0; i < r->n; i++)
                n += r->items[i].n_devices;
        r->places = calloc(n + 1, sizeof(*r->places));
        if (!r->places)
                return -ENOMEM;
        for (size_t i = 0; i < r->n; i++)
                for (size_t j = 0; j < r->items[i].n_devices; j++)
                        r->places[r->n_places++] = (RecordPlace) { .address = r->items[i].devices[j].address, .record = &r->items[i] };
        qsort(r->places, n, sizeof(*r->places), compare_places);
        return 0;
}

struct Binder *manager_binder(Manager *m) {
        if (!m->binder)
                m->binder = calloc(1, sizeof(*m->binder));
        return m->binder;
}

/* A card that was unplugged while it was bound, and plugged in again, is the host's: the record tells of the one that was. */
static bool is_void(const BindRecord *record, const GroupFacts *g) {
        for (size_t i = 0; record->state == BIND_BOUND && i < g->n_devices; i++)
                if (device_is_on_vfio(&g->devices[i]))
                        return false;
        return record->state == BIND_BOUND;
}

static const BindRecord *find_record(const Records *r, const GroupFacts *g) {
        for (size_t i = 0; r->n_places > 0 && i < g->n_devices; i++) {
                const RecordPlace key = { .address = g->devices[i].address };
                const RecordPlace *place = bsearch(&key, r->places, r->n_places, sizeof(key), compare_places);

                if (place)
                        return is_void(place->record, g) ? NULL : place->record;
        }
        return NULL;
}

const BindRecord *manager_find_binding(const Manager *m, const GroupFacts *g) {
        return m->binder ? find_record(&m->binder->records, g) : NULL;
}

bool manager_is_persistent(const Manager *m, const GroupFacts *g) {
        for (size_t i = 0; i < g->n_devices; i++)
                if (config_binds(&m->config, g->devices[i].address))
                        return true;
        return false;
}

static int read_record(int dir, const char *name, Records *ret) {
        int r = ARRAY_RESERVE(ret->items, ret->allocated, ret->n + 1);

        if (r < 0)
                return r;
        r = bind_record_read(dir, name, &ret->items[ret->n]);
        if (r >= 0)
                ret->n++;
        else if (r != -ENOENT && r != -ENOMEM)
                log_warning("tced-bind's record %s can't be read: %s; look at it, it tells what drivers its devices had", name, strerror(-r));
        return r == -ENOMEM ? r : 0;
}

/* Those that end in .json: others are being written, or are locks. */
static int read_records(const char *path, Records *ret) {
        _cleanup_(dir_closep) DIR *dir = opendir(path);
        int r = 0;

        for (struct dirent *entry; r >= 0 && dir && (entry = readdir(dir));) {
                const char *dot = strrchr(entry->d_name, '.');

                if (dot && entry->d_name[0] != '.' && streq(dot, ".json"))
                        r = read_record(dirfd(dir), entry->d_name, ret);
        }
        return r;
}

static bool same_state(const BindRecord *a, const BindRecord *b) {
        return !a || !b ? a == b : a->state == b->state && streq(a->why, b->why);
}

/* Tells of the groups whose devices a record of either list has, where the other list says otherwise. */
static void announce(Manager *m, const Records *before) {
        const struct Binder *b = m->binder;
        bool any = false;

        for (size_t i = 0; i < m->vfio.n_groups && (before->n > 0 || b->records.n > 0); i++) {
                const GroupFacts *g = &m->vfio.groups[i];

                if (same_state(find_record(before, g), find_record(&b->records, g)))
                        continue;
                any = true;
                if (m->observer.group_changed)
                        m->observer.group_changed(g->number, GROUP_CHANGE_BINDING, m->observer.userdata);
        }
        if (!any)
                return;
        if (manager_update_findings(m) < 0)
                log_warning("No memory for the host's findings");
        if (m->observer.host_changed)
                m->observer.host_changed(m->observer.userdata);
}

static int on_record(sd_event_source *s, const struct inotify_event *event, void *userdata) {
        manager_read_bindings(userdata);
        return 0;
}

static const char *parent_of(const char *path, char buf[PATH_MAX]) {
        char *slash;

        (void) snprintf(buf, PATH_MAX, "%s", path);
        slash = strrchr(buf, '/');
        if (slash && slash > buf)
                *slash = '\0';
        return buf;
}

/* There is nothing to watch before tced-bind's socket has been made: then it is tried again whenever the records are read. */
static void watch(Manager *m) {
        struct Binder *b = m->binder;
        char parent[PATH_MAX];
        sd_event_source *source = NULL;

        if (b->watch && !b->watches_parent)
                return;
        if (sd_event_add_inotify(m->event, &source, m->places.bind_records, RECORD_EVENTS, on_record, m) >= 0) {
                (void) sd_event_source_disable_unref(b->watch);
                b->watch = source;
                b->watches_parent = false;
        } else if (!b->watch && sd_event_add_inotify(m->event, &b->watch, parent_of(m->places.bind_records, parent), FOLDER_EVENTS, on_record, m) >= 0)
                b->watches_parent = true;
}

void manager_read_bindings(Manager *m) {
        struct Binder *b = manager_binder(m);
        Records now = {}, before;
        int r;

        if (!b)
                return;
        /* Before it is read, so that what comes between is heard of. */
        watch(m);
        r = read_records(m->places.bind_records, &now);
        if (r >= 0)
                r = sort_places(&now);
        if (r < 0) {
                log_warning("No memory to read what tced-bind has recorded");
                records_clear(&now);
                return;
        }
        before = b->records;
        b->records = now;
        announce(m, &before);
        records_clear(&before);
}
