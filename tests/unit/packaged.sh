#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# What `meson install` puts somewhere is packaged, by Debian's packages and by the RPM spec: each file by one package of each, and neither
# names what is not there. Usage: packaged.sh MESON BUILD LIBDIR. Prints TAP.
set -uo pipefail
meson=$1 build=$(realpath "$2") libdir=$3
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# shellcheck source=tests/points.sh
source tests/points.sh

# Where zsh's completion goes is asked of the machine, and told by debian/rules and the spec: one folder stands for all.
if said=$(DESTDIR=$work/tree "$meson" install -C "$build" --no-rebuild --quiet 2>&1); then said=''; fi
problems "meson install" "$said"
(cd "$work/tree" && find . ! -type d -printf '%P\n') | sed -E 's,/zsh/[^/]+/,/zsh/DIR/,' | sort >"$work/files"
problems "it installs more than a few files" "$(awk 'END { if (NR < 60) print NR }' "$work/files")"

# "PACKAGE PATTERN" of each; a pattern is a file or a whole folder.
debian_patterns() {
        local file
        for file in debian/*.install; do
                sed "/^#/d; /^ *$/d; s,^,$(basename "$file" .install) ," "$file"
        done
}

# Folders alone (%dir) and what is taken from the source (%doc, %license) are no files of meson's.
spec_patterns() {
        awk '/^%files/ { package = "tced" ($2 != "" ? "-" $2 : ""); next }
                /^%(changelog|package|description|post|pre|build|install|check)/ { package = "" }
                package != "" && NF && !/^(#|%dir |%doc |%license |%ghost )/ { sub(/^%(config|attr)\([^)]*\) */, ""); print package, $1 }' packaging/tced.spec |
                sed -e "s,%{_libdir},/usr/$libdir," -e 's,%{_sysconfdir},/etc,' -e 's,%{_bindir},/usr/bin,' -e 's,%{_sbindir},/usr/sbin,' \
                        -e 's,%{_libexecdir},/usr/libexec,' -e 's,%{_unitdir},/usr/lib/systemd/system,' -e 's,%{_sysusersdir},/usr/lib/sysusers.d,' \
                        -e 's,%{_journalcatalogdir},/usr/lib/systemd/catalog,' -e 's,%{_datadir},/usr/share,' -e 's,%{_mandir},/usr/share/man,' \
                        -e 's,%{_includedir},/usr/include,' -e 's,%{_prefix},/usr,' -e 's,/zsh/[^/]*/,/zsh/DIR/,' -e 's, /, ,' -e 's,/$,,'
}

# covered PATTERNS: prints what is wrong: a star does not go over a slash.
covered() {
        awk 'function regex(glob) { gsub(/[.+]/, "\\\\&", glob); gsub(/\*/, "[^/]*", glob); return "^" glob "(/|$)" }
                FNR == NR { n++; package[n] = $1; pattern[n] = $2; next }
                {
                        count = 0; who = ""
                        for (i = 1; i <= n; i++) if ($0 ~ regex(pattern[i])) { count++; used[i] = 1; who = who " " package[i] }
                        if (count != 1) print "/" $0 ": " (count ? "in" who : "in none")
                }
                END { for (i = 1; i <= n; i++) if (!used[i]) print package[i] ": nothing is " pattern[i] }' "$1" "$work/files"
}

debian_patterns >"$work/debian"
spec_patterns >"$work/spec"
problems "each file is in one of Debian's packages" "$(covered "$work/debian")"
problems "each file is in one of the spec's" "$(covered "$work/spec")"
problems "the spec has no macro that is not known here" "$(grep % "$work/spec")"
points_done
