# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Meson's cross files for ppc64el, written for the sysroot of this machine's cache. Sourced by tools/build.

CROSS_TRIPLET=powerpc64le-linux-gnu

# cross_compiler gcc|clang SYSROOT: print the compiler's command, one word a line.
#
# Debian's cross gcc looks into the libc of its own release first, whatever --sysroot says, and two libcs do not mix: so
# it is told where to look and nothing else. clang has no such places; it links with lld, which finds all in the sysroot.
cross_compiler() {
        local root=$2 include
        case $1 in
        gcc)
                include=$("$CROSS_TRIPLET-gcc" -print-file-name=include)
                printf '%s\n' "$CROSS_TRIPLET-gcc" "--sysroot=$root" -nostdinc -isystem "$include" \
                        -isystem "$root/usr/include/$CROSS_TRIPLET" -isystem "$root/usr/include" \
                        "-B$root/usr/lib/$CROSS_TRIPLET/"
                ;;
        clang) printf '%s\n' clang "--target=$CROSS_TRIPLET" "--sysroot=$root" ;;
        esac
}

# write_cross_file gcc|clang SYSROOT FILE
write_cross_file() {
        local root=$2 words linker=bfd
        [[ $1 != clang ]] || linker=lld
        words=$(cross_compiler "$1" "$root" | sed "s/.*/'&'/" | paste -sd, -)
        cat >"$3.new" <<-TEXT
		[binaries]
		c = [$words]
		c_ld = '$linker'
		ar = '$CROSS_TRIPLET-ar'
		nm = '$CROSS_TRIPLET-nm'
		strip = '$CROSS_TRIPLET-strip'
		objcopy = '$CROSS_TRIPLET-objcopy'
		pkgconfig = 'pkg-config'

		[properties]
		sys_root = '$root'
		pkg_config_libdir = ['$root/usr/lib/$CROSS_TRIPLET/pkgconfig', '$root/usr/lib/pkgconfig', '$root/usr/share/pkgconfig']
		needs_exe_wrapper = true

		[host_machine]
		system = 'linux'
		cpu_family = 'ppc64'
		cpu = 'ppc64le'
		endian = 'little'
		TEXT
        # Left alone where nothing changed: meson configures again when it is newer than the build.
        if cmp -s "$3.new" "$3"; then rm "$3.new"; else mv "$3.new" "$3"; fi
}
