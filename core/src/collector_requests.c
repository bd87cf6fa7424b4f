/* Those who wait for an answer: hosts that end and want their row, programs that say something of their
 * run, people who look. */
#include "collector_internal.h"

#include "dictation.h"
#include "take_in.h"

#include <stdlib.h>
#include <string.h>

/* Its word of the start may lie in the other socket yet; taking that would take the text's place. */
bool tel_collector_write_down(void *arg, const struct tel_message *message, struct tel_str text)
{
    struct tel_collector *collector = arg;
    const struct tel_str run_id = tel_str_from(message->run_id);
    char *copy = malloc(text.len + 1);
    bool done = false;

    if (copy == NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    if (!tel_live_lasts(collector->live, run_id))
        tel_collector_drain_starts(collector);
    if (tel_live_lasts(collector->live, run_id))
        done = tel_dictation_take(collector->dir, run_id, &message->line,
                                  (struct tel_str){copy, text.len}, NULL) == 0;
    free(copy);
    tel_upkeep_note_written(&collector->upkeep);
    return done;
}

void tel_collector_take_requests(struct tel_collector *collector)
{
    tel_inbox_take(collector->inbox, TEL_SOCKET_REQUEST, collector->options->claim.request);
}

/* What was said of a run that has just ended is folded together with its end line, which its host has
 * written before it asked. When that fails, the end of the process brings another try. */
static void take_in_asked(void *arg, const struct tel_message *message)
{
    struct tel_collector *collector = arg;
    const struct tel_str run_id = tel_str_from(message->run_id);

    if (message->request == TEL_REQUEST_LEAVE) {
        tel_collector_drain_starts(collector); /* that of a short one may still wait there */
        tel_live_forget(collector->live, run_id);
    }
    if (run_id.len > 0 && tel_mailboxes_have(&collector->mailboxes, collector->dir, run_id))
        tel_take_in(collector->dir, run_id, &message->line, NULL);
}

void tel_collector_answer_requests(struct tel_collector *collector)
{
    struct tel_inbox *inbox = collector->inbox;
    const bool all = tel_inbox_wants_all(inbox);
    bool done;

    if (!tel_inbox_any_asking(inbox))
        return;
    /* A run that sends its end line may have sent its start line, too: that one comes first. */
    if (tel_inbox_holds_lines(inbox))
        tel_collector_drain_starts(collector);
    tel_inbox_each_asking(inbox, take_in_asked, collector);
    done = tel_upkeep_fold(&collector->upkeep, all);
    /* Somebody looks. A journal without news needs no database, but they do; and runs whose word of
     * their start never came are not to stay "running" for them. */
    if (all && tel_fold_store(collector->upkeep.fold, NULL) == NULL)
        done = false;
    if (done && all)
        tel_collector_adopt_orphans(collector);
    tel_inbox_answer(inbox, done ? TEL_ANSWER_DONE : all ? TEL_ANSWER_FAILED : TEL_ANSWER_LATER);
    /* Nothing more is heard of a run that could not be watched. */
    tel_outbox_look(collector->outbox);
    tel_upkeep_note_written(&collector->upkeep);
}
