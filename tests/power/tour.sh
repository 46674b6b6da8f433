#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# docs/tour.md to the letter: each of its commands is run, in its order, on a host with libvirt and a VM "web1" of someone's who has not heard of tced,
# and says what the document shows: each line of it, where … stands for anything.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"
# shellcheck source=tests/power/qemu-lib.sh
source "$POWER_HOST_TESTS/qemu-lib.sh"
export COLUMNS=80
tour=$POWER_HOST_TESTS/tour.md
mkdir -p /tmp/tour
cd /tmp/tour || exit 1

systemctl start libvirtd
EMULATOR=/usr/bin/qemu-system-ppc64 BOOT="<kernel>$GUEST/vmlinux</kernel><initrd>$GUEST/initrd</initrd><cmdline>console=hvc0 modules=e1000e,virtio_pci dhcp=0 stay</cmdline>" \
        domain web1 kvm "" "$max" >web1.xml
virsh define web1.xml >/dev/null
ok $? "there is a VM"

# shows SAID LINE: is it a line of what was said? As a terminal shows both: blanks at the ends do not count.
shows() {
        local glob
        glob=$(sed 's/[][*?\\]/\\&/g; s/…/*/g; s/^ *//; s/ *$//' <<<"$2")
        # shellcheck disable=SC2053
        while read -r line; do [[ $line == $glob ]] && return; done <<<"$1"
        return 1
}

# What the tour waits for by being read.
settle() {
        case $1 in
        'systemctl enable'*) wait_for 60 sh -c 'tcectl status --json=short | grep -q "\"probe\":\"done\"" && tcectl status --json=short | grep -q "\"state\":\"connected\""' ;;
        'virsh start'*) wait_for 90 up ;;
        esac
}

said='' command='' number=0
one() {
        said=$(eval "$command" 2>&1 </dev/null)
        ok $? "$command" || sed 's/^/#   /' <<<"$said"
        settle "$command"
}
inside='' file=''
while IFS= read -r line; do
        case $inside:$line in
        :'```console') inside=console ;;
        :'```xml '*) inside=xml file=${line#* } && : >"$file" ;;
        :'```'*) inside=other ;;
        *:'```') inside='' ;;
        console:'# '*) command=${line#'# '} number=$((number + 1)) && one ;;
        console:?*) shows "$said" "$line"; ok $? "  $line" || sed 's/^/#   /' <<<"$said" ;;
        xml:*) printf '%s\n' "$line" >>"$file" ;;
        esac
done <"$tour"
((number >= 12))
ok $? "all of it: $number commands"

# What the last step packs, where there is a VM of libvirt's and a journal.
virsh start web1 >/dev/null
tcectl bugreport --output=full.tar.gz >/dev/null
ok $? "a report while the VM runs"
member() { tar -xzOf full.tar.gz "full/$1" 2>/dev/null; }
like "$(member plans/web1.json)" '*"liobn": *"placement": "kernel"*' "the VM's plan is in it" || tar -tzf full.tar.gz | sed 's/^/#   /'
like "$(member audit.json)" '*"web1"*' "the audit"
like "$(member journal.txt)" '*tced*IOMMU*' "tced's log" || member journal.txt | head -n 5 | sed 's/^/#   /'
like "$(member units.txt)" '*tced.service*active (running)*' "its units"
! tar -xzOf full.tar.gz | grep -q '<domain'
ok $? "and no domain's XML"
is "$(tcectl --no-pager group 1 --host=full.tar.gz)" "$(tcectl --no-pager group 1)" "--host shows the same as tced"
gone web1
virsh undefine web1 >/dev/null
ok $? "there is no VM any more"

! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
finish
