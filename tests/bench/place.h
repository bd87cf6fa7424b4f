/* Where a benchmark works: one temporary directory, the data directories in it, and the collectors
 * that serve them. Whatever fails in here ends the benchmark. */
#ifndef BENCH_PLACE_H
#define BENCH_PLACE_H

#include <stddef.h>

/* As printf, into memory that is never freed: a benchmark needs little, and ends. */
char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

/* A new directory under /tmp, which becomes the working directory too; at exit its collectors are
 * ended and it is removed. Collectors become children of the calling process from now on. */
const char *enter_new_place(void);
void remove_tree(const char *path);

/* An environment of PATH, HOME (the place) and the "NAME=value" entries up to the first NULL; kept
 * for good. */
char *const *environment(const char *const *entries);
/* ENTRIES("A=1", "B=2"), for that. */
#define ENTRIES(...) ((const char *const[]){__VA_ARGS__, NULL})

/* The collectors that have ended or been stopped since the last call. */
struct collectors {
    size_t count;
    long max_rss_kib; /* of the largest */
    double cpu_ms;    /* of all together */
};
/* Ends all collectors there are, and waits until they are gone. */
struct collectors stop_collectors(void);
/* For a child that somebody has waited for without knowing it. */
struct rusage;
void note_collector_end(const struct rusage *usage);

/* Number of finished, successful runs in base's database; 0 without one. */
long count_successes(const char *base);

#endif
