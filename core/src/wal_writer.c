/* See wal_writer.h. A VFS (https://www.sqlite.org/vfs.html) that is the system's own, but for write-ahead
 * logs: their frames are held back until the one that commits has come. Nobody reads them before, as the
 * log's index tells of them only when they are all written. */
#include "wal_writer.h"

#include <stdlib.h>
#include <string.h>

/* https://www.sqlite.org/fileformat2.html#walformat */
enum {
    FRAME_HEADER = 24,
    SIZE_AT = 4, /* in it: of the database, in the last frame of a commit; else 0 */
    SIZE_LEN = 4,
    PAGE_MAX = 64 * 1024,
    HELD_MAX = FRAME_HEADER + PAGE_MAX,
    ROOM_MIN = 256 * 1024, /* a commit of one run takes 37 KiB */
    ROOM_MAX = 512 * 1024
};

/* SQLite allocates it, and the system's file behind it. */
struct log {
    sqlite3_file base;
    sqlite3_file *file;
    char *held; /* HELD_MAX bytes */
    int len;    /* of what is held */
    sqlite3_int64 at;
    sqlite3_int64 end; /* of the last commit; 0: none yet */
    bool commits;      /* the frame whose header came last */
};

static struct log *log_of(sqlite3_file *file)
{
    return (struct log *)(void *)file;
}

static int write_through(struct log *log, const void *bytes, int len, sqlite3_int64 at)
{
    return log->file->pMethods->xWrite(log->file, bytes, len, at);
}

/* When that fails, the transaction does: what was held is of no use any more. */
static int let_go(struct log *log)
{
    const int len = log->len;

    log->len = 0;
    return len == 0 ? SQLITE_OK : write_through(log, log->held, len, log->at);
}

static int hold(struct log *log, const void *bytes, int len, sqlite3_int64 at)
{
    const int rc = log->len + len > HELD_MAX ? let_go(log) : SQLITE_OK;

    if (rc != SQLITE_OK)
        return rc;
    if (log->len == 0)
        log->at = at;
    memcpy(log->held + log->len, bytes, (size_t)len);
    log->len += len;
    return SQLITE_OK;
}

static int hold_header(struct log *log, const char *header, sqlite3_int64 at)
{
    static const char none[SIZE_LEN];

    log->commits = memcmp(header + SIZE_AT, none, SIZE_LEN) != 0;
    return hold(log, header, FRAME_HEADER, at);
}

static int hold_page(struct log *log, const char *page, int len, sqlite3_int64 at)
{
    int rc = hold(log, page, len, at);

    if (rc == SQLITE_OK && log->commits) {
        rc = let_go(log);
        log->end = at + len;
    }
    return rc;
}

static int write_log(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 at)
{
    struct log *log = log_of(file);

    /* What is held belongs to a transaction that came to nothing, and may lie where another process has
     * committed since. Better this one fails, too. */
    if (log->len > 0 && at != log->at + log->len) {
        log->len = 0;
        return SQLITE_IOERR_WRITE;
    }
    if (len == FRAME_HEADER)
        return hold_header(log, bytes, at);
    if (log->len == 0) /* the log's own header */
        return write_through(log, bytes, len, at);
    return hold_page(log, bytes, len, at);
}

/* --- room for what is to come -------------------------------------------------------------------- */

static const sqlite3_io_methods log_methods;

/* NULL when db's log is not ours. */
static struct log *log_of_database(sqlite3 *db)
{
    sqlite3_file *file = NULL;

    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file) != SQLITE_OK ||
        file == NULL || file->pMethods != &log_methods)
        return NULL;
    return log_of(file);
}

static sqlite3_int64 size_of(struct log *log)
{
    sqlite3_int64 size = 0;

    log->file->pMethods->xFileSize(log->file, &size);
    return size;
}

/* Where the file ends, when that is behind our own last commit; else 0: the log has begun anew since, and where it
 * is now will be known with our next commit. */
static sqlite3_int64 size_behind_commit(struct log *log)
{
    const sqlite3_int64 size = log == NULL || log->end == 0 ? 0 : size_of(log);

    return size > 0 && size >= log->end ? size : 0;
}

bool tel_wal_writer_is_short(sqlite3 *db)
{
    struct log *log = log_of_database(db);
    const sqlite3_int64 size = size_behind_commit(log);

    return size > 0 && size < log->end + ROOM_MIN;
}

void tel_wal_writer_extend(sqlite3 *db)
{
    static const char zeros[PAGE_MAX];
    struct log *log = log_of_database(db);
    sqlite3_int64 at = size_behind_commit(log);
    int rc = SQLITE_OK;

    if (at == 0)
        return;
    for (; rc == SQLITE_OK && at < log->end + ROOM_MAX; at += PAGE_MAX)
        rc = write_through(log, zeros, PAGE_MAX, at);
}

/* --- whatever else happens to a log ------------------------------------------------------------- */

static int close_log(sqlite3_file *file)
{
    struct log *log = log_of(file);

    free(log->held);
    return log->file->pMethods->xClose(log->file);
}

static int read_log(sqlite3_file *file, void *bytes, int len, sqlite3_int64 at)
{
    struct log *log = log_of(file);
    const int rc = let_go(log);

    return rc != SQLITE_OK ? rc : log->file->pMethods->xRead(log->file, bytes, len, at);
}

static int truncate_log(sqlite3_file *file, sqlite3_int64 size)
{
    struct log *log = log_of(file);
    const int rc = let_go(log);

    return rc != SQLITE_OK ? rc : log->file->pMethods->xTruncate(log->file, size);
}

static int sync_log(sqlite3_file *file, int flags)
{
    struct log *log = log_of(file);
    const int rc = let_go(log);

    return rc != SQLITE_OK ? rc : log->file->pMethods->xSync(log->file, flags);
}

static int size_of_log(sqlite3_file *file, sqlite3_int64 *size)
{
    struct log *log = log_of(file);
    const int rc = let_go(log);

    return rc != SQLITE_OK ? rc : log->file->pMethods->xFileSize(log->file, size);
}

static int lock_log(sqlite3_file *file, int lock)
{
    return log_of(file)->file->pMethods->xLock(log_of(file)->file, lock);
}

static int unlock_log(sqlite3_file *file, int lock)
{
    return log_of(file)->file->pMethods->xUnlock(log_of(file)->file, lock);
}

static int check_reserved(sqlite3_file *file, int *reserved)
{
    return log_of(file)->file->pMethods->xCheckReservedLock(log_of(file)->file, reserved);
}

static int control_log(sqlite3_file *file, int operation, void *arg)
{
    return log_of(file)->file->pMethods->xFileControl(log_of(file)->file, operation, arg);
}

static int sector_size(sqlite3_file *file)
{
    return log_of(file)->file->pMethods->xSectorSize(log_of(file)->file);
}

static int characteristics(sqlite3_file *file)
{
    return log_of(file)->file->pMethods->xDeviceCharacteristics(log_of(file)->file);
}

/* Version 1: shared memory and mapped pages are the database file's. */
static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = close_log,
    .xRead = read_log,
    .xWrite = write_log,
    .xTruncate = truncate_log,
    .xSync = sync_log,
    .xFileSize = size_of_log,
    .xLock = lock_log,
    .xUnlock = unlock_log,
    .xCheckReservedLock = check_reserved,
    .xFileControl = control_log,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
};

/* --- the VFS ------------------------------------------------------------------------------------ */

static sqlite3_vfs *systems;

static int open_log(const char *name, struct log *log, int flags, int *out_flags)
{
    int rc;

    memset(log, 0, sizeof *log);
    log->file = (sqlite3_file *)(void *)(log + 1);
    log->held = malloc(HELD_MAX);
    rc = log->held == NULL ? SQLITE_NOMEM
                           : systems->xOpen(systems, name, log->file, flags, out_flags);
    if (rc == SQLITE_OK)
        log->base.pMethods = &log_methods;
    else
        free(log->held);
    return rc;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) != 0)
        return open_log(name, log_of(file), flags, out_flags);
    return systems->xOpen(systems, name, file, flags, out_flags);
}

void tel_wal_writer_use(void)
{
    static sqlite3_vfs ours;

    if (systems != NULL)
        return;
    systems = sqlite3_vfs_find(NULL);
    ours = *systems;
    ours.zName = "telemetry";
    ours.pNext = NULL;
    ours.szOsFile += (int)sizeof(struct log);
    ours.xOpen = open_file;
    sqlite3_vfs_register(&ours, 1);
}
