# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# What the commands under tools/ share: where things are, how they talk, and how they leave. Sourced, never run.

# A private umask of the caller's must not reach the trees that go into a host: they are read there by other users.
umask 022
export LC_ALL=C.UTF-8

TOOLS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(dirname "$TOOLS")
BUILD=$TOP/build
CACHE=${TCED_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/tced}
export TOOLS TOP BUILD CACHE

# Everything that isn't a result goes to standard error, so that results can be piped on.
say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 2; }

# The comment block at the head of a command, from its third line on, is its --help text.
usage() { sed -n '3,/^[^#]/{/^#/!q;s/^# \{0,1\}//p}' "$1"; }

# Print the Debian release that the packages' names depend on: "bookworm", "trixie", or whatever /etc/os-release says.
release_codename() { (. /etc/os-release && echo "${VERSION_CODENAME:-unknown}"); }

# A folder that is gone when the command ends, however it ends; made on first use. Its name is left in $SCRATCH.
# It is under the cache and not in /tmp, which is often a small tmpfs, while a host's initramfs has some 100 MB.
scratch() {
        [[ -z ${SCRATCH:-} ]] || return 0
        mkdir -p "$CACHE"
        SCRATCH=$(mktemp -d "$CACHE/tmp.XXXXXX")
        trap 'rm -rf "$SCRATCH"' EXIT
        # Without these an interrupted shell would end without its EXIT trap.
        trap 'exit 130' INT
        trap 'exit 143' TERM
}
