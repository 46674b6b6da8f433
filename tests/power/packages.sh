#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# Debian's packages, which are beside the tests: dpkg installs them, and the daemon is there, as docs/tour.md has it. For a host with a dpkg
# (--with packages), in which nothing else of tced is.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"

[[ ! -e /usr/bin/tcectl && -z $(find /usr/libexec/tced 2>/dev/null) ]]
ok $? "there is no tced yet"
is "$(dpkg --audit 2>&1)" "" "dpkg has nothing to say of what is installed"

said=$(dpkg --install "$POWER_HOST_TESTS"/packages/*.deb 2>&1)
ok $? "dpkg installs them, and all that they depend on is there" || while read -r line; do echo "#   $line"; done <<<"$said"
warned=$(grep -iE 'warning|error|failed|not found' <<<"$said")
is "$warned" "" "and has no warning"
is "$(dpkg --audit 2>&1)" "" "nothing is half done"
is "$(dpkg-query --show --showformat '${Status} ${Architecture}\n' tced libtced1 libtced-dev tced-qemu | sort -u)" \
        "install ok installed ppc64el" "they are installed, those for ppc64el"
is "$(dpkg --verify tced libtced1 libtced-dev tced-qemu)" "" "all files are as they were packed"
is "$(id -nG tced)" "tced kvm" "the user tced is there, and in the group kvm"
is "$(systemctl is-enabled tced.service tced.socket tced-bind.socket | xargs)" "enabled enabled enabled" "the service and its sockets are enabled"
is "$(systemctl is-active tced.service tced.socket tced-bind.socket | xargs)" "active active active" "and active"
wait_for 60 proven
ok $? "the host is proven: $(property /org/tced1 org.tced1.Manager ProbeState)"
# docs/tour.md, "Start it", says what differs where the kernel's VFIO is broken.
case $POWER_HOST_KERNEL in
6.1) verdict='This host*, but not those of passthrough devices.*vfio-broken*' ;;
*) verdict='This host'\''s guests can have their TCE tables in the kernel. *' ;;
esac
like "$(tcectl status --no-pager | tr -s '\n ' ' ' | sed 's/^ //')" "$verdict" "tcectl status has a verdict"
[[ $(readlink /etc/libvirt/hooks/qemu.d/tced) == /usr/sbin/tced-hook && -x /etc/libvirt/hooks/qemu.d/tced ]]
ok $? "libvirt's hook is where libvirt looks"
is "$(systemctl --failed --no-legend | grep tced)" "" "no unit of it has failed"
finish
