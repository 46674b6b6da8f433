#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What packages.sh runs in the container, as a service of its systemd: the packages' life in /packages/1 and /packages/2, which
# is higher. Prints TAP.
set -u
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
exec 3>&1 1>/packages/log 2>&1
points=0
ok() { # STATUS NAME
        points=$((points + 1))
        if [[ $1 -eq 0 ]]; then echo "ok $points - $2" >&3; else
                echo "not ok $points - $2" >&3
                tail -n 8 /packages/log | sed 's/^/# /' >&3
        fi
}
is() { # GOT WANTED NAME
        [[ $1 == "$2" ]]
        ok $? "$3$([[ $1 == "$2" ]] || printf ': "%s", not "%s"' "$1" "$2")"
}
show() { systemctl show -P "$2" "$1"; }
wait_for() { local i; for ((i = 0; i < 100; i++)); do "$@" && return; sleep 0.1; done; return 1; }
# What is needed is there, and there is no network.
apt() { apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 -o Dpkg::Progress-Fancy=0 "$@" </dev/null; }

# Every path of the system's, but what apt and dpkg keep for themselves, logs, and caches of others.
everything() {
        find / -xdev \( -path /packages -o -path /proc -o -path /sys -o -path /dev -o -path /tmp -o -path /run -o -path /var/log \
                -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/lib/systemd/catalog \
                -o -path /var/lib/systemd/timers -o -path /var/lib/systemd/timesync \) -prune -o -print | LC_ALL=C sort
}

# A libvirtd, as far as a package can see.
cat >/etc/systemd/system/libvirtd.service <<'UNIT'
[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/sh -c 'echo reload >>/packages/reloads'
UNIT
systemctl daemon-reload
systemctl start libvirtd
# Who reads what the timers write.
mkdir -p /var/lib/prometheus/node-exporter /etc/kubernetes/node-feature-discovery/features.d
reloads() { wc -l </packages/reloads; }
: >/packages/reloads
everything >/packages/before

# Installed.
apt install /packages/1/*.deb
ok $? "they install"
is "$(systemctl is-enabled tced.service tced.socket tced-bind.socket | xargs)" "enabled enabled enabled" "the service and its sockets are enabled"
is "$(systemctl is-active tced.service tced.socket tced-bind.socket | xargs)" "active active active" "and active"
is "$(id -nG tced)" "tced kvm" "the user tced is there, and in the group kvm"
wait_for sh -c 'busctl status org.tced1 >/dev/null 2>&1'
ok $? "it has its name on the bus"
tcectl status
ok $? "tcectl status"
tcectl plan /nowhere.xml; is $? 1 "tcectl plan of a file that is not there"
echo '<domain type="kvm"><name>web1</name><memory>1048576</memory><os><type arch="ppc64le" machine="pseries">hvm</type></os></domain>' >/tmp/web1.xml
tcectl plan /tmp/web1.xml
ok $? "tcectl plans a domain: libxml2 is there"
busctl introspect org.tced1 /org/tced1 org.tced1.Manager | grep -q ListGroups
ok $? "its interface is on the bus"
[[ $(readlink /etc/libvirt/hooks/qemu.d/tced) == /usr/sbin/tced-hook && -x /etc/libvirt/hooks/qemu.d/tced ]]
ok $? "libvirt's hook is where libvirt looks, and can be run"
is "$(reloads)" 1 "libvirtd was reloaded, to look for it"
systemd-analyze verify --man=no tced.service tced.socket tced-bind.service tced-bind.socket tced-bind-work.socket
ok $? "systemd has nothing to say of the units"
cmp <(pkg-config --variable=completionsdir bash-completion) <(dpkg -L tced | sed -n 's,/tcectl$,,p' | grep bash-completion)
ok $? "bash's completion is where bash looks"
is "$(pkg-config --modversion tced)" "$(tcectl --version | grep -o '[0-9.]*' | head -n 1)" "pkg-config finds the library"
# shellcheck disable=SC2046 # words of the compiler's
cc -Wall -Werror -o /packages/vmm /packages/vmm.c $(pkg-config --cflags --libs tced)
ok $? "a VMM is built with it"

# docs/vmm.md as it was installed: its program, its commands to the letter, and what it says of a host without KVM.
mkdir /tmp/tour
cd /tmp/tour || exit 1
zcat -f "$(dpkg -L tced-doc | grep '/vmm\.md')" >vmm.md
# shellcheck disable=SC2016
sed -n '/^```c$/,/^```$/{/^```/!p}' vmm.md >vmm.c
# shellcheck disable=SC2016
commands() { sed -n '/^```/,/^```$/d; s/^    //p' vmm.md; }
mapfile -t tour < <(commands | grep -E '^(cc|/|\./)')
is "${#tour[@]}" 3 "docs/vmm.md has three commands"
tour+=(false false false)
eval "${tour[0]}"
ok $? "${tour[0]}"
said=$(commands | grep -E '^(80000000: |TCE of )')
is "$(./vmm 2>&1)" "$said" "and ./vmm says what the page says of a host without KVM"
chown -R nobody: /tmp/tour && mkdir /run/tour && chown nobody: /run/tour
# shellcheck disable=SC2016
printf '%s\n' "${tour[1]}" 'for ((i = 0; i < 100; i++)); do [[ -S /run/tour/tced/socket ]] && break; sleep 0.1; done' "${tour[2]}" 'status=$?; kill $!; wait; exit $status' >user
is "$(setpriv --reuid=nobody --regid=nogroup --clear-groups env -u DBUS_SESSION_BUS_ADDRESS HOME=/tmp/tour XDG_RUNTIME_DIR=/run/tour bash user 2>user.err)" \
        "$said" "${tour[1]} ${tour[2]}: so without being root"
cat user.err
cd / || exit 1

# Who has no POWER host finds out so in the first line, and that the other verbs help all the same.
verdict=$(tcectl --no-pager status | tr -s '\n ' ' ')
[[ $verdict == *"This host's guests can't have their TCE tables in the kernel: "*POWER* ]]
ok $? "tcectl status says in its first words that it is no POWER host"
echo "$verdict"

cd /tmp || exit 1
tcectl describe --json >FACTS.json && tcectl plan --host=FACTS.json web1.xml
ok $? "and a domain is planned with what another host said of itself, as README.md has it"
cd / || exit 1

# libxml2 is loaded and not linked: the package that has what the note names is among what tced depends on.
for program in tced tcectl; do
        path=$(dpkg -L tced | grep -xE "/usr/(bin|libexec/tced)/$program")
        soname=$(readelf --string-dump=.note.dlopen "$path" | grep -o 'libxml2\.so\.[0-9]*' | head -n 1)
        library=$(dpkg-query --search "*/$soname" | sed -n '1s/:.*//p')
        [[ -n $library ]] && dpkg-query --show --showformat='${Depends}' tced | tr -d ' ' | tr ',' '\n' | grep -qx "$library\((.*)\)\?"
        ok $? "$program loads $soname, and its package depends on ${library:-nothing that has it}"
done

# libvirt's daemons execute the hook by the file that the link leads to. Of a profile that already lets that go unconfined a rule that says so makes
# no other; one that keeps it in does.
profiles=0
compiled() { # PROFILE RULE
        sed -E "s,^#?include <local/.*,,; s,^ *#include <local/.*,,; 0,/^ *\/\*\* rwmkl\,/s//&\n  ${2//\//\\/}/" "$1" | apparmor_parser -K -Q -S 2>/packages/apparmor.err | sha256sum
        [[ ! -s /packages/apparmor.err ]] || cat /packages/apparmor.err >&2
}
for profile in /packages/libvirt/tree/etc/apparmor.d/usr.sbin.{libvirtd,virtqemud}; do
        [[ -e $profile ]] || continue
        profiles=$((profiles + 1))
        as_it_is=$(compiled "$profile" '')
        [[ $as_it_is == "$(compiled "$profile" '/usr/sbin/tced-hook PUx,')" && $as_it_is != "$(compiled "$profile" '/usr/sbin/tced-hook ix,')" ]]
        ok $? "AppArmor: under ${profile##*/} the hook runs, unconfined"
done
[[ $profiles -gt 0 ]]
ok $? "libvirt has profiles for AppArmor: $profiles"

# debian/tests, by what runs them in Debian's CI. It knows of no container about it.
PYTHONDONTWRITEBYTECODE=1 autopkgtest --ignore-restrictions=isolation-container --no-built-binaries --output-dir=/packages/autopkgtest /packages/source -- null
ok $? "autopkgtest"
is "$(grep -cE ' +PASS' /packages/autopkgtest/summary)" "$(grep -c '^Tests:' /packages/source/debian/tests/control)" "all of its tests were run"
grep -vE ' +PASS' /packages/autopkgtest/summary
rm -rf /packages/autopkgtest
is "$(systemctl --failed --no-legend | wc -l)" 0 "no unit has failed"

# Upgraded, with a VM.
systemd-run --quiet --unit=vmm --property=StandardOutput=file:/packages/vmm.out --property=StandardError=file:/packages/vmm.err /packages/vmm
wait_for grep -qs ready /packages/vmm.out
ok $? "a VMM has its table: $(cat /packages/vmm.err)"
vmm=$(show vmm MainPID)
[[ $(show tced NFileDescriptorStore) -gt 0 ]]
ok $? "its process is in the service manager's fd store"
stored=$(show tced NFileDescriptorStore) pid=$(show tced MainPID) socket=$(show tced.socket ActiveEnterTimestampMonotonic)
bind=$(show tced-bind MainPID)
echo '# changed' >>/etc/tced/tced.conf
mkdir -p /etc/tced/rules.d && printf '[Match]\nMachine=web*\n[Policy]\nAccel=user\n' >/etc/tced/rules.d/50-web.rule
journalctl --sync; since=$(date +%s)
apt install /packages/2/*.deb
ok $? "they are upgraded, without a question"
[[ $(show tced MainPID) != "$pid" && $(systemctl is-active tced) == active ]]
ok $? "another tced runs"
is "$(show tced NFileDescriptorStore)" "$stored" "with the VM's process in the fd store"
# By the jobs that the service manager has finished: tced itself would fill an empty store again.
jobs_of() { journalctl --quiet --since="@$since" --output=cat _PID=1 UNIT=tced.service JOB_RESULT=done "JOB_TYPE=$1" | wc -l; }
journalctl --sync
[[ $(jobs_of stop) -eq 0 && $(jobs_of restart) -gt 0 ]]
ok $? "it was restarted, not stopped and started"
is "$(show tced.socket ActiveEnterTimestampMonotonic)" "$socket" "its socket was not touched"
[[ $bind == 0 || $(show tced-bind MainPID) != "$bind" ]]
ok $? "no tced-bind of before is left"
wait_for sh -c 'tcectl machines | grep -q packaged'
ok $? "the VM is known"
is "$(show vmm MainPID)" "$vmm" "and runs on"
is "$(reloads)" 2 "libvirtd was reloaded, as the hook was replaced"
tail -n 1 /etc/tced/tced.conf | grep -q changed
ok $? "settings are as they were"
! journalctl --since="@$since" -u tced -o cat | grep -iE 'state.*(set aside|damaged)|failed to'
ok $? "nothing of it in the journal is an error"

# Removed, and back.
systemctl start tced-metrics.service tced-features.service
[[ -s /var/lib/prometheus/node-exporter/tced.prom && -s /etc/kubernetes/node-feature-discovery/features.d/tced ]]
ok $? "Prometheus and Kubernetes are told of the host"
apt remove tced tced-qemu
ok $? "they are removed"
is "$(systemctl list-units --all --no-legend 'tced*' | grep -vc not-found)" 0 "nothing of tced is running"
[[ ! -e /var/lib/prometheus/node-exporter/tced.prom && ! -e /etc/kubernetes/node-feature-discovery/features.d/tced ]]
ok $? "and they are not told what nobody looks after any more"
[[ ! -e /etc/libvirt/hooks/qemu.d/tced && ! -L /etc/libvirt/hooks/qemu.d/tced ]]
ok $? "libvirt's hook is gone"
is "$(show vmm MainPID)" "$vmm" "the VM runs on"
[[ -e /etc/tced/tced.conf && -e /etc/tced/rules.d/50-web.rule ]]
ok $? "settings are kept"
apt install /packages/2/tced_*.deb
ok $? "and installed again"
wait_for sh -c 'tcectl machines | grep -q packaged'
ok $? "which finds the VM"

# Purged.
apt purge tced tced-qemu tced-doc libtced-dev libtced1
ok $? "they are purged"
systemctl stop vmm
apt autoremove --purge
everything >/packages/after
# What other packages have that came with them, and that somebody may now want, is none of theirs.
is "$(comm -3 /packages/before /packages/after | sed 's/^\t//' | grep -vxFf <(cat /var/lib/dpkg/info/*.list) | head)" "" "nothing of them is left in the file system"
[[ ! -e /run/tced && ! -e /run/tced-bind ]]
ok $? "nor in /run"
id tced
ok $? "but the user, as is the custom"
echo "1..$points" >&3
