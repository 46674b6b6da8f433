/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "util.h"

typedef enum LogTarget {
        LOG_TARGET_AUTO,
        LOG_TARGET_CONSOLE,
        LOG_TARGET_JOURNAL,
        LOG_TARGET_NULL,
        _LOG_TARGET_MAX,
} LogTarget;

static const char *const target_names[_LOG_TARGET_MAX] = {
        [LOG_TARGET_AUTO] = "auto",
        [LOG_TARGET_CONSOLE] = "console",
        [LOG_TARGET_JOURNAL] = "journal",
        [LOG_TARGET_NULL] = "null",
};

static const char *const level_names[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

static LogTarget log_target = LOG_TARGET_AUTO;
static int log_level = LOG_INFO;

int log_set_target(const char *target) {
        int found = name_lookup(target_names, ELEMENTSOF(target_names), target);
        if (found < 0)
                return found;
        log_target = (LogTarget) found;
        return 0;
}

const char *log_get_target(void) {
        return target_names[log_target];
}

void log_set_level(int level) {
        log_level = level;
}

int log_get_level(void) {
        return log_level;
}

const char *log_level_to_string(int level) {
        return level >= 0 && (size_t) level < ELEMENTSOF(level_names) ? level_names[level] : "info";
}

int log_level_from_string(const char *text) {
        return name_lookup(level_names, ELEMENTSOF(level_names), text);
}

/* Is standard error the journal's socket, as $JOURNAL_STREAM says (systemd.exec(5))? A program started from a service inherits
 * the variable but maybe not the stream. */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
                return false;
        return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_message(int level, const char *message_id, const char *format, ...) {
        LogTarget target = log_target;
        char text[2048];
        int saved = errno;
        va_list ap;

        if (level > log_level || target == LOG_TARGET_NULL)
                return;
        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (target == LOG_TARGET_AUTO)
                target = stderr_is_journal() ? LOG_TARGET_JOURNAL : LOG_TARGET_CONSOLE;
        if (target == LOG_TARGET_JOURNAL && message_id &&
            sd_journal_send("PRIORITY=%d", level, "MESSAGE=%s", text, "MESSAGE_ID=%s", message_id, NULL) >= 0)
                goto done;
        if (target == LOG_TARGET_JOURNAL && sd_journal_send("PRIORITY=%d", level, "MESSAGE=%s", text, NULL) >= 0)
                goto done;
        /* Standard error, also where the journal is away. */
        (void) fprintf(stderr, "%s\n", text);
done:
        errno = saved;
}
