/* See recording.h. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exit_status.h"

enum { ENTRIES = 64, BLOCKS = 128, BASES = 64, COLLECTORS = 64 };

/* --- data directories ------------------------------------------------------------------------- */

static const char *bases[BASES];
static int base_count;
static pid_t bases_owner;

static bool make_collectors_leave(const char *base, int signal_number);

/* After the test: nobody is there any more to be told of a failure. */
static void end_all_collectors(void)
{
    for (int i = 0; i < base_count && getpid() == bases_owner; i++)
        make_collectors_leave(bases[i], SIGTERM);
}

/* Remembers base for the end of the test; before the directory is removed, so this comes first. */
static void remember(const char *base)
{
    for (int i = 0; i < base_count; i++)
        if (strcmp(bases[i], base) == 0)
            return;
    cr_assert_lt(base_count, BASES);
    if (base_count == 0) {
        bases_owner = getpid();
        atexit(end_all_collectors);
    }
    bases[base_count++] = base;
}

const char *new_base(void)
{
    static int count;

    return text("%s/base-%d", test_dir(), ++count);
}

/* Once each: of two entries getenv takes the first, and the loader the last. */
static void add_unless_given(const char **entries, size_t *count, const char *name,
                             const char *value)
{
    for (size_t i = 0; i < *count; i++)
        if (starts_with(entries[i], name))
            return;
    entries[(*count)++] = text("%s%s", name, value);
}

const char *const *shim_env_and(const char *base, const char *const more[])
{
    static const char *blocks[BLOCKS][ENTRIES];
    static unsigned next_block;
    const char **entries = blocks[next_block++ % BLOCKS];
    size_t count = 0;

    test_dir();
    remember(base);
    for (; more[count] != NULL; count++) {
        cr_assert_lt(count, (size_t)ENTRIES - 4);
        entries[count] = more[count];
    }
    add_unless_given(entries, &count, "LD_PRELOAD=", shim_path());
    add_unless_given(entries, &count, "TELEMETRY_BASE_DIR=", base);
    add_unless_given(entries, &count, "TELEMETRY_AUTO_WAIT_MS=", "30000");
    entries[count] = NULL;
    return entries;
}

const char *const *shim_env(const char *base)
{
    return shim_env_and(base, (const char *const[]){NULL});
}

/* --- a program that waits ----------------------------------------------------------------------- */

struct program *start_waiting(const char *base)
{
    return start(&(struct run_options){.argv = LIST(fixture_path("plain")), .env = shim_env(base)});
}

struct run_result finish_by(struct program *program, int signal_number)
{
    kill(program_pid(program), signal_number);
    return finish(program);
}

/* It holds a pidfd of it. */
struct watching {
    const char *base;
    pid_t pid;
};

static bool is_watched(void *arg)
{
    const struct watching *watching = arg;
    const char *wanted = text("\nPid:\t%d\n", watching->pid);
    pid_t collector;
    DIR *infos;
    bool found = false;

    if (collectors_of(watching->base, &collector, 1) != 1)
        return false;
    infos = opendir(text("/proc/%d/fdinfo", collector));
    if (infos == NULL)
        return false;
    for (struct dirent *entry = readdir(infos); entry != NULL && !found; entry = readdir(infos)) {
        char content[512] = "";
        int fd = openat(dirfd(infos), entry->d_name, O_RDONLY | O_CLOEXEC);

        found = read(fd, content, sizeof content - 1) > 0 && strstr(content, wanted) != NULL;
        close(fd);
    }
    closedir(infos);
    return found;
}

void wait_until_watched(const char *base, const struct program *program)
{
    struct watching watching = {base, program_pid(program)};

    cr_assert(wait_until(is_watched, &watching, 20000), "the collector does not watch the run");
}

/* --- collectors ------------------------------------------------------------------------------- */

/* A file under /proc, what fits of it, and a NUL behind; its length. */
static size_t read_proc(const char *pid, const char *name, char *out, size_t cap)
{
    char path[300];
    size_t len = 0;
    ssize_t got;
    int fd;

    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while (len < cap - 1 && (got = read(fd, out + len, cap - 1 - len)) > 0)
        len += (size_t)got;
    close(fd);
    out[len] = '\0';
    return len;
}

static bool has_entry(const char *block, size_t len, const char *entry)
{
    const size_t entry_len = strlen(entry) + 1;

    for (size_t at = 0; at + entry_len <= len; at += strlen(block + at) + 1)
        if (memcmp(block + at, entry, entry_len) == 0)
            return true;
    return false;
}

static bool is_collector(const char *pid, const char *entry)
{
    static char block[256 * 1024];
    size_t len = read_proc(pid, "cmdline", block, sizeof block);

    if (len == 0 || !has_entry(block, len, "collect"))
        return false;
    len = read_proc(pid, "environ", block, sizeof block);
    return has_entry(block, len, entry);
}

int collectors_of(const char *base, pid_t *pids, int max)
{
    const char *entry = text("TELEMETRY_BASE_DIR=%s", base);
    DIR *proc = opendir("/proc");
    int count = 0;

    cr_assert_not_null(proc);
    for (struct dirent *found = readdir(proc); found != NULL; found = readdir(proc)) {
        if (!isdigit((unsigned char)found->d_name[0]) || !is_collector(found->d_name, entry))
            continue;
        if (count < max)
            pids[count] = (pid_t)atoi(found->d_name);
        count++;
    }
    closedir(proc);
    return count;
}

static bool has_collector(void *arg)
{
    return collectors_of(arg, NULL, 0) > 0;
}

static bool has_no_collector(void *arg)
{
    return collectors_of(arg, NULL, 0) == 0;
}

static void *as_argument(const char *base)
{
    return (void *)(uintptr_t)base;
}

pid_t collector_of(const char *base)
{
    pid_t pids[COLLECTORS] = {0};

    cr_assert(wait_until(has_collector, as_argument(base), 20000), "%s has no collector", base);
    cr_assert_eq(collectors_of(base, pids, COLLECTORS), 1, "%s has more than one collector", base);
    return pids[0];
}

bool collectors_leave(const char *base)
{
    return wait_until(has_no_collector, as_argument(base), 20000);
}

struct signalled {
    pid_t pids[COLLECTORS];
    int count;
};

static struct signalled signal_collectors(const char *base, int signal_number)
{
    struct signalled signalled;

    signalled.count = collectors_of(base, signalled.pids, COLLECTORS);
    if (signalled.count > COLLECTORS)
        signalled.count = COLLECTORS;
    for (int i = 0; i < signalled.count; i++)
        kill(signalled.pids[i], signal_number);
    return signalled;
}

/* A process on its way out has no command line any more, and its sockets still: only when it has
 * been reaped is it gone. */
static bool are_gone(void *arg)
{
    const struct signalled *signalled = arg;

    for (int i = 0; i < signalled->count; i++)
        if (kill(signalled->pids[i], 0) == 0 || errno != ESRCH)
            return false;
    return true;
}

/* False when SIGKILL was needed. */
static bool make_collectors_leave(const char *base, int signal_number)
{
    struct signalled signalled = signal_collectors(base, signal_number);

    if (wait_until(are_gone, &signalled, 20000) && collectors_leave(base))
        return true;
    signal_collectors(base, SIGKILL);
    return false;
}

void end_collectors(const char *base, int signal_number)
{
    cr_assert(make_collectors_leave(base, signal_number), "%s: a collector did not leave", base);
}

/* --- runs ------------------------------------------------------------------------------------- */

bool all_ended(const char *base, int runs)
{
    static const char sql[] = "SELECT count(*), sum(status = 'running') FROM agent_runs";

    for (int i = 0; i < 2; i++)
        if (sql_becomes(base, sql, text("%d|0", runs)))
            return true;
    cr_log_error("%s has: %s", base, sql_text(base, sql));
    return false;
}

const char *run_value(const char *base, const char *column)
{
    const char *value = sql_text(
        base, text("SELECT %s FROM agent_runs LEFT JOIN run_process USING (run_id)", column));

    return value != NULL ? value : "(no database)";
}

void need_exit_codes_of_strangers(void)
{
    if (!tel_exit_pidfd_works())
        cr_skip_test("PIDFD_INFO_EXIT: needs Linux 6.15");
}
