#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What the tests that kill tced share. Sourced, behind lib.sh.

logs=$(mktemp -d)
names=(web{1..9}) pids=()
busy=(--busy)

# What an audit has found is found anew after a restart, and is not there at once.
machines() {
        tcectl --json=short describe |
                sed -E 's/.*"machines"://; s/"audit":(null|\{[^}]*\}),//g; s/"found":(null|"[^"]*"),"found_why":(null|"([^"\\]|\\.)*"),//g'
}
main_pid() { systemctl show -P MainPID tced; }
stored() { systemctl show -P NFileDescriptorStore tced; }
stored_is() { [[ $(stored) == "$1" ]]; }
# tables PID: the memfds and the kernel's tables that the process has mapped.
tables() { grep -E 'memfd:tced|anon_inode' "/proc/$1/maps" | awk '{ print $1, $5, $6 }'; }
holds() { grep -q holding=1 "$logs/$1"; }
killed_and_back() {
        local before
        before=$(main_pid)
        [[ $before != 0 ]] || return 1
        kill -9 "$before"
        # At once: whoever asks waits for it.
        manager ListMachines >/dev/null || return 1
        [[ $(main_pid) != "$before" ]]
}
# vmm NAME OPTION...: goes on in the background; its PID is in $!.
vmm() {
        "$POWER_HOST_TESTS/test-vmm" --name "$1" --window vio:0x71000001:0:16M:12 --window pci:0x80000000:0:32M:12 --puts 50 --hold "${hold:-600}" \
                "${@:2}" >"$logs/$1" 2>&1 &
}

# Small VMMs, whose guests map pages all the time.
start_vmms() {
        local name
        for name in "${names[@]}"; do
                vmm "$name" "${busy[@]}"
                pids+=($!)
        done
        for name in "${names[@]}"; do
                wait_for 300 holds "$name" || sed 's/^/# /' "$logs/$name"
                holds "$name"
                ok $? "$name runs, with a table in the VMM and one in the kernel"
        done
}

# Each is connected to tced again by libtced, and takes leave of it.
end_vmms() {
        local i
        kill "${pids[@]}"
        for i in "${!names[@]}"; do
                wait "${pids[i]}"
                ok $? "${names[i]}: its guest went on all the time, its tables never changed, and it unregisters itself" ||
                        sed 's/^/# /' "$logs/${names[i]}"
                like "$(<"$logs/${names[i]}")" $'*rounds=[1-9]*\nconnections=@([2-9]|[1-9][0-9])*' \
                        "${names[i]} mapped its pages again and again, and was connected again by libtced"
        done
}
