/* Many runs at once, and a collector that is killed again and again: nothing is lost, nothing is
 * counted twice, nobody hangs. */
#include "support/recording.h"

#include <cJSON.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { AT_ONCE = 16 };

static volatile int *kills; /* shared with the killer */

/* A process that kills every collector of the base as soon as it sees it, now and then. */
static pid_t start_killer(void)
{
    pid_t pid;

    kills = mmap(NULL, sizeof *kills, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)(uintptr_t)kills, MAP_FAILED);
    test_dir();
    fflush(NULL);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (unsigned i = 0;; i++) {
        pid_t pids[8];
        int count = collectors_of(base_dir(), pids, 8);

        /* At once, or when it has had time to get into the middle of something. */
        usleep(i % 8 * 4000);
        for (int k = 0; k < count && k < 8; k++)
            *kills += kill(pids[k], SIGKILL) == 0;
    }
}

static void stop_killer(pid_t pid)
{
    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_assert_gt(*kills, 5, "too few collectors were killed to show anything: %d", *kills);
}

/* So many runs, some at once; the i-th is what argv_of says. */
static void run_many(int runs, const char *const *(*argv_of)(int i), int (*expected)(int i))
{
    struct program *programs[AT_ONCE] = {NULL};
    const char *const *env = shim_env(base_dir());

    for (int i = 0; i < runs + AT_ONCE; i++) {
        struct program **slot = &programs[i % AT_ONCE];

        if (*slot != NULL)
            cr_expect_eq(finish(*slot).status, expected(i - AT_ONCE), "%d", i - AT_ONCE);
        *slot = i < runs ? start(&(struct run_options){.argv = argv_of(i), .env = env}) : NULL;
    }
}

static const char *const *exits(int i)
{
    static const char *argv[] = {"/bin/sh", "-c", NULL, NULL};

    argv[2] = text("exit %d", i % 5);
    return argv;
}

static int exit_code(int i)
{
    return i % 5;
}

static const char *const *is_killed(int i)
{
    static const char *argv[] = {NULL, "kill", NULL};

    (void)i;
    argv[0] = fixture_path("end");
    return argv;
}

static int killed(int i)
{
    (void)i;
    return 128 + SIGKILL;
}

/* Every line is JSON. */
static int count_valid_lines(const char *journal)
{
    int count = 0;

    while (*journal != '\0') {
        const char *newline = strchr(journal, '\n');
        cJSON *line;

        cr_assert_not_null(newline, "a torn last line");
        line = cJSON_ParseWithLengthOpts(journal, (size_t)(newline - journal), NULL, false);
        cr_expect_not_null(line, "%.200s", journal);
        cJSON_Delete(line);
        count++;
        journal = newline + 1;
    }
    return count;
}

Test(concurrency, a_thousand_runs_while_the_collector_is_killed, .timeout = 120)
{
    enum { RUNS = 1000 };
    pid_t killer = start_killer();

    run_many(RUNS, exits, exit_code);
    stop_killer(killer);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT status, error_summary, count(*) FROM agent_runs "
                                          "GROUP BY 1, 2 ORDER BY 2"),
                     "success||200\nfailed|exit code 1|200\nfailed|exit code 2|200\n"
                     "failed|exit code 3|200\nfailed|exit code 4|200");
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT count(*), count(DISTINCT run_id), "
                              "sum(end_time IS NULL), sum(duration_ms < 0) FROM agent_runs"),
                     "1000|1000|0|0");
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*), sum(end_source = 'observed') FROM "
                                          "run_process"),
                     "1000|1000");
    cr_expect_str_eq(sql_text(base_dir(), "PRAGMA integrity_check"), "ok");
    cr_expect_eq(count_valid_lines(journal_text(base_dir())), 2 * RUNS, "nobody had to add a line");
}

/* Here the kernel's word is needed, and the one who could ask is killed, too. */
Test(concurrency, killed_runs_while_the_collector_is_killed, .timeout = 120)
{
    enum { RUNS = 200 };
    pid_t killer = start_killer();

    need_exit_codes_of_strangers();
    run_many(RUNS, is_killed, killed);
    stop_killer(killer);
    cr_assert_eq(record("/bin/true").status, 0);
    cr_assert(all_ended(base_dir(), RUNS + 1));
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT count(*) FROM agent_runs WHERE status = 'failed' AND "
                              "(error_summary = 'killed by SIGKILL (9)' OR error_summary "
                              "LIKE 'ended without a trace%')"),
                     "200");
    cr_expect_str_eq(sql_text(base_dir(), "PRAGMA integrity_check"), "ok");
    cr_expect_eq(count_valid_lines(journal_text(base_dir())), 2 * (RUNS + 1), "one end each");
}

/* From cold, and left alone: one collector, every run committed when its program has ended. */
Test(concurrency, five_hundred_runs_undisturbed, .timeout = 120)
{
    enum { RUNS = 500 };

    run_many(RUNS, exits, exit_code);
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*), sum(status = 'running') FROM agent_runs"), "500|0");
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 1);
    cr_expect_eq(count_valid_lines(journal_text(base_dir())), 2 * RUNS);
}

/* Folds by the command line program, while the collector folds, too. */
Test(concurrency, several_folds_at_once, .timeout = 120)
{
    enum { RUNS = 100 };
    struct program *syncs[4];

    cr_assert_eq(record("/bin/true").status, 0);
    for (int i = 0; i < 4; i++)
        syncs[i] = start(&(struct run_options){
            .argv = LIST("/bin/sh", "-c",
                         text("i=0; while [ $i -lt 30 ]; do %s sync > /dev/null || exit 1; "
                              "i=$((i+1)); done",
                              cli_path())),
            .env = base_env(),
            .timeout_ms = 60000,
        });
    run_many(RUNS, exits, exit_code);
    for (int i = 0; i < 4; i++) {
        struct run_result result = finish(syncs[i]);

        cr_expect_eq(result.status, 0, "%s", result.err);
    }
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*), sum(status = 'running') FROM agent_runs"), "101|0");
    cr_expect_eq(count_valid_lines(journal_text(base_dir())), 2 * (RUNS + 1));
}
