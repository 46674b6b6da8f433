/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What client.c and client-watch.c share, which alone know D-Bus. */

#include <systemd/sd-bus.h>

#include "client.h"

/* A method of whatever is at `path`, with one text or none. Returns as client_describe(); *reply is the caller's. */
int client_ask(Client *c, const char *path, const char *interface, const char *method, const char *argument, sd_bus_message **reply,
               Problem *problem);

/* The connection over which the last call went; *ret_is_bus: a bus is behind it. */
sd_bus *client_connection(const Client *c, bool *ret_is_bus);
