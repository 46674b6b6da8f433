/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What tced-bind has bound, or is about to: a file for each group below /run/tced-bind/groups, named after the lowest PCI address that the
 * group had, ADDRESS.json. It is written before the first change, and says how each device was, so that whoever comes later can put it back;
 * a group wholly given back has none. tced-bind alone writes them, each as a whole; anybody may read them, and watch the folder. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bind_protocol.h"

/* A driver's name is that of a folder in sysfs. An override may be longer (drivers/base/driver.c:driver_set_override), but no driver's then. */
#define BIND_DRIVER_MAX 255U

typedef enum BindState {
        BIND_BINDING,
        BIND_BOUND,
        BIND_RELEASING,
        BIND_STUCK,  /* the kernel has not finished a step in time; what is half done is put back when it has */
        BIND_FAILED, /* not all could be put back */
        _BIND_STATE_MAX,
} BindState;

/* "binding", "bound", "releasing", "stuck", "failed" */
const char *bind_state_to_string(BindState state);
int bind_state_from_string(const char *text);

/* How a device was before. */
typedef struct BindRecordDevice {
        char address[BIND_ADDRESS_MAX + 1];
        char *driver;          /* NULL: none */
        char *driver_override; /* NULL: none */
} BindRecordDevice;

typedef struct BindRecord {
        char key[BIND_ADDRESS_MAX + 1]; /* the address that the file is named after */
        BindState state;
        char why[BIND_TEXT_MAX]; /* of BIND_STUCK and BIND_FAILED: what, and what to do */
        uint32_t group;          /* its number, as it was when it was bound */
        BindRecordDevice *devices; /* those that tced-bind changes: no bridges, and none that was on a driver of vfio's already */
        size_t n_devices;
} BindRecord;

void bind_record_clear(BindRecord *record);

/* Adds a device; driver and driver_override are copied. 0 or -ENOMEM. */
int bind_record_add(BindRecord *record, const char *address, const char *driver, const char *driver_override);
const BindRecordDevice *bind_record_find(const BindRecord *record, const char *address);

/* Is it a record's name? Other files in the folder are none of a reader's business. */
bool bind_record_name_valid(const char *name);

/* Reads one file of the folder. 0; -ENOENT; -EBADMSG: it makes no sense; -EFBIG; else negative errno. *ret is untouched on failure, the
 * caller clears it else. */
int bind_record_read(int dirfd, const char *name, BindRecord *ret);
/* Reads the first record that has one of these devices. 1; 0: there is none; negative errno. Files that make no sense are passed over. */
int bind_record_look_up(int dirfd, const char (*addresses)[BIND_ADDRESS_MAX + 1], size_t n, BindRecord *ret);
/* Puts a record in the place of the one there was. 0 or negative errno. */
int bind_record_write(int dirfd, const BindRecord *record);
/* Removes it; that there is none is no error. */
int bind_record_remove(int dirfd, const char *key);
