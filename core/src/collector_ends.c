/* Runs that end while they are watched, and those of earlier collectors that nobody watches: the run's word
 * and the kernel's word, brought together once the database is up to date. */
#include "collector_internal.h"

#include "base/clock.h"
#include "orphans.h"
#include "take_in.h"

#define MS INT64_C(1000000)

static const int64_t reap_patience_ns = 100 * MS; /* for a parent to reap its zombie */
static const int64_t reap_limit_ns = 60000 * MS;  /* where only its reaping tells how it ended */

static struct tel_settler settler_of(struct tel_collector *collector)
{
    return (struct tel_settler){
        .dir = collector->dir,
        .fold = collector->upkeep.fold,
        .source = collector->options->exit_source,
    };
}

static enum tel_patience patience_with(const struct tel_live_run *run)
{
    const int64_t age = tel_clock_boottime_ns() - run->ended_boot_ns;

    return age < reap_patience_ns ? TEL_PATIENT : age < reap_limit_ns ? TEL_IMPATIENT : TEL_GIVE_UP;
}

static void settle_later(struct tel_collector *collector, int64_t delay_ns)
{
    tel_agenda_add_at(&collector->agenda, TEL_WORK_SETTLE, tel_clock_boottime_ns() + delay_ns);
}

/* True when a line has been written. */
static bool settle_one(struct tel_collector *collector, const struct tel_settler *settler,
                       struct tel_live_run *run)
{
    const enum tel_patience patience = patience_with(run);
    enum tel_settled settled;

    if (run->pidfd < 0)
        return false; /* forgotten during the fold */
    settled = tel_settle_ended(settler, run, patience);
    if (settled == TEL_SETTLE_LATER) {
        tel_live_put_back(collector->live, run);
        settle_later(collector, patience == TEL_PATIENT ? reap_patience_ns
                                                        : tel_agenda_delay_ns(TEL_WORK_RETRY));
    } else {
        tel_live_remove(collector->live, run);
    }
    return settled == TEL_SETTLED_WRITTEN;
}

void tel_collector_settle_ended(struct tel_collector *collector)
{
    struct tel_settler settler = settler_of(collector);
    struct tel_live_run *next;
    bool written = false;

    /* Whoever has ended may have sent word before, and handed its run on. */
    tel_collector_drain_starts(collector);
    tel_collector_release_ended_leaders(collector);
    /* A run whose start line is still kept here would be one that nobody knows. */
    if (tel_inbox_append_lines(collector->inbox) < 0) {
        settle_later(collector, tel_agenda_delay_ns(TEL_WORK_RETRY));
        return;
    }
    /* Before the fold: who ends meanwhile may have written its end line after it. */
    next = tel_live_take_ended(collector->live);
    settler.up_to_date = tel_upkeep_fold(&collector->upkeep, false);
    while (next != NULL) {
        struct tel_live_run *run = next;

        next = run->queued;
        if (settle_one(collector, &settler, run))
            written = true;
    }
    if (written)
        tel_upkeep_fold(&collector->upkeep, false);
    tel_outbox_look(collector->outbox);
    /* A host that does not wait says nothing of its end line. */
    tel_upkeep_note_written(&collector->upkeep);
}

static void adopt(void *arg, struct tel_str run_id, int pidfd,
                  const struct tel_journal_pos *last_line)
{
    struct tel_collector *collector = arg;

    tel_live_add(collector->live, run_id, pidfd, last_line);
}

/* When the database is up to date. Starts first: a run that has just begun has sent word. */
void tel_collector_adopt_orphans(struct tel_collector *collector)
{
    const struct tel_settler settler = settler_of(collector);
    struct tel_agenda *agenda = &collector->agenda;
    int status;

    tel_agenda_drop(agenda, TEL_WORK_ADOPT);
    if (tel_agenda_has(agenda, TEL_WORK_RETRY)) {
        tel_agenda_add_at(agenda, TEL_WORK_ADOPT, agenda->at[TEL_WORK_RETRY]);
        return;
    }
    tel_collector_drain_starts(collector);
    if (!tel_upkeep_is_ours(&collector->upkeep))
        return;
    status = tel_orphans_settle(&settler, collector->live, adopt, collector, NULL);
    if (status < 0)
        tel_agenda_add(agenda, TEL_WORK_RETRY);
    if (status != 0)
        tel_agenda_add(agenda, TEL_WORK_ADOPT);
    if (tel_take_in_all(collector->dir, collector->upkeep.fold, NULL) > 0)
        tel_upkeep_fold(&collector->upkeep, false);
}
