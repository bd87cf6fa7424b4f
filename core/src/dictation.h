/* What programs say of their run through the shim (telemetry/auto.h), written down by the collector. */
#ifndef TEL_DICTATION_H
#define TEL_DICTATION_H

#include "base/datadir.h"
#include "base/journal.h"

/* Writes down one text of a TEL_REQUEST_SAY, of a run that lasts and whose line lies at pos, or shortly
 * after: an event goes to the journal, a value to the run's mailbox. A count's value may begin with '+':
 * then it is added. TEL_ERR_INVALID when it is nothing that can be said, negative errno. */
int tel_dictation_take(const struct tel_datadir *dir, struct tel_str run_id,
                       const struct tel_journal_pos *pos, struct tel_str text,
                       struct tel_error *err);

#endif
