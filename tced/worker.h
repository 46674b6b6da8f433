/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A few threads for work that shares the daemon's memory and may take some milliseconds to seconds: filling in large tables,
 * attaching groups to containers. Tasks are run in the order in which they came, several at a time; each is told to the event loop when
 * it is done. What a task touches is its own until then. */

#include <systemd/sd-event.h>

typedef struct Worker Worker;

/* run: in a thread. done: in the event loop, afterwards. */
typedef void (*WorkerFunction)(void *task);

/* 0 or negative errno. */
int worker_new(sd_event *event, Worker **ret);
/* Ends the threads once their tasks are run, and tells the event loop's side of all of them. NULL is fine. */
Worker *worker_free(Worker *worker);

/* 0, or negative errno: then neither function is called. -ESHUTDOWN: the worker is being freed, and this its last tasks' done(). */
int worker_submit(Worker *worker, WorkerFunction run, WorkerFunction done, void *task);
