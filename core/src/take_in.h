/* Taking mailboxes in: what was said of a run becomes part of its last line once it has ended. */
#ifndef TEL_TAKE_IN_H
#define TEL_TAKE_IN_H

#include "fold.h"
#include "mailbox.h"

/* The run has ended (it is left alone when the journal says otherwise): appends a further run line with
 * what its mailbox holds, or a repeated one when an event lies behind the last, and removes the
 * mailbox, unless it is sealed and its owner may come. Whatever dies on the way, nothing is lost, and nothing is added twice. `from` lies at or
 * before the run's last line, or nowhere when that is not known. 1 a line was appended, 0 nothing to do, negative: try again later. */
int tel_take_in(const struct tel_datadir *dir, struct tel_str run_id,
                const struct tel_journal_pos *from, struct tel_error *err);

/* All mailboxes of runs that have ended by the database, which must be up to date: left by somebody
 * who was killed, or said when no collector was there. 1 a line was appended, 0, negative as above. */
int tel_take_in_all(const struct tel_datadir *dir, struct tel_fold *fold, struct tel_error *err);

#endif
