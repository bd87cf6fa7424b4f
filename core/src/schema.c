/* The schema as tables of text, and the statements that bring a database to it. */
#include "schema.h"

#include "base/fields.h"

#include <string.h>

#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define BIT(index) (UINT64_C(1) << (index))
#define ALL(count) (BIT(count) - 1) /* for less than 64 */

enum { SQL_MAX = 8192, COLUMNS_MAX = 64 };

struct column {
    const char *name;
    const char *declaration;
};

struct table {
    const char *name;
    const struct column *columns;
    int count;
    const char *options;
};

/* --- the contract's tables --------------------------------------------------------------------- */

static const struct {
    enum tel_run_field field;
    const char *declaration;
} run_columns[] = {
    {TEL_RUN_RUN_ID, "TEXT PRIMARY KEY"},
    {TEL_RUN_SCHEMA_VERSION, "INTEGER DEFAULT 3"},
    {TEL_RUN_AGENT_NAME, "TEXT NOT NULL"},
    {TEL_RUN_AGENT_OWNER, "TEXT"},
    {TEL_RUN_JOB_TYPE, "TEXT"},
    {TEL_RUN_TRIGGER_TYPE,
     "TEXT CHECK (trigger_type IN ('cli', 'web', 'scheduler', 'mcp', 'manual'))"},
    {TEL_RUN_START_TIME, "TEXT NOT NULL"},
    {TEL_RUN_END_TIME, "TEXT"},
    {TEL_RUN_STATUS, "TEXT CHECK (status IN ('running', 'success', 'failed', 'partial'))"},
    {TEL_RUN_ITEMS_DISCOVERED, "INTEGER DEFAULT 0"},
    {TEL_RUN_ITEMS_SUCCEEDED, "INTEGER DEFAULT 0"},
    {TEL_RUN_ITEMS_FAILED, "INTEGER DEFAULT 0"},
    {TEL_RUN_DURATION_MS, "INTEGER"},
    {TEL_RUN_INPUT_SUMMARY, "TEXT"},
    {TEL_RUN_OUTPUT_SUMMARY, "TEXT"},
    {TEL_RUN_ERROR_SUMMARY, "TEXT"},
    {TEL_RUN_METRICS_JSON, "TEXT"},
    {TEL_RUN_INSIGHT_ID, "TEXT"},
    {TEL_RUN_PRODUCT, "TEXT"},
    {TEL_RUN_PLATFORM, "TEXT"},
    {TEL_RUN_PRODUCT_FAMILY, "TEXT"},
    {TEL_RUN_SUBDOMAIN, "TEXT"},
    {TEL_RUN_GIT_REPO, "TEXT"},
    {TEL_RUN_GIT_BRANCH, "TEXT"},
    {TEL_RUN_GIT_RUN_TAG, "TEXT"},
    {TEL_RUN_HOST, "TEXT"},
    {TEL_RUN_API_POSTED, "INTEGER DEFAULT 0"},
    {TEL_RUN_API_POSTED_AT, "TEXT"},
    {TEL_RUN_API_RETRY_COUNT, "INTEGER DEFAULT 0"},
    {TEL_RUN_CREATED_AT, "TEXT DEFAULT (datetime('now'))"},
    {TEL_RUN_UPDATED_AT, "TEXT DEFAULT (datetime('now'))"},
};

static const struct column event_columns[] = {
    {"id", "INTEGER PRIMARY KEY AUTOINCREMENT"},
    {"run_id", "TEXT NOT NULL REFERENCES agent_runs(run_id)"},
    {"event_type", "TEXT NOT NULL"},
    {"timestamp", "TEXT NOT NULL"},
    {"payload_json", "TEXT"},
};

static const struct column commit_columns[] = {
    {"commit_hash", "TEXT PRIMARY KEY"},
    {"run_id", "TEXT REFERENCES agent_runs(run_id)"},
    {"agent_name", "TEXT"},
    {"repo", "TEXT"},
    {"branch", "TEXT"},
    {"commit_date", "TEXT"},
    {"author", "TEXT"},
    {"message", "TEXT"},
    {"files_changed", "INTEGER"},
    {"insertions", "INTEGER"},
    {"deletions", "INTEGER"},
    {"created_at", "TEXT DEFAULT (datetime('now'))"},
};

static const struct column migration_columns[] = {
    {"version", "INTEGER PRIMARY KEY"},
    {"applied_at", "TEXT DEFAULT (datetime('now'))"},
    {"description", "TEXT"},
};

/* --- ours -------------------------------------------------------------------------------------- */

static const struct column cursor_columns[] = {
    {"journal_date", "INTEGER PRIMARY KEY"},     {"inode", "INTEGER NOT NULL DEFAULT 0"},
    {"born_ns", "INTEGER NOT NULL DEFAULT 0"},   {"offset", "INTEGER NOT NULL DEFAULT 0"},
    {"bad_lines", "INTEGER NOT NULL DEFAULT 0"},
};

/* One row that changes for the sake of changing: tel_store_checkpoint. */
static const struct column prime_columns[] = {
    {"id", "INTEGER PRIMARY KEY"},
    {"count", "INTEGER NOT NULL DEFAULT 0"},
};

static const struct table fixed_tables[] = {
    {"run_events", event_columns, COUNT_OF(event_columns), ""},
    {"commits", commit_columns, COUNT_OF(commit_columns), ""},
    {"schema_migrations", migration_columns, COUNT_OF(migration_columns), ""},
    {"fold_cursor", cursor_columns, COUNT_OF(cursor_columns), ""},
    {"fold_prime", prime_columns, COUNT_OF(prime_columns), ""},
};

enum { TABLES = 2 + COUNT_OF(fixed_tables) };

static const char *declaration_of(const struct tel_field *field)
{
    return field->kind == TEL_KIND_TEXT || field->kind == TEL_KIND_JSON ? "TEXT" : "INTEGER";
}

/* Two tables have the names of fields.h: memory holds their columns. */
static struct table run_table(struct column memory[COLUMNS_MAX])
{
    for (int i = 0; i < COUNT_OF(run_columns); i++)
        memory[i] = (struct column){tel_field_name(&tel_run_fields[run_columns[i].field]).ptr,
                                    run_columns[i].declaration};
    return (struct table){"agent_runs", memory, COUNT_OF(run_columns), ""};
}

static struct table process_table(struct column memory[COLUMNS_MAX])
{
    int count = 0;

    memory[count++] = (struct column){"run_id", "TEXT PRIMARY KEY"};
    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        memory[count++] = (struct column){tel_field_name(&tel_process_fields[i]).ptr,
                                          declaration_of(&tel_process_fields[i])};
    memory[count++] = (struct column){"journal_date", "INTEGER"};
    memory[count++] = (struct column){"journal_offset", "INTEGER"};
    memory[count++] = (struct column){"journal_length", "INTEGER"};
    return (struct table){"run_process", memory, count, " WITHOUT ROWID"};
}

static struct table table_at(int index, struct column memory[COLUMNS_MAX])
{
    if (index == 0)
        return run_table(memory);
    return index < TABLES - 1 ? fixed_tables[index - 1] : process_table(memory);
}

static const struct {
    const char *name;
    const char *on;
} indexes[] = {
    {"idx_runs_agent", "agent_runs(agent_name)"},
    {"idx_runs_status", "agent_runs(status)"},
    {"idx_runs_start", "agent_runs(start_time)"},
    {"idx_runs_api_posted", "agent_runs(api_posted)"},
    {"idx_runs_insight", "agent_runs(insight_id)"},
    {"idx_events_run", "run_events(run_id)"},
    {"idx_commits_run", "commits(run_id)"},
    /* Small, however many runs there are: see rows.c. */
    {"idx_process_post", "run_process(post_after) WHERE post = 1"},
};

/* --- looking ----------------------------------------------------------------------------------- */

int tel_schema_is_empty(sqlite3 *db, bool *out, struct tel_error *err)
{
    int64_t count = 0;
    int status = tel_db_get_int(db, "SELECT count(*) FROM sqlite_schema", &count, err);

    if (status == 0)
        *out = count == 0;
    return status;
}

int tel_schema_has_table(sqlite3 *db, const char *name, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status = tel_db_prepare(
        db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE", &stmt,
        err);

    if (status < 0)
        return status;
    tel_db_bind(stmt, 1, tel_str_from(name));
    return tel_db_step(stmt, err);
}

/* Sets the bit of each column that the database's table has; none when there is no such table. */
static int find_columns(sqlite3 *db, const struct table *table, uint64_t *present,
                        struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status = tel_db_prepare(db, "SELECT name FROM pragma_table_info(?)", &stmt, err);

    if (status < 0)
        return status;
    *present = 0;
    tel_db_bind(stmt, 1, tel_str_from(table->name));
    while ((status = tel_db_step(stmt, err)) == 1) {
        for (int i = 0; i < table->count; i++)
            if (tel_str_is_nocase(tel_db_column(stmt, 0), table->columns[i].name))
                *present |= BIT(i);
    }
    return status;
}

static int find_indexes(sqlite3 *db, uint64_t *present, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status =
        tel_db_prepare(db, "SELECT name FROM sqlite_schema WHERE type = 'index'", &stmt, err);

    if (status < 0)
        return status;
    *present = 0;
    while ((status = tel_db_step(stmt, err)) == 1) {
        for (int i = 0; i < COUNT_OF(indexes); i++)
            if (tel_str_is_nocase(tel_db_column(stmt, 0), indexes[i].name))
                *present |= BIT(i);
    }
    return status;
}

int tel_schema_version(sqlite3 *db, int64_t *out, struct tel_error *err)
{
    int64_t version = 0;
    int status = tel_schema_has_table(db, "schema_migrations", err);

    if (status == 1)
        status = tel_db_get_int(db, "SELECT max(version) FROM schema_migrations", &version, err);
    if (status < 0)
        return status;
    *out = version;
    return 0;
}

int tel_schema_check(sqlite3 *db, struct tel_error *err)
{
    char memory[24];
    struct tel_buf found;
    int64_t version;
    int status = tel_schema_version(db, &version, err);

    if (status < 0 || version <= TEL_SCHEMA_VERSION)
        return status;
    tel_buf_init(&found, memory, sizeof memory);
    tel_buf_i64(&found, version);
    return tel_fail(err, TEL_ERR_SCHEMA, "the database is of schema version ",
                    tel_buf_terminate(&found),
                    "; this program knows versions up to 3 and leaves it untouched. Upgrade it, or "
                    "set TELEMETRY_DB_PATH to another file",
                    NULL);
}

static int are_tables_complete(sqlite3 *db, struct tel_error *err)
{
    struct column memory[COLUMNS_MAX];
    uint64_t present = 0;
    int status = 0;

    for (int i = 0; i < TABLES; i++) {
        const struct table table = table_at(i, memory);

        status = find_columns(db, &table, &present, err);
        if (status < 0 || present != ALL(table.count))
            return status;
    }
    return 1;
}

/* 1 complete, 0 something is missing, negative on error. */
static int is_complete(sqlite3 *db, struct tel_error *err)
{
    uint64_t present = 0;
    int64_t version = 0;
    int status = tel_schema_version(db, &version, err);

    if (status < 0 || version < TEL_SCHEMA_VERSION)
        return status;
    status = are_tables_complete(db, err);
    if (status <= 0)
        return status;
    status = find_indexes(db, &present, err);
    return status < 0 ? status : present == ALL(COUNT_OF(indexes));
}

/* --- making ------------------------------------------------------------------------------------ */

static int create_table(sqlite3 *db, const struct table *table, struct tel_error *err)
{
    char memory[SQL_MAX];
    struct tel_buf sql;

    tel_buf_init(&sql, memory, sizeof memory);
    tel_buf_cstr(&sql, "CREATE TABLE ");
    tel_buf_cstr(&sql, table->name);
    for (int i = 0; i < table->count; i++) {
        tel_buf_cstr(&sql, i == 0 ? " (\n    " : ",\n    ");
        tel_buf_cstr(&sql, table->columns[i].name);
        tel_buf_char(&sql, ' ');
        tel_buf_cstr(&sql, table->columns[i].declaration);
    }
    tel_buf_cstr(&sql, "\n)");
    tel_buf_cstr(&sql, table->options);
    return tel_db_exec(db, tel_buf_terminate(&sql), err);
}

/* ALTER TABLE takes no NOT NULL without a default, no computed default, and would read the whole
 * table for a CHECK: of such a declaration only the type is kept. */
static void put_addable(struct tel_buf *sql, const char *declaration)
{
    struct tel_str text = tel_str_from(declaration);
    const ptrdiff_t space = tel_str_find(text, ' ');
    const bool constant_default =
        space >= 0 && tel_str_starts(tel_str_from_pos(text, (size_t)space), " DEFAULT ") &&
        tel_str_find(text, '(') < 0;

    if (space >= 0 && !constant_default)
        text.len = (size_t)space;
    tel_buf_str(sql, text);
}

static int add_column(sqlite3 *db, const struct table *table, const struct column *column,
                      struct tel_error *err)
{
    char memory[SQL_MAX];
    struct tel_buf sql;

    tel_buf_init(&sql, memory, sizeof memory);
    tel_buf_cstr(&sql, "ALTER TABLE ");
    tel_buf_cstr(&sql, table->name);
    tel_buf_cstr(&sql, " ADD COLUMN ");
    tel_buf_cstr(&sql, column->name);
    tel_buf_char(&sql, ' ');
    put_addable(&sql, column->declaration);
    return tel_db_exec(db, tel_buf_terminate(&sql), err);
}

static int complete_table(sqlite3 *db, const struct table *table, struct tel_error *err)
{
    uint64_t present = 0;
    int status = find_columns(db, table, &present, err);

    if (status == 0 && present == 0)
        return create_table(db, table, err);
    for (int i = 0; i < table->count && status == 0; i++)
        if ((present & BIT(i)) == 0)
            status = add_column(db, table, &table->columns[i], err);
    return status;
}

static int create_index(sqlite3 *db, int index, struct tel_error *err)
{
    char memory[256];
    struct tel_buf sql;

    tel_buf_init(&sql, memory, sizeof memory);
    tel_buf_cstr(&sql, "CREATE INDEX IF NOT EXISTS ");
    tel_buf_cstr(&sql, indexes[index].name);
    tel_buf_cstr(&sql, " ON ");
    tel_buf_cstr(&sql, indexes[index].on);
    return tel_db_exec(db, tel_buf_terminate(&sql), err);
}

static int make_everything(sqlite3 *db, struct tel_error *err)
{
    struct column memory[COLUMNS_MAX];
    int status = 0;

    for (int i = 0; i < TABLES && status == 0; i++) {
        const struct table table = table_at(i, memory);

        status = complete_table(db, &table, err);
    }
    for (int i = 0; i < COUNT_OF(indexes) && status == 0; i++)
        status = create_index(db, i, err);
    if (status == 0)
        status = tel_db_exec(db,
                             "INSERT OR IGNORE INTO schema_migrations (version, description) VALUES"
                             " (3, 'Schema v3: product_family and subdomain');"
                             "INSERT OR IGNORE INTO fold_prime (id, count) VALUES (1, 0)",
                             err);
    return status;
}

int tel_schema_complete(sqlite3 *db, struct tel_error *err)
{
    int status = is_complete(db, err);

    if (status != 0)
        return status < 0 ? status : 0;
    status = tel_db_exec(db, "BEGIN IMMEDIATE", err);
    if (status < 0)
        return status;
    /* Somebody else may have raised the version while this one waited for the lock. */
    status = tel_schema_check(db, err);
    if (status == 0)
        status = make_everything(db, err);
    if (status == 0)
        status = tel_db_exec(db, "COMMIT", err);
    if (status < 0 && !sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}
