/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Domains for the tests of the bus, as libvirt gives them to its hook, and the calls that take them. */

#include "client.h"

#define UUID_A "11111111-2222-3333-4444-00000000000a"
#define UUID_B "11111111-2222-3333-4444-00000000000b"
#define PATH_A TCED_MACHINE_PREFIX "/1111111122223333444400000000000a"
#define PATH_B TCED_MACHINE_PREFIX "/1111111122223333444400000000000b"

/* What is particular about a domain; a member that is not named is as usual. Texts go into the XML as they are. */
typedef struct TestDomain {
        const char *name;
        const char *uuid;
        const char *type;    /* "kvm" */
        const char *arch;    /* "ppc64le" */
        const char *machine; /* "pseries-9.2" */
        const char *devices; /* further ones: elements */
        const char *rest;    /* behind <devices>: <seclabel> */
} TestDomain;

#define HOSTDEV(address)                                                                                                       \
        "<controller type='pci' index='1' model='pci-root'><model name='spapr-pci-host-bridge'/><target index='1'/></controller>" \
        "<hostdev mode='subsystem' type='pci' managed='yes'><source><address " address "/></source>"                              \
        "<address type='pci' domain='0x0000' bus='0x01' slot='0x01' function='0x0'/></hostdev>"

/* Its XML, to be freed. */
char *domain_xml(const TestDomain *d);

/* PlanDomain, with attach where it is not NULL. 0 and the JSON, to be freed, or negative errno. */
int plan_domain(sd_bus *bus, const char *domain, const char *attach, sd_bus_error *error, char **ret_json);
/* RegisterDomain: 0 and the machine's path, to be freed, and how many findings there are, or negative errno. Both may be NULL. */
int register_domain(sd_bus *bus, const TestDomain *d, uint64_t flags, sd_bus_error *error, char **ret_path, unsigned *ret_findings);
int release_domain(sd_bus *bus, const TestDomain *d, sd_bus_error *error);
