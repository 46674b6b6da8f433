/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every name that others see, spelled once: bus names and paths, folders, sockets, message ids. */

#define TCED_BUS_NAME "org.tced1"
#define TCED_BUS_PATH "/org/tced1"
#define TCED_GROUP_PREFIX TCED_BUS_PATH "/group"
#define TCED_MACHINE_PREFIX TCED_BUS_PATH "/machine"

#define TCED_INTERFACE_MANAGER "org.tced1.Manager"
#define TCED_INTERFACE_GROUP "org.tced1.Group"
#define TCED_INTERFACE_MACHINE "org.tced1.Machine"
#define TCED_INTERFACE_TABLE "org.tced1.Table"
#define TCED_ERROR_PREFIX "org.tced1.Error."

/* The private socket speaks D-Bus peer to peer; in --user mode it lies in $XDG_RUNTIME_DIR instead of /run. */
#define TCED_RUNTIME_DIR "/run/tced"
#define TCED_SOCKET_NAME "socket"
#define TCED_SOCKET TCED_RUNTIME_DIR "/" TCED_SOCKET_NAME
/* What outlives a restart; beside the socket, wherever that is. */
#define TCED_STATE_NAME "state.json"
/* The unit that listens on the private socket for tced; systemd calls the fd by it (systemd.socket(5), FileDescriptorName=). */
#define TCED_SOCKET_UNIT "tced.socket"
/* The helper's socket is in a folder of its own: the daemon may write to TCED_RUNTIME_DIR, and must not here. */
#define TCED_BIND_SOCKET "/run/tced-bind/socket"
/* Where it reaches its workers, and what it has bound, for all to read. */
#define TCED_BIND_WORK_SOCKET "/run/tced-bind/work"
#define TCED_BIND_RECORDS "/run/tced-bind/groups"

/* At most this many fds go into one message: with one more the system bus cuts the sender off (dbus-daemon's
 * max_message_unix_fds). */
#define TCED_MAX_FDS_PER_MESSAGE 16U

/* polkit's actions, one for each verb that is root's (data/org.tced1.policy). */
#define TCED_POLKIT_RAISE_MEMLOCK "org.tced1.raise-memlock"
#define TCED_POLKIT_BIND "org.tced1.bind"
#define TCED_POLKIT_RELEASE "org.tced1.release"
#define TCED_POLKIT_PROBE "org.tced1.probe"
#define TCED_POLKIT_RESCAN "org.tced1.rescan"
#define TCED_POLKIT_RELOAD "org.tced1.reload"
#define TCED_POLKIT_REGISTER "org.tced1.register"
#define TCED_POLKIT_UNREGISTER "org.tced1.unregister"
#define TCED_POLKIT_OPEN_GROUP "org.tced1.open-group"
#define TCED_POLKIT_PLAN_DOMAIN "org.tced1.plan-domain"
#define TCED_POLKIT_SET_LOG_LEVEL "org.tced1.set-log-level"

/* RegisterDomain: the VM runs already. */
#define TCED_REGISTER_RUNNING UINT64_C(1)
/* Flags of AcquireTables. */
#define TCED_ACQUIRE_HANDED_OUT UINT64_C(1)
/* A domain's name, in bytes. libvirt has no limit of its own, but it is part of the names of files. */
#define TCED_DOMAIN_NAME_MAX 255U

/* Where libvirt keeps the PIDs of its VMs. */
#define LIBVIRT_RUN "/run/libvirt/qemu"

/* Message ids of journal entries, for `journalctl MESSAGE_ID=…`; never changed once released. */
#define TCED_MESSAGE_FINDING_STR "7b1c0e6f5d0c4f0e9a4b64d6a7f5c101"
#define TCED_MESSAGE_MACHINE_STR "3c0a5b6ad9a44f93b2b5c7f7a3e1d102"
#define TCED_MESSAGE_TABLE_REFUSED_STR "a5e2c9d40b6f4d77a51f0e83c6b9d103"
#define TCED_MESSAGE_STATE_STR "e1c7d2a94f3b4c0d8a6e5b7f90c3d104"
#define TCED_MESSAGE_SLOW_PATH_STR "5d8f1b6c2e9a4c37b0f4a7d3e6c2b105"
