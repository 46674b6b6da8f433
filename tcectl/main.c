/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tcectl: shows what tced knows, and has it look again.
 *
 * The way of a command: options.c reads the line, commands.c asks tced through client.c and gets Describe's JSON, render-*.c makes a screen
 * of it with table-print.c and text.c, looking into it with view.c; pager.c shows it. Only client*.c knows D-Bus, only text.c knows terminals. */

#include <locale.h>

#include "build-config.h"
#include "options.h"
#include "pager.h"
#include "util.h"

/* Writes out what is still buffered. A full disk or a closed pipe is a failure that a script should see. */
static int finish(int r) {
        if (fflush(stdout) != 0 || ferror(stdout)) {
                print_error("Can't write the output: nobody reads on, or there is no room where it goes.");
                return EXIT_FAILURE;
        }
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What prints as it goes has no pager. */
static int run(const Options *o) {
        bool paged = !o->no_pager && (o->help || !(o->command->options & OPTION_LIVE));
        int r = paged ? pager_begin() : 0, shown;

        if (r < 0)
                return r;
        if (o->help)
                print_help(o->command);
        else
                r = o->command->run(o);
        shown = paged ? pager_end() : 0;
        return r < 0 ? r : shown;
}

int main(int argc, char **argv) {
        char error[256];
        Options o;
        int r;

        (void) setlocale(LC_CTYPE, "");
        r = options_parse(argc, argv, &o, error, sizeof(error));
        if (r < 0) {
                print_error(error);
                return EXIT_USAGE;
        }
        if (o.version && !o.help) {
                printf("tcectl %s\n", TCED_VERSION);
                return finish(0);
        }
        r = run(&o);
        if (r == -ENOMEM)
                print_error("Out of memory.");
        return finish(r);
}
