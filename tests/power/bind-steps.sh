#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tced-bind on a real kernel: two devices of one group bound by a worker as its unit confines it, and given back; not while it is open; the
# worker killed when it enters each of its writes, so before each and after the one before, and all wholly back, or wholly bound, each time; a
# driver that has gone.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
read -r first second <<<"${POWER_HOST_VFIO_SHARED:?}"
group=$(group_of "$first")
records=/run/tced-bind/groups

program=$(systemctl cat tced-bind | sed -n 's/^ExecStart=//p')

override_of() { cat "/sys/bus/pci/devices/$1/driver_override"; }
both() { echo "$(driver_of "$first") $(override_of "$first") $(driver_of "$second") $(override_of "$second")"; }
is_recorded() { compgen -G "$records/*.json" >/dev/null; }
no_worker() { [[ -z $(systemctl list-units --no-legend --plain 'tced-bind-work@*') ]]; }

# as_before NAME: both have the drivers that they had, and nothing is recorded.
as_before() { ! is_recorded && [[ $(both) == "$before" ]]; }

start_tced
ok $? "systemctl start tced"
before=$(both)
is "$(driver_of "$first") $(driver_of "$second")" "e1000e nvme" "two devices of group $group"

tcectl bind "$group" >/tmp/said 2>&1
ok $? "the group is bound" || { sed 's/^/# /' /tmp/said; journalctl -u 'tced-bind*' -o cat | tail -n 5 | sed 's/^/# /'; }
is "$(both)" "vfio-pci vfio-pci vfio-pci vfio-pci" "both devices are on vfio-pci"
[[ -e /dev/vfio/$group ]]
ok $? "there is /dev/vfio/$group"
is "$(stat -c '%U %a' "$records"/*.json "$records" | xargs)" "root 644 root 755" "the record is for all to read"
exec 9<>"/dev/vfio/$group"
tcectl release "$group" >/tmp/said 2>&1
is "$? $(both)" "1 vfio-pci vfio-pci vfio-pci vfio-pci" "what is open is not given back"
like "$(tr '\n' ' ' </tmp/said)" '*open*' "and that is said"
exec 9>&-
tcectl release "$group" >/tmp/said 2>&1
ok $? "it is given back" || sed 's/^/# /' /tmp/said
as_before
ok $? "to its drivers" || both | sed 's/^/# /'
wait_for 10 no_worker
ok $? "no worker is left"

# The next worker dies when it enters the write whose number is in /run/kill-at; to be traced it is let do more than it may. Those after it live.
mkdir -p /run/systemd/system/tced-bind-work@.service.d
printf '%s\n' '[Service]' 'ExecStart=' 'ExecStart=/run/kill-work' SystemCallFilter= CapabilityBoundingSet=CAP_SYS_PTRACE \
        ProtectProc=default ReadWritePaths=/run >/run/systemd/system/tced-bind-work@.service.d/50-test.conf
# The tracer is a process beside it: the worker is who has got the socket.
cat >/run/kill-work <<END
#!/bin/bash
if [[ -e /run/kill-at ]]; then
        n=\$(</run/kill-at)
        rm /run/kill-at
        exec strace -D -qq -o /dev/null -e trace=write -e inject=write:signal=SIGKILL:when="\$n" $program --work
fi
exec $program --work
END
chmod +x /run/kill-work
systemctl daemon-reload

# killed: how many workers were.
killed() { journalctl -u 'tced-bind-work@*' -o cat | grep -c 'status=9/KILL'; }
bound() { [[ $(both) == "vfio-pci vfio-pci vfio-pci vfio-pci" ]] && grep -q '"state":"bound"' "$records"/*.json; }
# One that dies before it has written anything leaves a bound group bound.
whole() { as_before || bound; }

# Until it has done all of its writes, its records' included, and comes to its end.
for operation in bind release; do
        deaths=0
        for n in {1..12}; do
                dead=$(killed)
                [[ $operation == bind ]] || bound || tcectl bind "$group" >/dev/null 2>&1
                echo "$n" >/run/kill-at
                tcectl "$operation" "$group" >/tmp/said 2>&1
                echo $? >>/tmp/said
                if [[ $(killed) == "$dead" ]]; then
                        is "$(tail -n 1 /tmp/said)" 0 "$operation, with $((n - 1)) writes, comes to its end"
                        break
                fi
                deaths=$((deaths + 1))
                wait_for 20 whole
                ok $? "$operation, killed at write $n: wholly back, or wholly bound" || { both; cat /tmp/said; } | sed 's/^/# /'
        done
        [[ $deaths -ge 6 && $deaths -lt 12 ]]
        ok $? "$operation: the worker died at each of its $deaths writes"
        # What the last one did is undone.
        [[ $operation == release ]] || tcectl release "$group" >/dev/null 2>&1
done
rm -r /run/systemd/system/tced-bind-work@.service.d /run/kill-work
systemctl daemon-reload

# A driver that is not there any more.
tcectl bind "$group" >/dev/null 2>&1
modprobe -r e1000e
tcectl release "$group" >/tmp/said 2>&1
is "$? $(driver_of "$second")" "1 nvme" "the driver of one is gone: the other gets its own"
like "$(tr -s '\n ' ' ' </tmp/said)" '*e1000e*not loaded any more*' "and that is said"
modprobe e1000e
wait_for 10 as_before || tcectl release "$group" >/tmp/said 2>&1
is "$(both)" "$before" "once it is there, it can be given back"
is_recorded
is $? 1 "and nothing is recorded" || sed 's/^/# /' /tmp/said
! dmesg | grep -E 'WARNING: CPU|Oops|BUG:|Call Trace'
ok $? "the kernel warned of nothing"
systemctl stop tced tced-bind.socket tced-bind-work.socket tced-bind
finish
