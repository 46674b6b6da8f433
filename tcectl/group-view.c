/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What group-view.h declares. */

#include "group-view.h"

#include <inttypes.h>
#include <strings.h>

#include "nearest.h"
#include "view.h"

/* So many devices are named in a sentence. */
#define NAMES_MAX 8U

GroupState group_state(json_object *group) {
        const char *binding = view_string(group, "binding.state"), *viability = view_string(group, "viability");
        bool viable = view_true(group, "viable");
        bool ready = view_get(group, "assignable") ? view_true(group, "assignable") : viable;
        /* What a VM has needs no look. */
        Colour colour = ready ? COLOUR_GREEN : viable && !isempty(view_string(group, "holder")) ? COLOUR_NONE : COLOUR_YELLOW;

        if (!isempty(binding) && !streq(binding, "bound")) {
                bool broken = streq(binding, "stuck") || streq(binding, "failed");

                return (GroupState) { binding, broken ? COLOUR_RED : COLOUR_YELLOW };
        }
        if (viable && !isempty(binding))
                return (GroupState) { binding, colour };
        return (GroupState) { viability ? viability : viable ? "viable" : NULL, colour };
}

const char *group_obstacle(json_object *group) {
        const char *obstacle = view_string(group, "obstacle");

        if (view_get(group, "assignable") ? view_true(group, "assignable") : view_true(group, "viable"))
                return NULL;
        if (isempty(obstacle))
                obstacle = view_string(group, "why");
        return isempty(obstacle) ? NULL : obstacle;
}

bool group_obstacle_says(json_object *group, const char *text) {
        const char *obstacle = group_obstacle(group);

        return obstacle && strstr(obstacle, text);
}

bool group_is_persistent(json_object *group) {
        return view_true(group, "persistent");
}

int holders_make(json_object *json, Holders *ret) {
        Holders h = { .machines = view_sorted(json, "machines", "uuid") };

        if (!h.machines)
                return -ENOMEM;
        while (h.machines[h.n])
                h.n++;
        *ret = h;
        return 0;
}

void holders_clear(Holders *h) {
        free(h->machines);
        *h = (Holders) {};
}

/* Machines without a UUID come first in the list. */
json_object *group_holder(const Holders *h, json_object *group) {
        const char *holder = view_string(group, "holder");
        size_t from = 0, to = h->n;

        while (!isempty(holder) && from < to) {
                size_t middle = from + (to - from) / 2;
                const char *uuid = view_string(h->machines[middle], "uuid");
                int r = uuid ? strcmp(uuid, holder) : -1;

                if (r == 0)
                        return h->machines[middle];
                if (r < 0)
                        from = middle + 1;
                else
                        to = middle;
        }
        return NULL;
}

const char *group_holder_name(const Holders *h, json_object *group) {
        const char *name = view_string(group_holder(h, group), "name"), *holder = view_string(group, "holder");

        return name ? name : isempty(holder) ? NULL : holder;
}

/* Puts a word behind those that are there. */
static void add_word(FILE *f, bool *first, const char *word) {
        (void) fprintf(f, "%s%s", *first ? "" : ", ", word);
        *first = false;
}

/* What people call a use; a word that came later is shown as it is. */
static const char *use_text(const char *use) {
        static const struct {
                const char *use, *text;
        } texts[] = {
                { "dm", "device mapper" }, { "md", "RAID" },           { "lvm", "LVM" },
                { "bridge", "bridge port" }, { "bond", "bond port" },  { "default-route", "default route" },
                { "member", "in a volume" },
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (streq(texts[i].use, use))
                        return texts[i].text;
        return use;
}

/* What a device is used for, each word once: a disk has many partitions. */
static void add_uses(FILE *f, bool *first, json_object *group, const char *address) {
        json_object *uses = view_get(group, "in_use");

        for (size_t i = 0; address && i < view_length(uses); i++) {
                const char *use = view_string(view_item(uses, i), "use"), *device = view_string(view_item(uses, i), "device");
                bool told = false;

                if (isempty(use) || !device || !streq(device, address))
                        continue;
                for (size_t j = 0; j < i && !told; j++)
                        told = streq(view_show(view_item(uses, j), "device"), address) && streq(view_show(view_item(uses, j), "use"), use);
                if (!told)
                        add_word(f, first, use_text(use));
        }
}

static void add_role(FILE *f, json_object *group, json_object *device, bool below_pf) {
        json_object *interfaces = view_get(device, "interfaces");
        const char *physfn = view_string(device, "physfn");
        uint64_t vf, vfs = view_count(device, "vfs");
        bool first = true;

        for (size_t i = 0; i < view_length(interfaces); i++)
                if (json_object_is_type(view_item(interfaces, i), json_type_string))
                        add_word(f, &first, json_object_get_string(view_item(interfaces, i)));
        if (!isempty(physfn)) {
                add_word(f, &first, "VF");
                if (view_u64(device, "vf", &vf))
                        (void) fprintf(f, " %" PRIu64, vf);
                if (!below_pf)
                        (void) fprintf(f, " of %s", physfn);
        }
        if (vfs > 0) {
                add_word(f, &first, "");
                (void) fprintf(f, "%" PRIu64 " %s", vfs, vfs == 1 ? "VF" : "VFs");
        }
        add_uses(f, &first, group, view_string(device, "address"));
}

int device_role(json_object *group, json_object *device, bool below_pf, char **ret) {
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        if (!f)
                return -ENOMEM;
        add_role(f, group, device, below_pf);
        if (fclose(f) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}

/* What a device is called tells more than its class, which stands for it where hwdb knows no name. */
int device_title(json_object *group, json_object *device, char **ret) {
        const char *class_name = view_string(device, "class_name"), *name = view_string(device, "device_name");
        _cleanup_free_ char *role = NULL;
        int r = device_role(group, device, false, &role);

        if (r < 0)
                return r;
        name = isempty(name) ? class_name : name;
        if (asprintf(ret, "%s%s%s", role, *role && !isempty(name) ? ": " : "", name ? name : "") < 0) {
                *ret = NULL;
                return -ENOMEM;
        }
        return 0;
}

char *group_devices_text(json_object *group) {
        _cleanup_free_ json_object **devices = view_sorted(group, "devices", "address");
        char *text = NULL;
        size_t size, n = 0;
        FILE *f = devices ? open_memstream(&text, &size) : NULL;

        if (!f)
                return NULL;
        for (; devices[n]; n++) {
                json_object *interfaces = view_get(devices[n], "interfaces");

                if (n >= NAMES_MAX)
                        continue;
                (void) fprintf(f, "%s%s", n > 0 ? ", " : "", view_show(devices[n], "address"));
                for (size_t i = 0; i < view_length(interfaces); i++)
                        if (json_object_is_type(view_item(interfaces, i), json_type_string))
                                (void) fprintf(f, " %s", json_object_get_string(view_item(interfaces, i)));
        }
        if (n > NAMES_MAX)
                (void) fprintf(f, " and %zu more", n - NAMES_MAX);
        if (n == 0)
                (void) fputs("no device", f);
        if (fclose(f) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

static bool all_digits(const char *text) {
        return *text && text[strspn(text, "0123456789")] == '\0';
}

/* As lspci shows it: "00:1f.7" without, "0001:00:1f.7" with its domain. */
static bool names_address(const char *name, const char *address) {
        const char *rest = strchr(address, ':');

        return strcasecmp(name, address) == 0 || (rest && strchr(rest + 1, ':') && strcasecmp(name, rest + 1) == 0);
}

static bool names_interface(const char *name, json_object *device) {
        json_object *interfaces = view_get(device, "interfaces");

        for (size_t i = 0; i < view_length(interfaces); i++) {
                json_object *interface = view_item(interfaces, i);

                if (json_object_is_type(interface, json_type_string) && streq(json_object_get_string(interface), name))
                        return true;
        }
        return false;
}

static json_object *find_number(json_object *groups, const char *name, Problem *problem) {
        uint64_t want, number;

        if (parse_u64(name, UINT32_MAX, &want) >= 0)
                for (size_t i = 0; i < view_length(groups); i++)
                        if (view_u64(view_item(groups, i), "number", &number) && number == want)
                                return view_item(groups, i);
        (void) problem_set(problem, -ESRCH, "There is no IOMMU group %.32s. See: tcectl groups", name);
        return NULL;
}

/* The device, by its address or an interface of its, whose name is nearest. */
static const char *guess_device(json_object *groups, const char *name, char buf[NEAREST_TEXT_MAX]) {
        Nearest n = nearest_to(name, SIZE_MAX);

        for (size_t i = 0; i < view_length(groups); i++) {
                json_object *devices = view_get(view_item(groups, i), "devices");

                for (size_t j = 0; j < view_length(devices); j++) {
                        json_object *interfaces = view_get(view_item(devices, j), "interfaces");

                        nearest_try(&n, view_string(view_item(devices, j), "address"));
                        for (size_t k = 0; k < view_length(interfaces); k++)
                                nearest_try(&n, json_object_get_string(view_item(interfaces, k)));
                }
        }
        return nearest_text(&n, "", buf);
}

static bool is_machine(json_object *json, const char *name) {
        json_object *machines = view_get(json, "machines");

        for (size_t i = 0; i < view_length(machines); i++)
                if (streq(view_show(view_item(machines, i), "name"), name))
                        return true;
        return false;
}

/* What can be done depends on what was meant. */
static void explain_none(json_object *json, const char *name, Problem *problem) {
        char guess[NEAREST_TEXT_MAX];

        (void) guess_device(view_get(json, "groups"), name, guess);
        if (is_machine(json, name))
                (void) problem_set(problem, -ESRCH, "'%.150s' is a VM, not an IOMMU group or a device. Which groups it has: tcectl topology; the VM "
                                   "itself: tcectl machines %.150s", name, name);
        else if (strchr(name, ':'))
                (void) problem_set(problem, -ESRCH, "No IOMMU group has a device %.64s.%s See: tcectl groups; after a hot-plug: tcectl rescan",
                                   name, guess);
        else if (*guess)
                (void) problem_set(problem, -ESRCH, "No IOMMU group has a device '%.64s'.%s See: tcectl groups", name, guess);
        else
                (void) problem_set(problem, -ESRCH,
                                   "No IOMMU group has a device '%.64s'. Give its PCI address or the group's number (see: tcectl groups): an "
                                   "interface is known by its name only while its driver has the device", name);
}

json_object *group_find(json_object *json, const char *name, Problem *problem) {
        json_object *groups = view_get(json, "groups"), *found = NULL;
        const char *address = NULL;

        if (all_digits(name))
                return find_number(groups, name, problem);
        for (size_t i = 0; i < view_length(groups); i++) {
                json_object *devices = view_get(view_item(groups, i), "devices");

                for (size_t j = 0; j < view_length(devices); j++) {
                        json_object *device = view_item(devices, j);
                        const char *here = view_string(device, "address");

                        if (!here || !(names_address(name, here) || names_interface(name, device)))
                                continue;
                        /* In full it is this one, whatever others are called. */
                        if (strcasecmp(name, here) == 0)
                                return view_item(groups, i);
                        if (found) {
                                (void) problem_set(problem, -ENOTUNIQ, "'%.64s' is several devices, %.64s and %.64s among them. Give the whole "
                                                   "address", name, address, here);
                                return NULL;
                        }
                        found = view_item(groups, i);
                        address = here;
                }
        }
        if (!found)
                explain_none(json, name, problem);
        return found;
}
