/* See support.h. */
#include "support.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ensure(condition, what)                                                                    \
    cr_assert(condition, "%s:%d: %s: %s", __FILE__, __LINE__, what, strerror(errno))

/* --- places and texts ------------------------------------------------------------------------ */

/* Memory that is reachable to the end of the test: no leak, and nothing to free. */
struct kept {
    struct kept *next;
    char bytes[];
};
static struct kept *all_kept;

static char *keep(size_t size)
{
    struct kept *kept = calloc(1, sizeof *kept + size);

    ensure(kept != NULL, "memory");
    kept->next = all_kept;
    all_kept = kept;
    return kept->bytes;
}

const char *text(const char *format, ...)
{
    va_list args;
    char *out;
    int len;

    va_start(args, format);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ensure(len >= 0, format);
    out = keep((size_t)len + 1);
    va_start(args, format);
    vsnprintf(out, (size_t)len + 1, format, args);
    va_end(args);
    return out;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    remove(path);
    return 0;
}

bool remove_tree(const char *path)
{
    /* A collector may still put something in: try again. */
    for (int i = 0; i < 100 && file_exists(path); i++)
        nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return !file_exists(path);
}

static char directory[64];
static pid_t directory_owner;

static void remove_directory(void)
{
    if (getpid() == directory_owner) /* a forked child leaves by exit, too */
        remove_tree(directory);
}

const char *test_dir(void)
{
    if (directory[0] == '\0') {
        snprintf(directory, sizeof directory, "/tmp/telemetry-test.XXXXXX");
        ensure(mkdtemp(directory) != NULL, directory);
        directory_owner = getpid();
        atexit(remove_directory);
    }
    return directory;
}

const char *shim_path(void)
{
    return TELEMETRY_TEST_SHIM;
}

const char *shims_path(void)
{
    if (!file_exists(TELEMETRY_TEST_BUILD "/shim32/libtelemetry_auto.so"))
        cr_skip_test("programs of 32 bits: there is no compiler for them");
    return TELEMETRY_TEST_BUILD "/preload/$LIB/libtelemetry_auto.so";
}

const char *cli_path(void)
{
    return TELEMETRY_TEST_CLI;
}

const char *fixture_path(const char *name)
{
    return text("%s/%s", TELEMETRY_TEST_FIXTURES, name);
}

bool file_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

/* All of a file from its beginning. Files under /proc do not say how large they are. */
static const char *read_all(int fd)
{
    struct stat st;
    size_t room;
    size_t done = 0;
    ssize_t got;
    char *out;

    ensure(fstat(fd, &st) == 0, "fstat");
    room = (size_t)st.st_size + 4096;
    out = keep(room);
    while ((got = pread(fd, out + done, room - 1 - done, (off_t)done)) > 0) {
        done += (size_t)got;
        if (done == room - 1) {
            char *longer = keep(room * 2);

            memcpy(longer, out, done);
            out = longer;
            room *= 2;
        }
    }
    ensure(got == 0, "pread");
    return out;
}

mode_t mode_of(const char *path)
{
    struct stat st = {0};

    ensure(lstat(path, &st) == 0, path);
    return st.st_mode & 07777;
}

const char *read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *out;

    ensure(fd >= 0, path);
    out = read_all(fd);
    close(fd);
    return out;
}

void write_file(const char *path, const char *content, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    size_t len = strlen(content);

    ensure(fd >= 0, path);
    ensure(write(fd, content, len) == (ssize_t)len, path);
    ensure(fchmod(fd, mode) == 0, path);
    close(fd);
}

size_t count_of(const char *haystack, const char *needle)
{
    size_t count = 0;

    for (const char *at = haystack; (at = strstr(at, needle)) != NULL; at += strlen(needle))
        count++;
    return count;
}

/* --- programs -------------------------------------------------------------------------------- */

enum { DEFAULT_TIMEOUT_MS = 30000, ENTRIES_MAX = 128 };

struct program {
    struct program *next;
    const char *name;
    pid_t pid;
    int pidfd;
    int out; /* a file in memory, or the terminal's other end */
    int err;
    bool terminal;
    int timeout_ms;
    bool may_time_out;
    char *shown; /* what the terminal has shown so far */
    size_t shown_len;
};

struct environment {
    char *entries[ENTRIES_MAX];
    size_t count;
};

/* Adds an entry, unless there is one of that name. */
static void add_entry(struct environment *env, const char *name, const char *value)
{
    const char *entry = text("%s=%s", name, value);
    const size_t len = strlen(name) + 1;

    ensure(env->count < ENTRIES_MAX - 1, "environment");
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->entries[i], entry, len) == 0)
            return;
    env->entries[env->count++] = strdup(entry);
}

/* A shim is loaded before the sanitizer's runtime, which takes that for a mistake. */
static const char *sanitizer_options(void)
{
    const char *set = getenv("ASAN_OPTIONS");

    return text("%s%sverify_asan_link_order=0", set != NULL ? set : "", set != NULL ? ":" : "");
}

/* The environment of a program under test: nothing of the test's own gets in by accident. */
static void fill_environment(struct environment *env, const char *const *wanted)
{
    static const char *const passed[] = {"LSAN_OPTIONS", "UBSAN_OPTIONS", "GCOV_PREFIX",
                                         "GCOV_PREFIX_STRIP"};

    for (; wanted != NULL && *wanted != NULL; wanted++) {
        ensure(env->count < ENTRIES_MAX - 1, "environment");
        env->entries[env->count++] = strdup(*wanted);
    }
    add_entry(env, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    add_entry(env, "HOME", test_dir());
    add_entry(env, "ASAN_OPTIONS", sanitizer_options());
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++)
        if (getenv(passed[i]) != NULL)
            add_entry(env, passed[i], getenv(passed[i]));
}

/* execve wants an array that it may write to, as it once was. */
static char **copy_arguments(const char *const *argv)
{
    size_t count = 0;
    char **copy;

    while (argv[count] != NULL)
        count++;
    copy = calloc(count + 1, sizeof *copy);
    ensure(copy != NULL, "memory");
    for (size_t i = 0; i < count; i++)
        copy[i] = strdup(argv[i]);
    return copy;
}

static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: nothing is freed here, execve does it. */
static _Noreturn void become(const struct run_options *options, int out, int err)
{
    struct environment env = {.count = 0};
    char **argv = copy_arguments(options->argv);
    int null = open("/dev/null", O_RDWR);

    fill_environment(&env, options->env);
    environ = env.entries;
    reset_signals();
    if (dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    closefrom(3);
    if (chdir(options->cwd != NULL ? options->cwd : test_dir()) != 0)
        _exit(126);
    if (options->prepare != NULL)
        options->prepare(options->arg);
    execvp(argv[0], argv);
    dprintf(2, "cannot execute %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

/* Standard output of a program: where it writes, and where the test reads. */
static void open_output(struct program *program, int columns, int *write_end)
{
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};

    program->terminal = columns > 0;
    if (!program->terminal) {
        program->out = memfd_create("out", MFD_CLOEXEC);
        ensure(program->out >= 0, "memfd_create");
        *write_end = program->out;
        return;
    }
    if (openpty(&program->out, write_end, NULL, NULL, &size) != 0)
        cr_skip_test("no pseudo terminals: /dev/pts is not mounted");
    fcntl(program->out, F_SETFD, FD_CLOEXEC);
    fcntl(program->out, F_SETFL, O_NONBLOCK);
}

void be_nobody(void *arg)
{
    (void)arg;
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
                           setresuid(NOBODY, NOBODY, NOBODY) != 0))
        _exit(126);
}

void need_build_for_others(void)
{
    char path[PATH_MAX];
    struct stat st;

    if (realpath(cli_path(), path) == NULL)
        return;
    for (char *slash = strrchr(path, '/'); slash != NULL && slash != path;
         slash = strrchr(path, '/')) {
        *slash = '\0';
        if (stat(path, &st) == 0 && (st.st_mode & S_IXOTH) == 0)
            cr_skip_test("other users cannot reach the build: %s is private", path);
    }
}

struct program *start(const struct run_options *options)
{
    struct program *program = (struct program *)(void *)keep(sizeof *program);
    int write_end;

    test_dir();
    fflush(NULL);
    program->name = options->argv[0];
    program->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    program->may_time_out = options->may_time_out;
    program->err = memfd_create("err", MFD_CLOEXEC);
    ensure(program->err >= 0, "memfd_create");
    open_output(program, options->columns, &write_end);
    program->pid = fork();
    ensure(program->pid >= 0, "fork");
    if (program->pid == 0)
        become(options, write_end, program->err);
    if (program->terminal)
        close(write_end);
    program->pidfd = pidfd_open(program->pid, 0);
    ensure(program->pidfd >= 0, "pidfd_open");
    return program;
}

pid_t program_pid(const struct program *program)
{
    return program->pid;
}

/* Takes what the terminal shows, so that the program can go on writing. */
static void drain_terminal(struct program *program)
{
    char chunk[4096];
    ssize_t got;

    while ((got = read(program->out, chunk, sizeof chunk)) > 0) {
        char *longer = keep(program->shown_len + (size_t)got + 1);

        if (program->shown_len > 0)
            memcpy(longer, program->shown, program->shown_len);
        memcpy(longer + program->shown_len, chunk, (size_t)got);
        program->shown = longer;
        program->shown_len += (size_t)got;
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* False when it does not end in time. */
static bool wait_for_end(struct program *program)
{
    const int64_t deadline = now_ms() + program->timeout_ms;
    struct pollfd fds[2] = {{.fd = program->pidfd, .events = POLLIN},
                            {.fd = program->terminal ? program->out : -1, .events = POLLIN}};

    while (fds[0].revents == 0) {
        const int64_t left = deadline - now_ms();

        if (left <= 0)
            return false;
        if (poll(fds, 2, (int)left) < 0)
            ensure(errno == EINTR, "poll");
        if ((fds[1].revents & POLLIN) != 0)
            drain_terminal(program);
        else if (fds[1].revents != 0)
            fds[1].fd = -1;
    }
    return true;
}

struct run_result finish(struct program *program)
{
    struct run_result result = {.pid = program->pid};
    const bool in_time = wait_for_end(program);

    if (!in_time)
        kill(program->pid, SIGKILL);
    ensure(waitpid(program->pid, &result.wait_status, 0) == program->pid, program->name);
    if (program->terminal)
        drain_terminal(program);
    result.out = !program->terminal       ? read_all(program->out)
                 : program->shown != NULL ? program->shown
                                          : "";
    result.err = read_all(program->err);
    close(program->out);
    close(program->err);
    close(program->pidfd);
    cr_assert(in_time || program->may_time_out, "%s did not end within %d ms; it wrote:\n%s%s",
              program->name, program->timeout_ms, result.out, result.err);
    result.timed_out = !in_time;
    result.status = WIFSIGNALED(result.wait_status) ? 128 + WTERMSIG(result.wait_status)
                                                    : WEXITSTATUS(result.wait_status);
    return result;
}

struct run_result run_with(const struct run_options *options)
{
    return finish(start(options));
}

struct run_result run(const char *const argv[], const char *const env[])
{
    return run_with(&(struct run_options){.argv = argv, .env = env});
}

/* --- what was recorded ----------------------------------------------------------------------- */

static const char *rows_of(sqlite3_stmt *stmt)
{
    const char *out = "";
    int rows = 0;
    int rc;

    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (rows++ > 0)
            out = text("%s\n", out);
        for (int i = 0; i < sqlite3_data_count(stmt); i++) {
            const unsigned char *value = sqlite3_column_text(stmt, i);

            out = text("%s%s%s", out, i > 0 ? "|" : "", value != NULL ? (const char *)value : "");
        }
    }
    return rc == SQLITE_DONE ? out : NULL;
}

const char *sql_text(const char *base, const char *sql)
{
    const char *path = text("%s/db/telemetry.sqlite", base);
    const char *out = NULL;
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = NULL;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, 5000);
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK)
            out = rows_of(stmt);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return out;
}

const char *journal_text(const char *base)
{
    const char *out = "";
    glob_t found;

    if (glob(text("%s/raw/events_*.ndjson", base), 0, NULL, &found) != 0)
        return out;
    for (size_t i = 0; i < found.gl_pathc; i++)
        out = text("%s%s", out, read_file(found.gl_pathv[i]));
    globfree(&found);
    return out;
}

bool wait_until(bool (*is_so)(void *arg), void *arg, int timeout_ms)
{
    const int64_t deadline = now_ms() + timeout_ms;
    const struct timespec pause = {0, 10000000};

    while (!is_so(arg)) {
        if (now_ms() >= deadline)
            return false;
        nanosleep(&pause, NULL);
    }
    return true;
}

bool is_stopped(void *pid)
{
    const char *stat = read_file(text("/proc/%d/stat", *(const pid_t *)pid));

    return strrchr(stat, ')') != NULL && strrchr(stat, ')')[2] == 'T';
}

static bool is_there(void *arg)
{
    const char **path = arg;

    return file_exists(*path);
}

bool file_appears(const char *path)
{
    return wait_until(is_there, &path, 10000);
}

struct expectation {
    const char *base;
    const char *sql;
    const char *expected;
};

static bool is_met(void *arg)
{
    const struct expectation *wanted = arg;
    const char *got = sql_text(wanted->base, wanted->sql);

    return got != NULL && strcmp(got, wanted->expected) == 0;
}

bool sql_becomes(const char *base, const char *sql, const char *expected)
{
    struct expectation wanted = {base, sql, expected};

    return wait_until(is_met, &wanted, 10000);
}
