/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of uses share among themselves. */

#include "probe_use.h"

#define ADDRESSES_MAX 64
#define ADDRESS_SIZE 32

/* PCI devices that one thing is reached by. */
typedef struct Addresses {
        char list[ADDRESSES_MAX][ADDRESS_SIZE];
        size_t n;
} Addresses;

typedef struct UseCollector {
        int sys;         /* /sys */
        const char *proc, *run;
        struct FoundUse *found;
        size_t n_found, found_allocated;
} UseCollector;

/* Adds those in a path of sysfs' devices/: the device nearest to its end, and none of the bridges before it. */
void addresses_of_path(const char *path, Addresses *a);

/* One more fact of all these, and of the PF of a VF. -ENOMEM. */
int use_add(UseCollector *c, const Addresses *a, DeviceUse use, const char *text, const char *remedy);

int use_add_blocks(UseCollector *c, const char *sys);
int use_add_links(UseCollector *c, const NetFacts *net);

/* A text that comes from outside as it may be shown: UTF-8, a '?' for what a terminal obeys or is misled by, no longer than max bytes, of which
 * the middle is left out. buf has max + 1 bytes. Returns buf. */
const char *use_show(const char *text, char *buf, size_t max);
#define USE_SHOW(text, max) use_show(text, (char[(max) + 1]){}, max)

/* Begins a command. */
void use_command(char command[USE_TEXT_MAX], const char *text);
/* Appends a word, as a shell wants it quoted, to a command of less than USE_TEXT_MAX bytes. false: it does not fit, or can't be shown as it is,
 * and the command is as it was. */
bool use_append_word(char command[USE_TEXT_MAX], const char *word);

/* " and 3 more", or nothing. */
#define USE_MORE(n) ((n) > 0 ? use_more((char[32]){}, n) : "")
const char *use_more(char buf[32], size_t n);
