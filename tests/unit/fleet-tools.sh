#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# docs/fleets.md's examples, run by the programs that they are for: Ansible takes the fact and the play, node_exporter gives what the timer has
# written to who asks, and what Node Feature Discovery makes labels of are labels. Prints TAP.
# Usage: fleet-tools.sh TCECTL SOURCE-FOLDER PROGRAM-THAT-PRINTS-FACTS
set -u
tcectl=$(realpath "$1") sources=$2 facts_of=$3
# shellcheck source=tests/points.sh
source "$(dirname "$0")/../points.sh"
folder=$(mktemp -d)
exporter='' server=''
# shellcheck disable=SC2317
end() {
        local pid
        for pid in $exporter $server; do kill "$pid" && wait "$pid"; done 2>/dev/null
        rm -rf "$folder"
}
trap end EXIT

# The nth block of a language in the document.
block() { awk -v want="\`\`\`$1" -v nth="$2" '$0 == want { n++; inside = n == nth; next } /^```/ { inside = 0 } inside' "$sources/docs/fleets.md"; }

"$facts_of" --facts | tee "$folder/facts.json" | sed 's/"proven": *"[a-z]*"/"proven":"yes"/g' >"$folder/able.json"
sed 's/"proven": *"[a-z]*"/"proven":"no"/g' "$folder/facts.json" >"$folder/unable.json"

# ---- Ansible ----

# own_etc COMMAND...: with an /etc of its own above the machine's, as facts are looked for there.
own_etc() {
        local user=()
        ((EUID == 0)) || user=(--map-root-user)
        # shellcheck disable=SC2016
        unshare "${user[@]}" --mount sh -c 'mount -t tmpfs none "$0" && mkdir "$0/upper" "$0/work" &&
                mount -t overlay none -o "lowerdir=/etc,upperdir=$0/upper,workdir=$0/work" /etc && exec "$@"' "$folder/etc" "$@"
}
# play FACTS: what the document's play says of a host whose tcectl answers so; where there is no such file its tced does not run.
play() {
        # shellcheck disable=SC2016
        printf '#!/bin/sh\n[ -s "%s" ] || exit 1\n[ "$1" != check ] || { echo "$@" >"%s/checked"; exit "${REFUSES:-0}"; }\nexec "%s" "$@" --host="%s"\n' \
                "$1" "$folder" "$tcectl" "$1" >"$folder/bin/tcectl"
        chmod 755 "$folder/bin/tcectl"
        # shellcheck disable=SC2016
        PATH=$folder/bin:$PATH HOME=$folder ANSIBLE_NOCOLOR=1 ANSIBLE_LOCAL_TEMP=$folder/local ANSIBLE_REMOTE_TEMP=$folder/remote \
                own_etc sh -c 'mkdir -p /etc/ansible/facts.d && ln -s "$1/data/ansible.fact" /etc/ansible/facts.d/tced.fact &&
                exec ansible-playbook -i "$0/hosts" "$0/$2.yaml"' "$folder" "$sources" "${2:-play}" 2>&1
}
mkdir "$folder/etc"
if ! command -v ansible-playbook >/dev/null; then
        skip "there is no Ansible; Debian's package ansible-core has it" "Ansible"
elif ! own_etc true 2>/dev/null; then
        skip "no /etc of one's own can be mounted here" "Ansible"
else
        mkdir "$folder/bin"
        block yaml 5 >"$folder/play.yaml"
        block yaml 6 >"$folder/place.yaml"
        printf '#!/bin/sh\necho "$@" >>"%s/virsh"\n' "$folder" >"$folder/bin/virsh"
        chmod 755 "$folder/bin/virsh"
        printf '[power]\nlocalhost ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n' >"$folder/hosts"
        said=$(play "$folder/able.json")
        [[ $? == 0 && $said == *'failed=0'* ]]
        point $? "Ansible lets a host take guests that has proven what they need" "$said"
        said=$(play "$folder/unable.json")
        [[ $? != 0 && $said == *'failed=1'*  && $said == *': tcectl status'* ]]
        point $? "and refuses one that has not" "$said"
        said=$(play "$folder/none")
        [[ $? != 0 && $said == *'tced does not answer: tcectl status'* ]]
        point $? "and one whose tced does not answer" "$said"
        said=$(play "$folder/unable.json" place)
        [[ $? == 0 && $said == *'failed=0'* && ! -e $folder/virsh ]]
        point $? "a host that has not shown the fast path is given no VM" "$said"
        said=$(play "$folder/able.json" place)
        [[ $? == 0 && $(cat "$folder/virsh") == 'define /srv/vms/web1.xml' && $(cat "$folder/checked") == 'check /srv/vms/web1.xml' ]]
        point $? "one that has is, once tcectl check has said yes" "$said"
        rm "$folder/virsh"
        said=$(REFUSES=1 play "$folder/able.json" place)
        [[ $? != 0 && ! -e $folder/virsh ]]
        point $? "and not where it says no" "$said"
fi

# ---- Node Feature Discovery, KubeVirt ----

# What Kubernetes takes for a label (pkg/apis/core/validation of apimachinery: IsQualifiedName, IsValidLabelValue).
"$tcectl" features --host="$folder/able.json" --output="$folder/features"
said=$(grep -v '^#' "$folder/features" | grep -vE '^feature\.node\.kubernetes\.io/[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?=([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$')
[[ -z $said && -s $folder/features ]]
point $? "each feature can be a label" "$said"
grep -qE '^# \+expiry-time=[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$' "$folder/features"
point $? "with a time until which it is believed" "$(head -n 3 "$folder/features")"
if /usr/bin/python3 -c 'import yaml' 2>/dev/null; then
        said=$(block yaml 3 | /usr/bin/python3 -c '
import sys, yaml
features = dict(line.rstrip().split("=", 1) for line in open(sys.argv[1]) if not line.startswith("#"))
vm = yaml.safe_load(sys.stdin)
assert vm["apiVersion"] == "kubevirt.io/v1" and vm["kind"] == "VirtualMachine"
selector = vm["spec"]["template"]["spec"]["nodeSelector"]
prefix = "feature.node.kubernetes.io/"
own = {k: v for k, v in selector.items() if k.startswith(prefix)}
assert own and all(features.get(k) == v for k, v in own.items()), (own, features)
' "$folder/features" 2>&1)
        point $? "the VM selects by labels that a host with all of it has" "$said"
        # NFD: docs/usage/customization-guide.md, the operators' table.
        said=$(block yaml 4 | /usr/bin/python3 -c '
import sys, yaml
rule = yaml.safe_load(sys.stdin)
assert rule["apiVersion"] == "nfd.k8s-sigs.io/v1alpha1" and rule["kind"] == "NodeFeatureRule"
operators = {"IsTrue": lambda have, want: have == "true", "IsFalse": lambda have, want: have == "false",
             "Gt": lambda have, want: int(have) > int(want[0])}
for path, matches in ((sys.argv[1], True), (sys.argv[2], False)):
    features = dict(line.rstrip().split("=", 1) for line in open(path) if not line.startswith("#"))
    # One group is free there, which these facts do not have.
    if matches:
        features = {k: "1" if k.endswith("assignable") else "false" if k.endswith("errors") else v for k, v in features.items()}
    for r in rule["spec"]["rules"]:
        assert r["labels"] and all(k.startswith("feature.node.kubernetes.io/tced-") for k in r["labels"])
        for m in r["matchFeatures"]:
            assert m["feature"] == "local.label"
            names = m["matchExpressions"]
            assert not matches or set(names) <= set(features), set(names) - set(features)
            assert all(k in features and operators[e["op"]](features[k], e.get("value")) for k, e in names.items()) == matches, path
' "$folder/features" <("$tcectl" features --host="$folder/unable.json") 2>&1)
        point $? "the NodeFeatureRule asks for what is in the file, and takes only hosts that have shown it" "$said"
else
        skip "there is no python3-yaml" "KubeVirt"
fi

# ---- Prometheus's node_exporter ----

# get ADDRESS [PATH [QUERY]]
get() {
        /usr/bin/python3 -c '
import sys
from urllib.parse import quote
from urllib.request import urlopen
sys.stdout.write(urlopen(sys.argv[1] + quote(sys.argv[2]), timeout=5).read().decode())' "http://$1/${2:-metrics}" "${3:-}" 2>/dev/null
}
if command -v prometheus-node-exporter >/dev/null; then
        mkdir "$folder/textfile"
        (umask 0077 && "$tcectl" metrics --host="$folder/facts.json" --output="$folder/textfile/tced.prom")
        [[ $? == 0 && $(stat -c %a "$folder/textfile/tced.prom") == 644 ]]
        point $? "who runs as another user can read what the timer writes" "$(ls -l "$folder/textfile")"
        for ((i = 0; i < 5 && ! ${exporter:-0}; i++)); do
                address=127.0.0.1:$((20000 + RANDOM % 20000))
                prometheus-node-exporter --collector.disable-defaults --collector.textfile --collector.textfile.directory="$folder/textfile" \
                        --web.listen-address="$address" >"$folder/exporter.log" 2>&1 &
                exporter=$!
                for ((j = 0; j < 100; j++)); do
                        kill -0 "$exporter" 2>/dev/null || { exporter=''; break; }
                        said=$(get "$address") && [[ -n $said ]] && break
                        sleep 0.1
                done
        done
        missing=$(/usr/bin/python3 -c '
import sys
from prometheus_client.parser import text_string_to_metric_families as parse
samples = lambda text: {(s.name, tuple(sorted(s.labels.items())), s.value) for f in parse(text) for s in f.samples}
lost = samples(open(sys.argv[1]).read()) - samples(sys.stdin.read())
sys.exit(f"lost: {lost}" if lost else 0)' "$folder/textfile/tced.prom" <<<"$said" 2>&1)
        [[ $? == 0 && $said == *'node_textfile_scrape_error 0'* ]]
        point $? "node_exporter gives each of the metrics" "$missing$(cat "$folder/exporter.log")"
        [[ $said == *'node_textfile_mtime_seconds{file="'*'/tced.prom"}'* ]]
        point $? "and how old they are, as the document's rule asks for it" "$(grep mtime <<<"$said")"
else
        skip "there is no node_exporter; Debian's package prometheus-node-exporter has it" "node_exporter"
fi

# ---- Prometheus ----

# A host that has lost its tables in the kernel, by the document's configuration, with its target and times made this test's.
if [[ -n $exporter ]] && command -v prometheus >/dev/null; then
        block yaml 2 >"$folder/tced.yaml"
        { printf 'global: {scrape_interval: 1s, evaluation_interval: 1s}\n'; block yaml 1 | sed "s/power1:9100/$address/"; } >"$folder/prometheus.yml"
        said=$(promtool check config "$folder/prometheus.yml" 2>&1)
        point $? "promtool accepts the document's configuration" "$said"
        "$tcectl" metrics --host="$folder/unable.json" --output="$folder/textfile/tced.prom"
        for ((i = 0; i < 5 && ! ${server:-0}; i++)); do
                there=127.0.0.1:$((20000 + RANDOM % 20000))
                prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" --web.listen-address="$there" \
                        >"$folder/server.log" 2>&1 &
                server=$!
                for ((j = 0; j < 150; j++)); do
                        kill -0 "$server" 2>/dev/null || { server=''; break; }
                        said=$(get "$there" api/v1/alerts)
                        [[ $said != *HostWithoutTCE* || $said != *SlowVM* ]] || break
                        sleep 0.2
                done
        done
        missing=$(/usr/bin/python3 -c '
import json, sys
alerts = {a["labels"]["alertname"]: a for a in json.load(sys.stdin)["data"]["alerts"]}
assert set(alerts) == {"HostWithoutTCE", "SlowVM"}, alerts
assert alerts["HostWithoutTCE"]["state"] == "firing" and alerts["SlowVM"]["state"] == "pending", alerts
assert alerts["HostWithoutTCE"]["annotations"]["summary"] == sys.argv[1] + " has no TCE tables in the kernel: tcectl status", alerts
assert alerts["SlowVM"]["labels"]["machine"] == "web1", alerts' "$address" <<<"$said" 2>&1)
        point $? "Prometheus tells of a host that has lost them, and waits a moment with a slow VM" "$missing$(tail -n 5 "$folder/server.log")"
        queries=0
        while read -r query; do
                said=$(get "$there" 'api/v1/query?query=' "$query")
                [[ $said == *'"status":"success"'* && $said == *'"metric"'* ]]
                point $? "it answers: $query" "$said"
                queries=$((queries + 1))
        done < <(block promql 1)
        ((queries >= 4))
        point $? "and all that the document has for a dashboard" "$queries"
else
        skip "there is no Prometheus and node_exporter; Debian's packages prometheus and prometheus-node-exporter have them" "Prometheus"
fi
points_done
