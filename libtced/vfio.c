/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* VFIO: groups opened by tced, windows made in their containers, groups linked to KVM's tables.
 *
 * Containers come untouched but for their type: the first window or memory registration binds one to the process that does
 * it (drivers/vfio/vfio_iommu_spapr_tce.c:tce_iommu_mm_set), which must be the VMM. */

#include "internal.h"
#include "kvm-abi.h"
#include "names.h"

/* The object of the device's group. path_size: room for it. */
static int group_path(struct tced *t, const char *address, char *path, size_t path_size) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        const char *found;
        int r;

        if (!address)
                return connection_error(t, -EINVAL, "GetGroupByDevice: no address");
        r = connection_new_call(t, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "GetGroupByDevice", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "s", address);
        if (r < 0)
                return connection_error(t, r, "GetGroupByDevice: %s", strerrordesc_np(-r));
        r = connection_call(t, call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "o", &found);
        if (r < 0 || strlen(found) >= path_size ||
            strncmp(found, TCED_GROUP_PREFIX "/", strlen(TCED_GROUP_PREFIX "/")) != 0)
                return connection_bad_reply(t, "GetGroupByDevice", r < 0 ? r : -EBADMSG);
        memcpy(path, found, strlen(found) + 1);
        return 0;
}

_public_ int tced_group_number(struct tced *t, const char *address, int *ret) {
        char path[64];
        uint64_t number;
        int r;

        r = group_path(t, address, path, sizeof(path));
        if (r < 0)
                return r;
        if (parse_u64(path + strlen(TCED_GROUP_PREFIX "/"), INT32_MAX, &number) < 0)
                return connection_bad_reply(t, "GetGroupByDevice", -EBADMSG);
        *ret = (int) number;
        return 0;
}

_public_ int tced_group_open(struct tced *t, const char *address, int *ret_container, int *ret_group,
                             uint32_t *ret_type) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        _cleanup_fd_ int container = -EBADF, group = -EBADF;
        int r, container_in_message, group_in_message;
        char path[64];
        uint32_t type;

        r = group_path(t, address, path, sizeof(path));
        if (r < 0)
                return r;
        r = connection_new_call(t, path, TCED_INTERFACE_GROUP, "Open", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "t", UINT64_C(0));
        if (r < 0)
                return r;
        r = connection_call(t, call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "hhu", &container_in_message, &group_in_message, &type);
        if (r < 0)
                return connection_bad_reply(t, "Open", r);
        container = fd_dup(container_in_message);
        if (container < 0)
                return container;
        group = fd_dup(group_in_message);
        if (group < 0)
                return group;
        *ret_container = TAKE_FD(container);
        *ret_group = TAKE_FD(group);
        *ret_type = type;
        return 0;
}

_public_ int tced_group_open_into(struct tced *t, const char *address, int container, int *ret_group) {
        _cleanup_(message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        int r, in_message;
        char path[64];

        /* sd-bus would only say that the argument can't be. */
        if (container < 0 || fcntl(container, F_GETFD) < 0)
                return connection_error(t, -EBADF, "OpenInto: there is no container to open the group into");
        r = group_path(t, address, path, sizeof(path));
        if (r < 0)
                return r;
        r = connection_new_call(t, path, TCED_INTERFACE_GROUP, "OpenInto", &call);
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "th", UINT64_C(0), container);
        if (r < 0)
                return connection_error(t, r, "OpenInto: %s", strerrordesc_np(-r));
        r = connection_call(t, call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_read(reply, "h", &in_message);
        if (r < 0)
                return connection_bad_reply(t, "OpenInto", r);
        r = fd_dup(in_message);
        if (r < 0)
                return r;
        *ret_group = r;
        return 0;
}

/* The largest page that the host offers and that fits the table's and guest memory's: KVM refuses hardware pages larger than
 * the table's, and can't map one that spans two pages of memory. 0: none. */
static uint32_t hardware_page_shift(const struct tced_table *table, uint64_t offered, uint64_t memory_page) {
        for (uint32_t shift = table->page_shift; shift >= TCE_PAGE_SHIFT_MIN; shift--)
                if ((offered & UINT64_C(1) << shift) && UINT64_C(1) << shift <= memory_page)
                        return shift;
        return 0;
}

static void window_remove(struct tced *t, int container, uint64_t start) {
        struct vfio_spapr_remove args = { .argsz = sizeof(args), .start_addr = start };

        (void) t->ioctl(container, VFIO_IOMMU_SPAPR_TCE_REMOVE, &args);
}

/* Few levels are quick, and a host may need more for a large window: up to its limit, until it takes it. */
static int window_create(struct tced *t, int container, const struct tced_table *table, uint32_t page_shift,
                         uint32_t max_levels, uint64_t *ret_start) {
        int r = -EINVAL;

        for (uint32_t levels = 1; levels <= (max_levels ? max_levels : 1); levels++) {
                struct vfio_spapr_create args = {
                        .argsz = sizeof(args),
                        .page_shift = page_shift,
                        .window_size = table->n_entries << table->page_shift,
                        .levels = levels,
                };

                r = t->ioctl(container, VFIO_IOMMU_SPAPR_TCE_CREATE, &args);
                if (r >= 0) {
                        *ret_start = args.start_addr;
                        return 0;
                }
                if (r != -EINVAL && r != -ENOMEM && r != -E2BIG)
                        break;
        }
        return r;
}

/* The table's window in the container, at the bus address where the guest expects it. */
static int window_make(struct tced *t, int container, const struct tced_table *table, uint64_t memory_page) {
        struct vfio_spapr_info info = { .argsz = sizeof(info) };
        uint64_t start = 0;
        uint32_t shift;
        int r;

        r = t->ioctl(container, VFIO_IOMMU_SPAPR_TCE_GET_INFO, &info);
        if (r < 0)
                return connection_error(t, r, "table %08x: VFIO_IOMMU_SPAPR_TCE_GET_INFO: %s", table->liobn,
                                        strerrordesc_np(-r));
        if (!(info.flags & VFIO_SPAPR_INFO_DDW))
                return connection_error(t, -EOPNOTSUPP, "table %08x: the container can't make windows (is it of type 7, v2?)",
                                        table->liobn);
        shift = hardware_page_shift(table, info.pgsizes, memory_page);
        if (shift == 0)
                return connection_error(t, -EOPNOTSUPP, "table %08x: no page size of the host fits it and guest memory",
                                        table->liobn);
        if (table->bus_offset == info.dma32_window_start)
                window_remove(t, container, info.dma32_window_start);
        r = window_create(t, container, table, shift, info.levels, &start);
        if (r < 0)
                return connection_error(t, r, "table %08x: VFIO_IOMMU_SPAPR_TCE_CREATE: %s", table->liobn,
                                        strerrordesc_np(-r));
        if (start != table->bus_offset) {
                window_remove(t, container, start);
                return connection_error(t, -EADDRNOTAVAIL,
                                        "table %08x: the host makes the window at %#llx and not at %#llx; link the windows in "
                                        "the order of their offsets",
                                        table->liobn, (unsigned long long) start, (unsigned long long) table->bus_offset);
        }
        return 0;
}

static int group_attribute(struct tced *t, int kvm_vfio, uint64_t attribute, void *value) {
        struct kvm_attribute args = {
                .group = KVM_VFIO_ATTR_GROUP, .attr = attribute, .addr = (uint64_t) (uintptr_t) value,
        };

        return t->ioctl(kvm_vfio, KVM_SET_DEVICE_ATTR, &args);
}

/* A group whose link is refused is taken out again, as KVM would hold on to it. That makes no WARN: the attempt to link has noted
 * the group already (virt/kvm/vfio.c:kvm_vfio_group_set_spapr_tce). */
static int link_in_kvm(struct tced *t, const struct tced_table *table, int group, int kvm_vfio) {
        struct kvm_vfio_link args = { .groupfd = group, .tablefd = table->mapping.fd };
        int r, added;

        added = group_attribute(t, kvm_vfio, KVM_VFIO_GROUP_ADD, &group);
        if (added < 0 && added != -EEXIST)
                return added;
        r = group_attribute(t, kvm_vfio, KVM_VFIO_GROUP_SET_SPAPR_TCE, &args);
        if (r < 0 && added >= 0)
                (void) group_attribute(t, kvm_vfio, KVM_VFIO_GROUP_DEL, &group);
        return r < 0 ? r : 0;
}

_public_ int tced_table_link_group(struct tced_table *table, int container, int group, int kvm_vfio,
                                   uint64_t memory_page) {
        struct tced *t = table->machine->tced;
        bool made = false;
        int r;

        if (table->placement == PLACEMENT_KERNEL)
                return connection_error(t, -EOPNOTSUPP, "table %08x: its window isn't a \"vfio\" one", table->liobn);
        /* Before it is compared with what stands for none. */
        if (container < 0)
                return connection_error(t, -EBADF, "table %08x: there is no container to make its window in", table->liobn);
        if (table->window_container != container) {
                r = window_make(t, container, table,
                                memory_page ? memory_page : (uint64_t) sysconf(_SC_PAGESIZE));
                if (r < 0)
                        return r;
                table->window_container = container;
                made = true;
        }
        if (table->placement == PLACEMENT_USER)
                return 0;
        r = link_in_kvm(t, table, group, kvm_vfio);
        if (r < 0) {
                r = table_fall_back(table, PLACEMENT_KERNEL_VFIO, r);
                if (r < 0 && made) {
                        window_remove(t, container, table->bus_offset);
                        table->window_container = -EBADF;
                }
                return r;
        }
        table->n_writable = 0;
        return table->reported ? 0 : table_report(table, PLACEMENT_KERNEL_VFIO, 0);
}
