/* Appending to the journal from programs of our own, which unlike a host have no file size limit to
 * mind, and remember no file between two lines. */
#ifndef TEL_APPEND_H
#define TEL_APPEND_H

#include "base/journal.h"

/* Appends line (which ends in '\n') to today's file, or to not_before's (a date, 0 = any) where that is
 * newer. sync: it is on disk on return. Errors as tel_journal_append. */
int tel_append(const struct tel_datadir *dir, uint32_t not_before, bool sync, struct tel_str line,
               struct tel_error *err);
/* Has what was appended to the file of that date on the disk; also where there is none. */
int tel_append_sync(const struct tel_datadir *dir, uint32_t date, struct tel_error *err);

#endif
