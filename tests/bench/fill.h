/* A data directory that has been in use for long. */
#ifndef BENCH_FILL_H
#define BENCH_FILL_H

#include <stddef.h>

/* Writes a journal of rows finished runs, spread over the last ten days, and folds it into the
 * database by `cli sync`. base has to hold the journal of one run: all others are copies of it. */
void fill(const char *base, const char *cli, size_t rows);

#endif
