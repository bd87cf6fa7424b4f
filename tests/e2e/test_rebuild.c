/* The journal is the truth, the database a view of it: deleted, it comes back the same. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/database.h"
#include "support/places.h"

/* Runs of every kind, all ended. */
static void make_runs(void)
{
    need_exit_codes_of_strangers();
    run(LIST("/bin/true"),
        shim_env_and(base_dir(), LIST("TELEMETRY_JOB_NAME=\xc3\xa4\n\"quoted\" \xf0\x9f\x98\x80",
                                      "TELEMETRY_METRICS_JSON={\"n\": 1e3}", "AGENT_OWNER=",
                                      "TELEMETRY_PRODUCT=\xff\x01", "TELEMETRY_TRIGGER_TYPE=mcp")));
    record("/bin/sh", "-c", "/bin/true; exit 3", "a b", "--token=x");
    record(fixture_path("end"), "kill");
    record(fixture_path("end"), "atexit-crash");
    record(fixture_path("end"), "exit_group");
    run(LIST("/bin/sh", "-c", "exit 4"),
        shim_env_and(base_dir(), LIST("TELEMETRY_SUCCESS_EXIT_CODES=4")));
    cr_assert(all_ended(base_dir(), 6));
}

/* As `rm $D/db/…` does. */
static int remove_files(const char *pattern)
{
    glob_t found;
    int count = 0;

    if (glob(text("%s/db/%s", base_dir(), pattern), 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        count += unlink(found.gl_pathv[i]) == 0;
    globfree(&found);
    return count;
}

static void expect_rows_back(const char *before, const char *what)
{
    const char *after;
    struct run_result result = telemetry("sync");

    cr_assert_eq(result.status, 0, "%s: %s", what, result.err);
    after = all_rows(base_dir());
    cr_expect_str_eq(after, before, "%s:\n%s\nbefore:\n%s", what, after, before);
    cr_expect_str_eq(sql_text(base_dir(), "PRAGMA integrity_check"), "ok");
}

Test(rebuild, deleted_while_a_collector_is_there)
{
    const char *before;
    pid_t collector;

    make_runs();
    before = all_rows(base_dir());
    cr_assert_gt(strlen(before), 1000);
    collector = collector_of(base_dir());
    cr_assert_eq(remove_files("*"), 3);
    expect_rows_back(before, "with a collector");
    cr_expect_eq(collector_of(base_dir()), collector, "the same one");
    cr_assert_eq(record("/bin/true").status, 0);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM agent_runs"), "7",
                     "and it goes on");
}

Test(rebuild, deleted_while_there_is_none)
{
    const char *before;

    make_runs();
    end_collectors(base_dir(), SIGTERM);
    before = all_rows(base_dir());
    cr_assert_gt(remove_files("*"), 0);
    expect_rows_back(before, "without a collector");
    cr_assert_eq(record("/bin/true").status, 0);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM agent_runs"), "7");
}

Test(rebuild, deleted_after_a_collector_was_killed)
{
    const char *before;

    make_runs();
    before = all_rows(base_dir());
    end_collectors(base_dir(), SIGKILL);
    cr_assert_gt(remove_files("*"), 0);
    expect_rows_back(before, "after a kill");
}

/* The main file alone, its write-ahead log alone, the shared memory alone; while it is open. */
Test(rebuild, parts_of_it_deleted)
{
    static const char *const parts[] = {"telemetry.sqlite", "telemetry.sqlite-wal",
                                        "telemetry.sqlite-shm", "telemetry.sqlite-*"};
    const char *before;

    make_runs();
    before = all_rows(base_dir());
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        cr_assert_gt(remove_files(parts[i]), 0, "%s", parts[i]);
        expect_rows_back(before, parts[i]);
    }
}

Test(rebuild, the_directory_deleted)
{
    const char *before;

    make_runs();
    before = all_rows(base_dir());
    remove_files("*");
    cr_assert_eq(rmdir(text("%s/db", base_dir())), 0);
    expect_rows_back(before, "with its directory");
}

/* The next run is enough to bring it back. */
Test(rebuild, by_the_next_run)
{
    const char *before;

    make_runs();
    end_collectors(base_dir(), SIGTERM);
    before = all_rows(base_dir());
    remove_files("*");
    cr_assert_eq(record("/bin/sh", "-c", "exit 9").status, 9);
    cr_assert_eq(telemetry("sync").status, 0);
    change_database(text("%s/db/telemetry.sqlite", base_dir()),
                    "PRAGMA foreign_keys = OFF;"
                    "DELETE FROM run_process WHERE exit_code = 9;"
                    "DELETE FROM agent_runs WHERE error_summary = 'exit code 9'");
    cr_expect_str_eq(all_rows(base_dir()), before);
}

Test(rebuild, again_and_again_while_runs_end)
{
    make_runs();
    for (int i = 0; i < 10; i++) {
        remove_files("*");
        cr_expect_eq(record("/bin/sh", "-c", "exit 3").status, 3);
    }
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*), sum(status = 'running'), "
                                          "sum(error_summary = 'exit code 3') FROM agent_runs"),
                     "16|0|12");
}

/* A run that lives through it is there again, and ends as any other. */
Test(rebuild, while_a_run_lives)
{
    struct program *program = start(
        &(struct run_options){.argv = LIST(fixture_path("plain")), .env = shim_env(base_dir())});

    need_exit_codes_of_strangers();
    cr_assert(sql_becomes(base_dir(), "SELECT status FROM agent_runs", "running"));
    remove_files("*");
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(run_value(base_dir(), "status"), "running");
    remove_files("*");
    kill(program_pid(program), SIGKILL);
    finish(program);
    cr_assert(all_ended(base_dir(), 1));
    cr_expect_str_eq(run_value(base_dir(), "error_summary"), "killed by SIGKILL (9)");
}

/* Days: the journal of yesterday counts as much as today's. */
Test(rebuild, from_several_days)
{
    const char *before;
    const char *raw = text("%s/raw", base_dir());

    make_runs();
    end_collectors(base_dir(), SIGTERM);
    cr_assert_eq(rename(journal_path(raw, this_date()), journal_path(raw, 20200101)), 0);
    remove_files("*");
    record("/bin/sh", "-c", "exit 9");
    cr_assert_eq(telemetry("sync").status, 0);
    before = all_rows(base_dir());
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM agent_runs"), "7");
    end_collectors(base_dir(), SIGTERM);
    remove_files("*");
    expect_rows_back(before, "from two files");
}

/* What others wrote stays readable for them: journal lines of the Python client among ours. */
Test(rebuild, with_lines_of_others)
{
    const char *before;

    make_runs();
    end_collectors(base_dir(), SIGTERM);
    write_file(journal_path(text("%s/raw", base_dir()), 20200101),
               "{\"run_id\": \"20200101T000000Z-python-1\", \"agent_name\": \"python\", "
               "\"start_time\": \"2020-01-01T00:00:00+00:00\", \"status\": \"completed\", "
               "\"trigger_type\": \"nightly\", \"record_type\": \"run\"}\n"
               "not json\n\n\xff\xfe\n[1, 2]\n{\"run_id\": \"x\"}\n"
               "{\"run_id\": \"20200101T000000Z-python-1\", \"event_type\": \"e\", \"timestamp\": "
               "\"2020-01-01T00:00:00+00:00\", \"payload_json\": null, \"id\": null, "
               "\"record_type\": \"event\"}\n{\"torn",
               0600);
    cr_assert_eq(telemetry("sync").status, 0);
    before = all_rows(base_dir());
    cr_expect_str_eq(sql_text(base_dir(), "SELECT status, trigger_type FROM agent_runs WHERE "
                                          "agent_name = 'python'"),
                     "success|manual");
    remove_files("*");
    expect_rows_back(before, "with lines of others");
}
