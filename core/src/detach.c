/* What a collector does first when a host has started it: it has everything the host had, and must
 * depend on none of it (DESIGN 6). */
#include "collector.h"

#include "base/sys.h"

#include <dirent.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    FIRST_FOREIGN_FD = TEL_INHERIT_REQUEST + 1,
    IOPRIO_WHO_PROCESS = 1 /* ioprio_set(2); no libc has it */
};

static void close_foreign_descriptors(void)
{
    DIR *fds;

    if (syscall(SYS_close_range, FIRST_FOREIGN_FD, ~0U, 0) == 0)
        return;
    fds = opendir("/proc/self/fd"); /* before Linux 5.9 */
    if (fds == NULL)
        return;
    for (struct dirent *entry = readdir(fds); entry != NULL; entry = readdir(fds)) {
        int fd = atoi(entry->d_name);

        if (fd >= FIRST_FOREIGN_FD && fd != dirfd(fds))
            close(fd);
    }
    closedir(fds);
}

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGXFSZ, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* By system call: what type a resource has differs between libcs. */
static int set_limit(int resource, const struct rlimit *limit)
{
    return (int)syscall(SYS_prlimit64, 0, resource, limit, NULL);
}

static void raise_limit(int resource)
{
    struct rlimit limit;

    if (tel_sys_getrlimit(resource, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    set_limit(resource, &limit);
}

/* Thousands of live runs need a descriptor each; a hard limit below that is raised where we may. */
static void raise_descriptor_limit(void)
{
    const rlim_t wanted = 65536;
    struct rlimit limit;

    raise_limit(RLIMIT_NOFILE);
    if (tel_sys_getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < wanted)
        set_limit(RLIMIT_NOFILE, &(struct rlimit){wanted, wanted});
}

static void reset_limits(void)
{
    static const int resources[] = {RLIMIT_AS,    RLIMIT_CPU,   RLIMIT_DATA,      RLIMIT_FSIZE,
                                    RLIMIT_NPROC, RLIMIT_STACK, RLIMIT_SIGPENDING};

    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++)
        raise_limit(resources[i]);
    raise_descriptor_limit();
    set_limit(RLIMIT_CORE, &(struct rlimit){0, 0});
}

/* Normal priority whatever the host had, for processor and disk: a host that waits for its row must
 * not wait for a whole slice of somebody else's work (SCHED_BATCH made that 2.6 ms instead of 0.4 on
 * a busy machine). */
static void reset_scheduling(void)
{
    const struct sched_param none = {0};
    cpu_set_t all;

    memset(&all, 0xff, sizeof all);
    sched_setaffinity(0, sizeof all, &all);
    sched_setscheduler(0, SCHED_OTHER, &none);
    setpriority(PRIO_PROCESS, 0, 0);
    syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0);
    prctl(PR_SET_TIMERSLACK, 0);
}

void tel_collector_detach(void)
{
    close_foreign_descriptors();
    reset_signals();
    reset_limits();
    reset_scheduling();
    umask(0077);
    if (chdir("/") != 0)
        return; /* then some directory stays in use: nothing worse */
}
