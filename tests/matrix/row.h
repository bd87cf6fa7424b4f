/* A row of the host matrix: a program, and what its record has to say. The rows are in the tables of
 * rows_THEME.c; matrix.c runs each of them bare and under the shim. docs/matrix.md is the manual. */
#ifndef TEL_MATRIX_ROW_H
#define TEL_MATRIX_ROW_H

#include <stdbool.h>
#include <stddef.h>

#include "support/support.h"

/* How many runs a row leaves. */
enum { ONE_RUN = 0, NO_RUN = -1, RUNS_UNSEEN = -2 };

struct row {
    const char *name;

    /* What must be there; otherwise the row is skipped, by name. NULL-terminated; NULL: nothing. */
    const char *const *needs; /* programs, looked for where the row's own are, or absolute paths */
    const char *const *tools; /* programs for setup, looked for in the caller's PATH */
    bool needs_root;
    bool needs_mounts;     /* in a namespace of its own */
    bool needs_open_build; /* it becomes another user, who has to reach the shim */

    /* The program. Either argv or script; the fixtures' directory comes first in PATH. */
    const char *const *argv;
    const char *script;       /* for `sh -c` */
    const char *setup;        /* shell script, run once before all, in ../made as seen by the row */
    const char *user;         /* who runs it, the owner of its directories; NULL: the caller */
    void (*prepare)(int arg); /* in the process itself, before it executes the program */
    int arg;
    const char *const *env; /* more environment, "NAME=value" */
    const char *preload;    /* LD_PRELOAD, '%' standing for the shim, '&' for that of
                               each word size; NULL: the shim alone */
    const char *shows;      /* a file that it makes, to be shown like its output */
    int timeout_ms;         /* 0: 30 s */
    bool slow;              /* not also run with a collector that is already there */

    /* What legitimately differs from run to run. */
    const char *const *varies;         /* regular expressions in all that is compared */
    const char *const *volatile_files; /* globs of paths whose content and size are not compared */

    /* What is expected. */
    const char
        *stays;   /* names of the processes left behind, sorted, one space between; NULL: none */
    int runs;     /* ONE_RUN, NO_RUN, or a number */
    bool or_more; /* at least so many */
    const char *agent;  /* agent_name of the first run; its status is what the program ended with */
    const char *source; /* how the ending was learnt: NULL "observed", "kernel", or "any" */

    const char *known; /* why it differs: a defect that is known and not mended yet */
};

struct theme {
    const char *name;
    const struct row *rows;
    size_t count;
};

#define THEME(theme_name, table)                                                                   \
    const struct theme theme_name = {#theme_name, table, sizeof(table) / sizeof((table)[0])}

/* For a row's prepare: no core files; whatever the machine does with them. */
void without_cores(int arg);

extern const struct theme libraries;
extern const struct theme limits;
extern const struct theme narrow;
extern const struct theme runtimes;
extern const struct theme servers;
extern const struct theme shapes;
extern const struct theme shells;
extern const struct theme tools;

#endif
