/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What each command does: ask tced, pick the part, print it. Those that plan are in commands-plan.c. */

#include "build-config.h"
#include "commands.h"
#include "input.h"
#include "render.h"
#include "view.h"

int command_client(const Options *o, Client **ret) {
        /* Timers run these: what was stopped is to stay so, and to be told of. */
        const bool watches = o->command->run == run_metrics || o->command->run == run_features;
        const ClientOptions where = {
                .user = o->user, .address = o->address, .remote = o->remote, .quiet = o->command->options & OPTION_TOP, .no_start = watches,
        };

        return client_new(&where, ret);
}

Output command_output(const Options *o) {
        Output out = output_standard();

        out.legend = !o->no_legend;
        out.verbose = o->verbose;
        return out;
}

int command_failed(int r, const Problem *problem) {
        if (r != -ENOMEM)
                print_error(problem->text);
        return r;
}

int command_print_json_consume(json_object *part, const Options *o) {
        _cleanup_(json_putp) json_object *owned = part;

        return owned ? print_json(owned, o->json == JSON_PRETTY, stdout) : -ENOMEM;
}

/* Another host's answer. */
static int read_host(const char *file, json_object **ret, Problem *problem) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = input_read_facts(file, &text, &size, problem);
        if (r == -ENOENT && !strchr(file, '/'))
                problem_add(problem, " To ask the tced of a host: -H %.100s", file);
        if (r < 0)
                return r;
        r = view_parse(text, ret);
        if (r < 0 && r != -ENOMEM)
                return problem_set(problem, r, "%.200s: It is no answer of tced's. Write one there: tcectl describe --json", input_name(file));
        return r;
}

int command_describe(const Options *o, json_object **ret) {
        _cleanup_(client_freep) Client *client = NULL;
        Problem problem = {};
        int r;

        if (o->host) {
                r = read_host(o->host, ret, &problem);
                return r < 0 ? command_failed(r, &problem) : 0;
        }
        r = command_client(o, &client);
        if (r < 0)
                return r;
        r = client_describe(client, ret, &problem);
        return r < 0 ? command_failed(r, &problem) : 0;
}

static int run_status(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        int r;

        r = command_describe(o, &json);
        if (r < 0)
                return r;
        return o->json ? command_print_json_consume(select_status(json), o) : render_status(json, &out);
}

static int no_such_machine(json_object *json, const char *name) {
        char text[256 + NEAREST_TEXT_MAX];

        (void) snprintf(text, sizeof(text), "No machine '%.150s' that tced knows.%s See: tcectl machines", name,
                        machine_guess(json, name, (char[NEAREST_TEXT_MAX]){}));
        print_error(text);
        return -ESRCH;
}

/* --json with a name gives the object, not an array of one: that is what was asked for. */
static int run_machines(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        int r;

        r = command_describe(o, &json);
        if (r < 0)
                return r;
        if (o->argument && !machine_find(json, o->argument))
                return no_such_machine(json, o->argument);
        if (!o->json)
                return render_machines(json, o->argument, &out);
        if (o->argument)
                return command_print_json_consume(json_object_get(machine_find(json, o->argument)), o);
        return command_print_json_consume(select_array(json, "machines"), o);
}

static int run_describe(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        int r;

        r = command_describe(o, &json);
        if (r < 0)
                return r;
        return o->json ? print_json(json, o->json == JSON_PRETTY, stdout) : render_describe(json, &out);
}

static int run_probe(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        Problem problem;
        int r;

        if (o->n_targets > 0)
                return run_probe_group(o);
        r = command_client(o, &client);
        if (r < 0)
                return r;
        r = client_probe(client, o->deep, &problem);
        if (r >= 0)
                r = client_describe(client, &json, &problem);
        if (r < 0)
                return command_failed(r, &problem);
        return o->json ? command_print_json_consume(select_status(json), o) : render_capabilities(json, &out);
}

/* A verb that only says whether it went well. */
static int run_plain(const Options *o, int (*verb)(Client *client, Problem *problem)) {
        _cleanup_(client_freep) Client *client = NULL;
        Problem problem;
        int r;

        r = command_client(o, &client);
        if (r < 0)
                return r;
        r = verb(client, &problem);
        return r < 0 ? command_failed(r, &problem) : 0;
}

static int run_rescan(const Options *o) {
        return run_plain(o, client_rescan);
}

static int run_reload(const Options *o) {
        return run_plain(o, client_reload);
}

static json_object *select_versions(json_object *json) {
        const char *running = view_string(json, "tced.version");
        json_object *versions = json_object_new_object();

        if (versions && json_put_consume(versions, "tcectl", json_object_new_string(TCED_VERSION)) >= 0 &&
            json_object_object_add(versions, "tced", NULL) >= 0 &&
            (!running || json_put_consume(versions, "tced", json_object_new_string(running)) >= 0))
                return versions;
        (void) json_object_put(versions);
        return NULL;
}

/* A tced that is not running is no failure here: tcectl's version is known. */
static int run_version(const Options *o) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(json_putp) json_object *json = NULL;
        Problem problem;
        int r;

        r = command_client(o, &client);
        if (r < 0)
                return r;
        r = client_describe(client, &json, &problem);
        if (o->json)
                return command_print_json_consume(select_versions(json), o);
        printf("tcectl %s\n", TCED_VERSION);
        if (r < 0)
                puts("tced   not reached");
        else {
                (void) fputs("tced   ", stdout);
                (void) text_put(stdout, view_show(json, "tced.version"), 64);
                (void) fputs(" (running)\n", stdout);
        }
        return 0;
}

const Command commands[] = {
        { "status", NULL, false, "this host, and what is wrong with it (the default)",
          "One screen: in its first line whether guests can have their TCE tables in the\n"
          "kernel, and if not, what stands in the way; the host, whether KVM can be used,\n"
          "each capability as the kernel declares it and as tced has proven it, counts of\n"
          "groups, VMs and tables, and findings with their remedies.\n"
          "  --json       verdict, tced, host, libvirt, findings, counts\n",
          OPTION_JSON, run_status },
        { "groups", NULL, false, "IOMMU groups and their devices",
          "One line for each device: its IOMMU group, address, what it is known by here\n"
          "(interface, VF, what it is used for) and its name, driver, and the group's\n"
          "state; below a group that can't be given to a VM now, the first thing that\n"
          "stands in the way, and the remedy.\n"
          "  --host=FACTS  of the host whose \"tcectl describe --json\" this file is\n"
          "  --json        the array of groups\n",
          OPTION_JSON | OPTION_HOST, run_groups },
        { "group", "GROUP", true, "all of one IOMMU group",
          "One IOMMU group in full: what stays of it over boots, its state and what stands\n"
          "in the way, what its devices are used for, its DMA windows, who has it, and its\n"
          "devices. GROUP is its number, or a device in it: a PCI address, without its\n"
          "domain where that is clear, or an interface.\n"
          "  --host=FACTS  of the host whose \"tcectl describe --json\" this file is\n"
          "  --json        the group\n",
          OPTION_JSON | OPTION_HOST | OPTION_TARGETS, run_group },
        { "topology", NULL, false, "PHBs, groups, devices, VMs and tables as a tree",
          "NUMA nodes, PHBs, bridges, IOMMU groups, devices with VFs below their PF, and\n"
          "who has each: VMs with their tables, and where those are.\n"
          "  --dot         as a graph in Graphviz's language\n"
          "  --svg         as a picture, which Graphviz's dot draws: --svg >host.svg\n"
          "  --host=FACTS  of the host whose \"tcectl describe --json\" this file is\n"
          "  --json        the tree, for programs\n",
          OPTION_JSON | OPTION_HOST | OPTION_PICTURE, run_topology },
        { "bind", "GROUP...", true, "give a group's devices to vfio-pci",
          "Takes all devices of an IOMMU group from their drivers and gives them to\n"
          "vfio-pci, so that a VM can have the group; all of them or none. GROUP is its\n"
          "number, or a device in it: a PCI address, or an interface. What is in use\n"
          "(mounted, swap, a bridge's port, the default route) is refused, and so is\n"
          "what a VM has open, that also with --force.\n"
          "  --force       though it is in use\n"
          "  --persistent  at each boot, too\n",
          OPTION_TARGETS | OPTION_BIND | OPTION_LIVE, run_bind },
        { "release", "GROUP...", true, "give them back to their drivers",
          "Gives all devices of an IOMMU group back to the drivers that they had before\n"
          "bind. GROUP as for bind.\n"
          "  --force       though a VM runs with it\n"
          "  --persistent  it is not bound at boot any more, either\n",
          OPTION_TARGETS | OPTION_BIND | OPTION_LIVE, run_release },
        { "machines", "NAME", false, "VMs and their TCE tables",
          "The VMs that tced knows, with the tables that they have in the kernel and in\n"
          "their VMM. With NAME (or a UUID, or its first 8 digits or more) that machine\n"
          "and its tables, each with where it lives and why.\n"
          "  -v           the tables of all machines\n"
          "  --json       the array of machines, or with NAME the one\n",
          OPTION_JSON | OPTION_VERBOSE, run_machines },
        { "plan", "FILE|DOMAIN", true, "what a VM would get, and what it costs",
          "What tced would give a VM: its tables, each with where it will live and why;\n"
          "its PHBs with their devices; its locked memory; what is wrong with it. FILE is\n"
          "a domain's XML: a path, a name that ends in .xml, or - for standard input;\n"
          "DOMAIN is the name or UUID of a domain of libvirt's.\n"
          "  --fix        print the domain with what can be mended mended; what was, and\n"
          "               what was not (then the exit status is 1), on standard error\n"
          "  --attach=DEVICE  with the device whose XML this file is\n"
          "  --offline    without tced, as far as this user may look\n"
          "  --host=FACTS  for the host whose \"tcectl describe --json\" this file is\n"
          "  -v           every page size that the guest may choose, every reason\n"
          "  --json       the plan, for programs (docs/plan.md)\n",
          OPTION_JSON | OPTION_VERBOSE | OPTION_OFFLINE | OPTION_FIX | OPTION_ATTACH, run_plan },
        { "check", "FILE|DOMAIN", true, "what is wrong with a VM before it starts",
          "Says whether a VM starts, and what is wrong with it, worst first, each with\n"
          "its remedy. Exit status 0: it starts; 1: it does not, or can't be checked.\n"
          "  --attach=DEVICE  hot-plugging the device whose XML this file is\n"
          "  --strict     exit status 1 for warnings too\n"
          "  --offline    without tced, as far as this user may look\n"
          "  --host=FACTS  for the host whose \"tcectl describe --json\" this file is\n"
          "  --json       domain, verdict and findings\n",
          OPTION_JSON | OPTION_OFFLINE | OPTION_ATTACH | OPTION_STRICT, run_check },
        { "explain", "MACHINE", true, "table by table, where it lives and why",
          "A VM that tced knows, by its name, UUID or first 8 digits of that: each table in\n"
          "sentences, the slow ones first: where it lives and why, what a TCE costs, which\n"
          "rule decided. Of a domain of libvirt's that does not run, the plan.\n"
          "  --json       the machine, as for machines; or the plan\n",
          OPTION_JSON, run_explain },
        { "run", "PROGRAM...", true, "a stock QEMU, on tced's tables",
          "Registers a VM and becomes PROGRAM, a QEMU, with tced's adapter preloaded: each\n"
          "of its TCE tables goes where the rules say. Its own arguments come behind --:\n"
          "  tcectl run -- qemu-system-ppc64 -machine pseries -accel kvm ...\n"
          "  --name=NAME  the VM's name for rules and for tced; else that of -name, or the\n"
          "               program's with its PID\n"
          "Where tced is not reached PROGRAM runs all the same, and it is said.\n",
          OPTION_RUN | OPTION_LIVE, run_run },
        { "audit", "PID|MACHINE", false, "where the tables of running VMs really are",
          "Every process that has a KVM VM open, whether it knows tced or not: how many of\n"
          "its tables KVM holds, and each that is not where it should be, with why. With\n"
          "the PID, or the machine's name or UUID, all tables of that VM. Tables of one\n"
          "length can't be told apart, and are counted.\n"
          "  -v           the tables of all VMs\n"
          "  --json       the audit, or that one VM (docs/audit.md)\n",
          OPTION_JSON | OPTION_VERBOSE, run_audit },
        { "top", NULL, false, "the same as it goes on, with exits per second",
          "One row for each VM: tables in the kernel and out of it, resident bytes, and how\n"
          "often its guest exits, by KVM's count in debugfs, which root may read; else -.\n"
          "q quits.\n"
          "  --once       print it once, as without a terminal\n"
          "  --delay=SECONDS  from one look to the next (2; once 1)\n",
          OPTION_TOP | OPTION_LIVE, run_top },
        { "monitor", NULL, false, "what changes, as it changes",
          "One line for each change, with the time: of VMs, their tables, IOMMU groups, the\n"
          "host and its findings; VMs and groups that come and go; VMs found on the slow\n"
          "path; tced itself, which on the bus may go and come back. ^C ends it.\n"
          "  --json=short  each change an object on a line of its own\n",
          OPTION_JSON | OPTION_LIVE, run_monitor },
        { "describe", NULL, false, "everything that tced knows",
          "Everything as a tree, for people.\n"
          "  --json       tced's own answer, for programs\n",
          OPTION_JSON, run_describe },
        { "metrics", NULL, false, "numbers for Prometheus (OpenMetrics)",
          "This host, its groups, VMs and tables as OpenMetrics; tced_machine_slow_tables\n"
          "says which VMs run on the slow path. tced-metrics.timer writes it each minute\n"
          "to where node_exporter looks.\n"
          "  --output=FILE  into a file, which is whole at any moment; where no tced\n"
          "                 answers it says tced_up 0\n"
          "  --host=FACTS   of the host whose \"tcectl describe --json\" this file is\n",
          OPTION_OUTPUT | OPTION_HOST, run_metrics },
        { "features", NULL, false, "what this host has proven, to place VMs by",
          "What this host has proven, as labels for Kubernetes (Node Feature Discovery's\n"
          "local source): tced-kvm=HV, tced-in-kernel-tce=true. What is not proven is not\n"
          "there.\n"
          "  --output=FILE  into a file, which is whole at any moment, and to be believed\n"
          "                 for ten minutes; where no tced answers it is removed\n"
          "  --host=FACTS   of the host whose \"tcectl describe --json\" this file is\n"
          "  --json         an Ansible local fact\n",
          OPTION_OUTPUT | OPTION_HOST | OPTION_JSON, run_features },
        { "bugreport", NULL, false, "one archive to be sent with a report",
          "Packs what tced knows, plans, an audit, versions, units and logs into an\n"
          "archive in this folder, and prints its name. No memory of guests is in it, nor\n"
          "what is in TCE tables; names and addresses are. Commands that take --host read\n"
          "it.\n"
          "  --output=FILE  the archive, which must not be there yet\n",
          OPTION_OUTPUT, run_bugreport },
        { "probe", "GROUP", false, "prove again what the kernel declares",
          "Proves the host's capabilities again, waits for the outcome and shows it.\n"
          "Root only. With GROUP, a number or a device as for group: takes that group for\n"
          "a moment, makes a DMA window and removes it, and shows the group.\n"
          "  --deep       also try a PR VM, whether a guest can write past its window, and\n"
          "               linking a table to an idle group that is on vfio-pci. While there\n"
          "               is a PR VM, a partition does without AIL. Not with GROUP.\n"
          "  --json       as for status; with GROUP as for group\n",
          OPTION_JSON | OPTION_DEEP | OPTION_TARGETS, run_probe },
        { "rescan", NULL, false, "read IOMMU groups, devices and VFIO again",
          "Reads IOMMU groups, devices and VFIO again. tced does so by itself whenever\n"
          "devices change. Root only.\n",
          0, run_rescan },
        { "reload", NULL, false, "read tced.conf and the rules again",
          "Reads tced.conf and the rules again, as systemctl reload tced does. VMs that\n"
          "are there keep their plan. Root only.\n",
          0, run_reload },
        { "version", NULL, false, "versions of tcectl and of the tced that runs",
          "The version of tcectl, and that of the tced that runs.\n"
          "  --json       tcectl and tced; null where none is reached\n",
          OPTION_JSON, run_version },
        {},
};
