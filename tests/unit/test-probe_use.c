/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* probe_use.c and what it reads by, on made-up trees: what each way to use a disk or an interface is called, and by which address it is found;
 * and that this machine's own is read. */

#include "probe_use_internal.h"

#include <dirent.h>

#include "tap.h"
#include "tree.h"
#include "util.h"

DEFINE_POINTER_CLEANUP(NetFacts, net_facts_free, net_facts_freep)
DEFINE_POINTER_CLEANUP(UseFacts, use_facts_free, use_facts_freep)

/* A disk or a partition: its folder in sysfs, and the link to it. */
#define BLOCK(name, path, number) \
        LINK("sys/class/block/" name, "../../devices/" path), TEXT("sys/devices/" path "/dev", number "\n")
#define VIRTUAL(name, number) BLOCK(name, "virtual/block/" name, number)
#define MAPPER(name, number, dm_name, dm_uuid) \
        VIRTUAL(name, number), TEXT("sys/devices/virtual/block/" name "/dm/name", dm_name "\n"), \
                TEXT("sys/devices/virtual/block/" name "/dm/uuid", dm_uuid "\n")
#define SLAVE(name, lower) LINK("sys/devices/virtual/block/" name "/slaves/" lower, "x")
#define UDEV(number, text) TEXT("run/udev/data/b" number, text)
#define MOUNTS(text) TEXT("proc/1/mountinfo", text)
#define SWAPS(text) TEXT("proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" text)
#define MOUNT(number, where, type, source) "30 1 " number " / " where " rw,relatime shared:1 - " type " " source " rw\n"

#define NVME "pci0001:00/0001:00:00.0/nvme/nvme0/nvme0n1"
#define SDA "pci0002:00/0002:00:00.0/0002:01:00.0/host0/target0:0:0/0:0:0:0/block/sda"
#define SDB "pci0002:00/0002:00:00.0/0002:01:00.0/host0/target0:0:1/0:0:1:0/block/sdb"
#define SDC "pci0003:00/0003:01:00.0/host1/rport-1:0-0/target1:0:0/1:0:0:0/block/sdc"
#define USB "pci0004:00/0004:00:00.0/usb1/1-1/1-1:1.0/host2/target2:0:0/2:0:0:0/block/sdd"
#define VDA "pci0000:00/0000:00:03.0/virtio2/block/vda"

typedef struct Want {
        const char *address;
        DeviceUse use;
        const char *text, *remedy;
} Want;

#define ENTRIES_MAX 48

/* All that is wanted, in this order, and nothing else of the addresses named. */
typedef struct Case {
        const char *name;
        TreeEntry entries[ENTRIES_MAX];
        Want want[8];
        const char *free; /* addresses that nothing uses */
} Case;

#define NVME0 "0001:00:00.0"
#define HBA "0002:01:00.0"
#define HBA2 "0003:01:00.0"

static const Case cases[] = {
        {
                "a mounted partition",
                { BLOCK("nvme0n1", NVME, "259:0"), BLOCK("nvme0n1p1", NVME "/nvme0n1p1", "259:1"),
                  BLOCK("nvme0n1p2", NVME "/nvme0n1p2", "259:2"), MOUNTS(MOUNT("259:2", "/var", "ext4", "/dev/nvme0n1p2")) },
                { { NVME0, DEVICE_USE_MOUNTED, "/dev/nvme0n1p2 is mounted on /var", "umount /var" } },
                "0001:00:01.0 0001:00 nvme0",
        },
        {
                "several mounts of one, the last first",
                { BLOCK("nvme0n1", NVME, "259:0"), MOUNTS(MOUNT("259:0", "/a", "xfs", "/dev/nvme0n1") MOUNT("259:0", "/b", "xfs", "/dev/nvme0n1")
                  MOUNT("259:0", "/c", "xfs", "/dev/nvme0n1") MOUNT("259:0", "/d", "xfs", "/dev/nvme0n1")) },
                { { NVME0, DEVICE_USE_MOUNTED, "/dev/nvme0n1 is mounted on /a and 3 more", "umount /d /c /b /a" } },
        },
        {
                "the root is what is told of",
                { BLOCK("vda", VDA, "254:0"), MOUNTS(MOUNT("254:0", "/snap", "ext4", "/dev/vda") MOUNT("254:0", "/", "ext4", "/dev/vda")) },
                { { "0000:00:03.0", DEVICE_USE_MOUNTED, "/dev/vda is mounted on / and 1 more", "boot this host from another disk" } },
        },
        {
                "a path with blanks and a quote",
                { BLOCK("sdd", USB, "8:48"), BLOCK("sdd1", USB "/sdd1", "8:49"),
                  MOUNTS(MOUNT("8:49", "/media/Anna's\\040stick\\011x", "vfat", "/dev/sdd1") MOUNT("8:49", "/media/Anna's\\040disk", "vfat", "/dev/sdd1")) },
                { { "0004:00:00.0", DEVICE_USE_MOUNTED, "/dev/sdd1 is mounted on /media/Anna's stick?x and 1 more", "umount --all-targets /dev/sdd1" } },
        },
        {
                "a path to be quoted",
                { BLOCK("sdd", USB, "8:48"), MOUNTS(MOUNT("8:48", "/media/Anna's\\040disk\\134", "vfat", "/dev/sdd")) },
                { { "0004:00:00.0", DEVICE_USE_MOUNTED, "/dev/sdd is mounted on /media/Anna's disk\\", "umount '/media/Anna'\\''s disk\\'" } },
        },
        {
                "a path that a terminal would obey",
                { BLOCK("sdd", USB, "8:48"), MOUNTS(MOUNT("8:48", "/m/\033[31m\xc2\x9b\xe2\x80\xae\xff\xc3\xa4", "vfat", "/dev/sdd")) },
                { { "0004:00:00.0", DEVICE_USE_MOUNTED, "/dev/sdd is mounted on /m/?[31m???\xc3\xa4", "umount --all-targets /dev/sdd" } },
        },
        {
                "swap space; a file of it is its file system's",
                { BLOCK("nvme0n1", NVME, "259:0"), BLOCK("nvme0n1p3", NVME "/nvme0n1p3", "259:3"), BLOCK("vda", VDA, "254:0"),
                  MOUNTS(MOUNT("254:0", "/srv", "ext4", "/dev/vda")),
                  SWAPS("/dev/nvme0n1p3                          partition\t8388604\t\t0\t\t-2\n/srv/swap\\040file                       file\t\t1024\t0\t-3\n") },
                { { NVME0, DEVICE_USE_SWAP, "/dev/nvme0n1p3 is swap space", "swapoff /dev/nvme0n1p3" },
                  { "0000:00:03.0", DEVICE_USE_MOUNTED, "/dev/vda is mounted on /srv", "umount /srv" } },
        },
        {
                "mountinfo of process 1 can't be read",
                { BLOCK("vda", VDA, "254:0"), TEXT("proc/self/mountinfo", MOUNT("254:0", "/srv", "ext4", "/dev/vda")) },
                { { "0000:00:03.0", DEVICE_USE_MOUNTED, "/dev/vda is mounted on /srv", "umount /srv" } },
        },
        {
                "that of process 1 is what counts",
                { BLOCK("vda", VDA, "254:0"), MOUNTS(MOUNT("0:5", "/dev", "devtmpfs", "devtmpfs")),
                  TEXT("proc/self/mountinfo", MOUNT("254:0", "/srv", "ext4", "/dev/vda")) },
                {},
                "0000:00:03.0",
        },
        {
                "an HBA with several disks",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdb", SDB, "8:16"), BLOCK("sdc", SDC, "8:32"),
                  MOUNTS(MOUNT("8:16", "/b", "ext4", "/dev/sdb") MOUNT("8:0", "/a", "ext4", "/dev/sda")) },
                { { HBA, DEVICE_USE_MOUNTED, "/dev/sda is mounted on /a", "umount /a" },
                  { HBA, DEVICE_USE_MOUNTED, "/dev/sdb is mounted on /b", "umount /b" } },
                "0002:00:00.0 " HBA2,
        },
        {
                "btrfs on two disks has no number of its own",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdc", SDC, "8:32"), BLOCK("vda", VDA, "254:0"),
                  LINK("sys/fs/btrfs/1111/devices/vda", "x"), LINK("sys/fs/btrfs/2222/devices/sda", "x"), LINK("sys/fs/btrfs/2222/devices/sdc", "x"),
                  DIRECTORY("sys/fs/btrfs/features"), MOUNTS(MOUNT("0:45", "/data", "btrfs", "/dev/sdc")) },
                { { HBA, DEVICE_USE_MOUNTED, "/dev/sda is mounted on /data", "umount /data" },
                  { HBA2, DEVICE_USE_MOUNTED, "/dev/sdc is mounted on /data", "umount /data" } },
                "0000:00:03.0",
        },
        {
                "bcachefs names its devices",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdc", SDC, "8:32"), MOUNTS(MOUNT("0:45", "/data", "bcachefs", "/dev/sda:/dev/sdc")) },
                { { HBA, DEVICE_USE_MOUNTED, "/dev/sda is mounted on /data", "umount /data" },
                  { HBA2, DEVICE_USE_MOUNTED, "/dev/sdc is mounted on /data", "umount /data" } },
        },
        {
                "an XFS with its log elsewhere",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdc", SDC, "8:32"),
                  MOUNTS("30 1 8:0 / /data rw - xfs /dev/sda rw,attr2,logdev=/dev/sdc,noquota\n") },
                { { HBA, DEVICE_USE_MOUNTED, "/dev/sda is mounted on /data", "umount /data" },
                  { HBA2, DEVICE_USE_MOUNTED, "/dev/sdc is mounted on /data", "umount /data" } },
        },
        {
                "a source by udev's name of it",
                { BLOCK("sda", SDA, "8:0"), UDEV("8:0", "S:disk/by-uuid/77\nS:data/x\nI:1\nE:ID_FS_TYPE=btrfs\n"),
                  MOUNTS(MOUNT("0:45", "/data", "btrfs", "/dev/disk/by-uuid/77")) },
                { { HBA, DEVICE_USE_MOUNTED, "/dev/sda is mounted on /data", "umount /data" } },
        },
        {
                "what has no device",
                { BLOCK("sda", SDA, "8:0"), MOUNTS(MOUNT("0:5", "/proc", "proc", "proc") MOUNT("0:6", "/x", "9p", "/dev/none") "torn\n"
                  MOUNT("0:45", "/n", "nfs", "host:/sda") "1 2 8:0\n"), SWAPS("") },
                {},
                HBA,
        },
        {
                "multipath, LVM on it, its root mounted",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdc", SDC, "8:32"), SLAVE("dm-0", "sda"), SLAVE("dm-0", "sdc"),
                  MAPPER("dm-0", "253:0", "mpatha", "mpath-3600"), SLAVE("dm-1", "dm-0"),
                  MAPPER("dm-1", "253:1", "mpatha3", "part3-mpath-3600"), SLAVE("dm-2", "dm-1"), SLAVE("dm-3", "dm-1"),
                  SLAVE("dm-4", "dm-1"), MAPPER("dm-2", "253:2", "vg-root", "LVM-x"), MAPPER("dm-3", "253:3", "vg-swap", "LVM-y"),
                  MAPPER("dm-4", "253:4", "vg-idle", "LVM-z"), MOUNTS(MOUNT("253:2", "/", "ext4", "/dev/mapper/vg-root")),
                  SWAPS("/dev/dm-3 partition 1 0 -2\n") },
                { { HBA, DEVICE_USE_MOUNTED, "/dev/sda holds /dev/mapper/vg-root, mounted on /", "boot this host from another disk" },
                  { HBA, DEVICE_USE_SWAP, "/dev/sda holds /dev/mapper/vg-swap, which is swap space", "swapoff /dev/mapper/vg-swap" },
                  { HBA, DEVICE_USE_LVM, "/dev/sda is a physical volume of LVM with /dev/mapper/vg-idle active", "vgchange -an vg" },
                  { HBA2, DEVICE_USE_MOUNTED, "/dev/sdc holds /dev/mapper/vg-root, mounted on /", "boot this host from another disk" },
                  { HBA2, DEVICE_USE_SWAP, "/dev/sdc holds /dev/mapper/vg-swap, which is swap space", "swapoff /dev/mapper/vg-swap" },
                  { HBA2, DEVICE_USE_LVM, "/dev/sdc is a physical volume of LVM with /dev/mapper/vg-idle active", "vgchange -an vg" } },
        },
        {
                "a multipath map that nothing uses",
                { BLOCK("sda", SDA, "8:0"), SLAVE("dm-0", "sda"), MAPPER("dm-0", "253:0", "mpath a", "mpath-3600") },
                { { HBA, DEVICE_USE_DM, "/dev/sda is part of /dev/mapper/mpath\\x20a", "multipath -f 'mpath a'" } },
        },
        {
                "an encrypted disk that is open, and a map of unknown kind",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdc", SDC, "8:32"), SLAVE("dm-0", "sda"), MAPPER("dm-0", "253:0", "safe", "CRYPT-LUKS2-1-safe"),
                  SLAVE("dm-1", "sdc"), MAPPER("dm-1", "253:1", "x", "\n") },
                { { HBA, DEVICE_USE_DM, "/dev/sda is part of /dev/mapper/safe", "cryptsetup close safe" },
                  { HBA2, DEVICE_USE_DM, "/dev/sdc is part of /dev/mapper/x", "dmsetup remove x" } },
        },
        {
                "volumes of a group with dashes",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sda3", SDA "/sda3", "8:3"), SLAVE("dm-0", "sda3"), SLAVE("dm-1", "sda3"),
                  MAPPER("dm-0", "253:0", "my--vg-a--b", "LVM-1"), MAPPER("dm-1", "253:1", "my--vg-c", "LVM-2"), UDEV("8:3", "E:ID_FS_TYPE=LVM2_member\n") },
                { { HBA, DEVICE_USE_LVM, "/dev/sda3 is a physical volume of LVM with /dev/mapper/my--vg-a--b and 1 more active", "vgchange -an my-vg" } },
        },
        {
                "RAIDs: one mounted by its partition, one not",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdb", SDB, "8:16"), BLOCK("sdc", SDC, "8:32"), SLAVE("md127", "sda"), SLAVE("md126", "sdb"),
                  VIRTUAL("md127", "9:127"), DIRECTORY("sys/devices/virtual/block/md127/md"), VIRTUAL("md126", "9:126"),
                  DIRECTORY("sys/devices/virtual/block/md126/md"), BLOCK("md127p1", "virtual/block/md127/md127p1", "259:9"),
                  BLOCK("md126p1", "virtual/block/md126/md126p1", "259:8"), MOUNTS(MOUNT("259:9", "/data", "ext4", "/dev/md127p1")) },
                { { HBA, DEVICE_USE_MOUNTED, "/dev/sda holds /dev/md127p1, mounted on /data", "umount /data" },
                  { HBA, DEVICE_USE_MD, "/dev/sdb is a member of the RAID /dev/md126", "mdadm --stop /dev/md126" } },
                HBA2,
        },
        {
                "members of what nobody has assembled",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdb", SDB, "8:16"), BLOCK("sdc", SDC, "8:32"), BLOCK("vda", VDA, "254:0"),
                  UDEV("8:0", "E:ID_FS_TYPE=LVM2_member\n"), UDEV("8:16", "E:ID_FS_TYPE=linux_raid_member\n"),
                  UDEV("8:32", "E:ID_FS_TYPE=isw_raid_member\n"), UDEV("254:0", "S:vda\nE:ID_FS_TYPE=ext4\nE:ID_FS_LABEL=LVM2_member\n") },
                { { HBA, DEVICE_USE_MD, "/dev/sdb is a member of a RAID that is not assembled", USE_REMEDY_FORCE },
                  { HBA, DEVICE_USE_LVM, "/dev/sda is a physical volume of LVM, none of it active", USE_REMEDY_FORCE },
                  { HBA2, DEVICE_USE_MD, "/dev/sdc is a member of a RAID that is not assembled", USE_REMEDY_FORCE } },
                "0000:00:03.0",
        },
        {
                "ZFS, imported and not; Ceph",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdc", SDC, "8:32"), BLOCK("vda", VDA, "254:0"), TEXT("proc/spl/kstat/zfs/tank/state", "ONLINE\n"),
                  UDEV("8:0", "E:ID_FS_LABEL=tank\nE:ID_FS_TYPE=zfs_member\n"), UDEV("8:32", "E:ID_FS_LABEL=old\nE:ID_FS_TYPE=zfs_member\n"),
                  UDEV("254:0", "E:ID_FS_TYPE=ceph_bluestore\n") },
                { { HBA, DEVICE_USE_MEMBER, "/dev/sda is part of the ZFS pool tank, imported", "zpool export tank" },
                  { HBA2, DEVICE_USE_MEMBER, "/dev/sdc is part of the ZFS pool old, not imported", USE_REMEDY_FORCE },
                  { "0000:00:03.0", DEVICE_USE_MEMBER, "/dev/vda belongs to Ceph", USE_REMEDY_FORCE } },
        },
        {
                "bcache, DRBD, a loop device on a disk",
                { BLOCK("sda", SDA, "8:0"), BLOCK("sdc", SDC, "8:32"), BLOCK("vda", VDA, "254:0"), SLAVE("bcache0", "sda"), VIRTUAL("bcache0", "252:0"),
                  SLAVE("drbd5", "sdc"), VIRTUAL("drbd5", "147:5"), VIRTUAL("loop3", "7:3"), UDEV("8:0", "E:ID_FS_TYPE=bcache\n"),
                  TEXT("sys/devices/virtual/block/loop3/loop/backing_file", "/dev/vda\n"), VIRTUAL("loop4", "7:4"),
                  TEXT("sys/devices/virtual/block/loop4/loop/backing_file", "/srv/image\n") },
                { { HBA, DEVICE_USE_MEMBER, "/dev/sda is part of /dev/bcache0", "echo 1 >/sys/block/bcache0/bcache/stop" },
                  { HBA2, DEVICE_USE_MEMBER, "/dev/sdc is part of /dev/drbd5", "drbdsetup detach 5" },
                  { "0000:00:03.0", DEVICE_USE_MEMBER, "/dev/vda is part of /dev/loop3", "losetup --detach /dev/loop3" } },
        },
        {
                "a loop device on a disk, mounted",
                { BLOCK("vda", VDA, "254:0"), VIRTUAL("loop3", "7:3"), TEXT("sys/devices/virtual/block/loop3/loop/backing_file", "/dev/vda\n"),
                  MOUNTS(MOUNT("7:3", "/mnt", "ext4", "/dev/loop3")) },
                { { "0000:00:03.0", DEVICE_USE_MOUNTED, "/dev/vda holds /dev/loop3, mounted on /mnt", "umount /mnt" } },
        },
        {
                "NVMe by two paths: both controllers",
                { BLOCK("nvme0n1", "virtual/nvme-subsystem/nvme-subsys0/nvme0n1", "259:0"),
                  BLOCK("nvme0n1p1", "virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p1", "259:1"),
                  LINK("sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0", "../../../pci0001:00/0001:00:00.0/nvme/nvme0"),
                  LINK("sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme1", "../../../pci0002:00/0002:00:00.0/0002:01:00.0/nvme/nvme1"),
                  LINK("sys/class/block/nvme0c0n1", "../../devices/pci0001:00/0001:00:00.0/nvme/nvme0/nvme0c0n1"),
                  DIRECTORY("sys/devices/pci0001:00/0001:00:00.0/nvme/nvme0/nvme0c0n1"), MOUNTS(MOUNT("259:1", "/srv", "ext4", "/dev/nvme0n1p1")) },
                { { NVME0, DEVICE_USE_MOUNTED, "/dev/nvme0n1p1 is mounted on /srv", "umount /srv" },
                  { HBA, DEVICE_USE_MOUNTED, "/dev/nvme0n1p1 is mounted on /srv", "umount /srv" } },
                "0002:00:00.0",
        },
        {
                "a name with a slash",
                { BLOCK("cciss!c0d0", "pci0001:00/0001:00:00.0/cciss0/c0d0/block/cciss!c0d0", "104:0"),
                  MOUNTS(MOUNT("104:0", "/srv", "ext4", "/dev/cciss/c0d0")) },
                { { NVME0, DEVICE_USE_MOUNTED, "/dev/cciss/c0d0 is mounted on /srv", "umount /srv" } },
        },
        {
                "behind a device with a PCI bus of its own: both",
                { BLOCK("nvme0n1", "pci0000:00/0000:00:0e.0/pci10000:e0/10000:e0:01.0/10000:e1:00.0/nvme/nvme0/nvme0n1", "259:0"),
                  MOUNTS(MOUNT("259:0", "/srv", "ext4", "/dev/nvme0n1")) },
                { { "0000:00:0e.0", DEVICE_USE_MOUNTED, "/dev/nvme0n1 is mounted on /srv", "umount /srv" },
                  { "10000:e1:00.0", DEVICE_USE_MOUNTED, "/dev/nvme0n1 is mounted on /srv", "umount /srv" } },
                "10000:e0:01.0",
        },
        {
                "a disk by two VFs is their PF's, too, once",
                { BLOCK("nvme1n1", "virtual/nvme-subsystem/nvme-subsys1/nvme1n1", "259:5"),
                  LINK("sys/devices/virtual/nvme-subsystem/nvme-subsys1/nvme1", "../../../pci0001:00/0001:00:00.1/nvme/nvme1"),
                  LINK("sys/devices/virtual/nvme-subsystem/nvme-subsys1/nvme2", "../../../pci0001:00/0001:00:00.2/nvme/nvme2"),
                  LINK("sys/bus/pci/devices/0001:00:00.1/physfn", "../0001:00:00.0"), LINK("sys/bus/pci/devices/0001:00:00.2/physfn", "../0001:00:00.0"),
                  MOUNTS(MOUNT("259:5", "/srv", "ext4", "/dev/nvme1n1")) },
                { { NVME0, DEVICE_USE_MOUNTED, "/dev/nvme1n1 is mounted on /srv", "umount /srv" },
                  { "0001:00:00.1", DEVICE_USE_MOUNTED, "/dev/nvme1n1 is mounted on /srv", "umount /srv" },
                  { "0001:00:00.2", DEVICE_USE_MOUNTED, "/dev/nvme1n1 is mounted on /srv", "umount /srv" } },
        },
        {
                "slaves that go round",
                { BLOCK("sda", SDA, "8:0"), SLAVE("dm-0", "sda"), MAPPER("dm-0", "253:0", "a", "x"), SLAVE("dm-1", "dm-0"),
                  MAPPER("dm-1", "253:1", "b", "x"), SLAVE("dm-0", "dm-1"), SLAVE("gone", "dm-1"),
                  MOUNTS(MOUNT("253:1", "/b", "ext4", "/dev/mapper/b")) },
                { { HBA, DEVICE_USE_MOUNTED, "/dev/sda holds /dev/mapper/b, mounted on /b", "umount /b" } },
        },
        { "no disks", { DIRECTORY("sys/class"), MOUNTS(MOUNT("8:0", "/b", "ext4", "/dev/sda")) }, {}, HBA },
};

/* The facts of the addresses that are wanted, each once and in order. */
static bool same(const UseFacts *facts, const Want *want, size_t n_want) {
        bool ok = true;

        for (size_t i = 0; i < n_want;) {
                size_t n;
                const DeviceUseFact *have = use_facts_find(facts, want[i].address, &n);
                const char *address = want[i].address;

                for (size_t j = 0; j < n || (i < n_want && streq(want[i].address, address)); j++) {
                        const Want *w = i < n_want && streq(want[i].address, address) ? &want[i++] : NULL;

                        if (w && j < n && have[j].use == w->use && streq(have[j].text, w->text) && streq(have[j].remedy, w->remedy))
                                continue;
                        printf("# %s\n#   have %s '%s' '%s'\n#   want %s '%s' '%s'\n", address,
                               j < n ? device_use_to_string(have[j].use) : "-", j < n ? have[j].text : "", j < n ? have[j].remedy : "",
                               w ? device_use_to_string(w->use) : "-", w ? w->text : "", w ? w->remedy : "");
                        ok = false;
                }
        }
        return ok;
}

static UseFacts *read_tree(const Tree *tree, const NetFacts *net) {
        char sys[128], proc[128], run[128];
        UseFacts *facts = NULL;

        (void) snprintf(sys, sizeof(sys), "%s/sys", tree->path);
        (void) snprintf(proc, sizeof(proc), "%s/proc", tree->path);
        (void) snprintf(run, sizeof(run), "%s/run", tree->path);
        return use_facts_read(sys, proc, run, net, &facts) < 0 ? NULL : facts;
}

static bool all_free(const UseFacts *facts, const char *addresses) {
        char list[128];
        bool ok = true;
        size_t n;

        (void) snprintf(list, sizeof(list), "%s", addresses ? addresses : "");
        for (char *address = strtok(list, " "); address; address = strtok(NULL, " "))
                ok &= !use_facts_find(facts, address, &n) && n == 0;
        return ok;
}

static void test_blocks(void) {
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(tree_remove) Tree tree = tree_new();
                _cleanup_(use_facts_freep) UseFacts *facts = NULL;
                size_t n_entries = 0, n_want = 0;

                while (n_entries < ENTRIES_MAX && cases[i].entries[n_entries].path)
                        n_entries++;
                while (n_want < ELEMENTSOF(cases[i].want) && cases[i].want[n_want].address)
                        n_want++;
                tree_add(&tree, cases[i].entries, n_entries);
                facts = read_tree(&tree, NULL);
                tap_ok(facts && same(facts, cases[i].want, n_want) && all_free(facts, cases[i].free), "%s", cases[i].name);
        }
}

/* A mount point as long as there may be, many of them, and names as long: a text is one line of at most 160, whole characters. */
static void test_long(void) {
        static char mounts[64 * 1024];
        char where[1024], *to = mounts;
        const TreeEntry entries[] = {
                BLOCK("sda", SDA, "8:0"), SLAVE("dm-0", "sda"),
                MAPPER("dm-0", "253:0", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "x"),
                BLOCK("sdc", SDC, "8:32"), { .path = "proc/1/mountinfo", .text = mounts },
        };
        static const char *const addresses[] = { HBA, HBA2 };
        _cleanup_(tree_remove) Tree tree = tree_new();
        _cleanup_(use_facts_freep) UseFacts *facts = NULL;

        for (size_t i = 0; i < 20; i++) {
                for (size_t j = 0; j < 500; j += 2)
                        memcpy(where + j, "\xc3\xa4", 2);
                (void) snprintf(where + 500, sizeof(where) - 500, "%zu", i);
                to += sprintf(to, "30 1 %s / /%s%s rw - ext4 x rw\n", i % 2 ? "253:0" : "8:32", i % 3 ? "x" : "", i == 7 ? "short" : where);
        }
        TREE_ADD(&tree, entries);
        facts = read_tree(&tree, NULL);
        for (size_t i = 0; i < ELEMENTSOF(addresses); i++) {
                size_t n;
                const DeviceUseFact *fact = use_facts_find(facts, addresses[i], &n);

                if (!tap_ok(n == 1 && strlen(fact->text) < USE_TEXT_MAX && utf8_valid(fact->text) && strstr(fact->text, " and 9 more"),
                            "long names, %s", addresses[i]))
                        printf("# '%s'\n", n > 0 ? fact->text : "");
                tap_ok(n == 1 && strlen(fact->remedy) < USE_TEXT_MAX && utf8_valid(fact->remedy), "and what is to be typed");
                printf("# %s\n# %s\n", n > 0 ? fact->text : "", n > 0 ? fact->remedy : "");
        }
}

#define NET(name, address) LINK("sys/class/net/" name, "../../devices/pci0001:00/" address "/net/" name)
#define LINK_OF(n, i, ...) { .name = (char *) (n), .index = (i), .up = true, __VA_ARGS__ }
#define OF_KIND(k) .kind = (char *) (k)

static const TreeEntry net_tree[] = {
        NET("eno1", "0001:01:00.0"), NET("eno2", "0001:01:00.1"), NET("eno3", "0001:01:00.2"), NET("eno4", "0001:01:00.3"),
        NET("eno5", "0001:01:00.4"), NET("eno6", "0001:01:00.5"), NET("eno7", "0001:01:00.6"), NET("eno8", "0001:01:00.7"),
        NET("vf0", "0001:02:00.0"), NET("vf1", "0001:02:00.1"), NET("pf", "0001:03:00.0"),
        LINK("sys/class/net/virtio0", "../../devices/pci0001:00/0001:04:00.0/virtio3/net/virtio0"),
        LINK("sys/bus/pci/devices/0001:02:00.0/physfn", "../0001:03:00.0"), LINK("sys/bus/pci/devices/0001:02:00.1/physfn", "../0001:03:00.0"),
        LINK("sys/class/net/br0", "../../devices/virtual/net/br0"), LINK("sys/class/net/tap0", "../../devices/virtual/net/tap0"),
        TEXT("sys/class/net/bonding_masters", "bond0\n"),
        /* as sysfs has it; tap0 is no device's */
        LINK("sys/devices/pci0001:00/0001:01:00.0/net/eno1/master", "../../../../virtual/net/br0"), DIRECTORY("sys/devices/virtual/net/br0/bridge"),
        LINK("sys/devices/pci0001:00/0001:01:00.1/net/eno2/master", "../../../../virtual/net/bond0"), DIRECTORY("sys/devices/virtual/net/bond0/bonding"),
        LINK("sys/devices/pci0001:00/0001:01:00.2/net/eno3/master", "../../../../virtual/net/team0"),
        LINK("sys/devices/pci0001:00/0001:01:00.4/net/eno5/master", "../../../../virtual/net/ovs-system"),
        LINK("sys/devices/virtual/net/tap0/master", "../br0"), DIRECTORY("sys/devices/pci0001:00/0001:01:00.6/net/eno7"),
};

static const NetLink net_links[] = {
        LINK_OF("br0", 100, OF_KIND("bridge")), LINK_OF("bond0", 101, OF_KIND("bond")), LINK_OF("team0", 102, OF_KIND("team")),
        LINK_OF("red", 103, OF_KIND("vrf")), LINK_OF("ovs-system", 104, OF_KIND("openvswitch")), LINK_OF("prp0", 105, OF_KIND("hsr")),
        LINK_OF("eno1", 1, .master = 100), LINK_OF("eno2", 2, .master = 101), LINK_OF("eno3", 3, .master = 102), LINK_OF("eno4", 4, .master = 103),
        LINK_OF("eno5", 5, .master = 104), LINK_OF("eno6", 6, .master = 105), LINK_OF("eno7", 7), LINK_OF("eno8", 8),
        LINK_OF("vf0", 9, .master = 100), LINK_OF("vf1", 10), LINK_OF("pf", 11), LINK_OF("virtio0", 12), LINK_OF("tap0", 13, .master = 100),
        LINK_OF("vtap1", 20, OF_KIND("macvtap"), .lower = 7), LINK_OF("vtap0", 21, OF_KIND("macvtap"), .lower = 7),
        { .name = (char *) "eno8.7", .index = 22, .kind = (char *) "vlan", .lower = 8 }, LINK_OF("eno9", 23), LINK_OF("virtio0.5", 24, OF_KIND("vlan"), .lower = 12),
};

static void test_links(void) {
        static const Want want[] = {
                { "0001:01:00.0", DEVICE_USE_BRIDGE, "eno1 is a port of the bridge br0", "ip link set eno1 nomaster" },
                { "0001:01:00.1", DEVICE_USE_BOND, "eno2 is a member of the bond bond0", "ip link set eno2 nomaster" },
                { "0001:01:00.1", DEVICE_USE_DEFAULT_ROUTE, "eno2 carries the IPv6 default route through bond0 (table 100)",
                  "ip -6 route del default dev bond0 table 100" },
                { "0001:01:00.2", DEVICE_USE_PORT, "eno3 is a port of the team team0", "ip link set eno3 nomaster" },
                { "0001:01:00.3", DEVICE_USE_PORT, "eno4 is in the VRF red", "ip link set eno4 nomaster" },
                { "0001:01:00.4", DEVICE_USE_BRIDGE, "eno5 is a port of an Open vSwitch bridge", "ovs-vsctl del-port eno5" },
                { "0001:01:00.5", DEVICE_USE_PORT, "eno6 is a port of prp0", "ip link set eno6 nomaster" },
                { "0001:01:00.6", DEVICE_USE_PORT, "eno7 carries vtap0 (macvtap) and 1 more, which are up", "ip link set vtap0 down" },
                { "0001:02:00.0", DEVICE_USE_BRIDGE, "vf0 is a port of the bridge br0", "ip link set vf0 nomaster" },
                { "0001:02:00.1", DEVICE_USE_DEFAULT_ROUTE, "vf1 carries the default route", "ip route del default dev vf1" },
                { "0001:03:00.0", DEVICE_USE_BRIDGE, "vf0 is a port of the bridge br0", "ip link set vf0 nomaster" },
                { "0001:03:00.0", DEVICE_USE_DEFAULT_ROUTE, "vf1 carries the default route", "ip route del default dev vf1" },
                { "0001:04:00.0", DEVICE_USE_PORT, "virtio0 carries virtio0.5 (vlan), which is up", "ip link set virtio0.5 down" },
                { "0001:04:00.0", DEVICE_USE_DEFAULT_ROUTE, "virtio0 carries the default route through virtio0.5", "ip route del default dev virtio0.5" },
        };
        static const Want by_sysfs[] = {
                { "0001:01:00.0", DEVICE_USE_BRIDGE, "eno1 is a port of the bridge br0", "ip link set eno1 nomaster" },
                { "0001:01:00.1", DEVICE_USE_BOND, "eno2 is a member of the bond bond0", "ip link set eno2 nomaster" },
                { "0001:01:00.2", DEVICE_USE_PORT, "eno3 is a port of team0", "ip link set eno3 nomaster" },
                { "0001:01:00.4", DEVICE_USE_BRIDGE, "eno5 is a port of an Open vSwitch bridge", "ovs-vsctl del-port eno5" },
        };
        _cleanup_(tree_remove) Tree tree = tree_new();
        _cleanup_(use_facts_freep) UseFacts *facts = NULL, *without = NULL;
        _cleanup_(net_facts_freep) NetFacts *net = NULL;
        size_t n;
        int r = net_facts_new(&net);

        TREE_ADD(&tree, net_tree);
        for (size_t i = 0; i < ELEMENTSOF(net_links) && r >= 0; i++)
                r = net_facts_add(net, &net_links[i]);
        if (r < 0 || net_facts_add_default_route(net, 101, NET_ROUTE_V6, 100) < 0 ||
            net_facts_add_default_route(net, 10, NET_ROUTE_V4, NET_TABLE_MAIN) < 0 || net_facts_add_default_route(net, 10, NET_ROUTE_V6, NET_TABLE_MAIN) < 0 ||
            net_facts_add_default_route(net, 24, NET_ROUTE_V4, NET_TABLE_MAIN) < 0 || net_facts_settle(net) < 0)
                exit(EXIT_FAILURE);
        facts = read_tree(&tree, net);
        tap_ok(facts && same(facts, want, ELEMENTSOF(want)), "interfaces: ports, what stands on them, default routes");
        tap_ok(all_free(facts, "0001:01:00.7 0001:05:00.0"), "one with a VLAN that is down is free");
        without = read_tree(&tree, NULL);
        tap_ok(without && same(without, by_sysfs, ELEMENTSOF(by_sysfs)) && all_free(without, "0001:01:00.6 0001:01:00.3"),
               "where netlink says nothing");
        tap_ok(!use_facts_find(NULL, "0001:01:00.0", &n) && n == 0, "where nothing is known at all");
}

static void test_show(void) {
        const char *text = "/srv/\xe2\x82\xac\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7\xe2\x82\xac\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\xa7/x";
        char buf[128], command[USE_TEXT_MAX];
        bool ok = true;

        for (size_t max = 8; max < 64; max++) {
                (void) use_show(text, buf, max);
                ok &= strlen(buf) <= max && utf8_valid(buf) && !strchr(buf, '?') && (strlen(text) <= max) == streq(buf, text);
        }
        tap_ok(ok, "a text is cut between characters");
        use_command(command, "umount");
        tap_ok(!use_append_word(command, "/\033[2J") && !use_append_word(command, "") && streq(command, "umount"), "what can't be shown is not typed");
        ok = use_append_word(command, "/a") && use_append_word(command, "/b $c") && streq(command, "umount /a '/b $c'");
        tap_ok(ok, "words are quoted where they must be");
        while (use_append_word(command, "/mnt"))
                ok &= strlen(command) < USE_TEXT_MAX;
        tap_ok(ok && strlen(command) > USE_TEXT_MAX - 6, "and no more than fit");
}

static void test_names(void) {
        bool ok = true;

        for (DeviceUse use = 0; use < _DEVICE_USE_MAX; use++)
                ok &= device_use_from_string(device_use_to_string(use)) == (int) use;
        tap_ok(ok, "every use has a name, and back");
        tap_eq(device_use_from_string("lent"), -EINVAL, "what is none");
}

/* What it says depends on the machine. */
static void test_here(void) {
        _cleanup_(net_facts_freep) NetFacts *net = NULL;
        _cleanup_(use_facts_freep) UseFacts *facts = NULL;
        DIR *dir = opendir("/sys/bus/pci/devices");
        size_t n_all = 0;

        (void) net_facts_read(&net);
        tap_eq(use_facts_read("/sys", "/proc", "/run", net, &facts), 0, "this machine is read");
        for (struct dirent *entry; dir && (entry = readdir(dir));) {
                size_t n;
                const DeviceUseFact *fact = use_facts_find(facts, entry->d_name, &n);

                for (size_t i = 0; i < n; i++)
                        printf("# %s %s: %s: %s\n", entry->d_name, device_use_to_string(fact[i].use), fact[i].text, fact[i].remedy);
                n_all += n;
        }
        if (dir)
                (void) closedir(dir);
        printf("# %zu uses in all\n", n_all);
}

int main(void) {
        test_names();
        test_show();
        test_blocks();
        test_long();
        test_links();
        test_here();
        return tap_done();
}
