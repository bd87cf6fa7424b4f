/* See upkeep.h. */
#include "upkeep.h"

#include "base/clock.h"

#include <sys/stat.h>

#define MS INT64_C(1000000)

enum {
    BUSY_MS = 100,
    COPY_MS = 10, /* how often it is looked whether the janitor is done */
    CARE_BYTES = 256 * 1024,
    FORCED_CARE_BYTES = 32 * 1024 * 1024,
    LAST_CARE_BYTES = 2 * FORCED_CARE_BYTES, /* the janitor does not keep up */
    REST_BYTES = 1024 * 1024                 /* that may be left to copy while hosts have to wait */
};

int tel_upkeep_open(struct tel_upkeep *upkeep, struct tel_error *err)
{
    upkeep->janitor = tel_janitor_start(upkeep->dir);
    return tel_fold_open(&upkeep->fold, upkeep->dir, BUSY_MS, err);
}

void tel_upkeep_close(struct tel_upkeep *upkeep, struct tel_store *store)
{
    if (store != NULL && tel_store_wal_bytes(store) > 0)
        tel_store_checkpoint(store, TEL_WAL_CUT, NULL);
    tel_fold_close(upkeep->fold);
    tel_janitor_stop(upkeep->janitor);
}

bool tel_upkeep_is_ours(const struct tel_upkeep *upkeep)
{
    char path[TEL_PATH_MAX];
    struct stat held;
    struct stat there;

    return tel_run_path(path, upkeep->dir, TEL_LOCK_SUFFIX) == 0 &&
           fstat(upkeep->claim->lock, &held) == 0 && lstat(path, &there) == 0 &&
           held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

void tel_upkeep_look(struct tel_upkeep *upkeep)
{
    if (!tel_upkeep_is_ours(upkeep))
        upkeep->is_lost = true;
}

struct tel_store *tel_upkeep_store(struct tel_upkeep *upkeep)
{
    return upkeep->fold != NULL && tel_upkeep_is_ours(upkeep) ? tel_fold_store(upkeep->fold, NULL)
                                                              : NULL;
}

bool tel_upkeep_fold(struct tel_upkeep *upkeep, bool scan_all)
{
    int status;

    tel_upkeep_look(upkeep);
    if (upkeep->is_lost)
        return false; /* nothing that was deleted comes back to life */
    upkeep->fold_began_ns = tel_clock_boottime_ns();
    status = tel_fold_pass(upkeep->fold, scan_all, NULL, NULL);
    tel_agenda_drop(upkeep->agenda, TEL_WORK_FOLD);
    tel_agenda_add(upkeep->agenda, status < 0 ? TEL_WORK_RETRY : TEL_WORK_CARE);
    tel_agenda_add(upkeep->agenda, TEL_WORK_ROOM);
    return status >= 0;
}

void tel_upkeep_note_written(struct tel_upkeep *upkeep)
{
    tel_agenda_add(upkeep->agenda, TEL_WORK_SYNC);
}

/* What was written just before midnight lies in another file. */
void tel_upkeep_sync(struct tel_upkeep *upkeep)
{
    const int64_t minute_ns = INT64_C(60000000000);
    struct tel_instant now;

    tel_clock_now(&now);
    tel_janitor_sync(upkeep->janitor, tel_date_of(now.realtime_ns - minute_ns),
                     tel_date_of(now.realtime_ns));
}

void tel_upkeep_make_room(struct tel_upkeep *upkeep)
{
    struct tel_store *store = tel_upkeep_store(upkeep);

    if (store != NULL)
        tel_store_make_room(store);
}

/* In a log that has begun anew, all is to be copied again. */
static bool needs_copy(const struct tel_upkeep *upkeep, uint64_t bytes)
{
    const uint64_t copied = upkeep->copied <= bytes ? upkeep->copied : 0;

    return bytes - copied > REST_BYTES && bytes < LAST_CARE_BYTES;
}

void tel_upkeep_care(struct tel_upkeep *upkeep, int64_t quiet_ns)
{
    struct tel_store *store = tel_upkeep_store(upkeep);
    const uint64_t bytes = store == NULL ? 0 : tel_store_wal_bytes(store);
    const bool quiet = quiet_ns >= tel_agenda_delay_ns(TEL_WORK_CARE);

    if (bytes < CARE_BYTES)
        return;
    if (!quiet && bytes < FORCED_CARE_BYTES) {
        tel_agenda_add(upkeep->agenda, TEL_WORK_CARE);
        return;
    }
    if (!tel_janitor_is_copying(upkeep->janitor) && needs_copy(upkeep, bytes)) {
        tel_janitor_copy_wal(upkeep->janitor);
        upkeep->copied = bytes;
    }
    if (tel_janitor_is_copying(upkeep->janitor)) {
        tel_agenda_add_at(upkeep->agenda, TEL_WORK_CARE, tel_clock_boottime_ns() + COPY_MS * MS);
    } else {
        tel_store_checkpoint(store, quiet ? TEL_WAL_CUT : TEL_WAL_KEEP, NULL);
        upkeep->copied = 0;
    }
}
