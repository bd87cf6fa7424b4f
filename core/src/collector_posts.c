/* The collector's side of its outbox: which runs are due, by its database, and how long it stays for
 * them. */
#include "collector_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>

/* For the quick retries of a server that fails. */
static const int64_t post_patience_ns = INT64_C(10000000000);

static int refresh_for_posts(void *arg, struct tel_error *err)
{
    struct tel_collector *collector = arg;

    return tel_upkeep_fold(&collector->upkeep, false)
               ? 0
               : tel_fail(err, TEL_ERR_BUSY, "the database is behind", NULL);
}

static int each_due(void *arg, const struct tel_due_filter *filter, tel_due_fn *fn, void *fn_arg,
                    struct tel_error *err)
{
    struct tel_collector *collector = arg;
    struct tel_store *store = tel_fold_store(collector->upkeep.fold, err);

    return store == NULL ? -EIO : tel_store_each_due(store, filter, fn, fn_arg, err);
}

static int next_due(void *arg, const struct tel_due_filter *filter, int64_t *out_ns,
                    struct tel_error *err)
{
    struct tel_collector *collector = arg;
    struct tel_store *store = tel_fold_store(collector->upkeep.fold, err);

    return store == NULL ? -EIO : tel_store_next_due(store, filter, out_ns, err);
}

/* A run that is still watched may have said how it ended; the kernel has not. A section ends when its
 * process says so. */
static bool is_watched(void *arg, const struct tel_due *due)
{
    const struct tel_collector *collector = arg;

    return !due->scope && tel_live_has(collector->live, due->run_id);
}

static void note_posted(void *arg, const struct tel_post_report *report)
{
    struct tel_collector *collector = arg;

    if (report->outcome == TEL_POST_DONE) /* it stays for as long as posts go through */
        collector->last_active_ns = tel_clock_boottime_ns();
    if (report->outcome != TEL_POST_LEFT && report->outcome != TEL_POST_GONE)
        tel_upkeep_note_written(&collector->upkeep);
}

/* Only for so long: a server that fails is tried again with the next run. */
bool tel_collector_waits_for_posts(const struct tel_collector *collector)
{
    return tel_outbox_is_busy(collector->outbox) &&
           tel_clock_boottime_ns() - collector->last_active_ns < post_patience_ns;
}

int tel_collector_open_outbox(struct tel_collector *collector)
{
    const struct tel_outbox_options options = {
        .dir = collector->dir,
        .program = collector->options->poster,
        .source = {refresh_for_posts, each_due, next_due, is_watched, note_posted, collector},
    };

    signal(SIGCHLD, SIG_IGN); /* posters are reaped by the kernel */
    collector->outbox = tel_outbox_new(&options);
    if (collector->outbox == NULL)
        return -ENOMEM;
    if (collector->options->target.url.ptr != NULL)
        tel_outbox_set_default(collector->outbox, &collector->options->target);
    return tel_collector_watch(collector, TEL_SOURCE_OUTBOX, tel_outbox_fd(collector->outbox));
}
