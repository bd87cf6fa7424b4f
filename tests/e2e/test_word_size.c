/* Programs of 32 bits are recorded as all others are, by the same collector, into the same files; and so are
 * processes that are now the one and now the other. (Their endings: test_endings.c; sessions:
 * test_boundaries.c; what they see of the shim: the host matrix.) */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/places.h"

static const char *const *env_and(const char *base, const char *more)
{
    return shim_env_and(base, LIST(text("LD_PRELOAD=%s", shims_path()), more));
}

static const char *const *env_of(const char *base)
{
    return env_and(base, NULL);
}

#define RUNS                                                                                       \
    "SELECT agent_name, status, error_summary, end_source FROM agent_runs JOIN run_process USING " \
    "(run_id)"

static void expect_runs(const char *base, int count, const char *runs)
{
    cr_expect(all_ended(base, count));
    cr_expect_str_eq(sql_text(base, RUNS), runs, "%s", sql_text(base, RUNS));
}

/* A value of the journal's line, be it with or without fraction: what is not told is null, 0 or "". */
static bool tells(const char *line, const char *field)
{
    const char *value = field_of(line, field);

    return strcmp(value, "") != 0 && strcmp(value, "null") != 0 && strcmp(value, "0") != 0;
}

/* The fields of its line are those of a program of 64 bits, and filled where theirs are. */
Test(word_size, the_same_line)
{
    static const char *const facts[] = {
        "start_time",    "host",        "git_branch", "git_repo",  "pid",
        "ppid",          "boot_id",     "pid_ns",     "pidfs_ino", "start_ticks",
        "start_boot_ns", "exe",         "cwd",        "argv",      "max_rss_kib",
        "minor_faults",  "traceparent", "end_time",   "exit_code"};
    const char *wide_base = new_base();
    const char *base = new_base();
    const char *git = text("%s/.git", test_dir());
    const char *wide;
    const char *line;

    cr_assert_eq(mkdir(git, 0755), 0);
    cr_assert_eq(mkdir(text("%s/objects", git), 0755), 0);
    cr_assert_eq(mkdir(text("%s/refs", git), 0755), 0);
    write_file(text("%s/HEAD", git), "ref: refs/heads/side\n", 0644);
    write_file(text("%s/config", git),
               "[remote \"origin\"]\n\turl = git@example.org:some/tools.git\n", 0644);
    cr_expect_eq(run(LIST(fixture_path("plain"), "3"), env_of(wide_base)).status, 3);
    cr_expect_eq(run(LIST(fixture_path("plain_32"), "3"), env_of(base)).status, 3);
    expect_runs(base, 1, "plain_32|failed|exit code 3|observed");
    wide = last_line_of(journal_text(wide_base));
    line = last_line_of(journal_text(base));
    cr_expect_str_eq(field_of(line, "git_branch"), "\"side\"");
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
        cr_expect_eq(tells(line, facts[i]), tells(wide, facts[i]), "%s: %s, and %s", facts[i],
                     field_of(line, facts[i]), field_of(wide, facts[i]));
    for (const char *at = wide; (at = strstr(at, "\": ")) != NULL; at++) {
        const char *name = at;

        while (name[-1] != '"')
            name--;
        cr_expect_not_null(strstr(line, text("\"%.*s\": ", (int)(at - name), name)), "%.*s",
                           (int)(at - name), name);
    }
}

Test(word_size, one_run_through_images_of_both)
{
    /* 64, then 32 four times, then 64. */
    const char *chain = text("exec %s exec-chain", fixture_path("shape_32"));
    const char *back = text("exec %s 3", fixture_path("plain_32"));
    struct run_result result;
    const char *base = new_base();

    result = run(LIST("/bin/sh", "-c", chain), env_of(base));
    cr_expect_str_eq(result.err, "");
    cr_expect(all_ended(base, 1));
    cr_expect_eq(count_of(journal_text(base), "\n"), 2, "%s", journal_text(base));

    base = new_base();
    result = run(LIST("/bin/sh", "-c", back), env_of(base));
    cr_expect_eq(result.status, 3);
    cr_expect_str_eq(result.err, "");
    expect_runs(base, 1, "plain_32|failed|exit code 3|observed");
    cr_expect_eq(count_of(journal_text(base), "\n"), 2, "%s", journal_text(base));
}

Test(word_size, children_of_the_other_size_are_part_of_the_run)
{
    const char *children =
        text("%s 1; %s 2; exit 3", fixture_path("plain_32"), fixture_path("plain"));
    const char *base = new_base();

    cr_expect_str_eq(run(LIST("/bin/sh", "-c", children), env_of(base)).err, "");
    expect_runs(base, 1, "plain_32|failed|exit code 3|observed");
    base = new_base();
    cr_expect_str_eq(run(LIST(fixture_path("shape_32"), "posix_spawn"),
                         env_and(base, text("PATH=%s", TELEMETRY_TEST_FIXTURES)))
                         .err,
                     "");
    expect_runs(base, 1, "shape_32|failed|exit code 6|observed");
}

Test(word_size, children_that_are_runs)
{
    const char *children = text("%s 1; exit 3", fixture_path("plain_32"));
    const char *base = new_base();

    run(LIST("/bin/sh", "-c", children), env_and(base, "TELEMETRY_AUTO_CHILDREN=all"));
    cr_expect(all_ended(base, 2));
    cr_expect_str_eq(
        sql_text(base, "SELECT c.agent_name, p.agent_name FROM agent_runs c JOIN run_process "
                       "USING (run_id) JOIN agent_runs p ON p.run_id = parent_run_id"),
        "plain_32|plain_32");
}

/* The collector of the one is the collector of the other: 64 bits, beside the shim. */
Test(word_size, one_collector)
{
    const char *base = new_base();
    const char *exe;

    run(LIST(fixture_path("plain_32"), "0"), env_of(base));
    run(LIST(fixture_path("plain"), "0"), env_of(base));
    run(LIST(fixture_path("plain_32"), "0"), env_of(base));
    exe = text("/proc/%d/exe", (int)collector_of(base));
    cr_expect_eq(run(LIST("cmp", exe, cli_path()), NULL).status, 0);
    cr_expect(all_ended(base, 3));
}

Test(word_size, killed)
{
    const struct run_options options = {.argv = LIST(fixture_path("plain_32")),
                                        .env = env_of(base_dir())};
    struct program *program = start(&options);

    need_exit_codes_of_strangers();
    wait_until_watched(base_dir(), program);
    finish_by(program, SIGKILL);
    expect_runs(base_dir(), 1, "plain_32|failed|killed by SIGKILL (9)|kernel");
}

/* syscall(2) is the shim's own. */
Test(word_size, calls_with_all_arguments)
{
    static const char *const names[] = {"call", "call_32"};

    for (int i = 0; i < 2; i++) {
        const char *program = fixture_path(names[i]);
        const struct run_result bare = run(LIST(program), NULL);
        const struct run_result recorded = run(LIST(program), env_of(base_dir()));

        cr_expect(starts_with(bare.out, "second page\nmy pid\n"), "%s", bare.out);
        cr_expect_str_eq(recorded.out, bare.out);
        cr_expect_eq(recorded.status, 3);
    }
    cr_expect(all_ended(base_dir(), 2));
}

/* A system call of the shim's own would kill the program. */
Test(word_size, behind_a_system_call_filter)
{
    static const char *const ways[] = {"prctl", "syscall", "syscall-prctl", "strict"};

    need_exit_codes_of_strangers();
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const char *base = new_base();
        const bool strict = strcmp(ways[i], "strict") == 0;
        const char *const *argv =
            LIST(fixture_path("seccomp_32"), ways[i], strict ? "exit-thread" : "_exit");
        const struct run_result bare = run(argv, NULL);
        const struct run_result recorded = run(argv, env_of(base));

        cr_expect_eq(bare.status, strict ? 7 : 5, "%s: %d", ways[i], bare.status);
        cr_expect_eq(recorded.wait_status, bare.wait_status, "%s: %x", ways[i],
                     recorded.wait_status);
        cr_expect_str_eq(recorded.out, "filtered\n");
        expect_runs(base, 1, text("seccomp_32|failed|exit code %d|kernel", strict ? 7 : 5));
    }
}

/* Its loader finds the shim that it can load, and that of what it executes the other. The shim has seen
 * these ends: the kernel alone would not know their cost. */
Test(word_size, telemetry_exec)
{
    const char *const costs =
        "SELECT exit_code, max_rss_kib > 0 FROM run_process ORDER BY start_boot_ns";
    struct run_result result;

    shims_path();
    result = run(LIST(cli_path(), "exec", "--", fixture_path("plain_32"), "3"), base_env());
    cr_expect_eq(result.status, 3);
    cr_expect_str_eq(result.err, "");
    result =
        run(LIST(cli_path(), "exec", "--", fixture_path("shape_32"), "exec-chain"), base_env());
    cr_expect_eq(result.status, 7);
    cr_expect_str_eq(result.err, "");
    cr_expect(all_ended(base_dir(), 2));
    cr_expect_str_eq(sql_text(base_dir(), costs), "3|1\n7|1", "%s", sql_text(base_dir(), costs));
}

/* --- numbers of more than 32 bits ---------------------------------------------------------------- */

enum { TAIL = 8192 };

static const char *tail_of(const char *path)
{
    static char tail[TAIL + 1];
    const int fd = open(path, O_RDONLY);
    const off_t end = lseek(fd, 0, SEEK_END);
    const ssize_t got = pread(fd, tail, TAIL, end - TAIL);

    cr_assert_eq(got, TAIL);
    close(fd);
    for (int i = 0; i < TAIL; i++)
        if (tail[i] == '\0')
            tail[i] = ' '; /* the hole */
    return tail;
}

/* The start line lies beyond 4 GiB, and a later image finds it there. */
Test(word_size, a_journal_beyond_4_gib)
{
    const char *const *env = env_and(base_dir(), "TELEMETRY_COLLECTOR=off");
    const char *shell = text("exec %s 3", fixture_path("plain_32"));
    const char *path;
    const char *tail;
    int fd;

    run(LIST(fixture_path("plain_32"), "0"), env); /* makes it */
    path = journal_path(text("%s/raw", base_dir()), this_date());
    fd = open(path, O_WRONLY);
    if (pwrite(fd, "\n", 1, (off_t)5 << 30) != 1)
        cr_skip_test("a sparse file of 5 GiB: the filesystem has none");
    close(fd);
    cr_expect_eq(run(LIST("/bin/sh", "-c", shell), env).status, 3);
    tail = tail_of(path);
    cr_expect_eq(count_of(tail, "\"exe\": \"/bin/sh\""), 2, "%s", tail);
    cr_expect_eq(count_of(tail, "\"error_summary\": \"exit code 3\""), 1, "%s", tail);
    cr_expect_eq(run(LIST(fixture_path("plain_32"), "4"), env).status, 4);
    cr_expect_eq(count_of(tail_of(path), "\"error_summary\": \"exit code 4\""), 1);
}
