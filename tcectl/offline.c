/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What offline.h declares. No other file of tcectl includes a part of the daemon, and this one only the planner's (tests/structure.sh). */

#include "offline.h"

#include "config.h"
#include "domain_fix.h"
#include "domain_plan.h"
#include "facts_json.h"
#include "input.h"
#include "options.h"
#include "probe_adapter.h"
#include "probe_kvm.h"
#include "probe_vfio.h"
#include "util.h"

_Static_assert(INPUT_XML_MAX == DOMAIN_XML_MAX, "what is read can be planned");

struct OfflineHost {
        KvmFacts kvm;
        VfioFacts vfio;
        AdapterFacts adapter;
        Config config;      /* here */
        HostFacts facts;    /* elsewhere */
        bool is_elsewhere;
        PlanHost plan_host; /* borrows from the others */
};

DEFINE_POINTER_CLEANUP(OfflineHost, offline_host_free, host_freep)

static void warn_config(const char *file, unsigned line, const char *text, void *userdata) {
        char message[768];

        (void) userdata;
        if (line > 0)
                (void) snprintf(message, sizeof(message), "%s:%u: %s", file, line, text);
        else
                (void) snprintf(message, sizeof(message), "%s: %s", file, text);
        print_error(message);
}

/* Which machine has the group, where the facts tell; here nobody is asked. */
static const char *holder_elsewhere(unsigned group, const char *uuid, void *userdata) {
        const HostFacts *facts = userdata;

        for (size_t i = 0; i < facts->vfio.n_groups; i++)
                if (facts->vfio.groups[i].number == group) {
                        const char *holder = facts->holders ? facts->holders[i] : NULL;
                        return holder && !streq(holder, uuid) ? holder : NULL;
                }
        return NULL;
}

int offline_host_here(OfflineHost **ret) {
        _cleanup_(host_freep) OfflineHost *host = calloc(1, sizeof(*host));
        int r;

        if (!host)
                return -ENOMEM;
        probe_kvm_declared(&kvm_ops_system, "/dev", &host->kvm);
        if (host->kvm.device_error == 0)
                probe_kvm_prove(&kvm_ops_system, "/dev", &host->kvm);
        r = probe_vfio("/sys", "/dev", &host->vfio);
        probe_adapter("", "/sys", true, &host->adapter);
        if (r >= 0)
                r = config_load("", warn_config, NULL, &host->config);
        if (r < 0)
                return r;
        host->plan_host = (PlanHost){
                .kvm = &host->kvm, .vfio = &host->vfio, .policy = &host->config.policy, .rules = &host->config.rules,
                .adapter = &host->adapter,
        };
        *ret = TAKE_PTR(host);
        return 0;
}

int offline_host_read(const char *json, size_t size, OfflineHost **ret, Problem *problem) {
        _cleanup_(host_freep) OfflineHost *host = calloc(1, sizeof(*host));
        char why[FACTS_ERROR_MAX] = "";
        int r;

        if (!host)
                return -ENOMEM;
        r = host_facts_read(json, size, &host->facts, why);
        if (r < 0)
                return r == -ENOMEM ? r : problem_set(problem, r, "%s", why);
        host->is_elsewhere = true;
        host->plan_host = (PlanHost){
                .kvm = &host->facts.kvm, .vfio = &host->facts.vfio, .policy = &host->facts.policy, .rules = &host->facts.rules,
                .adapter = &host->facts.adapter, .holder = holder_elsewhere, .userdata = &host->facts,
        };
        *ret = TAKE_PTR(host);
        return 0;
}

void offline_host_free(OfflineHost *host) {
        if (!host)
                return;
        if (host->is_elsewhere)
                host_facts_clear(&host->facts);
        vfio_facts_clear(&host->vfio);
        config_clear(&host->config);
        free(host);
}

/* Texts of the planner name the line and the remedy. */
static int explain(int r, const DomainError *from, Problem *problem) {
        return r == -ENOMEM ? r : problem_set(problem, r, "%s", from->text);
}

int offline_plan(const OfflineHost *host, const char *xml, const char *attach, json_object **ret, Problem *problem) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        _cleanup_free_ char *text = NULL;
        DomainError domain_error = {};
        json_object *json;
        int r;

        r = domain_plan_make(xml, strlen(xml), attach, &host->plan_host, &plan, &domain_error);
        if (r < 0)
                return explain(r, &domain_error, problem);
        r = domain_plan_json(&plan, &text);
        if (r < 0)
                return r;
        json = json_tokener_parse(text);
        if (!json)
                return -ENOMEM;
        *ret = json;
        return 0;
}

void offline_windows_free(ClientWindow *windows, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(windows[i].device);
        free(windows);
}

int offline_windows(const OfflineHost *host, char *const *words, ClientWindow **ret, size_t *ret_n, Problem *problem) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError domain_error = {};
        ClientWindow *windows;
        size_t n = 0;
        int r;

        while (words[n])
                n++;
        r = domain_plan_make_bare((const char *const *) words, n, false, &host->plan_host, &plan, &domain_error);
        if (r < 0)
                return explain(r, &domain_error, problem);
        n = plan.domain.kvm ? plan.plan.n_tables : 0;
        windows = calloc(n + 1, sizeof(*windows));
        if (!windows)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const Window *w = &plan.plan.tables[i].window;

                windows[i] = (ClientWindow) {
                        .kind = device_kind_to_string(w->kind), .device = strdup(w->device), .liobn = w->liobn, .page_shift = w->page_shift,
                        .bus_offset = w->bus_offset, .size = w->size, .notifier = w->notifier, .group = w->group,
                };
                if (!windows[i].device) {
                        offline_windows_free(windows, i);
                        return -ENOMEM;
                }
        }
        *ret = windows;
        *ret_n = n;
        return 0;
}

int offline_fix(const OfflineHost *host, const char *xml, OfflineNote note, void *userdata, char **ret, Problem *problem) {
        _cleanup_(fix_clear) Fix fix = {};
        DomainError domain_error = {};
        int r;

        r = domain_fix(xml, strlen(xml), &host->plan_host, &fix, &domain_error);
        if (r < 0)
                return explain(r, &domain_error, problem);
        for (size_t i = 0; i < fix.n_notes; i++)
                note(fix.notes[i].mended, fix.notes[i].text, userdata);
        *ret = TAKE_PTR(fix.xml);
        return 0;
}
