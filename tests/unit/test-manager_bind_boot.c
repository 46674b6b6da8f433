/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* manager_bind_boot.c: many groups that are to be bound at boot, where tced-bind is not there, and where it does not answer. What it does when
 * it answers is in tests/bus/test-bind-bus.c. */

#include "manager_bind_internal.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "event-loop.h"
#include "log.h"
#include "tap.h"
#include "tree.h"
#include "util.h"

#define MANY 200U

static unsigned n_ready, n_told;

static void on_ready(_unused_ void *userdata) {
        n_ready++;
}

static void on_host(_unused_ void *userdata) {
        n_told++;
}

static void put_group(const Tree *tree, unsigned number, const char *address) {
        static const struct {
                const char *name, *text;
        } files[] = { { "class", "0x010802\n" }, { "vendor", "0x144d\n" }, { "device", "0xa808\n" } };
        char path[128], target[128];

        (void) snprintf(path, sizeof(path), "sys/kernel/iommu_groups/%u/devices/%s", number, address);
        (void) snprintf(target, sizeof(target), "../../../../devices/pci0000:00/%s", address);
        tree_add_one(tree, &(TreeEntry) { .path = path, .link = target });
        (void) snprintf(path, sizeof(path), "sys/bus/pci/devices/%s", address);
        (void) snprintf(target, sizeof(target), "../../../devices/pci0000:00/%s", address);
        tree_add_one(tree, &(TreeEntry) { .path = path, .link = target });
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/%s", address, files[i].name);
                tree_add_one(tree, &(TreeEntry) { .path = path, .text = files[i].text });
        }
        (void) snprintf(path, sizeof(path), "sys/devices/pci0000:00/%s/driver", address);
        tree_add_one(tree, &(TreeEntry) { .path = path, .link = "../../../bus/pci/drivers/nvme" });
}

static void put_setting(const Tree *tree, unsigned n) {
        static char text[(MANY + 1) * 32];
        size_t length = (size_t) sprintf(text, "[Bind]\n");

        for (unsigned i = 0; i < n; i++)
                length += (size_t) sprintf(text + length, "Devices=0000:%02x:%02x.0\n", i / 32, i % 32);
        tree_add_one(tree, &(TreeEntry) { .path = "etc/tced/tced.conf.d/bind.conf", .text = text });
}

static Tree new_host(void) {
        Tree tree = tree_new();

        for (unsigned i = 0; i < MANY; i++) {
                char address[24];

                (void) snprintf(address, sizeof(address), "0000:%02x:%02x.0", i / 32, i % 32);
                put_group(&tree, i, address);
        }
        put_setting(&tree, MANY);
        return tree;
}

static Manager *new_manager(const Tree *tree, sd_event *event) {
        static char sys[96], dev[96], bind[96], records[96];
        const Places places = { .sys = sys, .dev = dev, .proc = "/proc", .run = sys, .config_root = tree->path, .bind_socket = bind,
                                .bind_records = records, .libvirt_run = sys };
        Manager *m;

        (void) snprintf(sys, sizeof(sys), "%s/sys", tree->path);
        (void) snprintf(dev, sizeof(dev), "%s/dev", tree->path);
        (void) snprintf(bind, sizeof(bind), "%s/bind", tree->path);
        (void) snprintf(records, sizeof(records), "%s/records", tree->path);
        if (manager_new(event, &places, &m) < 0 || manager_look(m) < 0)
                tree_fail("manager_new", tree->path);
        m->observer = (ManagerObserver) { .host_changed = on_host };
        n_ready = n_told = 0;
        return m;
}

static unsigned count_findings(const Manager *m) {
        unsigned n = 0;

        for (size_t i = 0; i < m->findings.n; i++)
                n += m->findings.items[i].id == FINDING_BIND_FAILED;
        return n;
}

static void test_without_helper(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Tree tree = new_host();
        Manager *m = new_manager(&tree, event);

        manager_bind_at_boot(m, on_ready, NULL);
        tap_eq(m->vfio.n_groups, MANY, "a host of %u groups", MANY);
        tap_eq(m->config.n_bind_devices, MANY, "all of which are to be bound");
        tap_eq(n_ready, 1, "without tced-bind tced is ready, once");
        tap_eq(count_findings(m), MANY, "each group is a finding");
        tap_ok(n_told <= 2, "all of them are told of at once (%u), as each time costs as much as there are groups", n_told);
        tap_ok(m->bound, "and that was it for this boot");
        put_setting(&tree, 1);
        (void) manager_reload(m);
        tap_eq(count_findings(m), 1, "what is no more to be bound is no finding any more");
        (void) manager_free(m);
        tree_remove(&tree);
}

static int listen_only(const Tree *tree) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/bind", tree->path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 1) < 0)
                tree_fail("listen", address.sun_path);
        return fd;
}

static void test_unanswered(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Tree tree = new_host();
        _cleanup_fd_ _unused_ int listener = listen_only(&tree);
        Manager *m = new_manager(&tree, event);

        manager_bind_at_boot(m, on_ready, NULL);
        tap_ok(m->binder->n_pending > 0 && n_ready == 0, "as long as it may still come, others wait for it");
        tap_ok(!m->bound, "a tced that is killed meanwhile is followed by one that begins again");
        tap_ok(m->binder->patience, "they don't wait for ever");
        (void) sd_event_source_set_time_relative(m->binder->patience, 0);
        for (unsigned i = 0; i < 100 && n_ready == 0; i++)
                (void) sd_event_run(event, 100 * 1000);
        tap_ok(n_ready == 1 && m->binder->n_pending > 0, "tced is ready then, and goes on");
        manager_stop(m);
        tap_ok(n_ready == 1 && !m->bound, "ended amid it, it has not bound them either");
        (void) manager_free(m);
        tree_remove(&tree);
}

/* manager_obstacle.c */
static void test_dear_look(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Tree tree = tree_new();
        Manager *m = new_manager(&tree, event);
        uint64_t at;

        tap_ok(manager_look_at_uses(m), "what the host uses its devices for");
        at = m->binder->uses_at;
        m->binder->uses_cost = 10 * 1000 * 1000;
        m->binder->uses_turn--;
        (void) manager_look_at_uses(m);
        tap_ok(m->binder->uses_at == at, "where that took long, it is not looked at again for everybody who asks");
        (void) manager_look_at_uses_now(m);
        tap_ok(m->binder->uses_at != at, "but it is before something is bound");
        at = m->binder->uses_at;
        m->binder->uses_cost = 100;
        m->binder->uses_turn--;
        (void) manager_look_at_uses(m);
        tap_ok(m->binder->uses_at != at, "and where it takes no time");
        (void) manager_free(m);
        tree_remove(&tree);
}

int main(void) {
        (void) log_set_target("null");
        test_without_helper();
        test_unanswered();
        test_dear_look();
        return tap_done();
}
