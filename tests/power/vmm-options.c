/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line. */

#include <getopt.h>

#include "util.h"
#include "vmm.h"

/* The lists of H_PUT_TCE_INDIRECT have to fit into guest memory. */
#define PUTS_MAX (VMM_MEMORY_SIZE / 8 / 2)

static const char help[] =
        "test-vmm --name NAME [--window KIND:LIOBN:OFFSET:SIZE:SHIFT[:ADDRESS]]...\n"
        "\n"
        "A small virtual machine whose guest fills DMA tables that tced hands out.\n"
        "\n"
        "  --name NAME     register a machine of this name\n"
        "  --uuid UUID     with this UUID\n"
        "  --registered    someone else has registered it, with these windows\n"
        "  --window ...    one table for each: KIND is vio, pci or vfio (with ADDRESS of\n"
        "                  the PCI device); numbers in decimal or 0x..., SIZE also 1G\n"
        "  --also ADDRESS  the IOMMU group of this device comes into the container of\n"
        "                  the first group, and is linked to the same tables\n"
        "  --puts N        the guest maps N pages in each window (1000)\n"
        "  --indirect      by H_PUT_TCE_INDIRECT, 512 at once\n"
        "  --stuff         and clears them by H_STUFF_TCE in the end\n"
        "  --multitce      these two in the kernel, where tced allows it\n"
        "  --socket ADDR   D-Bus address of tced; \"system\", \"user\"\n"
        "  --dump DIR      write every entry to DIR/LIOBN\n"
        "  --nodes         print on which NUMA nodes the tables' pages are\n"
        "  --hold SECONDS  stay, with all tables, before the end, or until SIGTERM;\n"
        "                  SIGUSR1: ask tced, and print how each table is\n"
        "  --busy          the guest goes on mapping its pages meanwhile, and looks\n"
        "                  whether its tables are as they were\n"
        "  --pause MS      between two times (100)\n"
        "  --heir SECONDS  leave a process behind that has all tables mapped, and nothing\n"
        "                  else of the VM, and writes to them for so long\n"
        "  --demo          tell it for people; otherwise KEY=VALUE\n";

/* The next field of text, cut off; NULL where there is none. */
static char *next_field(char **text) {
        char *field = *text, *colon;

        if (!field)
                return NULL;
        colon = strchr(field, ':');
        *text = colon ? colon + 1 : NULL;
        if (colon)
                *colon = '\0';
        return field;
}

static int parse_number(const char *text, uint64_t max, uint64_t *ret) {
        return text ? parse_u64(text, max, ret) : -EINVAL;
}

static int parse_window(char *text, VmmWindow *ret) {
        VmmWindow w = { .window = { .kind = next_field(&text), .group = -1 } };
        uint64_t liobn, shift;
        char *size;
        int r;

        w.window.device = w.window.kind;
        r = parse_number(next_field(&text), UINT32_MAX, &liobn);
        if (r >= 0)
                r = parse_number(next_field(&text), UINT64_MAX, &w.window.bus_offset);
        if (r < 0)
                return r;
        size = next_field(&text);
        r = size && strncmp(size, "0x", 2) != 0 ? parse_size(size, &w.window.size) :
                                                  parse_number(size, UINT64_MAX, &w.window.size);
        if (r >= 0)
                r = parse_number(next_field(&text), 63, &shift);
        if (r < 0)
                return r;
        w.window.liobn = (uint32_t) liobn;
        w.window.page_shift = (uint32_t) shift;
        if (text)
                w.address = w.window.device = text;
        if (streq(w.window.kind, "vfio") != (w.address != NULL))
                return -EINVAL;
        *ret = w;
        return 0;
}

enum { NAME = 'n', UUID, REGISTERED, WINDOW, ALSO, PUTS, INDIRECT, STUFF, MULTITCE, SOCKET, DUMP, NODES, HOLD, HEIR, BUSY, PAUSE, DEMO, HELP };

static int parse_option(int option, char *value, VmmOptions *o) {
        uint64_t number;
        int r = 0;

        switch (option) {
        case NAME: o->name = value; break;
        case UUID: o->uuid = value; break;
        case SOCKET: o->socket = value; break;
        case DUMP: o->dump = value; break;
        case PUTS: r = parse_u64(value, PUTS_MAX, &o->puts); break;
        case INDIRECT: o->indirect = true; break;
        case STUFF: o->stuff = true; break;
        case MULTITCE: o->multitce = true; break;
        case DEMO: o->demo = true; break;
        case BUSY: o->busy = true; break;
        case NODES: o->nodes = true; break;
        case REGISTERED: o->registered = true; break;
        case HOLD:
        case HEIR:
        case PAUSE:
                r = parse_u64(value, 1000000, &number);
                if (r >= 0)
                        *(option == HOLD ? &o->hold : option == HEIR ? &o->heir : &o->pause) = (unsigned) number;
                break;
        case WINDOW:
                r = o->n_windows < VMM_WINDOWS_MAX ? parse_window(value, o->windows + o->n_windows) : -E2BIG;
                o->n_windows += r >= 0;
                break;
        case ALSO:
                if (o->n_also < VMM_ALSO_MAX)
                        o->also[o->n_also++] = value;
                else
                        r = -E2BIG;
                break;
        case HELP: (void) fputs(help, stdout); return 1;
        default: return -EINVAL;
        }
        if (r < 0)
                (void) fprintf(stderr, "test-vmm: '%s': %s; see --help\n", value, strerrordesc_np(-r));
        return r;
}

int vmm_options_parse(int argc, char **argv, VmmOptions *ret) {
        static const struct option names[] = {
                { "name", required_argument, NULL, NAME },     { "uuid", required_argument, NULL, UUID },
                { "window", required_argument, NULL, WINDOW }, { "puts", required_argument, NULL, PUTS },
                { "also", required_argument, NULL, ALSO },     { "registered", no_argument, NULL, REGISTERED },
                { "indirect", no_argument, NULL, INDIRECT },   { "stuff", no_argument, NULL, STUFF },
                { "multitce", no_argument, NULL, MULTITCE },   { "socket", required_argument, NULL, SOCKET },
                { "dump", required_argument, NULL, DUMP },     { "hold", required_argument, NULL, HOLD },
                { "busy", no_argument, NULL, BUSY },           { "heir", required_argument, NULL, HEIR },
                { "pause", required_argument, NULL, PAUSE },   { "demo", no_argument, NULL, DEMO },
                { "nodes", no_argument, NULL, NODES },         { "help", no_argument, NULL, HELP },
                {},
        };
        VmmOptions o = { .puts = 1000, .pause = 100 };
        int option;

        while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
                int r = parse_option(option, optarg, &o);
                if (r != 0)
                        return r;
        }
        if (optind < argc || !o.name) {
                (void) fprintf(stderr, "test-vmm: %s; see --help\n", o.name ? "a word too many" : "no --name");
                return -EINVAL;
        }
        *ret = o;
        return 0;
}
