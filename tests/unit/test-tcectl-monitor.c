/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From tced's signals to the lines of tcectl monitor: what changed of what was told, and what is said of it. */

#include <locale.h>

#include "monitor.h"
#include "render.h"
#include "tap.h"
#include "tcectl-fixtures.h"
#include "tcectl-screens.h"
#include "util.h"
#include "view.h"

/* The lines that come, without their times. */
static char lines[4096];
static unsigned width = 400;

static int take(void *userdata, json_object *event) {
        char *text = NULL;
        size_t size;
        Output out = { .f = open_memstream(&text, &size), .width = width };

        (void) userdata;
        if (render_event(event, &out) < 0)
                abort();
        (void) fclose(out.f);
        if (!is_sound(text, width) || strlen(text) < 10)
                tap_ok(false, "a sound line: %s", text);
        (void) snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "%s", text + 9);
        free(text);
        return 0;
}

#define WEB "/org/tced1/machine/3f2c"
#define TABLE WEB "/table/71000001"
#define GROUP "/org/tced1/group/7"
#define FIRST "['slow-path', 'warning', 'liobn 1', 'It is slow.', 'Remedy.']"
#define SECOND "['mixed-phb', 'warning', 'pci.0', 'It is mixed.', 'Remedy.']"
#define HOST "'/org/tced1': { 'org.tced1.Manager': { 'Version': '0.1', 'Usage': { 'MachinesMax': 1 } } }"
#define MACHINE "'" WEB "': { 'org.freedesktop.DBus.Peer': {}, 'org.tced1.Machine': { 'Name': 'web1', 'State': 'registered', 'Pid': 0," \
                " 'Findings': [ " FIRST " ] } }"

static void test_events(void) {
        static const struct {
                ClientNews news;
                const char *json, *lines;
        } steps[] = {
                { { CLIENT_ADDED, WEB, NULL, NULL }, "{ 'org.tced1.Machine': {} }", "" }, /* before anything is known */
                { { CLIENT_ALL, "/org/tced1", NULL, NULL }, "{ " HOST ", " MACHINE " }", "tced 0.1 is there, with 1 VM and 0 IOMMU groups\n" },
                { { CLIENT_CHANGED, WEB, "org.tced1.Machine", NULL }, "{ 'State': 'registered', 'Pid': 0 }", "" },
                { { CLIENT_CHANGED, WEB, "org.tced1.Machine", NULL }, "{ 'State': 'claimed', 'Pid': 811, 'Findings': [ " FIRST " ] }",
                  "VM web1: State registered → claimed, Pid 0 → 811\n" },
                { { CLIENT_CHANGED, WEB, "org.tced1.Machine", NULL }, "{ 'Findings': [ " SECOND " ] }",
                  "VM web1: finding mixed-phb: It is mixed.; finding slow-path has gone\n" },
                { { CLIENT_CHANGED, "/org/tced1", "org.tced1.Manager", NULL }, "{ 'Usage': { 'MachinesMax': 2 } }", "" },
                { { CLIENT_ADDED, TABLE, NULL, NULL }, "{ 'org.tced1.Table': { 'Device': 'vnet0', 'Placement': 'kernel', 'State': 'planned' } }",
                  "web1, table 71000001 (vnet0) is new: planned, kernel\n" },
                { { CLIENT_CHANGED, TABLE, "org.tced1.Table", NULL }, "{ 'Placement': 'user', 'ReasonText': 'it was refused', 'HugePages': true }",
                  "web1, table 71000001 (vnet0): Placement kernel → user, ReasonText: it was refused, HugePages: yes\n" },
                { { CLIENT_ADDED, GROUP, NULL, NULL }, "{ 'org.tced1.Group': { 'Key': '0000:01:00.0', 'Viability': 'viable', 'Devices': [] } }",
                  "IOMMU group 7 (0000:01:00.0) is new: viable\n" },
                { { CLIENT_CHANGED, GROUP, "org.tced1.Group", NULL }, "{ 'Devices': [ [ 'x' ] ], 'Holder': '' }",
                  "IOMMU group 7 (0000:01:00.0): Devices changed, Holder: -\n" },
                { { CLIENT_SLOW_PATH, "/org/tced1", NULL, NULL }, "[ 'web1', 811, 'vnet0 is in the VMM' ]",
                  "web1 (PID 811) is on the slow path: vnet0 is in the VMM\n" },
                { { CLIENT_SLOW_PATH, "/org/tced1", NULL, NULL }, "[ 'web1' ]", "" },
                { { CLIENT_AWAY, "/org/tced1", NULL, NULL }, "{}", "tced has gone\n" },
                /* It is back with another group and a state that is another; the table and the group are no more. */
                { { CLIENT_ALL, "/org/tced1", NULL, NULL },
                  "{ " HOST ", " MACHINE ", '/org/tced1/group/8': { 'org.tced1.Group': { 'Key': 'k', 'Viability': 'empty' } } }",
                  "tced 0.1 is there, with 1 VM and 1 IOMMU group\n"
                  "web1, table 71000001 (vnet0) has gone\n"
                  "IOMMU group 7 (0000:01:00.0) has gone\n"
                  "VM web1: State claimed → registered, Pid 811 → 0, finding slow-path: It is slow.; finding mixed-phb has gone\n"
                  "IOMMU group 8 (k) is new: empty\n" },
                { { CLIENT_ADDED, TABLE, NULL, NULL }, "{ 'org.tced1.Table': { 'Device': 'v\\u001b[2J' } }",
                  "web1, table 71000001 (v\\x1b[2J) is new\n" },
                { { CLIENT_REMOVED, WEB, NULL, NULL }, "{}", "VM web1 has gone\n" },
                { { CLIENT_REMOVED, TABLE, NULL, NULL }, "{}", "" }, /* went with it */
                { { CLIENT_REMOVED, WEB, NULL, NULL }, "{}", "" },
                { { CLIENT_CHANGED, WEB, "org.tced1.Machine", NULL }, "{ 'State': 'x' }", "" },
                { { CLIENT_CHANGED, GROUP, "org.tced1.Group", NULL }, "5", "" },
        };
        Monitor *m = NULL;

        tap_eq(monitor_new(take, NULL, &m), 0, "a monitor");
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                ClientNews news = steps[i].news;
                json_object *json = fixture(steps[i].json);

                news.json = json;
                lines[0] = '\0';
                tap_eq(monitor_hear(m, &news), 0, "news %zu: heard", i);
                tap_streq(lines, steps[i].lines, "news %zu: told", i);
                (void) json_object_put(json);
        }
        monitor_free(m);
}

/* A line that is too long goes on behind the time. */
static void test_width(void) {
        json_object *event = fixture("{ 'time_usec': 5000000, 'event': 'slow-path', 'kind': 'machine', 'name': 'web1', 'path': '/',"
                                     "  'slow': { 'pid': 811, 'text': 'the table of vnet0 is in the VMM' } }");

        width = 40;
        lines[0] = '\0';
        (void) take(NULL, event);
        tap_streq(lines, "web1 (PID 811) is on the slow\n         path: the table of vnet0 is in\n         the VMM\n", "a narrow line");
        (void) json_object_put(event);
}

int main(void) {
        if (!setlocale(LC_ALL, "C.UTF-8")) {
                tap_ok(false, "the locale C.UTF-8");
                return tap_done();
        }
        test_events();
        test_width();
        return tap_done();
}
