#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Usage: rpm.sh SOURCE OUT
#
# packaging/tced.spec, as far as a machine without a distribution that has RPMs can judge it: RPMs are built of SOURCE, by Debian's rpmbuild, with
# Debian's libraries, and with rpm/macros for what Fedora's meson and systemd have; twice, which must give the same bytes. rpmlint judges them.
# They are unpacked into an empty root, with rpm's own database. That Fedora has what they require, and runs their scripts well, is not seen here.
# OUT is where rpm.out, .status, .log and the RPMs go. Prints TAP; tools/package --test runs it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/common.sh
. "$here/../../tools/common.sh"
source=$1 out=$2
scratch
version=$(sed -n 's/^Version: *//p' "$source/packaging/tced.spec")
log=$out/rpm.log
: >"$log"

points=0 failed=0
point() { # STATUS NAME TEXT
        points=$((points + 1))
        if (($1 == 0)); then echo "ok $points - $2"; return 0; fi
        failed=1
        echo "not ok $points - $2"
        while read -r line; do echo "# $line"; done <<<"$3"
}
# same HAVE WANT NAME
same() { local status=0; [[ $1 == "$2" ]] || status=1; point $status "$3" "have $1"$'\n'"want $2"; }

# build NAME: in $SCRATCH/NAME.
build() {
        local top=$SCRATCH/$1
        mkdir -p "$top/SOURCES"
        tar -C "$source" --transform="s,^\.,tced-$version," --sort=name -cJf "$top/SOURCES/tced-$version.tar.xz" .
        cp "$source/data/tced.sysusers" "$top/SOURCES"
        rpmbuild -bb --nodeps --load "$here/rpm/macros" --define "_topdir $top" --define '_buildhost nowhere' --define 'source_date_epoch_from_changelog 1' \
                --define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' "$source/packaging/tced.spec" >>"$log" 2>&1
}

# asked PACKAGE OPTION...: of a built one.
asked() { rpm --query --package "${@:2}" "$out"/"$1"-"$version"-*.rpm; }

main() {
        local status=0 said name root=$SCRATCH/root
        build one || status=$?
        point $status "rpmbuild makes them, and all that meson installs is in them" "$(tail -n 20 "$log")"
        [[ $status == 0 ]] || return 0
        find "$SCRATCH/one/RPMS" -name '*.rpm' -exec cp -t "$out" {} +
        said=$(find "$out" -name '*.rpm' -printf '%f\n' | sed 's/-[0-9].*//' | sort | xargs)
        same "$said" "tced tced-devel tced-doc tced-libs tced-qemu" "there are five"
        build two || true
        status=0
        said=$(find "$SCRATCH/two/RPMS" -name '*.rpm' | while read -r name; do cmp "$name" "$out/${name##*/}" 2>&1; done) || true
        same "$said" "" "a second build gives the same bytes"
        status=0
        said=$(rpmlint --config "$here/rpm/rpmlint.toml" --rpmlintrc "$source/packaging/tced.rpmlintrc" "$source/packaging/tced.spec" "$out"/*.rpm 2>&1) || status=1
        [[ $said == *" 0 errors, 0 warnings"* ]] || status=1
        point $status "rpmlint has nothing to say of spec and packages" "$said"
        same "$(asked tced --requires | grep -c '^libxml2(')" 1 "libxml2 is required, which is loaded"
        same "$(asked tced-libs --provides | grep -c '^libtced\.so\.1(LIBTCED_2)')" 1 "the library's versions are provided"
        # A restart, never stop and start; and nothing that starts what an administrator has not enabled.
        said=$(asked tced --scripts)
        same "$(grep -cE 'systemctl (stop|start) ' <<<"$said") $(grep -c 'try-restart tced.service' <<<"$said")" "0 1" "an upgrade restarts tced in one step"
        same "$(grep -c '^u tced ' <<<"$said")" 1 "the user is made before the files come"
        status=0
        mkdir -p "$root"
        said=$(rpm --root "$root" --nodeps --noscripts --install "$out"/*.rpm 2>&1) || status=$?
        point $status "they are unpacked side by side" "$said"
        said=$(rpm --root "$root" --nodeps --noscripts --verify tced tced-libs tced-devel tced-qemu tced-doc 2>&1) || true
        same "$said" "" "all is as it was packed"
        status=0
        said=$(rpm --root "$root" --nodeps --noscripts --erase tced tced-libs tced-devel tced-qemu tced-doc 2>&1) || status=$?
        point $status "they are erased" "$said"
        same "$(find "$root" -name '*tced*' ! -path '*/lib/rpm/*')" "" "nothing of them is left"
}

{ main; echo "1..$points"; } >"$out/rpm.out" 2>>"$log" || failed=1
cat "$out/rpm.out"
echo "$failed" >"$out/rpm.status"
((failed == 0))
