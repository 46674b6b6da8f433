#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tcectl run: a stock QEMU by hand, its windows registered by its words. Rules see its devices by their names; what QEMU plugs in later is asked
# for; and whatever it makes otherwise than its words say goes on all the same.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"
# shellcheck source=tests/power/qemu-lib.sh
source "$POWER_HOST_TESTS/qemu-lib.sh"

cap=()
[[ $POWER_HOST_KIND != powernv9 ]] || cap=(-machine "cap-ail-mode-3=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off")
# hand NAME WORDS...: a QEMU of this name, stopped before its guest runs; its PID is $hand.
hand() {
        tcectl run --name "$1" -- qemu-system-ppc64 -machine pseries -accel kvm "${cap[@]}" -m 256 -nodefaults -display none -S \
                -serial null -monitor pipe:/tmp/monitor "${@:2}" >/tmp/out 2>&1 &
        hand=$!
}
tables_are() { [[ "$(real_maps $hand) $(memfds $hand)" == "$1" ]]; }
of_machine() { tcectl machines "$1" | tr -s ' '; }
no_machine() { [[ $(tcectl machines) != *"$1"* ]]; }
end() {
        kill $hand
        wait $hand
        wait_for 5 no_machine "$1"
        ok $? "$1: gone with its process"
}
mkfifo /tmp/monitor.in /tmp/monitor.out
start_tced
ok $? "systemctl start tced"

rule 'Device=uplink'
hand named -device spapr-vlan,netdev=n,id=uplink -netdev user,id=n -device spapr-vlan,netdev=m -netdev user,id=m
wait_for 30 tables_are "512 2048 512"
ok $? "named: its PHB and one card in the kernel, the other in QEMU, by its name" || { echo "# $(real_maps $hand), $(memfds $hand)"; cat /tmp/out; }
like "$(of_machine named)" '*uplink*l-lan@71000003*' "named: tced knows its devices" || of_machine named | sed 's/^/# /'
like "$(tcectl audit --json=short named)" '*"basis":"machine","verdict":"as-planned"*' "named: the audit finds it as planned" ||
        tcectl audit named | sed 's/^/# /'
is "$(grep -c tced: /tmp/out)" 0 "named: nothing to say" || cat /tmp/out
end named
no_rule

rule 'Kind=vio'
hand byhand -device spapr-vlan,netdev=n -netdev user,id=n
wait_for 30 tables_are "2048 512"
ok $? "byhand: its PHB in the kernel, its spapr-vlan in QEMU" || { echo "# $(real_maps $hand), $(memfds $hand)"; cat /tmp/out; }
end byhand
no_rule

# A PHB that comes by QMP: nothing knew of it, and its table is asked for.
rule 'Kind=pci'
hand plugs
wait_for 30 tables_are " 2048"
ok $? "plugs: one table, in QEMU" || { echo "# $(real_maps $hand), $(memfds $hand)"; cat /tmp/out; }
echo "device_add spapr-pci-host-bridge,index=2,id=late" >/tmp/monitor.in
wait_for 10 tables_are " 2048 2048"
ok $? "plugs: a PHB that is plugged in has its table in QEMU too" || { echo "# $(real_maps $hand), $(memfds $hand)"; timeout 2 cat /tmp/monitor.out /tmp/out; }
like "$(of_machine plugs)" '*80000200*' "plugs: tced knows it" || of_machine plugs | sed 's/^/# /'
end plugs
no_rule

# Words that tced can't read whole.
printf '[device "n"]\n  driver = "spapr-vlan"\n' >/tmp/vm.conf
hand config -readconfig /tmp/vm.conf
wait_for 30 tables_are "512 2048 "
ok $? "config: with a file of options it runs, and each table is asked for" || { echo "# $(real_maps $hand), $(memfds $hand)"; cat /tmp/out; }
like "$(of_machine config)" '*71000001*' "config: tced knows it" || of_machine config | sed 's/^/# /'
end config

! tcectl run -- /nonexistent/qemu 2>/tmp/out
ok $? "no such program"
like "$(cat /tmp/out)" '*/nonexistent/qemu*' "by name"
hand refused -device nonsense
wait $hand
ok $((! $?)) "QEMU refuses its words: so does tcectl run"
wait_for 5 no_machine refused
ok $? "and nothing is left of it"
systemctl stop tced
tcectl run --name away -- qemu-system-ppc64 --version >/tmp/out 2>&1
ok $? "tced does not run: the VM does" || cat /tmp/out
like "$(cat /tmp/out)" '*runs without it*QEMU emulator version*' "and it is said" || cat /tmp/out
finish
