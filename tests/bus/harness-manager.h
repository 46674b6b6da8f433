/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The service manager that a test plays; harness.h has what tests see of it. */

#include "harness.h"

/* Listens on a datagram socket. Ends the test where that fails. */
ServiceManager *service_manager_new(const char *socket_path);
void service_manager_free(ServiceManager *s);
/* Throws away all that was sent until now. */
void service_manager_forget(ServiceManager *s);
bool service_manager_receive(ServiceManager *s, char *buf, size_t size, unsigned milliseconds);

/* What is stored: the fds and names stay its own. */
#define STORED_MAX 5000U
size_t service_manager_stored(ServiceManager *s, int fds[STORED_MAX], const char *names[STORED_MAX]);
