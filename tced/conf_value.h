/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The values of settings: which kinds there are, and each kind's reading from text. tced.conf and the rules list their settings
 * in tables of these. */

#include <stddef.h>

typedef enum ValueType {
        VALUE_ACCEL,    /* Accel */
        VALUE_TRISTATE, /* Tristate */
        VALUE_NODE,     /* int: a NUMA node or NUMA_NODE_ANY */
        VALUE_COUNT,    /* uint64_t */
        VALUE_SIZE,     /* uint64_t: bytes */
        VALUE_TIMEOUT,  /* uint64_t: microseconds, given in seconds up to an hour */
        VALUE_PATIENCE, /* the same up to a minute */
        VALUE_BOOL,     /* bool */
        VALUE_LEVEL,    /* int: syslog's */
        VALUE_GROUP,    /* char *, owned: a group's name */
        VALUE_URI,      /* char *, owned: a libvirt connection's URI */
        VALUE_DEVICES,  /* char **, owned, ends with NULL: PCI addresses; each setting adds to it, an empty one empties it */
        _VALUE_TYPE_MAX,
} ValueType;

typedef struct Setting {
        const char *section;
        const char *key;
        ValueType type;
        size_t offset; /* of the value in what `base` points to */
} Setting;

/* NULL: there is none of that name. */
const Setting *setting_find(const Setting *settings, size_t n, const char *section, const char *key);

/* Reads text into the setting's place. 0; -EINVAL: text is no such value, its place is as it was; -ENOMEM. */
int setting_parse(const Setting *setting, const char *text, void *base);

/* What the type takes, in words that fit behind "takes": "auto, kernel or user". */
const char *value_type_text(ValueType type);
