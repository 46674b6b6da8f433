/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the network interfaces of this host are, and what they carry: one dump of the links and one of the routes of each family, from the
 * network namespace that tced is in. An interface that was moved to another namespace is not seen. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct NetLink {
        char *name;   /* "eno1" */
        int index;
        char *kind;   /* "bridge", "bond", "vlan", "macvtap", ...; NULL: a device of its own */
        char *mac;    /* "52:54:00:12:34:56"; NULL: none */
        int master;   /* index of the bridge, bond, ... that it is a port of; 0: none */
        int lower;    /* index of the interface that it stands on (a VLAN, a macvtap), in this namespace; 0: none */
        bool up;      /* somebody wants it: administratively up */
        int upper;    /* settled: the first, by name, of those that stand on it and are up; 0: none */
        size_t n_uppers;
        char **vf_macs; /* of a PF: what its VFs are to have; NULL where that is not set */
        size_t n_vf_macs;
        /* The default routes through it, or through what stands on it or has it as a port: 4 and 6 bits, see below. */
        unsigned default_routes;
        int route_link;       /* index of the interface that the route names */
        uint32_t route_table; /* where it stands; 254 is the main one */
} NetLink;

#define NET_ROUTE_V4 1U
#define NET_ROUTE_V6 2U
#define NET_TABLE_MAIN 254U

typedef struct NetFacts NetFacts;

/* Asks the kernel; a second at most. 0; -EOPNOTSUPP, -EACCES, -ETIMEDOUT, ...: it can't be asked, and callers go on without; -ENOMEM. */
int net_facts_read(NetFacts **ret);
NetFacts *net_facts_free(NetFacts *net);

/* By hand, as a test does it: links and default routes in any order, then net_facts_settle(), which sorts them and passes each route on to
 * the interfaces below. What is added is copied. 0 or -ENOMEM. */
int net_facts_new(NetFacts **ret);
int net_facts_add(NetFacts *net, const NetLink *link);
int net_facts_add_default_route(NetFacts *net, int index, unsigned families, uint32_t table);
int net_facts_settle(NetFacts *net);

/* Takes over what a message of the kernel's says, a link or a default route; anything else adds nothing. 0 or -ENOMEM. */
struct nl_msg;
int net_facts_add_message(NetFacts *net, struct nl_msg *message);

/* NULL: there is none; net may be NULL. */
const NetLink *net_facts_find(const NetFacts *net, const char *name);
const NetLink *net_facts_find_index(const NetFacts *net, int index);
/* All of them, by name. */
const NetLink *net_facts_links(const NetFacts *net, size_t *ret_n);

/* The MAC that the PF gives its VF; NULL: it leaves it to the VF, or there is none. */
const char *net_link_vf_mac(const NetLink *link, unsigned vf);
