/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The log: to the journal with its fields where there is one, else to standard error with a "<N>" level where a service manager
 * reads it, plain for a person. The level and target are LogControl1's (org.freedesktop.LogControl1(5)). Never used by libtced. */

#include <syslog.h>

/* "auto", "console", "journal", "null". -EINVAL for others. */
int log_set_target(const char *target);
const char *log_get_target(void);
/* LOG_EMERG to LOG_DEBUG */
void log_set_level(int level);
int log_get_level(void);

/* "emerg" to "debug", as LogControl1 spells them; -EINVAL. */
const char *log_level_to_string(int level);
int log_level_from_string(const char *text);

/* message_id: a TCED_MESSAGE_…_STR, or NULL. Leaves errno alone. */
void log_message(int level, const char *message_id, const char *format, ...)
        __attribute__((__format__(__printf__, 3, 4)));

#define log_error(...) log_message(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) log_message(LOG_WARNING, NULL, __VA_ARGS__)
#define log_notice(...) log_message(LOG_NOTICE, NULL, __VA_ARGS__)
#define log_info(...) log_message(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...) log_message(LOG_DEBUG, NULL, __VA_ARGS__)
