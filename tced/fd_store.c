/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fd_store.h"

#include <systemd/sd-daemon.h>

#include "util.h"

void fd_store_name(uint64_t serial, char ret[FD_NAME_MAX + 1]) {
        static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
        char reversed[FD_NAME_MAX];
        size_t n = 0;

        /* After two thousand million VMs they come round again; one that has lived as long is found by its PID. */
        do {
                reversed[n++] = digits[serial % 36];
                serial /= 36;
        } while (serial > 0 && n < FD_NAME_MAX);
        for (size_t i = 0; i < n; i++)
                ret[i] = reversed[n - 1 - i];
        ret[n] = '\0';
}

int fd_store_add(const char *name, int pidfd) {
        char text[64];
        int r;

        (void) snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
        r = sd_pid_notify_with_fds(0, 0, text, &pidfd, 1);
        return r > 0 ? 1 : r;
}

void fd_store_remove(const char *name) {
        (void) sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

int fd_store_take(StoredFds *ret) {
        char **names = NULL;
        int n = sd_listen_fds_with_names(1, &names);

        *ret = (StoredFds) {};
        /* Somebody else's variables are no reason not to start; fds that would stay open in each child are. */
        if (n < 0 && n != -EINVAL && n != -ERANGE)
                return n;
        if (n <= 0)
                return 0;
        ret->items = calloc((size_t) n, sizeof(*ret->items));
        if (ret->items)
                for (int i = 0; i < n; i++)
                        ret->items[ret->n++] = (StoredFd) { .name = names[i], .fd = SD_LISTEN_FDS_START + i };
        else
                for (int i = 0; i < n; i++)
                        free(names[i]);
        free(names);
        return ret->items ? 0 : -ENOMEM;
}

StoredFd *fd_store_find(StoredFds *fds, const char *name) {
        for (size_t i = 0; i < fds->n; i++)
                if (streq(fds->items[i].name, name))
                        return &fds->items[i];
        return NULL;
}

static bool has_namesake(const StoredFds *fds, const StoredFd *fd) {
        for (size_t i = 0; i < fds->n; i++)
                if (fds->items[i].fd < 0 && streq(fds->items[i].name, fd->name))
                        return true;
        return false;
}

size_t fd_store_drop_rest(StoredFds *fds) {
        size_t n = 0;

        for (size_t i = 0; i < fds->n; i++) {
                StoredFd *fd = &fds->items[i];

                if (fd->fd < 0)
                        continue;
                if (!has_namesake(fds, fd))
                        fd_store_remove(fd->name);
                (void) fd_close(fd->fd);
                n++;
        }
        stored_fds_clear(fds);
        return n;
}

void stored_fds_clear(StoredFds *fds) {
        for (size_t i = 0; i < fds->n; i++)
                free(fds->items[i].name);
        free(fds->items);
        *fds = (StoredFds) {};
}
