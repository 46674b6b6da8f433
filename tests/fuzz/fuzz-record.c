/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A libFuzzer target: a record of what tced-bind has bound, as it may have been left in /run/tced-bind/groups. What was read can be written,
 * and is the same when it is read again. */

#include <sys/stat.h>

#include "bind_record.h"
#include "fuzz.h"
#include "util.h"

#define EXPECT(what) fuzz_expect((what), #what)
#define KEY "0001:00:00.0"
#define NAME KEY ".json"

static bool same_text(const char *a, const char *b) {
        return a && b ? streq(a, b) : a == b;
}

static void check_same(const BindRecord *a, const BindRecord *b) {
        EXPECT(streq(a->key, b->key) && a->state == b->state && a->group == b->group && streq(a->why, b->why));
        EXPECT(a->n_devices == b->n_devices);
        for (size_t i = 0; i < a->n_devices; i++) {
                EXPECT(streq(a->devices[i].address, b->devices[i].address));
                EXPECT(same_text(a->devices[i].driver, b->devices[i].driver));
                EXPECT(same_text(a->devices[i].driver_override, b->devices[i].driver_override));
        }
}

/* What the rest of tced-bind makes paths below /sys of. */
static void check_record(const BindRecord *record) {
        EXPECT(streq(record->key, KEY) && record->n_devices > 0 && record->n_devices <= BIND_DEVICES_MAX && utf8_valid(record->why));
        for (size_t i = 0; i < record->n_devices; i++) {
                const BindRecordDevice *d = &record->devices[i];

                EXPECT(pci_address_valid(d->address) && bind_record_find(record, d->address) == d);
                EXPECT(!d->driver || (*d->driver && !strchr(d->driver, '/') && !streq(d->driver, "..")));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char addresses[1][BIND_ADDRESS_MAX + 1] = { KEY };
        BindRecord record = {}, again = {}, found = {};
        static int folder = -EBADF;
        int r;

        if (folder < 0)
                folder = open(fuzz_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fuzz_write(fuzz_folder(), NAME, size ? (const char *) data : "", size);
        r = bind_record_read(folder, NAME, &record);
        EXPECT(r == 0 || r == -EBADMSG || r == -EFBIG || (r == -ENOENT && size == 0));
        if (r < 0)
                return 0;
        check_record(&record);
        EXPECT(bind_record_write(folder, &record) == 0 && bind_record_read(folder, NAME, &again) == 0);
        check_same(&record, &again);
        r = bind_record_look_up(folder, addresses, 1, &found);
        EXPECT(r == (bind_record_find(&record, KEY) != NULL));
        bind_record_clear(&found);
        bind_record_clear(&record);
        bind_record_clear(&again);
        return 0;
}
