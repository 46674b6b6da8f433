/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The manager's methods for libvirt's domains: PlanDomain, RegisterDomain, ReleaseDomain. */

#include <ctype.h>
#include <inttypes.h>

#include "dbus_internal.h"
#include "names.h"
#include "util.h"

/* RegisterDomain's flags. */
#define KNOWN_FLAGS TCED_REGISTER_RUNNING

/* A plan by a domain's name waits for libvirt's answer. */
typedef struct NamedPlan {
        sd_bus_message *message;
        Manager *manager;
        char *attach;
} NamedPlan;

static NamedPlan *named_plan_free(NamedPlan *p) {
        if (p->message)
                request_end(p->message);
        free(p->attach);
        free(p);
        return NULL;
}

static int read_options(sd_bus_message *m, const char **attach, sd_bus_error *error) {
        const char *key;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0) {
                r = sd_bus_message_enter_container(m, 'e', "sv");
                if (r == 0)
                        return sd_bus_message_exit_container(m);
                if (r >= 0)
                        r = sd_bus_message_read(m, "s", &key);
                if (r >= 0 && !streq(key, "Attach"))
                        return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "Option '%s' is not known; Attach is", key);
                if (r >= 0)
                        r = sd_bus_message_read(m, "v", "s", attach);
                if (r < 0)
                        return sd_bus_error_set(error, TCED_ERROR_INVALID_ARGUMENT, "Attach takes a device's XML (s)");
                r = sd_bus_message_exit_container(m);
        }
        return r;
}

static bool is_xml(const char *text) {
        if (strncmp(text, "\xef\xbb\xbf", 3) == 0) /* a byte order mark */
                text += 3;
        while (isspace((unsigned char) *text))
                text++;
        return *text == '<';
}

static int unavailable(Refusal *refusal, const char *name, const char *why) {
        return refuse(refusal, TCED_ERROR_LIBVIRT_UNAVAILABLE,
                      "libvirt can't be asked for %.64s: %.300s; give its XML instead: virsh dumpxml %.64s | tcectl plan -", name,
                      why, name);
}

/* There is no connection to it, so virsh has none either. */
static int away(Refusal *refusal, const char *name, const char *why) {
        return refuse(refusal, TCED_ERROR_LIBVIRT_UNAVAILABLE,
                      "libvirt can't be asked for %.64s: %.300s; see that it runs: systemctl status libvirtd (or virtqemud), or "
                      "give the file that has its XML, as in /etc/libvirt/qemu: tcectl plan FILE",
                      name, why);
}

static void on_xml(int error, const char *text, void *userdata) {
        _cleanup_free_ char *json = NULL;
        NamedPlan *p = userdata;
        Refusal refusal;
        const char *name = "?";
        int r;

        (void) sd_bus_message_rewind(p->message, 1);
        (void) sd_bus_message_read(p->message, "s", &name);
        if (error == ENOENT)
                r = refuse(&refusal, TCED_ERROR_NO_SUCH_DOMAIN, "libvirt has no domain %.64s; `virsh list --all` shows those it has",
                           name);
        else if (error == EHOSTDOWN)
                r = away(&refusal, name, text);
        else if (error != 0)
                r = unavailable(&refusal, name, text);
        else
                r = manager_plan_domain(p->manager, text, p->attach, true, &json, &refusal);
        if (r < 0)
                reply_refusal(TAKE_PTR(p->message), &refusal);
        else
                answered(p->message, sd_bus_reply_method_return(p->message, "s", json));
        (void) named_plan_free(p);
}

/* A name goes into the question: no longer than any is. */
static int permit_by_name(sd_bus_message *m, const char *name, sd_bus_error *error) {
        char cut[TCED_DOMAIN_NAME_MAX + 1];
        const char *details[] = { "domain", cut, NULL };

        (void) snprintf(cut, sizeof(cut), "%s", name);
        (void) utf8_mend(cut);
        return caller_permit(m, &(Permission) { .action = TCED_POLKIT_PLAN_DOMAIN, .details = details,
                                                .refusal = "A domain is planned by its name for root alone: give its XML "
                                                           "(virsh dumpxml NAME | tcectl plan /dev/stdin), or try sudo" }, error);
}

/* Only root may have domains asked for, and whom polkit allows it to: libvirt may keep some from users. */
static int plan_by_name(sd_bus_message *m, Connection *c, uid_t uid, const char *name, const char *attach, sd_bus_error *error) {
        Refusal refusal;
        NamedPlan *p;
        int r;

        if (isempty(name) || strlen(name) > TCED_DOMAIN_NAME_MAX)
                return sd_bus_error_set(error, TCED_ERROR_NO_SUCH_DOMAIN,
                                        "That is neither a domain's XML, which begins with '<', nor the name or UUID of one");
        if (!c->manager->libvirt) {
                (void) unavailable(&refusal, name, "this tced does not ask libvirt");
                return refusal_to_error(&refusal, error);
        }
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        *p = (NamedPlan) { .manager = c->manager };
        r = request_hold(m, uid, error);
        if (r < 0) {
                (void) named_plan_free(p);
                return r;
        }
        p->message = m;
        p->attach = attach ? strdup(attach) : NULL;
        r = attach && !p->attach ? -ENOMEM : libvirt_get_xml(c->manager->libvirt, name, on_xml, p);
        if (r >= 0)
                return 1;
        (void) named_plan_free(p);
        if (r == -ENOMEM)
                return r;
        (void) unavailable(&refusal, name, r == -ESHUTDOWN ? libvirt_why(c->manager->libvirt) : strerror(-r));
        return refusal_to_error(&refusal, error);
}

int method_plan_domain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_caller_ Caller caller = CALLER_INIT;
        _cleanup_free_ char *json = NULL;
        const char *domain, *attach = NULL;
        Connection *c = userdata;
        Refusal refusal;
        int r;

        r = sd_bus_message_read(m, "s", &domain);
        if (r >= 0)
                r = read_options(m, &attach, error);
        if (r >= 0)
                r = read_flags(m, error);
        if (r >= 0)
                r = caller_get(m, false, &caller, error);
        if (r < 0)
                return r;
        if (!is_xml(domain)) {
                r = permit_by_name(m, domain, error);
                return r != 0 ? r : plan_by_name(m, c, caller.uid, domain, attach, error);
        }
        r = manager_plan_domain(c->manager, domain, attach, is_master(caller.uid), &json, &refusal);
        return r < 0 ? refusal_to_error(&refusal, error) : sd_bus_reply_method_return(m, "s", json);
}

static void on_registered(Machine *machine, const Refusal *refusal, void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        sd_bus_message *m = userdata;
        char path[PATH_MAX_MACHINE];
        int r;

        if (!machine) {
                reply_refusal(m, refusal);
                return;
        }
        r = sd_bus_message_new_method_return(m, &reply);
        if (r >= 0)
                r = sd_bus_message_append(reply, "o", path_of_machine(path, machine));
        if (r >= 0)
                r = append_findings(reply, &machine->findings);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        answered(m, r);
        request_end(m);
}

/* Only where polkit is asked is the name needed before who asks is known to be allowed. */
static int permit_domain(sd_bus_message *m, const Connection *c, const char *xml, const char *action, const char *text, sd_bus_error *error) {
        _cleanup_caller_ Caller caller = CALLER_INIT;
        _cleanup_free_ char *name = NULL;
        char uuid[33] = "";
        const char *details[] = { "domain", NULL, "uuid", uuid, NULL };
        Refusal refusal;
        int r;

        r = caller_get(m, false, &caller, error);
        if (r < 0 || is_master(caller.uid))
                return r;
        /* What has none is refused after that, and nothing is said of it before. */
        if (c->polkit)
                (void) manager_domain_identity(c->manager, xml, &name, uuid, &refusal);
        details[1] = name ? name : "";
        return caller_permit(m, &(Permission) { .action = action, .details = details, .refusal = text }, error);
}

int method_register_domain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_caller_ Caller caller = CALLER_INIT;
        Connection *c = userdata;
        const char *xml;
        uint64_t flags;
        int r;

        r = sd_bus_message_read(m, "st", &xml, &flags);
        if (r >= 0)
                r = permit_domain(m, c, xml, TCED_POLKIT_REGISTER, "RegisterDomain is for root: try sudo", error);
        if (r == 0)
                r = caller_get(m, false, &caller, error);
        if (r != 0)
                return r;
        if (flags & ~KNOWN_FLAGS)
                return sd_bus_error_setf(error, TCED_ERROR_INVALID_ARGUMENT, "Flags %#" PRIx64 " are not known to this tced; pass 0 or 1",
                                         flags);
        r = request_hold(m, caller.uid, error);
        if (r < 0)
                return r;
        if (is_master(caller.uid))
                manager_hook_called(c->manager);
        manager_register_domain(c->manager, xml, caller.uid, flags & TCED_REGISTER_RUNNING, on_registered, m);
        return 1;
}

int method_release_domain(sd_bus_message *m, void *userdata, sd_bus_error *error) {
        _cleanup_caller_ Caller caller = CALLER_INIT;
        Connection *c = userdata;
        Refusal refusal;
        const char *xml;
        int r;

        r = sd_bus_message_read(m, "s", &xml);
        if (r >= 0)
                r = read_flags(m, error);
        if (r >= 0)
                r = permit_domain(m, c, xml, TCED_POLKIT_UNREGISTER, "ReleaseDomain is for root: try sudo", error);
        if (r == 0)
                r = caller_get(m, false, &caller, error);
        if (r != 0)
                return r;
        if (is_master(caller.uid))
                manager_hook_called(c->manager);
        r = manager_release_domain(c->manager, xml, &refusal);
        /* As with Unregister. */
        manager_flush(c->manager);
        return r < 0 ? refusal_to_error(&refusal, error) : sd_bus_reply_method_return(m, NULL);
}
