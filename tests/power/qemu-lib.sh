#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What the tests of a stock QEMU with the adapter share. Sourced, behind domain-lib.sh.
# shellcheck disable=SC2034

GUEST=/usr/lib/power-host/guest
EMULATOR=/usr/bin/tced-qemu-system-ppc64
console=/var/log/libvirt/guest-console
SERIAL="<serial type='file'><source path='$console'/></serial>"
max="<maxMemory slots='4' unit='GiB'>4</maxMemory>"
rules=/etc/tced/rules.d
MIB=512

page=$(($(getconf PAGESIZE) / 1024))

# memfds PID: the sizes in KiB of the tables that it has in itself.
memfds() {
        local range rest
        while read -r range rest; do
                [[ $rest == */memfd:tced:* ]] && echo "$(((0x${range#*-} - 0x${range%-*}) / 1024))"
        done <"/proc/$1/maps" | sort -n | xargs
}

# rule DEVICE-GLOB: those are in the VMM, all else is in the kernel.
rule() {
        mkdir -p $rules
        printf '%s\n' '[Match]' "$1" '[Policy]' 'Accel=user' >$rules/50-test.rule
        manager Reload >/dev/null
}
no_rule() {
        rm -f $rules/50-test.rule
        manager Reload >/dev/null
}

up() { grep -aq '^guest: up' $console; }
gone() {
        virsh destroy "$1" >/dev/null
        ok $? "$1: ends"
}

# hand NAME WORDS ARG...: the packaged QEMU by `tcectl run`, as an administrator starts it, with a Linux that gets those words. Its PID is in
# $hand, its console in /tmp/NAME.console, what QEMU says in /tmp/NAME.log, what its monitor says in /tmp/NAME.monitor.
hand() {
        local name=$1 words=$2 cap=()
        [[ $POWER_HOST_KIND != powernv9 ]] || cap=(-machine "cap-ail-mode-3=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off")
        rm -f "/tmp/$name".{in,out,console,log,monitor}
        mkfifo "/tmp/$name".{in,out}
        cat "/tmp/$name.out" >"/tmp/$name.monitor" &
        tcectl run --name "$name" -- qemu-system-ppc64 -machine pseries -accel kvm "${cap[@]}" -m $MIB -nodefaults -display none \
                -serial "file:/tmp/$name.console" -chardev "pipe,id=monitor,path=/tmp/$name" -mon monitor \
                -kernel $GUEST/vmlinux -initrd $GUEST/initrd -append "console=hvc0 $words" "${@:3}" >"/tmp/$name.log" 2>&1 &
        hand=$!
}

# hmp NAME COMMAND...: what its monitor answers.
hmp() {
        local before=0
        wait_for 20 answered "$1" && before=$(stat -c %s "/tmp/$1.monitor")
        echo "${*:2}" >"/tmp/$1.in"
        wait_for 20 answered "$1" $((before + 1))
        tail -c "+$((before + 1))" "/tmp/$1.monitor" | tail -n +2 | head -n -1 | tr -d '\r'
}
# answered NAME [BYTES]: its monitor has said more than that, and is ready.
answered() { [[ $(tail -c "+${2:-1}" "/tmp/$1.monitor" | tail -c 7) == '(qemu) ' && $(stat -c %s "/tmp/$1.monitor") -gt ${2:-1} ]]; }
# reads NAME DRIVE: how many bytes its guest has read from it. reading NAME DRIVE BYTES: more than that.
reads() { hmp "$1" info blockstats | sed -n "s/^$2: .*rd_bytes=\([0-9]*\) .*/\1/p"; }
reading() {
        local count
        count=$(reads "$1" "$2")
        ((${count:-0} > $3))
}
said_by() { grep -aq "$2" "/tmp/$1.console"; }
