#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tcectl against the real tced, run by the user: at its socket, then on a session bus with a VM in it, then with no tced left. $TCED and
# $TCECTL are the programs. Prints TAP.
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
points=${POINTS:-0} failed=0 tced_pid=
dir=$(mktemp -d) || exit 1
trap '[[ -z $tced_pid ]] || kill "$tced_pid" 2>/dev/null; rm -rf "$dir"' EXIT
export XDG_RUNTIME_DIR=$dir LC_ALL=C.UTF-8 COLUMNS=80

point() { # NAME STATUS
        points=$((points + 1))
        if [[ $2 -eq 0 ]]; then
                echo "ok $points - $1"
        else
                failed=$((failed + 1))
                echo "not ok $points - $1"
                sed 's/^/# /' "$dir/out" "$dir/err"
        fi
}

skip() { # NAME WHY
        points=$((points + 1))
        echo "ok $points - $1 # SKIP $2"
}

tcectl() {
        "$TCECTL" --user "$@" >"$dir/out" 2>"$dir/err"
}

start_tced() {
        "$TCED" --user >"$dir/log" 2>&1 &
        tced_pid=$!
        for ((i = 0; i < 200; i++)); do
                tcectl version && grep -q running "$dir/out" && return 0
                sleep 0.1
        done
        return 1
}

stop_tced() {
        kill "$tced_pid"
        wait "$tced_pid"
        tced_pid=
}

# Characters, not bytes, which is what some awks count.
fits() {
        local line
        while IFS= read -r line; do
                [[ ${#line} -le 80 ]] || return 1
        done <"$dir/out"
}

# Every command does, says nothing on standard error, and keeps to 80 columns.
screens() { # WHERE
        local command
        for command in status groups topology machines 'machines -v' describe probe rescan reload version; do
                # shellcheck disable=SC2086
                tcectl $command && [[ ! -s $dir/err ]] && fits
                point "$1: tcectl $command" $?
        done
        for command in status groups topology machines describe probe; do
                tcectl "$command" --json=short && [[ $(wc -l <"$dir/out") -eq 1 ]] && grep -qE '^[[{].*[]}]$' "$dir/out"
                point "$1: tcectl $command --json=short" $?
        done
}

register() {
        busctl --user call -- org.tced1 /org/tced1 org.tced1.Manager RegisterMachine 'ssa(ssuttubi)a{sv}t' web1 '' \
                2 pci pci.0 2147483648 0 1073741824 12 false -1 vio vnet0 1895825409 0 268435456 12 false -1 0 0
}

with_machine() {
        register >"$dir/out" 2>"$dir/err"
        point "a VM is registered" $?
        screens "with a VM"
        tcectl machines && grep -qE '^web1 +[0-9a-f]{8} +registered ' "$dir/out"
        point "it is listed" $?
        tcectl machines web1 && grep -qE '^  71000001  vnet0 .* 65536 ' "$dir/out" && grep -qE '^  80000000  pci\.0 .* 262144 ' "$dir/out"
        point "its tables are shown" $?
        tcectl machines nobody
        [[ $? -eq 1 ]] && grep -q "^tcectl: No machine 'nobody' that tced knows" "$dir/err"
        point "another is not known" $?
        tcectl describe --json && grep -q '"name":"web1"\|"name": "web1"' "$dir/out"
        point "it is in the JSON" $?
        complete_machine >"$dir/out" 2>"$dir/err" && [[ $(<"$dir/out") == web1 ]]
        point "the shell completes its name" $?
        busctl --user call -- org.tced1 /org/tced1 org.tced1.Manager RegisterMachine 'ssa(ssuttubi)a{sv}t' other '' \
                1 vio Größe€ 1895825409 0 268435456 12 false -1 0 0 >"$dir/out" 2>"$dir/err"
        LC_ALL=C.UTF-8 tcectl machines other && grep -qF 'Größe€' "$dir/out"
        point "a device's name in other than ASCII" $?
}

# What bash offers behind `tcectl --user machines w`.
complete_machine() {
        PATH=$(dirname "$TCECTL"):$PATH bash -c '
                source "$1" || exit 1
                COMP_WORDS=(tcectl --user machines w) COMP_CWORD=3
                _tcectl tcectl w machines
                printf "%s\n" "${COMPREPLY[@]}"
        ' - "$here/../../completions/tcectl.bash"
}

# What bash offers behind lines that name groups, of a host with two of them.
complete_groups() {
        mkdir -p "$dir/completion"
        # shellcheck disable=SC2016 # the shell's that runs it
        printf '#!/bin/sh\necho '\''[{"number":3,"devices":[{"address":"0001:03:00.0","interfaces":[]},{"address":"0001:03:00.1","interfaces":["enP1p3s0f1"]}]},%s'\''\n' \
                '{"number":12,"devices":[{"address":"0000:01:00.6","interfaces":["enP0p1s0f0v4","ib0"]}]}]' >"$dir/completion/tcectl"
        chmod +x "$dir/completion/tcectl"
        # shellcheck disable=SC2016
        PATH=$dir/completion:$PATH bash -c '
                source "$1" || exit 1
                for COMP_LINE in "tcectl group e" "tcectl bind 0001:03:00." "tcectl bind 3 000" "tcectl release --per" "tcectl probe i" "tcectl topology --s"; do
                        COMP_POINT=${#COMP_LINE} COMPREPLY=()
                        COMP_WORDS=(${COMP_LINE//:/ : }) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
                        _tcectl tcectl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
                        echo "${COMPREPLY[*]}"
                done
        ' - "$here/../../completions/tcectl.bash"
}

groups_complete() {
        complete_groups >"$dir/out" 2>"$dir/err"
        diff <(printf '%s\n' 'enP1p3s0f1 enP0p1s0f0v4' '00.0 00.1' '0001:03:00.0 0001:03:00.1 0000:01:00.6' --persistent ib0 --svg) "$dir/out" >>"$dir/err"
        point "bash completes groups by number, address and interface" $?
}

# What zsh makes of some lines that are begun, each typed into a terminal with a tab behind it.
complete_zsh() {
        mkdir -p "$dir/zsh/here" && cp "$here/../../completions/tcectl.zsh" "$dir/zsh/_tcectl" && touch "$dir/zsh/here/web1.xml"
        # shellcheck disable=SC2016 # zsh's own
        PATH=$dir/completion:$PATH timeout 30 zsh -f -c '
                zmodload zsh/zpty
                zpty z zsh -f -i
                zpty -w z "fpath=($1/zsh \$fpath); autoload -U compinit; compinit -u -D; cd $1/zsh/here"
                zpty -w z "told() { print -r -- \$BUFFER >>$1/zsh/told; zle .kill-buffer }; zle -N told; bindkey \"^G\" told"
                for line in "${@:2}"; do
                        zpty -w -n z "$line"$'"'\\t\\a'"'
                done
                until [[ -e $1/zsh/told && $(wc -l <$1/zsh/told) -eq $(($# - 1)) ]]; do sleep 0.05; done
                cat $1/zsh/told
        ' - "$dir" "$@"
}

zsh_completes() {
        if ! command -v zsh >/dev/null; then
                skip "zsh completes options, files and groups behind a command" "there is no zsh: tools/setup tests"
                return
        fi
        complete_zsh 'tcectl pla' 'tcectl plan --fi' 'tcectl plan --fix w' 'tcectl check --strict --hos' 'tcectl explain --fi' \
                'tcectl bind --per' 'tcectl bind enP1' 'tcectl bind enP1p3s0f1 0001:03:00.1' 'tcectl group 12' 'tcectl topology --sv' 'tcectl -H localhos' \
                >"$dir/out" 2>"$dir/err"
        diff <(printf '%s\n' 'tcectl plan ' 'tcectl plan --fix ' 'tcectl plan --fix web1.xml ' 'tcectl check --strict --host=' \
                'tcectl explain --fi' 'tcectl bind --persistent ' 'tcectl bind enP1p3s0f1 ' 'tcectl bind enP1p3s0f1 0001:03:00.1 ' \
                'tcectl group 12 ' 'tcectl topology --svg ' 'tcectl -H localhost ') "$dir/out" >>"$dir/err"
        point "zsh completes options, files and groups behind a command" $?
}

# Errors are one line, as others read them; on a terminal they are broken between words.
errors_wrap() {
        local long
        long=$dir/$(printf 'word %.0s' {1..30})
        script -qec "stty cols 40; '$TCECTL' plan '$long'" /dev/null </dev/null 2>"$dir/err" | tr -d '\r' >"$dir/out"
        ! grep -qE '^.{41}' "$dir/out" && grep -qE '^  (word )+word$' "$dir/out"
        point "errors on a terminal of 40 columns" $?
        tcectl plan "$long"
        [[ $(wc -l <"$dir/err") -eq 1 ]]
        point "errors elsewhere" $?
}

without_tced() {
        tcectl status
        [[ $? -eq 1 && ! -s $dir/out && $(<"$dir/err") == 'tcectl: tced is not running. Start it: tced --user' ]]
        point "$1" $?
}

if [[ ${1:-} == on-bus ]]; then
        start_tced
        point "tced on a session bus" $?
        with_machine
        stop_tced
        without_tced "on a bus without tced"
else
        unset DBUS_SESSION_BUS_ADDRESS
        start_tced
        point "tced at its socket" $?
        screens "at the socket"
        stop_tced
        without_tced "without tced and without a bus"
        groups_complete
        zsh_completes
        errors_wrap
        if command -v dbus-run-session busctl >/dev/null; then
                # It counts on from here; what the bus itself has to say goes to a file.
                POINTS=$points dbus-run-session -- "$0" on-bus >"$dir/tap" 2>"$dir/err"
                inner=$?
                grep -v '^1\.\.' "$dir/tap"
                points=$((points + $(grep -cE '^(not )?ok ' "$dir/tap")))
                point "all of it on a session bus" $inner
        else
                skip "all of it on a session bus" "there is no dbus-run-session, or no busctl"
        fi
fi
echo "1..$points"
exit $((failed > 0))
