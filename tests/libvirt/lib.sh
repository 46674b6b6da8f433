#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A real libvirtd of a test's own, beside any that the machine has: as root, in a mount namespace with /run, /var/lib, /var/log,
# /var/cache and /etc/libvirt of its own, without systemd, cgroups or the system bus. Sourced.
#
#     libvirt_available || …          can it be had here? If not: $LV_WHY
#     libvirt_prepare                 makes the folders, under $LV_DIR. Now is the time to fill $LV_ETC/hooks/qemu.d
#     libvirt_start                   and _stop, _restart, _reload. Running VMs outlive all but the script's end
#     lv virsh list                   a command in the namespace; what lv runs may mount there, too
#
# Seen from outside, $LV_RUN, $LV_LIB, $LV_LOG and $LV_ETC are the namespace's /run, /var/lib, /var/log and /etc/libvirt. PIDs are the same
# in and out. When the script ends, however it does, everything that runs in the namespace is killed and $LV_DIR is gone.

LV_DIR='' LV_ETC='' LV_RUN='' LV_LIB='' LV_LOG='' LV_WHY='' LV_HOLDER='' LV_OUTSIDE=''

# May this script have its libvirtd? Says why not in $LV_WHY.
# shellcheck disable=SC2034 # read by who sources this
libvirt_available() {
        local program
        [[ $EUID == 0 ]] || { LV_WHY="needs root"; return 1; }
        for program in libvirtd virsh qemu-system-ppc64 unshare nsenter; do
                PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || { LV_WHY="no $program here: tools/setup tests"; return 1; }
        done
        unshare --mount true 2>/dev/null || { LV_WHY="a mount namespace may not be made here"; return 1; }
}

# libvirt_prepare: the folders and settings, and the namespace, held open by a process that clears up once the script is gone.
libvirt_prepare() {
        [[ -z $LV_DIR ]] || return 0
        LV_DIR=$(mktemp -d "${TMPDIR:-/tmp}/tced-libvirt.XXXXXX") || return
        # QEMU may run as another user.
        chmod 755 "$LV_DIR"
        LV_ETC=$LV_DIR/etc LV_RUN=$LV_DIR/run LV_LIB=$LV_DIR/lib LV_LOG=$LV_DIR/log
        mkdir -p "$LV_ETC/hooks/qemu.d" "$LV_RUN"/{lock,dbus} "$LV_LIB" "$LV_LOG" "$LV_DIR/cache"
        _libvirt_settings
        # The holder is in a session of its own: what ends this script's process group must not end it before it has cleared up.
        LV_OUTSIDE=$(stat -L -c %i /proc/self/ns/mnt)
        setsid -f unshare --mount --propagation private \
                bash -c "$(declare -f _libvirt_mounts _libvirt_kill _libvirt_hold); _libvirt_hold $LV_DIR $$ $LV_OUTSIDE" \
                </dev/null >"$LV_DIR/holder.log" 2>&1
        trap _libvirt_end EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM
        local i
        for ((i = 0; i < 100; i++)); do
                [[ ! -e $LV_DIR/holder ]] || { LV_HOLDER=$(<"$LV_DIR/holder"); return 0; }
                sleep 0.05
        done
        cat "$LV_DIR/holder.log" >&2
        return 1
}

# No labels, cgroups, namespaces or log daemon: nothing that would need more of the machine than a container has.
_libvirt_settings() {
        cat >"$LV_ETC/qemu.conf" <<-'CONF'
		security_driver = "none"
		user = "root"
		group = "root"
		dynamic_ownership = 0
		remember_owner = 0
		cgroup_controllers = []
		namespaces = []
		stdio_handler = "file"
		CONF
        cat >"$LV_ETC/libvirtd.conf" <<-CONF
		auth_unix_rw = "none"
		auth_unix_ro = "none"
		host_uuid = "$(cat /proc/sys/kernel/random/uuid)"
		log_outputs = "2:file:/var/log/libvirt/libvirtd.log"
		CONF
        # libvirtd doesn't start without the user that Debian's is built for, which comes with the package of the system instance.
        cp /etc/passwd /etc/group "$LV_DIR"
        grep -q '^libvirt-qemu:' /etc/passwd || echo 'libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin' >>"$LV_DIR/passwd"
        grep -q '^libvirt-qemu:' /etc/group || echo 'libvirt-qemu:x:64055:' >>"$LV_DIR/group"
}

# In the namespace: folders of its own in place of the machine's. Where no cgroups are mounted libvirt does without.
_libvirt_mounts() { # DIR
        mkdir "$1/lib/libvirt" "$1/log/libvirt" "$1/cache/libvirt" "$1/run/libvirt" &&
                mount --bind "$1/etc" /etc/libvirt &&
                mount --bind "$1/lib" /var/lib && mount --bind "$1/log" /var/log && mount --bind "$1/cache" /var/cache &&
                mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group &&
                mount --bind "$1/run" /run || return
        [[ /var/run -ef /run ]] || mount --bind "$1/run" /var/run
        umount --lazy --recursive /sys/fs/cgroup 2>/dev/null || true
}

# Is this process at its end? One that nobody has waited for yet is.
libvirt_gone() { ! grep -qs '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$1/status"; }

# Kill what runs in the mount namespace of process $1 and not in $2, the script's; process $1 too, unless it is this one.
_libvirt_kill() { # PID NAMESPACE
        local namespace process round found
        namespace=$(stat -L -c %i "/proc/$1/ns/mnt" 2>/dev/null) && [[ -n $2 && $namespace != "$2" ]] || return 0
        for ((round = 0; round < 100; round++)); do
                found=no
                for process in $(stat -L -c '%i %n' /proc/[0-9]*/ns/mnt 2>/dev/null | sed -n "s|^$namespace /proc/\([0-9]*\)/.*|\1|p"); do
                        [[ $process == "$BASHPID" ]] || ! kill -KILL "$process" 2>/dev/null || found=yes
                done
                [[ $found == yes ]] || return 0
                sleep 0.02
        done
}

# The holder: there as long as the script is, and its folder.
_libvirt_hold() { # DIR SCRIPT'S-PID SCRIPT'S-NAMESPACE
        _libvirt_mounts "$1" || return
        echo "$BASHPID" >"$1/holder.new" && mv "$1/holder.new" "$1/holder"
        while [[ -d /proc/$2 ]]; do sleep 0.5; done
        _libvirt_kill "$BASHPID" "$3"
        rm -rf "$1"
}

lv() { nsenter --mount="/proc/${LV_HOLDER:?libvirt_prepare was not called}/ns/mnt" --wd=/ -- "$@"; }

libvirt_pid() { cat "$LV_RUN/libvirtd.pid" 2>/dev/null; }

# Starts libvirtd; returns once it answers. On failure its log is on standard error.
libvirt_start() {
        libvirt_prepare || return
        if lv env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 libvirtd --daemon --pid-file /run/libvirtd.pid </dev/null &&
                lv timeout 60 virsh uri >/dev/null; then
                return 0
        fi
        tail -n 20 "$LV_LOG/libvirt/libvirtd.log" >&2
        return 1
}

# Ends libvirtd alone: its VMs go on.
libvirt_stop() {
        local pid i
        pid=$(libvirt_pid) && [[ -n $pid ]] || return 0
        kill -TERM "$pid" 2>/dev/null
        for ((i = 0; i < 200; i++)); do
                ! libvirt_gone "$pid" || { rm -f "$LV_RUN/libvirtd.pid"; return 0; }
                sleep 0.05
        done
        kill -KILL "$pid"
}

libvirt_restart() { libvirt_stop && libvirt_start; }

# What `systemctl reload libvirtd` does: hooks that came since its start are found.
libvirt_reload() { kill -HUP "$(libvirt_pid)"; }

# A script with an EXIT trap of its own calls this from it.
_libvirt_end() {
        local status=$?
        [[ -z $LV_HOLDER ]] || _libvirt_kill "$LV_HOLDER" "$LV_OUTSIDE"
        [[ -z $LV_DIR ]] || rm -rf "$LV_DIR"
        LV_DIR='' LV_HOLDER=''
        return "$status"
}
