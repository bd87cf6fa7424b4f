/* The collector's work on journal and database: folding, syncing, copying the WAL back; and whether the
 * data directory is still the one that it has claimed. */
#ifndef TEL_UPKEEP_H
#define TEL_UPKEEP_H

#include "agenda.h"
#include "base/spawn.h"
#include "fold.h"
#include "janitor.h"

struct tel_upkeep {
    const struct tel_datadir *dir; /* borrowed, as are claim and agenda */
    const struct tel_claim *claim;
    struct tel_agenda *agenda;
    struct tel_fold *fold;
    struct tel_janitor *syncer;
    struct tel_janitor *copier; /* NULL: none is needed yet */
    int64_t fold_began_ns;      /* of the last pass, CLOCK_BOOTTIME */
    uint64_t wal_bound;         /* what the disk allows the WAL; 0: not looked at yet */
    int64_t copy_not_before_ns; /* CLOCK_BOOTTIME: something was in the way of the last one */
    bool is_lost;               /* a fold, or a look, has found the directory to be another's */
};

/* Upkeep of what dir, claim and agenda name. The database is not opened yet. 0 or negative; it has to be
 * closed in any case. */
int tel_upkeep_open(struct tel_upkeep *upkeep, struct tel_error *err);
/* store: as tel_upkeep_store told before the claim was dropped. */
void tel_upkeep_close(struct tel_upkeep *upkeep, struct tel_store *store);

/* The directory may have been deleted and made again: then the sockets at the path are another
 * collector's, and this one's time is over. */
bool tel_upkeep_is_ours(const struct tel_upkeep *upkeep);
/* Asks the same, and keeps the answer. */
void tel_upkeep_look(struct tel_upkeep *upkeep);
/* The database; NULL when it cannot be opened, or when the directory is no longer ours. Borrowed. */
struct tel_store *tel_upkeep_store(struct tel_upkeep *upkeep);

/* One pass of the fold. True when the database is up to date. Failures are retried, and meanwhile nothing
 * is lost: the journal has it all. */
bool tel_upkeep_fold(struct tel_upkeep *upkeep, bool scan_all);
/* Somebody may have written to the journal: it has to be synced. */
void tel_upkeep_note_written(struct tel_upkeep *upkeep);
/* TEL_WORK_SYNC. */
void tel_upkeep_sync(struct tel_upkeep *upkeep);
/* TEL_WORK_ROOM. */
void tel_upkeep_make_room(struct tel_upkeep *upkeep);
/* TEL_WORK_CARE: has the WAL copied back once it is quiet, or when it has grown out of hand. */
void tel_upkeep_care(struct tel_upkeep *upkeep, int64_t quiet_ns);

#endif
