/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The last file descriptors that a process may have are not for what is kept. Whoever sends a message with fds to a process that has no room
 * for them ends that connection (sd-bus reads MSG_CTRUNC as the end), and the bus's would be tced's own end. */

/* Takes an fd that was just made, or negative errno: gives it back, or closes it and returns -EMFILE where it is one of the last. */
int fd_reserve_check(int fd);
