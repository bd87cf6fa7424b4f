/* Runs that begin: their words of it are drained together, and the line of a session leader waits for what
 * the leader may yet execute. */
#include "collector_internal.h"

#include "base/clock.h"

#include <unistd.h>

#define MS INT64_C(1000000)

static const int64_t pending_delay_ns = 500 * MS; /* for a session leader to execute something */

static void append_lines(struct tel_collector *collector)
{
    if (tel_inbox_append_lines(collector->inbox) < 0)
        tel_agenda_add(&collector->agenda, TEL_WORK_RETRY);
    tel_upkeep_note_written(&collector->upkeep);
    tel_agenda_add(&collector->agenda, TEL_WORK_FOLD);
}

void tel_collector_drain_starts(struct tel_collector *collector)
{
    const int fd = collector->options->claim.start;
    const bool any = tel_inbox_take(collector->inbox, TEL_SOCKET_START, fd);

    if (any || tel_inbox_holds_lines(collector->inbox))
        append_lines(collector);
    /* Where one has begun, others follow: looked for when it is time, they need not wake anybody. */
    if (any)
        tel_agenda_add(&collector->agenda, TEL_WORK_STARTS);
    else if (!tel_agenda_has(&collector->agenda, TEL_WORK_STARTS))
        tel_collector_watch_again(collector, TEL_SOURCE_START, fd);
}

static void hold_start(void *arg, struct tel_str line)
{
    struct tel_collector *collector = arg;

    tel_inbox_hold_start(collector->inbox, line);
}

/* A session leader: its line waits, for what it may yet execute. It may also come from one that hands
 * its run to a child: where its first line has been written already, so is this one. False when that child
 * has executed something that has begun a run already: that one counts. */
static bool add_leader(struct tel_collector *collector, struct tel_str run_id, struct tel_str line,
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
                         tel_clock_boottime_ns() + pending_delay_ns))
        tel_inbox_hold_start(collector->inbox, line);
    return true;
}

/* What a session leader has executed is the run, and not the leader before. */
static void replace_leader(struct tel_collector *collector, int pidfd)
{
    char run_id[TEL_RUN_ID_MAX];

    if (pidfd >= 0 && tel_pending_due(collector->pending) != 0 &&
        tel_pending_take_process(collector->pending, tel_live_identity(pidfd), run_id))
        tel_live_forget(collector->live, tel_str_from(run_id));
}

void tel_collector_take_parcel(void *arg, const struct tel_parcel *parcel)
{
    struct tel_collector *collector = arg;
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
        tel_agenda_add(&collector->agenda, TEL_WORK_ADOPT);
}

void tel_collector_release_leaders(struct tel_collector *collector, int64_t now_ns)
{
    tel_pending_release(collector->pending, now_ns, hold_start, collector);
    append_lines(collector);
}

void tel_collector_release_ended_leaders(struct tel_collector *collector)
{
    if (tel_pending_due(collector->pending) == 0)
        return;
    for (const struct tel_live_run *run = tel_live_first_ended(collector->live); run != NULL;
         run = run->queued)
        tel_pending_release_run(collector->pending, tel_str_from(run->run_id), hold_start,
                                collector);
}
