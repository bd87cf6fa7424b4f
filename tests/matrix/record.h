/* What a row's run left in the database, against what the row says. */
#ifndef TEL_MATRIX_RECORD_H
#define TEL_MATRIX_RECORD_H

#include "host.h"

/* All runs of base, one line each: agent, status, exit code, signal, how it was learnt. */
const char *runs_of(const char *base);

/* Waits for what row expects of one execution that ended as seen, after `before` earlier runs. NULL
 * when it is so, otherwise what was expected and what is there. */
const char *record_differs(const struct row *row, const char *base, const struct seen *seen,
                           int before);

/* Number of runs that base has. */
int count_runs(const char *base);

#endif
