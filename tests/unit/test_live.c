/* The table of runs that are watched, and epoll's part in it. */
#include "live.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"

static const struct tel_journal_pos nowhere;
static struct tel_live *live;
static int epoll_fd;
static int fds_before;

static void set_up(void)
{
    fds_before = count_descriptors();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    live = tel_live_new(epoll_fd);
    cr_assert_not_null(live);
}

static void tear_down(void)
{
    tel_live_free(live);
    close(epoll_fd);
    /* An assertion that fails here is printed, and forgotten. */
    if (count_descriptors() != fds_before)
        abort();
}

TestSuite(live, .init = set_up, .fini = tear_down);

static pid_t sleeping_child(void)
{
    pid_t pid;

    fflush(NULL);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static int pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static int add(const char *run_id, pid_t pid)
{
    return tel_live_add(live, tel_str_from(run_id), pidfd_of(pid), &nowhere);
}

/* The run that epoll tells of, or NULL after a moment. */
static struct tel_live_run *next_event(uint32_t *events)
{
    struct epoll_event event;

    if (epoll_wait(epoll_fd, &event, 1, 0) != 1)
        return NULL;
    *events = event.events;
    return event.data.ptr;
}

/* As the collector does: everything that epoll tells of has ended. */
static void take_all_events(void)
{
    struct tel_live_run *run;
    uint32_t events;

    while ((run = next_event(&events)) != NULL)
        tel_live_ended(live, run, 7);
}

Test(live, empty)
{
    cr_expect_eq(tel_live_count(live), 0);
    cr_expect_not(tel_live_has(live, TEL_STR("r")));
    cr_expect_not(tel_live_any_ended(live));
    cr_expect_null(tel_live_take_ended(live));
    tel_live_free(NULL);
}

Test(live, added_and_removed)
{
    const struct tel_journal_pos start = {20261122, 10, 20};
    pid_t pid = sleeping_child();
    struct tel_live_run *run;
    uint32_t events;

    cr_assert_eq(tel_live_add(live, TEL_STR("run-1"), pidfd_of(pid), &start), 0);
    cr_expect(tel_live_has(live, TEL_STR("run-1")));
    cr_expect_not(tel_live_has(live, TEL_STR("run-")));
    cr_expect_not(tel_live_has(live, TEL_STR("run-11")));
    cr_expect_eq(tel_live_count(live), 1);
    cr_expect_null(next_event(&events), "it lives");

    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    run = next_event(&events);
    cr_assert_not_null(run);
    cr_expect_str_eq(run->run_id, "run-1");
    cr_expect_eq(run->start.offset, 20);
    cr_expect_eq(run->ended_boot_ns, 0);
    tel_live_remove(live, run);
    cr_expect_eq(tel_live_count(live), 0);
    cr_expect_not(tel_live_has(live, TEL_STR("run-1")));
}

Test(live, watched_once)
{
    pid_t pid = sleeping_child();
    int before;

    cr_assert_eq(add("run-1", pid), 0);
    before = count_descriptors();
    cr_expect_eq(add("run-1", pid), 1);
    cr_expect_eq(count_descriptors(), before, "the second pidfd is closed");
    cr_expect_eq(tel_live_count(live), 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

Test(live, forgotten_while_it_lives)
{
    pid_t pid = sleeping_child();
    const int before = count_descriptors();

    cr_assert_eq(add("run-1", pid), 0);
    tel_live_forget(live, TEL_STR("run-2"));
    cr_expect(tel_live_has(live, TEL_STR("run-1")));
    tel_live_forget(live, TEL_STR("run-1"));
    cr_expect_not(tel_live_has(live, TEL_STR("run-1")));
    cr_expect_eq(tel_live_count(live), 0);
    cr_expect_eq(count_descriptors(), before);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

Test(live, what_cannot_be_watched)
{
    int before = count_descriptors();
    int file = open("/dev/null", O_RDONLY);

    cr_expect_lt(tel_live_add(live, TEL_STR("run-1"), file, &nowhere), 0, "no pollable descriptor");
    cr_expect_eq(count_descriptors(), before);
    cr_expect_not(tel_live_has(live, TEL_STR("run-1")));
    cr_expect_eq(tel_live_count(live), 0);
}

/* Once when it ends, once more when it is reaped, and then never again: no busy loop on a zombie. */
Test(live, told_of_the_end_and_of_the_reaping)
{
    pid_t pid = sleeping_child();
    struct tel_live_run *run;
    siginfo_t info;
    uint32_t events;
    int64_t ended;

    cr_assert_eq(add("run-1", pid), 0);
    kill(pid, SIGKILL);
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);

    run = next_event(&events);
    cr_assert_not_null(run);
    tel_live_ended(live, run, 7);
    ended = run->ended_boot_ns;
    cr_expect_gt(ended, 0);
    cr_expect_eq(run->late_ns, 7);
    cr_expect(tel_live_any_ended(live));
    cr_expect_null(next_event(&events), "a zombie that nobody reaps");

    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    run = next_event(&events);
    if (run != NULL) { /* Linux 6.9 and later */
        cr_expect(events & EPOLLHUP);
        tel_live_ended(live, run, 7);
        cr_expect_eq(run->ended_boot_ns, ended, "noted once");
        cr_expect_null(next_event(&events));
    }
    run = tel_live_take_ended(live);
    cr_assert_not_null(run);
    cr_expect_null(run->queued, "on the list once");
    tel_live_remove(live, run);
}

Test(live, the_list_of_ended_runs)
{
    struct tel_live_run *list;
    int count = 0;

    for (int i = 0; i < 3; i++) {
        pid_t pid = sleeping_child();

        cr_assert_eq(add(text("run-%d", i), pid), 0);
        kill(pid, SIGKILL);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
    }
    take_all_events();
    list = tel_live_take_ended(live);
    cr_expect_not(tel_live_any_ended(live), "the caller has it now");
    while (list != NULL) {
        struct tel_live_run *next = list->queued;

        if (count++ == 0)
            tel_live_put_back(live, list);
        else
            tel_live_remove(live, list);
        list = next;
    }
    cr_expect_eq(count, 3);
    cr_expect_eq(tel_live_count(live), 1);
    list = tel_live_take_ended(live);
    cr_assert_not_null(list);
    cr_expect_null(list->queued);
}

/* As many as a busy machine has, in one table; each found, each removed. */
Test(live, many)
{
    enum { MANY = 5000 };
    struct tel_live_run *list;
    int count = 0;
    pid_t pid = sleeping_child();

    for (int i = 0; i < MANY; i++)
        cr_assert_eq(add(text("20261122T100000Z-agent-%08x", i), pid), 0, "%d", i);
    cr_expect_eq(tel_live_count(live), MANY);
    for (int i = 0; i < MANY; i++)
        cr_assert(tel_live_has(live, tel_str_from(text("20261122T100000Z-agent-%08x", i))));
    kill(pid, SIGKILL);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    take_all_events();
    for (list = tel_live_take_ended(live); list != NULL; count++) {
        struct tel_live_run *next = list->queued;

        tel_live_remove(live, list);
        list = next;
    }
    cr_expect_eq(count, MANY);
    cr_expect_eq(tel_live_count(live), 0);
}
