/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl metrics and features: each number is the host's, whatever names it has, and a file is whole or as it was. Whether Prometheus's own tools
 * accept it is fleet.sh's. */

#include <sys/stat.h>

#include "output-file.h"
#include "render.h"
#include "tap.h"
#include "tcectl-fixtures.h"
#include "tcectl-run.h"
#include "view.h"

/* To be freed. */
static char *metrics(json_object *json) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (render_metrics(json, f) < 0)
                abort();
        (void) fclose(f);
        return text;
}

#define NS "feature.node.kubernetes.io/tced-"

static char *labels(json_object *json, time_t expires) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (render_features(json, expires, f) < 0)
                abort();
        (void) fclose(f);
        return text;
}

/* Is it a line of its own? */
static bool has_line(const char *text, const char *line) {
        size_t n = strlen(line);

        for (const char *p = text; (p = strstr(p, line)); p++)
                if ((p == text || p[-1] == '\n') && p[n] == '\n')
                        return true;
        return false;
}

static void test_metrics(void) {
        static const char *const lines[] = {
                "tced_up 1",
                "tced_build_info{version=\"0.1\"} 1",
                "# TYPE tced_kvm_usable gauge",
                "tced_kvm_usable 1",
                "tced_capability_declared{capability=\"KVM_CAP_SPAPR_MULTITCE\"} 0",
                "tced_capability_proven{capability=\"KVM_CAP_SPAPR_TCE\"} 1",
                "tced_capability_proven{capability=\"KVM_CAP_SPAPR_MULTITCE\"} 0",
                "tced_limit{limit=\"TableBytesMax\"} 1073741824",
                "tced_iommu_groups{viability=\"viable\"} 1",
                "tced_iommu_groups{viability=\"not-bound\"} 1",
                "tced_iommu_group_devices 3",
                "tced_findings{id=\"vfio-broken\",severity=\"error\"} 1",
                "tced_findings{id=\"slow-path\",severity=\"warning\"} 1",
                "tced_machines{source=\"-\",state=\"claimed\"} 1",
                "tced_tables{placement=\"user\",reason=\"kernel-refused\"} 1",
                "tced_tables_bytes{placement=\"kernel\",reason=\"in-kernel\"} 2097152",
                "tced_machine_slow_tables{machine=\"web1\",uuid=\"3f2c1a9b00000000000000000000abcd\"} 1",
                "tced_machine_slow_tables{machine=\"db\",uuid=\"3F2C1A9B-1111-0000-0000-000000000000\"} 0",
                "tced_machine_locked_bytes{machine=\"web1\",uuid=\"3f2c1a9b00000000000000000000abcd\"} 2162688",
        };
        json_object *power = fixture(fixture_power), *x86 = fixture(fixture_x86), *odd = fixture("{ 'host': 3, 'machines': [ 7, {"
                                     " 'name': 'a\\u001b[31m\\n\\\"} 9\\\\', 'uuid': null, 'user_bytes': 'x', 'tables': [ null ] } ] }");
        json_object *missed = fixture("{ 'machines': [ { 'name': 'db1', 'tables': [ { 'placement': 'kernel', 'reason': 'in-kernel', 'slow': true,"
                                      " 'found': 'missing' }, { 'placement': 'kernel', 'reason': 'in-kernel', 'slow': false } ] } ] }");
        char *text = metrics(power);

        for (size_t i = 0; i < ELEMENTSOF(lines); i++)
                tap_ok(has_line(text, lines[i]), "%s", lines[i]);
        tap_ok(!strstr(text, "tced_capability_proven{capability=\"KVM_CAP_SPAPR_TCE_VFIO\"}"), "of a capability that is not known there is no number");
        tap_ok(strlen(text) > 6 && streq(text + strlen(text) - 6, "# EOF\n"), "it ends where it ends");
        free(text);
        text = metrics(x86);
        tap_ok(has_line(text, "tced_kvm_usable 0") && !strstr(text, "tced_machine_slow_tables"), "a host without KVM and VMs");
        free(text);
        text = metrics(NULL);
        tap_streq(text, "# TYPE tced_up gauge\n# HELP tced_up Does tced answer.\ntced_up 0\n# EOF\n", "no tced");
        free(text);
        text = metrics(odd);
        tap_ok(has_line(text, "tced_machine_slow_tables{machine=\"a?[31m\\n\\\"} 9\\\\\",uuid=\"-\"} 0"), "a name is a label's value and nothing else");
        free(text);
        text = metrics(missed);
        tap_ok(has_line(text, "tced_machine_slow_tables{machine=\"db1\",uuid=\"-\"} 1") &&
                       has_line(text, "tced_tables{placement=\"missing\",reason=\"in-kernel\"} 1") &&
                       has_line(text, "tced_tables{placement=\"kernel\",reason=\"in-kernel\"} 1"), "a table that was planned in the kernel and is not there is slow");
        free(text);
        (void) json_object_put(missed);
        (void) json_object_put(power);
        (void) json_object_put(x86);
        (void) json_object_put(odd);
}

static void test_features(void) {
        json_object *power = fixture(fixture_power), *x86 = fixture(fixture_x86), *fact;
        json_object *able = fixture("{ 'host': { 'kvm': { 'vm_types': [ { 'name': 'HV pr\\u00e9', 'proven': 'yes' } ], 'capabilities': ["
                                    " { 'name': 'KVM_CAP_SPAPR_MULTITCE', 'proven': 'yes' } ], 'multitce_range_check': { 'proven': 'yes' } } } }");
        static const struct {
                const char *name, *version, *label;
        } versions[] = {
                { "a value begins and ends with a letter or digit", "~0.1+", NS "version=0.1" },
                { "others become _ between", "0.1~rc1 +x", NS "version=0.1_rc1__x" },
                { "of nothing else nothing is left", "-._", NS "version=" },
                { "63 characters are a value", "012345678901234567890123456789012345678901234567890123456789012", NS
                  "version=012345678901234567890123456789012345678901234567890123456789012" },
                { "cut at 63 it ends with a letter or digit, too", "01234567890123456789012345678901234567890123456789012345678901.2", NS
                  "version=01234567890123456789012345678901234567890123456789012345678901" },
        };
        char *text = labels(power, 0);

        tap_streq(text, NS "version=0.1\n" NS "kvm=HV\n" NS "in-kernel-tce=true\n" NS "in-kernel-tce-64=true\n" NS "iommu-groups-assignable=0\n"
                        NS "errors=true\n", "labels are what is proven");
        free(text);
        text = labels(x86, 1000000000);
        tap_streq(text, "# +expiry-time=2001-09-09T01:46:40Z\n" NS "version=0.1\n" NS "iommu-groups-assignable=0\n" NS "errors=false\n",
                  "a host that has proven nothing, until when");
        free(text);
        text = labels(able, 0);
        tap_ok(has_line(text, NS "kvm=HV_pr") && has_line(text, NS "multitce=true"), "a value has a label's characters");
        free(text);
        for (size_t i = 0; i < ELEMENTSOF(versions); i++) {
                char json[256];
                json_object *of;

                (void) snprintf(json, sizeof(json), "{ 'tced': { 'version': '%s' } }", versions[i].version);
                of = fixture(json);
                text = labels(of, 0);
                tap_ok(has_line(text, versions[i].label), "%s", versions[i].name);
                free(text);
                (void) json_object_put(of);
        }
        fact = select_features(power);
        tap_streq(json_object_to_json_string_ext(fact, JSON_C_TO_STRING_PLAIN),
                  "{\"version\":\"0.1\",\"kvm\":\"HV\",\"in_kernel_tce\":true,\"in_kernel_tce_64\":true,\"in_kernel_tce_vfio\":false,\"multitce\":false,"
                  "\"iommu_groups_assignable\":0,\"errors\":[\"vfio-broken\"]}", "the fact");
        (void) json_object_put(fact);
        (void) json_object_put(power);
        (void) json_object_put(x86);
        (void) json_object_put(able);
}

static void write_text(const char *path, const char *text) {
        FILE *f = fopen(path, "we");

        if (!f || fputs(text, f) < 0 || fclose(f) != 0)
                abort();
}

/* The program, with a host's facts and without a tced. */
static void test_output(void) {
        char facts[96], host[128], path[96], output[128], text[4096];
        struct stat st;
        Run result;

        (void) snprintf(facts, sizeof(facts), "%s/facts.json", folder);
        (void) snprintf(host, sizeof(host), "--host=%s", facts);
        (void) snprintf(path, sizeof(path), "%s/tced.prom", folder);
        (void) snprintf(output, sizeof(output), "--output=%s", path);
        {
                json_object *power = fixture(fixture_power);

                write_text(facts, json_object_to_json_string(power));
                (void) json_object_put(power);
        }
        RUN(&result, (char *) "metrics", host);
        tap_ok(result.status == 0 && has_line(result.out, "tced_up 1"), "metrics of another host's facts");
        RUN(&result, (char *) "metrics", host, output);
        read_all(path, text, sizeof(text));
        tap_ok(result.status == 0 && !*result.out && has_line(text, "tced_up 1"), "into a file");
        tap_ok(stat(path, &st) == 0 && (st.st_mode & 07777) == 0644, "that everybody may read");
        RUN(&result, (char *) "metrics", output, (char *) "--address=unix:path=/nonexistent/socket");
        read_all(path, text, sizeof(text));
        tap_ok(result.status == 0 && *result.err && has_line(text, "tced_up 0") && !strstr(text, "tced_machine"), "no tced: the file says so, too");
        RUN(&result, (char *) "features", output, host);
        read_all(path, text, sizeof(text));
        tap_ok(result.status == 0 && strncmp(text, "# +expiry-time=2", 16) == 0 && has_line(text, NS "kvm=HV"), "features with how long they hold");
        RUN(&result, (char *) "features", (char *) "--json=short", host);
        tap_ok(result.status == 0 && strncmp(result.out, "{\"version\":\"0.1\",", 17) == 0, "the fact in one line");
        RUN(&result, (char *) "features", output, (char *) "--address=unix:path=/nonexistent/socket");
        tap_ok(result.status == 0 && *result.err && access(path, F_OK) < 0, "no tced: what was said of the host is taken away");
        RUN(&result, (char *) "metrics", host, (char *) "--output=/nonexistent/folder/tced.prom");
        tap_ok(result.status == 1 && strstr(result.err, "/nonexistent/folder/tced.prom: No such file") && strstr(result.err, "may write"),
               "a folder that is not there: %s", result.err);
        (void) mkdir(path, 0700);
        RUN(&result, (char *) "metrics", host, output);
        tap_ok(result.status == 1 && strstr(result.err, "but a folder. Name a file"), "a folder in its place: %s", result.err);
        (void) rmdir(path);
        (void) !symlink("/dev/null", path);
        RUN(&result, (char *) "metrics", host, output);
        tap_ok(result.status == 1 && strstr(result.err, "but a link.") && lstat(path, &st) == 0 && S_ISLNK(st.st_mode), "a link in its place stays");
        RUN(&result, (char *) "features", output, (char *) "--address=unix:path=/nonexistent/socket");
        tap_ok(result.status == 1 && strstr(result.err, "but a link.") && lstat(path, &st) == 0 && S_ISLNK(st.st_mode), "also where it would be taken away");
        (void) unlink(path);
        (void) mkfifo(path, 0600);
        RUN(&result, (char *) "metrics", host, output);
        tap_ok(result.status == 1 && strstr(result.err, "but a device or pipe.") && lstat(path, &st) == 0 && S_ISFIFO(st.st_mode), "and what is no file (/dev/full)");
        (void) unlink(path);
        RUN(&result, (char *) "status", output);
        tap_ok(result.status == 2 && strstr(result.err, "does not take --output"), "of no other command");
        RUN(&result, (char *) "metrics", (char *) "--output=");
        tap_ok(result.status == 2 && strstr(result.err, "needs a file"), "an empty name");
        (void) unlink(facts);
        tap_ok(rmdir(folder) < 0, "out and err are there");
        for (size_t i = 0; i < 2; i++) {
                (void) snprintf(path, sizeof(path), "%s/%s", folder, i ? "out" : "err");
                (void) unlink(path);
        }
        tap_ok(rmdir(folder) == 0, "and no half a file");
}

int main(int argc, char **argv) {
        if (argc == 2 && streq(argv[1], "--facts")) {
                json_object *power = fixture(fixture_power);

                (void) puts(json_object_to_json_string(power));
                (void) json_object_put(power);
                return 0;
        }
        (void) snprintf(folder, sizeof(folder), "%s", "/tmp/tcectl-fleet-XXXXXX");
        if (argc < 2 || !mkdtemp(folder))
                return 1;
        program = argv[1];
        test_metrics();
        test_features();
        test_output();
        return tap_done();
}
