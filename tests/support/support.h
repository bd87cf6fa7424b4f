/* What the end-to-end tests share: a directory of their own, real programs with exactly the
 * environment they are given, and a look at what was recorded. Whatever goes wrong in here fails the
 * test. All memory that is returned lives until the test ends; nothing is to be freed. */
#ifndef TEL_TEST_SUPPORT_H
#define TEL_TEST_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* --- places and texts ------------------------------------------------------------------------ */

/* Empty, absolute, the same one for each call of a test; removed when the test ends (a crash leaves
 * it behind). */
const char *test_dir(void);
const char *shim_path(void);
/* For LD_PRELOAD: the shim of the program's own word size, be it 32 bits. Skips the test when there is no
 * shim for these. */
const char *shims_path(void);
const char *cli_path(void);
const char *fixture_path(const char *name);

/* As printf. */
const char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool file_exists(const char *path);
/* Waits up to 10 s for it. */
bool file_appears(const char *path);
const char *read_file(const char *path);
/* mode as chmod(2), whatever the umask. */
void write_file(const char *path, const char *content, mode_t mode);
/* Permissions, of a link its own. */
mode_t mode_of(const char *path);
/* True when nothing is left of it, and when there was nothing. */
bool remove_tree(const char *path);
/* Number of times that needle occurs. */
size_t count_of(const char *haystack, const char *needle);

/* --- programs -------------------------------------------------------------------------------- */

/* NULL-terminated lists, for the calls below: LIST("ls", "-l"). */
#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

struct run_options {
    const char *const *argv;    /* argv[0] is looked for in PATH */
    const char *const *env;     /* "NAME=value": the whole environment, beside PATH, HOME (the
                                    test's directory) and the sanitizers' options. May be NULL. */
    const char *cwd;            /* NULL: the test's directory */
    int columns;                /* > 0: standard output is a terminal of that width */
    void (*prepare)(void *arg); /* called in the child before it executes; may be NULL */
    void *arg;
    int timeout_ms;    /* 0: 30 s. A program that takes longer is killed, the test fails */
    bool may_time_out; /* the test does not fail: the result says so */
};

struct run_result {
    int status;      /* exit code, or 128 + the signal, as a shell has it */
    int wait_status; /* as wait(2) has it */
    pid_t pid;
    const char *out; /* what it wrote; NUL-terminated */
    const char *err;
    bool timed_out;
};

struct run_result run(const char *const argv[], const char *const env[]);
struct run_result run_with(const struct run_options *options);

#define NOBODY 65534
/* For prepare: becomes user and group nobody. Who is not root stays who that is. */
void be_nobody(void *arg);

/* Skips the test when the build lies where only its owner may go (a clone below /root, say), as the
 * programs then cannot be run as another user. */
void need_build_for_others(void);

/* The two halves of run_with, for a look at a program while it runs. */
struct program;
struct program *start(const struct run_options *options);
pid_t program_pid(const struct program *program);
struct run_result finish(struct program *program);

/* --- what was recorded ----------------------------------------------------------------------- */

/* The rows of a query on {base}/db/telemetry.sqlite as the sqlite3 shell prints them: columns
 * separated by '|', rows by '\n', NULL as nothing. "" when there is no row; NULL when there is no
 * database, or not that table. */
const char *sql_text(const char *base, const char *sql);
/* All journal files of base, one after another. */
const char *journal_text(const char *base);

/* Asks again and again. False when timeout_ms have passed and it still is not so. */
bool wait_until(bool (*is_so)(void *arg), void *arg, int timeout_ms);
/* For wait_until: the process, a pid_t, is stopped by a signal. */
bool is_stopped(void *pid);
/* Waits up to 10 s for sql_text to be expected. */
bool sql_becomes(const char *base, const char *sql, const char *expected);

#endif
