#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The polkitd of a distribution on its system bus, and tced as its own user, which polkit lets ask as it owns the actions: rules allow a
# user some verbs for some objects, and another user none. Each verb, on x86, is in tests/bus/polkitd.sh.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
alone=$POWER_HOST_VFIO_ALONE spare=$POWER_HOST_VFIO_SPARE
rules=/etc/polkit-1/rules.d/10-test.rules

# Not runuser, which wants PAM.
as() { output=$(setpriv --reuid="$(id -u "$1")" --regid="$(id -g "$1")" --clear-groups "${@:2}" 2>&1 | tr -s '\n ' ' '; exit "${PIPESTATUS[0]}"); }
register() { as "$1" busctl call org.tced1 /org/tced1 org.tced1.Manager RegisterMachine 'ssa(ssuttubi)a{sv}t' "$2" "" 0 0 0; }
rescan() { as "$1" busctl call org.tced1 /org/tced1 org.tced1.Manager Rescan; }

start_tced
ok $? "systemctl start tced"
is "$(pkaction | grep -c '^org\.tced1\.')" 11 "polkit knows tced's 11 actions"
pkaction --verbose | grep -q 'unix-user:tced'
ok $? "and that they are the user tced's"
! rescan nobody
like "$output" '*polkit does not allow you org.tced1.rescan: it would have to ask for a password*' "without a rule a password is wanted"

cat >"$rules" <<END
polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.tced1.") != 0 || subject.user != "nobody")
        return polkit.Result.NOT_HANDLED;
    if (action.id == "org.tced1.rescan")
        return polkit.Result.YES;
    if (action.id == "org.tced1.register")
        return action.lookup("machine") == "good" ? polkit.Result.YES : polkit.Result.NO;
    if (action.id == "org.tced1.bind" || action.id == "org.tced1.release")
        return action.lookup("devices") == "$alone" && action.lookup("force") == "no" &&
            action.lookup("persistent") == "no" ? polkit.Result.YES : polkit.Result.NO;
    return polkit.Result.NO;
});
END
wait_for 10 rescan nobody
ok $? "a rule lets a user rescan ($output)"
rescan daemon
like "$? $output" '1 *polkit does not allow you org.tced1.rescan*' "and that one alone"
as nobody busctl call org.tced1 /org/tced1 org.tced1.Manager Reload
like "$? $output" '1 *polkit does not allow you org.tced1.reload: its rules say no*' "and not to reload"
register nobody good
ok $? "a user may register by the name that the rule has ($output)"
register nobody bad
like "$? $output" '1 *polkit does not allow you org.tced1.register: its rules say no*' "and by no other"

before=$(driver_of "$alone")
as nobody tcectl bind "$alone"
ok $? "a user binds the device that the rule has ($output)"
is "$(driver_of "$alone")" vfio-pci "it is bound"
as nobody tcectl bind "$spare"
like "$? $output" '1 *polkit does not allow you org.tced1.bind*' "and no other"
[[ $(driver_of "$spare") != vfio-pci ]]
ok $? "which is where it was"
as nobody tcectl release --persistent "$alone"
like "$? $output" '1 *polkit does not allow you org.tced1.release*' "nor may it change what is done at each boot"
as nobody tcectl release "$alone"
ok $? "it gives the device back ($output)"
is "$(driver_of "$alone")" "$before" "which has its driver again"

# A polkitd that ends is started by the bus when it is asked.
systemctl kill --signal=KILL polkit
wait_for 20 rescan nobody
ok $? "a polkitd that was killed is asked again ($output)"
rm "$rules"
refuses() { ! rescan nobody; }
wait_for 20 refuses
ok $? "without the rule it is as before"
finish
