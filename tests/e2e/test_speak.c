/* The run's own voice: `telemetry event`, `set`, `add` and `status` inside a recorded run, and what is
 * left of what they said when the run is killed, when nobody listens, when there is no run. */
#include "support/recording.h"

#include <cJSON.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/database.h"
#include "support/places.h"

/* Runs a shell script under the shim, in which $T is the program; more entries of the environment come
 * first. */
static struct run_result script_with(const char *const more[], const char *body)
{
    const char *entries[16] = {text("T=%s", cli_path())};

    for (size_t i = 0; more[i] != NULL; i++)
        entries[i + 1] = more[i];
    return run(LIST("sh", "-c", body), shim_env_and(base_dir(), entries));
}

static struct run_result script(const char *body)
{
    return script_with((const char *const[]){NULL}, body);
}

static const char *value(const char *columns)
{
    return run_value(base_dir(), columns);
}

static const char *last_line(void)
{
    return last_line_of(journal_text(base_dir()));
}

static bool any_mailbox(void)
{
    return run(LIST("sh", "-c", text("ls %s/run/*.set", base_dir())), NULL).status == 0;
}

static void assert_ok(struct run_result result)
{
    cr_assert_eq(result.status, 0, "%d: %s%s", result.status, result.out, result.err);
    cr_assert_str_empty(result.err, "%s", result.err);
}

Test(speak, what_a_script_says_is_on_its_row_when_the_prompt_is_back)
{
    assert_ok(script("$T set items_discovered=10 product='two words' metrics_json='{\"a\": 1}' &&"
                     "$T add items_succeeded=2 items_failed=1 && $T add items_succeeded=1 &&"
                     "$T status partial --summary 'one of them' && $T set agent_owner=me"));
    cr_expect_str_eq(value("status, error_summary, items_discovered, items_succeeded, items_failed,"
                           "product, metrics_json, agent_owner, exit_code"),
                     "partial|one of them|10|3|1|two words|{\"a\": 1}|me|0");
    cr_expect_str_eq(field_of(last_line(), "items_succeeded"), "3");
    cr_expect_not(any_mailbox());
}

Test(speak, what_was_said_survives_a_kill)
{
    const struct run_result result = script("$T set items_discovered=10; $T event checkpoint "
                                            "step=1; kill -9 $$");

    need_exit_codes_of_strangers();
    cr_assert_eq(result.wait_status, SIGKILL);
    cr_assert(all_ended(base_dir(), 1));
    cr_expect(sql_becomes(base_dir(),
                          "SELECT status, error_summary, items_discovered FROM "
                          "agent_runs",
                          "failed|killed by SIGKILL (9)|10"));
    cr_expect_str_eq(field_of(last_line(), "items_discovered"), "10");
    cr_expect_str_eq(field_of(last_line(), "status"), "\"failed\"");
    cr_expect_eq(count_of(journal_text(base_dir()), "\"event_type\": \"checkpoint\""), 1);
    cr_expect_not(any_mailbox());
}

Test(speak, a_failing_code_outweighs_what_was_said)
{
    script("$T status success --summary fine; exit 3");
    cr_expect_str_eq(value("status, error_summary, output_summary"), "failed|exit code 3|fine");
}

Test(speak, an_error_of_ones_own_is_kept)
{
    script("$T set error_summary='no input'; exit 3");
    cr_expect_str_eq(value("status, error_summary"), "failed|no input");
}

Test(speak, a_rebuild_keeps_it)
{
    const char *before;

    assert_ok(script("$T set product=p; $T add items_failed=4"));
    end_collectors(base_dir(), SIGTERM);
    before = all_rows(base_dir());
    assert_ok(run(LIST("sh", "-c", text("rm %s/db/*", base_dir())), NULL));
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(all_rows(base_dir()), before);
}

/* --- events ----------------------------------------------------------------------------------- */

static cJSON *payload_of(const char *journal, const char *type)
{
    const char *at = strstr(journal, text("\"event_type\": \"%s\"", type));
    cJSON *line;
    cJSON *payload;

    cr_assert_not_null(at, "%s", type);
    while (at > journal && at[-1] != '\n')
        at--;
    line = cJSON_Parse(at);
    cr_assert_not_null(line);
    cr_expect_eq(cJSON_GetArraySize(line), 6, "exactly the contract's keys");
    payload = cJSON_Parse(cJSON_GetObjectItem(line, "payload_json")->valuestring);
    cr_assert_not_null(payload);
    cJSON_Delete(line);
    return payload;
}

Test(speak, events_take_pairs_or_json)
{
    const char *journal;
    cJSON *payload;

    assert_ok(script("$T event pairs step=1 rate=1.5e3 done=true none=null text='01' empty= "
                     "'quoted=\"x\"' eq=a=b; $T event json --json '[1, {\"a\": null}]';"
                     "$T event bare"));
    journal = journal_text(base_dir());
    payload = payload_of(journal, "pairs");
    cr_expect_eq(cJSON_GetObjectItem(payload, "step")->valueint, 1);
    cr_expect(cJSON_IsNumber(cJSON_GetObjectItem(payload, "rate")));
    cr_expect(cJSON_IsTrue(cJSON_GetObjectItem(payload, "done")));
    cr_expect(cJSON_IsNull(cJSON_GetObjectItem(payload, "none")));
    cr_expect_str_eq(cJSON_GetObjectItem(payload, "text")->valuestring, "01");
    cr_expect_str_eq(cJSON_GetObjectItem(payload, "empty")->valuestring, "");
    cr_expect_str_eq(cJSON_GetObjectItem(payload, "quoted")->valuestring, "\"x\"");
    cr_expect_str_eq(cJSON_GetObjectItem(payload, "eq")->valuestring, "a=b");
    cJSON_Delete(payload);
    payload = payload_of(journal, "json");
    cr_expect(cJSON_IsArray(payload));
    cJSON_Delete(payload);
    cr_expect(contains(journal, "\"event_type\": \"bare\""));
    cr_expect(contains(telemetry("show", "latest").out, "[1, {\"a\": null}]"));
    cr_expect_str_eq(field_of(last_line(), "status"), "\"success\"", "the last line is a run line");
}

/* --- commits ---------------------------------------------------------------------------------- */

#define GIT "git -c user.name=Me -c user.email=me@example.org -c init.defaultBranch=trunk "

Test(speak, commits_are_rows_that_a_rebuild_keeps)
{
    static const char sql[] =
        "SELECT agent_name = (SELECT agent_name FROM agent_runs), repo, branch, author, message, "
        "files_changed, insertions, deletions, length(commit_hash), run_id = (SELECT run_id FROM "
        "agent_runs), commit_date <> '', created_at <> '' FROM commits ORDER BY message";
    const char *expected;
    const char *found;

    assert_ok(
        script(text("mkdir work; cd work; " GIT "init -q;"
                    "printf 'a\\nb\\n' >one; " GIT "add .; " GIT "commit -qm first && $T commit &&"
                    "echo c >one; echo d >two; " GIT "add .;" GIT "commit -qm 'second \"q\"' &&"
                    "$T commit && $T commit HEAD && $T commit HEAD~1")));
    expected = "1|work|trunk|Me <me@example.org>|first|1|2|0|40|1|1|1\n"
               "1|work|trunk|Me <me@example.org>|second \"q\"|2|2|2|40|1|1|1";
    cr_expect_str_eq(sql_text(base_dir(), sql), expected);
    found = sql_text(base_dir(), "SELECT * FROM commits ORDER BY 1");
    end_collectors(base_dir(), SIGTERM);
    assert_ok(run(LIST("sh", "-c", text("rm %s/db/*", base_dir())), NULL));
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT * FROM commits ORDER BY 1"), found);
}

Test(speak, what_is_no_commit_is_refused)
{
    const struct run_result result = script(
        "cd /; $T commit; echo $?; $T commit -- --all; echo $?; $T event commit a=1; echo $?");

    cr_expect_str_eq(result.out, "2\n2\n0\n");
    cr_expect(contains(result.err, "git knows no commit 'HEAD' here"), "%s", result.err);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM commits"), "0");
}

/* --- what is refused -------------------------------------------------------------------------- */

Test(speak, outside_of_a_run_it_says_so)
{
    static const char *const commands[][3] = {{"set", "product=x", NULL},
                                              {"add", "items_failed=1", NULL},
                                              {"status", "success", NULL},
                                              {"event", "x", NULL}};

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        const struct run_result result = telemetry(commands[i][0], commands[i][1]);

        cr_expect_eq(result.status, 2, "%s", commands[i][0]);
        cr_expect(contains(result.err, "not inside a recorded run"), "%s", result.err);
    }
    cr_expect_not(file_exists(base_dir()));
}

Test(speak, what_is_not_valid_changes_nothing)
{
    static const char *const bad[] = {
        "set product=x items_failed=many",
        "set items_failed=-1",
        "set product=x nonsense=1",
        "set status=success",
        "set product",
        "set metrics_json={",
        "set trigger_type=cron",
        "add product=1",
        "add items_failed=",
        "set end_time=now",
        "status great",
        "status",
        "event",
        "event x --json {",
        "event x --json 1 a=1",
        "event x a",
        "event ''",
        "set =1",
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct run_result result =
            script(text("$T %s; [ $? = 2 ] && exit 0; exit 9", bad[i]));

        cr_expect_eq(result.status, 0, "%s: %s", bad[i], result.err);
        cr_expect(starts_with(result.err, "telemetry "), "%s: %s", bad[i], result.err);
    }
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM agent_runs WHERE product IS NULL "
                                          "AND items_failed = 0 AND status = 'success'"),
                     text("%d", (int)(sizeof bad / sizeof bad[0])));
    cr_expect_eq(count_of(journal_text(base_dir()), "\"event_type\""), 0);
    cr_expect_not(any_mailbox());
}

Test(speak, near_misses_are_named)
{
    const struct run_result result = script("$T set items_suceeded=1");

    cr_expect(contains(result.err, "did you mean items_succeeded?"), "%s", result.err);
}

Test(speak, after_its_end_a_run_takes_nothing_more)
{
    const char *id;
    const char *journal;
    struct run_result result;

    assert_ok(script("true"));
    id = value("run_id");
    journal = journal_text(base_dir());
    result = telemetry("set", "--run", id, "product=x");
    cr_expect_eq(result.status, 1);
    cr_expect(contains(result.err, "has ended"), "%s", result.err);
    cr_expect_eq(telemetry("event", "late", "--run", id).status, 1);
    cr_expect_str_eq(journal_text(base_dir()), journal);
    cr_expect_not(any_mailbox());
    result = telemetry("set", "--run", "20261122T100000Z-nobody-00000000", "product=x");
    cr_expect_eq(result.status, 1);
    cr_expect(contains(result.err, "is not recorded"), "%s", result.err);
    cr_expect_eq(telemetry("set", "--run", "../x", "product=x").status, 2);
}

/* A child that lives on inherits the run's id, but the run is over. */
Test(speak, a_child_left_behind_is_too_late)
{
    const char *out = text("%s/late", test_dir());

    assert_ok(script(text("(trap '' HUP; while kill -0 $$ 2>/dev/null; do sleep 0.02; done;"
                          "$T set product=late 2>%s.err; echo $? >%s.new; mv %s.new %s) "
                          ">/dev/null 2>&1 & true",
                          out, out, out, out)));
    cr_assert(file_appears(out));
    cr_expect_str_eq(read_file(out), "1\n");
    cr_expect(contains(read_file(text("%s.err", out)), "has ended"));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(product) FROM agent_runs"), "0");
}

/* --- others who speak, and nobody who listens ------------------------------------------------- */

Test(speak, from_outside_by_its_id)
{
    const char *const argv[] = {"sh", "-c",
                                "echo $TELEMETRY_RUN_ID >id.new; mv id.new id;"
                                "while [ ! -e go ]; do sleep 0.02; done",
                                NULL};
    const struct run_options options = {.argv = argv, .env = shim_env(base_dir())};
    struct program *program = start(&options);
    const char *id_path = text("%s/id", test_dir());
    char *id;

    cr_assert(file_appears(id_path));
    id = strdup(read_file(id_path));
    id[strcspn(id, "\n")] = '\0';
    assert_ok(telemetry("set", "--run", id, "product=outside"));
    assert_ok(telemetry("event", "seen", "--run", id));
    free(id);
    write_file(text("%s/go", test_dir()), "", 0600);
    cr_assert_eq(finish(program).status, 0);
    cr_expect_str_eq(value("product"), "outside");
}

/* The database holds none of it yet. */
Test(speak, what_was_said_so_far_is_shown)
{
    const struct run_result result =
        script("$T set items_failed=3 product='a \"b\"' output_summary=; $T add items_failed=1;"
               "$T status failed; $T show latest; $T runs --csv; $T show latest --json");

    cr_expect_eq(result.status, 0);
    cr_expect(contains(result.out, "items failed      4\n"), "%s", result.out);
    cr_expect(contains(result.out, "product           a \"b\"\n"), "%s", result.out);
    cr_expect(contains(result.out, "status            running\n"), "%s", result.out);
    cr_expect(contains(result.out, ",\"a \"\"b\"\"\","), "%s", result.out);
    cr_expect(contains(result.out, "\"items_failed\": 4"), "%s", result.out);
    cr_expect_str_eq(value("items_failed, product, status"), "4|a \"b\"|failed");
}

Test(speak, many_at_once_lose_nothing)
{
    assert_ok(script("for i in 1 2 3 4 5 6 7 8; do (for j in 1 2 3 4 5; do "
                     "$T add items_succeeded=1 && $T event e n=$i$j; done) & done; wait"));
    cr_expect_str_eq(value("items_succeeded"), "40");
    cr_expect_eq(count_of(journal_text(base_dir()), "\"event_type\": \"e\""), 40);
    cr_expect_str_eq(field_of(last_line(), "items_succeeded"), "40");
}

Test(speak, without_a_collector_the_next_sync_takes_it_in)
{
    assert_ok(
        script_with(LIST("TELEMETRY_COLLECTOR=off"), "$T set product=p; $T add items_succeeded=3"));
    cr_expect(any_mailbox());
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(value("status, product, items_succeeded"), "success|p|3");
    cr_expect_not(any_mailbox());
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(value("items_succeeded"), "3");
}

/* Whoever was killed with the mailbox in hand left it, or its sums, to the next collector. */
Test(speak, a_collector_that_is_killed_loses_nothing)
{
    const char *const argv[] = {"sh", "-c",
                                "$T set product=p; $T add items_succeeded=3; >said;"
                                "while [ ! -e go ]; do sleep 0.02; done; kill -9 $$",
                                NULL};
    const struct run_options options = {
        .argv = argv, .env = shim_env_and(base_dir(), LIST(text("T=%s", cli_path())))};
    struct program *program = start(&options);

    cr_assert(file_appears(text("%s/said", test_dir())));
    end_collectors(base_dir(), SIGKILL);
    write_file(text("%s/go", test_dir()), "", 0600);
    cr_assert_eq(finish(program).wait_status, SIGKILL);
    assert_ok(script("$T add items_succeeded=1"));
    cr_assert(all_ended(base_dir(), 2));
    cr_expect(sql_becomes(base_dir(), "SELECT status, items_succeeded FROM agent_runs ORDER BY 1",
                          "failed|3\nsuccess|1"));
    cr_expect_not(any_mailbox());
}

Test(speak, telemetry_exec_opens_runs_that_speak)
{
    assert_ok(run(LIST(cli_path(), "exec", "--no-preload", "--", "sh", "-c", "$T set product=p"),
                  shim_env_and(base_dir(), LIST("LD_PRELOAD=", text("T=%s", cli_path())))));
    cr_assert(all_ended(base_dir(), 1));
    cr_expect(sql_becomes(base_dir(), "SELECT status, product FROM agent_runs", "success|p"));
}

Test(speak, the_environment_of_another_data_directory_is_not_trusted)
{
    const struct run_result result =
        script(text("TELEMETRY_BASE_DIR=%s/other $T set product=x; echo $?", test_dir()));

    cr_expect_str_eq(result.out, "1\n");
    cr_expect_str_eq(value("coalesce(product, '-')"), "-");
}

Test(speak, commands_are_not_recorded_themselves)
{
    assert_ok(script("$T set product=x"));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM agent_runs"), "1");
}
