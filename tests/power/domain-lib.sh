#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What the tests with libvirt on the POWER host share. Sourced, behind lib.sh.

# domain NAME TYPE DEVICES [REST]: a small domain. A guest needs a console that leads somewhere: without one an emulated host was seen to
# hang. REST goes before the devices. $MIB, $BOOT (in <os>), $EMULATOR and $SERIAL change what they name.
domain() {
        local rest=${4:-} ail="<qemu:commandline><qemu:arg value='-machine'/><qemu:arg value='cap-ail-mode-3=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off'/>"
        # The emulated bare-metal host's KVM has no AIL for its VMs and knows no cure for Spectre, which QEMU wants to be told.
        if [[ ${POWER_HOST_KIND:-} == powernv9 && $2 == kvm ]]; then
                [[ $rest == *'<qemu:commandline>'* ]] || rest+="<qemu:commandline></qemu:commandline>"
                rest=${rest/<qemu:commandline>/$ail}
        fi
        cat <<-XML
		<domain type='$2' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
		  <name>$1</name>
		  <memory unit='MiB'>${MIB:-256}</memory>
		  <vcpu>1</vcpu>
		  <os><type arch='ppc64' machine='pseries'>hvm</type>${BOOT:-}</os>
		  $rest
		  <devices>
		    <emulator>${EMULATOR:-/usr/bin/qemu-system-ppc64}</emulator>
		    <controller type='usb' model='none'/>
		    <memballoon model='none'/>
		    ${SERIAL:-<serial type='pty'/>}
		    $3
		  </devices>
		</domain>
	XML
}

# qemu_args ARG...: <qemu:commandline>
qemu_args() {
        local arg
        echo "<qemu:commandline>"
        for arg; do echo "<qemu:arg value='$arg'/>"; done
        echo "</qemu:commandline>"
}

# hostdev ADDRESS [XML]: a PCI function of the host, given to the guest.
hostdev() {
        local d b s f
        IFS=:. read -r d b s f <<<"$1"
        echo "<hostdev mode='subsystem' type='pci' managed='yes'><source>" \
                "<address domain='0x$d' bus='0x$b' slot='0x$s' function='0x$f'/></source>${2:-}</hostdev>"
}

# member NAME: a number or word out of a plan's JSON in one line, on standard input.
member() { sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }

# bad FINDING: the domain in /tmp/bad.xml, whose name is "bad", is refused by the hook, in the finding's words.
bad() {
        local text remedy plan
        plan=$(tcectl plan --json=short /tmp/bad.xml)
        text=$(grep -o "{\"id\":\"$1\"[^}]*}" <<<"$plan" | sed -n 's/.*"text":"\([^"\\]*\).*/\1/p;q')
        remedy=$(grep -o "{\"id\":\"$1\"[^}]*}" <<<"$plan" | sed -n 's/.*"remedy":"\([^"\\]*\).*/\1/p;q')
        [[ -n $text ]]
        ok $? "$1: the plan has it" || printf '# %s\n' "$plan"
        virsh define /tmp/bad.xml >/dev/null
        ! virsh start --paused bad >/tmp/out 2>&1
        ok $? "$1: virsh start fails" || virsh destroy bad
        virsh undefine bad --nvram >/dev/null
        grep -qF -- "$text" /tmp/out
        ok $? "$1: virsh says why" || { sed 's/^/#   have /' /tmp/out; echo "#   want $text"; }
        grep -qF -- "$remedy" /tmp/out
        ok $? "$1: and what to do" || { sed 's/^/#   have /' /tmp/out; echo "#   want $remedy"; }
        ! tcectl check /tmp/bad.xml >/dev/null
        ok $? "$1: tcectl check fails"
}

# planned_maps [all]: the sizes in KiB of the mappings that the plan on standard input makes one expect from the start: kernel tables, rounded up to
# the host's pages; with `all` also of the windows that Linux asks for.
planned_maps() {
        local which='"window":"default"'
        [[ ${1:-} != all ]] || which='"likely":true'
        grep -o '{"liobn":[^}]*}' | grep "$which" | grep '"placement":"kernel' |
                sed 's/.*"bytes":\([0-9]*\).*/\1/' | awk -v p="$(getconf PAGESIZE)" '{ print int(($1 + p - 1) / p) * p / 1024 }' | sort -n | xargs
}

# real_maps PID
real_maps() {
        local range rest
        while read -r range rest; do
                [[ $rest == *kvm-spapr-tce* ]] && echo "$(((0x${range#*-} - 0x${range%-*}) / 1024))"
        done <"/proc/$1/maps" | sort -n | xargs
}

pid_of() { cat "/run/libvirt/qemu/$1.pid"; }
locked_kb() { awk '$1 == "VmLck:" { print $2 }' "/proc/$1/status"; }
limit_of() { awk '/^Max locked memory/ { print $4 }' "/proc/$1/limits"; }
