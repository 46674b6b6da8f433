/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "probe_vfio.h"
