/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* libvirt's event loop interface on sd-event (virEventRegisterImpl), for a program of one thread. */

#include <systemd/sd-event.h>

/* Makes libvirt use this loop, for good: to be called once, before any connection is opened. 0 or negative errno. */
int libvirt_event_register(sd_event *event);
