/* Which runs are to be posted to the remote API, by the database: those that have ended, want it, have
 * neither been posted nor refused, and are not to be left alone for now. */
#ifndef TEL_DUE_H
#define TEL_DUE_H

#include "base/journal.h"
#include "base/process.h"
#include "db.h"

struct tel_due_filter {
    int64_t now_ns; /* CLOCK_REALTIME; attempts planned for later are left out */
    bool impatient; /* but not those that only our own growing pauses put off */
    bool all;       /* none is left out */
    int64_t uid;    /* only runs of this user */
};

/* Borrowed, for the call. */
struct tel_due {
    struct tel_str run_id;
    struct tel_journal_pos last_line;
    unsigned retries; /* how many the next attempt makes it: 0 for the first */
    bool scope;       /* a section of a process, which may go on */
    struct tel_process_key process;
    uint64_t pid_ns;        /* 0 unknown */
    struct tel_str boot_id; /* empty: unknown */
};

/* Calls fn for each such run, never tried ones first, then in the order of their times. A nonzero
 * return of fn stops and is returned. */
typedef int tel_due_fn(void *arg, const struct tel_due *due);
int tel_due_each(sqlite3 *db, const struct tel_due_filter *filter, tel_due_fn *fn, void *arg,
                 struct tel_error *err);

/* When the next attempt is due that is not due at filter's time (CLOCK_REALTIME); 0: none is. */
int tel_due_next(sqlite3 *db, const struct tel_due_filter *filter, int64_t *out_ns,
                 struct tel_error *err);

struct tel_due_counts {
    int64_t posted;
    int64_t refused;
    int64_t ready;   /* to be posted, and due at filter's time */
    int64_t waiting; /* to be posted, later */
    int64_t running; /* to be posted when they have ended */
};
int tel_due_count(sqlite3 *db, const struct tel_due_filter *filter, struct tel_due_counts *out,
                  struct tel_error *err);

#endif
