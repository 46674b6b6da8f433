#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What the tests in the POWER host share; they source it. Executable only because that is how it gets there.

points=0
failures=0

# ok STATUS NAME: a point that is good where STATUS is 0. Gives the status back.
ok() {
        local status=$1
        shift
        points=$((points + 1))
        if [[ $status == 0 ]]; then
                echo "ok $points - $*"
        else
                failures=$((failures + 1))
                echo "not ok $points - $*"
        fi
        return "$status"
}

# is HAVE WANT NAME: two texts that must be the same.
is() {
        [[ $1 == "$2" ]]
        ok $? "$3" || { sed 's/^/#   have /' <<<"$1"; sed 's/^/#   want /' <<<"$2"; }
}

# like HAVE GLOB NAME
like() {
        # shellcheck disable=SC2053
        [[ $1 == $2 ]]
        ok $? "$3" || { sed 's/^/#   have /' <<<"$1"; sed 's/^/#   like /' <<<"$2"; }
}

# row ID WHAT PEER UNIT TCED OTHER GOAL [LIMIT]: a row of tools/bench's table (tests/bench/report.c, record_read), in the test's output.
row() {
        printf '# row {"id":"%s","what":"%s","peer":"%s","unit":"%s","tced":%s,"other":%s,"goal":"%s"%s}\n' "${@:1:7}" "${8:+,\"limit\":$8}"
}

# vms: who has a VM of KVM's.
vms() { find /proc/[0-9]*/fd -lname anon_inode:kvm-vm 2>/dev/null | cut -d/ -f3 | sort -u; }
no_vms() { [[ -z $(vms) ]]; }

# The plan, and the exit status. A VM that a test leaves behind would keep a device from the next one, for good: the kernel waits for it, and does
# not give up (drivers/vfio/vfio_main.c, vfio_unregister_group_dev).
finish() {
        wait_for 5 no_vms || { ok 1 "it leaves no VM behind"; ps -o pid,args -p "$(vms | paste -sd,)" | cut -c 1-150 | sed 's/^/# /'; }
        echo "1..$points"
        exit $((failures > 0))
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
        local end=$((SECONDS + $1))
        shift
        until "$@"; do
                [[ $SECONDS -lt $end ]] || return 1
                sleep 0.2
        done
}

# monitor COMMAND: what QEMU's monitor, outside of the host, answers. It comes and goes by files in the share that results leave by.
monitor() {
        local share=/run/power-host/out
        rm -f "$share/monitor.answer"
        echo "$*" >"$share/monitor.asking" && mv "$share/monitor.asking" "$share/monitor.ask"
        wait_for 30 test -e "$share/monitor.answer" || return
        cat "$share/monitor.answer"
}

driver_of() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")" 2>/dev/null; }
group_of() { basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"; }

# Does the partition's firmware name no highest memory address? Linux asks for no usable DMA window then. That is so where QEMU was given no
# maxmem, up to some version (7.2 does it, 10.0 does not): what a host without maxmem can do is told by this, not by its kind.
no_maxmem() {
        local property=/proc/device-tree/rtas/ibm,lrdr-capacity
        [[ -e $property && -z $(od -An -tx1 -N8 "$property" | tr -d ' 0\n') ]]
}

# rebind ADDRESS DRIVER: an empty one lets the kernel choose.
rebind() {
        local device=/sys/bus/pci/devices/$1
        [[ ! -e $device/driver ]] || echo "$1" >"$device/driver/unbind"
        echo "$2" >"$device/driver_override"
        echo "$1" >/sys/bus/pci/drivers_probe
}

manager() { busctl call org.tced1 /org/tced1 org.tced1.Manager "$@"; }
property() { busctl get-property org.tced1 "$@"; }

proven() { [[ $(property /org/tced1 org.tced1.Manager ProbeState) == 's "done"' ]]; }

# start_tced: by systemd, as an administrator does it, and until the host is proven.
start_tced() { systemctl start tced && wait_for 30 proven; }
