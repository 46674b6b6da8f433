#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The units' sandbox, as systemd-analyze judges it without running them: its score, and what exactly it finds wanting. A directive that is dropped
# or loosened adds to that. That tced works under it is seen on the POWER host. Prints TAP.
# Usage: units.sh FOLDER-OF-BUILT-UNITS FOLDER-OF-SOURCES
set -u
units=$1 sources=$2
export LC_ALL=C.UTF-8
# shellcheck source=tests/points.sh
source "$(dirname "$0")/../points.sh"
command -v systemd-analyze >/dev/null || { echo "1..0 # SKIP there is no systemd-analyze; Debian's package systemd has it"; exit 0; }

# held UNIT TENTHS WANTING...: no worse than that score (SECURITY.md states it), and nothing wanting but these.
held() {
        local unit=$1 most=$2 said wanting status=0
        shift 2
        said=$(systemd-analyze security --offline=true --no-pager --threshold="$most" "$units/$unit" 2>&1) || status=$?
        point "$status" "$unit scores ${most:0:1}.${most:1} or better" "$(tail -n 1 <<<"$said")"
        wanting=$(sed -n 's/^✗ \([^ ]*\) .*/\1/p' <<<"$said" | sort)
        [[ $wanting == "$(printf '%s\n' "$@" | sort)" ]]
        point $? "$unit: nothing is wanting but what it needs" "$(diff <(printf '%s\n' "$@" | sort) <(echo "$wanting"))"
}

# What its work is: mbind; processes of others and the host's lists in /proc; uevents of the host's network; /dev/kvm.
held tced.service 17 'SystemCallFilter=~@resources' RootDirectory=/RootImage= AmbientCapabilities= PrivateDevices= \
        RestrictAddressFamilies=~AF_{NETLINK,UNIX} CapabilityBoundingSet=~CAP_SYS_PTRACE 'CapabilityBoundingSet=~CAP_SYS_(NICE|RESOURCE)' \
        ProtectProc= ProcSubset= PrivateNetwork= PrivateUsers= DeviceAllow=
for unit in tced-bind.service tced-bind-work@.service; do
        held "$unit" 11 RootDirectory=/RootImage= User=/DynamicUser= PrivateDevices= 'CapabilityBoundingSet=~CAP_(DAC_*|FOWNER|IPC_OWNER)' \
                RestrictAddressFamilies=~AF_UNIX ProcSubset= PrivateUsers= DeviceAllow=
done

# They write one file; tced lets everybody ask, and root's own is not needed.
for unit in tced-metrics.service tced-features.service; do
        held "$unit" 13 RootDirectory=/RootImage= User=/DynamicUser= 'CapabilityBoundingSet=~CAP_(DAC_*|FOWNER|IPC_OWNER)' \
                RestrictAddressFamilies=~AF_UNIX PrivateUsers= DeviceAllow=
done

# What systemd-analyze does not look at.
for unit in tced.service tced-bind.service tced-bind-work@.service; do
        ! grep -q '^SystemCallFilter=.*@\(system-service\|privileged\|mount\|keyring\|setuid\|chown\|ipc\|aio\)' "$units/$unit" && grep -qx SystemCallErrorNumber=EPERM "$units/$unit"
        point $? "$unit: no group of calls that it does not need, and a refused call is an error, not the end" "$(grep ^SystemCall "$units/$unit")"
done
# has FILE KEY VALUE...: exactly these lines of that key.
has() {
        local have want
        have=$(grep "^$2=" "$1")
        want=$(printf "$2=%s\n" "${@:3}")
        [[ $have == "$want" ]]
        point $? "${1##*/}: $2" "$(diff <(echo "$want") <(echo "$have"))"
}
has "$units/tced.service" DeviceAllow '/dev/kvm rw' '/dev/vfio/vfio rw'
has "$units/tced.service" LimitDATA 2G
has "$units/tced.service" CapabilityBoundingSet 'CAP_SYS_PTRACE CAP_SYS_RESOURCE'
for unit in tced-bind.service tced-bind-work@.service; do
        has "$units/$unit" DeviceAllow 'char-vfio rw'
        has "$units/$unit" CapabilityBoundingSet CAP_DAC_OVERRIDE
done
for unit in tced.service tced-bind.service tced-bind-work@.service; do has "$units/$unit" KeyringMode private; done
has "$units/tced-bind-work@.service" ReadWritePaths '/sys/bus/pci /sys/devices /run/tced-bind/groups'
for unit in tced.service tced-bind.service; do
        has "$units/$unit" ReadOnlyPaths '/sys/bus /sys/class /sys/devices -/sys/module -/sys/block -/sys/dev -/sys/firmware -/sys/power'
done
has "$units/tced-bind-work@.service" ReadOnlyPaths \
        '/sys/bus /sys/class -/sys/module -/sys/block -/sys/dev -/sys/firmware -/sys/fs -/sys/kernel -/sys/power'
# Of paths that a unit names, those that some host may lack (a container, a kernel without PCI) are to have a "-", or the unit does not start there.
# There on each: what /sys has of its own, and what the unit itself makes or asks for.
always=(/sys/bus /sys/class /sys/devices)
for file in "$units"/tced*.service; do
        mine=("${always[@]}")
        while read -r path; do mine+=("$path"); done < <(sed -n 's/^ConditionPathIsDirectory=//p; s|^RuntimeDirectory=|/run/|p' "$file")
        # Only started by tced-bind for a PCI device, which has made the records' folder.
        [[ $file != */tced-bind-work@.service ]] || mine+=(/sys/bus/pci /run/tced-bind/groups)
        missing=$(sed -nE 's/^(ReadOnly|ReadWrite|Inaccessible|Exec|NoExec|BindReadOnly|Bind)Paths=//p' "$file" | tr ' ' '\n' | grep -v '^-' |
                grep -vxFf <(printf '%s\n' "${mine[@]}"))
        [[ -z $missing ]]
        point $? "${file##*/}: a path that is not there keeps it from starting nowhere" "$missing"
done
# refuses UNIT CALL...: of the groups that it has, exactly these are taken out again.
refuses() {
        local have want
        have=$(sed -n 's/^SystemCallFilter=~//p' "$units/$1" | tr ' ' '\n' | sort)
        want=$(printf '%s\n' "${@:2}" | sort)
        [[ $have == "$want" ]]
        point $? "$1: calls that it does without" "$(diff <(echo "$want") <(echo "$have"))"
}
without=({,f,l}{set,remove}xattr futimesat link{,at} mknod{,at} symlink{,at} truncate{,64} utime utimes utimensat{,_time64})
refuses tced.service "${without[@]}" execveat rt_{,tg}sigqueueinfo setns unshare
for unit in tced-bind.service tced-bind-work@.service; do refuses "$unit" "${without[@]}"; done
# Who may reach them: tced, and tced-bind, which is root.
has "$sources/tced-bind.socket" SocketUser tced
has "$sources/tced-bind.socket" SocketMode 0600
has "$sources/tced-bind-work.socket" SocketMode 0600
echo "1..$points"
exit $((failed > 0))
