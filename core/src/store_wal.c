/* The database's write-ahead log (store.h): how long it is, copying it back, making room in it. */
#include "store_internal.h"

#include "base/sys.h"
#include "wal_writer.h"

#include <errno.h>

/* https://www.sqlite.org/fileformat2.html#walformat */
enum { FRAME_HEADER = 24, LOG_HEADER = 32 };

/* What becomes of the WAL's file when the log begins anew. */
static const char *const wal_sizes[] = {
    [TEL_WAL_KEEP] = "PRAGMA journal_size_limit = -1",
    [TEL_WAL_CUT] = "PRAGMA journal_size_limit = 8388608",
};

/* 1 when all was copied. mode: of sqlite3_wal_checkpoint_v2. */
static int copy(struct tel_store *store, int mode, enum tel_wal_size size, struct tel_error *err)
{
    int pages = 0;
    int copied = 0;
    const int status = tel_db_exec(store->db, wal_sizes[size], err);
    int rc;

    if (status < 0)
        return status;
    rc = sqlite3_wal_checkpoint_v2(store->db, "main", mode, &pages, &copied);
    if (rc != SQLITE_OK)
        return tel_db_fail(err, store->db, rc);
    return pages > 0 && copied == pages;
}

/* The WAL begins anew with the next commit, which has to sync its header: better now than while a host waits. */
static int begin_anew(struct tel_store *store, struct tel_error *err)
{
    return tel_store_run(store, TEL_STATEMENT_PRIME, err);
}

int tel_store_checkpoint(struct tel_store *store, enum tel_wal_size size, struct tel_error *err)
{
    const int status = copy(store, SQLITE_CHECKPOINT_PASSIVE, size, err);

    return status == 1 ? begin_anew(store, err) : status;
}

/* What comes while it is copied is copied with the write lock held, and that is little. Another writer is waited for,
 * but not for long, as a reader in the way would be waited for with the lock held, too. */
static int copy_by_itself(struct tel_store *store, enum tel_wal_size size, struct tel_error *err)
{
    enum { LAST_BUSY_MS = 10 };
    int status = tel_store_connect(store, err);

    if (status == 0) /* a connection that has read nothing knows of no log */
        status = tel_db_exec(store->db, "PRAGMA synchronous = NORMAL; PRAGMA schema_version", err);
    if (status == 0)
        status = copy(store, SQLITE_CHECKPOINT_PASSIVE, size, err);
    if (status < 0)
        return status;
    sqlite3_busy_timeout(store->db, LAST_BUSY_MS);
    status = copy(store, SQLITE_CHECKPOINT_RESTART, size, err);
    sqlite3_busy_timeout(store->db, store->busy_ms);
    if (status == 1)
        status = begin_anew(store, err) < 0 ? 0 : 1;
    return status == TEL_ERR_BUSY ? 0 : status;
}

int tel_store_copy_wal(const struct tel_datadir *dir, enum tel_wal_size size, struct tel_error *err)
{
    enum { BUSY_MS = 1000 };
    struct tel_store *store = tel_store_new(dir, BUSY_MS);
    int status;

    if (store == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot open the database", NULL);
    status = copy_by_itself(store, size, err);
    tel_store_close(store);
    return status;
}

void tel_store_note_new_wal(struct tel_store *store)
{
    store->wal_pages = 0;
}

/* Somebody else's lock is not waited for: a host may come meanwhile. */
void tel_store_make_room(struct tel_store *store)
{
    if (!tel_wal_writer_is_short(store->db))
        return;
    sqlite3_busy_timeout(store->db, 0);
    if (tel_store_run(store, TEL_STATEMENT_BEGIN, NULL) == 0) {
        tel_wal_writer_extend(store->db);
        tel_store_rollback(store);
    }
    sqlite3_busy_timeout(store->db, store->busy_ms);
}

uint64_t tel_store_wal_bytes(const struct tel_store *store)
{
    char memory[TEL_PATH_MAX + 8];
    struct tel_buf path;
    struct stat st;

    if (store->wal_pages > 0)
        return LOG_HEADER + (uint64_t)(store->wal_pages * (store->page_size + FRAME_HEADER));
    if (store->wal_pages == 0)
        return 0;
    tel_buf_init(&path, memory, sizeof memory);
    tel_buf_cstr(&path, store->path);
    tel_buf_cstr(&path, "-wal");
    if (tel_sys_fstatat(AT_FDCWD, tel_buf_terminate(&path), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return (uint64_t)st.st_size;
}
