#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What libvirt's policies for VMs are told of the adapter for a stock QEMU: apparmor_parser and checkmodule take it, and refuse it spoilt.
# Whether it lets through what it is for is seen by nobody here: that needs a kernel that enforces it. Prints TAP.
# Usage: confinement.sh APPARMOR-ABSTRACTION SELINUX-MODULE.te SELINUX-CONTEXTS.fc
set -u
abstraction=$1 module=$2 contexts=$3
points=0 failed=0
# Debian has the one beside root's programs.
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# point NAME COMMAND...: it ends well. What it said is told where it did not.
point() {
        local name=$1
        shift
        points=$((points + 1))
        if "$@" >"$work/log" 2>&1; then
                echo "ok $points - $name"
        else
                failed=$((failed + 1))
                echo "not ok $points - $name"
                sed 's/^/# /' "$work/log"
        fi
}
skip() {
        points=$((points + 1))
        echo "ok $points - $1 # SKIP $2"
}
# refused WHAT COMMAND...: it ends badly, and says WHAT.
refused() {
        local what=$1
        shift
        if "$@" >"$work/said" 2>&1; then
                echo "it was taken"
                return 1
        fi
        cat "$work/said"
        grep -q -- "$what" "$work/said"
}

# As libvirt's: a profile for each VM, which includes the abstraction, which includes its folder.
mkdir -p "$work/abstractions/libvirt-qemu.d"
cat >"$work/abstractions/libvirt-qemu" <<'END'
  include <abstractions/base>
  include <abstractions/consoles>
  include <abstractions/nameservice>
  /usr/bin/qemu-system-ppc64 rmix,
  include if exists <abstractions/libvirt-qemu.d>
END
cat >"$work/libvirt-1" <<'END'
include <tunables/global>
profile libvirt-1 flags=(attach_disconnected) {
  include <abstractions/libvirt-qemu>
}
END
parse() { # SED-SCRIPT OPTION...: with the abstraction changed by that
        sed "$1" "$abstraction" >"$work/abstractions/libvirt-qemu.d/tced-qemu"
        shift
        apparmor_parser --config-file /dev/null -QK --base "$work" -I "$work" -I /etc/apparmor.d "$@" "$work/libvirt-1"
}
included() {
        local rules rule
        rules=$(parse '' -p) || return 1
        for rule in '/tced-qemu-system-ppc64 rmix,' '/qemu-system-ppc64 rmix,' '/libtced-qemu.so mr,' 'run/tced/socket rw,'; do
                [[ $rules == *"$rule"* ]] || { echo "no rule $rule"; return 1; }
        done
}
if ! command -v apparmor_parser >/dev/null; then
        skip "AppArmor" "no apparmor_parser: the package apparmor"
elif [[ ! -e /etc/apparmor.d/abstractions/base ]]; then
        skip "AppArmor" "no /etc/apparmor.d/abstractions/base: the package apparmor"
else
        point "AppArmor: the rules are taken" parse ''
        point "AppArmor: they are in a VM's profile" included
        point "AppArmor: QEMU executed in another way than libvirt's" refused 'conflicting x' \
                parse 's,/qemu-system-ppc64 rmix,/qemu-system-ppc64 rmPx,'
        point "AppArmor: a rule without its end" refused 'end of line' parse 's/socket rw,/socket rw/'
fi

compile() { # SED-SCRIPT: with the module changed by that
        sed "$1" "$module" >"$work/tced_qemu.te"
        checkmodule -M -m -o "$work/tced_qemu.mod" "$work/tced_qemu.te"
}
# Its paths are regular expressions.
labelled() {
        local line
        for line in '/tced-qemu-system-ppc64 -- system_u:object_r:qemu_exec_t:s0' '/libtced-qemu\.so -- system_u:object_r:lib_t:s0' \
                '/run/tced(/.*)? system_u:object_r:tced_runtime_t:s0'; do
                tr -s '\t' ' ' <"$contexts" | grep -qF "$line" || { echo "no line $line"; return 1; }
        done
}
point "SELinux: what is installed has its label" labelled
if ! command -v checkmodule >/dev/null; then
        skip "SELinux" "no checkmodule: the package checkpolicy"
else
        point "SELinux: the module is taken" compile ''
        if command -v semodule_package >/dev/null; then
                point "SELinux: it is made a package, with its contexts" \
                        semodule_package -o "$work/tced_qemu.pp" -m "$work/tced_qemu.mod" -f "$contexts"
        else
                skip "SELinux: a package" "no semodule_package: the package semodule-utils"
        fi
        point "SELinux: a type that nobody declares" refused 'svirt_t' compile 's/type svirt_t, /type /'
        point "SELinux: a rule without its end" refused 'syntax error' compile 's/:fd use;/:fd use/'
fi
echo "1..$points"
exit $((failed > 0))
