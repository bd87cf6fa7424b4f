/* The host is undisturbed: what the host matrix (tests/matrix) compares is not repeated here. What is
 * left are the lines in the journal of hosts that make writing hard, and set-user-ID programs. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/places.h"

static void expect_recorded(const char *base, int runs, const char *summary)
{
    const char *sql = "SELECT DISTINCT error_summary FROM agent_runs";

    cr_expect(all_ended(base, runs));
    cr_expect_str_eq(sql_text(base, sql), summary, "%s", sql_text(base, sql));
}

/* coreutils close 1 and 2 at their exit: the journal must not get their number, nor their words. */
Test(host, standard_output_closed_at_exit)
{
    record("/bin/ls", "/", "/nonexistent");
    expect_recorded(base_dir(), 1, "exit code 2");
    cr_expect_eq(count_of(journal_text(base_dir()), "\n"), 2);
}

static void limit_file_size(void *arg)
{
    const rlim_t size = *(rlim_t *)arg;
    const struct rlimit limit = {size, RLIM_INFINITY};

    setrlimit(RLIMIT_FSIZE, &limit);
}

/* Its lines go through the collector, in their order. */
Test(host, no_file_may_grow)
{
    rlim_t sizes[] = {0, 1, 100, 1500};

    for (int i = 0; i < 4; i++) {
        const char *base = new_base();
        const struct run_options options = {.argv = LIST("/bin/sh", "-c", "/bin/true; exit 7"),
                                            .env = shim_env(base),
                                            .prepare = limit_file_size,
                                            .arg = &sizes[i]};

        run_with(&options); /* cold, and with a collector that is there */
        run_with(&options);
        expect_recorded(base, 2, "exit code 7");
        cr_expect_eq(count_of(journal_text(base), "\n"), 4);
        cr_expect_str_neq(field_of(last_line_of(journal_text(base)), "status"), "\"running\"");
        end_collectors(base, SIGTERM);
        cr_assert_eq(unlink(text("%s/db/telemetry.sqlite", base)), 0);
        cr_assert_eq(
            run(LIST(cli_path(), "sync"), LIST(text("TELEMETRY_BASE_DIR=%s", base))).status, 0);
        expect_recorded(base, 2, "exit code 7");
    }
}

/* A program that forbids itself to write files, as those that mistrust their own code do. */
Test(host, its_own_limit)
{
    static const char *const limits[] = {"ulimit -f 0", "ulimit -f 1", "ulimit -S -f 0",
                                         "trap '' XFSZ; ulimit -f 0"};

    for (int i = 0; i < 4; i++) {
        const char *base = new_base();
        const char *const script = text("%s; exit 7", limits[i]);
        const char *const *argv = LIST("/bin/sh", "-c", script);

        cr_expect_eq(run(argv, shim_env(base)).status, 7, "%s", limits[i]);
        cr_expect_eq(run(argv, shim_env(base)).status, 7, "%s", limits[i]);
        expect_recorded(base, 2, "exit code 7");
        cr_expect_str_eq(sql_text(base, "SELECT DISTINCT end_source FROM run_process"), "observed");
    }
}

/* Such a one that leaves a daemon behind, of which the journal is told when nobody else can be. */
Test(host, its_own_limit_and_a_daemon)
{
    const char *base = base_dir();
    const char *const *env = shim_env_and(base, LIST("TELEMETRY_COLLECTOR=off"));
    const char *const *argv = LIST(fixture_path("session"), "once-of-limited-leader");

    cr_expect_eq(run(argv, env).status, 0);
    cr_expect_geq(count_of(journal_text(base), "\n"), 1);
}

/* As before, with the reasons in a file that may not grow either. */
Test(host, reasons_that_do_not_fit)
{
    rlim_t size = 0;
    const struct run_options options = {
        .argv = LIST("/bin/sh", "-c", "exit 3"),
        .env = shim_env_and(base_dir(), LIST(text("TELEMETRY_DEBUG=%s/log", test_dir()))),
        .prepare = limit_file_size,
        .arg = &size,
    };

    cr_expect_eq(run_with(&options).status, 3);
    expect_recorded(base_dir(), 1, "exit code 3");
}

/* The loader ignores the shim there; and if it did not, the shim would do nothing. */
Test(host, a_setuid_program)
{
    const char *program = text("%s/setuid", test_dir());
    const char *base = text("%s/open", test_dir());
    struct run_result result;

    if (geteuid() != 0)
        cr_skip_test("a setuid program: only root can make one");
    cr_assert_eq(run(LIST("cp", fixture_path("plain"), program), NULL).status, 0);
    cr_assert_eq(chmod(program, 04755), 0);
    cr_assert_eq(chmod(test_dir(), 0755), 0);
    cr_assert_eq(mkdir(base, 0700), 0);
    cr_assert_eq(chmod(base, 01777), 0);
    result = run_with(&(struct run_options){
        .argv = LIST(program, "3"), .env = shim_env(base), .prepare = be_nobody});
    cr_expect_eq(result.status, 3);
    cr_expect_not(file_exists(text("%s/raw", base)));
}
