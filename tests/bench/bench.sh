#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# That all of tools/bench's rows can be measured, each once or twice; whether its goals are met says a machine that has nothing else to do.
set -u
bench=$1 number=0
rows=(acquire-socket acquire-bus acquire-first start start-answer hook-busctl hook-python plan plan-defined many-register many-acquire
        many-unregister memory-idle memory-connection memory-group memory-vm memory-vm-tables memory-vm-slow idle scan-calls scan-udev scan-one
        audit put-cached put-random put-indirect table-fd table-map)
plots=(groups tces vms)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

ok() {
        number=$((number + 1))
        if (($1)); then echo "not ok $number - $2"; else echo "ok $number - $2"; fi
}

if ((EUID)); then
        echo "1..0 # SKIP only root can make up what is measured"
        exit 0
fi
"$bench" --quick --record "$folder/rows" >"$folder/table" 2>"$folder/errors"
ok $? "all of it runs"
sed 's/^/# /' "$folder/table" "$folder/errors"
for row in "${rows[@]}"; do
        grep -q "^{\"id\":\"$row\"" "$folder/rows"
        ok $? "row $row"
done
awk 'length($0) > 80' <(LC_ALL=C.UTF-8 sed 's/[^ -~]/x/g' "$folder/table") | grep -q .
ok $((!$?)) "no line is wider than 80 columns"
# But the first three lines, which tell of the machine.
diff <("$bench" --show "$folder/rows") <(sed 1,3d "$folder/table") >/dev/null
ok $? "what was recorded is shown as it was"
printf '{"id":"late","what":"a row","unit":"ns","tced":%s,"other":100,"goal":"times","limit":1}\n' 111 >"$folder/missed"
"$bench" --show "$folder/missed" >"$folder/shown"
[[ $? == 1 ]] && grep -q '! ≤ 1 ×' "$folder/shown"
ok $? "a goal that is missed by more than a tenth is said, and the exit status"
sed 's/111/109/' "$folder/missed" >"$folder/nearly"
"$bench" --show "$folder/nearly" >"$folder/shown" && grep -q '~ ≤ 1 ×' "$folder/shown"
ok $? "one that is missed by less is said"
"$bench" --quick no-such-row >/dev/null 2>&1
ok $(($? != 2)) "a row that there is not is an error"
"$bench" --quick --points "$folder/points" >"$folder/errors" 2>&1
ok $? "the points of all plots" || sed 's/^/# /' "$folder/errors"
for plot in "${plots[@]}"; do
        grep -q "\"plot\":\"$plot\"" "$folder/points"
        ok $? "plot $plot"
done
echo "1..$number"
