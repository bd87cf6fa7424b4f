/* Runs that are marked running and that nobody watches: their collector was killed, or there never
 * was one, or the machine was restarted. */
#ifndef TEL_ORPHANS_H
#define TEL_ORPHANS_H

#include "settle.h"

/* Gets each orphan whose process is still there. Takes pidfd. */
typedef void tel_orphan_fn(void *arg, struct tel_str run_id, int pidfd,
                           const struct tel_journal_pos *last_line);

/* Looks at every run of this user that is marked running and is not in live (NULL: none is watched):
 * gives those whose process lives to fn, and closes those whose process is gone. Runs of another
 * machine, where the directory is on a network filesystem, are left to that; runs of another
 * pid namespace are left to their own collector, unless it is certain that they have ended. The database must be up to date, and is afterwards.
 * 0; 1 when there were not enough descriptors to look at all; negative when it cannot be read. */
int tel_orphans_settle(const struct tel_settler *settler, const struct tel_live *live,
                       tel_orphan_fn *fn, void *arg, struct tel_error *err);

#endif
