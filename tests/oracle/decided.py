# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt decides about a domain: its completed XML, and the words with which it would start QEMU. And those words as they can be run
here, the devices untouched, what is behind them replaced.
"""

import json
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree


class Refused(Exception):
    """libvirt's error."""


def virsh(*words, text=None):
    run = subprocess.run(["virsh", "--quiet", *words], input=text, capture_output=True, text=True, timeout=60, check=False)
    if run.returncode:
        raise Refused(" ".join(run.stderr.split()))
    return run.stdout


def complete(xml, folder):
    """The domain as libvirt keeps it: with controllers and addresses."""
    path = folder / "raw.xml"
    path.write_text(xml)
    virsh("define", str(path))
    name = ElementTree.fromstring(xml).findtext("name")
    try:
        return virsh("dumpxml", "--inactive", name)
    finally:
        virsh("undefine", "--nvram", name)


def arguments(completed, folder):
    """QEMU's words for a completed domain. `domxml-to-native` makes each interface anew and loses its address; it is put back from the XML."""
    path = folder / "completed.xml"
    path.write_text(completed)
    words = shlex.split(virsh("domxml-to-native", "qemu-argv", "--xml", str(path)))
    words = words[next(i for i, word in enumerate(words) if "=" not in word.split("/")[0]) + 1:]
    domain = ElementTree.fromstring(completed)
    places, overridden = net_places(domain), set(overrides(domain))
    for i, word in enumerate(words):
        if word != "-device" or not words[i + 1].startswith("{"):
            continue
        device = json.loads(words[i + 1])
        if device.get("id") in places:
            device.update((name, value) for name, value in places[device["id"]].items() if (device["id"], name) not in overridden)
            if not device.get("reg", 1):
                del device["reg"] # libvirt does not say a 0
            words[i + 1] = json.dumps(device)
    return words


def net_places(domain):
    """id -> the properties that say where an interface sits."""
    buses = {controller.get("index"): alias_of(controller, f"pci.{controller.get('index')}")
             for controller in domain.findall("devices/controller[@type='pci']")}
    buses["0"] = "pci"
    places = {}
    for n, interface in enumerate(domain.findall("devices/interface")):
        address = interface.find("address")
        # As libvirt's own: virDomainDeviceInfo's alias if a person gave one, else by number (qemuAssignDeviceNetAlias).
        name = alias_of(interface, f"net{n}")
        if address.get("type") == "spapr-vio":
            places[name] = {"reg": int(address.get("reg"), 16)}
            continue
        index = str(int(address.get("bus"), 0))
        controller = domain.find(f"devices/controller[@type='pci'][@index='{index}']")
        bus = buses[index]
        if controller.get("model") == "pci-root":
            bus += ".0"
        slot, function = int(address.get("slot"), 0), int(address.get("function"), 0)
        places[name] = {"bus": bus, "addr": f"{slot:#x}" + (f".{function:#x}" if function else "")}
    return places


def overrides(domain):
    """(alias, property) of each <qemu:override>: what it says is in the words."""
    of = "{http://libvirt.org/schemas/domain/qemu/1.0}"
    for device in domain.iter(of + "device"):
        for named in device.iter(of + "property"):
            yield device.get("alias"), named.get("name")


def alias_of(element, otherwise):
    alias = element.find("alias")
    return otherwise if alias is None else alias.get("name")


def devices(words):
    """The -device of these words, each as a dictionary; those in the old form, too."""
    for i, word in enumerate(words):
        if word != "-device":
            continue
        text = words[i + 1]
        if text.startswith("{"):
            yield json.loads(text)
        else:
            driver, *pairs = text.split(",")
            yield {"driver": driver, **dict(pair.split("=", 1) for pair in pairs)}


# What is not of the devices' and would lead out of here; each has one word behind it.
DROPPED = {"-mon", "-sandbox", "-vnc", "-spice", "-display", "-add-fd", "-fsdev"}


def runnable(words, tpm_socket):
    """These words with nothing behind the devices: no files, sockets or devices of the host's."""
    result = []
    for word, value in zip(words, [*words[1:], ""]):
        if result and result[-1] is None:
            result.pop()
            continue
        if word in DROPPED:
            result.append(None)
        elif word in REPLACED:
            result += [*REPLACED[word](value, tpm_socket), None]
        else:
            result.append(word)
    return [word for word in result if word is not None]


def option_id(text):
    if text.startswith("{"):
        return json.loads(text)["id"]
    return next(part[3:] for part in text.split(",") if part.startswith("id="))


def no_chardev(text, _):
    return [] if "charmonitor" in text else ["-chardev", f"null,id={option_id(text)}"]


def no_object(text, _):
    """Keys of libvirt's are not needed; memory in files (huge pages, NVDIMMs) is memory like any other to the guest."""
    node = json.loads(text)
    if node["qom-type"] == "secret":
        return []
    if node["qom-type"] == "memory-backend-file":
        node = {key: value for key, value in node.items() if key in ("id", "size")} | {"qom-type": "memory-backend-ram"}
    return ["-object", json.dumps(node)]


def no_network(text, _):
    return ["-netdev", f"hubport,hubid=0,id={option_id(text)}"]


def no_disk(text, _):
    node = json.loads(text)
    if "file" in node:
        return ["-blockdev", text]
    return ["-blockdev", json.dumps({"driver": "null-co", "node-name": node["node-name"], "read-zeroes": True})]


def no_tpm(text, socket):
    name = next(part[3:] for part in text.split(",") if part.startswith("id="))
    return ["-chardev", f"socket,id=swtpm,path={socket}", "-tpmdev", f"emulator,id={name},chardev=swtpm"]


def no_passthrough(text, _):
    """A host's function: another PCI device in its place, as no table depends on what sits in a slot. Network cards and
    displays do without their ROM, which is in a package of its own."""
    if not text.startswith("{"):
        return ["-device", text]
    device = json.loads(text)
    if device["driver"] != "vfio-pci":
        rom = {"romfile": ""} if "bus" in device and ("netdev" in device or "VGA" in device["driver"]) else {}
        return ["-device", json.dumps({**device, **rom})]
    return ["-device", json.dumps({"driver": "pci-testdev", **{key: device[key] for key in ("id", "bus", "addr") if key in device}})]


REPLACED = {"-chardev": no_chardev, "-object": no_object, "-netdev": no_network, "-blockdev": no_disk, "-tpmdev": no_tpm,
            "-device": no_passthrough}
