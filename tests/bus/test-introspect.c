/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* data/dbus/ is the specification: each interface that is installed is what the running service says of itself, member by
 * member, and the service has no interface that is not there. */

#include <libxml/parser.h>

#include "client.h"
#include "tap.h"
#include "xml-look.h"

#define EMITS_CHANGED "org.freedesktop.DBus.Property.EmitsChangedSignal"

/* One line for each thing of an interface that a client can see. */
typedef struct Lines {
        char **items;
        size_t n, allocated;
} Lines;

static void lines_clear(Lines *l) {
        while (l->n > 0)
                free(l->items[--l->n]);
        free(l->items);
}

static void lines_add(Lines *l, char *line) {
        if (!line || ARRAY_RESERVE(l->items, l->allocated, l->n + 1) < 0)
                bail_out("no memory");
        l->items[l->n++] = line;
}

/* EmitsChangedSignal's default, and privileges, which the specification does not have. */
static const char *annotation(xmlNode *member, const char *name, const char *fallback) {
        for (xmlNode *n = member->children; n; n = n->next)
                if (is_element(n, "annotation") && streq(attribute(n, "name"), name))
                        return attribute(n, "value");
        return fallback;
}

static char *arguments(xmlNode *member) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                bail_out("no memory");
        for (xmlNode *n = member->children; n; n = n->next) {
                const char *direction;

                if (!is_element(n, "arg"))
                        continue;
                direction = attribute(n, "direction");
                if (isempty(direction))
                        direction = is_element(member, "signal") ? "out" : "in";
                (void) fprintf(f, " %s:%s:%s", direction, attribute(n, "type"), attribute(n, "name"));
        }
        (void) fclose(f);
        return text;
}

static void read_interface(xmlNode *interface, Lines *lines) {
        for (xmlNode *n = interface->children; n; n = n->next) {
                char *line = NULL;
                int r = 0;

                if (is_element(n, "property"))
                        r = asprintf(&line, "property %s %s %s %s", attribute(n, "name"), attribute(n, "type"), attribute(n, "access"),
                                     annotation(n, EMITS_CHANGED, "true"));
                else if (is_element(n, "method") || is_element(n, "signal")) {
                        _cleanup_free_ char *args = arguments(n);
                        r = asprintf(&line, "%s %s%s", (const char *) n->name, attribute(n, "name"), args);
                } else
                        continue;
                lines_add(lines, r < 0 ? NULL : line);
        }
}

static xmlNode *find_interface(xmlDoc *doc, const char *name) {
        xmlNode *root = xmlDocGetRootElement(doc);

        for (xmlNode *n = root ? root->children : NULL; n; n = n->next)
                if (is_element(n, "interface") && streq(attribute(n, "name"), name))
                        return n;
        return NULL;
}

static bool lines_have(const Lines *l, const char *line) {
        for (size_t i = 0; i < l->n; i++)
                if (streq(l->items[i], line))
                        return true;
        return false;
}

/* A point for each member of the first that the second must have. */
static unsigned compare(const char *interface, const Lines *want, const Lines *have, const char *missing, bool report) {
        unsigned different = 0;

        for (size_t i = 0; i < want->n; i++) {
                bool same = lines_have(have, want->items[i]);

                different += !same;
                if (report && !tap_ok(same, "%s: %s", interface, want->items[i]))
                        printf("#   %s\n", missing);
        }
        return different;
}

static xmlDoc *parse(const char *text) {
        xmlDoc *doc = text ? xmlReadMemory(text, (int) strlen(text), "introspection.xml", NULL, XML_PARSE_NONET | XML_PARSE_NOERROR) : NULL;

        if (!doc)
                bail_out("what should be XML can't be parsed: %.200s", text ? text : "(nothing)");
        return doc;
}

/* How many members differ between the specification and the service. */
static unsigned compare_texts(const char *interface, const char *specified, const char *running, bool report) {
        xmlDoc *want = parse(specified), *have = parse(running);
        xmlNode *wanted = find_interface(want, interface), *found = find_interface(have, interface);
        Lines want_lines = {}, have_lines = {};
        unsigned different = 0;

        if (wanted)
                read_interface(wanted, &want_lines);
        if (found)
                read_interface(found, &have_lines);
        if (report)
                tap_ok(wanted && found, "%s is specified, and the service has it", interface);
        different += compare(interface, &want_lines, &have_lines, "is specified; the service lacks it, or has it otherwise", report);
        different += compare(interface, &have_lines, &want_lines, "the service has it; the specification lacks it, or has it otherwise",
                             report);
        lines_clear(&want_lines);
        lines_clear(&have_lines);
        xmlFreeDoc(want);
        xmlFreeDoc(have);
        return different;
}

static char *specification(const char *interface) {
        char path[512];

        (void) snprintf(path, sizeof(path), "%s/dbus/%s.xml", getenv("TCED_DATA"), interface);
        return read_whole(path);
}

/* The comparison is no good if it never fails. */
static void test_comparison(const char *running) {
        static const struct {
                const char *name, *from, *to;
        } cases[] = {
                { "a member that is called otherwise", "name=\"Rescan\"", "name=\"Rescam\"" },
                { "an argument's type", "type=\"b\" direction=\"in\"", "type=\"s\" direction=\"in\"" },
                { "a property's access", "name=\"Limits\" type=\"a{st}\" access=\"read\"", "name=\"Limits\" type=\"a{st}\" access=\"readwrite\"" },
                { "EmitsChangedSignal", "EmitsChangedSignal\" value=\"const\"", "EmitsChangedSignal\" value=\"false\"" },
                { "a signal that is a method", "<signal name=\"MachineNew\">", "<signal name=\"MachineOld\">" },
        };
        _cleanup_free_ char *good = specification(TCED_INTERFACE_MANAGER);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *bad = NULL;
                char *at = strstr(good, cases[i].from);
                bool made = at && asprintf(&bad, "%.*s%s%s", (int) (at - good), good, cases[i].to, at + strlen(cases[i].from)) > 0;

                tap_ok(made && compare_texts(TCED_INTERFACE_MANAGER, bad, running, false) > 0, "it would be seen: %s", cases[i].name);
        }
        tap_eq(compare_texts(TCED_INTERFACE_MANAGER, good, running, false), 0, "nothing else is seen");
}

/* What every object has, by the D-Bus specification. */
static bool is_standard(const char *interface) {
        return strncmp(interface, "org.freedesktop.DBus.", strlen("org.freedesktop.DBus.")) == 0;
}

static void check_interfaces(const char *path, const char *running, const char *only) {
        xmlDoc *doc = parse(running);
        unsigned others = 0;

        for (xmlNode *n = xmlDocGetRootElement(doc)->children; n; n = n->next)
                if (is_element(n, "interface") && !is_standard(attribute(n, "name")) && !streq(attribute(n, "name"), only)) {
                        printf("#   %s\n", attribute(n, "name"));
                        others++;
                }
        tap_eq(others, 0, "%s has no interface but %s", path, only);
        xmlFreeDoc(doc);
}

static void test_object(sd_bus *bus, const char *path, const char *interface) {
        _cleanup_free_ char *running = introspect(bus, path), *specified = specification(interface);

        if (!tap_ok(running, "%s can be introspected", path))
                return;
        (void) compare_texts(interface, specified, running, true);
        check_interfaces(path, running, interface);
}

/* systemd's own interface, as org.freedesktop.LogControl1(5) has it. */
static void test_log_control(sd_bus *bus) {
        static const char specified[] =
                "<node><interface name='" LOG_CONTROL_INTERFACE "'>"
                "<property name='LogLevel' type='s' access='readwrite'><annotation name='" EMITS_CHANGED "' value='false'/></property>"
                "<property name='LogTarget' type='s' access='readwrite'><annotation name='" EMITS_CHANGED "' value='false'/></property>"
                "<property name='SyslogIdentifier' type='s' access='read'><annotation name='" EMITS_CHANGED "' value='const'/></property>"
                "</interface></node>";
        _cleanup_free_ char *running = introspect(bus, LOG_CONTROL_PATH);

        (void) compare_texts(LOG_CONTROL_INTERFACE, specified, running, true);
}

static void test_connection(sd_bus *bus, const char *machine) {
        char table[128];
        _cleanup_free_ char *manager = introspect(bus, TCED_BUS_PATH), *nodes = introspect(bus, TCED_MACHINE_PREFIX);

        (void) snprintf(table, sizeof(table), "%s/table/%08x", machine, SMALL_LIOBN);
        test_object(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER);
        test_object(bus, TCED_GROUP_PREFIX "/5", TCED_INTERFACE_GROUP);
        test_object(bus, machine, TCED_INTERFACE_MACHINE);
        test_object(bus, table, TCED_INTERFACE_TABLE);
        test_log_control(bus);
        test_comparison(manager);
        tap_ok(strstr(manager, "<node name=\"group\"") && strstr(manager, "<node name=\"machine\""), "the root shows its children");
        tap_ok(nodes && strstr(nodes, machine + strlen(TCED_MACHINE_PREFIX "/")), "machines are listed below their folder");
}

int main(void) {
        _cleanup_bus_ sd_bus *bus = NULL, *peer = NULL;
        _cleanup_free_ char *machine = NULL;
        Host h;

        host_init(&h, 100);
        host_add_group(&h, 5, "0000:01:00.0", "e1000e");
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "introspection");
                host_done(&h);
                return tap_done();
        }
        if (!host_start_tced(&h, NULL))
                bail_out("tced does not start");
        bus = open_bus(&h);
        peer = open_peer(&h);
        machine = register_small(bus, "web1", 1, NO_UID);
        test_connection(bus, machine);
        test_connection(peer, machine);
        xmlCleanupParser();
        host_done(&h);
        return tap_done();
}
