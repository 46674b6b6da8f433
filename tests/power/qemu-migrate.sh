#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# A stock QEMU's guest migrates from one process to another while it moves data through its tables, in the kernel and in QEMU. The destination
# has tables of its own, where the rules say.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"
# shellcheck source=tests/power/qemu-lib.sh
source "$POWER_HOST_TESTS/qemu-lib.sh"
socket=/tmp/migration

start_tced
ok $? "systemctl start tced"
rule 'Liobn=0x80000[12]*'

# The first disk is on a PHB in the kernel, whose guest asks for a 64-bit window; so does a third device's, in QEMU. The second disk's PHB has
# none: there each page that is moved is a hypercall. So slow that the guest is amid its copy when it leaves.
MIB=512,slots=4,maxmem=4G
head -c 32M /dev/urandom >/tmp/a.img
truncate -s 0 /tmp/b.img && truncate -s 32M /tmp/b.img
migrating() { # NAME ARG...
        hand "$1" "modules=virtio_pci,virtio_blk copy=vda:vdb stay" \
                -device spapr-pci-host-bridge,index=1,ddw=off,id=p1 -device spapr-pci-host-bridge,index=2,id=p2 \
                -drive if=none,id=a,format=raw,file.locking=off,file=/tmp/a.img,throttling.bps-read=262144 \
                -drive if=none,id=b,format=raw,file.locking=off,file=/tmp/b.img \
                -device virtio-blk-pci,drive=a,disable-legacy=on,iommu_platform=on,bus=pci.0 \
                -device virtio-blk-pci,drive=b,disable-legacy=on,iommu_platform=on,bus=p1.0 \
                -device virtio-rng-pci,disable-legacy=on,iommu_platform=on,bus=p2.0 "${@:2}"
}
inodes() { awk '/memfd:tced/ { print $5 }' "/proc/$1/maps" | sort; }
as_planned() { # NAME PID
        is "$(real_maps "$2"), $(memfds "$2")" "$page 2048, $page 2048 2048" "$1: two tables in the kernel, three in QEMU" ||
                grep -E 'memfd|tce' "/proc/$2/maps" | sed 's/^/# /'
        audited "$1"
        is "$(complaints "$1")" "" "$1: neither QEMU nor the adapter complains"
}

migrating source
source=$hand
wait_for 120 reading source a 500000
ok $? "source: a guest copies a disk" || { cat /tmp/source.log; tail -n 20 /tmp/source.console; }
as_planned source "$source"
migrating destination -incoming unix:$socket
destination=$hand
listens() { [[ -S $socket ]]; }
wait_for 20 listens
ok $? "destination: waits" || cat /tmp/destination.log

hmp source migrate -d unix:$socket >/dev/null
completed() { [[ $(hmp source info migrate) == *'tatus: completed'* ]]; }
wait_for 60 completed
ok $? "it migrates" || { hmp source info migrate | sed 's/^/# /'; cat /tmp/destination.log; }
! said_by source 'guest: copied'
ok $? "amid its copy"
like "$(hmp destination info status)" '*running*' "destination: runs"
as_planned source "$source"
as_planned destination "$destination"
is "$(comm -12 <(inodes "$source") <(inodes "$destination"))" "" "no table is in both"
kill "$source"
wait "$source"
hmp destination block_set_io_throttle a 0 0 0 0 0 0 >/dev/null
wait_for 120 said_by destination 'guest: copied'
ok $? "destination: the guest goes on, to the end of its copy" || tail -n 20 /tmp/destination.console
cmp /tmp/a.img /tmp/b.img
ok $? "which is whole"
as_planned destination "$destination"
kill "$destination"
wait "$destination"
no_rule
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced
finish
