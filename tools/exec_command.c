/* See exec_command.h. */
#include "exec_command.h"

#include "complain.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t count_of(char *const *list)
{
    size_t count = 0;

    while (list[count] != NULL)
        count++;
    return count;
}

/* A script without "#!": POSIX has the shell interpret it (exec(3p), ENOEXEC). */
static int replace_by_shell(const struct exec_command *command)
{
    static char shell[] = "/bin/sh";
    const size_t count = count_of(command->argv);
    char **argv = must_alloc((count + 2) * sizeof *argv);
    int status;

    argv[0] = shell;
    argv[1] = strdup(command->path);
    memcpy(argv + 2, command->argv + 1, count * sizeof *argv);
    execve(shell, argv, command->envp);
    status = -errno;
    free(argv[1]);
    free(argv);
    return status;
}

int exec_replace(const struct exec_command *command)
{
    execve(command->path, command->argv, command->envp);
    return errno == ENOEXEC ? replace_by_shell(command) : -errno;
}

/* --- in a child ------------------------------------------------------------------------------ */

/* The signal settings that the child is to start with: those we were started with. */
struct settings {
    sigset_t mask;
    struct sigaction child_action;
};

/* From here on every signal waits until it is asked for; a crash of our own is no signal to pass
 * on. An ignored SIGCHLD would have the kernel throw the wait status away. */
static void take_over_signals(struct settings *before, sigset_t *waited_for)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, SIGABRT};
    const struct sigaction usual = {.sa_handler = SIG_DFL};

    sigfillset(waited_for);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        sigdelset(waited_for, own[i]);
    sigprocmask(SIG_BLOCK, waited_for, &before->mask);
    sigaction(SIGCHLD, &usual, &before->child_action);
}

static void give_back_signals(const struct settings *before)
{
    sigaction(SIGCHLD, &before->child_action, NULL);
    sigprocmask(SIG_SETMASK, &before->mask, NULL);
}

static _Noreturn void become(const struct exec_command *command, const struct settings *before,
                             int report_fd)
{
    int status;

    give_back_signals(before);
    status = exec_replace(command);
    (void)!write(report_fd, &status, sizeof status);
    _exit(127);
}

/* What the child has to say: nothing, once it has executed the command. */
static int read_report(int fd)
{
    int status = 0;
    ssize_t got;

    do
        got = read(fd, &status, sizeof status);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof status ? status : 0;
}

static void stop_too(pid_t pid)
{
    raise(SIGSTOP);
    kill(pid, SIGCONT);
}

/* True when the child has ended. Others are there when this is the first process of a container,
 * whose children all orphans become. */
static bool look_at_children(pid_t pid, int *wait_status)
{
    for (;;) {
        int status;
        const pid_t got = waitpid(-1, &status, WNOHANG | WUNTRACED);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0;
        if (got != pid)
            continue;
        *wait_status = status;
        if (!WIFSTOPPED(status))
            return true;
        stop_too(pid);
    }
}

static void stand_for(pid_t pid, const sigset_t *waited_for, int *wait_status)
{
    while (!look_at_children(pid, wait_status)) {
        siginfo_t info;
        const int number = sigwaitinfo(waited_for, &info);

        /* What the kernel sends (Ctrl-C) goes to the terminal's whole foreground group, and thus to
         * the child already. */
        if (number > 0 && number != SIGCHLD && info.si_code != SI_KERNEL)
            kill(pid, number);
    }
}

int exec_wait(const struct exec_command *command, int *wait_status)
{
    struct settings before;
    sigset_t waited_for;
    int report[2];
    int status;
    pid_t pid;

    if (pipe2(report, O_CLOEXEC) != 0)
        return -errno;
    take_over_signals(&before, &waited_for);
    pid = fork();
    if (pid == 0)
        become(command, &before, report[1]);
    status = pid < 0 ? -errno : 0;
    close(report[1]);
    if (pid > 0)
        status = read_report(report[0]);
    close(report[0]);
    if (pid > 0 && status == 0)
        stand_for(pid, &waited_for, wait_status);
    else if (pid > 0)
        waitpid(pid, NULL, 0);
    give_back_signals(&before);
    return status;
}

int exec_end_alike(int wait_status)
{
    const struct rlimit none = {0, 0};
    int number;
    sigset_t set;

    if (!WIFSIGNALED(wait_status))
        return WEXITSTATUS(wait_status);
    number = WTERMSIG(wait_status);
    setrlimit(RLIMIT_CORE, &none);
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return 128 + number; /* of no use any more, unless it did not kill us */
}
