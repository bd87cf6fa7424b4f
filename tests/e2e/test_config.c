/* The configuration file under the shim: what it sets, whom it leaves out, and that no file, however
 * broken, is ever felt by a program. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *conf(void)
{
    return text("%s/telemetry.conf", test_dir());
}

/* The shim, base_dir() and this file, with more entries. */
static const char *const *env_with_file(const char *content, const char *const more[])
{
    const char *entries[16] = {NULL};
    size_t count = 0;

    for (; more[count] != NULL; count++)
        entries[count] = more[count];
    entries[count] = text("TELEMETRY_CONFIG=%s", conf());
    if (content != NULL)
        write_file(conf(), content, 0600);
    return shim_env_and(base_dir(), entries);
}

#define NO_MORE ((const char *const[]){NULL})

static bool nothing_recorded(void)
{
    return !file_exists(base_dir());
}

/* --- what it sets ------------------------------------------------------------------------------ */

Test(config, defaults_and_matches)
{
    static const char file[] = "[defaults]\n"
                               "TELEMETRY_JOB_NAME = default job\n"
                               "AGENT_OWNER = \"somebody\"\n"
                               "[match */true]\n"
                               "TELEMETRY_JOB_NAME = true's job\n";

    run(LIST("/bin/true"), env_with_file(file, NO_MORE));
    run(LIST("/bin/ls", "/"), env_with_file(file, NO_MORE));
    cr_expect(all_ended(base_dir(), 2));
    cr_expect_str_eq(sql_text(base_dir(),
                              "SELECT agent_name, job_type, agent_owner FROM agent_runs "
                              "ORDER BY agent_name"),
                     "ls|default job|somebody\ntrue|true's job|somebody");
}

Test(config, the_environment_wins)
{
    run(LIST("/bin/true"), env_with_file("[match *]\nTELEMETRY_PRODUCT = file\n"
                                         "TELEMETRY_PLATFORM = file\n",
                                         LIST("TELEMETRY_PRODUCT=mine")));
    cr_expect_str_eq(run_value(base_dir(), "product, platform"), "mine|file");
}

Test(config, success_codes)
{
    run(LIST("/bin/sh", "-c", "exit 3"),
        env_with_file("[match */sh]\nTELEMETRY_SUCCESS_EXIT_CODES = 0,3\n", NO_MORE));
    cr_expect_str_eq(run_value(base_dir(), "status"), "success");
}

Test(config, the_data_directorys_own_file)
{
    mkdir(base_dir(), 0700);
    mkdir(text("%s/config", base_dir()), 0700);
    write_file(text("%s/config/telemetry.conf", base_dir()),
               "[match /bin/*]\nTELEMETRY_PRODUCT = here\n", 0600);
    record("/bin/true");
    cr_expect_str_eq(run_value(base_dir(), "product"), "here");
}

/* As a system-wide file does: shim, collector and CLI have to agree on the places. */
Test(config, the_file_says_where_the_data_goes)
{
    const char *base = new_base();
    const char *const *env;
    struct run_result result;

    write_file(conf(),
               text("[defaults]\nTELEMETRY_BASE_DIR = %s\nTELEMETRY_NDJSON_DIR = %s/logs\n"
                    "TELEMETRY_FILE_MODE = 0640\n",
                    base, test_dir()),
               0600);
    env = shim_env_and(base, LIST(text("TELEMETRY_CONFIG=%s", conf()), "TELEMETRY_BASE_DIR="));
    cr_assert_eq(run(LIST("/bin/true"), env).status, 0);
    cr_expect_str_eq(run_value(base, "agent_name"), "true");
    cr_expect(file_exists(text("%s/logs", test_dir())));
    cr_expect_not(file_exists(text("%s/raw", base)));
    cr_expect_eq(collectors_of(base, NULL, 0), 1);
    result = run(LIST(cli_path(), "runs", "--json"), env);
    cr_expect_eq(result.status, 0, "%s", result.err);
    cr_expect_eq(count_of(result.out, "\"run_id\""), 1, "%s", result.out);
}

/* --- whom it leaves out ------------------------------------------------------------------------ */

struct selection_case {
    const char *file;
    const char *program;
    const char *debug; /* what TELEMETRY_DEBUG says; NULL: it is recorded */
};

Test(config, selection)
{
    static const struct selection_case cases[] = {
        {"[defaults]\nTELEMETRY_AUTO_EXCLUDE = */true\n", "/bin/true", "TELEMETRY_AUTO_EXCLUDE"},
        {"[defaults]\nTELEMETRY_AUTO_INCLUDE = */ls\n", "/bin/true", "TELEMETRY_AUTO_INCLUDE"},
        {"[defaults]\nTELEMETRY_AUTO = off\n", "/bin/true", "TELEMETRY_AUTO "},
        {"[match /bin/*]\nTELEMETRY_AUTO = 0\n", "/bin/true", "TELEMETRY_AUTO "},
        {"[defaults]\nTELEMETRY_AUTO = off\n[match */true]\nTELEMETRY_AUTO = on\n", "/bin/true",
         NULL},
        {"[defaults]\nTELEMETRY_AUTO_INCLUDE = /bin/tru?\n", "/bin/true", NULL},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *base = new_base();
        struct run_result result;

        write_file(conf(), cases[i].file, 0600);
        result =
            run(LIST(cases[i].program), shim_env_and(base, LIST(text("TELEMETRY_CONFIG=%s", conf()),
                                                                "TELEMETRY_DEBUG=stderr")));
        cr_expect_eq(result.status, 0);
        cr_expect_eq(file_exists(base), cases[i].debug == NULL, "%s: %s", cases[i].file,
                     result.err);
        cr_expect_not_null(
            strstr(result.err, cases[i].debug == NULL ? "recorded as" : "not recorded"), "%s",
            result.err);
        if (cases[i].debug != NULL)
            cr_expect_not_null(strstr(result.err, cases[i].debug), "%s", result.err);
    }
}

Test(config, lists_in_the_environment)
{
    run(LIST("/bin/true"), shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_EXCLUDE=/opt/*:*/true")));
    cr_expect(nothing_recorded());
    run(LIST("/bin/true"), shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_INCLUDE=/opt/*")));
    cr_expect(nothing_recorded());
    run(LIST("/bin/true"), shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_INCLUDE=*/true")));
    cr_expect(all_ended(base_dir(), 1));
}

/* A shell that is excluded is no run, and what it starts is looked at on its own. */
Test(config, children_of_an_excluded_program)
{
    run(LIST("/bin/sh", "-c", "/bin/ls / >/dev/null; /bin/true"),
        shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_INCLUDE=*/true")));
    cr_expect(all_ended(base_dir(), 1));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT agent_name FROM agent_runs"), "true");
}

/* The run's own process goes on as a program that the list leaves out: its end is still the run's. */
Test(config, a_run_goes_on_in_an_excluded_image)
{
    run(LIST("/bin/sh", "-c", "exec /bin/ls /"),
        shim_env_and(base_dir(), LIST("TELEMETRY_AUTO_EXCLUDE=*/ls")));
    cr_expect(all_ended(base_dir(), 1));
    cr_expect_str_eq(run_value(base_dir(), "status, exit_code, end_source"), "success|0|observed");
}

/* Whoever says `telemetry exec` wants this one recorded. */
Test(config, exec_records_whatever_the_lists_say)
{
    static const char file[] = "[defaults]\nTELEMETRY_AUTO = off\nTELEMETRY_AUTO_INCLUDE = /opt/*\n"
                               "TELEMETRY_AUTO_EXCLUDE = *\n[match */true]\nAGENT_OWNER = me\n";
    struct run_result result =
        run(LIST(cli_path(), "exec", "--", "/bin/true"), env_with_file(file, NO_MORE));

    cr_assert_eq(result.status, 0, "%s", result.err);
    cr_expect(all_ended(base_dir(), 1));
    cr_expect_str_eq(run_value(base_dir(), "agent_owner, status"), "me|success");
    result = run(LIST(cli_path(), "exec", "--", "/bin/ls"),
                 env_with_file(file, LIST("TELEMETRY_AUTO=0")));
    cr_assert_eq(result.status, 0, "%s", result.err);
    cr_expect(all_ended(base_dir(), 1), "the switch in the environment is for all");
}

/* --- files that nobody can use ------------------------------------------------------------------- */

/* The program is recorded as if there were no file, and hears nothing of it. */
static void expect_harmless(const char *what)
{
    const struct run_result result =
        run(LIST("/bin/sh", "-c", "echo out; exit 4"), env_with_file(NULL, NO_MORE));

    cr_expect_eq(result.status, 4, "%s: %d", what, result.status);
    cr_expect_str_eq(result.out, "out\n", "%s", what);
    cr_expect_str_eq(result.err, "", "%s: %s", what, result.err);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT product, status FROM agent_runs "
                                          "ORDER BY start_time DESC LIMIT 1"),
                     "|failed", "%s", what);
}

Test(config, files_that_cannot_be_used)
{
    static const char good[] = "[defaults]\nTELEMETRY_PRODUCT = p\n";

    expect_harmless("missing");
    write_file(conf(), good, 0666);
    expect_harmless("writable for all");
    cr_assert_eq(chmod(conf(), 0600), 0);
    cr_assert_eq(truncate(conf(), 2 * 1024 * 1024), 0);
    expect_harmless("huge");
    unlink(conf());
    cr_assert_eq(mkfifo(conf(), 0600), 0);
    expect_harmless("a FIFO");
    unlink(conf());
    cr_assert_eq(mkdir(conf(), 0700), 0);
    expect_harmless("a directory");
    cr_assert_eq(rmdir(conf()), 0);
    cr_assert_eq(symlink(conf(), conf()), 0);
    expect_harmless("a link to itself");
}

Test(config, files_full_of_nonsense)
{
    char garbage[2048];

    for (size_t i = 0; i < sizeof garbage - 1; i++)
        garbage[i] = (char)(i * 73 % 255 + 1);
    garbage[sizeof garbage - 1] = '\0';
    write_file(conf(), garbage, 0600);
    expect_harmless("garbage");
    write_file(conf(), "[[[\n[match\n]\n=\n[defaults\nTELEMETRY_PRODUCT = p\n\\\n\"\n", 0600);
    expect_harmless("broken sections");
    write_file(conf(),
               "[defaults]\nTELEMETRY_SUCCESS_EXIT_CODES = all\nTELEMETRY_FILE_MODE = 7\n"
               "TELEMETRY_AUTO_CHILDREN = x\nTELEMETRY_BASE_DIR = relative\n"
               "TELEMETRY_RUN_ID = x\nHOME = /nowhere\nTELEMETRY_NO = x\n",
               0600);
    expect_harmless("bad values");
}
