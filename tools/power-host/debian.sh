# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Taking Debian apart: packages for ppc64el unpacked into a folder, with no foreign code run. Sourced by the recipes.
#
# mmdebstrap keeps its own apt state in that folder, so the machine's sources and architectures stay as they are, and
# nothing here needs root.

# Print the mirror of Debian's main archive that this machine's apt uses; nothing where it uses none (mmdebstrap then
# takes its default). Security mirrors are left out: they have not always ppc64el.
debian_mirror() {
        # shellcheck disable=SC2016 # apt's own variables
        apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
                awk '$1 == "Debian" && $2 ~ /^https?:/ && !found { print $2; found = 1 }'
}

# The other name that Debian has for a release while it is the one before the last, or the last. Whether it still is, the
# archive's own signed word says (Codename).
debian_alias() {
        case $1 in
        trixie) echo stable ;;
        bookworm) echo oldstable ;;
        *) return 1 ;;
        esac
}

# debian_unpack SUITE DIR PACKAGE...: these packages and all that they depend on, unpacked into DIR.
debian_unpack() {
        local suite=$1 dir=$2 mode=root mirror options=() sources=()
        shift 2
        local packages=$*
        ((EUID == 0)) || mode=chrootless
        mirror=$(debian_mirror)
        [[ -z $mirror ]] || sources=("$mirror")
        if [[ $suite == experimental ]]; then
                # An addition to unstable, whose packages are taken only where asked for. A mirror's copy of the two may be
                # older than they say they are good for; the signature still counts.
                suite=unstable
                options=(--aptopt='APT::Default-Release "experimental"' --aptopt='Acquire::Check-Valid-Until "false"')
                [[ -z $mirror ]] || sources=("deb $mirror unstable main" "deb $mirror experimental main")
        fi
        if ! debian_bootstrap "$suite"; then
                # In the middle of a mirror's sync a release may be broken under one of its names and whole under the other.
                debian_alias "$suite" >/dev/null || return 1
                echo "$suite can't be had under that name; trying $(debian_alias "$suite") ..." >&2
                find "$dir" -mindepth 1 -delete
                options+=(--extract-hook="grep -qx 'Codename: $suite' \"\$1\"/var/lib/apt/lists/*Release")
                debian_bootstrap "$(debian_alias "$suite")" || return 1
        fi
        debian_merge_usr "$dir"
}

# The one call, with debian_unpack's settings.
debian_bootstrap() { # SUITE
        # shellcheck disable=SC2154 # of the caller
        mmdebstrap --quiet --mode="$mode" --arch=ppc64el --variant=extract --include="$packages" "${options[@]}" "$1" "$dir" \
                "${sources[@]}"
}

# Debian 12 finishes the merge of / and /usr when packages are configured, which nobody does here.
debian_merge_usr() {
        local root=$1 name
        for name in bin lib lib64 sbin; do
                [[ -d $root/$name && ! -L $root/$name ]] || continue
                mkdir -p "$root/usr/$name"
                cp -a "$root/$name/." "$root/usr/$name/"
                rm -rf "${root:?}/$name"
                ln -s "usr/$name" "$root/$name"
        done
        # A tree without the package that has these links: depmod still looks in /lib.
        [[ -e $root/lib ]] || ln -s usr/lib "$root/lib"
}

# pack_archive DIR FILE: DIR as an initramfs archive. Everything in it belongs to root, whoever runs this. The entry for
# "." is left out, as it would give the mode of DIR to the host's root folder.
pack_archive() {
        (cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z |
                cpio --quiet --null -o -H newc -R +0:+0 --reproducible) | zstd -q -3 -T0 -f -o "$2"
        # The kernel looks for the next archive on a 4-byte boundary.
        truncate -s %4 "$2"
}
