#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later

# tced-qemu-system-ppc64, around a script that stands in for QEMU: which machine it takes a command line for, and that the library can be loaded into
# a program that knows nothing of it. Prints TAP. WRAPPER, WRAPPER_LOST: the wrapper, and one without its library.
set -u
points=0 failed=0

# case NAME WANT ARGUMENT...: what the stand-in is told, but for the program's name
try() {
        local name=$1 want=$2 have
        shift 2
        have=$("$WRAPPER" "$@" 2>&1)
        points=$((points + 1))
        if [[ $have == "$want program=qemu-stand-in arguments=$*" ]]; then
                echo "ok $points - $name"
        else
                failed=$((failed + 1))
                printf 'not ok %s\n#   have %s\n#   want %s\n' "$points - $name" "$have" "$want"
        fi
}
uuid=3f2c1111-2222-3333-4444-555566667777
try "a domain of libvirt's" "machine=$uuid preload=libtced-qemu.so" -name guest=web1,debug-threads=on -machine pseries,accel=kvm -uuid $uuid -S
try "two dashes" "machine=$uuid preload=libtced-qemu.so" --uuid $uuid
try "by its name alone" "machine=web1 preload=libtced-qemu.so" -name guest=web1,debug-threads=on
try "by a name with a comma" "machine=a,b preload=libtced-qemu.so" -name a,,b,process=x
try "what libvirt asks a QEMU" "machine=none preload=" -S -no-user-config -nodefaults -machine none,accel=kvm:tcg -uuid $uuid
try "the same, in short" "machine=none preload=" -uuid $uuid -M none
try "by its type" "machine=none preload=" -uuid $uuid -machine accel=kvm,type=none
try "a machine whose name begins so" "machine=$uuid preload=libtced-qemu.so" -uuid $uuid -M nonesuch
try "nobody's" "machine=none preload=" -version
try "a word that is no option" "machine=none preload=" -drive uuid
try "an option without a value" "machine=none preload=" -uuid

# libm does no harm to any program.
LD_PRELOAD=libm.so.6 try "what was preloaded before is so still" "machine=$uuid preload=libtced-qemu.so:libm.so.6" -uuid $uuid

have=$("$WRAPPER_LOST" -uuid $uuid 2>&1)
points=$((points + 1))
if [[ $have == *"can't be preloaded: No such file"*$'\n'"machine=none preload= "* ]]; then
        echo "ok $points - without its library it says so, and QEMU runs"
else
        failed=$((failed + 1))
        echo "not ok $points - without its library: $have"
fi
echo "1..$points"
exit $((failed > 0))
