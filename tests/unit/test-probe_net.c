/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* probe_net.c: how a default route goes down to the interfaces, on links made by hand; and the kernel's own, in a network namespace of the
 * test's. What this kernel has no module for is skipped. */

#include "probe_net.h"

#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>

#include "tap.h"
#include "util.h"

DEFINE_POINTER_CLEANUP(NetFacts, net_facts_free, net_facts_freep)

#define PORT(n, i, m) { .name = (char *) (n), .index = (i), .master = (m), .up = true }
#define KIND(n, i, k) { .name = (char *) (n), .index = (i), .kind = (char *) (k), .up = true }
#define ABOVE(n, i, k, l) { .name = (char *) (n), .index = (i), .kind = (char *) (k), .lower = (l), .up = true }

static NetFacts *made_up(const NetLink *links, size_t n) {
        NetFacts *net;

        if (net_facts_new(&net) < 0)
                exit(EXIT_FAILURE);
        for (size_t i = 0; i < n; i++)
                if (net_facts_add(net, &links[i]) < 0)
                        exit(EXIT_FAILURE);
        return net;
}

static unsigned routes_of(const NetFacts *net, const char *name) {
        const NetLink *link = net_facts_find(net, name);

        return link ? link->default_routes : 99;
}

static void test_routes(void) {
        static const NetLink links[] = {
                PORT("eno2", 3, 10), KIND("lo", 1, NULL), PORT("eno1", 2, 0), KIND("br0", 11, "bridge"), PORT("bond0", 10, 11),
                PORT("eno3", 4, 10), ABOVE("eno1.5", 12, "vlan", 2), ABOVE("v0", 20, "veth", 21), ABOVE("v1", 21, "veth", 20),
                PORT("eno4", 5, 0), PORT("tap0", 30, 11), ABOVE("lost", 40, "vlan", 77),
        };
        static const struct {
                const char *name;
                int index;
                unsigned families;
                const char *has, *has_not;
        } cases[] = {
                { "a NIC of its own", 5, NET_ROUTE_V4, "eno4", "eno1 eno2 eno3 eno1.5 bond0 br0 lo" },
                { "a VLAN's goes through what it stands on", 12, NET_ROUTE_V6, "eno1.5 eno1", "eno2 eno3 eno4 br0 lo" },
                { "a bridge's goes through a bond to its members", 11, NET_ROUTE_V4, "br0 bond0 eno2 eno3 tap0", "eno1 eno1.5 eno4 lo" },
                { "a pair that stand on each other", 20, NET_ROUTE_V4, "v0 v1", "eno1 eno2 eno4 lo" },
                { "what it stands on is not there", 40, NET_ROUTE_V4, "lost", "eno1 eno4" },
                { "an interface that is not there", 99, NET_ROUTE_V4, "", "eno1 eno2 eno3 eno4 br0 lo lost" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(net_facts_freep) NetFacts *net = made_up(links, ELEMENTSOF(links));
                char list[128];
                bool ok = net_facts_add_default_route(net, cases[i].index, cases[i].families, NET_TABLE_MAIN) == 0 &&
                        net_facts_settle(net) == 0;

                (void) snprintf(list, sizeof(list), "%s", cases[i].has);
                for (char *name = strtok(list, " "); name; name = strtok(NULL, " "))
                        ok &= routes_of(net, name) == cases[i].families && net_facts_find(net, name)->route_link == cases[i].index;
                (void) snprintf(list, sizeof(list), "%s", cases[i].has_not);
                for (char *name = strtok(list, " "); name; name = strtok(NULL, " "))
                        ok &= routes_of(net, name) == 0;
                tap_ok(ok, "%s", cases[i].name);
        }
}

static void test_tables(void) {
        static const NetLink links[] = { PORT("a", 2, 0) };
        _cleanup_(net_facts_freep) NetFacts *net = made_up(links, 1);

        (void) net_facts_add_default_route(net, 2, NET_ROUTE_V6, 100);
        (void) net_facts_add_default_route(net, 2, NET_ROUTE_V4, NET_TABLE_MAIN);
        (void) net_facts_add_default_route(net, 2, NET_ROUTE_V4, 200);
        tap_ok(net_facts_settle(net) == 0 && routes_of(net, "a") == (NET_ROUTE_V4 | NET_ROUTE_V6), "both families");
        tap_eq(net_facts_find(net, "a")->route_table, NET_TABLE_MAIN, "the main table's is told of");
}

static void test_uppers(void) {
        static const NetLink links[] = {
                PORT("eno1", 2, 0), ABOVE("vtap1", 3, "macvtap", 2), ABOVE("vtap0", 4, "macvtap", 2), ABOVE("v0", 20, "veth", 21), ABOVE("v1", 21, "veth", 20),
                { .name = (char *) "down", .index = 5, .kind = (char *) "vlan", .lower = 2 },
        };
        _cleanup_(net_facts_freep) NetFacts *net = made_up(links, ELEMENTSOF(links));

        tap_ok(net_facts_settle(net) == 0 && net_facts_find(net, "eno1")->upper == 4 && net_facts_find(net, "eno1")->n_uppers == 2,
               "what stands on it and is up");
        tap_ok(net_facts_find(net, "v0")->n_uppers == 0 && net_facts_find(net, "v1")->n_uppers == 0, "a pair stands on nothing");
}

static void test_lookup(void) {
        char *macs[] = { NULL, (char *) "52:54:00:00:00:01" };
        const NetLink links[] = {
                { .name = (char *) "pf", .index = 7, .kind = NULL, .mac = (char *) "52:54:00:12:34:56", .vf_macs = macs, .n_vf_macs = 2 },
                KIND("br0", 3, "bridge"),
        };
        _cleanup_(net_facts_freep) NetFacts *net = made_up(links, 2), *empty = made_up(NULL, 0);
        size_t n;

        tap_ok(net_facts_settle(net) == 0 && net_facts_settle(empty) == 0, "settled, also without links");
        tap_streq(net_facts_find(net, "pf")->mac, "52:54:00:12:34:56", "an interface's MAC");
        tap_streq(net_link_vf_mac(net_facts_find(net, "pf"), 1), "52:54:00:00:00:01", "a VF's MAC");
        tap_streq(net_link_vf_mac(net_facts_find(net, "pf"), 0), NULL, "a VF that may choose its own");
        tap_streq(net_link_vf_mac(net_facts_find(net, "pf"), 2), NULL, "a VF that is not there");
        tap_streq(net_facts_find_index(net, 3)->kind, "bridge", "by its index");
        tap_ok(!net_facts_find_index(net, 4) && !net_facts_find(net, "b") && !net_facts_find(empty, "br0"), "what is not there");
        tap_ok(!net_facts_find(NULL, "br0") && !net_facts_find_index(NULL, 3) && !net_link_vf_mac(NULL, 0), "where nothing is known");
        tap_ok(streq(net_facts_links(net, &n)[0].name, "br0") && n == 2, "all, by name");
        tap_ok(!net_facts_links(NULL, &n) && n == 0, "none of none");
}

/* A PF as drivers/net/ethernet has it, with three VFs, of which one may choose its MAC. */
static void test_pf(void) {
        static const unsigned char macs[][6] = { { 0x52, 0x54, 0, 0, 0, 1 }, {}, { 0x52, 0x54, 0, 0, 0, 3 } };
        struct nl_msg *message = nlmsg_alloc_size(4096);
        const struct ifinfomsg link = { .ifi_index = 7, .ifi_flags = 1 /* IFF_UP */ };
        _cleanup_(net_facts_freep) NetFacts *net = made_up(NULL, 0);
        struct nlattr *list, *vf;

        if (!message || !nlmsg_put(message, 0, 0, RTM_NEWLINK, 0, 0) || nlmsg_append(message, (void *) &link, sizeof(link), NLMSG_ALIGNTO) < 0)
                exit(EXIT_FAILURE);
        nlmsg_set_proto(message, NETLINK_ROUTE);
        (void) nla_put_string(message, IFLA_IFNAME, "pf");
        (void) nla_put(message, IFLA_ADDRESS, 6, "\x52\x54\0\xab\xcd\xef");
        (void) nla_put_u32(message, IFLA_NUM_VF, 3);
        list = nla_nest_start(message, IFLA_VFINFO_LIST);
        for (uint32_t i = 0; i < ELEMENTSOF(macs); i++) {
                struct ifla_vf_mac mac = { .vf = i };
                struct ifla_vf_vlan vlan = { .vf = i };
                struct ifla_vf_tx_rate rate = { .vf = i };
                struct ifla_vf_spoofchk spoofchk = { .vf = i };

                memcpy(mac.mac, macs[i], sizeof(macs[i]));
                vf = nla_nest_start(message, IFLA_VF_INFO);
                (void) nla_put(message, IFLA_VF_MAC, sizeof(mac), &mac);
                (void) nla_put(message, IFLA_VF_VLAN, sizeof(vlan), &vlan);
                (void) nla_put(message, IFLA_VF_TX_RATE, sizeof(rate), &rate);
                (void) nla_put(message, IFLA_VF_SPOOFCHK, sizeof(spoofchk), &spoofchk);
                nla_nest_end(message, vf);
        }
        nla_nest_end(message, list);
        tap_ok(net_facts_add_message(net, message) == 0 && net_facts_settle(net) == 0 && net_facts_find(net, "pf"), "a PF's message");
        tap_streq(net_facts_find(net, "pf")->mac, "52:54:00:ab:cd:ef", "its MAC");
        tap_eq(net_facts_find(net, "pf")->n_vf_macs, 3, "its VFs");
        tap_streq(net_link_vf_mac(net_facts_find(net, "pf"), 0), "52:54:00:00:00:01", "the first VF's MAC");
        tap_streq(net_link_vf_mac(net_facts_find(net, "pf"), 1), NULL, "the second's is left to it");
        tap_streq(net_link_vf_mac(net_facts_find(net, "pf"), 2), "52:54:00:00:00:03", "the third VF's MAC");
        nlmsg_free(message);
}

/* One command of `ip`: did it do it? */
static bool ip(const char *arguments) {
        char command[256];
        int status;

        (void) snprintf(command, sizeof(command), "ip %s >/dev/null 2>&1", arguments);
        status = system(command);
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* One of each kind that this kernel has: what it is, and what it stands on or is a port of. */
static void test_kinds(void) {
        static const struct {
                const char *kind, *make;
                bool master; /* else it stands on d0 */
        } cases[] = {
                { "bridge", "link add k0 type bridge", true },
                { "bond", "link add k0 type bond", true },
                { "team", "link add k0 type team", true },
                { "vrf", "link add k0 type vrf table 50", true },
                { "vlan", "link add link d0 name k0 type vlan id 5", false },
                { "macvtap", "link add link d0 name k0 type macvtap", false },
                { "macvlan", "link add link d0 name k0 type macvlan", false },
                { "ipvlan", "link add link d0 name k0 type ipvlan", false },
        };

        char lacking[128] = "the kernel's:";
        const size_t none = strlen(lacking);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(net_facts_freep) NetFacts *net = NULL;
                const NetLink *low, *kind;
                size_t used = strlen(lacking);

                if (!ip("link add d0 type veth peer name d1") || !ip(cases[i].make)) {
                        (void) snprintf(lacking + used, sizeof(lacking) - used, " %s", cases[i].kind);
                        (void) ip("link del d0");
                        continue;
                }
                (void) ip("link set d0 down");
                if (cases[i].master)
                        (void) ip("link set d0 master k0");
                if (net_facts_read(&net) < 0)
                        tap_ok(false, "links with a %s are read", cases[i].kind);
                low = net_facts_find(net, "d0");
                kind = net_facts_find(net, "k0");
                tap_ok(low && kind && kind->kind && streq(kind->kind, cases[i].kind) &&
                               (cases[i].master ? low->master == kind->index : kind->lower == low->index && low->master == 0),
                       "the kernel's %s", cases[i].kind);
                (void) ip("link del k0");
                (void) ip("link del d0");
        }
        /* Made-up facts show these, too (test-probe_use). */
        if (lacking[none])
                printf("# not tried, as this kernel has none or there is no ip(8): %s\n", lacking);
}

static void test_kernel(void) {
        _cleanup_(net_facts_freep) NetFacts *before = NULL, *net = NULL;
        struct timespec from, to;
        size_t n;
        int r;

        tap_eq(net_facts_read(&before), 0, "an empty namespace is read");
        tap_ok(net_facts_find(before, "lo") && !net_facts_find(before, "lo")->up && !net_facts_find(before, "lo")->mac, "it has lo, which has no MAC");
        if (!ip("link add v0 address 52:54:00:00:00:07 type veth peer name v1") || !ip("link add w0 type veth peer name w1") ||
            !ip("link add x0 type veth peer name x1")) {
                tap_skip("no veth, or no ip(8)", "the kernel's links and routes");
                return;
        }
        (void) (ip("link set v0 up") && ip("link set v1 up") && ip("link set w0 up") && ip("link set w1 up") && ip("link set x0 up") &&
                ip("addr add 192.0.2.1/24 dev v0") && ip("addr add 198.51.100.1/24 dev w0") && ip("addr add 2001:db8::1/64 dev x0 nodad"));
        (void) clock_gettime(CLOCK_MONOTONIC, &from);
        r = net_facts_read(&net);
        (void) clock_gettime(CLOCK_MONOTONIC, &to);
        tap_eq(r, 0, "links are read");
        printf("# read in %ld us\n", (to.tv_sec - from.tv_sec) * 1000000L + (to.tv_nsec - from.tv_nsec) / 1000L);
        (void) net_facts_links(net, &n);
        tap_ok(n >= 7 && net_facts_find(net, "v0") && net_facts_find(net, "v0")->up, "and are there");
        tap_streq(net_facts_find(net, "v0")->mac, "52:54:00:00:00:07", "the MAC");
        tap_streq(net_facts_find(net, "v0")->kind, "veth", "the kind");
        tap_ok(!net_facts_find(net, "x1")->up, "one that nobody has set up");
        tap_ok(routes_of(net, "v0") == 0 && routes_of(net, "lo") == 0, "a route to a network is no default route");
        net = net_facts_free(net);

        tap_ok(ip("route add default via 192.0.2.2 dev v0") && net_facts_read(&net) == 0 && routes_of(net, "v0") == NET_ROUTE_V4 &&
                       routes_of(net, "w0") == 0 && net_facts_find(net, "v0")->route_table == NET_TABLE_MAIN,
               "IPv4's default route");
        net = net_facts_free(net);
        tap_ok(ip("route replace default nexthop via 192.0.2.2 dev v0 nexthop via 198.51.100.2 dev w0") && net_facts_read(&net) == 0 &&
                       routes_of(net, "v0") == NET_ROUTE_V4 && routes_of(net, "w0") == NET_ROUTE_V4 && routes_of(net, "x0") == 0,
               "through two at once");
        net = net_facts_free(net);
        tap_ok(ip("route del default") && ip("route add default via 198.51.100.2 dev w0 table 1000") && net_facts_read(&net) == 0 &&
                       routes_of(net, "v0") == 0 && routes_of(net, "w0") == NET_ROUTE_V4 && net_facts_find(net, "w0")->route_table == 1000,
               "in a table of its own");
        net = net_facts_free(net);
        (void) (ip("route add unreachable default metric 5") && ip("route add 128.0.0.0/1 dev v0"));
        tap_ok(net_facts_read(&net) == 0 && routes_of(net, "v0") == 0 && routes_of(net, "lo") == 0, "unreachable, or half of it, is no way out");
        net = net_facts_free(net);
        if (!ip("-6 route add default via 2001:db8::2 dev x0"))
                tap_skip("no IPv6 here", "IPv6's default route");
        else
                tap_ok(ip("-6 route add unreachable default metric 9999") && net_facts_read(&net) == 0 && routes_of(net, "x0") == NET_ROUTE_V6 &&
                               routes_of(net, "v0") == 0 && routes_of(net, "lo") == 0,
                       "IPv6's default route");
        (void) (ip("link del v0") && ip("link del w0") && ip("link del x0"));
}

int main(void) {
        test_routes();
        test_tables();
        test_uppers();
        test_lookup();
        test_pf();
        if (unshare(CLONE_NEWNET) < 0)
                tap_skip("only root can make a network namespace", "the kernel's links and routes");
        else {
                test_kernel();
                test_kinds();
        }
        return tap_done();
}
