/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each part is a file of its own in a folder that tar(1) makes an archive of. A part that can't be had leaves a line in problems.txt: a report is most
 * wanted where something does not work. */

#include "bugreport.h"

#include <dirent.h>
#include <ftw.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "build-config.h"
#include "input.h"
#include "names.h"
#include "program.h"
#include "render.h"
#include "view.h"

#define FACTS "describe.json"
#define FOLDER "/tced-bugreport-XXXXXX"
#define PROGRAM_SECONDS 60U
#define TAR_SECONDS 300U

static const char readme[] =
        "A bug report of tced's, made by `tcectl bugreport`.\n\n"
        "describe.json  what tced knew: the host, groups, VMs, tables, findings, rules\n"
        "audit.json     where the tables of running VMs really were\n"
        "plans/         what tced would plan now for each of libvirt's VMs\n"
        "versions.txt   programs, kernel, distribution\n"
        "packages.txt   what is installed of tced, QEMU, libvirt\n"
        "config.txt     tced.conf and its drop-ins; the rules are in describe.json\n"
        "units.txt      tced's units as they are, and whether they run\n"
        "journal.txt    what tced and tced-bind logged since the boot\n"
        "libvirt.txt    warnings and errors that libvirt's daemons logged, if any\n"
        "kernel.txt     what the kernel logged of KVM, VFIO, IOMMUs and PCI\n"
        "problems.txt   what could not be had, if anything\n\n"
        "No memory of guests and no contents of TCE tables are in it, but names of VMs\n"
        "and devices, addresses and paths. To look at it:\n"
        "  tcectl groups --host=ARCHIVE   (or group, topology, plan, check, metrics)\n";

typedef struct Report {
        char root[64];  /* the temporary folder */
        char name[80];  /* of the folder in the archive */
        int dir;        /* which that is */
        FILE *problems; /* NULL: there were none */
        unsigned missing;
} Report;

static _printf_(2, 3) void note(Report *r, const char *format, ...) {
        va_list ap;
        int fd;

        if (!r->problems) {
                fd = openat(r->dir, "problems.txt", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                r->problems = fd < 0 ? NULL : fdopen(fd, "w");
        }
        r->missing++;
        if (!r->problems)
                return;
        va_start(ap, format);
        (void) vfprintf(r->problems, format, ap);
        va_end(ap);
        (void) fputc('\n', r->problems);
}

static FILE *part(const Report *r, const char *name) {
        int fd = openat(r->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        return fd < 0 ? NULL : fdopen(fd, "w");
}

/* What could not be written, and by whom, is known; mostly the disk is full. */
static int write_error(int fd) {
        struct statvfs st;

        return fstatvfs(fd, &st) >= 0 && st.f_blocks > 0 && st.f_bavail == 0 ? -ENOSPC : -EIO;
}

/* A full disk makes no report, which is found out here. */
static int part_close(FILE *f) {
        int r = fflush(f) != 0 || ferror(f) ? write_error(fileno(f)) : 0;

        return fclose(f) != 0 && r >= 0 ? -EIO : r;
}

static int put_text(const Report *r, const char *name, const char *text) {
        FILE *f = part(r, name);

        if (!f)
                return -errno;
        (void) fputs(text, f);
        return part_close(f);
}

static int put_json(const Report *r, const char *name, json_object *json) {
        FILE *f = part(r, name);
        int error;

        if (!f)
                return -errno;
        error = print_json(json, true, f);
        return error < 0 ? (void) fclose(f), error : part_close(f);
}

/* ---- what tced says ---- */

/* The plan of what libvirt runs or would run by this name; its XML, which may hold passwords, stays where it is. */
static int put_plan(Report *r, Client *client, const char *domain) {
        Problem problem = {};
        json_object *plan;
        char name[300];
        int error;

        if (strchr(domain, '/') || *domain == '.')
                return 0;
        if (client_plan(client, domain, NULL, &plan, &problem) < 0) {
                note(r, "the plan of %s: %s", domain, problem.text);
                return 0;
        }
        (void) snprintf(name, sizeof(name), "plans/%s.json", domain);
        error = put_json(r, name, plan);
        (void) json_object_put(plan);
        return error;
}

static int put_answers(Report *r, Client *client) {
        json_object *facts = NULL, *audit = NULL, *machines;
        Problem problem = {};
        int error = 0;

        if (client_describe(client, &facts, &problem) < 0)
                note(r, "what tced knows: %s", problem.text);
        else
                error = put_json(r, FACTS, facts);
        if (facts && error >= 0 && client_audit(client, &audit, &problem) < 0)
                note(r, "an audit: %s", problem.text);
        else if (audit)
                error = put_json(r, "audit.json", audit);
        machines = view_get(facts, "machines");
        if (error >= 0 && view_length(machines) > 0 && mkdirat(r->dir, "plans", 0700) < 0)
                error = -errno;
        for (size_t i = 0; error >= 0 && i < view_length(machines); i++)
                if (streq(view_show(view_item(machines, i), "source"), "libvirt"))
                        error = put_plan(r, client, view_show(view_item(machines, i), "name"));
        (void) json_object_put(facts);
        (void) json_object_put(audit);
        return error;
}

/* ---- what else there is ---- */

static int put_versions(Report *r) {
        _cleanup_free_ char *release = NULL;
        FILE *f = part(r, "versions.txt");
        Problem problem = {};
        struct utsname u;
        size_t size;

        if (!f)
                return -errno;
        (void) fprintf(f, "tcectl %s\n", TCED_VERSION);
        if (uname(&u) >= 0)
                (void) fprintf(f, "%s %s %s %s\n", u.sysname, u.release, u.version, u.machine);
        if (input_read_facts("/etc/os-release", &release, &size, &problem) >= 0)
                (void) fprintf(f, "\n%s", release);
        return part_close(f);
}

/* What a program prints. Of several for one part those that there are count. */
typedef struct Printed {
        const char *name;
        const char *argv[16];
        bool may_be_empty;
} Printed;

static const Printed printed[] = {
        { "journal.txt", { "journalctl", "--no-pager", "--quiet", "--boot", "--output=short-iso-precise", "--lines=20000", "--unit=tced.service",
                           "--unit=tced-bind.service", "--unit=tced-bind-work@*.service" }, false },
        /* What libvirt says for debugging has domains' XML and what it tells QEMU in it, passwords too. */
        { "libvirt.txt", { "journalctl", "--no-pager", "--quiet", "--boot", "--output=short-iso-precise", "--lines=20000", "--priority=warning",
                           "--unit=libvirtd.service", "--unit=virtqemud.service" }, true },
        { "kernel.txt", { "journalctl", "--no-pager", "--quiet", "--boot", "--dmesg", "--output=short-monotonic", "--lines=20000",
                          "--grep=kvm|vfio|iommu|spapr|tce|pci|eeh|Linux version" }, false },
        { "units.txt", { "systemctl", "--no-pager", "--full", "--lines=0", "status", "tced.service", "tced.socket", "tced-bind.service", "tced-bind.socket",
                         "libvirtd.service", "virtqemud.service" }, false },
        { "units.txt", { "systemctl", "--no-pager", "cat", "tced.service", "tced-bind.service", "tced-bind-work@.service", "tced.socket" }, false },
        { "config.txt", { "systemd-analyze", "--no-pager", "cat-config", "tced/tced.conf" }, false },
        { "packages.txt", { "dpkg-query", "--show", "--showformat=${db:Status-Abbrev} ${Package} ${Version}\\n", "*tced*", "qemu-system-*", "libvirt-daemon*", "linux-image-*", "systemd", "dbus" }, false },
        { "packages.txt", { "rpm", "--query", "tced", "libtced", "qemu-kvm", "qemu-system-ppc-core", "libvirt-daemon", "kernel", "systemd", "dbus" }, false },
};

/* By its status a program tells of much that is no failure (a unit that is not installed, no line that matches): only what it does not print counts. */
static int put_printed(Report *r, const Printed *p) {
        _cleanup_fd_ int fd = openat(r->dir, p->name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        struct stat st;
        int status;

        if (fd < 0)
                return -errno;
        status = program_run(p->argv, (ProgramFds) { .in = -EBADF, .out = fd, .err = fd }, PROGRAM_SECONDS);
        /* Of the two that know packages a host has one. */
        if (status < 0 && !(status == -ENOENT && streq(p->name, "packages.txt")))
                note(r, "%s: %s: %s", p->name, p->argv[0], status == -ENOENT ? "there is no such program" : strerror(-status));
        else if (status >= 0 && !p->may_be_empty && fstat(fd, &st) >= 0 && st.st_size == 0)
                note(r, "%s: %s has nothing to say, or this user may not read it", p->name, p->argv[0]);
        return 0;
}

static int put_all(Report *r, Client *client) {
        int error = put_text(r, "README", readme);

        if (error >= 0)
                error = put_answers(r, client);
        if (error >= 0)
                error = put_versions(r);
        for (size_t i = 0; error >= 0 && i < ELEMENTSOF(printed); i++)
                error = put_printed(r, &printed[i]);
        if (r->problems && fclose(TAKE_PTR(r->problems)) != 0 && error >= 0)
                error = -EIO;
        return error;
}

/* ---- the archive ---- */

static int remove_one(const char *path, _unused_ const struct stat *st, _unused_ int type, _unused_ struct FTW *ftw) {
        (void) remove(path);
        return 0;
}

/* "tced-bugreport-power9-20260731-1405" of ".../tced-bugreport-power9-20260731-1405.tar.gz". */
static void name_folder(Report *r, const char *path) {
        const char *base = strrchr(path, '/');
        size_t n;

        base = base ? base + 1 : path;
        n = strcspn(base, ".");
        (void) snprintf(r->name, sizeof(r->name), "%.*s", n > 0 && n < sizeof(r->name) ? (int) n : 14, n > 0 && n < sizeof(r->name) ? base : "tced-bugreport");
}

static int pack(const Report *r, int archive) {
        const char *argv[] = { "tar", "--create", "--gzip", "--owner=0", "--group=0", "--numeric-owner", "--directory", r->root, "--", r->name, NULL };
        int status = program_run(argv, (ProgramFds) { .in = -EBADF, .out = archive, .err = -EBADF }, TAR_SECONDS);

        return status > 0 ? write_error(archive) : status == -ENOENT ? -ENOPKG : status;
}

static int fill(Report *r, Client *client, int archive) {
        const char *base = getenv("TMPDIR");
        int error;

        (void) snprintf(r->root, sizeof(r->root), "%.40s" FOLDER, isempty(base) ? "/tmp" : base);
        if (!mkdtemp(r->root))
                return -errno;
        {
                _cleanup_fd_ int root = open(r->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                error = root < 0 || mkdirat(root, r->name, 0700) < 0 ? -errno : 0;
                if (error >= 0) {
                        r->dir = openat(root, r->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        error = r->dir < 0 ? -errno : 0;
                }
        }
        if (error >= 0)
                error = put_all(r, client);
        if (error >= 0)
                error = pack(r, archive);
        r->dir = fd_close(r->dir);
        (void) nftw(r->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        return error;
}

int bugreport_make(Client *client, const char *path, unsigned *ret_missing, Problem *problem) {
        _cleanup_fd_ int archive = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        Report r = { .dir = -EBADF };
        int error;

        if (archive < 0)
                return problem_set(problem, -errno, "Can't write %.200s: %s. Name another: --output=FILE", path, strerror(errno));
        name_folder(&r, path);
        error = fill(&r, client, archive);
        if (error >= 0) {
                *ret_missing = r.missing;
                return 0;
        }
        (void) unlink(path);
        if (error == -ENOPKG)
                return problem_set(problem, error, "There is no tar here, which packs the report. Install the package tar");
        return problem_set(problem, error, "Can't make the report: %s. It takes some room in %.*s (TMPDIR says where) and at %.200s", strerror(-error),
                           (int) strlen(r.root) - (int) strlen(FOLDER), r.root, path);
}

/* ---- and back ---- */

bool bugreport_is(const char *data, size_t size) {
        return size > 2 && memcmp(data, "\x1f\x8b", 2) == 0;
}

int bugreport_facts(int fd, const char *name, size_t max, char **ret, size_t *ret_size, Problem *problem) {
        static const char *const argv[] = { "tar", "--extract", "--gzip", "--file=-", "--to-stdout", "--wildcards", "*/" FACTS, NULL };
        int r = program_read(argv, fd, max, ret, ret_size);

        if (r == 0 && *ret_size > 0)
                return 0;
        if (r >= 0)
                free(TAKE_PTR(*ret));
        if (r == -ENOENT)
                return problem_set(problem, r, "There is no tar here, which unpacks %.200s. Install the package tar", name);
        if (r == -EFBIG)
                return problem_set(problem, r, "%.200s: what tced knew is larger than %s in it. Check that it is the right file.", name, FORMAT_BYTES(max));
        if (r < 0)
                return r == -ENOMEM ? r : problem_set(problem, r, "Can't unpack %.200s: %s", name, strerror(-r));
        return problem_set(problem, -EBADMSG, "%.200s is no bug report that has %s in it. Where no tced answered there is none: see problems.txt in it", name,
                           FACTS);
}
