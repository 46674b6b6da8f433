/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who is at which device, and who may change records: locks on single bytes of one file beside the records, each device having one of its
 * own, which the kernel takes away from a process that dies. */

#include <stdbool.h>

/* The file below the folder of the records: an fd, whose locks go with its last copy; negative errno. */
int bind_lock_open(int records);

/* 0; -EALREADY: another has it; else negative errno. */
int bind_lock_device(int lock, const char *address);
/* Has another than who holds `lock` the device? */
bool bind_lock_is_held(int lock, const char *address);

/* Between the reading of a record and the writing of it. Waits, but for none that waits for more than a file. */
int bind_lock_records(int lock);
void bind_unlock_records(int lock);
