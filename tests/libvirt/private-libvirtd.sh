#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The private libvirtd itself (lib.sh): a pseries TCG domain is defined, completed, started and outlives a restart of libvirtd; a hook that was
# put there is called; and nothing is left behind. Prints TAP.
set -u
here=$(dirname "$0")
# shellcheck source=tests/power/lib.sh
source "$here/../power/lib.sh"
# shellcheck source=tests/libvirt/lib.sh
source "$here/lib.sh"
libvirt_available || { echo "1..0 # SKIP $LV_WHY"; exit 0; }

before=$(ls -d /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt 2>/dev/null)
libvirt_prepare || exit 1
cat >"$LV_ETC/hooks/qemu.d/50-witness" <<'HOOK'
#!/bin/sh
echo "$1 $2 $3" >>/run/witness
HOOK
chmod +x "$LV_ETC/hooks/qemu.d/50-witness"
libvirt_start
ok $? "libvirtd starts"
cat >"$LV_DIR/small.xml" <<'XML'
<domain type='qemu'>
  <name>small</name>
  <memory unit='MiB'>256</memory>
  <os><type arch='ppc64' machine='pseries'>hvm</type></os>
  <devices>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <interface type='user'><model type='spapr-vlan'/></interface>
  </devices>
</domain>
XML
lv virsh --quiet define "$LV_DIR/small.xml" >/dev/null
ok $? "a pseries domain is defined"
like "$(lv virsh dumpxml small)" "*<address type='spapr-vio' reg='0x00001000'/>*" "and completed: its interface has a VIO register"
lv virsh --quiet start --paused small >/dev/null
ok $? "it starts under TCG"
pid=$(<"$LV_RUN/libvirt/qemu/small.pid")
is "$(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -d' ' -f1)" /usr/bin/qemu-system-ppc64 "its PID is in libvirt's pid file"
like "$(<"$LV_RUN/witness")" "*small start begin*" "a hook in qemu.d is called"
first=$(libvirt_pid)
libvirt_restart
ok $? "libvirtd is started again"
[[ $(libvirt_pid) != "$first" ]]
ok $? "as another process"
is "$(lv virsh domstate small)" paused "the domain outlived it"
like "$(<"$LV_RUN/witness")" "*small reconnect begin*" "the hook is told of the reconnect"
dir=$LV_DIR daemon=$(libvirt_pid)
! libvirt_gone "$daemon"
ok $? "libvirtd runs until the end"
trap - EXIT
_libvirt_end
libvirt_gone "$pid" && libvirt_gone "$daemon" && [[ ! -e $dir ]]
ok $? "at the end its processes and folder are gone"
is "$(ls -d /run/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt 2>/dev/null)" "$before" "the machine's own folders are as they were"
finish
