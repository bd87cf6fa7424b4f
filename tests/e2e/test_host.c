/* The host is undisturbed: what a program sees of itself, writes and returns is the same with and
 * without the shim, whatever state it is in. Each case is run bare, with a cold start, and once more
 * with a collector that is there. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/places.h"

/* --- comparing --------------------------------------------------------------------------------------- */

struct host {
    const char *const *argv;
    void (*prepare)(void *arg);
    void *arg;
    const char *const *env; /* more of it; NULL none */
    const char *file;       /* what the program writes beside its output; NULL none */
};

static const char *const nothing[] = {NULL};

/* Lines of the environment that are ours, and rightly there. */
static const char *without_ours(const char *seen)
{
    const char *out = "";

    while (*seen != '\0') {
        const size_t len = strcspn(seen, "\n") + (strchr(seen, '\n') != NULL);

        if (!starts_with(seen, "TELEMETRY_RUN_") && !starts_with(seen, "TRACEPARENT=") &&
            !starts_with(seen, "LD_PRELOAD="))
            out = text("%s%.*s", out, (int)len, seen);
        seen += len;
    }
    return out;
}

/* Names in the working directory, other than of data directories. */
static const char *files_here(void)
{
    struct dirent **entries;
    const char *out = "";
    int count = scandir(test_dir(), &entries, NULL, alphasort);

    cr_assert_geq(count, 0);
    for (int i = 0; i < count; i++) {
        if (!starts_with(entries[i]->d_name, "base-") && entries[i]->d_name[0] != '.')
            out = text("%s%s\n", out, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return out;
}

/* All that can be seen of a run of host from outside. */
static const char *seen(const struct host *host, const char *const *env)
{
    struct run_result result;
    const char *file = "";

    if (host->file != NULL)
        unlink(host->file);
    result = run_with(&(struct run_options){
        .argv = host->argv, .env = env, .prepare = host->prepare, .arg = host->arg});
    if (host->file != NULL && file_exists(host->file))
        file = read_file(host->file);
    return text("ended %x\n--- output:\n%s--- errors:\n%s--- file:\n%s--- files:\n%s",
                result.wait_status, without_ours(result.out), result.err, file, files_here());
}

/* Without the shim, in an environment that differs by nothing else. */
static const char *seen_bare(const struct host *host, const char *base)
{
    const char *more[32] = {"LD_PRELOAD="};

    for (int i = 0; host->env != NULL && host->env[i] != NULL && i < 30; i++)
        more[i + 1] = host->env[i];
    return seen(host, shim_env_and(base, more));
}

static void expect_same(const char *got, const char *bare, const char *what)
{
    size_t at = 0;

    while (got[at] == bare[at] && got[at] != '\0')
        at++;
    while (at > 0 && got[at - 1] != '\n')
        at--;
    cr_expect_str_eq(got, bare, "%s differs at:\n%.300s\nbare:\n%.300s", what, got + at, bare + at);
}

/* Runs host in base: bare, cold, warm. What was recorded is then there to be looked at. */
static void expect_undisturbed_in(const struct host *host, const char *base, const char *what)
{
    const char *const *env = shim_env_and(base, host->env != NULL ? host->env : nothing);
    const char *bare = seen_bare(host, base);

    cr_assert_not(file_exists(base), "%s: the bare run must not record", what);
    expect_same(seen(host, env), bare, text("%s, cold", what));
    expect_same(seen(host, env), bare, text("%s, warm", what));
}

static const char *expect_undisturbed(const struct host *host, const char *what)
{
    const char *base = new_base();

    expect_undisturbed_in(host, base, what);
    return base;
}

/* --- what a program sees of itself --------------------------------------------------------------------- */

static const char *const *look(void)
{
    static const char *argv[] = {NULL, NULL};

    argv[0] = fixture_path("look");
    return argv;
}

static void expect_recorded(const char *base, const char *summary)
{
    cr_expect(all_ended(base, 2));
    cr_expect_str_eq(sql_text(base, "SELECT DISTINCT error_summary FROM agent_runs"), summary, "%s",
                     sql_text(base, "SELECT DISTINCT error_summary FROM agent_runs"));
}

Test(host, an_ordinary_one)
{
    const struct host host = {.argv = look()};

    expect_recorded(expect_undisturbed(&host, "ordinary"), "exit code 7");
}

static void be_odd(void *arg)
{
    const struct rlimit few = {64, 100};
    sigset_t set;

    (void)arg;
    for (int fd = 10; fd < 20; fd++)
        dup2(0, fd);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    raise(SIGUSR1); /* stays pending */
    signal(SIGINT, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    umask(0137);
    setrlimit(RLIMIT_NOFILE, &few);
    setpriority(PRIO_PROCESS, 0, 3);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    alarm(1000);
}

Test(host, an_odd_one)
{
    const struct host host = {.argv = look(), .prepare = be_odd};

    expect_recorded(expect_undisturbed(&host, "odd"), "exit code 7");
}

static void be_subreaper(void *arg)
{
    (void)arg;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Test(host, a_subreaper)
{
    const struct host host = {.argv = look(), .prepare = be_subreaper};

    expect_recorded(expect_undisturbed(&host, "a subreaper"), "exit code 7");
}

static void leave_session(void *arg)
{
    (void)arg;
    setsid();
}

Test(host, a_session_leader)
{
    const struct host host = {.argv = look(), .prepare = leave_session};

    expect_recorded(expect_undisturbed(&host, "a session leader"), "exit code 7");
}

/* --- standard descriptors --------------------------------------------------------------------------------- */

static void close_some(void *arg)
{
    const int which = *(int *)arg;

    for (int fd = 0; fd < 3; fd++)
        if (which & 1 << fd)
            close(fd);
}

/* What the shim opens must never be what the program takes for its standard streams. */
Test(host, closed_standard_descriptors)
{
    for (int which = 1; which < 8; which++) {
        const char *file = text("%s/seen", test_dir());
        const struct host host = {.argv = LIST(fixture_path("look"), file),
                                  .prepare = close_some,
                                  .arg = &which,
                                  .file = file};

        expect_recorded(expect_undisturbed(&host, text("without %d", which)), "exit code 7");
    }
}

/* coreutils close 1 and 2 at their exit: the journal must not get their number, nor their words. */
Test(host, standard_output_closed_at_exit)
{
    const struct host host = {.argv = LIST("/bin/ls", "/", "/nonexistent")};
    const char *base = expect_undisturbed(&host, "ls");

    expect_recorded(base, "exit code 2");
    cr_expect_eq(count_of(journal_text(base), "\n"), 4);
}

static void close_reader(void *arg)
{
    int fds[2];

    (void)arg;
    if (pipe(fds) == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
    }
}

static void fill_output(void *arg)
{
    int full = open("/dev/full", O_WRONLY);

    (void)arg;
    dup2(full, 1);
    close(full);
}

Test(host, nobody_reads)
{
    const struct host writes = {.argv = LIST("/bin/echo", "hello"), .prepare = close_reader};
    const struct host full = {.argv = LIST("/bin/echo", "hello"), .prepare = fill_output};
    const struct host silent = {.argv = LIST("/bin/sh", "-c", "exit 3"), .prepare = close_reader};

    need_exit_codes_of_strangers();
    expect_recorded(expect_undisturbed(&writes, "a closed pipe"), "killed by SIGPIPE (13)");
    expect_recorded(expect_undisturbed(&full, "a full device"), "exit code 1");
    expect_recorded(expect_undisturbed(&silent, "a closed pipe, unused"), "exit code 3");
}

/* Only who asks for reasons gets any, and must not die of them. */
Test(host, reasons_that_nobody_reads)
{
    const struct host host = {.argv = LIST("/bin/sh", "-c", "exit 3"),
                              .prepare = close_reader,
                              .env = LIST("TELEMETRY_DEBUG=stderr")};

    expect_recorded(expect_undisturbed(&host, "a closed pipe"), "exit code 3");
}

/* --- limits -------------------------------------------------------------------------------------------------- */

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
        const struct host host = {.argv = LIST("/bin/sh", "-c", "/bin/true; exit 7"),
                                  .prepare = limit_file_size,
                                  .arg = &sizes[i]};
        const char *base = expect_undisturbed(&host, text("ulimit -f, %d", (int)sizes[i]));

        expect_recorded(base, "exit code 7");
        cr_expect_eq(count_of(journal_text(base), "\n"), 4);
        cr_expect_str_neq(field_of(last_line_of(journal_text(base)), "status"), "\"running\"");
        end_collectors(base, SIGTERM);
        cr_assert_eq(unlink(text("%s/db/telemetry.sqlite", base)), 0);
        cr_assert_eq(run(LIST(cli_path(), "sync"), LIST(text("TELEMETRY_BASE_DIR=%s", base))).status,
                     0);
        expect_recorded(base, "exit code 7");
    }
}

static void limit_file_size_hard(void *arg)
{
    const struct rlimit none = {0, 0};

    (void)arg;
    setrlimit(RLIMIT_FSIZE, &none);
}

Test(host, no_file_may_grow_at_all)
{
    const struct host host = {.argv = LIST("/bin/sh", "-c", "exit 7"),
                              .prepare = limit_file_size_hard};

    expect_undisturbed(&host, "ulimit -f 0");
}

/* As before, with the reasons in a file that may not grow either. */
Test(host, reasons_that_do_not_fit)
{
    rlim_t size = 0;
    const struct host host = {
        .argv = LIST("/bin/sh", "-c", "exit 3"),
        .prepare = limit_file_size,
        .arg = &size,
        .env = LIST(text("TELEMETRY_DEBUG=%s/base-log", test_dir())),
    };

    expect_recorded(expect_undisturbed(&host, "ulimit -f 0"), "exit code 3");
}

static void limit_descriptors(void *arg)
{
    const rlim_t most = (rlim_t) * (int *)arg;
    const struct rlimit limit = {most, most};

    setrlimit(RLIMIT_NOFILE, &limit);
}

Test(host, few_descriptors)
{
    static int limits[] = {4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 20};

    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct host host = {.argv = LIST("/bin/sh", "-c", "echo out; exit 3"),
                                  .prepare = limit_descriptors,
                                  .arg = &limits[i]};

        expect_undisturbed(&host, text("ulimit -n %d", limits[i]));
    }
}

/* All that it may have are in use when it ends. */
Test(host, no_descriptor_left)
{
    const struct host host = {.argv = LIST(fixture_path("change"), "use-all-descriptors")};

    need_exit_codes_of_strangers();
    expect_recorded(expect_undisturbed(&host, "no descriptor left"), "exit code 6");
}

static void limit_memory(void *arg)
{
    const rlim_t most = *(rlim_t *)arg;
    const struct rlimit limit = {most, RLIM_INFINITY};

    setrlimit(RLIMIT_AS, &limit);
}

/* From too little for the program itself to enough for both, whoever fails in between. */
Test(host, little_memory)
{
    rlim_t sizes[] = {16 << 20, 32 << 20};

    for (int i = 0; i < 2; i++) {
        const struct host host = {.argv = LIST("/bin/sh", "-c", "echo out; exit 3"),
                                  .prepare = limit_memory,
                                  .arg = &sizes[i]};

        expect_undisturbed(&host, "little memory");
    }
}

static void limit_stack(void *arg)
{
    const struct rlimit limit = {256 << 10, RLIM_INFINITY};

    (void)arg;
    setrlimit(RLIMIT_STACK, &limit);
}

Test(host, little_stack)
{
    const struct host host = {.argv = look(), .prepare = limit_stack};

    expect_recorded(expect_undisturbed(&host, "little stack"), "exit code 7");
}

/* A thread's 16 KiB, a crash handler's 8 KiB. */
Test(host, little_stack_at_the_end)
{
    static const char *const places[] = {"thread", "handler"};
    static const char *const ends[] = {"exit", "_exit"};

    for (int i = 0; i < 4; i++) {
        const char *what = text("%s %s", places[i / 2], ends[i % 2]);
        const struct host host = {
            .argv = LIST(fixture_path("small_stack"), places[i / 2], ends[i % 2])};

        expect_recorded(expect_undisturbed(&host, what), "exit code 5");
    }
}

/* --- filters --------------------------------------------------------------------------------------------------- */

Test(host, system_call_filters)
{
    static const char *const hows[] = {"prctl", "syscall", "syscall-prctl"};
    static const char *const ends[] = {"exit", "_exit", "quick_exit"};
    static const char *const summaries[] = {"exit code 4", "exit code 5", "exit code 6"};

    need_exit_codes_of_strangers();
    for (int i = 0; i < 9; i++) {
        const char *what = text("%s %s", hows[i / 3], ends[i % 3]);
        const struct host host = {.argv = LIST(fixture_path("seccomp"), hows[i / 3], ends[i % 3])};
        const char *base = expect_undisturbed(&host, what);

        expect_recorded(base, summaries[i % 3]);
        cr_expect_str_eq(sql_text(base, "SELECT DISTINCT end_source FROM run_process"), "kernel");
    }
}

Test(host, the_strict_filter)
{
    const struct host host = {.argv = LIST(fixture_path("seccomp"), "strict", "exit-thread")};

    need_exit_codes_of_strangers();
    expect_recorded(expect_undisturbed(&host, "strict"), "exit code 7");
}

/* --- environment and arguments ----------------------------------------------------------------------------------- */

static const char *expect_unchanged_by(const char *way)
{
    const struct host host = {.argv = LIST(fixture_path("change"), way),
                              .env = LIST("TELEMETRY_JOB_NAME=nightly", "LAST=entry")};
    const char *base = expect_undisturbed(&host, way);

    expect_recorded(base, "exit code 6");
    cr_expect_str_eq(sql_text(base, "SELECT DISTINCT job_type FROM agent_runs"), "nightly", "%s", way);
    return base;
}

Test(host, process_titles)
{
    expect_unchanged_by("title-last");
    expect_unchanged_by("title-contiguous");
}

Test(host, environments_rewritten)
{
    expect_unchanged_by("clearenv");
    expect_unchanged_by("clear-and-put-back");
    expect_unchanged_by("own-array");
    expect_unchanged_by("grow");
    expect_unchanged_by("write-over");
}

/* The child is told of no run: it is one. */
Test(host, a_run_forgotten)
{
    const struct host host = {.argv = LIST(fixture_path("change"), "forget")};
    const char *base = expect_undisturbed(&host, "forget");

    cr_expect(all_ended(base, 4));
    cr_expect_str_eq(sql_text(base, "SELECT agent_name, count(*) FROM agent_runs GROUP BY 1 ORDER BY 1"),
                     "change|2\nenv|2");
}

Test(host, as_many_entries_and_arguments_as_there_can_be)
{
    enum { MANY = 20000 };
    static const char *argv[MANY + 4] = {"/bin/sh", "-c", "echo $#; exit 3", "sh"};
    const struct host host = {.argv = argv};

    for (int i = 4; i < MANY + 3; i++)
        argv[i] = i % 2 == 0 ? "an argument" : "\x01\x7f\xff";
    expect_recorded(expect_undisturbed(&host, "20 000 arguments"), "exit code 3");
}

Test(host, no_arguments_at_all)
{
    /* Linux 5.18 and later make it one empty argument. */
    const struct host host = {
        .argv = LIST("python3", "-c", "import os\nos.execve('/bin/true', [''], os.environ)")};

    if (run(LIST("python3", "-c", "pass"), NULL).status != 0)
        cr_skip_test("python3: not installed");
    expect_undisturbed(&host, "an empty argv[0]");
}

/* --- a process that becomes another -------------------------------------------------------------------------------- */

Test(host, everything_closed)
{
    expect_unchanged_by("close-everything");
}

Test(host, another_root)
{
    const char *jail = text("%s/jail", test_dir());
    const struct host host = {.argv = LIST(fixture_path("change"), "chroot", jail)};
    const char *base;

    if (geteuid() != 0)
        cr_skip_test("chroot: only root may");
    need_exit_codes_of_strangers();
    cr_assert_eq(mkdir(jail, 0700), 0);
    base = expect_undisturbed(&host, "chroot");
    expect_recorded(base, "exit code 6");
    cr_expect_eq(rmdir(jail), 0, "nothing was made in there");
}

Test(host, another_user)
{
    need_build_for_others();
    const struct host drops = {.argv = LIST(fixture_path("change"), "drop")};
    const struct host dies = {.argv = LIST(fixture_path("change"), "drop-and-die")};

    if (geteuid() != 0)
        cr_skip_test("another user: only root can be one");
    need_exit_codes_of_strangers();
    expect_recorded(expect_undisturbed(&drops, "drop"), "exit code 6");
    expect_recorded(expect_undisturbed(&dies, "drop and die"), "killed by SIGKILL (9)");
}

Test(host, one_that_may_not_be_dumped)
{
    const struct host host = {.argv = LIST(fixture_path("change"), "hide-and-die")};

    need_exit_codes_of_strangers();
    expect_recorded(expect_undisturbed(&host, "hidden"), "killed by SIGKILL (9)");
}

static void be_nobody(void *arg)
{
    (void)arg;
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
        _exit(126);
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

static void be_nowhere(void *arg)
{
    const char *gone = arg;

    if (mkdir(gone, 0700) != 0 || chdir(gone) != 0 || rmdir(gone) != 0)
        _exit(126);
}

Test(host, in_a_directory_that_was_deleted)
{
    const char *gone = text("%s/gone", test_dir());
    const struct host host = {
        .argv = look(), .prepare = be_nowhere, .arg = (void *)(uintptr_t)gone};

    expect_recorded(expect_undisturbed(&host, "nowhere"), "exit code 7");
}

/* --- other people's programs ------------------------------------------------------------------------------------------ */

Test(host, programs_of_others)
{
    static const char *const scripts[] = {
        "trap 'echo bye' EXIT; echo hello; exit 3",
        "(exit 4) & wait $!; echo $?",
        "echo a b c | tr ' ' '\\n' | sort -r | xargs -n1 -P3 echo | sort",
        "x=$(echo $(echo nested)); echo $x; [ -z \"$nothing\" ]",
        "seq 1000 | head -1",
        "yes | head -c 100000 | wc -c",
        "timeout 20 sleep 0; nohup true; nice -n 1 true; echo $?",
        "find /etc/passwd -exec sh -c 'test -f \"$1\"' sh {} \\; && echo found",
        "mkdir d && touch d/f && tar cf - d | tar tf - && rm -r d",
        "awk 'BEGIN { print 1 + 1; exit 5 }'",
        "perl -e 'print \"$0\\n\"; exit 6'",
        "python3 -c 'import subprocess, sys; print(subprocess.run([\"false\"]).returncode)'",
        "python3 -c 'import multiprocessing as m; print(m.Pool(2).map(abs, [-1, -2]))'",
        "bash -c 'coproc cat; echo hi >&${COPROC[1]}; read -u ${COPROC[0]} x; echo $x; kill %1'",
        "bash -c 'exec 3<>/dev/null; echo ${BASHPID:+set}; exit 9'",
        "ulimit -n 20; cat /etc/hostname > /dev/null; echo $?",
        "kill -s INT $$; echo not reached",
    };
    const char *base = NULL;

    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        const struct host host = {.argv = LIST("/bin/sh", "-c", scripts[i])};

        base = expect_undisturbed(&host, scripts[i]);
        cr_expect(all_ended(base, 2), "%s", scripts[i]);
        end_collectors(base, SIGTERM);
    }
}
