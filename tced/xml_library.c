/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "xml_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util.h"

#define NOTE_OWNER "FDO"
#define NOTE_TYPE UINT32_C(0x407c0c0a)
#define NOTE_TEXT \
        "[{\"feature\":\"xml\",\"description\":\"Reads libvirt's domains\",\"priority\":\"required\",\"soname\":[\"" XML_LIBRARY_SONAME "\"]}]"

static const struct {
        uint32_t owner_size, text_size, type;
        char owner[sizeof(NOTE_OWNER)];
        _Alignas(uint32_t) char text[sizeof(NOTE_TEXT)];
} note __attribute__((__used__, __section__(".note.dlopen"), __aligned__(sizeof(uint32_t)))) = {
        .owner_size = sizeof(NOTE_OWNER), .text_size = sizeof(NOTE_TEXT), .type = NOTE_TYPE, .owner = NOTE_OWNER, .text = NOTE_TEXT,
};

#define DEFINE(name) __typeof__(name) *sym_##name;
XML_FUNCTIONS(DEFINE)

static const struct {
        const char *name;
        void **to;
} functions[] = {
#define ROW(name) { #name, (void **) &sym_##name },
        XML_FUNCTIONS(ROW)
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static xmlFreeFunc *free_function; /* set last */

static int fail(char why[XML_LIBRARY_WHY_MAX]) {
        const char *reason = dlerror();

        (void) snprintf(why, XML_LIBRARY_WHY_MAX, "Can't load libxml2, which reads domains: %.256s; where its package is damaged, install it anew",
                        reason ? reason : "no reason is given");
        return -ELIBACC;
}

static bool find_functions(void *library) {
        for (size_t i = 0; i < ELEMENTSOF(functions); i++) {
                *functions[i].to = dlsym(library, functions[i].name);
                if (!*functions[i].to)
                        return false;
        }
        free_function = dlsym(library, "xmlFree");
        return free_function;
}

static int load(char why[XML_LIBRARY_WHY_MAX]) {
        void *library = dlopen(XML_LIBRARY_SONAME, RTLD_LAZY | RTLD_LOCAL);
        int r = library && find_functions(library) ? 0 : fail(why);

        if (library && r < 0)
                (void) dlclose(library);
        return r;
}

int xml_library_load(char why[XML_LIBRARY_WHY_MAX]) {
        int r;

        (void) pthread_mutex_lock(&lock);
        r = free_function ? 0 : load(why);
        (void) pthread_mutex_unlock(&lock);
        return r;
}

void xml_library_free(void *p) {
        if (p)
                (*free_function)(p);
}
