/* The command line program in the test's own data directory. */
#ifndef TEL_TEST_CLI_H
#define TEL_TEST_CLI_H

#include "support/support.h"

/* {test_dir()}/data: not there until something makes it. */
const char *base_dir(void);
/* An environment in which that is the data directory, with more entries (NULL-terminated, first). */
const char *const *base_env_and(const char *const more[]);
const char *const *base_env(void);

/* Runs `telemetry ARGUMENT...`. */
#define telemetry(...) run(LIST(cli_path(), __VA_ARGS__), base_env())

bool starts_with(const char *text, const char *beginning);
bool contains(const char *text, const char *part);

#endif
