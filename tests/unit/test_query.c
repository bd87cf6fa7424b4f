/* Reading the database for people: what is found, and that nothing is ever written or made. */
#include "query.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fold.h"
#include "support/database.h"
#include "support/places.h"
#include "support/support.h"

enum { DAY = 20261122 };

static struct tel_datadir dir;
static struct tel_error err;
static struct tel_query *query;
static const char *journal = "";

static void setup(void)
{
    make_place(&dir, text("%s/base", test_dir()));
}

static void close_query(void)
{
    tel_query_close(query);
    query = NULL;
}

TestSuite(query, .init = setup, .fini = close_query);

static void add(const char *line)
{
    journal = text("%s%s", journal, line);
    write_file(journal_path(dir.raw, DAY), journal, 0600);
}

static void fold_all(void)
{
    struct tel_fold *fold;

    cr_assert_eq(tel_fold_open(&fold, &dir, 5000, &err), 0);
    cr_assert_eq(tel_fold_pass(fold, true, NULL, &err), 0, "%s", err.message);
    tel_fold_close(fold);
}

static int try_open(void)
{
    close_query();
    err = (struct tel_error){0};
    return tel_query_open(&query, &dir, &err);
}

static void open_query(void)
{
    cr_assert_eq(try_open(), 0, "%s", err.message);
}

/* A run of an agent, a job, a status, and a start in seconds of the day's tenth hour. */
static void add_run(const char *id, const char *agent, const char *job, const char *status,
                    int second)
{
    add(changed_line(start_line(id, 1), "agent_name", text("\"%s\"", agent), "job_type",
                     text("\"%s\"", job), "status", text("\"%s\"", status), "start_time",
                     text("\"2026-11-22T10:00:%02d.000000+00:00\"", second), NULL));
}

static void add_runs(void)
{
    add_run("20261122T100001Z-alpha-00000001", "alpha", "nightly", "success", 1);
    add_run("20261122T100002Z-beta-00000002", "beta", "nightly", "failed", 2);
    add_run("20261122T100003Z-alpha-00000003", "alpha", "hourly", "failed", 3);
    add_run("20261122T100003Z-al_ha-00000004", "al_ha", "weekly", "running", 3);
    fold_all();
    open_query();
}

static int note_id(void *arg, const struct tel_run_row *row)
{
    const char **ids = arg;
    const struct tel_str id = row->run[TEL_RUN_RUN_ID];

    *ids = text("%s%c", *ids, id.ptr[id.len - 1]);
    return 0;
}

static const char *found(const struct tel_run_filter *filter)
{
    const char *ids = "";
    int status;

    err = (struct tel_error){0};
    status = tel_query_runs(query, filter, note_id, &ids, &err);
    return status == 0 ? ids : text("%d", status);
}

#define FOUND(...) found(&(struct tel_run_filter){__VA_ARGS__})

/* --- filters ------------------------------------------------------------------------------------ */

Test(query, newest_first)
{
    add_runs();
    cr_expect_str_eq(FOUND(.limit = 0), "4321");
    cr_expect_str_eq(FOUND(.limit = 2), "43");
}

Test(query, filters)
{
    add_runs();
    cr_expect_str_eq(FOUND(.agent = TEL_STR("alpha")), "31");
    cr_expect_str_eq(FOUND(.agent = TEL_STR("al?ha")), "431");
    cr_expect_str_eq(FOUND(.agent = TEL_STR("al_ha")), "4");
    cr_expect_str_eq(FOUND(.agent = TEL_STR("*")), "4321");
    cr_expect_str_eq(FOUND(.agent = TEL_STR("")), "");
    cr_expect_str_eq(FOUND(.job = TEL_STR("*ly"), .status = TEL_STR("failed")), "32");
    cr_expect_str_eq(FOUND(.status = TEL_STR("running")), "4");
    cr_expect_str_eq(FOUND(.since = TEL_STR("2026-11-22T10:00:02")), "432");
    cr_expect_str_eq(FOUND(.until = TEL_STR("2026-11-22T10:00:03")), "21");
    cr_expect_str_eq(FOUND(.agent = TEL_STR("alpha"), .job = TEL_STR("hourly"),
                           .status = TEL_STR("failed"), .since = TEL_STR("2026"),
                           .until = TEL_STR("2027"), .id = TEL_STR("00000003"), .limit = 5),
                     "3");
}

Test(query, values_are_no_sql)
{
    add_runs();
    cr_expect_str_eq(FOUND(.agent = TEL_STR("x' OR '1'='1")), "");
    cr_expect_str_eq(FOUND(.status = TEL_STR("'; DROP TABLE agent_runs; --")), "");
    cr_expect_str_eq(FOUND(.limit = 0), "4321");
}

Test(query, ids)
{
    add_runs();
    cr_expect_str_eq(FOUND(.id = TEL_STR("20261122T100002Z-beta-00000002")), "2");
    cr_expect_str_eq(FOUND(.id = TEL_STR("20261122T100001Z")), "1");
    cr_expect_str_eq(FOUND(.id = TEL_STR("a-00000003")), "3");
    cr_expect_str_eq(FOUND(.id = TEL_STR("2")), text("%d", TEL_ERR_INVALID));
    cr_expect_str_eq(FOUND(.id = TEL_STR("%")), text("%d", TEL_ERR_NOT_FOUND));
    cr_expect_str_eq(FOUND(.id = TEL_STR("")), text("%d", TEL_ERR_NOT_FOUND));
    cr_expect_str_eq(FOUND(.id = TEL_STR("beta")), text("%d", TEL_ERR_NOT_FOUND));
    cr_expect_neq(err.message[0], '\0');
}

Test(query, an_ambiguous_id_names_what_it_may_mean)
{
    add_runs();
    cr_expect_str_eq(FOUND(.id = TEL_STR("20261122T100003Z-al")), text("%d", TEL_ERR_INVALID));
    cr_expect(strstr(err.message, "20261122T100003Z-alpha-00000003") != NULL, "%s", err.message);
    cr_expect(strstr(err.message, "20261122T100003Z-al_ha-00000004") != NULL, "%s", err.message);
}

Test(query, an_exact_id_is_not_ambiguous)
{
    add_run("abc", "a", "j", "success", 1);
    add_run("abcd", "a", "j", "success", 2);
    fold_all();
    open_query();
    cr_expect_str_eq(FOUND(.id = TEL_STR("abc")), "c");
    cr_expect_str_eq(FOUND(.id = TEL_STR("ab")), text("%d", TEL_ERR_INVALID));
}

Test(query, too_many_candidates_fit_into_a_message)
{
    for (int i = 0; i < 20; i++)
        add_run(text("a-very-long-id-that-goes-on-and-on-and-on-and-on-%02d", i), "a", "j",
                "success", i);
    fold_all();
    open_query();
    cr_expect_str_eq(FOUND(.id = TEL_STR("a-very")), text("%d", TEL_ERR_INVALID));
    cr_expect(strstr(err.message, "...") != NULL, "%s", err.message);
}

Test(query, ids_that_are_no_ascii)
{
    add_run("1-caf\\u00e9-x", "a", "j", "success", 1);
    add_run("2-other-y", "a", "j", "success", 2);
    fold_all();
    open_query();
    cr_expect_str_eq(FOUND(.id = TEL_STR("1-café")), "x");
    cr_expect_str_eq(FOUND(.id = TEL_STR("é-x")), "x");
}

/* --- rows --------------------------------------------------------------------------------------- */

static int copy_row(void *arg, const struct tel_run_row *row)
{
    const char **out = arg;
    const enum tel_run_field fields[] = {TEL_RUN_JOB_TYPE, TEL_RUN_SCHEMA_VERSION,
                                         TEL_RUN_OUTPUT_SUMMARY, TEL_RUN_HOST};

    *out = "";
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        const struct tel_str value = row->run[fields[i]];

        *out = value.ptr == NULL ? text("%s NULL", *out)
                                 : text("%s %.*s", *out, (int)value.len, value.ptr);
    }
    *out = text("%s %d %.*s %zu %zu", *out, row->has_process, (int)row->process[TEL_PROC_PID].len,
                row->process[TEL_PROC_PID].ptr, row->run[TEL_RUN_CREATED_AT].len,
                row->run[TEL_RUN_PROCESS].len);
    return 7;
}

Test(query, a_row_has_every_column)
{
    const char *row = NULL;
    const struct tel_run_filter filter = {.limit = 0};

    add(changed_line(start_line("r1", 1), "pid", "321", NULL));
    fold_all();
    open_query();
    cr_expect_eq(tel_query_runs(query, &filter, copy_row, &row, &err), 7, "what fn returned");
    cr_expect_str_eq(row, " job 3 NULL here 1 321 19 0");
}

Test(query, latest)
{
    const char *ids = "";

    add_runs();
    cr_expect_eq(tel_query_latest(query, note_id, &ids, &err), 1);
    cr_expect_str_eq(ids, "4");
    change_database(dir.db, "DELETE FROM agent_runs");
    cr_expect_eq(tel_query_latest(query, note_id, &ids, &err), 0);
}

Test(query, runs_without_process_facts)
{
    const char *row = NULL;

    add("{\"run_id\": \"r1\", \"agent_name\": \"a\", \"start_time\": \"s\"}\n");
    fold_all();
    open_query();
    cr_expect_eq(tel_query_latest(query, copy_row, &row, &err), 1);
    cr_expect_str_eq(row, " NULL 3 NULL NULL 0  19 0");
}

/* --- opening ------------------------------------------------------------------------------------- */

Test(query, no_database_yet)
{
    cr_expect_eq(try_open(), -ENOENT);
    cr_expect_not(file_exists(dir.db));
    cr_expect(strstr(err.message, "no database yet") != NULL, "%s", err.message);
}

Test(query, an_empty_file_has_no_runs)
{
    const char *ids = "";

    cr_assert_eq(tel_datadir_prepare_db(&dir, &err), 0);
    write_file(dir.db, "", 0600);
    open_query();
    cr_expect_str_eq(FOUND(.limit = 0), "");
    cr_expect_str_eq(FOUND(.id = TEL_STR("x")), text("%d", TEL_ERR_NOT_FOUND));
    cr_expect_eq(tel_query_latest(query, note_id, &ids, &err), 0);
    cr_expect_eq(read_file(dir.db)[0], '\0');
}

Test(query, what_is_no_database)
{
    cr_assert_eq(tel_datadir_prepare_db(&dir, &err), 0);
    write_file(dir.db, "text, long enough to be read as a header", 0600);
    cr_expect_eq(try_open(), TEL_ERR_CORRUPT);
    cr_expect_eq(strncmp(read_file(dir.db), "text", 4), 0);
    unlink(dir.db);
    mkdir(dir.db, 0700);
    cr_expect_eq(try_open(), -EISDIR);
    rmdir(dir.db);
    cr_assert_eq(symlink("elsewhere", dir.db), 0);
    cr_expect_eq(try_open(), TEL_ERR_REFUSED);
}

Test(query, a_newer_schema)
{
    cr_assert_eq(tel_datadir_prepare_db(&dir, &err), 0);
    change_database(dir.db, "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY);"
                            "INSERT INTO schema_migrations VALUES (4)");
    cr_expect_eq(try_open(), TEL_ERR_SCHEMA);
}

Test(query, an_older_schema_is_read_as_it_is)
{
    const char *row = NULL;
    struct tel_query_info info;

    cr_assert_eq(tel_datadir_prepare_db(&dir, &err), 0);
    change_database(dir.db, "CREATE TABLE agent_runs (run_id TEXT PRIMARY KEY, agent_name TEXT, "
                            "job_type TEXT, start_time TEXT, status TEXT);"
                            "INSERT INTO agent_runs VALUES ('r1', 'a', 'j', 's', 'running')");
    open_query();
    cr_expect_eq(tel_query_latest(query, copy_row, &row, &err), 1);
    cr_expect_str_eq(row, " j NULL NULL NULL 0  0 0");
    cr_expect_eq(tel_query_info(query, true, &info, &err), 0, "%s", err.message);
    cr_expect_eq(info.schema_version, 0);
    cr_expect_eq(info.running, 1);
}

Test(query, beside_a_writer)
{
    sqlite3 *db;

    add_runs();
    cr_assert_eq(sqlite3_open(dir.db, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE; DELETE FROM agent_runs", NULL, NULL, NULL),
                 SQLITE_OK);
    open_query();
    cr_expect_str_eq(FOUND(.limit = 0), "4321");
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    cr_expect_str_eq(FOUND(.limit = 0), "");
}

Test(query, without_log_files)
{
    add_runs();
    close_query();
    change_database(dir.db, "PRAGMA wal_checkpoint(TRUNCATE)");
    unlink(text("%s-wal", dir.db));
    unlink(text("%s-shm", dir.db));
    open_query();
    cr_expect_str_eq(FOUND(.limit = 0), "4321");
}

Test(query, a_path_with_letters_that_uris_know)
{
    make_place(&dir, text("%s/a?b#c%%20d e", test_dir()));
    add_runs();
    cr_expect_str_eq(FOUND(.limit = 0), "4321");
}

/* Somebody else's directory, or a backup on a medium that is mounted for reading. */
Test(query, in_a_directory_that_may_not_be_written)
{
    int status = 0;
    pid_t pid;

    if (geteuid() != 0)
        cr_skip_test("needs root to become somebody else");
    add_runs();
    close_query();
    change_database(dir.db, "PRAGMA wal_checkpoint(TRUNCATE)");
    unlink(text("%s-wal", dir.db));
    unlink(text("%s-shm", dir.db));
    cr_assert_eq(run(LIST("chmod", "-R", "a+rX", test_dir()), NULL).status, 0);
    pid = fork();
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(100);
        status = try_open();
        _exit(status == 0 && strcmp(FOUND(.limit = 0), "4321") == 0 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0);
}

/* --- for doctor ------------------------------------------------------------------------------------ */

Test(query, info)
{
    struct tel_query_info info = {0};

    add("torn\n");
    add_runs();
    cr_expect_eq(tel_query_info(query, true, &info, &err), 0, "%s", err.message);
    cr_expect_eq(info.schema_version, 3);
    cr_expect_eq(info.runs, 4);
    cr_expect_eq(info.running, 1);
    cr_expect_eq(info.bad_lines, 1);
    cr_expect(info.integrity_ok);
    cr_expect_eq(tel_query_info(query, false, &info, &err), 0);
    cr_expect_not(info.integrity_ok);
}

Test(query, damage_shows_in_info)
{
    struct tel_query_info info = {.integrity_ok = true};
    char noise[4096];
    int page;
    int fd;

    for (int i = 0; i < 200; i++)
        add_run(text("r%d", i), "a", "j", "success", i % 60);
    fold_all();
    change_database(dir.db, "PRAGMA wal_checkpoint(TRUNCATE)");
    memset(noise, 0x5a, sizeof noise);
    page = atoi(sql_text(text("%s/base", test_dir()),
                         "SELECT rootpage FROM sqlite_schema WHERE name = 'idx_commits_run'"));
    fd = open(dir.db, O_WRONLY);
    cr_assert_eq(pwrite(fd, noise, sizeof noise, 4096 * (page - 1)), (ssize_t)sizeof noise);
    close(fd);
    open_query();
    cr_expect_eq(tel_query_info(query, true, &info, &err), 0, "%s", err.message);
    cr_expect_not(info.integrity_ok);
}

static uint64_t behind(void)
{
    uint64_t bytes = 4711;

    cr_assert_eq(tel_query_behind(query, &dir, &bytes, &err), 0, "%s", err.message);
    return bytes;
}

Test(query, how_far_behind)
{
    const char *line = start_line("r9", 1);

    add_runs();
    cr_expect_eq(behind(), 0);
    write_file(journal_path(dir.raw, DAY), text("%s%s", journal, "unfinished"), 0600);
    cr_expect_eq(behind(), 0);
    add(line);
    cr_expect_eq(behind(), strlen(line));
    write_file(journal_path(dir.raw, DAY + 1), line, 0600);
    cr_expect_eq(behind(), 2 * strlen(line));
    fold_all();
    cr_expect_eq(behind(), 0);
}

Test(query, behind_when_nothing_was_ever_folded)
{
    const char *line = start_line("r9", 1);

    cr_assert_eq(tel_datadir_prepare_db(&dir, &err), 0);
    write_file(dir.db, "", 0600);
    add(line);
    open_query();
    cr_expect_eq(behind(), strlen(line));
}

/* --- parents ------------------------------------------------------------------------------------- */

static int note_parent(void *arg, struct tel_str run_id, struct tel_str parent_run_id)
{
    const char **out = arg;

    *out = text("%s%.*s<%.*s ", *out, (int)run_id.len, run_id.ptr, (int)parent_run_id.len,
                parent_run_id.ptr);
    return 0;
}

static int stop(void *arg, struct tel_str run_id, struct tel_str parent_run_id)
{
    (void)arg;
    (void)run_id;
    (void)parent_run_id;
    return 7;
}

/* A run started from one that is not here is nobody's child. */
Test(query, parents_that_are_here)
{
    const char *out = "";

    add(changed_line(start_line("late", 1), "start_time", "\"2026-11-22T10:00:09.000000+00:00\"",
                     "parent_run_id", "\"top\"", NULL));
    add(changed_line(start_line("early", 1), "parent_run_id", "\"top\"", NULL));
    add(start_line("top", 1));
    add(changed_line(start_line("lost", 1), "parent_run_id", "\"elsewhere\"", NULL));
    fold_all();
    open_query();
    cr_assert_eq(tel_query_parents(query, note_parent, &out, &err), 0, "%s", err.message);
    cr_expect_str_eq(out, "early<top late<top ");
    cr_expect_eq(tel_query_parents(query, stop, NULL, &err), 7);
}
