/* telemetry doctor: the data directory, and the journal and database in it. */
#include "base/journal.h"
#include "doctor.h"
#include "human.h"
#include "journal_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LITTLE_SPACE (UINT64_C(64) * 1024 * 1024)

/* --- the data directory ---------------------------------------------------------------------- */

static const char *origin_text(enum tel_base_origin origin)
{
    static const char *const texts[] = {
        [TEL_BASE_FROM_DB_PATH] = "TELEMETRY_DB_PATH says so",
        [TEL_BASE_FROM_BASE_DIR] = "TELEMETRY_BASE_DIR says so",
        [TEL_BASE_FROM_LEGACY] = "AGENT_METRICS_DIR says so",
        [TEL_BASE_FOUND] = "a well-known place that exists and can be written to",
        [TEL_BASE_FROM_HOME] = "below HOME, since nothing else is set",
        [TEL_BASE_FROM_VAR_LIB] = "since neither a directory nor HOME is set",
    };

    return texts[origin];
}

static const char other_directory[] =
    "set TELEMETRY_BASE_DIR to a directory that can be written to";

/* The last component taken off, in place; "/" stays. */
static void cut_last(char *path)
{
    char *slash = strrchr(path, '/');

    if (slash != NULL)
        slash[slash == path ? 1 : 0] = '\0';
}

/* Whether the kernel lets us make the first directory that is missing on the way to path. Parents are
 * not made for a HOME that does not exist. */
static int try_making(const struct tel_datadir *dir, char missing[TEL_PATH_MAX])
{
    char above[TEL_PATH_MAX];
    struct stat st;

    strcpy(above, dir->base);
    do {
        strcpy(missing, above);
        cut_last(above);
    } while (dir->origin != TEL_BASE_FROM_HOME && stat(above, &st) != 0 && errno == ENOENT);
    if (mkdir(missing, dir->dir_mode) != 0)
        return errno == EEXIST ? 0 : -errno;
    rmdir(missing);
    return 0;
}

/* What the kernel says when a file is really made there, and written to. */
static int try_writing(const char *directory)
{
    static const char block[4096];
    char path[TEL_PATH_MAX + 32];
    int status = 0;
    int fd;

    snprintf(path, sizeof path, "%s/.doctor-%d", directory, (int)getpid());
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (write(fd, block, sizeof block) < 0)
        status = -errno;
    close(fd);
    unlink(path);
    return status;
}

static const char *advice_on_writing(int status)
{
    if (status == -ENOSPC || status == -EDQUOT)
        return "make room there, or set TELEMETRY_BASE_DIR to another place";
    return other_directory;
}

/* It is there, with no journal in it. */
static void report_empty(struct doctor *doctor)
{
    const char *base = doctor->context.dir.base;
    const int status = try_writing(base);

    if (status == 0)
        doctor_note("nothing has been recorded in it yet");
    else if (doctor->context.config.skip_validation)
        doctor_note("nothing has been recorded in it, and it cannot be written to: %s",
                    strerror(-status));
    else
        doctor_fail(doctor, advice_on_writing(status),
                    "nothing has been recorded in it, and it cannot be written to: %s",
                    strerror(-status));
}

/* Nothing is there yet, which is no problem where the first run can make it. */
static void report_missing(struct doctor *doctor)
{
    char missing[TEL_PATH_MAX];
    struct stat st;
    int status;

    if (stat(doctor->context.dir.base, &st) == 0) {
        report_empty(doctor);
        return;
    }
    status = try_making(&doctor->context.dir, missing);
    if (status == 0)
        doctor_note("it does not exist yet; the first recorded run makes it");
    else if (doctor->context.config.skip_validation)
        doctor_note("it does not exist, and cannot be made: %s: %s", missing, strerror(-status));
    else
        doctor_fail(doctor, other_directory, "it does not exist, and cannot be made: %s: %s",
                    missing, strerror(-status));
}

static void check_owner(struct doctor *doctor)
{
    const struct tel_datadir *dir = &doctor->context.dir;
    struct stat st;

    if (stat(dir->base, &st) != 0)
        return;
    if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0)
        doctor_warn(doctor, "chmod o-w that directory",
                    "mode %04o: everybody can change and remove what is recorded",
                    (unsigned)(st.st_mode & 07777));
    else
        doctor_ok("it belongs to user %u%s, mode %04o", (unsigned)st.st_uid,
                  st.st_uid == geteuid() ? " (you)" : "", (unsigned)(st.st_mode & 07777));
}

static void check_writable(struct doctor *doctor, const char *what, const char *directory)
{
    struct stat st;
    int status;

    if (lstat(directory, &st) != 0 && errno == ENOENT)
        return; /* made when it is needed */
    if (S_ISLNK(st.st_mode)) {
        doctor_fail(doctor, "replace it by the directory itself",
                    "%s is a symbolic link; links are not followed in the data directory",
                    directory);
        return;
    }
    status = S_ISDIR(st.st_mode) ? try_writing(directory) : -ENOTDIR;
    if (status < 0)
        doctor_fail(doctor, advice_on_writing(status), "%s cannot be written to: %s: %s", what,
                    directory, strerror(-status));
}

static void check_space(struct doctor *doctor)
{
    const char *base = doctor->context.dir.base;
    struct statvfs st;
    uint64_t left;

    if (statvfs(base, &st) != 0)
        return;
    left = (uint64_t)st.f_bavail * st.f_frsize;
    if (st.f_files > 0 && st.f_favail == 0)
        doctor_fail(doctor, "remove files there that nobody needs",
                    "the filesystem of %s has no inodes left", base);
    else if (left < LITTLE_SPACE)
        doctor_warn(doctor, "make room there before it is full", "only %s left on its filesystem",
                    human_size(left).text);
    else
        doctor_ok("%s left on its filesystem", human_size(left).text);
}

static void check_contents(struct doctor *doctor)
{
    const struct tel_datadir *dir = &doctor->context.dir;
    const int before = doctor->problems;
    char db_directory[TEL_PATH_MAX];

    strcpy(db_directory, dir->db);
    cut_last(db_directory);
    check_owner(doctor);
    check_writable(doctor, "the journal", dir->raw);
    check_writable(doctor, "the database", db_directory);
    check_writable(doctor, "the place of sockets and locks", dir->run);
    if (doctor->problems == before)
        doctor_ok("files can be written in it");
    check_space(doctor);
    if (dir->network)
        doctor_warn(doctor, "set TELEMETRY_BASE_DIR to a local directory",
                    "it is on a network filesystem, where only 'telemetry sync' writes the "
                    "database");
}

void doctor_check_directory(struct doctor *doctor)
{
    struct tel_datadir *dir = &doctor->context.dir;
    const int before = doctor->problems;
    struct tel_error err = {0};
    int status;

    doctor_section("Data directory");
    doctor_note("%s (%s)", dir->base, origin_text(dir->origin));
    status = tel_datadir_prepare(dir, false, &err);
    if (status == -ENOENT)
        report_missing(doctor);
    if (status == 0 || status == TEL_ERR_REFUSED)
        check_contents(doctor);
    if (status < 0 && status != -ENOENT && doctor->problems == before)
        doctor_fail(doctor, other_directory, "%s", err.message);
}

/* --- the journal ----------------------------------------------------------------------------- */

static uint64_t check_file(struct doctor *doctor, uint32_t date)
{
    struct tel_error err = {0};
    struct tel_journal_facts facts;
    int fd = tel_journal_open(doctor->context.dir.raw, date, &facts, &err);

    if (fd < 0) {
        doctor_fail(doctor, "let it be a regular file that you may read", "%s", err.message);
        return 0;
    }
    close(fd);
    return facts.size;
}

void doctor_check_journal(struct doctor *doctor)
{
    const int before = doctor->problems;
    struct tel_error err = {0};
    struct tel_dates dates;
    uint64_t size = 0;

    doctor_section("Journal");
    if (tel_journal_list(doctor->context.dir.raw, &dates, &err) < 0) {
        doctor_fail(doctor, other_directory, "%s", err.message);
        return;
    }
    for (size_t i = 0; i < dates.count; i++)
        size += check_file(doctor, dates.date[i]);
    if (dates.count == 0)
        doctor_note("empty: no run has been recorded yet");
    else if (doctor->problems == before)
        doctor_ok("%s in %s, %s", human_count((int64_t)dates.count, "file").text,
                  doctor->context.dir.raw, human_size(size).text);
    tel_dates_free(&dates);
}

/* --- the database ---------------------------------------------------------------------------- */

static bool has_journal(const struct doctor *doctor)
{
    struct tel_dates dates;
    bool any;

    if (tel_journal_list(doctor->context.dir.raw, &dates, NULL) < 0)
        return false;
    any = dates.count > 0;
    tel_dates_free(&dates);
    return any;
}

static void report_unusable(struct doctor *doctor, int status, const struct tel_error *err)
{
    const char *advice = "let it be a regular file that you may read and write";

    if (status == -ENOENT && !has_journal(doctor)) {
        doctor_note("there is none yet; the first recorded run makes it");
        return;
    }
    if (status == -ENOENT)
        advice = "'telemetry sync' makes it from the journal";
    else if (status == TEL_ERR_SCHEMA)
        advice = "use the newer telemetry that wrote it";
    else if (status == TEL_ERR_CORRUPT)
        advice = "'telemetry sync' sets it aside, and makes a new one from the journal";
    else if (status == TEL_ERR_BUSY)
        advice = "end the program that keeps it locked";
    doctor_fail(doctor, advice, "%s", err->message);
}

/* The process that holds a lock which whoever writes takes, 0 when nobody does. Source: SQLite's
 * wal.c (WAL_WRITE_LOCK in the -shm file) and os_unix.c (PENDING_BYTE and what follows it). */
static pid_t find_lock(const char *path, const char *suffix, off_t start, off_t len)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    char file[TEL_PATH_MAX + 8];
    int fd;

    snprintf(file, sizeof file, "%s%s", path, suffix);
    fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 0;
    if (fcntl(fd, F_GETLK, &lock) != 0)
        lock.l_type = F_UNLCK;
    close(fd);
    return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static pid_t find_writer(const char *path)
{
    enum { WAL_WRITE_LOCK = 120, PENDING_BYTE = 0x40000000, RESERVED = 1 };
    const pid_t in_wal = find_lock(path, "-shm", WAL_WRITE_LOCK, 1);

    return in_wal != 0 ? in_wal : find_lock(path, "", PENDING_BYTE + RESERVED, 1);
}

/* A commit takes milliseconds: who holds the lock for longer keeps everybody out. Looked at while
 * this process has not opened the database, since closing any descriptor of a file drops all locks
 * that the process has on it. */
static void check_locked(struct doctor *doctor)
{
    enum { LOOKS = 20 };
    const struct timespec pause = {0, 50000000};
    const char *path = doctor->context.dir.db;
    const pid_t first = find_writer(path);
    pid_t holder = first;

    for (int i = 1; i < LOOKS && holder != 0 && holder == first; i++) {
        nanosleep(&pause, NULL);
        holder = find_writer(path);
    }
    if (holder != 0 && holder == first)
        doctor_warn(doctor, "let it finish, or end it; runs are in the journal meanwhile",
                    "process %d has had the database locked for a second", (int)holder);
}

static void report_info(struct doctor *doctor, const struct tel_query_info *info)
{
    if (!info->integrity_ok)
        doctor_fail(doctor,
                    "move it away (all three files, with -wal and -shm), then 'telemetry sync' "
                    "makes a new one from the journal",
                    "%s is damaged", doctor->context.dir.db);
    else
        doctor_ok("%s: schema version %lld, sound", doctor->context.dir.db,
                  (long long)info->schema_version);
    doctor_ok("%s, %lld of them running", human_count(info->runs, "run").text,
              (long long)info->running);
    if (info->bad_lines > 0)
        doctor_note("%s of the journal could not be read, and were left out",
                    human_count(info->bad_lines, "line").text);
}

static void check_behind(struct doctor *doctor, struct tel_query *query)
{
    struct tel_error err = {0};
    uint64_t bytes = 0;

    if (tel_query_behind(query, &doctor->context.dir, &bytes, &err) < 0)
        doctor_fail(doctor, "let the journal be readable", "%s", err.message);
    else if (bytes == 0)
        doctor_ok("up to date with the journal");
    else if (context_collector(&doctor->context) >= 0)
        doctor_note("%s behind the journal; the collector is at work", human_size(bytes).text);
    else
        doctor_warn(doctor, "'telemetry sync' brings it up to date, as the next recorded run does",
                    "%s behind the journal", human_size(bytes).text);
}

/* Damaged databases are kept until somebody decides about them. */
static void report_set_aside(const struct doctor *doctor)
{
    char pattern[TEL_PATH_MAX + 32];
    glob_t found;

    snprintf(pattern, sizeof pattern, "%s.corrupt-*Z", doctor->context.dir.db);
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    doctor_note("%s kept aside, as %s",
                human_count((int64_t)found.gl_pathc, "damaged database").text,
                found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
}

void doctor_check_database(struct doctor *doctor)
{
    struct tel_query_info info;
    struct tel_query *query;
    struct tel_error err = {0};
    int status;

    doctor_section("Database");
    check_locked(doctor);
    status = tel_query_open(&query, &doctor->context.dir, &err);
    if (status < 0) {
        report_unusable(doctor, status, &err);
        return;
    }
    status = tel_query_info(query, true, &info, &err);
    if (status < 0) {
        report_unusable(doctor, status, &err);
    } else {
        report_info(doctor, &info);
        check_behind(doctor, query);
    }
    tel_query_close(query);
    report_set_aside(doctor);
}
