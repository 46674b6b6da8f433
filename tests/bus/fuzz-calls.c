/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fuzz-calls.h"

#include <libxml/parser.h>

#include "xml-look.h"

/* max_message_unix_fds of a system bus; below the kernel's SCM_MAX_FD. */
#define FDS_ON_BUS 16U
#define FDS_ON_SOCKET 200U
/* Far below max_message_size. */
#define LONG_TEXTS 64U

static void remember(char ***list, size_t *n, size_t *allocated, const char *text) {
        char *copy = strdup(text);

        if (!copy || ARRAY_RESERVE(*list, *allocated, *n + 1) < 0)
                bail_out("no memory");
        (*list)[(*n)++] = copy;
}

static void forget(Targets *t) {
        for (size_t i = 0; i < t->n_targets; i++) {
                free(t->targets[i].path);
                free(t->targets[i].interface);
                free(t->targets[i].member);
                free(t->targets[i].signature);
        }
        while (t->known.n_words > 0)
                free(t->known.words[--t->known.n_words]);
        while (t->known.n_paths > 0)
                free(t->known.paths[--t->known.n_paths]);
        t->n_targets = 0;
}

static void add_target(Targets *t, const char *path, xmlNode *interface, xmlNode *member) {
        char signature[256] = "";
        bool property = is_element(member, "property");

        for (xmlNode *n = member->children; n; n = n->next)
                if (is_element(n, "arg") && !streq(attribute(n, "direction"), "out") &&
                    strlen(signature) + strlen(attribute(n, "type")) < sizeof(signature))
                        (void) strcat(signature, attribute(n, "type"));
        if (ARRAY_RESERVE(t->targets, t->allocated_targets, t->n_targets + 1) < 0)
                bail_out("no memory");
        t->targets[t->n_targets++] = (Target) {
                .path = strdup(path), .interface = strdup(attribute(interface, "name")), .member = strdup(attribute(member, "name")),
                .signature = strdup(property ? attribute(member, "type") : signature), .property = property,
        };
}

/* All that an object and those below it say of themselves. */
static void look(Targets *t, sd_bus *bus, const char *path) {
        _cleanup_free_ char *text = introspect(bus, path);
        xmlDoc *doc = text ? xmlReadMemory(text, (int) strlen(text), "x.xml", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR) : NULL;
        xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;

        remember(&t->known.paths, &t->known.n_paths, &t->allocated_paths, path);
        for (xmlNode *n = root ? root->children : NULL; n; n = n->next) {
                char below[512];

                if (is_element(n, "interface"))
                        for (xmlNode *m = n->children; m; m = m->next)
                                if (is_element(m, "method") || is_element(m, "property"))
                                        add_target(t, path, n, m);
                if (!is_element(n, "node") || (t->leave_alone && strstr(attribute(n, "name"), t->leave_alone)))
                        continue;
                remember(&t->known.words, &t->known.n_words, &t->allocated_words, attribute(n, "name"));
                if ((size_t) snprintf(below, sizeof(below), "%s/%s", streq(path, "/") ? "" : path, attribute(n, "name")) < sizeof(below))
                        look(t, bus, below);
        }
        xmlFreeDoc(doc);
}

void targets_look(Targets *t, sd_bus *bus) {
        forget(t);
        look(t, bus, "/");
}

void targets_done(Targets *t) {
        forget(t);
        free(t->targets);
        free(t->known.words);
        free(t->known.paths);
        *t = (Targets) {};
}

const Target *targets_pick(const Targets *t, Random *r) {
        const Target *target = &t->targets[random_below(r, t->n_targets)];

        for (unsigned i = 0; i < 3 && target->property; i++)
                target = &t->targets[random_below(r, t->n_targets)];
        return target;
}

sd_bus_message *targets_call(const Targets *t, Random *r, sd_bus *bus, const Target *target) {
        bool on_peer = sd_bus_is_bus_client(bus) <= 0, property = target->property, set = random_one_in(r, 2);
        const char *interface = target->interface, *path = target->path, *signature = target->signature;
        _cleanup_message_ sd_bus_message *m = NULL;
        int e;

        r->long_texts_left = LONG_TEXTS;
        r->fds_left = on_peer ? FDS_ON_SOCKET : FDS_ON_BUS;
        if (random_one_in(r, 24))
                path = t->known.paths[random_below(r, t->known.n_paths)];
        if (random_one_in(r, 48))
                interface = NULL;
        if (random_one_in(r, 12))
                signature = random_signature(r);
        e = sd_bus_message_new_method_call(bus, &m, on_peer ? NULL : TCED_BUS_NAME, path,
                                           property ? "org.freedesktop.DBus.Properties" : interface,
                                           property ? set ? "Set" : "Get" : target->member);
        if (e >= 0 && property)
                e = sd_bus_message_append(m, "ss", target->interface, target->member);
        if (e >= 0 && property && set && random_one_in(r, 2))
                e = random_append(r, &t->known, m, "v");
        else if (e >= 0 && property && set) {
                e = sd_bus_message_open_container(m, 'v', target->signature);
                if (e >= 0)
                        e = random_append(r, &t->known, m, target->signature);
                if (e >= 0)
                        e = sd_bus_message_close_container(m);
        } else if (e >= 0 && !property)
                e = random_append(r, &t->known, m, signature);
        return e < 0 ? NULL : TAKE_PTR(m);
}

bool is_error_in_words(const char *name, const char *text) {
        if (isempty(name) || isempty(text) || !utf8_valid(text))
                return false;
        return strncmp(name, TCED_ERROR_PREFIX, strlen(TCED_ERROR_PREFIX)) == 0 ||
               (strncmp(name, "org.freedesktop.DBus.Error.", strlen("org.freedesktop.DBus.Error.")) == 0 &&
                !streq(name, SD_BUS_ERROR_NO_REPLY) && !streq(name, SD_BUS_ERROR_TIMEOUT) && !streq(name, SD_BUS_ERROR_DISCONNECTED));
}
