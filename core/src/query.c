/* Queries for people: the newest runs first, filtered by bound parameters, whatever columns the
 * database happens to have. */
#include "query.h"

#include "base/sys.h"
#include "db.h"
#include "journal_scan.h"
#include "schema.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    BUSY_MS = 5000,
    SQL_MAX = 8192,
    RUN_COLUMNS = TEL_RUN_UPDATED_AT + 1,
    CANDIDATES = 5,       /* that an ambiguous id's message may name */
    TAIL_MAX = 64 * 1024, /* of a file, looked at for a line that is still unfinished */
    PARAMETERS_MAX = 8
};

struct tel_query {
    sqlite3 *db;
    bool has_run_table;
    bool has_process_table;
    bool has_cursor_table;
    /* Columns that this database has; others read as NULL. */
    bool has_run[RUN_COLUMNS];
    bool has_process[TEL_PROC_FIELDS];
};

/* --- opening ----------------------------------------------------------------------------------- */

/* A URI's path: what has a meaning in it is written as %XX. */
static void put_uri_path(struct tel_buf *uri, const char *path)
{
    for (; *path != '\0'; path++) {
        if (memchr("%?#", *path, 3) == NULL) {
            tel_buf_char(uri, *path);
        } else {
            tel_buf_char(uri, '%');
            tel_buf_hex(uri, (unsigned char)*path, 2);
        }
    }
}

static int open_uri(struct tel_query *query, const char *path, const char *options,
                    struct tel_error *err)
{
    char memory[3 * TEL_PATH_MAX];
    struct tel_buf uri;
    int rc;

    tel_buf_init(&uri, memory, sizeof memory);
    tel_buf_cstr(&uri, "file:");
    put_uri_path(&uri, path);
    tel_buf_cstr(&uri, options);
    if (tel_buf_terminate(&uri) == NULL)
        return tel_fail_sys(err, -ENAMETOOLONG, "cannot open ", path, NULL);
    rc = sqlite3_open_v2(memory, &query->db,
                         SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return tel_db_fail(err, query->db, sqlite3_extended_errcode(query->db));
    sqlite3_extended_result_codes(query->db, 1);
    sqlite3_busy_timeout(query->db, BUSY_MS);
    sqlite3_db_config(query->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return tel_schema_check(query->db, err);
}

static bool has_wal(const char *path)
{
    char memory[TEL_PATH_MAX + 8];
    struct tel_buf wal;
    struct stat st;

    tel_buf_init(&wal, memory, sizeof memory);
    tel_buf_cstr(&wal, path);
    tel_buf_cstr(&wal, "-wal");
    return tel_sys_fstatat(AT_FDCWD, tel_buf_terminate(&wal), &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* In a directory that may not be written (a backup, somebody else's) SQLite cannot make the files
 * that readers share; without a WAL beside it, the database is all there is. */
static int open_database(struct tel_query *query, const char *path, struct tel_error *err)
{
    int status = open_uri(query, path, "?mode=ro", err);

    if ((status != -EACCES && status != -EROFS) || has_wal(path))
        return status;
    sqlite3_close(query->db);
    query->db = NULL;
    return open_uri(query, path, "?mode=ro&immutable=1", err);
}

static int check_file(const char *path, struct tel_error *err)
{
    const int status = tel_db_check_file(path, err);

    return status == -ENOENT ? tel_fail(err, -ENOENT, "there is no database yet: ", path, NULL)
                             : status;
}

/* Marks the fields that are columns of table. */
static int find_columns(struct tel_query *query, const char *table, const struct tel_field *fields,
                        int count, bool *has, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status = tel_db_prepare(query->db, "SELECT name FROM pragma_table_info(?)", &stmt, err);
    int hint = 0;

    if (status < 0)
        return status;
    tel_db_bind(stmt, 1, tel_str_from(table));
    while ((status = tel_db_step(stmt, err)) == 1) {
        int field = tel_field_find(fields, count, tel_db_column(stmt, 0), hint);

        if (field < 0)
            continue;
        has[field] = true;
        hint = field + 1;
    }
    return status;
}

static int find_table(struct tel_query *query, const char *name, bool *has, struct tel_error *err)
{
    int status = tel_schema_has_table(query->db, name, err);

    *has = status == 1;
    return status < 0 ? status : 0;
}

static int look_at_schema(struct tel_query *query, struct tel_error *err)
{
    int status = find_table(query, "agent_runs", &query->has_run_table, err);

    if (status == 0)
        status = find_table(query, "run_process", &query->has_process_table, err);
    if (status == 0)
        status = find_table(query, "fold_cursor", &query->has_cursor_table, err);
    if (status == 0)
        status =
            find_columns(query, "agent_runs", tel_run_fields, RUN_COLUMNS, query->has_run, err);
    if (status == 0)
        status = find_columns(query, "run_process", tel_process_fields, TEL_PROC_FIELDS,
                              query->has_process, err);
    return status;
}

int tel_query_open(struct tel_query **out, const struct tel_datadir *dir, struct tel_error *err)
{
    struct tel_query *query;
    int status = check_file(dir->db, err);

    if (status == 0)
        status = tel_db_check_path(dir->db, err);
    if (status < 0)
        return status;
    query = calloc(1, sizeof *query);
    if (query == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot open the database", NULL);
    status = open_database(query, dir->db, err);
    if (status == 0)
        status = look_at_schema(query, err);
    if (status < 0)
        tel_query_close(query);
    else
        *out = query;
    return status;
}

void tel_query_close(struct tel_query *query)
{
    if (query == NULL)
        return;
    sqlite3_close(query->db);
    free(query);
}

/* --- runs -------------------------------------------------------------------------------------- */

/* A statement under construction and what goes into it. */
struct request {
    char memory[SQL_MAX];
    struct tel_buf sql;
    struct tel_str parameters[PARAMETERS_MAX];
    int count;
    bool filtered;
};

static void put_column(struct tel_buf *sql, const char *prefix, const char *name, bool there)
{
    tel_buf_cstr(sql, ", ");
    tel_buf_cstr(sql, there ? prefix : "NULL");
    if (there)
        tel_buf_cstr(sql, name);
}

/* Column 0 says whether there are process facts, then come the run's, then the process's. */
static void put_select(struct tel_buf *sql, const struct tel_query *query)
{
    tel_buf_cstr(sql, query->has_process_table ? "SELECT p.run_id IS NOT NULL" : "SELECT 0");
    for (int i = 0; i < RUN_COLUMNS; i++)
        put_column(sql, "r.", tel_field_name(&tel_run_fields[i]).ptr, query->has_run[i]);
    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        put_column(sql, "p.", tel_field_name(&tel_process_fields[i]).ptr, query->has_process[i]);
    tel_buf_cstr(sql, " FROM agent_runs r");
    if (query->has_process_table)
        tel_buf_cstr(sql, " LEFT JOIN run_process p ON p.run_id = r.run_id");
}

static void put_condition(struct request *request, const char *condition, struct tel_str value)
{
    if (value.ptr == NULL)
        return;
    tel_buf_cstr(&request->sql, request->filtered ? " AND " : " WHERE ");
    tel_buf_cstr(&request->sql, condition);
    request->filtered = true;
    request->parameters[request->count++] = value;
}

static bool is_pattern(struct tel_str text)
{
    return tel_str_find(text, '*') >= 0 || tel_str_find(text, '?') >= 0;
}

static bool knows_of_posting(const struct tel_query *query)
{
    return query->has_run_table && query->has_run[TEL_RUN_API_POSTED] &&
           query->has_run[TEL_RUN_API_RETRY_COUNT] && query->has_process[TEL_PROC_POST] &&
           query->has_process[TEL_PROC_POST_ERROR] && query->has_process[TEL_PROC_POST_AFTER] &&
           query->has_process[TEL_PROC_SCOPE];
}

static void put_filter(struct request *request, const struct tel_query *query,
                       const struct tel_run_filter *filter, struct tel_str id)
{
    put_condition(request, is_pattern(filter->agent) ? "r.agent_name GLOB ?" : "r.agent_name = ?",
                  filter->agent);
    put_condition(request, is_pattern(filter->job) ? "r.job_type GLOB ?" : "r.job_type = ?",
                  filter->job);
    put_condition(request, "r.status = ?", filter->status);
    put_condition(request, "r.start_time >= ?", filter->since);
    put_condition(request, "r.start_time < ?", filter->until);
    put_condition(request, "r.run_id = ?", id);
    if (filter->unposted) {
        tel_buf_cstr(&request->sql, request->filtered ? " AND " : " WHERE ");
        tel_buf_cstr(&request->sql,
                     knows_of_posting(query) ? "p.post = 1 AND r.api_posted = 0" : "0");
        request->filtered = true;
    }
}

static void read_row(sqlite3_stmt *stmt, struct tel_run_row *row)
{
    *row = (struct tel_run_row){.has_process = sqlite3_column_int(stmt, 0) != 0};
    for (int i = 0; i < RUN_COLUMNS; i++)
        row->run[i] = tel_db_column(stmt, 1 + i);
    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        row->process[i] = tel_db_column(stmt, 1 + RUN_COLUMNS + i);
}

static int walk_rows(sqlite3_stmt *stmt, tel_run_row_fn *fn, void *arg, struct tel_error *err)
{
    struct tel_run_row row;
    int status;

    while ((status = tel_db_step(stmt, err)) == 1) {
        int stopped;

        read_row(stmt, &row);
        stopped = fn(arg, &row);
        if (stopped != 0)
            return stopped;
    }
    return status;
}

static int run_request(struct tel_query *query, struct request *request, int64_t limit,
                       tel_run_row_fn *fn, void *arg, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status;

    tel_buf_cstr(&request->sql, " ORDER BY r.start_time DESC, r.rowid DESC LIMIT ?");
    status = tel_db_prepare(query->db, tel_buf_terminate(&request->sql), &stmt, err);
    if (status < 0)
        return status;
    for (int i = 0; i < request->count; i++)
        tel_db_bind(stmt, 1 + i, request->parameters[i]);
    sqlite3_bind_int64(stmt, 1 + request->count, limit > 0 ? limit : -1);
    return walk_rows(stmt, fn, arg, err);
}

static void init_request(struct request *request, const struct tel_query *query)
{
    request->count = 0;
    request->filtered = false;
    tel_buf_init(&request->sql, request->memory, sizeof request->memory);
    put_select(&request->sql, query);
}

/* --- ids --------------------------------------------------------------------------------------- */

/* The exact id first; else those that begin or end so. The range keeps the search for a beginning
 * inside the key's index: U+10FFFF is more than any character. */
static const char exact_text[] = "SELECT run_id FROM agent_runs WHERE run_id = ?1";
static const char partial_text[] =
    "SELECT run_id FROM agent_runs WHERE run_id >= ?1 AND run_id < ?1 || char(1114111)"
    " AND substr(run_id, 1, length(?1)) = ?1"
    " UNION SELECT run_id FROM agent_runs WHERE substr(run_id, -length(?1)) = ?1 LIMIT 6";

/* What an id given by a person may stand for. */
struct candidates {
    char names[CANDIDATES * 48 + 8]; /* cut to what a message can hold */
    struct tel_buf list;
    int count;
    char *first; /* owned */
    size_t first_len;
};

static int add_candidate(struct candidates *found, struct tel_str id)
{
    if (found->count == 0) {
        found->first = malloc(id.len + 1);
        if (found->first == NULL)
            return -ENOMEM;
        memcpy(found->first, id.ptr, id.len);
        found->first_len = id.len;
    }
    if (found->count < CANDIDATES && found->list.cap - found->list.len > id.len + 8) {
        tel_buf_cstr(&found->list, found->count == 0 ? "" : ", ");
        tel_buf_str(&found->list, id);
    } else if (found->list.len > 0 && found->list.ptr[found->list.len - 1] != '.') {
        tel_buf_cstr(&found->list, ", ...");
    }
    found->count++;
    return 0;
}

static int find_candidates(struct tel_query *query, const char *text, struct tel_str id,
                           struct candidates *found, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status = tel_db_prepare(query->db, text, &stmt, err);

    if (status < 0)
        return status;
    tel_db_bind(stmt, 1, id);
    while ((status = tel_db_step(stmt, err)) == 1) {
        status = add_candidate(found, tel_db_column(stmt, 0));
        if (status < 0)
            return tel_fail_sys(err, status, "cannot look for a run", NULL);
    }
    return status;
}

static int fail_not_found(struct tel_error *err)
{
    return tel_fail(err, TEL_ERR_NOT_FOUND, "no run has this id, or one that begins or ends so",
                    NULL);
}

/* On success found->first is the run's id. */
static int resolve_id(struct tel_query *query, struct tel_str id, struct candidates *found,
                      struct tel_error *err)
{
    int status;

    tel_buf_init(&found->list, found->names, sizeof found->names - 1);
    status = find_candidates(query, exact_text, id, found, err);
    if (status == 0 && found->count == 0 && id.len > 0)
        status = find_candidates(query, partial_text, id, found, err);
    if (status < 0)
        return status;
    if (found->count == 0)
        return fail_not_found(err);
    if (found->count > 1)
        return tel_fail(err, TEL_ERR_INVALID,
                        "more than one run fits: ", tel_buf_terminate(&found->list), NULL);
    return 0;
}

int tel_query_runs(struct tel_query *query, const struct tel_run_filter *filter, tel_run_row_fn *fn,
                   void *arg, struct tel_error *err)
{
    struct candidates found = {.first = NULL};
    struct tel_str id = TEL_STR_NONE;
    struct request request;
    int status = 0;

    if (!query->has_run_table)
        return filter->id.ptr == NULL ? 0 : fail_not_found(err);
    if (filter->id.ptr != NULL) {
        status = resolve_id(query, filter->id, &found, err);
        id = (struct tel_str){found.first, found.first_len};
    }
    if (status == 0) {
        init_request(&request, query);
        put_filter(&request, query, filter, id);
        status = run_request(query, &request, filter->limit, fn, arg, err);
    }
    free(found.first);
    return status;
}

struct single {
    tel_run_row_fn *fn;
    void *arg;
    bool found;
};

static int pass_on(void *arg, const struct tel_run_row *row)
{
    struct single *single = arg;

    single->found = true;
    single->fn(single->arg, row);
    return 0;
}

int tel_query_latest(struct tel_query *query, tel_run_row_fn *fn, void *arg, struct tel_error *err)
{
    const struct tel_run_filter filter = {.limit = 1};
    struct single single = {fn, arg, false};
    int status = tel_query_runs(query, &filter, pass_on, &single, err);

    return status < 0 ? status : single.found;
}

int tel_query_parents(struct tel_query *query, tel_parent_fn *fn, void *arg, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status;

    if (!query->has_process_table || !query->has_process[TEL_PROC_PARENT_RUN_ID])
        return 0;
    status = tel_db_prepare(query->db,
                            "SELECT p.run_id, p.parent_run_id FROM run_process p"
                            " JOIN agent_runs r ON r.run_id = p.run_id"
                            " WHERE EXISTS (SELECT 1 FROM agent_runs a"
                            " WHERE a.run_id = p.parent_run_id)"
                            " ORDER BY r.start_time, r.rowid",
                            &stmt, err);
    if (status < 0)
        return status;
    while ((status = tel_db_step(stmt, err)) == 1) {
        const int stopped = fn(arg, tel_db_column(stmt, 0), tel_db_column(stmt, 1));

        if (stopped != 0)
            return stopped;
    }
    return status;
}

/* --- posting ----------------------------------------------------------------------------------- */

int tel_query_each_due(struct tel_query *query, const struct tel_due_filter *filter, tel_due_fn *fn,
                       void *arg, struct tel_error *err)
{
    return knows_of_posting(query) ? tel_due_each(query->db, filter, fn, arg, err) : 0;
}

int tel_query_next_due(struct tel_query *query, const struct tel_due_filter *filter,
                       int64_t *out_ns, struct tel_error *err)
{
    *out_ns = 0;
    return knows_of_posting(query) ? tel_due_next(query->db, filter, out_ns, err) : 0;
}

int tel_query_count_due(struct tel_query *query, const struct tel_due_filter *filter,
                        struct tel_due_counts *out, struct tel_error *err)
{
    *out = (struct tel_due_counts){0};
    return knows_of_posting(query) ? tel_due_count(query->db, filter, out, err) : 0;
}

/* --- for doctor -------------------------------------------------------------------------------- */

static int check_integrity_now(struct tel_query *query, bool *ok, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status = tel_db_prepare(query->db, "PRAGMA quick_check(1)", &stmt, err);

    if (status == 0)
        status = tel_db_step(stmt, err);
    if (status == TEL_ERR_CORRUPT) {
        *ok = false;
        return 0;
    }
    if (status < 0)
        return status;
    *ok = status == 1 && tel_str_is(tel_db_column(stmt, 0), "ok");
    return 0;
}

static int count_runs(struct tel_query *query, struct tel_query_info *info, struct tel_error *err)
{
    int status;

    if (!query->has_run_table)
        return 0;
    status = tel_db_get_int(query->db, "SELECT count(*) FROM agent_runs", &info->runs, err);
    if (status == 0)
        status =
            tel_db_get_int(query->db, "SELECT count(*) FROM agent_runs WHERE status = 'running'",
                           &info->running, err);
    return status;
}

int tel_query_info(struct tel_query *query, bool check_integrity, struct tel_query_info *info,
                   struct tel_error *err)
{
    struct tel_query_info found = {0};
    int status = tel_schema_version(query->db, &found.schema_version, err);

    if (status == 0)
        status = count_runs(query, &found, err);
    if (status == 0 && query->has_cursor_table)
        status = tel_db_get_int(query->db, "SELECT sum(bad_lines) FROM fold_cursor",
                                &found.bad_lines, err);
    if (status == 0 && check_integrity)
        status = check_integrity_now(query, &found.integrity_ok, err);
    if (status == 0)
        *info = found;
    return status;
}

static int count_by_status(struct tel_query *query, struct tel_query_counts *counts,
                           struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status = tel_db_prepare(query->db,
                                "SELECT count(*), total(status = 'running'),"
                                " total(status = 'success'), total(status = 'failed'),"
                                " total(status = 'partial') FROM agent_runs",
                                &stmt, err);

    if (status == 0)
        status = tel_db_step(stmt, err);
    if (status != 1)
        return status;
    counts->total = sqlite3_column_int64(stmt, 0);
    counts->running = sqlite3_column_int64(stmt, 1);
    counts->success = sqlite3_column_int64(stmt, 2);
    counts->failed = sqlite3_column_int64(stmt, 3);
    counts->partial = sqlite3_column_int64(stmt, 4);
    return 0;
}

int tel_query_count(struct tel_query *query, struct tel_query_counts *counts, struct tel_error *err)
{
    struct tel_query_counts found = {0};
    int status = query->has_run_table ? count_by_status(query, &found, err) : 0;

    if (status == 0 && query->has_process[TEL_PROC_POST] && query->has_process[TEL_PROC_POST_ERROR])
        status = tel_db_get_int(query->db,
                                "SELECT count(*) FROM agent_runs JOIN run_process USING (run_id)"
                                " WHERE post = 1 AND api_posted = 0 AND post_error IS NULL"
                                " AND status <> 'running'",
                                &found.pending_posts, err);
    if (status == 0)
        *counts = found;
    return status;
}

/* How much of the file has been folded: nothing when the cursor is another file's. */
static int folded_of(struct tel_query *query, uint32_t date, const struct tel_journal_facts *facts,
                     uint64_t *out, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status;

    *out = 0;
    if (!query->has_cursor_table)
        return 0;
    status = tel_db_prepare(query->db,
                            "SELECT offset FROM fold_cursor"
                            " WHERE journal_date = ? AND inode = ? AND born_ns = ?",
                            &stmt, err);
    if (status < 0)
        return status;
    sqlite3_bind_int64(stmt, 1, date);
    sqlite3_bind_int64(stmt, 2, (int64_t)facts->inode);
    sqlite3_bind_int64(stmt, 3, facts->born_ns);
    status = tel_db_step(stmt, err);
    if (status == 1 && (uint64_t)sqlite3_column_int64(stmt, 0) <= facts->size)
        *out = (uint64_t)sqlite3_column_int64(stmt, 0);
    return status < 0 ? status : 0;
}

/* Bytes from folded to the end, without a last line that is still unfinished. */
static int behind_in(int fd, uint64_t folded, uint64_t size, uint64_t *out, struct tel_error *err)
{
    struct tel_chunk chunk = {0};
    int status;

    *out = size - folded;
    if (size - folded > TAIL_MAX)
        return 0;
    status = tel_chunk_load(&chunk, fd, folded, TAIL_MAX, err);
    if (status >= 0)
        *out = chunk.text.len;
    tel_chunk_free(&chunk);
    return status < 0 ? status : 0;
}

static int behind_on(struct tel_query *query, const struct tel_datadir *dir, uint32_t date,
                     uint64_t *bytes, struct tel_error *err)
{
    struct tel_journal_facts facts;
    uint64_t folded;
    uint64_t behind = 0;
    int status;
    int fd = tel_journal_open(dir->raw, date, &facts, err);

    if (fd == -ENOENT || fd == TEL_ERR_REFUSED)
        return 0;
    if (fd < 0)
        return fd;
    status = folded_of(query, date, &facts, &folded, err);
    if (status == 0)
        status = behind_in(fd, folded, facts.size, &behind, err);
    tel_sys_close(fd);
    *bytes += behind;
    return status;
}

int tel_query_behind(struct tel_query *query, const struct tel_datadir *dir, uint64_t *bytes,
                     struct tel_error *err)
{
    struct tel_dates dates = {NULL, 0};
    uint64_t total = 0;
    int status = tel_journal_list(dir->raw, &dates, err);

    if (status < 0)
        return status;
    for (size_t i = 0; i < dates.count && status == 0; i++)
        status = behind_on(query, dir, dates.date[i], &total, err);
    tel_dates_free(&dates);
    if (status == 0)
        *bytes = total;
    return status;
}
