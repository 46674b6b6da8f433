/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: all of tced's configuration, as an administrator may have left it. An input's files stand one behind another, a line
 * "---" between two: tced.conf, two drop-ins, two rules. What is read can be written, and is the same when it is read again; warnings are
 * for people. */

#include "config.h"

#include <syslog.h>

#include "conf_value.h"
#include "fuzz.h"
#include "log.h"
#include "util.h"

#define EXPECT(what) fuzz_expect((what), #what)
#define BETWEEN "\n---\n"

static const char *const places[] = {
        "etc/tced/tced.conf", "etc/tced/tced.conf.d/10-a.conf", "run/tced/tced.conf.d/20-b.conf",
        "etc/tced/rules.d/10-a.rule", "usr/lib/tced/rules.d/20-b.rule",
};

static void on_warning(const char *file, unsigned line, const char *text, void *userdata) {
        (*(int *) userdata)++;
        EXPECT(!isempty(file) && !isempty(text) && utf8_valid(text));
}

static void load(const char *root, Config *ret) {
        int n = 0, r = config_load(root, on_warning, &n, ret);

        EXPECT(r >= 0 && r == n);
}

/* tced.conf with each setting as it is. */
static void write_config(const char *root, const Config *c) {
        char *text = NULL;
        const char *name;
        uint64_t value;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        EXPECT(f != NULL);
        (void) fprintf(f, "[Policy]\nAccel=%s\nMultiTce=%s\nHugePages=%s\n", accel_to_string(c->policy.accel),
                       tristate_to_string(c->policy.multitce), tristate_to_string(c->policy.huge_pages));
        if (c->policy.numa_node != NUMA_NODE_ANY)
                (void) fprintf(f, "NumaNode=%d\n", c->policy.numa_node);
        (void) fprintf(f, "[Limits]\n");
        for (size_t i = 0; config_limit_at(c, i, &name, &value); i++)
                (void) fprintf(f, "%s=%llu\n", name, (unsigned long long) value);
        (void) fprintf(f, "[Probe]\nTimeoutSec=%u\n[Manager]\nLogLevel=%s\nGroup=%s\n", (unsigned) (c->proof_timeout_usec / 1000000),
                       log_level_to_string(c->log_level), c->kvm_group);
        (void) fprintf(f, "[Hook]\nTimeoutSec=%u\nRequired=%s\n[Libvirt]\nConnect=%s\nUri=%s\n[Bind]\n",
                       (unsigned) (c->hook_timeout_usec / 1000000), c->hook_required ? "yes" : "no", c->libvirt_connect ? "yes" : "no",
                       c->libvirt_uri);
        for (size_t i = 0; i < c->n_bind_devices; i++)
                (void) fprintf(f, "Devices=%s\n", c->bind_devices[i]);
        (void) fclose(f);
        fuzz_write(root, places[0], text, size);
        free(text);
}

static void check_same(const Config *a, const Config *b) {
        const char *name;
        uint64_t x, y;

        EXPECT(a->policy.accel == b->policy.accel && a->policy.multitce == b->policy.multitce);
        EXPECT(a->policy.huge_pages == b->policy.huge_pages && a->policy.numa_node == b->policy.numa_node);
        for (size_t i = 0; config_limit_at(a, i, &name, &x); i++)
                EXPECT(config_limit_at(b, i, &name, &y) && x == y);
        EXPECT(a->proof_timeout_usec == b->proof_timeout_usec && a->log_level == b->log_level && streq(a->kvm_group, b->kvm_group));
        EXPECT(a->hook_timeout_usec == b->hook_timeout_usec && a->hook_required == b->hook_required);
        EXPECT(a->libvirt_connect == b->libvirt_connect && streq(a->libvirt_uri, b->libvirt_uri));
        EXPECT(a->n_bind_devices == b->n_bind_devices);
        for (size_t i = 0; i < a->n_bind_devices; i++)
                EXPECT(streq(a->bind_devices[i], b->bind_devices[i]) && config_binds(b, a->bind_devices[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *root = fuzz_folder(), *at = (const char *) data, *end = at + size;
        Config config = {}, again = {};

        for (size_t i = 0; i < ELEMENTSOF(places); i++) {
                const char *stop = at ? memmem(at, (size_t) (end - at), BETWEEN, strlen(BETWEEN)) : NULL;
                size_t n = at ? (size_t) ((stop ? stop : end) - at) : 0;

                fuzz_write(root, places[i], at, n);
                at = stop ? stop + strlen(BETWEEN) : NULL;
        }
        load(root, &config);
        for (size_t i = 1; i < ELEMENTSOF(places); i++)
                fuzz_write(root, places[i], NULL, 0);
        write_config(root, &config);
        EXPECT(config_load(root, NULL, NULL, &again) == 0);
        check_same(&config, &again);
        config_clear(&config);
        config_clear(&again);
        return 0;
}
