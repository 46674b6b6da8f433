#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# Two guests of one user: neither may see, claim or end the other's machine, before and after its owner claimed it. Their emulator is claim-exec,
# which tries all of it and then becomes QEMU.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"

start_tced
ok $? "systemctl start tced"
systemctl start libvirtd
ok $? "systemctl start libvirtd"
mkdir -m 1777 /run/claim-test
chmod 1777 /run/claim-test
a=11111111-2222-3333-4444-00000000000a b=11111111-2222-3333-4444-00000000000b idle=11111111-2222-3333-4444-00000000000c
printf '%s\n%s\n%s\n' $a $b $idle >/run/claim-test/uuids
domain idle kvm "" "<uuid>$idle</uuid>" >/tmp/idle.xml
virsh create --paused /tmp/idle.xml >/tmp/out 2>&1
ok $? "a third guest starts, whose VMM claims nothing" || cat /tmp/out
EMULATOR=$POWER_HOST_TESTS/claim-exec
domain a kvm "" "<uuid>$a</uuid>" >/tmp/a.xml
domain b kvm "" "<uuid>$b</uuid>" >/tmp/b.xml
for name in a b; do
        virsh create --paused /tmp/$name.xml >/tmp/out 2>&1
        ok $? "$name starts" || cat /tmp/out
done
is "$(stat -c %U "/proc/$(pid_of a)") $(stat -c %U "/proc/$(pid_of b)")" "libvirt-qemu libvirt-qemu" "both run as one user"
for name in a b; do
        grep -q '^own claim: DONE$' /run/claim-test/$name.log
        ok $? "$name claimed its own" || cat /run/claim-test/$name.log
        is "$(tcectl machines --json=short $name | grep -o '"pid":[0-9]*' | sort -u)" "\"pid\":$(pid_of $name)" "and tced holds its QEMU"
done
# The children that stay behind try for ten seconds.
sleep 11
for name in a b; do
        is "$(grep -c '^child see' /run/claim-test/$name.log | sed 's/^[1-9][0-9]*$/many/')" many "$name's child tried"
        is "$(grep DONE /run/claim-test/$name.log)" "own claim: DONE" "$name could do nothing but claim its own"
        like "$(grep '^pid file as' /run/claim-test/$name.log)" "pid file as idle: renamed" "not even with its pid file under another's name"
done
like "$(tcectl machines)" '*a *claimed*b *claimed*idle *registered*' "both are still claimed, and the third is nobody's"
for name in a b idle; do
        virsh destroy $name >/dev/null
        ok $? "$name ends"
done
is "$(tcectl machines --json=short)" "[]" "and tced knows none"
systemctl stop libvirtd tced
finish
