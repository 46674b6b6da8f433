/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Links by libnl-route, default routes by their messages alone: a router has a million routes, of which three matter, and rtnl_route_parse()
 * refuses one with an encapsulation that it does not know. The kernel answers a dump at once; the deadline is for one that is that long. */

#include "probe_net.h"

#include <arpa/inet.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <netlink/route/link/sriov.h>
#include <netlink/socket.h>
#include <sys/time.h>
#include <time.h>

#include "util.h"

#define DEADLINE_SECONDS 1
#define DUMPS_MAX 3 /* of one kind, where what is dumped changes meanwhile */
#define VFS_MAX 4096U

/* from include/uapi/linux/rtnetlink.h, which older headers lack */
#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

typedef struct DefaultRoute {
        int index;
        unsigned families;
        uint32_t table;
} DefaultRoute;

struct NetFacts {
        NetLink *links; /* settled: by name */
        size_t n_links, links_allocated;
        size_t *by_index, *by_master; /* settled: positions among the links */
        DefaultRoute *routes;
        size_t n_routes, routes_allocated;
};

DEFINE_POINTER_CLEANUP(NetFacts, net_facts_free, net_facts_freep)
DEFINE_POINTER_CLEANUP(struct nl_sock, nl_socket_free, nl_socket_freep)
DEFINE_POINTER_CLEANUP(struct nl_msg, nlmsg_free, nlmsg_freep)

static void link_clear(NetLink *link) {
        free(link->name);
        free(link->kind);
        free(link->mac);
        for (size_t i = 0; i < link->n_vf_macs; i++)
                free(link->vf_macs[i]);
        free(link->vf_macs);
        *link = (NetLink){};
}

NetFacts *net_facts_free(NetFacts *net) {
        if (!net)
                return NULL;
        for (size_t i = 0; i < net->n_links; i++)
                link_clear(&net->links[i]);
        free(net->links);
        free(net->by_index);
        free(net->by_master);
        free(net->routes);
        free(net);
        return NULL;
}

int net_facts_new(NetFacts **ret) {
        *ret = calloc(1, sizeof(**ret));
        return *ret ? 0 : -ENOMEM;
}

/* A copy of a text that may be NULL; false: no memory. */
static bool copy_text(const char *text, char **ret) {
        *ret = text ? strdup(text) : NULL;
        return *ret || !text;
}

static int link_copy(const NetLink *link, NetLink *ret) {
        NetLink copy = {
                .index = link->index, .master = link->master, .lower = link->lower, .up = link->up,
        };
        bool ok = copy_text(link->name, &copy.name) && copy_text(link->kind, &copy.kind) && copy_text(link->mac, &copy.mac);

        if (ok && link->n_vf_macs > 0) {
                copy.vf_macs = calloc(link->n_vf_macs, sizeof(char *));
                ok = copy.vf_macs;
        }
        for (; ok && copy.n_vf_macs < link->n_vf_macs; copy.n_vf_macs++)
                ok = copy_text(link->vf_macs[copy.n_vf_macs], &copy.vf_macs[copy.n_vf_macs]);
        if (!ok) {
                link_clear(&copy);
                return -ENOMEM;
        }
        *ret = copy;
        return 0;
}

int net_facts_add(NetFacts *net, const NetLink *link) {
        int r;

        if (ARRAY_RESERVE(net->links, net->links_allocated, net->n_links + 1) < 0)
                return -ENOMEM;
        r = link_copy(link, &net->links[net->n_links]);
        if (r >= 0)
                net->n_links++;
        return r;
}

int net_facts_add_default_route(NetFacts *net, int index, unsigned families, uint32_t table) {
        if (ARRAY_RESERVE(net->routes, net->routes_allocated, net->n_routes + 1) < 0)
                return -ENOMEM;
        net->routes[net->n_routes++] = (DefaultRoute){ .index = index, .families = families, .table = table };
        return 0;
}

static int compare_names(const void *a, const void *b) {
        return strcmp(((const NetLink *) a)->name, ((const NetLink *) b)->name);
}

static int compare_numbers(int a, int b) {
        return (a > b) - (a < b);
}

static int compare_index(const void *a, const void *b, void *links) {
        return compare_numbers(((const NetLink *) links)[*(const size_t *) a].index, ((const NetLink *) links)[*(const size_t *) b].index);
}

static int compare_master(const void *a, const void *b, void *links) {
        return compare_numbers(((const NetLink *) links)[*(const size_t *) a].master, ((const NetLink *) links)[*(const size_t *) b].master);
}

/* The main table's is the one that is told of. */
static void note_route(NetLink *link, const DefaultRoute *route) {
        if (link->default_routes == 0 || (link->route_table != NET_TABLE_MAIN && route->table == NET_TABLE_MAIN)) {
                link->route_link = route->index;
                link->route_table = route->table;
        }
        link->default_routes |= route->families;
}

/* Puts a link on the stack once; a pair of veth stands on each other. */
static void visit(NetFacts *net, int index, size_t *stack, size_t *n, bool *seen) {
        const NetLink *link = net_facts_find_index(net, index);
        size_t at;

        if (!link)
                return;
        at = (size_t) (link - net->links);
        if (!seen[at])
                stack[(*n)++] = at;
        seen[at] = true;
}

/* A route through a bridge goes through its ports, one through a VLAN through what that stands on. */
static void pass_on(NetFacts *net, const DefaultRoute *route, size_t *stack, bool *seen) {
        size_t n = 0;

        memset(seen, 0, net->n_links * sizeof(*seen));
        visit(net, route->index, stack, &n, seen);
        while (n > 0) {
                NetLink *link = &net->links[stack[--n]];
                size_t low = 0, high = net->n_links;

                note_route(link, route);
                visit(net, link->lower, stack, &n, seen);
                while (low < high) {
                        size_t middle = low + (high - low) / 2;

                        if (net->links[net->by_master[middle]].master < link->index)
                                low = middle + 1;
                        else
                                high = middle;
                }
                for (; low < net->n_links && net->links[net->by_master[low]].master == link->index; low++)
                        visit(net, net->links[net->by_master[low]].index, stack, &n, seen);
        }
}

/* Only those that are up: one that nobody uses is no reason to leave an interface alone. */
static void note_uppers(NetFacts *net) {
        for (size_t i = 0; i < net->n_links; i++) {
                const NetLink *upper = &net->links[i];
                const NetLink *found = upper->up && upper->lower != 0 ? net_facts_find_index(net, upper->lower) : NULL;
                NetLink *lower = found ? &net->links[found - net->links] : NULL;

                /* The other end of a pair stands on it as little as it does on that. */
                if (!lower || lower->lower == upper->index)
                        continue;
                if (lower->n_uppers++ == 0)
                        lower->upper = upper->index;
        }
}

int net_facts_settle(NetFacts *net) {
        size_t n = net->n_links;
        _cleanup_free_ size_t *stack = calloc(n + 1, sizeof(size_t));
        _cleanup_free_ bool *seen = calloc(n + 1, sizeof(bool));

        free(net->by_index);
        free(net->by_master);
        net->by_index = calloc(n + 1, sizeof(size_t));
        net->by_master = calloc(n + 1, sizeof(size_t));
        if (!stack || !seen || !net->by_index || !net->by_master)
                return -ENOMEM;
        if (n > 1)
                qsort(net->links, n, sizeof(NetLink), compare_names);
        for (size_t i = 0; i < n; i++) {
                net->by_index[i] = net->by_master[i] = i;
                net->links[i].default_routes = 0;
                net->links[i].upper = 0;
                net->links[i].n_uppers = 0;
        }
        if (n > 1) {
                qsort_r(net->by_index, n, sizeof(size_t), compare_index, net->links);
                qsort_r(net->by_master, n, sizeof(size_t), compare_master, net->links);
        }
        note_uppers(net);
        for (size_t i = 0; i < net->n_routes; i++)
                pass_on(net, &net->routes[i], stack, seen);
        return 0;
}

const NetLink *net_facts_find(const NetFacts *net, const char *name) {
        NetLink key = { .name = (char *) name };

        return net && net->n_links > 0 ? bsearch(&key, net->links, net->n_links, sizeof(NetLink), compare_names) : NULL;
}

const NetLink *net_facts_find_index(const NetFacts *net, int index) {
        size_t low = 0, high = net && net->by_index ? net->n_links : 0;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const NetLink *link = &net->links[net->by_index[middle]];

                if (link->index == index)
                        return link;
                if (link->index < index)
                        low = middle + 1;
                else
                        high = middle;
        }
        return NULL;
}

const NetLink *net_facts_links(const NetFacts *net, size_t *ret_n) {
        *ret_n = net ? net->n_links : 0;
        return net ? net->links : NULL;
}

const char *net_link_vf_mac(const NetLink *link, unsigned vf) {
        return link && vf < link->n_vf_macs ? link->vf_macs[vf] : NULL;
}

/* "52:54:00:12:34:56"; NULL: none, all zero, or no memory. */
static const char *mac_text(struct nl_addr *address, char *buf, size_t size) {
        static const unsigned char zero[32];
        unsigned length = address ? nl_addr_get_len(address) : 0;

        if (length == 0 || length > sizeof(zero) || memcmp(nl_addr_get_binary_addr(address), zero, length) == 0)
                return NULL;
        return nl_addr2str(address, buf, size);
}

/* What the PF's driver gives its VFs, as `ip link set PF vf N mac` has it; the VF itself may be a VM's, and not seen here. */
static int read_vf_macs(struct rtnl_link *link, NetLink *ret) {
        uint32_t n;

        /* An error where the kernel says nothing of VFs, as of all that is no PF. */
        if (rtnl_link_get_num_vf(link, &n) < 0 || n == 0 || n > VFS_MAX)
                return 0;
        ret->vf_macs = calloc(n, sizeof(char *));
        if (!ret->vf_macs)
                return -ENOMEM;
        ret->n_vf_macs = n;
        for (uint32_t i = 0; i < n; i++) {
                struct rtnl_link_vf *vf = rtnl_link_vf_get(link, i);
                struct nl_addr *address;
                char text[128];
                bool ok = true;

                if (vf && rtnl_link_vf_get_addr(vf, &address) >= 0)
                        ok = copy_text(mac_text(address, text, sizeof(text)), &ret->vf_macs[i]);
                if (vf)
                        rtnl_link_vf_put(vf);
                if (!ok)
                        return -ENOMEM;
        }
        return 0;
}

typedef struct Taken {
        NetFacts *net;
        int error;
} Taken;

static void on_link(struct nl_object *object, void *userdata) {
        struct rtnl_link *link = (struct rtnl_link *) object;
        Taken *taken = userdata;
        NetFacts *net = taken->net;
        NetLink found = {
                .index = rtnl_link_get_ifindex(link), .master = rtnl_link_get_master(link),
                .up = rtnl_link_get_flags(link) & IFF_UP,
        };
        const char *name = rtnl_link_get_name(link);
        char mac[128];
        int32_t elsewhere;

        /* What it stands on may be in another namespace, where the same number is another interface. */
        if (rtnl_link_get_link_netnsid(link, &elsewhere) < 0)
                found.lower = rtnl_link_get_link(link);
        if (found.lower == found.index)
                found.lower = 0;
        if (!name || found.index <= 0)
                return;
        if (!copy_text(name, &found.name) || !copy_text(rtnl_link_get_type(link), &found.kind) ||
            !copy_text(mac_text(rtnl_link_get_addr(link), mac, sizeof(mac)), &found.mac) || read_vf_macs(link, &found) < 0 ||
            ARRAY_RESERVE(net->links, net->links_allocated, net->n_links + 1) < 0) {
                link_clear(&found);
                taken->error = -ENOMEM;
                return;
        }
        net->links[net->n_links++] = found;
}

/* Every way out of it: one next hop, or several. */
static int add_route_message(NetFacts *net, struct nlmsghdr *header) {
        struct rtmsg *route = nlmsg_data(header);
        unsigned family = route->rtm_family == AF_INET6 ? NET_ROUTE_V6 : NET_ROUTE_V4;
        struct nlattr *attributes[RTA_MAX + 1];
        uint32_t table = route->rtm_table;
        int r = 0;

        if (route->rtm_dst_len != 0 || route->rtm_src_len != 0 || route->rtm_type != RTN_UNICAST || (route->rtm_flags & RTM_F_CLONED))
                return 0;
        if (nlmsg_parse(header, sizeof(*route), attributes, RTA_MAX, NULL) < 0)
                return 0;
        if (attributes[RTA_TABLE])
                table = nla_get_u32(attributes[RTA_TABLE]);
        if (attributes[RTA_OIF])
                r = net_facts_add_default_route(net, (int) nla_get_u32(attributes[RTA_OIF]), family, table);
        if (attributes[RTA_MULTIPATH]) {
                struct rtnexthop *hop = nla_data(attributes[RTA_MULTIPATH]);
                int rest = nla_len(attributes[RTA_MULTIPATH]);

                for (; r >= 0 && rest >= (int) sizeof(*hop) && RTNH_OK(hop, rest); hop = RTNH_NEXT(hop)) {
                        rest -= (int) NLMSG_ALIGN(hop->rtnh_len);
                        r = net_facts_add_default_route(net, hop->rtnh_ifindex, family, table);
                }
        }
        return r;
}

int net_facts_add_message(NetFacts *net, struct nl_msg *message) {
        struct nlmsghdr *header = nlmsg_hdr(message);
        Taken taken = { .net = net };

        if (header->nlmsg_type == RTM_NEWROUTE)
                return nlmsg_valid_hdr(header, sizeof(struct rtmsg)) ? add_route_message(net, header) : 0;
        /* One that the library can't read is left out; the others count. */
        if (header->nlmsg_type == RTM_NEWLINK)
                (void) nl_msg_parse(message, on_link, &taken);
        return taken.error;
}

/* What is asked for with one socket. */
typedef struct Dump {
        NetFacts *net;
        struct timespec until;
        bool finished;
        int error;
} Dump;

static int on_message(struct nl_msg *message, void *userdata) {
        Dump *dump = userdata;
        struct timespec now;

        dump->error = net_facts_add_message(dump->net, message);
        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        if (dump->error >= 0 && (now.tv_sec > dump->until.tv_sec ||
                                 (now.tv_sec == dump->until.tv_sec && now.tv_nsec >= dump->until.tv_nsec)))
                dump->error = -ETIMEDOUT;
        return dump->error < 0 ? NL_STOP : NL_OK;
}

static int on_finish(struct nl_msg *message, void *userdata) {
        ((Dump *) userdata)->finished = true;
        return NL_STOP;
}

/* The library's errors, as far as a caller tells them apart. */
static int from_netlink(int error) {
        switch (error) {
        case -NLE_NOMEM:
                return -ENOMEM;
        case -NLE_AGAIN:
                return -ETIMEDOUT;
        case -NLE_PERM:
        case -NLE_NOACCESS:
                return -EACCES;
        case -NLE_DUMP_INTR:
                return -EINTR;
        case -NLE_AF_NOSUPPORT:
        case -NLE_PROTO_MISMATCH:
        case -NLE_OPNOTSUPP:
                return -EOPNOTSUPP;
        default: /* not an enum of ours */
                return error < 0 ? -EIO : 0;
        }
}

/* With VFs, which are not told of unless they are asked for, and without counters, which some drivers take long to gather. */
static int ask(struct nl_sock *socket, int type, int family) {
        _cleanup_(nlmsg_freep) struct nl_msg *message = nlmsg_alloc_simple(type, NLM_F_DUMP);
        struct ifinfomsg link = { .ifi_family = (unsigned char) family };
        struct rtmsg route = { .rtm_family = (unsigned char) family };
        int r;

        if (!message)
                return -ENOMEM;
        if (type == RTM_GETROUTE)
                r = nlmsg_append(message, &route, sizeof(route), NLMSG_ALIGNTO);
        else {
                r = nlmsg_append(message, &link, sizeof(link), NLMSG_ALIGNTO);
                if (r >= 0)
                        r = nla_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
        }
        if (r >= 0)
                r = nl_send_auto(socket, message);
        return r < 0 ? from_netlink(r) : 0;
}

/* One question, and all of its answer. */
static int dump_once(struct nl_sock *socket, int type, int family, Dump *dump) {
        int r = ask(socket, type, family);

        dump->finished = false;
        while (r >= 0 && dump->error >= 0 && !dump->finished)
                r = from_netlink(nl_recvmsgs_default(socket));
        return dump->error < 0 ? dump->error : r;
}

/* What an interrupted dump gave may lack something: it is made again, and the last one counts as it is. */
static int dump_links(struct nl_sock *socket, Dump *dump) {
        int r = -EINTR;

        for (unsigned i = 0; i < DUMPS_MAX && r == -EINTR; i++) {
                while (dump->net->n_links > 0)
                        link_clear(&dump->net->links[--dump->net->n_links]);
                r = dump_once(socket, RTM_GETLINK, AF_UNSPEC, dump);
        }
        return r == -EINTR ? 0 : r;
}

/* The same; a route that was there in any of them counts. */
static int dump_routes(struct nl_sock *socket, int family, Dump *dump) {
        int r = -EINTR;

        for (unsigned i = 0; i < DUMPS_MAX && r == -EINTR; i++)
                r = dump_once(socket, RTM_GETROUTE, family, dump);
        return r == -EINTR ? 0 : r;
}

static int open_socket(Dump *dump, struct nl_sock **ret) {
        _cleanup_(nl_socket_freep) struct nl_sock *socket = nl_socket_alloc();
        const struct timeval timeout = { .tv_sec = DEADLINE_SECONDS };
        int r;

        if (!socket)
                return -ENOMEM;
        r = nl_connect(socket, NETLINK_ROUTE);
        if (r < 0)
                return from_netlink(r);
        /* A link with its VFs is as large as they are many. */
        nl_socket_enable_msg_peek(socket);
        nl_socket_disable_seq_check(socket);
        if (nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, on_message, dump) < 0 ||
            nl_socket_modify_cb(socket, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, dump) < 0)
                return -ENOMEM;
        if (setsockopt(nl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
                return -errno;
        *ret = TAKE_PTR(socket);
        return 0;
}

int net_facts_read(NetFacts **ret) {
        _cleanup_(nl_socket_freep) struct nl_sock *socket = NULL;
        _cleanup_(net_facts_freep) NetFacts *net = NULL;
        Dump dump = {};
        int r;

        if (net_facts_new(&net) < 0)
                return -ENOMEM;
        dump.net = net;
        (void) clock_gettime(CLOCK_MONOTONIC, &dump.until);
        dump.until.tv_sec += DEADLINE_SECONDS;
        r = open_socket(&dump, &socket);
        if (r < 0)
                return r;
        r = dump_links(socket, &dump);
        if (r < 0)
                return r;
        /* A host without IPv6 has no such routes; what is known of links is worth having in any case. */
        r = dump_routes(socket, AF_INET, &dump);
        if (r >= 0)
                r = dump_routes(socket, AF_INET6, &dump);
        if (r == -ENOMEM)
                return r;
        r = net_facts_settle(net);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(net);
        return 0;
}
