# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The cache of what is built once: roots, kernels, the sysroot. Sourced.
#
# Each piece is a folder NAME-HASH, where HASH covers the recipe that made it: a changed recipe is a new name. It is
# made under a temporary name and renamed in one step, so a folder that is there is whole. A lock for each name keeps
# two commands that run at once from making the same piece twice.

# Megabytes that must be free before a piece is made; the largest needs about half of it while it is unpacked.
CACHE_FREE_MB=2000

# cache_key FILE... [-- WORD...]: twelve hex digits for these recipe files and words.
cache_key() {
        local words=()
        while (($#)) && [[ $1 != -- ]]; do words+=("$(<"$1")"); shift; done
        printf '%s\0' "${words[@]}" "$@" | sha256sum | cut -c1-12
}

# Refuse before the download rather than in the middle of it.
cache_check_space() {
        local free
        free=$(df -Pm "$CACHE" | awk 'NR == 2 { print $4 }')
        ((free >= CACHE_FREE_MB)) || die "$CACHE has $free MB free, and making $1 needs $CACHE_FREE_MB MB." \
                "Make room there, or set TCED_CACHE to a folder on a larger disk."
}

# Remove what an earlier recipe left under the same name, and what a killed run left half made.
cache_remove_old() {
        local name=$1 keep=$2 old
        for old in "$CACHE/$name"-*; do
                [[ -d $old && $old != "$keep" && ${old#"$CACHE/$name-"} =~ ^[0-9a-f]{12}(\.new)?$ ]] || continue
                rm -rf "$old"
        done
}

# cache_get NAME KEY COMMAND...: print the folder of this piece; COMMAND NEWDIR makes it when it isn't there.
cache_get() {
        local name=$1 path=$CACHE/$1-$2 lock started=$SECONDS
        shift 2
        if [[ ! -d $path ]]; then
                mkdir -p "$CACHE"
                exec {lock}>"$CACHE/$name.lock"
                flock "$lock"
        fi
        # Looked at again under the lock: whoever held it has probably just made it.
        if [[ ! -d $path ]]; then
                cache_remove_old "$name" ""
                cache_check_space "$name"
                say "making $name (once; kept in $CACHE) ..."
                mkdir "$path.new"
                # A program of its own and no function: `set -e` is off in whatever stands before `||`. The lock stays here.
                "$@" "$path.new" >&2 {lock}>&- || { rm -rf "$path.new"; die "$name could not be made: see above."; }
                mv -T "$path.new" "$path"
                say "made $name in $((SECONDS - started)) s"
        fi
        [[ -z ${lock:-} ]] || exec {lock}>&-
        printf '%s\n' "$path"
}
