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

# starts TABLES NAME WORDS...: a QEMU of this name, stopped before its guest runs, and waited for until it has these tables. On a host as slow as this one tced does not always answer within the 500 ms that
# QEMU's start waits for it: then it has none of the plan, says so, and is started again.
starts() {
        local try
        for try in 1 2 3; do
                hand "$2" stay -S "${@:3}"
                wait_for 30 tables_are "$1"
                grep -q 'tced: machine.*timed out' "/tmp/$2.log" || break
                sed "s/^/# try $try: /" "/tmp/$2.log"
                kill "$hand"
                wait "$hand"
        done
        tables_are "$1"
        ok $? "$2: its tables in the kernel and in QEMU: $1" || { echo "# $(real_maps "$hand"), $(memfds "$hand")"; cat "/tmp/$2.log"; }
}
tables_are() { [[ "$(real_maps "$hand") $(memfds "$hand")" == "$1" ]]; }
of_machine() { tcectl machines "$1" | tr -s ' '; }
no_machine() { [[ $(tcectl machines) != *"$1"* ]]; }
end() {
        kill "$hand"
        wait "$hand"
        wait_for 5 no_machine "$1"
        ok $? "$1: gone with its process"
}

start_tced
ok $? "systemctl start tced"

rule 'Device=uplink'
# Its PHB and one card in the kernel, the other in QEMU, by its name.
starts "512 2048 512" named -device spapr-vlan,netdev=n,id=uplink -netdev user,id=n -device spapr-vlan,netdev=m -netdev user,id=m
like "$(of_machine named)" '*uplink*l-lan@71000003*' "named: tced knows its devices" || of_machine named | sed 's/^/# /'
like "$(tcectl audit --json=short named)" '*"basis":"machine","verdict":"as-planned"*' "named: the audit finds it as planned" ||
        tcectl audit named | sed 's/^/# /'
is "$(grep -c tced: /tmp/named.log)" 0 "named: nothing to say" || cat /tmp/named.log
end named
no_rule

rule 'Kind=vio'
starts "2048 512" byhand -device spapr-vlan,netdev=n -netdev user,id=n
end byhand
no_rule

# A PHB that comes by QMP: nothing knew of it, and its table is asked for.
rule 'Kind=pci'
starts " 2048" plugs
hmp plugs device_add spapr-pci-host-bridge,index=2,id=late >/tmp/said
wait_for 10 tables_are " 2048 2048"
ok $? "plugs: a PHB that is plugged in has its table in QEMU too" || { echo "# $(real_maps "$hand"), $(memfds "$hand")"; cat /tmp/said /tmp/plugs.log; }
like "$(tcectl audit --json=short plugs)" '*"verdict":"as-planned"*"liobn":2147484160,*"found":"user"*' "plugs: the audit knows it" ||
        tcectl audit plugs | sed 's/^/# /'
end plugs
no_rule

# Words that tced can't read whole.
printf '[device "n"]\n  driver = "spapr-vlan"\n' >/tmp/vm.conf
rule 'Kind=vio'
# With a file of options each table is asked for.
starts "2048 512" config -readconfig /tmp/vm.conf
like "$(tcectl audit --json=short config)" '*"verdict":"as-planned"*' "config: the audit knows what it opened" || tcectl audit config | sed 's/^/# /'
end config
no_rule

! tcectl run -- /nonexistent/qemu 2>/tmp/out
ok $? "no such program"
like "$(cat /tmp/out)" '*/nonexistent/qemu*' "by name"
! tcectl run --name refused -- qemu-system-ppc64 -machine pseries -accel kvm -device nonsense >/tmp/out 2>&1
ok $? "QEMU refuses its words: so does tcectl run"
wait_for 5 no_machine refused
ok $? "and nothing is left of it"
# Not to be had over the bus either.
systemctl mask --runtime --now tced 2>/dev/null
tcectl run --name away -- qemu-system-ppc64 --version >/tmp/out 2>&1
ok $? "tced does not run: the VM does" || cat /tmp/out
like "$(cat /tmp/out)" '*runs without it*QEMU emulator version*' "and it is said" || cat /tmp/out
systemctl unmask --runtime tced 2>/dev/null
finish
