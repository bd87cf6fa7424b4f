/* See place.h. A collector has no parent any more when it starts; as the nearest subreaper this
 * process gets it as a child, can tell it from everyone else's, and learns what it cost. */
#include "bench/place.h"

#include "base/process.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENTRIES_MAX = 16 };

char *format(const char *pattern, ...)
{
    va_list args;
    char *out;
    int len;

    va_start(args, pattern);
    len = vasprintf(&out, pattern, args);
    va_end(args);
    if (len < 0)
        err(1, NULL);
    return out;
}

/* --- the directory --------------------------------------------------------------------------- */

static char place[] = "/tmp/telemetry-bench.XXXXXX";
static pid_t place_owner;

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

void remove_tree(const char *path)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        warn("cannot remove %s", path);
}

static void leave_place(void)
{
    if (getpid() != place_owner)
        return;
    stop_collectors();
    remove_tree(place);
}

/* SIGPIPE: the table went to a pager that was closed. */
static const int ending_signals[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM};

static void leave_on_signal(int number)
{
    (void)number;
    exit(1); // NOLINT: only while a timed program runs, and never inside this program's own stdio
}

const char *enter_new_place(void)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L) != 0)
        err(1, "prctl");
    if (mkdtemp(place) == NULL)
        err(1, "%s", place);
    place_owner = getpid();
    atexit(leave_place);
    for (size_t i = 0; i < sizeof ending_signals / sizeof ending_signals[0]; i++)
        signal(ending_signals[i], leave_on_signal);
    if (chdir(place) != 0)
        err(1, "%s", place);
    return place;
}

char *const *environment(const char *const *entries)
{
    char **all = calloc(ENTRIES_MAX, sizeof *all);
    size_t count = 0;

    if (all == NULL)
        err(1, NULL);
    all[count++] = format("PATH=/usr/local/bin:/usr/bin:/bin");
    all[count++] = format("HOME=%s", place);
    for (; *entries != NULL && count < ENTRIES_MAX - 1; entries++)
        all[count++] = format("%s", *entries);
    return all;
}

/* --- collectors ------------------------------------------------------------------------------ */

static struct collectors ended;

void note_collector_end(const struct rusage *usage)
{
    ended.count++;
    if (usage->ru_maxrss > ended.max_rss_kib)
        ended.max_rss_kib = usage->ru_maxrss;
    ended.cpu_ms += (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1e3 +
                    (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e3;
}

/* Nothing else is ever left as a child: who starts a program here also waits for it. */
static void terminate_children(void)
{
    DIR *processes = opendir("/proc");

    if (processes == NULL)
        err(1, "/proc");
    for (struct dirent *entry = readdir(processes); entry != NULL; entry = readdir(processes)) {
        struct tel_proc_stat process;
        char path[sizeof entry->d_name + sizeof "/proc//stat"];

        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        if (tel_proc_stat_read(path, &process) == 0 && process.ppid == getpid())
            kill(process.pid, SIGTERM);
    }
    closedir(processes);
}

struct collectors stop_collectors(void)
{
    struct collectors result;
    struct rusage usage;

    terminate_children();
    while (wait4(-1, NULL, 0, &usage) > 0)
        note_collector_end(&usage);
    result = ended;
    ended = (struct collectors){0};
    return result;
}

/* --- what was recorded ----------------------------------------------------------------------- */

long count_successes(const char *base)
{
    char *path = format("%s/db/telemetry.sqlite", base);
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db = NULL;
    long count = 0;

    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT count(*) FROM agent_runs WHERE status = 'success'", -1,
                           &stmt, NULL) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        count = (long)sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    free(path);
    return count;
}
