/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The hook as it is installed: /usr/sbin/tced-hook, by a link in /etc/libvirt/hooks/qemu.d. */

#include "hook.h"
#include "names.h"

int main(int argc, char *argv[]) {
        static const HookPlaces places = { .config_root = "", .socket = TCED_SOCKET, .journal = "/run/systemd/journal/socket" };

        return hook_main(argc, argv, &places);
}
