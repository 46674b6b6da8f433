# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# The pieces that a host and a cross build are made of, each made once. Sourced, after common.sh.

HOST_TOOLS=$TOOLS/power-host
# shellcheck source=tools/power-host/cache.sh
. "$HOST_TOOLS/cache.sh"
# shellcheck source=tools/power-host/kinds.sh
. "$HOST_TOOLS/kinds.sh"

# piece RECIPE NAME ARGUMENT...: print the folder of what recipe-RECIPE makes of these arguments.
piece() {
        local recipe=$HOST_TOOLS/recipe-$1 name=$2
        shift 2
        cache_get "$name" "$(cache_key "$recipe" "$HOST_TOOLS/debian.sh" -- "$@")" "$recipe" "$@"
}

# host_root KERNEL plain|libvirt|packages
host_root() {
        local suite
        suite=$(root_suite "$1")
        if [[ $2 != packages ]]; then piece root "root-$suite-$2" "$suite" "$2"; return; fi
        # Of two recipes.
        cache_get "root-$suite-packages" "$(cache_key "$HOST_TOOLS"/{recipe-packages,recipe-root,debian.sh} -- "$suite")" \
                "$HOST_TOOLS/recipe-packages" "$suite" libvirt
}

# host_kernel KERNEL
host_kernel() { piece kernel "kernel-$1" "$(kernel_suite "$1")" "$(kernel_package "$1")"; }

# A Linux guest's file system; modules of its kernel go over it.
host_guest() { piece guest guest bookworm; }

# The ppc64el sysroot that cross builds link with.
host_sysroot() { local path; path=$(piece sysroot sysroot bookworm) && echo "$path/root"; }

# What the hosts get besides tced: all tests of build/ppc64el and their helpers in one folder.
make_tests_overlay() {
        local dir=$BUILD/ppc64el/tests-overlay/usr/lib/tced/tests
        rm -rf "$BUILD/ppc64el/tests-overlay"
        mkdir -p "$dir"
        find "$BUILD/ppc64el/tests" -type f -perm -u+x ! -path '*.p/*' -exec cp -t "$dir" {} +
        cp "$TOP"/tests/power/*.sh "$TOP/docs/tour.md" "$TOP/docs/pictures/screen.svg" "$dir"
}
