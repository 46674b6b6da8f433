/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `tcectl features`: what this host has proven, in the words of those who place guests: as a file of Node Feature Discovery's, and as JSON, which is
 * an Ansible fact. What is not proven is not there: who asks for a label gets hosts that have shown it. */

#include <inttypes.h>
#include <time.h>

#include "render.h"
#include "util.h"
#include "view.h"

/* Kubernetes' most for a label's value. */
#define LABEL_MAX ((size_t) 63)

typedef struct Feature {
        const char *name; /* of the fact; of the label with "tced-" before it, and dashes */
        const char *capability;
} Feature;

static const Feature features[] = {
        { "in_kernel_tce", "KVM_CAP_SPAPR_TCE" },
        { "in_kernel_tce_64", "KVM_CAP_SPAPR_TCE_64" },
        { "in_kernel_tce_vfio", "KVM_CAP_SPAPR_TCE_VFIO" },
};

static bool is_proven(json_object *of) {
        return streq(view_show(of, "proven"), "yes");
}

static bool has_capability(json_object *json, const char *name) {
        json_object *capabilities = view_get(json, "host.kvm.capabilities");

        for (size_t i = 0; i < view_length(capabilities); i++)
                if (streq(view_show(view_item(capabilities, i), "name"), name))
                        return is_proven(view_item(capabilities, i));
        return false;
}

/* Its hypercalls in the kernel, and a kernel that checks the end of a window: else tced keeps it off. */
static bool has_multitce(json_object *json) {
        return has_capability(json, "KVM_CAP_SPAPR_MULTITCE") && is_proven(view_get(json, "host.kvm.multitce_range_check"));
}

/* "HV" or "PR", of which the first is the faster; NULL: no VM was made. */
static const char *kvm_type(json_object *json) {
        json_object *types = view_get(json, "host.kvm.vm_types");

        for (size_t i = 0; i < view_length(types); i++)
                if (is_proven(view_item(types, i)))
                        return view_string(view_item(types, i), "name");
        return NULL;
}

static uint64_t count_assignable(json_object *json) {
        json_object *groups = view_get(json, "groups");
        uint64_t n = 0;

        for (size_t i = 0; i < view_length(groups); i++)
                n += view_true(view_item(groups, i), "assignable");
        return n;
}

/* As the fact has them. */
json_object *select_features(json_object *json) {
        json_object *o = json_object_new_object(), *errors = json_object_new_array(), *findings = view_get(json, "findings");
        const char *kvm = kvm_type(json);
        int r = o && errors ? 0 : -ENOMEM;

        if (r >= 0)
                r = json_put_consume(o, "version", json_object_new_string(view_show(json, "tced.version")));
        if (r >= 0 && kvm)
                r = json_put_consume(o, "kvm", json_object_new_string(kvm));
        else if (r >= 0)
                r = json_object_object_add(o, "kvm", NULL) == 0 ? 0 : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(features); i++)
                r = json_put_consume(o, features[i].name, json_object_new_boolean(has_capability(json, features[i].capability)));
        if (r >= 0)
                r = json_put_consume(o, "multitce", json_object_new_boolean(has_multitce(json)));
        if (r >= 0)
                r = json_put_consume(o, "iommu_groups_assignable", json_object_new_int64((int64_t) count_assignable(json)));
        for (size_t i = 0; r >= 0 && i < view_length(findings); i++) {
                json_object *f = view_item(findings, i), *id;

                if (!streq(view_show(f, "severity"), "error"))
                        continue;
                id = json_object_new_string(view_show(f, "id"));
                if (!id || json_object_array_add(errors, id) < 0) {
                        (void) json_object_put(id);
                        r = -ENOMEM;
                }
        }
        if (r >= 0)
                r = json_put_consume(o, "errors", json_object_get(errors));
        (void) json_object_put(errors);
        if (r < 0) {
                (void) json_object_put(o);
                return NULL;
        }
        return o;
}

static bool is_alnum(char c) {
        return c != '\0' && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", c);
}

/* A label's value: of A-Z a-z 0-9 - _ ., at both ends a letter or digit (Kubernetes: apimachinery/pkg/util/validation/
 * validation.go:IsValidLabelValue); Node Feature Discovery passes over another. */
static void put_value(FILE *f, const char *value) {
        char text[LABEL_MAX + 1];
        size_t n = 0;

        for (const char *p = value; *p && n < LABEL_MAX; p++)
                if (n > 0 || is_alnum(*p))
                        text[n++] = is_alnum(*p) || strchr("-_.", *p) ? *p : '_';
        while (n > 0 && !is_alnum(text[n - 1]))
                n--;
        text[n] = '\0';
        (void) fputs(text, f);
}

/* With its namespace, as Node Feature Discovery is about to take none without (docs/reference/feature-gates.md: DisableAutoPrefix); a member's
 * underscores are dashes there. */
static void put_label(FILE *f, const char *name, const char *value) {
        (void) fputs("feature.node.kubernetes.io/tced-", f);
        for (const char *p = name; *p; p++)
                (void) fputc(*p == '_' ? '-' : *p, f);
        (void) fputc('=', f);
        put_value(f, value);
        (void) fputc('\n', f);
}

int render_features(json_object *json, time_t expires, FILE *f) {
        json_object *all = select_features(json);
        struct tm tm;
        char text[32];

        if (!all)
                return -ENOMEM;
        if (expires > 0 && gmtime_r(&expires, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
                (void) fprintf(f, "# +expiry-time=%s\n", text);
        json_object_object_foreach(all, name, value) {
                if (json_object_is_type(value, json_type_string))
                        put_label(f, name, json_object_get_string(value));
                else if (json_object_is_type(value, json_type_int)) {
                        (void) snprintf(text, sizeof(text), "%" PRId64, json_object_get_int64(value));
                        put_label(f, name, text);
                } else if (json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value))
                        put_label(f, name, "true");
        }
        put_label(f, "errors", json_object_array_length(view_get(all, "errors")) > 0 ? "true" : "false");
        (void) json_object_put(all);
        return 0;
}
