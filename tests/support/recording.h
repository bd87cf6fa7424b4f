/* Programs under the shim, and the collectors they start. */
#ifndef TEL_TEST_RECORDING_H
#define TEL_TEST_RECORDING_H

#include "support/cli.h"

/* An environment with the shim, the data directory base, a wait for the database that no busy
 * machine cuts short, and more entries (NULL-terminated, first: they win). Whatever collectors base
 * has are ended when the test ends. */
const char *const *shim_env_and(const char *base, const char *const more[]);
const char *const *shim_env(const char *base);

/* Runs a program under the shim, with base_dir(). */
#define record(...) run(LIST(__VA_ARGS__), shim_env(base_dir()))

/* A directory of its own, not there yet, for a test that needs several. */
const char *new_base(void);

/* Collectors of base that are there now. */
int collectors_of(const char *base, pid_t *pids, int max);
/* The collector of base, waited for; fails the test when there is none, or more than one. */
pid_t collector_of(const char *base);
/* Waits up to 20 s until base has none. */
bool collectors_leave(const char *base);
/* Sends all collectors of base a signal, and waits until they are gone. */
void end_collectors(const char *base, int signal_number);

/* A program under the shim that waits for a signal, and its end by one. */
struct program *start_waiting(const char *base);
struct run_result finish_by(struct program *program, int signal_number);
/* Waits up to 20 s until the collector of base watches it; fails the test when it does not. */
void wait_until_watched(const char *base, const struct program *program);

/* Waits up to 20 s until base has so many runs, and none of them is running. */
bool all_ended(const char *base, int runs);
/* A value of the only run of base, as in sql_text. */
const char *run_value(const char *base, const char *column);

/* Skips the test where the kernel does not tell how a process ended. */
void need_exit_codes_of_strangers(void);

#endif
