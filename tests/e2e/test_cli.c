/* The command line program, as people and scripts use it: what it prints, what it answers, and what
 * it leaves in the records. */
#include "base/clock.h"
#include "exit_status.h"
#include "support/cli.h"

#include <cJSON.h>
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define assert_usage(result, expected)                                                             \
    do {                                                                                           \
        const struct run_result got_ = (result);                                                   \
                                                                                                   \
        cr_assert_eq(got_.status, 2, "%d: %s", got_.status, got_.err);                             \
        cr_assert(contains(got_.err, expected), "%s", got_.err);                                   \
        cr_assert_str_empty(got_.out);                                                             \
    } while (0)

#define assert_ok(result)                                                                          \
    do {                                                                                           \
        const struct run_result got_ = (result);                                                   \
                                                                                                   \
        cr_assert_eq(got_.status, 0, "%d: %s%s", got_.status, got_.out, got_.err);                 \
        cr_assert_str_empty(got_.err, "%s", got_.err);                                             \
    } while (0)

static const char *runs_sql(const char *columns)
{
    return sql_text(base_dir(), text("SELECT %s FROM agent_runs ORDER BY start_time", columns));
}

/* --- the program ----------------------------------------------------------------------------- */

Test(cli, version_and_help)
{
    struct run_result result = telemetry("--version");

    assert_ok(result);
    cr_assert(starts_with(result.out, "telemetry "));
    result = telemetry("--help");
    assert_ok(result);
    cr_assert(contains(result.out, "  runs "));
    cr_assert_str_eq(telemetry("help").out, result.out);
    cr_assert(!file_exists(base_dir()));
}

Test(cli, every_command_has_help_with_an_example)
{
    static const char *const commands[] = {"exec",   "runs",   "show", "event",   "set",   "add",
                                           "status", "commit", "sync", "collect", "doctor"};

    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        struct run_result result = telemetry(commands[i], "--help");

        assert_ok(result);
        cr_assert(starts_with(result.out, text("usage: telemetry %s", commands[i])));
        cr_assert(contains(result.out, text("\nexamples:\n  ")), "%s", result.out);
        cr_assert_str_eq(telemetry("help", commands[i]).out, result.out);
        cr_assert(!contains(result.out, "inherited"));
    }
    cr_assert(!file_exists(base_dir()));
}

Test(cli, usage_errors_name_the_right_one)
{
    assert_usage(run(LIST(cli_path()), base_env()), "usage: telemetry COMMAND");
    assert_usage(telemetry("rnus"), "did you mean 'runs'?");
    assert_usage(telemetry("help", "shwo"), "did you mean 'show'?");
    assert_usage(telemetry("xyzzy"), "see 'telemetry help'");
    assert_usage(telemetry("--verison"), "--version");
    assert_usage(telemetry("runs", "--stat", "failed"), "did you mean --status?");
    assert_usage(telemetry("runs", "-x"), "see 'telemetry runs --help'");
    assert_usage(telemetry("runs", "--status"), "--status needs a value");
    assert_usage(telemetry("runs", "--status=faild"), "did you mean failed?");
    assert_usage(telemetry("runs", "--limit", "many"), "a number");
    assert_usage(telemetry("runs", "--since", "2026-02-31"), "2026-11-22T10:00");
    assert_usage(telemetry("runs", "--json=yes"), "--json takes no value");
    assert_usage(telemetry("runs", "--json", "--csv"), "exclude");
    assert_usage(telemetry("runs", "more"), "unexpected argument 'more'");
    assert_usage(telemetry("show"), "a run's id");
    assert_usage(telemetry("exec"), "the command is missing");
    assert_usage(telemetry("exec", "--trigger", "cron", "true"), "scheduler");
    assert_usage(telemetry("exec", "--tag", "prodct=x", "true"), "did you mean product=?");
    assert_usage(telemetry("exec", "--tag", "product", "true"), "KEY=VALUE");
    assert_usage(telemetry("event", "t", "a=1", "b=2", "a=3"), "another value of that key");
    assert_usage(telemetry("exec", "--tag", "metrics-json={", "true"), "valid JSON");
    assert_usage(telemetry("exec", "--shim", "/nonexistent.so", "true"), "libtelemetry_auto.so");
    assert_usage(telemetry("collect", "--inherited"), "--foreground");
    cr_assert(!file_exists(base_dir()));
}

Test(cli, control_characters_of_arguments_are_not_echoed)
{
    const struct run_result result = telemetry("\033[31mruns\n");

    cr_assert(contains(result.err, "\\x1b[31mruns\\n"), "%s", result.err);
}

Test(cli, output_that_cannot_be_written_is_an_error)
{
    const char *full = text("%s --help >/dev/full", cli_path());
    /* true leaves before the help has been written. */
    const char *gone = text("{ sleep 0.3; %s --help; echo $? >status; } | true", cli_path());
    struct run_result result = run(LIST("sh", "-c", full), NULL);

    cr_assert_eq(result.status, 1);
    cr_assert(contains(result.err, "No space left on device"), "%s", result.err);
    result = run(LIST("sh", "-c", gone), NULL);
    cr_assert_str_eq(read_file(text("%s/status", test_dir())), "1\n");
    cr_assert_str_empty(result.err);
}

/* --- exec ------------------------------------------------------------------------------------ */

Test(exec, the_status_is_the_commands_own)
{
    cr_assert_eq(telemetry("exec", "--", "sh", "-c", "exit 7").status, 7);
    cr_assert_eq(telemetry("exec", "true").status, 0);
    cr_assert_str_eq(runs_sql("agent_name, status, coalesce(error_summary, '-')"),
                     "sh|failed|exit code 7\ntrue|success|-");
}

Test(exec, arguments_pass_unchanged_and_output_is_untouched)
{
    const struct run_result result = telemetry("exec", "--job", "j", "--", "printf", "%s|", "a b",
                                               "", "--job", "--help", "$HOME");

    assert_ok(result);
    cr_assert_str_eq(result.out, "a b||--job|--help|$HOME|");
}

Test(exec, it_becomes_the_command)
{
    const struct run_result result = telemetry("exec", "--", "sh", "-c", "echo $$ $PPID");

    cr_assert_str_eq(result.out, text("%d %d\n", (int)result.pid, (int)getpid()));
    cr_assert_str_eq(sql_text(base_dir(), "SELECT pid FROM run_process"),
                     text("%d", (int)result.pid));
}

Test(exec, options_become_fields)
{
    assert_ok(telemetry("exec", "--agent", "importer", "--job=nightly", "--trigger", "scheduler",
                        "--owner", "team", "--tag", "product=words", "--tag", "platform=net",
                        "--tag", "insight_id=i-1", "--tag", "product-family=f", "--tag",
                        "subdomain=s", "--tag", "git-repo=r", "--tag", "git-branch=b", "--tag",
                        "git-run-tag=t", "--tag", "input-summary=in", "--tag", "output-summary=out",
                        "--tag", "metrics-json={\"n\": 1}", "true"));
    cr_assert_str_eq(runs_sql("agent_name, job_type, trigger_type, agent_owner, product, platform,"
                              " insight_id, product_family, subdomain, git_repo, git_branch,"
                              " git_run_tag, input_summary, output_summary, metrics_json"),
                     "importer|nightly|scheduler|team|words|net|i-1|f|s|r|b|t|in|out|{\"n\": 1}");
}

Test(exec, the_command_finds_its_run_and_the_shim_in_the_environment)
{
    const struct run_result result =
        run(LIST(cli_path(), "exec", "--", "sh", "-c", "echo $TELEMETRY_RUN_ID; echo $LD_PRELOAD"),
            base_env_and(LIST("LD_PRELOAD=/nonexistent/libother.so")));

    cr_assert_str_eq(result.out,
                     text("%s\n%s:/nonexistent/libother.so\n", runs_sql("run_id"), shim_path()));
}

Test(exec, the_shim_is_preloaded_once)
{
    const char *const preload = text("LD_PRELOAD=%s", shim_path());
    const char *const show = "echo $LD_PRELOAD";

    cr_assert_str_eq(
        run(LIST(cli_path(), "exec", "sh", "-c", show), base_env_and(LIST(preload))).out,
        text("%s\n", shim_path()));
    cr_assert_str_eq(telemetry("exec", "--no-preload", "sh", "-c", show).out, "\n");
    cr_assert_str_eq(telemetry("exec", "--shim", shim_path(), "sh", "-c", show).out,
                     text("%s\n", shim_path()));
}

Test(exec, a_command_that_is_not_there)
{
    struct run_result result = telemetry("exec", "nonexistent-command", "x");

    cr_assert_eq(result.status, 127);
    cr_assert_str_eq(result.err,
                     "telemetry exec: nonexistent-command: No such file or directory\n");
    result = telemetry("exec", "./nowhere/command");
    cr_assert_eq(result.status, 127);
    cr_assert_str_eq(runs_sql("agent_name, status, error_summary"),
                     "nonexistent-command|failed|exit code 127: nonexistent-command: "
                     "No such file or directory\n"
                     "command|failed|exit code 127: ./nowhere/command: No such file or directory");
    cr_assert_str_eq(sql_text(base_dir(), "SELECT DISTINCT exit_code FROM run_process"), "127");
}

Test(exec, a_command_that_cannot_be_executed)
{
    write_file(text("%s/text", test_dir()), "no program\n", 0644);
    write_file(text("%s/script", test_dir()), "#!/nonexistent/interpreter\n", 0755);
    cr_assert_eq(telemetry("exec", "./text").status, 126);
    cr_assert_eq(telemetry("exec", "./script").status, 126);
    cr_assert_eq(telemetry("exec", "/").status, 126);
    cr_assert_str_eq(runs_sql("error_summary"),
                     "exit code 126: ./text: Permission denied\n"
                     "exit code 126: ./script: its interpreter or loader is missing\n"
                     "exit code 126: /: Is a directory");
}

Test(exec, a_file_without_a_format_is_a_shell_script)
{
    write_file(text("%s/script", test_dir()), "echo \"$0 $1\"; exit 5\n", 0755);

    const struct run_result result = telemetry("exec", "./script", "a b");

    cr_assert_eq(result.status, 5);
    cr_assert_str_eq(result.out, "./script a b\n");
    cr_assert_str_eq(runs_sql("agent_name, error_summary"), "script|exit code 5");
}

Test(exec, path_is_searched_as_a_shell_does)
{
    mkdir(text("%s/one", test_dir()), 0755);
    mkdir(text("%s/two", test_dir()), 0755);
    write_file(text("%s/one/tool", test_dir()), "#!/bin/sh\necho one\n", 0644);
    write_file(text("%s/two/tool", test_dir()), "#!/bin/sh\necho two\n", 0755);

    const char *const both = text("PATH=/nonexistent:%s/one:%s/two", test_dir(), test_dir());
    const char *const first = text("PATH=%s/one", test_dir());
    const char *const here = "PATH=/nonexistent:";

    cr_assert_str_eq(run(LIST(cli_path(), "exec", "tool"), base_env_and(LIST(both))).out, "two\n");
    cr_assert_eq(run(LIST(cli_path(), "exec", "tool"), base_env_and(LIST(first))).status, 126);
    cr_assert_str_eq(run_with(&(struct run_options){.argv = LIST(cli_path(), "exec", "tool"),
                                                    .env = base_env_and(LIST(here)),
                                                    .cwd = text("%s/two", test_dir())})
                         .out,
                     "two\n");
}

Test(exec, without_a_data_directory_the_command_runs_all_the_same)
{
    write_file(base_dir(), "a file where the directory should be", 0600);

    struct run_result result = telemetry("exec", "sh", "-c", "echo fine; exit 4");

    cr_assert_eq(result.status, 4);
    cr_assert_str_eq(result.out, "fine\n");
    cr_assert(starts_with(result.err, "telemetry exec: this run is not recorded: "), "%s",
              result.err);
    result = telemetry("exec", "--quiet", "sh", "-c", "exit 4");
    cr_assert_eq(result.status, 4);
    cr_assert_str_empty(result.err);
}

Test(exec, the_kill_switch_leaves_nothing)
{
    const struct run_result result =
        run(LIST(cli_path(), "exec", "sh", "-c", "echo $LD_PRELOAD $TELEMETRY_RUN_ID"),
            base_env_and(LIST("TELEMETRY_AUTO=off")));

    assert_ok(result);
    cr_assert_str_eq(result.out, "\n");
    cr_assert(!file_exists(base_dir()));
}

Test(exec, inside_a_run_it_makes_a_child_of_it)
{
    const char *command = text("%s exec --job inner -- true; true", cli_path());

    assert_ok(telemetry("exec", "--job", "outer", "sh", "-c", command));
    cr_assert_str_eq(sql_text(base_dir(), "SELECT o.job_type, i.job_type FROM run_process p"
                                          " JOIN agent_runs i ON i.run_id = p.run_id"
                                          " JOIN agent_runs o ON o.run_id = p.parent_run_id"),
                     "outer|inner");
    cr_assert_str_eq(runs_sql("count(*)"), "2");
}

Test(exec, a_static_program_that_is_killed)
{
    if (!tel_exit_pidfd_works())
        cr_skip_test("this kernel does not tell how processes ended (Linux 6.15 does)");
    telemetry("exec", fixture_path("plain_static"), "-9");
    cr_assert(sql_becomes(base_dir(), "SELECT agent_name, error_summary FROM agent_runs",
                          "plain_static|killed by SIGKILL (9)"),
              "%s", runs_sql("*"));
    telemetry("exec", fixture_path("plain_static"), "6");
    cr_assert(sql_becomes(
        base_dir(), "SELECT count(*) FROM agent_runs WHERE error_summary = 'exit code 6'", "1"));
}

Test(exec, as_somebody_else_than_root)
{
    need_build_for_others();
    chmod(test_dir(), 01777);
    cr_assert_eq(run_with(&(struct run_options){.argv = LIST(cli_path(), "exec", "true"),
                                                .env = base_env(),
                                                .prepare = be_nobody})
                     .status,
                 0);
    cr_assert(sql_becomes(base_dir(), "SELECT status FROM agent_runs", "success"));
    cr_assert_str_eq(sql_text(base_dir(), "SELECT uid FROM run_process"),
                     geteuid() == 0 ? "65534" : text("%d", (int)geteuid()));
}

/* --- exec, where it has to wait (before Linux 6.15) ------------------------------------------- */

#define WAITING base_env_and(LIST("TELEMETRY_EXIT_SOURCE=none"))

Test(exec_waiting, it_ends_as_the_command_did)
{
    struct run_result result =
        run(LIST(cli_path(), "exec", "--", fixture_path("plain_static"), "9"), WAITING);

    cr_assert_eq(result.status, 9);
    result = run(LIST(cli_path(), "exec", "--", fixture_path("plain_static"), "-11"), WAITING);
    cr_assert(WIFSIGNALED(result.wait_status) && WTERMSIG(result.wait_status) == SIGSEGV);
    cr_assert(!WCOREDUMP(result.wait_status), "a second core file");
    cr_assert_str_eq(sql_text(base_dir(),
                              "SELECT substr(error_summary, 1, 22), exit_code, signal, end_source"
                              " FROM agent_runs JOIN run_process USING (run_id)"
                              " ORDER BY start_time"),
                     "exit code 9|9||kernel\nkilled by SIGSEGV (11)||11|kernel");
}

Test(exec_waiting, the_command_is_no_second_run)
{
    const struct run_result result =
        run(LIST(cli_path(), "exec", "--", "sh", "-c", "true; echo $PPID"), WAITING);

    cr_assert_str_eq(result.out, text("%d\n", (int)result.pid));
    cr_assert_str_eq(sql_text(base_dir(), "SELECT pid, status FROM agent_runs"
                                          " JOIN run_process USING (run_id)"),
                     text("%d|success", (int)result.pid));
}

Test(exec_waiting, a_command_that_cannot_start)
{
    write_file(text("%s/script", test_dir()), "#!/nonexistent/interpreter\n", 0755);
    cr_assert_eq(run(LIST(cli_path(), "exec", "nonexistent-command"), WAITING).status, 127);
    cr_assert_eq(run(LIST(cli_path(), "exec", "./script"), WAITING).status, 126);
    cr_assert_str_eq(runs_sql("error_summary"),
                     "exit code 127: nonexistent-command: No such file or directory\n"
                     "exit code 126: ./script: its interpreter or loader is missing");
}

Test(exec_waiting, signals_are_passed_on)
{
    const char *command = "trap 'echo caught; exit 3' TERM; : >ready; while :; do sleep 0.05; done";
    struct program *program = start(&(struct run_options){
        .argv = LIST(cli_path(), "exec", "sh", "-c", command), .env = WAITING});
    struct run_result result;

    cr_assert(file_appears(text("%s/ready", test_dir())));
    kill(program_pid(program), SIGTERM);
    result = finish(program);
    cr_assert_eq(result.status, 3, "%s", result.err);
    cr_assert_str_eq(result.out, "caught\n");
    cr_assert_str_eq(runs_sql("error_summary"), "exit code 3");
}

static void ignore_children(void *arg)
{
    sigset_t set;

    (void)arg;
    signal(SIGCHLD, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* A parent that ignores SIGCHLD, which would have the wait status thrown away. */
Test(exec_waiting, signal_settings_are_the_commands)
{
    const struct run_result result = run_with(&(struct run_options){
        .argv = LIST(cli_path(), "exec", "grep", "-E", "SigBlk|SigIgn", "/proc/self/status"),
        .env = WAITING,
        .prepare = ignore_children,
    });

    cr_assert_eq(result.status, 0);
    cr_assert(contains(result.out, "SigBlk:\t0000000000000200"), "%s", result.out);
    cr_assert(contains(result.out, "SigIgn:\t0000000000010000"), "%s", result.out);
}

Test(exec_waiting, it_waits_where_no_collector_can_be_had)
{
    const struct run_result result =
        run(LIST(cli_path(), "exec", fixture_path("plain_static"), "-9"),
            base_env_and(LIST("TELEMETRY_COLLECTOR=off")));

    cr_assert_eq(result.status, 128 + SIGKILL);
    telemetry("sync");
    cr_assert_str_eq(runs_sql("error_summary"), "killed by SIGKILL (9)");
}

/* Job control: the shell above has to see that its job has stopped. */
Test(exec_waiting, it_stops_when_the_command_does)
{
    struct program *program = start(&(struct run_options){
        .argv = LIST(cli_path(), "exec", "sh", "-c", "kill -STOP $$; exit 6"), .env = WAITING});
    pid_t pid = program_pid(program);

    cr_assert(wait_until(is_stopped, &pid, 10000));
    kill(pid, SIGCONT);
    cr_assert_eq(finish(program).status, 6);
}

/* --- runs ------------------------------------------------------------------------------------ */

/* A journal of runs as others may have written it, the oldest first. */
static void write_journal(const char *lines)
{
    mkdir(base_dir(), 0700);
    mkdir(text("%s/raw", base_dir()), 0700);
    write_file(text("%s/raw/events_20260101.ndjson", base_dir()), lines, 0600);
}

static const char *run_line(const char *id, const char *agent, const char *job, const char *start,
                            const char *more)
{
    return text("{\"run_id\": \"%s\", \"agent_name\": \"%s\", \"job_type\": \"%s\", "
                "\"start_time\": \"%s\", \"schema_version\": 3%s, \"record_type\": \"run\"}\n",
                id, agent, job, start, more);
}

#define ENDED ", \"status\": \"success\", \"duration_ms\": 1500"

static void write_three_runs(void)
{
    write_journal(text(
        "%s%s%s",
        run_line("r-one-11111111", "alpha", "nightly", "2026-01-01T10:00:00.000000+00:00", ENDED),
        run_line("r-two-22222222", "beta", "nightly", "2026-01-01T11:00:00.000000+00:00",
                 ", \"status\": \"failed\", \"error_summary\": \"no, \\\"never\\\"\\nagain\""),
        run_line("r-three-33333333", "gamma", "hourly", "2026-01-01T12:00:00.000000+00:00",
                 ", \"status\": \"partial\", \"agent_owner\": \"\"")));
}

static struct run_result runs_utc(const char *option, const char *value)
{
    return run(LIST(cli_path(), "runs", "--utc", option, value), base_env());
}

Test(runs, the_table)
{
    write_three_runs();

    const struct run_result result = telemetry("runs", "--utc");

    assert_ok(result);
    cr_assert_str_eq(
        result.out,
        "STARTED              AGENT  JOB      STATUS   DURATION  ENDING              RUN ID\n"
        "2026-01-01 12:00:00  gamma  hourly   partial                                "
        "r-three-33333333\n"
        "2026-01-01 11:00:00  beta   nightly  failed             no, \"never\"\\nagain  "
        "r-two-22222222\n"
        "2026-01-01 10:00:00  alpha  nightly  success     1.5 s                      "
        "r-one-11111111\n");
}

Test(runs, times_are_local_unless_told_otherwise)
{
    const char *const zone = "TZ=XXX-5:30";

    write_three_runs();
    cr_assert(contains(run(LIST(cli_path(), "runs"), base_env_and(LIST(zone))).out,
                       "2026-01-01 17:30:00  gamma"));
    /* 17:00 there is 11:30 in UTC. */
    cr_assert(!contains(
        run(LIST(cli_path(), "runs", "--since", "2026-01-01T17:00"), base_env_and(LIST(zone))).out,
        "beta"));
    cr_assert(contains(
        run(LIST(cli_path(), "runs", "--since", "2026-01-01T11:00:00Z"), base_env_and(LIST(zone)))
            .out,
        "beta"));
}

Test(runs, filters)
{
    write_three_runs();
    cr_assert(contains(runs_utc("--agent", "alpha").out, "r-one"));
    cr_assert(!contains(runs_utc("--agent", "alpha").out, "r-two"));
    cr_assert_eq(count_of(runs_utc("--agent", "*a").out, "\n"), 4);
    cr_assert_eq(count_of(runs_utc("--job", "nightly").out, "\n"), 3);
    cr_assert_eq(count_of(runs_utc("--status", "partial").out, "\n"), 2);
    cr_assert_eq(count_of(runs_utc("--since", "2026-01-01T11:00").out, "\n"), 3);
    cr_assert_eq(count_of(runs_utc("--until", "2026-01-01 11:00:00").out, "\n"), 2);
    cr_assert_eq(count_of(runs_utc("--since", "2026-01-02").out, "\n"), 0);
    cr_assert(contains(runs_utc("--since", "2026-01-02").err, "no run matches"));
    cr_assert_eq(count_of(runs_utc("--limit", "1").out, "\n"), 2);
    cr_assert_eq(count_of(runs_utc("--limit", "0").out, "\n"), 4);
    cr_assert_eq(runs_utc("--since", "2h ago").status, 0);
    cr_assert_eq(runs_utc("--since", "yesterday").status, 0);
}

Test(runs, a_table_is_limited_unless_told_otherwise)
{
    const char *lines = "";

    for (int i = 0; i < 25; i++)
        lines = text("%s%s", lines,
                     run_line(text("r-%02d", i), "a", "j",
                              text("2026-01-01T10:00:%02d.000000+00:00", i), ENDED));
    write_journal(lines);

    const struct run_result result = telemetry("runs");

    cr_assert_eq(count_of(result.out, "\n"), 21);
    cr_assert(contains(result.err, "--limit 0 shows all"));
    cr_assert_eq(count_of(telemetry("runs", "--csv").out, "\n"), 26);
}

Test(runs, json)
{
    write_three_runs();

    const struct run_result result = telemetry("runs", "--json");
    cJSON *list = cJSON_Parse(result.out);

    assert_ok(result);
    cr_assert_eq(count_of(result.out, "\n"), 5, "one object to a line");
    cr_assert_eq(cJSON_GetArraySize(list), 3);

    const cJSON *beta = cJSON_GetArrayItem(list, 1);

    cr_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(beta, "error_summary")),
                     "no, \"never\"\nagain");
    cr_assert(cJSON_IsFalse(cJSON_GetObjectItem(beta, "api_posted")));
    cr_assert(cJSON_IsNull(cJSON_GetObjectItem(beta, "duration_ms")));
    cr_assert(cJSON_IsNull(cJSON_GetObjectItem(beta, "process")));
    cr_assert_eq(cJSON_GetObjectItem(beta, "schema_version")->valueint, 3);
    cJSON_Delete(list);
}

Test(runs, json_of_a_recorded_run_has_its_process)
{
    assert_ok(telemetry("exec", "sh", "-c", "exit 0"));

    cJSON *list = cJSON_Parse(telemetry("runs", "--json").out);
    const cJSON *process = cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "process");

    cr_assert_eq(cJSON_GetObjectItem(process, "exit_code")->valueint, 0);
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(process, "argv")), 3);
    cJSON_Delete(list);
}

Test(runs, json_of_nothing_is_an_empty_array)
{
    write_journal("");
    cr_assert_str_eq(telemetry("runs", "--json").out, "[\n]\n");
}

Test(runs, csv)
{
    write_three_runs();

    const struct run_result result = telemetry("runs", "--csv");

    assert_ok(result);
    cr_assert(starts_with(result.out, "run_id,schema_version,agent_name,agent_owner,job_type,"));
    cr_assert(contains(result.out, ",created_at,updated_at\r\n"));
    /* An empty text is quoted, what is not set is nothing. */
    cr_assert(contains(result.out, "\r\nr-three-33333333,3,gamma,\"\",hourly,"), "%s", result.out);
    cr_assert(contains(result.out, ",\"no, \"\"never\"\"\nagain\","), "%s", result.out);
}

Test(runs, a_run_that_goes_on_shows_its_time_so_far)
{
    struct program *program = start(&(struct run_options){
        .argv = LIST(cli_path(), "exec", fixture_path("plain")), .env = base_env()});
    struct run_result result;

    cr_assert(sql_becomes(base_dir(), "SELECT status FROM agent_runs", "running"));
    result = telemetry("runs");
    cr_assert(contains(result.out, "running"), "%s", result.out);
    cr_assert(contains(result.out, " ms "), "%s", result.out);
    cr_assert(contains(telemetry("show", "latest").out, " so far\n"));
    kill(program_pid(program), SIGTERM);
    finish(program);
    if (tel_exit_pidfd_works())
        cr_assert(sql_becomes(base_dir(), "SELECT error_summary FROM agent_runs",
                              "killed by SIGTERM (15)"));
}

static struct run_result runs_on_terminal(int columns, const char *setting)
{
    return run_with(&(struct run_options){
        .argv = LIST(cli_path(), "runs", "--utc"),
        .env = base_env_and(LIST(setting, "LANG=C.UTF-8", "TERM=xterm")),
        .columns = columns,
    });
}

static size_t widest_line(const char *out)
{
    size_t widest = 0;

    while (*out != '\0') {
        const size_t len = strcspn(out, "\r\n");

        widest = len > widest ? len : widest;
        out += len + strspn(out + len, "\r\n");
    }
    return widest;
}

Test(runs, the_table_fits_the_terminal)
{
    struct run_result result;

    write_journal(run_line("20260101T100000Z-agent-12345678", "an-agent-of-a-rather-long-name",
                           "and-a-job-with-an-even-longer-one", "2026-01-01T10:00:00.000000+00:00",
                           ENDED));
    result = runs_on_terminal(200, "NO_COLOR=1");
    cr_assert(contains(result.out, "20260101T100000Z-agent-12345678"));
    cr_assert(contains(result.out, "and-a-job-with-an-even-longer-one"));
    result = runs_on_terminal(80, "NO_COLOR=1");
    cr_assert_leq(widest_line(result.out), 80 + 4, "two marks of three bytes: %s", result.out);
    cr_assert(contains(result.out, "01-01 10:00:00"), "%s", result.out);
    cr_assert(contains(result.out, " 12345678"), "%s", result.out);
    cr_assert(contains(result.out, "…"), "%s", result.out);
}

Test(runs, colours_only_where_they_are_welcome)
{
    write_three_runs();
    cr_assert(contains(runs_on_terminal(120, "A=1").out, "\033[31mfailed"));
    cr_assert(!contains(runs_on_terminal(120, "NO_COLOR=1").out, "\033"));
    cr_assert(!contains(telemetry("runs").out, "\033"));
}

Test(runs, recorded_text_cannot_steer_the_terminal)
{
    struct run_result result;

    write_journal(run_line("r-\\u001b[2J", "a\\u001b]0;x\\u0007b", "j\\u009b1m\\u202ek",
                           "2026-01-01T10:00:00.000000+00:00",
                           ", \"status\": \"failed\", \"error_summary\": \"e\\u001bc\\rf\""));
    result = runs_on_terminal(160, "NO_COLOR=1");
    cr_assert(!contains(result.out, "\033") && !contains(result.out, "\a") &&
                  !contains(result.out, "\xc2\x9b") && !contains(result.out, "\u202e"),
              "%s", result.out);
    cr_assert(contains(result.out, "a\\x1b]0;x\\x07b"), "%s", result.out);
    cr_assert(!contains(telemetry("show", "latest").out, "\033"));
    cr_assert(!contains(telemetry("runs").out, "\033"));
    result = run_with(&(struct run_options){
        .argv = LIST(cli_path(), "runs", "--csv"), .env = base_env(), .columns = 100});
    cr_assert(!contains(result.out, "\033"));
    /* A program gets the exact text. */
    cr_assert(contains(telemetry("runs", "--csv").out, "a\033]0;x\ab"));
}

Test(runs, without_a_data_directory)
{
    struct run_result result = telemetry("runs");

    cr_assert_eq(result.status, 1);
    cr_assert(contains(result.err, text("no data directory %s", base_dir())), "%s", result.err);
    result = run(LIST(cli_path(), "runs"), base_env_and(LIST("TELEMETRY_SKIP_VALIDATION=Yes")));
    cr_assert_eq(result.status, 0);
    cr_assert(contains(result.err, "warning: "), "%s", result.err);
    cr_assert(!file_exists(base_dir()));
}

Test(runs, somebody_elses_directory_is_shown_as_it_is)
{
    need_build_for_others();
    if (geteuid() != 0)
        cr_skip_test("needs root, to become somebody else");
    write_three_runs();
    telemetry("sync");
    write_file(text("%s/raw/events_20260102.ndjson", base_dir()),
               run_line("r-four", "delta", "j", "2026-01-02T10:00:00.000000+00:00", ENDED), 0644);
    run(LIST("chmod", "-R", "a+rX", test_dir()), NULL);

    const struct run_result result = run_with(&(struct run_options){
        .argv = LIST(cli_path(), "runs"), .env = base_env(), .prepare = be_nobody});

    cr_assert_eq(result.status, 0, "%s", result.err);
    cr_assert(contains(result.out, "r-three"), "%s%s", result.out, result.err);
    cr_assert(contains(result.err, "note: "), "%s", result.err);
}

static bool has_line(void *arg)
{
    (void)arg;
    return contains(journal_text(base_dir()), "\n");
}

/* Without a collector, exec waits for its command; then it is killed itself. */
Test(runs, a_run_whose_end_nobody_saw_is_closed)
{
    const char *const off = "TELEMETRY_COLLECTOR=off";
    struct program *program = start(&(struct run_options){
        .argv = LIST(cli_path(), "exec", "sleep", "3"), .env = base_env_and(LIST(off))});

    cr_assert(wait_until(has_line, NULL, 10000));
    kill(program_pid(program), SIGKILL);
    finish(program);
    cr_assert(contains(run(LIST(cli_path(), "runs"), base_env_and(LIST(off))).out,
                       "ended without a trace"));
}

/* --- show ------------------------------------------------------------------------------------ */

Test(show, all_facts_of_a_recorded_run)
{
    struct run_result result;

    telemetry("exec", "--job", "nightly", "--tag", "product=words", "--", "sh", "-c",
              "exit 3 # it's \"so\"");
    result = telemetry("show", "latest");
    assert_ok(result);
    cr_assert(contains(result.out, "  job               nightly\n"), "%s", result.out);
    cr_assert(contains(result.out, "  status            failed\n"), "%s", result.out);
    cr_assert(contains(result.out, "  error             exit code 3\n"), "%s", result.out);
    cr_assert(contains(result.out, "  product           words\n"), "%s", result.out);
    cr_assert(contains(result.out, "sh -c 'exit 3 # it'\\''s \"so\"'\n"), "%s", result.out);
    cr_assert(contains(result.out, "  user id           "), "%s", result.out);
}

Test(show, a_run_by_part_of_its_id)
{
    write_three_runs();
    cr_assert(contains(telemetry("show", "33333333").out, "gamma"));
    cr_assert(contains(telemetry("show", "r-one").out, "alpha"));
    cr_assert(contains(telemetry("show", "r-two-22222222").out, "beta"));
    cr_assert(contains(telemetry("show", "latest").out, "gamma"));

    struct run_result result = telemetry("show", "r-t");

    cr_assert_eq(result.status, 1);
    cr_assert(contains(result.err, "r-two-22222222") && contains(result.err, "r-three-33333333"),
              "%s", result.err);
    result = telemetry("show", "nothing");
    cr_assert_eq(result.status, 1);
    cr_assert(contains(result.err, "'nothing': no run has this id"), "%s", result.err);
    cr_assert_str_empty(result.out);
}

static void write_run_with_events(void)
{
    write_journal(text(
        "%s%s%s%s",
        run_line("r-one", "alpha", "j", "2026-01-01T10:00:00.000000+00:00", ", \"status\": null"),
        "{\"run_id\": \"r-one\", \"event_type\": \"checkpoint\", \"timestamp\": "
        "\"2026-01-01T10:00:01.000000+00:00\", \"payload_json\": \"{\\\"step\\\": 1}\", "
        "\"id\": null, \"record_type\": \"event\"}\n",
        "{\"run_id\": \"r-other\", \"event_type\": \"foreign\", \"timestamp\": "
        "\"2026-01-01T10:00:01.000000+00:00\", \"payload_json\": null, \"id\": null, "
        "\"record_type\": \"event\"}\n",
        run_line("r-one", "alpha", "j", "2026-01-01T10:00:00.000000+00:00", ENDED)));
}

Test(show, events_come_from_the_journal)
{
    write_run_with_events();

    const struct run_result result = telemetry("show", "--utc", "r-one");

    assert_ok(result);
    cr_assert(contains(result.out, "Events\n  01-01 10:00:01    checkpoint  {\"step\": 1}\n"), "%s",
              result.out);
    cr_assert(!contains(result.out, "foreign"));
}

Test(show, json_has_the_events)
{
    write_run_with_events();

    cJSON *shown = cJSON_Parse(telemetry("show", "--json", "r-one").out);
    const cJSON *events = cJSON_GetObjectItem(shown, "events");

    cr_assert_eq(cJSON_GetArraySize(events), 1);
    cr_assert_str_eq(
        cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(events, 0), "payload_json")),
        "{\"step\": 1}");
    cr_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(shown, "run_id")), "r-one");
    cJSON_Delete(shown);
}

/* --- sync ------------------------------------------------------------------------------------ */

Test(sync, folds_when_no_collector_runs)
{
    write_journal(text("%s{broken\n%s",
                       run_line("r-1", "a", "j", "2026-01-01T10:00:00.000000+00:00", ENDED),
                       run_line("r-2", "a", "j", "2026-01-01T10:00:00.000000+00:00", ENDED)));

    const struct run_result result = telemetry("sync");

    assert_ok(result);
    cr_assert(contains(result.out, "3 lines folded, 2 of runs"), "%s", result.out);
    cr_assert(contains(result.out, "1 bad line skipped"), "%s", result.out);
    cr_assert_str_eq(runs_sql("count(*)"), "2");
    cr_assert(starts_with(telemetry("sync").out, "0 lines folded"));
}

Test(sync, a_deleted_database_comes_back)
{
    const char *all = "SELECT run_id, status, duration_ms, error_summary FROM agent_runs";
    const char *before;

    telemetry("exec", "sh", "-c", "exit 3");
    before = sql_text(base_dir(), all);
    cr_assert(contains(before, "exit code 3"));
    for (int with_collector = 0; with_collector <= 1; with_collector++) {
        if (with_collector == 1)
            assert_ok(telemetry("collect"));
        run(LIST("sh", "-c", text("rm -rf %s/db/*", base_dir())), NULL);
        assert_ok(telemetry("sync"));
        cr_assert_str_eq(sql_text(base_dir(), all), before);
    }
}

Test(sync, a_damaged_database_is_set_aside)
{
    write_three_runs();
    mkdir(text("%s/db", base_dir()), 0700);
    write_file(text("%s/db/telemetry.sqlite", base_dir()), "this is no database, but some text",
               0600);

    const struct run_result result = telemetry("sync");

    assert_ok(result);
    cr_assert(contains(result.out, "kept as "), "%s", result.out);
    cr_assert_str_eq(runs_sql("count(*)"), "3");
    cr_assert(contains(run(LIST("sh", "-c", text("cat %s/db/*.corrupt-*Z", base_dir())), NULL).out,
                       "but some text"));
}

/* --- collect --------------------------------------------------------------------------------- */

Test(collect, in_the_background)
{
    struct run_result result = telemetry("collect");

    assert_ok(result);
    cr_assert(starts_with(result.out, "started a collector for "), "%s", result.out);
    result = telemetry("collect");
    assert_ok(result);
    cr_assert(contains(result.out, "already running for "), "%s", result.out);
    cr_assert(contains(result.out, "(pid "), "%s", result.out);
    cr_assert(contains(telemetry("sync").out, "the collector"));
}

static bool has_sockets(void *arg)
{
    (void)arg;
    return contains(run(LIST("/bin/ls", text("%s/run", base_dir())), NULL).out, ".request");
}

static bool answers(void *arg)
{
    (void)arg;
    return contains(telemetry("collect").out, "already running");
}

Test(collect, in_the_foreground_until_it_is_told_to_end)
{
    struct program *program = start(&(struct run_options){
        .argv = LIST(cli_path(), "collect", "--foreground"), .env = base_env()});
    struct run_result result;

    cr_assert(wait_until(has_sockets, NULL, 20000)); /* else the question would start another */
    cr_assert(wait_until(answers, NULL, 20000));
    cr_assert(contains(telemetry("collect").out, text("(pid %d)", (int)program_pid(program))));
    result = telemetry("collect", "--foreground");
    cr_assert_eq(result.status, 1);
    cr_assert(contains(result.err, "another collector"), "%s", result.err);
    kill(program_pid(program), SIGTERM);
    cr_assert_eq(finish(program).status, 0);
}
