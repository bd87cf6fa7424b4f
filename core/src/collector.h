/* The collector: one process for each data directory, user and pid namespace, that folds the
 * journal, watches live runs, and answers those who wait for their row (DESIGN 2). */
#ifndef TEL_COLLECTOR_H
#define TEL_COLLECTOR_H

#include "base/datadir.h"
#include "base/spawn.h"
#include "exit_status.h"

struct tel_collector_options {
    const struct tel_datadir *dir; /* borrowed */
    struct tel_claim claim;        /* taken over */
    enum tel_exit_source exit_source;
    bool stay;                /* serve until SIGTERM or SIGINT, even with nothing to do */
    const char *poster;       /* the program that posts runs; borrowed, NULL: there is none */
    struct tel_target target; /* where runs go that say nothing of it; borrowed, may have no url */
};

/* Undoes what a host may have left in the process: limits, affinity, scheduling, signals, umask,
 * descriptors other than the claim's. Called first when a host has started us. */
void tel_collector_detach(void);

/* Serves; returns when there is nothing left to watch, or on SIGTERM or SIGINT. 0 or negative. */
int tel_collector_run(struct tel_collector_options *options, struct tel_error *err);

#endif
