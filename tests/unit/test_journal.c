/* Appending to the journal: whole lines in the right file, whatever others do to it. */
#include "base/journal.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/runline.h"
#include "base/sys.h"
#include "support/places.h"
#include "support/support.h"
#include "support/syncs.h"
#include "support/view.h"

enum { TODAY = 20261122, YESTERDAY = 20261121, TOMORROW = 20261123 };

static struct tel_error err;

/* What happens while the journal pauses, and while it writes; the real thing without. */
static void (*on_pause)(void);
static int pauses;
static size_t bytes_taken = SIZE_MAX; /* by the next write: a disk that gets full */
static void (*on_write)(void);

void __real_tel_sys_sleep_ns(int64_t ns);
void __wrap_tel_sys_sleep_ns(int64_t ns);
ssize_t __real_tel_sys_write_quietly(int fd, const void *buf, size_t len);
ssize_t __wrap_tel_sys_write_quietly(int fd, const void *buf, size_t len);

void __wrap_tel_sys_sleep_ns(int64_t ns)
{
    pauses++;
    if (on_pause != NULL)
        on_pause();
    else
        __real_tel_sys_sleep_ns(ns);
}

ssize_t __wrap_tel_sys_write_quietly(int fd, const void *buf, size_t len)
{
    const size_t most = bytes_taken;

    if (on_write != NULL)
        on_write();
    if (most == SIZE_MAX)
        return __real_tel_sys_write_quietly(fd, buf, len);
    bytes_taken -= len < most ? len : most;
    return most == 0 ? -ENOSPC : __real_tel_sys_write_quietly(fd, buf, len < most ? len : most);
}

static struct tel_journal_writer writer(void)
{
    return (struct tel_journal_writer){
        .raw = test_dir(), .file_mode = 0600, .max_size = UINT64_MAX};
}

static const char *path_of(uint32_t date)
{
    return journal_path(test_dir(), date);
}

static int append(struct tel_journal_writer *to, uint32_t date, const char *line,
                  struct tel_journal_pos *pos)
{
    err = (struct tel_error){0};
    return tel_journal_append(to, date, tel_str_from(line), pos, &err);
}

/* --- names ----------------------------------------------------------------------------------- */

Test(journal, names)
{
    static const char *const others[] = {"",
                                         "events_20261122.ndjson.gz",
                                         "events_20261122.json",
                                         "events_2026112.ndjson",
                                         "events_202611220.ndjson",
                                         "Events_20261122.ndjson",
                                         "events_2026-1-2.ndjson",
                                         "events_+2026112.ndjson",
                                         ".events_20261122.ndjson",
                                         "events_20261122_ndjson"};
    char name[TEL_JOURNAL_NAME_MAX];

    tel_journal_name(name, TODAY);
    cr_expect_str_eq(name, "events_20261122.ndjson");
    cr_expect_eq(tel_journal_date(tel_str_from(name)), TODAY);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        cr_expect_eq(tel_journal_date(tel_str_from(others[i])), 0, "%s", others[i]);
}

/* --- appending ------------------------------------------------------------------------------- */

Test(journal, appends_and_says_where)
{
    struct tel_journal_writer to = writer();
    struct tel_journal_pos pos;

    cr_assert_eq(append(&to, TODAY, "{\"a\": 1}\n", &pos), 0, "%s", err.message);
    cr_expect_eq(pos.date, TODAY);
    cr_expect_eq(pos.offset, 0);
    cr_expect_eq(pos.length, 9);
    cr_assert_eq(append(&to, TODAY, "{}\n", &pos), 0);
    cr_expect_eq(pos.offset, 9);
    cr_expect_eq(to.last.date, TODAY);
    cr_expect_eq(to.last.size, 12);
    cr_assert_eq(append(&to, TODAY, "[]\n", NULL), 0);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{\"a\": 1}\n{}\n[]\n");
}

Test(journal, without_a_directory)
{
    struct tel_journal_writer to = writer();

    to.raw = text("%s/missing", test_dir());
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), -ENOENT);
    cr_expect_not_null(strstr(err.message, to.raw), "%s", err.message);
}

Test(journal, files_have_the_mode_whatever_the_umask)
{
    static const mode_t umasks[] = {0, 022, 077, 0777};

    for (uint32_t i = 0; i < 4; i++) {
        struct tel_journal_writer to = writer();

        to.file_mode = 0660;
        umask(umasks[i]);
        cr_expect_eq(append(&to, TODAY + i, "{}\n", NULL), 0);
        umask(022);
        cr_expect_eq(mode_of(path_of(TODAY + i)), 0660, "%o", umasks[i]);
    }
}

/* Whoever made it may have had reasons: the Python client's are 0644. */
Test(journal, a_file_in_use_keeps_its_mode)
{
    struct tel_journal_writer to = writer();

    write_file(path_of(TODAY), "{}\n", 0644);
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(mode_of(path_of(TODAY)), 0644);
}

/* An empty file that somebody has put there under another name of it, or as another user. */
Test(journal, the_mode_of_somebody_elses_file_stays)
{
    struct tel_journal_writer to = writer();

    write_file(path_of(TODAY), "", 0644);
    cr_assert_eq(link(path_of(TODAY), path_of(TODAY + 1)), 0);
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(mode_of(path_of(TODAY)), 0644);
    if (geteuid() != 0)
        return;
    write_file(path_of(TODAY + 2), "", 0644);
    cr_assert_eq(chown(path_of(TODAY + 2), 65534, 65534), 0);
    cr_expect_eq(append(&to, TODAY + 2, "{}\n", NULL), 0);
    cr_expect_eq(mode_of(path_of(TODAY + 2)), 0644);
}

Test(journal, no_descriptor_is_left)
{
    struct tel_journal_writer to = writer();
    int before;

    test_dir();
    before = count_descriptors();
    append(&to, TODAY, "{}\n", NULL);
    to.existing = true;
    append(&to, TODAY, "{}\n", NULL);
    append(&to, TOMORROW, "{}\n", NULL);
    to.max_size = 1;
    append(&to, TOMORROW, "{}\n", NULL);
    to.raw = "/nonexistent";
    append(&to, TOMORROW, "{}\n", NULL);
    cr_expect_eq(count_descriptors(), before);
}

/* --- tears ----------------------------------------------------------------------------------- */

Test(journal, a_tear_is_ended_first)
{
    struct tel_journal_writer to = writer();
    struct tel_journal_pos pos;

    write_file(path_of(TODAY), "{\"whole\": 1}\n{\"to", 0600);
    cr_assert_eq(append(&to, TODAY, "{}\n", &pos), 0, "%s", err.message);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{\"whole\": 1}\n{\"to\n{}\n");
    cr_expect_eq(pos.offset, 18);
    cr_expect_eq(to.last.size, 21);
}

/* Somebody else's append, and their tear, between two of ours. */
Test(journal, a_tear_after_our_own_line)
{
    struct tel_journal_writer to = writer();
    int fd;

    cr_assert_eq(append(&to, TODAY, "{}\n", NULL), 0);
    fd = open(path_of(TODAY), O_WRONLY | O_APPEND);
    cr_assert_eq(write(fd, "torn", 4), 4);
    close(fd);
    cr_assert_eq(append(&to, TODAY, "[]\n", NULL), 0);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{}\ntorn\n[]\n");
}

Test(journal, a_tear_that_others_have_seen_too)
{
    write_file(path_of(TODAY), "torn", 0600);
    fflush(NULL);
    for (int i = 0; i < 8; i++) {
        if (fork() == 0) {
            struct tel_journal_writer to = writer();

            _exit(append(&to, TODAY, "{}\n", NULL) == 0 ? 0 : 1);
        }
    }
    for (int i = 0; i < 8; i++) {
        int wait_status;

        cr_assert_geq(wait(&wait_status), 0);
        cr_expect_eq(wait_status, 0);
    }
    cr_expect_str_eq(read_file(path_of(TODAY)), "torn\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n");
}

/* Another open file: its lock is another process's, as far as flock(2) knows. */
static int other = -1;

static void lock_as_other(int mode)
{
    other = open(path_of(TODAY), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_geq(other, 0);
    cr_assert_eq(flock(other, mode), 0);
}

static void complete_the_line(void)
{
    if (pauses == 3)
        cr_assert_eq(pwrite(other, "1}\n", 3, 10), 3);
}

/* A writer that can be seen in the middle of its line is no tear. */
Test(journal, somebody_in_the_middle_of_a_line)
{
    struct tel_journal_writer to = writer();

    write_file(path_of(TODAY), "{\"begun\": ", 0600);
    lock_as_other(LOCK_SH);
    on_pause = complete_the_line;
    cr_assert_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(pauses, 3);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{\"begun\": 1}\n{}\n");
}

static int writes_under_lock;

static void try_to_lock(void)
{
    int fd = open(path_of(TODAY), O_RDWR | O_CLOEXEC);

    flock(other, LOCK_UN);
    writes_under_lock += flock(fd, LOCK_EX | LOCK_NB) != 0;
    close(fd);
}

/* Without it the line would be taken for a tear by whoever sees it half written. */
Test(journal, the_lock_is_held_while_writing)
{
    struct tel_journal_writer to = writer();

    on_write = try_to_lock;
    cr_assert_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(writes_under_lock, 1);

    write_file(path_of(TODAY), "{\"begun\": ", 0600);
    lock_as_other(LOCK_SH);
    on_pause = complete_the_line;
    cr_assert_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(writes_under_lock, 2, "although asking for the exclusive lock has lost it");
    cr_expect_str_eq(read_file(path_of(TODAY)), "{\"begun\": 1}\n{}\n");
}

static void do_nothing(void)
{
}

/* One that never goes on does not hold everybody up. */
Test(journal, somebody_who_stopped_in_the_middle_of_a_line)
{
    struct tel_journal_writer to = writer();

    write_file(path_of(TODAY), "{\"begun\": ", 0600);
    lock_as_other(LOCK_SH);
    on_pause = do_nothing;
    cr_assert_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_leq(pauses, 20);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{\"begun\": \n{}\n");
}

/* --- locks ----------------------------------------------------------------------------------- */

Test(journal, a_foreign_lock_is_not_waited_for_long)
{
    struct tel_journal_writer to = writer();

    lock_as_other(LOCK_EX);
    on_pause = do_nothing;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0, "the line matters more than the lock");
    cr_expect_eq(pauses, 20);
    to.exclusive = true;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(pauses, 40);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{}\n{}\n");
}

static void unlock(void)
{
    if (pauses == 5)
        cr_assert_eq(flock(other, LOCK_UN), 0);
}

Test(journal, a_foreign_lock_is_waited_for)
{
    struct tel_journal_writer to = writer();

    lock_as_other(LOCK_EX);
    on_pause = unlock;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(pauses, 5);
}

Test(journal, ours_do_not_contend)
{
    struct tel_journal_writer to = writer();

    lock_as_other(LOCK_SH);
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(pauses, 0);
    cr_expect_eq(flock(other, LOCK_EX | LOCK_NB), 0, "and nothing stays locked");
}

/* --- refusals -------------------------------------------------------------------------------- */

Test(journal, only_regular_files, .timeout = 20)
{
    struct tel_journal_writer to = writer();
    const char *elsewhere = text("%s/elsewhere", test_dir());

    cr_assert_eq(mkfifo(path_of(TODAY), 0600), 0);
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), TEL_ERR_REFUSED, "a FIFO must not block");

    write_file(elsewhere, "", 0600);
    cr_assert_eq(symlink(elsewhere, path_of(YESTERDAY)), 0);
    cr_expect_eq(append(&to, YESTERDAY, "{}\n", NULL), -ELOOP);
    cr_expect_str_eq(read_file(elsewhere), "");

    cr_assert_eq(mkdir(path_of(TOMORROW), 0700), 0);
    cr_expect_eq(append(&to, TOMORROW, "{}\n", NULL), -EISDIR);
    cr_expect_eq(to.last.date, 0, "nothing was appended");
}

Test(journal, a_dangling_link_makes_no_file)
{
    struct tel_journal_writer to = writer();

    cr_assert_eq(symlink(text("%s/made", test_dir()), path_of(TODAY)), 0);
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), -ELOOP);
    cr_expect_not(file_exists(text("%s/made", test_dir())));
}

/* --- limits ---------------------------------------------------------------------------------- */

Test(journal, the_size_limit_is_not_crossed)
{
    struct tel_journal_writer to = writer();

    to.max_size = 10;
    cr_expect_eq(append(&to, TODAY, "123456789\n", NULL), -EFBIG);
    cr_expect_eq(append(&to, TODAY, "12345678\n", NULL), 0);
    cr_expect_eq(append(&to, TODAY, "\n", NULL), -EFBIG);
    cr_expect_str_eq(read_file(path_of(TODAY)), "12345678\n");
    to.max_size = 0;
    cr_expect_eq(append(&to, TOMORROW, "\n", NULL), -EFBIG);
}

/* The kernel's own limit, at every size around it: never a signal, never a part of a line. */
Test(journal, the_kernels_size_limit_raises_nothing)
{
    for (size_t size = 90; size <= 110; size++) {
        struct tel_journal_writer to = writer();
        struct rlimit limit = {100, RLIM_INFINITY};
        char content[128] = "";
        int status;

        memset(content, 'x', size);
        write_file(path_of(TODAY), content, 0600);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        to.max_size = limit.rlim_cur;
        status = append(&to, TODAY, "12\n", NULL);
        limit.rlim_cur = RLIM_INFINITY;
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        cr_expect_eq(status, size < 97 ? 0 : -EFBIG, "%zu: %d", size, status);
        cr_expect_str_eq(read_file(path_of(TODAY)) + size, status == 0 ? "\n12\n" : "", "%zu",
                         size);
    }
}

static void limit_file_size(rlim_t size)
{
    const struct rlimit limit = {size, RLIM_INFINITY};

    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The program lowers its limit after it was last asked for, whoever blocks the signal. */
Test(journal, a_limit_that_is_lowered_later)
{
    for (int blocked = 0; blocked < 2; blocked++) {
        struct tel_journal_writer to = writer();
        sigset_t all;
        sigset_t before;
        int status;

        signal(SIGXFSZ, SIG_DFL);
        to.signals_blocked = blocked;
        cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0);
        sigfillset(&all);
        limit_file_size(0);
        if (blocked)
            sigprocmask(SIG_BLOCK, &all, &before);
        status = append(&to, TODAY, "{}\n", NULL);
        if (blocked)
            sigprocmask(SIG_SETMASK, &before, NULL);
        limit_file_size(RLIM_INFINITY);
        cr_expect_eq(status, -EFBIG, "%s", err.message);
    }
    cr_expect_str_eq(read_file(path_of(TODAY)), "{}\n{}\n");
}

/* The disk fills up in the middle of a line, and in the middle of mending a tear. */
Test(journal, a_short_write)
{
    struct tel_journal_writer to = writer();

    bytes_taken = 4;
    cr_expect_eq(append(&to, TODAY, "{\"a\": 1}\n", NULL), -ENOSPC);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{\"a\"");
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), -ENOSPC, "not even a newline fits");
    bytes_taken = 2;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), -ENOSPC);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{\"a\"\n{");
    bytes_taken = SIZE_MAX;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{\"a\"\n{\n{}\n");
}

static void fill_up(void)
{
    static char much[4096];
    const struct rlimit limit = {sizeof much, RLIM_INFINITY};
    int fd = open(path_of(TODAY), O_WRONLY | O_APPEND | O_CLOEXEC);

    on_pause = NULL;
    cr_assert_eq(write(fd, much, sizeof much), (ssize_t)sizeof much);
    close(fd);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(flock(other, LOCK_UN), 0);
}

/* Others append while the lock is waited for: what would have fitted no longer does. */
Test(journal, filled_up_in_between)
{
    struct tel_journal_writer to = writer();

    signal(SIGXFSZ, SIG_DFL);
    to.max_size = 4096;
    lock_as_other(LOCK_EX);
    on_pause = fill_up;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), -EFBIG, "%s", err.message);
}

/* A filesystem of a few pages; skips the test where none can be mounted. */
static const char *tiny_filesystem(void)
{
    const char *path = text("%s/full", test_dir());

    cr_assert_eq(mkdir(path, 0700), 0);
    if (mount("tmpfs", path, "tmpfs", 0, "size=8k") != 0)
        cr_skip_test("a full disk: needs the right to mount");
    return path;
}

Test(journal, a_full_disk)
{
    static char line[3000];
    struct tel_journal_writer to = writer();
    int lines = 0;
    int status;
    const char *path;

    memset(line, 'x', sizeof line - 2);
    line[sizeof line - 2] = '\n';
    to.raw = tiny_filesystem();
    path = journal_path(to.raw, TODAY);
    while ((status = append(&to, TODAY, line, NULL)) == 0 && lines < 10)
        lines++;
    cr_expect_eq(status, -ENOSPC, "%s", err.message);
    cr_expect_eq(lines, 2);

    /* Room again: what was torn is ended, and the next line is whole. */
    cr_assert_eq(truncate(path, 4000), 0);
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0, "%s", err.message);
    cr_expect_eq(count_of(read_file(path), "x\n{}\n"), 1);
    cr_assert_eq(umount(to.raw), 0);
}

Test(journal, a_read_only_disk)
{
    struct tel_journal_writer to = writer();
    const char *path = tiny_filesystem();

    cr_assert_eq(mount("tmpfs", path, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
    to.raw = path;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), -EROFS);
    cr_assert_eq(umount(path), 0);
}

/* --- days and directories --------------------------------------------------------------------- */

Test(journal, never_goes_back_a_day)
{
    struct tel_journal_writer to = writer();
    struct tel_journal_pos pos;

    cr_assert_eq(append(&to, TODAY, "{\"n\": 1}\n", NULL), 0);
    cr_assert_eq(append(&to, YESTERDAY, "{\"n\": 2}\n", &pos), 0);
    cr_expect_eq(pos.date, TODAY);
    cr_expect_not(file_exists(path_of(YESTERDAY)));
    cr_assert_eq(append(&to, TOMORROW, "{\"n\": 3}\n", NULL), 0);
    cr_assert_eq(append(&to, TODAY, "{\"n\": 4}\n", NULL), 0);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{\"n\": 1}\n{\"n\": 2}\n");
    cr_expect_str_eq(read_file(path_of(TOMORROW)), "{\"n\": 3}\n{\"n\": 4}\n");
}

Test(journal, existing_writes_on)
{
    struct tel_journal_writer to = writer();

    cr_assert_eq(append(&to, TODAY, "{}\n", NULL), 0);
    to.existing = true;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0, "%s", err.message);
    cr_expect_eq(append(&to, TOMORROW, "{}\n", NULL), 0, "a new day's file is no stray one: %s",
                 err.message);
    cr_expect_str_eq(read_file(path_of(TODAY)), "{}\n{}\n");
    cr_expect_str_eq(read_file(path_of(TOMORROW)), "{}\n");
}

Test(journal, existing_makes_nothing)
{
    struct tel_journal_writer to = writer();
    const char *raw = text("%s/raw", test_dir());
    const char *moved = text("%s/moved", test_dir());

    to.raw = raw;
    cr_assert_eq(mkdir(raw, 0700), 0);
    cr_assert_eq(append(&to, TODAY, "{}\n", NULL), 0);
    to.existing = true;

    cr_assert_eq(rename(raw, moved), 0);
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), -ENOENT);
    cr_expect_eq(append(&to, TOMORROW, "{}\n", NULL), -ENOENT);
    cr_expect_not(file_exists(raw));

    cr_assert_eq(mkdir(raw, 0700), 0);
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), -ENOENT);
    cr_expect_eq(append(&to, TOMORROW, "{}\n", NULL), -ENOENT);
    cr_expect_not(file_exists(journal_path(raw, TOMORROW)));

    write_file(journal_path(raw, TODAY), "{}\n", 0600);
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), TEL_ERR_REFUSED, "another file at the path");
    cr_expect_eq(append(&to, TOMORROW, "{}\n", NULL), TEL_ERR_REFUSED);
    cr_expect_str_eq(read_file(journal_path(raw, TODAY)), "{}\n");
    cr_expect_not(file_exists(journal_path(raw, TOMORROW)));
    cr_expect_str_eq(read_file(journal_path(moved, TODAY)), "{}\n");
}

Test(journal, synced_when_asked)
{
    struct tel_journal_writer to = writer();

    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(syncs, 0);
    to.sync = true;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), 0);
    cr_expect_eq(syncs, 1);
    cr_expect_eq(synced, 6, "with the line in it");
    sync_status = -EIO;
    cr_expect_eq(append(&to, TODAY, "{}\n", NULL), -EIO);
    cr_expect_str_eq(err.message, "cannot sync the journal: Input/output error");
}

/* --- many at once ----------------------------------------------------------------------------- */

enum { WRITERS = 8, LINES = 150 };

static _Noreturn void write_lines(int number)
{
    static char line[9000];
    struct tel_journal_writer to = writer();

    for (int i = 0; i < LINES; i++) {
        const int pad = (i * 7919 + number * 104729) % 8000; /* most lines cross a page */

        memset(line, 'x', sizeof line);
        line[snprintf(line, 64, "%d %d ", number, i)] = 'x';
        strcpy(line + 64 + pad, "\n");
        if (append(&to, TODAY, line, NULL) != 0)
            _exit(1);
    }
    _exit(0);
}

/* "NUMBER I xxx…\n" and nothing else, each writer's in order. */
static void expect_whole_lines(const char *content)
{
    int next[WRITERS] = {0};
    int total = 0;

    while (*content != '\0') {
        const char *newline = strchr(content, '\n');
        char *end;
        long number = strtol(content, &end, 10);
        long i = strtol(end, &end, 10);

        cr_assert_not_null(newline, "ends in the middle of a line");
        cr_assert_neq(*content, '\n', "an empty line");
        cr_assert(end > content && *end == ' ', "not the beginning of a line: %.40s", content);
        cr_assert(number >= 0 && number < WRITERS && i == next[number], "%ld %ld", number, i);
        cr_assert_eq(strspn(end + 1, "x"), (size_t)(newline - end - 1), "mixed: %.40s", content);
        next[number]++;
        total++;
        content = newline + 1;
    }
    cr_expect_eq(total, WRITERS * LINES);
}

Test(journal, many_processes_append_whole_lines, .timeout = 60)
{
    test_dir();
    fflush(NULL);
    for (int i = 0; i < WRITERS; i++)
        if (fork() == 0)
            write_lines(i);
    for (int i = 0; i < WRITERS; i++) {
        int wait_status;

        cr_assert_geq(wait(&wait_status), 0);
        cr_expect_eq(wait_status, 0);
    }
    expect_whole_lines(read_file(path_of(TODAY)));
}

/* --- finding lines again ---------------------------------------------------------------------- */

static char found_memory[TEL_RUNLINE_MAX];

static int find(const char *run_id, struct tel_journal_pos *pos, struct tel_str *line,
                struct tel_journal_file *file)
{
    struct tel_buf memory;

    tel_buf_init(&memory, found_memory, sizeof found_memory);
    err = (struct tel_error){0};
    return tel_journal_find(test_dir(), tel_str_from(run_id), pos, &memory, line, file, &err);
}

Test(journal, found_where_it_was_said_to_be)
{
    struct tel_journal_writer to = writer();
    const char *wanted = start_line("run-b", 1);
    struct tel_journal_pos pos;
    struct tel_journal_file file;
    struct tel_str line;

    append(&to, TODAY, start_line("run-a", 1), NULL);
    append(&to, TODAY, wanted, &pos);
    append(&to, TODAY, start_line("run-c", 1), NULL);
    cr_assert_eq(find("run-b", &pos, &line, &file), 0, "%s", err.message);
    cr_expect_str_eq(view_text(line), wanted);
    cr_expect_eq(pos.length, strlen(wanted));
    cr_expect_eq(file.date, TODAY);
    cr_expect_eq(file.inode, to.last.inode);
    cr_expect_eq(file.dev, to.last.dev);
}

/* Others appended between the look at the size and the write: the line lies further on. */
Test(journal, found_from_an_early_hint)
{
    struct tel_journal_writer to = writer();
    struct tel_journal_pos hint;
    struct tel_journal_pos exact;
    struct tel_str line;

    append(&to, TODAY, "{\"run_id\": \"run-b-and-more\", \"agent_name\": \"x\"}\n", &hint);
    for (int i = 0; i < 800; i++)
        append(&to, TODAY, start_line("run-a", 1), NULL);
    append(&to, TODAY, "{\"note\": \"{\\\"run_id\\\": \\\"run-b\\\"}\"}\nnot a line at all\n\n",
           NULL);
    append(&to, TODAY, start_line("run-b", 7), &exact);
    append(&to, TODAY, start_line("run-b", 8), NULL);
    hint.length = 0;
    cr_assert_eq(find("run-b", &hint, &line, NULL), 0, "%s", err.message);
    cr_expect_str_eq(view_text(line), start_line("run-b", 7), "the first one");
    cr_expect_eq(hint.offset, exact.offset);
}

/* The lines of a run's events begin as its own do. */
Test(journal, found_behind_a_torn_line)
{
    const char *const torn = "{\"run_id\": \"run-a\", \"payload_json\": \"{\\";
    const char *const wanted = start_line("run-b", 1);
    struct tel_journal_pos pos = {.date = TODAY};
    struct tel_str line;

    write_file(path_of(TODAY), text("%s%s", torn, wanted), 0600);
    cr_assert_eq(find("run-b", &pos, &line, NULL), 0, "%s", err.message);
    cr_expect_str_eq(view_text(line), wanted);
    cr_expect_eq(pos.offset, strlen(torn));
    cr_expect_eq(pos.length, strlen(wanted));
}

Test(journal, an_event_is_not_found)
{
    struct tel_journal_writer to = writer();
    struct tel_journal_pos pos;
    struct tel_str line;

    append(&to, TODAY,
           "{\"run_id\": \"run-b\", \"event_type\": \"checkpoint\", \"timestamp\": "
           "\"2026-11-22T10:00:00.000000+00:00\", \"payload_json\": null, \"id\": null, "
           "\"record_type\": \"event\"}\n",
           &pos);
    append(&to, TODAY, start_line("run-b", 7), NULL);
    cr_assert_eq(find("run-b", &pos, &line, NULL), 0, "%s", err.message);
    cr_expect_str_eq(view_text(line), start_line("run-b", 7));
}

Test(journal, not_found)
{
    struct tel_journal_writer to = writer();
    struct tel_journal_pos pos = {TODAY, 0, 0};
    struct tel_str line = TEL_STR("untouched");

    cr_expect_eq(find("run-b", &pos, &line, NULL), -ENOENT, "no file");
    write_file(path_of(TODAY), "", 0600);
    cr_expect_eq(find("run-b", &pos, &line, NULL), TEL_ERR_NOT_FOUND);
    append(&to, TODAY, start_line("run-a", 1), NULL);
    append(&to, TODAY, "{\"run_id\": \"run-b\", \"agent_name\": ", NULL); /* torn */
    cr_expect_eq(find("run-b", &pos, &line, NULL), TEL_ERR_NOT_FOUND, "half a line is none");
    pos.offset = 1000000;
    cr_expect_eq(find("run-a", &pos, &line, NULL), TEL_ERR_NOT_FOUND, "behind the end");
    cr_expect_str_eq(view_text(line), "untouched");
}

/* Far ahead it is not looked for: the hint is right within what others can append in a moment. */
Test(journal, found_within_a_bounded_distance)
{
    struct tel_journal_writer to = writer();
    struct tel_journal_pos pos = {TODAY, 0, 0};
    struct tel_str line;

    for (int i = 0; i < 4000; i++)
        append(&to, TODAY, start_line("run-a", 1), NULL);
    append(&to, TODAY, start_line("run-b", 1), NULL);
    cr_expect_eq(find("run-b", &pos, &line, NULL), TEL_ERR_NOT_FOUND);
}

Test(journal, found_behind_the_longest_line)
{
    static char filler[TEL_RUNLINE_MAX];
    struct tel_journal_writer to = writer();
    struct tel_journal_pos pos = {TODAY, 0, 0};
    struct tel_str line;

    memset(filler, ' ', sizeof filler);
    filler[0] = '{';
    memcpy(filler + sizeof filler - 4, "}\n\0", 3);
    append(&to, TODAY, filler, NULL);
    append(&to, TODAY, start_line("run-b", 1), NULL);
    cr_expect_eq(find("run-b", &pos, &line, NULL), 0, "%s", err.message);
}
