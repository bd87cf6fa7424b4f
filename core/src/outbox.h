/* The outbox: decides what is posted when, and has a poster do it. A collector works one off beside its
 * other work, `telemetry post` works one off for a person. Nothing here blocks but what source does. Whoever
 * has one ignores SIGCHLD, so that the kernel reaps the posters. */
#ifndef TEL_OUTBOX_H
#define TEL_OUTBOX_H

#include "api_target.h"
#include "due.h"
#include "post/wire.h"

/* Where runs come from. refresh brings the database up to date with the journal; each_due and next_due are
 * tel_due_each and tel_due_next on it. is_watched (or NULL): true for a run whose process somebody watches
 * who calls tel_outbox_look when it has ended. report (or NULL): told of each outcome but READY. */
struct tel_outbox_source {
    int (*refresh)(void *arg, struct tel_error *err);
    int (*each_due)(void *arg, const struct tel_due_filter *filter, tel_due_fn *fn, void *fn_arg,
                    struct tel_error *err);
    int (*next_due)(void *arg, const struct tel_due_filter *filter, int64_t *out_ns,
                    struct tel_error *err);
    bool (*is_watched)(void *arg, const struct tel_due *due);
    void (*report)(void *arg, const struct tel_post_report *report);
    void *arg;
};

struct tel_outbox_options {
    const struct tel_datadir *dir; /* borrowed */
    const char *program;           /* the poster's path; borrowed, NULL: there is none */
    struct tel_outbox_source source;
    bool impatient; /* as in struct tel_due_filter */
    bool all;
    int64_t limit; /* so many runs at most; 0: no limit */
};

struct tel_outbox;

/* NULL when there is no memory. */
struct tel_outbox *tel_outbox_new(const struct tel_outbox_options *options);
/* A poster at work finishes what is under way, and leaves. NULL is fine. */
void tel_outbox_free(struct tel_outbox *outbox);

/* Where runs of which nothing else is known go: what was said last. A target that cannot be used is
 * ignored. */
void tel_outbox_set_default(struct tel_outbox *outbox, const struct tel_target *target);
/* Where this run goes when it has ended; the default as well from now on. */
void tel_outbox_want(struct tel_outbox *outbox, struct tel_str run_id,
                     const struct tel_target *target);

/* Something may be due now. Cheap; does nothing where there is no target. */
void tel_outbox_look(struct tel_outbox *outbox);
/* Readable when tel_outbox_work has something to do. Borrowed. */
int tel_outbox_fd(const struct tel_outbox *outbox);
/* When it has something to do in any case, CLOCK_BOOTTIME; 0: never. */
int64_t tel_outbox_due_ns(const struct tel_outbox *outbox);
void tel_outbox_work(struct tel_outbox *outbox);
/* True while there is something under way or to be done at once. */
bool tel_outbox_is_busy(const struct tel_outbox *outbox);
/* For who is about to leave: has the poster record what it has tried, since nobody is left to make the next
 * attempts. True while that goes on, a second at most: what is under way may take longer, and is recorded by
 * the poster alone. */
bool tel_outbox_retire(struct tel_outbox *outbox);
/* Until when at most, CLOCK_BOOTTIME; 0: it is not asked to. */
int64_t tel_outbox_retired_ns(const struct tel_outbox *outbox);
/* True while its poster waits for another one to leave. */
bool tel_outbox_waits(const struct tel_outbox *outbox);
/* Why there is no poster, "" when there is no such difficulty. */
const char *tel_outbox_trouble(const struct tel_outbox *outbox);

#endif
