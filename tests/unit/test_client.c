/* The client library's calls, one by one: what they take, what they refuse, what they leave behind. */
#include "telemetry/client.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"
#include "support/syncs.h"

static struct telemetry_error err;
static telemetry_client *client;
static telemetry_client *second;

/* What happens when a line is about to be appended; NULL: nothing. */
static void (*before_append)(void);

int __real_tel_journal_append(struct tel_journal_writer *writer, uint32_t date, struct tel_str line,
                              struct tel_journal_pos *pos, struct tel_error *error);
int __wrap_tel_journal_append(struct tel_journal_writer *writer, uint32_t date, struct tel_str line,
                              struct tel_journal_pos *pos, struct tel_error *error);

int __wrap_tel_journal_append(struct tel_journal_writer *writer, uint32_t date, struct tel_str line,
                              struct tel_journal_pos *pos, struct tel_error *error)
{
    if (before_append != NULL)
        before_append();
    return __real_tel_journal_append(writer, date, line, pos, error);
}

static void set_up(void)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;

    setenv("TELEMETRY_COLLECTOR", "off", 1);
    config.base_dir = test_dir();
    client = telemetry_client_open(&config, &err);
    cr_assert_not_null(client, "%s", err.message);
}

static void tear_down(void)
{
    telemetry_client_close(client, 5000, NULL);
}

TestSuite(client, .init = set_up, .fini = tear_down);

static telemetry_run *begin(void)
{
    telemetry_run *run = telemetry_run_start(client, "agent", "job", NULL, &err);

    cr_assert_not_null(run, "%s", err.message);
    return run;
}

static const char *row(const char *columns)
{
    return sql_text(test_dir(), text("SELECT %s FROM agent_runs LEFT JOIN run_process USING "
                                     "(run_id)",
                                     columns));
}

static const char *last_value(const char *name)
{
    return field_of(last_line_of(journal_text(test_dir())), name);
}

Test(client, start_and_end_are_rows)
{
    telemetry_run *run = begin();

    cr_expect_str_eq(row("agent_name, job_type, status, scope"), "agent|job|running|1");
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_SUCCESS, "all of it", &err), 0);
    cr_expect_str_eq(row("status, output_summary, end_source, exit_code"),
                     "success|all of it|observed|");
    cr_expect_str_eq(row("duration_ms IS NOT NULL AND end_time >= start_time AND user_ms >= 0"),
                     "1");
    cr_expect_eq(count_of(journal_text(test_dir()), "\n"), 2);
    telemetry_run_free(run);
}

Test(client, null_is_taken_everywhere)
{
    struct telemetry_stats stats;

    cr_expect_str_eq(telemetry_run_id(NULL), "");
    cr_expect_null(telemetry_client_base_dir(NULL));
    cr_expect_null(telemetry_run_start(NULL, "a", "b", NULL, &err));
    cr_expect_eq(err.code, TELEMETRY_ERR_INVALID);
    cr_expect_str_eq(err.message, "there is no client");
    cr_expect_eq(telemetry_run_log_event(NULL, "x", NULL, &err), TELEMETRY_ERR_INVALID);
    cr_expect_str_eq(err.message, "there is no run");
    cr_expect_eq(telemetry_run_set(NULL, "product", "x", NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_set_count(NULL, "items_failed", 1, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_add(NULL, "items_failed", 1, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_end(NULL, TELEMETRY_SUCCESS, NULL, NULL), TELEMETRY_ERR_INVALID);
    telemetry_run_free(NULL);
    cr_expect_eq(telemetry_client_flush(NULL, 0, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_client_close(NULL, 0, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_client_stats(NULL, &stats, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_client_stats(client, NULL, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_event_by_id(NULL, "x", "y", NULL, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_event_by_id(client, NULL, "y", NULL, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_set_by_id(client, NULL, NULL, NULL, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_add_by_id(client, "x", NULL, 1, NULL), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_end_by_id(client, NULL, TELEMETRY_SUCCESS, NULL, NULL),
                 TELEMETRY_ERR_INVALID);
}

Test(client, names_have_defaults)
{
    telemetry_run *run = telemetry_run_start(client, NULL, NULL, NULL, &err);

    cr_assert_not_null(run);
    cr_expect_str_eq(row("agent_name = job_type AND agent_name <> ''"), "1");
    telemetry_run_free(run);
}

Test(client, options_are_fields)
{
    struct telemetry_run_options options = TELEMETRY_RUN_OPTIONS_INIT;
    telemetry_run *run;

    options.trigger_type = "mcp";
    options.parent_run_id = "20261122T100000Z-parent-00000001";
    options.product = "p";
    options.git_branch = "b";
    run = telemetry_run_start(client, "a", "j", &options, &err);
    cr_assert_not_null(run, "%s", err.message);
    cr_expect_str_eq(row("trigger_type, parent_run_id, product, git_branch"),
                     "mcp|20261122T100000Z-parent-00000001|p|b");
    telemetry_run_free(run);
    options.trigger_type = "cron";
    cr_expect_null(telemetry_run_start(client, "a", "j", &options, &err));
    cr_expect_str_eq(err.message, "trigger_type takes cli, web, scheduler, mcp or manual");
    options.size = 3;
    cr_expect_null(telemetry_run_start(client, "a", "j", &options, &err));
    cr_expect_eq(err.code, TELEMETRY_ERR_INVALID);
    run = begin();
    cr_expect_str_eq(last_value("product"), "null", "options are of one run only");
    telemetry_run_free(run);
}

Test(client, every_field_has_a_setter)
{
    telemetry_run *run = begin();

    cr_expect_eq(telemetry_run_set_items_discovered(run, 4, &err), 0);
    cr_expect_eq(telemetry_run_set_items_succeeded(run, 3, &err), 0);
    cr_expect_eq(telemetry_run_set_items_failed(run, 1, &err), 0);
    cr_expect_eq(telemetry_run_set_input_summary(run, "in", &err), 0);
    cr_expect_eq(telemetry_run_set_output_summary(run, "out", &err), 0);
    cr_expect_eq(telemetry_run_set_error_summary(run, "error", &err), 0);
    cr_expect_eq(telemetry_run_set_metrics_json(run, "{\"a\": 1}", &err), 0);
    cr_expect_eq(telemetry_run_set_insight_id(run, "i", &err), 0);
    cr_expect_eq(telemetry_run_set_product(run, "p", &err), 0);
    cr_expect_eq(telemetry_run_set_platform(run, "f", &err), 0);
    cr_expect_eq(telemetry_run_set_product_family(run, "pf", &err), 0);
    cr_expect_eq(telemetry_run_set_subdomain(run, "s", &err), 0);
    cr_expect_eq(telemetry_run_set_git_repo(run, "r", &err), 0);
    cr_expect_eq(telemetry_run_set_git_branch(run, "b", &err), 0);
    cr_expect_eq(telemetry_run_set_git_run_tag(run, "t", &err), 0);
    cr_expect_eq(telemetry_run_set_agent_owner(run, "o", &err), 0);
    cr_expect_eq(telemetry_run_set_trigger_type(run, "web", &err), 0);
    cr_expect_eq(telemetry_run_add(run, "items_succeeded", 2, &err), 0);
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_PARTIAL, NULL, &err), 0);
    cr_expect_str_eq(row("status, items_discovered, items_succeeded, items_failed, input_summary, "
                         "output_summary, error_summary, metrics_json, insight_id, product, "
                         "platform, product_family, subdomain, git_repo, git_branch, git_run_tag, "
                         "agent_owner, trigger_type"),
                     "partial|4|5|1|in|out|error|{\"a\": 1}|i|p|f|pf|s|r|b|t|o|web");
    telemetry_run_free(run);
    cr_expect_neq(access(text("%s/run/%s.set", test_dir(), row("run_id")), F_OK), 0);
}

Test(client, bad_values_are_refused)
{
    telemetry_run *run = begin();

    cr_expect_eq(telemetry_run_set(run, "nonsense", "x", &err), TELEMETRY_ERR_INVALID);
    cr_expect_str_eq(err.message, "no field that can be set is called 'nonsense'");
    cr_expect_eq(telemetry_run_set(run, NULL, "x", &err), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_set(run, "run_id", "x", &err), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_set(run, "items_failed", "x", &err), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_set_metrics_json(run, "{", &err), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_set_count(run, "product", 1, &err), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_set_items_failed(run, -1, &err), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_log_event(run, "x", "{", &err), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_log_event(run, "", NULL, &err), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_log_event(run, NULL, NULL, &err), TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_end(run, (enum telemetry_status)7, NULL, &err),
                 TELEMETRY_ERR_INVALID);
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, &err), 0);
    cr_expect_str_eq(err.message, "", "what went wrong before is gone");
    cr_expect_eq(count_of(journal_text(test_dir()), "\n"), 2);
    telemetry_run_free(run);
}

Test(client, after_its_end_a_run_takes_nothing_more)
{
    telemetry_run *run = begin();
    const char *id = telemetry_run_id(run);
    const char *journal;

    cr_assert_eq(telemetry_run_end(run, TELEMETRY_FAILED, "why", &err), 0);
    journal = journal_text(test_dir());
    cr_expect_eq(telemetry_run_log_event(run, "late", NULL, &err), TELEMETRY_ERR_ENDED);
    cr_expect_eq(telemetry_run_set_product(run, "x", &err), TELEMETRY_ERR_ENDED);
    cr_expect_eq(telemetry_run_add(run, "items_failed", 1, &err), TELEMETRY_ERR_ENDED);
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, &err), TELEMETRY_ERR_ENDED);
    cr_expect_eq(telemetry_set_by_id(client, id, "product", "x", &err), TELEMETRY_ERR_ENDED);
    cr_expect_eq(telemetry_end_by_id(client, id, TELEMETRY_SUCCESS, NULL, &err),
                 TELEMETRY_ERR_ENDED);
    cr_expect_str_eq(journal_text(test_dir()), journal);
    telemetry_run_free(run);
}

Test(client, by_id_of_ones_own)
{
    telemetry_run *run = begin();

    cr_expect_eq(telemetry_run_set_product(run, "p", &err), 0);
    cr_expect_eq(telemetry_event_by_id(client, telemetry_run_id(run), "x", "1", &err), 0);
    cr_expect_eq(telemetry_set_count_by_id(client, telemetry_run_id(run), "items_failed", 2, &err),
                 0);
    cr_expect_eq(telemetry_end_by_id(client, telemetry_run_id(run), TELEMETRY_FAILED, "e", &err),
                 0);
    cr_expect_str_eq(row("status, error_summary, product, items_failed, user_ms"), "failed|e|p|2|");
    cr_expect_eq(telemetry_run_set_product(run, "q", &err), TELEMETRY_ERR_ENDED,
                 "its mailbox has been taken in");
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, &err), TELEMETRY_ERR_ENDED);
    telemetry_run_free(run);
    cr_expect_eq(telemetry_end_by_id(client, "20261122T100000Z-nobody-00000000", TELEMETRY_SUCCESS,
                                     NULL, &err),
                 TELEMETRY_ERR_NOT_FOUND);
}

static bool has_mailbox(const char *id)
{
    return file_exists(text("%s/run/%s.set", test_dir(), id));
}

/* Whoever ends it by its id is another process, as far as the handle knows. */
Test(client, the_first_end_counts)
{
    telemetry_run *run = begin();
    const char *id = text("%s", telemetry_run_id(run));

    cr_assert_eq(telemetry_add_by_id(client, id, "items_failed", 1, &err), 0);
    cr_assert_eq(telemetry_end_by_id(client, id, TELEMETRY_PARTIAL, "theirs", &err), 0);
    cr_expect_eq(telemetry_run_add(run, "items_failed", 1, &err), TELEMETRY_ERR_ENDED);
    cr_expect_str_eq(err.message, "the run has ended");
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_FAILED, "ours", &err), TELEMETRY_ERR_ENDED);
    cr_expect_str_eq(row("status, error_summary, items_failed"), "partial|theirs|1");
    cr_expect_not(has_mailbox(id), "the handle's owner knows now");
    telemetry_run_free(run);
}

Test(client, an_end_that_the_handle_did_not_see)
{
    telemetry_run *run = begin();
    const char *id = text("%s", telemetry_run_id(run));

    cr_assert_eq(telemetry_end_by_id(client, id, TELEMETRY_SUCCESS, "theirs", &err), 0);
    cr_assert_eq(telemetry_run_log_event(run, "late", NULL, &err), 0, "that costs no look");
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_FAILED, "ours", &err), TELEMETRY_ERR_ENDED);
    cr_expect_str_eq(last_value("output_summary"), "\"theirs\"", "a run line is the last one");
    cr_expect_not(has_mailbox(id));
    telemetry_run_free(run);
}

static const char *ended_meanwhile; /* by its id, when the next line is about to be appended */

static void end_meanwhile(void)
{
    const char *id = ended_meanwhile;

    ended_meanwhile = NULL;
    if (id != NULL)
        cr_assert_eq(telemetry_end_by_id(second, id, TELEMETRY_PARTIAL, "theirs", &err), 0, "%s",
                     err.message);
}

Test(client, two_ends_at_one_moment)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    telemetry_run *run = begin();

    config.base_dir = test_dir();
    second = telemetry_client_open(&config, &err);
    before_append = end_meanwhile;
    ended_meanwhile = text("%s", telemetry_run_id(run));
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_FAILED, "ours", &err), TELEMETRY_ERR_ENDED);
    cr_expect_str_eq(row("status, error_summary"), "partial|theirs");
    telemetry_run_free(run);
    telemetry_client_close(second, 5000, NULL);
}

Test(client, a_freed_handle_needs_not_be_told)
{
    telemetry_run *run = begin();
    const char *id = text("%s", telemetry_run_id(run));

    telemetry_run_free(run);
    cr_expect_eq(telemetry_set_by_id(client, id, "product", "p", &err), 0);
    cr_expect_eq(telemetry_end_by_id(client, id, TELEMETRY_SUCCESS, NULL, &err), 0);
    cr_expect_str_eq(row("status, product"), "success|p");
    cr_expect_not(has_mailbox(id));
    run = begin();
    id = text("%s", telemetry_run_id(run));
    cr_expect_eq(telemetry_end_by_id(client, id, TELEMETRY_SUCCESS, NULL, &err), 0);
    cr_expect(has_mailbox(id), "it has been ended by somebody else");
    telemetry_run_free(run);
    cr_expect_not(has_mailbox(id));
}

Test(client, what_was_never_recorded_is_not_waited_for)
{
    telemetry_run *run = begin();

    cr_expect_eq(telemetry_wait_posted(client, "20261122T100000Z-nobody-00000000", 60000, &err),
                 TELEMETRY_ERR_NOT_FOUND);
    cr_expect_eq(strncmp(err.message, "run 20261122T100000Z-nobody-00000000 is not", 43), 0, "%s",
                 err.message);
    cr_expect_eq(telemetry_wait_posted(client, telemetry_run_id(run), 0, &err),
                 TELEMETRY_ERR_INVALID, "it is not to be posted");
    telemetry_run_free(run);
}

/* Two clients of one process, and a child that it has forked. */
Test(client, ids_differ_between_clients_and_processes)
{
    enum { RUNS = 30 };
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    char own[2 * RUNS][256];
    char theirs[256];
    telemetry_run *run;
    int fds[2];

    config.base_dir = test_dir();
    second = telemetry_client_open(&config, &err);
    for (int i = 0; i < 2 * RUNS; i++) {
        run = telemetry_run_start(i % 2 == 0 ? client : second, "agent", "job", NULL, &err);
        snprintf(own[i], sizeof own[i], "%s", telemetry_run_id(run));
        telemetry_run_free(run);
        for (int j = 0; j < i; j++)
            cr_expect_str_neq(own[i], own[j]);
    }
    cr_assert_eq(pipe(fds), 0);
    if (fork() == 0) {
        memset(theirs, 0, sizeof theirs);
        run = telemetry_run_start(client, "agent", "job", NULL, NULL);
        memcpy(theirs, telemetry_run_id(run), strlen(telemetry_run_id(run)));
        _exit(write(fds[1], theirs, sizeof theirs) != (ssize_t)sizeof theirs);
    }
    run = begin();
    cr_assert_eq(read(fds[0], theirs, sizeof theirs), (ssize_t)sizeof theirs);
    cr_expect_str_neq(telemetry_run_id(run), theirs);
    telemetry_run_free(run);
    telemetry_client_close(second, 5000, NULL);
}

Test(client, many_runs_in_one_second_have_ids_of_their_own)
{
    for (int i = 0; i < 1500; i++) {
        telemetry_run *run = begin();

        telemetry_run_free(run);
    }
    cr_assert_eq(telemetry_client_flush(client, 20000, &err), 0, "%s", err.message);
    cr_expect_str_eq(sql_text(test_dir(), "SELECT count(*) FROM agent_runs"), "1500");
}

/* Also of a run that has logged no event. */
Test(client, what_is_flushed_is_on_the_disk)
{
    telemetry_run_free(begin());
    syncs = 0;
    cr_expect_eq(telemetry_client_flush(client, 20000, &err), 0, "%s", err.message);
    cr_expect_eq(syncs, 1);
    cr_expect_eq(synced, (off_t)strlen(journal_text(test_dir())));
    sync_status = -EIO;
    cr_expect_eq(telemetry_client_flush(client, 20000, &err), -EIO, "or the caller is told");
}

Test(client, counts_of_all_runs)
{
    struct telemetry_stats stats = {0};
    telemetry_run *runs[4];

    for (int i = 0; i < 4; i++)
        runs[i] = begin();
    for (int i = 0; i < 3; i++)
        telemetry_run_end(runs[i], (enum telemetry_status)i, NULL, NULL);
    cr_expect_eq(telemetry_client_stats(client, &stats, &err), 0, "%s", err.message);
    cr_expect_eq(stats.total, 4);
    cr_expect(stats.running == 1 && stats.success == 1 && stats.failed == 1 && stats.partial == 1);
    cr_expect_eq(stats.pending_posts, 0);
    for (int i = 0; i < 4; i++)
        telemetry_run_free(runs[i]);
}

Test(client, handles_outlive_their_client)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    telemetry_client *other;
    telemetry_run *run;

    config.base_dir = test_dir();
    other = telemetry_client_open(&config, &err);
    run = telemetry_run_start(other, "a", "j", NULL, &err);
    cr_assert_not_null(run);
    cr_expect_eq(telemetry_client_close(other, 5000, &err), 0, "%s", err.message);
    cr_expect_eq(telemetry_run_log_event(run, "x", NULL, &err), TELEMETRY_ERR_INVALID);
    cr_expect_str_eq(err.message, "the client is closed");
    cr_expect_eq(telemetry_end_by_id(client, telemetry_run_id(run), TELEMETRY_SUCCESS, NULL, &err),
                 0);
    telemetry_run_free(run);
}

Test(client, configurations_are_checked)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    telemetry_client *other;

    setenv("TELEMETRY_DB_PATH", "/nonexistent/db/x.sqlite", 1);
    config.base_dir = text("%s/elsewhere", test_dir());
    other = telemetry_client_open(&config, &err);
    cr_assert_not_null(other, "%s", err.message);
    cr_expect_str_eq(telemetry_client_base_dir(other), config.base_dir);
    telemetry_client_close(other, 1000, NULL);
    write_file(text("%s/file", test_dir()), "", 0600);
    config.base_dir = text("%s/file", test_dir());
    cr_expect_null(telemetry_client_open(&config, &err));
    cr_expect_lt(err.code, 0);
    cr_expect(strstr(err.message, config.base_dir) != NULL, "%s", err.message);
    config.size = 1;
    cr_expect_null(telemetry_client_open(&config, &err));
    cr_expect_null(telemetry_client_open(&config, NULL));
}

Test(client, bad_configurations_are_refused)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    struct telemetry_run_options options = TELEMETRY_RUN_OPTIONS_INIT;

    config.base_dir = test_dir();
    config.file_mode = "9";
    cr_expect_null(telemetry_client_open(&config, &err));
    cr_expect_eq(err.code, TELEMETRY_ERR_INVALID);
    cr_expect(strstr(err.message, "TELEMETRY_FILE_MODE") != NULL, "%s", err.message);
    config.file_mode = NULL;
    config.durability = "bogus";
    cr_expect_null(telemetry_client_open(&config, &err));
    cr_expect_str_eq(err.message, "struct telemetry_config: what stands for TELEMETRY_DURABILITY "
                                  "is neither process nor system");
    config.durability = NULL;
    config.wait_ms = 99999999;
    cr_expect_null(telemetry_client_open(&config, &err));
    cr_expect_str_eq(err.message, "struct telemetry_config: what stands for TELEMETRY_AUTO_WAIT_MS "
                                  "is more than a minute");
    config.size = 0;
    cr_expect_null(telemetry_client_open(&config, &err));
    cr_expect_str_eq(err.message, "struct telemetry_config: size is not set");
    options.size += 8;
    cr_expect_null(telemetry_run_start(client, "a", "j", &options, &err));
    cr_expect(strstr(err.message, "another version") != NULL, "%s", err.message);
}

/* The values are kept in memory, and are on the end line. */
Test(client, a_mailbox_that_cannot_be_written_is_a_status)
{
    telemetry_run *run = begin();

    mkdir(text("%s/run", test_dir()), 0700);
    cr_assert_eq(mkdir(text("%s/run/%s.set", test_dir(), telemetry_run_id(run)), 0700), 0);
    cr_expect_lt(telemetry_run_set_product(run, "kept", &err), 0);
    cr_expect_lt(telemetry_run_add(run, "items_failed", 2, &err), 0);
    cr_assert_eq(rmdir(text("%s/run/%s.set", test_dir(), telemetry_run_id(run))), 0);
    cr_expect_eq(telemetry_run_add(run, "items_failed", 1, &err), 0);
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, &err), 0, "%s", err.message);
    cr_expect_str_eq(row("product, items_failed"), "kept|3");
    telemetry_run_free(run);
}

Test(client, a_file_size_limit_is_a_status_and_no_signal)
{
    struct rlimit limit = {4096, RLIM_INFINITY};
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    telemetry_client *other;
    telemetry_run *run;
    int status = 0;

    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    config.base_dir = test_dir();
    other = telemetry_client_open(&config, &err);
    run = telemetry_run_start(other, "a", "j", NULL, &err);
    for (int i = 0; i < 100 && status == 0; i++)
        status = telemetry_run_log_event(run, "x", "{\"some\": \"thing\"}", &err);
    cr_expect(status == -EFBIG || status == -ENOSPC, "%d", status);
    telemetry_run_free(run);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    telemetry_client_close(other, 5000, NULL);
}

/* The program gives itself a limit when everything is open already. */
Test(client, a_later_file_size_limit_is_a_status_and_no_signal)
{
    struct rlimit limit = {1, RLIM_INFINITY};
    telemetry_run *run = begin();

    signal(SIGXFSZ, SIG_DFL);
    cr_expect_eq(telemetry_run_log_event(run, "x", NULL, &err), 0, "%s", err.message);
    cr_expect_eq(telemetry_run_add(run, "items_failed", 1, &err), 0, "%s", err.message);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(telemetry_run_log_event(run, "x", NULL, &err), -EFBIG);
    cr_expect_eq(telemetry_event_by_id(client, telemetry_run_id(run), "x", NULL, &err), -EFBIG);
    cr_expect_eq(telemetry_run_add(run, "items_failed", 1, &err), -EFBIG);
    cr_expect_lt(telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, &err), 0);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, &err), 0, "%s", err.message);
    cr_expect_str_eq(row("status, items_failed"), "success|2");
    telemetry_run_free(run);
}

/* How often the disk is asked: by a start, an event, a value, an end. */
static const char *syncs_with(const char *durability)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    telemetry_client *other;
    telemetry_run *run;
    const char *counts;

    config.base_dir = test_dir();
    config.durability = durability;
    config.wait_ms = 0; /* folding is no part of it */
    other = telemetry_client_open(&config, &err);
    syncs = 0;
    run = telemetry_run_start(other, "a", "j", NULL, &err);
    counts = text("%d", syncs);
    syncs = 0;
    cr_expect_eq(telemetry_run_log_event(run, "x", "{}", &err), 0, "%s", err.message);
    counts = text("%s %d", counts, syncs);
    syncs = 0;
    cr_expect_eq(telemetry_run_set_product(run, "x", &err), 0, "%s", err.message);
    counts = text("%s %d", counts, syncs);
    syncs = 0;
    cr_expect_eq(telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, &err), 0, "%s", err.message);
    counts = text("%s %d", counts, syncs);
    telemetry_run_free(run);
    telemetry_client_close(other, 0, NULL);
    return counts;
}

Test(client, durability_decides_what_is_synced)
{
    cr_expect_str_eq(syncs_with("process"), "0 0 0 0");
    cr_expect_str_eq(syncs_with("system"), "1 1 1 1");
}

Test(client, no_descriptor_is_left)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    const int before = count_descriptors();

    config.base_dir = test_dir();
    for (int i = 0; i < 3; i++) {
        telemetry_client *other = telemetry_client_open(&config, &err);
        telemetry_run *run = telemetry_run_start(other, "a", "j", NULL, &err);

        telemetry_run_set_product(run, "x", NULL);
        telemetry_run_log_event(run, "x", NULL, NULL);
        telemetry_run_free(run);
        telemetry_client_close(other, 5000, NULL);
    }
    cr_expect_eq(count_descriptors(), before);
}
