#compdef tcectl
# SPDX-License-Identifier: LGPL-2.1-or-later

# zsh's completion of tcectl: commands, options, names of VMs and of devices, files.

_tcectl_machines() {
  local -a names
  names=(${${(f)"$(COLUMNS=4096 _call_program machines tcectl $where ${(k)opt_args[(I)--user]} --no-legend machines 2>/dev/null)"}%% *})
  compadd -a names
}

# What names an IOMMU group: numbers, addresses, interfaces; from JSON, since screens cut names.
_tcectl_groups() {
  local -a names
  names=(${(f)"$(_call_program groups tcectl $where ${(k)opt_args[(I)--user]} --json=short groups 2>/dev/null |
    grep -oE '"(number|address)":("[^"]*"|[0-9]+)|"interfaces":\[[^]]*]' | sed 's/^"[a-z]*"://; s/[]["]//g' | tr ',' '\n')"})
  compadd -a names
}

_tcectl_domains() {
  _tcectl_machines
  _files
}

# Options behind the command: those of all commands, and its own.
_tcectl_argument() {
  local -a where=(${(k)opt_args[(I)--user]})
  local -a planning=(
    '--offline[without tced]'
    '--host=[for the host with these facts]:facts:_files'
    '--attach=[with this device]:device XML:_files'
  )
  local -a elsewhere=('--host=[of the host with these facts]:facts:_files')
  local -a binding=('--force[though it is in use]' '--persistent[at each boot, too]')
  case $words[1] in
    machines) _arguments $common $verbose ':machine:_tcectl_machines' ;;
    audit) _arguments $common $verbose ':machine:_tcectl_machines' ;;
    top) _arguments $common '--once[print it once]' '--delay=[seconds from one look to the next]:seconds:' ;;
    explain) _arguments $common ':machine:_tcectl_machines' ;;
    plan) _arguments $common $verbose $planning '--fix[print the mended domain]' ':domain:_tcectl_domains' ;;
    check) _arguments $common $planning '--strict[warnings fail too]' ':domain:_tcectl_domains' ;;
    probe) _arguments $common '--deep[try more]' ':group:_tcectl_groups' ;;
    groups) _arguments $common $elsewhere ;;
    group) _arguments $common $elsewhere ':group:_tcectl_groups' ;;
    bugreport) _arguments $common '--output=[the archive]:file:_files' ;;
    metrics | features) _arguments $common $elsewhere '--output=[into a file]:file:_files' ;;
    topology) _arguments $common $elsewhere '(--svg)--dot[a graph for Graphviz]' '(--dot)--svg[a picture]' ;;
    bind) _arguments $common $binding '*:group:_tcectl_groups' ;;
    release) _arguments $common $binding '*:group:_tcectl_groups' ;;
    help) _arguments $common ':command:_tcectl_commands' ;;
    *) _arguments $common ;;
  esac
}

_tcectl_commands() {
  local -a commands
  commands=(
    'status:this host, and what is wrong with it'
    'groups:IOMMU groups and their devices'
    'group:all of one IOMMU group'
    'topology:PHBs, groups, devices, VMs and tables as a tree'
    'bind:give the devices of a group to vfio-pci'
    'release:give them back to their drivers'
    'machines:VMs and their TCE tables'
    'plan:what a VM would get, and what it costs'
    'check:what is wrong with a VM before it starts'
    'explain:table by table, where it lives and why'
    'audit:where the tables of running VMs really are'
    'top:the same as it goes on, with exits per second'
    'monitor:what changes, as it changes'
    'run:a stock QEMU, on TCE tables from tced'
    'describe:everything that tced knows'
    'metrics:numbers for Prometheus (OpenMetrics)'
    'features:what this host has proven, to place VMs by'
    'bugreport:one archive to be sent with a report'
    'probe:prove again what the kernel declares'
    'rescan:read IOMMU groups, devices and VFIO again'
    'reload:read tced.conf and the rules again'
    'version:versions of tcectl and of the tced that runs'
    'help:what a command does'
  )
  _describe command commands
}

local -a where
local -a verbose=('(-v --verbose)'{-v,--verbose}'[all tables]')
local -a common=(
  '(--address)--user[the tced of the user]'
  '(--user -H --remote)--address=[D-Bus address of its socket]:address:'
  '(--user --address -H --remote)'{-H+,--remote=}'[the tced of another host, by ssh]:host:_hosts'
  '--json=-[JSON for programs]::form:(pretty short off)'
  '--no-legend[no headers, no sums]'
  '--no-pager[print without a pager]'
  '(-h --help)'{-h,--help}'[show help]'
  '--version[show the version]'
)

_arguments $common $verbose \
  '--offline[plan, check: without tced]' \
  '--host=[plan, check, groups, group, topology: of the host with these facts]:facts:_files' \
  '--attach=[plan, check: with this device]:device XML:_files' \
  '--fix[plan: print the mended domain]' \
  '--strict[check: warnings fail too]' \
  '--once[top: print it once]' \
  '--delay=[top: seconds from one look to the next]:seconds:' \
  '--dot[topology: a graph for Graphviz]' \
  '--svg[topology: a picture]' \
  '--force[bind, release: though it is in use]' \
  '--persistent[bind, release: at each boot, too]' \
  '--deep[probe: try more]' \
  '(-):command:_tcectl_commands' \
  '(-)*:: :_tcectl_argument'
