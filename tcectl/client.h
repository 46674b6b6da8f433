/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way to the daemon: the bus, or where there is none tced's own socket. Calls wait for their answer, with a deadline. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "problem.h"

/* Where to look. */
typedef struct ClientOptions {
        bool user;           /* the user's tced, not the system's */
        const char *address; /* a D-Bus peer's address, nothing else; NULL: none */
        const char *remote;  /* "[USER@]HOST": the tced there, by ssh, nothing else; NULL: this host's */
        bool quiet;          /* nothing is said while something lasts */
        bool no_start;       /* a tced that does not run is not started by a call */
} ClientOptions;

/* Keeps the connection over which its first call went. */
typedef struct Client Client;

/* Connects to nothing yet. -ENOMEM. */
int client_new(const ClientOptions *options, Client **ret);
void client_free(Client *c);

/* Everything that the daemon tells, checked to be a JSON object; the caller frees it with json_object_put(). Negative errno, with *error
 * filled in. */
int client_describe(Client *c, json_object **ret, Problem *problem);
/* PlanDomain: the plan's JSON (docs/plan.md) of a domain given as XML, by its name or its UUID, with the device in `attach` where that is
 * not NULL. Returns as client_describe(). */
int client_plan(Client *c, const char *domain, const char *attach, json_object **ret, Problem *problem);
/* Audit: docs/audit.md's JSON of all VMs. Returns as client_describe(). */
int client_audit(Client *c, json_object **ret, Problem *problem);
/* The Manager's methods of these names. Negative errno, with *problem filled in. */
int client_probe(Client *c, bool deep, Problem *problem);
int client_rescan(Client *c, Problem *problem);
int client_reload(Client *c, Problem *problem);

/* Flags of a group's methods: also what is in use; at each boot, too. */
#define CLIENT_FORCE UINT64_C(1)
#define CLIENT_PERSISTENT UINT64_C(2)

/* A method of an IOMMU group ("Bind", "Release", "Probe"), by its number; polkit may ask the user who he is. progress: as progress_begin().
 * Returns as client_probe(). */
int client_group(Client *c, uint32_t group, const char *method, uint64_t flags, const char *progress, Problem *problem);

/* A window as RegisterMachine takes it. */
typedef struct ClientWindow {
        const char *kind; /* "vio", "pci", "vfio" */
        char *device;
        uint32_t liobn, page_shift;
        uint64_t bus_offset, size; /* bytes */
        bool notifier;
        int32_t group; /* -1: none */
} ClientWindow;

/* Registers a VM with the windows that are known of it, for the process that this one becomes. *ret_path: its object, to be freed. */
int client_register(Client *c, const char *name, const ClientWindow *windows, size_t n, char **ret_path, Problem *problem);
int client_unregister(Client *c, const char *path, Problem *problem);

/* What tced has told of by itself. Paths, interfaces and properties are those of the bus. */
typedef enum ClientNewsKind {
        CLIENT_ALL,       /* json: all objects by their paths, each with its interfaces, each with its properties; tced is there */
        CLIENT_ADDED,     /* json: the interfaces of a new object */
        CLIENT_REMOVED,   /* an object is no more, and what is below it */
        CLIENT_CHANGED,   /* json: properties of `interface`, changed or not */
        CLIENT_SLOW_PATH, /* json: SlowPath's arguments */
        CLIENT_AWAY,      /* tced has gone; it may come back */
} ClientNewsKind;

typedef struct ClientNews {
        ClientNewsKind kind;
        const char *path, *interface;
        json_object *json; /* borrowed */
} ClientNews;

/* Negative: enough, client_watch() returns it. */
typedef int (*ClientHear)(void *userdata, const ClientNews *news);

/* Tells of what there is, and then of what changes, until SIGINT or SIGTERM: 0. On the bus tced may go and come back; on a socket that is
 * the end. Returns as client_describe(). */
int client_watch(Client *c, ClientHear hear, void *userdata, Problem *problem);
