/* Fold: journal -> database, the only way rows come to be (DESIGN 2). Idempotent; the cursor is
 * committed with the rows it made. */
#ifndef TEL_FOLD_H
#define TEL_FOLD_H

#include "store.h"

struct tel_fold;

struct tel_fold_stats {
    uint64_t lines;     /* complete lines read */
    uint64_t runs;      /* run lines among them */
    uint64_t events;    /* event lines among them */
    uint64_t bad_lines; /* skipped because they did not parse */
    uint64_t bytes;
    uint64_t batches; /* transactions committed */
};

/* Prepares a fold of dir: nothing is opened before the first pass. The pointer is borrowed and
 * must outlive the fold. busy_ms as tel_store_open. */
int tel_fold_open(struct tel_fold **out, const struct tel_datadir *dir, int busy_ms,
                  struct tel_error *err);
void tel_fold_close(struct tel_fold *fold);
/* For a forked child, instead of closing: the database connection is its parent's, and must not be touched
 * (https://www.sqlite.org/howtocorrupt.html, 2.6). Takes no lock. */
void tel_fold_forget(struct tel_fold *fold);

/* Called between the batches of a pass, so that a collector that is behind can say so; a nonzero
 * return ends the pass early. NULL: nothing is called. */
typedef int tel_fold_between_fn(void *arg);
void tel_fold_set_between(struct tel_fold *fold, tel_fold_between_fn *fn, void *arg);

/* The caller copies the database's log back when it is time. Otherwise a pass does that when it has grown large, as
 * it does in the middle of a long one in any case. */
void tel_fold_leave_log(struct tel_fold *fold);

/* One pass: everything complete in the journal becomes rows, in transactions of bounded size. An
 * unfinished last line is left for the next pass. Reopens database and files that were replaced
 * or deleted. stats (optional) is added to, not cleared.
 * scan_all: look at every journal file; otherwise only at the newest known ones (today's and those
 * of the days touched before), which is what a commit request needs.
 * Returns 0, 1 when it was ended early, or an error of tel_store_*: after one, the rows of committed
 * batches stand and the next pass goes on. */
int tel_fold_pass(struct tel_fold *fold, bool scan_all, struct tel_fold_stats *stats,
                  struct tel_error *err);

/* The store behind the fold, opened when needed; NULL (with err) when it cannot be. Borrowed,
 * valid until the next call on fold. */
struct tel_store *tel_fold_store(struct tel_fold *fold, struct tel_error *err);
/* NULL when no pass has opened it, or one has closed it again. */
struct tel_store *tel_fold_store_if_open(const struct tel_fold *fold);
/* Name under which a damaged database was set aside since the last call, or "". */
const char *tel_fold_take_set_aside(struct tel_fold *fold);

#endif
