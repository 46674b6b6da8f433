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
