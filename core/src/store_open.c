/* Opening the database (store.h): which file it is, the connection and its settings, and what becomes of a file
 * that is damaged. */
#include "store_internal.h"

#include "base/clock.h"
#include "base/sys.h"
#include "quarantine.h"
#include "schema.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { NS_PER_MS = 1000 * 1000, RETRY_NS = 2 * NS_PER_MS, OPEN_TRIES = 3 };

/* Once for each connection. The page cache need not hold the database: a fold in order of time
 * touches the same few pages again and again; what is changed stays in it until the commit
 * (wal_writer.h). */
static const char settings[] =
    "PRAGMA synchronous = NORMAL; PRAGMA ignore_check_constraints = ON; PRAGMA cache_size = -8192;"
    "PRAGMA cache_spill = OFF; PRAGMA temp_store = MEMORY";

static const char *const suffixes[TEL_STORE_FILES] = {"", "-wal", "-shm"};

/* --- the file ---------------------------------------------------------------------------------- */

static int create_file(const struct tel_store *store, struct tel_error *err)
{
    int fd = tel_sys_openat(AT_FDCWD, store->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
                            store->file_mode);

    if (fd == -EEXIST)
        return 0;
    if (fd < 0)
        return tel_fail_sys(err, fd, "cannot create ", store->path, NULL);
    /* Whatever the umask; SQLite gives the same mode to -wal and -shm. */
    tel_sys_fchmod(fd, store->file_mode);
    tel_sys_close(fd);
    return 0;
}

static int check_file(const struct tel_store *store, struct tel_error *err)
{
    const int status = tel_db_check_file(store->path, err);

    return status == -ENOENT ? create_file(store, err) : status;
}

static void put_directory(const struct tel_store *store, char out[TEL_PATH_MAX])
{
    const size_t len = (size_t)(strrchr(store->path, '/') - store->path);

    memcpy(out, store->path, len);
    out[len] = '\0';
}

/* Links above the data directory are fine (a home that moved), but SQLITE_OPEN_NOFOLLOW refuses
 * any: it gets the directory's real path. */
static int real_path(const struct tel_store *store, char out[TEL_PATH_MAX], struct tel_error *err)
{
    const char *name = strrchr(store->path, '/');
    char directory[TEL_PATH_MAX];
    char resolved[PATH_MAX];
    struct tel_buf path;

    put_directory(store, directory);
    if (realpath(directory[0] == '\0' ? "/" : directory, resolved) == NULL)
        return tel_fail_sys(err, -errno, "cannot use ", directory, NULL);
    tel_buf_init(&path, out, TEL_PATH_MAX);
    tel_buf_cstr(&path, strcmp(resolved, "/") == 0 ? "" : resolved);
    tel_buf_cstr(&path, name);
    if (tel_buf_terminate(&path) == NULL)
        return tel_fail_sys(err, -ENAMETOOLONG, "cannot use ", store->path, NULL);
    return 0;
}

static bool identify(const struct tel_store *store, struct tel_file_id files[TEL_STORE_FILES])
{
    for (int i = 0; i < TEL_STORE_FILES; i++) {
        char memory[TEL_PATH_MAX + 8];
        struct tel_buf path;
        struct stat st;

        tel_buf_init(&path, memory, sizeof memory);
        tel_buf_cstr(&path, store->path);
        tel_buf_cstr(&path, suffixes[i]);
        if (tel_sys_fstatat(AT_FDCWD, tel_buf_terminate(&path), &st, AT_SYMLINK_NOFOLLOW) < 0)
            return false;
        files[i] = (struct tel_file_id){st.st_dev, st.st_ino};
    }
    return true;
}

/* One look at the directory instead of one at each file. */
bool tel_store_is_stale(struct tel_store *store)
{
    struct tel_file_id files[TEL_STORE_FILES];
    char directory[TEL_PATH_MAX];

    put_directory(store, directory);
    if (tel_directory_is_same(&store->directory, directory))
        return false;
    return !identify(store, files) || memcmp(files, store->files, sizeof files) != 0;
}

/* Remembers the files the connection has open; -ESTALE when they were replaced meanwhile. */
static int remember_files(struct tel_store *store, struct tel_error *err)
{
    int moved = 0;

    if (!identify(store, store->files) ||
        sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) != SQLITE_OK ||
        moved != 0)
        return tel_fail(err, -ESTALE, "the database was replaced while it was opened", NULL);
    return 0;
}

/* --- the connection ---------------------------------------------------------------------------- */

static int note_wal_size(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct tel_store *store = arg;

    (void)db;
    (void)name;
    store->wal_pages = pages;
    return SQLITE_OK;
}

int tel_store_connect(struct tel_store *store, struct tel_error *err)
{
    char path[TEL_PATH_MAX];
    int status = real_path(store, path, err);
    int rc;

    if (status == 0)
        status = tel_db_check_path(path, err);
    if (status < 0)
        return status;
    rc = sqlite3_open_v2(path, &store->db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    if (rc != SQLITE_OK)
        return tel_db_fail(err, store->db, sqlite3_extended_errcode(store->db));
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, store->busy_ms);
    /* Checkpoints are the collector's, when it is idle. This also takes SQLite's own place, which
     * would checkpoint in the middle of a host's wait. */
    sqlite3_wal_hook(store->db, note_wal_size, store);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return 0;
}

/* 1 in WAL mode, 0 not, negative on error. */
static int try_wal(struct tel_store *store, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status = tel_db_prepare(store->db, "PRAGMA journal_mode = WAL", &stmt, err);

    if (status == 0)
        status = tel_db_step(stmt, err);
    return status < 0 ? status : tel_str_is_nocase(tel_db_column(stmt, 0), "wal");
}

/* Two processes that make the same database at once: SQLite does not wait where both would. */
static int enter_wal(struct tel_store *store, struct tel_error *err)
{
    const int64_t deadline = tel_clock_boottime_ns() + (int64_t)store->busy_ms * NS_PER_MS;
    int status = try_wal(store, err);

    while (status == TEL_ERR_BUSY && tel_clock_boottime_ns() < deadline) {
        tel_sys_sleep_ns(RETRY_NS);
        status = try_wal(store, err);
    }
    if (status == 0)
        return tel_fail(err, -EOPNOTSUPP, "the database cannot use a write-ahead log here", NULL);
    return status < 0 ? status : 0;
}

/* A new database need not survive a power cut, the journal does: the first run of all does not
 * wait for the disk. */
static int prepare_schema(struct tel_store *store, struct tel_error *err)
{
    bool empty = false;
    int status = tel_schema_is_empty(store->db, &empty, err);

    if (status == 0)
        status = tel_schema_check(store->db, err);
    if (status == 0 && empty)
        status = tel_db_exec(store->db, "PRAGMA synchronous = OFF", err);
    if (status == 0)
        status = enter_wal(store, err);
    if (status == 0)
        status = tel_schema_complete(store->db, err);
    if (status == 0)
        status = tel_db_exec(store->db, settings, err);
    if (status == 0)
        status = tel_db_get_int(store->db, "PRAGMA page_size", &store->page_size, err);
    return status;
}

static void disconnect(struct tel_store *store)
{
    for (int i = 0; i < TEL_STATEMENTS; i++) {
        sqlite3_finalize(store->statements[i]);
        store->statements[i] = NULL;
    }
    tel_rows_close(store->rows);
    store->rows = NULL;
    sqlite3_close(store->db);
    store->db = NULL;
}

static int try_open(struct tel_store *store, struct tel_error *err)
{
    int status = check_file(store, err);

    if (status == 0)
        status = tel_store_connect(store, err);
    if (status == 0)
        status = prepare_schema(store, err);
    if (status == 0)
        status = remember_files(store, err);
    if (status == 0)
        status = tel_rows_open(&store->rows, store->db, err);
    if (status < 0)
        disconnect(store);
    return status;
}

/* Somebody deletes or replaces the database just now: once more, with what is there then. */
static int open_current(struct tel_store *store, struct tel_error *err)
{
    int status = try_open(store, err);

    for (int i = 1; i < OPEN_TRIES && (status == -ESTALE || status == -ENOENT); i++)
        status = try_open(store, err);
    return status;
}

/* --- damage ------------------------------------------------------------------------------------ */

/* Two processes may find the damage at once: the one that gets the lock later finds a new database
 * in its place. */
static int replace_damaged(struct tel_store *store, char *set_aside, struct tel_error *err)
{
    int lock = -1;
    int status = tel_quarantine_lock(store->run, store->busy_ms, &lock, err);

    if (status < 0)
        return status;
    status = open_current(store, err);
    if (status == TEL_ERR_CORRUPT) {
        status = tel_quarantine_move(store->path, set_aside, err);
        if (status == 0)
            status = open_current(store, err);
    }
    if (lock >= 0)
        tel_sys_close(lock);
    return status;
}

static int move_if_same(const struct tel_store *store, char *set_aside, struct tel_error *err)
{
    struct stat st;

    if (tel_sys_fstatat(AT_FDCWD, store->path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        st.st_dev != store->files[0].dev || st.st_ino != store->files[0].inode)
        return 0;
    return tel_quarantine_move(store->path, set_aside, err);
}

int tel_store_condemn(struct tel_store *store, char *set_aside, struct tel_error *err)
{
    int lock = -1;
    int status;

    disconnect(store);
    status = tel_quarantine_lock(store->run, store->busy_ms, &lock, err);
    if (status == 0)
        status = move_if_same(store, set_aside, err);
    if (lock >= 0)
        tel_sys_close(lock);
    tel_store_close(store);
    return status;
}

/* --- opening and closing ------------------------------------------------------------------------ */

struct tel_store *tel_store_new(const struct tel_datadir *dir, int busy_ms)
{
    struct tel_store *store = calloc(1, sizeof *store);

    if (store == NULL)
        return NULL;
    memcpy(store->path, dir->db, strlen(dir->db) + 1);
    memcpy(store->run, dir->run, strlen(dir->run) + 1);
    store->file_mode = dir->file_mode;
    store->busy_ms = busy_ms;
    store->wal_pages = -1;
    return store;
}

int tel_store_open(struct tel_store **out, const struct tel_datadir *dir, int busy_ms,
                   char *set_aside, struct tel_error *err)
{
    char ignored[TEL_PATH_MAX];
    struct tel_store *store;
    int status;

    if (set_aside == NULL)
        set_aside = ignored;
    set_aside[0] = '\0';
    status = tel_datadir_prepare_db(dir, err);
    if (status < 0)
        return status;
    store = tel_store_new(dir, busy_ms);
    if (store == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot open the database", NULL);
    status = open_current(store, err);
    if (status == TEL_ERR_CORRUPT)
        status = replace_damaged(store, set_aside, err);
    if (status < 0)
        tel_store_close(store);
    else
        *out = store;
    return status;
}

void tel_store_close(struct tel_store *store)
{
    if (store == NULL)
        return;
    tel_store_rollback(store);
    disconnect(store);
    free(store);
}
