#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# The timers for fleets as they are installed, under the real systemd and their sandbox: what a real host has proven is in the files, and that tced is
# gone, too.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
metrics=/var/lib/prometheus/node-exporter/tced.prom
labels=/etc/kubernetes/node-feature-discovery/features.d/tced

start_tced
ok $? "systemctl start tced"
wait_for 60 sh -c 'tcectl --json=short status | grep -q "\"probe\":\"done\""'
ok $? "the host is proven"
systemctl start tced-metrics.service tced-features.service
ok $? "where nobody reads them, nothing is done, which is no failure"
[[ ! -e /var/lib/prometheus && ! -e /etc/kubernetes ]]
ok $? "and nothing is made"

# The folder is another user's, as with Debian's node_exporter.
mkdir -p "${metrics%/*}" "${labels%/*}"
chown 65534:65534 "${metrics%/*}"
systemctl start tced-metrics.service tced-features.service
ok $? "they run"
is "$(stat -c '%U %a' "$metrics" "$labels")" $'root 644\nroot 644' "everybody may read the files"
is "$(find "${metrics%/*}" "${labels%/*}" -type f | sort)" "$(printf '%s\n' "$metrics" "$labels" | sort)" "there is nothing else in the folders"
grep -qx 'tced_up 1' "$metrics" && grep -qx 'tced_kvm_usable 1' "$metrics"
ok $? "tced answers, and KVM can be used"
grep -qx 'tced_capability_proven{capability="KVM_CAP_SPAPR_TCE_64"} 1' "$metrics"
ok $? "a table in the kernel is proven" || grep capability "$metrics" | sed 's/^/#   /'
is "$(grep -c '^tced_iommu_groups{' "$metrics")" "$(tcectl --json=short groups | grep -o '"viability":"[a-z-]*"' | sort -u | wc -l)" "groups by their state"
grep -qx 'feature.node.kubernetes.io/tced-kvm=HV' "$labels" && grep -qx 'feature.node.kubernetes.io/tced-in-kernel-tce-64=true' "$labels"
ok $? "the labels say so" || sed 's/^/#   /' "$labels"
expires=$(sed -n 's/^# +expiry-time=//p' "$labels")
left=$(($(date -d "$expires" +%s) - $(date +%s)))
((left > 500 && left <= 600))
ok $? "for ten minutes: $expires, in $left s"
mkdir -p /etc/ansible/facts.d
ln -s /usr/share/tced/ansible.fact /etc/ansible/facts.d/tced.fact
like "$(/etc/ansible/facts.d/tced.fact)" '{"version":"*","kvm":"HV","in_kernel_tce":true,"in_kernel_tce_64":true,*' "so does the Ansible fact"

systemctl start tced-metrics.timer tced-features.timer
rm "$metrics" "$labels"
wait_for 40 test -e "$metrics" -a -e "$labels"
ok $? "the timers write them again"
# Its socket listens on: it is systemd's.
systemctl stop tced
systemctl start tced-metrics.service tced-features.service
ok $? "without a tced they run, too"
is "$(systemctl is-active tced.service)" inactive "and start none, which an administrator has stopped"
is "$(grep -v '^#' "$metrics")" "tced_up 0" "the numbers say that there is none"
[[ ! -e $labels ]]
ok $? "and there are no labels"
systemctl stop tced-metrics.timer tced-features.timer
like "$(systemctl is-failed tced-metrics.service tced-features.service)" $'inactive\ninactive' "neither has failed"
finish
