/* See collector.h. One thread around epoll; what waits for an answer comes first, what nobody waits
 * for (starts, ends seen by pidfd, disk care) comes in batches between. */
#include "collector.h"

#include "base/clock.h"
#include "dictation.h"
#include "fold.h"
#include "inbox.h"
#include "janitor.h"
#include "leftovers.h"
#include "live.h"
#include "orphans.h"
#include "outbox.h"
#include "pending.h"
#include "take_in.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)

/* Times, in nanoseconds. */
static const int64_t start_delay = 20 * MS;      /* starts are drained together */
static const int64_t fold_delay = 50 * MS;       /* most runs end before their start is folded */
static const int64_t behind_after = 60 * MS;     /* of folding, "later" is the better answer */
static const int64_t pending_delay = 500 * MS;   /* for a session leader to execute something */
static const int64_t settle_delay = 10 * MS;     /* ends, after those who wait */
static const int64_t reap_patience = 100 * MS;   /* for a parent to reap its zombie */
static const int64_t reap_limit = 60000 * MS;    /* where only its reaping tells how it ended */
static const int64_t overslept_after = 500 * MS; /* beyond what was to be waited */
static const int64_t retry_delay = 1000 * MS;    /* disk full, database locked */
static const int64_t sync_delay = 800 * MS;      /* the journal is on disk within a second */
static const int64_t care_delay = 300 * MS;      /* quiet time before the WAL is copied back */
static const int64_t idle_patience = 3000 * MS;  /* then the collector leaves */
static const int64_t give_up_after = 30000 * MS; /* on a database that nobody can use, alone */
static const int64_t adopt_delay = 1000 * MS;    /* for what could not be watched at its start */
static const int64_t post_patience = 10000 * MS; /* for the quick retries of a server that fails */
static const int64_t look_interval = 2000 * MS;  /* whether the data directory is still ours */

enum { EVENTS = 256, BUSY_MS = 100, CARE_BYTES = 256 * 1024, FORCED_CARE_BYTES = 64 * 1024 * 1024 };

/* What epoll's data.ptr holds for descriptors that are no run. */
static char start_tag, request_tag, late_tag, signal_tag, outbox_tag;

struct collector {
    struct tel_collector_options *options;
    const struct tel_datadir *dir;
    int epoll_fd;
    int signal_fd;
    struct tel_live *live;
    struct tel_pending *pending;
    struct tel_inbox *inbox;
    struct tel_fold *fold;
    struct tel_janitor *janitor;
    struct tel_outbox *outbox;
    /* When each kind of work is due, CLOCK_BOOTTIME; 0 = not. */
    int64_t starts_due;
    int64_t fold_due;
    int64_t settle_due;
    int64_t retry_due;
    int64_t sync_due;
    int64_t care_due;
    int64_t look_due;
    int64_t adopt_due; /* the journal is searched for runs that nobody watches */
    int64_t last_active;
    int64_t looked; /* all that had ended by then has been noted */
    int64_t fold_began;
    uint32_t sync_date;
    bool stop;
};

static int64_t now_ns(void)
{
    return tel_clock_boottime_ns();
}

/* Makes work due at the latest then. */
static void due(int64_t *when, int64_t at)
{
    if (*when == 0 || *when > at)
        *when = at;
}

static bool take_due(int64_t *when, int64_t now)
{
    if (*when == 0 || *when > now)
        return false;
    *when = 0;
    return true;
}

static uint32_t today(void)
{
    struct tel_instant now;

    tel_clock_now(&now);
    return tel_date_of(now.realtime_ns);
}

/* --- epoll ------------------------------------------------------------------------------------ */

static int watch(struct collector *collector, int fd, uint32_t events, void *tag, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = tag};

    return epoll_ctl(collector->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

static int watch_claim(struct collector *collector)
{
    const struct tel_claim *claim = &collector->options->claim;
    int status = watch(collector, claim->start, EPOLLIN | EPOLLONESHOT, &start_tag, EPOLL_CTL_ADD);

    return status < 0 ? status
                      : watch(collector, claim->request, EPOLLIN, &request_tag, EPOLL_CTL_ADD);
}

/* --- events ----------------------------------------------------------------------------------- */

static void take_requests(struct collector *collector)
{
    tel_inbox_take(collector->inbox, TEL_SOCKET_REQUEST, collector->options->claim.request);
}

/* entered: when epoll was asked. What it told after waiting has just happened; what was there at once
 * has happened since it was asked before, which may be long ago (a long batch, a collector that was
 * stopped). */
static void note_end(struct collector *collector, struct tel_live_run *run, int64_t entered)
{
    const bool was_alive = collector->looked > run->added_boot_ns;

    if (run->pidfd < 0)
        return; /* forgotten by a message of the same batch */
    tel_live_ended(collector->live, run, was_alive ? entered - collector->looked : INT64_MAX);
    due(&collector->settle_due, now_ns() + settle_delay);
}

static void handle_event(struct collector *collector, void *tag, int64_t entered)
{
    if (tag == &outbox_tag)
        return; /* it is worked off with what is due, and is no reason to stay */
    collector->last_active = now_ns();
    if (tag == &request_tag) {
        take_requests(collector);
    } else if (tag == &late_tag) {
        tel_inbox_take_late(collector->inbox);
        due(&collector->starts_due, now_ns() + start_delay); /* a line may have come along */
    } else if (tag == &start_tag) {
        due(&collector->starts_due, now_ns() + start_delay);
    } else if (tag == &signal_tag) {
        collector->stop = true;
    } else {
        note_end(collector, tag, entered);
    }
}

/* A stopped process that goes on finds EINTR, or has slept for longer than it wanted: then it has not been
 * looked, and was not waited. */
static void take_events(struct collector *collector, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int64_t entered = now_ns();
    int count = epoll_wait(collector->epoll_fd, events, EVENTS, timeout_ms);

    if (now_ns() - entered > timeout_ms * MS + overslept_after)
        entered = now_ns();
    while (count > 0) {
        for (int i = 0; i < count; i++)
            handle_event(collector, events[i].data.ptr, entered);
        if (count < EVENTS)
            break;
        count = epoll_wait(collector->epoll_fd, events, EVENTS, 0);
    }
    if (count >= 0)
        collector->looked = now_ns();
}

/* --- folding ---------------------------------------------------------------------------------- */

/* Between the batches of a long pass (a database rebuilt, a journal that others filled): ends are
 * noted when they happen, and whoever waits for one row is told at once that it will take longer. */
static int look_up(void *arg)
{
    struct collector *collector = arg;

    if (now_ns() - collector->fold_began < behind_after)
        return 0;
    take_events(collector, 0);
    tel_inbox_put_off(collector->inbox);
    return 0;
}

/* The directory may have been deleted and made again: then the sockets at the path are another
 * collector's, and this one's time is over. */
static bool is_still_ours(const struct collector *collector)
{
    char path[TEL_PATH_MAX];
    struct stat held;
    struct stat there;

    return tel_run_path(path, collector->dir, TEL_LOCK_SUFFIX) == 0 &&
           fstat(collector->options->claim.lock, &held) == 0 && lstat(path, &there) == 0 &&
           held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

/* True when the database is up to date. Failures are retried, and meanwhile nothing is lost: the
 * journal has it all. */
static bool fold(struct collector *collector, bool scan_all)
{
    int64_t now;
    int status;

    if (!is_still_ours(collector)) {
        collector->stop = true; /* nothing that was deleted comes back to life */
        return false;
    }
    collector->fold_began = now_ns();
    status = tel_fold_pass(collector->fold, scan_all, NULL, NULL);
    now = now_ns();
    collector->fold_due = 0;
    if (status < 0) {
        due(&collector->retry_due, now + retry_delay);
        return false;
    }
    due(&collector->care_due, now + care_delay);
    return true;
}

static void note_journal_written(struct collector *collector)
{
    collector->sync_date = today();
    due(&collector->sync_due, now_ns() + sync_delay);
}

static void drain_starts(struct collector *collector)
{
    const struct tel_claim *claim = &collector->options->claim;

    tel_inbox_take(collector->inbox, TEL_SOCKET_START, claim->start);
    if (tel_inbox_append_lines(collector->inbox) < 0)
        due(&collector->retry_due, now_ns() + retry_delay);
    watch(collector, claim->start, EPOLLIN | EPOLLONESHOT, &start_tag, EPOLL_CTL_MOD);
    note_journal_written(collector);
    due(&collector->fold_due, now_ns() + fold_delay);
}

/* --- runs ------------------------------------------------------------------------------------- */

static void hold_start(void *arg, struct tel_str line)
{
    struct collector *collector = arg;

    tel_inbox_hold_start(collector->inbox, line);
}

/* A session leader: its line waits, for what it may yet execute. It may also come from one that hands
 * its run to a child: where its first line has been written already, so is this one. False when that child
 * has executed something that has begun a run already: that one counts. */
static bool add_leader(struct collector *collector, struct tel_str run_id, struct tel_str line,
                       int pidfd)
{
    const bool written =
        tel_live_has(collector->live, run_id) && !tel_pending_has(collector->pending, run_id);

    tel_live_forget(collector->live, run_id);
    if (pidfd >= 0 && !written && tel_live_has_process(collector->live, pidfd)) {
        tel_pending_drop(collector->pending, run_id);
        return false;
    }
    if (pidfd < 0 || written ||
        !tel_pending_add(collector->pending, run_id, line, tel_live_identity(pidfd),
                         now_ns() + pending_delay))
        tel_inbox_hold_start(collector->inbox, line);
    return true;
}

/* What a session leader has executed is the run, and not the leader before. */
static void replace_leader(struct collector *collector, int pidfd)
{
    char run_id[TEL_RUN_ID_MAX];

    if (pidfd >= 0 && tel_pending_due(collector->pending) != 0 &&
        tel_pending_take_process(collector->pending, tel_live_identity(pidfd), run_id))
        tel_live_forget(collector->live, tel_str_from(run_id));
}

static void take_parcel(void *arg, const struct tel_parcel *parcel)
{
    struct collector *collector = arg;
    const struct tel_str run_id = tel_str_from(parcel->message.run_id);
    const int pidfd = parcel->passed_fd;

    if (parcel->message.request == TEL_REQUEST_LEADER) {
        if (!add_leader(collector, run_id, parcel->line, pidfd)) {
            close(pidfd);
            return;
        }
    } else if (parcel->message.request == TEL_REQUEST_START) {
        replace_leader(collector, pidfd);
    } else { /* the run's end line: its start line goes first */
        tel_pending_release_run(collector->pending, run_id, hold_start, collector);
        return;
    }
    if (parcel->target.url.ptr != NULL)
        tel_outbox_want(collector->outbox, run_id, &parcel->target);
    if (pidfd < 0 || tel_live_add(collector->live, run_id, pidfd, &parcel->message.line) < 0)
        due(&collector->adopt_due, now_ns() + adopt_delay);
}

/* Its word of the start may lie in the other socket yet; taking that would take the text's place. */
static bool write_down(void *arg, const struct tel_message *message, struct tel_str text)
{
    struct collector *collector = arg;
    const struct tel_str run_id = tel_str_from(message->run_id);
    char *copy = malloc(text.len + 1);
    bool done = false;

    if (copy == NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    if (!tel_live_lasts(collector->live, run_id))
        drain_starts(collector);
    if (tel_live_lasts(collector->live, run_id))
        done = tel_dictation_take(collector->dir, run_id, &message->line,
                                  (struct tel_str){copy, text.len}, NULL) == 0;
    free(copy);
    note_journal_written(collector);
    return done;
}

/* Runs whose process has ended remain what they are. */
static void release_ended_leaders(struct collector *collector)
{
    if (tel_pending_due(collector->pending) == 0)
        return;
    for (const struct tel_live_run *run = tel_live_first_ended(collector->live); run != NULL;
         run = run->queued)
        tel_pending_release_run(collector->pending, tel_str_from(run->run_id), hold_start,
                                collector);
}

static void release_leaders(struct collector *collector, int64_t now)
{
    tel_pending_release(collector->pending, now, hold_start, collector);
    if (tel_inbox_append_lines(collector->inbox) < 0)
        due(&collector->retry_due, now_ns() + retry_delay);
    note_journal_written(collector);
    due(&collector->fold_due, now_ns() + fold_delay);
}

static struct tel_settler settler_of(struct collector *collector)
{
    return (struct tel_settler){
        .dir = collector->dir,
        .fold = collector->fold,
        .source = collector->options->exit_source,
    };
}

static enum tel_patience patience_with(const struct tel_live_run *run)
{
    const int64_t age = now_ns() - run->ended_boot_ns;

    return age < reap_patience ? TEL_PATIENT : age < reap_limit ? TEL_IMPATIENT : TEL_GIVE_UP;
}

/* Runs whose process has ended: forgotten when their last line is right, completed when not. */
static void settle_ended(struct collector *collector)
{
    struct tel_settler settler = settler_of(collector);
    struct tel_live_run *run;
    bool written = false;

    /* Whoever has ended may have sent word before, and handed its run on. */
    drain_starts(collector);
    release_ended_leaders(collector);
    /* A run whose start line is still kept here would be one that nobody knows. */
    if (tel_inbox_append_lines(collector->inbox) < 0) {
        due(&collector->settle_due, now_ns() + retry_delay);
        return;
    }
    /* Before the fold: who ends meanwhile may have written its end line after it. */
    run = tel_live_take_ended(collector->live);
    settler.up_to_date = fold(collector, false);
    while (run != NULL) {
        struct tel_live_run *next = run->queued;
        const enum tel_patience patience = patience_with(run);
        enum tel_settled settled;

        if (run->pidfd < 0) { /* forgotten during the fold */
            run = next;
            continue;
        }
        settled = tel_settle_ended(&settler, run, patience);
        if (settled == TEL_SETTLE_LATER) {
            tel_live_put_back(collector->live, run);
            due(&collector->settle_due,
                now_ns() + (patience == TEL_PATIENT ? reap_patience : retry_delay));
        } else {
            tel_live_remove(collector->live, run);
        }
        written = written || settled == TEL_SETTLED_WRITTEN;
        run = next;
    }
    if (written)
        fold(collector, false);
    tel_outbox_look(collector->outbox);
    note_journal_written(collector); /* a host that does not wait says nothing of its end line */
}

/* --- runs of earlier collectors --------------------------------------------------------------- */

static void adopt(void *arg, struct tel_str run_id, int pidfd,
                  const struct tel_journal_pos *last_line)
{
    struct collector *collector = arg;

    tel_live_add(collector->live, run_id, pidfd, last_line);
}

/* When the database is up to date. Starts first: a run that has just begun has sent word. */
static void adopt_orphans(struct collector *collector)
{
    const struct tel_settler settler = settler_of(collector);
    int status;

    collector->adopt_due = 0;
    if (collector->retry_due != 0) {
        collector->adopt_due = collector->retry_due;
        return;
    }
    drain_starts(collector);
    if (!is_still_ours(collector))
        return;
    status = tel_orphans_settle(&settler, collector->live, adopt, collector, NULL);
    if (status < 0)
        due(&collector->retry_due, now_ns() + retry_delay);
    if (status != 0)
        due(&collector->adopt_due, now_ns() + adopt_delay);
    if (tel_take_in_all(collector->dir, collector->fold, NULL) > 0)
        fold(collector, false);
}

/* --- those who wait --------------------------------------------------------------------------- */

/* What was said of a run that has just ended is folded together with its end line, which its host has
 * written before it asked. When that fails, the end of the process brings another try. */
static void take_in_asked(void *arg, const struct tel_message *message)
{
    struct collector *collector = arg;
    const struct tel_str run_id = tel_str_from(message->run_id);

    if (message->request == TEL_REQUEST_LEAVE) {
        drain_starts(collector); /* that of a short one may still wait there */
        tel_live_forget(collector->live, run_id);
    }
    if (run_id.len > 0 && tel_mailbox_exists(collector->dir, run_id))
        tel_take_in(collector->dir, run_id, &message->line, NULL);
}

/* Those who wait: everything that has been asked for until now is answered by one fold. */
static void answer_requests(struct collector *collector)
{
    struct tel_inbox *inbox = collector->inbox;
    const bool all = tel_inbox_wants_all(inbox);
    bool done;

    if (!tel_inbox_any_asking(inbox))
        return;
    /* A run that sends its end line may have sent its start line, too: that one comes first. */
    if (tel_inbox_holds_lines(inbox))
        drain_starts(collector);
    tel_inbox_each_asking(inbox, take_in_asked, collector);
    done = fold(collector, all);
    /* Somebody looks. A journal without news needs no database, but they do; and runs whose word of
     * their start never came are not to stay "running" for them. */
    if (all && tel_fold_store(collector->fold, NULL) == NULL)
        done = false;
    if (done && all)
        adopt_orphans(collector);
    tel_inbox_answer(inbox, done ? TEL_ANSWER_DONE : all ? TEL_ANSWER_FAILED : TEL_ANSWER_LATER);
    tel_outbox_look(
        collector->outbox); /* nothing more is heard of a run that could not be watched */
    note_journal_written(collector);
}

/* --- posting ---------------------------------------------------------------------------------- */

static int refresh_for_posts(void *arg, struct tel_error *err)
{
    return fold(arg, false) ? 0 : tel_fail(err, TEL_ERR_BUSY, "the database is behind", NULL);
}

static int each_due(void *arg, const struct tel_due_filter *filter, tel_due_fn *fn, void *fn_arg,
                    struct tel_error *err)
{
    struct collector *collector = arg;
    struct tel_store *store = tel_fold_store(collector->fold, err);

    return store == NULL ? -EIO : tel_store_each_due(store, filter, fn, fn_arg, err);
}

static int next_due(void *arg, const struct tel_due_filter *filter, int64_t *out_ns,
                    struct tel_error *err)
{
    struct collector *collector = arg;
    struct tel_store *store = tel_fold_store(collector->fold, err);

    return store == NULL ? -EIO : tel_store_next_due(store, filter, out_ns, err);
}

/* A run that is still watched may have said how it ended; the kernel has not. A section ends when its
 * process says so. */
static bool may_post(void *arg, const struct tel_due *due)
{
    const struct collector *collector = arg;

    return due->scope || !tel_live_has(collector->live, due->run_id);
}

static void note_posted(void *arg, const struct tel_post_report *report)
{
    struct collector *collector = arg;

    if (report->outcome == TEL_POST_DONE)
        collector->last_active = now_ns(); /* it stays for as long as posts go through */
    if (report->outcome != TEL_POST_LEFT && report->outcome != TEL_POST_GONE)
        note_journal_written(collector);
}

/* Only for so long: a server that fails is tried again with the next run. */
static bool waits_for_posts(const struct collector *collector)
{
    return tel_outbox_is_busy(collector->outbox) &&
           now_ns() - collector->last_active < post_patience;
}

static int open_outbox(struct collector *collector)
{
    const struct tel_outbox_options options = {
        .dir = collector->dir,
        .program = collector->options->poster,
        .source = {refresh_for_posts, each_due, next_due, may_post, note_posted, collector},
    };

    signal(SIGCHLD, SIG_IGN); /* posters are reaped by the kernel */
    collector->outbox = tel_outbox_new(&options);
    if (collector->outbox == NULL)
        return -ENOMEM;
    if (collector->options->target.url.ptr != NULL)
        tel_outbox_set_default(collector->outbox, &collector->options->target);
    return watch(collector, tel_outbox_fd(collector->outbox), EPOLLIN, &outbox_tag, EPOLL_CTL_ADD);
}

/* --- care ------------------------------------------------------------------------------------- */

static void look_around(struct collector *collector, int64_t now)
{
    collector->look_due = now + look_interval;
    if (!is_still_ours(collector))
        collector->stop = true;
    tel_inbox_drop_late(collector->inbox);
}

/* Copies the WAL back once it is quiet, or when it has grown out of hand. */
static void care_for_database(struct collector *collector, int64_t now)
{
    struct tel_store *store =
        is_still_ours(collector) ? tel_fold_store(collector->fold, NULL) : NULL;
    uint64_t bytes = store == NULL ? 0 : tel_store_wal_bytes(store);

    if (bytes < CARE_BYTES)
        return;
    if (now - collector->last_active < care_delay && bytes < FORCED_CARE_BYTES)
        due(&collector->care_due, now + care_delay);
    else
        tel_store_checkpoint(store, NULL);
}

static void do_due_work(struct collector *collector)
{
    int64_t now = now_ns();

    if (take_due(&collector->starts_due, now))
        drain_starts(collector);
    if (take_due(&collector->settle_due, now))
        settle_ended(collector);
    if (tel_pending_due(collector->pending) != 0 && tel_pending_due(collector->pending) <= now)
        release_leaders(collector, now);
    if (take_due(&collector->fold_due, now))
        fold(collector, false);
    if (take_due(&collector->retry_due, now)) {
        if (tel_inbox_append_lines(collector->inbox) < 0)
            due(&collector->retry_due, now + retry_delay);
        fold(collector, true);
    }
    if (take_due(&collector->adopt_due, now))
        adopt_orphans(collector);
    if (take_due(&collector->sync_due, now))
        tel_janitor_sync(collector->janitor, collector->sync_date);
    if (take_due(&collector->care_due, now))
        care_for_database(collector, now);
    if (take_due(&collector->look_due, now))
        look_around(collector, now);
    tel_outbox_work(collector->outbox);
}

/* --- the loop --------------------------------------------------------------------------------- */

static bool has_nothing_to_do(const struct collector *collector)
{
    return tel_live_count(collector->live) == 0 && !tel_live_any_ended(collector->live) &&
           !tel_inbox_holds_lines(collector->inbox) && !tel_inbox_any_late(collector->inbox) &&
           collector->starts_due == 0 && collector->fold_due == 0 && collector->retry_due == 0 &&
           collector->adopt_due == 0 && !waits_for_posts(collector);
}

/* When epoll_wait has to return without an event, in milliseconds. */
static int wait_ms(const struct collector *collector)
{
    const int64_t times[] = {collector->starts_due,
                             collector->fold_due,
                             collector->settle_due,
                             collector->retry_due,
                             collector->sync_due,
                             collector->care_due,
                             collector->look_due,
                             collector->adopt_due,
                             tel_pending_due(collector->pending),
                             tel_outbox_due_ns(collector->outbox)};
    int64_t next = INT64_MAX;
    int64_t now = now_ns();

    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (times[i] != 0 && times[i] < next)
            next = times[i];
    if (!collector->options->stay && has_nothing_to_do(collector) &&
        collector->last_active + idle_patience < next)
        next = collector->last_active + idle_patience;
    if (next <= now)
        return 0;
    return (int)((next - now) / MS) + 1;
}

static void serve_once(struct collector *collector)
{
    tel_live_bury(collector->live);
    take_events(collector, wait_ms(collector));
    answer_requests(collector);
    do_due_work(collector);
}

/* Whoever connected before the sockets were unlinked must not be left without an answer: takes what
 * is in the queues. True when there was something, and the collector has to go on. */
static bool leave(struct collector *collector)
{
    struct tel_claim *claim = &collector->options->claim;
    const int64_t before = collector->last_active;

    if (is_still_ours(collector))
        tel_claim_unlink(collector->dir);
    drain_starts(collector);
    take_requests(collector);
    if (collector->stop ||
        (tel_live_count(collector->live) == 0 && !tel_inbox_any_asking(collector->inbox) &&
         !tel_inbox_any_late(collector->inbox) && !tel_inbox_holds_lines(collector->inbox) &&
         collector->last_active == before))
        return false;
    close(claim->start);
    close(claim->request);
    if (tel_claim_listen(claim, collector->dir, NULL) < 0 || watch_claim(collector) < 0)
        return false;
    return true;
}

/* The journal has it all: whoever comes next can try again. */
static bool may_give_up(const struct collector *collector)
{
    return collector->retry_due != 0 && tel_live_count(collector->live) == 0 &&
           !tel_inbox_holds_lines(collector->inbox);
}

static bool is_done(const struct collector *collector)
{
    const int64_t quiet = now_ns() - collector->last_active;

    if (collector->stop)
        return true;
    if (collector->options->stay)
        return false;
    return (has_nothing_to_do(collector) && quiet >= idle_patience) ||
           (may_give_up(collector) && quiet >= give_up_after);
}

static void serve(struct collector *collector)
{
    collector->last_active = now_ns();
    collector->adopt_due = collector->last_active;
    look_around(collector, collector->last_active);
    take_requests(collector);
    drain_starts(collector);
    fold(collector, true);
    answer_requests(collector);
    tel_leftovers_remove(collector->dir);
    tel_outbox_look(collector->outbox);
    do
        serve_once(collector);
    while (!is_done(collector) || leave(collector));
    /* Who is told to go leaves nothing half known. */
    take_events(collector, 0);
    settle_ended(collector);
    answer_requests(collector);
    release_leaders(collector, INT64_MAX);
}

/* --- set-up ----------------------------------------------------------------------------------- */

static int open_signals(struct collector *collector)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    collector->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (collector->signal_fd < 0)
        return -errno;
    return watch(collector, collector->signal_fd, EPOLLIN, &signal_tag, EPOLL_CTL_ADD);
}

/* What a host has handed over would go on to the poster, and keep the sockets alive. */
static void keep_claim(const struct tel_claim *claim)
{
    const int fds[] = {claim->lock, claim->start, claim->request};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
}

static int open_collector(struct collector *collector, struct tel_error *err)
{
    int status;

    keep_claim(&collector->options->claim);
    collector->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (collector->epoll_fd < 0)
        return tel_fail_sys(err, -errno, "epoll", NULL);
    status = open_signals(collector);
    if (status == 0)
        status = watch_claim(collector);
    if (status < 0)
        return tel_fail_sys(err, status, "epoll", NULL);
    collector->live = tel_live_new(collector->epoll_fd);
    collector->pending = tel_pending_new();
    collector->inbox = tel_inbox_new(collector->dir);
    if (collector->live == NULL || collector->pending == NULL || collector->inbox == NULL)
        return tel_fail(err, -ENOMEM, "no memory", NULL);
    if (open_outbox(collector) < 0)
        return tel_fail(err, -ENOMEM, "no memory", NULL);
    tel_inbox_on_message(collector->inbox, take_parcel, collector);
    tel_inbox_on_say(collector->inbox, write_down, collector);
    status =
        watch(collector, tel_inbox_late_fd(collector->inbox), EPOLLIN, &late_tag, EPOLL_CTL_ADD);
    if (status < 0)
        return tel_fail_sys(err, status, "epoll", NULL);
    collector->janitor = tel_janitor_start(collector->dir);
    status = tel_fold_open(&collector->fold, collector->dir, BUSY_MS, err);
    if (status == 0)
        tel_fold_set_between(collector->fold, look_up, collector);
    return status;
}

/* The claim goes before the disk is waited for: a host that wants to start the next collector tries
 * for a few milliseconds only. */
static void close_collector(struct collector *collector, bool failed)
{
    struct tel_claim *claim = &collector->options->claim;
    struct tel_store *store = collector->fold != NULL && is_still_ours(collector)
                                  ? tel_fold_store(collector->fold, NULL)
                                  : NULL;

    tel_claim_drop(claim, collector->dir, failed);
    tel_outbox_free(collector->outbox);
    if (store != NULL && tel_store_wal_bytes(store) > 0)
        tel_store_checkpoint(store, NULL);
    tel_fold_close(collector->fold);
    tel_janitor_stop(collector->janitor);
    tel_inbox_free(collector->inbox);
    tel_pending_free(collector->pending);
    tel_live_free(collector->live);
    if (collector->signal_fd >= 0)
        close(collector->signal_fd);
    if (collector->epoll_fd >= 0)
        close(collector->epoll_fd);
}

int tel_collector_run(struct tel_collector_options *options, struct tel_error *err)
{
    struct collector collector = {
        .options = options, .dir = options->dir, .epoll_fd = -1, .signal_fd = -1};
    int status;

    tel_clock_use(clock_gettime);
    status = open_collector(&collector, err);

    if (status == 0)
        serve(&collector);
    close_collector(&collector, status < 0);
    return status;
}
