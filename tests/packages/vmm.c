/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A VMM as far as tced can see: it registers itself, claims its machine, has its one table, says so, and lives on. Built in the
 * container against the packages' own header and pkg-config file. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tced.h>
#include <unistd.h>

static void must(const char *what, int r, struct tced *t) {
        const char *why = t ? tced_last_error(t) : NULL;

        if (r >= 0)
                return;
        fprintf(stderr, "%s: %s\n", what, why && *why ? why : strerror(-r));
        exit(1);
}

int main(void) {
        static const struct tced_window window = {
                .kind = "vio", .device = "eth0", .liobn = 0x71000001, .page_shift = 12, .size = 0x10000000, .group = -1,
        };
        struct tced_machine *m = NULL;
        struct tced *t = NULL;

        must("connecting", tced_connect(NULL, 0, &t), t);
        must("registering", tced_register(t, "packaged", NULL, &window, 1, TCED_OWNER_CALLER, &m), t);
        must("claiming", tced_claim(m), t);
        must("acquiring", tced_acquire(m, -1), t);
        puts("ready");
        fflush(stdout);
        pause();
        return 0;
}
