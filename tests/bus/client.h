/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's clients in tests: connections, calls, what is expected of an answer, signals that came. */

#include <systemd/sd-bus.h>

#include "harness.h"
#include "names.h"
#include "util.h"

DEFINE_POINTER_CLEANUP(sd_bus, sd_bus_flush_close_unref, bus_closep)
DEFINE_POINTER_CLEANUP(sd_bus_message, sd_bus_message_unref, message_unrefp)

#define _cleanup_bus_ _cleanup_(bus_closep)
#define _cleanup_message_ _cleanup_(message_unrefp)
#define _cleanup_error_ _cleanup_(sd_bus_error_free)

#define LOG_CONTROL_PATH "/org/freedesktop/LogControl1"
#define LOG_CONTROL_INTERFACE "org.freedesktop.LogControl1"

/* A connection to an address (as a client of a bus, or of a peer), and to the two that a host has. Ends the test where that fails. */
sd_bus *open_address(const char *address, bool is_bus);
sd_bus *open_bus(const Host *h);
sd_bus *open_peer(const Host *h);

/* The same, with a negative errno where it fails. */
int try_address(const char *address, bool is_bus, sd_bus **ret);

/* Calls a method of the daemon. 0 or negative errno; error and ret_reply may be NULL. */
int call(sd_bus *bus, const char *path, const char *interface, const char *method, sd_bus_error *error, sd_bus_message **ret_reply,
         const char *types, ...);
/* A method of the manager that has nothing to answer. */
#define call_manager(bus, method, error, ...) call((bus), TCED_BUS_PATH, TCED_INTERFACE_MANAGER, (method), (error), NULL, __VA_ARGS__)

/* A point: the call gave this error (its name behind TCED_ERROR_PREFIX, or a whole name), and its text has each of the fragments, which
 * are set apart by '|'. Clears the error. Gives back whether it was so. */
#define refused(r, error, name, fragments, ...) tap_ok(is_refused((r), (error), (name), (fragments)), __VA_ARGS__)
/* A point: the call went well. Clears the error, whose text is shown if not. */
#define went_well(r, error, ...) tap_ok(is_well((r), (error)), __VA_ARGS__)
bool is_refused(int r, sd_bus_error *error, const char *name, const char *fragments);
bool is_well(int r, sd_bus_error *error);

typedef struct TestWindow {
        const char *kind, *device;
        uint32_t liobn;
        uint64_t bus_offset, size;
        uint32_t page_shift;
        int notifier;
        int32_t group;
} TestWindow;

/* The i-th of many windows that are all good and small: 4 KiB of TCEs, LIOBN 0x71000000 + i. */
TestWindow small_window(unsigned i);
#define SMALL_LIOBN 0x71000000U

/* RegisterMachine; *ret_path, to be freed, may be NULL. owner: NO_UID: not said. */
int register_windows(sd_bus *bus, const char *name, const char *uuid, const TestWindow *w, size_t n, uid_t owner, char **ret_path,
                     sd_bus_error *error);
/* With n small windows; ends the test where it fails. The path is to be freed. */
char *register_small(sd_bus *bus, const char *name, size_t n, uid_t owner);
int claim(sd_bus *bus, const char *path, sd_bus_error *error);
int unregister(sd_bus *bus, const char *path, sd_bus_error *error);
int acquire(sd_bus *bus, const char *path, const uint32_t *liobns, size_t n, sd_bus_error *error, sd_bus_message **ret_reply);

/* Strings to be freed; NULL where the property can't be had. Numbers: -1. */
char *get_string(sd_bus *bus, const char *path, const char *interface, const char *property);
int64_t get_number(sd_bus *bus, const char *path, const char *interface, const char *property, char type);
int set_string(sd_bus *bus, const char *path, const char *interface, const char *property, const char *value, sd_bus_error *error);
/* What Usage says of a limit; -1: it does not. */
int64_t usage_of(sd_bus *bus, const char *limit);
/* How many machines ListMachines shows; -1: it failed. */
int count_machines(sd_bus *bus);
/* A machine's path by GetMachine, to be freed, or NULL. */
char *find_machine(sd_bus *bus, const char *name);
/* Describe's answer, to be freed. */
char *describe_text(sd_bus *bus);
/* The objects that GetManagedObjects names, each followed by a line feed; to be freed. */
char *managed_objects(sd_bus *bus);
/* Introspect's answer, to be freed; NULL: it failed. */
char *introspect(sd_bus *bus, const char *path);
/* Until the daemon has proven its host. */
void wait_probed(sd_bus *bus);

/* Signals as they come in, one line each: "MEMBER PATH FIRST", FIRST being the first string in it or, for changed properties, the
 * interface and the names. */
typedef struct Signals {
        sd_bus_slot *slot;
        char *text;
        size_t size;
} Signals;

/* Records all signals of the daemon on this connection. */
void signals_record(sd_bus *bus, Signals *s);
/* Waits until a line holds this text; false: it never came. */
bool signals_wait(sd_bus *bus, Signals *s, const char *text);
/* All that has come until now, without waiting for more. */
bool signals_have(sd_bus *bus, Signals *s, const char *text);
/* Forgets what came until now; ends the recording. */
void signals_forget(Signals *s);
void signals_end(Signals *s);
#define _cleanup_signals_ _cleanup_(signals_end)
