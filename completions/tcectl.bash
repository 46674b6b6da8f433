# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash

# bash's completion of tcectl: commands, options, names of VMs and of devices, files. Uses nothing of the package bash-completion but where it looks.

# Uses `where` of _tcectl. Names have none of the shell's characters in them (a-z A-Z 0-9 . _ -).
_tcectl_machines() {
        compgen -W "$(COLUMNS=4096 tcectl "${where[@]}" --no-legend machines 2>/dev/null | sed -n 's/^\([[:alnum:]._-]*\) .*/\1/p')" -- "$1"
}

# What names an IOMMU group: numbers, addresses, interfaces; from JSON, since screens cut names.
_tcectl_groups() {
        compgen -W "$(tcectl "${where[@]}" --json=short groups 2>/dev/null |
                grep -oE '"(number|address)":("[^"]*"|[0-9]+)|"interfaces":\[[^]]*]' | sed 's/^"[a-z]*"://; s/[]["]/ /g; s/,/ /g')" -- "$1"
}

_tcectl_files() {
        mapfile -t COMPREPLY < <(compgen -f -- "$1")
        compopt -o filenames
}

_tcectl() {
        local word=$2 before=$3 command='' where=() i
        local commands='status groups group topology bind release machines plan check explain audit top monitor run describe metrics features bugreport probe rescan reload version help'
        local options='--user --address= -H --remote= --json --json=pretty --json=short --no-legend --no-pager --help --version'

        # "--json=short" comes as three words: "--json", "=", "short".
        if [[ $word == = ]]; then
                word=''
        elif [[ $before == = ]]; then
                before=${COMP_WORDS[COMP_CWORD - 2]}=
        fi
        [[ ${COMP_WORDS[COMP_CWORD]} == = ]] && before+='='
        case $before in
        --host= | --attach= | --output= | --host | --attach | --output)
                _tcectl_files "$word"
                return
                ;;
        --remote= | --remote | -H)
                mapfile -t COMPREPLY < <(compgen -A hostname -- "$word")
                return
                ;;
        --json=)
                mapfile -t COMPREPLY < <(compgen -W 'pretty short off' -- "$word")
                return
                ;;
        --address=)
                mapfile -t COMPREPLY < <(compgen -W 'unix:path=/run/tced/socket' -- "$word")
                return
                ;;
        esac
        for ((i = 1; i < COMP_CWORD; i++)); do
                case ${COMP_WORDS[i]} in
                --user) where=(--user) ;;
                # Another host is not asked by ssh at each tab, and this host's names are others.
                -H* | --remote) where=(--address=unix:path=/nonexistent) ;;
                -*) ;;
                *) [[ " $commands " == *" ${COMP_WORDS[i]} "* ]] && command=${command:-${COMP_WORDS[i]}} ;;
                esac
        done
        if [[ $word == -* ]]; then
                case $command in
                machines | audit) options+=' --verbose' ;;
                top) options+=' --once --delay=' ;;
                plan) options+=' --verbose --offline --host= --attach= --fix' ;;
                check) options+=' --offline --host= --attach= --strict' ;;
                probe) options+=' --deep' ;;
                bugreport) options+=' --output=' ;;
                metrics | features) options+=' --output= --host=' ;;
                groups | group) options+=' --host=' ;;
                topology) options+=' --dot --svg --host=' ;;
                bind | release) options+=' --force --persistent' ;;
                esac
                mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
                [[ ${COMPREPLY[0]-} == *= && ${#COMPREPLY[@]} -eq 1 ]] && compopt -o nospace
        elif [[ -z $command ]]; then
                mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
        elif [[ $command == help ]]; then
                mapfile -t COMPREPLY < <(compgen -W "${commands% help}" -- "$word")
        elif [[ $command == group || $command == bind || $command == release || $command == probe ]]; then
                # The shell breaks words at colons, and puts what is offered behind the last.
                word=${COMP_LINE:0:COMP_POINT}
                word=${word##* }
                mapfile -t COMPREPLY < <(_tcectl_groups "$word")
                COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*:}"}"}")
        elif [[ $command == machines || $command == explain || $command == audit ]]; then
                mapfile -t COMPREPLY < <(_tcectl_machines "$word")
        elif [[ $command == plan || $command == check ]]; then
                _tcectl_files "$word"
                mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(_tcectl_machines "$word")
        fi
} 2>/dev/null

complete -F _tcectl tcectl
