/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line, read and checked against what the command takes. */

#include <stdbool.h>
#include <stddef.h>

/* sysexits apart, as systemd's commands have it: 1 is a failure, 2 a command line that can't be understood. */
#define EXIT_USAGE 2

typedef enum JsonMode {
        JSON_OFF,
        JSON_PRETTY,
        JSON_SHORT,
} JsonMode;

/* Options that only some commands take, as bits: given to another they are an error, not silence. */
#define OPTION_JSON 1U
#define OPTION_VERBOSE 2U
#define OPTION_DEEP 4U
#define OPTION_OFFLINE 8U /* --host too */
#define OPTION_FIX 16U
#define OPTION_ATTACH 32U
#define OPTION_STRICT 64U
#define OPTION_RUN 256U /* --name, and words of another program's */
#define OPTION_TOP 128U /* --once, --delay */
#define OPTION_HOST 512U /* --host, without --offline */
#define OPTION_TARGETS 1024U /* IOMMU groups: several where its argument says so */
#define OPTION_PICTURE 2048U /* --dot, --svg */
#define OPTION_BIND 4096U /* --force, --persistent */
#define OPTION_OUTPUT 8192U

#define OPTION_LIVE 0x10000U /* none: it prints as it goes, and through no pager */

typedef struct Command Command;

/* The command line as it was understood; texts are those of argv. */
typedef struct Options {
        const Command *command;
        const char *argument; /* NULL: none */
        const char *address;
        const char *remote; /* whose tced is asked, by ssh; NULL: this host's */
        const char *host;   /* another host's facts, a file; NULL: this host's. Implies offline */
        const char *name;   /* of the VM that is run; NULL: not said */
        char **words;       /* the program that is run, and its arguments; ends with NULL */
        char **targets;     /* the groups that are named, "group 3" as "3" */
        size_t n_targets;
        const char *output; /* a file that is to have it; NULL: standard output */
        const char *attach; /* a device to be planned as well, a file; NULL: none */
        JsonMode json;
        bool user, verbose, deep, no_legend;
        bool offline, fix, strict;
        bool once;
        bool dot, svg;
        bool force, persistent;
        unsigned delay_ms; /* 0: as the command has it */
        bool help, version;
        bool no_pager;
} Options;

struct Command {
        const char *name;
        const char *argument; /* what it may be given: "NAME"; NULL: nothing */
        bool needs_argument;  /* and can't do without */
        const char *summary;  /* behind its name in --help */
        const char *help;     /* --help of its own */
        unsigned options;     /* that it takes */
        int (*run)(const Options *o);
};

/* All commands; the first is the one that runs when none is given. Ends with a NULL name. */
extern const Command commands[];
/* NULL where there is none; never by a part of its name, since commands are added. */
const Command *command_find(const char *name);

/* 0, or -EINVAL with one line in error that names what is wrong and the remedy. */
int options_parse(int argc, char **argv, Options *ret, char *error, unsigned error_size);

/* Help on one command, or on all of it with NULL, to standard output. */
void print_help(const Command *command);

/* "tcectl: TEXT" to standard error. */
void print_error(const char *text);
