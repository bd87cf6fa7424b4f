/* Every way to end, as the host's parent sees it, as the run's row has it (CONTRACT 5): with a cold
 * start and with a collector that is there, and by each source of the kernel's word. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/places.h"

#define EXITS(code) ((code) << 8)
#define DIES(signal) (signal)

/* observed: the shim itself sees the code; otherwise it is the kernel's to tell. */
static const struct ending {
    const char *way;
    int wait_status;
    bool observed;
} endings[] = {
    {"return-0", EXITS(0), true},
    {"return-3", EXITS(3), true},
    {"exit", EXITS(3), true},
    {"_exit", EXITS(3), true},
    {"_Exit", EXITS(3), true},
    {"quick_exit", EXITS(3), false},
    {"exit_group", EXITS(3), false},
    {"exit-263", EXITS(7), true},
    {"exit-minus-1", EXITS(255), true},
    {"abort", DIES(SIGABRT), false},
    {"segv", DIES(SIGSEGV), false},
    {"term", DIES(SIGTERM), false},
    {"kill", DIES(SIGKILL), false},
    {"realtime", DIES(36), false},
    {"thread-exit", EXITS(4), true},
    {"thread-_exit", EXITS(4), true},
    {"main-thread-leaves", EXITS(0), true},
    {"handler-exit", EXITS(5), true},
    {"handler-_exit", EXITS(5), true},
    {"atexit-_exit", EXITS(3), true},
    {"atexit-exit", EXITS(6), true},
    {"atexit-crash", DIES(SIGSEGV), false},
    {"atexit-abort", DIES(SIGABRT), false},
    {"on_exit-_exit", EXITS(8), true},
    {"on_exit-crash", DIES(SIGSEGV), false},
    {"flush-crash", DIES(SIGSEGV), false},
    {"flush-_exit", EXITS(3), false},
    {"destructor-crash", DIES(SIGSEGV), false},
    {"destructor-_exit", EXITS(3), true},
    {"fork-exit", EXITS(2), true},
    {"fork-_exit", EXITS(2), true},
    {"vfork-failed-exec", EXITS(2), true},
    {"fork-killed", EXITS(2), true},
    {"fork-left-behind", EXITS(2), true},
};

enum { ENDINGS = sizeof endings / sizeof endings[0] };

static void without_cores(void *arg)
{
    const struct rlimit none = {0, 0};

    (void)arg;
    setrlimit(RLIMIT_CORE, &none);
}

static struct run_options options_for(const char *program, const char *way, const char *const *env)
{
    const char **argv = (const char **)(uintptr_t)text("%*s", (int)(3 * sizeof *argv), "");

    argv[0] = program;
    argv[1] = way;
    argv[2] = NULL;
    return (struct run_options){.argv = argv, .env = env, .prepare = without_cores};
}

/* What the row has to say: status, error_summary, exit code and signal. */
static const char *expected_row(int wait_status)
{
    const char *name;

    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
        return "success||0|";
    if (WIFEXITED(wait_status))
        return text("failed|exit code %d|%d|", WEXITSTATUS(wait_status), WEXITSTATUS(wait_status));
    name = sigabbrev_np(WTERMSIG(wait_status));
    return text("failed|killed by SIG%s (%d)%s||%d",
                name != NULL ? name : text("RTMIN+%d", WTERMSIG(wait_status) - SIGRTMIN),
                WTERMSIG(wait_status), WCOREDUMP(wait_status) ? ", core dumped" : "",
                WTERMSIG(wait_status));
}

static const char *row(const char *base, const char *order)
{
    return sql_text(base,
                    text("SELECT status, error_summary, exit_code, signal FROM agent_runs JOIN "
                         "run_process USING (run_id) ORDER BY start_boot_ns %s LIMIT 1",
                         order));
}

static const char *source(const char *base)
{
    return sql_text(base, "SELECT end_source FROM run_process ORDER BY start_boot_ns DESC LIMIT 1");
}

struct expected_row {
    const char *base;
    const char *runs;
    const char *row;
};

static bool is_as_expected(void *arg)
{
    const struct expected_row *expected = arg;
    const char *runs = sql_text(expected->base, "SELECT count(*) FROM agent_runs");
    const char *got = row(expected->base, "DESC");

    return runs != NULL && strcmp(runs, expected->runs) == 0 && got != NULL &&
           strcmp(got, expected->row) == 0;
}

/* What the kernel has to say may come a moment later, and instead of what the shim has said. */
static bool becomes(const char *base, int runs, const char *expected)
{
    struct expected_row wanted = {base, text("%d", runs), expected};

    return wait_until(is_as_expected, &wanted, 20000);
}

/* Runs one ending in base, which has had so many runs before. */
static void expect_ending(const struct ending *ending, const char *program, const char *shim,
                          const char *base, int before)
{
    const char *const *env = shim_env_and(base, LIST(text("LD_PRELOAD=%s", shim)));
    const struct run_options options = options_for(program, ending->way, env);
    struct run_result result = run_with(&options);
    const char *expected = expected_row(result.wait_status);

    cr_expect_eq(result.wait_status & ~0x80, ending->wait_status,
                 "%s: the program is undisturbed: %x", ending->way, result.wait_status);
    cr_expect_str_eq(result.err, "", "%s: %s", ending->way, result.err);
    /* A host with threads is not held up at its exit. */
    if (!ending->observed || strstr(ending->way, "thread") != NULL)
        cr_expect(becomes(base, before + 1, expected), "%s", ending->way);
    /* What the shim saw is there already. */
    cr_expect_str_eq(row(base, "DESC"), expected, "%s: %s, wanted %s", ending->way,
                     row(base, "DESC"), expected);
    cr_expect_str_eq(source(base), ending->observed ? "observed" : "kernel", "%s: %s", ending->way,
                     source(base));
    /* A collector that comes late, on a busy machine, may not know when. */
    cr_expect_str_eq(sql_text(base, "SELECT count(*), sum(end_time IS NULL AND end_source = "
                                    "'observed') FROM agent_runs JOIN run_process USING (run_id)"),
                     text("%d|0", before + 1), "%s", ending->way);
}

/* Cold: a directory that is not there, no collector. Warm: once more, now that there is one. */
static void expect_endings(int from, int to)
{
    need_exit_codes_of_strangers();
    for (int i = from; i < to; i++) {
        const char *base = new_base();

        expect_ending(&endings[i], fixture_path("end"), shim_path(), base, 0);
        expect_ending(&endings[i], fixture_path("end"), shim_path(), base, 1);
        cr_expect_eq(collectors_of(base, NULL, 0), 1, "%s", endings[i].way);
    }
}

/* In parts, for the sake of more than one processor. */
Test(endings, cold_and_warm_1)
{
    expect_endings(0, ENDINGS / 3);
}

Test(endings, cold_and_warm_2)
{
    expect_endings(ENDINGS / 3, 2 * ENDINGS / 3);
}

Test(endings, cold_and_warm_3)
{
    expect_endings(2 * ENDINGS / 3, ENDINGS);
}

/* Lines: a start, an end, and one more only where the shim's is missing or wrong. */
Test(endings, no_more_lines_than_needed)
{
    static const struct {
        const char *way;
        size_t lines;
    } cases[] = {{"exit", 2},        {"kill", 2},         {"exit_group", 2},
                 {"quick_exit", 3},  {"atexit-crash", 2}, {"flush-crash", 3},
                 {"flush-_exit", 3}, {"fork-exit", 2},    {"vfork-failed-exec", 2}};

    enum { CASES = sizeof cases / sizeof cases[0] };
    const char *bases[CASES];

    need_exit_codes_of_strangers();
    for (int i = 0; i < CASES; i++) {
        const struct run_options options =
            options_for(fixture_path("end"), cases[i].way, shim_env(bases[i] = new_base()));

        run_with(&options);
    }
    /* Until nothing more can come. */
    for (int i = 0; i < CASES; i++) {
        cr_expect(all_ended(bases[i], 1), "%s", cases[i].way);
        cr_expect(collectors_leave(bases[i]), "%s", cases[i].way);
        cr_expect_eq(count_of(journal_text(bases[i]), "\n"), cases[i].lines, "%s: %s", cases[i].way,
                     journal_text(bases[i]));
    }
}

/* --- shells and interpreters, each in a fresh directory (must show 3) ------------------------------ */

static void expect_command(const char *const *argv, const char *expected)
{
    const char *base = new_base();
    const struct run_options options = {
        .argv = argv, .env = shim_env(base), .prepare = without_cores};

    if (run_with(&options).status == 127)
        return; /* not installed */
    cr_expect(all_ended(base, 1), "%s", expected);
    cr_expect_str_eq(row(base, "DESC"), expected, "%s: %s", argv[0], row(base, "DESC"));
}

Test(endings, shells)
{
    need_exit_codes_of_strangers();
    expect_command(LIST("dash", "-c", "exit 3"), "failed|exit code 3|3|");
    expect_command(LIST("dash", "-c", "kill -KILL $$"), "failed|killed by SIGKILL (9)||9");
    expect_command(LIST("bash", "-c", "exit 3"), "failed|exit code 3|3|");
    expect_command(LIST("bash", "-c", "kill -TERM $$"), "failed|killed by SIGTERM (15)||15");
    expect_command(LIST("bash", "-c", "trap 'exit 9' EXIT; exit 3"), "failed|exit code 9|9|");
    expect_command(LIST("bash", "-c", "(exit 4) & wait $!; exit $?"), "failed|exit code 4|4|");
    expect_command(LIST("sh", "-c", "nonexistent-command"), "failed|exit code 127|127|");
}

Test(endings, interpreters)
{
    need_exit_codes_of_strangers();
    expect_command(LIST("python3", "-c", "import os; os._exit(4)"), "failed|exit code 4|4|");
    expect_command(LIST("python3", "-c", "import os; os.abort()"),
                   "failed|killed by SIGABRT (6)||6");
    expect_command(LIST("python3", "-c", "raise SystemExit(5)"), "failed|exit code 5|5|");
    expect_command(LIST("python3", "-c",
                        "import os\nif os.fork() == 0: raise SystemExit(9)\n"
                        "os.wait()"),
                   "success||0|");
    expect_command(LIST("perl", "-e", "exit 7"), "failed|exit code 7|7|");
}

/* --- success codes --------------------------------------------------------------------------------- */

Test(endings, success_codes)
{
    const char *base = new_base();
    const struct run_options options =
        options_for(fixture_path("end"), "exit_group",
                    shim_env_and(base, LIST("TELEMETRY_SUCCESS_EXIT_CODES=0,3")));

    need_exit_codes_of_strangers();
    run_with(&options);
    cr_assert(all_ended(base, 1));
    cr_expect_str_eq(row(base, "DESC"), "success||3|",
                     "the kernel's word by the run's own measure");
}

/* --- another libc ------------------------------------------------------------------------------------ */

/* musl tells no destructor its exit code: it is the kernel's to tell. */
Test(endings, musl)
{
    static const char *const unheard[] = {"return-0",     "return-3",           "exit",
                                          "thread-exit",  "handler-exit",       "fork-exit",
                                          "atexit-exit",  "main-thread-leaves", "exit-263",
                                          "exit-minus-1", "fork-_exit",         "vfork-failed-exec",
                                          "fork-killed",  "fork-left-behind"};
    const char *program = fixture_path("end_musl");
    const char *base = new_base();
    int count = 0;

    if (!file_exists(program))
        cr_skip_test("a musl program: there is no musl-gcc");
    need_exit_codes_of_strangers();
    for (int i = 0; i < ENDINGS; i++) {
        struct ending ending = endings[i];

        if (strncmp(ending.way, "on_exit", 7) == 0)
            continue;
        for (size_t k = 0; k < sizeof unheard / sizeof unheard[0]; k++)
            if (strcmp(unheard[k], ending.way) == 0)
                ending.observed = false;
        if (strcmp(ending.way, "realtime") == 0)
            ending.wait_status = DIES(37); /* its SIGRTMIN is 35 */
        if (strcmp(ending.way, "realtime") != 0)
            expect_ending(&ending, program, shim_path(), base, count++);
    }
}

/* --- another word size ------------------------------------------------------------------------------- */

Test(endings, of_32_bit_programs)
{
    const char *shims = shims_path();
    const char *base = new_base();

    need_exit_codes_of_strangers();
    for (int i = 0; i < ENDINGS; i++)
        expect_ending(&endings[i], fixture_path("end_32"), shims, base, i);
}

/* --- older kernels ------------------------------------------------------------------------------------ */

/* Its last line is written while the process is still a zombie, whom nobody reaps before. */
static void expect_from_proc(const struct ending *ending)
{
    const char *base = new_base();
    const struct run_options options = options_for(
        fixture_path("end"), ending->way, shim_env_and(base, LIST("TELEMETRY_EXIT_SOURCE=proc")));
    struct program *program = start(&options);
    const char *expected = expected_row(ending->wait_status);

    cr_expect(all_ended(base, 1), "%s", ending->way);
    cr_expect_eq(finish(program).wait_status & ~0x80, ending->wait_status, "%s", ending->way);
    cr_expect_eq(strncmp(row(base, "DESC"), expected, strcspn(expected, "(")), 0,
                 "%s: %s, wanted %s", ending->way, row(base, "DESC"), expected);
}

Test(endings, by_the_zombie)
{
    static const char *const ways[] = {"exit",       "_exit", "quick_exit",
                                       "exit_group", "abort", "kill"};

    for (size_t k = 0; k < sizeof ways / sizeof ways[0]; k++)
        for (int i = 0; i < ENDINGS; i++)
            if (strcmp(endings[i].way, ways[k]) == 0)
                expect_from_proc(&endings[i]);
}

/* Nobody tells: what the shim saw counts, and the rest is said to be unknown, never a success. */
Test(endings, without_the_kernels_word)
{
    for (int i = 0; i < ENDINGS; i++) {
        const char *base;
        const char *expected = expected_row(endings[i].wait_status);
        struct run_options options;

        if (strncmp(endings[i].way, "flush", 5) == 0)
            continue; /* the shim has seen an end, and nobody the other */
        base = new_base();
        options = options_for(fixture_path("end"), endings[i].way,
                              shim_env_and(base, LIST("TELEMETRY_EXIT_SOURCE=none")));
        run_with(&options);
        cr_assert(all_ended(base, 1), "%s", endings[i].way);
        if (!endings[i].observed)
            expected = "failed|ended without a trace: this kernel does not tell how a process "
                       "ended||";
        cr_expect_str_eq(row(base, "DESC"), expected, "%s: %s", endings[i].way, row(base, "DESC"));
        cr_expect_str_eq(source(base), endings[i].observed ? "observed" : "inferred");
        end_collectors(base, SIGTERM);
    }
}
