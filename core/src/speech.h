/* One thing that is said of a run from outside of its own lines, on its way to the disk: a value to the
 * run's mailbox, an event to the journal. */
#ifndef TEL_SPEECH_H
#define TEL_SPEECH_H

#include "base/datadir.h"
#include "base/error.h"

struct tel_speech {
    const struct tel_datadir *dir; /* borrowed */
    struct tel_str run_id;
    struct tel_str line; /* whole: an event's (event_line.h), or a value's (values.h) */
    bool is_event;
    uint32_t date; /* of a line of the run: no event of it goes to an older file */
    bool sync;     /* the disk has it on return */
    /* Whether the run still lasts: 0, or the status that refuses. NULL: it does. */
    int (*check)(void *arg, struct tel_error *err);
    void *arg;
};

/* Writes it down under the lock of the run's mailbox: whoever ends the run, or settles it, waits until it
 * stands there. Whether the run lasts is asked when the lock is held: who settles the run and finds no mailbox
 * can be sure that nothing more is accepted. patience_ms: how long to wait for them. Errors: TEL_ERR_BUSY,
 * TEL_ERR_REFUSED, negative errno, those of check. */
int tel_speech_write(const struct tel_speech *speech, int patience_ms, struct tel_error *err);

#endif
