/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The command line of a QEMU, planned. What a stock QEMU really makes of such words is tests/oracle's to show (sets.py: BARE, and the words of
 * every other set); here is what no test can wait for there: VFIO, accelerators, what QEMU would refuse. A case says what it wants as a line:
 * LIOBN, kind, device, size of each window that is there from the start, and the page shifts of the others. */

#include "domain-fixtures.h"
#include "qemu_args.h"
#include "tap.h"
#include "util.h"

#define WORDS_MAX 32

typedef struct Case {
        const char *name;
        const char *words; /* set apart by a space */
        const char *want;  /* windows; or, behind "error: ", a part of what is refused */
} Case;

#define PHB0 "80000000 pci pci.0 40000000"
#define DYNAMIC0 " 80000001/12,16,21,24"

static const Case cases[] = {
        { "no arguments", "", "71000002 vio l-lan@71000002 10000000 71000003 vio v-scsi@71000003 10000000 " PHB0 DYNAMIC0 },
        { "nothing by default", "-nodefaults", PHB0 DYNAMIC0 },
        { "a VFIO device on a PHB of its own",
          "-nodefaults -device spapr-pci-host-bridge,index=1,id=b -device vfio-pci,host=0001:00:00.0,bus=b.0",
          PHB0 " 80000100 vfio b 40000000" DYNAMIC0 " 80000101/12,16,21,24" },
        { "a VFIO device without a bus is on the PHB that was made last",
          "-nodefaults -device spapr-pci-host-bridge,index=1 -device vfio-pci,host=0001:00:00.0",
          PHB0 " 80000100 vfio spapr-pci-host-bridge@1 40000000" DYNAMIC0 " 80000101/12,16,21,24" },
        { "a TPM", "-nodefaults -device tpm-spapr,tpmdev=t", "71000001 vio vtpm@71000001 10000000 " PHB0 DYNAMIC0 },
        { "ids are names", "-nodefaults -device spapr-vlan,id=eth0", "71000001 vio eth0 10000000 " PHB0 DYNAMIC0 },
        { "two dashes", "--nodefaults --device spapr-vlan,id=eth0", "71000001 vio eth0 10000000 " PHB0 DYNAMIC0 },
        { "an old machine has no 64-bit windows", "-machine pseries-2.6 -nodefaults", PHB0 },
        { "the last machine counts", "-M powernv -M pseries-2.6 -nodefaults", PHB0 },
        { "another machine has none", "-M powernv9", "" },
        { "none at all, as libvirt asks for to see what QEMU can", "-S -no-user-config -nodefaults -nographic -machine none,accel=kvm:tcg", "" },
        { "a device that is a value", "-nodefaults -append -device -kernel -nic", PHB0 DYNAMIC0 },
        { "a disk's image behind an option that has no value", "-nodefaults -s disk.img", "71000001 vio v-scsi@71000001 10000000 " PHB0 DYNAMIC0 },
        { "what is not UTF-8", "-nodefaults -device spapr-vlan,id=\xff", "71000001 vio ? 10000000 " PHB0 DYNAMIC0 },
        { "a file of options", "-readconfig /etc/vm.conf", "error: -readconfig: /etc/vm.conf" },
        { "no size", "-m 1Q", "error: -m: size='1Q'" },
        { "no other size", "-m 1G,maxmem=x", "error: -m: maxmem='x'" },
        { "more memory than there can be", "-m 99999999999E", "error: -m: size=" },
        { "words that end too soon", "-nodefaults -device", "error: -device: QEMU wants another word" },
        { "JSON that is none", "-device {", "error: -device is no JSON" },
        { "a register that is none", "-device spapr-vlan,reg=x", "error: reg='x'" },
        { "a property that is none", "-global spapr-pci-host-bridge.ddw=maybe", "error: ddw='maybe'" },
};

/* *text is cut into its words. */
static size_t split(char *text, const char *words[WORDS_MAX]) {
        size_t n = 0;

        words[n++] = "/usr/bin/qemu-system-ppc64";
        for (char *word = strtok(text, " "); word && n < WORDS_MAX; word = strtok(NULL, " "))
                words[n++] = word;
        return n;
}

static void show(const Plan *plan, char *text, size_t size) {
        size_t used = 0;

        *text = '\0';
        for (size_t i = 0; i < plan->n_tables && used < size; i++) {
                const Window *w = &plan->tables[i].window;

                used += (size_t) snprintf(text + used, size - used, "%s%" PRIx32 " %s %s %" PRIx64, i > 0 ? " " : "", w->liobn,
                                          device_kind_to_string(w->kind), w->device, w->size);
        }
        for (size_t i = 0; i < plan->n_dynamic && used < size; i++) {
                const Window *w = &plan->dynamic[i].window;

                if (i > 0 && plan->dynamic[i - 1].window.liobn == w->liobn)
                        used += (size_t) snprintf(text + used, size - used, ",%" PRIu32, w->page_shift);
                else
                        used += (size_t) snprintf(text + used, size - used, " %" PRIx32 "/%" PRIu32, w->liobn, w->page_shift);
        }
}

static void check_case(const Case *c) {
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        _cleanup_free_ char *text = strdup(c->words);
        const char *words[WORDS_MAX];
        DomainError error = {};
        char have[1024] = "";
        PlanHost host;
        size_t n;
        Host h;
        int r;

        if (!text)
                exit(EXIT_FAILURE);
        good_host(&h);
        host = plan_host(&h);
        n = split(text, words);
        r = domain_plan_make_bare(words, n, true, &host, &plan, &error);
        if (strncmp(c->want, "error: ", 7) == 0) {
                tap_ok(r == -EINVAL && strncmp(error.text, c->want + 7, strlen(c->want + 7)) == 0, "refused: %s", c->name);
                printf("#   %s\n", error.text);
                return;
        }
        show(&plan.plan, have, sizeof(have));
        if (r < 0)
                (void) snprintf(have, sizeof(have), "%s: %s", strerror(-r), error.text);
        tap_streq(have, c->want, "%s", c->name);
}

static void check_memory(const char *line, uint64_t memory, uint64_t max) {
        _cleanup_(domain_clear) Domain d = {};
        _cleanup_free_ char *text = strdup(line);
        const char *words[WORDS_MAX];
        DomainError error = {};
        size_t n = text ? split(text, words) : 0;

        tap_ok(qemu_args_read(words, n, &d, &error) == 0 && d.memory == memory && d.max_memory == max, "%s: %" PRIu64 " and %" PRIu64 " bytes",
               line, d.memory, d.max_memory);
}

static void check_kvm(const char *program, const char *line, bool want) {
        _cleanup_(domain_clear) Domain d = {};
        _cleanup_free_ char *text = strdup(line);
        const char *words[WORDS_MAX];
        DomainError error = {};
        size_t n = text ? split(text, words) : 0;

        words[0] = program;
        tap_ok(qemu_args_read(words, n, &d, &error) == 0 && d.kvm == want, "%s %s: %s", program, line, want ? "KVM" : "no KVM");
}

/* Who serves a card's queues: only vhost is told of what is mapped. */
static void check_notifier(const char *netdev, const char *device, const char *option, const char *value, bool want) {
        const char *words[] = { "qemu-system-ppc64", "-nodefaults", "-netdev", netdev, "-device", device, option, value };
        _cleanup_(domain_plan_clear) DomainPlan plan = DOMAIN_PLAN_INIT;
        DomainError error = {};
        PlanHost host;
        Host h;

        good_host(&h);
        host = plan_host(&h);
        tap_ok(domain_plan_make_bare(words, ELEMENTSOF(words), true, &host, &plan, &error) == 0 && plan.plan.n_tables == 1 &&
               plan.plan.tables[0].window.notifier == want, "-netdev %s -device %s %s %s: %s", netdev, device, option, value, want ? "vhost" : "QEMU");
}

/* Words without end, as a process that calls itself a QEMU may have them: they are not read. */
static void check_bounds(void) {
        static const char *words[5000] = { "qemu-system-ppc64" };
        static char properties[32768] = "spapr-pci-host-bridge";
        const char *phb[] = { "qemu-system-ppc64", "-device", properties };
        DomainError error = {};
        Domain d = {};

        for (size_t i = 1; i < ELEMENTSOF(words); i++)
                words[i] = "-S";
        tap_ok(qemu_args_read(words, ELEMENTSOF(words), &d, &error) == -EINVAL && strstr(error.text, "more than 4096 words"), "too many words");
        tap_ok(qemu_args_read(words, 4096, &d, &error) == 0, "as many as can be");
        domain_clear(&d);
        d = (Domain) {};
        for (size_t at = strlen(properties); at + 4 < sizeof(properties); at += 3)
                strcpy(properties + at, ",x=");
        tap_ok(qemu_args_read(phb, ELEMENTSOF(phb), &d, &error) == -EINVAL && strstr(error.text, "more than 4096 properties"),
               "too many properties");
        properties[3000] = '\0';
        tap_ok(qemu_args_read(phb, ELEMENTSOF(phb), &d, &error) == 0, "and fewer");
        domain_clear(&d);
}

int main(void) {
        static const char *const none[1] = { NULL };
        DomainError error = {};
        Domain d = {};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                check_case(&cases[i]);
        check_memory("-nodefaults", UINT64_C(512) << 20, 0);
        check_memory("-m 2048", UINT64_C(2) << 30, 0);
        check_memory("-m 1.5G,slots=4,maxmem=4G", UINT64_C(3) << 29, UINT64_C(4) << 30);
        check_memory("-m size=1048576k,maxmem=2147483648", UINT64_C(1) << 30, UINT64_C(2) << 30);
        check_memory("-m 0", UINT64_C(512) << 20, 0);
        check_memory("-m 512 -m maxmem=1t", UINT64_C(512) << 20, UINT64_C(1) << 40);
        check_bounds();
        check_notifier("user,id=n", "virtio-net-pci,netdev=n,iommu_platform=on", "-m", "1G", false);
        check_notifier("tap,id=n", "virtio-net-pci,netdev=n,iommu_platform=on", "-m", "1G", false);
        check_notifier("tap,id=n,vhost=on", "virtio-net-pci,netdev=n,iommu_platform=on", "-m", "1G", true);
        check_notifier("tap,id=n,vhostforce=on", "virtio-net-pci,netdev=n,iommu_platform=on", "-m", "1G", true);
        check_notifier("tap,id=n,fd=3,vhostfd=4", "virtio-net-pci,netdev=n,iommu_platform=on", "-m", "1G", true);
        check_notifier("tap,id=n,vhost=off,vhostforce=on", "virtio-net-pci,netdev=n,iommu_platform=on", "-m", "1G", false);
        check_notifier("{\"type\":\"tap\",\"fd\":\"3\",\"vhost\":true,\"vhostfd\":\"4\",\"id\":\"n\"}", "virtio-net-pci,netdev=n,iommu_platform=on", "-m", "1G", true);
        check_notifier("{\"type\":\"tap\",\"id\":\"n\"}", "virtio-net-pci,netdev=n,iommu_platform=on", "-m", "1G", false);
        check_notifier("tap,id=n,vhost=on", "virtio-net-pci,netdev=n", "-global", "virtio-net-pci.iommu_platform=on", true);
        check_notifier("tap,id=n,vhost=on", "virtio-net-pci,netdev=n,id=a", "-set", "device.a.iommu_platform=on", true);
        check_notifier("tap,id=n,vhost=on", "virtio-net-pci,netdev=n,iommu_platform=off", "-global", "virtio-net-pci.iommu_platform=on", false);
        check_notifier("tap,id=n", "virtio-net-pci,netdev=n", "-global", "virtio-net-pci.iommu_platform=on", false);
        check_notifier("tap,id=n,vhost=on", "virtio-net-pci,netdev=n", "-global", "virtio-blk-pci.iommu_platform=on", false);
        check_notifier("{\"type\":", "virtio-net-pci,netdev=n,iommu_platform=on", "-m", "1G", false);
        check_kvm("qemu-system-ppc64", "", false);
        check_kvm("/usr/libexec/qemu-kvm", "", true);
        check_kvm("qemu-system-ppc64", "-enable-kvm", true);
        check_kvm("qemu-system-ppc64", "-accel kvm,x=y", true);
        check_kvm("qemu-system-ppc64", "-accel tcg -accel kvm", false);
        check_kvm("qemu-system-ppc64", "-machine pseries,accel=kvm:tcg", true);
        check_kvm("qemu-system-ppc64", "-machine accel=tcg", false);
        check_kvm("qemu-system-ppc64", "-accel accel=kvm", true);
        tap_ok(qemu_args_read(none, 0, &d, &error) == -EINVAL && strstr(error.text, "no program"), "no words at all");
        tap_ok(qemu_args_is_qemu("/usr/bin/qemu-system-ppc64") && qemu_args_is_qemu("qemu-kvm") &&
               qemu_args_is_qemu("/usr/bin/qemu-system-ppc64le") && qemu_args_is_qemu("/usr/bin/tced-qemu-system-ppc64") && !qemu_args_is_qemu("qemu-system-x86_64") &&
               !qemu_args_is_qemu("vmm") && !qemu_args_is_qemu(""), "which program is a QEMU for POWER");
        return tap_done();
}
