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

/* Where the rows' programs are looked for, after the fixtures. */
extern const char system_path[];
/* Whether there is a program of that name, a library ("libNAME.so.N") that the loader finds, or a
 * file (an absolute path, or a glob of them). */
bool host_has(const char *what);

/* Runs the program with base as the data directory: under the shim, or bare, in an environment that
 * differs by nothing but LD_PRELOAD. Whatever it leaves behind is ended. */
struct seen run_host(const struct row *row, const char *base, bool bare);

#endif
