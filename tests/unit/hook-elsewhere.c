/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libvirt's hook, with the places of a test: $HOOK_ROOT, $HOOK_SOCKET. */

#include <stdlib.h>

#include "hook.h"

int main(int argc, char *argv[]) {
        const char *root = getenv("HOOK_ROOT"), *socket = getenv("HOOK_SOCKET");
        const HookPlaces places = { .config_root = root ? root : "", .socket = socket ? socket : "", .journal = "/nonexistent" };

        return hook_main(argc, argv, &places);
}
