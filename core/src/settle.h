/* Settling runs: comparing what the run's own lines say with what the kernel says, and writing the
 * run's last line where there is none or where it is wrong (DESIGN 2, CONTRACT 5). */
#ifndef TEL_SETTLE_H
#define TEL_SETTLE_H

#include "exit_status.h"
#include "fold.h"
#include "live.h"

struct tel_settler {
    const struct tel_datadir *dir; /* borrowed */
    struct tel_fold *fold;         /* borrowed */
    enum tel_exit_source source;
    /* The last pass of fold has succeeded; else runs are looked up in the journal. */
    bool up_to_date;
};

enum tel_settled {
    TEL_SETTLED,         /* nothing more to do; the run can be forgotten */
    TEL_SETTLED_WRITTEN, /* likewise, and a line was appended that wants folding */
    TEL_SETTLE_LATER     /* the kernel does not say yet, or the disk does not take the line */
};

/* How long to wait for a process's reaping, by its parent, of which the kernel tells how it ended. */
enum tel_patience {
    TEL_PATIENT,   /* it comes any moment */
    TEL_IMPATIENT, /* unless the zombie's own file tells, too */
    TEL_GIVE_UP    /* no longer */
};

/* A watched run whose process has ended. Its end time stays null when it is not known to the second:
 * the collector was stopped, or came later. */
enum tel_settled tel_settle_ended(const struct tel_settler *settler, const struct tel_live_run *run,
                                  enum tel_patience patience);

/* A run that is marked running although its process is gone and nobody watched it. why is joined to
 * "ended without a trace". */
enum tel_settled tel_settle_lost(const struct tel_settler *settler, struct tel_str run_id,
                                 const struct tel_journal_pos *last_line, const char *why);

#endif
