/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* May a user's VMM have its limit of locked memory raised? polkit says, without a password. RegisterMachine is answered when that is settled,
 * or when polkit has had its time; a VMM that is told earlier makes its tables before the answer is there. */

#include <inttypes.h>

#include "dbus_internal.h"
#include "log.h"
#include "names.h"
#include "util.h"

#define PATIENCE_USEC (1000U * 1000U)

/* A registration that waits for it. */
typedef struct Waiting {
        Manager *manager;
        sd_bus_message *registration; /* is answered with the machine's path */
        char uuid[33];
        uint64_t serial; /* of the machine */
} Waiting;

static void reply_path(sd_bus_message *m, const char *uuid) {
        char path[PATH_MAX_MACHINE];

        (void) snprintf(path, sizeof(path), TCED_MACHINE_PREFIX "/%s", uuid);
        answered(m, sd_bus_reply_method_return(m, "o", path));
}

/* Answers who waits. */
static void on_settled(bool yes, const char *why, void *userdata) {
        Waiting *w = userdata;
        Machine *machine = manager_find_machine_by_uuid(w->manager, w->uuid);

        if (machine && machine->serial == w->serial && yes)
                manager_permit_memlock(w->manager, machine);
        else if (machine && machine->serial == w->serial)
                log_info("The locked-memory limit of %s is not raised: polkit does not allow user %u " TCED_POLKIT_RAISE_MEMLOCK ": %s",
                         machine->name, (unsigned) machine->registrar, why);
        reply_path(w->registration, w->uuid);
        request_end(w->registration);
        free(w);
}

/* Negative errno: it is not asked. */
static int ask(Connection *c, sd_bus_message *registration, const Machine *machine, uint64_t need) {
        char bytes[24];
        const char *details[] = { "machine", machine->name, "uuid", machine->uuid, "bytes", bytes, NULL };
        const PolkitQuestion question = { .action = TCED_POLKIT_RAISE_MEMLOCK, .details = details, .user = machine->registrar,
                                          .patience_usec = PATIENCE_USEC };
        Waiting *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        *w = (Waiting) { .manager = c->manager, .registration = registration, .serial = machine->serial };
        memcpy(w->uuid, machine->uuid, sizeof(w->uuid));
        (void) snprintf(bytes, sizeof(bytes), "%" PRIu64, need);
        /* It is kept already: that is never refused. */
        (void) request_hold(registration, machine->registrar, NULL);
        r = polkit_ask(c, registration, &question, on_settled, w);
        if (r < 0) {
                request_end(w->registration);
                free(w);
        }
        return r;
}

void memlock_reply_registered(Connection *c, sd_bus_message *registration, const Machine *machine) {
        uint64_t need;

        if (!c || !c->polkit || !manager_wants_memlock(c->manager, machine, &need) || ask(c, registration, machine, need) < 0)
                reply_path(registration, machine->uuid);
}
