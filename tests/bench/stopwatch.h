/* Timing programs: one cheap way to start them, the same for every variant, and what many times
 * taken in turn say. */
#ifndef BENCH_STOPWATCH_H
#define BENCH_STOPWATCH_H

#include <stddef.h>
#include <sys/types.h>

struct program {
    const char *const *argv; /* argv[0] is the path of the executable */
    char *const *envp;       /* its whole environment */
};

/* Starts program, with standard output to /dev/null. */
pid_t start_program(const struct program *program);
/* Runs it: milliseconds from before it is started until after it has been waited for. Anything but
 * exit code 0 ends the benchmark. */
double time_program(const struct program *program);

/* Puts the numbers 0 to count - 1 into a random order. */
void shuffle(size_t *order, size_t count);

/* Half of the values lie between low and high. */
struct spread {
    double low;
    double median;
    double high;
};
struct spread spread_of(const double *values, size_t count);
/* Of a[i] - b[i]: what lasts longer than the rounds does not count. */
struct spread spread_of_differences(const double *a, const double *b, size_t count);

#endif
