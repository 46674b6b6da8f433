/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Plans as tced might make them (docs/plan.md), and a machine that was registered by its domain; with ' for ", as in
 * tcectl-fixtures.h. */

#define NO_COUPLING "'placement': 'user', 'reason': 'no-vfio-coupling', 'text': 'KVM can not link it to the group', 'rule': null"
#define IN_KERNEL "'placement': 'kernel', 'reason': 'in-kernel', 'text': 'KVM can hold it', 'rule': null"

/* One of each: a table that a rule keeps out of the kernel, one that is in it, PHBs with 64-bit windows, one of them mixed. */
static const char fixture_plan[] =
        "{ 'domain': { 'name': 'web1', 'uuid': '3f2c1a9b00000000000000000000abcd', 'type': 'kvm', 'arch': 'ppc64le',"
        "              'machine': 'pseries-9.2', 'pseries': true },"
        "  'verdict': 'warnings',"
        "  'phbs': [ { 'alias': 'pci.0', 'controller': 0, 'index': 0, 'numa_node': null, 'ddw': true,"
        "      'page_sizes': [ 4096, 16777216 ], 'groups': [], 'vfio': false, 'emulated': true, 'devices': ["
        "        { 'alias': 'usb', 'element': 'controller', 'slot': 1, 'function': 0, 'host': null, 'group': null },"
        "        { 'alias': 'video0', 'element': 'video', 'slot': 31, 'function': 7, 'host': null, 'group': null } ] },"
        "    { 'alias': 'pci.1', 'controller': 1, 'index': 1, 'numa_node': 8, 'ddw': true, 'page_sizes': [ 4096, 16777216 ],"
        "      'groups': [ 3 ], 'vfio': true, 'emulated': true, 'devices': ["
        "        { 'alias': 'hostdev0', 'element': 'hostdev', 'slot': 1, 'function': 0, 'host': '0001:00:00.0', 'group': 3 },"
        "        { 'alias': 'hostdev1', 'element': 'hostdev', 'slot': null, 'function': null, 'host': '0009:00:00.0',"
        "          'group': null },"
        "        { 'alias': 'net1', 'element': 'interface', 'slot': 2, 'function': 0, 'host': null, 'group': null } ] },"
        "    { 'alias': 'pci.2', 'controller': 2, 'index': 2, 'numa_node': null, 'ddw': false, 'page_sizes': [], 'groups': [],"
        "      'vfio': false, 'emulated': false, 'devices': [] } ],"
        "  'vio': [ { 'alias': 'net0', 'element': 'interface', 'reg': 4096, 'dma': true },"
        "           { 'alias': 'serial0', 'element': 'serial', 'reg': 805306368, 'dma': false } ],"
        "  'tables': ["
        "    { 'liobn': 4096, 'device': 'net0', 'kind': 'vio', 'window': 'default', 'bus_offset': 0, 'size': 268435456,"
        "      'page_shift': 12, 'entries': 65536, 'bytes': 524288, 'placement': 'user', 'reason': 'rule-user',"
        "      'text': 'A rule keeps it out of the kernel', 'group': null, 'accel': 'user',"
        "      'rule': '/etc/tced/rules.d/50-web.rule', 'likely': true, 'locked_bytes': 0 },"
        "    { 'liobn': 2147483648, 'device': 'pci.0', 'kind': 'pci', 'window': 'default', 'bus_offset': 0, 'size': 1073741824,"
        "      'page_shift': 12, 'entries': 262144, 'bytes': 2097152, " IN_KERNEL ", 'group': null, 'accel': 'auto',"
        "      'likely': true, 'locked_bytes': 2162688 },"
        "    { 'liobn': 2147483649, 'device': 'pci.0', 'kind': 'pci', 'window': 'dynamic', 'bus_offset': 576460752303423488,"
        "      'size': 549755813888, 'page_shift': 12, 'entries': 134217728, 'bytes': 1073741824, " IN_KERNEL ","
        "      'group': null, 'accel': 'auto', 'likely': false, 'locked_bytes': 1073872896 },"
        "    { 'liobn': 2147483649, 'device': 'pci.0', 'kind': 'pci', 'window': 'dynamic', 'bus_offset': 576460752303423488,"
        "      'size': 549755813888, 'page_shift': 24, 'entries': 32768, 'bytes': 262144, " IN_KERNEL ", 'group': null,"
        "      'accel': 'auto', 'likely': true, 'locked_bytes': 327680 },"
        "    { 'liobn': 2147483904, 'device': 'pci.1', 'kind': 'vfio', 'window': 'default', 'bus_offset': 0, 'size': 1073741824,"
        "      'page_shift': 12, 'entries': 262144, 'bytes': 2097152, " NO_COUPLING ", 'group': 3, 'accel': 'auto',"
        "      'likely': true, 'locked_bytes': 0 },"
        "    { 'liobn': 2147483905, 'device': 'pci.1', 'kind': 'vfio', 'window': 'dynamic', 'bus_offset': 576460752303423488,"
        "      'size': 549755813888, 'page_shift': 12, 'entries': 134217728, 'bytes': 1073741824, 'placement': null,"
        "      'reason': 'invalid-window', 'text': 'No table can have this geometry', 'rule': null, 'group': 3, 'accel': 'auto',"
        "      'likely': false, 'locked_bytes': 0 },"
        "    { 'liobn': 2147483905, 'device': 'pci.1', 'kind': 'vfio', 'window': 'dynamic', 'bus_offset': 576460752303423488,"
        "      'size': 549755813888, 'page_shift': 24, 'entries': 32768, 'bytes': 262144, " NO_COUPLING ", 'group': 3,"
        "      'accel': 'auto', 'likely': true, 'locked_bytes': 0 } ],"
        "  'multitce': { 'allowed': false, 'reason': 'unknown', 'text': 'nothing shows that guests stay in their windows' },"
        "  'sums': { 'tables': 5, 'user_bytes': 2883000, 'kernel_bytes': 2359296 },"
        "  'memlock_limit': 4320133120, 'memlock_charged': 1075838976,"
        "  'findings': ["
        "    { 'id': 'no-maxmemory', 'severity': 'info', 'subject': 'web1', 'text': 'Good to know.', 'remedy': '' },"
        "    { 'id': 'mixed-phb', 'severity': 'warning', 'subject': 'pci.1',"
        "      'text': 'hostdev0 and net1 share a PHB, and on this host that takes both out of the kernel.',"
        "      'remedy': 'Move net1 to PHB 0, bus 0x00.' } ] }";

/* Another architecture's. */
static const char fixture_plan_x86[] =
        "{ 'domain': { 'name': 'desk', 'uuid': null, 'type': 'kvm', 'arch': 'x86_64', 'machine': 'q35', 'pseries': false },"
        "  'verdict': 'clean', 'phbs': [], 'vio': [], 'tables': [],"
        "  'multitce': { 'allowed': true, 'reason': 'checked', 'text': 'x' },"
        "  'sums': { 'tables': 0, 'user_bytes': 0, 'kernel_bytes': 0 },"
        "  'memlock_limit': 0, 'memlock_charged': 0, 'findings': [] }";

/* What can't start: a window too large, and more locked memory than there may be. */
static const char fixture_plan_bad[] =
        "{ 'domain': { 'name': 'db', 'pseries': true }, 'verdict': 'error', 'phbs': [], 'vio': [],"
        "  'tables': [ { 'liobn': 2147483648, 'device': 'pci.0', 'kind': 'pci', 'window': 'default', 'bus_offset': 4096,"
        "      'size': 17592186044416, 'page_shift': 12, 'entries': 4294967297, 'bytes': 34359738376, 'placement': null,"
        "      'reason': 'too-many-entries', 'text': 'It has 2^32 TCEs or more', 'rule': null, 'likely': true } ],"
        "  'sums': { 'tables': 0, 'user_bytes': 0, 'kernel_bytes': 0 }, 'memlock_limit': 65536, 'memlock_charged': 131072,"
        "  'findings': ["
        "    { 'id': 'slow-path', 'severity': 'warning', 'subject': 'db', 'text': 'One.', 'remedy': 'Do one.' },"
        "    { 'id': 'window-too-large', 'severity': 'error', 'subject': 'pci.0', 'text': 'Two.', 'remedy': 'Do two.' },"
        "    { 'id': 'memlock-low', 'severity': 'error', 'subject': 'db', 'text': 'Three.', 'remedy': 'Do three.' } ] }";

/* The same with one finding and one table less: as it is before a device is attached. */
static const char fixture_plan_before[] =
        "{ 'domain': { 'name': 'db', 'pseries': true }, 'verdict': 'warnings',"
        "  'findings': ["
        "    { 'id': 'slow-path', 'severity': 'warning', 'subject': 'db', 'text': 'One.', 'remedy': 'Do one.' } ] }";

/* Names that would steer a terminal, and that are wider than they look. */
static const char fixture_plan_evil[] =
        "{ 'domain': { 'name': 'n\\u001b[2Jame', 'pseries': true }, 'verdict': '\\u001b',"
        "  'phbs': [ { 'alias': 'p\\u001b', 'index': 1, 'vfio': true, 'emulated': true, 'page_sizes': [ 4096, 'x\\u001b' ],"
        "      'devices': [ { 'alias': '\\u7f51\\u7edc\\u63a7\\u5236\\u5668', 'host': '\\u001b]0;t\\u0007', 'group': 1 } ] } ],"
        "  'vio': [ { 'alias': 'v\\u009b', 'reg': 1, 'dma': true } ],"
        "  'tables': [ { 'liobn': 1, 'device': '\\u202ed', 'window': 'dynamic\\u001b', 'placement': 'user', 'likely': true,"
        "                'reason': 'r\\u001b', 'text': 't\\r\\n\\b', 'rule': '\\u001b[1m' },"
        "              { 'liobn': 2, 'device': 'e\\u001b', 'placement': 'k\\u001bernel', 'reason': '\\u0001', 'likely': false } ],"
        "  'dynamic': [ { 'liobn': 2, 'device': 'e\\u001b', 'placement': 'k\\u001bernel', 'reason': '\\u0001', 'likely': false } ],"
        "  'name': '\\u001bm', 'state': '\\u001bs', 'source': '\\u001b', 'pid': 5, 'locked_bytes': 1,"
        "  'multitce': { 'allowed': false, 'reason': '\\u001b', 'text': '\\u001b' },"
        "  'findings': [ { 'id': 'i\\u001b', 'severity': 's\\u001b', 'subject': '\\u001b', 'text': '\\u001b', 'remedy': '\\u001b' } ] }";

/* Every member that is read, of another type than it should be. */
static const char fixture_plan_odd[] =
        "{ 'domain': 'x', 'verdict': 7, 'phbs': [ null, 3, {}, { 'devices': [ null, 4, {}, [] ], 'page_sizes': [ null, 'a', {} ],"
        "    'index': 'i', 'alias': 5, 'vfio': 1 } ], 'vio': [ null, 1, {} ], 'tables': [ null, 2, {}, [],"
        "    { 'liobn': -1, 'window': 4, 'likely': 'yes', 'placement': 7, 'entries': 1.5, 'page_shift': 64, 'bus_offset': -5,"
        "      'error': 99999, 'rule': 1 } ], 'dynamic': [ null, {}, { 'likely': null } ], 'multitce': 4, 'sums': [],"
        "  'memlock_limit': 'none', 'memlock_charged': -1, 'findings': [ null, 1, {} ], 'pid': -1, 'locked_bytes': 'x' }";

/* What Describe has of a VM that runs, one of its tables refused by the kernel. */
static const char fixture_machine[] =
        "{ 'name': 'web1', 'uuid': '3f2c1a9b00000000000000000000abcd', 'state': 'claimed', 'pid': 811, 'uid': 64055,"
        "  'source': 'libvirt', 'multitce': { 'allowed': false, 'reason': 'unknown',"
        "    'text': 'nothing shows that guests stay in their windows' },"
        "  'user_bytes': 524288, 'kernel_bytes': 4194304, 'locked_bytes': 4325376,"
        "  'memlock_limit': 4320133120, 'memlock_charged': 4456448,"
        "  'findings': [ { 'id': 'slow-path', 'severity': 'warning', 'subject': 'liobn 71000001', 'text': 'Its table is in the VMM.',"
        "                  'remedy': 'Change the rule.' } ],"
        "  'tables': ["
        "    { 'liobn': 1895825409, 'device': 'net0', 'kind': 'vio', 'group': null, 'bus_offset': 12288, 'size': 268435456,"
        "      'page_shift': 12, 'entries': 65536, 'bytes': 524288, 'placement': 'user', 'reason': 'kernel-refused',"
        "      'text': 'the VMM tried, the kernel refused', 'accel': 'auto', 'rule': null, 'state': 'handed-out', 'error': 12,"
        "      'huge_pages': true },"
        "    { 'liobn': 2147483648, 'device': 'pci.0', 'kind': 'pci', 'group': null, 'bus_offset': 0, 'size': 1073741824,"
        "      'page_shift': 12, 'entries': 262144, 'bytes': 2097152, 'placement': 'kernel', 'reason': 'in-kernel',"
        "      'text': 'KVM can hold it', 'accel': 'kernel', 'rule': '/etc/tced/rules.d/10-fast.rule', 'state': 'made',"
        "      'error': 0, 'huge_pages': false },"
        "    { 'liobn': 2147483904, 'device': 'pci.1', 'kind': 'vfio', 'group': 3, 'bus_offset': 0, 'size': 1073741824,"
        "      'page_shift': 12, 'entries': 262144, 'bytes': 2097152, 'placement': 'kernel-vfio', 'reason': 'in-kernel-linked',"
        "      'text': 'KVM can hold it and link it', 'accel': 'auto', 'rule': null, 'state': 'made', 'error': 0,"
        "      'huge_pages': false } ],"
        "  'dynamic': ["
        "    { 'liobn': 2147483649, 'device': 'pci.0', 'kind': 'pci', 'group': null, 'bus_offset': 576460752303423488,"
        "      'size': 8589934592, 'page_shift': 16, 'entries': 131072, 'bytes': 1048576, " IN_KERNEL ", 'likely': false },"
        "    { 'liobn': 2147483649, 'device': 'pci.0', 'kind': 'pci', 'group': null, 'bus_offset': 576460752303423488,"
        "      'size': 8589934592, 'page_shift': 24, 'entries': 512, 'bytes': 4096, " IN_KERNEL ", 'likely': true } ] }";
