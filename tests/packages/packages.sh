#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Usage: packages.sh ROOT PACKAGES OUT
#
# The life of Debian's packages of tced in a container of Debian's that is booted by its own systemd: installed, upgraded,
# removed, installed again, purged. ROOT is a Debian's root, which is left as it is; PACKAGES is a folder with what was built; OUT is where
# container.out, .status and .log go. Needs root, systemd-nspawn and the mirrors. Prints TAP; tools/package --test runs it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/common.sh
. "$here/../../tools/common.sh"
root=$1 packages=$2 out=$3
scratch
box=$SCRATCH/box
mkdir -p "$SCRATCH"/{upper,work} "$box"

# The same packages once more, as a later version: what is in them is packed again.
raise() { # FROM TO
        local deb tree=$SCRATCH/tree
        for deb in "$1"/*.deb; do
                rm -rf "$tree"
                dpkg-deb -R "$deb" "$tree"
                sed -i -E 's/^(Version: .*)/\1+later/; s/\(= 0\.1\)/(= 0.1+later)/g' "$tree/DEBIAN/control"
                dpkg-deb --root-owner-group -b "$tree" "$2" >"$SCRATCH/log"
        done
}

main() {
        local name
        mount --make-rprivate /
        mount -t overlay -o "lowerdir=$root,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work" overlay "$box"
        mkdir -p "$box"/packages/{1,2} "$box/etc/systemd/system/multi-user.target.wants"
        find "$packages" -maxdepth 1 -name '*.deb' ! -name '*-dbgsym_*' -exec cp -t "$box/packages/1" {} +
        raise "$box/packages/1" "$box/packages/2"
        cp "$here/inside.sh" "$here/vmm.c" "$box/packages"
        mkdir "$box/packages/source"
        cp -r "$TOP/debian" "$box/packages/source"
        # What they depend on is fetched here: the container has no network.
        cp -L /etc/resolv.conf "$box/etc/resolv.conf"
        (chroot "$box" sh -c 'apt-get -q update && apt-get -q -y install --no-install-recommends --download-only /packages/1/*.deb') >"$SCRATCH/log" 2>&1 ||
                { tail -n 20 "$SCRATCH/log" >&2; die "what the packages depend on can't be had"; }
        # libvirt's profiles, which Debian 12 and 13 have in another package each.
        mkdir "$box/packages/libvirt"
        for name in libvirt-daemon-system libvirt-daemon; do
                # shellcheck disable=SC2016 # the inner shell's own variable
                chroot "$box" sh -c 'cd /packages/libvirt && apt-get -q download "$0"' "$name" >"$SCRATCH/log" 2>&1 || continue
                dpkg-deb -x "$box/packages/libvirt/$name"_*.deb "$box/packages/libvirt/tree"
        done
        cat >"$box/etc/systemd/system/packages-test.service" <<-'UNIT'
		[Unit]
		After=multi-user.target
		[Service]
		Type=oneshot
		ExecStart=/bin/bash /packages/inside.sh
		ExecStopPost=/bin/systemctl --no-block poweroff
		StandardOutput=file:/packages/tap
		StandardError=file:/packages/tap
		TimeoutStartSec=3min
		UNIT
        ln -s ../packages-test.service "$box/etc/systemd/system/multi-user.target.wants/"
        # A machine with the first kind of control groups has the second all the same, without controllers, which will do.
        [[ -e /sys/fs/cgroup/cgroup.controllers ]] || { umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; }
        # It has a /sys of its own, in which what tced's units name is missing.
        timeout 200 systemd-nspawn --quiet --register=no --keep-unit --private-network --console=pipe --directory="$box" --bind-ro=/sys/module \
                --boot systemd.show_status=no </dev/null >"$SCRATCH/console" 2>&1 || true
        [[ -s $box/packages/tap ]] || { tail -n 20 "$SCRATCH/console" >&2; die "the container did not come up"; }
        tee "$out/container.out" <"$box/packages/tap"
        cp "$box/packages/log" "$out/container.log"
        grep -q '^1\.\.' "$box/packages/tap" && ! grep -q '^not ok' "$box/packages/tap"
}

export -f main raise
export root packages here out box SCRATCH
status=0
# shellcheck disable=SC2016 # the inner shell's own variables
unshare --mount --cgroup --pid --fork --mount-proc bash -c 'set -euo pipefail; . "$here/../../tools/common.sh"; main' || status=$?
echo "$status" >"$out/container.status"
((status == 0))
