#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What is written of tced, against what tced is, both ways: nothing is left out, and nothing is told that there is not. What the program has is
# taken from the programs' own --help and from the tables in the sources; what is told, from the pages as they are written.
# Usage: documented.sh FOLDER-OF-BUILT-PAGES TCECTL TCED TCED-BIND. Prints TAP.
# shellcheck disable=SC2016 # what is in backquotes here is Markdown
set -uo pipefail
built=$1 tcectl=$(realpath "$2") tced=$(realpath "$3") tced_bind=$(realpath "$4")
cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C.UTF-8

# shellcheck source=tests/points.sh
source tests/points.sh
# needs PROGRAM NAME: is it there? Else the point of that name is skipped.
needs() {
        command -v "$1" >/dev/null && return
        skip "there is no $1; tools/setup tests installs it" "$2"
        return 1
}
# same NAME TOLD IS: two lists, in any order. A list of nothing is a test that looks in the wrong place.
same() {
        local told is
        told=$(sort -u <<<"$2") is=$(sort -u <<<"$3")
        if [[ -z $is ]]; then problems "$1" "nothing of that kind was found in the program"; return; fi
        problems "$1" "$(diff <(echo "$told") <(echo "$is") | sed -n 's/^</told, but not there:/p; s/^>/not told:/p')"
}

# A page without fonts, its escapes as the characters that they are.
plain() { sed -E 's/^\.(TP|TQ)$/\1/; s/\\f[BIRP]//g; s/\\-/-/g; s/\\&//g; s/\\\(->/->/g; s/\\\(dq/"/g; s/\\\(aq/'\''/g' "$1"; }
# section PAGE NAME: the lines of one section.
section() { plain "$1" | awk -v name="$2" '/^\.SH / { on = $0 == ".SH " name; next } on'; }
# What is behind .TP and .TQ, without the macro.
headings() { awk '/^T[PQ]$/ { getline; sub(/^\.[BIR]+ /, ""); print }'; }
# The long options that a --help tells of, at the beginning of its lines: "  -v, --verbose        …", "--dot, --svg".
options() { sed -nE 's/^ *((-[a-zA-Z], )?--[a-z].*)/\1/p' | sed -E 's/([^ ]) {2,}.*/\1/' | grep -oE -- '--[a-z][a-z-]*'; }
page_options() { headings | grep '^-' | grep -oE -- '--[a-z][a-z-]*'; }

# ---- tcectl(1) ----

help=$("$tcectl" --help) || help=
verbs=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' <<<"$help")
told=$(section man/tcectl.1 COMMANDS | headings | sed 's/ .*//')
# "help" is no command of its list, but one all the same.
more=$(comm -23 <(sort -u <<<"$told") <(sort -u <<<"$verbs") | while read -r verb; do "$tcectl" "$verb" --help >/dev/null 2>&1 && echo "$verb"; done)
same "tcectl(1) has each command" "$told" "$verbs"${more:+$'\n'$more}

have=$({ echo "$help"; for verb in $verbs; do "$tcectl" "$verb" --help; done; } | options | sort -u)
told=$(section man/tcectl.1 OPTIONS | page_options | sort -u)
same "tcectl(1) has each option of tcectl --help among its OPTIONS" "$(comm -12 <(options <<<"$help" | sort -u) <(echo "$told"))" "$(options <<<"$help")"
# Those of one command may be told with it.
beside=$(section man/tcectl.1 COMMANDS | grep -oE -- '--[a-z][a-z-]*' | sort -u)
problems "tcectl(1) has each option of a command" "$([[ -n $have ]] || echo 'none was found'; comm -23 <(echo "$have") <(sort -u <<<"$told"$'\n'"$beside") | sed 's/^/not told: /')"
problems "tcectl has each option of tcectl(1)" "$(comm -23 <(sort -u <<<"$told"$'\n'"$beside") <(echo "$have") | while read -r option; do
        # One that does nothing any more need not be in --help. QEMU's are not ours.
        [[ -z $option ]] || "$tcectl" "$option" --help >/dev/null 2>&1 || echo "told, but not there: $option"
done)"

# ---- tced(8), tced.conf(5) ----

daemon=$(section man/tced.8 OPTIONS | sed '/^\.SS/,$d')
helper=$(section man/tced.8 OPTIONS | sed -n '/^\.SS "Of tced-bind"/,$p')
same "tced(8) has the options of tced" "$(page_options <<<"$daemon")" "$("$tced" --help | options)"
same "tced(8) has the options of tced-bind" "$(page_options <<<"$helper")" "$("$tced_bind" --help | options)"

settings=$(sed -nE 's/^ +\{ "([A-Z][a-z]+)", "([A-Za-z]+)", VALUE_.*/[\1] \2/p' tced/config.c)
matches=$(sed -nE 's/^ +\{ "([A-Za-z]+)", offsetof\(Rule, .*/[Match] \1/p' tced/rule_file.c)
keys() { awk '/^\.SS / { section = $2 } /^TP$/ { getline; if ($2 ~ /=$/) print section, substr($2, 1, length($2) - 1) }'; }
same "tced.conf(5) has each setting" "$(section man/tced.conf.5 SETTINGS | keys)" "$settings"
same "tced.conf(5) has each key of a rule" "$(section man/tced.conf.5 RULES | keys)" "$matches"
same "data/tced.conf has each setting" "$(awk '/^\[/ { section = $1 } match($0, /^#?[A-Z][A-Za-z]*=/) { sub(/^#/, ""); sub(/=.*/, ""); print section, $0 }' data/tced.conf)" "$settings"

# ---- org.tced1(5) ----

# The members as the page has them: "Manager GetMachine(s name) -> o machine", "Table Liobn u".
specified() {
        awk '
                function value(name) { return match($0, " " name "=\"[^\"]*\"") ? substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4) : "" }
                function done() { if (member != "") print interface, member "(" in_args ")" (out_args == "" ? "" : " -> " out_args); member = "" }
                /^ *<interface / { interface = value("name"); sub(/.*\./, "", interface) }
                /^ *<property / { print interface, value("name"), value("type") }
                /^ *<(method|signal) / { member = value("name"); in_args = out_args = ""; if (/\/>/) done() }
                /^ *<arg / { arg = value("type") " " value("name")
                             if (value("direction") == "out") out_args = out_args (out_args == "" ? "" : ", ") arg
                             else in_args = in_args (in_args == "" ? "" : ", ") arg }
                /^ *<\/(method|signal)>/ { done() }' data/dbus/*.xml
}
described() {
        plain man/org.tced1.5 | awk '
                /^\.SH / { interface = ""; if (sub(/^\.SH ORG\.TCED1\./, "")) interface = substr($0, 1, 1) tolower(substr($0, 2)) }
                /^T[PQ]$/ && interface != "" { getline; sub(/^\.B /, ""); print interface, $0 }'
}
same "org.tced1(5) has each member, with its signature" "$(described)" "$(specified)"
same "org.tced1(5) has each error, with its errno" "$(section man/org.tced1.5 ERRORS | headings)" "$(
        join <(sed -nE 's/^#define (TCED_ERROR_[A-Z_]+) TCED_ERROR_PREFIX "(.*)"/\1 \2/p' common/error.h | sort) \
                <(sed -nE 's/^ +\{ (TCED_ERROR_[A-Z_]+), (E[A-Z]+) \},/\1 \2/p' common/error.c | sort) | sed -E 's/^[^ ]+ ([^ ]+) (.*)/\1 (\2)/')"
known=$(sed -nE 's/.*TCED_ERROR_PREFIX "(.*)"/\1/p' common/error.h)
problems "org.tced1(5) names no other error" "$(plain man/org.tced1.5 | grep -E '^Errors: ' | sed -E 's/\([^)]*\)//g; s/^Errors: (as of [A-Za-z]+[;,]( and)?)?//' |
        grep -oE '[A-Z][A-Za-z]+' | sort -u | grep -vxF "$known" | sed 's/^/told, but not there: /')"
same "org.tced1(5) has each action of polkit" "$(plain man/org.tced1.5 | grep -oE 'org\.tced1\.[a-z][a-z-]+' | grep -vxE 'org\.tced1\.(conf|policy)')" \
        "$(sed -nE 's/.*"(org\.tced1\.[a-z][a-z-]+)"$/\1/p' common/names.h)"

# ---- libtced(3) ----

exported=$(sed -nE 's/^ *(tced_[a-z_]+);/\1/p' libtced/libtced.sym)
# The names of a page, if that of the file is one of them; of a link, the name and what it leads to.
names_of() { section "$1" NAME | sed -n '1s/ - .*//p' | tr -d ',' | tr ' ' '\n'; }
same "each function has a page" "$(
        for page in man/tced_*.3; do
                name=$(basename "$page" .3)
                names_of "$page" | grep -xF "$name"
                for other in $(names_of "$page" | grep -vxF "$name"); do
                        [[ $(head -n 1 "$built/$other.3" 2>/dev/null) == ".so man3/$name.3" ]] && echo "$other"
                done
        done
        for link in "$built"/tced_*.3; do
                name=$(basename "$link" .3)
                names_of "man/$(sed -n '1s,^\.so man3/,,p' "$link")" | grep -qxF "$name" || echo "$name, which is a link to a page without it"
        done)" "$exported"
same "libtced(3) leads to each of them" "$(plain man/libtced.3 | grep -oE '^\.BR tced_[a-z_]+ \(3\)' | awk '{ print $2 }')" "$exported"
# Declarations without blanks and comments, one a line.
declarations() {
        sed -z -E 's,/\*([^*]|\*[^/])*\*/,,g' | grep -vE '^#|^extern "C"|^}$' | tr -d ' \t\n"' | tr ';' '\n' | grep -vE '^(struct[a-z_]+|})?$'
}
same "the pages declare what tced.h does" \
        "$(for page in man/tced_*.3; do section "$page" SYNOPSIS | sed -E 's/^\.(fi|nf|PP)//; s/^\.(BI|BR|B) //; s/^#.*//'; done | declarations)" \
        "$(declarations <libtced/tced.h)"

# ---- Findings, and the journal's catalog ----

ids=$(sed -nE 's/^ +\[FINDING_[A-Z_]+\] = "(.*)",/\1/p' tced/finding.c)
same "docs/findings.md has each finding" "$(sed -nE 's/^### `(.*)`$/\1/p' docs/findings.md)" "$ids"
problems "docs/findings.md says why, and what to do" "$(awk '/^###? / { if (id && (!why || !remedy)) print id; id = $1 == "###" ? $2 : ""; why = remedy = 0 }
        /^Why: / { why = 1 } /^Remedy: / { remedy = 1 } END { if (id && (!why || !remedy)) print id }' docs/findings.md)"
same "tced(8) has each finding" "$(section man/tced.8 FINDINGS | headings)" "$ids"
same "its table has each finding" "$(sed -n '/^## All/,/^## What/s/^| `\([a-z-]*\)` |.*/\1/p' docs/findings.md)" "$ids"

messages=$(sed -nE 's/^#define TCED_MESSAGE_[A-Z_]+_STR "(.*)"/\1/p' common/names.h)
same "the catalog has each message" "$(sed -n 's/^-- //p' data/tced.catalog)" "$messages"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/usr/lib/systemd/catalog" && cp data/tced.catalog "$root/usr/lib/systemd/catalog/"
said=$(journalctl --update-catalog --root="$root" 2>&1)
needs journalctl "journalctl takes the catalog" && same "journalctl takes the catalog" "$(journalctl --list-catalog --root="$root" 2>&1 | sed 's/ tced: .*//')$said" "$messages"
problems "each entry of the catalog has a subject, a page and a text" "$(awk '/^-- / { if (id && !(subject && page && text)) print id; id = $2; subject = page = text = 0 }
        /^Subject: ./ { subject = 1 } /^Documentation: man:/ { page = 1 } /^$/ { blank = FNR } /^[A-Za-z]/ && blank == FNR - 1 && page { text = 1 }
        END { if (id && !(subject && page && text)) print id }' data/tced.catalog)"

# ---- All pages ----

pages=$(cd man && ls -- *.[1-8])
same "each page is installed" "$(sed -n "/^pages = /,/^}/p" man/meson.build | grep -oE "^(pages = )?.*'[a-z0-9.A-Z_-]+'.*" | sed -E "s/^  ('tced_[a-z_]+'): .*/\1/" |
        grep -oE "'[^']+'" | tr -d "'" | sed -E 's/^tced_[a-z_]+$/&.3/' | while read -r page; do [[ -e man/$page || ! -e $built/$page ]] && echo "$page"; done)" "$pages"
needs mandoc "mandoc has nothing against them" && problems "mandoc has nothing against them" "$(for page in $pages; do mandoc -T lint -W warning "man/$page" 2>&1; done | grep -v 'missing date')"
needs mandoc "no line of them is longer than a terminal's" && problems "no line of them is longer than a terminal's" "$(for page in $pages; do
        mandoc -T utf8 "man/$page" | sed 's/.\x08//g' | grep -E '^.{81}' | sed "s/^/$page: /"
done)"
problems "each page that is named is there, where it is ours" "$(for page in $pages; do
        plain "man/$page" | sed -nE 's/.*\.BR ((tced|libtced|tcectl|org\.tced)[a-z0-9_.-]*) \(([1-8])\).*/\1.\3/p'
done | sort -u | while read -r page; do [[ -e man/$page || -e $built/$page ]] || echo "$page"; done)"
points_done
