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
# $hand, what its console says in /tmp/NAME.console, QEMU in /tmp/NAME.log, its monitor in /tmp/NAME.monitor.
hand() {
        local name=$1 words=$2 cap=()
        [[ $POWER_HOST_KIND != powernv9 ]] || cap=(-machine "cap-ail-mode-3=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off")
        rm -f "/tmp/$name".{hmp.in,hmp.out,tty.in,tty.out}
        mkfifo "/tmp/$name".{hmp.in,hmp.out,tty.in,tty.out}
        cat "/tmp/$name.hmp.out" >"/tmp/$name.monitor" &
        cat "/tmp/$name.tty.out" >"/tmp/$name.console" &
        tcectl run --name "$name" -- qemu-system-ppc64 -machine pseries -accel kvm "${cap[@]}" -m $MIB -nodefaults -display none \
                -chardev "pipe,id=tty,path=/tmp/$name.tty" -serial chardev:tty -chardev "pipe,id=hmp,path=/tmp/$name.hmp" -mon hmp \
                -kernel $GUEST/vmlinux -initrd $GUEST/initrd -append "console=hvc0 $words" "${@:3}" >"/tmp/$name.log" 2>&1 &
        hand=$!
}

# hmp NAME COMMAND...: what its monitor answers.
hmp() {
        local before=0
        wait_for 20 answered "$1" && before=$(stat -c %s "/tmp/$1.monitor")
        echo "${*:2}" >"/tmp/$1.hmp.in"
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
# tell NAME LINE: its Linux, which listens, does that; its console's lines since are in $told.
tell() {
        local before
        before=$(stat -c %s "/tmp/$1.console")
        echo "$2" >"/tmp/$1.tty.in"
        wait_for "${3:-60}" did "$1" "$before"
        told=$(tail -c "+$((before + 1))" "/tmp/$1.console" | tr -d '\r')
        [[ $told == *'guest: did it: 0'* ]]
}
did() { tail -c "+$(($2 + 1))" "/tmp/$1.console" | grep -aq '^guest: did it: [0-9]'; }
# complaints NAME: what QEMU or the adapter has to say; but for what an emulated host makes them say, which is slow, and what VFIO answers about
# the error state of a device that has gone.
complaints() { grep -vE 'irqchip|vfio/eeh|no answer about a window: Connection timed out' "/tmp/$1.log"; }
# audited NAME: where tced's answers came too late it does not know of every window.
audited() {
        [[ $(tcectl audit --json=short "$1") == *'"verdict":"as-planned"'* ]] || grep -q 'Connection timed out' "/tmp/$1.log"
        ok $? "$1: the audit finds it as planned" || { tcectl audit "$1" | sed 's/^/# /'; sed 's/^/# /' "/tmp/$1.log"; }
}
said_by() { grep -aq "$2" "/tmp/$1.console"; }
