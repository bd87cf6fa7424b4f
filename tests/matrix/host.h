/* One run of a row's program in a fresh directory, and all that could be noticed of it. */
#ifndef TEL_MATRIX_HOST_H
#define TEL_MATRIX_HOST_H

#include "row.h"

struct seen {
    const char *text; /* how it ended, what it wrote, files, processes left: without what varies */
    int wait_status;
    bool timed_out;
};

/* Directories that the rows see: the program's own, and beside it what setup has made. */
const char *work_dir(void);
const char *made_dir(void);

/* A name's file where the row's programs are looked for; NULL when there is none. */
const char *find_program(const char *name);

/* Runs the program with base as the data directory: under the shim, or bare, in an environment that
 * differs by nothing but LD_PRELOAD. Whatever it leaves behind is ended. */
struct seen run_host(const struct row *row, const char *base, bool bare);

#endif
