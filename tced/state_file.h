/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The state file, in which each machine has a place of its own: to write what has changed costs what has changed, however many there are.
 *
 * There are two copies, which take turns. What changed goes into the one that is not in force, `state.json.new`, which then changes places with
 * the other (renameat2(2), RENAME_EXCHANGE): whoever reads the file finds the one state or the other, whole, whenever tced is killed.
 *
 * A place is longer than its text, and one that is free is blank: JSON passes over both. Behind the last machine and its comma stands a null.
 *
 * A text that stands in both copies is not kept: where a copy has to be written anew, by whatever became of it, it is asked for again. */

#include <stddef.h>

typedef struct StateFile StateFile;

/* Where a text stands; 0: nowhere. */
typedef size_t StateSlot;

/* The text that was put last, to be freed, by the slot that it was put by. 0 or negative errno. */
typedef int (*StateText)(StateSlot *slot, char **ret);

/* Nothing is written yet. Both paths are copied. 0 or -ENOMEM. */
int state_file_new(const char *path, const char *temporary, StateText text_of, StateFile **ret);
/* Removes the copy that is not in force. NULL is fine. */
StateFile *state_file_free(StateFile *f);

/* What stands there from the next writing on, in place of what did; the text is taken over, also on failure. 0 or -ENOMEM. */
int state_file_put_consume(StateFile *f, StateSlot *slot, char *text);
/* Nothing stands there any more. */
void state_file_drop(StateFile *f, StateSlot *slot);

/* Puts it in force, with this before the first text (at most STATE_FILE_HEAD_MAX bytes). 0 or negative errno, and the file is as it was. */
#define STATE_FILE_HEAD_MAX 511U
/* What stands behind the last text and its comma. */
#define STATE_TAIL "null\n]}\n"
int state_file_write(StateFile *f, const char *head);
