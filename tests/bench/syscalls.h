/* Counting the system calls of a program. */
#ifndef BENCH_SYSCALLS_H
#define BENCH_SYSCALLS_H

#include "bench/stopwatch.h"

/* System calls of program from its execve to its exit, run in directory; -1 where tracing is not
 * allowed. */
long count_system_calls(const struct program *program, const char *directory);

#endif
