/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "manager_log.h"

#include "log.h"
#include "manager_internal.h"
#include "util.h"

typedef struct LogLook {
        Manager *manager;
        int fd;
        uint32_t liobns[QEMU_LOG_REFUSED_MAX];
        size_t n;
        LogDone done;
        void *userdata;
} LogLook;

static void finish(void *task) {
        LogLook *look = task;

        (void) fd_close(look->fd);
        look->done(look->liobns, look->n, look->userdata);
        free(look);
}

/* In a thread of the worker. */
static void look_run(void *task) {
        LogLook *look = task;

        (void) qemu_log_read(look->fd, look->liobns, &look->n);
}

static void on_log(int error, const char *text, int fd, void *userdata) {
        LogLook *look = userdata;

        look->fd = fd;
        if (error != 0)
                log_debug("A VM's log can't be read: %s", text);
        if (error != 0 || worker_submit(look->manager->worker, look_run, finish, look) < 0)
                finish(look);
}

int manager_read_log(Manager *m, const char *domain, LogDone done, void *userdata) {
        LogLook *look = m->helper ? calloc(1, sizeof(*look)) : NULL;
        int r;

        if (!look)
                return m->helper ? -ENOMEM : -EHOSTDOWN;
        *look = (LogLook) { .manager = m, .fd = -EBADF, .done = done, .userdata = userdata };
        r = helper_open_log(m->helper, domain, on_log, look);
        if (r < 0)
                free(look);
        return r;
}
