#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tcectl bugreport, with a tced of its own and made-up logs: what is in the archive, that --host reads it back, and what is said where parts can't be
# had. Prints TAP.
# Usage: bugreport.sh TCECTL TCED
set -u
tcectl=$(realpath "$1") tced=$(realpath "$2")
# shellcheck source=tests/points.sh
source "$(dirname "$0")/../points.sh"
folder=$(mktemp -d)
export TMPDIR=$folder/tmp XDG_RUNTIME_DIR=$folder/run DBUS_SESSION_BUS_ADDRESS=
mkdir "$TMPDIR" "$XDG_RUNTIME_DIR" "$folder/programs"

member() { tar -xzOf "$1" "${1%.tar.gz}/$2" 2>/dev/null; }
asked() { "$tcectl" --address="unix:path=$folder/socket" "$@"; }

# Logs that are known; what was asked for is in them.
for name in journalctl systemctl systemd-analyze dpkg-query rpm; do
        printf '#!/bin/sh\necho "%s $*"\n' "$name" >"$folder/programs/$name"
done
chmod 755 "$folder"/programs/*
"$tced" --user --socket="$folder/socket" --state="$folder/state" 2>"$folder/log" &
daemon=$!
trap 'kill $daemon 2>/dev/null; wait; rm -rf "$folder"' EXIT
for ((i = 0; i < 100; i++)); do asked version | grep -q running && break; sleep 0.1; done

cd "$folder" || exit 1
said=$(PATH=$folder/programs:$PATH asked bugreport --output=all.tar.gz 2>&1)
[[ $? == 0 && $said == all.tar.gz ]]
point $? "it is made, and its name printed" "$said"
[[ $(stat -c %a all.tar.gz) == 600 ]]
point $? "for its owner alone" ''
said=$(tar -tzf all.tar.gz | sort | tr '\n' ' ')
[[ $said == "all/ all/README all/audit.json all/config.txt all/describe.json all/journal.txt all/kernel.txt all/libvirt.txt all/packages.txt all/units.txt all/versions.txt " ]]
point $? "with all parts" "$said"
listed=$(member all.tar.gz README | sed -n 's/^\([a-z]*[.a-z/]*\) .*/\1/p' | grep '[./]' | sort | tr '\n' ' ')
[[ $listed == "audit.json config.txt describe.json journal.txt kernel.txt libvirt.txt packages.txt plans/ problems.txt units.txt versions.txt " ]]
point $? "which its README tells" "$listed"
member all.tar.gz journal.txt | grep -q -- '^journalctl .*--boot .*--unit=tced.service --unit=tced-bind.service'
point $? "tced's log since the boot" "$(member all.tar.gz journal.txt)"
member all.tar.gz libvirt.txt | grep -qxF 'journalctl --no-pager --quiet --boot --output=short-iso-precise --lines=20000 --priority=warning --unit=libvirtd.service --unit=virtqemud.service' &&
        ! member all.tar.gz journal.txt | grep -q libvirt
point $? "of libvirt's logs warnings and errors alone, as its other messages have domains' XML in them" "$(member all.tar.gz libvirt.txt)"
member all.tar.gz units.txt | grep -q '^systemctl .*cat tced.service' && member all.tar.gz units.txt | grep -q '^systemctl .*status tced.service'
point $? "its units" "$(member all.tar.gz units.txt)"
member all.tar.gz versions.txt | grep -q "^$(uname -s) $(uname -r)"
point $? "the kernel" "$(member all.tar.gz versions.txt)"
for part in describe.json audit.json; do
        said=$(member all.tar.gz $part | /usr/bin/python3 -c 'import json, sys; json.load(sys.stdin)' 2>&1)
        point $? "$part is JSON" "$said"
done
[[ -z $(ls -A "$TMPDIR") ]]
point $? "and nothing is left" "$(ls -A "$TMPDIR")"

# Back again.
[[ $("$tcectl" groups --host=all.tar.gz) == "$(asked groups)" && $("$tcectl" groups --host=- <all.tar.gz) == "$(asked groups)" ]]
point $? "--host reads it, as a file and as standard input" ''
"$tcectl" metrics --host=all.tar.gz | grep -qx 'tced_up 1'
point $? "metrics likewise" ''
said=$(asked bugreport --output=all.tar.gz 2>&1)
[[ $? == 1 && $said == *"all.tar.gz: File exists. Name another"* ]]
point $? "one that is there is not overwritten" "$said"
head -c 200 all.tar.gz >cut.tar.gz
said=$("$tcectl" groups --host=cut.tar.gz 2>&1)
[[ $? == 1 && $said == *"cut.tar.gz is no bug report"* ]]
point $? "half an archive is told" "$said"
mkdir bomb && head -c 70000000 /dev/zero >bomb/describe.json && tar -czf bomb.tar.gz bomb && rm -r bomb
said=$("$tcectl" groups --host=bomb.tar.gz 2>&1)
[[ $? == 1 && $said == *"larger than 64 MiB"* ]]
point $? "one that unpacks to too much is told" "$said"

# What can't be had. Where nothing else is in PATH, tar and gzip are.
mkdir few
for name in tar gzip sh; do ln -s "$(command -v $name)" few/; done
said=$(PATH=$folder/few asked bugreport --output=few.tar.gz 2>&1)
[[ $? == 0 && $said == *"Not all of it could be had"* ]]
point $? "without journalctl and systemctl it is made, and that is said" "$said"
said=$(member few.tar.gz problems.txt)
[[ $said == *"journal.txt: journalctl: there is no such program"* && $said == *"config.txt: systemd-analyze: "* && $said != *packages* ]]
point $? "problems.txt says which" "$said"
printf '#!/bin/sh\n' >programs/journalctl
said=$(PATH=$folder/programs:$PATH asked bugreport --output=silent.tar.gz 2>&1)
[[ $(member silent.tar.gz problems.txt) == *"journal.txt: journalctl has nothing to say, or this user may not read it"* ]]
point $? "a log that is empty is told" "$said $(member silent.tar.gz problems.txt)"
# Of files that a full disk has no room for: a tar that finds none.
printf '#!/bin/sh\necho "tar: no room" >&2; exit 2\n' >programs/tar && chmod 755 programs/tar
said=$(PATH=$folder/programs:$PATH asked bugreport --output=full.tar.gz 2>&1)
[[ $? == 1 && $said == "tcectl: Can't make the report: "*". It takes some room in $TMPDIR (TMPDIR says where) and at full.tar.gz" && ! -e full.tar.gz ]]
point $? "a tar that fails is told in one sentence" "$said"
rm programs/tar few/tar
said=$(PATH=$folder/few asked bugreport --output=none.tar.gz 2>&1)
[[ $? == 1 && $said == *"There is no tar here"* && ! -e none.tar.gz && -z $(ls -A "$TMPDIR") ]]
point $? "without tar there is none, and nothing is left" "$said"
said=$(PATH=$folder/few "$tcectl" groups --host=all.tar.gz 2>&1)
[[ $? == 1 && $said == *"There is no tar here, which unpacks all.tar.gz"* ]]
point $? "nor is one read" "$said"
# valgrind itself wants one.
if [[ -z ${TCED_VALGRIND_LOGS:-} ]]; then
        said=$(TMPDIR=/nonexistent asked bugreport --output=none.tar.gz 2>&1)
        [[ $? == 1 && $said == *"No such file or directory"*"TMPDIR"* && ! -e none.tar.gz ]]
        point $? "a TMPDIR that is not there" "$said"
fi
kill $daemon && wait $daemon
said=$(PATH=$folder/programs:$PATH asked bugreport --output=alone.tar.gz 2>&1)
[[ $? == 0 && $(member alone.tar.gz problems.txt) == "what tced knows: Nobody answers"* ]]
point $? "without a tced there is one with the rest" "$said"
said=$("$tcectl" groups --host=alone.tar.gz 2>&1)
[[ $? == 1 && $said == *"see problems.txt in it"* ]]
point $? "of which --host says why it has no facts" "$said"
points_done
