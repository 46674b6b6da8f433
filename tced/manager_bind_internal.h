/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of binding share among themselves. */

#include "manager_bind.h"
#include "manager_internal.h"

typedef struct GroupBind GroupBind;
typedef struct Wanted Wanted;

/* Which record a device is in. */
typedef struct RecordPlace {
        const char *address; /* the record's own */
        const BindRecord *record;
} RecordPlace;

typedef struct Records {
        BindRecord *items;
        size_t n, allocated;
        RecordPlace *places; /* by address */
        size_t n_places;
} Records;

struct Binder {
        Records records; /* as of the last look */
        sd_event_source *watch; /* of the folder of the records, or, */
        bool watches_parent;    /* as long as there is none, of the one above */
        GroupBind *running;
        Wanted *wanted;         /* groups of [Bind] Devices= that were seen */
        void *wanted_by_key;    /* the same; tsearch(3) */
        unsigned n_pending;     /* of these, being bound */
        bool begun;             /* those of the boot were looked at */
        bool goes_on, news;     /* of manager_bind_boot.c */
        sd_event_source *patience; /* how long at_boot waits */
        void (*at_boot)(void *userdata); /* waits for them */
        void *at_boot_userdata;
        UseFacts *uses;         /* as of */
        uint64_t uses_turn;     /* this turn of the loop, */
        uint64_t uses_at, uses_cost; /* this time; what it took, in µs */
        bool uses_known;
        bool net_unknown;       /* nothing of the network is in it */
};

void records_clear(Records *r);

/* NULL: no memory. */
struct Binder *manager_binder(Manager *m);
