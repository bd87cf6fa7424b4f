/* What is one run (DESIGN 3): sessions, daemons, children that are runs of their own, and the trace that
 * goes through all of it. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "support/places.h"

/* --- sessions ---------------------------------------------------------------------------------- */

/* The runs of the session fixture, in order of their start: agent, status, summary, whose child. */
#define RUNS                                                                                       \
    "SELECT agent_name || ' ' || status || coalesce(' ' || error_summary, '') || coalesce(' of ' " \
    "|| (SELECT agent_name FROM agent_runs p WHERE p.run_id = parent_run_id), '') FROM "           \
    "agent_runs "                                                                                  \
    "JOIN run_process USING (run_id) ORDER BY start_time, agent_name"

static const struct {
    const char *way;
    const char *command; /* executed by who is left; may be NULL */
    const char *runs;
    size_t lines; /* in the journal */
} sessions[] = {
    {"once", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"twice", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"twice-late", NULL, "session success\nsession failed exit code 4 of session", 5},
    {"failing-with-worker", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"twice-by-exit", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"daemon", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"waited-for", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"daemon-of-leader", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"once-of-leader", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"slowly-of-leader", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"scribbled-of-leader", NULL, "session failed exit code 4", 2},
    {"twice-of-leader", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"twice-waited", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"twice-waited-of-leader", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"signal-stack", NULL, "session failed exit code 4", 2},
    {"cleared", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"replaced", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"released", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"compared", NULL, "session success\nsession failed exit code 4 of session", 4},
    {"emptied", NULL, "session success", 2},
    {"two-sessions", NULL, "session success\nsession failed exit code 4 of session", 4},
    /* A daemon's worker is part of the daemon's run. */
    {"leader-with-leader", NULL, "session success\nsession failed exit code 4 of session", 4},
    /* What a leader executes is the run, and the leader leaves none. */
    {"once", "/bin/sleep", "session success\nsleep success of session", 4},
    {"once-of-leader", "/bin/sleep", "session success\nsleep success of session", 4},
    {"slowly-of-leader", "/bin/sleep", "session success\nsleep success of session", 4},
    {"twice", "/bin/sleep", "session success\nsleep success of session", 4},
    /* Unless that comes late. */
    {"twice-late", "/bin/sleep",
     "session success\nsession success of session\nsleep success of session", 7},
    /* And a server is no step to what it has started in a session of its own. */
    {"short-server", "/bin/sleep",
     "session success\nsession success of session\nsleep success of session", 6},
    {"waited-for", "/bin/sleep", "session success\nsleep success of session", 4},
    {"old-environment", "/bin/sleep", "session success\nsleep success of session", 4},
    {"vfork", "/bin/sleep", "session success\nsleep success of session", 4},
    {"spawn", "/bin/sleep", "session success\nsleep success of session", 4},
    /* The run's own process remains that run, and a parent of vfork is not its child. */
    {"alone", NULL, "session failed exit code 4", 2},
    {"alone", "/bin/sleep", "session success", 2},
    {"vfork-in-vain", NULL, "session failed exit code 4", 2},
};

enum { SESSIONS = sizeof sessions / sizeof sessions[0] };

static void start_session(const char *program, const char *const *env, const char *base, int i)
{
    const char *const way = sessions[i].way;
    const char *const *argv = sessions[i].command == NULL
                                  ? LIST(program, way)
                                  : LIST(program, way, sessions[i].command, "0.2");
    struct run_result result = run(argv, env);

    cr_expect_str_eq(result.err, "", "%s: %s", way, result.err);
    cr_expect(sql_becomes(base, RUNS, sessions[i].runs), "%s %s: %s", way,
              sessions[i].command == NULL ? "" : sessions[i].command, sql_text(base, RUNS));
}

/* When everything has ended, and nothing more can come. */
static void expect_no_more(const char *base, int i)
{
    cr_expect(collectors_leave(base), "%s", sessions[i].way);
    cr_expect_str_eq(sql_text(base, RUNS), sessions[i].runs, "%s", sessions[i].way);
}

Test(boundaries, sessions, .timeout = 200)
{
    const char *bases[SESSIONS];

    for (int i = 0; i < SESSIONS; i++) {
        bases[i] = new_base();
        start_session(fixture_path("session"), shim_env(bases[i]), bases[i], i);
    }
    for (int i = 0; i < SESSIONS; i++) {
        expect_no_more(bases[i], i);
        cr_expect_eq(count_of(journal_text(bases[i]), "\n"), sessions[i].lines, "%s",
                     sessions[i].way);
    }
}

/* musl's daemon forks twice; its exit does not tell the code, so the kernel does. */
Test(boundaries, sessions_of_another_libc)
{
    const char *program = fixture_path("session_musl");
    const char *bases[SESSIONS];
    int count = 0;

    if (!file_exists(program))
        cr_skip_test("another libc: needs musl-gcc");
    need_exit_codes_of_strangers();
    for (; sessions[count].command == NULL; count++) {
        bases[count] = new_base();
        start_session(program, shim_env_and(bases[count], LIST("TELEMETRY_AGENT_NAME=session")),
                      bases[count], count);
    }
    for (int i = 0; i < count; i++)
        expect_no_more(bases[i], i);
}

/* What they execute has 64 bits. */
Test(boundaries, sessions_of_32_bit_programs, .timeout = 200)
{
    const char *preload = text("LD_PRELOAD=%s", shims_path());
    const char *program = text("%s/session", test_dir());
    const char *bases[SESSIONS];

    /* By the name that the runs are to have. */
    cr_assert_eq(run(LIST("cp", fixture_path("session_32"), program), NULL).status, 0);
    for (int i = 0; i < SESSIONS; i++) {
        const char *base = bases[i] = new_base();

        start_session(program, shim_env_and(base, LIST(preload)), base, i);
    }
    for (int i = 0; i < SESSIONS; i++)
        expect_no_more(bases[i], i);
}

/* A daemon that is executed while the step between still lives: be it one name or the other, there is one
 * run, and its end is known. (What such a daemon starts may not know that its run has a new owner, and be a
 * run of its own: this one starts nothing.) */
Test(boundaries, a_daemon_that_executes_at_once)
{
    enum { TIMES = 20 };

    for (int i = 0; i < TIMES; i++)
        run(LIST(fixture_path("session"), "twice-at-once", fixture_path("session"), "not-at-all"),
            shim_env(base_dir()));
    cr_assert(collectors_leave(base_dir()));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*), sum(error_summary = 'exit code 4') "
                                          "FROM agent_runs JOIN run_process USING (run_id) "
                                          "WHERE parent_run_id IS NOT NULL"),
                     "20|20");
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM run_process WHERE parent_run_id "
                                          "NOT IN (SELECT run_id FROM agent_runs)"),
                     "0");
}

/* Who ends a daemon's run is the daemon, and not one of its workers. */
Test(boundaries, a_daemons_worker_is_not_its_heir)
{
    run(LIST(fixture_path("session"), "leader-with-worker"), shim_env(base_dir()));
    cr_expect(
        sql_becomes(base_dir(), RUNS, "session success\nsession failed exit code 4 of session"));
    cr_expect(collectors_leave(base_dir()));
    cr_expect_str_eq(sql_text(base_dir(), RUNS),
                     "session success\nsession failed exit code 4 of session");
}

/* What a daemon costs is in its row, be it one that took the run over. */
Test(boundaries, the_cost_of_a_daemon)
{
    run(LIST(fixture_path("session"), "twice"), shim_env(base_dir()));
    cr_expect(
        sql_becomes(base_dir(),
                    "SELECT max_rss_kib > 0, user_ms IS NOT NULL, end_source, "
                    "duration_ms BETWEEN 200 AND 20000 FROM run_process JOIN agent_runs USING "
                    "(run_id) WHERE parent_run_id IS NOT NULL",
                    "1|1|observed|1"));
}

/* A collector that is gone before the daemon ends: the next one finds the daemon again. */
Test(boundaries, a_daemon_outlives_its_collector)
{
    need_exit_codes_of_strangers();
    run(LIST(fixture_path("session"), "twice", "/bin/sleep", "3"), shim_env(base_dir()));
    cr_assert(sql_becomes(base_dir(), RUNS, "session success\nsleep running of session"));
    end_collectors(base_dir(), SIGKILL);
    record("/bin/true");
    cr_expect(sql_becomes(base_dir(),
                          "SELECT status, end_source FROM agent_runs JOIN run_process USING "
                          "(run_id) WHERE agent_name = 'sleep'",
                          "success|observed"));
}

/* --- children that are runs --------------------------------------------------------------------- */

/* Ordered by the tree, not by time: starts may be in the same microsecond on no machine, but close. */
Test(boundaries, all_children)
{
    run(LIST("sh", "-c", "/bin/echo one >/dev/null; sh -c '/bin/false; exit 3'; exec /bin/true"),
        shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_CHILDREN=all", "TELEMETRY_AGENT_NAME=")));
    cr_expect(sql_becomes(
        base_dir(),
        "WITH RECURSIVE tree(run_id, path) AS (SELECT run_id, exit_code FROM run_process WHERE "
        "parent_run_id IS NULL UNION ALL SELECT p.run_id, path || '/' || exit_code FROM "
        "run_process "
        "p JOIN tree ON parent_run_id = tree.run_id) SELECT path FROM tree ORDER BY path",
        "0\n0/0\n0/3\n0/3/1"));
}

/* Forked children that execute nothing are part of the run that forked them. */
Test(boundaries, forks_alone_are_no_runs)
{
    run(LIST("python3", "-c",
             "import os, sys\n"
             "for code in range(3):\n"
             "    if os.fork() == 0:\n"
             "        os._exit(code) if code else sys.exit(7)\n"
             "    os.wait()\n"),
        shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_CHILDREN=all", "TELEMETRY_AGENT_NAME=p")));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT agent_name, status FROM agent_runs"),
                     "p|success");
}

/* --- the trace ------------------------------------------------------------------------------------ */

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

Test(boundaries, a_trace_is_passed_on)
{
    struct run_result result = run(LIST("sh", "-c", "env | grep ^TRACEPARENT=; exit 0"),
                                   shim_env_and(base_dir(), LIST("TRACEPARENT=" TRACE)));

    cr_expect_str_eq(result.out, "TRACEPARENT=" TRACE "\n");
    cr_expect_str_eq(run_value(base_dir(), "traceparent"), TRACE);
}

Test(boundaries, a_trace_begins_with_the_run)
{
    struct run_result result = record("sh", "-c", "env | grep ^TRACEPARENT=; exit 0");
    const char *trace = run_value(base_dir(), "traceparent");

    cr_expect_eq(strlen(trace), 55);
    cr_expect_str_eq(result.out, text("TRACEPARENT=%s\n", trace));
}

Test(boundaries, a_trace_through_exec)
{
    struct run_result result =
        telemetry("exec", "--", "sh", "-c", "env | grep ^TRACEPARENT=; exit 0");

    cr_expect_str_eq(result.out, text("TRACEPARENT=%s\n", run_value(base_dir(), "traceparent")),
                     "%s", result.err);
}
