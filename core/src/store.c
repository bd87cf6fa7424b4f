/* The database as the fold writes it: transactions, cursors, runs, and what the collector asks. Opening it and its
 * write-ahead log have files of their own, as have schema and rows. */
#include "store_internal.h"

#include "commit_event.h"
#include "schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const statement_texts[TEL_STATEMENTS] = {
    [TEL_STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [TEL_STATEMENT_SCHEMA_COOKIE] = "PRAGMA schema_version",
    [TEL_STATEMENT_COMMIT] = "COMMIT",
    [TEL_STATEMENT_CURSOR_GET] =
        "SELECT inode, born_ns, offset, bad_lines FROM fold_cursor WHERE journal_date = ?",
    [TEL_STATEMENT_CURSOR_PUT] =
        "INSERT INTO fold_cursor (journal_date, inode, born_ns, offset, bad_lines)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (journal_date) DO UPDATE SET"
        " inode = excluded.inode, born_ns = excluded.born_ns, offset = excluded.offset,"
        " bad_lines = excluded.bad_lines",
    [TEL_STATEMENT_CURSOR_FORGET] = "DELETE FROM fold_cursor WHERE journal_date >= ?",
    [TEL_STATEMENT_RUN_STATE] = "SELECT r.status, p.exit_code, p.signal, p.end_source,"
                                " p.journal_date, p.journal_offset, p.journal_length, p.scope"
                                " FROM agent_runs r LEFT JOIN run_process p ON p.run_id = r.run_id"
                                " WHERE r.run_id = ?",
    [TEL_STATEMENT_PUT_COMMIT] =
        "INSERT INTO commits (commit_hash, run_id, agent_name, repo, branch,"
        " commit_date, author, message, files_changed, insertions, deletions, created_at)"
        " VALUES (?1, ?2, (SELECT agent_name FROM agent_runs WHERE run_id = ?2),"
        " ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, datetime(?11)) ON CONFLICT DO NOTHING",
    [TEL_STATEMENT_PRIME] = "UPDATE fold_prime SET count = count + 1 WHERE id = 1",
};

/* CROSS JOIN keeps the order: the few running ones by the index on status, then their facts. */
static const char running_text[] =
    "SELECT r.run_id, p.boot_id, p.pid, p.pid_ns, p.pidfs_ino, p.start_ticks,"
    " p.uid, p.journal_date, p.journal_offset, p.journal_length, r.host"
    " FROM agent_runs r CROSS JOIN run_process p ON p.run_id = r.run_id"
    " WHERE r.status = 'running'";

/* --- statements --------------------------------------------------------------------------------- */

int tel_store_statement(struct tel_store *store, enum tel_statement which, sqlite3_stmt **out,
                        struct tel_error *err)
{
    int status = 0;

    if (store->statements[which] == NULL)
        status =
            tel_db_prepare_kept(store->db, statement_texts[which], &store->statements[which], err);
    *out = store->statements[which];
    return status;
}

int tel_store_run(struct tel_store *store, enum tel_statement which, struct tel_error *err)
{
    sqlite3_stmt *stmt;
    int status = tel_store_statement(store, which, &stmt, err);

    return status < 0 ? status : tel_db_step(stmt, err);
}

/* Another program may have made the schema a newer one since the database was opened. */
static int check_schema(struct tel_store *store, struct tel_error *err)
{
    sqlite3_stmt *stmt;
    int64_t cookie = -1;
    int status = tel_store_statement(store, TEL_STATEMENT_SCHEMA_COOKIE, &stmt, err);

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
    int status = tel_store_run(store, TEL_STATEMENT_BEGIN, err);

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
    int status = tel_store_run(store, TEL_STATEMENT_COMMIT, err);

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
    int status = tel_store_statement(store, TEL_STATEMENT_CURSOR_GET, &stmt, err);

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
    int status = tel_store_statement(store, TEL_STATEMENT_CURSOR_PUT, &stmt, err);

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
    int status = tel_store_statement(store, TEL_STATEMENT_CURSOR_FORGET, &stmt, err);

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
    int status = tel_store_statement(store, TEL_STATEMENT_PUT_COMMIT, &stmt, err);

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
    int status = tel_store_statement(store, TEL_STATEMENT_RUN_STATE, &stmt, err);

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

/* --- memory ------------------------------------------------------------------------------------- */

void tel_store_release_memory(struct tel_store *store)
{
    sqlite3_db_release_memory(store->db);
}
