/* See poster_process.h. */
#include "poster_process.h"

#include "post/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A preloaded shim would make a run of the poster; and the token of whoever calls us is not handed on
 * where others of the same user can read it. */
static bool is_withheld(const char *entry)
{
    static const char *const prefixes[] = {"LD_", "TELEMETRY_",
                                           "METRICS_API_URL=", "METRICS_API_TOKEN="};

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(entry, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* NULL without memory. The entries are the process's own. */
static char **environment_for_poster(void)
{
    static char off[] = "TELEMETRY_AUTO=0";
    size_t count = 0;
    char **entries;

    while (environ != NULL && environ[count] != NULL)
        count++;
    entries = calloc(count + 2, sizeof *entries);
    if (entries == NULL)
        return NULL;
    entries[0] = off;
    count = 1;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
        if (!is_withheld(*entry))
            entries[count++] = *entry;
    return entries;
}

/* In the memory of the parent, which waits: nothing but system calls. */
static _Noreturn void become(const char *program, int fd, char **entries, volatile int *error)
{
    static char name[] = "telemetry-post";
    char *const argv[] = {name, NULL};
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* a collector takes signals from a descriptor */
    if (fd != TEL_POST_FD)
        fd = dup2(fd, TEL_POST_FD);
    if (fd == TEL_POST_FD && fcntl(fd, F_SETFD, 0) == 0)
        execve(program, argv, entries);
    *error = errno;
    _exit(127);
}

/* vfork: a collector may have a lot of memory, and hosts that wait for it. */
static int spawn(const char *program, int fd, char **entries, pid_t *pid)
{
    volatile int error = 0;
    const pid_t child = vfork();

    if (child == 0)
        become(program, fd, entries, &error); // NOLINT(clang-analyzer-unix.Vfork)
    if (child < 0)
        return -errno;
    if (error == 0)
        *pid = child;
    return -error;
}

int tel_poster_start(const char *program, pid_t *pid, int *fd, struct tel_error *err)
{
    char **entries;
    int pair[2];
    int status;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return tel_fail_sys(err, -errno, "cannot start ", program, NULL);
    entries = environment_for_poster();
    status = entries == NULL ? -ENOMEM : spawn(program, pair[1], entries, pid);
    free(entries);
    close(pair[1]);
    if (status < 0) {
        close(pair[0]);
        return tel_fail_sys(err, status, "cannot start ", program, NULL);
    }
    *fd = pair[0];
    return 0;
}
