#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tced with a real polkitd, which has tced's actions and rules of this test's: each verb for a user whom they allow it, for one whom they
# don't, and for one who would have to give a password. In a mount namespace, on a bus of its own. $TCED_ON_FAKE_KVM, $TCED_DATA and
# $DBUS_DAEMON are as tests/bus/meson.build has them. Prints TAP.
set -uo pipefail
polkitd=/usr/lib/polkit-1/polkitd

why=''
if [[ $EUID != 0 ]]; then why="needs root"
elif [[ ! -x $polkitd || ! -x $DBUS_DAEMON ]]; then why="there is no polkitd, or no dbus-daemon"
elif ! getent passwd polkitd >/dev/null; then why="there is no user polkitd"
elif ! command -v pkaction setpriv busctl >/dev/null; then why="no pkaction, setpriv or busctl here"
elif ! unshare --mount true 2>/dev/null; then why="a mount namespace may not be made here"
fi
if [[ -n $why ]]; then
        echo "1..0 # SKIP $why"
        exit 0
fi
[[ -n ${POLKITD_INSIDE:-} ]] || POLKITD_INSIDE=1 exec unshare --mount --propagation private "$0"

points=0 failed=0 pids=()
dir=$(mktemp -d) || exit 1
chmod 755 "$dir"
trap 'kill "${pids[@]}" 2>/dev/null; wait; rm -rf "$dir"' EXIT
allowed=$(getent passwd daemon | cut -d: -f3) refused=$(getent passwd bin | cut -d: -f3) asked=65534
actions=(bind release probe rescan reload register unregister open-group plan-domain set-log-level raise-memlock)

ok() { # STATUS NAME
        points=$((points + 1))
        if (($1)); then
                failed=$((failed + 1))
                printf 'not ok %d - %s\n' "$points" "$2"
                sed 's/^/# /' "$dir/out"
        else
                printf 'ok %d - %s\n' "$points" "$2"
        fi
}

bail() {
        printf 'Bail out! %s\n' "$1"
        sed 's/^/# /' "$dir"/*.log
        exit 1
}

wait_name() { # NAME
        for ((i = 0; i < 300; i++)); do
                busctl --address="$bus" call org.freedesktop.DBus / org.freedesktop.DBus NameHasOwner s "$1" 2>/dev/null |
                        grep -q true && return 0
                sleep 0.1
        done
        bail "$1 does not come"
}

# What polkitd reads: tced's actions and its own, and our rules alone.
polkit_files() {
        mkdir -p "$dir/actions" "$dir/rules"
        cp "$TCED_DATA/org.tced1.policy" /usr/share/polkit-1/actions/org.freedesktop.policykit.policy "$dir/actions/"
        cat >"$dir/rules/10-test.rules" <<-END
	polkit.addRule(function(action, subject) {
	    if (action.id.indexOf("org.tced1.") != 0)
	        return polkit.Result.NOT_HANDLED;
	    if (subject.user == "bin")
	        return polkit.Result.NO;
	    if (subject.user != "daemon")
	        return polkit.Result.NOT_HANDLED;
	    // By what tced tells of the object.
	    if (action.id == "org.tced1.bind" || action.id == "org.tced1.release")
	        return action.lookup("devices") == "0000:02:00.0" && action.lookup("force") == "no" ?
	            polkit.Result.YES : polkit.Result.NO;
	    if (action.id == "org.tced1.register")
	        return action.lookup("machine").indexOf("good") == 0 ? polkit.Result.YES : polkit.Result.NO;
	    if (action.id == "org.tced1.raise-memlock")
	        return action.lookup("machine") == "good-raised" && action.lookup("bytes") == "0" ?
	            polkit.Result.YES : polkit.Result.NO;
	    return polkit.Result.YES;
	});
	END
        chmod -R a+rX "$dir"
        mount --bind "$dir/actions" /usr/share/polkit-1/actions
        mount --bind "$dir/rules" /etc/polkit-1/rules.d
}

start_bus() {
        bus=unix:path=$dir/bus
        cat >"$dir/bus.conf" <<-END
	<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
	 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
	<busconfig>
	  <type>system</type><listen>$bus</listen><auth>EXTERNAL</auth>
	  <policy context="default">
	    <allow user="*"/><deny own="*"/><deny send_type="method_call"/><allow send_type="signal"/>
	    <allow send_requested_reply="true" send_type="method_return"/><allow send_requested_reply="true" send_type="error"/>
	    <allow receive_type="method_call"/><allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
	    <allow send_destination="org.freedesktop.DBus"/>
	  </policy>
	  <includedir>/usr/share/dbus-1/system.d</includedir>
	  <include>$TCED_DATA/org.tced1.conf</include>
	</busconfig>
	END
        "$DBUS_DAEMON" --config-file="$dir/bus.conf" --nofork --nopidfile --nosyslog >"$dir/bus.log" 2>&1 &
        pids+=($!)
        export DBUS_SYSTEM_BUS_ADDRESS=$bus
        wait_name org.freedesktop.DBus
}

# Two groups, each of one device.
start_tced() {
        local group device at
        for group in 5:0000:02:00.0 7:0000:01:00.0; do
                device=${group#*:} group=${group%%:*}
                at=$dir/sys/devices/pci0000:00/$device
                mkdir -p "$at" "$dir/sys/kernel/iommu_groups/$group/devices" "$dir/sys/bus/pci/devices"
                ln -s "../../../../devices/pci0000:00/$device" "$dir/sys/kernel/iommu_groups/$group/devices/$device"
                ln -s "../../../devices/pci0000:00/$device" "$dir/sys/bus/pci/devices/$device"
                ln -s "../../../kernel/iommu_groups/$group" "$at/iommu_group"
                echo 0x8086 >"$at/vendor" && echo 0x10d3 >"$at/device" && echo 0x020000 >"$at/class" && echo -1 >"$at/numa_node"
        done
        mkdir -p "$dir/dev" "$dir/root" "$dir/libvirt"
        "$TCED_ON_FAKE_KVM" --socket="$dir/socket" --config-root="$dir/root" --sys="$dir/sys" --dev="$dir/dev" \
                --libvirt-run="$dir/libvirt" --bind-socket="$dir/none" --bind-records="$dir/none" \
                --libvirt-child=/nonexistent >"$dir/tced.log" 2>&1 &
        pids+=($!)
        wait_name org.tced1
}

as() { # UID COMMAND...
        setpriv --reuid="$1" --regid="$1" --clear-groups "${@:2}" >"$dir/out" 2>&1
}

manager() { # UID METHOD...: what it is answered is in $dir/out
        as "$1" busctl --address="$bus" call org.tced1 /org/tced1 org.tced1.Manager "${@:2}"
}

group() { # UID NUMBER METHOD FLAGS
        as "$1" busctl --address="$bus" call org.tced1 "/org/tced1/group/$2" org.tced1.Group "$3" t "$4"
}

register() { # UID NAME
        manager "$1" RegisterMachine 'ssa(ssuttubi)a{sv}t' "$2" "" 0 0 0
}

# try ACTION UID: the verb that it is for.
try() {
        local path
        case $1 in
        bind) group "$2" 5 Bind 0 ;;
        release) group "$2" 5 Release 0 ;;
        probe) manager "$2" Probe bt false 0 ;;
        rescan) manager "$2" Rescan ;;
        reload) manager "$2" Reload ;;
        register) register "$2" "good-$2" ;;
        unregister)
                register 0 "others-$2"
                path=$(sed 's/.*"\(.*\)"/\1/' "$dir/out")
                as "$2" busctl --address="$bus" call org.tced1 "$path" org.tced1.Machine Unregister t 0
                ;;
        open-group) group "$2" 5 Open 0 ;;
        plan-domain) manager "$2" PlanDomain 'sa{sv}t' vm 0 0 ;;
        set-log-level)
                as "$2" busctl --address="$bus" set-property org.tced1 /org/freedesktop/LogControl1 org.freedesktop.LogControl1 \
                        LogLevel s info
                ;;
        esac
}

says() { grep -q -- "$1" "$dir/out"; }

polkit_files
start_bus
"$polkitd" --no-debug >"$dir/polkitd.log" 2>&1 &
pids+=($!)
wait_name org.freedesktop.PolicyKit1
start_tced

pkaction >"$dir/out" 2>&1
ok $(($(grep -c '^org\.tced1\.' "$dir/out") != ${#actions[@]})) "polkit knows ${#actions[@]} actions of tced's"
for action in "${actions[@]}"; do
        pkaction --verbose --action-id "org.tced1.$action" >"$dir/out" 2>&1
        says 'message: *Authentication is required' && says 'implicit any: *\(auth_admin\|no\)' && says 'unix-user:tced'
        ok $? "org.tced1.$action: a message, who may by default, and whose it is"
        [[ $action != raise-memlock ]] || continue
        # What is done then may fail, of other things than that.
        try "$action" "$allowed"
        ! says 'polkit\|Access denied\|Permission denied\|is for root'
        ok $? "$action: done for whom a rule allows it ($(head -c 60 "$dir/out" | tr '\n' ' '))"
        try "$action" "$refused"
        says "polkit does not allow you org.tced1.$action: its rules say no"
        ok $? "$action: not for whom one refuses it"
        try "$action" "$asked"
        says "polkit does not allow you org.tced1.$action: it would have to ask for a password"
        ok $? "$action: not without a password by default"
done

# The details are those of the object.
group "$allowed" 7 Bind 0
says 'polkit does not allow you org.tced1.bind'
ok $? "a rule for one device does not allow another"
group "$allowed" 5 Bind 1
says 'polkit does not allow you org.tced1.bind'
ok $? "nor to bind it by force"
register "$allowed" bad
says 'polkit does not allow you org.tced1.register'
ok $? "a rule for some names of machines does not allow others"
# Asked by the way, of a user's VM: it is known also without.
raises() { ! grep -q "limit of $1 is not raised: .*raise-memlock: its rules say no" "$dir/tced.log"; }
register "$allowed" good-raised && raises good-raised
ok $? "raise-memlock: for the VM that a rule allows it"
register "$allowed" good-other && ! raises good-other
ok $? "raise-memlock: not for another, which is known all the same, and the log says so"
# Whose own rights these would be.
name=$(busctl --address="$bus" call org.freedesktop.DBus / org.freedesktop.DBus GetNameOwner s org.tced1 | sed 's/.*"\(.*\)"/\1/')
as "$asked" busctl --address="$bus" call org.freedesktop.PolicyKit1 /org/freedesktop/PolicyKit1/Authority \
        org.freedesktop.PolicyKit1.Authority CheckAuthorization \
        '(sa{sv})sa{ss}us' system-bus-name 1 name s "$name" org.tced1.bind 1 group 5 0 ''
says 'Only trusted callers'
ok $? "nobody but tced and root may ask with details"

# polkitd that ends is a no, and one that comes back is asked again.
kill "${pids[1]}"
wait "${pids[1]}" 2>/dev/null
try rescan "$allowed"
says 'polkit does not allow you org.tced1.rescan'
ok $? "without polkitd it is a no"
"$polkitd" --no-debug >"$dir/polkitd.log" 2>&1 &
pids[1]=$!
wait_name org.freedesktop.PolicyKit1
try rescan "$allowed"
ok $? "and with one again it is done"
echo "1..$points"
exit $((failed > 0))
