#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tcectl metrics and features, as the programs of fleets read them, and docs/fleets.md's examples by the same. Prints TAP.
# Usage: fleet.sh TCECTL SOURCE-FOLDER PROGRAM-THAT-PRINTS-FACTS
set -u
tcectl=$1 sources=$2 facts_of=$3
# shellcheck source=tests/points.sh
source "$(dirname "$0")/../points.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The nth block of a language in the document.
block() { awk -v want="\`\`\`$1" -v nth="$2" '$0 == want { n++; inside = n == nth; next } /^```/ { inside = 0 } inside' "$sources/docs/fleets.md"; }

"$facts_of" --facts >"$folder/facts.json"
"$tcectl" metrics --host="$folder/facts.json" >"$folder/metrics"
point $? "metrics of a host's facts" ''
COLUMNS=80 "$tcectl" features --host="$folder/facts.json" --output="$folder/features"
point $? "features of a host's facts" ''

# Every metric is in the document, and none is there that is not printed.
grep -o '^[a-z_]*' "$folder/metrics" | sort -u >"$folder/printed"
sed -n 's/^| \(`.*\) |.*/\1/p' "$sources/docs/fleets.md" | grep -o '`tced_[^`]*`' | tr -d '`' |
        sed 's/{machine,uuid}//; s/{placement,reason}//; s/{id,severity}//; s/{capability}//; s/{viability}//; s/{source,state}//; s/{limit}//' |
        while read -r name; do eval "printf '%s\n' $name"; done | sort -u >"$folder/documented"
# What these facts, of an older tced, do not tell.
not_there=(tced_libvirt_connected tced_libvirt_hook_loaded tced_limit_used tced_machine_memlock_limit_bytes tced_machine_memlock_charged_bytes)
said=$(diff "$folder/documented" <(cat "$folder/printed" <(printf '%s\n' "${not_there[@]}") | sort -u))
point $? "docs/fleets.md has each metric" "$said"
# Labels likewise; a host that has proven all prints all.
sed -n 's/^| \(`tced-.*\) |.*/\1/p' "$sources/docs/fleets.md" | grep -o '`tced-[^`]*`' | tr -d '`' | sort >"$folder/documented"
sed 's/"proven": *"[a-z]*"/"proven":"yes"/g' "$folder/facts.json" >"$folder/able.json"
"$tcectl" features --host="$folder/able.json" | sed -n 's|^feature.node.kubernetes.io/\([a-z0-9-]*\)=.*|\1|p' | sort >"$folder/printed"
said=$(diff "$folder/documented" "$folder/printed")
point $? "docs/fleets.md has each label" "$said"

if command -v promtool >/dev/null; then
        said=$(promtool check metrics <"$folder/metrics" 2>&1)
        point $? "promtool accepts the metrics" "$said"
        [[ -z $said ]]
        point $? "and finds nothing to mend" "$said"
        block yaml 2 >"$folder/rules.yaml"
        said=$(promtool check rules "$folder/rules.yaml" 2>&1) && grep -q '3 rules' <<<"$said"
        point $? "promtool accepts the document's rules" "$said"
        cat >"$folder/rules-test.yaml" <<-END
	rule_files: [rules.yaml]
	tests:
	  - interval: 1m
	    input_series:
	      - series: '$(grep '^tced_machine_slow_tables{machine="web1"' "$folder/metrics" | sed 's/ [0-9]*$//; s/}$/,instance="power9"}/')'
	        values: '1+0x10'
	      - series: '$(grep '^tced_machine_slow_tables{machine="db"' "$folder/metrics" | sed 's/ [0-9]*$//; s/}$/,instance="power9"}/')'
	        values: '0+0x10'
	      - series: 'tced_up{instance="power8"}'
	        values: '0+0x10'
	    alert_rule_test:
	      - eval_time: 9m
	        alertname: SlowVM
	        exp_alerts:
	          - exp_labels: { machine: web1, uuid: 3f2c1a9b00000000000000000000abcd, instance: power9 }
	            exp_annotations:
	              summary: "web1 on power9 exits to its VMM for each TCE hypercall: tcectl explain web1"
	      - eval_time: 9m
	        alertname: TcedDown
	        exp_alerts:
	          - exp_labels: { instance: power8 }
	            exp_annotations:
	              summary: "tced on power8 does not answer: systemctl status tced tced-metrics.timer"
	END
        said=$(promtool test rules "$folder/rules-test.yaml" 2>&1)
        point $? "the rules say which VM is slow, and which tced is gone" "$said"
else
        skip "there is no promtool; Debian's package prometheus has it" "promtool"
fi
if /usr/bin/python3 -c 'import prometheus_client' 2>/dev/null; then
        said=$(/usr/bin/python3 - "$folder/metrics" 2>&1 <<-'END'
	import sys
	from prometheus_client import openmetrics, parser
	from prometheus_client.openmetrics import parser as open_parser
	text = open(sys.argv[1]).read()
	new = list(open_parser.text_string_to_metric_families(text))
	old = list(parser.text_string_to_metric_families(text))
	assert [(f.name, len(f.samples)) for f in new] == [(f.name, len(f.samples)) for f in old]
	assert len(new) > 15
	END
        )
        point $? "Prometheus's client reads the same as OpenMetrics and as its older format" "$said"
else
        skip "there is no python3-prometheus-client" "OpenMetrics"
fi
said=$(PATH=$(dirname "$tcectl"):$PATH sh "$sources/data/ansible.fact")
[[ $? == 0 && ($said == '{}' || $said == '{"version"'*) ]]
point $? "the Ansible fact is JSON, with a tced or without" "$said"
points_done
