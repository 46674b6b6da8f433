# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The variables are set for the script that sources this.
# QEMU's arguments have commas.
# shellcheck disable=SC2034,SC2054
#
# The kinds of host and the kernels that there are, and what QEMU is told to make each. Sourced.

KINDS=(lpar-nested powernv9 lpar lpar-nested-nomaxmem lpar-nested-numa)
KERNELS=(64k 4k 6.1 next)

# root_suite KERNEL: the Debian release that this kernel's root comes from.
root_suite() {
        case $1 in
        64k | 4k | next) echo trixie ;;
        6.1) echo bookworm ;;
        *) die "no kernel '$1'; there are: ${KERNELS[*]}" ;;
        esac
}

# kernel_suite KERNEL: the one that the kernel comes from.
kernel_suite() {
        case $1 in
        next) echo experimental ;;
        *) root_suite "$1" ;;
        esac
}

kernel_package() {
        case $1 in
        64k | next) echo linux-image-powerpc64le-64k ;;
        *) echo linux-image-powerpc64le ;;
        esac
}

# A partition gets PHBs of its own for what tests take: the one at index 0 has the share that results leave by.
# x-vof skips the slow firmware. TCG warns of capabilities that it lacks; they stay on all the same, as a stock QEMU in
# the partition refuses to start a guest where they are off.
partition_args() {
        local nested=$1
        QEMU_ARGS+=(
                -M "pseries,cap-nested-hv=$nested,x-vof=on"
                -cpu power9 -vga none -nodefaults
                -device spapr-pci-host-bridge,index=1,id=alone
                -device e1000e,bus=alone.0,addr=1,romfile=,netdev=net1
                -device spapr-pci-host-bridge,index=2,id=shared
                -device e1000e,bus=shared.0,addr=1,romfile=,netdev=net2
                -device nvme,bus=shared.0,addr=2,serial=shared
                -device spapr-pci-host-bridge,index=3,id=spare
                -device nvme,bus=spare.0,addr=1,serial=spare,drive=spare
        )
        SHARE_BUS=pci.0 SHARE_SLOT=1
        VFIO_ALONE=0001:00:01.0 VFIO_SHARED='0002:00:01.0 0002:00:02.0' VFIO_SPARE=0003:00:01.0
}

# A bare-metal POWER9 has six PHBs. It gets no -nodefaults, which would remove them and the BMC that switches it off.
powernv_args() {
        QEMU_ARGS+=(
                -M powernv9
                -device e1000e,bus=pcie.1,addr=0,romfile=,netdev=net1
                # Behind a bridge without ACS all devices are one PE, and so one IOMMU group.
                -device pcie-pci-bridge,bus=pcie.2,addr=0,id=shared
                -device e1000e,bus=shared,addr=1,romfile=,netdev=net2
                -device nvme,bus=shared,addr=2,serial=shared
                -device nvme,bus=pcie.3,addr=0,serial=spare,drive=spare
        )
        SHARE_BUS=pcie.0 SHARE_SLOT=0
        VFIO_ALONE=0001:01:00.0 VFIO_SHARED='0002:02:01.0 0002:02:02.0' VFIO_SPARE=0003:01:00.0
        # Virtual functions: README.md says why here alone.
        [[ $1 == 4k && $(qemu-system-ppc64 -device igb,help 2>/dev/null) == *options* ]] || return 0
        QEMU_ARGS+=(-netdev user,restrict=on,id=net3 -device igb,bus=pcie.4,addr=0,romfile=,netdev=net3)
        SRIOV=0004:01:00.0
}

# Two nodes with half of the memory each, the second one without a processor.
numa_args() {
        local node
        for node in 0 1; do
                QEMU_ARGS+=(-object "memory-backend-ram,id=node$node,size=2G" -numa "node,nodeid=$node,memdev=node$node")
        done
        QEMU_ARGS+=(-numa cpu,node-id=0,core-id=0)
}

# kind_args KIND KERNEL: fill QEMU_ARGS, SHARE_BUS, SHARE_SLOT, the VFIO_ addresses and SRIOV for this kind of host.
kind_args() {
        SRIOV=''
        # Networks with nobody else on them: a card without one makes QEMU warn, and powernv add one of its own.
        QEMU_ARGS=(-netdev user,restrict=on,id=net1 -netdev user,restrict=on,id=net2)
        # A disk of zeroes that can be written to; what is written goes with QEMU.
        QEMU_ARGS+=(-drive if=none,id=spare,file.driver=null-co,file.size=64M,file.read-zeroes=on,format=raw,snapshot=on)
        # Without maxmem a partition's Linux can make no 64-bit DMA window, which is what that kind is for.
        case $1 in
        powernv9) powernv_args "$2"; QEMU_ARGS+=(-m 4G) ;;
        lpar-nested) partition_args on; QEMU_ARGS+=(-m 4G,slots=1,maxmem=16G) ;;
        lpar) partition_args off; QEMU_ARGS+=(-m 4G,slots=1,maxmem=16G) ;;
        lpar-nested-nomaxmem) partition_args on; QEMU_ARGS+=(-m 4G) ;;
        lpar-nested-numa) partition_args on; numa_args; QEMU_ARGS+=(-m 4G,slots=1,maxmem=16G) ;;
        *) die "no kind '$1'; there are: ${KINDS[*]}" ;;
        esac
}
