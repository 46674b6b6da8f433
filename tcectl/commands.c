/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What each command does: ask tced, pick the part, print it. Each returns 0 or a negative errno, and has said what went wrong, but for
 * -ENOMEM, which main() says. */

#include "client.h"
#include "build-config.h"
#include "options.h"
#include "render.h"
#include "util.h"
#include "view.h"

DEFINE_POINTER_CLEANUP(Client, client_free, client_freep)
DEFINE_POINTER_CLEANUP(json_object, json_object_put, json_putp)

static int client_for(const Options *o, Client **ret) {
        const ClientOptions where = { .user = o->user, .address = o->address };

        return client_new(&where, ret);
}

/* Where screens go; JSON goes to standard output as it is. */
static Output output_for(const Options *o) {
        Output out = output_standard();

        out.legend = !o->no_legend;
        out.verbose = o->verbose;
        return out;
}

/* Asks tced for everything; says what is wrong where that fails. */
static int describe(const Options *o, json_object **ret) {
        _cleanup_(client_freep) Client *client = NULL;
        ClientError error;
        int r;

        r = client_for(o, &client);
        if (r < 0)
                return r;
        r = client_describe(client, ret, &error);
        if (r < 0)
                print_error(error.text);
        return r;
}

/* Prints part, which is taken over; NULL is one that could not be made. */
static int print_json_consume(json_object *part, const Options *o) {
        _cleanup_(json_putp) json_object *owned = part;

        return owned ? print_json(owned, o->json == JSON_PRETTY, stdout) : -ENOMEM;
}

static int run_status(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = output_for(o);
        int r;

        r = describe(o, &json);
        if (r < 0)
                return r;
        return o->json ? print_json_consume(select_status(json), o) : render_status(json, &out);
}

static int run_groups(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = output_for(o);
        int r;

        r = describe(o, &json);
        if (r < 0)
                return r;
        return o->json ? print_json_consume(select_array(json, "groups"), o) : render_groups(json, &out);
}

static int no_such_machine(const char *name) {
        char text[256];

        (void) snprintf(text, sizeof(text), "No machine '%.150s' that tced knows. See: tcectl machines", name);
        print_error(text);
        return -ESRCH;
}

/* --json with a name gives the object, not an array of one: that is what was asked for. */
static int run_machines(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = output_for(o);
        int r;

        r = describe(o, &json);
        if (r < 0)
                return r;
        if (o->argument && !machine_find(json, o->argument))
                return no_such_machine(o->argument);
        if (!o->json)
                return render_machines(json, o->argument, &out);
        if (o->argument)
                return print_json_consume(json_object_get(machine_find(json, o->argument)), o);
        return print_json_consume(select_array(json, "machines"), o);
}

static int run_describe(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = output_for(o);
        int r;

        r = describe(o, &json);
        if (r < 0)
                return r;
        return o->json ? print_json(json, o->json == JSON_PRETTY, stdout) : render_describe(json, &out);
}

/* A proof may take seconds, on an emulated host many: a person is told that something goes on. */
static int run_probe(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = output_for(o);
        ClientError error;
        int r;

        r = client_for(o, &client);
        if (r < 0)
                return r;
        if (isatty(STDERR_FILENO))
                (void) fputs("Proving this host…\n", stderr);
        r = client_probe(client, o->deep, &error);
        if (r >= 0)
                r = client_describe(client, &json, &error);
        if (r < 0) {
                print_error(error.text);
                return r;
        }
        return o->json ? print_json_consume(select_status(json), o) : render_capabilities(json, &out);
}

/* A verb that only says whether it went well. */
static int run_plain(const Options *o, int (*verb)(Client *client, ClientError *error)) {
        _cleanup_(client_freep) Client *client = NULL;
        ClientError error;
        int r;

        r = client_for(o, &client);
        if (r < 0)
                return r;
        r = verb(client, &error);
        if (r < 0)
                print_error(error.text);
        return r;
}

static int run_rescan(const Options *o) {
        return run_plain(o, client_rescan);
}

static int run_reload(const Options *o) {
        return run_plain(o, client_reload);
}

/* A tced that is not running is no failure here: tcectl's version is known. */
static int run_version(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(json_putp) json_object *json = NULL;
        ClientError error;
        int r;

        printf("tcectl %s\n", TCED_VERSION);
        r = client_for(o, &client);
        if (r < 0)
                return r;
        if (client_describe(client, &json, &error) < 0)
                puts("tced   not reached");
        else {
                (void) fputs("tced   ", stdout);
                (void) text_put(stdout, view_show(json, "tced.version"), 64);
                (void) fputs(" (running)\n", stdout);
        }
        return 0;
}

const Command commands[] = {
        { "status", NULL, "this host, and what is wrong with it (the default)",
          "One screen: the host, whether KVM can be used, each capability as the kernel\n"
          "declares it and as tced has proven it, counts of groups, VMs and tables, and\n"
          "findings with their remedies.\n"
          "  --json       tced, host, findings, counts\n",
          OPTION_JSON, run_status },
        { "groups", NULL, "IOMMU groups and their devices",
          "One line for each device: its IOMMU group, address, name, driver, and the\n"
          "group's state; below a group that can't be given to a VM as it stands, why.\n"
          "  --json       the array of groups\n",
          OPTION_JSON, run_groups },
        { "machines", "NAME", "VMs and their TCE tables",
          "The VMs that tced knows, with the tables that they have in the kernel and in\n"
          "their VMM. With NAME (or a UUID, or its first 8 digits or more) that machine\n"
          "and its tables, each with where it lives and why.\n"
          "  -v           the tables of all machines\n"
          "  --json       the array of machines, or with NAME the one\n",
          OPTION_JSON | OPTION_VERBOSE, run_machines },
        { "describe", NULL, "everything that tced knows",
          "Everything as a tree, for people.\n"
          "  --json       tced's own answer, for programs\n",
          OPTION_JSON, run_describe },
        { "probe", NULL, "prove again what the kernel declares",
          "Proves the host's capabilities again, waits for the outcome and shows it.\n"
          "Root only.\n"
          "  --deep       also try a PR VM, whether a guest can write past its window, and\n"
          "               linking a table to an idle group that is on vfio-pci. While there\n"
          "               is a PR VM, a partition does without AIL.\n"
          "  --json       as for status\n",
          OPTION_JSON | OPTION_DEEP, run_probe },
        { "rescan", NULL, "read IOMMU groups, devices and VFIO again",
          "Reads IOMMU groups, devices and VFIO again. tced does so by itself whenever\n"
          "devices change. Root only.\n",
          0, run_rescan },
        { "reload", NULL, "read tced.conf and the rules again",
          "Reads tced.conf and the rules again, as systemctl reload tced does. VMs that\n"
          "are there keep their plan. Root only.\n",
          0, run_reload },
        { "version", NULL, "versions of tcectl and of the tced that runs",
          "The version of tcectl, and that of the tced that runs.\n", 0, run_version },
        {},
};
