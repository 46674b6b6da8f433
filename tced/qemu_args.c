/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What stands beside the devices on QEMU's command line: machine, accelerator, memory (system/vl.c: qemu_init). */

#include "qemu_args.h"

#include "qemu_devices.h"
#include "qemu_options.h"
#include "util.h"

/* Any user's process may call itself a QEMU, and its words are read while the loop waits. A VM with a thousand disks has less. */
#define WORDS_MAX 4096U

/* hw/ppc/spapr.c: spapr_machine_class_init(), default_ram_size */
#define MEMORY_DEFAULT (UINT64_C(512) << 20)

static int set_text(char **to, const char *text) {
        char *copy = strdup(text);

        if (!copy)
                return -ENOMEM;
        free(*to);
        *to = copy;
        return 0;
}

/* Of "kvm:tcg" the first that works; where nothing is said it is TCG, but for a program that is called after KVM
 * (system/vl.c: configure_accelerators). */
static bool is_kvm(const char *accel) {
        return strncmp(accel, "kvm", 3) == 0 && (accel[3] == '\0' || accel[3] == ':');
}

static bool is_kvm_program(const char *program) {
        size_t length = strlen(program);

        return length >= 3 && streq(program + length - 3, "kvm");
}

bool qemu_args_is_qemu(const char *program) {
        /* Debian has two names for one program; the adapter's wrapper hands its own on. */
        static const char *const names[] = { "kvm", "qemu-kvm", "qemu-system-ppc64", "qemu-system-ppc64le", "tced-qemu-system-ppc64" };
        const char *slash = strrchr(program, '/');

        return name_lookup(names, ELEMENTSOF(names), slash ? slash + 1 : program) >= 0;
}

/* -machine may be there more than once; the last word on each counts. */
static int read_machine(const QemuArgument *a, Domain *d, char **accel) {
        _cleanup_(qemu_options_clear) QemuOptions o = {};
        const char *type, *own;
        int r = a->value.text ? qemu_options_parse(a->value.text, "type", &o) : 0;

        if (r < 0)
                return r;
        type = qemu_options_get(&o, "type");
        own = qemu_options_get(&o, "accel");
        if (type)
                r = set_text(&d->machine, type);
        if (r >= 0 && own)
                r = set_text(accel, own);
        return r;
}

static int read_size(const QemuArgument *a, const QemuOptions *o, const char *name, char unit, uint64_t *ret, DomainError *error) {
        const char *text = qemu_options_get(o, name);

        if (text && !qemu_size(text, unit, ret))
                return qemu_fail(error, &a->word, "-m: %s='%.64s': QEMU takes no such size; give it as 4G", name, text);
        return 0;
}

/* A size without a unit is MiB, but maxmem's is bytes (seen of QEMU 7.2). 0 is the default. */
static int read_memory(const QemuArgument *a, Domain *d, DomainError *error) {
        _cleanup_(qemu_options_clear) QemuOptions o = {};
        int r = a->value.text ? qemu_options_parse(a->value.text, "size", &o) : 0;

        if (r >= 0)
                r = read_size(a, &o, "size", 'M', &d->memory, error);
        if (d->memory == 0)
                d->memory = MEMORY_DEFAULT;
        return r < 0 ? r : read_size(a, &o, "maxmem", 'B', &d->max_memory, error);
}

/* A NVDIMM makes guests' windows larger (domain_windows.c); of other DIMMs -m has all that counts. */
static int read_nvdimm(const QemuArgument *a, Domain *d) {
        const char *text = a->value.text;
        bool is = strncmp(text, "nvdimm", 6) == 0 && (text[6] == '\0' || text[6] == ',');
        int r;

        if (!is && !(text[0] == '{' && strstr(text, "\"nvdimm\"")))
                return 0;
        r = ARRAY_RESERVE(d->dimms, d->dimms_allocated, d->n_dimms + 1);
        if (r < 0)
                return r;
        d->dimms[d->n_dimms] = (DomainDimm) { .model = strdup("nvdimm") };
        if (!d->dimms[d->n_dimms].model)
                return -ENOMEM;
        d->n_dimms++;
        return 0;
}

static int read_option(const QemuArgument *a, Domain *d, char **accel, DomainError *error) {
        if (streq(a->name, "M") || streq(a->name, "machine"))
                return read_machine(a, d, accel);
        if (streq(a->name, "m"))
                return read_memory(a, d, error);
        if (streq(a->name, "device"))
                return read_nvdimm(a, d);
        if (streq(a->name, "enable-kvm"))
                return set_text(accel, "kvm");
        /* Of several the first that works. */
        if (streq(a->name, "accel") && a->value.text && !*accel) {
                _cleanup_free_ char *name = strndup(a->value.text, strcspn(a->value.text, ","));

                return name ? set_text(accel, strncmp(name, "accel=", 6) == 0 ? name + 6 : name) : -ENOMEM;
        }
        if (streq(a->name, "readconfig"))
                return qemu_fail(error, &a->word, "-readconfig: %.128s: tced does not read files of QEMU's options; give them as words",
                                 a->value.text ? a->value.text : "");
        return 0;
}

/* What has no id is called by its driver. */
static int name_devices(Domain *d) {
        for (size_t i = 0; i < d->n_devices; i++) {
                DomainDevice *device = &d->devices[i];

                if (!device->alias)
                        device->alias = strdup(device->model);
                if (!device->alias)
                        return -ENOMEM;
        }
        return 0;
}

/* The words as they are, but for what is no UTF-8, which nobody could be shown. *ret_text has them all. */
static int copy_words(const char *const *argv, size_t n, QemuWord *ret, char **ret_text) {
        size_t size = 1;
        char *text, *at;

        for (size_t i = 0; i < n; i++)
                size += strlen(argv[i]) + 1;
        text = at = malloc(size);
        if (!text)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                ret[i].text = strcpy(at, argv[i]);
                at += strlen(at) + 1;
                (void) utf8_mend((char *) ret[i].text);
        }
        *ret_text = text;
        return 0;
}

int qemu_args_read(const char *const *argv, size_t n, Domain *ret, DomainError *error) {
        _cleanup_free_ QemuArgument *arguments = NULL;
        _cleanup_free_ QemuWord *words = NULL;
        _cleanup_(domain_clear) Domain d = { .bare = true, .id = -1, .live = true, .memory = MEMORY_DEFAULT };
        _cleanup_free_ char *accel = NULL, *text = NULL;
        size_t n_arguments = 0;
        int r;

        if (n == 0)
                return qemu_fail(error, &(QemuWord) {}, "there is no program; give a QEMU and its arguments");
        if (n > WORDS_MAX)
                return qemu_fail(error, &(QemuWord) {}, "it has more than %u words, and tced reads no more; give it fewer", WORDS_MAX);
        words = calloc(n, sizeof(*words));
        arguments = calloc(n, sizeof(*arguments));
        if (!words || !arguments)
                return -ENOMEM;
        r = copy_words(argv + 1, n - 1, words, &text);
        if (r >= 0)
                r = set_text(&d.emulator, argv[0]);
        if (r >= 0)
                r = set_text(&d.arch, "ppc64le");
        if (r >= 0)
                r = qemu_split(words, n - 1, arguments, &n_arguments, error);
        for (size_t i = 0; r >= 0 && i < n_arguments; i++)
                r = read_option(&arguments[i], &d, &accel, error);
        if (r < 0)
                return r;
        d.kvm = accel ? is_kvm(accel) : is_kvm_program(argv[0]);
        r = set_text(&d.type, d.kvm ? "kvm" : "qemu");
        if (r >= 0) {
                domain_settle_machine(&d);
                r = qemu_devices_read(arguments, n_arguments, &d, error);
        }
        if (r >= 0)
                r = name_devices(&d);
        if (r < 0)
                return r;
        *ret = TAKE_GENERIC(d, Domain, (Domain) {});
        return 0;
}
