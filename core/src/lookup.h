/* What the journal says of one run, without the database: where its last line lies, whether it still
 * runs, and what recognises its process. */
#ifndef TEL_LOOKUP_H
#define TEL_LOOKUP_H

#include "base/journal.h"
#include "base/process.h"
#include "base/runline.h"

struct tel_run_facts {
    struct tel_journal_pos last_line; /* of the run's last run line */
    bool event_after;                 /* an event of the run lies behind it */
    bool running;                     /* by that line */
    bool scope;                       /* a section of a process, ended by a call */
    bool has_process;                 /* what follows is known */
    uint64_t pid_ns;                  /* 0 unknown */
    struct tel_process_key process;
};

/* Reads the journal from `from` on, which lies at or before a line of the run (a zero position: from
 * the day in the run's id on, before which none can have been written). 1 found, 0 no run line of run_id is there, negative on error. */
int tel_run_look_up(const struct tel_datadir *dir, struct tel_str run_id,
                    const struct tel_journal_pos *from, struct tel_run_facts *facts,
                    struct tel_error *err);

/* True when the run's process is gone for certain: it has ended, although no line says so yet. False
 * for processes of other pid namespaces, whose numbers mean nothing here. */
bool tel_run_process_is_gone(const struct tel_run_facts *facts);

#endif
