#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# Groups bound and given back, as an administrator does it, on a real kernel: what is where before and after, a user's VM that gets its device
# from tced, a group that was half bound by hand, devices that the host uses, what is said and done while a VM has one, what is done at each
# boot, and a kernel that does not come back. What tced-bind's workers do when they are killed is in bind-steps.sh.
set -u
shopt -s extglob
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
alone=$POWER_HOST_VFIO_ALONE spare=$POWER_HOST_VFIO_SPARE
read -r first second <<<"$POWER_HOST_VFIO_SHARED"
devices=/sys/bus/pci/devices
records=/run/tced-bind/groups
work=$(mktemp -d)
program=$(systemctl cat tced-bind | sed -n 's/^ExecStart=//p')

path_of() { echo "/org/tced1/group/$(group_of "$1")"; }
group_property() { property "$(path_of "$1")" org.tced1.Group "$2"; }
group_says() { [[ $(group_property "$1" "$2") == "$3" ]]; }
# call ADDRESS METHOD ARGUMENT...: what came is in $output, an error with its name.
call() {
        output=$(dbus-send --system --print-reply --reply-timeout=60000 --dest=org.tced1 "$(path_of "$1")" "org.tced1.Group.$2" "${@:3}" 2>&1)
}
# tell COMMAND...: tcectl; what it said, without its line breaks, is in $output.
tell() {
        local status=0
        tcectl "$@" >"$work/said" 2>&1 || status=$?
        output=$(tr -s '\n ' ' ' <"$work/said")
        return $status
}
state_of() { echo "$(driver_of "$1") $(cat "$devices/$1/driver_override")"; }
record_of() { cat "$records/$1.json" 2>/dev/null; }
interface_of() { basename "$(echo "$devices/$1"/net/*)"; }
carrier() { [[ $(cat "/sys/class/net/$1/carrier" 2>/dev/null) == 1 ]]; }
disk_of() { find "$devices/$1"/nvme/*/ -maxdepth 1 -name 'nvme*n*' -printf '/dev/%f\n' 2>/dev/null; }
has_disk() { [[ -b $(disk_of "$1") ]]; }
# May anyone open it? As /dev/vfio/N is one open file in the whole system.
is_free() { (exec 9<>"/dev/vfio/$(group_of "$1")") 2>/dev/null; }
findings_of() { property /org/tced1 org.tced1.Manager Findings | grep -o "\"$1\" \"[a-z]*\" \"group $(group_of "$2")\"" | wc -l; }
warned() { dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'; }
lap() { echo "# $SECONDS s: $*"; }

# Where vfio-pci can't take a device.
broken_kernel() {
        local before
        before=$(state_of "$alone")
        call "$alone" Bind uint64:0
        like "$output" "*org.tced1.Error.BindFailed*kernel $(uname -r)*6.4 or later; all is as it was*" "VFIO is broken in this kernel, and that is said"
        is "$(state_of "$alone")" "$before" "the driver of before is back"
        [[ -e $devices/$alone/net ]]
        ok $? "and at work"
        [[ -z $(record_of "$alone") ]]
        ok $? "nothing is recorded"
        is "$(group_property "$alone" Binding)" 's ""' "nor does the bus say anything"
        ! tell bind "$alone"
        ok $? "tcectl fails likewise"
        like "$output" "*$(uname -r)*" "and says why"
}

# By tcectl and by a program of the bus; the interface comes back as it was.
bind_and_release() {
        local before interface mac
        before=$(state_of "$alone") interface=$(interface_of "$alone")
        mac=$(cat "/sys/class/net/$interface/address")
        [[ -z $(record_of "$alone") ]]
        ok $? "nothing is recorded yet"
        tell bind "$alone"
        ok $? "tcectl bind $alone" || echo "# $output"
        like "$output" "IOMMU group $(group_of "$alone") ($alone*) is on vfio-pci now, until the next boot *" "it says what that is"
        is "$(state_of "$alone")" "vfio-pci vfio-pci" "it is on vfio-pci, by driver_override"
        [[ -c /dev/vfio/$(group_of "$alone") ]]
        ok $? "there is /dev/vfio/$(group_of "$alone")"
        like "$(record_of "$alone")" "*$alone*${before% *}*" "the record has its driver"
        is "$(group_property "$alone" Binding) $(group_property "$alone" Viable) $(group_property "$alone" Assignable)" 's "bound" b true b true' \
                "the bus says so"
        lap "bound by tcectl"
        call "$alone" Release uint64:0
        ok $? "Group.Release" || echo "# $output"
        is "$(state_of "$alone")" "$before" "it has its driver again"
        [[ ! -e /dev/vfio/$(group_of "$alone") && -z $(record_of "$alone") ]]
        ok $? "nothing of it is left"
        wait_for 10 test -e "/sys/class/net/$interface"
        is "$(cat "/sys/class/net/$interface/address")" "$mac" "$interface is there again"
        echo 0x1003 >"/sys/class/net/$interface/flags" && wait_for 20 carrier "$interface"
        ok $? "and has its link, once it is switched on"
        echo 0x1002 >"/sys/class/net/$interface/flags"
        call "$alone" Release uint64:0
        like "$output" "*org.tced1.Error.NotBound*$alone is not bound to vfio-pci*" "what is not bound is not given back"
        lap "given back on the bus"
        call "$alone" Bind uint64:0
        ok $? "Group.Bind" || echo "# $output"
        is "$(state_of "$alone")" "vfio-pci vfio-pci" "it is on vfio-pci again"
        lap "bound on the bus"
}

# A VMM that is no more than a member of kvm; its group comes from tced. Meanwhile the group is no one's to give back.
user_vm() {
        local as group windows pid
        as=(setpriv --reuid=65534 --regid=65534 "--groups=$(getent group kvm | cut -d: -f3)")
        group=$(group_of "$alone")
        ! "${as[@]}" bash -c "exec 9<>/dev/vfio/$group" 2>/dev/null
        ok $? "a user may not open /dev/vfio/$group"
        manager RegisterMachine 'ssa(ssuttubi)a{sv}t' users '' 2 vfio "$alone" 0x80000100 0 0x40000000 12 false "$group" \
                vfio "$alone" 0x80000101 0x800000000000000 0x40000000 16 false "$group" 1 OwnerUid u 65534 0 >/dev/null
        ok $? "root registers a VM with the device for that user"
        windows=(--window "vfio:0x80000100:0:1G:12:$alone" --window "vfio:0x80000101:0x800000000000000:1G:16:$alone")
        prlimit --memlock=unlimited:unlimited "${as[@]}" "$POWER_HOST_TESTS/test-vmm" --name users --registered "${windows[@]}" --hold 100 \
                >"$work/users" 2>&1 &
        pid=$!
        if no_maxmem; then
                wait $pid
                is "$? $(sed -n 's/^errno=//p' "$work/users")" "1 ENODEV" "it gets it, and no 64-bit window, as there are none on this host"
                wait_for 10 is_free "$alone"
                ok $? "the group is free again"
                return
        fi
        wait_for 60 grep -q holding "$work/users"
        ok $? "its VMM gets container and group from tced" || sed 's/^/# /' "$work/users"
        for liobn in 80000100 80000101; do
                is "$(sed -n "s/^$liobn\.\(placement\|H_PUT_TCE.exits\|used\)=//p" "$work/users" | xargs)" "kernel-vfio 1 1000" \
                        "$liobn: the guest's TCEs reach the hardware's table, in the kernel"
        done
        is "$(stat -c %u /proc/$pid)" 65534 "it is that user's"
        ! is_free "$alone"
        ok $? "it has the group"
        call "$alone" Release uint64:0
        like "$output" "*org.tced1.Error.GroupInUse*PID $pid*end that VM*" "a group of a VM that runs is not given back"
        call "$alone" Release uint64:1
        like "$output" "*org.tced1.Error.GroupBusy*/dev/vfio/$group open*" "nor by force, as it is open"
        is "$(state_of "$alone") $(group_property "$alone" Binding)" 'vfio-pci vfio-pci s "bound"' "nothing is changed by that"
        kill $pid
        wait $pid
        ok $? "the VM ends" || sed 's/^/# /' "$work/users"
        wait_for 10 is_free "$alone"
        ok $? "and the group is free"
        lap "a user's VM has had it"
        exec 8<>"/dev/vfio/$group"
        call "$alone" Release uint64:0
        like "$output" "*org.tced1.Error.GroupBusy*/dev/vfio/$group open*" "whoever has it open: it is not given back"
        is "$(state_of "$alone")" "vfio-pci vfio-pci" "nothing is changed by that, either"
        exec 8>&-
}

# One of two devices is bound by hand, as by driverctl: tced takes the other, and gives back no more than that.
half_bound() {
        local before other
        before=$(state_of "$first") other=$(state_of "$second")
        rebind "$first" vfio-pci
        wait_for 10 group_says "$first" Viability 's "partial"'
        ok $? "one of two devices is on vfio-pci: the group is partial"
        call "$first" Open uint64:0
        like "$output" "*org.tced1.Error.GroupNotViable*$second*${other% *}*" "it is not opened, and the other is named"
        tell groups
        like "$output" "*partial*$second*" "also by tcectl groups"
        like "$(group_property "$first" Obstacle)" "*$second*" "and in its obstacle"
        tell bind "$(group_of "$first")"
        ok $? "tcectl bind $(group_of "$first")" || echo "# $output"
        is "$(state_of "$first") $(state_of "$second")" "vfio-pci vfio-pci vfio-pci vfio-pci" "both are on vfio-pci"
        call "$first" Open uint64:0
        ok $? "it is opened now" || echo "# $output"
        tell release "$second"
        ok $? "tcectl release $second" || echo "# $output"
        is "$(state_of "$first")" "vfio-pci vfio-pci" "what was on vfio-pci stays there"
        is "$(state_of "$second")" "$other" "the other has its driver again"
        rebind "$first" ''
        is "$(state_of "$first")" "$before" "the first is given back by hand"
        lap "a group that was half bound"
}

# What the host uses is not taken from it unasked.
in_use() {
        local before interface disk
        interface=$(interface_of "$alone") before=$(state_of "$alone")
        "$POWER_HOST_TESTS/default-route" "$interface"
        ok $? "the default route is through $interface"
        call "$alone" Bind uint64:0
        like "$output" "*org.tced1.Error.GroupInUse*$alone is in use: *$interface*default route*" "it is not bound, and that is said"
        is "$(state_of "$alone")$(record_of "$alone")" "$before" "nothing is changed"
        tell groups
        like "$output" "*$interface*" "tcectl groups tells it"
        tell bind --force "$alone"
        ok $? "tcectl bind --force" || echo "# $output"
        is "$(state_of "$alone") $(grep -c "^$interface" /proc/net/route)" "vfio-pci vfio-pci 0" "takes it, and the route is gone"
        tell release "$alone"
        ok $? "and it is given back" || echo "# $output"

        before=$(state_of "$spare") disk=$(disk_of "$spare")
        mkswap "$disk" >/dev/null && swapon "$disk"
        ok $? "$disk is swapped to"
        call "$spare" Bind uint64:0
        like "$output" "*org.tced1.Error.GroupInUse*$spare is in use: *$disk*swap*swapoff*" "it is not bound, and that is said"
        is "$(state_of "$spare")$(record_of "$spare")" "$before" "nothing is changed"
        like "$(group_property "$spare" InUse)" "a(ssss) 1 \"$spare\" \"swap\" *" "the bus tells it"
        swapoff "$disk"
        is "$(group_property "$spare" InUse)" "a(ssss) 0" "and not when it is over"
        lap "devices in use"
}

# What was bound with --persistent comes back with tced, once a boot.
at_boot() {
        local conf=/etc/tced/tced.conf.d/50-bind-$alone.conf before
        before=$(state_of "$alone")
        tell bind --persistent "$alone"
        ok $? "tcectl bind --persistent $alone" || echo "# $output"
        grep -q "^Devices=.*$alone" "$conf"
        ok $? "there is $conf"
        is "$(group_property "$alone" Persistent)" "b true" "the bus says so"
        systemctl restart tced
        is "$(state_of "$alone") $(group_property "$alone" Binding) $(group_property "$alone" Persistent)" 'vfio-pci vfio-pci s "bound" b true' \
                "tced is restarted: all is so"
        tell release "$alone"
        ok $? "it is given back by hand" || echo "# $output"
        systemctl restart tced
        is "$(state_of "$alone") $(group_property "$alone" Persistent)" "$before b true" "and stays so when tced is restarted"
        systemctl stop tced
        rm /run/tced/state.json
        systemctl start tced
        is "$(state_of "$alone")" "vfio-pci vfio-pci" "as after a boot: it is bound when tced is ready"
        like "$(record_of "$alone")" "*$alone*${before% *}*" "with its driver in the record"
        tell release --persistent "$alone"
        ok $? "tcectl release --persistent $alone" || echo "# $output"
        is "$(state_of "$alone") $(group_property "$alone" Persistent)" "$before b false" "it has its driver"
        [[ ! -e $conf ]]
        ok $? "and the file is gone"
        systemctl stop tced
        rm /run/tced/state.json
        systemctl start tced
        is "$(state_of "$alone")" "$before" "nothing is bound at the next boot"
        lap "at boot"
}

# expect_stuck ADDRESS OPERATION: what is said of a group that hangs, and done with others meanwhile.
expect_stuck() {
        is "$(group_property "$1" Binding)" 's "stuck"' "the group is stuck"
        is "$(findings_of group-stuck "$1")" 1 "there is a finding"
        tell group "$1"
        like "$output" "*stuck*$1: *" "tcectl tells at what"
        call "$1" "$2" uint64:0
        like "$output" "*org.tced1.Error.GroupStuck*" "asked again, it says so at once"
}

# A disk that answers no writes any more, as a dead one: its driver, which is to let it go, waits for what was written to it.
stuck_bind() {
        local disk before started
        disk=$(disk_of "$spare") before=$(state_of "$spare")
        exec 7<>"$disk"
        # Else its driver would reset it after half a minute, and QEMU 7.2 does not come back from that.
        echo 600000 >"/sys/block/${disk#/dev/}/queue/io_timeout"
        monitor block_set_io_throttle spare 0 0 1 0 0 0 >/dev/null
        dd if=/dev/urandom of="$disk" bs=64k count=32 conv=notrunc 2>/dev/null
        started=$SECONDS
        ! call "$spare" Bind uint64:0
        ok $? "a disk that does not answer is not let go by its driver" || echo "# $output"
        echo "# that was said after $((SECONDS - started)) s"
        like "$output" "*org.tced1.Error.GroupStuck*$spare: unbinding it from nvme*" "it is said what hangs"
        [[ $((SECONDS - started)) -lt 20 ]]
        ok $? "within the deadline"
        expect_stuck "$spare" Bind
        tell bind "$alone" && tell release "$alone"
        ok $? "another group is bound and given back meanwhile" || echo "# $output"
        monitor block_set_io_throttle spare 0 0 0 0 0 0 >/dev/null
        exec 7>&-
        wait_for 40 group_says "$spare" Binding 's ""'
        ok $? "the disk answers again, and the late bind is put back" || group_property "$spare" BindingWhy | sed 's/^/# /'
        is "$(state_of "$spare")$(record_of "$spare")" "$before" "it has its driver, and nothing is recorded"
        is "$(findings_of group-stuck "$spare")" 0 "no finding is left"
        wait_for 10 has_disk "$spare"
        ok $? "the disk is there again"
        dd if="$(disk_of "$spare")" of=/dev/null bs=64k count=16 2>/dev/null
        ok $? "and is read"
        lap "a bind that hung"
}

# A stand-in: no driver was found that does not come back from taking a device, so that the worker is stopped amid its writes. It stays the process
# that systemd started (-D), as its socket is for that one alone.
stuck_release() {
        local before
        before=$(state_of "$alone")
        tell bind "$alone"
        ok $? "a group is bound" || echo "# $output"
        mkdir -p /run/systemd/system/tced-bind-work@.service.d
        printf '%s\n' '[Service]' ExecStart= \
                "ExecStart=strace -D -qq -o /dev/null -e trace=write -e inject=write:signal=SIGSTOP:when=3 $program --work" SystemCallFilter= \
                CapabilityBoundingSet=CAP_SYS_PTRACE ProtectProc=default >/run/systemd/system/tced-bind-work@.service.d/50-test.conf
        systemctl daemon-reload
        call "$alone" Release uint64:0
        like "$output" "*org.tced1.Error.GroupStuck*$alone: *" "its worker is stopped amid giving back"
        rm -r /run/systemd/system/tced-bind-work@.service.d
        systemctl daemon-reload
        expect_stuck "$alone" Release
        systemctl kill --signal=SIGCONT 'tced-bind-work@*'
        wait_for 20 group_says "$alone" Binding 's ""'
        ok $? "it goes on, and completes that late"
        is "$(state_of "$alone")$(record_of "$alone")" "$before" "it has its driver, and nothing is recorded"
        is "$(findings_of group-stuck "$alone")" 0 "no finding is left"
        lap "a release that hung"
}

modprobe -a vfio_pci vfio_iommu_spapr_tce
start_tced
ok $? "systemctl start tced"
lap "tced is there"
if [[ $POWER_HOST_KERNEL == 6.1 ]]; then
        broken_kernel
else
        wait_for 20 has_disk "$spare"
        bind_and_release
        user_vm
        tell release "$alone"
        ok $? "tcectl release $alone" || echo "# $output"
        # Seen with Linux 6.12 where there are no 64-bit windows: nvme, given back to the host, finds the bitmap of its 32-bit window freed (an Oops in
        # nvme_alloc_queue, iommu_range_alloc).
        no_maxmem || half_bound
        if [[ $POWER_HOST_KIND == lpar-nested ]]; then
                in_use
                at_boot
                # Less patience than usual; tced finds its new helper by itself.
                mkdir -p /run/systemd/system/tced-bind.service.d
                printf '%s\n' '[Service]' ExecStart= "ExecStart=$program --deadline=8" >/run/systemd/system/tced-bind.service.d/50-test.conf
                systemctl daemon-reload
                systemctl restart tced-bind
                stuck_bind
                stuck_release
                rm -r /run/systemd/system/tced-bind.service.d
                systemctl daemon-reload
        fi
fi
! warned
ok $? "the kernel warned of nothing"
rm -r "$work"
systemctl stop tced tced-bind.socket tced-bind-work.socket tced-bind
finish
