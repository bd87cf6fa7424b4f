/* How a process ended, asked of each source, in each state a process can be in. */
#include "exit_status.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/recording.h"
#include "support/support.h"

struct process {
    pid_t pid;
    int pidfd;
};

/* A child that does what act says. */
static struct process begin(void (*act)(void))
{
    struct process process;

    fflush(NULL);
    process.pid = fork();
    cr_assert_geq(process.pid, 0);
    if (process.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        act();
        _exit(99);
    }
    process.pidfd = (int)syscall(SYS_pidfd_open, process.pid, 0);
    cr_assert_geq(process.pidfd, 0);
    return process;
}

static void wait_for_zombie(const struct process *process)
{
    siginfo_t info;

    cr_assert_eq(waitid(P_PID, (id_t)process->pid, &info, WEXITED | WNOWAIT), 0);
}

static void reap(const struct process *process)
{
    int wait_status;

    cr_assert_eq(waitpid(process->pid, &wait_status, 0), process->pid);
}

static int seen;

/* A kernel that does not answer (before Linux 6.15: ENOTTY), and one that reaps just when it is asked. */
static int kernel_error;
static const struct process *to_be_reaped;

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument);

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
    int result;

    if (kernel_error != 0) {
        errno = kernel_error;
        return -1;
    }
    result = __real_ioctl(fd, request, argument);
    if (to_be_reaped != NULL) {
        waitpid(to_be_reaped->pid, NULL, 0);
        to_be_reaped = NULL;
    }
    return result;
}

static enum tel_exit_answer ask(enum tel_exit_source source, const struct process *process)
{
    seen = -1;
    return tel_exit_status(source, process->pidfd, &seen);
}

static void sleep_on(void)
{
    for (;;)
        pause();
}

static void exit_3(void)
{
    _exit(3);
}

static void be_killed(void)
{
    kill(getpid(), SIGKILL);
}

static void dump_core(void)
{
    const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    setrlimit(RLIMIT_CORE, &limit);
    signal(SIGABRT, SIG_DFL);
    if (chdir(test_dir()) == 0)
        kill(getpid(), SIGABRT);
    sleep_on();
}

static void exec_and_exit(void)
{
    execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
}

Test(exit_status, sources_have_names)
{
    cr_expect_eq(tel_exit_source_parse(TEL_STR("pidfd")), TEL_EXIT_PIDFD);
    cr_expect_eq(tel_exit_source_parse(TEL_STR("proc")), TEL_EXIT_PROC);
    cr_expect_eq(tel_exit_source_parse(TEL_STR("none")), TEL_EXIT_NONE);
    cr_expect_eq(tel_exit_source_parse(TEL_STR("auto")), TEL_EXIT_AUTO);
    cr_expect_eq(tel_exit_source_parse(TEL_STR("nonsense")), TEL_EXIT_AUTO);
    cr_expect_eq(tel_exit_source_parse(TEL_STR_NONE), TEL_EXIT_AUTO);
}

Test(exit_status, running_for_every_source)
{
    struct process process = begin(sleep_on);

    for (int source = TEL_EXIT_AUTO; source <= TEL_EXIT_NONE; source++) {
        cr_expect_eq(ask((enum tel_exit_source)source, &process), TEL_EXIT_RUNNING, "%d", source);
        cr_expect_eq(seen, -1, "untouched");
    }
    kill(process.pid, SIGSTOP);
    cr_assert_eq(waitpid(process.pid, NULL, WUNTRACED), process.pid);
    for (int source = TEL_EXIT_AUTO; source <= TEL_EXIT_NONE; source++)
        cr_expect_eq(ask((enum tel_exit_source)source, &process), TEL_EXIT_RUNNING, "stopped: %d",
                     source);
    kill(process.pid, SIGKILL);
    reap(&process);
}

Test(exit_status, a_zombie)
{
    struct process process = begin(exit_3);

    wait_for_zombie(&process);
    cr_expect_eq(ask(TEL_EXIT_NONE, &process), TEL_EXIT_UNKNOWN);
    cr_expect_eq(seen, -1);
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_ZOMBIE,
                 "the kernel says after the reaping");
    cr_expect_eq(ask(TEL_EXIT_PIDFD, &process), TEL_EXIT_ZOMBIE);
    cr_expect_eq(ask(TEL_EXIT_PROC, &process), TEL_EXIT_KNOWN);
    cr_expect_eq(seen, 3 << 8);
    reap(&process);
}

Test(exit_status, a_reaped_process)
{
    struct process process = begin(exit_3);

    need_exit_codes_of_strangers();
    reap(&process);
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_KNOWN);
    cr_expect_eq(seen, 3 << 8);
    cr_expect_eq(ask(TEL_EXIT_PIDFD, &process), TEL_EXIT_KNOWN);
    cr_expect_eq(seen, 3 << 8);
}

/* Between two looks of ours. */
Test(exit_status, reaped_at_the_very_moment)
{
    struct process process = begin(exit_3);

    need_exit_codes_of_strangers();
    wait_for_zombie(&process);
    to_be_reaped = &process;
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_KNOWN);
    cr_expect_eq(seen, 3 << 8);
}

/* There the zombie is asked at once: soon it will be gone. */
Test(exit_status, an_older_kernel)
{
    struct process process = begin(exit_3);

    kernel_error = ENOTTY;
    cr_expect_not(tel_exit_pidfd_works());
    wait_for_zombie(&process);
    cr_expect_eq(ask(TEL_EXIT_PIDFD, &process), TEL_EXIT_ZOMBIE);
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_KNOWN);
    cr_expect_eq(seen, 3 << 8);
    reap(&process);
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_UNKNOWN);
}

/* A filter of system calls: then the zombie's file is all there is, and it has to be asked in time. */
Test(exit_status, a_kernel_that_may_not_be_asked)
{
    struct process process = begin(exit_3);

    kernel_error = EPERM;
    wait_for_zombie(&process);
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_KNOWN);
    cr_expect_eq(seen, 3 << 8);
    reap(&process);
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_FORBIDDEN);
    cr_expect_eq(ask(TEL_EXIT_PIDFD, &process), TEL_EXIT_FORBIDDEN);
}

static void be_another_group(void)
{
    if (setresgid(65533, 65533, 65533) != 0 || setresuid(65534, 65534, 65534) != 0)
        _exit(98);
    kill(getpid(), SIGKILL);
}

/* Whom we may not trace, the kernel shows with a status of 0: no success. */
Test(exit_status, a_zombie_that_may_not_be_looked_at)
{
    struct process process;
    int wait_status;
    pid_t pid;

    if (geteuid() != 0)
        cr_skip_test("another group: only root can change to one");
    process = begin(be_another_group);
    wait_for_zombie(&process);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
            _exit(98);
        _exit(ask(TEL_EXIT_PROC, &process) == TEL_EXIT_KNOWN && seen == 0 ? 1 : 0);
    }
    cr_assert_eq(waitpid(pid, &wait_status, 0), pid);
    cr_expect_eq(wait_status, 0, "taken for a success: %x", wait_status);
    reap(&process);
}

/* Where nobody looked in time, nobody knows; another process's status is never taken for it. */
Test(exit_status, a_reaped_process_on_older_kernels)
{
    struct process process = begin(exit_3);

    reap(&process);
    cr_expect_eq(ask(TEL_EXIT_PROC, &process), TEL_EXIT_UNKNOWN);
    cr_expect_eq(seen, -1);
    cr_expect_eq(ask(TEL_EXIT_NONE, &process), TEL_EXIT_UNKNOWN);
}

/* The number is a zombie's by now, but another one's. */
/* Afterwards it may be another process's. */
Test(exit_status, a_number_counts_until_the_reaping)
{
    struct process process = begin(exit_3);

    cr_expect_eq(tel_pidfd_pid(process.pidfd), process.pid);
    wait_for_zombie(&process);
    cr_expect_eq(tel_pidfd_pid(process.pidfd), process.pid);
    reap(&process);
    cr_expect_eq(tel_pidfd_pid(process.pidfd), 0);
    cr_expect_eq(ask(TEL_EXIT_PROC, &process), TEL_EXIT_UNKNOWN);
    cr_expect_eq(seen, -1);
}

static void expect_from_both(void (*act)(void), int wait_status, const char *what)
{
    struct process process = begin(act);

    wait_for_zombie(&process);
    cr_expect_eq(ask(TEL_EXIT_PROC, &process), TEL_EXIT_KNOWN, "%s", what);
    cr_expect_eq(seen, wait_status, "%s, as a zombie: %x", what, seen);
    reap(&process);
    if (!tel_exit_pidfd_works())
        return;
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_KNOWN, "%s", what);
    cr_expect_eq(seen, wait_status, "%s, reaped: %x", what, seen);
}

Test(exit_status, killed)
{
    expect_from_both(be_killed, SIGKILL, "killed");
}

Test(exit_status, executed_another_program)
{
    expect_from_both(exec_and_exit, 5 << 8, "after an exec");
}

Test(exit_status, core_dumped)
{
    struct process process = begin(dump_core);
    int wait_status;

    wait_for_zombie(&process);
    cr_assert_eq(ask(TEL_EXIT_PROC, &process), TEL_EXIT_KNOWN);
    cr_assert_eq(waitpid(process.pid, &wait_status, 0), process.pid);
    cr_expect_eq(seen, wait_status);
    cr_expect_eq(WTERMSIG(seen), SIGABRT);
    need_exit_codes_of_strangers();
    cr_expect_eq(ask(TEL_EXIT_PIDFD, &process), TEL_EXIT_KNOWN);
    cr_expect_eq(seen, wait_status);
    if (!WCOREDUMP(wait_status))
        cr_skip_test("core dumps: this machine makes none");
}

/* Not our child: its parent is another process, and reaps it. */
Test(exit_status, somebody_elses_child)
{
    struct process process = {0, -1};
    int channel[2];
    char byte = 0;
    int keeper_status;
    pid_t keeper;

    need_exit_codes_of_strangers();
    cr_assert_eq(pipe2(channel, O_CLOEXEC), 0);
    fflush(NULL);
    keeper = fork();
    if (keeper == 0) {
        pid_t child = fork();

        if (child == 0)
            _exit(read(channel[0], &byte, 1) == 1 ? 42 : 1);
        _exit(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && waitpid(child, NULL, 0) == child ? 0 : 1);
    }
    while (process.pid == 0) {
        char children[64] = "";
        int fd = open(text("/proc/%d/task/%d/children", keeper, keeper), O_RDONLY);

        cr_assert_geq(fd, 0);
        if (read(fd, children, sizeof children - 1) > 0)
            sscanf(children, "%d", &process.pid);
        close(fd);
    }
    process.pidfd = (int)syscall(SYS_pidfd_open, process.pid, 0);
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_RUNNING);
    cr_assert_eq(write(channel[1], &byte, 1), 1);
    cr_assert_eq(waitpid(keeper, &keeper_status, 0), keeper);
    cr_expect_eq(ask(TEL_EXIT_AUTO, &process), TEL_EXIT_KNOWN);
    cr_expect_eq(seen, 42 << 8);
}

Test(exit_status, a_descriptor_of_something_else)
{
    struct process nothing = {getpid(), open("/dev/null", O_RDONLY)};

    cr_expect_neq(ask(TEL_EXIT_AUTO, &nothing), TEL_EXIT_KNOWN);
    cr_expect_eq(seen, -1);
}
