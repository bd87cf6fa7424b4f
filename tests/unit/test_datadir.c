/* Where the data directory is, what lies in it, and when it is refused (CONTRACT 1). */
#include "base/datadir.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"

static struct tel_datadir dir;
static struct tel_error err;

/* The places that rule 3 looks at decide about rules 3 and 4: a machine that has them is skipped. */
static bool has_well_known_places(void)
{
    return access("/agent-metrics", W_OK) == 0 || access("/opt/telemetry", W_OK) == 0 ||
           access("/data/telemetry", W_OK) == 0;
}

static int resolve(const char *cwd, const char *const *wanted, uid_t uid)
{
    const struct tel_env env = block_of(wanted);
    static struct tel_config config;

    memset(&dir, 0xa5, sizeof dir);
    err = (struct tel_error){0};
    tel_config_load(&config, &(struct tel_config_source){.env = &env}, NULL, NULL);
    return tel_datadir_resolve(&dir, &config, cwd, uid, &err);
}

static void expect_paths(const char *const *env, enum tel_base_origin origin, const char *base,
                         const char *raw, const char *db)
{
    cr_assert_eq(resolve("/cwd", env, 1), 0, "%s", err.message);
    cr_expect_eq(dir.origin, origin, "%s", base);
    cr_expect_str_eq(dir.base, base);
    cr_expect_str_eq(dir.raw, raw);
    cr_expect_str_eq(dir.db, db);
    cr_expect_str_eq(dir.run, strcmp(base, "/") == 0 ? "//run" : text("%s/run", base));
}

/* --- resolution ------------------------------------------------------------------------------ */

Test(datadir, the_base_variable)
{
    expect_paths(LIST("TELEMETRY_BASE_DIR=/b", "AGENT_METRICS_DIR=/legacy", "HOME=/h"),
                 TEL_BASE_FROM_BASE_DIR, "/b", "/b/raw", "/b/db/telemetry.sqlite");
    expect_paths(LIST("TELEMETRY_BASE_DIR=/b/c//"), TEL_BASE_FROM_BASE_DIR, "/b/c", "/b/c/raw",
                 "/b/c/db/telemetry.sqlite");
    expect_paths(LIST("TELEMETRY_BASE_DIR=rel/x"), TEL_BASE_FROM_BASE_DIR, "/cwd/rel/x",
                 "/cwd/rel/x/raw", "/cwd/rel/x/db/telemetry.sqlite");
    expect_paths(LIST("TELEMETRY_BASE_DIR=./x"), TEL_BASE_FROM_BASE_DIR, "/cwd/x", "/cwd/x/raw",
                 "/cwd/x/db/telemetry.sqlite");
    expect_paths(LIST("TELEMETRY_BASE_DIR=.././x"), TEL_BASE_FROM_BASE_DIR, "/cwd/.././x",
                 "/cwd/.././x/raw", "/cwd/.././x/db/telemetry.sqlite");
}

/* The name of the directory itself: no trailing slash here either. */
Test(datadir, the_working_directory_as_base)
{
    static const char *const spellings[] = {".", "./", ".//", "././", NULL};

    for (int i = 0; spellings[i] != NULL; i++) {
        size_t len;

        cr_assert_eq(resolve("/cwd", LIST(text("TELEMETRY_BASE_DIR=%s", spellings[i])), 1), 0);
        len = strlen(dir.base);
        cr_expect_neq(dir.base[len - 1], '/', "%s gives %s", spellings[i], dir.base);
        cr_expect_eq(strncmp(dir.base, "/cwd", 4), 0);
    }
}

Test(datadir, the_legacy_variable)
{
    expect_paths(LIST("AGENT_METRICS_DIR=/legacy", "HOME=/h", "TELEMETRY_BASE_DIR="),
                 TEL_BASE_FROM_LEGACY, "/legacy", "/legacy/raw", "/legacy/db/telemetry.sqlite");
}

Test(datadir, the_database_variable)
{
    expect_paths(LIST("TELEMETRY_DB_PATH=/a/b/c.sqlite", "TELEMETRY_BASE_DIR=/other"),
                 TEL_BASE_FROM_DB_PATH, "/a", "/a/raw", "/a/b/c.sqlite");
    expect_paths(LIST("TELEMETRY_DB_PATH=x/y.db"), TEL_BASE_FROM_DB_PATH, "/cwd", "/cwd/raw",
                 "/cwd/x/y.db");
    expect_paths(LIST("TELEMETRY_DB_PATH=/y.db"), TEL_BASE_FROM_DB_PATH, "/", "//raw", "/y.db");
}

Test(datadir, the_journal_variable)
{
    expect_paths(LIST("TELEMETRY_BASE_DIR=/b", "TELEMETRY_NDJSON_DIR=/j/k/"),
                 TEL_BASE_FROM_BASE_DIR, "/b", "/j/k", "/b/db/telemetry.sqlite");
    expect_paths(LIST("TELEMETRY_BASE_DIR=/b", "TELEMETRY_NDJSON_DIR=lines"),
                 TEL_BASE_FROM_BASE_DIR, "/b", "/cwd/lines", "/b/db/telemetry.sqlite");
}

Test(datadir, home)
{
    if (has_well_known_places())
        cr_skip_test("this machine has a well-known data directory");
    expect_paths(LIST("HOME=/home/x"), TEL_BASE_FROM_HOME, "/home/x/.telemetry",
                 "/home/x/.telemetry/raw", "/home/x/.telemetry/db/telemetry.sqlite");
    expect_paths(LIST("HOME="), TEL_BASE_FROM_VAR_LIB, "/var/lib/telemetry",
                 "/var/lib/telemetry/raw", "/var/lib/telemetry/db/telemetry.sqlite");
}

Test(datadir, paths_that_are_too_long)
{
    char entry[TEL_PATH_MAX + 64] = "TELEMETRY_BASE_DIR=/";
    const size_t start = strlen(entry);

    memset(entry + start, 'x', TEL_PATH_MAX);
    cr_expect_eq(resolve("/cwd", LIST(entry), 1), -ENAMETOOLONG);
    cr_expect_str_neq(err.message, "");

    /* The base would fit, the database below it does not. */
    entry[start + TEL_PATH_MAX - 10] = '\0';
    cr_expect_eq(resolve("/cwd", LIST(entry), 1), -ENAMETOOLONG);
}

Test(datadir, modes_come_from_the_configuration)
{
    cr_assert_eq(resolve("/cwd", LIST("TELEMETRY_BASE_DIR=/b", "TELEMETRY_FILE_MODE=0640"), 7), 0);
    cr_expect_eq(dir.file_mode, 0640);
    cr_expect_eq(dir.dir_mode, 0750);
    cr_expect_eq(dir.uid, 7);
}

static const char *collector_of(const char *const *env, uid_t uid, uint64_t pid_ns)
{
    cr_assert_eq(resolve("/cwd", env, uid), 0);
    tel_datadir_name_collector(&dir, pid_ns);
    return text("%s", dir.collector);
}

Test(datadir, one_collector_for_each_user_namespace_and_place)
{
    const char *const *plain = LIST("TELEMETRY_BASE_DIR=/b");
    const char *name = collector_of(plain, 1, 2);

    cr_expect_str_eq(name, "collector-v2-1-2");
    cr_expect_str_neq(collector_of(plain, 2, 2), name);
    cr_expect_str_neq(collector_of(plain, 1, 3), name);
    cr_expect_str_neq(collector_of(LIST("TELEMETRY_DB_PATH=/b/db/other"), 1, 2), name);
    cr_expect_str_neq(collector_of(LIST("TELEMETRY_BASE_DIR=/b", "TELEMETRY_NDJSON_DIR=/x"), 1, 2),
                      collector_of(LIST("TELEMETRY_BASE_DIR=/b", "TELEMETRY_NDJSON_DIR=/y"), 1, 2));
    cr_expect_str_eq(collector_of(LIST("TELEMETRY_DB_PATH=/b/db/o"), 1, 2),
                     collector_of(LIST("TELEMETRY_DB_PATH=/b/db/o"), 1, 2));
    /* Names have to fit whatever the numbers are. */
    name = collector_of(LIST("TELEMETRY_DB_PATH=/b/db/o"), (uid_t)-2, UINT64_MAX);
    cr_expect_lt(strlen(name), sizeof dir.collector - 1);
    cr_expect_eq(strncmp(name, "collector-v2-4294967294-18446744073709551615-", 45), 0, "%s", name);
}

/* --- making it ------------------------------------------------------------------------------- */

static int prepare(const char *const *env, bool create)
{
    resolve_place(&dir, env);
    err = (struct tel_error){0};
    return tel_datadir_prepare(&dir, create, &err);
}

Test(datadir, nothing_is_made_unasked)
{
    const char *base = text("%s/a/b", test_dir());

    cr_expect_eq(prepare(LIST(text("TELEMETRY_BASE_DIR=%s", base)), false), -ENOENT);
    cr_expect_not(file_exists(text("%s/a", test_dir())));
    cr_expect_not_null(strstr(err.message, base), "%s", err.message);
}

Test(datadir, made_with_its_parents_private)
{
    static const mode_t umasks[] = {0, 022, 077, 0777};

    for (size_t i = 0; i < sizeof umasks / sizeof umasks[0]; i++) {
        const char *top = text("%s/%zu", test_dir(), i);
        const char *base = text("%s/b", top);

        umask(umasks[i]);
        cr_assert_eq(prepare(LIST(text("TELEMETRY_BASE_DIR=%s", base)), true), 0, "%s",
                     err.message);
        cr_assert_eq(tel_datadir_prepare_run(&dir, &err), 0, "%s", err.message);
        cr_assert_eq(tel_datadir_prepare_db(&dir, &err), 0, "%s", err.message);
        umask(022);
        cr_expect_eq(mode_of(top), 0700);
        cr_expect_eq(mode_of(base), 0700);
        cr_expect_eq(mode_of(dir.raw), 0700);
        cr_expect_eq(mode_of(dir.run), 0700);
        cr_expect_eq(mode_of(text("%s/db", base)), 0700);
        cr_expect_not(dir.network);
    }
}

Test(datadir, made_with_the_configured_mode)
{
    const char *base = text("%s/b", test_dir());

    umask(077);
    cr_assert_eq(
        prepare(LIST(text("TELEMETRY_BASE_DIR=%s", base), "TELEMETRY_FILE_MODE=0660"), true), 0,
        "%s", err.message);
    cr_expect_eq(mode_of(base), 0770);
    cr_expect_eq(mode_of(dir.raw), 0770);
}

Test(datadir, what_is_there_keeps_its_mode)
{
    const char *base = text("%s/b", test_dir());

    cr_assert_eq(mkdir(base, 0700), 0);
    cr_assert_eq(chmod(base, 0755), 0);
    cr_assert_eq(prepare(LIST(text("TELEMETRY_BASE_DIR=%s", base)), true), 0);
    cr_assert_eq(tel_datadir_prepare(&dir, true, &err), 0, "a second time");
    cr_expect_eq(mode_of(base), 0755);
}

/* Runs work as a user without rights; false when it failed there. Meant for root. */
static bool as_nobody(bool (*work)(void))
{
    int wait_status;
    pid_t pid;

    if (geteuid() != 0)
        return work();
    test_dir(); /* ours, not the child's */
    cr_assert_eq(chmod(test_dir(), 0777), 0);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0 &&
                      work()
                  ? 0
                  : 1);
    cr_assert_eq(waitpid(pid, &wait_status, 0), pid);
    return wait_status == 0;
}

/* A umask that takes everything away is no reason for a directory nobody can use. */
static bool make_under_a_greedy_umask(void)
{
    umask(0777);
    return prepare(LIST(text("TELEMETRY_BASE_DIR=%s/b", test_dir())), true) == 0 &&
           mode_of(dir.base) == 0700 && mode_of(dir.raw) == 0700;
}

Test(datadir, a_umask_that_takes_everything)
{
    cr_expect(as_nobody(make_under_a_greedy_umask));
}

static bool fail_in_a_directory_of_others(void)
{
    return prepare(LIST("TELEMETRY_BASE_DIR=/usr/telemetry-test/b"), true) == -EACCES &&
           !file_exists("/usr/telemetry-test");
}

Test(datadir, where_nothing_can_be_made)
{
    cr_expect(as_nobody(fail_in_a_directory_of_others));
    cr_expect_eq(prepare(LIST("TELEMETRY_BASE_DIR=/proc/telemetry/b"), true), -ENOENT);
    write_file(text("%s/file", test_dir()), "", 0600);
    cr_expect_eq(prepare(LIST(text("TELEMETRY_BASE_DIR=%s/file/b", test_dir())), true), -ENOTDIR);
}

Test(datadir, no_home_is_made)
{
    if (has_well_known_places())
        cr_skip_test("this machine has a well-known data directory");
    cr_expect_eq(prepare(LIST(text("HOME=%s/nonexistent", test_dir())), true), -ENOENT);
    cr_expect_not(file_exists(text("%s/nonexistent", test_dir())));

    cr_expect_eq(prepare(LIST(text("HOME=%s", test_dir())), true), 0, "%s", err.message);
    cr_expect(file_exists(text("%s/.telemetry/raw", test_dir())));
}

/* Only $HOME itself is left alone. */
Test(datadir, the_journals_own_directory_is_made_with_its_parents)
{
    if (has_well_known_places())
        cr_skip_test("this machine has a well-known data directory");
    cr_expect_eq(prepare(LIST(text("HOME=%s", test_dir()),
                              text("TELEMETRY_NDJSON_DIR=%s/x/y/lines", test_dir())),
                         true),
                 0, "%s", err.message);
    cr_expect(file_exists(text("%s/x/y/lines", test_dir())));
}

/* --- refusals -------------------------------------------------------------------------------- */

Test(datadir, not_a_directory)
{
    const char *base = text("%s/b", test_dir());

    write_file(base, "", 0600);
    cr_expect_eq(prepare(LIST(text("TELEMETRY_BASE_DIR=%s", base)), true), -ENOTDIR);

    cr_assert_eq(unlink(base), 0);
    cr_assert_eq(mkdir(base, 0700), 0);
    write_file(text("%s/raw", base), "", 0600);
    cr_expect_eq(prepare(LIST(text("TELEMETRY_BASE_DIR=%s", base)), true), -ENOTDIR);
    cr_expect_not_null(strstr(err.message, "/raw"), "%s", err.message);

    write_file(text("%s/run", base), "", 0600);
    cr_expect_eq(tel_datadir_prepare_run(&dir, &err), -ENOTDIR);
    write_file(text("%s/db", base), "", 0600);
    cr_expect_eq(tel_datadir_prepare_db(&dir, &err), -ENOTDIR);
}

Test(datadir, links_are_not_followed_inside)
{
    const char *base = text("%s/b", test_dir());
    const char *elsewhere = text("%s/elsewhere", test_dir());

    cr_assert_eq(mkdir(base, 0700), 0);
    cr_assert_eq(mkdir(elsewhere, 0700), 0);
    cr_assert_eq(symlink(elsewhere, text("%s/raw", base)), 0);
    cr_assert_eq(symlink(elsewhere, text("%s/run", base)), 0);
    cr_assert_eq(symlink(elsewhere, text("%s/db", base)), 0);
    cr_expect_eq(prepare(LIST(text("TELEMETRY_BASE_DIR=%s", base)), true), TEL_ERR_REFUSED);
    cr_expect_eq(tel_datadir_prepare_run(&dir, &err), TEL_ERR_REFUSED);
    cr_expect_eq(tel_datadir_prepare_db(&dir, &err), TEL_ERR_REFUSED);
}

Test(datadir, dangling_links_are_refused_too)
{
    const char *base = text("%s/b", test_dir());

    cr_assert_eq(mkdir(base, 0700), 0);
    cr_assert_eq(symlink(text("%s/made", test_dir()), text("%s/raw", base)), 0);
    cr_expect_eq(prepare(LIST(text("TELEMETRY_BASE_DIR=%s", base)), true), TEL_ERR_REFUSED);
    cr_expect_not(file_exists(text("%s/made", test_dir())));
}

/* /data may well be a link to another disk. */
Test(datadir, the_base_itself_may_be_a_link)
{
    const char *base = text("%s/b", test_dir());

    cr_assert_eq(mkdir(text("%s/there", test_dir()), 0700), 0);
    cr_assert_eq(symlink("there", base), 0);
    cr_expect_eq(prepare(LIST(text("TELEMETRY_BASE_DIR=%s", base)), true), 0, "%s", err.message);
    cr_expect(file_exists(text("%s/there/raw", test_dir())));
}

Test(datadir, open_to_all_and_of_somebody_else)
{
    const char *base = text("%s/b", test_dir());
    const char *const *env = LIST(text("TELEMETRY_BASE_DIR=%s", base));

    if (geteuid() != 0)
        cr_skip_test("only root can give a directory away");
    cr_assert_eq(mkdir(base, 0700), 0);
    cr_assert_eq(chmod(base, 0777), 0);
    cr_expect_eq(prepare(env, true), 0, "one's own may be open to all");

    cr_assert_eq(chown(base, NOBODY, NOBODY), 0);
    cr_expect_eq(prepare(env, true), TEL_ERR_REFUSED);
    cr_expect_not_null(strstr(err.message, "chmod +t"), "says what to do: %s", err.message);

    cr_assert_eq(chmod(base, 01777), 0);
    cr_expect_eq(prepare(env, true), 0, "%s", err.message);
    cr_assert_eq(chmod(base, 0775), 0);
    cr_expect_eq(prepare(env, true), 0, "%s", err.message);
}
