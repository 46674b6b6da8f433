/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a tced might answer to Describe (docs/describe.md), with ' for ", so that it can be read here. */

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* The JSON of a fixture; the caller frees it. Ends the program where it is none: that is the test's own mistake. */
static inline json_object *fixture(const char *text) {
        char *copy = strdup(text);
        json_object *json;

        for (char *p = copy; *p; p++)
                if (*p == '\'')
                        *p = '"';
        json = json_tokener_parse(copy);
        if (!json)
                abort();
        free(copy);
        return json;
}

/* A POWER host with a bit of everything; items are not in the order in which they are shown. */
static const char fixture_power[] =
        "{ 'tced': { 'version': '0.1', 'pid': 4242 },"
        "  'host': { 'machine': 'ppc64le', 'kernel_release': '6.12.107+deb13-powerpc64le-64k',"
        "            'kernel_version': '#1 SMP Debian 6.12.107-1', 'page_size': 65536, 'probe': 'done',"
        "    'kvm': { 'error': null, 'api_version': 12,"
        "      'usable': { 'proven': 'yes', 'why': 'created a VM' },"
        "      'vm_types': [ { 'name': 'HV', 'proven': 'yes', 'why': 'created a VM' },"
        "                    { 'name': 'PR', 'proven': 'unknown', 'why': 'tried by the deep probe alone' } ],"
        "      'capabilities': ["
        "        { 'name': 'KVM_CAP_SPAPR_TCE', 'declared': 1, 'proven': 'yes', 'why': 'created, mapped, closed a table' },"
        "        { 'name': 'KVM_CAP_SPAPR_TCE_64', 'declared': 1, 'proven': 'yes', 'why': 'created, mapped, closed a table' },"
        "        { 'name': 'KVM_CAP_SPAPR_TCE_VFIO', 'declared': 1, 'proven': 'unknown',"
        "          'why': 'no group was linked to a table yet; the deep probe tries it where a group is idle on vfio-pci' },"
        "        { 'name': 'KVM_CAP_SPAPR_MULTITCE', 'declared': 0, 'proven': 'no', 'why': 'H_STUFF_TCE is refused' } ],"
        "      'multitce_range_check': { 'proven': 'unknown', 'why': 'only the deep probe shows it' } },"
        "    'vfio': { 'error': null, 'api_version': 0, 'groups_supported': true,"
        "      'extensions': [ { 'name': 'VFIO_SPAPR_TCE_IOMMU', 'id': 2, 'value': 1 },"
        "                      { 'name': 'VFIO_EEH', 'id': 5, 'value': 0 },"
        "                      { 'name': 'VFIO_SPAPR_TCE_v2_IOMMU', 'id': 7, 'value': 1 } ] } },"
        "  'policy': { 'default': { 'accel': 'auto', 'multitce': 'auto', 'huge_pages': 'auto', 'numa_node': null },"
        "              'rules': [ '/etc/tced/rules.d/10-slow.rule' ] },"
        "  'limits': { 'MachinesMax': 4096, 'TableBytesMax': 1073741824 },"
        "  'findings': ["
        "    { 'id': 'no-vfio-coupling', 'severity': 'info', 'subject': 'host', 'text': 'Good to know.', 'remedy': '' },"
        "    { 'id': 'multitce-unchecked', 'severity': 'warning', 'subject': 'host',"
        "      'text': 'This kernel may let a guest write past its DMA window with H_PUT_TCE_INDIRECT and H_STUFF_TCE.',"
        "      'remedy': 'Run tcectl probe --deep, or use Linux 7.3, Debian 6.12.113-1, 6.1.190-1, or newer.' },"
        "    { 'id': 'vfio-broken', 'severity': 'error', 'subject': 'group 3',"
        "      'text': 'A device is on vfio-pci and there is no /dev/vfio/3.', 'remedy': 'Use Linux 6.4 or newer.' } ],"
        "  'groups': ["
        "    { 'number': 10, 'name': 'domain1-pe0', 'path': '/org/tced1/group/10', 'viable': false, 'viability': 'not-bound',"
        "      'why': '0001:00:01.0 is on e1000e, none of its devices on a vfio driver: bind them all to vfio-pci.',"
        "      'numa_node': -1, 'dma32_window': { 'start': 0, 'size': 1073741824 }, 'page_sizes': [ 4096, 65536 ],"
        "      'ddw': true, 'windows_why': 'ibm,dma-window', 'holder': null, 'devices': ["
        "        { 'address': '0001:00:01.0', 'class': 131072, 'class_name': 'Ethernet controller', 'vendor': 32902,"
        "          'device': 4307, 'vendor_name': 'Intel Corporation', 'device_name': '82574L Gigabit Network Connection',"
        "          'driver': 'e1000e', 'numa_node': -1 },"
        "        { 'address': '0001:00:00.0', 'class': 1540, 'class_name': 'PCI bridge', 'vendor': 4116, 'device': 1,"
        "          'vendor_name': null, 'device_name': null, 'driver': null, 'numa_node': -1 } ] },"
        "    { 'number': 2, 'name': 'domain2-pe0', 'path': '/org/tced1/group/2', 'viable': true, 'viability': 'viable',"
        "      'why': '', 'numa_node': 0, 'dma32_window': null, 'page_sizes': [], 'ddw': null,"
        "      'windows_why': 'not told without taking the group', 'holder': '3f2c1a9b00000000000000000000abcd', 'devices': ["
        "        { 'address': '0002:01:00.0', 'class': 67586, 'class_name': 'Non-Volatile memory controller',"
        "          'vendor': 5197, 'device': 43014, 'vendor_name': 'Samsung',"
        "          'device_name': 'NVMe SSD Controller SM981/PM981/PM983', 'driver': 'vfio-pci', 'numa_node': 0 } ] },"
        "    { 'number': 3, 'name': null, 'path': '/org/tced1/group/3', 'viable': false, 'viability': 'empty',"
        "      'why': 'There is no device in it.', 'devices': [] } ],"
        "  'machines': ["
        "    { 'name': 'web1', 'uuid': '3f2c1a9b00000000000000000000abcd', 'path': '/org/tced1/machine/3f2c1a9b',"
        "      'state': 'claimed', 'pid': 811, 'uid': 64055,"
        "      'multitce': { 'allowed': false, 'reason': 'unknown', 'text': 'nothing shows that guests stay in their windows' },"
        "      'user_bytes': 524288, 'kernel_bytes': 2098176, 'locked_bytes': 2162688,"
        "      'findings': [ { 'id': 'slow-path', 'severity': 'warning', 'subject': 'liobn 71000001',"
        "                      'text': 'Its table is in the VMM.', 'remedy': 'Change the rule.' } ],"
        "      'tables': ["
        "        { 'liobn': 2147483649, 'device': 'pci.0', 'kind': 'vfio', 'group': 2, 'bus_offset': 576460752303423488,"
        "          'size': 8589934592, 'page_shift': 24, 'entries': 128, 'bytes': 1024, 'placement': 'kernel-vfio',"
        "          'reason': 'in-kernel-linked', 'text': 'KVM holds and links it', 'accel': 'auto', 'rule': null,"
        "          'state': 'planned', 'error': 0, 'huge_pages': false },"
        "        { 'liobn': 2147483648, 'device': 'pci.0', 'kind': 'pci', 'group': null, 'bus_offset': 0,"
        "          'size': 1073741824, 'page_shift': 12, 'entries': 262144, 'bytes': 2097152, 'placement': 'kernel',"
        "          'reason': 'in-kernel', 'text': 'KVM holds it', 'accel': 'auto', 'rule': null, 'state': 'made',"
        "          'error': 0, 'huge_pages': false },"
        "        { 'liobn': 1895825409, 'device': 'vnet0', 'kind': 'vio', 'group': null, 'bus_offset': 12288,"
        "          'size': 268435456, 'page_shift': 12, 'entries': 65536, 'bytes': 524288, 'placement': 'user',"
        "          'reason': 'kernel-refused', 'text': 'the VMM tried, the kernel refused', 'accel': 'auto',"
        "          'rule': '/etc/tced/rules.d/10-slow.rule', 'state': 'handed-out', 'error': 12, 'huge_pages': true } ] },"
        "    { 'name': 'db', 'uuid': '3F2C1A9B-1111-0000-0000-000000000000', 'state': 'registered', 'pid': 0, 'uid': 0,"
        "      'user_bytes': 0, 'kernel_bytes': 0, 'locked_bytes': 0, 'findings': [], 'tables': [] } ] }";

/* A host without KVM, TCEs or IOMMU groups. */
static const char fixture_x86[] =
        "{ 'tced': { 'version': '0.1', 'pid': 7 },"
        "  'host': { 'machine': 'x86_64', 'kernel_release': '6.1.0-40-amd64', 'page_size': 4096, 'probe': 'running',"
        "    'kvm': { 'error': 'No such file or directory', 'api_version': 0,"
        "      'usable': { 'proven': 'no', 'why': 'there is no /dev/kvm' }, 'vm_types': [], 'capabilities': [],"
        "      'multitce_range_check': { 'proven': 'unknown', 'why': 'KVM was not asked' } },"
        "    'vfio': { 'error': 'No such file or directory', 'groups_supported': false, 'extensions': [] } },"
        "  'findings': [], 'groups': [], 'machines': [] }";

/* Names that would steer a terminal, turn their direction, or are wider than they look; a text that ends in the midst. */
static const char fixture_evil[] =
        "{ 'host': { 'machine': 'ppc\\u001b[31m', 'kernel_release': 'a\\u0007b\\u007f', 'page_size': 4096,"
        "    'kvm': { 'usable': { 'proven': 'no\\u001b', 'why': 'x\\u009b2Jy' },"
        "      'capabilities': [ { 'name': 'CAP\\r\\nCAP', 'declared': 1, 'proven': '\\u001b]0;t\\u0007', 'why': '\\u202ekcab' } ] } },"
        "  'findings': [ { 'id': 'id\\u001b[2J', 'severity': 'error\\u001b', 'subject': '\\u001bs', 'text': 'a\\nb\\tc',"
        "                  'remedy': 'r\\b' } ],"
        "  'groups': [ { 'number': 1, 'viable': false, 'viability': 'st\\u001bate', 'why': 'why\\u001b', 'holder': 'h\\u001b',"
        "      'devices': [ { 'address': '0000\\u001b', 'class_name': '\\u7f51\\u7edc\\u63a7\\u5236\\u5668',"
        "                     'device_name': '\\u7f51\\u7edc\\u63a7\\u5236\\u5668\\u7f51\\u7edc\\u63a7\\u5236\\u5668\\u7f51\\u7edc\\u63a7"
        "\\u5236\\u5668\\u7f51\\u7edc\\u63a7\\u5236\\u5668', 'driver': 'dr\\u001biver' } ] } ],"
        "  'machines': [ { 'name': 'm\\u001b[0m', 'uuid': '\\u001b\\u001b', 'state': '\\u0001', 'pid': 1,"
        "      'multitce': { 'allowed': true, 'text': '\\u001b' },"
        "      'tables': [ { 'device': 'd\\u001b', 'placement': 'user\\u001b', 'reason': '\\u001b', 'text': '\\u0085',"
        "                    'state': '\\u000b', 'rule': '\\u001b' } ] } ],"
        "  'new\\u001bmember': { 'k\\u001bey': 'v\\u001b' } }";

/* Every member that is read, of another type than it should be. */
static const char fixture_odd[] =
        "{ 'tced': [], 'host': { 'machine': 5, 'page_size': 'big', 'kvm': { 'error': 3, 'usable': 'yes', 'vm_types': 'HV',"
        "    'capabilities': { 'a': 1 }, 'multitce_range_check': [ 1 ] }, 'vfio': { 'extensions': [ null, 5, {}, [] ] } },"
        "  'findings': [ null, 1, 'text', [], {} ], 'groups': [ null, 7, { 'devices': 3 }, { 'devices': [ null, 1, {} ] } ],"
        "  'machines': [ null, true, { 'tables': [ null, 2, {}, { 'liobn': -1, 'page_shift': 64, 'entries': 1.5,"
        "    'bus_offset': -5, 'error': 99999, 'placement': 7 } ], 'findings': 8, 'pid': -1, 'uuid': 9, 'multitce': 4 } ],"
        "  'scalar': 3, 'nothing': null, 'mixed': [ 1, { 'a': [ [ 1 ], {} ] }, null ] }";
