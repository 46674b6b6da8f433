/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* DMA windows as the device tree tells them. VFIO_IOMMU_SPAPR_TCE_GET_INFO would tell them too, but takes the group from whoever
 * might want it at that moment, and removes its default window. Properties are big-endian cells of 4 bytes on every host. */

#include <limits.h>

#include "probe_groups.h"
#include "util.h"

/* Nodes and bridges above a device: more than any machine nests. */
#define LEVELS_MAX 16U

#define CELL 4U
#define PHB_ADDRESS_CELLS 3U /* of a PCI address: flags, then 64 bits (PCI bus binding to IEEE 1275, 2.2.1.1) */
#define PHB_SIZE_CELLS 2U
#define PCI_SPACE(flags) ((flags) >> 24 & 3)
#define PCI_SPACE_MEMORY_32 2U

/* A property as it is; its length, or negative errno. Longer ones are cut. */
static ssize_t read_property(int node, const char *name, uint8_t *buf, size_t size) {
        _cleanup_fd_ int fd = openat(node, name, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, buf, size);
        return n < 0 ? -errno : n;
}

/* Most are only looked for: an open and a close less. */
static bool has_property(int node, const char *name) {
        return faccessat(node, name, F_OK, 0) >= 0;
}

/* n cells as a number; of more than two the last two count (drivers/of: of_read_number). */
static uint64_t cells_to_number(const uint8_t *p, size_t n) {
        uint64_t value = 0;

        for (size_t i = 0; i < n * CELL; i++)
                value = value << 8 | p[i];
        return value;
}

/* A count of cells, or the given one where the node has none of its own. */
static size_t read_cell(int node, const char *name, size_t by_default) {
        uint8_t buf[CELL];

        if (read_property(node, name, buf, sizeof(buf)) != CELL)
                return by_default;
        /* Whatever stands there must not overflow what is computed from it. */
        return (size_t) cells_to_number(buf, 1) & 0xff;
}

/* liobn, start, size: as arch/powerpc/kernel/prom_parse.c:of_parse_dma_window reads them. */
static bool read_default_window(int node, GroupFacts *g) {
        uint8_t buf[64];
        ssize_t n = read_property(node, "ibm,dma-window", buf, sizeof(buf));
        size_t address, size;

        if (n < 0)
                return false;
        address = read_cell(node, "ibm,#dma-address-cells", read_cell(node, "#address-cells", 2));
        size = read_cell(node, "ibm,#dma-size-cells", read_cell(node, "#size-cells", 2));
        if ((size_t) n < (1 + address + size) * CELL)
                return false;
        g->dma32_start = cells_to_number(buf + CELL, address);
        g->dma32_size = cells_to_number(buf + (1 + address) * CELL, size);
        return true;
}

/* A partition: the PE's or PHB's node has the window, and firmware's word whether more can be made. */
static const char *read_partition_node(int node, GroupFacts *g) {
        bool by_default = read_default_window(node, g), replaced;

        /* The host's own driver may have had the default window removed for a larger one
         * (arch/powerpc/platforms/pseries/iommu.c:enable_ddw, default_win_removed). */
        replaced = !by_default && (has_property(node, "linux,direct64-ddr-window-info") ||
                                   has_property(node, "linux,dma64-ddr-window-info"));
        if (!by_default && !replaced)
                return NULL;
        g->ddw = has_property(node, "ibm,ddw-applicable");
        if (replaced)
                return "the host's driver had the default window replaced by a 64-bit one; page sizes are not in the device tree";
        return "ibm,dma-window and ibm,ddw-applicable in the device tree; page sizes are not in it";
}

/* What QEMU and firmware put into `ranges` for 32-bit memory starts where the default window ends
 * (arch/powerpc/platforms/powernv/pci-ioda.c: tce32_size is m32_pci_base). */
static void read_default_window_end(int node, GroupFacts *g) {
        uint8_t buf[512];
        ssize_t n = read_property(node, "ranges", buf, sizeof(buf));
        size_t parent = read_cell(node, "../#address-cells", 2),
               length = (PHB_ADDRESS_CELLS + parent + PHB_SIZE_CELLS) * CELL;

        for (size_t at = 0; n > 0 && at + length <= (size_t) n; at += length) {
                if (PCI_SPACE(cells_to_number(buf + at, 1)) != PCI_SPACE_MEMORY_32)
                        continue;
                g->dma32_size = cells_to_number(buf + at + CELL, 2);
                return;
        }
}

/* Bare metal: the PHB's node (pci-ioda.c:pnv_ioda_parse_tce_sizes; POWER8's IODA2 without the property has two more). */
static const char *read_phb_node(int node, GroupFacts *g) {
        static const uint64_t sizes = UINT64_C(1) << 12 | UINT64_C(1) << 16;
        static const uint64_t sizes_ioda2 = UINT64_C(1) << 24 | UINT64_C(1) << 28;
        uint8_t buf[128];
        ssize_t n;

        if (!has_property(node, "ibm,opal-phbid"))
                return NULL;
        n = read_property(node, "ibm,supported-tce-sizes", buf, sizeof(buf));
        for (ssize_t at = 0; at + (ssize_t) CELL <= n; at += CELL) {
                uint64_t shift = cells_to_number(buf + at, 1);
                if (shift < 64)
                        g->page_sizes |= UINT64_C(1) << shift;
        }
        if (n < 0) {
                n = read_property(node, "compatible", buf, sizeof(buf));
                g->page_sizes = n > 0 && memmem(buf, (size_t) n, "ioda2", 5) ? sizes | sizes_ioda2 : sizes;
        }
        read_default_window_end(node, g);
        g->ddw = 1;
        return "ibm,supported-tce-sizes and ranges of the PHB in the device tree";
}

/* The node of the device, or of the nearest bridge that has one (a card that was plugged in may have none), as a path from the devices' links,
 * and its name in the tree, "" where that is not told. */
static bool find_node(int devices, const char *address, char path[PATH_MAX], char name[PATH_MAX]) {
        size_t up = (size_t) snprintf(path, NAME_MAX, "%s/", address);

        if (up >= NAME_MAX)
                return false;
        for (unsigned level = 0; level < 4; level++, up += 3) {
                const char *base;
                ssize_t n;

                strcpy(path + up, "of_node");
                n = readlinkat(devices, path, name, PATH_MAX - 1);
                if (n >= 0 || errno == EINVAL) {
                        name[n > 0 ? n : 0] = '\0';
                        base = strstr(name, "devicetree/base/");
                        memmove(name, base ? base : "", strlen(base ? base : "") + 1);
                        return true;
                }
                memcpy(path + up, "../", 3);
        }
        return false;
}

/* Groups of one PHB have their windows from one node: it is read once for those that come one after the other. */
static const char *recall_windows(const GroupScratch *scratch, const char *name, GroupFacts *g) {
        if (!*name || !streq(scratch->node, name))
                return NULL;
        g->dma32_start = scratch->windows.dma32_start;
        g->dma32_size = scratch->windows.dma32_size;
        g->page_sizes = scratch->windows.page_sizes;
        g->ddw = scratch->windows.ddw;
        return scratch->why;
}

static void remember_windows(GroupScratch *scratch, const char *name, const GroupFacts *g, const char *why) {
        if ((size_t) snprintf(scratch->node, sizeof(scratch->node), "%s", name) >= sizeof(scratch->node))
                *scratch->node = '\0';
        scratch->windows = *g;
        scratch->why = why;
}

/* Up from the device's own node: firmware puts the window at the PE, which may be the device, a bridge or the PHB
 * (pseries/iommu.c:pci_dma_find goes the same way). name: the node's; it is cut on the way. */
static const char *read_windows_up(GroupScratch *scratch, int devices, const char *path, char *name, GroupFacts *g) {
        const char *why = recall_windows(scratch, name, g);
        _cleanup_fd_ int node = why ? -EBADF : openat(devices, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        for (unsigned level = 0; node >= 0 && !why && level < LEVELS_MAX; level++) {
                int above;

                why = read_partition_node(node, g);
                if (!why)
                        why = read_phb_node(node, g);
                if (why) {
                        remember_windows(scratch, name, g, why);
                        break;
                }
                *(strrchr(name, '/') ?: name) = '\0';
                why = recall_windows(scratch, name, g);
                above = why ? -EBADF : openat(node, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
                (void) fd_close(node);
                node = above;
        }
        return why;
}

int group_read_windows(const GroupReader *reader, int devices, const char *address, GroupFacts *g) {
        GroupScratch *scratch = reader->scratch;
        char path[PATH_MAX], name[PATH_MAX];
        const char *why = NULL;

        if (find_node(devices, address, path, name))
                why = read_windows_up(scratch, devices, path, name, g);
        else if (faccessat(devices, address, F_OK, 0) < 0)
                return -ENOENT;
        if (why)
                g->windows_why = texts_format(&scratch->texts, "by the node of %s: %s", address, why);
        else
                g->windows_why = texts_format(&scratch->texts, "not told: the device tree has no DMA window for %s", address);
        return g->windows_why ? 0 : -ENOMEM;
}
