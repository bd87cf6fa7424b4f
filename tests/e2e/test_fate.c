/* What becomes of a run's process while nobody asks it: stopped and continued, killed for want of
 * memory, forgotten by everybody, its number given to another. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/places.h"

static const char *status_of_runs(void)
{
    return sql_text(base_dir(), "SELECT status, error_summary FROM agent_runs ORDER BY start_time");
}

static bool write_text(const char *path, const char *content)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    const bool written = fd >= 0 && write(fd, content, strlen(content)) > 0;

    if (fd >= 0)
        close(fd);
    return written;
}

/* --- stopped and continued ------------------------------------------------------------------------ */

Test(fate, stopped_and_continued)
{
    struct program *program = start(&(struct run_options){
        .argv = LIST("/bin/sh", "-c", "kill -STOP $$; exit 3"), .env = shim_env(base_dir())});
    pid_t pid = program_pid(program);

    cr_assert(wait_until(is_stopped, &pid, 20000));
    wait_until_watched(base_dir(), program);
    cr_assert(sql_becomes(base_dir(), "SELECT status FROM agent_runs", "running"));
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(status_of_runs(), "running|", "a stop is no end");
    cr_expect_eq(finish_by(program, SIGCONT).status, 3);
    cr_assert(all_ended(base_dir(), 1));
    cr_expect_str_eq(status_of_runs(), "failed|exit code 3");
}

Test(fate, killed_while_it_is_stopped)
{
    struct program *program = start_waiting(base_dir());

    need_exit_codes_of_strangers();
    wait_until_watched(base_dir(), program);
    kill(program_pid(program), SIGSTOP);
    finish_by(program, SIGKILL);
    cr_assert(all_ended(base_dir(), 1));
    cr_expect_str_eq(status_of_runs(), "failed|killed by SIGKILL (9)");
}

/* --- for want of memory ----------------------------------------------------------------------------- */

static const char *cgroup;

static void remove_cgroup(void)
{
    rmdir(cgroup);
}

/* A group whose members may have 32 MiB; false where none can be made. */
static bool make_cgroup(void)
{
    static const struct {
        const char *parent;
        const char *limit;
    } versions[] = {{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                    {"/sys/fs/cgroup", "memory.max"}};

    for (int i = 0; i < 2; i++) {
        cgroup = text("%s/telemetry-test-%d", versions[i].parent, getpid());
        if (mkdir(cgroup, 0700) != 0)
            continue;
        atexit(remove_cgroup);
        write_text(text("%s/memory.swap.max", cgroup), "0");
        return write_text(text("%s/%s", cgroup, versions[i].limit), "33554432");
    }
    return false;
}

static void join_cgroup(void *arg)
{
    (void)arg;
    if (!write_text(text("%s/cgroup.procs", cgroup), text("%d", getpid())))
        _exit(126);
}

/* The collector is there before, outside: it would be as good a victim. */
Test(fate, killed_for_want_of_memory)
{
    struct run_result result;

    need_exit_codes_of_strangers();
    if (!make_cgroup())
        cr_skip_test("the OOM killer: needs root, and a memory cgroup");
    record("/bin/true");
    collector_of(base_dir());
    /* tail keeps all that has no end of line. */
    result = run_with(&(struct run_options){.argv = LIST("tail", "-c", "1000000000", "/dev/zero"),
                                            .env = shim_env(base_dir()),
                                            .prepare = join_cgroup});
    cr_assert_eq(result.status, 128 + SIGKILL, "%d %s", result.status, result.err);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT agent_name, status, error_summary, end_source FROM "
                              "agent_runs JOIN run_process USING (run_id) WHERE status <> "
                              "'success'"),
                     "tail|failed|killed by SIGKILL (9)|kernel");
}

/* --- forgotten ---------------------------------------------------------------------------------------- */

static bool has_line(void *arg)
{
    (void)arg;
    return count_of(journal_text(base_dir()), "\n") == 1;
}

static struct program *start_unheard(void)
{
    struct program *program = start(
        &(struct run_options){.argv = LIST(fixture_path("plain")),
                              .env = shim_env_and(base_dir(), LIST("TELEMETRY_COLLECTOR=off"))});

    cr_assert(wait_until(has_line, NULL, 20000));
    return program;
}

/* No collector has heard of its start: a sync finds it, and one that watches it from then on. */
Test(fate, alive_and_unheard_of)
{
    struct program *program = start_unheard();

    need_exit_codes_of_strangers();
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(status_of_runs(), "running|");
    wait_until_watched(base_dir(), program);
    finish_by(program, SIGKILL);
    cr_assert(all_ended(base_dir(), 1));
    cr_expect_str_eq(status_of_runs(), "failed|killed by SIGKILL (9)");
}

Test(fate, gone_and_unheard_of)
{
    finish_by(start_unheard(), SIGKILL);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT status, error_summary, end_time, duration_ms, "
                              "end_source FROM agent_runs JOIN run_process USING (run_id)"),
                     "failed|ended without a trace: no collector was there to see it|||inferred");
}

/* --- a number that is used again -------------------------------------------------------------------- */

/* In a pid namespace, where nobody else takes numbers, a script as process 1. Skips the test where
 * numbers cannot be chosen. */
static struct run_result run_with_numbers(const char *script)
{
    struct run_result result;

    if (run(LIST("unshare", "--fork", "--pid", "--mount-proc", "/bin/sh", "-c",
                 "echo 41 > /proc/sys/kernel/ns_last_pid; /bin/true & test $! = 42"),
            NULL)
            .status != 0)
        cr_skip_test("a number used again: needs root, pid namespaces, and ns_last_pid");
    result = run_with(&(struct run_options){
        .argv = LIST("unshare", "--fork", "--pid", "--mount-proc", "/bin/sh", "-c", script, "sh",
                     shim_path(), fixture_path("plain"), cli_path(), fixture_path("reuse")),
        .env = shim_env_and(base_dir(), LIST("LD_PRELOAD="))});
    return result;
}

/* It is not watched in the run's place, however alive it is. */
Test(fate, its_number_is_somebody_elses)
{
    struct run_result result = run_with_numbers(
        "LD_PRELOAD=$1 TELEMETRY_COLLECTOR=off $2 & run=$!\n"
        "until grep -q running $TELEMETRY_BASE_DIR/raw/* 2>/dev/null; do sleep 0.1; done\n"
        "kill -9 $run; wait $run\n"
        "echo $((run - 1)) > /proc/sys/kernel/ns_last_pid; sleep 1000 & other=$!\n"
        "$3 sync && test $other = $run && kill $other");

    cr_assert_eq(result.status, 0, "%s%s", result.out, result.err);
    cr_expect_str_eq(status_of_runs(),
                     "failed|ended without a trace: no collector was there to see it");
}

/* A forked worker of the run has it, with all that the run's memory says, and ends by exit. */
Test(fate, its_number_is_its_grandchilds)
{
    struct run_result result =
        run_with_numbers("LD_PRELOAD=$1 $4 & run=$!; wait $run; echo \"run $?\"\n"
                         "until ! pidof reuse > /dev/null; do sleep 0.1; done");

    cr_assert_eq(result.status, 0, "%s%s", result.out, result.err);
    cr_expect_eq(count_of(result.out, "the run's number\n"), 1, "%s", result.out);
    cr_expect_eq(count_of(result.out, "run 4\n"), 1, "%s", result.out);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(status_of_runs(), "failed|exit code 4");
    cr_expect_eq(count_of(journal_text(base_dir()), "\n"), 2, "%s", journal_text(base_dir()));
}

/* --- names that need care ------------------------------------------------------------------------------ */

/* Ids that JSON spells in another way: their lines are found all the same, by collector and images. */
Test(fate, names_that_json_escapes)
{
    static const char *const names[] = {"größe", "a\"b"};

    need_exit_codes_of_strangers();
    for (int i = 0; i < 2; i++) {
        const char *base = new_base();
        const char *const *env =
            shim_env_and(base, LIST(text("TELEMETRY_AGENT_NAME=%s", names[i])));

        run(LIST(fixture_path("plain"), "-9"), env);
        cr_assert(all_ended(base, 1), "%s", names[i]);
        run(LIST("/bin/sh", "-c", "exec /bin/sh -c 'exec /bin/sh -c \"exit 3\"'"), env);
        cr_assert(all_ended(base, 2), "%s", names[i]);
        cr_expect_str_eq(sql_text(base, "SELECT agent_name, error_summary FROM agent_runs ORDER BY "
                                        "start_time"),
                         text("%s|killed by SIGKILL (9)\n%s|exit code 3", names[i], names[i]));
        cr_expect_eq(count_of(journal_text(base), "\n"), 4, "%s", journal_text(base));
    }
}

/* --- threads ---------------------------------------------------------------------------------------------- */

/* They go on after the destructors, on what those have destroyed: the end does not wait for its row,
 * though nobody answers. */
Test(fate, other_threads_are_not_held_up_at_exit)
{
    struct run_result result;
    pid_t collector;

    record("/bin/true");
    collector = collector_of(base_dir());
    kill(collector, SIGSTOP);
    result = run_with(
        &(struct run_options){.argv = LIST(fixture_path("end"), "thread-exit"),
                              .env = shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=60000")),
                              .timeout_ms = 20000});
    cr_expect_eq(result.status, 4);
    kill(collector, SIGCONT);
    cr_assert(all_ended(base_dir(), 2));
}

/* --- a database that is somebody else's file ---------------------------------------------------------------- */

Test(fate, a_foreign_file_at_the_databases_path)
{
    static const char content[] = "Dear diary, nobody is to touch this.\n";
    const char *path = text("%s/own/notes/diary.txt", test_dir());
    const char *const *env =
        shim_env_and(text("%s/own", test_dir()),
                     LIST(text("TELEMETRY_DB_PATH=%s", path), "TELEMETRY_AUTO_WAIT_MS=500"));
    struct run_result result;

    cr_assert_eq(mkdir(text("%s/own", test_dir()), 0700), 0);
    cr_assert_eq(mkdir(text("%s/own/notes", test_dir()), 0700), 0);
    write_file(path, content, 0640);
    result = run(LIST("/bin/sh", "-c", "exit 3"), env);
    cr_expect_eq(result.status, 3);
    cr_expect_str_eq(result.err, "");
    result = run(LIST(cli_path(), "sync"),
                 shim_env_and(text("%s/own", test_dir()),
                              LIST(text("TELEMETRY_DB_PATH=%s", path), "LD_PRELOAD=")));
    cr_expect_eq(result.status, 1);
    cr_expect_not_null(strstr(result.err, "diary.txt"), "%s", result.err);
    cr_expect_str_eq(read_file(path), content);
    cr_expect_eq(count_of(journal_text(text("%s/own", test_dir())), "\n"), 2, "the journal has it");
}
