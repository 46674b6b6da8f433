#!/usr/bin/python3 -IE
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hook at `start` as one would write it in Python, which tced's own is measured against: hook.py SOCKET NAME OPERATION SUB-OPERATION."""

import sys
import xml.etree.ElementTree as ElementTree

import dbus.connection


def main():
    if sys.argv[3:5] != ["start", "begin"]:
        return 0
    text = sys.stdin.buffer.read().decode()
    if ElementTree.fromstring(text).find("name").text != sys.argv[2]:
        return 1
    peer = dbus.connection.Connection("unix:path=" + sys.argv[1])
    try:
        peer.call_blocking(None, "/org/tced1", "org.tced1.Manager", "RegisterDomain", "st", (text, 0), timeout=2)
    except dbus.DBusException as e:
        print(e.get_dbus_message(), file=sys.stderr)
        return e.get_dbus_name().endswith(".DomainRefused")
    return 0


sys.exit(main())
