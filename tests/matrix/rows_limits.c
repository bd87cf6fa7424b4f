/* Little of everything: memory, descriptors, disk, rights; and more arguments and environment than
 * anybody needs. */
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "row.h"

/* --- limits ---------------------------------------------------------------------------------------------- */

static void limit_file_size(int arg)
{
    const struct rlimit limit = {(rlim_t)arg, RLIM_INFINITY};

    setrlimit(RLIMIT_FSIZE, &limit);
}

static void limit_file_size_hard(int arg)
{
    const struct rlimit limit = {(rlim_t)arg, (rlim_t)arg};

    setrlimit(RLIMIT_FSIZE, &limit);
}

static void limit_descriptors(int arg)
{
    const struct rlimit limit = {(rlim_t)arg, (rlim_t)arg};

    setrlimit(RLIMIT_NOFILE, &limit);
}

static void limit_memory_mib(int arg)
{
    const struct rlimit limit = {(rlim_t)arg << 20, RLIM_INFINITY};

    setrlimit(RLIMIT_AS, &limit);
}

static void limit_stack_kib(int arg)
{
    const struct rlimit limit = {(rlim_t)arg << 10, RLIM_INFINITY};

    setrlimit(RLIMIT_STACK, &limit);
}

static void limit_processes(int arg)
{
    const struct rlimit limit = {(rlim_t)arg, (rlim_t)arg};

    setrlimit(RLIMIT_NPROC, &limit);
}

static void limit_cpu_seconds(int arg)
{
    const struct rlimit limit = {(rlim_t)arg, (rlim_t)arg};

    setrlimit(RLIMIT_CPU, &limit);
}

/* --- data directories ------------------------------------------------------------------------------------ */

/* In a mount namespace of its own, so that nobody has to take it away again. */
static void mount_on_base(unsigned long flags, const char *options)
{
    const char *base = getenv("TELEMETRY_BASE_DIR");

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        (mkdir(base, 0700) != 0 && access(base, F_OK) != 0) ||
        mount("none", base, "tmpfs", flags, options) != 0)
        _exit(126);
}

static void have_full_base(int arg)
{
    char path[256];
    char zeros[4096] = "";
    int fd;

    (void)arg;
    mount_on_base(0, "size=64k");
    snprintf(path, sizeof path, "%s/filler", getenv("TELEMETRY_BASE_DIR"));
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    while (fd >= 0 && write(fd, zeros, sizeof zeros) > 0)
        ;
    close(fd);
}

static void have_read_only_base(int arg)
{
    (void)arg;
    mount_on_base(MS_RDONLY, NULL);
}

static void have_forbidden_base(int arg)
{
    (void)arg;
    if (chmod(getenv("TELEMETRY_BASE_DIR"), 0) != 0)
        _exit(126);
}

/* --- arguments and environment ------------------------------------------------------------------------------ */

enum { LONG = 100000, LONGEST = 128 * 1024, MANY = 20000, BIG_ARGUMENTS = 1900 };

static char control[LONG + 1];
static char invalid[LONG + 1];
static char kilobyte[1024];
static const char *many[MANY];
static const char *big[BIG_ARGUMENTS];
static const char *odd[] = {"/bin/sh", "-c", "echo $#; exit 3", "sh", control, invalid, NULL};

__attribute__((constructor)) static void fill_arguments(void)
{
    static const char *const beginning[] = {"/bin/sh", "-c", "echo $#; exit 3", "sh"};

    for (int i = 0; i < LONG; i++) {
        control[i] = (char)(1 + i % 31);
        invalid[i] = (char)(0x80 + i % 0x80);
    }
    memset(kilobyte, 'x', sizeof kilobyte - 1);
    for (int i = 0; i < MANY - 1; i++)
        many[i] = i < 4 ? beginning[i] : i % 2 == 0 ? "an argument" : "\x01\x7f\xff";
    for (int i = 0; i < BIG_ARGUMENTS - 1; i++)
        big[i] = i < 4 ? beginning[i] : kilobyte;
}

/* Every variable that has a say. */
static const char *const variables[] = {
    "TELEMETRY_AGENT_NAME",
    "TELEMETRY_JOB_TYPE",
    "TELEMETRY_JOB_NAME",
    "TELEMETRY_TRIGGER_TYPE",
    "AGENT_OWNER",
    "TELEMETRY_INPUT_SUMMARY",
    "TELEMETRY_OUTPUT_SUMMARY",
    "TELEMETRY_METRICS_JSON",
    "TELEMETRY_INSIGHT_ID",
    "TELEMETRY_PRODUCT",
    "TELEMETRY_PLATFORM",
    "TELEMETRY_PRODUCT_FAMILY",
    "TELEMETRY_SUBDOMAIN",
    "TELEMETRY_GIT_REPO",
    "TELEMETRY_GIT_BRANCH",
    "TELEMETRY_GIT_RUN_TAG",
    "TELEMETRY_AUTO_CHILDREN",
    "TELEMETRY_SUCCESS_EXIT_CODES",
    "TELEMETRY_DURABILITY",
    "TELEMETRY_FILE_MODE",
    "TELEMETRY_TEST_MODE",
    "METRICS_API_ENABLED",
    "SLURM_JOB_NAME",
    "PBS_JOBNAME",
    "TELEMETRY_CONFIG",
    "TELEMETRY_RUN_ID",
    "TELEMETRY_RUN_OWNER",
    "TRACEPARENT",
    "TELEMETRY_AUTO_WAIT_MS",
    "HOME",
};

/* Two halves: all of them at once would be more than an execve takes. */
static void set_each(int half, const char *value, size_t len)
{
    enum { COUNT = sizeof variables / sizeof variables[0] };
    static char copy[LONG + 1];

    memcpy(copy, value, len);
    for (int i = half * COUNT / 2; i < (half + 1) * COUNT / 2; i++)
        setenv(variables[i], copy, 1);
}

static void set_control_characters(int arg)
{
    set_each(arg, control, LONG);
}

static void set_invalid_utf8(int arg)
{
    set_each(arg, invalid, LONG);
}

/* As long as one may be, name and terminator included. */
static void set_longest(int arg)
{
    static char value[LONGEST];

    memset(value, 'v', LONGEST - 1);
    value[LONGEST - 1 - strlen(variables[arg]) - 1] = '\0';
    setenv(variables[arg], value, 1);
}

/* --- */

#define SMALL_SCRIPT LIST("/bin/sh", "-c", "echo out; exit 3")

#define DESCRIPTORS(most)                                                                          \
    {                                                                                              \
        .name = "descriptors-" #most, .argv = SMALL_SCRIPT, .prepare = limit_descriptors,          \
        .arg = most, .runs = RUNS_UNSEEN, .varies = LIST("^ERROR: ld.so: object .*\n"),            \
    }

#define LONGEST_IN(name_of_it, which)                                                              \
    {                                                                                              \
        .name = "longest-" name_of_it, .argv = SMALL_SCRIPT, .prepare = set_longest, .arg = which, \
        .runs = RUNS_UNSEEN,                                                                       \
    }

#define ODD_VALUES(kind, half)                                                                     \
    {                                                                                              \
        .name = #kind "-in-variables-" #half, .argv = SMALL_SCRIPT, .prepare = set_##kind,         \
        .arg = half, .runs = RUNS_UNSEEN,                                                          \
    }

static const struct row rows[] = {
    {
        /* The lines go through the collector, in their order. */
        .name = "file-size-0",
        .argv = LIST("/bin/sh", "-c", "/bin/true; exit 7"),
        .prepare = limit_file_size,
        .arg = 0,
        .agent = "true",
    },
    {
        .name = "file-size-100",
        .argv = LIST("/bin/sh", "-c", "/bin/true; exit 7"),
        .prepare = limit_file_size,
        .arg = 100,
        .agent = "true",
    },
    {
        .name = "file-size-1500",
        .argv = LIST("/bin/sh", "-c", "/bin/true; exit 7"),
        .prepare = limit_file_size,
        .arg = 1500,
        .agent = "true",
    },
    {
        /* No collector could do anything here. */
        .name = "file-size-0-hard",
        .argv = LIST("/bin/sh", "-c", "/bin/true; exit 7"),
        .prepare = limit_file_size_hard,
        .arg = 0,
        .runs = RUNS_UNSEEN,
    },
    DESCRIPTORS(0),
    DESCRIPTORS(3),
    DESCRIPTORS(4),
    DESCRIPTORS(5),
    DESCRIPTORS(6),
    DESCRIPTORS(7),
    DESCRIPTORS(8),
    DESCRIPTORS(10),
    DESCRIPTORS(12),
    DESCRIPTORS(16),
    DESCRIPTORS(20),
    {
        .name = "memory-16-mib",
        .argv = SMALL_SCRIPT,
        .prepare = limit_memory_mib,
        .arg = 16,
        .runs = RUNS_UNSEEN,
    },
    {
        .name = "memory-32-mib",
        .argv = SMALL_SCRIPT,
        .prepare = limit_memory_mib,
        .arg = 32,
        .runs = RUNS_UNSEEN,
    },
    {
        .name = "memory-64-mib",
        .argv = SMALL_SCRIPT,
        .prepare = limit_memory_mib,
        .arg = 64,
        .agent = "sh",
#ifdef __SANITIZE_ADDRESS__
        .runs = RUNS_UNSEEN, /* there the collector needs terabytes of addresses */
#endif
    },
    {
        .name = "stack-256-kib",
        .argv = LIST("look"),
        .prepare = limit_stack_kib,
        .arg = 256,
        .agent = "look",
    },
    {
        .name = "cpu-seconds",
        .argv = SMALL_SCRIPT,
        .prepare = limit_cpu_seconds,
        .arg = 5,
        .runs = RUNS_UNSEEN, /* no collector is started with a hard limit */
    },
    {
        .name = "processes",
        .user = "nobody",
        .argv = LIST("look"),
        .prepare = limit_processes,
        .arg = 0,
        .runs = RUNS_UNSEEN,
    },
    {
        .name = "processes-1",
        .user = "nobody",
        .argv = LIST("/bin/sh", "-c", "echo out; /bin/true; exit 3"),
        .prepare = limit_processes,
        .arg = 1,
        .runs = RUNS_UNSEEN,
    },
    {
        .name = "base-full",
        .needs_root = true,
        .argv = LIST("look"),
        .prepare = have_full_base,
        .runs = RUNS_UNSEEN,
    },
    {
        .name = "base-read-only",
        .needs_root = true,
        .argv = LIST("look"),
        .prepare = have_read_only_base,
        .runs = NO_RUN,
    },
    {
        .name = "base-forbidden",
        .user = "nobody",
        .argv = LIST("look"),
        .prepare = have_forbidden_base,
        .runs = NO_RUN,
    },
    {
        .name = "base-below-a-file",
        .argv = LIST("look"),
        .env = LIST("TELEMETRY_BASE_DIR=/etc/passwd/base"),
        .runs = NO_RUN,
    },
    {
        .name = "base-is-a-device",
        .argv = LIST("look"),
        .env = LIST("TELEMETRY_BASE_DIR=/dev/null"),
        .runs = NO_RUN,
    },
    {.name = "odd-arguments", .argv = odd, .agent = "sh"},
    {.name = "many-arguments", .argv = many, .agent = "sh"},
    {.name = "big-arguments", .argv = big, .agent = "sh"},
    {
        .name = "empty-arguments",
        .argv = LIST("/usr/bin/env", "--argv0=", "look", "", "", ""),
        .runs = RUNS_UNSEEN,
    },
    ODD_VALUES(control_characters, 0),
    ODD_VALUES(control_characters, 1),
    ODD_VALUES(invalid_utf8, 0),
    ODD_VALUES(invalid_utf8, 1),
    LONGEST_IN("agent-name", 0),
    LONGEST_IN("run-id", 25),
    LONGEST_IN("run-owner", 26),
};

THEME(limits, rows);
