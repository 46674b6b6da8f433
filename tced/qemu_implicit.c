/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In the order in which QEMU makes them (hw/ppc/spapr.c: spapr_machine_init): serial ports, the NVRAM, NICs, SCSI controllers; then come those of
 * -device. On the VIO bus the order decides registers, and with them LIOBNs. */

#include "qemu_implicit.h"

#include <json-c/json.h>

#include "qemu_options.h"
#include "util.h"

/* blockdev.c: if_max_devs[IF_SCSI]; no one has as many buses. */
#define SCSI_UNITS 7U
#define SCSI_BUSES_MAX 64U

/* Which of the places of IF_SCSI are taken. */
typedef struct ScsiPlaces {
        bool taken[SCSI_BUSES_MAX][SCSI_UNITS];
        unsigned buses; /* one more than the highest that is taken */
} ScsiPlaces;

/* What QEMU adds by default where nobody says anything of it. */
typedef struct Defaults {
        bool serial, net, cdrom;
} Defaults;

static const char *driver_of(const QemuOptions *o) {
        const char *driver = qemu_options_get(o, "driver");

        return driver ? driver : "";
}

/* -device and -global of some drivers count as such a word (system/vl.c: default_list). */
static int drop_by_driver(const QemuArgument *a, Defaults *defaults) {
        static const char *const drives[] = { "ide-cd", "ide-hd", "scsi-cd", "scsi-hd" };
        _cleanup_(qemu_options_clear) QemuOptions o = {};
        bool device = streq(a->name, "device");
        char driver[64] = "", what[64];
        int r = 0;

        if (device && a->value.text[0] == '{')
                r = qemu_options_parse_json(a->value.text, &(JsonFault) { what, sizeof(what), "" }, &o);
        else if (device || sscanf(a->value.text, "%63[^.=].", driver) != 1 || a->value.text[strlen(driver)] != '.')
                r = qemu_options_parse(a->value.text, device ? "driver" : NULL, &o);
        if (r < 0)
                return r == -EINVAL ? 0 : r; /* who reads it for its own sake says so */
        if (o.n > 0)
                (void) snprintf(driver, sizeof(driver), "%s", driver_of(&o));
        defaults->serial &= !streq(driver, "isa-serial");
        defaults->cdrom &= name_lookup(drives, ELEMENTSOF(drives), driver) < 0;
        return 0;
}

static int find_defaults(const QemuArgument *arguments, size_t n, bool bare, Defaults *ret) {
        static const char *const net[] = { "net", "netdev", "nic" };
        Defaults defaults = { bare, bare, bare };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const QemuArgument *a = &arguments[i];

                defaults.serial &= !streq(a->name, "serial");
                defaults.net &= name_lookup(net, ELEMENTSOF(net), a->name) < 0;
                if (streq(a->name, "device") || streq(a->name, "global"))
                        r = drop_by_driver(a, &defaults);
        }
        /* One -nodefaults is enough, wherever it stands. */
        for (size_t i = 0; i < n; i++)
                if (streq(arguments[i].name, "nodefaults"))
                        defaults = (Defaults) {};
        *ret = defaults;
        return r;
}

/* The first `none` ends them (seen of QEMU 7.2: serial_hd() of what follows has no port either). */
static int add_serials(const QemuArgument *arguments, size_t n, bool by_default, Domain *d) {
        static const QemuWord nobody = {};
        int r = by_default ? qemu_add_implicit(d, "spapr-vty", &nobody) : 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                if (!streq(arguments[i].name, "serial") || !arguments[i].value.text)
                        continue;
                if (streq(arguments[i].value.text, "none"))
                        break;
                r = qemu_add_implicit(d, "spapr-vty", &arguments[i].word);
        }
        return r;
}

/* net/net.c: of -net only "nic" makes a device, of -nic all but "none". Without a model it is a spapr-vlan (hw/ppc/spapr.c). */
static int add_nic(const QemuArgument *a, Domain *d) {
        static const char *const vlans[] = { "ibmveth", "spapr-vlan" };
        _cleanup_(qemu_options_clear) QemuOptions o = {};
        const char *type, *model;
        int r = a->value.text ? qemu_options_parse(a->value.text, "type", &o) : 0;

        if (r < 0)
                return r;
        type = qemu_options_get(&o, "type");
        model = qemu_options_get(&o, "model");
        if (!type || (streq(a->name, "net") ? !streq(type, "nic") : streq(type, "none")))
                return 0;
        if (!model || name_lookup(vlans, ELEMENTSOF(vlans), model) >= 0)
                return qemu_add_implicit(d, "spapr-vlan", &a->word);
        return qemu_add_implicit(d, model, &a->word);
}

static int add_nics(const QemuArgument *arguments, size_t n, bool by_default, Domain *d) {
        static const QemuWord nobody = {};
        int r = by_default ? qemu_add_implicit(d, "spapr-vlan", &nobody) : 0;

        for (size_t i = 0; r >= 0 && i < n; i++)
                if (streq(arguments[i].name, "nic") || streq(arguments[i].name, "net"))
                        r = add_nic(&arguments[i], d);
        return r;
}

/* blockdev.c: drive_new(). The place that is given, or the first that is free from that bus on. What can't be QEMU refuses. */
static void take_place(ScsiPlaces *p, uint64_t bus, bool has_unit, uint64_t unit) {
        while (!has_unit && bus < SCSI_BUSES_MAX) {
                for (unit = 0; unit < SCSI_UNITS && p->taken[bus][unit]; unit++)
                        ;
                if (unit < SCSI_UNITS)
                        break;
                bus++;
        }
        if (bus >= SCSI_BUSES_MAX || unit >= SCSI_UNITS)
                return;
        p->taken[bus][unit] = true;
        if (p->buses <= bus)
                p->buses = (unsigned) bus + 1;
}

/* -drive without `if` is SCSI on this machine (block_default_type). */
static int add_drive(const QemuArgument *a, ScsiPlaces *p) {
        _cleanup_(qemu_options_clear) QemuOptions o = {};
        const char *type, *text;
        uint64_t index, bus = 0, unit = 0;
        bool has_unit;
        int r = a->value.text ? qemu_options_parse(a->value.text, NULL, &o) : 0;

        if (r < 0)
                return r;
        type = qemu_options_get(&o, "if");
        if (type && !streq(type, "scsi"))
                return 0;
        text = qemu_options_get(&o, "index");
        if (text && qemu_number(text, SCSI_BUSES_MAX * SCSI_UNITS - 1, &index)) {
                take_place(p, index / SCSI_UNITS, true, index % SCSI_UNITS);
                return 0;
        }
        text = qemu_options_get(&o, "bus");
        if (text)
                (void) qemu_number(text, SCSI_BUSES_MAX - 1, &bus);
        text = qemu_options_get(&o, "unit");
        has_unit = text && qemu_number(text, SCSI_UNITS - 1, &unit);
        take_place(p, bus, has_unit, unit);
        return 0;
}

/* One controller for each bus up to the highest (hw/ppc/spapr.c, drive_get_max_bus()). */
static int add_scsi(const QemuArgument *arguments, size_t n, bool cdrom, Domain *d) {
        static const char *const images[] = { "hda", "hdb", "cdrom", "hdd" }; /* by their index; -hdc is the CD-ROM's */
        static const QemuWord nobody = {};
        ScsiPlaces p = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const char *name = streq(arguments[i].name, "hdc") ? "cdrom" : isempty(arguments[i].name) && d->bare ? "hda" : arguments[i].name;
                int index = name_lookup(images, ELEMENTSOF(images), name);

                if (streq(name, "drive"))
                        r = add_drive(&arguments[i], &p);
                else if (index >= 0)
                        take_place(&p, 0, true, (uint64_t) index);
        }
        if (cdrom)
                take_place(&p, 0, true, 2);
        for (unsigned bus = 0; r >= 0 && bus < p.buses; bus++)
                r = qemu_add_implicit(d, "spapr-vscsi", &nobody);
        return r;
}

int qemu_implicit_read(const QemuArgument *arguments, size_t n, Domain *d) {
        static const QemuWord nobody = {};
        Defaults defaults;
        int r = find_defaults(arguments, n, d->bare, &defaults);

        if (r >= 0 && d->bare)
                r = add_serials(arguments, n, defaults.serial, d);
        if (r >= 0 && d->bare)
                r = qemu_add_implicit(d, "spapr-nvram", &nobody);
        if (r >= 0)
                r = add_nics(arguments, n, defaults.net, d);
        return r < 0 ? r : add_scsi(arguments, n, defaults.cdrom, d);
}
