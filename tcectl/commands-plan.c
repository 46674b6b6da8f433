/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The commands that plan: a domain from a file or of libvirt's, by tced or in this process. */

#include "commands.h"
#include "error.h"
#include "input.h"
#include "offline.h"
#include "progress.h"
#include "render.h"
#include "view.h"

/* Where libvirt keeps its domains, for root alone. */
#define LIBVIRT_DOMAINS "/etc/libvirt/qemu"

/* What is planned and who plans it, as the command line names them. */
typedef struct Planning {
        const Options *o;
        char *xml;         /* NULL: tced asks libvirt for it */
        char *attach;      /* NULL: no device beside */
        Client *client;    /* NULL: this process plans, for `host` */
        OfflineHost *host;
} Planning;

static void planning_clear(Planning *p) {
        free(p->xml);
        free(p->attach);
        client_free(p->client);
        offline_host_free(p->host);
}

/* local: the domain's XML is needed here, be it libvirt's. */
static int read_subject(Planning *p, bool local, Problem *problem) {
        const Options *o = p->o;
        int r = 0;

        if (input_is_file(o->argument))
                r = input_read_xml(o->argument, &p->xml, problem);
        else if (local)
                r = input_read_libvirt(LIBVIRT_DOMAINS, o->argument, &p->xml, problem);
        if (r >= 0 && o->attach)
                r = input_read_xml(o->attach, &p->attach, problem);
        return r;
}

/* The host that is planned for without tced. */
static int read_host(Planning *p, Problem *problem) {
        const char *file = p->o->host;
        _cleanup_free_ char *json = NULL;
        size_t size;
        int r;

        if (!file) {
                progress_begin("Asking this host's KVM and VFIO…");
                r = offline_host_here(&p->host);
                progress_end();
                return r;
        }
        r = input_read_facts(file, &json, &size, problem);
        if (r < 0)
                return r;
        r = offline_host_read(json, size, &p->host, problem);
        if (r == -EINVAL)
                problem_locate(problem, input_name(file));
        return r;
}

static int planning_make(Planning *p, const Options *o, Problem *problem) {
        int r;

        p->o = o;
        r = read_subject(p, o->offline, problem);
        if (r < 0)
                return r;
        return o->offline ? read_host(p, problem) : command_client(o, &p->client);
}

static int plan_with(const Planning *p, const char *attach, json_object **ret, Problem *problem) {
        if (p->host)
                return offline_plan(p->host, p->xml, attach, ret, problem);
        return client_plan(p->client, p->xml ? p->xml : p->o->argument, attach, ret, problem);
}

/* XML that can't be understood: "line 3: …" of which file? It is the device's where the domain by itself can be planned. */
static void locate(const Planning *p, Problem *problem) {
        _cleanup_(json_putp) json_object *json = NULL;
        Problem ignored = {};

        if (p->attach && plan_with(p, NULL, &json, &ignored) >= 0)
                problem_locate(problem, input_name(p->o->attach));
        else if (p->xml)
                problem_locate(problem, input_is_file(p->o->argument) ? input_name(p->o->argument) : p->o->argument);
}

/* What else could be tried where tced can't help, or was meant. */
static void add_ways(const Options *o, Problem *problem) {
        if (problem->absent) {
                problem_add(problem, ", or do without it: tcectl %s --offline %s", o->command->name, o->argument);
                if (!input_is_file(o->argument))
                        input_add_file(o->argument, problem);
        }
        else if (!input_is_file(o->argument) &&
                 (streq(problem->name, TCED_ERROR_NO_SUCH_DOMAIN) || streq(problem->name, TCED_ERROR_LIBVIRT_UNAVAILABLE)))
                input_add_file(o->argument, problem);
}

/* Of the VMs that tced knows: libvirt's own list is not asked for to mend a slip of the finger. */
static void add_guess(const Planning *p, Problem *problem) {
        _cleanup_(json_putp) json_object *json = NULL;
        char guess[NEAREST_TEXT_MAX] = "";
        Problem ignored = {};

        if (client_describe(p->client, &json, &ignored) >= 0)
                (void) machine_guess(json, p->o->argument, guess);
        if (*guess)
                problem_add(problem, ".%s", guess);
}

/* The plan, with the device where there is one; says what is wrong where that fails. */
static int plan(const Planning *p, const char *attach, json_object **ret) {
        Problem problem = {};
        int r;

        r = plan_with(p, attach, ret, &problem);
        if (r >= 0)
                return 0;
        if (p->host ? r == -EINVAL : streq(problem.name, TCED_ERROR_INVALID_DOMAIN))
                locate(p, &problem);
        add_ways(p->o, &problem);
        if (streq(problem.name, TCED_ERROR_NO_SUCH_DOMAIN) && !p->xml)
                add_guess(p, &problem);
        return command_failed(r, &problem);
}

typedef struct FixNotes {
        bool remains;
} FixNotes;

static void print_note(bool mended, const char *text, void *userdata) {
        FixNotes *notes = userdata;
        _cleanup_free_ char *line = NULL;

        notes->remains |= !mended;
        if (asprintf(&line, "%s: %s", mended ? "mended" : "not mended", text) < 0)
                line = NULL;
        print_error(line ? line : text);
}

/* The host to mend a domain for: the one that the daemon knows, for it has been proven; else as without tced. */
static int read_fix_host(Planning *p, Problem *problem) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(json_putp) json_object *json = NULL;
        const char *text;
        int r;

        if (p->o->offline)
                return read_host(p, problem);
        r = command_client(p->o, &client);
        if (r < 0)
                return r;
        r = client_describe(client, &json, problem);
        if (r < 0)
                return problem->absent ? read_host(p, problem) : r;
        text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);
        return text ? offline_host_read(text, strlen(text), &p->host, problem) : -ENOMEM;
}

static int run_fix(const Options *o) {
        _cleanup_(planning_clear) Planning p = { .o = o };
        _cleanup_free_ char *xml = NULL;
        Problem problem = {};
        FixNotes notes = {};
        int r;

        if (o->remote && !input_is_file(o->argument)) {
                (void) problem_set(&problem, -EINVAL, "--fix needs the domain's XML here. Fetch it: virsh -c qemu+ssh://HOST/system dumpxml --inactive "
                                   "%.100s", o->argument);
                return command_failed(-EINVAL, &problem);
        }
        r = read_subject(&p, true, &problem);
        if (r >= 0)
                r = read_fix_host(&p, &problem);
        if (r < 0)
                return command_failed(r, &problem);
        r = offline_fix(p.host, p.xml, print_note, &notes, &xml, &problem);
        if (r < 0) {
                locate(&p, &problem);
                return command_failed(r, &problem);
        }
        (void) fputs(xml, stdout);
        return notes.remains ? -ECANCELED : 0;
}

int run_plan(const Options *o) {
        _cleanup_(planning_clear) Planning p = {};
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        Problem problem = {};
        int r;

        if (o->fix)
                return run_fix(o);
        r = planning_make(&p, o, &problem);
        if (r < 0)
                return command_failed(r, &problem);
        r = plan(&p, p.attach, &json);
        if (r < 0)
                return r;
        return o->json ? print_json(json, o->json == JSON_PRETTY, stdout) : render_plan(json, &out);
}

/* Does the domain fail? An unknown verdict is no promise. */
static bool fails(json_object *json, bool strict) {
        const char *verdict = view_show(json, "verdict");

        return !streq(verdict, "clean") && (strict || !streq(verdict, "warnings"));
}

/* With a device what it adds is told apart from what there was without it. */
int run_check(const Options *o) {
        _cleanup_(planning_clear) Planning p = {};
        _cleanup_(json_putp) json_object *json = NULL, *without = NULL;
        Output out = command_output(o);
        Problem problem = {};
        int r;

        r = planning_make(&p, o, &problem);
        if (r < 0)
                return command_failed(r, &problem);
        r = plan(&p, p.attach, &json);
        if (r >= 0 && p.attach)
                r = plan(&p, NULL, &without);
        if (r < 0)
                return r;
        r = o->json ? command_print_json_consume(select_check(json), o) : render_check(json, without, &out);
        return r < 0 ? r : fails(json, o->strict) ? -ECANCELED : 0;
}

/* Of a VM that tced does not know. */
static int explain_domain(const Options *o, Client *client, json_object *machines) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        Problem problem = {};
        int r;

        r = client_plan(client, o->argument, NULL, &json, &problem);
        if (r < 0) {
                char guess[NEAREST_TEXT_MAX];
                Problem both;

                (void) machine_guess(machines, o->argument, guess);
                (void) problem_set(&both, r, "No machine '%.150s' that tced knows (see: tcectl machines)%s%s%s no domain of libvirt's: %s",
                                   o->argument, *guess ? "." : "", guess, *guess ? " There is" : ", and", problem.text);
                return command_failed(r, &both);
        }
        if (o->json)
                return print_json(json, o->json == JSON_PRETTY, stdout);
        text_wrap(out.f, "tced knows no running machine of that name. It would get:", 0, 0, out.width);
        (void) fputc('\n', out.f);
        return render_plan(json, &out);
}

int run_explain(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        json_object *machine;
        Problem problem = {};
        int r;

        r = command_client(o, &client);
        if (r >= 0)
                r = client_describe(client, &json, &problem);
        if (r < 0)
                return command_failed(r, &problem);
        machine = machine_find(json, o->argument);
        if (!machine)
                return explain_domain(o, client, json);
        return o->json ? command_print_json_consume(json_object_get(machine), o) : render_explain(machine, &out);
}
