/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way to the daemon: the bus, or where there is none tced's own socket. Calls wait for their answer, with a deadline. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* Where to look. */
typedef struct ClientOptions {
        bool user;           /* the user's tced, not the system's */
        const char *address; /* a D-Bus peer's address, nothing else; NULL: none */
} ClientOptions;

/* Keeps the connection over which its first call went. */
typedef struct Client Client;

/* What the daemon, the bus or the kernel said, as one line for a person, with the remedy. */
typedef struct ClientError {
        char text[512];
} ClientError;

/* Connects to nothing yet. -ENOMEM. */
int client_new(const ClientOptions *options, Client **ret);
void client_free(Client *c);

/* Everything that the daemon tells, checked to be a JSON object; the caller frees it with json_object_put(). Negative errno, with *error
 * filled in. */
int client_describe(Client *c, json_object **ret, ClientError *error);
/* The Manager's methods of these names. Negative errno, with *error filled in. */
int client_probe(Client *c, bool deep, ClientError *error);
int client_rescan(Client *c, ClientError *error);
int client_reload(Client *c, ClientError *error);
