#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tced is killed, again and again, while a stock QEMU on its tables moves data through them, and small VMMs beside it: nobody notices.
set -u
shopt -s extglob
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"
# shellcheck source=tests/power/qemu-lib.sh
source "$POWER_HOST_TESTS/qemu-lib.sh"
# shellcheck source=tests/power/restart-lib.sh
source "$POWER_HOST_TESTS/restart-lib.sh"

start_tced
ok $? "systemctl start tced"
mkdir -p $rules
printf '%s\n' '[Match]' 'Kind=vio' '[Policy]' 'Accel=user' >$rules/50-vio.rule
rule 'Liobn=0x800001*'

# A disk on a PHB whose table is in the kernel is copied to one on a PHB whose table is in QEMU. Without 64-bit windows each page that is
# moved is a hypercall. So slow that the copy lasts as long as it should; what was read, and so mapped, shows that it goes on.
head -c 16M /dev/urandom >/tmp/a.img
truncate -s 16M /tmp/b.img
hand stock "modules=virtio_pci,virtio_blk copy=vda:vdb stay" -global spapr-pci-host-bridge.ddw=off -device spapr-pci-host-bridge,index=1,id=p1 \
        -drive if=none,id=a,format=raw,file=/tmp/a.img,throttling.bps-read=65536 -drive if=none,id=b,format=raw,file=/tmp/b.img \
        -device virtio-blk-pci,drive=a,disable-legacy=on,iommu_platform=on,bus=pci.0 -device virtio-blk-pci,drive=b,disable-legacy=on,iommu_platform=on,bus=p1.0
wait_for 240 reading stock a 500000
ok $? "a stock QEMU's guest copies a disk" || { cat /tmp/stock.log; tail -n 20 /tmp/stock.console; }
is "$(real_maps $hand) $(memfds $hand)" "2048 2048" "with a table in the kernel and one in QEMU"
start_vmms

before=$(machines)
for pid in "${pids[@]}" $hand; do tables "$pid"; done >"$logs/tables.before"
[[ $(wc -l <"$logs/tables.before") -ge $((2 * (${#names[@]} + 1))) ]]
ok $? "each VMM has its tables mapped"
count=$(reads stock a)
for i in {1..10}; do
        killed_and_back
        ok $? "killed for the $i. time: the next request is answered by the next one"
        now=$(reads stock a)
        ((now > count)) || wait_for 20 reading stock a "$count"
        ok $? "the guest goes on"
        count=$now
done
is "$(machines)" "$before" "it knows all that was known"
for pid in "${pids[@]}" $hand; do tables "$pid"; done >"$logs/tables.after"
is "$(<"$logs/tables.after")" "$(<"$logs/tables.before")" "every VMM has the very tables that it had"
! said_by stock 'guest: copied'
ok $? "the copy was under way all the time"
hmp stock block_set_io_throttle a 0 0 0 0 0 0
wait_for 120 said_by stock 'guest: copied'
ok $? "and comes to its end" || tail -n 20 /tmp/stock.console
cmp /tmp/a.img /tmp/b.img
ok $? "whole"
is "$(complaints stock)" "" "neither QEMU nor the adapter complains"
audited stock
end_vmms
kill $hand
wait $hand
wait_for 10 stored_is 0
ok $? "the fd store is empty"
rm $rules/50-vio.rule
no_rule
! journalctl -q -u tced -o cat | grep -E 'Assertion|ABRT|SEGV|core-dump|Traceback'
ok $? "nothing in its journal that should not be"
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced
finish
