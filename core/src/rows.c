/* From a run line to its rows: foreign words mapped to the contract's (CONTRACT 4), then one insert
 * for a run that is new, or an update of just the columns that differ. */
#include "rows.h"

#include "base/clock.h"
#include "value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    RUN_COLUMNS = TEL_RUN_UPDATED_AT + 1, /* the run line's keys up to updated_at, in their order */
    POS_DATE = 1 + TEL_PROC_FIELDS,       /* run_process: run_id, the process fields, the line */
    POS_OFFSET,
    POS_LENGTH,
    PROCESS_COLUMNS,
    COLUMNS_MAX = PROCESS_COLUMNS > RUN_COLUMNS ? PROCESS_COLUMNS : RUN_COLUMNS,
    UPDATES_KEPT = 8,
    SQL_MAX = 4096,
    NOW_LEN = sizeof "YYYY-MM-DD HH:MM:SS" - 1
};

#define BIT(column) (UINT64_C(1) << (column))
#define POSTED_COLUMNS (BIT(TEL_RUN_API_POSTED) | BIT(TEL_RUN_API_POSTED_AT))

/* Updates differ in the columns they set; few sets ever occur. */
struct update {
    uint64_t columns;
    sqlite3_stmt *stmt;
};

/* A table whose first column is its key. */
struct table {
    const char *name;
    const char *columns[COLUMNS_MAX];
    int count;
    sqlite3_stmt *insert;
    sqlite3_stmt *select;
    struct update updates[UPDATES_KEPT];
    unsigned oldest_update;
};

struct tel_rows {
    sqlite3 *db;
    struct table runs;
    struct table processes;
    char *scratch;
    size_t scratch_cap;
    time_t now_second; /* of the text in now */
    char now[NOW_LEN + 1];
};

/* --- statements ------------------------------------------------------------------------------ */

static void put_columns(struct tel_buf *sql, const struct table *table)
{
    for (int i = 0; i < table->count; i++) {
        tel_buf_cstr(sql, i == 0 ? "" : ", ");
        tel_buf_cstr(sql, table->columns[i]);
    }
}

static int prepare_insert(sqlite3 *db, struct table *table, struct tel_error *err)
{
    char memory[SQL_MAX];
    struct tel_buf sql;

    tel_buf_init(&sql, memory, sizeof memory);
    tel_buf_cstr(&sql, "INSERT INTO ");
    tel_buf_cstr(&sql, table->name);
    tel_buf_cstr(&sql, " (");
    put_columns(&sql, table);
    tel_buf_cstr(&sql, ") VALUES (?");
    for (int i = 1; i < table->count; i++)
        tel_buf_cstr(&sql, ", ?");
    tel_buf_cstr(&sql, ") ON CONFLICT (run_id) DO NOTHING");
    return tel_db_prepare_kept(db, tel_buf_terminate(&sql), &table->insert, err);
}

static int prepare_select(sqlite3 *db, struct table *table, struct tel_error *err)
{
    char memory[SQL_MAX];
    struct tel_buf sql;

    tel_buf_init(&sql, memory, sizeof memory);
    tel_buf_cstr(&sql, "SELECT ");
    put_columns(&sql, table);
    tel_buf_cstr(&sql, " FROM ");
    tel_buf_cstr(&sql, table->name);
    tel_buf_cstr(&sql, " WHERE run_id = ?");
    return tel_db_prepare_kept(db, tel_buf_terminate(&sql), &table->select, err);
}

/* Parameter numbers are column numbers; the key's comes last in the text, but is ?1. */
static int prepare_update(sqlite3 *db, const struct table *table, struct update *update,
                          struct tel_error *err)
{
    const char *separator = " SET ";
    char memory[SQL_MAX];
    struct tel_buf sql;

    tel_buf_init(&sql, memory, sizeof memory);
    tel_buf_cstr(&sql, "UPDATE ");
    tel_buf_cstr(&sql, table->name);
    for (int i = 1; i < table->count; i++) {
        if ((update->columns & BIT(i)) == 0)
            continue;
        tel_buf_cstr(&sql, separator);
        tel_buf_cstr(&sql, table->columns[i]);
        tel_buf_cstr(&sql, " = ?");
        tel_buf_i64(&sql, i + 1);
        separator = ", ";
    }
    tel_buf_cstr(&sql, " WHERE run_id = ?1");
    return tel_db_prepare_kept(db, tel_buf_terminate(&sql), &update->stmt, err);
}

/* The kept update of just these columns, prepared in place of the oldest when there is none. */
static int find_update(sqlite3 *db, struct table *table, uint64_t columns, sqlite3_stmt **out,
                       struct tel_error *err)
{
    struct update *update;
    int status;

    for (int i = 0; i < UPDATES_KEPT; i++) {
        if (table->updates[i].stmt != NULL && table->updates[i].columns == columns) {
            *out = table->updates[i].stmt;
            return 0;
        }
    }
    update = &table->updates[table->oldest_update++ % UPDATES_KEPT];
    sqlite3_finalize(update->stmt);
    *update = (struct update){columns, NULL};
    status = prepare_update(db, table, update, err);
    *out = update->stmt;
    return status;
}

static void finalize_table(struct table *table)
{
    sqlite3_finalize(table->insert);
    sqlite3_finalize(table->select);
    for (int i = 0; i < UPDATES_KEPT; i++)
        sqlite3_finalize(table->updates[i].stmt);
}

static void bind_value(sqlite3_stmt *stmt, int column, const struct tel_value *value)
{
    if (value->type == TEL_VALUE_INTEGER)
        sqlite3_bind_int64(stmt, column + 1, value->integer);
    else
        tel_db_bind(stmt, column + 1, value->text);
}

/* 1 inserted, 0 there is such a row already, negative on error. */
static int insert_row(sqlite3 *db, struct table *table, const struct tel_value *values,
                      struct tel_error *err)
{
    int status = table->insert == NULL ? prepare_insert(db, table, err) : 0;

    if (status < 0)
        return status;
    for (int i = 0; i < table->count; i++)
        bind_value(table->insert, i, &values[i]);
    status = tel_db_step(table->insert, err);
    return status < 0 ? status : sqlite3_changes(db);
}

/* 1 found: the select stands on the row until it is reset; 0 none; negative on error. */
static int select_row(sqlite3 *db, struct table *table, const struct tel_value *key,
                      struct tel_error *err)
{
    int status = table->select == NULL ? prepare_select(db, table, err) : 0;

    if (status < 0)
        return status;
    bind_value(table->select, 0, key);
    return tel_db_step(table->select, err);
}

static int update_row(sqlite3 *db, struct table *table, const struct tel_value *values,
                      uint64_t columns, struct tel_error *err)
{
    sqlite3_stmt *stmt;
    int status;

    if (columns == 0)
        return 0;
    status = find_update(db, table, columns, &stmt, err);
    if (status < 0)
        return status;
    bind_value(stmt, 0, &values[0]);
    for (int i = 1; i < table->count; i++)
        if ((columns & BIT(i)) != 0)
            bind_value(stmt, i, &values[i]);
    return tel_db_step(stmt, err);
}

static bool is_stored(sqlite3_stmt *row, int column, const struct tel_value *value)
{
    switch (value->type) {
    case TEL_VALUE_NULL:
        return sqlite3_column_type(row, column) == SQLITE_NULL;
    case TEL_VALUE_INTEGER:
        return sqlite3_column_type(row, column) == SQLITE_INTEGER &&
               sqlite3_column_int64(row, column) == value->integer;
    case TEL_VALUE_TEXT:
        break;
    }
    return sqlite3_column_type(row, column) == SQLITE_TEXT &&
           tel_str_equal(tel_db_column(row, column), value->text);
}

static uint64_t differing_columns(const struct table *table, const struct tel_value *values)
{
    uint64_t columns = 0;

    for (int i = 1; i < table->count; i++)
        if (!is_stored(table->select, i, &values[i]))
            columns |= BIT(i);
    return columns;
}

/* --- values ---------------------------------------------------------------------------------- */

/* Statuses of the later Python schema; any other unknown word counts as a failure too. */
static void map_status(struct tel_value *run)
{
    static const char *const ours[] = {"running", "success", "failed", "partial"};
    struct tel_value word = run[TEL_RUN_STATUS];

    if (word.type == TEL_VALUE_NULL)
        return;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (tel_value_is_word(&word, ours[i]))
            return;
    run[TEL_RUN_STATUS] = tel_value_text(tel_value_is_word(&word, "completed") ? TEL_STR("success")
                                                                               : TEL_STR("failed"));
    if (tel_value_is_empty(&run[TEL_RUN_ERROR_SUMMARY]))
        run[TEL_RUN_ERROR_SUMMARY] = word;
}

static void map_trigger(struct tel_value *run)
{
    static const char *const known[] = {"cli", "web", "scheduler", "mcp", "manual"};
    struct tel_value *word = &run[TEL_RUN_TRIGGER_TYPE];

    if (word->type == TEL_VALUE_NULL)
        return;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (tel_value_is_word(word, known[i]))
            return;
    *word = tel_value_text(TEL_STR("manual"));
}

/* The form of SQLite's datetime('now'), which these columns have as their default. */
static void refresh_now(struct tel_rows *rows)
{
    const time_t now = time(NULL);
    char memory[TEL_TIME_LEN];
    struct tel_buf text;

    if (rows->now_second == now)
        return;
    rows->now_second = now;
    tel_buf_init(&text, memory, sizeof memory);
    tel_time_put(&text, (int64_t)now * 1000000000);
    memcpy(rows->now, memory, NOW_LEN);
    rows->now[sizeof "YYYY-MM-DD" - 1] = ' ';
}

static void fill_run(struct tel_rows *rows, const struct tel_runline *line, struct tel_buf *scratch,
                     struct tel_value *run)
{
    struct tel_value now;

    refresh_now(rows);
    now = tel_value_text((struct tel_str){rows->now, NOW_LEN});
    for (int i = 0; i < RUN_COLUMNS; i++)
        run[i] = tel_value_of(&tel_run_fields[i], line->run[i], scratch);
    map_status(run);
    map_trigger(run);
    if (run[TEL_RUN_CREATED_AT].type == TEL_VALUE_NULL)
        run[TEL_RUN_CREATED_AT] = now;
    if (run[TEL_RUN_UPDATED_AT].type == TEL_VALUE_NULL)
        run[TEL_RUN_UPDATED_AT] = now;
}

/* A line says whether posting was wanted; the column, whether it is still to be done. */
static void settle_posting(const struct tel_value *run, struct tel_value *process)
{
    if (process[1 + TEL_PROC_POST].type == TEL_VALUE_INTEGER &&
        (run[TEL_RUN_API_POSTED].integer != 0 ||
         process[1 + TEL_PROC_POST_ERROR].type != TEL_VALUE_NULL))
        process[1 + TEL_PROC_POST].integer = 0;
}

static void fill_process(const struct tel_runline *line, const struct tel_journal_pos *pos,
                         struct tel_buf *scratch, const struct tel_value *run,
                         struct tel_value *process)
{
    process[0] = run[TEL_RUN_RUN_ID];
    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        process[1 + i] = tel_value_of(&tel_process_fields[i], line->process[i], scratch);
    settle_posting(run, process);
    process[POS_DATE] = tel_value_int(pos->date);
    process[POS_OFFSET] = tel_value_int((int64_t)pos->offset);
    process[POS_LENGTH] = tel_value_int(pos->length);
}

static size_t scratch_needed(const struct tel_runline *line)
{
    size_t needed = 0;

    for (int i = 0; i < RUN_COLUMNS; i++)
        needed += tel_value_scratch(line->run[i]);
    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        needed += tel_value_scratch(line->process[i]);
    return needed;
}

static int reserve_scratch(struct tel_rows *rows, size_t needed, struct tel_error *err)
{
    char *memory;

    if (needed <= rows->scratch_cap)
        return 0;
    memory = realloc(rows->scratch, needed);
    if (memory == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot read a run line", NULL);
    rows->scratch = memory;
    rows->scratch_cap = needed;
    return 0;
}

/* --- rules of what a line may change ----------------------------------------------------------- */

static bool is_ended(struct tel_str status)
{
    return status.ptr != NULL && !tel_str_is(status, "running");
}

/* Posting never goes backwards: the Python client knows of it in the database alone. */
static uint64_t lowered_api_columns(sqlite3_stmt *row, const struct tel_value *run)
{
    const int64_t posted = sqlite3_column_int64(row, TEL_RUN_API_POSTED);
    uint64_t lowered = 0;

    if (run[TEL_RUN_API_POSTED].integer < posted)
        lowered |= POSTED_COLUMNS;
    if (posted != 0 && run[TEL_RUN_API_POSTED_AT].type == TEL_VALUE_NULL)
        lowered |= BIT(TEL_RUN_API_POSTED_AT);
    if (run[TEL_RUN_API_RETRY_COUNT].integer < sqlite3_column_int64(row, TEL_RUN_API_RETRY_COUNT))
        lowered |= BIT(TEL_RUN_API_RETRY_COUNT);
    return lowered;
}

/* Which columns of the run, whose row the select stands on, the line changes. */
static uint64_t run_changes(const struct table *runs, const struct tel_value *run, bool outdated)
{
    uint64_t columns = differing_columns(runs, run);

    columns &= ~(BIT(TEL_RUN_CREATED_AT) | BIT(TEL_RUN_UPDATED_AT));
    columns &= ~lowered_api_columns(runs->select, run);
    if (outdated)
        columns &= BIT(TEL_RUN_API_RETRY_COUNT) |
                   ((columns & BIT(TEL_RUN_API_POSTED)) != 0 ? POSTED_COLUMNS : 0);
    return columns == 0 ? 0 : columns | BIT(TEL_RUN_UPDATED_AT);
}

/* A run's lines never go back to an older day's file (CONTRACT 3): a line from one, folded late, is
 * not the run's last. */
static bool is_outdated(sqlite3_stmt *process, const struct tel_journal_pos *pos)
{
    return sqlite3_column_int64(process, POS_DATE) > (int64_t)pos->date;
}

static int update_process(struct tel_rows *rows, const struct tel_value *process,
                          const struct tel_journal_pos *pos, bool *outdated, struct tel_error *err)
{
    struct table *table = &rows->processes;
    uint64_t columns = 0;
    int status = select_row(rows->db, table, &process[0], err);

    if (status < 0)
        return status;
    if (status == 0)
        return insert_row(rows->db, table, process, err);
    *outdated = is_outdated(table->select, pos);
    if (!*outdated)
        columns = differing_columns(table, process);
    sqlite3_reset(table->select);
    return update_row(rows->db, table, process, columns, err);
}

/* 1 when the stored run has ended but the line says it goes on, 0 not, negative on error. */
static int would_reopen(struct tel_rows *rows, const struct tel_value *run, struct tel_error *err)
{
    int status;

    if (is_ended(run[TEL_RUN_STATUS].text))
        return 0;
    status = select_row(rows->db, &rows->runs, &run[0], err);
    if (status == 1) {
        status = is_ended(tel_db_column(rows->runs.select, TEL_RUN_STATUS));
        sqlite3_reset(rows->runs.select);
    }
    return status;
}

static int update_run(struct tel_rows *rows, const struct tel_value *run, bool outdated,
                      struct tel_error *err)
{
    uint64_t columns;
    int status = select_row(rows->db, &rows->runs, &run[0], err);

    if (status <= 0)
        return status;
    columns = run_changes(&rows->runs, run, outdated);
    sqlite3_reset(rows->runs.select);
    return update_row(rows->db, &rows->runs, run, columns, err);
}

/* The run is there already. process is NULL when the line has none. */
static int update_rows(struct tel_rows *rows, const struct tel_value *run,
                       const struct tel_value *process, const struct tel_journal_pos *pos,
                       struct tel_error *err)
{
    int status = would_reopen(rows, run, err);
    bool outdated = status == 1;

    if (status == 0 && process != NULL)
        status = update_process(rows, process, pos, &outdated, err);
    return status < 0 ? status : update_run(rows, run, outdated, err);
}

/* The run is new. A process row may be left from one that somebody deleted. */
static int add_process(struct tel_rows *rows, const struct tel_value *process,
                       const struct tel_journal_pos *pos, struct tel_error *err)
{
    bool outdated;
    int status = insert_row(rows->db, &rows->processes, process, err);

    if (status == 0)
        status = update_process(rows, process, pos, &outdated, err);
    return status < 0 ? status : 0;
}

/* --- interface --------------------------------------------------------------------------------- */

static void describe_runs(struct table *table)
{
    table->name = "agent_runs";
    table->count = RUN_COLUMNS;
    for (int i = 0; i < RUN_COLUMNS; i++)
        table->columns[i] = tel_field_name(&tel_run_fields[i]).ptr;
}

static void describe_processes(struct table *table)
{
    table->name = "run_process";
    table->count = PROCESS_COLUMNS;
    table->columns[0] = "run_id";
    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        table->columns[1 + i] = tel_field_name(&tel_process_fields[i]).ptr;
    table->columns[POS_DATE] = "journal_date";
    table->columns[POS_OFFSET] = "journal_offset";
    table->columns[POS_LENGTH] = "journal_length";
}

int tel_rows_open(struct tel_rows **out, sqlite3 *db, struct tel_error *err)
{
    struct tel_rows *rows = calloc(1, sizeof *rows);

    if (rows == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot use the database", NULL);
    rows->db = db;
    rows->now_second = -1;
    describe_runs(&rows->runs);
    describe_processes(&rows->processes);
    *out = rows;
    return 0;
}

void tel_rows_close(struct tel_rows *rows)
{
    if (rows == NULL)
        return;
    finalize_table(&rows->runs);
    finalize_table(&rows->processes);
    free(rows->scratch);
    free(rows);
}

static bool is_set(struct tel_str raw)
{
    return raw.ptr != NULL && tel_json_type_of(raw) != TEL_JSON_NULL;
}

bool tel_rows_accept(const struct tel_runline *line)
{
    const struct tel_str id = line->run[TEL_RUN_RUN_ID];

    return is_set(id) && !tel_str_is(id, "\"\"") && is_set(line->run[TEL_RUN_AGENT_NAME]) &&
           is_set(line->run[TEL_RUN_START_TIME]);
}

int tel_rows_put(struct tel_rows *rows, const struct tel_runline *line,
                 const struct tel_journal_pos *pos, struct tel_error *err)
{
    struct tel_value run[RUN_COLUMNS];
    struct tel_value process[PROCESS_COLUMNS];
    const struct tel_value *facts = NULL;
    struct tel_buf scratch;
    int status;

    if (!tel_rows_accept(line))
        return tel_fail(err, TEL_ERR_INVALID, "a run line lacks its id, agent or start time", NULL);
    status = reserve_scratch(rows, scratch_needed(line), err);
    if (status < 0)
        return status;
    tel_buf_init(&scratch, rows->scratch, rows->scratch_cap);
    fill_run(rows, line, &scratch, run);
    if (tel_runline_has_process(line)) {
        fill_process(line, pos, &scratch, run, process);
        facts = process;
    }
    status = insert_row(rows->db, &rows->runs, run, err);
    if (status == 0)
        return update_rows(rows, run, facts, pos, err);
    if (status == 1 && facts != NULL)
        return add_process(rows, facts, pos, err);
    return status < 0 ? status : 0;
}
