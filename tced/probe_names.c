/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the hardware database calls a device. A look into it costs as much as all else that is read of a device, and a host has a thousand
 * functions of few kinds: each kind is looked up once. */

#include <search.h>

#include "probe_groups.h"
#include "util.h"

typedef struct Kind {
        char *modalias;
        char *vendor, *device, *class;
} Kind;

struct DeviceNames {
        sd_hwdb *hwdb;
        void *kinds; /* tsearch(3) */
};

static int compare_kinds(const void *a, const void *b) {
        return strcmp(((const Kind *) a)->modalias, ((const Kind *) b)->modalias);
}

static void kind_free(void *p) {
        Kind *kind = p;

        free(kind->modalias);
        free(kind->vendor);
        free(kind->device);
        free(kind->class);
        free(kind);
}

int device_names_new(DeviceNames **ret) {
        DeviceNames *names = calloc(1, sizeof(*names));

        if (!names)
                return -ENOMEM;
        if (sd_hwdb_new(&names->hwdb) < 0) {
                free(names);
                return -ENOENT;
        }
        *ret = names;
        return 0;
}

DeviceNames *device_names_free(DeviceNames *names) {
        if (!names)
                return NULL;
        tdestroy(names->kinds, kind_free);
        (void) sd_hwdb_unref(names->hwdb);
        free(names);
        return NULL;
}

/* A copy of what the hardware database says; a name that it has not is NULL and no error. */
static int look_up(sd_hwdb *hwdb, const char *modalias, const char *key, char **ret) {
        const char *value;

        if (sd_hwdb_get(hwdb, modalias, key, &value) < 0)
                return 0;
        *ret = strdup(value);
        return *ret ? 0 : -ENOMEM;
}

static int kind_new(DeviceNames *names, const char *modalias, Kind **ret) {
        Kind *kind = calloc(1, sizeof(*kind));
        int r = -ENOMEM;

        if (!kind)
                return r;
        kind->modalias = strdup(modalias);
        if (kind->modalias)
                r = look_up(names->hwdb, modalias, "ID_VENDOR_FROM_DATABASE", &kind->vendor);
        if (r >= 0)
                r = look_up(names->hwdb, modalias, "ID_MODEL_FROM_DATABASE", &kind->device);
        if (r >= 0)
                r = look_up(names->hwdb, modalias, "ID_PCI_SUBCLASS_FROM_DATABASE", &kind->class);
        if (r >= 0 && !kind->class)
                r = look_up(names->hwdb, modalias, "ID_PCI_CLASS_FROM_DATABASE", &kind->class);
        if (r >= 0 && !tsearch(kind, &names->kinds, compare_kinds))
                r = -ENOMEM;
        if (r < 0) {
                kind_free(kind);
                return r;
        }
        *ret = kind;
        return 0;
}

int device_read_names(DeviceNames *names, const char *modalias, DeviceFacts *d) {
        Kind **found, *kind;
        int r = 0;

        if (!names)
                return 0;
        found = tfind(&(Kind) { .modalias = (char *) modalias }, &names->kinds, compare_kinds);
        if (found)
                kind = *found;
        else
                r = kind_new(names, modalias, &kind);
        if (r < 0)
                return r;
        d->vendor_name = kind->vendor;
        d->device_name = kind->device;
        d->class_name = kind->class;
        return 0;
}
