/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "audit_expected.h"

#include "domain_plan.h"
#include "qemu_args.h"
#include "qemu_options.h"
#include "util.h"

/* What does not end in a NUL byte is not whole: nothing is said of it. */
static int split(const SeenProcess *process, const char ***ret, size_t *ret_n) {
        const char *text = process->command_line, *end = text + process->command_line_size;
        const char **words;
        size_t n = 0;

        for (const char *at = text; at < end; at++)
                n += *at == '\0';
        words = calloc(n + 1, sizeof(*words));
        if (!words)
                return -ENOMEM;
        n = 0;
        for (const char *at = text; at < end && memchr(at, '\0', (size_t) (end - at)); at += strlen(at) + 1)
                words[n++] = at;
        *ret = words;
        *ret_n = n;
        return 0;
}

int audit_expect_command_line(const SeenProcess *process, const KvmFacts *kvm, const VfioFacts *vfio, Plan *ret, char why[AUDIT_UNKNOWN_MAX]) {
        static const PolicySetting no_policy = { .accel = ACCEL_AUTO, .numa_node = NUMA_NODE_ANY };
        static const Rules no_rules = {};
        const PlanHost host = { .kvm = kvm, .vfio = vfio, .policy = &no_policy, .rules = &no_rules };
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        _cleanup_free_ const char **words = NULL;
        DomainError error = {};
        size_t n = 0;
        int r = process->command_line ? split(process, &words, &n) : 0;

        if (r < 0)
                return r;
        if (n == 0)
                (void) snprintf(why, AUDIT_UNKNOWN_MAX, "its command line can't be read");
        else if (!qemu_args_is_qemu(words[0]))
                (void) snprintf(why, AUDIT_UNKNOWN_MAX, "it is no QEMU whose arguments would tell");
        else {
                r = domain_plan_make_bare(words, n, true, &host, &plan, &error);
                if (r == 0 && plan.domain.pseries) {
                        *ret = TAKE_GENERIC(plan.plan, Plan, (Plan) {});
                        return 0;
                }
                if (r < 0 && r != -EINVAL)
                        return r;
                (void) snprintf(why, AUDIT_UNKNOWN_MAX, "%.*s", AUDIT_UNKNOWN_MAX - 1, r < 0 ? error.text : "its machine is no pseries");
                (void) utf8_mend(why);
        }
        return -ENOENT;
}

int audit_guest_name(const SeenProcess *process, char **ret) {
        _cleanup_free_ const char **words = NULL;
        size_t n = 0;
        int r = process->command_line ? split(process, &words, &n) : 0;

        *ret = NULL;
        for (size_t i = 1; r >= 0 && !*ret && i + 1 < n; i++) {
                _cleanup_(qemu_options_clear) QemuOptions o = {};
                const char *name;

                if (!streq(words[i], "-name"))
                        continue;
                r = qemu_options_parse(words[i + 1], "guest", &o);
                name = r < 0 ? NULL : qemu_options_get(&o, "guest");
                if (name && !(*ret = strdup(name)))
                        r = -ENOMEM;
        }
        return r;
}
