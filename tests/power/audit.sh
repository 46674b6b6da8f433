#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The audit of real VMMs: a stock QEMU that nobody told of, a guest of libvirt's, and the same two with so little locked memory that the kernel
# refuses one of their tables.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
# shellcheck source=tests/power/domain-lib.sh
source "$POWER_HOST_TESTS/domain-lib.sh"

# names.h: TCED_MESSAGE_SLOW_PATH
SLOW=5d8f1b6c2e9a4c37b0f4a7d3e6c2b105
# More than the table of a spapr-vlan costs, and less than both.
LITTLE=2097152

# audit PID: its JSON, in $json.
audit() {
        json=$(manager AuditProcess ut "$1" 0 2>&1)
        json=${json//\\\"/\"}
        json=${json//\\\'/\'}
}
# of NUMBER MEMBER: of the table with that number, from 0, in $json.
text_of() { grep -o '{"liobn":[^}]*}' <<<"$json" | sed -n "$(($1 + 1))p" | sed -n "s/.*\"$2\":\"\([^\"]*\)\".*/\1/p"; }
of() { grep -o '{"liobn":[^}]*}' <<<"$json" | sed -n "$(($1 + 1))p" | member "$2"; }
maps_are() { [[ $(real_maps "$1") == "$2" ]]; }

# stock LIMIT: a stock QEMU of a user without CAP_IPC_LOCK, stopped before its guest runs; its PID is $qemu.
stock() {
        prlimit --memlock="$1" setpriv --reuid=nobody --regid=kvm --clear-groups --inh-caps=-all --bounding-set=-all \
                qemu-system-ppc64 -machine pseries -accel kvm -m 256 -nodefaults -display none -S \
                -netdev user,id=n0 -device spapr-vlan,netdev=n0 </dev/null >/tmp/qemu.log 2>&1 &
        qemu=$!
}

start_tced
ok $? "systemctl start tced"
systemctl start libvirtd
ok $? "systemctl start libvirtd"
busctl monitor --match "type='signal',interface='org.tced1.Manager',member='SlowPath'" >/tmp/signals 2>/dev/null &
monitor=$!

systemctl service-log-level tced debug
ok $? "tced says more"
stock unlimited
wait_for 60 maps_are $qemu "512 2048"
ok $? "a stock QEMU with a spapr-vlan has two tables in the kernel" || { real_maps $qemu; cat /tmp/qemu.log; }
# libvirt knows nothing of it, and nobody asks: KVM's uevent is all that there is.
noticed() { journalctl -q -u tced -o cat | grep -q "Audited process $qemu (qemu-system-ppc): as-planned, 2 tables in the kernel"; }
wait_for 70 noticed
ok $? "tced looks at it by itself"
audit $qemu
like "$json" '*"kernel_tables":2,*"kernel_bytes":2621440,*' "the audit finds both" || echo "# $json"
like "$json" '*"machine":null,*"basis":"command-line","verdict":"as-planned",*' "by its command line it has what a stock QEMU would have" || echo "# $json"
is "$(text_of 0 device) $(of 0 found) $(of 0 bytes), $(text_of 1 device) $(of 1 found) $(of 1 bytes)" \
        "l-lan@71000001 kernel 524288, pci.0 kernel 2097152" "and each is named, as QEMU itself names it"
echo "# resident: $(grep -o '"resident_bytes":[0-9a-z]*' <<<"$json" | xargs); smaps: $(awk '/kvm-spapr-tce/ { t = 1 } t && /^Rss/ { print $2; t = 0 }' /proc/$qemu/smaps | xargs) kB"
count=$(find /proc/$qemu/fd -lname "anon_inode:kvm-spapr-tce" | wc -l)
kill $qemu && wait $qemu 2>/dev/null
is "$count" 2 "it has the tables' fds open"
gone() { ! manager AuditProcess ut $qemu 0 >/dev/null 2>&1; }
wait_for 10 gone
ok $? "it has ended, and the audit knows nothing of it"

stock $LITTLE
wait_for 60 maps_are $qemu "512"
sleep 2
is "$(real_maps $qemu)" 512 "with little locked memory it has one"
grep -q 'Failed to create TCE' /tmp/qemu.log
ok $? "the other was refused" || cat /tmp/qemu.log
audit $qemu
like "$json" '*"kernel_tables":1,*"locked_memory":{"charged":589824,"limit":2097152,"ipc_lock":false}*' "the audit finds it, and the limit" || echo "# $json"
like "$json" '*"basis":"command-line","verdict":"slow-path",*' "it is on the slow path" || echo "# $json"
is "$(text_of 0 device) $(of 0 found), $(text_of 1 device) $(of 1 found) $(of 1 why_source)" "l-lan@71000001 kernel, pci.0 missing inferred" "which of them is refused"
like "$(text_of 1 why)" "the locked-memory limit is 2 MiB*576 KiB of it are taken*2112 KiB for the table" "and why"
told() { journalctl -q -o cat MESSAGE_ID=$SLOW | grep -q "qemu-system-ppc (process $qemu) runs on the slow path: liobn 80000000 (pci.0)"; }
wait_for 30 told
ok $? "the journal says so" || journalctl -q -o cat MESSAGE_ID=$SLOW
like "$(busctl get-property org.tced1 /org/tced1 org.tced1.Manager Findings)" "*slow-path*process $qemu*liobn 80000000*" "and it is a finding of the host"
like "$(tcectl status | head -n 2 | tr -s "\n " " ")" "*, but 1 table of process $qemu is on the slow path.*" "the first line of tcectl status has it"
tcectl audit $qemu >/tmp/out
ok $? "tcectl audit" && sed 's/^/# /' /tmp/out
kill $qemu && wait $qemu 2>/dev/null
stock=$qemu

# A VMM that asks tced: one table by rule in a memfd, one in the kernel.
mkdir -p /etc/tced/rules.d
printf '%s\n' '[Match]' 'Machine=asks' 'Kind=vio' '[Policy]' 'Accel=user' >/etc/tced/rules.d/50-test.rule
manager Reload >/dev/null
"$POWER_HOST_TESTS/test-vmm" --name asks --window vio:0x71000001:0:16M:12 --window pci:0x80000000:0:32M:12 --puts 50 --hold 600 >/tmp/asks.log 2>&1 &
asks=$!
holds() { [[ $(grep -o '"found":"[a-z]*"' <<<"$json" | xargs) == "found:user found:kernel" ]] || { audit $asks; false; }; }
json=
wait_for 60 holds
ok $? "a VMM on tced's tables: one is found in the VMM, the other in the kernel" || { echo "# $json"; cat /tmp/asks.log; }
like "$json" '*"machine":"asks",*"basis":"machine","verdict":"as-planned",*"kernel_tables":1,"other_tables":1,*' "as planned" || echo "# $json"
echo "# fds $(find /proc/$asks/fd -lname 'anon_inode:kvm-spapr-tce' | wc -l), resident $(grep -o '"resident_bytes":[0-9a-z]*' <<<"$json" | xargs)"
kill $asks && wait $asks 2>/dev/null
rm /etc/tced/rules.d/50-test.rule
manager Reload >/dev/null

domain two kvm "<interface type='user'><model type='spapr-vlan'/></interface>" >/tmp/two.xml
virsh create --paused /tmp/two.xml >/tmp/out 2>&1
ok $? "a guest of libvirt's starts" || cat /tmp/out
two=$(pid_of two)
audit "$two"
like "$json" '*"machine":"two",*"basis":"machine","verdict":"as-planned",*"kernel_tables":2,*"other_tables":0,*' "it is as planned" || echo "# $json"
is "$(of 0 expected) $(of 0 found) $(of 0 bytes), $(of 1 expected) $(of 1 found) $(of 1 bytes)" "kernel kernel 524288, kernel kernel 2097152" "both tables"
virsh destroy two >/dev/null
is "$(journalctl -q -o cat MESSAGE_ID=$SLOW | grep -cv "(process $stock)")" 0 "none of these was told to be slow"

cat >/tmp/little <<-SH
	#!/bin/sh
	exec prlimit --memlock=$LITTLE /usr/bin/qemu-system-ppc64 "\$@"
SH
chmod 755 /tmp/little
export EMULATOR=/tmp/little
domain db1 kvm "<interface type='user'><model type='spapr-vlan'/></interface>" >/tmp/db1.xml
virsh create --paused /tmp/db1.xml >/tmp/out 2>&1
ok $? "a guest with little locked memory starts" || cat /tmp/out
slow=$(pid_of db1)
is "$(real_maps "$slow")" 512 "it has one table in the kernel"
said() { journalctl -q -o cat MESSAGE_ID=$SLOW | grep -q "db1 (process $slow) runs on the slow path: liobn 80000000"; }
wait_for 90 said
ok $? "without being asked, the journal says that it runs on the slow path, which table, and who" || journalctl -q -u tced -o cat | tail -n 5
audit "$slow"
like "$json" '*"verdict":"slow-path",*' "so does the audit" || echo "# $json"
is "$(of 0 found), $(of 1 found)" "kernel, missing" "one table is in the kernel, the other is not"
logged() { audit "$slow"; [[ $(of 1 why_source) == seen ]]; }
wait_for 20 logged
ok $? "QEMU's log, which is root's, has been looked into" || { echo "# $json"; tail -n 3 /var/log/libvirt/qemu/db1.log; }
like "$(text_of 1 why)" "the kernel refused it, says QEMU*s log: the locked-memory limit is 2 MiB*576 KiB of it are taken*2112 KiB for the table" "and why"
like "$(text_of 1 remedy)" "*hard_limit*" "and what to do"
object=$(manager GetMachine s db1 | sed 's/o "\(.*\)"/\1/')
is "$(property "$object/table/80000000" org.tced1.Table Placement Found | xargs)" 's kernel s missing' "the table's object shows both"
like "$(property "$object" org.tced1.Machine Findings)" '*slow-path*liobn 80000000*hard_limit*' "it is a finding of the machine"
is "$(grep -c 'STRING "db1"' /tmp/signals)" 1 "one signal came for it"
audit "$slow"
is "$(journalctl -q -o cat MESSAGE_ID=$SLOW | grep -c "^db1 (process $slow)")" 1 "and it is said once"
tcectl audit "$slow" >/tmp/out
ok $? "tcectl audit" && sed 's/^/# /' /tmp/out
like "$(tcectl status | head -n 2 | tr -s "\n " " ")" "*, but 1 table of db1 is on the slow path.*" "the first line of tcectl status names it"
like "$(tcectl explain db1 | tr -s "\n " " ")" "db1 runs as process $slow, which has not claimed it;*80000000 pci.0*not found there (missing)*kernel refused it*" "tcectl explain says what was found"
tcectl top --once >/tmp/out
ok $? "tcectl top --once" && sed 's/^/# /' /tmp/out
like "$(tail -n 1 /tmp/out | tr -s ' ')" "db1 $slow 1 1 * slow-path" "has its row"

# The README's picture: each of its lines is on these screens, but for numbers, blanks and the other VM, which is not here.
screens=$(COLUMNS=80 tcectl status; COLUMNS=80 tcectl audit)
screens=$(sed 's/[0-9]\+/N/g; s/ \+/ /g' <<<"$screens")
lines=0
while IFS= read -r line; do
        lines=$((lines + 1))
        grep -qxF -- "$line" <<<"$screens"
        ok $? "the README's picture: $line" || sed 's/^/#   /' <<<"$screens"
done < <(grep '<text' "$POWER_HOST_TESTS/screen.svg" | sed 's/<[^>]*>//g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g; s/&#x27;/'"'"'/g; s/[0-9]\+/N/g; s/ \+/ /g' |
        grep -vE '^# |^…|^webN |^Groups |^Machines |^libvirt ')
((lines > 10))
ok $? "all $lines lines of it"
virsh destroy db1 >/dev/null
ok $? "it ends"
{ kill $monitor && wait $monitor; } 2>/dev/null
systemctl stop libvirtd tced
finish
