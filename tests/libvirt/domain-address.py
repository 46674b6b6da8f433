#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# domain-address.py DIR: has libvirt define, and where DIR/list says so start, each domain of DIR, and holds what comes of it
# against what tced made of it. Prints TAP.

import subprocess
import sys
import xml.etree.ElementTree as ElementTree

NAME = 'answer'  # of all domains
points = failures = 0


def point(good, name, *why):
    global points, failures
    points += 1
    failures += not good
    print(f"{'' if good else 'not '}ok {points} - {name}")
    if not good:
        for line in why:
            print(f'#   {line}')
    sys.stdout.flush()


def virsh(*arguments):
    run = subprocess.run(['virsh', '--quiet', *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return run.returncode == 0, run.stdout, ' '.join(run.stderr.split())


def name_of(device, aliases):
    if aliases:
        alias = device.find('alias')
        # libvirt has none for NVRAM and panic devices.
        return alias.get('name') if alias is not None else device.tag + '0'
    if device.tag != 'controller':
        return device.tag
    if device.get('type') == 'pci':
        return 'phb' if device.get('model') == 'pci-root' else 'bridge'
    return f"controller.{device.get('type')}{device.get('index')}"


def token_of(device, aliases):
    """As tests/unit/domain-answers.h has it; None: nothing to say of it."""
    name, address = name_of(device, aliases), device.find('address')
    kind = address.get('type') if address is not None else ''
    if device.get('type') == 'pci' and device.get('model') == 'pci-root':
        return f"{name}={device.get('index')}:{device.find('target').get('index')}"
    if kind == 'spapr-vio':
        return f"{name}@r{int(address.get('reg'), 16):x}"
    if kind == 'pci':
        bus, slot, function = (int(address.get(key), 16) for key in ('bus', 'slot', 'function'))
        return f'{name}@{bus:x}:{slot:x}' + (f'.{function:x}' if function else '')
    return name if device.tag == 'disk' and aliases else None


def show(xml, aliases):
    devices = ElementTree.fromstring(xml).find('devices')
    # A <console> is the first serial port once more.
    tokens = (token_of(device, aliases) for device in devices if device.tag != 'console')
    return ' '.join(sorted(token for token in tokens if token))


def check_answer(path, name, start, answer, elements):
    good, _, error = virsh('define', path)
    if not good:
        point(False, f'{name}: defined', error)
        return
    have = show(virsh('dumpxml', '--inactive', NAME)[1], False)
    point(have == elements, name, f'libvirt {have}', f'tced    {elements}')
    if start:
        good, _, error = virsh('start', '--paused', NAME)
        have = show(virsh('dumpxml', NAME)[1], True) if good else error
        point(have == answer, f'{name}: started', f'libvirt {have}', f'tced    {answer}')
        virsh('destroy', NAME)
    virsh('undefine', '--nvram', NAME)


def main(directory):
    # The library's, which is of the daemon's package.
    version = int(subprocess.run(['virsh', '--version'], capture_output=True, text=True, check=True).stdout.split('.')[0])
    with open(f'{directory}/list', encoding='utf-8') as lines:
        for line in lines:
            number, name, kind, since, start, answer, elements = line.rstrip('\n').split('\t')
            path = f'{directory}/{number}.xml'
            if version < int(since):
                continue
            if kind == 'refusal':
                good, _, error = virsh('define', path)
                point(not good, f'{name}: refused')
                if good:
                    virsh('undefine', '--nvram', NAME)
            else:
                check_answer(path, name, start == 'start', answer, elements)
    print(f'1..{points}')
    return failures > 0


sys.exit(main(sys.argv[1]))
