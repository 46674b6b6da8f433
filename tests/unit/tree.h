/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A made-up /sys, /dev or device tree in a folder of its own, from a table of its entries. */

#include <ftw.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A link where `link` is set, a folder where the path ends with a slash, else a file: `size` bytes, or the text. Folders above
 * it are made as well. */
typedef struct TreeEntry {
        const char *path;
        const char *text;
        const char *link;
        size_t size;
} TreeEntry;

#define DIRECTORY(p) { .path = p "/" }
#define TEXT(p, t) { .path = p, .text = t }
#define LINK(p, to) { .path = p, .link = to }
/* The characters of a string without the last: \0 is as good as any other. */
#define BYTES(p, b) { .path = p, .text = b, .size = sizeof(b) - 1 }

typedef struct Tree {
        char path[64];
} Tree;

static inline void tree_fail(const char *what, const char *path) {
        fprintf(stderr, "%s: %s: %m\n", what, path);
        exit(99);
}

static inline Tree tree_new(void) {
        Tree tree = { "/tmp/tced-tree-XXXXXX" };
        if (!mkdtemp(tree.path))
                tree_fail("mkdtemp", tree.path);
        return tree;
}

static inline void tree_make_parents(char *path) {
        for (char *slash = path + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
                *slash = '\0';
                (void) mkdir(path, 0755);
        }
}

static inline void tree_add_one(const Tree *tree, const TreeEntry *entry) {
        char path[512];
        FILE *file;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", tree->path, entry->path) >= sizeof(path))
                tree_fail("too long", entry->path);
        tree_make_parents(path);
        if (path[strlen(path) - 1] == '/')
                return;
        if (entry->link) {
                if (symlink(entry->link, path) < 0)
                        tree_fail("symlink", path);
                return;
        }
        file = fopen(path, "we");
        if (!file || fwrite(entry->text, 1, entry->size ? entry->size : strlen(entry->text), file) == 0 || fclose(file) != 0)
                tree_fail("write", path);
}

static inline void tree_add(const Tree *tree, const TreeEntry *entries, size_t n) {
        for (size_t i = 0; i < n; i++)
                tree_add_one(tree, &entries[i]);
}
#define TREE_ADD(tree, entries) tree_add(tree, entries, sizeof(entries) / sizeof((entries)[0]))

static inline int tree_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
        (void) st;
        (void) type;
        (void) ftw;
        return remove(path);
}

static inline void tree_remove(Tree *tree) {
        (void) nftw(tree->path, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of something in it: good until the next call. */
static inline const char *tree_path(const Tree *tree, const char *name) {
        static char path[2][128];
        static unsigned turn;

        turn = !turn;
        (void) snprintf(path[turn], sizeof(path[turn]), "%s/%s", tree->path, name);
        return path[turn];
}
