/* Journal lines become rows once each, whatever is in the journal, whoever else is at it, and
 * whatever happens to the database meanwhile (DESIGN 2, CONTRACT 3 and 4). */
#include "fold.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "journal_scan.h"
#include "support/database.h"
#include "support/places.h"
#include "support/support.h"

enum { BUSY_MS = 5000, DAY = 20240122 };

static struct tel_datadir dir;
static struct tel_error err;
static struct tel_fold *fold;
static struct tel_fold_stats stats;

static void setup(void)
{
    make_place(&dir, text("%s/base", test_dir()));
    mkdir(dir.run, 0700);
}

static void close_fold(void)
{
    tel_fold_close(fold);
    fold = NULL;
}

TestSuite(fold, .init = setup, .fini = close_fold);

static void open_fold(int busy_ms)
{
    cr_assert_eq(tel_fold_open(&fold, &dir, busy_ms, &err), 0);
}

static int try_pass(bool scan_all)
{
    if (fold == NULL)
        open_fold(BUSY_MS);
    stats = (struct tel_fold_stats){0};
    err = (struct tel_error){0};
    return tel_fold_pass(fold, scan_all, &stats, &err);
}

static void pass(bool scan_all)
{
    cr_assert_eq(try_pass(scan_all), 0, "%s", err.message);
}

/* A fold that knows nothing yet: another process, or the same one later. */
static void fresh_pass(void)
{
    close_fold();
    pass(true);
    close_fold();
}

static void append_bytes(uint32_t date, const char *bytes, size_t len)
{
    int fd = open(journal_path(dir.raw, date), O_WRONLY | O_APPEND | O_CREAT, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static void append(uint32_t date, const char *line)
{
    append_bytes(date, line, strlen(line));
}

static const char *end_line(const char *run_id)
{
    return changed_line(start_line(run_id, 1), "status", "\"success\"", "duration_ms", "12",
                        "exit_code", "0", "end_source", "\"observed\"", NULL);
}

static void append_run(uint32_t date, const char *run_id)
{
    append(date, start_line(run_id, 1));
    append(date, end_line(run_id));
}

static const char *sql(const char *statement)
{
    const char *rows = sql_text(dir.base, statement);

    return rows == NULL ? "(failed)" : rows;
}

static void expect_runs(const char *rows)
{
    cr_expect_str_eq(sql("SELECT run_id, status FROM agent_runs ORDER BY run_id"), rows);
}

static void delete_database(void)
{
    unlink(dir.db);
    unlink(text("%s-wal", dir.db));
    unlink(text("%s-shm", dir.db));
}

/* The database is a view of the journal: built anew, it is the same. */
static void expect_rebuilt_is_the_same(void)
{
    const char *before = all_rows(dir.base);

    delete_database();
    fresh_pass();
    cr_expect_str_eq(all_rows(dir.base), before);
}

/* --- lines ----------------------------------------------------------------------------------- */

Test(fold, nothing_to_fold_makes_no_database)
{
    pass(true);
    pass(false);
    cr_expect_not(file_exists(dir.db));
    cr_expect_eq(stats.lines, 0);
}

Test(fold, a_journal_directory_may_be_missing)
{
    rmdir(dir.raw);
    pass(true);
    make_place(&dir, dir.base);
    append_run(this_date(), "r1");
    pass(false);
    expect_runs("r1|success");
}

Test(fold, start_and_end_become_one_row)
{
    append_run(DAY, "r1");
    pass(true);
    expect_runs("r1|success");
    cr_expect_eq(stats.lines, 2);
    cr_expect_eq(stats.runs, 2);
    cr_expect_eq(stats.batches, 1);
    cr_expect_eq(stats.bad_lines, 0);
    cr_expect_eq(stats.bytes, strlen(start_line("r1", 1)) + strlen(end_line("r1")));
    cr_expect_str_eq(sql("SELECT exit_code, journal_date, journal_offset FROM run_process"),
                     text("0|%d|%zu", DAY, strlen(start_line("r1", 1))));
}

Test(fold, start_and_end_folded_apart)
{
    append(DAY, start_line("r1", 1));
    pass(true);
    expect_runs("r1|running");
    append(DAY, end_line("r1"));
    pass(false);
    expect_runs("r1|success");
    expect_rebuilt_is_the_same();
}

Test(fold, folding_again_changes_nothing)
{
    append_run(DAY, "r1");
    pass(true);
    change_database(dir.db, "UPDATE agent_runs SET updated_at = 'then'");
    pass(true);
    cr_expect_eq(stats.lines, 0);
    cr_expect_eq(stats.batches, 0);
    fresh_pass();
    cr_expect_eq(stats.lines, 0);
    cr_expect_str_eq(sql("SELECT updated_at FROM agent_runs"), "then");
    /* Even without cursors, which only makes it look at every line again. */
    change_database(dir.db, "DELETE FROM fold_cursor");
    fresh_pass();
    cr_expect_eq(stats.lines, 2);
    cr_expect_str_eq(sql("SELECT run_id, status FROM agent_runs"), "r1|success");
}

Test(fold, a_start_before_its_end_in_the_log_never_wins)
{
    append(DAY, end_line("r1"));
    append(DAY, start_line("r1", 1));
    pass(true);
    expect_runs("r1|success");
    append(DAY, start_line("r1", 1));
    pass(true);
    expect_runs("r1|success");
    expect_rebuilt_is_the_same();
}

Test(fold, the_last_of_many_lines_wins)
{
    append_run(DAY, "r1");
    append(DAY, changed_line(end_line("r1"), "status", "\"failed\"", "error_summary",
                             "\"killed by SIGKILL (9)\"", "end_source", "\"kernel\"", NULL));
    append(DAY, changed_line(end_line("r1"), "status", "\"failed\"", "error_summary", "\"really\"",
                             "end_source", "\"kernel\"", NULL));
    pass(true);
    cr_expect_str_eq(sql("SELECT status, error_summary FROM agent_runs"), "failed|really");
}

Test(fold, posting_is_never_lowered_within_a_batch)
{
    const char *posted = changed_line(end_line("r1"), "api_posted", "true", "api_posted_at",
                                      "\"then\"", "api_retry_count", "2", NULL);

    append(DAY, start_line("r1", 1));
    append(DAY, posted);
    append(DAY, changed_line(end_line("r1"), "output_summary", "\"later\"", NULL));
    pass(true);
    cr_expect_str_eq(sql("SELECT output_summary, api_posted, api_posted_at, api_retry_count FROM "
                         "agent_runs"),
                     "later|1|then|2");
}

Test(fold, an_unfinished_line_is_left)
{
    const char *end = end_line("r1");

    append(DAY, start_line("r1", 1));
    append_bytes(DAY, end, strlen(end) - 20);
    pass(true);
    expect_runs("r1|running");
    cr_expect_eq(stats.bad_lines, 0);
    pass(true);
    cr_expect_eq(stats.batches, 0);
    append(DAY, end + strlen(end) - 20);
    pass(false);
    expect_runs("r1|success");
}

Test(fold, a_torn_line_is_skipped_and_counted)
{
    const char *start = start_line("r1", 1);

    append_bytes(DAY, start, 100);
    append(DAY, "\n");
    append_run(DAY, "r2");
    pass(true);
    expect_runs("r2|success");
    cr_expect_eq(stats.bad_lines, 1);
    cr_expect_str_eq(sql("SELECT bad_lines FROM fold_cursor"), "1");
    append(DAY, "garbage\n");
    append(DAY, "{\"run_id\": \"x\", \"agent_name\": \"a\", \"record_type\": \"run\"}\n");
    pass(true);
    cr_expect_str_eq(sql("SELECT bad_lines FROM fold_cursor"), "3");
    expect_rebuilt_is_the_same();
    cr_expect_str_eq(sql("SELECT bad_lines FROM fold_cursor"), "3");
}

Test(fold, what_is_no_run_line_makes_no_row)
{
    append(DAY, "\n  \r\n");
    append(DAY,
           "{\"run_id\": \"r1\", \"event_type\": \"x\", \"timestamp\": \"t\", \"payload_json\": "
           "null, \"id\": null, \"record_type\": \"event\"}\n");
    append(DAY, "{\"other\": 1}\n[]\n");
    append_run(DAY, "r1");
    pass(true);
    expect_runs("r1|success");
    cr_expect_eq(stats.events, 1);
    cr_expect_eq(stats.lines, 5);
    cr_expect_eq(stats.bad_lines, 1, "an array is no journal line");
}

Test(fold, a_line_beyond_all_bounds_is_skipped)
{
    static char filler[1024 * 1024];

    memset(filler, 'x', sizeof filler);
    append_run(DAY, "r1");
    append(DAY, "{\"run_id\": \"long\", \"agent_name\": \"");
    for (int i = 0; i < 20; i++)
        append_bytes(DAY, filler, sizeof filler);
    pass(true);
    expect_runs("r1|success");
    append(DAY, "\"}\n");
    append_run(DAY, "r2");
    pass(true);
    expect_runs("r1|success\nr2|success");
    cr_expect_eq(stats.bad_lines, 1);
}

Test(fold, a_long_line_is_a_line)
{
    static char summary[6 * 1024 * 1024];

    memset(summary, 'y', sizeof summary - 1);
    summary[0] = '"';
    summary[sizeof summary - 2] = '"';
    append_run(DAY, "r1");
    append(DAY, text("{\"run_id\": \"long\", \"agent_name\": \"a\", \"start_time\": \"s\", "
                     "\"output_summary\": %s}\n",
                     summary));
    append_run(DAY, "r2");
    pass(true);
    cr_expect_str_eq(sql("SELECT run_id, length(output_summary) FROM agent_runs ORDER BY run_id"),
                     text("long|%zu\nr1|\nr2|", sizeof summary - 3));
}

/* As json.dumps of the Python client's records writes them, of version 3 and of later ones. */
Test(fold, lines_of_the_python_client)
{
    append(DAY,
           "{\"run_id\": \"20261122T100000Z-py-1\", \"agent_name\": \"py\", \"job_type\": "
           "\"sync\", \"trigger_type\": \"cli\", \"start_time\": "
           "\"2026-11-22T10:00:00.123456+00:00\", \"schema_version\": 3, \"agent_owner\": null, "
           "\"end_time\": null, \"status\": \"running\", \"items_discovered\": 0, "
           "\"items_succeeded\": 0, \"items_failed\": 0, \"duration_ms\": null, "
           "\"input_summary\": null, \"output_summary\": null, \"error_summary\": null, "
           "\"metrics_json\": null, \"insight_id\": null, \"product\": null, \"platform\": null, "
           "\"product_family\": null, \"subdomain\": null, \"git_repo\": null, \"git_branch\": "
           "null, \"git_run_tag\": null, \"host\": null, \"api_posted\": 0, \"api_posted_at\": "
           "null, \"api_retry_count\": 0, \"created_at\": null, \"updated_at\": null, "
           "\"record_type\": \"run\"}\n");
    append(DAY,
           "{\"run_id\": \"20261122T100000Z-py-1\", \"agent_name\": \"py\", \"job_type\": "
           "\"sync\", \"trigger_type\": \"cli\", \"start_time\": "
           "\"2026-11-22T10:00:00.123456+00:00\", \"status\": \"success\", "
           "\"items_discovered\": 10.0, \"duration_ms\": 1500.75, \"metrics_json\": "
           "\"{\\\"rate\\\": 0.5}\", \"error_summary\": \"caf\\u00e9\", \"api_posted\": false, "
           "\"record_type\": \"run\"}\n");
    append(DAY, "{\"event_id\": \"9c1f\", \"run_id\": \"later\", \"agent_name\": \"py\", "
                "\"job_type\": \"sync\", \"trigger_type\": \"api\", \"start_time\": \"2026\", "
                "\"schema_version\": 6, \"status\": \"failure\", \"duration_ms\": 1e3, "
                "\"git_commit_hash\": \"abc\", \"metrics_json\": {\"a\": [1, 2.5]}, "
                "\"context\": {\"deep\": [[[[]]]]}, \"record_type\": \"run\"}\n");
    append(DAY, "{\"run_id\": \"nan\", \"agent_name\": \"py\", \"start_time\": \"s\", "
                "\"duration_ms\": NaN}\n");
    pass(true);
    cr_expect_str_eq(sql("SELECT run_id, trigger_type, status, items_discovered, duration_ms, "
                         "metrics_json, error_summary, schema_version FROM agent_runs"),
                     "20261122T100000Z-py-1|cli|success|10|1500|{\"rate\": 0.5}|café|3\n"
                     "later|manual|failed|0|1000|{\"a\": [1, 2.5]}|failure|6");
    cr_expect_eq(stats.bad_lines, 1, "NaN is no JSON");
    cr_expect_str_eq(sql("SELECT count(*) FROM run_process"), "0");
}

/* --- many lines ---------------------------------------------------------------------------------- */

enum { MANY = 9000, TOGETHER = 5000 };

/* TOGETHER runs are open at any time, more than a batch holds. */
static void append_many(uint32_t date)
{
    FILE *file = fopen(journal_path(dir.raw, date), "a");

    cr_assert_not_null(file);
    for (int i = 0; i < MANY + TOGETHER; i++) {
        if (i < MANY)
            fprintf(file,
                    "{\"run_id\": \"run-%05d\", \"agent_name\": \"a\", \"start_time\": \"%05d\", "
                    "\"status\": \"running\", \"process\": {\"pid\": %d}}\n",
                    i, i, i);
        if (i >= TOGETHER)
            fprintf(file,
                    "{\"run_id\": \"run-%05d\", \"agent_name\": \"a\", \"start_time\": \"%05d\", "
                    "\"status\": \"success\", \"process\": {\"pid\": %d, \"exit_code\": 0}}\n",
                    i - TOGETHER, i - TOGETHER, i - TOGETHER);
    }
    fclose(file);
}

static void expect_many(void)
{
    cr_expect_str_eq(
        sql("SELECT count(*), count(DISTINCT r.run_id), sum(status = 'success'), "
            "sum(exit_code = 0), sum('run-' || start_time = r.run_id) FROM agent_runs r "
            "JOIN run_process p USING (run_id)"),
        text("%d|%d|%d|%d|%d", MANY, MANY, MANY, MANY, MANY));
    cr_expect_str_eq(sql("PRAGMA integrity_check"), "ok");
}

Test(fold, many_runs_in_many_batches)
{
    append_many(DAY);
    pass(true);
    cr_expect_gt(stats.batches, 2);
    cr_expect_eq(stats.lines, 2 * MANY);
    expect_many();
}

static int stop_after_two(void *arg)
{
    int *calls = arg;

    return ++*calls == 2;
}

Test(fold, a_pass_can_be_ended_early_and_goes_on_later)
{
    int calls = 0;

    append_many(DAY);
    open_fold(BUSY_MS);
    tel_fold_set_between(fold, stop_after_two, &calls);
    cr_expect_eq(try_pass(true), 1);
    cr_expect_eq(stats.batches, 2);
    tel_fold_set_between(fold, NULL, NULL);
    pass(false);
    expect_many();
}

/* --- files ----------------------------------------------------------------------------------------- */

Test(fold, files_are_folded_in_order_of_their_dates)
{
    append(DAY + 1, end_line("r1"));
    append(DAY, start_line("r1", 1));
    append_run(DAY - 1, "r0");
    pass(true);
    expect_runs("r0|success\nr1|success");
    cr_expect_str_eq(sql("SELECT group_concat(journal_date) FROM fold_cursor"),
                     text("%d,%d,%d", DAY - 1, DAY, DAY + 1));
    expect_rebuilt_is_the_same();
}

Test(fold, an_older_days_file_that_comes_late)
{
    append(DAY, end_line("r1"));
    pass(true);
    append(DAY - 1, start_line("r1", 1));
    append(DAY - 1, changed_line(end_line("r1"), "status", "\"failed\"", NULL));
    pass(true);
    cr_expect_eq(stats.lines, 2);
    expect_runs("r1|success");
    expect_rebuilt_is_the_same();
}

Test(fold, a_new_days_file_is_seen_without_a_scan)
{
    append_run(DAY, "r1");
    pass(true);
    append_run(this_date(), "r2");
    pass(false);
    expect_runs("r1|success\nr2|success");
}

Test(fold, yesterdays_file_is_looked_at_without_a_scan)
{
    append_run(DAY - 2, "r0");
    append_run(DAY - 1, "r1");
    append_run(DAY, "r2");
    pass(true);
    append_run(DAY - 1, "r3");
    pass(false);
    cr_expect_eq(stats.runs, 2);
    append_run(DAY - 2, "r4");
    pass(false);
    cr_expect_eq(stats.runs, 0);
    pass(true);
    cr_expect_eq(stats.runs, 2);
}

Test(fold, other_names_are_left_alone)
{
    write_file(text("%s/events_2026.ndjson", dir.raw), end_line("a"), 0600);
    write_file(text("%s/events_20261122.ndjson.bak", dir.raw), end_line("b"), 0600);
    mkdir(journal_path(dir.raw, DAY), 0700);
    cr_assert_eq(symlink("events_2026.ndjson", journal_path(dir.raw, DAY + 1)), 0);
    cr_assert_eq(mkfifo(journal_path(dir.raw, DAY + 2), 0600), 0);
    append_run(DAY + 3, "r1");
    pass(true);
    expect_runs("r1|success");
}

Test(fold, a_file_that_was_replaced_is_folded_again)
{
    append_run(DAY, "r1");
    append_run(DAY + 1, "r2");
    pass(true);
    rename(journal_path(dir.raw, DAY), text("%s/gone", dir.raw));
    append_run(DAY, "r1");
    append_run(DAY, "r3");
    pass(true);
    expect_runs("r1|success\nr2|success\nr3|success");
    cr_expect_eq(stats.runs, 6, "later days' files count as changed, too");
    fresh_pass();
    cr_expect_eq(stats.runs, 0);
}

Test(fold, a_file_that_was_replaced_while_nobody_looked)
{
    append_run(DAY, "r1");
    append_run(DAY + 1, "r2");
    fresh_pass();
    rename(journal_path(dir.raw, DAY), text("%s/gone", dir.raw));
    append_run(DAY, "a-longer-one");
    append_run(DAY, "r3");
    fresh_pass();
    cr_expect_eq(stats.runs, 6);
    expect_runs("a-longer-one|success\nr1|success\nr2|success\nr3|success");
}

Test(fold, a_file_that_became_shorter_is_folded_again)
{
    append_run(DAY, "r1");
    append_run(DAY, "r2");
    pass(true);
    cr_assert_eq(truncate(journal_path(dir.raw, DAY), 0), 0);
    pass(true);
    append_run(DAY, "r3");
    pass(false);
    expect_runs("r1|success\nr2|success\nr3|success");
    cr_expect_eq(stats.runs, 2);
}

Test(fold, a_file_with_the_same_inode_but_other_lines)
{
    append_run(DAY, "r1");
    fresh_pass();
    cr_assert_eq(truncate(journal_path(dir.raw, DAY), 0), 0);
    append_run(DAY, "another-one");
    append_run(DAY, "r3");
    fresh_pass();
    expect_runs("another-one|success\nr1|success\nr3|success");
}

Test(fold, rows_of_a_deleted_file_stay)
{
    append_run(DAY, "r1");
    append_run(DAY + 1, "r2");
    pass(true);
    unlink(journal_path(dir.raw, DAY));
    pass(true);
    expect_runs("r1|success\nr2|success");
}

/* Its successor gets the same inode number, and lines of the same length. */
Test(fold, a_file_deleted_while_nobody_looked)
{
    struct tel_journal_facts facts;

    append_run(DAY, "r1");
    cr_assert_eq(tel_journal_look(dir.raw, DAY, &facts), 0);
    if (facts.born_ns == 0)
        cr_skip_test("this filesystem keeps no time of birth");
    fresh_pass();
    unlink(journal_path(dir.raw, DAY));
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    append_run(DAY, "r2");
    fresh_pass();
    expect_runs("r1|success\nr2|success");
}

Test(fold, an_unreadable_file_keeps_nothing_else_out)
{
    int status = 0;
    pid_t pid;

    if (geteuid() != 0)
        cr_skip_test("needs root to make a file that its reader may not read");
    append_run(DAY, "r1");
    append_run(DAY + 1, "r2");
    chmod(test_dir(), 0755);
    cr_assert_eq(run(LIST("chown", "-R", "nobody", dir.base), NULL).status, 0);
    cr_assert_eq(chown(journal_path(dir.raw, DAY), 0, 0), 0);
    pid = fork();
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(100);
        status = try_pass(true);
        close_fold();
        _exit(status == -EACCES ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    cr_expect_eq(status, 0);
    expect_runs("r2|success");
}

/* --- the database -------------------------------------------------------------------------------- */

Test(fold, a_database_deleted_meanwhile_comes_back)
{
    const char *before;

    append_run(DAY - 5, "r0");
    append_run(DAY, "r1");
    append_run(DAY + 1, "r2");
    pass(true);
    before = all_rows(dir.base);
    delete_database();
    pass(false);
    cr_expect_str_eq(all_rows(dir.base), before);
    cr_expect_eq(stats.runs, 6);
}

Test(fold, a_log_deleted_meanwhile_loses_nothing)
{
    append_run(DAY, "r1");
    pass(true);
    unlink(text("%s-wal", dir.db));
    append_run(DAY, "r2");
    pass(false);
    expect_runs("r1|success\nr2|success");
    cr_expect_str_eq(sql("PRAGMA integrity_check"), "ok");
}

Test(fold, a_dropped_table_comes_back)
{
    append_run(DAY, "r1");
    pass(true);
    change_database(dir.db, "DROP TABLE run_process");
    append_run(DAY, "r2");
    if (try_pass(false) < 0)
        pass(false);
    cr_expect_str_eq(sql("SELECT run_id FROM run_process"), "r2");
    expect_runs("r1|success\nr2|success");
}

Test(fold, a_row_that_somebodys_index_refuses_keeps_no_other_out)
{
    append_run(DAY, "r1");
    pass(true);
    change_database(dir.db, "CREATE UNIQUE INDEX theirs ON agent_runs (host)");
    append_run(DAY, "r2");
    append(DAY, changed_line(end_line("r3"), "host", "\"there\"", NULL));
    pass(false);
    expect_runs("r1|success\nr3|success");
    cr_expect_eq(stats.bad_lines, 1);
}

Test(fold, damage_is_set_aside_and_everything_folded_anew)
{
    static char noise[4096];
    const char *set_aside;
    int pages;
    int fd;

    append_many(DAY);
    pass(true);
    close_fold();
    change_database(dir.db, "PRAGMA wal_checkpoint(TRUNCATE)");
    pages = atoi(sql("PRAGMA page_count"));
    cr_assert_gt(pages, 100);
    /* All pages but those with the schema: it shows only when rows are read or written. */
    memset(noise, 0x5a, sizeof noise);
    fd = open(dir.db, O_WRONLY);
    for (int i = 20; i < pages; i++)
        cr_assert_eq(pwrite(fd, noise, sizeof noise, (off_t)i * 4096), (ssize_t)sizeof noise);
    close(fd);
    append_run(DAY, "one-more");
    pass(false);
    set_aside = text("%s", tel_fold_take_set_aside(fold));
    cr_expect(strstr(set_aside, "telemetry.sqlite.corrupt-") != NULL, "%s", set_aside);
    cr_expect(file_exists(set_aside));
    cr_expect_str_eq(tel_fold_take_set_aside(fold), "");
    cr_expect_str_eq(sql("SELECT count(*) FROM agent_runs"), text("%d", MANY + 1));
    cr_expect_str_eq(sql("PRAGMA integrity_check"), "ok");
}

Test(fold, a_text_file_is_set_aside)
{
    append_run(DAY, "r1");
    cr_assert_eq(tel_datadir_prepare_db(&dir, &err), 0);
    write_file(dir.db, "not a database, as anyone can see from its header", 0600);
    pass(true);
    cr_expect_neq(tel_fold_take_set_aside(fold)[0], '\0');
    expect_runs("r1|success");
}

Test(fold, a_newer_schema_is_left_alone)
{
    append_run(DAY, "r1");
    cr_assert_eq(tel_datadir_prepare_db(&dir, &err), 0);
    change_database(dir.db, "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY);"
                            "INSERT INTO schema_migrations VALUES (7)");
    cr_expect_eq(try_pass(true), TEL_ERR_SCHEMA);
    cr_expect_eq(try_pass(true), TEL_ERR_SCHEMA);
    cr_expect_not(file_exists(text("%s-wal", dir.db)));
    unlink(dir.db);
    pass(true);
    expect_runs("r1|success");
}

Test(fold, a_locked_database_loses_nothing)
{
    sqlite3 *db;

    open_fold(50);
    append_run(DAY, "r1");
    pass(true);
    cr_assert_eq(sqlite3_open(dir.db, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    append_run(DAY, "r2");
    cr_expect_eq(try_pass(false), TEL_ERR_BUSY);
    cr_expect_eq(stats.runs, 0);
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    pass(false);
    expect_runs("r1|success\nr2|success");
}

Test(fold, nothing_new_needs_no_lock)
{
    sqlite3 *db;

    open_fold(50);
    append_run(DAY, "r1");
    pass(true);
    cr_assert_eq(sqlite3_open(dir.db, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    pass(false);
    pass(true);
    sqlite3_close(db);
}

Test(fold, a_full_disk_loses_nothing)
{
    const char *mount_point = text("%s/small", test_dir());
    static char filler[4096];
    int fd;

    mkdir(mount_point, 0700);
    if (mount("tmpfs", mount_point, "tmpfs", 0, "size=1m") != 0)
        cr_skip_test("needs root to mount a small filesystem");
    make_place(&dir, text("%s/base", mount_point));
    append_run(DAY, "r1");
    pass(true);
    for (int i = 0; i < 40; i++)
        append_run(DAY, text("more-%d", i));
    fd = open(text("%s/filler", mount_point), O_WRONLY | O_CREAT, 0600);
    while (write(fd, filler, sizeof filler) > 0)
        continue;
    close(fd);
    cr_expect_eq(try_pass(false), -ENOSPC, "%s", err.message);
    cr_expect(strstr(err.message, "No space left") != NULL, "%s", err.message);
    cr_expect_eq(try_pass(false), -ENOSPC);
    unlink(text("%s/filler", mount_point));
    pass(false);
    cr_expect_str_eq(sql("SELECT count(*) FROM agent_runs"), "41");
    cr_expect_str_eq(sql("PRAGMA integrity_check"), "ok");
    close_fold();
    umount(mount_point);
}

/* --- others at work --------------------------------------------------------------------------------- */

Test(fold, another_process_may_have_folded_already)
{
    struct tel_fold *other;

    append_run(DAY, "r1");
    pass(true);
    append_run(DAY, "r2");
    cr_assert_eq(tel_fold_open(&other, &dir, BUSY_MS, &err), 0);
    cr_expect_eq(tel_fold_pass(other, true, NULL, &err), 0);
    tel_fold_close(other);
    append_run(DAY, "r3");
    pass(false);
    cr_expect_eq(stats.runs, 2, "only what the other has not");
    expect_runs("r1|success\nr2|success\nr3|success");
}

/* As by `telemetry sync` again and again, where no collector works. */
Test(fold, a_log_does_not_grow_without_bound)
{
    const uint64_t bound = 64 * 1024 * 1024;
    uint64_t largest = 0;
    uint64_t size = 0;

    open_fold(BUSY_MS);
    for (int i = 0; i < 3000 && size >= largest; i++) {
        append_run(DAY, text("r%d", i));
        pass(false);
        largest = size;
        size = tel_store_wal_bytes(tel_fold_store(fold, &err));
    }
    cr_expect_gt(largest, bound - 1024 * 1024);
    cr_expect_lt(size, 1024 * 1024);
    cr_expect_str_eq(sql("PRAGMA integrity_check"), "ok");
}

static pid_t fold_in_child(int times)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    open_fold(60000);
    for (int i = 0; i < times; i++)
        if (tel_fold_pass(fold, true, NULL, &err) < 0)
            _exit(1);
    _exit(0);
}

Test(fold, several_processes_at_once, .timeout = 120)
{
    enum { PROCESSES = 3 };
    pid_t pids[PROCESSES];

    for (int i = 0; i < PROCESSES; i++)
        pids[i] = fold_in_child(50);
    for (int i = 0; i < 3; i++)
        append_many((uint32_t)(DAY + i));
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;

        waitpid(pids[i], &status, 0);
        cr_expect_eq(status, 0);
    }
    pass(true);
    expect_many();
    cr_expect_str_eq(sql("SELECT sum(bad_lines) FROM fold_cursor"), "0");
}

Test(fold, killed_at_any_moment, .timeout = 120)
{
    const char *killed;

    append_many(DAY);
    for (int i = 1; i <= 15; i++) {
        const struct timespec pause = {0, i * 4000000};
        pid_t pid = fold_in_child(1);

        nanosleep(&pause, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    fresh_pass();
    expect_many();
    killed = all_rows(dir.base);
    delete_database();
    fresh_pass();
    cr_expect(strcmp(all_rows(dir.base), killed) == 0);
}

Test(fold, the_store_is_opened_when_it_is_asked_for)
{
    open_fold(BUSY_MS);
    cr_expect_not_null(tel_fold_store(fold, &err));
    cr_expect(file_exists(dir.db));
    delete_database();
    cr_expect_not_null(tel_fold_store(fold, &err));
    cr_expect(file_exists(dir.db));
}
