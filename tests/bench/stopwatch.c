/* See stopwatch.h. */
#include "bench/stopwatch.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Standard output of what is timed; opened once, for a copy costs less than an open. */
static int null_output(void)
{
    static int fd = -1;

    if (fd < 0)
        fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        err(1, "/dev/null");
    return fd;
}

/* By vfork: what is measured does not depend on how large this program has grown. */
pid_t start_program(const struct program *program)
{
    /* The interface of execve is older than const; it writes to nothing. */
    char *const *argv = (char *const *)(uintptr_t)program->argv;
    const int output = null_output();
    const pid_t pid = vfork(); // NOLINT: the child only calls what the kernel does

    if (pid == 0) {
        if (dup2(output, 1) == 1)
            execve(argv[0], argv, program->envp);
        _exit(127);
    }
    if (pid < 0)
        err(1, "cannot start %s", argv[0]);
    return pid;
}

static double now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

double time_program(const struct program *program)
{
    const double start = now_ms();
    const pid_t pid = start_program(program);
    int status;
    double end;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            err(1, "waitpid");
    end = now_ms();
    if (status != 0)
        errx(1, "%s ended with wait status %#x", program->argv[0], (unsigned)status);
    return end - start;
}

/* xorshift64: the order need not be unpredictable, only without a pattern. */
static uint64_t next_random(void)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

void shuffle(size_t *order, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const size_t at = (size_t)(next_random() % (i + 1));

        order[i] = order[at];
        order[at] = i;
    }
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static struct spread spread_of_sorted(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return (struct spread){values[count / 4], values[count / 2], values[count - 1 - count / 4]};
}

struct spread spread_of_differences(const double *a, const double *b, size_t count)
{
    double *values = calloc(count, sizeof *values);
    struct spread spread;

    if (values == NULL)
        err(1, NULL);
    for (size_t i = 0; i < count; i++)
        values[i] = a[i] - (b != NULL ? b[i] : 0);
    spread = spread_of_sorted(values, count);
    free(values);
    return spread;
}

struct spread spread_of(const double *values, size_t count)
{
    return spread_of_differences(values, NULL, count);
}
