/* The database as the fold writes it: opening and repairing the file, transactions, cursors, and
 * what the collector asks. Schema and rows have files of their own. */
#include "store.h"

#include "base/clock.h"
#include "base/sys.h"
#include "commit_event.h"
#include "db.h"
#include "directory.h"
#include "quarantine.h"
#include "rows.h"
#include "schema.h"
#include "wal_writer.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum {
    NS_PER_MS = 1000 * 1000,
    RETRY_NS = 2 * NS_PER_MS,
    WAL_FRAME_HEADER = 24, /* https://www.sqlite.org/fileformat2.html#walformat */
    WAL_HEADER = 32,
    OPEN_TRIES = 3
};

enum statement {
    BEGIN,
    SCHEMA_COOKIE,
    COMMIT,
    CURSOR_GET,
    CURSOR_PUT,
    CURSOR_FORGET,
    RUN_STATE,
    PUT_COMMIT,
    PRIME,
    STATEMENTS
};

static const char *const statement_texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [SCHEMA_COOKIE] = "PRAGMA schema_version",
    [COMMIT] = "COMMIT",
    [CURSOR_GET] =
        "SELECT inode, born_ns, offset, bad_lines FROM fold_cursor WHERE journal_date = ?",
    [CURSOR_PUT] = "INSERT INTO fold_cursor (journal_date, inode, born_ns, offset, bad_lines)"
                   " VALUES (?, ?, ?, ?, ?) ON CONFLICT (journal_date) DO UPDATE SET"
                   " inode = excluded.inode, born_ns = excluded.born_ns, offset = excluded.offset,"
                   " bad_lines = excluded.bad_lines",
    [CURSOR_FORGET] = "DELETE FROM fold_cursor WHERE journal_date >= ?",
    [RUN_STATE] = "SELECT r.status, p.exit_code, p.signal, p.end_source,"
                  " p.journal_date, p.journal_offset, p.journal_length, p.scope"
                  " FROM agent_runs r LEFT JOIN run_process p ON p.run_id = r.run_id"
                  " WHERE r.run_id = ?",
    [PUT_COMMIT] = "INSERT INTO commits (commit_hash, run_id, agent_name, repo, branch,"
                   " commit_date, author, message, files_changed, insertions, deletions, created_at)"
                   " VALUES (?1, ?2, (SELECT agent_name FROM agent_runs WHERE run_id = ?2),"
                   " ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, datetime(?11)) ON CONFLICT DO NOTHING",
    [PRIME] = "UPDATE fold_prime SET count = count + 1 WHERE id = 1",
};

/* CROSS JOIN keeps the order: the few running ones by the index on status, then their facts. */
static const char running_text[] =
    "SELECT r.run_id, p.boot_id, p.pid, p.pid_ns, p.pidfs_ino, p.start_ticks,"
    " p.uid, p.journal_date, p.journal_offset, p.journal_length, r.host"
    " FROM agent_runs r CROSS JOIN run_process p ON p.run_id = r.run_id"
    " WHERE r.status = 'running'";

/* Once for each connection. The page cache need not hold the database: a fold in order of time
 * touches the same few pages again and again; what is changed stays in it until the commit
 * (wal_writer.h). */
static const char settings[] = "PRAGMA synchronous = NORMAL; PRAGMA ignore_check_constraints = ON; PRAGMA cache_size = -8192;"
                               "PRAGMA cache_spill = OFF; PRAGMA temp_store = MEMORY";

/* What becomes of the WAL's file when the log begins anew. */
static const char *const wal_sizes[] = {
    [TEL_WAL_KEEP] = "PRAGMA journal_size_limit = -1",
    [TEL_WAL_CUT] = "PRAGMA journal_size_limit = 8388608",
};

struct file_id {
    uint64_t dev;
    uint64_t inode;
};

static const char *const suffixes[] = {"", "-wal", "-shm"};
enum { FILES = sizeof suffixes / sizeof suffixes[0] };

struct tel_store {
    sqlite3 *db;
    struct tel_rows *rows;
    sqlite3_stmt *statements[STATEMENTS];
    struct file_id files[FILES];
    struct tel_directory directory;
    int busy_ms;
    int64_t wal_pages; /* -1: nothing committed yet */
    int64_t page_size;
    int64_t schema_cookie; /* SQLite's own count of changes to the schema, when it was last looked at */
    unsigned data_version; /* of the pager's, after our last commit; anybody's commit changes it */
    bool was_changed;      /* tel_store_was_changed */
    mode_t file_mode;
    char path[TEL_PATH_MAX]; /* of the database, as configured */
    char run[TEL_PATH_MAX];
};

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

static bool identify(const struct tel_store *store, struct file_id files[FILES])
{
    for (int i = 0; i < FILES; i++) {
        char memory[TEL_PATH_MAX + 8];
        struct tel_buf path;
        struct stat st;

        tel_buf_init(&path, memory, sizeof memory);
        tel_buf_cstr(&path, store->path);
        tel_buf_cstr(&path, suffixes[i]);
        if (tel_sys_fstatat(AT_FDCWD, tel_buf_terminate(&path), &st, AT_SYMLINK_NOFOLLOW) < 0)
            return false;
        files[i] = (struct file_id){st.st_dev, st.st_ino};
    }
    return true;
}

/* One look at the directory instead of one at each file. */
bool tel_store_is_stale(struct tel_store *store)
{
    struct file_id files[FILES];
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

static int connect_to(struct tel_store *store, struct tel_error *err)
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
    for (int i = 0; i < STATEMENTS; i++) {
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
        status = connect_to(store, err);
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

static struct tel_store *new_store(const struct tel_datadir *dir, int busy_ms)
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
    store = new_store(dir, busy_ms);
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

/* --- statements --------------------------------------------------------------------------------- */

static int get_statement(struct tel_store *store, enum statement which, sqlite3_stmt **out,
                         struct tel_error *err)
{
    int status = 0;

    if (store->statements[which] == NULL)
        status =
            tel_db_prepare_kept(store->db, statement_texts[which], &store->statements[which], err);
    *out = store->statements[which];
    return status;
}

static int run_statement(struct tel_store *store, enum statement which, struct tel_error *err)
{
    sqlite3_stmt *stmt;
    int status = get_statement(store, which, &stmt, err);

    return status < 0 ? status : tel_db_step(stmt, err);
}

/* Another program may have made the schema a newer one since the database was opened. */
static int check_schema(struct tel_store *store, struct tel_error *err)
{
    sqlite3_stmt *stmt;
    int64_t cookie = -1;
    int status = get_statement(store, SCHEMA_COOKIE, &stmt, err);

    if (status == 0)
        status = tel_db_step(stmt, err);
    if (status == 1) {
        cookie = sqlite3_column_int64(stmt, 0);
        sqlite3_reset(stmt);
        status = 0;
    }
    if (status < 0 || cookie == store->schema_cookie)
        return status;
    status = tel_schema_check(store->db, err);
    if (status == 0)
        store->schema_cookie = cookie;
    return status;
}

static unsigned data_version(const struct tel_store *store)
{
    unsigned version = 0;

    sqlite3_file_control(store->db, "main", SQLITE_FCNTL_DATA_VERSION, &version);
    return version;
}

bool tel_store_was_changed(const struct tel_store *store)
{
    return store->was_changed;
}

int tel_store_begin(struct tel_store *store, struct tel_error *err)
{
    int status = run_statement(store, BEGIN, err);

    if (status < 0)
        return status;
    store->was_changed = store->data_version == 0 || store->data_version != data_version(store);
    status = store->was_changed ? check_schema(store, err) : 0;
    if (status < 0)
        tel_store_rollback(store);
    return status;
}

int tel_store_commit(struct tel_store *store, struct tel_error *err)
{
    int status = run_statement(store, COMMIT, err);

    if (status < 0)
        tel_store_rollback(store);
    store->data_version = status < 0 ? 0 : data_version(store);
    return status;
}

void tel_store_rollback(struct tel_store *store)
{
    if (store->db != NULL && !sqlite3_get_autocommit(store->db))
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

/* --- cursors ------------------------------------------------------------------------------------ */

int tel_store_cursor_get(struct tel_store *store, uint32_t date, struct tel_cursor *cursor,
                         struct tel_error *err)
{
    sqlite3_stmt *stmt;
    int status = get_statement(store, CURSOR_GET, &stmt, err);

    if (status < 0)
        return status;
    sqlite3_bind_int64(stmt, 1, date);
    status = tel_db_step(stmt, err);
    if (status != 1)
        return status;
    *cursor = (struct tel_cursor){
        .date = date,
        .inode = (uint64_t)sqlite3_column_int64(stmt, 0),
        .born_ns = sqlite3_column_int64(stmt, 1),
        .offset = (uint64_t)sqlite3_column_int64(stmt, 2),
        .bad_lines = (uint64_t)sqlite3_column_int64(stmt, 3),
    };
    sqlite3_reset(stmt);
    return 1;
}

int tel_store_cursor_put(struct tel_store *store, const struct tel_cursor *cursor,
                         struct tel_error *err)
{
    sqlite3_stmt *stmt;
    int status = get_statement(store, CURSOR_PUT, &stmt, err);

    if (status < 0)
        return status;
    sqlite3_bind_int64(stmt, 1, cursor->date);
    sqlite3_bind_int64(stmt, 2, (int64_t)cursor->inode);
    sqlite3_bind_int64(stmt, 3, cursor->born_ns);
    sqlite3_bind_int64(stmt, 4, (int64_t)cursor->offset);
    sqlite3_bind_int64(stmt, 5, (int64_t)cursor->bad_lines);
    return tel_db_step(stmt, err);
}

int tel_store_cursor_forget(struct tel_store *store, uint32_t from_date, struct tel_error *err)
{
    sqlite3_stmt *stmt;
    int status = get_statement(store, CURSOR_FORGET, &stmt, err);

    if (status < 0)
        return status;
    sqlite3_bind_int64(stmt, 1, from_date);
    return tel_db_step(stmt, err);
}

/* --- runs --------------------------------------------------------------------------------------- */

bool tel_store_accepts(const struct tel_runline *line)
{
    return tel_rows_accept(line);
}

int tel_store_put_run(struct tel_store *store, const struct tel_runline *line,
                      const struct tel_journal_pos *pos, struct tel_error *err)
{
    return tel_rows_put(store->rows, line, pos, err);
}

static int put_commit(struct tel_store *store, const struct tel_commit_event *event,
                      struct tel_error *err)
{
    const struct tel_commit *commit = &event->commit;
    const struct tel_str texts[] = {commit->hash, event->run_id,  commit->repo,   commit->branch,
                                    commit->date, commit->author, commit->message};
    const int64_t counts[] = {commit->files_changed, commit->insertions, commit->deletions};
    int at = 0;
    sqlite3_stmt *stmt;
    int status = get_statement(store, PUT_COMMIT, &stmt, err);

    if (status < 0)
        return status;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        tel_db_bind(stmt, ++at, texts[i]);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        sqlite3_bind_int64(stmt, ++at, counts[i]);
    tel_db_bind(stmt, ++at, event->timestamp);
    return tel_db_step(stmt, err);
}

int tel_store_put_commit(struct tel_store *store, struct tel_str event_line, struct tel_error *err)
{
    struct tel_commit_event event;
    struct tel_buf memory;
    char *space = malloc(2 * event_line.len);
    int status = 0;

    if (space == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot read an event", NULL);
    tel_buf_init(&memory, space, 2 * event_line.len);
    if (tel_commit_read(event_line, &memory, &event))
        status = put_commit(store, &event, err);
    free(space);
    return status;
}

/* Three columns from first on; nowhere when they are NULL. */
static struct tel_journal_pos read_pos(sqlite3_stmt *stmt, int first)
{
    return (struct tel_journal_pos){(uint32_t)sqlite3_column_int64(stmt, first),
                                    (uint32_t)sqlite3_column_int64(stmt, first + 2),
                                    (uint64_t)sqlite3_column_int64(stmt, first + 1)};
}

static void copy_cut(char *out, size_t size, struct tel_str text)
{
    text = tel_str_cut_utf8(text, size - 1);
    if (text.len > 0)
        memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

int tel_store_run_state(struct tel_store *store, struct tel_str run_id, struct tel_run_state *state,
                        struct tel_error *err)
{
    sqlite3_stmt *stmt;
    int status = get_statement(store, RUN_STATE, &stmt, err);

    if (status < 0)
        return status;
    tel_db_bind(stmt, 1, run_id);
    status = tel_db_step(stmt, err);
    if (status < 0)
        return status;
    *state = (struct tel_run_state){.found = status == 1};
    if (status == 0)
        return 0;
    state->running = tel_str_is(tel_db_column(stmt, 0), "running");
    state->scope = sqlite3_column_int(stmt, 7) != 0;
    state->has_exit_code = sqlite3_column_type(stmt, 1) != SQLITE_NULL;
    state->exit_code = sqlite3_column_int(stmt, 1);
    state->has_signal = sqlite3_column_type(stmt, 2) != SQLITE_NULL;
    state->signal = sqlite3_column_int(stmt, 2);
    copy_cut(state->end_source, sizeof state->end_source, tel_db_column(stmt, 3));
    state->last_line = read_pos(stmt, 4);
    sqlite3_reset(stmt);
    return 0;
}

int tel_store_each_running(struct tel_store *store, tel_running_fn *fn, void *arg,
                           struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status = tel_db_prepare(store->db, running_text, &stmt, err);
    int stopped = 0;

    while (status >= 0 && stopped == 0 && (status = tel_db_step(stmt, err)) == 1) {
        const struct tel_running run = {
            .run_id = tel_db_column(stmt, 0),
            .boot_id = tel_db_column(stmt, 1),
            .pid = sqlite3_column_int64(stmt, 2),
            .pid_ns = (uint64_t)sqlite3_column_int64(stmt, 3),
            .pidfs_ino = (uint64_t)sqlite3_column_int64(stmt, 4),
            .start_ticks = (uint64_t)sqlite3_column_int64(stmt, 5),
            .uid = sqlite3_column_int64(stmt, 6),
            .last_line = read_pos(stmt, 7),
            .host = tel_db_column(stmt, 10),
        };

        stopped = fn(arg, &run);
    }
    return status < 0 ? status : stopped;
}

int tel_store_each_due(struct tel_store *store, const struct tel_due_filter *filter, tel_due_fn *fn,
                       void *arg, struct tel_error *err)
{
    return tel_due_each(store->db, filter, fn, arg, err);
}

int tel_store_next_due(struct tel_store *store, const struct tel_due_filter *filter,
                       int64_t *out_ns, struct tel_error *err)
{
    return tel_due_next(store->db, filter, out_ns, err);
}

/* --- the write-ahead log ------------------------------------------------------------------------ */

int tel_store_checkpoint(struct tel_store *store, enum tel_wal_size size, struct tel_error *err)
{
    int pages = 0;
    int copied = 0;
    int status = tel_db_exec(store->db, wal_sizes[size], err);
    int rc;

    if (status < 0)
        return status;
    rc =
        sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);

    if (rc != SQLITE_OK)
        return tel_db_fail(err, store->db, rc);
    if (pages <= 0 || copied < pages)
        return 0;
    /* The WAL begins anew with the next commit, which has to sync its header: better now than
     * while a host waits. */
    return run_statement(store, PRIME, err);
}

int tel_store_copy_wal(const struct tel_datadir *dir, struct tel_error *err)
{
    struct tel_store *store = new_store(dir, 0);
    int64_t version;
    int rc = SQLITE_OK;
    int status;

    if (store == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot open the database", NULL);
    status = connect_to(store, err);
    if (status == 0) /* a connection that has read nothing knows of no log */
        status = tel_db_get_int(store->db, statement_texts[SCHEMA_COOKIE], &version, err);
    if (status == 0)
        rc = sqlite3_wal_checkpoint_v2(store->db, "main", SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc != SQLITE_OK)
        status = tel_db_fail(err, store->db, rc);
    tel_store_close(store);
    return status;
}

void tel_store_make_room(struct tel_store *store)
{
    if (!tel_wal_writer_is_short(store->db) || run_statement(store, BEGIN, NULL) < 0)
        return;
    tel_wal_writer_extend(store->db);
    tel_store_rollback(store);
}

uint64_t tel_store_wal_bytes(const struct tel_store *store)
{
    char memory[TEL_PATH_MAX + 8];
    struct tel_buf path;
    struct stat st;

    if (store->wal_pages > 0)
        return WAL_HEADER + (uint64_t)(store->wal_pages * (store->page_size + WAL_FRAME_HEADER));
    if (store->wal_pages == 0)
        return 0;
    tel_buf_init(&path, memory, sizeof memory);
    tel_buf_cstr(&path, store->path);
    tel_buf_cstr(&path, "-wal");
    if (tel_sys_fstatat(AT_FDCWD, tel_buf_terminate(&path), &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return (uint64_t)st.st_size;
}

void tel_store_release_memory(struct tel_store *store)
{
    sqlite3_db_release_memory(store->db);
}
