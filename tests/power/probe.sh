#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The probes on a real kernel: what each kind of host and kernel declares and proves, the deep probe, a group linked to a table.
# Runs as root in the POWER host (tools/power-host/README.md); devices that it binds to vfio-pci are given back.
set -u
# shellcheck source=tests/power/lib.sh
source "${POWER_HOST_TESTS:?}/lib.sh"
probe=${POWER_HOST_TESTS:?}/probe-tool
kind=$POWER_HOST_KIND kernel=$POWER_HOST_KERNEL
# printed KEY WANT: a value that the last probe printed. printed_like KEY GLOB.
printed() { is "$(sed -n "s/^$1 //p" <<<"$output")" "$2" "$1 is '$2'"; }
printed_like() { like "$(sed -n "s/^$1 //p" <<<"$output")" "$2" "$1 is like '$2'"; }

# finding ID: its severity and text; no_finding ID.
finding() { grep -q "^finding\.$1 $2 " <<<"$output"; ok $? "finding $1, $2"; }
no_finding() { ! grep -q "^finding\.$1 " <<<"$output"; ok $? "no finding $1"; }

run() {
        output=$("$probe" "$@" 2>&1)
        ok $? "probe-tool $*"
}

check_declared() {
        local size=65536 vfio=1 capability
        [[ $kernel != 4k ]] || size=4096
        [[ $kernel != 6.1 || $kind == powernv9 ]] || vfio=0
        printed page-size "$size"
        printed machine ppc64le
        printed api-version 12
        for capability in KVM_CAP_SPAPR_TCE KVM_CAP_SPAPR_TCE_64 KVM_CAP_SPAPR_MULTITCE; do
                printed "$capability.declared" 1
        done
        printed KVM_CAP_SPAPR_TCE_VFIO.declared "$vfio"
}

check_proven() {
        local answer=yes capability
        [[ $kind != lpar ]] || answer=no
        printed vm.proven "$answer"
        printed HV.proven "$answer"
        for capability in KVM_CAP_SPAPR_TCE KVM_CAP_SPAPR_TCE_64 KVM_CAP_SPAPR_MULTITCE; do
                printed "$capability.proven" "$answer"
        done
        if [[ $kind == lpar ]]; then
                printed vm.why 'KVM_CREATE_VM: Invalid argument'
                printed KVM_CAP_SPAPR_TCE.why 'no VM can be created: KVM_CREATE_VM: Invalid argument'
                finding kvm-unusable error
        else
                no_finding kvm-unusable
                printed PR.proven unknown
                if [[ $kernel == 6.1 && $kind != powernv9 ]]; then
                        printed KVM_CAP_SPAPR_TCE_VFIO.proven no
                        finding no-vfio-coupling warning
                else
                        printed KVM_CAP_SPAPR_TCE_VFIO.proven unknown
                        no_finding no-vfio-coupling
                fi
        fi
}

# at_least VERSION VERSION: the first is the second or later.
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$2" ]]; }

# Does Debian's changelog say that this kernel has the range check? Point releases bring it to kernels that had it not.
fixed_kernel() {
        local version
        version=$(uname -v | sed -n 's/.* Debian \([^ ]*\).*/\1/p')
        case $version in
        6.1.*) at_least "$version" 6.1.190-1 ;;
        6.12.*) at_least "$version" 6.12.113-1 ;;
        *) at_least "$version" 7.3~rc7 ;;
        esac
}

check_deep() {
        run --deep
        printed PR.proven no
        if [[ $kind == lpar ]]; then
                printed range-check.proven unknown
        elif fixed_kernel; then
                printed range-check.proven yes
                printed_like range-check.why '*gave H_PARAMETER and wrote nothing there'
                printed range-check.by-version yes
                no_finding multitce-unchecked
        else
                printed range-check.proven no
                printed_like range-check.why 'H_STUFF_TCE wrote past a window*changed 5 entries*gave 0'
                printed range-check.by-version unknown
                finding multitce-unchecked error
        fi
}

check_vfio() {
        local alone=$POWER_HOST_VFIO_ALONE eeh=0 class=1 window=0+0x40000000 sizes=0 group
        [[ $kernel != 6.1 ]] || class=0
        [[ $kind != powernv9 ]] || eeh=1 window=0+0x80000000 sizes=0x40211000
        group=$(group_of "$alone")
        printed container-error 0
        printed VFIO_SPAPR_TCE_IOMMU 1
        printed VFIO_SPAPR_TCE_v2_IOMMU 1
        printed VFIO_EEH "$eeh"
        printed VFIO_TYPE1v2_IOMMU 0
        printed iommu-class "$class"
        printed "group.$group.viability" not-bound
        printed "group.$group.window32" "$window"
        printed "group.$group.page-sizes" "$sizes"
        printed "group.$group.ddw" 1
        printed_like "group.$group.device" "$alone 020000 8086:10d3 driver=* numa=*"
        printed "device.$alone.name" 'Intel Corporation | 82574L Gigabit Network Connection | Ethernet controller'
        if [[ $kernel == 6.1 ]]; then finding vfio-broken error; else no_finding vfio-broken; fi
        if no_maxmem; then finding ddw-failed warning; else no_finding ddw-failed; fi
}

# Two devices in one group: one bound is not enough.
check_shared() {
        local group first second driver_first driver_second
        read -r first second <<<"$POWER_HOST_VFIO_SHARED"
        group=$(group_of "$first")
        driver_first=$(driver_of "$first") driver_second=$(driver_of "$second")
        rebind "$first" vfio-pci
        # What has no driver does not count (nvme is refused on some hosts), so the second must have one.
        if [[ $kernel == 6.1 ]]; then
                run
                printed "group.$group.viability" vfio-broken
        else
                run
                if [[ -n $driver_second ]]; then
                        printed "group.$group.viability" partial
                        printed_like "group.$group.why" "$second is still used by the host's driver $driver_second: *"
                        finding group-partial warning
                fi
                rebind "$second" vfio-pci
                run
                printed "group.$group.viability" viable
                printed "group.$group.why" ''
                no_finding group-partial
        fi
        rebind "$first" ''
        rebind "$second" ''
        [[ $(driver_of "$first") == "$driver_first" && $(driver_of "$second") == "$driver_second" ]]
        ok $? "both devices are the host's again"
}

# The group is linked, twice, so that the first one was undone; on a host that can't, the reason is told.
check_link() {
        local alone=$POWER_HOST_VFIO_ALONE group driver
        local linked size=1024
        group=$(group_of "$alone")
        driver=$(driver_of "$alone")
        linked="linked IOMMU group $group to a table of a VM: window at 0"
        rebind "$alone" vfio-pci
        run
        if [[ $kernel == 6.1 ]]; then
                printed "group.$group.viability" vfio-broken
        else
                printed "group.$group.viability" viable
                run --vfio "/dev/vfio/$group"
                run --vfio "/dev/vfio/$group"
                if [[ $kind == lpar ]]; then
                        printed_like KVM_CAP_SPAPR_TCE_VFIO.why "group $group: KVM_CREATE_VM: Invalid argument"
                        printed KVM_CAP_SPAPR_TCE_VFIO.proven unknown
                elif no_maxmem; then
                        printed_like KVM_CAP_SPAPR_TCE_VFIO.why "group $group: VFIO_IOMMU_SPAPR_TCE_CREATE: No such device"
                        printed KVM_CAP_SPAPR_TCE_VFIO.proven unknown
                else
                        [[ $kind != powernv9 ]] || size=2048
                        printed_like KVM_CAP_SPAPR_TCE_VFIO.why "$linked, $size MiB"
                        printed KVM_CAP_SPAPR_TCE_VFIO.proven yes
                fi
        fi
        rebind "$alone" ''
        [[ $(driver_of "$alone") == "$driver" ]]
        ok $? "the device is the host's again"
}

modprobe -a kvm_hv vfio_pci vfio_iommu_spapr_tce 2>/dev/null
modprobe -a vfio_pci vfio_iommu_spapr_tce
run
check_declared
check_proven
check_vfio
check_deep
check_shared
check_link
! dmesg | grep -A3 'WARNING: CPU\|Oops\|BUG:'
ok $? "the kernel warned of nothing"
finish
