/* Shapes of processes: what a program sees of itself, how it becomes another one, its children,
 * sessions, filters and ends. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "row.h"

/* --- states to start in ------------------------------------------------------------------------------ */

static void be_odd(int arg)
{
    const struct rlimit few = {64, 100};
    sigset_t set;

    (void)arg;
    for (int fd = 10; fd < 20; fd++)
        dup2(0, fd);
    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    raise(SIGUSR1); /* stays pending */
    signal(SIGINT, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    umask(0137);
    setrlimit(RLIMIT_NOFILE, &few);
    setpriority(PRIO_PROCESS, 0, 3);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    alarm(1000);
}

static void be_subreaper(int arg)
{
    (void)arg;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static void leave_session(int arg)
{
    (void)arg;
    setsid();
}

/* The bits of arg. */
static void close_some(int arg)
{
    for (int fd = 0; fd < 3; fd++)
        if (arg & 1 << fd)
            close(fd);
}

static void close_reader(int arg)
{
    int fds[2];

    (void)arg;
    if (pipe(fds) == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        close(fds[1]);
    }
}

static void fill_output(int arg)
{
    const int full = open("/dev/full", O_WRONLY);

    (void)arg;
    dup2(full, 1);
    close(full);
}

/* Somebody who reads to the end of the output, and is left behind when there is none. */
static void have_reader(int arg)
{
    char chunk[4096];
    int fds[2];

    (void)arg;
    if (pipe(fds) != 0)
        _exit(126);
    if (fork() == 0) {
        if (fork() != 0)
            _exit(0);
        closefrom(fds[0] + 1 < fds[1] ? fds[1] : fds[0] + 1);
        close(1);
        close(2);
        while (read(fds[0], chunk, sizeof chunk) > 0)
            ;
        _exit(0);
    }
    wait(NULL);
    dup2(fds[1], 1);
    dup2(fds[1], 2);
    close(fds[0]);
    close(fds[1]);
}

static void be_nowhere(int arg)
{
    (void)arg;
    if (mkdir("gone", 0700) != 0 || chdir("gone") != 0 || rmdir("../gone") != 0)
        _exit(126);
}

static void make_jail(int arg)
{
    (void)arg;
    mkdir("jail", 0700);
}

/* --- */

#define CLOSED(which)                                                                              \
    {                                                                                              \
        .name = "closed-" #which, .argv = LIST("look", "seen"), .prepare = close_some,             \
        .arg = which, .shows = "seen", .agent = "look",                                            \
    }

#define CHANGE(way)                                                                                \
    {                                                                                              \
        .name = way, .argv = LIST("change", way), .agent = "nightly",                              \
        .env = LIST("TELEMETRY_AGENT_NAME=nightly", "LAST=entry"),                                 \
    }

#define FILTER(how, end)                                                                           \
    {                                                                                              \
        .name = "seccomp-" how "-" end, .argv = LIST("seccomp", how, end), .agent = "seccomp",     \
        .source = "kernel",                                                                        \
    }

#define END(way)                                                                                   \
    {                                                                                              \
        .name = "end-" way, .argv = LIST("end", way), .agent = "end", .prepare = without_cores,    \
    }

#define END_BY_KERNEL(way)                                                                         \
    {                                                                                              \
        .name = "end-" way, .argv = LIST("end", way), .agent = "end", .prepare = without_cores,    \
        .source = "kernel",                                                                        \
    }

#define SHAPE(way)                                                                                 \
    {                                                                                              \
        .name = way, .argv = LIST("shape", way), .agent = "shape",                                 \
    }

/* What is launched, or goes on as the same program, is the second run. */
#define SESSION(way)                                                                               \
    {                                                                                              \
        .name = "session-" way, .argv = LIST("session", way), .agent = "session", .source = "any", \
        .runs = 2,                                                                                 \
    }

#define SESSION_OF(way)                                                                            \
    {                                                                                              \
        .name = "session-" way, .argv = LIST("session", way, "/bin/sleep", "0"),                   \
        .agent = "session", .source = "any", .runs = 2,                                            \
    }

static const struct row rows[] = {
    {.name = "look", .argv = LIST("look"), .agent = "look"},
    {.name = "look-odd", .argv = LIST("look"), .prepare = be_odd, .agent = "look"},
    {.name = "look-subreaper", .argv = LIST("look"), .prepare = be_subreaper, .agent = "look"},
    {.name = "look-leader", .argv = LIST("look"), .prepare = leave_session, .agent = "look"},
    {.name = "look-nowhere", .argv = LIST("look"), .prepare = be_nowhere, .agent = "look"},

    /* What the shim opens must never be what the program takes for its standard streams. */
    CLOSED(1),
    CLOSED(2),
    CLOSED(3),
    CLOSED(4),
    CLOSED(5),
    CLOSED(6),
    CLOSED(7),
    {
        .name = "output-unread",
        .argv = LIST("/bin/echo", "hello"),
        .prepare = close_reader,
        .agent = "echo",
        .source = "kernel",
    },
    {
        .name = "output-unread-and-silent",
        .argv = LIST("/bin/sh", "-c", "exit 3"),
        .prepare = close_reader,
        .agent = "sh",
    },
    {
        /* Only who asks for reasons gets any, and must not die of them. */
        .name = "reasons-unread",
        .argv = LIST("/bin/sh", "-c", "exit 3"),
        .prepare = close_reader,
        .env = LIST("TELEMETRY_DEBUG=stderr"),
        .agent = "sh",
    },
    {
        .name = "output-full",
        .argv = LIST("/bin/echo", "hello"),
        .prepare = fill_output,
        .agent = "echo",
    },
    {
        .name = "output-read-to-end",
        .argv = LIST("/bin/echo", "hello"),
        .prepare = have_reader,
        .agent = "echo",
    },

    CHANGE("title-last"),
    CHANGE("title-contiguous"),
    CHANGE("clearenv"),
    CHANGE("clear-and-put-back"),
    CHANGE("own-array"),
    CHANGE("grow"),
    CHANGE("write-over"),
    CHANGE("close-everything"),
    {
        .name = "forget",
        .argv = LIST("change", "forget"),
        .agent = "change",
        .runs = 2, /* its child is told of no run: it is one */
    },
    {
        .name = "use-all-descriptors",
        .argv = LIST("change", "use-all-descriptors"),
        .agent = "change",
        .source = "kernel",
    },
    {
        .name = "chroot",
        .needs_root = true,
        .argv = LIST("change", "chroot", "jail"),
        .prepare = make_jail,
        .agent = "change",
        .source = "kernel",
    },
    {
        .name = "drop",
        .needs_root = true,
        .needs_open_build = true,
        .argv = LIST("change", "drop"),
        .agent = "change",
        .source = "kernel",
    },
    {
        .name = "drop-and-die",
        .needs_root = true,
        .needs_open_build = true,
        .argv = LIST("change", "drop-and-die"),
        .agent = "change",
        .source = "kernel",
    },
    {
        .name = "hide-and-die",
        .argv = LIST("change", "hide-and-die"),
        .agent = "change",
        .source = "kernel",
    },

    FILTER("prctl", "exit"),
    FILTER("prctl", "_exit"),
    FILTER("prctl", "setsid"),
    FILTER("prctl", "quick_exit"),
    FILTER("syscall", "exit"),
    FILTER("syscall", "_exit"),
    FILTER("syscall", "quick_exit"),
    FILTER("syscall-prctl", "exit"),
    FILTER("syscall-prctl", "_exit"),
    FILTER("syscall-prctl", "quick_exit"),
    FILTER("strict", "exit-thread"),

    /* How each end is recorded, by each source, is in tests/e2e/test_endings.c. */
    END("return-3"),
    END("exit"),
    END("_exit"),
    END_BY_KERNEL("quick_exit"),
    END_BY_KERNEL("exit_group"),
    END_BY_KERNEL("abort"),
    END_BY_KERNEL("segv"),
    END_BY_KERNEL("term"),
    END_BY_KERNEL("kill"),
    END("thread-exit"),
    END("thread-_exit"),
    END("main-thread-leaves"),
    END("handler-exit"),
    END("handler-_exit"),
    END("atexit-_exit"),
    END("atexit-exit"),
    END("fork-exit"),
    END("fork-_exit"),
    END("fork-killed"),
    END("fork-left-behind"),
    END("vfork-failed-exec"),
    {.name = "stack-thread-exit",
     .argv = LIST("small_stack", "thread", "exit"),
     .agent = "small_stack"},
    {.name = "stack-thread-_exit",
     .argv = LIST("small_stack", "thread", "_exit"),
     .agent = "small_stack"},
    {.name = "stack-handler-exit",
     .argv = LIST("small_stack", "handler", "exit"),
     .agent = "small_stack"},
    {.name = "stack-handler-_exit",
     .argv = LIST("small_stack", "handler", "_exit"),
     .agent = "small_stack"},

    SHAPE("exec-chain"),
    {
        .name = "exec-empty-environment",
        .argv = LIST("shape", "exec-empty-environment"),
        .agent = "shape",
        .source = "kernel", /* the last image has no shim */
    },
    SHAPE("exec-no-arguments"),
    SHAPE("posix_spawn"),
    SHAPE("wait-any"),
    SHAPE("subreaper"),
    SHAPE("ignore-children"),
    SHAPE("stop"),
    {.name = "unshare", .needs_root = true, .argv = LIST("shape", "unshare"), .agent = "shape"},
    {
        .name = "unshare-pids",
        .needs_root = true,
        .argv = LIST("shape", "unshare-pids"),
        .agent = "shape",
    },
    SHAPE("unshare-user"),

    /* A child that leads a session is a run of its own. */
    {.name = "session", .argv = LIST("shape", "session"), .agent = "shape", .runs = 2},
    {.name = "double-fork", .argv = LIST("shape", "double-fork"), .agent = "shape", .runs = 2},
    SESSION("once"),
    SESSION("twice"),
    SESSION("twice-by-exit"),
    SESSION("daemon"),
    SESSION("waited-for"),
    SESSION("cleared"),
    SESSION_OF("old-environment"),
    SESSION_OF("vfork"),
    SESSION_OF("spawn"),
    {.name = "session-alone", .argv = LIST("session", "alone"), .agent = "session"},
    {.name = "session-vfork-in-vain", .argv = LIST("session", "vfork-in-vain"), .agent = "session"},
    {
        .name = "daemon-stays",
        .argv = LIST("session", "daemon", "/bin/sleep", "100"),
        .stays = "sleep",
        .agent = "session",
        .source = "any",
        .runs = 2,
    },
};

THEME(shapes, rows);
