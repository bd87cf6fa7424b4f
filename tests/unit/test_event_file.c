/* The journal kept open for events: which file, whole lines, and what happens after a write that did not
 * go well. */
#include "event_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/places.h"
#include "support/support.h"
#include "support/syncs.h"

static struct tel_datadir dir;
static struct tel_event_file file;
static struct tel_error err;

/* A disk that takes so many bytes of the next line; -1: all. */
static ssize_t room = -1;

/* What happens right after the next line has been written; NULL: nothing. */
static void (*on_written)(void);

ssize_t __real_tel_sys_write(int fd, const void *buf, size_t len);
ssize_t __wrap_tel_sys_write(int fd, const void *buf, size_t len);

ssize_t __wrap_tel_sys_write(int fd, const void *buf, size_t len)
{
    const size_t take = room >= 0 && (size_t)room < len ? (size_t)room : len;
    void (*then)(void) = on_written;
    ssize_t written;

    if (room == 0)
        return -ENOSPC;
    room = -1;
    written = __real_tel_sys_write(fd, buf, take);
    on_written = NULL;
    if (then != NULL)
        then();
    return written;
}

static void set_up(void)
{
    make_place(&dir, test_dir());
    tel_event_file_init(&file, &dir, false);
}

static void tear_down(void)
{
    tel_event_file_close(&file);
}

TestSuite(event_file, .init = set_up, .fini = tear_down);

/* At that date, at a time of day that passes. */
static int append(uint32_t date, const char *line)
{
    const char *const day = text("%u-%02u-%02u", date / 10000, date / 100 % 100, date % 100);
    struct timespec now;
    int64_t realtime_ns;

    clock_gettime(CLOCK_MONOTONIC, &now);
    cr_assert(tel_time_parse(tel_str_from(text("%sT12:00:00", day)), &realtime_ns));
    realtime_ns += now.tv_sec % 3600 * 1000000000 + now.tv_nsec;
    return tel_event_file_append(&file, realtime_ns, tel_str_from(line), &err);
}

static const char *content(uint32_t date)
{
    return read_file(journal_path(dir.raw, date));
}

Test(event_file, one_file_is_kept_open)
{
    int fd;

    cr_expect_eq(append(20261122, "a\n"), 0, "%s", err.message);
    fd = file.kept.number;
    cr_expect_eq(append(20261122, "b\n"), 0);
    cr_expect_eq(file.kept.number, fd);
    cr_expect_str_eq(content(20261122), "a\nb\n");
}

Test(event_file, the_day_changes_behind_the_same_number)
{
    int fd;

    append(20261122, "a\n");
    fd = file.kept.number;
    cr_expect_eq(append(20261123, "b\n"), 0);
    cr_expect_eq(file.kept.number, fd, "other threads may be about to use it");
    cr_expect_eq(append(20261122, "c\n"), 0, "clocks may step back, lines do not");
    cr_expect_str_eq(content(20261122), "a\n");
    cr_expect_str_eq(content(20261123), "b\nc\n");
}

Test(event_file, a_tear_of_somebody_else_is_mended_at_opening)
{
    write_file(journal_path(dir.raw, 20261122), "torn", 0600);
    cr_expect_eq(append(20261122, "a\n"), 0);
    cr_expect_str_eq(content(20261122), "torn\na\n");
}

Test(event_file, ones_own_tear_is_mended_with_the_next_line)
{
    append(20261122, "a\n");
    room = 2;
    cr_expect_eq(append(20261122, "lost\n"), -ENOSPC);
    cr_expect_eq(append(20261122, "b\n"), 0);
    cr_expect_str_eq(content(20261122), "a\nlo\nb\n");
}

Test(event_file, a_full_disk_is_an_error_until_there_is_room)
{
    append(20261122, "a\n");
    room = 0;
    cr_expect_eq(append(20261122, "lost\n"), -ENOSPC);
    cr_expect_eq(append(20261122, "lost\n"), -ENOSPC);
    room = -1;
    cr_expect_eq(append(20261122, "b\n"), 0);
    cr_expect_str_eq(content(20261122), "a\nb\n");
}

Test(event_file, without_a_directory_it_says_so)
{
    cr_assert_eq(rmdir(dir.raw), 0);
    cr_expect_eq(append(20261122, "a\n"), -ENOENT);
    cr_expect(strstr(err.message, "cannot open ") != NULL);
}

/* Closed by the program, which then has a file of its own under the number. */
Test(event_file, somebody_elses_file_is_left_alone)
{
    const char *const theirs = text("%s/theirs", test_dir());
    int fd;

    cr_expect_eq(append(20261122, "a\n"), 0);
    fd = file.kept.number;
    cr_assert_eq(close(fd), 0);
    cr_expect_eq(append(20261122, "b\n"), 0, "%s", err.message);
    cr_assert_eq(close(file.kept.number), 0);
    write_file(theirs, "", 0600);
    usleep(1000); /* the look at the number is good for a moment */
    fd = dup2(open(theirs, O_WRONLY | O_CLOEXEC), file.kept.number);
    cr_expect_eq(append(20261122, "c\n"), 0, "%s", err.message);
    cr_expect_eq(append(20261123, "d\n"), 0, "%s", err.message);
    tel_event_file_close(&file);
    cr_expect_eq(write(fd, "x", 1), 1, "it is still open");
    cr_expect_str_eq(read_file(theirs), "x");
    cr_expect_str_eq(content(20261122), "a\nb\nc\n");
    cr_expect_str_eq(content(20261123), "d\n");
    tel_event_file_init(&file, &dir, false);
}

Test(event_file, one_that_is_taken_away_is_made_anew)
{
    append(20261122, "a\n");
    usleep(1000);
    cr_assert_eq(unlink(journal_path(dir.raw, 20261122)), 0);
    cr_expect_eq(append(20261122, "b\n"), 0);
    cr_expect_str_eq(content(20261122), "b\n");
}

Test(event_file, synced_when_asked)
{
    cr_expect_eq(append(20261122, "a\n"), 0);
    cr_expect_eq(syncs, 0);
    tel_event_file_close(&file);
    tel_event_file_init(&file, &dir, true);
    cr_expect_eq(append(20261122, "b\n"), 0);
    cr_expect_eq(syncs, 1);
    cr_expect_eq(synced, 4, "with the line in it");
    sync_status = -EIO;
    cr_expect_eq(append(20261122, "c\n"), -EIO);
    cr_expect_str_eq(err.message, "cannot sync the journal: Input/output error");
}

static void change_the_day(void)
{
    cr_expect_eq(append(20261123, "the first one of another thread\n"), 0);
}

/* Between its write and its sync another thread puts the next day's file behind the number. */
Test(event_file, at_the_change_of_day_the_file_with_the_line_is_synced)
{
    tel_event_file_close(&file);
    tel_event_file_init(&file, &dir, true);
    cr_expect_eq(append(20261122, "a\n"), 0);
    on_written = change_the_day;
    cr_expect_eq(append(20261122, "b\n"), 0);
    cr_expect_eq(syncs, 3);
    cr_expect_eq(synced, 4, "the file of its own day");
    cr_expect_str_eq(content(20261122), "a\nb\n");
    cr_expect_str_eq(content(20261123), "the first one of another thread\n");
}
