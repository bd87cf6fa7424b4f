/* See collector.h. One thread around epoll; what waits for an answer comes first, what nobody waits
 * for (starts, ends seen by pidfd, disk care) comes in batches between. Here is the loop, from opening to
 * leaving. */
#include "collector.h"

#include "base/clock.h"
#include "collector_internal.h"
#include "leftovers.h"
#include "wal_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)

static const int64_t idle_patience_ns = 3000 * MS;  /* then the collector leaves */
static const int64_t give_up_after_ns = 30000 * MS; /* on a database that nobody can use, alone */

static void look_around(struct tel_collector *collector)
{
    tel_agenda_add(&collector->agenda, TEL_WORK_LOOK);
    tel_upkeep_look(&collector->upkeep);
    tel_inbox_drop_late(collector->inbox);
}

static void retry(struct tel_collector *collector)
{
    if (tel_inbox_append_lines(collector->inbox) < 0)
        tel_agenda_add(&collector->agenda, TEL_WORK_RETRY);
    tel_upkeep_fold(&collector->upkeep, true);
}

static void do_due_work(struct tel_collector *collector)
{
    struct tel_agenda *agenda = &collector->agenda;
    struct tel_upkeep *upkeep = &collector->upkeep;
    const int64_t now = tel_clock_boottime_ns();

    if (tel_agenda_take(agenda, TEL_WORK_STARTS, now))
        tel_collector_drain_starts(collector);
    if (tel_agenda_take(agenda, TEL_WORK_SETTLE, now))
        tel_collector_settle_ended(collector);
    if (tel_pending_due(collector->pending) != 0 && tel_pending_due(collector->pending) <= now)
        tel_collector_release_leaders(collector, now);
    if (tel_agenda_take(agenda, TEL_WORK_FOLD, now))
        tel_upkeep_fold(upkeep, false);
    if (tel_agenda_take(agenda, TEL_WORK_RETRY, now))
        retry(collector);
    if (tel_agenda_take(agenda, TEL_WORK_ADOPT, now))
        tel_collector_adopt_orphans(collector);
    if (tel_agenda_take(agenda, TEL_WORK_SYNC, now))
        tel_upkeep_sync(upkeep);
    if (tel_agenda_take(agenda, TEL_WORK_ROOM, now))
        tel_upkeep_make_room(upkeep);
    if (tel_agenda_take(agenda, TEL_WORK_CARE, now))
        tel_upkeep_care(upkeep, now - collector->last_active_ns);
    if (tel_agenda_take(agenda, TEL_WORK_LOOK, now))
        look_around(collector);
    tel_outbox_work(collector->outbox);
}

/* --- the loop --------------------------------------------------------------------------------- */

static bool has_nothing_to_do(const struct tel_collector *collector)
{
    const struct tel_agenda *agenda = &collector->agenda;

    return tel_live_count(collector->live) == 0 && !tel_live_any_ended(collector->live) &&
           !tel_inbox_holds_lines(collector->inbox) && !tel_inbox_any_late(collector->inbox) &&
           !tel_agenda_has(agenda, TEL_WORK_STARTS) && !tel_agenda_has(agenda, TEL_WORK_FOLD) &&
           !tel_agenda_has(agenda, TEL_WORK_RETRY) && !tel_agenda_has(agenda, TEL_WORK_ADOPT) &&
           !tel_collector_waits_for_posts(collector);
}

/* Makes next, a time, no later than when; 0 is no time. */
static void no_later_than(int64_t *next, int64_t when)
{
    if (when != 0 && when < *next)
        *next = when;
}

/* When there is nothing to do. */
static int64_t time_to_leave(const struct tel_collector *collector)
{
    const int64_t quiet = collector->last_active_ns + idle_patience_ns;
    const int64_t retired = tel_outbox_retired_ns(collector->outbox);

    return retired > quiet ? retired : quiet;
}

/* When epoll_wait has to return without an event, in milliseconds. */
static int wait_ms(const struct tel_collector *collector)
{
    const int64_t now = tel_clock_boottime_ns();
    int64_t next = tel_agenda_next_ns(&collector->agenda);

    no_later_than(&next, tel_pending_due(collector->pending));
    no_later_than(&next, tel_outbox_due_ns(collector->outbox));
    if (!collector->options->stay && has_nothing_to_do(collector))
        no_later_than(&next, time_to_leave(collector));
    if (next <= now)
        return 0;
    return (int)((next - now) / MS) + 1;
}

static void serve_once(struct tel_collector *collector)
{
    tel_live_bury(collector->live);
    tel_collector_take_events(collector, wait_ms(collector));
    tel_collector_answer_requests(collector);
    do_due_work(collector);
}

static bool has_to_stop(const struct tel_collector *collector)
{
    return collector->is_told_to_stop || collector->upkeep.is_lost;
}

static int watch_claim(struct tel_collector *collector)
{
    const struct tel_claim *claim = &collector->options->claim;
    int status = tel_collector_watch(collector, TEL_SOURCE_START, claim->start);

    return status < 0 ? status : tel_collector_watch(collector, TEL_SOURCE_REQUEST, claim->request);
}

/* Hosts do without when there is none. */
static void leave_site(const struct tel_datadir *dir)
{
    char memory[TEL_SITE_PATH_MAX];
    const char *path = tel_site_path(memory, dir);
    char boot_id[TEL_BOOT_ID_LEN + 1];
    char text[TEL_SITE_MAX];

    if (path == NULL)
        return;
    unlink(path);
    tel_boot_id(boot_id);
    snprintf(text, sizeof text, "%llu %d %s", (unsigned long long)tel_pid_namespace(),
             (int)getpid(), boot_id);
    if (boot_id[0] != '\0')
        (void)!symlink(text, path);
}

/* Whoever connected before the sockets were unlinked must not be left without an answer: takes what
 * is in the queues. True when there was something, and the collector has to go on. */
static bool leave(struct tel_collector *collector)
{
    struct tel_claim *claim = &collector->options->claim;
    const int64_t before = collector->last_active_ns;

    if (tel_upkeep_is_ours(&collector->upkeep))
        tel_claim_unlink(collector->dir);
    tel_collector_drain_starts(collector);
    tel_collector_take_requests(collector);
    if (has_to_stop(collector) ||
        (tel_live_count(collector->live) == 0 && !tel_inbox_any_asking(collector->inbox) &&
         !tel_inbox_any_late(collector->inbox) && !tel_inbox_holds_lines(collector->inbox) &&
         collector->last_active_ns == before))
        return false;
    close(claim->start);
    close(claim->request);
    if (tel_claim_listen(claim, collector->dir, NULL) < 0 || watch_claim(collector) < 0)
        return false;
    leave_site(collector->dir);
    return true;
}

/* The journal has it all: whoever comes next can try again. */
static bool may_give_up(const struct tel_collector *collector)
{
    return tel_agenda_has(&collector->agenda, TEL_WORK_RETRY) &&
           tel_live_count(collector->live) == 0 && !tel_inbox_holds_lines(collector->inbox);
}

static bool is_done(struct tel_collector *collector)
{
    const int64_t quiet = tel_clock_boottime_ns() - collector->last_active_ns;

    if (has_to_stop(collector))
        return true;
    if (collector->options->stay)
        return false;
    if (has_nothing_to_do(collector) && quiet >= idle_patience_ns)
        return !tel_outbox_retire(collector->outbox);
    return may_give_up(collector) && quiet >= give_up_after_ns;
}

static void serve(struct tel_collector *collector)
{
    collector->last_active_ns = tel_clock_boottime_ns();
    tel_agenda_add_at(&collector->agenda, TEL_WORK_ADOPT, collector->last_active_ns);
    look_around(collector);
    tel_collector_take_requests(collector);
    tel_collector_drain_starts(collector);
    tel_upkeep_fold(&collector->upkeep, true);
    tel_collector_answer_requests(collector);
    tel_leftovers_remove(collector->dir);
    tel_outbox_look(collector->outbox);
    do
        serve_once(collector);
    while (!is_done(collector) || leave(collector));
    /* Who is told to go leaves nothing half known. */
    tel_collector_take_events(collector, 0);
    tel_collector_settle_ended(collector);
    tel_collector_answer_requests(collector);
    tel_collector_release_leaders(collector, INT64_MAX);
}

/* --- set-up ----------------------------------------------------------------------------------- */

static int open_signals(struct tel_collector *collector)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    collector->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (collector->signal_fd < 0)
        return -errno;
    return tel_collector_watch(collector, TEL_SOURCE_SIGNAL, collector->signal_fd);
}

/* What a host has handed over would go on to the poster, and keep the sockets alive. */
static void keep_claim(const struct tel_claim *claim)
{
    const int fds[] = {claim->lock, claim->start, claim->request};

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
}

static int open_collector(struct tel_collector *collector, struct tel_error *err)
{
    int status;

    leave_site(collector->dir);
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
    if (tel_collector_open_outbox(collector) < 0)
        return tel_fail(err, -ENOMEM, "no memory", NULL);
    tel_inbox_on_message(collector->inbox, tel_collector_take_parcel, collector);
    tel_inbox_on_say(collector->inbox, tel_collector_write_down, collector);
    status = tel_collector_watch(collector, TEL_SOURCE_LATE, tel_inbox_late_fd(collector->inbox));
    if (status < 0)
        return tel_fail_sys(err, status, "epoll", NULL);
    status = tel_upkeep_open(&collector->upkeep, err);
    if (status == 0)
        tel_fold_set_between(collector->upkeep.fold, tel_collector_look_up, collector);
    return status;
}

/* The claim goes before the disk is waited for: a host that wants to start the next collector tries
 * for a few milliseconds only. */
static void close_collector(struct tel_collector *collector, bool failed)
{
    struct tel_store *store = tel_upkeep_store(&collector->upkeep);

    tel_claim_drop(&collector->options->claim, collector->dir, failed);
    tel_outbox_free(collector->outbox);
    tel_upkeep_close(&collector->upkeep, store);
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
    struct tel_collector collector = {
        .options = options,
        .dir = options->dir,
        .upkeep = {.dir = options->dir, .claim = &options->claim, .agenda = &collector.agenda},
        .epoll_fd = -1,
        .signal_fd = -1,
    };
    int status;

    tel_clock_use(clock_gettime);
    tel_wal_writer_use();
    status = open_collector(&collector, err);

    if (status == 0)
        serve(&collector);
    close_collector(&collector, status < 0);
    return status;
}
