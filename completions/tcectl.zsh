#compdef tcectl
# SPDX-License-Identifier: LGPL-2.1-or-later

# zsh's completion of tcectl: commands, options, names of VMs, files.

_tcectl_machines() {
  local -a names
  names=(${${(f)"$(COLUMNS=4096 _call_program machines tcectl ${(k)opt_args[(I)--user]} --no-legend machines 2>/dev/null)"}%% *})
  compadd -a names
}

_tcectl_argument() {
  case $words[1] in
    machines | explain) _tcectl_machines ;;
    plan | check) _tcectl_machines; _files ;;
    help) _tcectl_commands ;;
  esac
}

_tcectl_commands() {
  local -a commands
  commands=(
    'status:this host, and what is wrong with it'
    'groups:IOMMU groups and their devices'
    'machines:VMs and their TCE tables'
    'plan:what a VM would get, and what it costs'
    'check:what is wrong with a VM before it starts'
    'explain:table by table, where it lives and why'
    'describe:everything that tced knows'
    'probe:prove again what the kernel declares'
    'rescan:read IOMMU groups, devices and VFIO again'
    'reload:read tced.conf and the rules again'
    'version:versions of tcectl and of the tced that runs'
    'help:what a command does'
  )
  _describe command commands
}

_arguments \
  '(--address)--user[the tced of the user]' \
  '(--user)--address=[D-Bus address of its socket]:address:' \
  '--json=-[JSON for programs]::form:(pretty short off)' \
  '--no-legend[no headers, no sums]' \
  '(-v --verbose)'{-v,--verbose}'[machines, plan: all of their tables]' \
  '--offline[plan, check: without tced]' \
  '--host=[plan, check: for the host with these facts]:facts:_files' \
  '--attach=[plan, check: with this device]:device XML:_files' \
  '--fix[plan: print the mended domain]' \
  '--strict[check: warnings fail too]' \
  '--deep[probe: try more]' \
  '(-h --help)'{-h,--help}'[show help]' \
  '--version[show the version]' \
  ':command:_tcectl_commands' \
  '*:: :_tcectl_argument'
