/* Moving a damaged database out of the way, one process at a time. */
#include "quarantine.h"

#include "base/clock.h"
#include "base/datadir.h"
#include "base/sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

enum { POLL_NS = 10 * 1000 * 1000, LOCK_MODE = 0600, NS_PER_MS = 1000 * 1000, NAME_TRIES = 60 };

#define NS_PER_SECOND INT64_C(1000000000)

/* Appends and terminates; the path is too long otherwise. */
static int join(char out[TEL_PATH_MAX], const char *a, const char *b, struct tel_error *err)
{
    struct tel_buf path;

    tel_buf_init(&path, out, TEL_PATH_MAX);
    tel_buf_cstr(&path, a);
    tel_buf_cstr(&path, b);
    if (tel_buf_terminate(&path) == NULL)
        return tel_fail_sys(err, -ENAMETOOLONG, "cannot set the database aside", NULL);
    return 0;
}

static int wait_for_lock(int fd, int busy_ms, struct tel_error *err)
{
    const int64_t deadline = tel_clock_boottime_ns() + (int64_t)busy_ms * NS_PER_MS;

    for (;;) {
        int status = tel_sys_flock(fd, LOCK_EX | LOCK_NB);

        if (status != -EWOULDBLOCK)
            return status == 0 ? 0 : tel_fail_sys(err, status, "cannot lock rebuild.lock", NULL);
        if (tel_clock_boottime_ns() >= deadline)
            return tel_fail(err, TEL_ERR_BUSY, "another process is replacing the database", NULL);
        tel_sys_sleep_ns(POLL_NS);
    }
}

int tel_quarantine_lock(const char *run, int busy_ms, int *fd, struct tel_error *err)
{
    char path[TEL_PATH_MAX];
    int status = join(path, run, "/rebuild.lock", err);
    int lock;

    if (status < 0)
        return status;
    lock = tel_sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, LOCK_MODE);
    if (lock == -ENOENT || lock == -ENOTDIR) {
        *fd = -1;
        return 0;
    }
    if (lock < 0)
        return tel_fail_sys(err, lock, "cannot open ", path, NULL);
    status = wait_for_lock(lock, busy_ms, err);
    if (status < 0) {
        tel_sys_close(lock);
        return status;
    }
    *fd = lock;
    return 0;
}

static bool exists(const char *path)
{
    struct stat st;

    return tel_sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A name that is free: of this second, or of the next that nobody has used. */
static int choose_name(const char *db, char name[TEL_PATH_MAX], struct tel_error *err)
{
    struct tel_instant now;

    tel_clock_now(&now);
    for (int i = 0; i < NAME_TRIES; i++) {
        struct tel_buf path;

        tel_buf_init(&path, name, TEL_PATH_MAX);
        tel_buf_cstr(&path, db);
        tel_buf_cstr(&path, ".corrupt-");
        tel_time_put_compact(&path, now.realtime_ns + i * NS_PER_SECOND);
        if (tel_buf_terminate(&path) == NULL)
            return tel_fail_sys(err, -ENAMETOOLONG, "cannot set the database aside", NULL);
        if (!exists(name))
            return 0;
    }
    return tel_fail_sys(err, -EEXIST, "cannot set the database aside", NULL);
}

static int move_one(const char *db, const char *name, const char *suffix, struct tel_error *err)
{
    char from[TEL_PATH_MAX];
    char to[TEL_PATH_MAX];
    int status = join(from, db, suffix, err);

    if (status == 0)
        status = join(to, name, suffix, err);
    if (status < 0)
        return status;
    if (rename(from, to) < 0 && errno != ENOENT)
        return tel_fail_sys(err, -errno, "cannot set aside the damaged ", from, NULL);
    return 0;
}

/* Something that was never a database, under a name that is not ours: TELEMETRY_DB_PATH points at
 * somebody's file, which is not for us to move. */
static bool is_somebody_elses(const char *db)
{
    static const char magic[16] = "SQLite format 3"; /* https://www.sqlite.org/fileformat.html */
    char start[sizeof magic] = "";
    int fd;
    ssize_t got;

    if (tel_str_is(tel_str_basename(tel_str_from(db)), "telemetry.sqlite"))
        return false;
    fd = tel_sys_openat(AT_FDCWD, db, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
    if (fd < 0)
        return true;
    got = tel_sys_pread(fd, start, sizeof start, 0);
    tel_sys_close(fd);
    return got > 0 && memcmp(start, magic, sizeof magic) != 0;
}

/* The WAL goes first: whoever opened a new database beside it would delete it. */
int tel_quarantine_move(const char *db, char *set_aside, struct tel_error *err)
{
    static const char *const suffixes[] = {"-wal", "-shm", ""};
    char name[TEL_PATH_MAX];
    int status;

    if (is_somebody_elses(db))
        return tel_fail(err, TEL_ERR_REFUSED, db,
                        " is not a database, and is left alone: choose another TELEMETRY_DB_PATH",
                        NULL);
    status = choose_name(db, name, err);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0] && status == 0; i++)
        status = move_one(db, name, suffixes[i], err);
    if (status == 0)
        memcpy(set_aside, name, strlen(name) + 1);
    return status;
}
