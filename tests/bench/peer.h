/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What bench-peer and who calls it agree on. */

#include <stdint.h>

#define PEER_NAME "org.tced1.Peer"

/* Its tables, as a tced without KVM answers for windows like these. */
#define PEER_TABLES 8U
#define PEER_LIOBN 0x71000000U
#define PEER_WINDOW_BYTES UINT64_C(0x200000)

/* What one of its that stands for a VMM has, and what it says when it has that. */
#define PEER_VMM_TABLES 8U
#define PEER_VMM_TABLE (512U * 1024)
#define PEER_VMM_FDS 64U
#define PEER_VMM_MAPPINGS 300U
#define PEER_HAS_KVM 'k'
#define PEER_NO_KVM 'n'
