/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bus face: the same objects on the system (or session) bus and, peer to peer, on the private socket. It translates and checks who
 * asks; what is done is the manager's business. data/dbus/ has the interfaces, member by member. */

#include "manager.h"

typedef struct DBus DBus;

/* Makes the face of a manager, and its observer. 0 or negative errno. */
int dbus_new(Manager *m, DBus **ret);
/* Closes all connections; what waits for the bus is sent before. NULL is fine. */
DBus *dbus_free(DBus *d);

/* Connects to the system bus, or the session bus, and takes the name; waits for both, so that whoever is told READY=1 finds it there.
 * A connection that ends is made again; lost is called where that can't be done. -EEXIST: the name is another's; -EACCES: the bus's policy
 * keeps it from this user; -ECONNREFUSED, -ENOENT and the like: there is no such bus. */
int dbus_connect_bus(DBus *d, bool user, void (*lost)(const char *why, void *userdata), void *userdata);

/* Listens on the private socket at this path; a socket that is there of an earlier run is replaced. -EADDRINUSE: another tced
 * answers there; -EEXIST: what is there is no socket. given: the service manager's, which listens there already and stays there when tced
 * ends: taken over, also on failure; -EBADF: there is none. */
int dbus_listen(DBus *d, const char *path, int given);
