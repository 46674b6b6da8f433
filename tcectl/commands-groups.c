/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The commands about IOMMU groups: what there is, and bind, release and probe, which go to one group after the other and say what became
 * of each. */

#include "commands.h"
#include "group-view.h"
#include "program.h"
#include "render.h"
#include "topology.h"
#include "view.h"

/* Devices are told one by one, so many at most. */
#define DEVICES_MAX 8U
/* A picture of the largest host takes dot seconds. */
#define DOT_SECONDS 600U

int run_groups(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        int r;

        r = command_describe(o, &json);
        if (r < 0)
                return r;
        return o->json ? command_print_json_consume(select_array(json, "groups"), o) : render_groups(json, &out);
}

static int show_group(const Options *o, json_object *json, json_object *group) {
        Output out = command_output(o);

        return o->json ? command_print_json_consume(json_object_get(group), o) : render_group(json, group, &out);
}

int run_group(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        json_object *group;
        Problem problem;
        int r;

        r = command_describe(o, &json);
        if (r < 0)
                return r;
        group = group_find(json, o->argument, &problem);
        return group ? show_group(o, json, group) : command_failed(-ESRCH, &problem);
}

/* The graph in a file of memory's: dot reads it when it comes to that. */
static int graph_file(json_object *json, int *ret) {
        _cleanup_fd_ int fd = memfd_create("tcectl-topology", MFD_CLOEXEC);
        _cleanup_file_ FILE *f = NULL;
        int copy, r;

        if (fd < 0)
                return -errno;
        copy = fd_dup(fd);
        f = copy < 0 ? NULL : fdopen(copy, "w");
        if (!f) {
                (void) fd_close(copy);
                return -ENOMEM;
        }
        r = render_topology_dot(json, f);
        if (r < 0)
                return r;
        if (fflush(f) != 0 || lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        *ret = TAKE_FD(fd);
        return 0;
}

static int print_svg(json_object *json) {
        static const char *const dot[] = { "dot", "-Tsvg", NULL };
        _cleanup_fd_ int graph = -EBADF;
        Problem problem;
        int r;

        (void) fflush(stdout);
        r = graph_file(json, &graph);
        if (r >= 0)
                r = program_run(dot, (ProgramFds) { .in = graph, .out = STDOUT_FILENO, .err = STDERR_FILENO }, DOT_SECONDS);
        if (r == -ENOENT)
                (void) problem_set(&problem, r, "Graphviz's dot, which draws the picture, is not here. Install the package graphviz, or take the "
                                   "graph to where it is: tcectl topology --dot");
        else if (r < 0)
                (void) problem_set(&problem, r, "Can't run dot to draw the picture: %s. Take the graph itself: tcectl topology --dot",
                                   strerror(-r));
        else if (r > 0)
                r = problem_set(&problem, -EIO, "dot could not draw the picture, and has said why. Take the graph itself: tcectl topology --dot");
        return r < 0 ? command_failed(r, &problem) : 0;
}

static int print_topology_json(const Options *o, json_object *json) {
        Topology t;
        int r = topology_make(json, &t);

        if (r < 0)
                return r;
        r = command_print_json_consume(topology_json(&t), o);
        topology_clear(&t);
        return r;
}

int run_topology(const Options *o) {
        _cleanup_(json_putp) json_object *json = NULL;
        Output out = command_output(o);
        int r;

        r = command_describe(o, &json);
        if (r < 0)
                return r;
        if (o->dot)
                return render_topology_dot(json, stdout);
        if (o->svg)
                return print_svg(json);
        return o->json ? print_topology_json(o, json) : render_topology(json, &out);
}

/* A command that does something with groups. */
typedef struct Deed {
        const char *method, *progress;
        int (*tell)(const Options *o, json_object *before, json_object *json, json_object *after);
} Deed;

/* A sentence, which is taken over; NULL is one that could not be made. To standard output: it is what was asked for. */
static int say_consume(char *text) {
        _cleanup_free_ char *owned = text;
        Output out = output_standard();

        if (!owned)
                return -ENOMEM;
        text_wrap(out.f, owned, 0, 0, isatty(STDOUT_FILENO) ? out.width : UINT32_MAX);
        return 0;
}

/* after NULL: the group is no more, or tced does not tell. */
static int tell_bound(const Options *o, json_object *before, json_object *json, json_object *after) {
        _cleanup_free_ char *devices = group_devices_text(before);
        const char *obstacle = group_obstacle(after);
        bool persistent = o->persistent || group_is_persistent(after);
        char *text;

        (void) json;
        if (!devices)
                return -ENOMEM;
        if (asprintf(&text, "IOMMU group %s (%s) is on vfio-pci now%s%s%s", SHOWN(show_number(before, "number")), devices,
                     persistent ? "; it is bound again at boot" : ", until the next boot (to have it at each: bind --persistent)",
                     obstacle ? "; a VM can't have it yet: " : ".", obstacle ? obstacle : "") < 0)
                return -ENOMEM;
        return say_consume(text);
}

/* "0001:00:00.0 is on tg3, 0001:00:00.1 on no driver". NULL when memory ran out. */
static char *drivers_text(json_object *group) {
        _cleanup_free_ json_object **devices = view_sorted(group, "devices", "address");
        char *text = NULL;
        size_t size, n = 0;
        FILE *f = devices ? open_memstream(&text, &size) : NULL;

        if (!f)
                return NULL;
        for (; devices[n]; n++) {
                const char *driver = view_string(devices[n], "driver");

                if (n < DEVICES_MAX)
                        (void) fprintf(f, "%s%s %son %s", n > 0 ? ", " : "", view_show(devices[n], "address"), n > 0 ? "" : "is ",
                                       isempty(driver) ? "no driver" : driver);
        }
        if (n > DEVICES_MAX)
                (void) fprintf(f, " and %zu more", n - DEVICES_MAX);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static int tell_released(const Options *o, json_object *before, json_object *json, json_object *after) {
        _cleanup_free_ char *drivers = drivers_text(after ? after : before);
        bool persistent = group_is_persistent(before);
        char *text;

        (void) json;
        if (!drivers)
                return -ENOMEM;
        if (asprintf(&text, "IOMMU group %s is given back%s%s%s", SHOWN(show_number(before, "number")), after && *drivers ? ": " : "",
                     after ? drivers : "",
                     o->persistent ? "; it is not bound at boot any more." :
                     persistent    ? "; at boot it is bound again (to end that: release --persistent)." :
                                     ".") < 0)
                return -ENOMEM;
        return say_consume(text);
}

static int tell_probed(const Options *o, json_object *before, json_object *json, json_object *after) {
        return show_group(o, json, after ? after : before);
}

/* One group, and the words about it. */
static int do_one(const Options *o, const Deed *deed, Client *client, json_object *group, Problem *problem) {
        uint64_t flags = (o->force ? CLIENT_FORCE : 0) | (o->persistent ? CLIENT_PERSISTENT : 0);
        _cleanup_(json_putp) json_object *json = NULL;
        json_object *after = NULL;
        char progress[128];
        Problem ignored;
        int r;

        (void) snprintf(progress, sizeof(progress), "IOMMU group %s: %s…", SHOWN(show_number(group, "number")), deed->progress);
        r = client_group(client, (uint32_t) view_count(group, "number"), deed->method, flags, progress, problem);
        if (r < 0)
                return r;
        if (client_describe(client, &json, &ignored) >= 0)
                after = group_find(json, SHOWN(show_number(group, "number")), &ignored);
        return deed->tell(o, group, json, after);
}

/* Each group once, whatever names it: its number and two of its devices are one. */
static bool is_among(json_object **groups, size_t n, json_object *group) {
        for (size_t i = 0; i < n; i++)
                if (groups[i] == group)
                        return true;
        return false;
}

/* None is begun before each is known to be there; one that fails keeps none of the others. */
static int do_all(const Options *o, const Deed *deed) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(json_putp) json_object *json = NULL;
        _cleanup_free_ json_object **groups = calloc(o->n_targets + 1, sizeof(*groups));
        Problem problem = {};
        size_t n = 0;
        int r, result = 0;

        r = groups ? command_client(o, &client) : -ENOMEM;
        if (r >= 0)
                r = client_describe(client, &json, &problem);
        for (size_t i = 0; r >= 0 && i < o->n_targets; i++) {
                json_object *group = group_find(json, o->targets[i], &problem);

                if (!group)
                        r = -ESRCH;
                else if (!is_among(groups, n, group))
                        groups[n++] = group;
        }
        if (r < 0)
                return command_failed(r, &problem);
        for (size_t i = 0; i < n; i++) {
                r = do_one(o, deed, client, groups[i], &problem);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        result = command_failed(r, &problem);
        }
        return result;
}

int run_bind(const Options *o) {
        static const Deed deed = { "Bind", "giving its devices to vfio-pci", tell_bound };

        return do_all(o, &deed);
}

int run_release(const Options *o) {
        static const Deed deed = { "Release", "giving its devices back to their drivers", tell_released };

        return do_all(o, &deed);
}

int run_probe_group(const Options *o) {
        static const Deed deed = { "Probe", "taking it for a moment, to make a window and remove it", tell_probed };

        return do_all(o, &deed);
}
