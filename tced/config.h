/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Configuration: tced.conf, its drop-ins, and the rules, as systemd reads its own: tced/tced.conf is the first found in
 * /etc, /run, /usr/lib; tced/tced.conf.d and tced/rules.d are read from all of them, sorted by file name, a file in an earlier
 * folder hiding one of the same name in a later; a link to /dev/null hides it for good. Syntax by libinih. What can't be
 * understood is a warning with file and line, never an end. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"

/* What tced refuses to exceed; sizes in bytes. */
typedef struct Limits {
        uint64_t machines_max;               /* in all */
        uint64_t machines_per_user_max;      /* registered by one user who is not root */
        uint64_t tables_max;                 /* in all */
        uint64_t tables_per_user_max;        /* of machines registered by one user who is not root */
        uint64_t tables_per_machine_max;
        uint64_t table_bytes_per_machine_max; /* of `user` tables */
        uint64_t table_bytes_per_user_max;    /* likewise, of machines registered by one user who is not root */
        uint64_t table_bytes_max;             /* likewise, in all */
        uint64_t raise_memlock_max;           /* no VMM's limit of locked memory is raised above that */
        uint64_t connections_max;             /* on the private socket */
        uint64_t connections_per_user_max;    /* likewise, of one user who is not root */
        uint64_t connections_per_machine_max; /* likewise, of one process of such a user's */
        uint64_t requests_max;                /* that wait for their answer, in all */
        uint64_t requests_per_user_max;       /* likewise, of one user who is not root */
        uint64_t requests_per_machine_max;    /* likewise, of one process of such a user's */
        uint64_t domain_bytes_max;            /* of a domain's XML; more than DOMAIN_XML_MAX is never read */
} Limits;

typedef struct Config {
        PolicySetting policy; /* [Policy]: the default */
        Rules rules;
        Limits limits;                 /* [Limits] */
        uint64_t proof_timeout_usec;   /* [Probe] TimeoutSec= */
        int log_level;                 /* [Manager] LogLevel=: syslog's number */
        char *kvm_group;               /* [Manager] Group=: whose members may register VMs of their own */
        uint64_t hook_timeout_usec;    /* [Hook] TimeoutSec=: how long libvirt's hook may keep a VM waiting */
        bool hook_required;            /* [Hook] Required=: no start that tced could not be asked about */
        bool libvirt_connect;          /* [Libvirt] Connect= */
        char *libvirt_uri;             /* [Libvirt] Uri= */
        char **bind_devices;           /* [Bind] Devices=: whose groups are bound to vfio-pci; sorted, ends with NULL; NULL: none */
        size_t n_bind_devices;
} Config;

/* Where a warning goes: file, line (0: the whole file), text. */
typedef void (*ConfigWarning)(const char *file, unsigned line, const char *text, void *userdata);

/* The built-in defaults, which data/tced.conf shows commented out. 0 or -ENOMEM. */
int config_set_defaults(Config *c);
void config_clear(Config *c);

/* Reads everything below root ("" for /) into *ret, which is set to the defaults first. Returns the number of warnings, or
 * negative errno when memory ran out; *ret is untouched then. */
int config_load(const char *root, ConfigWarning warn, void *userdata, Config *ret);

/* Is the device of this PCI address one of [Bind] Devices=? */
bool config_binds(const Config *c, const char *address);

/* The limits one by one, by the names that they have in tced.conf. false: there are no more. */
bool config_limit_at(const Config *c, size_t index, const char **ret_name, uint64_t *ret_value);
