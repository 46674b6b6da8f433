/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "util.h"

/* More would only wait for memory bandwidth; with fewer one large table holds up all others. */
#define WORKER_THREADS 4U

typedef struct Item Item;
struct Item {
        WorkerFunction run, done;
        void *task;
        Item *next;
};

typedef struct Queue {
        Item *first, **end;
        unsigned n;
} Queue;

struct Worker {
        pthread_mutex_t lock; /* of all below it, down to the blank line */
        pthread_cond_t wake;
        Queue waiting, finished;
        unsigned idle;
        bool stop;

        pthread_t threads[WORKER_THREADS];
        unsigned n_threads; /* started when there is work for them */
        int eventfd;
        sd_event_source *source;
};

static void queue_init(Queue *q) {
        q->first = NULL;
        q->end = &q->first;
        q->n = 0;
}

static void queue_push(Queue *q, Item *item) {
        item->next = NULL;
        *q->end = item;
        q->end = &item->next;
        q->n++;
}

static Item *queue_pop(Queue *q) {
        Item *item = q->first;

        if (!item)
                return NULL;
        q->first = item->next;
        q->n--;
        if (!q->first)
                q->end = &q->first;
        return item;
}

static void *thread_main(void *userdata) {
        Worker *w = userdata;

        (void) pthread_mutex_lock(&w->lock);
        for (;;) {
                Item *item = queue_pop(&w->waiting);
                uint64_t one = 1;

                if (!item && w->stop)
                        break;
                if (!item) {
                        w->idle++;
                        (void) pthread_cond_wait(&w->wake, &w->lock);
                        w->idle--;
                        continue;
                }
                (void) pthread_mutex_unlock(&w->lock);
                item->run(item->task);
                (void) pthread_mutex_lock(&w->lock);
                queue_push(&w->finished, item);
                (void) !write(w->eventfd, &one, sizeof(one));
        }
        (void) pthread_mutex_unlock(&w->lock);
        return NULL;
}

/* Tells the loop's side of what is finished; a task's done() may submit another. */
static void tell_finished(Worker *w) {
        for (;;) {
                Item *item;

                (void) pthread_mutex_lock(&w->lock);
                item = queue_pop(&w->finished);
                (void) pthread_mutex_unlock(&w->lock);
                if (!item)
                        return;
                item->done(item->task);
                free(item);
        }
}

static int on_finished(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        uint64_t count;

        (void) !read(fd, &count, sizeof(count));
        tell_finished(userdata);
        return 0;
}

int worker_new(sd_event *event, Worker **ret) {
        Worker *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        queue_init(&w->waiting);
        queue_init(&w->finished);
        (void) pthread_mutex_init(&w->lock, NULL);
        (void) pthread_cond_init(&w->wake, NULL);
        w->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        r = w->eventfd < 0 ? -errno : sd_event_add_io(event, &w->source, w->eventfd, EPOLLIN, on_finished, w);
        if (r < 0) {
                (void) worker_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        (void) pthread_mutex_lock(&w->lock);
        w->stop = true;
        (void) pthread_cond_broadcast(&w->wake);
        (void) pthread_mutex_unlock(&w->lock);
        for (unsigned i = 0; i < w->n_threads; i++)
                (void) pthread_join(w->threads[i], NULL);
        tell_finished(w);
        w->source = sd_event_source_disable_unref(w->source);
        w->eventfd = fd_close(w->eventfd);
        (void) pthread_cond_destroy(&w->wake);
        (void) pthread_mutex_destroy(&w->lock);
        free(w);
        return NULL;
}

/* One more thread, with every signal blocked: they are the event loop's. */
static int start_thread(Worker *w) {
        sigset_t all, before;
        int r;

        sigfillset(&all);
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&w->threads[w->n_threads], NULL, thread_main, w);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0)
                w->n_threads++;
        return -r;
}

int worker_submit(Worker *w, WorkerFunction run, WorkerFunction done, void *task) {
        Item *item;
        bool more, stop;
        int r;

        (void) pthread_mutex_lock(&w->lock);
        /* An idle thread that was called counts for one of those that wait, until it has woken and taken it. */
        more = w->waiting.n >= w->idle && w->n_threads < WORKER_THREADS;
        stop = w->stop;
        (void) pthread_mutex_unlock(&w->lock);
        if (stop)
                return -ESHUTDOWN;
        item = malloc(sizeof(*item));
        if (!item)
                return -ENOMEM;
        *item = (Item) { .run = run, .done = done, .task = task };
        if (more) {
                r = start_thread(w);
                if (r < 0 && w->n_threads == 0) {
                        free(item);
                        return r;
                }
        }
        (void) pthread_mutex_lock(&w->lock);
        queue_push(&w->waiting, item);
        (void) pthread_cond_signal(&w->wake);
        (void) pthread_mutex_unlock(&w->lock);
        return 0;
}
