/* The database as the fold writes it: its schema, what becomes of run lines in it, and what is done
 * about files that are no such database (CONTRACT 4). */
#include "store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support/database.h"
#include "support/places.h"
#include "support/support.h"

enum { BUSY_MS = 100 };

static struct tel_datadir dir;
static struct tel_error err;
static struct tel_store *store;
static char set_aside[TEL_PATH_MAX];

static int try_open(void)
{
    err = (struct tel_error){0};
    return tel_store_open(&store, &dir, BUSY_MS, set_aside, &err);
}

static void open_store(void)
{
    cr_assert_eq(try_open(), 0, "%s", err.message);
}

static void setup(void)
{
    make_place(&dir, text("%s/base", test_dir()));
    mkdir(dir.run, 0700);
}

static void close_store(void)
{
    tel_store_close(store);
    store = NULL;
}

TestSuite(store, .init = setup, .fini = close_store);

static const char *sql(const char *statement)
{
    const char *rows = sql_text(dir.base, statement);

    return rows == NULL ? "(failed)" : rows;
}

static int try_put(const char *line, uint32_t date, uint64_t offset)
{
    const struct tel_journal_pos pos = {date, (uint32_t)strlen(line), offset};
    struct tel_runline parsed;
    int status;

    cr_assert_eq(tel_runline_parse(tel_str_from(line), &parsed), TEL_LINE_RUN, "%s", line);
    err = (struct tel_error){0};
    cr_assert_eq(tel_store_begin(store, &err), 0, "%s", err.message);
    status = tel_store_put_run(store, &parsed, &pos, &err);
    cr_assert_eq(tel_store_commit(store, NULL), 0);
    return status;
}

static void put_at(const char *line, uint32_t date, uint64_t offset)
{
    cr_assert_eq(try_put(line, date, offset), 0, "%s", err.message);
}

static void put(const char *line)
{
    put_at(line, 20261122, 0);
}

/* --- schema ---------------------------------------------------------------------------------- */

Test(store, makes_the_schema_of_the_contract)
{
    open_store();
    cr_expect_str_eq(
        sql("SELECT group_concat(name, ' ') FROM pragma_table_info('agent_runs')"),
        "run_id schema_version agent_name agent_owner job_type trigger_type start_time end_time "
        "status items_discovered items_succeeded items_failed duration_ms input_summary "
        "output_summary error_summary metrics_json insight_id product platform product_family "
        "subdomain git_repo git_branch git_run_tag host api_posted api_posted_at api_retry_count "
        "created_at updated_at");
    cr_expect_str_eq(sql("SELECT name, type, \"notnull\", dflt_value, pk FROM "
                         "pragma_table_info('agent_runs') WHERE type = 'INTEGER' OR \"notnull\" OR "
                         "pk OR dflt_value IS NOT NULL"),
                     "run_id|TEXT|0||1\nschema_version|INTEGER|0|3|0\nagent_name|TEXT|1||0\n"
                     "start_time|TEXT|1||0\nitems_discovered|INTEGER|0|0|0\n"
                     "items_succeeded|INTEGER|0|0|0\nitems_failed|INTEGER|0|0|0\n"
                     "duration_ms|INTEGER|0||0\napi_posted|INTEGER|0|0|0\n"
                     "api_retry_count|INTEGER|0|0|0\ncreated_at|TEXT|0|datetime('now')|0\n"
                     "updated_at|TEXT|0|datetime('now')|0");
    cr_expect_str_eq(sql("SELECT group_concat(name, ' ') FROM pragma_table_info('run_events')"),
                     "id run_id event_type timestamp payload_json");
    cr_expect_str_eq(sql("SELECT group_concat(name, ' ') FROM pragma_table_info('commits')"),
                     "commit_hash run_id agent_name repo branch commit_date author message "
                     "files_changed insertions deletions created_at");
    cr_expect_str_eq(sql("SELECT max(version) FROM schema_migrations"), "3");
    cr_expect_str_eq(sql("PRAGMA journal_mode"), "wal");
}

Test(store, keeps_process_facts_in_the_order_of_the_line)
{
    const char *expected = "run_id TEXT";

    for (int i = 0; i < TEL_PROC_FIELDS; i++) {
        const struct tel_field *field = &tel_process_fields[i];
        const bool is_text = field->kind == TEL_KIND_TEXT || field->kind == TEL_KIND_JSON;

        expected =
            text("%s, %s %s", expected, tel_field_name(field).ptr, is_text ? "TEXT" : "INTEGER");
    }
    open_store();
    cr_expect_str_eq(
        sql("SELECT group_concat(name || ' ' || type, ', ') FROM "
            "pragma_table_info('run_process')"),
        text("%s, journal_date INTEGER, journal_offset INTEGER, journal_length INTEGER", expected));
}

Test(store, makes_the_indexes_of_the_contract_and_one_of_ours)
{
    open_store();
    cr_expect_str_eq(sql("SELECT name || ' ' || tbl_name || ' ' || (SELECT group_concat(name) FROM "
                         "pragma_index_info(m.name)) FROM sqlite_schema m WHERE type = 'index' AND "
                         "sql IS NOT NULL ORDER BY name"),
                     "idx_commits_run commits run_id\nidx_events_run run_events run_id\n"
                     "idx_process_post run_process post_after\n"
                     "idx_runs_agent agent_runs agent_name\n"
                     "idx_runs_api_posted agent_runs api_posted\n"
                     "idx_runs_insight agent_runs insight_id\n"
                     "idx_runs_start agent_runs start_time\nidx_runs_status agent_runs status");
}

Test(store, refuses_other_words_as_the_contract_says)
{
    static const char insert[] = "INSERT INTO agent_runs (run_id, agent_name, start_time, %s) "
                                 "VALUES ('a', 'b', 'c', 'other')";
    sqlite3 *db;

    open_store();
    cr_assert_eq(sqlite3_open(dir.db, &db), SQLITE_OK);
    cr_expect_eq(sqlite3_exec(db, text(insert, "status"), NULL, NULL, NULL), SQLITE_CONSTRAINT);
    cr_expect_eq(sqlite3_exec(db, text(insert, "trigger_type"), NULL, NULL, NULL),
                 SQLITE_CONSTRAINT);
    sqlite3_close(db);
}

static void expect_modes(mode_t mode)
{
    open_store();
    put(start_line("r1", 1));
    cr_expect_eq(mode_of(dir.db), mode);
    cr_expect_eq(mode_of(text("%s-wal", dir.db)), mode);
    cr_expect_eq(mode_of(text("%s-shm", dir.db)), mode);
}

Test(store, files_are_private)
{
    umask(0);
    expect_modes(0600);
}

Test(store, files_have_the_mode_that_was_asked_for)
{
    umask(0077);
    dir.file_mode = 0660;
    expect_modes(0660);
}

Test(store, opens_what_is_there_without_changing_it)
{
    const char *before;

    open_store();
    put(start_line("r1", 1));
    close_store();
    before = all_rows(dir.base);
    open_store();
    cr_expect_str_eq(all_rows(dir.base), before);
    cr_expect_str_eq(set_aside, "");
}

/* What the Python client's recovery leaves behind. */
static const char schema_2[] =
    "CREATE TABLE agent_runs (run_id TEXT PRIMARY KEY, schema_version INTEGER DEFAULT 2, "
    "agent_name TEXT NOT NULL, agent_owner TEXT, job_type TEXT, trigger_type TEXT, start_time TEXT "
    "NOT NULL, "
    "end_time TEXT, status TEXT CHECK(status IN ('running', 'success', 'failed', 'partial')), "
    "items_discovered INTEGER DEFAULT 0, items_succeeded INTEGER DEFAULT 0, items_failed INTEGER "
    "DEFAULT 0, duration_ms INTEGER, input_summary TEXT, output_summary TEXT, error_summary TEXT, "
    "metrics_json TEXT, insight_id TEXT, product TEXT, platform TEXT, git_repo TEXT, git_branch "
    "TEXT, git_run_tag TEXT, host TEXT, api_posted INTEGER DEFAULT 0, api_posted_at TEXT, "
    "api_retry_count INTEGER DEFAULT 0, custom_metadata TEXT, created_at TEXT DEFAULT "
    "(datetime('now')), updated_at TEXT DEFAULT (datetime('now')));"
    "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, applied_at TEXT DEFAULT "
    "(datetime('now')), description TEXT);"
    "INSERT INTO schema_migrations (version, description) VALUES (2, 'two');"
    "INSERT INTO agent_runs (run_id, agent_name, start_time, custom_metadata) VALUES "
    "('old', 'a', '2025', 'kept');";

static void make_database(const char *statements)
{
    cr_assert_eq(tel_datadir_prepare_db(&dir, &err), 0, "%s", err.message);
    change_database(dir.db, statements);
}

Test(store, completes_an_older_schema)
{
    make_database(schema_2);
    open_store();
    put(changed_line(start_line("new", 1), "product_family", "\"words\"", "subdomain", "\"docs\"",
                     NULL));
    cr_expect_str_eq(
        sql("SELECT run_id, custom_metadata, product_family, subdomain FROM agent_runs "
            "ORDER BY rowid"),
        "old|kept||\nnew||words|docs");
    cr_expect_str_eq(sql("SELECT group_concat(version) FROM schema_migrations"), "2,3");
    cr_expect_str_eq(sql("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'idx_%'"), "8");
    cr_expect_str_eq(sql("PRAGMA journal_mode"), "wal");
}

Test(store, completes_columns_that_have_defaults)
{
    make_database("CREATE TABLE agent_runs (run_id TEXT PRIMARY KEY, agent_name TEXT NOT NULL, "
                  "start_time TEXT NOT NULL);"
                  "INSERT INTO agent_runs VALUES ('old', 'a', '2025')");
    open_store();
    cr_expect_str_eq(sql("SELECT schema_version, items_failed, api_posted, created_at FROM "
                         "agent_runs"),
                     "3|0|0|");
}

Test(store, mends_what_somebody_dropped)
{
    open_store();
    close_store();
    change_database(dir.db, "DROP TABLE run_process; DROP INDEX idx_runs_status;"
                            "ALTER TABLE fold_cursor DROP COLUMN bad_lines");
    open_store();
    put(start_line("r1", 1));
    cr_expect_str_eq(sql("SELECT run_id FROM run_process"), "r1");
    cr_expect_str_eq(sql("SELECT sum(bad_lines) IS NULL FROM fold_cursor"), "1");
    cr_expect_str_eq(sql("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'idx_%'"), "8");
}

Test(store, leaves_a_newer_schema_untouched)
{
    const char *before;

    make_database(
        "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY);"
        "CREATE TABLE agent_runs (run_id TEXT PRIMARY KEY, event_id TEXT NOT NULL UNIQUE);"
        "INSERT INTO schema_migrations VALUES (3), (6)");
    before = read_file(dir.db);
    cr_expect_eq(try_open(), TEL_ERR_SCHEMA);
    cr_expect(strstr(err.message, "schema version 6") != NULL, "%s", err.message);
    cr_expect_eq(memcmp(read_file(dir.db), before, 4096), 0);
    cr_expect_not(file_exists(text("%s-wal", dir.db)));
    cr_expect_str_eq(set_aside, "");
}

/* A later version of the Python client completes the schema while a collector serves. */
Test(store, notices_a_schema_that_becomes_newer)
{
    open_store();
    put(start_line("r1", 1));
    make_database("ALTER TABLE agent_runs ADD COLUMN later TEXT;"
                  "INSERT INTO schema_migrations (version) VALUES (6)");
    cr_expect_eq(tel_store_begin(store, &err), TEL_ERR_SCHEMA);
    cr_expect(strstr(err.message, "schema version 6") != NULL, "%s", err.message);
    make_database("INSERT INTO schema_migrations (version) VALUES (7)"); /* nothing is locked */
    cr_expect_str_eq(sql("SELECT max(version) FROM schema_migrations"), "7");
}

/* --- files that are no database --------------------------------------------------------------- */

static void expect_set_aside(void)
{
    const char *stem = text("%s.corrupt-", dir.db);

    cr_assert_eq(strncmp(set_aside, stem, strlen(stem)), 0, "%s", set_aside);
    cr_expect_eq(strlen(set_aside + strlen(stem)), sizeof "20261122T101112Z" - 1, "%s", set_aside);
    cr_expect(file_exists(set_aside));
}

Test(store, sets_a_text_file_aside)
{
    static const char words[] = "This is no database, but somebody may want it back.\n";

    make_database("");
    write_file(dir.db, words, 0600);
    write_file(text("%s-wal", dir.db), "wal", 0600);
    open_store();
    expect_set_aside();
    cr_expect_str_eq(read_file(set_aside), words);
    cr_expect_str_eq(read_file(text("%s-wal", set_aside)), "wal");
    put(start_line("r1", 1));
    cr_expect_str_eq(sql("SELECT run_id FROM agent_runs"), "r1");
}

static void overwrite(const char *path, off_t offset, size_t len)
{
    char noise[4096];
    int fd = open(path, O_WRONLY);

    cr_assert_geq(fd, 0);
    memset(noise, 0x5a, sizeof noise);
    cr_assert_leq(len, sizeof noise);
    cr_assert_eq(pwrite(fd, noise, len, offset), (ssize_t)len);
    close(fd);
}

static void checkpoint_fully(void)
{
    change_database(dir.db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

Test(store, sets_a_damaged_database_aside)
{
    open_store();
    put(start_line("r1", 1));
    close_store();
    checkpoint_fully();
    overwrite(dir.db, 100, 2000);
    open_store();
    expect_set_aside();
    cr_expect_str_eq(sql("SELECT count(*) FROM agent_runs"), "0");
}

Test(store, sets_a_truncated_database_aside)
{
    open_store();
    put(start_line("r1", 1));
    close_store();
    checkpoint_fully();
    cr_assert_eq(truncate(dir.db, 3 * 4096), 0);
    open_store();
    expect_set_aside();
}

Test(store, takes_an_empty_file_for_a_new_database)
{
    make_database("");
    write_file(dir.db, "", 0600);
    open_store();
    cr_expect_str_eq(set_aside, "");
    cr_expect_str_eq(sql("SELECT max(version) FROM schema_migrations"), "3");
}

Test(store, never_overwrites_what_was_set_aside_before)
{
    char first[TEL_PATH_MAX];

    make_database("");
    write_file(dir.db, "the first text, long enough to be read as a header", 0600);
    open_store();
    close_store();
    strcpy(first, set_aside);
    unlink(text("%s-wal", dir.db)); /* it holds all of the new database */
    write_file(dir.db, "the second text, long enough to be read as a header", 0600);
    open_store();
    cr_expect_str_neq(first, set_aside);
    cr_expect_eq(strncmp(read_file(first), "the first", 9), 0);
    cr_expect_eq(strncmp(read_file(set_aside), "the second", 10), 0);
}

Test(store, waits_for_whoever_is_replacing_the_database)
{
    int lock = open(text("%s/rebuild.lock", dir.run), O_RDWR | O_CREAT, 0600);

    cr_assert_eq(flock(lock, LOCK_EX), 0);
    make_database("");
    write_file(dir.db, "text, long enough to be read as a header", 0600);
    cr_expect_eq(try_open(), TEL_ERR_BUSY);
    cr_expect_eq(strncmp(read_file(dir.db), "text", 4), 0);
    close(lock);
    open_store();
    expect_set_aside();
}

Test(store, sets_aside_without_a_run_directory)
{
    rmdir(dir.run);
    make_database("");
    write_file(dir.db, "text, long enough to be read as a header", 0600);
    open_store();
    expect_set_aside();
}

Test(store, condemned_database_is_set_aside)
{
    open_store();
    put(start_line("r1", 1));
    cr_expect_eq(tel_store_condemn(store, set_aside, &err), 0, "%s", err.message);
    store = NULL;
    expect_set_aside();
    cr_expect(file_exists(text("%s-wal", set_aside)));
    cr_expect_not(file_exists(dir.db));
}

Test(store, condemned_database_that_was_replaced_is_left)
{
    open_store();
    unlink(dir.db);
    write_file(dir.db, "somebody else's", 0600);
    set_aside[0] = '\0';
    cr_expect_eq(tel_store_condemn(store, set_aside, &err), 0, "%s", err.message);
    store = NULL;
    cr_expect_str_eq(set_aside, "");
    cr_expect_str_eq(read_file(dir.db), "somebody else's");
}

Test(store, refuses_a_directory)
{
    make_database("");
    unlink(dir.db);
    mkdir(dir.db, 0700);
    cr_expect_eq(try_open(), -EISDIR);
    cr_expect(strstr(err.message, dir.db) != NULL, "%s", err.message);
}

Test(store, refuses_a_symbolic_link)
{
    make_database("");
    unlink(dir.db);
    cr_assert_eq(symlink("/tmp/elsewhere.sqlite", dir.db), 0);
    cr_expect_eq(try_open(), TEL_ERR_REFUSED);
    cr_expect_not(file_exists("/tmp/elsewhere.sqlite"));
}

Test(store, refuses_a_fifo)
{
    make_database("");
    unlink(dir.db);
    cr_assert_eq(mkfifo(dir.db, 0600), 0);
    cr_expect_eq(try_open(), TEL_ERR_REFUSED);
}

Test(store, follows_links_above_the_data_directory)
{
    const char *link = text("%s/link", test_dir());

    cr_assert_eq(symlink("base", link), 0);
    make_place(&dir, link);
    open_store();
    cr_expect(file_exists(text("%s/base/db/telemetry.sqlite", test_dir())));
}

Test(store, says_when_the_path_is_too_long_for_sqlite)
{
    const char *base = text("%s/base", test_dir());

    for (int i = 0; i < 5; i++) {
        base = text("%s/%0200d", base, i);
        mkdir(base, 0700);
    }
    make_place(&dir, base);
    cr_expect_lt(try_open(), 0);
    cr_expect_neq(err.message[0], '\0');
}

/* --- lines ------------------------------------------------------------------------------------ */

Test(store, a_line_becomes_rows)
{
    open_store();
    put_at(changed_line(start_line("r1", 5), "items_failed", "7", "output_summary",
                        "\"caf\\u00e9 \\\"x\\\" \\ud83d\\ude00\\n\"", "parent_run_id", "\"p\"",
                        "argv", "[\"a b\", \"c\\\"\"]", "core_dumped", "true", NULL),
           20261122, 4711);
    cr_expect_str_eq(
        sql("SELECT run_id, schema_version, agent_name, job_type, trigger_type, status, "
            "items_failed, output_summary, api_posted, typeof(duration_ms) FROM "
            "agent_runs"),
        "r1|3|agent|job|cli|running|7|café \"x\" 😀\n|0|null");
    cr_expect_str_eq(sql("SELECT run_id, parent_run_id, pid, start_boot_ns, argv, core_dumped, "
                         "journal_date, journal_offset, typeof(exit_code) FROM run_process"),
                     "r1|p|1|5|[\"a b\", \"c\\\"\"]|1|20261122|4711|null");
    cr_expect_str_eq(sql("SELECT created_at = updated_at AND abs(julianday('now') - "
                         "julianday(created_at)) < 0.001 FROM agent_runs"),
                     "1");
}

Test(store, an_end_line_updates_them)
{
    const char *start = start_line("r1", 5);

    open_store();
    put_at(start, 20261122, 0);
    put_at(changed_line(start, "status", "\"failed\"", "duration_ms", "12", "error_summary",
                        "\"exit code 3\"", "exit_code", "3", "end_source", "\"observed\"", NULL),
           20261123, 900);
    cr_expect_str_eq(sql("SELECT status, duration_ms, error_summary FROM agent_runs"),
                     "failed|12|exit code 3");
    cr_expect_str_eq(sql("SELECT exit_code, end_source, journal_date, journal_offset FROM "
                         "run_process"),
                     "3|observed|20261123|900");
}

Test(store, the_same_line_again_changes_nothing)
{
    open_store();
    put(start_line("r1", 5));
    change_database(dir.db, "UPDATE agent_runs SET updated_at = 'then', created_at = 'before'");
    put(start_line("r1", 5));
    cr_expect_str_eq(sql("SELECT created_at, updated_at FROM agent_runs"), "before|then");
    put(changed_line(start_line("r1", 5), "host", "\"there\"", NULL));
    cr_expect_str_eq(sql("SELECT created_at, updated_at = 'then' FROM agent_runs"), "before|0");
}

Test(store, a_start_never_reopens_an_ended_run)
{
    const char *start = start_line("r1", 5);

    open_store();
    put_at(changed_line(start, "status", "\"success\"", NULL), 20261122, 100);
    put_at(start, 20261122, 300);
    put_at(changed_line(start, "status", "null", NULL), 20261122, 600);
    cr_expect_str_eq(sql("SELECT status FROM agent_runs"), "success");
    cr_expect_str_eq(sql("SELECT journal_offset FROM run_process"), "100");
}

Test(store, a_line_of_an_older_day_changes_nothing)
{
    const char *end = changed_line(start_line("r1", 5), "status", "\"success\"", NULL);

    open_store();
    put_at(end, 20261122, 100);
    put_at(changed_line(end, "status", "\"failed\"", "api_retry_count", "2", NULL), 20261121, 5);
    cr_expect_str_eq(sql("SELECT status, api_retry_count FROM agent_runs"), "success|2");
    cr_expect_str_eq(sql("SELECT journal_date FROM run_process"), "20261122");
}

Test(store, posting_is_never_lowered)
{
    const char *end = changed_line(start_line("r1", 5), "status", "\"success\"", NULL);

    open_store();
    put(end);
    /* As the Python client does. */
    change_database(dir.db, "UPDATE agent_runs SET api_posted = 1, api_posted_at = 'then', "
                            "api_retry_count = 3");
    put(changed_line(end, "output_summary", "\"later\"", "api_retry_count", "1", NULL));
    cr_expect_str_eq(sql("SELECT output_summary, api_posted, api_posted_at, api_retry_count FROM "
                         "agent_runs"),
                     "later|1|then|3");
    put(changed_line(end, "api_posted", "true", "api_posted_at", "\"now\"", "api_retry_count", "4",
                     NULL));
    cr_expect_str_eq(sql("SELECT api_posted, api_posted_at, api_retry_count FROM agent_runs"),
                     "1|now|4");
}

Test(store, foreign_statuses)
{
    static const struct {
        const char *status, *summary, *expected;
    } cases[] = {
        {"\"failure\"", "null", "failed|failure"},
        {"\"timeout\"", "\"\"", "failed|timeout"},
        {"\"cancelled\"", "\"by hand\"", "failed|by hand"},
        {"\"completed\"", "null", "success|completed"},
        {"\"partial\"", "null", "partial|"},
        {"\"Success!\"", "null", "failed|Success!"},
        {"12", "null", "failed|12"},
        {"null", "null", "|"},
    };

    open_store();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *id = text("r%zu", i);

        put(changed_line(start_line(id, 1), "status", cases[i].status, "error_summary",
                         cases[i].summary, NULL));
        cr_expect_str_eq(
            sql(text("SELECT status, error_summary FROM agent_runs WHERE run_id = '%s'", id)),
            cases[i].expected, "%s", cases[i].status);
    }
}

Test(store, foreign_triggers)
{
    open_store();
    put(changed_line(start_line("r1", 1), "trigger_type", "\"webhook\"", NULL));
    put(changed_line(start_line("r2", 1), "trigger_type", "null", NULL));
    put(changed_line(start_line("r3", 1), "trigger_type", "\"mcp\"", NULL));
    cr_expect_str_eq(sql("SELECT trigger_type FROM agent_runs"), "manual\n\nmcp");
}

Test(store, integers_however_they_are_written)
{
    static const struct {
        const char *value, *count, *duration;
    } cases[] = {
        {"12", "12", "12"},         {"12.9", "12", "12"},  {"\"12\"", "12", "12"},
        {"\" 12.5 \"", "12", "12"}, {"1.2e1", "12", "12"}, {"-3", "-3", "-3"},
        {"true", "1", "1"},         {"1e400", "0", ""},    {"99999999999999999999", "0", ""},
        {"\"many\"", "0", ""},      {"[1]", "0", ""},      {"null", "0", ""},
    };

    open_store();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *id = text("r%zu", i);

        put(changed_line(start_line(id, 1), "items_failed", cases[i].value, "duration_ms",
                         cases[i].value, NULL));
        cr_expect_str_eq(
            sql(text("SELECT items_failed, duration_ms FROM agent_runs WHERE run_id = '%s'", id)),
            text("%s|%s", cases[i].count, cases[i].duration), "%s", cases[i].value);
    }
}

Test(store, booleans_however_they_are_written)
{
    static const char *const yes[] = {"true", "1", "1.0", "\"1\"", "\"true\""};
    static const char *const no[] = {"false", "0",           "\"0\"", "\"false\"",
                                     "null",  "\"perhaps\"", "{}"};

    open_store();
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        put(changed_line(start_line(text("yes%zu", i), 1), "api_posted", yes[i], NULL));
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        put(changed_line(start_line(text("no%zu", i), 1), "api_posted", no[i], NULL));
    cr_expect_str_eq(sql("SELECT count(*) FROM agent_runs WHERE (api_posted = 1) <> (run_id LIKE "
                         "'yes%')"),
                     "0");
}

Test(store, text_is_always_valid_utf8)
{
    open_store();
    put(changed_line(start_line("r1", 1), "host", "\"a\xff\xc3(b\"", "exe", "\"\xe2\x82\"", "argv",
                     "[\"\xfe\"]", "metrics_json", "{\"n\": 1.5}", NULL));
    cr_expect_str_eq(sql("SELECT host, metrics_json FROM agent_runs"), "a��(b|{\"n\": 1.5}");
    cr_expect_str_eq(sql("SELECT exe, argv FROM run_process"), "�|[\"�\"]");
}

Test(store, nul_bytes_are_kept)
{
    open_store();
    put(changed_line(start_line("r1", 1), "host", "\"a\\u0000b\"", NULL));
    cr_expect_str_eq(sql("SELECT hex(host) FROM agent_runs"), "610062");
}

Test(store, a_line_that_can_be_no_row_is_refused)
{
    open_store();
    cr_expect_eq(try_put("{\"run_id\": \"r1\", \"agent_name\": \"a\"}", 20261122, 0),
                 TEL_ERR_INVALID);
    cr_expect_eq(
        try_put("{\"run_id\": \"\", \"agent_name\": \"a\", \"start_time\": \"s\"}", 20261122, 0),
        TEL_ERR_INVALID);
    put("{\"run_id\": \"r2\", \"agent_name\": \"a\", \"start_time\": \"s\"}");
    cr_expect_str_eq(sql("SELECT run_id, schema_version, items_failed, api_posted, "
                         "typeof(trigger_type) FROM agent_runs"),
                     "r2|3|0|0|null");
    cr_expect_str_eq(sql("SELECT count(*) FROM run_process"), "0");
}

Test(store, a_row_that_the_python_client_made_is_taken_over)
{
    open_store();
    change_database(dir.db, "INSERT INTO agent_runs (run_id, agent_name, start_time, status, "
                            "api_posted) VALUES ('r1', 'agent', 'x', 'success', 1)");
    put("{\"run_id\": \"r1\", \"agent_name\": \"agent\", \"start_time\": \"y\", \"status\": "
        "\"running\"}");
    cr_expect_str_eq(sql("SELECT start_time, status, api_posted FROM agent_runs"), "x|success|1");
    put("{\"run_id\": \"r1\", \"agent_name\": \"agent\", \"start_time\": \"y\", \"status\": "
        "\"partial\"}");
    cr_expect_str_eq(sql("SELECT start_time, status, api_posted FROM agent_runs"), "y|partial|1");
}

Test(store, a_process_row_that_was_left_over_is_taken_over)
{
    open_store();
    put(start_line("r1", 1));
    change_database(dir.db, "DELETE FROM agent_runs");
    put(changed_line(start_line("r1", 1), "pid", "99", NULL));
    cr_expect_str_eq(sql("SELECT r.run_id, p.pid FROM agent_runs r JOIN run_process p USING "
                         "(run_id)"),
                     "r1|99");
}

/* --- what the collector asks -------------------------------------------------------------------- */

Test(store, state_of_a_run)
{
    const char *start = start_line("r1", 5);
    struct tel_run_state state = {0};

    open_store();
    cr_expect_eq(tel_store_run_state(store, TEL_STR("r1"), &state, &err), 0);
    cr_expect_not(state.found);
    put_at(start, 20261122, 7);
    cr_expect_eq(tel_store_run_state(store, TEL_STR("r1"), &state, &err), 0);
    cr_expect(state.found && state.running && !state.has_exit_code && !state.has_signal);
    cr_expect_eq(state.last_line.date, 20261122);
    cr_expect_eq(state.last_line.offset, 7);
    cr_expect_eq(state.last_line.length, strlen(start));
    put_at(changed_line(start, "status", "\"failed\"", "exit_code", "3", "signal", "9",
                        "end_source", "\"a word that is longer than the room\"", NULL),
           20261122, 99);
    cr_expect_eq(tel_store_run_state(store, TEL_STR("r1"), &state, &err), 0);
    cr_expect(!state.running && state.has_exit_code && state.has_signal);
    cr_expect_eq(state.exit_code, 3);
    cr_expect_eq(state.signal, 9);
    cr_expect_str_eq(state.end_source, "a word that is ");
}

static int note_running(void *arg, const struct tel_running *run)
{
    const char **seen = arg;

    *seen = text("%s%.*s:%lld:%u ", *seen, (int)run->run_id.len, run->run_id.ptr,
                 (long long)run->pid, run->last_line.date);
    return tel_str_is(run->run_id, "stop") ? 42 : 0;
}

Test(store, each_running_run)
{
    const char *seen = "";

    open_store();
    put(start_line("r1", 5));
    put(changed_line(start_line("r2", 5), "status", "\"success\"", NULL));
    put("{\"run_id\": \"foreign\", \"agent_name\": \"a\", \"start_time\": \"s\", \"status\": "
        "\"running\"}");
    put(changed_line(start_line("r3", 5), "pid", "77", NULL));
    cr_expect_eq(tel_store_each_running(store, note_running, &seen, &err), 0);
    cr_expect_str_eq(seen, "r1:1:20261122 r3:77:20261122 ");
    put(start_line("stop", 5));
    cr_expect_eq(tel_store_each_running(store, note_running, &seen, &err), 42);
}

Test(store, cursors)
{
    struct tel_cursor cursor = {20261122, UINT64_C(1) << 63, -7, 5, 2};
    struct tel_cursor got;

    open_store();
    cr_expect_eq(tel_store_cursor_get(store, 20261122, &got, &err), 0);
    cr_expect_eq(tel_store_cursor_put(store, &cursor, &err), 0);
    cursor.offset = 9;
    cr_expect_eq(tel_store_cursor_put(store, &cursor, &err), 0);
    cr_expect_eq(tel_store_cursor_get(store, 20261122, &got, &err), 1);
    cr_expect_eq(got.inode, UINT64_C(1) << 63);
    cr_expect_eq(got.born_ns, -7);
    cr_expect_eq(got.offset, 9);
    cr_expect_eq(got.bad_lines, 2);
    cr_expect_eq(tel_store_cursor_forget(store, 20261123, &err), 0);
    cr_expect_eq(tel_store_cursor_get(store, 20261122, &got, &err), 1);
    cr_expect_eq(tel_store_cursor_forget(store, 20261121, &err), 0);
    cr_expect_eq(tel_store_cursor_get(store, 20261122, &got, &err), 0);
}

/* --- transactions, locks, files ------------------------------------------------------------------- */

Test(store, rolled_back_rows_are_not_there)
{
    struct tel_runline line;
    const struct tel_journal_pos pos = {20261122, 1, 0};

    open_store();
    cr_assert_eq(tel_runline_parse(tel_str_from(start_line("r1", 1)), &line), TEL_LINE_RUN);
    cr_expect_eq(tel_store_begin(store, &err), 0);
    cr_expect_eq(tel_store_put_run(store, &line, &pos, &err), 0);
    tel_store_rollback(store);
    tel_store_rollback(store);
    cr_expect_str_eq(sql("SELECT count(*) FROM agent_runs"), "0");
    cr_expect_eq(tel_store_begin(store, &err), 0);
    cr_expect_eq(tel_store_commit(store, &err), 0);
}

Test(store, a_lock_is_waited_for_and_no_longer)
{
    struct timespec before, after;
    sqlite3 *db;

    open_store();
    cr_assert_eq(sqlite3_open(dir.db, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    clock_gettime(CLOCK_MONOTONIC, &before);
    cr_expect_eq(tel_store_begin(store, &err), TEL_ERR_BUSY);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_expect(strstr(err.message, "locked") != NULL, "%s", err.message);
    cr_expect_lt((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000,
                 50 * BUSY_MS);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    cr_expect_eq(tel_store_begin(store, &err), 0, "%s", err.message);
}

Test(store, a_locked_database_is_not_opened)
{
    sqlite3 *db;

    make_database("CREATE TABLE other (x)");
    cr_assert_eq(sqlite3_open(dir.db, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    cr_expect_eq(try_open(), TEL_ERR_BUSY);
    sqlite3_close(db);
    open_store();
}

Test(store, many_processes_may_make_it_at_once)
{
    enum { PROCESSES = 8 };
    pid_t pids[PROCESSES];

    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(tel_store_open(&store, &dir, 10000, set_aside, &err) == 0 && set_aside[0] == '\0'
                      ? 0
                      : 1);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;

        waitpid(pids[i], &status, 0);
        cr_expect_eq(status, 0);
    }
    cr_expect_str_eq(sql("PRAGMA integrity_check"), "ok");
    cr_expect_str_eq(sql("SELECT count(*) FROM schema_migrations"), "1");
}

Test(store, many_processes_may_set_it_aside_at_once)
{
    enum { PROCESSES = 8 };
    pid_t pids[PROCESSES];

    make_database("");
    write_file(dir.db, "text, long enough to be read as a header", 0600);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            int status = tel_store_open(&store, &dir, 10000, set_aside, &err);

            _exit(status < 0 ? 100 : set_aside[0] != '\0');
        }
    }
    int movers = 0;
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;

        waitpid(pids[i], &status, 0);
        cr_expect_leq(WEXITSTATUS(status), 1);
        movers += WEXITSTATUS(status);
    }
    cr_expect_eq(movers, 1);
    cr_expect_str_eq(sql("PRAGMA integrity_check"), "ok");
}

Test(store, notices_when_its_files_are_others)
{
    open_store();
    put(start_line("r1", 1));
    cr_expect_not(tel_store_is_stale(store));
    unlink(text("%s-shm", dir.db));
    cr_expect(tel_store_is_stale(store));
    close_store();
    open_store();
    cr_expect_not(tel_store_is_stale(store));
    cr_assert_eq(rename(dir.db, text("%s.moved", dir.db)), 0);
    cr_expect(tel_store_is_stale(store));
    change_database(dir.db, "CREATE TABLE other (x)");
    cr_expect(tel_store_is_stale(store));
}

Test(store, checkpoints_only_when_told)
{
    uint64_t before;

    open_store();
    for (int i = 0; i < 300; i++)
        put_at(start_line(text("r%d", i), i), 20261122, (uint64_t)i);
    before = tel_store_wal_bytes(store);
    cr_expect_gt(before, 1000 * 4096, "%llu", (unsigned long long)before);
    cr_expect_eq(tel_store_checkpoint(store, TEL_WAL_KEEP, &err), 0, "%s", err.message);
    cr_expect_lt(tel_store_wal_bytes(store), 5 * 4200);
    cr_expect_str_eq(sql("SELECT count FROM fold_prime"), "1");
    cr_expect_eq(tel_store_checkpoint(store, TEL_WAL_KEEP, &err), 0);
    cr_expect_str_eq(sql("SELECT count FROM fold_prime"), "2");
    cr_expect_str_eq(sql("SELECT count(*) FROM agent_runs"), "300");
}

Test(store, a_big_log_is_cut_when_that_is_wanted)
{
    const long limit = 8 * 1024 * 1024;
    struct stat st;

    open_store();
    for (int i = 0; i < 700; i++)
        put_at(start_line(text("r%d", i), i), 20261122, (uint64_t)i);
    cr_assert_eq(tel_store_checkpoint(store, TEL_WAL_KEEP, &err), 0, "%s", err.message);
    cr_assert_eq(stat(text("%s-wal", dir.db), &st), 0);
    cr_expect_gt((long)st.st_size, limit, "it keeps its size");
    cr_assert_eq(tel_store_checkpoint(store, TEL_WAL_CUT, &err), 0, "%s", err.message);
    cr_assert_eq(stat(text("%s-wal", dir.db), &st), 0);
    cr_expect_eq((long)st.st_size, limit);
    cr_expect_str_eq(sql("SELECT count(*) FROM agent_runs"), "700");
}

Test(store, a_reader_does_not_block_a_checkpoint)
{
    sqlite3 *db;

    open_store();
    put(start_line("r1", 1));
    cr_assert_eq(sqlite3_open(dir.db, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN; SELECT * FROM agent_runs", NULL, NULL, NULL), SQLITE_OK);
    put(start_line("r2", 1));
    cr_expect_eq(tel_store_checkpoint(store, TEL_WAL_KEEP, &err), 0, "%s", err.message);
    put(start_line("r3", 1));
    sqlite3_close(db);
    cr_expect_str_eq(sql("SELECT count(*) FROM agent_runs"), "3");
}

Test(store, closing_leaves_the_log_to_others)
{
    open_store();
    put(start_line("r1", 1));
    close_store();
    cr_expect(file_exists(text("%s-wal", dir.db)));
    open_store();
    cr_expect_gt(tel_store_wal_bytes(store), 4096, "a log of unknown content counts by its size");
    cr_expect_str_eq(sql("SELECT run_id FROM agent_runs"), "r1");
}

Test(store, a_directory_that_may_not_be_written)
{
    int status = 0;
    pid_t pid;

    if (geteuid() != 0)
        cr_skip_test("needs root to become somebody else");
    open_store();
    close_store();
    chmod(text("%s/db", dir.base), 0755);
    chmod(dir.base, 0755);
    chmod(test_dir(), 0755);
    chmod(dir.db, 0644);
    pid = fork();
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(100);
        status = tel_store_open(&store, &dir, BUSY_MS, set_aside, &err);
        _exit(status == -EACCES || status == -EROFS ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0);
}
