/* Real programs, unmodified, under the shim: what is in the journal and in the database afterwards. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/places.h"

static const char *journal(void)
{
    return journal_text(base_dir());
}

static const char *rows(const char *columns)
{
    return sql_text(base_dir(), text("SELECT %s FROM agent_runs ORDER BY start_time", columns));
}

/* --- must show 2 -------------------------------------------------------------------------------- */

/* The row is there when the prompt is back: nothing is waited for here. */
Test(record, one_row_and_two_lines_right_after_the_exit)
{
    struct run_result result =
        run(LIST("/bin/ls", "/"), shim_env_and(base_dir(), LIST("TELEMETRY_JOB_NAME=nightly")));

    cr_assert_eq(result.status, 0, "%s", result.err);
    cr_expect_str_eq(result.err, "");
    cr_assert_str_eq(sql_text(base_dir(), "SELECT agent_name, job_type, status, duration_ms >= 0, "
                                          "length(end_time) FROM agent_runs"),
                     "ls|nightly|success|1|32");
    cr_expect_eq(count_of(journal(), "\n"), 2);
    cr_expect_str_eq(field_of(last_line_of(journal()), "run_id"), text("\"%s\"", rows("run_id")));
    cr_expect_str_eq(run_value(base_dir(), "pid"), text("%d", result.pid));
    cr_expect_str_eq(run_value(base_dir(), "exit_code, signal, end_source"), "0||observed");
}

static const char *todays_journal(void)
{
    return journal_path(text("%s/raw", base_dir()), this_date());
}

Test(record, python_writes_the_same_bytes)
{
    static const char program[] =
        "import json, sys\n"
        "lines = open(sys.argv[1], encoding='ascii').read().splitlines(keepends=True)\n"
        "for line in lines:\n"
        "    again = json.dumps(json.loads(line)) + '\\n'\n"
        "    if again != line: sys.exit('have ' + line + 'want ' + again)\n"
        "    json.loads(json.loads(line)['metrics_json'])\n"
        "print(len(lines))\n";
    struct run_result result =
        run(LIST("/bin/sh", "-c", "exit 3", "\xff\xc3(", "\x7f\x01\x1b[31m",
                 "\xf0\x9f\x98\x80\"\\/", "\xed\xa0\x80", "a\tb\nc\r"),
            shim_env_and(base_dir(),
                         LIST("TELEMETRY_METRICS_JSON={\"a\": [1.5e3, \"\xc3\xa4\x7f\", null]}",
                              "TELEMETRY_INPUT_SUMMARY=\xe2\x80\xa8\xef\xbf\xbf\xc0\xaf\x7f'",
                              "AGENT_OWNER=\xc3\x9cml\xc3\xa4ut")));

    cr_assert_eq(result.status, 3, "%s", result.err);
    result = run(LIST("python3", "-c", program, todays_journal()), NULL);
    if (result.status == 127)
        cr_skip_test("Python's bytes: needs python3");
    cr_assert_eq(result.status, 0, "%s", result.err);
    cr_expect_str_eq(result.out, "2\n");
}

Test(record, jq_reads_it)
{
    struct run_result result;

    record("/bin/true");
    result = run(LIST("jq", "-r", "[.status, .process.exit_code] | @csv", todays_journal()), NULL);
    if (result.status == 127)
        cr_skip_test("jq: not installed");
    cr_assert_eq(result.status, 0, "%s", result.err);
    cr_expect_str_eq(result.out, "\"running\",\n\"success\",0\n");
}

/* --- tags and names ------------------------------------------------------------------------------- */

Test(record, every_tag)
{
    static const char *const tags[] = {
        "agent_name", "job_type",   "agent_owner", "input_summary",  "output_summary",
        "insight_id", "product",    "platform",    "product_family", "subdomain",
        "git_repo",   "git_branch", "git_run_tag"};
    enum { COUNT = sizeof tags / sizeof tags[0] };

    run(LIST("/bin/true"),
        shim_env_and(base_dir(),
                     LIST("TELEMETRY_AGENT_NAME=agent_name", "TELEMETRY_JOB_TYPE=job_type",
                          "AGENT_OWNER=agent_owner", "TELEMETRY_INPUT_SUMMARY=input_summary",
                          "TELEMETRY_OUTPUT_SUMMARY=output_summary",
                          "TELEMETRY_INSIGHT_ID=insight_id", "TELEMETRY_PRODUCT=product",
                          "TELEMETRY_PLATFORM=platform", "TELEMETRY_PRODUCT_FAMILY=product_family",
                          "TELEMETRY_SUBDOMAIN=subdomain", "TELEMETRY_GIT_REPO=git_repo",
                          "TELEMETRY_GIT_BRANCH=git_branch", "TELEMETRY_GIT_RUN_TAG=git_run_tag",
                          "TELEMETRY_METRICS_JSON={\"n\": 1}", "TELEMETRY_TRIGGER_TYPE=web")));
    for (int i = 0; i < COUNT; i++)
        cr_expect_str_eq(rows(tags[i]), tags[i]);
    cr_expect_str_eq(rows("metrics_json"), "{\"n\": 1}");
    cr_expect_str_eq(rows("trigger_type"), "web");
    cr_expect_str_eq(rows("schema_version"), "3");
    cr_expect_not_null(strstr(rows("run_id"), "Z-agent_name-"));
}

static void expect_name(const char *const *argv, const char *name)
{
    const char *base = new_base();
    struct run_result result = run(argv, shim_env(base));

    cr_expect_eq(result.status, 0, "%s: %s", name, result.err);
    cr_expect_str_eq(run_value(base, "agent_name"), name, "%s: %s", name,
                     run_value(base, "agent_name"));
    cr_expect_str_eq(run_value(base, "job_type"), name);
    end_collectors(base, SIGTERM);
}

Test(record, names_are_inferred)
{
    write_file(text("%s/nightly.sh", test_dir()), "#!/bin/sh\nexit 0\n", 0700);
    write_file(text("%s/agent.py", test_dir()), "pass\n", 0600);
    expect_name(LIST("/bin/true"), "true");
    expect_name(LIST("./nightly.sh"), "nightly.sh");
    expect_name(LIST("sh", "nightly.sh"), "nightly.sh");
    expect_name(LIST("env", "A=b", "./nightly.sh"), "nightly.sh");
    expect_name(LIST("sh", "-c", "./nightly.sh && true"), "nightly.sh");
    expect_name(LIST("nice", "-n", "1", "timeout", "20", "./nightly.sh"), "nightly.sh");
    if (run(LIST("python3", "-c", "pass"), NULL).status == 0) {
        expect_name(LIST("python3", "agent.py"), "agent.py");
        expect_name(LIST("python3", "-m", "json.tool", "--help"), "json.tool");
    }
}

Test(record, secrets_are_not_recorded)
{
    run(LIST("/bin/true", "--password", "hunter2", "--token=hunter2", "API_KEY=hunter2"),
        shim_env_and(base_dir(), LIST("SECRET=hunter2", "METRICS_API_TOKEN=hunter2")));
    cr_expect_eq(count_of(journal(), "\n"), 2);
    cr_expect_null(strstr(journal(), "hunter2"), "%s", journal());
}

/* --- one run --------------------------------------------------------------------------------------- */

Test(record, fifty_commands_are_one_run)
{
    struct run_result result =
        record("sh", "-c", "i=0; while [ $i -lt 50 ]; do /bin/true; i=$((i+1)); done; exit 4");

    cr_assert_eq(result.status, 4);
    cr_expect_str_eq(rows("count(*), status, error_summary"), "1|failed|exit code 4");
    cr_expect_eq(count_of(journal(), "\n"), 2);
}

Test(record, what_children_cost_is_the_runs)
{
    record("sh", "-c",
           "/bin/true; dd if=/dev/zero of=/dev/null bs=1M count=2000 2>/dev/null; exit");
    cr_expect_str_eq(run_value(base_dir(),
                               "children_user_ms + children_system_ms > 0, max_rss_kib > 0, "
                               "minor_faults > 0"),
                     "1|1|1");
}

/* The process stays the same: so does the run, whatever it executes. */
Test(record, an_exec_continues_the_run)
{
    struct run_result result =
        record("sh", "-c", "exec env A=b nice -n 1 sh -c 'exec sh -c \"echo $$; exit 6\"'");

    cr_assert_eq(result.status, 6, "%s", result.err);
    cr_expect_str_eq(result.out, text("%d\n", result.pid));
    cr_expect_str_eq(rows("count(*), error_summary"), "1|exit code 6");
    cr_expect_str_eq(run_value(base_dir(), "end_source"), "observed", "by the last image");
    cr_expect_eq(count_of(journal(), "\n"), 2);
}

/* The last image has no shim, or none that could record: the kernel tells. */
Test(record, an_exec_out_of_the_shims_reach)
{
    need_exit_codes_of_strangers();
    cr_assert_eq(record("sh", "-c", text("exec %s 5", fixture_path("plain_static"))).status, 5);
    cr_assert_eq(record("sh", "-c", "exec env -i sh -c 'exit 6'").status, 6);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_str_eq(rows("error_summary"), "exit code 5\nexit code 6");
}

/* A later image that is told of another directory changes nothing, there or here. */
Test(record, an_exec_with_other_settings)
{
    const char *other = new_base();

    need_exit_codes_of_strangers();
    cr_assert_eq(
        record("sh", "-c", text("TELEMETRY_BASE_DIR=%s exec sh -c 'exit 5'", other)).status, 5);
    cr_assert(all_ended(base_dir(), 1));
    cr_expect_str_eq(rows("error_summary"), "exit code 5");
    cr_expect_not(file_exists(other));
}

/* Children know the run they are in, and so does whoever asks. */
Test(record, children_are_told_of_the_run)
{
    struct run_result result = record("sh", "-c",
                                      "env | grep ^TELEMETRY_RUN_ | cut -d= -f1 | sort; "
                                      "sh -c 'echo $TELEMETRY_RUN_ID'; exit 0");

    cr_expect_str_eq(result.out,
                     text("TELEMETRY_RUN_ID\nTELEMETRY_RUN_OWNER\n%s\n", rows("run_id")));
    cr_expect_eq(count_of(journal(), "\n"), 2);
}

/* A shell that a run once started, and that has outlived it. */
Test(record, a_process_whose_owner_is_gone_is_a_new_run)
{
    struct run_result first = run(LIST("sh", "-c", "env | grep ^TELEMETRY_RUN_; exit 0"),
                                  shim_env_and(base_dir(), LIST("TELEMETRY_AGENT_NAME=first")));
    const char *owner = strstr(first.out, "TELEMETRY_RUN_OWNER=");
    const char *id = strstr(first.out, "TELEMETRY_RUN_ID=");

    cr_assert(owner != NULL && id != NULL);
    run(LIST("/bin/true"),
        shim_env_and(base_dir(), LIST(text("%.*s", (int)strcspn(id, "\n"), id),
                                      text("%.*s", (int)strcspn(owner, "\n"), owner))));
    cr_expect_str_eq(rows("agent_name"), "first\ntrue");
    cr_expect_str_eq(sql_text(base_dir(), "SELECT parent_run_id = (SELECT run_id FROM agent_runs "
                                          "WHERE agent_name = 'first') FROM run_process JOIN "
                                          "agent_runs USING (run_id) WHERE agent_name = 'true'"),
                     "1");
}

Test(record, nonsense_about_the_run_it_is_in)
{
    static const char *const nonsense[] = {"2:1:1:1:1:1", "", "x",
                                           "2:99999999999:1:1:1:1:1:1:1:1:0:"};

    for (size_t i = 0; i < sizeof nonsense / sizeof nonsense[0]; i++)
        run(LIST("/bin/true"),
            shim_env_and(base_dir(), LIST("TELEMETRY_RUN_ID=../../etc/passwd",
                                          text("TELEMETRY_RUN_OWNER=%s", nonsense[i]))));
    cr_expect_str_eq(rows("count(*), sum(status = 'success')"), "4|4");
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM run_process WHERE parent_run_id "
                                          "IS NOT NULL"),
                     "0");
}

/* --- switches --------------------------------------------------------------------------------------- */

Test(record, the_kill_switch)
{
    static const char *const off[] = {"0", "off", "FALSE", "no"};

    for (size_t i = 0; i < sizeof off / sizeof off[0]; i++) {
        struct run_result result = run(
            LIST("sh", "-c", "echo $TELEMETRY_RUN_ID; exit 3"),
            shim_env_and(base_dir(), LIST(text("TELEMETRY_AUTO=%s", off[i]), "TELEMETRY_DEBUG=1")));

        cr_expect_eq(result.status, 3);
        cr_expect_str_eq(result.out, "\n");
        cr_expect_str_eq(result.err, "", "not a word");
        cr_expect_not(file_exists(base_dir()));
    }
}

Test(record, without_waiting)
{
    need_exit_codes_of_strangers();
    run(LIST("sh", "-c", "exit 3"), shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=0")));
    cr_expect_eq(count_of(journal(), "\n"), 2, "the line is there at once");
    cr_assert(all_ended(base_dir(), 1));
    cr_expect_str_eq(rows("error_summary"), "exit code 3");
    cr_expect_eq(count_of(journal(), "\n"), 2, "and the collector had nothing to add");
}

Test(record, why_is_said_when_asked)
{
    const char *log = text("%s/debug.log", test_dir());
    struct run_result result = run(LIST("sh", "-c", "/bin/true; exit 0"),
                                   shim_env_and(base_dir(), LIST("TELEMETRY_DEBUG=1")));

    cr_expect_not_null(strstr(result.err, text("telemetry[%d]: recorded as ", result.pid)), "%s",
                       result.err);
    cr_expect_not_null(strstr(result.err, "part of the run"), "%s", result.err);
    cr_expect_str_eq(result.out, "");

    result =
        run(LIST("/bin/true"), shim_env_and(base_dir(), LIST(text("TELEMETRY_DEBUG=%s", log))));
    cr_expect_str_eq(result.err, "");
    cr_expect_not_null(strstr(read_file(log), "recorded as "));
}

/* --- places and modes --------------------------------------------------------------------------------- */

static void greedy_umask(void *arg)
{
    umask(*(mode_t *)arg);
}

static void expect_modes(mode_t mask, const char *file_mode, mode_t file, mode_t dir)
{
    const char *base = new_base();
    const struct run_options options = {
        .argv = LIST("/bin/true"),
        .env = shim_env_and(base, LIST(text("TELEMETRY_FILE_MODE=%s", file_mode))),
        .prepare = greedy_umask,
        .arg = &mask,
    };

    cr_assert_eq(run_with(&options).status, 0);
    cr_assert_str_eq(run_value(base, "status"), "success", "umask %o", mask);
    cr_expect_eq(mode_of(base), dir, "umask %o", mask);
    cr_expect_eq(mode_of(text("%s/raw", base)), dir);
    cr_expect_eq(mode_of(text("%s/db", base)), dir);
    cr_expect_eq(mode_of(text("%s/run", base)), dir);
    cr_expect_eq(mode_of(text("%s/db/telemetry.sqlite", base)), file, "umask %o: %o", mask,
                 mode_of(text("%s/db/telemetry.sqlite", base)));
    cr_expect_eq(mode_of(text("%s/db/telemetry.sqlite-wal", base)), file);
    cr_expect_eq(mode_of(journal_path(text("%s/raw", base), this_date())), file);
    end_collectors(base, SIGTERM);
}

Test(record, modes_whatever_the_umask)
{
    expect_modes(022, "", 0600, 0700);
    expect_modes(0, "", 0600, 0700);
    expect_modes(0777, "", 0600, 0700);
    expect_modes(077, "0660", 0660, 0770);
    expect_modes(0777, "0644", 0644, 0755);
}

Test(record, journal_and_database_elsewhere)
{
    const char *base = new_base();
    const char *database = text("%s/elsewhere/db/runs.sqlite", test_dir());

    run(LIST("/bin/true"),
        shim_env_and(base, LIST(text("TELEMETRY_NDJSON_DIR=%s/lines", test_dir()))));
    cr_expect_eq(count_of(read_file(journal_path(text("%s/lines", test_dir()), this_date())), "\n"),
                 2);
    cr_expect_str_eq(run_value(base, "status"), "success");
    cr_expect_not(file_exists(text("%s/raw", base)));
    end_collectors(base, SIGTERM);

    base = text("%s/elsewhere", test_dir());
    run(LIST("/bin/true"), shim_env_and(base, LIST(text("TELEMETRY_DB_PATH=%s", database))));
    cr_expect_eq(count_of(journal_text(base), "\n"), 2);
    cr_expect(file_exists(database));
    cr_expect_not(file_exists(text("%s/db/telemetry.sqlite", base)));
}

/* Two places of the journal in one base: two collectors, each with its own. */
Test(record, two_journals_in_one_base)
{
    const char *base = new_base();

    for (int i = 0; i < 2; i++)
        run(LIST("/bin/true"),
            shim_env_and(base, LIST(text("TELEMETRY_NDJSON_DIR=%s/lines-%d", test_dir(), i),
                                    text("TELEMETRY_DB_PATH=%s/db/%d.sqlite", base, i))));
    cr_expect_eq(collectors_of(base, NULL, 0), 2);
    cr_expect(file_exists(text("%s/db/0.sqlite", base)));
    cr_expect(file_exists(text("%s/db/1.sqlite", base)));
}

/* As `cd build; LD_PRELOAD=./libtelemetry_auto.so prog` has it. */
Test(record, preloaded_by_a_relative_path)
{
    const char *shim = shim_path();
    const char *slash = strrchr(shim, '/');
    const struct run_options options = {
        .argv = LIST("/bin/true"),
        .env = shim_env_and(base_dir(), LIST(text("LD_PRELOAD=.%s", slash))),
        .cwd = text("%.*s", (int)(slash - shim), shim),
    };
    struct run_result result = run_with(&options);

    cr_assert_eq(result.status, 0);
    cr_expect_str_eq(result.err, "");
    cr_expect_str_eq(rows("status"), "success");
    cr_expect_str_eq(run_value(base_dir(), "end_source"), "observed");
}

Test(record, a_relative_base)
{
    const struct run_options options = {
        .argv = LIST("sh", "-c", "cd /; exit 0"),
        .env = shim_env_and(base_dir(), LIST("TELEMETRY_BASE_DIR=./data/")),
        .cwd = test_dir(),
    };

    cr_assert_eq(run_with(&options).status, 0);
    cr_expect_str_eq(rows("status"), "success", "base made absolute at the start");
}

/* Two collectors may not serve one directory that two hosts spell differently. */
Test(record, one_directory_spelled_differently)
{
    const char *spellings[] = {base_dir(), text("%s/", base_dir()), text("%s//data", test_dir()),
                               text("%s/./data", test_dir())};

    for (size_t i = 0; i < 4; i++)
        run(LIST("/bin/true"), shim_env(spellings[i]));
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 1);
    for (size_t i = 1; i < 4; i++)
        cr_expect_eq(collectors_of(spellings[i], NULL, 0), 0, "%s", spellings[i]);
    cr_expect_str_eq(rows("count(*), sum(status = 'success')"), "4|4");
}

/* --- programs of other kinds ----------------------------------------------------------------------------- */

Test(record, our_own_programs_are_not_recorded)
{
    struct run_result result = run(LIST(cli_path(), "--version"), shim_env(base_dir()));

    cr_expect_eq(result.status, 0, "%s", result.err);
    cr_expect_not(file_exists(base_dir()));
}

Test(record, a_static_program_is_left_alone)
{
    cr_expect_eq(record(fixture_path("plain_static"), "3").status, 3);
    cr_expect_not(file_exists(base_dir()));
}

Test(record, a_musl_program)
{
    const char *program = fixture_path("plain_musl");

    if (!file_exists(program))
        cr_skip_test("a musl program: there is no musl-gcc");
    need_exit_codes_of_strangers();
    cr_assert_eq(record(program, "3").status, 3);
    cr_assert_eq(record(program, "0").status, 0);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_str_eq(rows("agent_name, status, error_summary"),
                     "plain_musl|failed|exit code 3\nplain_musl|success|");
    cr_expect_str_eq(sql_text(base_dir(), "SELECT max_rss_kib > 0, argv FROM run_process WHERE "
                                          "exit_code = 3"),
                     text("1|[\"%s\", \"3\"]", program));
}

Test(record, python)
{
    if (run(LIST("python3", "-c", "pass"), NULL).status != 0)
        cr_skip_test("python3: not installed");
    need_exit_codes_of_strangers();
    cr_expect_eq(record("python3", "-c", "import os; os._exit(4)").status, 4);
    cr_expect_eq(record("python3", "-c", "import os; os.abort()").status, 128 + 6);
    cr_expect_eq(
        record("python3", "-c", "import subprocess; subprocess.run(['/nonexistent'])").status, 1);
    cr_expect_eq(record("python3", "-c",
                        "import os; os.posix_spawn('/bin/true', ['x'], os.environ);"
                        " os.wait()")
                     .status,
                 0);
    cr_assert(all_ended(base_dir(), 4));
    cr_expect_str_eq(rows("substr(error_summary, 1, 22)"),
                     "exit code 4\nkilled by SIGABRT (6)\nexit code 1\n");
}
