/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What monitor.h declares. All objects are kept with their properties as they were last told; what is told anew is compared with that. */

#include "monitor.h"

#include <time.h>

#include "names.h"
#include "render.h"
#include "util.h"
#include "view.h"

#define INTERFACES "org.tced1."

struct Monitor {
        MonitorTell tell;
        void *userdata;
        json_object *objects; /* path: properties; NULL: not told yet */
};

DEFINE_POINTER_CLEANUP(json_object, json_object_put, json_putp)

int monitor_new(MonitorTell tell, void *userdata, Monitor **ret) {
        Monitor *m = calloc(1, sizeof(*m));

        if (!m)
                return -ENOMEM;
        *m = (Monitor){ .tell = tell, .userdata = userdata };
        *ret = m;
        return 0;
}

void monitor_free(Monitor *m) {
        if (!m)
                return;
        (void) json_object_put(m->objects);
        free(m);
}

static json_object *member(json_object *json, const char *key) {
        json_object *value = NULL;

        return json_object_is_type(json, json_type_object) && json_object_object_get_ex(json, key, &value) ? value : NULL;
}

static const char *text_of(json_object *json, const char *key) {
        json_object *value = member(json, key);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "-";
}

static bool is_below(const char *path, const char *above) {
        size_t n = strlen(above);

        return strncmp(path, above, n) == 0 && path[n] == '/';
}

static const char *kind_of(const char *path) {
        if (streq(path, TCED_BUS_PATH))
                return "host";
        if (is_below(path, TCED_GROUP_PREFIX))
                return "group";
        if (is_below(path, TCED_MACHINE_PREFIX))
                return strstr(path, "/table/") ? "table" : "machine";
        return "other";
}

/* How people call it: "web1", "web1, table 71000001 (vnet0)", "7 (0000:01:00.0)". NULL when memory ran out. */
static char *name_of(const Monitor *m, const char *path, json_object *properties) {
        const char *kind = kind_of(path), *table = strstr(path, "/table/");
        char machine[128], *name = NULL;

        if (streq(kind, "group"))
                return asprintf(&name, "%s (%s)", strrchr(path, '/') + 1, text_of(properties, "Key")) < 0 ? NULL : name;
        if (streq(kind, "machine"))
                return strdup(text_of(properties, "Name"));
        if (!table || !streq(kind, "table"))
                return strdup(streq(kind, "host") ? "host" : path);
        (void) snprintf(machine, sizeof(machine), "%.*s", (int) (table - path), path);
        return asprintf(&name, "%s, table %s (%s)", text_of(member(m->objects, machine), "Name"), table + strlen("/table/"),
                        text_of(properties, "Device")) < 0 ? NULL : name;
}

/* Of an object's interfaces the properties of tced's. */
static json_object *properties_of(json_object *interfaces) {
        if (json_object_is_type(interfaces, json_type_object)) {
                json_object_object_foreach(interfaces, name, properties)
                        if (strncmp(name, INTERFACES, strlen(INTERFACES)) == 0)
                                return properties;
        }
        return NULL;
}

/* Tells an event; detail is taken over, key says what it is; NULL: it has none. */
static int tell_consume(Monitor *m, const char *event, const char *kind, const char *name, const char *path, const char *key, json_object *detail) {
        _cleanup_(json_putp) json_object *json = json_object_new_object(), *owned = detail;
        struct timespec now;
        int r;

        (void) clock_gettime(CLOCK_REALTIME, &now);
        if (!json || !name || (key && !detail) ||
            json_put_consume(json, "time_usec", json_object_new_uint64((uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000)) < 0 ||
            json_put_consume(json, "event", json_object_new_string(event)) < 0 ||
            json_put_consume(json, "kind", json_object_new_string(kind)) < 0 ||
            json_put_consume(json, "name", json_object_new_string(name)) < 0 ||
            json_put_consume(json, "path", json_object_new_string(path)) < 0)
                return -ENOMEM;
        r = key ? json_put_consume(json, key, TAKE_PTR(owned)) : 0;
        return r < 0 ? r : m->tell(m->userdata, json);
}

/* The same of an object that is there. */
static int tell_object(Monitor *m, const char *event, const char *path, json_object *properties, const char *key, json_object *detail) {
        _cleanup_free_ char *name = name_of(m, path, properties);

        return tell_consume(m, event, kind_of(path), name, path, key, detail);
}

/* Those that no signal tells of: they would change by chance. */
static bool is_silent(const char *property) {
        static const char *const names[] = { "Usage", "FoundUsec", "InUse", "Assignable", "Obstacle" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(property, names[i]))
                        return true;
        return false;
}

/* Takes over what is new of an object that is known, and tells what has changed of it. */
static int update(Monitor *m, const char *path, json_object *known, json_object *told) {
        _cleanup_(json_putp) json_object *changes = json_object_new_object();

        if (!changes)
                return -ENOMEM;
        if (!json_object_is_type(told, json_type_object) || !json_object_is_type(known, json_type_object))
                return 0;
        json_object_object_foreach(told, property, value) {
                json_object *before = member(known, property), *change;

                if (is_silent(property) || json_object_equal(before, value))
                        continue;
                change = json_object_new_object();
                if (!change || json_put_consume(changes, property, change) < 0 ||
                    (before && json_put_consume(change, "old", json_object_get(before)) < 0) ||
                    (value && json_put_consume(change, "new", json_object_get(value)) < 0) ||
                    json_object_object_add(known, property, json_object_get(value)) < 0)
                        return -ENOMEM;
        }
        return json_object_object_length(changes) > 0 ? tell_object(m, "changed", path, known, "changes", TAKE_PTR(changes)) : 0;
}

static int add(Monitor *m, const char *path, json_object *properties) {
        json_object *known = member(m->objects, path);

        if (known)
                return update(m, path, known, properties);
        if (!properties || json_object_object_add(m->objects, path, json_object_get(properties)) < 0)
                return properties ? -ENOMEM : 0;
        return tell_object(m, "added", path, properties, "properties", json_object_get(properties));
}

/* And what is below it, of which nothing is said: it goes with it. */
static int drop(Monitor *m, const char *path) {
        json_object *known = member(m->objects, path);
        int r;

        if (!known)
                return 0;
        r = tell_object(m, "removed", path, known, NULL, NULL);
        /* Deleting but the one that foreach stands at is not allowed: so it begins anew. */
        for (bool found = true; found;) {
                found = false;
                json_object_object_foreach(m->objects, other, value) {
                        (void) value;
                        found = streq(other, path) || is_below(other, path);
                        if (found) {
                                json_object_object_del(m->objects, other);
                                break;
                        }
                }
        }
        return r;
}

/* What is no more since tced was asked last. */
static int drop_missing(Monitor *m, json_object *all) {
        int r = 0;

        for (bool found = true; found && r >= 0;) {
                found = false;
                json_object_object_foreach(m->objects, path, value) {
                        (void) value;
                        found = !member(all, path);
                        if (found) {
                                _cleanup_free_ char *copy = strdup(path);

                                r = copy ? drop(m, copy) : -ENOMEM;
                                break;
                        }
                }
        }
        return r;
}

static int tell_there(Monitor *m, json_object *all) {
        json_object *counts = json_object_new_object();
        uint64_t machines = 0, groups = 0;

        json_object_object_foreach(all, path, interfaces) {
                (void) interfaces;
                machines += streq(kind_of(path), "machine");
                groups += streq(kind_of(path), "group");
        }
        if (counts && (json_put_consume(counts, "machines", json_object_new_uint64(machines)) < 0 ||
                       json_put_consume(counts, "groups", json_object_new_uint64(groups)) < 0)) {
                (void) json_object_put(counts);
                counts = NULL;
        }
        return tell_consume(m, "there", "tced", text_of(properties_of(member(all, TCED_BUS_PATH)), "Version"), TCED_BUS_PATH, "counts", counts);
}

/* tced is there, or is there again: what has changed while it was not is told as if it happened now. Tables come behind the machines, whose
 * names they bear. */
static int look(Monitor *m, json_object *all) {
        bool first = !m->objects;
        int r;

        if (!json_object_is_type(all, json_type_object))
                return 0;
        if (first)
                m->objects = json_object_new_object();
        r = m->objects ? tell_there(m, all) : -ENOMEM;
        if (r >= 0)
                r = drop_missing(m, all);
        for (int tables = 0; tables < 2; tables++) {
                json_object_object_foreach(all, path, interfaces) {
                        json_object *properties = properties_of(interfaces);

                        if (r < 0 || !properties || streq(kind_of(path), "table") != (tables == 1))
                                continue;
                        if (first)
                                r = json_object_object_add(m->objects, path, json_object_get(properties)) < 0 ? -ENOMEM : 0;
                        else
                                r = add(m, path, properties);
                }
        }
        return r;
}

static int tell_slow(Monitor *m, json_object *arguments) {
        json_object *detail = json_object_new_object(), *name = json_object_array_get_idx(arguments, 0);

        if (json_object_array_length(arguments) < 3 || !json_object_is_type(name, json_type_string)) {
                (void) json_object_put(detail);
                return 0;
        }
        if (detail && (json_put_consume(detail, "pid", json_object_get(json_object_array_get_idx(arguments, 1))) < 0 ||
                       json_put_consume(detail, "text", json_object_get(json_object_array_get_idx(arguments, 2))) < 0)) {
                (void) json_object_put(detail);
                detail = NULL;
        }
        return tell_consume(m, "slow-path", "machine", json_object_get_string(name), TCED_BUS_PATH, "slow", detail);
}

int monitor_hear(void *userdata, const ClientNews *news) {
        Monitor *m = userdata;

        if (news->kind == CLIENT_ALL)
                return look(m, news->json);
        if (!m->objects)
                return 0; /* what came before all that there is was told is in that */
        switch (news->kind) {
        case CLIENT_ALL:
                break;
        case CLIENT_ADDED:
                return add(m, news->path, properties_of(news->json));
        case CLIENT_REMOVED:
                return drop(m, news->path);
        case CLIENT_CHANGED:
                return update(m, news->path, member(m->objects, news->path), news->json);
        case CLIENT_SLOW_PATH:
                return tell_slow(m, news->json);
        case CLIENT_AWAY:
                return tell_consume(m, "away", "tced", "tced", TCED_BUS_PATH, NULL, NULL);
        }
        return 0;
}
