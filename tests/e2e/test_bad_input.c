/* Whatever is wrong (values, directories, disks, databases, sockets): the program runs exactly as
 * without the shim, the journal keeps the run where the disk lets it, and the next fold brings it in. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "support/database.h"
#include "support/places.h"

/* --- a program that talks and fails ---------------------------------------------------------------- */

static const char *const host[] = {"/bin/sh", "-c", "echo out; echo err >&2; exit 3", NULL};

static void expect_undisturbed_as(const char *const *env, void (*prepare)(void *), const char *what)
{
    struct run_result result =
        run_with(&(struct run_options){.argv = host, .env = env, .prepare = prepare});

    cr_expect_eq(result.wait_status, 3 << 8, "%s: %x", what, result.wait_status);
    cr_expect_str_eq(result.out, "out\n", "%s: %s", what, result.out);
    cr_expect_str_eq(result.err, "err\n", "%s: %s", what, result.err);
}

static void expect_undisturbed(const char *const *env, const char *what)
{
    expect_undisturbed_as(env, NULL, what);
}

static size_t lines(void)
{
    return count_of(journal_text(base_dir()), "\n");
}

/* The run is in the journal only; and after a fold in the database. */
static void expect_in_journal_until_sync(const char *what)
{
    cr_expect_eq(lines(), 2, "%s: %s", what, journal_text(base_dir()));
    cr_assert_eq(telemetry("sync").status, 0, "%s", what);
    cr_expect_str_eq(run_value(base_dir(), "error_summary"), "exit code 3", "%s", what);
}

/* --- values ------------------------------------------------------------------------------------------ */

Test(bad_input, wrong_values_fall_back)
{
    static const char *const entries[] = {
        "TELEMETRY_AUTO=maybe",
        "TELEMETRY_AUTO_WAIT_MS=soon",
        "TELEMETRY_AUTO_WAIT_MS=-1",
        "TELEMETRY_AUTO_WAIT_MS=99999999999999999999",
        "TELEMETRY_FILE_MODE=0000",
        "TELEMETRY_FILE_MODE=0777",
        "TELEMETRY_FILE_MODE=rw-------",
        "TELEMETRY_DURABILITY=maximal",
        "TELEMETRY_TRIGGER_TYPE=cosmic",
        "TELEMETRY_SUCCESS_EXIT_CODES=0;1",
        "TELEMETRY_SUCCESS_EXIT_CODES=256",
        "TELEMETRY_METRICS_JSON={",
        "TELEMETRY_EXIT_SOURCE=oracle",
        "TELEMETRY_RUN_ID=\xff\xfe/../\n",
        "TELEMETRY_RUN_OWNER=2:1:1",
        "TELEMETRY_SKIP_VALIDATION=perhaps",
        "TELEMETRY_AUTO_CHILDREN=some",
        "TELEMETRY_CONFIG=/nonexistent",
        "METRICS_API_URL=not a url",
        "METRICS_API_ENABLED=2",
        "TELEMETRY_TEST_MODE=x",
        "TELEMETRY_JOB_NAME=%s%n%s%n",
        "TELEMETRY_AGENT_NAME=../../etc/passwd",
        "TELEMETRY_AGENT_NAME=\x1b]0;owned\x07",
        "TELEMETRY_=x",
        "=x",
        "x",
    };
    enum { COUNT = sizeof entries / sizeof entries[0] };

    for (int i = 0; i < COUNT; i++)
        expect_undisturbed(shim_env_and(base_dir(), LIST(entries[i])), entries[i]);
    cr_assert(all_ended(base_dir(), COUNT));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT DISTINCT status, error_summary, trigger_type IN "
                                          "('manual', 'cli', 'scheduler'), metrics_json FROM "
                                          "agent_runs"),
                     "failed|exit code 3|1|");
}

Test(bad_input, where_to_say_why)
{
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_DEBUG=/nonexistent/dir/log")),
                       "no such directory");
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_DEBUG=/")), "a directory");
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_DEBUG=0")), "off");
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_DEBUG=")), "empty");
    cr_assert_eq(mkfifo(text("%s/fifo", test_dir()), 0600), 0);
    expect_undisturbed(shim_env_and(base_dir(), LIST(text("TELEMETRY_DEBUG=%s/fifo", test_dir()))),
                       "a FIFO that nobody reads");
    cr_assert(all_ended(base_dir(), 5));
}

Test(bad_input, a_hundred_thousand_control_characters)
{
    static char controls[100001];
    const char *const *env;
    struct run_result result;

    for (size_t i = 0; i < sizeof controls - 1; i++)
        controls[i] = (char)(1 + i % 31);
    env = shim_env_and(base_dir(),
                       LIST(text("TELEMETRY_JOB_NAME=%s", controls),
                            text("TELEMETRY_INPUT_SUMMARY=%s", controls),
                            text("TELEMETRY_AGENT_NAME=%s", controls), text("OTHER=%s", controls)));
    result = run(LIST("/bin/sh", "-c", "echo out; echo err >&2; exit 3", controls, controls), env);
    cr_expect_eq(result.status, 3);
    cr_expect_str_eq(result.out, "out\n");
    cr_expect_str_eq(result.err, "err\n");
    cr_expect_str_eq(
        run_value(base_dir(), "error_summary, length(job_type), length(input_summary)"),
        "exit code 3|4096|4096");
    cr_expect_eq(lines(), 2);
}

Test(bad_input, as_much_as_the_kernel_takes)
{
    enum { ENTRIES = 10 };
    static char long_text[120000];
    const char *more[ENTRIES + 1] = {NULL};

    memset(long_text, 0xff, sizeof long_text - 1);
    for (int i = 0; i < ENTRIES; i++)
        more[i] = text("VARIABLE_%d=%s", i, long_text);
    expect_undisturbed(shim_env_and(base_dir(), more), "a megabyte of environment");
    cr_expect_str_eq(run_value(base_dir(), "error_summary"), "exit code 3");
}

/* --- where the directory should be ------------------------------------------------------------------- */

static void expect_nothing_recorded(const char *base, const char *what)
{
    expect_undisturbed(shim_env(base), what);
    cr_expect_eq(collectors_of(base, NULL, 0), 0, "%s", what);
}

Test(bad_input, bases_that_cannot_be)
{
    static char too_long[6000];

    write_file(text("%s/file", test_dir()), "precious", 0600);
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[0] = '/';
    expect_nothing_recorded(text("%s/file", test_dir()), "a file");
    expect_nothing_recorded(text("%s/file/base", test_dir()), "below a file");
    expect_nothing_recorded("/proc/telemetry", "in /proc");
    expect_nothing_recorded("/dev/null", "a device");
    expect_nothing_recorded(too_long, "too long");
    expect_nothing_recorded(text("%s/%.300s", test_dir(), too_long + 1), "a name too long");
    cr_expect_str_eq(read_file(text("%s/file", test_dir())), "precious");
    cr_assert_eq(symlink("loop", text("%s/loop", test_dir())), 0);
    expect_nothing_recorded(text("%s/loop", test_dir()), "a loop of links");
    cr_assert_eq(symlink("/nonexistent/there", text("%s/dangling", test_dir())), 0);
    expect_nothing_recorded(text("%s/dangling", test_dir()), "a dangling link");
}

Test(bad_input, names_that_need_care)
{
    static const char *const names[] = {
        "a b", "quote'\"s", "new\nline", "100%s", "-rf", "\xff\xfe", "\xc3\xa4\xf0\x9f\x98\x80",
        "a:b", "?x=1#y",    "*"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *base = text("%s/%s", test_dir(), names[i]);

        expect_undisturbed(shim_env(base), names[i]);
        cr_expect_str_eq(run_value(base, "error_summary"), "exit code 3", "%s", names[i]);
    }
}

Test(bad_input, directories_of_others)
{
    need_build_for_others();
    const char *mine = text("%s/mine", test_dir());
    const char *open_to_all = text("%s/open", test_dir());

    if (geteuid() != 0)
        cr_skip_test("another user: only root can be one");
    cr_assert_eq(chmod(test_dir(), 0755), 0);
    cr_assert_eq(mkdir(mine, 0700), 0);
    expect_undisturbed_as(shim_env(mine), be_nobody, "no permission");
    expect_undisturbed_as(shim_env(text("%s/new", test_dir())), be_nobody, "not to be made");
    cr_expect_not(file_exists(text("%s/new", test_dir())));

    cr_assert_eq(mkdir(open_to_all, 0700), 0);
    cr_assert_eq(chmod(open_to_all, 0777), 0);
    expect_undisturbed_as(shim_env(open_to_all), be_nobody, "open to all, and not its own");
    cr_expect_not(file_exists(text("%s/raw", open_to_all)));
}

/* Links lead to other people's files. */
Test(bad_input, links_inside)
{
    const char *victim = text("%s/victim", test_dir());

    record("/bin/true");
    end_collectors(base_dir(), SIGTERM);
    write_file(victim, "precious\n", 0600);

    cr_assert_eq(unlink(journal_path(text("%s/raw", base_dir()), this_date())), 0);
    cr_assert_eq(symlink(victim, journal_path(text("%s/raw", base_dir()), this_date())), 0);
    expect_undisturbed(shim_env(base_dir()), "the journal is a link");
    cr_expect_str_eq(read_file(victim), "precious\n");
    end_collectors(base_dir(), SIGTERM);
    cr_assert_eq(unlink(journal_path(text("%s/raw", base_dir()), this_date())), 0);

    cr_assert_eq(unlink(text("%s/db/telemetry.sqlite", base_dir())), 0);
    cr_assert_eq(symlink(victim, text("%s/db/telemetry.sqlite", base_dir())), 0);
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=500")),
                       "the database is a link");
    cr_expect_str_eq(read_file(victim), "precious\n");
    cr_expect_eq(lines(), 2);
}

/* --- something else in the way ------------------------------------------------------------------------- */

Test(bad_input, a_directory_where_the_journal_should_be)
{
    record("/bin/true");
    end_collectors(base_dir(), SIGTERM);
    cr_assert_eq(unlink(journal_path(text("%s/raw", base_dir()), this_date())), 0);
    cr_assert_eq(mkdir(journal_path(text("%s/raw", base_dir()), this_date()), 0700), 0);
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=500")), "a directory");

    /* What came meanwhile waits in the collector's memory. */
    cr_assert_eq(rmdir(journal_path(text("%s/raw", base_dir()), this_date())), 0);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT error_summary FROM agent_runs WHERE status = "
                                          "'failed'"),
                     "exit code 3");
    cr_expect_eq(lines(), 2);
}

Test(bad_input, a_fifo_where_the_journal_should_be)
{
    cr_assert_eq(mkdir(base_dir(), 0700), 0);
    cr_assert_eq(mkdir(text("%s/raw", base_dir()), 0700), 0);
    cr_assert_eq(mkfifo(journal_path(text("%s/raw", base_dir()), this_date()), 0600), 0);
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=500")), "a FIFO");
}

static void put_file_in_the_way(const char *name)
{
    cr_assert_eq(mkdir(base_dir(), 0700), 0);
    write_file(text("%s/%s", base_dir(), name), "in the way", 0600);
}

Test(bad_input, a_file_where_raw_should_be)
{
    put_file_in_the_way("raw");
    expect_undisturbed(shim_env(base_dir()), "raw");
    cr_expect_str_eq(read_file(text("%s/raw", base_dir())), "in the way");
}

Test(bad_input, a_file_where_run_should_be)
{
    put_file_in_the_way("run");
    expect_undisturbed(shim_env(base_dir()), "run");
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 0);
    cr_assert_eq(unlink(text("%s/run", base_dir())), 0);
    expect_in_journal_until_sync("run");
}

Test(bad_input, a_file_where_db_should_be)
{
    put_file_in_the_way("db");
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=500")), "db");
    cr_expect_eq(lines(), 2);
    cr_expect_neq(telemetry("sync").status, 0);
    cr_assert_eq(unlink(text("%s/db", base_dir())), 0);
    expect_in_journal_until_sync("db");
}

Test(bad_input, a_directory_where_the_database_should_be)
{
    const char *path = text("%s/db/telemetry.sqlite", base_dir());

    cr_assert_eq(mkdir(base_dir(), 0700), 0);
    cr_assert_eq(mkdir(text("%s/db", base_dir()), 0700), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=500")), "a directory");
    cr_expect_eq(lines(), 2);
    cr_expect_neq(telemetry("sync").status, 0);
    cr_assert_eq(rmdir(path), 0);
    expect_in_journal_until_sync("a directory");
}

/* --- sockets and locks ------------------------------------------------------------------------------------ */

static const char *run_file(const char *suffix)
{
    struct tel_datadir dir;

    resolve_place(&dir, LIST(text("TELEMETRY_BASE_DIR=%s", base_dir())));
    return text("%s/%s%s", dir.run, dir.collector, suffix);
}

Test(bad_input, stale_sockets_and_locks)
{
    record("/bin/true");
    end_collectors(base_dir(), SIGKILL);
    cr_assert(file_exists(run_file(".lock")) && file_exists(run_file(".start")));
    expect_undisturbed(shim_env(base_dir()), "stale sockets");
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*), sum(status = 'failed') FROM agent_runs"), "2|1");

    end_collectors(base_dir(), SIGTERM);
    write_file(run_file(".start"), "no socket", 0600);
    write_file(run_file(".request"), "no socket", 0600);
    write_file(run_file(".lock"), "4711\n", 0600);
    expect_undisturbed(shim_env(base_dir()), "files instead of sockets");
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*), sum(status = 'failed') FROM agent_runs"), "3|2");
}

Test(bad_input, directories_instead_of_sockets)
{
    static const char *const suffixes[] = {".start", ".request", ".lock"};

    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(record("/bin/true").status, 0);
        end_collectors(base_dir(), SIGTERM);
        unlink(run_file(suffixes[i]));
        cr_assert_eq(mkdir(run_file(suffixes[i]), 0700), 0);
        expect_undisturbed(shim_env(base_dir()), suffixes[i]);
        cr_expect_eq(collectors_of(base_dir(), NULL, 0), 0, "%s", suffixes[i]);
        cr_assert_eq(rmdir(run_file(suffixes[i])), 0);
    }
    cr_expect_eq(lines(), 12);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*), sum(status = 'failed') FROM agent_runs"), "6|3");
}

/* Somebody holds the lock and never listens. */
Test(bad_input, a_lock_that_somebody_else_holds)
{
    int fd;

    record("/bin/true");
    end_collectors(base_dir(), SIGTERM);
    fd = open(run_file(".lock"), O_RDWR | O_CLOEXEC);
    cr_assert_eq(flock(fd, LOCK_EX), 0);
    expect_undisturbed(shim_env(base_dir()), "the lock");
    cr_expect_eq(collectors_of(base_dir(), NULL, 0), 0);
    close(fd);
    cr_expect_eq(lines(), 4);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*), sum(status = 'failed') FROM agent_runs"), "2|1");
}

/* --- collectors that are none ------------------------------------------------------------------------------- */

Test(bad_input, programs_that_are_no_collector)
{
    const char *script = text("%s/hang", test_dir());
    const char *programs[] = {"/nonexistent", "/",   "/bin/false", "/bin/true",
                              "relative",     "off", test_dir(),   "/etc/passwd"};

    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
        expect_undisturbed(
            shim_env_and(base_dir(), LIST(text("TELEMETRY_COLLECTOR=%s", programs[i]))),
            programs[i]);

    /* It takes the sockets and does nothing: hosts wait as long as they said. */
    write_file(script, text("#!/bin/sh\necho $$ > %s/pid\nexec sleep 1000\n", test_dir()), 0700);
    expect_undisturbed(shim_env_and(base_dir(), LIST(text("TELEMETRY_COLLECTOR=%s", script),
                                                     "TELEMETRY_AUTO_WAIT_MS=50")),
                       script);
    cr_assert(file_appears(text("%s/pid", test_dir())));
    cr_expect_eq(lines(), 18);
    cr_assert_eq(run(LIST("/bin/sh", "-c", text("kill -9 $(cat %s/pid)", test_dir())), NULL).status,
                 0);
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT count(*), sum(error_summary = 'exit code 3') FROM "
                              "agent_runs"),
                     "9|9");
}

/* --- the database ---------------------------------------------------------------------------------------------- */

static const char *database(void)
{
    return text("%s/db/telemetry.sqlite", base_dir());
}

static const char *files_in_db(void)
{
    return run(LIST("/bin/ls", text("%s/db", base_dir())), NULL).out;
}

Test(bad_input, a_locked_database)
{
    sqlite3 *db;

    record("/bin/true");
    cr_assert_eq(sqlite3_open(database(), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    cr_assert_eq(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    expect_undisturbed(shim_env(base_dir()), "locked: told to come back later, not left waiting");
    cr_expect_eq(lines(), 4);
    cr_assert_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_eq(lines(), 4, "nothing had to be corrected");
}

/* Killed meanwhile: its last line is written by the journal alone. */
Test(bad_input, killed_while_the_database_is_locked)
{
    sqlite3 *db;

    need_exit_codes_of_strangers();
    record("/bin/true");
    cr_assert_eq(sqlite3_open(database(), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    cr_assert_eq(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    cr_assert_eq(record(fixture_path("end"), "kill").status, 128 + SIGKILL);
    for (int i = 0; i < 2000 && lines() < 4; i++)
        usleep(10000);
    cr_expect_str_eq(field_of(last_line_of(journal_text(base_dir())), "error_summary"),
                     "\"killed by SIGKILL (9)\"");
    cr_assert_eq(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    cr_assert(all_ended(base_dir(), 2));
    cr_expect_eq(lines(), 4);
}

/* Never deleted: set aside under a name with the time, and rebuilt. */
static void expect_rebuilt(const char *rows_before, const char *what)
{
    expect_undisturbed(shim_env(base_dir()), what);
    cr_assert_eq(telemetry("sync").status, 0, "%s", what);
    cr_expect_not_null(strstr(files_in_db(), "telemetry.sqlite.corrupt-20"), "%s: %s", what,
                       files_in_db());
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT count(*) FROM agent_runs WHERE error_summary = 'exit "
                              "code 3'"),
                     rows_before, "%s", what);
    cr_expect_str_eq(sql_text(base_dir(), "PRAGMA integrity_check"), "ok", "%s", what);
}

Test(bad_input, a_text_file_instead_of_a_database)
{
    expect_undisturbed(shim_env(base_dir()), "the first");
    end_collectors(base_dir(), SIGTERM);
    unlink(text("%s-wal", database()));
    unlink(text("%s-shm", database()));
    write_file(database(), "Dear database,\nplease be one.\n", 0600);
    expect_rebuilt("2", "a text file");
    cr_expect_str_eq(run(LIST("/bin/sh", "-c", text("cat %s.corrupt-*Z", database())), NULL).out,
                     "Dear database,\nplease be one.\n", "kept as it was");
}

Test(bad_input, a_database_damaged_in_the_middle)
{
    static char garbage[3 * 4096];
    int fd;

    for (int i = 0; i < 20; i++)
        expect_undisturbed(shim_env(base_dir()), "before");
    end_collectors(base_dir(), SIGTERM);
    memset(garbage, 0x5a, sizeof garbage);
    fd = open(database(), O_WRONLY | O_CLOEXEC);
    cr_assert_eq(pwrite(fd, garbage, sizeof garbage, 4096), (ssize_t)sizeof garbage);
    close(fd);
    expect_rebuilt("21", "damaged");
}

Test(bad_input, an_empty_database)
{
    expect_undisturbed(shim_env(base_dir()), "the first");
    end_collectors(base_dir(), SIGTERM);
    unlink(text("%s-wal", database()));
    unlink(text("%s-shm", database()));
    cr_assert_eq(truncate(database(), 0), 0);
    expect_undisturbed(shim_env(base_dir()), "an empty file is a new database");
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM agent_runs"), "2");
}

Test(bad_input, a_database_of_a_newer_schema)
{
    struct run_result result;

    record("/bin/true");
    end_collectors(base_dir(), SIGTERM);
    change_database(database(), "INSERT INTO schema_migrations (version) VALUES (99)");
    expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=500")), "newer");
    cr_expect_eq(lines(), 4);
    result = telemetry("sync");
    cr_expect_neq(result.status, 0);
    cr_expect(contains(result.err, "schema") || contains(result.err, "newer"), "%s", result.err);
    cr_expect_null(strstr(files_in_db(), "corrupt"), "it is not damaged");
    end_collectors(base_dir(), SIGTERM);
    change_database(database(), "DELETE FROM schema_migrations WHERE version = 99");
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM agent_runs"), "2");
}

/* --- the journal ------------------------------------------------------------------------------------------------- */

/* A collector that has nothing to fold does not say that all is well. */
Test(bad_input, a_newer_schema_and_no_news)
{
    struct run_result result;

    record("/bin/true");
    end_collectors(base_dir(), SIGTERM);
    change_database(database(), "INSERT INTO schema_migrations (version) VALUES (99)");
    cr_assert_eq(telemetry("collect").status, 0);
    collector_of(base_dir());
    result = telemetry("sync");
    cr_expect_eq(result.status, 1);
    cr_expect(contains(result.err, "schema") || contains(result.err, "newer"), "%s", result.err);
    cr_expect_str_eq(result.out, "");
}

/* SQLite would say "invalid argument", or nothing but "disk I/O error". */
Test(bad_input, a_path_too_long_for_a_database)
{
    const char *base = test_dir();
    struct run_result result;

    while (strlen(base) < 600)
        base = text("%s/a-directory-with-a-long-name", base);
    cr_expect_eq(run(LIST("/bin/sh", "-c", "exit 3"), shim_env(base)).status, 3);
    cr_expect_eq(count_of(journal_text(base), "\n"), 2, "the journal has it");
    result = run(LIST(cli_path(), "sync"), shim_env_and(base, LIST("LD_PRELOAD=")));
    cr_expect_eq(result.status, 1);
    cr_expect(contains(result.err, "longer than"), "%s", result.err);
    cr_expect(contains(result.err, "TELEMETRY_BASE_DIR"), "%s", result.err);
}

Test(bad_input, a_directory_where_the_databases_log_should_be)
{
    static const char *const suffixes[] = {"-shm", "-wal"};

    for (int i = 0; i < 2; i++) {
        const char *base = new_base();
        const char *path = text("%s/db/telemetry.sqlite%s", base, suffixes[i]);
        struct run_result result;

        cr_expect_eq(mkdir(base, 0700), 0);
        cr_expect_eq(mkdir(text("%s/db", base), 0700), 0);
        cr_expect_eq(mkdir(path, 0700), 0);
        cr_expect_eq(run(LIST("/bin/sh", "-c", "exit 3"),
                         shim_env_and(base, LIST("TELEMETRY_AUTO_WAIT_MS=500")))
                         .status,
                     3);
        result = run(LIST(cli_path(), "sync"), shim_env_and(base, LIST("LD_PRELOAD=")));
        cr_expect_eq(result.status, 1);
        cr_expect(contains(result.err, path), "%s", result.err);
        result = run(LIST(cli_path(), "doctor"), shim_env_and(base, LIST("LD_PRELOAD=")));
        cr_expect(contains(result.out, path), "%s%s", result.out, result.err);
        cr_assert_eq(rmdir(path), 0);
        cr_expect_eq(run(LIST(cli_path(), "sync"), shim_env_and(base, LIST("LD_PRELOAD="))).status,
                     0);
        cr_expect_str_eq(run_value(base, "error_summary"), "exit code 3");
    }
}

Test(bad_input, nonsense_in_the_journal)
{
    static char line[2 * 1024 * 1024];
    const char *path;
    int fd;

    record("/bin/true");
    path = journal_path(text("%s/raw", base_dir()), this_date());
    memset(line, '[', sizeof line - 1);
    line[sizeof line - 2] = '\n';
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    cr_assert_eq(write(fd, line, sizeof line - 1), (ssize_t)sizeof line - 1);
    cr_assert_eq(write(fd, "\0\0\0\n\n\n\xff\n{}\n{\"run_id\": 5}\n{\"torn", 31), 31);
    close(fd);
    expect_undisturbed(shim_env(base_dir()), "nonsense before it");
    cr_expect_str_eq(
        sql_text(base_dir(), "SELECT count(*), sum(status = 'failed') FROM agent_runs"), "2|1");
}

/* --- disks --------------------------------------------------------------------------------------------------------- */

/* A filesystem of its own at base_dir(); skips the test where none can be mounted. */
static void mount_base(const char *options)
{
    cr_assert_eq(mkdir(base_dir(), 0700), 0);
    if (mount("tmpfs", base_dir(), "tmpfs", 0, options) != 0)
        cr_skip_test("a disk of its own: needs the right to mount");
}

static void unmount_base(void)
{
    end_collectors(base_dir(), SIGTERM);
    cr_expect_eq(umount2(base_dir(), MNT_DETACH), 0);
}

Test(bad_input, a_read_only_disk)
{
    mount_base("size=1m");
    cr_assert_eq(mount("tmpfs", base_dir(), "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
    expect_undisturbed(shim_env(base_dir()), "read-only and empty");

    cr_assert_eq(mount("tmpfs", base_dir(), "tmpfs", MS_REMOUNT, NULL), 0);
    record("/bin/true");
    end_collectors(base_dir(), SIGTERM);
    cr_assert_eq(mount("tmpfs", base_dir(), "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
    expect_undisturbed(shim_env(base_dir()), "read-only and in use");
    cr_expect_eq(lines(), 2);
    cr_assert_eq(mount("tmpfs", base_dir(), "tmpfs", MS_REMOUNT, NULL), 0);
    unmount_base();
}

/* A run takes 37 KiB of the database's log, which is as good as none of what it takes for good. */
Test(bad_input, a_small_disk_is_not_filled_by_the_log)
{
    enum { RUNS = 300 };
    struct statvfs disk;

    mount_base("size=4m");
    for (int i = 0; i < RUNS; i++)
        cr_assert_eq(record("/bin/true").status, 0);
    cr_assert(all_ended(base_dir(), RUNS));
    cr_expect_eq(lines(), 2 * RUNS);
    cr_assert_eq(statvfs(base_dir(), &disk), 0);
    cr_expect_gt(disk.f_bavail * disk.f_frsize, 1024 * 1024, "%lu",
                 (unsigned long)(disk.f_bavail * disk.f_frsize));
    unmount_base();
}

static void fill_disk(void)
{
    static char block[4096];
    int fd = open(text("%s/filler", base_dir()), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    cr_assert_geq(fd, 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    cr_assert_eq(errno, ENOSPC);
    close(fd);
}

/* Its lines wait in the collector's memory until there is room. */
Test(bad_input, a_full_disk)
{
    need_exit_codes_of_strangers();
    mount_base("size=2m");
    record("/bin/true");
    collector_of(base_dir());
    fill_disk();
    /* What room the last page of the journal leaves is used up, and more. */
    for (int i = 0; i < 5; i++)
        expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_WAIT_MS=500")), "full");
    cr_assert_eq(record(fixture_path("end"), "kill").status, 128 + SIGKILL);
    usleep(300000); /* for the collector to see its end, long before its start line is written */
    cr_assert_eq(unlink(text("%s/filler", base_dir())), 0);
    cr_assert(all_ended(base_dir(), 7));
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT error_summary, count(*) FROM agent_runs GROUP BY 1 "
                              "ORDER BY 1"),
                     "|1\nexit code 3|5\nkilled by SIGKILL (9)|1");
    cr_expect_str_eq(sql_text(base_dir(), "PRAGMA integrity_check"), "ok");
    unmount_base();
}

/* With no collector to remember them, those runs are lost; nothing else is. */
Test(bad_input, a_full_disk_and_no_collector)
{
    mount_base("size=2m");
    record("/bin/true");
    end_collectors(base_dir(), SIGTERM);
    fill_disk();
    for (int i = 0; i < 5; i++)
        expect_undisturbed(shim_env_and(base_dir(), LIST("TELEMETRY_COLLECTOR=off")), "full");
    cr_assert_eq(unlink(text("%s/filler", base_dir())), 0);
    expect_undisturbed(shim_env(base_dir()), "room again");
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT error_summary FROM agent_runs ORDER BY start_time "
                              "DESC LIMIT 1"),
                     "exit code 3");
    cr_expect_str_eq(sql_text(base_dir(), "PRAGMA integrity_check"), "ok");
    unmount_base();
}

/* Not even a directory can be made. */
Test(bad_input, a_disk_without_inodes)
{
    mount_base("size=1m,nr_inodes=1");
    expect_undisturbed(shim_env(base_dir()), "no inodes");
    unmount_base();
}
