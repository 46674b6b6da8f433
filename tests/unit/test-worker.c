/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* worker.c: in which order tasks run, how many at a time, who is told where, and how it ends. */

#include "worker.h"

#include <pthread.h>

#include "event-loop.h"
#include "tap.h"

#define THREADS 4U /* as many as worker.c has */

/* Where tasks wait for each other or for the test. */
typedef struct Room {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        unsigned entered, inside, most_inside;
        bool open;
} Room;

#define ROOM_INIT { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER }

/* Waits until `want` tasks in all have come or the room was opened; false: neither in good time. */
static bool room_enter(Room *room, unsigned want) {
        struct timespec end;
        int r = 0;

        (void) clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += 5;
        (void) pthread_mutex_lock(&room->lock);
        room->entered++;
        if (++room->inside > room->most_inside)
                room->most_inside = room->inside;
        (void) pthread_cond_broadcast(&room->changed);
        while (room->entered < want && !room->open && r == 0)
                r = pthread_cond_timedwait(&room->changed, &room->lock, &end);
        room->inside--;
        (void) pthread_mutex_unlock(&room->lock);
        return r == 0;
}

static void room_open(Room *room) {
        (void) pthread_mutex_lock(&room->lock);
        room->open = true;
        (void) pthread_cond_broadcast(&room->changed);
        (void) pthread_mutex_unlock(&room->lock);
}

/* Until so many tasks are in it. */
static void room_await(Room *room, unsigned want) {
        (void) pthread_mutex_lock(&room->lock);
        while (room->entered < want)
                (void) pthread_cond_wait(&room->changed, &room->lock);
        (void) pthread_mutex_unlock(&room->lock);
}

/* A task, and what became of it. */
typedef struct Task {
        Room *room;
        unsigned want;
        bool met, ran_elsewhere, signals_blocked;
        unsigned order, done_after_run;
        unsigned *runs, *dones; /* counters of the test's */
        pthread_t loop;
        bool told_in_loop;
} Task;

static void task_run(void *userdata) {
        Task *task = userdata;
        sigset_t blocked;

        task->ran_elsewhere = !pthread_equal(pthread_self(), task->loop);
        (void) pthread_sigmask(SIG_SETMASK, NULL, &blocked);
        task->signals_blocked = sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGCHLD) == 1;
        if (task->room)
                task->met = room_enter(task->room, task->want);
        task->order = __atomic_fetch_add(task->runs, 1, __ATOMIC_SEQ_CST);
}

static void task_done(void *userdata) {
        Task *task = userdata;

        task->told_in_loop = pthread_equal(pthread_self(), task->loop);
        task->done_after_run = __atomic_load_n(task->runs, __ATOMIC_SEQ_CST) > task->order;
        (*task->dones)++;
}

static Worker *worker_make(sd_event *event) {
        Worker *worker = NULL;

        tap_eq(worker_new(event, &worker), 0, "a worker");
        return worker;
}

static void test_one(void) {
        _cleanup_event_ sd_event *event = loop_new();
        unsigned before = count_fds(), runs = 0, dones = 0;
        Worker *worker = worker_make(event);
        Task task = { .runs = &runs, .dones = &dones, .loop = pthread_self() };

        tap_eq(worker_submit(worker, task_run, task_done, &task), 0, "one task");
        tap_ok(loop_until(event, &dones, 1, LOOP_LIMIT_USEC), "it is run, and the loop is told");
        tap_ok(task.ran_elsewhere && task.told_in_loop && task.done_after_run, "run in a thread, told in the loop's, afterwards");
        tap_ok(task.signals_blocked, "signals are the loop's: they are blocked in the thread");
        loop_for(event, SECOND_USEC / 50);
        tap_ok(runs == 1 && dones == 1, "each is called once");
        tap_ok(worker_free(worker) == NULL && worker_free(NULL) == NULL, "it is freed; none is no error");
        tap_eq(count_fds(), before, "no fd is left");
}

static void test_parallel(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Worker *worker = worker_make(event);
        Room meeting = ROOM_INIT, hall = ROOM_INIT;
        unsigned runs = 0, dones = 0, met = 0;
        Task tasks[3 * THREADS];

        for (size_t i = 0; i < THREADS; i++) {
                tasks[i] = (Task) { .room = &meeting, .want = THREADS, .runs = &runs, .dones = &dones };
                (void) worker_submit(worker, task_run, task_done, &tasks[i]);
        }
        (void) loop_until(event, &dones, THREADS, LOOP_LIMIT_USEC);
        for (size_t i = 0; i < THREADS; i++)
                met += tasks[i].met;
        tap_eq(met, THREADS, "four run at the same time");

        runs = dones = 0;
        for (size_t i = 0; i < ELEMENTSOF(tasks); i++) {
                tasks[i] = (Task) { .room = &hall, .want = UINT32_MAX, .runs = &runs, .dones = &dones };
                (void) worker_submit(worker, task_run, task_done, &tasks[i]);
        }
        room_await(&hall, THREADS);
        loop_for(event, SECOND_USEC / 20);
        room_open(&hall);
        (void) loop_until(event, &dones, ELEMENTSOF(tasks), LOOP_LIMIT_USEC);
        tap_ok(dones == ELEMENTSOF(tasks) && hall.most_inside == THREADS, "no more than four do (%u), and all are run", hall.most_inside);
        (void) worker_free(worker);
}

/* A thread that waits for work is no reason to queue two tasks for it. */
static void test_parallel_after_idle(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Worker *worker = worker_make(event);
        unsigned runs = 0, dones = 0;
        Room meeting = ROOM_INIT;
        Task tasks[3] = {
                { .runs = &runs, .dones = &dones },
                { .room = &meeting, .want = 2, .runs = &runs, .dones = &dones },
                { .room = &meeting, .want = 2, .runs = &runs, .dones = &dones },
        };

        (void) worker_submit(worker, task_run, task_done, &tasks[0]);
        (void) loop_until(event, &dones, 1, LOOP_LIMIT_USEC);
        loop_for(event, SECOND_USEC / 20);
        (void) worker_submit(worker, task_run, task_done, &tasks[1]);
        (void) worker_submit(worker, task_run, task_done, &tasks[2]);
        (void) loop_until(event, &dones, 3, LOOP_LIMIT_USEC);
        tap_ok(tasks[1].met && tasks[2].met, "two tasks at once run at once, after a thread was idle");
        (void) worker_free(worker);
}

static void test_order(void) {
        _cleanup_event_ sd_event *event = loop_new();
        unsigned runs = 0, dones = 0, others = 0, right = 0;
        Worker *worker = worker_make(event);
        Room room = ROOM_INIT;
        Task blockers[THREADS - 1], tasks[50];

        /* All threads but one are kept busy, so that the tasks that follow can't overtake each other. */
        for (size_t i = 0; i < ELEMENTSOF(blockers); i++) {
                blockers[i] = (Task) { .room = &room, .want = UINT32_MAX, .runs = &others, .dones = &others };
                (void) worker_submit(worker, task_run, task_done, &blockers[i]);
        }
        room_await(&room, ELEMENTSOF(blockers));
        for (size_t i = 0; i < ELEMENTSOF(tasks); i++) {
                tasks[i] = (Task) { .runs = &runs, .dones = &dones };
                (void) worker_submit(worker, task_run, task_done, &tasks[i]);
        }
        tap_ok(loop_until(event, &dones, ELEMENTSOF(tasks), LOOP_LIMIT_USEC), "50 tasks pass those that take long");
        for (size_t i = 0; i < ELEMENTSOF(tasks); i++)
                right += tasks[i].order == i;
        tap_eq(right, ELEMENTSOF(tasks), "they are run in the order in which they came");
        room_open(&room);
        (void) worker_free(worker);
}

/* done() that submits the next, so many times. */
typedef struct Chain {
        Worker *worker;
        unsigned runs, dones, want;
        int result;
} Chain;

static void chain_run(void *userdata) {
        Chain *chain = userdata;

        (void) __atomic_fetch_add(&chain->runs, 1, __ATOMIC_SEQ_CST);
}

static void chain_done(void *userdata) {
        Chain *chain = userdata;

        if (++chain->dones < chain->want)
                chain->result = worker_submit(chain->worker, chain_run, chain_done, chain);
}

static void test_submit_from_done(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Worker *worker = worker_make(event);
        Chain chain = { .worker = worker, .want = 100 }, last = { .worker = worker, .want = 100 };

        (void) worker_submit(worker, chain_run, chain_done, &chain);
        tap_ok(loop_until(event, &chain.dones, 100, LOOP_LIMIT_USEC), "done submits the next task");
        tap_eq(chain.runs, 100, "and each is run");

        (void) worker_submit(worker, chain_run, chain_done, &last);
        (void) worker_free(worker);
        tap_eq(last.result, -ESHUTDOWN, "a worker that ends takes no more tasks");
        tap_ok(last.runs == 1 && last.dones == 1, "and runs none that it refused");
}

static void test_free_runs_all(void) {
        _cleanup_event_ sd_event *event = loop_new();
        unsigned before = count_fds(), runs = 0, dones = 0;
        Worker *worker = worker_make(event);
        Room room = ROOM_INIT;
        Task tasks[40];

        for (size_t i = 0; i < ELEMENTSOF(tasks); i++) {
                tasks[i] = (Task) { .room = &room, .want = THREADS, .runs = &runs, .dones = &dones, .loop = pthread_self() };
                (void) worker_submit(worker, task_run, task_done, &tasks[i]);
        }
        (void) worker_free(worker);
        tap_ok(runs == ELEMENTSOF(tasks) && dones == ELEMENTSOF(tasks), "a worker that ends runs all its tasks and tells of them");
        loop_for(event, SECOND_USEC / 50);
        tap_eq(dones, ELEMENTSOF(tasks), "each once");
        tap_eq(count_fds(), before, "no fd is left");
}

/* Stacks that no address space has room for: no thread can be started. */
static void set_stack_size(size_t size) {
        pthread_attr_t attr;

        (void) pthread_attr_init(&attr);
        (void) pthread_attr_setstacksize(&attr, size);
        (void) pthread_setattr_default_np(&attr);
        (void) pthread_attr_destroy(&attr);
}

static void test_no_threads(void) {
        _cleanup_event_ sd_event *event = loop_new();
        Worker *worker = worker_make(event);
        unsigned runs = 0, dones = 0;
        Room room = ROOM_INIT;
        Task tasks[] = {
                { .runs = &runs, .dones = &dones },
                { .room = &room, .want = UINT32_MAX, .runs = &runs, .dones = &dones },
                { .runs = &runs, .dones = &dones },
        };
        pthread_attr_t attr;
        size_t usual;

        (void) pthread_getattr_default_np(&attr);
        (void) pthread_attr_getstacksize(&attr, &usual);
        (void) pthread_attr_destroy(&attr);
        set_stack_size((size_t) 1 << 50);
        /* valgrind's mmap(2) has another errno for what has no room. */
        tap_eq(worker_submit(worker, task_run, task_done, &tasks[0]), under_valgrind() ? -EINVAL : -EAGAIN, "no thread can be started");
        set_stack_size(usual);
        tap_eq(worker_submit(worker, task_run, task_done, &tasks[1]), 0, "one can");
        room_await(&room, 1);
        set_stack_size((size_t) 1 << 50);
        tap_eq(worker_submit(worker, task_run, task_done, &tasks[2]), 0, "no other can: the task waits for the one");
        set_stack_size(usual);
        room_open(&room);
        (void) loop_until(event, &dones, 2, LOOP_LIMIT_USEC);
        tap_ok(runs == 2 && dones == 2, "what was refused is not run, the others are");
        (void) worker_free(worker);
}

int main(void) {
        test_one();
        test_parallel();
        test_parallel_after_idle();
        test_order();
        test_submit_from_done();
        test_free_runs_all();
        test_no_threads();
        return tap_done();
}
