/* Programs that use the client library: what is recorded of them, however they end. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/places.h"
#include "telemetry/client.h"

static struct run_result client_with(const char *way, const char *const more[])
{
    const char *entries[16] = {"LD_PRELOAD="};

    for (size_t i = 0; more[i] != NULL; i++)
        entries[i + 1] = more[i];
    return run(LIST(fixture_path("client"), way), shim_env_and(base_dir(), entries));
}

static struct run_result client(const char *way)
{
    return client_with(way, (const char *const[]){NULL});
}

static const char *rows(const char *sql)
{
    const char *found = sql_text(base_dir(), sql);

    return found != NULL ? found : "(no database)";
}

static void assert_quiet(struct run_result result)
{
    cr_assert_eq(result.status, 0, "%d: %s%s", result.status, result.out, result.err);
    cr_assert_str_empty(result.err);
}

/* The last line of each run is a run line, and says what its row says. */
static void check_last_lines(int runs)
{
    const char *journal = journal_text(base_dir());

    for (int i = 0; i < runs; i++) {
        const char *id = rows(text("SELECT run_id FROM agent_runs LIMIT 1 OFFSET %d", i));
        const char *key = text("{\"run_id\": \"%s\"", id);
        const char *at = journal;
        const char *last = NULL;

        while ((at = strstr(at, key)) != NULL)
            last = at++;
        cr_assert_not_null(last);
        last = text("%.*s", (int)(strchr(last, '\n') + 1 - last), last);
        cr_assert(contains(last, "\"record_type\": \"run\""), "%s", last);
        cr_assert_str_eq(field_of(last, "status"),
                         text("\"%s\"", rows(text("SELECT status FROM agent_runs WHERE run_id = "
                                                  "'%s'",
                                                  id))));
    }
}

Test(client, a_kill_loses_nothing)
{
    need_exit_codes_of_strangers();
    cr_assert_eq(client("killed").wait_status, SIGKILL);
    cr_assert(all_ended(base_dir(), 3));
    cr_expect_str_eq(rows("SELECT job_type, status, error_summary, items_discovered, items_failed "
                          "FROM agent_runs ORDER BY start_time"),
                     "one|failed|killed by SIGKILL (9)|0|0\ntwo|failed|killed by SIGKILL (9)|7|2\n"
                     "three|failed|killed by SIGKILL (9)|0|0");
    cr_expect_eq(count_of(journal_text(base_dir()), "\"event_type\": \"tick\""), 10000);
    check_last_lines(3);
}

Test(client, many_threads_share_one)
{
    assert_quiet(client("threads"));
    cr_expect_str_eq(rows("SELECT job_type, status, count(*), count(DISTINCT run_id), "
                          "sum(items_succeeded) FROM agent_runs GROUP BY 1, 2 ORDER BY 1"),
                     "shared|success|1|1|400\nthread|success|400|400|400");
    cr_expect_eq(count_of(journal_text(base_dir()), "\"event_type\""), 800);
    check_last_lines(10);
}

Test(client, a_child_is_another_process)
{
    const struct run_result result = client("fork");

    assert_quiet(result);
    cr_expect_str_eq(result.out, "event 0\nadd 0\nend -1008\nown end 0\nclose 0\nparent end 0\n");
    cr_expect_str_eq(rows("SELECT job_type, status, items_succeeded FROM agent_runs ORDER BY 1"),
                     "child|success|0\nparent|success|3");
    cr_expect_str_eq(rows("SELECT count(DISTINCT pid) FROM run_process"), "2");
    check_last_lines(2);
}

/* SQLite would give a connection of the child the locks of its parent's, which are not the child's. */
Test(client, a_child_leaves_a_database_that_its_parent_has_open)
{
    const struct run_result result = client_with("fork", LIST("TELEMETRY_COLLECTOR=off"));

    assert_quiet(result);
    cr_expect(contains(result.out, "own end 0\nclose -1001\n"), "%s", result.out);
    cr_expect_str_eq(rows("SELECT job_type, status, items_succeeded FROM agent_runs ORDER BY 1"),
                     "child|success|0\nparent|success|3", "the parent makes the row");
}

Test(client, a_child_makes_its_rows_where_its_parent_has_none)
{
    const struct run_result result = client_with("fork-first", LIST("TELEMETRY_COLLECTOR=off"));

    assert_quiet(result);
    cr_expect_str_eq(result.out, "own end 0\nclose 0\n");
    cr_expect_str_eq(rows("SELECT job_type, status FROM agent_runs"), "child|success");
}

Test(client, forks_in_the_middle_of_threads)
{
    assert_quiet(client("fork-threads"));
    cr_assert(all_ended(base_dir(), 1 + 2 * 50 + 2 * 20));
    cr_expect_str_eq(rows("SELECT status, count(*) FROM agent_runs GROUP BY 1"), "success|141");
}

Test(client, a_scope_ends_its_run)
{
    assert_quiet(client("scoped"));
    cr_expect_str_eq(rows("SELECT status, output_summary, exit_code, scope FROM agent_runs JOIN "
                          "run_process USING (run_id)"),
                     "success|early||1");
}

Test(client, an_exit_before_the_end_is_a_failure)
{
    need_exit_codes_of_strangers();
    assert_quiet(client("exits"));
    cr_assert(all_ended(base_dir(), 1));
    cr_expect(sql_becomes(base_dir(), "SELECT status, error_summary, product FROM agent_runs",
                          "failed|process exited with code 0 before the run ended|p"));
}

Test(client, inside_a_recorded_process_runs_have_a_parent)
{
    assert_quiet(run(LIST(fixture_path("client"), "scoped"), shim_env(base_dir())));
    cr_expect_str_eq(
        rows("SELECT count(*) FROM agent_runs a JOIN run_process p USING (run_id) JOIN "
             "agent_runs b ON b.run_id = p.parent_run_id WHERE a.job_type = 'scoped' "
             "AND b.job_type = 'client'"),
        "1");
}

Test(client, another_process_ends_it_by_its_id)
{
    const char *const argv[] = {fixture_path("client"), "ids", "stay", NULL};
    const struct run_options options = {
        .argv = argv, .env = shim_env_and(base_dir(), LIST("LD_PRELOAD=", "TELEMETRY_DEBUG="))};
    struct program *program;
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    struct telemetry_error err;
    telemetry_client *own;
    const char *id;

    config.base_dir = base_dir();
    config.wait_ms = 5000;
    program = start(&options);
    cr_assert(sql_becomes(base_dir(), "SELECT count(*) FROM agent_runs", "1"));
    id = rows("SELECT run_id FROM agent_runs");
    own = telemetry_client_open(&config, &err);
    cr_assert_not_null(own, "%s", err.message);
    cr_expect_eq(telemetry_event_by_id(own, id, "seen", "{}", &err), 0, "%s", err.message);
    cr_expect_eq(telemetry_set_by_id(own, id, "product", "p", &err), 0);
    cr_expect_eq(telemetry_add_by_id(own, id, "items_failed", 2, &err), 0);
    cr_expect_eq(telemetry_end_by_id(own, id, TELEMETRY_PARTIAL, "why", &err), 0, "%s",
                 err.message);
    cr_expect_eq(telemetry_end_by_id(own, id, TELEMETRY_SUCCESS, NULL, &err), TELEMETRY_ERR_ENDED);
    cr_expect_eq(telemetry_event_by_id(own, id, "late", NULL, &err), TELEMETRY_ERR_ENDED);
    cr_expect_str_eq(rows("SELECT status, error_summary, product, items_failed FROM agent_runs"),
                     "partial|why|p|2");
    cr_expect_eq(telemetry_client_close(own, 5000, &err), 0, "%s", err.message);
    kill(program_pid(program), SIGKILL);
    finish(program);
    cr_assert(collectors_leave(base_dir()));
    cr_expect_str_eq(rows("SELECT status, error_summary FROM agent_runs"), "partial|why");
}

/* A run that a shim records ends with its process, and with nothing else. */
Test(client, a_recorded_process_cannot_be_ended_by_call)
{
    const char *const argv[] = {"sleep", "30", NULL};
    const struct run_options options = {.argv = argv, .env = shim_env(base_dir())};
    struct program *program = start(&options);
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    telemetry_client *own;

    cr_assert(sql_becomes(base_dir(), "SELECT count(*) FROM agent_runs", "1"));
    config.base_dir = base_dir();
    own = telemetry_client_open(&config, NULL);
    cr_expect_eq(telemetry_end_by_id(own, rows("SELECT run_id FROM agent_runs"), TELEMETRY_SUCCESS,
                                     NULL, NULL),
                 TELEMETRY_ERR_REFUSED);
    telemetry_client_close(own, 5000, NULL);
    kill(program_pid(program), SIGTERM);
    finish(program);
}

Test(client, a_full_disk_is_a_status_and_the_row_comes_when_there_is_room)
{
    const char *base = base_dir();
    struct run_result result;
    bool recorded;

    mkdir(base, 0700);
    if (mount("tmpfs", base, "tmpfs", 0, "size=256k,mode=0700") != 0)
        cr_skip_test("needs the right to mount");
    result = client_with("full", LIST("TELEMETRY_AUTO_WAIT_MS=200"));
    mount("tmpfs", base, "tmpfs", MS_REMOUNT, "size=4m,mode=0700");
    recorded = sql_becomes(base, "SELECT status, items_failed FROM agent_runs", "success|3");
    end_collectors(base, SIGTERM);
    umount2(base, MNT_DETACH);
    assert_quiet(result);
    cr_expect(recorded);
    cr_expect(contains(result.out, "event -28\n"), "%s", result.out);
    cr_expect(contains(result.out, "set 1\n"), "%s", result.out);
    cr_expect(contains(result.out, "end 0\n") || contains(result.out, "end -28\n"), "%s",
              result.out);
}

Test(client, an_unusable_directory_is_a_status)
{
    struct run_result result;

    write_file(text("%s/data", test_dir()), "", 0600);
    result = client("threads");
    assert_quiet(result);
    cr_expect(starts_with(result.out, "open: "), "%s", result.out);
    cr_expect(contains(result.out, "start: -1005 there is no client"), "%s", result.out);
}

Test(client, a_locked_database_is_waited_for_no_longer_than_said)
{
    sqlite3 *db = NULL;

    assert_quiet(client("scoped"));
    end_collectors(base_dir(), SIGTERM);
    cr_assert_eq(sqlite3_open(text("%s/db/telemetry.sqlite", base_dir()), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_quiet(client_with("fork", LIST("TELEMETRY_COLLECTOR=off", "TELEMETRY_AUTO_WAIT_MS=10")));
    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    sqlite3_close(db);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(rows("SELECT status, count(*) FROM agent_runs GROUP BY 1"), "success|3");
}

Test(client, without_a_collector_it_folds_itself)
{
    assert_quiet(client_with("threads", LIST("TELEMETRY_COLLECTOR=off")));
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 0);
    cr_expect_str_eq(rows("SELECT job_type, status, count(*), sum(items_succeeded) FROM agent_runs "
                          "GROUP BY 1, 2 ORDER BY 1"),
                     "shared|success|1|400\nthread|success|400|400");
}

/* Sections that have ended are not watched: the collector leaves although their process stays. */
Test(client, the_collector_forgets_sections_that_have_ended)
{
    const char *const argv[] = {fixture_path("client"), "scoped", "stay", NULL};
    const struct run_options options = {.argv = argv,
                                        .env = shim_env_and(base_dir(), LIST("LD_PRELOAD="))};
    struct program *program = start(&options);

    cr_assert(all_ended(base_dir(), 1));
    cr_expect(collectors_leave(base_dir()));
    kill(program_pid(program), SIGKILL);
    finish(program);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(rows("SELECT status FROM agent_runs"), "success");
}

/* A program that closes all descriptors, ours too: what it opens then is its own, and no line is lost. */
static void close_all_with(const char *collector)
{
    const char *const own = text("%s/own", test_dir());
    const struct run_result result = client_with(
        "close-all", LIST(text("TELEMETRY_COLLECTOR=%s", collector), text("OWN_FILE=%s", own)));

    assert_quiet(result);
    cr_expect_str_eq(result.out, "event 0\nadd 0\nend 0\nend 0\n");
    cr_expect_str_eq(read_file(own), "own");
    cr_expect_eq(count_of(journal_text(base_dir()), "\"event_type\": \"after\""), 1);
    cr_assert_eq(
        run(LIST(cli_path(), "sync"), LIST(text("TELEMETRY_BASE_DIR=%s", base_dir()))).status, 0);
    cr_expect_str_eq(
        rows("SELECT job_type, status, items_failed FROM agent_runs ORDER BY start_time"),
        "before|success|2\nafter|success|0");
}

Test(client, the_programs_own_files_are_left_alone)
{
    close_all_with(cli_path());
}

Test(client, the_programs_own_files_are_left_alone_without_a_collector)
{
    close_all_with("off");
}
