/* See upkeep.h. */
#include "upkeep.h"

#include "base/clock.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#define MS INT64_C(1000000)

enum {
    BUSY_MS = 100,
    SYNCER_NICE = 10,
    COPY_MS = 10, /* how often it is looked whether the copier is done */
    CARE_BYTES = 256 * 1024,
    WAL_MAX = 32 * 1024 * 1024,
    SHARE_OF_DISK = 4 /* of what is free, that part */
};

int tel_upkeep_open(struct tel_upkeep *upkeep, struct tel_error *err)
{
    int status;

    upkeep->syncer = tel_janitor_start(upkeep->dir, SYNCER_NICE);
    status = tel_fold_open(&upkeep->fold, upkeep->dir, BUSY_MS, err);
    if (status == 0)
        tel_fold_leave_log(upkeep->fold);
    return status;
}

void tel_upkeep_close(struct tel_upkeep *upkeep, struct tel_store *store)
{
    tel_janitor_stop(upkeep->copier); /* first, as it would be in the checkpoint's way */
    if (store != NULL && tel_store_wal_bytes(store) > 0)
        tel_store_checkpoint(store, TEL_WAL_CUT, NULL);
    tel_fold_close(upkeep->fold);
    tel_janitor_stop(upkeep->syncer);
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

static void look_again_soon(struct tel_upkeep *upkeep)
{
    tel_agenda_add_at(upkeep->agenda, TEL_WORK_CARE, tel_clock_boottime_ns() + COPY_MS * MS);
}

/* A run takes twenty times as much of the log as of journal and database: on a small disk it would take what they
 * need, and could not be copied back any more. */
static uint64_t bound_of_wal(const struct tel_datadir *dir)
{
    struct statvfs disk;
    uint64_t share;

    if (statvfs(dir->db, &disk) != 0)
        return WAL_MAX;
    share = (uint64_t)disk.f_bavail * disk.f_frsize / SHARE_OF_DISK;
    return share > WAL_MAX ? WAL_MAX : share > CARE_BYTES ? share : CARE_BYTES;
}

static bool is_wal_too_large(struct tel_upkeep *upkeep)
{
    const struct tel_store *store = tel_fold_store_if_open(upkeep->fold);

    if (store == NULL)
        return false;
    if (upkeep->wal_bound == 0)
        upkeep->wal_bound = bound_of_wal(upkeep->dir);
    return tel_store_wal_bytes(store) >= upkeep->wal_bound;
}

bool tel_upkeep_fold(struct tel_upkeep *upkeep, bool scan_all)
{
    struct tel_fold_stats stats = {0};
    int status;

    tel_upkeep_look(upkeep);
    if (upkeep->is_lost)
        return false; /* nothing that was deleted comes back to life */
    upkeep->fold_began_ns = tel_clock_boottime_ns();
    status = tel_fold_pass(upkeep->fold, scan_all, &stats, NULL);
    tel_agenda_drop(upkeep->agenda, TEL_WORK_FOLD);
    tel_agenda_add(upkeep->agenda, status < 0 ? TEL_WORK_RETRY : TEL_WORK_CARE);
    if (is_wal_too_large(upkeep))
        look_again_soon(upkeep);
    if (stats.batches > 0)
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
    tel_janitor_sync(upkeep->syncer, tel_date_of(now.realtime_ns - minute_ns),
                     tel_date_of(now.realtime_ns));
}

void tel_upkeep_make_room(struct tel_upkeep *upkeep)
{
    struct tel_store *store = tel_fold_store_if_open(upkeep->fold);

    if (store != NULL && upkeep->wal_bound == WAL_MAX && tel_upkeep_is_ours(upkeep))
        tel_store_make_room(store);
}

/* By a thread, as the disk takes its time; or, where there is none to be had, at once. */
static void copy_back(struct tel_upkeep *upkeep, struct tel_store *store, enum tel_wal_size size)
{
    if (upkeep->copier == NULL)
        upkeep->copier = tel_janitor_start(upkeep->dir, 0);
    if (upkeep->copier == NULL) {
        tel_store_checkpoint(store, size, NULL);
        return;
    }
    tel_janitor_copy_wal(upkeep->copier, size);
    look_again_soon(upkeep);
}

static void care_for(struct tel_upkeep *upkeep, struct tel_store *store, bool quiet)
{
    const uint64_t bytes = tel_store_wal_bytes(store);

    upkeep->wal_bound = bound_of_wal(upkeep->dir);
    if (bytes >= upkeep->wal_bound || (quiet && bytes >= CARE_BYTES))
        copy_back(upkeep, store, quiet ? TEL_WAL_CUT : TEL_WAL_KEEP);
    else if (bytes >= CARE_BYTES)
        tel_agenda_add(upkeep->agenda, TEL_WORK_CARE);
}

void tel_upkeep_care(struct tel_upkeep *upkeep, int64_t quiet_ns)
{
    struct tel_store *store = tel_upkeep_store(upkeep);
    const enum tel_copy copy = tel_janitor_take_copy(upkeep->copier);
    const int64_t now = tel_clock_boottime_ns();

    if (store == NULL)
        return;
    if (copy == TEL_COPY_WHOLE)
        tel_store_note_new_wal(store);
    if (copy == TEL_COPY_PART) /* each try stops those who commit for a moment */
        upkeep->copy_not_before_ns = now + tel_agenda_delay_ns(TEL_WORK_CARE);
    if (copy == TEL_COPY_BUSY)
        look_again_soon(upkeep);
    else if (now < upkeep->copy_not_before_ns)
        tel_agenda_add_at(upkeep->agenda, TEL_WORK_CARE, upkeep->copy_not_before_ns);
    else
        care_for(upkeep, store, quiet_ns >= tel_agenda_delay_ns(TEL_WORK_CARE));
}
