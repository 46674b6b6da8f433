/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* probe_ddw.c against a fake kernel; what a real one answers is tests/power/groups.sh's. */

#include "probe_ddw.h"

#include <dirent.h>

#include "fake-kvm.h"
#include "tap.h"

static unsigned count_fds(void) {
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        while (dir && readdir(dir))
                n++;
        (void) closedir(dir);
        return n;
}

#define ALWAYS(request, error) { { request, FAKE_ANY, error, 0 } }
#define WITH(request, key, error) { { request, key, error, 0 } }
#define HIGH (UINT64_C(1) << 59)
#define MADE "attach iommu info remove create create remove remove detach"

/* How a platform that has everything is changed. */
static void partition(void) { fake.partition = true; }
static void one_window(void) { fake.partition = true; fake.info.max_dynamic_windows_supported = 1; }
static void many_windows(void) { fake.info.max_dynamic_windows_supported = 7; }
static void firmware_without(void) { fake.info.max_dynamic_windows_supported = UINT32_MAX; }
static void no_flag(void) { fake.info.flags = 0; }
static void huge_pages_too(void) { fake.info.pgsizes = 0x40211000; }
static void small_pages(void) { fake.info.pgsizes = 0x1000; }
static void huge_pages_alone(void) { fake.info.pgsizes = 0x40000000; }
static void type1(void) { fake.no_spapr = true; }
static void one_low_window(void) { fake.info.max_dynamic_windows_supported = 1; }

static const struct {
        const char *name;
        void (*change)(void);
        FakeFailure failures[2];
        int ddw;      /* what the device tree says */
        int r;
        Proof proof;
        const char *why, *log, *windows;
} cases[] = {
        { "bare metal", NULL, {}, 1, 0, PROOF_YES, "made a window of 8192 MiB in pages of 16384 KiB at 0x800000000000000, and removed it", MADE,
          "12:2M@0 24:8192M@800000000000000" },
        { "a partition", partition, {}, 1, 0, PROOF_YES, "0x800000000000000", MADE, "12:2M@0 24:8192M@800000000000000" },
        { "room for one window", one_window, {}, 1, 0, PROOF_YES, "0x800000000000000", "attach iommu info remove create remove detach",
          "24:8192M@800000000000000" },
        { "the device tree says nothing", many_windows, {}, -1, 0, PROOF_YES, "removed", MADE, "12:2M@0 24:8192M@800000000000000" },
        { "pages of 1 GiB are left alone", huge_pages_too, {}, 1, 0, PROOF_YES, "pages of 2048 KiB", MADE,
          "12:2M@0 21:1024M@800000000000000" },
        { "small pages", small_pages, {}, 1, 0, PROOF_YES, "2 MiB in pages of 4 KiB", MADE, "12:2M@0 12:2M@800000000000000" },
        { "the largest pages are too many", partition, WITH(VFIO_IOMMU_SPAPR_TCE_CREATE, 24, EINVAL), 1, 0, PROOF_YES, "pages of 2048 KiB",
          MADE, "12:2M@0 21:1024M@800000000000000" },
        { "no pages that are tried", huge_pages_alone, {}, 1, 0, PROOF_NO, "TCE_CREATE of a 32-bit window: Invalid argument",
          "attach iommu info remove create detach", "" },

        { "v1 alone", NULL, WITH(VFIO_SET_IOMMU, 7, EPERM), 1, 0, PROOF_NO, "sPAPR v1 alone*(sPAPR v2: Operation not permitted)",
          "attach iommu info detach", "" },
        { "no 64-bit windows offered", no_flag, {}, 1, 0, PROOF_NO, "VFIO offers no 64-bit windows for group 7", "attach iommu info detach", "" },
        { "firmware without", firmware_without, {}, 1, 0, PROOF_NO, "the firmware makes no 64-bit windows for group 7",
          "attach iommu info detach", "" },
        { "the device tree says no", NULL, {}, 0, 0, PROOF_NO, "the firmware makes no 64-bit windows", "attach iommu info detach", "" },
        { "the one window is a low one", one_low_window, {}, 1, 0, PROOF_NO, "group 7: the window that was to be a 64-bit one is at 0",
          "attach iommu info remove create remove detach", "24:8192M@0" },

        { "no window any more", partition, ALWAYS(VFIO_IOMMU_SPAPR_TCE_CREATE, ENODEV), 1, 0, PROOF_NO,
          "group 7: VFIO_IOMMU_SPAPR_TCE_CREATE of a 32-bit window: No such device", "attach iommu info remove detach", "" },
        { "no 64-bit window", partition, WITH(VFIO_IOMMU_SPAPR_TCE_CREATE, 24, ENODEV), 1, 0, PROOF_NO,
          "TCE_CREATE of a 64-bit window: No such device", "attach iommu info remove create remove detach", "12:2M@0" },
        { "none of any page size", NULL, { { VFIO_IOMMU_SPAPR_TCE_CREATE, FAKE_ANY, EINVAL, 0 } }, 1, 0, PROOF_NO, "Invalid argument",
          "attach iommu info remove detach", "" },
        { "no locked memory", NULL, ALWAYS(VFIO_IOMMU_SPAPR_TCE_CREATE, ENOMEM), 1, 0, PROOF_UNKNOWN, "raise tced's LimitMEMLOCK=",
          "attach iommu info remove detach", "" },
        { "it can't be removed", NULL, WITH(VFIO_IOMMU_SPAPR_TCE_REMOVE, HIGH, EIO), 1, 0, PROOF_NO, "TCE_REMOVE of a 64-bit window: Input/output",
          "attach iommu info remove create create remove detach", "12:2M@0 24:8192M@800000000000000" },
        { "the default one can't be called off", NULL, WITH(VFIO_IOMMU_SPAPR_TCE_REMOVE, 0, EPERM), 1, 0, PROOF_NO,
          "TCE_REMOVE of the default window: Operation not permitted", "attach iommu info detach", "" },

        { "busy", NULL, ALWAYS(VFIO_GROUP_SET_CONTAINER, EBUSY), 1, -EBUSY, PROOF_UNKNOWN, "group 7: VFIO_GROUP_SET_CONTAINER: Device or", "", "" },
        { "not viable", NULL, ALWAYS(VFIO_GROUP_SET_CONTAINER, EPERM), 1, -EPERM, PROOF_UNKNOWN, "group 7: VFIO_GROUP_SET_CONTAINER: Op", "", "" },
        { "another machine", type1, {}, 1, -EOPNOTSUPP, PROOF_UNKNOWN, "has no TCE windows*modprobe vfio_iommu_spapr_tce", "", "" },
        { "neither type", NULL, ALWAYS(VFIO_SET_IOMMU, ENODEV), 1, -ENODEV, PROOF_UNKNOWN, "VFIO_SET_IOMMU, sPAPR v2: No such device",
          "attach detach", "" },
        { "no answer", NULL, ALWAYS(VFIO_IOMMU_SPAPR_TCE_GET_INFO, ENXIO), 1, -ENXIO, PROOF_UNKNOWN, "GET_INFO: No such device or address",
          "attach iommu detach", "" },
};

/* Has text these fragments, set apart by '*', in this order? */
static bool has(const char *text, const char *fragments) {
        _cleanup_free_ char *copy = strdup(fragments);

        for (char *save, *f = strtok_r(copy, "*", &save); f; f = strtok_r(NULL, "*", &save)) {
                text = strstr(text, f);
                if (!text)
                        return false;
                text += strlen(f);
        }
        return true;
}

static void test_cases(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *name = cases[i].name;
                GroupFacts group = { .number = 7, .ddw = cases[i].ddw };
                WindowProof p = {};
                unsigned fds;
                int fd;

                fake_reset();
                memcpy(fake.failures, cases[i].failures, sizeof(cases[i].failures));
                if (cases[i].change)
                        cases[i].change();
                fd = fake_new_fd(FAKE_GROUP);
                fds = count_fds();
                tap_eq(probe_ddw(&fake_ops, "/dev", fd, &group, &p), cases[i].r, "%s: what it returns", name);
                if (!tap_ok(p.ddw.proof == cases[i].proof && has(p.ddw.why, cases[i].why), "%s: %s, '%s'", name,
                            proof_to_string(cases[i].proof), cases[i].why))
                        printf("#   have %s: %s\n", proof_to_string(p.ddw.proof), p.ddw.why);
                tap_streq(fake.log, cases[i].log, "%s: what was done, and undone backwards", name);
                tap_streq(fake.windows, cases[i].windows, "%s: windows that were made", name);
                tap_ok(count_fds() == fds, "%s: nothing is left but the group", name);
                tap_ok(!p.running && (p.dma32_size == 1 << 30) == (cases[i].r == 0), "%s: the default window is told", name);
                (void) close(fd);
        }
}

static void test_facts(void) {
        GroupFacts group = { .number = 7, .ddw = 1 };
        WindowProof p = {};
        int fd;

        fake_reset();
        fake.info.dma32_window_start = 4096;
        fd = fake_new_fd(FAKE_GROUP);
        tap_eq(probe_ddw(&fake_ops, "/dev", fd, &group, &p), 0, "asked");
        tap_ok(p.dma32_start == 4096 && p.page_sizes == 0x1211000 && p.max_windows == 2 && p.levels == 5, "what VFIO tells is kept");
        fake.info.max_dynamic_windows_supported = 7;
        tap_eq(probe_ddw(&fake_ops, "/dev", fd, &group, &p), 0, "asked again, after all was undone");
        tap_eq(p.max_windows, 2, "no kernel has more than two windows");
        fake.failures[0] = (FakeFailure){ VFIO_SET_IOMMU, VFIO_EXT_SPAPR_TCE_V2, EINVAL, 0 };
        tap_eq(probe_ddw(&fake_ops, "/dev", fd, &group, &p), 0, "and of type v1");
        tap_ok(p.page_sizes == 0 && p.max_windows == 0 && p.levels == 0 && p.dma32_size == 1 << 30, "whose windows are the default one");
        fake.open_error = ENOENT;
        tap_eq(probe_ddw(&fake_ops, "/dev", fd, &group, &p), -ENOENT, "no container");
        tap_ok(has(p.ddw.why, "group 7: opening vfio/vfio: No such file"), "is told: %s", p.ddw.why);
        (void) close(fd);
}

int main(void) {
        test_cases();
        test_facts();
        return tap_done();
}
