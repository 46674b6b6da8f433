/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libxml2 is loaded, not linked: tced is ready without it, says so where it is missing or another, goes on, and takes it up when it is there. */

#include <dlfcn.h>
#include <elf.h>
#include <limits.h>
#include <link.h>
#include <sys/stat.h>

#include "domain.h"
#include "tap.h"
#include "xml_library.h"

/* Another library of libc's, which nobody has loaded. */
#define OTHER "libanl.so.1"

#define LIBRARY "libraries/" XML_LIBRARY_SONAME
#define NOTE_TYPE 0x407c0c0aU
#define NOTE "[{\"feature\":\"xml\",\"description\":\"Reads libvirt's domains\",\"priority\":\"required\",\"soname\":[\"" XML_LIBRARY_SONAME "\"]}]"

/* A program's bytes, of which packagers' tools read the note. */
static char *program(const char *path, size_t *ret_size) {
        FILE *f = fopen(path, "re");
        struct stat st;
        char *bytes;

        if (!f || fstat(fileno(f), &st) < 0)
                bail_out("%s can't be read", path);
        bytes = malloc((size_t) st.st_size);
        if (!bytes || fread(bytes, 1, (size_t) st.st_size, f) != (size_t) st.st_size)
                bail_out("%s can't be read", path);
        (void) fclose(f);
        *ret_size = (size_t) st.st_size;
        return bytes;
}

/* What the section has; NULL: there is none. */
static const char *section(const char *elf, const char *name, size_t *ret_size) {
        const ElfW(Ehdr) *e = (const void *) elf;
        const ElfW(Shdr) *s = (const void *) (elf + e->e_shoff);

        for (unsigned i = 0; i < e->e_shnum; i++)
                if (streq(elf + s[e->e_shstrndx].sh_offset + s[i].sh_name, name)) {
                        *ret_size = s[i].sh_size;
                        return elf + s[i].sh_offset;
                }
        return NULL;
}

/* By DT_NEEDED, not where something else says its name. */
static bool links_it(const char *elf) {
        size_t size = 0, names_size;
        const ElfW(Dyn) *d = (const void *) section(elf, ".dynamic", &size);
        const char *names = section(elf, ".dynstr", &names_size);

        for (size_t i = 0; d && i < size / sizeof(*d); i++)
                if (d[i].d_tag == DT_NEEDED && streq(names + d[i].d_un.d_val, XML_LIBRARY_SONAME))
                        return true;
        return false;
}

static void try_note(const char *path, const char *name) {
        size_t size, note_size = 0;
        _cleanup_free_ char *elf = program(path, &size);
        const char *note = section(elf, ".note.dlopen", &note_size);
        uint32_t head[3] = {};

        if (note && note_size >= sizeof(head))
                memcpy(head, note, sizeof(head));
        tap_ok(head[0] == 4 && head[2] == NOTE_TYPE && note && memcmp(note + sizeof(head), "FDO", 4) == 0, "%s has a note of what it loads", name);
        tap_ok(head[1] == sizeof(NOTE) && note_size >= sizeof(head) + 4 + sizeof(NOTE) && memcmp(note + sizeof(head) + 4, NOTE, sizeof(NOTE)) == 0,
               "which names libxml2");
        tap_ok(!links_it(elf), "and does not link it");
}

static void try_tcectl(const Host *h, const char *want, const char *name) {
        _cleanup_free_ char *said = NULL;
        char file[PATH_MAX], output[PATH_MAX];
        const char *argv[] = { getenv("TCECTL"), "plan", "--offline", file, NULL };
        int status;

        (void) snprintf(file, sizeof(file), "%s/domain.xml", h->dir);
        (void) snprintf(output, sizeof(output), "%s/said", h->dir);
        status = run_program(&(Spawn) { .argv = argv, .output = output }, &said);
        if (!tap_ok(status == 1 && strstr(said, want), "%s", name))
                printf("# %d: %s\n", status, said);
}

static void try_tced(Host *h, const char *want, const char *name) {
        static const TestDomain plain = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_bus_ sd_bus *bus = NULL;

        tap_ok(host_start_tced(h, NULL), "%s: tced starts", name);
        bus = open_bus(h);
        wait_probed(bus);
        tap_ok(host_log_has(h, want), "and says it");
        refused(register_domain(bus, &plain, 0, &error, NULL, NULL), &error, "Failed", want, "a domain is not understood");
        refused(register_domain(bus, &plain, 0, &error, NULL, NULL), &error, "Failed", "install it anew", "nor the second time");
        tap_eq(count_machines(bus), 0, "nothing is registered");
}

static void try_mended(Host *h) {
        static const TestDomain plain = {};
        sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_bus_ sd_bus *bus = open_bus(h);

        host_remove(h, LIBRARY);
        went_well(register_domain(bus, &plain, 0, &error, NULL, NULL), &error, "when it is there, the same tced understands a domain");
        went_well(release_domain(bus, &plain, &error), &error, "and releases it");
        host_stop_tced(h);
}

int main(void) {
        static const TestDomain plain = {};
        _cleanup_free_ char *xml = domain_xml(&plain);
        char folder[PATH_MAX];
        struct link_map *map;
        void *other;
        Host h;

        try_note(getenv("TCED"), "tced");
        try_note(getenv("TCECTL"), "tcectl");
        host_init(&h, 60);
        if (!host_start_bus(&h)) {
                tap_skip("there is no dbus-daemon", "a library that is missing");
                return tap_done();
        }
        host_write(&h, "domain.xml", "%s", xml);
        host_write(&h, LIBRARY, "%s", "");
        (void) snprintf(folder, sizeof(folder), "%s/libraries", h.dir);
        (void) setenv("LD_LIBRARY_PATH", folder, 1);
        try_tcectl(&h, "file too short", "tcectl says that the library is none");
        try_tced(&h, "file too short", "a library that is none");
        try_mended(&h);
        other = dlopen(OTHER, RTLD_LAZY);
        if (!other || dlinfo(other, RTLD_DI_LINKMAP, &map) < 0)
                bail_out(OTHER " is nowhere");
        host_link(&h, LIBRARY, map->l_name);
        try_tcectl(&h, "undefined symbol", "tcectl says that the library is another");
        try_tced(&h, "undefined symbol", "a library that is another");
        try_mended(&h);
        (void) host_end(&h);
        (void) dlclose(other);
        return tap_done();
}
