#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What a fleet is told where something is amiss: tced is stopped, which asking must not start, there is no room, no folder, no right to write, or two
# write at once. What is there for others to read is always whole, and who runs tcectl is told. Prints TAP.
# Usage: fleet-gone.sh TCECTL SOURCE-FOLDER PROGRAM-THAT-PRINTS-FACTS
set -u
tcectl=$(realpath "$1") sources=$2 facts_of=$(realpath "$3")
# shellcheck source=tests/points.sh
source "$sources/tests/points.sh"

# A mount namespace of its own: with a full disk, and a /run in which tced's socket is somebody else's.
if [[ -z ${FLEET_GONE_INSIDE:-} ]]; then
        user=()
        ((EUID == 0)) || user=(--map-root-user)
        if ! unshare "${user[@]}" --mount true 2>/dev/null; then
                skip "nothing can be mounted here" "what fleets are told"
                points_done
                exit
        fi
        FLEET_GONE_INSIDE=1 exec unshare "${user[@]}" --mount bash "$0" "$tcectl" "$sources" "$facts_of"
fi
folder=$(mktemp -d)
pids=()
trap '((${#pids[@]} == 0)) || kill "${pids[@]}"; umount "$folder"/full "$folder"/fixed 2>/dev/null; rm -rf "$folder"' EXIT
"$facts_of" --facts >"$folder/facts.json"
facts=--host=$folder/facts.json

# ---- tced is stopped ----

# A bus that would start tced, and a socket on which systemd would: each leaves a trace.
mount -t tmpfs none /run && mkdir /run/tced "$folder/services"
printf '#!/bin/sh\ntouch "%s/started"\nexit 1\n' "$folder" >"$folder/start"
chmod 755 "$folder/start"
printf '[D-BUS Service]\nName=org.tced1\nExec=%s\n' "$folder/start" >"$folder/services/org.tced1.service"
cat >"$folder/bus.conf" <<END
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path=$folder/bus</listen><servicedir>$folder/services</servicedir><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow own="*"/><allow eavesdrop="true"/></policy></busconfig>
END
/usr/bin/python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind("/run/tced/socket")
s.listen()
while True:
    s.accept()
    open(sys.argv[1], "w").close()' "$folder/started" &
pids+=($!)
for ((i = 0; i < 100; i++)); do [[ ! -S /run/tced/socket ]] || break; sleep 0.1; done
if command -v dbus-daemon >/dev/null; then
        dbus-daemon --config-file="$folder/bus.conf" --nofork 2>"$folder/bus.log" &
        pids+=($!)
        for ((i = 0; i < 100; i++)); do [[ ! -S $folder/bus ]] || break; sleep 0.1; done
        export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$folder/bus
        for what in metrics features; do
                echo old >"$folder/$what"
                said=$(timeout 60 "$tcectl" $what --output="$folder/$what" 2>&1)
                [[ $? == 0 && $said == *'tced is not running'* ]]
                point $? "$what of a tced that is stopped: that is said, and no failure" "$said"
                [[ ! -e $folder/started ]]
                point $? "$what: and it stays so"
        done
        is_up=$(grep -v '^#' "$folder/metrics")
        [[ $is_up == 'tced_up 0' && ! -e $folder/features ]]
        point $? "nothing old is left to read" "$(head "$folder/metrics" "$folder/features" 2>&1)"
        said=$(PATH=$(dirname "$tcectl"):$PATH sh "$sources/data/ansible.fact")
        [[ $said == '{}' && ! -e $folder/started ]]
        point $? "nor does Ansible's gathering of facts start one" "$said"
        timeout 5 "$tcectl" status >/dev/null 2>&1
        [[ -e $folder/started ]]
        point $? "who asks in person starts it" "$(cat "$folder/bus.log")"
else
        skip "there is no dbus-daemon" "a tced that is stopped"
fi

# ---- tced is removed ----

# debian/tced.postrm, with a /var and an /etc of its own.
# shellcheck disable=SC2016
said=$(unshare --mount sh -ec 'script=$(sed /^#DEBHELPER#/d "$1")
        prom=/var/lib/prometheus/node-exporter labels=/etc/kubernetes/node-feature-discovery/features.d
        mount -t tmpfs none /var && mount -t tmpfs none /etc && mkdir -p $prom $labels && touch $prom/tced.prom $prom/other.prom $labels/tced
        sh -c "$script" tced.postrm upgrade 2 && ls $prom $labels | xargs
        sh -c "$script" tced.postrm remove && ls $prom $labels | xargs' sh "$sources/debian/tced.postrm" 2>&1)
prom=/var/lib/prometheus/node-exporter labels=/etc/kubernetes/node-feature-discovery/features.d
[[ $said == "$labels: tced $prom: other.prom tced.prom"$'\n'"$labels: $prom: other.prom" ]]
point $? "an upgrade leaves what the timers wrote, and a removal nothing to be read" "$said"

# ---- it can't be written ----

# amiss PATH TEXT NAME: the command fails with that text, and what was there is there.
amiss() {
        local said status=0
        said=$(COLUMNS=80 "$tcectl" metrics "$facts" --output="$1" 2>&1) || status=$?
        [[ $status == 1 && $said == *"$2"* && $said == *"$1"* ]]
        point $? "$3: the run fails, and says so" "$status: $said"
}
mkdir "$folder/full" "$folder/fixed"
mount -t tmpfs -o size=4k none "$folder/full" && echo old >"$folder/full/tced.prom"
amiss "$folder/full/tced.prom" 'No space left on device. Make room there' "a full disk"
[[ $(cat "$folder/full/tced.prom") == old && $(find "$folder/full" -type f | wc -l) == 1 ]]
point $? "what was there is there, and no half of a file" "$(ls -la "$folder/full")"
echo old >"$folder/fixed/tced.prom"
mount --bind "$folder/fixed" "$folder/fixed" && mount -o remount,bind,ro "$folder/fixed"
amiss "$folder/fixed/tced.prom" 'Read-only file system' "a folder that can't be written to"
amiss "$folder/none/tced.prom" 'No such file or directory' "a folder that is not there"

# ---- many at once ----

# One reads all the time: it finds each file whole.
mkdir "$folder/many"
"$tcectl" metrics "$facts" --output="$folder/many/tced.prom"
for ((i = 0; i < 4; i++)); do
        (for ((j = 0; j < 10; j++)); do "$tcectl" metrics "$facts" --output="$folder/many/tced.prom" || exit 1; done) &
        writers[i]=$!
done
torn=0 seen=0
while kill -0 "${writers[@]}" 2>/dev/null; do
        [[ $(tail -n 1 "$folder/many/tced.prom") == '# EOF' && $(head -n 1 "$folder/many/tced.prom") == '# TYPE tced_up gauge' ]] || torn=$((torn + 1))
        seen=$((seen + 1))
done
failures=0
for pid in "${writers[@]}"; do wait "$pid" || failures=$((failures + 1)); done
((torn == 0 && seen > 0 && failures == 0))
point $? "four that write at once: who reads finds it whole" "$torn of $seen torn, $failures writers failed"
[[ $(find "$folder/many" -type f) == "$folder/many/tced.prom" ]]
point $? "and nothing else is left" "$(ls -la "$folder/many")"
points_done
