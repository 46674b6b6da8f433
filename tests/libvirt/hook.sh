#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tced, its hook and tced-libvirt beside a real libvirtd with pseries guests under TCG, on any machine: the same hook that the POWER host runs, and
# the same answers. hook.sh TCED TCED-LIBVIRT TCECTL HOOK. Prints TAP.
set -u
here=$(dirname "$0")
# shellcheck source=tests/power/lib.sh
source "$here/../power/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$here/../power/domain-lib.sh"
# shellcheck source=tests/libvirt/lib.sh
source "$here/lib.sh"
libvirt_available || { echo "1..0 # SKIP $LV_WHY"; exit 0; }
tced=$(realpath "$1") child=$(realpath "$2") tcectl=$(realpath "$3") hook=$(realpath "$4")

libvirt_prepare || exit 1
mkdir "$LV_RUN/tced"
work=$LV_DIR/work
mkdir "$work"
tced_pid=
start_tced() {
        # Not by lv, so that $! is the daemon itself: one program becomes the next.
        nsenter --mount="/proc/$LV_HOLDER/ns/mnt" --wd=/ -- env -i PATH=/usr/bin:/bin XDG_RUNTIME_DIR=/run "$tced" --user --socket=/run/tced/socket --libvirt-child="$child" \
                --libvirt-run=/run/libvirt/qemu >>"$LV_DIR/tced.log" 2>&1 </dev/null &
        tced_pid=$!
        wait_for 10 answers
}
answers() { ctl status >/dev/null 2>&1; }
stop_tced() { kill "$tced_pid" && wait "$tced_pid"; }
ctl() { lv env XDG_RUNTIME_DIR=/run LC_ALL=C.UTF-8 "$tcectl" --user "$@"; }
connected() { ctl status --json=short | grep -q '"state":"connected"'; }
known() { [[ $(ctl machines --json=short | grep -o '"name":"[^"]*"' | sort | tr -d '\n') == "$1" ]]; }

start_tced
ok $? "tced runs before libvirtd does"
like "$(ctl status --json=short)" '*"state":"away"*' "and says that there is none"
libvirt_start
ok $? "libvirtd starts"
wait_for 20 connected
ok $? "tced has found it"
install -m 755 "$hook" "$LV_ETC/hooks/qemu.d/tced"
like "$(ctl status --json=short)" '*"id":"hook-not-loaded"*' "a hook that came later is not called, and status says so"
libvirt_restart
ok $? "libvirtd starts again"
wait_for 20 connected
ok $? "tced has found it again"
[[ $(ctl status --json=short) != *'"id":"hook-not-loaded"'* ]]
ok $? "now the hook is called"

EMULATOR=$(command -v qemu-system-ppc64)
uuid=11111111-2222-3333-4444-00000000000a
domain web1 qemu "<interface type='user'><model type='spapr-vlan'/></interface><controller type='scsi' model='ibmvscsi'/>" \
        "<uuid>$uuid</uuid>" >"$work/web1.xml"
lv virsh --quiet create --paused "$work/web1.xml" >"$work/out" 2>&1
ok $? "a good domain starts" || cat "$work/out"
like "$(ctl machines --json=short web1)" '*"source":"libvirt"*' "tced has it from the hook"
tables() { grep -o '"liobn":[0-9]*\|"window":"[a-z]*"' | tr '\n' ' '; }
plan=$(ctl plan --json=short "$work/web1.xml")
is "$(ctl plan --json=short web1 | tables)" "$(tables <<<"$plan")" "a plan by its name, of libvirt's XML, is that of the file"
is "$(ctl plan --json=short $uuid | tables)" "$(tables <<<"$plan")" "and by its UUID"
is "$("$tcectl" plan --offline --json=short "$work/web1.xml" | tables)" "$(tables <<<"$plan")" "and without tced"
is "$(ctl describe --json=short | grep -o '"liobn":[0-9]*' | sort -u | wc -l)" "$(grep -o '"liobn":[0-9]*' <<<"$plan" | sort -u | wc -l)" \
        "the machine has the plan's tables"
regions() { lv virsh qemu-monitor-command --hmp web1 'info mtree' | grep -o 'tce-iommu-[0-9a-f]*' | cut -d- -f3 | sort -u | while read -r n; do echo $((16#$n)); done; }
is "$(regions | sort -n | xargs)" "$(grep -o '{"liobn":[^}]*"window":"default"' <<<"$plan" | grep -o '"liobn":[0-9]*' | cut -d: -f2 | sort -n | xargs)" \
        "and QEMU has them"
like "$(ctl explain web1)" '*user*tcg*' "explain says why they are QEMU's: no KVM"

# bad FINDING: the domain in bad.xml is refused, in the words that tcectl has for it.
bad() {
        local text
        text=$(ctl check --json=short "$work/bad.xml" | grep -o "{\"id\":\"$1\"[^}]*}" | sed -n 's/.*"text":"\([^"\\]*\).*/\1/p;q')
        [[ -n $text ]]
        ok $? "$1: tcectl check has it"
        ! lv virsh --quiet create --paused "$work/bad.xml" >"$work/out" 2>&1
        ok $? "$1: the domain does not start"
        grep -qF -- "$text" "$work/out"
        ok $? "$1: virsh says why" || { sed 's/^/#   have /' "$work/out"; echo "#   want $text"; }
}
domain bad qemu "" "$(qemu_args -device spapr-pci-host-bridge,index=31,id=far)" >"$work/bad.xml"
bad phb-index
domain bad qemu "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x1000'/></interface>
        <interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x101000'/></interface>" >"$work/bad.xml"
bad vio-irq
domain bad qemu "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x1000'/></interface>" \
        "$(qemu_args -device spapr-vscsi,reg=0x1000)" >"$work/bad.xml"
bad vio-duplicate
domain bad qemu "<interface type='user'><model type='spapr-vlan'/><address type='spapr-vio' reg='0x80000001'/></interface>" >"$work/bad.xml"
bad vio-in-pci-range
known '"name":"web1"'
ok $? "of what did not start tced knows nothing"
domain big qemu "" "<maxMemory slots='4' unit='TiB'>16</maxMemory>$(qemu_args -global spapr-pci-host-bridge.pgsz=0x1000)" >"$work/big.xml"
like "$(ctl check "$work/big.xml")" '*window-too-large*' "a warning is told"
is "$(ctl check "$work/big.xml" >/dev/null; echo $?)" 0 "and is no reason to fail"

pid=$(<"$LV_RUN/libvirt/qemu/web1.pid")
libvirt_restart
wait_for 20 connected
ok $? "libvirtd restarted with a guest"
is "$(<"$LV_RUN/libvirt/qemu/web1.pid") $(lv virsh domstate web1)" "$pid paused" "the guest goes on"
known '"name":"web1"'
ok $? "for tced too"
is "$(grep -c 'runs no more' "$LV_DIR/tced.log")" 0 "which never lost sight of it"

stop_tced
ok $? "tced ends"
domain web2 qemu "" >"$work/web2.xml"
lv virsh --quiet create --paused "$work/web2.xml" >"$work/out" 2>&1
ok $? "without tced a guest starts" || cat "$work/out"
! answers
ok $? "there really is none"
start_tced
wait_for 20 known '"name":"web1""name":"web2"'
ok $? "a new tced hears from libvirt what runs" || ctl machines
lv virsh --quiet destroy web2
wait_for 10 known '"name":"web1"'
ok $? "and from the hook what ended"

wait_for 20 connected
kill -STOP "$(libvirt_pid)"
from=$SECONDS
(ctl plan web1 >"$work/plan" 2>&1; echo $? >"$work/status") &
asked=$!
sleep 1
from2=$(date +%s%N)
ctl status >/dev/null
ok $? "libvirtd hangs: tced answers"
[[ $(($(date +%s%N) - from2)) -lt 1000000000 ]]
ok $? "at once"
wait "$asked"
is "$(<"$work/status")" 1 "a plan by name fails"
like "$(<"$work/plan")" '*did not answer*' "and says why"
[[ $((SECONDS - from)) -ge 4 && $((SECONDS - from)) -le 15 ]]
ok $? "after five seconds ($((SECONDS - from)))"
hung=$(libvirt_pid)
kill -CONT "$hung"
# libvirtd 9.0 was seen to crash when it finds, awake again, that its client is gone; systemd would start it again, as Restart= has it.
awake() {
        ! libvirt_gone "$hung" || { rm -f "$LV_RUN/libvirtd.pid" && libvirt_start && hung=$(libvirt_pid); }
        connected
}
wait_for 30 awake
ok $? "libvirtd goes on: tced finds it"
known '"name":"web1"'
ok $? "and has lost nothing"

# How long the hook takes: a start and a release, by itself, the median of eleven.
lv virsh dumpxml web1 | sed "s/web1/web3/; s/$uuid/11111111-2222-3333-4444-00000000000c/" >"$work/web3.xml"
both() {
        lv "$LV_ETC/hooks/qemu.d/tced" web3 start begin - <"$work/web3.xml" && lv "$LV_ETC/hooks/qemu.d/tced" web3 release end - <"$work/web3.xml"
}
both
ok $? "the hook by hand"
time_of() { local from; from=$(date +%s%N); "$@" >/dev/null 2>&1; echo $((($(date +%s%N) - from) / 1000)); }
median() { for ((i = 0; i < 11; i++)); do time_of "$@"; done | sort -n | sed -n 6p; }
two=$(median both) bare=$(median lv /bin/true)
echo "# start and release: $two us, of these $((2 * bare)) us are two nsenter and /bin/true"
[[ $((two - 2 * bare)) -lt 100000 ]]
ok $? "a call of the hook takes less than 50 ms ($(((two - 2 * bare) / 2000)) ms)"

for op in "prepare begin" "started begin" "stopped end" "migrate begin" "restore begin" "attach begin" "reconnect end" "whatever begin"; do
        # shellcheck disable=SC2086 # two words
        out=$(lv "$LV_ETC/hooks/qemu.d/tced" web1 $op - <"$work/web3.xml" 2>&1)
        is "$? $out" "0 " "$op: yes, and not a word"
done
lv virsh --quiet destroy web1
wait_for 10 known ''
ok $? "the last guest ends: tced knows none"
stop_tced
ok $? "tced ends well"
finish
