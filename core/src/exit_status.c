/* See exit_status.h. */
#include "exit_status.h"

#include "base/clone.h"
#include "base/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* include/uapi/linux/pidfd.h of Linux 6.15, which older headers lack: the first, 64-byte version of
 * the structure. The kernel takes its size from the request number. */
struct pidfd_info {
    uint64_t mask;
    uint64_t cgroupid;
    uint32_t pid, tgid, ppid;
    uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};
#define INFO_EXIT (UINT64_C(1) << 3)
#define GET_INFO _IOWR(0xFF, 11, struct pidfd_info)

enum tel_exit_source tel_exit_source_parse(struct tel_str text)
{
    if (tel_str_is(text, "pidfd"))
        return TEL_EXIT_PIDFD;
    if (tel_str_is(text, "proc"))
        return TEL_EXIT_PROC;
    if (tel_str_is(text, "none"))
        return TEL_EXIT_NONE;
    return TEL_EXIT_AUTO;
}

/* The state that poll(2) tells on any kernel: readable once ended, hung up once reaped (6.9). */
static enum tel_exit_answer poll_state(int pidfd)
{
    struct pollfd state = {.fd = pidfd, .events = POLLIN};

    if (poll(&state, 1, 0) <= 0)
        return TEL_EXIT_RUNNING;
    return (state.revents & POLLHUP) != 0 ? TEL_EXIT_UNKNOWN : TEL_EXIT_ZOMBIE;
}

/* Before pidfs a reaped process shows no POLLHUP; sending it nothing tells. */
static bool is_reaped(int pidfd)
{
    return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0 && errno == ESRCH;
}

enum telling { TELLS, TELLS_LATER, TELLS_NEVER, MAY_NOT_BE_ASKED };

static enum telling ask_pidfd(int pidfd, int *wait_status)
{
    struct pidfd_info info = {.mask = INFO_EXIT};

    if (ioctl(pidfd, GET_INFO, &info) < 0)
        return errno == EPERM || errno == EACCES ? MAY_NOT_BE_ASKED : TELLS_NEVER;
    if ((info.mask & INFO_EXIT) == 0)
        return TELLS_LATER;
    *wait_status = info.exit_code;
    return TELLS;
}

/* By the "Pid:" line of /proc/self/fdinfo/FD, which says -1 once the process has been reaped. */
pid_t tel_pidfd_pid(int pidfd)
{
    char line[128];
    char path[48];
    int pid = 0;
    FILE *info;

    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    info = fopen(path, "re");
    if (info == NULL)
        return 0;
    while (fgets(line, sizeof line, info) != NULL)
        if (sscanf(line, "Pid: %d", &pid) == 1)
            break;
    fclose(info);
    return pid > 0 ? pid : 0;
}

/* Whether we may trace a zombie: its links are gone for those who may, and forbidden to others. */
static bool may_trace(pid_t pid)
{
    char path[32];
    char target[1];

    snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    return readlink(path, target, sizeof target) >= 0 || errno != EACCES;
}

/* The kernel shows a zombie's wait status to those who may trace it: the same user. Others see 0, which
 * is not to be taken for a success. */
static bool ask_proc(int pidfd, int *wait_status)
{
    const pid_t pid = tel_pidfd_pid(pidfd);
    struct tel_proc_stat stat;
    char path[32];

    if (pid <= 0 || geteuid() != getuid())
        return false;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (tel_proc_stat_read(path, &stat) < 0 || !tel_proc_stat_has_ended(&stat) ||
        (stat.exit_code == 0 && !may_trace(pid)) || is_reaped(pidfd))
        return false;
    *wait_status = stat.exit_code;
    return true;
}

/* For a process that has been reaped: now or never. */
static enum tel_exit_answer last_word(enum telling telling)
{
    if (telling == TELLS)
        return TEL_EXIT_KNOWN;
    return telling == MAY_NOT_BE_ASKED ? TEL_EXIT_FORBIDDEN : TEL_EXIT_UNKNOWN;
}

/* A process that was seen as a zombie, and may have been reaped since. */
static enum tel_exit_answer ask_zombie(enum tel_exit_source source, int pidfd, int *wait_status)
{
    if (source == TEL_EXIT_NONE)
        return TEL_EXIT_UNKNOWN;
    if (source == TEL_EXIT_PROC && ask_proc(pidfd, wait_status))
        return TEL_EXIT_KNOWN;
    if (!is_reaped(pidfd))
        return TEL_EXIT_ZOMBIE;
    return source == TEL_EXIT_PROC ? TEL_EXIT_UNKNOWN : last_word(ask_pidfd(pidfd, wait_status));
}

enum tel_exit_answer tel_exit_status(enum tel_exit_source source, int pidfd, int *wait_status)
{
    /* First, because the answer of the pidfd is there when it says that the process was reaped. */
    const enum tel_exit_answer state = poll_state(pidfd);
    enum telling telling = TELLS_NEVER;

    if (state == TEL_EXIT_RUNNING)
        return state;
    if (source == TEL_EXIT_AUTO || source == TEL_EXIT_PIDFD)
        telling = ask_pidfd(pidfd, wait_status);
    if (telling == TELLS)
        return TEL_EXIT_KNOWN;
    if (state == TEL_EXIT_UNKNOWN)
        return last_word(telling);
    /* An older kernel: there may be no time to lose. */
    if (source == TEL_EXIT_AUTO && telling != TELLS_LATER)
        source = TEL_EXIT_PROC;
    return ask_zombie(source, pidfd, wait_status);
}

enum { PROBE_STATUS = 7 };

static int end_as_probe(void *arg)
{
    (void)arg;
    return PROBE_STATUS;
}

bool tel_exit_pidfd_works(void)
{
    _Alignas(16) char stack[4096];
    int wait_status = -1;
    bool works = false;
    int pidfd;
    /* No SIGCHLD at its end, which a program that is executed next would find pending. */
    const pid_t pid = (pid_t)tel_clone_vfork(end_as_probe, NULL, stack + sizeof stack);

    if (pid < 0)
        return false;
    pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    waitpid(pid, NULL, (int)__WCLONE);
    if (pidfd >= 0) {
        works = ask_pidfd(pidfd, &wait_status) == TELLS && wait_status == PROBE_STATUS << 8;
        close(pidfd);
    }
    return works;
}
