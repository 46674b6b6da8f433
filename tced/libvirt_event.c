/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each handle and timeout of libvirt's is one sd-event source. What is removed is freed from a defer source, never at once: libvirt removes
 * handles with its locks held, and the free callback takes them again (libvirt-event.h, virEventRemoveHandleFunc). */

#include "libvirt_event.h"

#include <libvirt/libvirt.h>
#include <sys/epoll.h>

#include "util.h"

typedef struct Watch Watch;

struct Watch {
        int id;
        bool timer;
        int fd; /* a copy of its own: libvirt may watch one fd twice, epoll does not */
        int timeout; /* ms; -1: disarmed */
        sd_event_source *source; /* NULL: removed */
        virEventHandleCallback handle_ready;
        virEventTimeoutCallback timeout_ready;
        void *opaque;
        virFreeCallback free;
        Watch *next;
};

static sd_event *loop;
static Watch *watches;
static int last_id;

static Watch *find(int id) {
        for (Watch *w = watches; w; w = w->next)
                if (w->id == id && w->source)
                        return w;
        return NULL;
}

static Watch *watch_new(void *opaque, virFreeCallback ff) {
        Watch *w = calloc(1, sizeof(*w));

        if (!w)
                return NULL;
        w->id = ++last_id;
        w->fd = -EBADF;
        w->opaque = opaque;
        w->free = ff;
        w->next = watches;
        watches = w;
        return w;
}

static void watch_free(Watch *watch) {
        Watch **w = &watches;

        while (*w != watch)
                w = &(*w)->next;
        *w = watch->next;
        (void) sd_event_source_disable_unref(watch->source);
        (void) fd_close(watch->fd);
        free(watch);
}

static uint32_t epoll_from_libvirt(int events) {
        return (events & VIR_EVENT_HANDLE_READABLE ? EPOLLIN : 0U) | (events & VIR_EVENT_HANDLE_WRITABLE ? EPOLLOUT : 0U);
}

static int libvirt_from_epoll(uint32_t events) {
        return (events & EPOLLIN ? VIR_EVENT_HANDLE_READABLE : 0) | (events & EPOLLOUT ? VIR_EVENT_HANDLE_WRITABLE : 0) |
               (events & EPOLLERR ? VIR_EVENT_HANDLE_ERROR : 0) | (events & EPOLLHUP ? VIR_EVENT_HANDLE_HANGUP : 0);
}

static int on_handle(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Watch *w = userdata;

        w->handle_ready(w->id, fd, libvirt_from_epoll(revents), w->opaque);
        return 0;
}

static int add_handle(int fd, int events, virEventHandleCallback ready, void *opaque, virFreeCallback ff) {
        Watch *w = watch_new(opaque, ff);

        if (!w)
                return -1;
        w->handle_ready = ready;
        w->fd = fd_dup(fd);
        if (w->fd < 0 || sd_event_add_io(loop, &w->source, w->fd, epoll_from_libvirt(events), on_handle, w) < 0) {
                watch_free(w);
                return -1;
        }
        return w->id;
}

static void update_handle(int id, int events) {
        Watch *w = find(id);

        if (w)
                (void) sd_event_source_set_io_events(w->source, epoll_from_libvirt(events));
}

static int arm(Watch *w) {
        int r;

        if (w->timeout < 0)
                return sd_event_source_set_enabled(w->source, SD_EVENT_OFF);
        r = sd_event_source_set_time_relative(w->source, (uint64_t) w->timeout * 1000);
        return r < 0 ? r : sd_event_source_set_enabled(w->source, SD_EVENT_ONESHOT);
}

/* It goes off again and again until it is changed; armed first, as it may be changed or removed in the callback. */
static int on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        Watch *w = userdata;

        (void) arm(w);
        w->timeout_ready(w->id, w->opaque);
        return 0;
}

static int add_timeout(int milliseconds, virEventTimeoutCallback ready, void *opaque, virFreeCallback ff) {
        Watch *w = watch_new(opaque, ff);

        if (!w)
                return -1;
        w->timer = true;
        w->timeout = milliseconds;
        w->timeout_ready = ready;
        if (sd_event_add_time(loop, &w->source, CLOCK_MONOTONIC, UINT64_MAX, 1000, on_timeout, w) < 0 || arm(w) < 0) {
                watch_free(w);
                return -1;
        }
        return w->id;
}

static void update_timeout(int id, int milliseconds) {
        Watch *w = find(id);

        if (!w)
                return;
        w->timeout = milliseconds;
        (void) arm(w);
}

static int on_removed(sd_event_source *s, void *userdata) {
        Watch *w = userdata;

        if (w->free)
                w->free(w->opaque);
        watch_free(w);
        /* Floating, it goes with this. */
        (void) sd_event_source_set_floating(s, 0);
        return 0;
}

static int remove_watch(int id) {
        Watch *w = find(id);
        sd_event_source *later;

        if (!w || sd_event_add_defer(loop, &later, on_removed, w) < 0)
                return -1;
        (void) sd_event_source_set_floating(later, 1);
        (void) sd_event_source_unref(later);
        w->source = sd_event_source_disable_unref(w->source);
        w->fd = fd_close(w->fd);
        return 0;
}

int libvirt_event_register(sd_event *event) {
        loop = sd_event_ref(event);
        virEventRegisterImpl(add_handle, update_handle, remove_watch, add_timeout, update_timeout, remove_watch);
        return 0;
}
