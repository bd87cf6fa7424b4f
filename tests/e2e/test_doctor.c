/* telemetry doctor: each thing that can be wrong is found, and it is said what to do; looking changes
 * nothing. */
#include "base/datadir.h"
#include "base/proto.h"
#include "exit_status.h"
#include "support/cli.h"
#include "support/database.h"
#include "support/places.h"

#include <criterion/criterion.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define assert_well(result)                                                                        \
    do {                                                                                           \
        const struct run_result got_ = (result);                                                   \
                                                                                                   \
        cr_assert_eq(got_.status, 0, "%d: %s%s", got_.status, got_.out, got_.err);                 \
        cr_assert(contains(got_.out, "\nAll is well.\n"), "%s", got_.out);                         \
        cr_assert(!contains(got_.out, "  warn  ") && !contains(got_.out, "  FAIL  "), "%s",        \
                  got_.out);                                                                       \
    } while (0)

/* One problem, found and said: mark, part of the finding, part of the advice. */
#define assert_problem(result, mark, finding, advice)                                              \
    do {                                                                                           \
        const struct run_result got_ = (result);                                                   \
                                                                                                   \
        cr_assert_eq(got_.status, 1, "%d: %s%s", got_.status, got_.out, got_.err);                 \
        cr_assert(contains(line_with(got_.out, "  " mark "  ", finding), "\n        -> "), "%s",   \
                  got_.out);                                                                       \
        cr_assert(contains(line_with(got_.out, "  " mark "  ", finding), advice), "%s", got_.out); \
    } while (0)

/* The line that begins so and contains part, and the one after it; "" when there is none. */
static const char *line_with(const char *out, const char *beginning, const char *part)
{
    while (*out != '\0') {
        const size_t first = strcspn(out, "\n");
        const size_t second = out[first] == '\0' ? 0 : strcspn(out + first + 1, "\n");
        const char *line = text("%.*s", (int)first, out);

        if (starts_with(line, beginning) && contains(line, part))
            return text("%.*s", (int)(first + 1 + second), out);
        out += first + (out[first] != '\0');
    }
    return "";
}

static struct run_result doctor(void)
{
    return telemetry("doctor");
}

static struct run_result doctor_with(const char *setting)
{
    return run(LIST(cli_path(), "doctor"), base_env_and(LIST(setting)));
}

static struct run_result doctor_on(const char *command)
{
    return telemetry("doctor", "--", command);
}

static void record_a_run(void)
{
    cr_assert_eq(telemetry("exec", "true").status, 0);
    cr_assert(sql_becomes(base_dir(), "SELECT status FROM agent_runs", "success"));
}

static void make_directories(void)
{
    mkdir(base_dir(), 0700);
    mkdir(text("%s/raw", base_dir()), 0700);
    mkdir(text("%s/db", base_dir()), 0700);
}

static const char *db_path(void)
{
    return text("%s/db/telemetry.sqlite", base_dir());
}

static struct run_result doctor_of_nobody(const char *const argv[])
{
    return run_with(&(struct run_options){.argv = argv, .env = base_env(), .prepare = be_nobody});
}

#define needs_root()                                                                               \
    do {                                                                                           \
        if (geteuid() != 0)                                                                        \
            cr_skip_test("needs root, to become somebody else");                                   \
    } while (0)

/* --- all is well ----------------------------------------------------------------------------- */

Test(doctor, nothing_recorded_yet)
{
    const struct run_result result = doctor();

    assert_well(result);
    cr_assert(contains(result.out, "the first recorded run makes it"), "%s", result.out);
    cr_assert(contains(result.out, text("%s (TELEMETRY_BASE_DIR says so)", base_dir())));
    cr_assert(contains(result.out, shim_path()));
    cr_assert(!file_exists(base_dir()), "looking makes nothing");
}

Test(doctor, after_a_run)
{
    struct run_result result;

    record_a_run();
    result = doctor();
    assert_well(result);
    cr_assert(contains(result.out, "1 run, 0 of them running"), "%s", result.out);
    cr_assert(contains(result.out, "up to date with the journal"), "%s", result.out);
    cr_assert(contains(result.out, "schema version 3, sound"), "%s", result.out);
    cr_assert(contains(result.out, "and answers"), "%s", result.out);
    cr_assert_str_eq(run(LIST("find", base_dir(), "-name", ".doctor*"), NULL).out, "");
}

Test(doctor, names_the_collectors_own_process)
{
    const char *pid;

    telemetry("collect");
    pid = line_with(doctor().out, "  ok    running", "(process ");
    pid = text("%d", atoi(strstr(pid, "(process ") + strlen("(process ")));
    cr_assert(contains(read_file(text("/proc/%s/cmdline", pid)), "telemetry"));
}

Test(doctor, says_what_the_kernel_can_do)
{
    const char *expected = tel_exit_pidfd_works() ? "tells how every process ended"
                                                  : "does not tell how a killed process ended";

    cr_assert(contains(doctor().out, expected));
}

/* --- configuration --------------------------------------------------------------------------- */

Test(doctor_config, every_value_has_an_origin)
{
    const struct run_result result =
        run(LIST(cli_path(), "doctor"),
            base_env_and(LIST("TELEMETRY_JOB_NAME=nightly", "SLURM_JOB_ID=1",
                              "TELEMETRY_AGENT_NAME=a\033b", "AGENT_OWNER=")));

    assert_well(result);
    cr_assert(contains(line_with(result.out, "  TELEMETRY_JOB_NAME ", "nightly"), "environment"),
              "%s", result.out);
    cr_assert(contains(line_with(result.out, "  TELEMETRY_TRIGGER_TYPE ", "scheduler"), "inferred"),
              "%s", result.out);
    cr_assert(contains(line_with(result.out, "  TELEMETRY_AUTO_WAIT_MS ", "200"), "default"), "%s",
              result.out);
    cr_assert(contains(result.out, "a\\x1bb"), "%s", result.out);
    cr_assert(contains(strstr(result.out, "not set: "), "AGENT_OWNER"), "%s", result.out);
}

Test(doctor_config, bad_values)
{
    assert_problem(doctor_with("TELEMETRY_TRIGGER_TYPE=cron"), "warn",
                   "TELEMETRY_TRIGGER_TYPE is 'cron': not one of cli, web", "correct it");
    assert_problem(doctor_with("TELEMETRY_AUTO_WAIT_MS=soon"), "warn", "TELEMETRY_AUTO_WAIT_MS",
                   "correct it");
    assert_problem(doctor_with("TELEMETRY_FILE_MODE=999"), "warn", "TELEMETRY_FILE_MODE",
                   "correct it");
    assert_problem(doctor_with("TELEMETRY_METRICS_JSON={"), "warn", "not valid JSON", "correct it");
}

Test(doctor_config, names_that_do_not_exist)
{
    assert_problem(doctor_with("TELEMETRY_JOBNAME=x"), "warn", "TELEMETRY_JOBNAME is set",
                   "did you mean TELEMETRY_JOB_NAME?");
    assert_well(doctor_with("TELEMETRY_RATE_LIMIT_QPS=5"));
}

Test(doctor_config, the_kill_switch)
{
    assert_problem(doctor_with("TELEMETRY_AUTO=no"), "warn", "nothing is recorded", "unset it");
}

Test(doctor_config, secrets_are_not_shown)
{
    const struct run_result result =
        run(LIST(cli_path(), "doctor"),
            base_env_and(LIST("METRICS_API_TOKEN=geheim",
                              "METRICS_API_URL=https://u:geheim@h/x?key=geheim")));

    cr_assert(!contains(result.out, "geheim"), "%s", result.out);
    cr_assert(contains(result.out, "set (not shown)"), "%s", result.out);
    cr_assert(contains(result.out, " https://h/x "), "%s", result.out);
}

/* --- the data directory ---------------------------------------------------------------------- */

Test(doctor_directory, a_file_in_its_place)
{
    write_file(base_dir(), "", 0600);
    assert_problem(doctor(), "FAIL", "is not a directory", "TELEMETRY_BASE_DIR");
}

Test(doctor_directory, one_that_cannot_be_made)
{
    const char *const setting = "TELEMETRY_BASE_DIR=/proc/nowhere";
    struct run_result result = run(LIST(cli_path(), "doctor"), LIST(setting));

    assert_problem(result, "FAIL", "cannot be made", "TELEMETRY_BASE_DIR");
    result = run(LIST(cli_path(), "doctor"), LIST(setting, "TELEMETRY_SKIP_VALIDATION=1"));
    cr_assert_eq(result.status, 0, "%s", result.out);
    cr_assert(contains(result.out, "cannot be made"), "%s", result.out);
}

/* Not even root may make a file there. */
Test(doctor_directory, an_empty_one_that_cannot_be_written_to)
{
    const char *const setting = "TELEMETRY_BASE_DIR=/proc/sys";
    struct run_result result = run(LIST(cli_path(), "doctor"), LIST(setting));

    assert_problem(result, "FAIL", "it cannot be written to", "TELEMETRY_BASE_DIR");
    result = run(LIST(cli_path(), "runs"), LIST(setting));
    cr_expect(contains(result.err, "there is no journal in /proc/sys"), "%s", result.err);
}

Test(doctor_directory, a_symbolic_link_inside)
{
    mkdir(base_dir(), 0700);
    cr_assert_eq(symlink("/tmp", text("%s/raw", base_dir())), 0);
    assert_problem(doctor(), "FAIL", "is a symbolic link", "the directory itself");
}

Test(doctor_directory, everybody_may_write)
{
    record_a_run();
    chmod(base_dir(), 0777);
    assert_problem(doctor(), "warn", "everybody can change", "chmod o-w");
}

Test(doctor_directory, somebody_elses)
{
    need_build_for_others();
    needs_root();
    record_a_run();
    run(LIST("chmod", "-R", "a+rX", test_dir()), NULL);
    assert_problem(doctor_of_nobody(LIST(cli_path(), "doctor")), "FAIL",
                   "the journal cannot be written to", "TELEMETRY_BASE_DIR");
}

/* --- the journal ----------------------------------------------------------------------------- */

Test(doctor_journal, a_file_that_is_none)
{
    make_directories();
    cr_assert_eq(mkfifo(text("%s/raw/events_20260101.ndjson", base_dir()), 0600), 0);
    assert_problem(doctor(), "FAIL", "events_20260101.ndjson", "a regular file");
}

Test(doctor_journal, lines_that_could_not_be_read_are_counted)
{
    make_directories();
    write_file(text("%s/raw/events_20260101.ndjson", base_dir()), "{\n{\n", 0600);
    telemetry("sync");
    cr_assert(contains(doctor().out, "  note  2 lines of the journal could not be read"));
}

/* --- the database ---------------------------------------------------------------------------- */

Test(doctor_database, behind_the_journal)
{
    make_directories();
    write_file(text("%s/raw/events_20260101.ndjson", base_dir()),
               start_line("20260101T000000Z-a-00000000", 1), 0600);
    assert_problem(doctor(), "FAIL", "there is no database yet", "telemetry sync");
    telemetry("sync");
    write_file(text("%s/raw/events_20260102.ndjson", base_dir()),
               start_line("20260102T000000Z-a-00000000", 1), 0600);
    assert_problem(doctor(), "warn", "behind the journal", "telemetry sync");
}

Test(doctor_database, no_database_but_some_text)
{
    make_directories();
    write_file(db_path(), "some text that is no database at all, and long enough to be seen\n",
               0600);
    assert_problem(doctor(), "FAIL", "database", "'telemetry sync' sets it aside");
    cr_assert(starts_with(read_file(db_path()), "some text"), "looking changes nothing");
}

Test(doctor_database, damaged_inside)
{
    int fd;

    make_directories();
    change_database(db_path(), "CREATE TABLE agent_runs (run_id TEXT PRIMARY KEY, status TEXT);"
                               "INSERT INTO agent_runs VALUES ('x', 'success')");
    fd = open(db_path(), O_WRONLY);
    cr_assert_eq(pwrite(fd, "\377\377\377\377\377\377\377\377", 8, 4096), 8);
    close(fd);
    assert_problem(doctor(), "FAIL", "", "'telemetry sync'");
}

Test(doctor_database, of_a_newer_schema)
{
    make_directories();
    change_database(db_path(), "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY);"
                               "INSERT INTO schema_migrations VALUES (9)");
    assert_problem(doctor(), "FAIL", "is of schema version 9", "use the newer telemetry");
}

Test(doctor_database, a_directory_in_its_place)
{
    make_directories();
    mkdir(db_path(), 0700);
    assert_problem(doctor(), "FAIL", db_path(), "a regular file");
}

Test(doctor_database, locked_by_somebody)
{
    sqlite3 *db;

    record_a_run();
    cr_assert_eq(sqlite3_open(db_path(), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_problem(doctor(), "warn", text("process %d has had the database locked", (int)getpid()),
                   "end it");
    sqlite3_close(db);
}

Test(doctor_database, damaged_ones_that_were_kept)
{
    make_directories();
    write_file(db_path(), "some text that is no database at all, and long enough to be seen\n",
               0600);
    telemetry("sync");
    cr_assert(contains(doctor().out, "  note  1 damaged database kept aside, as "));
}

/* --- collector and shim ---------------------------------------------------------------------- */

Test(doctor_collector, switched_off_or_not_to_be_found)
{
    const struct run_result off = doctor_with("TELEMETRY_COLLECTOR=off");

    assert_well(off);
    cr_assert(contains(off.out, "TELEMETRY_COLLECTOR is off"), "%s", off.out);
    assert_problem(doctor_with("TELEMETRY_COLLECTOR=/nonexistent"), "FAIL",
                   "do not find the program", "TELEMETRY_COLLECTOR");
}

static void limit_files(void *arg)
{
    const struct rlimit limit = {1 << 30, 1 << 30};

    (void)arg;
    setrlimit(RLIMIT_FSIZE, &limit);
}

Test(doctor_collector, where_none_can_be_started)
{
    assert_problem(run_with(&(struct run_options){.argv = LIST(cli_path(), "doctor"),
                                                  .env = base_env(),
                                                  .prepare = limit_files}),
                   "warn", "a hard limit on file size", "telemetry collect --foreground");
}

Test(doctor_collector, a_lock_without_a_collector)
{
    static struct tel_datadir dir;
    char path[TEL_PATH_MAX];
    int fd;

    make_place(&dir, base_dir());
    mkdir(dir.run, 0700);
    cr_assert_eq(tel_run_path(path, &dir, TEL_LOCK_SUFFIX), 0);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    cr_assert_eq(flock(fd, LOCK_EX), 0);
    assert_problem(doctor(), "warn", "somebody holds the lock", "try again");
    close(fd);
}

Test(doctor_shim, what_is_preloaded_must_be_there)
{
    assert_problem(doctor_with("LD_PRELOAD=/nonexistent/libx.so"), "FAIL",
                   "LD_PRELOAD names /nonexistent/libx.so", "take it out");
}

/* --- commands -------------------------------------------------------------------------------- */

Test(doctor_command, an_ordinary_program)
{
    const struct run_result result = doctor_on(fixture_path("plain"));

    assert_well(result);
    cr_assert(contains(result.out, "plain would be recorded\n"), "%s", result.out);
    cr_assert(contains(result.out, "agent would be called 'plain', its job 'plain'"), "%s",
              result.out);
    cr_assert(contains(result.out, text("LD_PRELOAD=%s ", shim_path())), "%s", result.out);
    cr_assert(!file_exists(base_dir()), "nothing is executed or recorded");
}

Test(doctor_command, a_static_one)
{
    assert_problem(doctor_on(fixture_path("plain_static")), "FAIL", "is statically linked",
                   "telemetry exec --");
}

Test(doctor_command, one_linked_with_musl)
{
    const char *path = fixture_path("plain_musl");

    if (!file_exists(path))
        cr_skip_test("there is no musl-gcc here");
    cr_assert(contains(doctor_on(path).out, "it is linked with musl"));
}

Test(doctor_command, one_that_is_not_there)
{
    assert_problem(doctor_on("nonexistent-command"), "FAIL", "No such file or directory", "PATH");
    assert_problem(doctor_on("/etc"), "FAIL", "Is a directory", "an executable file");
    assert_problem(doctor_on("/etc/passwd"), "FAIL", "Permission denied", "an executable file");
}

Test(doctor_command, scripts_lead_to_their_interpreters)
{
    const char *shell = text("%s/shell", test_dir());
    const char *env = text("%s/env", test_dir());
    const char *broken = text("%s/broken", test_dir());
    const char *plain = text("%s/plain", test_dir());

    write_file(shell, "#! /bin/sh -e\n", 0755);
    write_file(env, "#!/usr/bin/env -S A=1 sh -e\n", 0755);
    write_file(broken, "#!/nonexistent/sh\n", 0755);
    write_file(plain, "echo\n", 0755);
    assert_well(doctor_on(shell));
    cr_assert(contains(doctor_on(shell).out, "/shell is a script: /bin/sh executes it"));
    cr_assert(contains(doctor_on(env).out, "/env is a script: /usr/bin/sh executes it") ||
                  contains(doctor_on(env).out, "/env is a script: /bin/sh executes it"),
              "%s", doctor_on(env).out);
    assert_problem(doctor_on(broken), "FAIL", "its interpreter '/nonexistent/sh'",
                   "the script's first line");
    cr_assert(contains(doctor_on(plain).out, "a shell executes it"));
}

Test(doctor_command, a_script_of_a_static_interpreter)
{
    const char *script = text("%s/script", test_dir());

    write_file(script, text("#!%s\n", fixture_path("plain_static")), 0755);
    assert_problem(doctor_on(script), "FAIL", "is statically linked", "telemetry exec --");
}

/* An ELF file of this machine with a loader, without any library, and with Go's note. */
struct go_program {
    ElfW(Ehdr) header;
    ElfW(Phdr) parts[2];
    char loader[32];
    struct {
        ElfW(Nhdr) header;
        char name[4];
        char id[4];
    } note;
};

static void write_elf(const char *path, const struct go_program *program)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);

    cr_assert_eq(write(fd, program, sizeof *program), (ssize_t)sizeof *program);
    close(fd);
}

static void fill_go_program(struct go_program *program)
{
    int fd = open(fixture_path("plain"), O_RDONLY);

    memset(program, 0, sizeof *program);
    cr_assert_eq(read(fd, &program->header, sizeof program->header),
                 (ssize_t)sizeof program->header);
    close(fd);
    program->header.e_phoff = offsetof(struct go_program, parts);
    program->header.e_phnum = 2;
    program->parts[0] = (ElfW(Phdr)){.p_type = PT_INTERP,
                                     .p_offset = offsetof(struct go_program, loader),
                                     .p_filesz = sizeof program->loader};
    program->parts[1] = (ElfW(Phdr)){.p_type = PT_NOTE,
                                     .p_offset = offsetof(struct go_program, note),
                                     .p_filesz = sizeof program->note};
    strcpy(program->loader, "/lib64/ld-linux-x86-64.so.2");
    program->note.header = (ElfW(Nhdr)){.n_namesz = 4, .n_descsz = 4, .n_type = 4};
    memcpy(program->note.name, "Go\0", 4);
}

Test(doctor_command, go_without_libc)
{
    const char *path = text("%s/go", test_dir());
    struct go_program program;

    fill_go_program(&program);
    write_elf(path, &program);
    assert_problem(doctor_on(path), "FAIL", "a Go program without libc", "telemetry exec --");
    program.parts[0].p_type = PT_NULL;
    write_elf(path, &program);
    assert_problem(doctor_on(path), "FAIL", "is statically linked (Go)", "telemetry exec --");
}

Test(doctor_command, of_another_machine)
{
    const char *path = text("%s/foreign", test_dir());
    struct go_program program;

    fill_go_program(&program);
    program.header.e_machine = EM_S390;
    write_elf(path, &program);
    assert_problem(doctor_on(path), "FAIL", "is for IBM Z", "telemetry exec --");
}

/* As it is where it has been installed without a shim for 32-bit programs. */
static struct run_result installed_doctor_on(const char *command)
{
    const char *bin = text("%s/bin", test_dir());
    const char *cli = text("%s/telemetry", bin);

    mkdir(bin, 0755);
    mkdir(text("%s/lib", test_dir()), 0755);
    cr_assert_eq(run(LIST("cp", cli_path(), cli), NULL).status, 0);
    cr_assert_eq(run(LIST("cp", shim_path(), text("%s/lib", test_dir())), NULL).status, 0);
    return run(LIST(cli, "doctor", "--", command), base_env());
}

Test(doctor_command, of_32_bits)
{
    const char *shims = shims_path();
    const char *path = fixture_path("plain_32");
    const struct run_result result = doctor_on(path);

    assert_well(result);
    cr_expect(contains(result.out, "plain_32 would be recorded, by the shim for 32-bit x86"), "%s",
              result.out);
    cr_expect(contains(result.out, text("LD_PRELOAD='%s' ", shims)), "%s", result.out);
    assert_problem(doctor_on(fixture_path("plain_32_static")), "FAIL", "is statically linked",
                   "telemetry exec --");
    assert_problem(installed_doctor_on(path), "FAIL", "is for 32-bit x86, and there is no shim",
                   "gcc-multilib");
}

Test(doctor_command, a_truncated_program_is_no_trouble)
{
    const char *path = text("%s/short", test_dir());
    struct go_program program;
    int fd;

    fill_go_program(&program);
    program.parts[0].p_offset = UINT64_MAX / 2;
    program.parts[1].p_filesz = UINT64_MAX;
    write_elf(path, &program);
    cr_assert_leq(doctor_on(path).status, 1);
    for (off_t size = sizeof program; size > 0; size /= 2) {
        fd = open(path, O_WRONLY);
        cr_assert_eq(ftruncate(fd, size), 0);
        close(fd);
        cr_assert_leq(doctor_on(path).status, 1);
    }
}

Test(doctor_command, privileged_ones)
{
    need_build_for_others();
    /* Revision 2 of a file capability (capabilities(7)): effective, cap_net_raw. */
    static const uint32_t capability[5] = {0x02000001, 1U << 13, 0, 0, 0};
    const char *path = text("%s/plain", test_dir());

    needs_root();
    run(LIST("cp", fixture_path("plain"), path), NULL);
    chmod(test_dir(), 0755);
    chmod(path, 04755);
    assert_problem(doctor_of_nobody(LIST(cli_path(), "doctor", "--", path)), "FAIL", "is setuid",
                   "telemetry exec --");
    chmod(path, 02755);
    assert_problem(doctor_of_nobody(LIST(cli_path(), "doctor", "--", path)), "FAIL", "is setgid",
                   "telemetry exec --");
    chmod(path, 0755);
    if (setxattr(path, "security.capability", capability, sizeof capability, 0) != 0)
        return; /* a filesystem without them */
    assert_problem(doctor_of_nobody(LIST(cli_path(), "doctor", "--", path)), "FAIL",
                   "is given file capabilities", "telemetry exec --");
}

Test(doctor_command, inside_a_run)
{
    const struct run_result result =
        telemetry("exec", "--job", "outer", "--", cli_path(), "doctor", "--", "true");

    cr_assert(contains(result.out, "  note  this is inside run "), "%s", result.out);
}

Test(doctor_command, the_kill_switch)
{
    assert_problem(
        run(LIST(cli_path(), "doctor", "--", "true"), base_env_and(LIST("TELEMETRY_AUTO=0"))),
        "FAIL", "nothing is recorded", "unset TELEMETRY_AUTO");
}

/* --- the configuration file ---------------------------------------------------------------------- */

static const char *conf(void)
{
    return text("%s/telemetry.conf", test_dir());
}

/* doctor with this file, perhaps about a command. */
static struct run_result doctor_of_file(const char *file, const char *command)
{
    const char *const *env = base_env_and(LIST(text("TELEMETRY_CONFIG=%s", conf())));

    write_file(conf(), file, 0600);
    if (command == NULL)
        return run(LIST(cli_path(), "doctor"), env);
    return run(LIST(cli_path(), "doctor", "--", command), env);
}

Test(doctor_file, values_and_where_they_come_from)
{
    const struct run_result result = doctor_of_file(
        "[defaults]\n\nAGENT_OWNER = me\n[match /opt/*]\nAGENT_OWNER = other\n", NULL);

    assert_well(result);
    cr_expect(contains(line_with(result.out, "  AGENT_OWNER", "me"), text("%s:3\n", conf())), "%s",
              result.out);
    cr_expect(contains(result.out, text("configuration file: %s\n", conf())));
}

Test(doctor_file, none_is_no_problem)
{
    const struct run_result result = run(LIST(cli_path(), "doctor"), base_env());

    if (file_exists("/etc/telemetry/telemetry.conf"))
        cr_skip_test("no configuration file: this machine has one");
    assert_well(result);
    cr_expect(contains(result.out, text("no configuration file; looked for "
                                        "%s/config/telemetry.conf, /etc/telemetry/telemetry.conf",
                                        base_dir())),
              "%s", result.out);
}

Test(doctor_file, each_bad_line_with_its_number)
{
    assert_problem(doctor_of_file("[defaults]\nTELEMETRY_PRODUKT = x\n", NULL), "warn",
                   text("%s:2: TELEMETRY_PRODUKT = 'x': there is no such variable", conf()),
                   "did you mean TELEMETRY_PRODUCT?");
    assert_problem(doctor_of_file("[match /a]\n\nTELEMETRY_TRIGGER_TYPE = me\n", NULL), "warn",
                   text("%s:3: TELEMETRY_TRIGGER_TYPE = 'me': not one of", conf()), "ignored");
    assert_problem(doctor_of_file("[default]\n", NULL), "warn", text("%s:1: '[default]'", conf()),
                   "ignored");
    assert_problem(doctor_of_file("[match /a]\nTELEMETRY_BASE_DIR = /x\n", NULL), "warn",
                   text("%s:2: ", conf()), "ignored");
    assert_problem(doctor_of_file("[match agent]\nAGENT_OWNER = x\n", NULL), "warn",
                   "never matches", "section");
    assert_problem(doctor_of_file("[defaults]\nTELEMETRY_AUTO_EXCLUDE = /a:sh\n", NULL), "warn",
                   text("(%s:2): 'sh' never matches", conf()), "correct it");
}

Test(doctor_file, a_value_that_another_one_hides_is_looked_at_all_the_same)
{
    assert_problem(
        run(LIST(cli_path(), "doctor"), base_env_and(LIST(text("TELEMETRY_CONFIG=%s", conf())))),
        "warn", "No such file", "TELEMETRY_CONFIG");
    write_file(conf(), "[defaults]\nTELEMETRY_AUTO_WAIT_MS = soon\n", 0600);
    assert_problem(
        run(LIST(cli_path(), "doctor"),
            base_env_and(LIST(text("TELEMETRY_CONFIG=%s", conf()), "TELEMETRY_AUTO_WAIT_MS=5"))),
        "warn", text("%s:2: ", conf()), "ignored");
}

Test(doctor_file, files_that_are_not_used)
{
    const char *const *env = base_env_and(LIST(text("TELEMETRY_CONFIG=%s", conf())));

    write_file(conf(), "[defaults]\nAGENT_OWNER = me\n", 0666);
    assert_problem(run(LIST(cli_path(), "doctor"), env), "warn", "is not used: ", "belongs to you");
    unlink(conf());
    cr_assert_eq(mkfifo(conf(), 0600), 0);
    env = base_env_and(LIST(text("TELEMETRY_CONFIG=%s", conf())));
    assert_problem(run(LIST(cli_path(), "doctor"), env), "warn", "not a regular file", "regular");
}

Test(doctor_file, why_a_command_is_left_out)
{
    assert_problem(doctor_of_file("[defaults]\nTELEMETRY_AUTO_EXCLUDE = /opt/*:*/true\n", "true"),
                   "FAIL", text("is excluded by '*/true' of TELEMETRY_AUTO_EXCLUDE (%s:2)", conf()),
                   "telemetry exec");
    assert_problem(doctor_of_file("[defaults]\nTELEMETRY_AUTO_INCLUDE = /opt/*\n", "true"), "FAIL",
                   text("matches nothing in TELEMETRY_AUTO_INCLUDE (%s:2)", conf()),
                   "telemetry exec");
    assert_problem(doctor_of_file("[match *]\nTELEMETRY_AUTO = off\n", "true"), "FAIL",
                   text("TELEMETRY_AUTO is off for it (%s:2)", conf()), "[match]");
}

Test(doctor_file, what_a_command_would_be_called)
{
    const struct run_result result =
        doctor_of_file("[defaults]\nTELEMETRY_AUTO_INCLUDE = */true\nTELEMETRY_AUTO = off\n"
                       "[match */true]\nTELEMETRY_JOB_NAME = named here\nTELEMETRY_AUTO = on\n",
                       "true");

    assert_well(result);
    cr_expect(contains(result.out, "is included by '*/true'"), "%s", result.out);
    cr_expect(contains(result.out, "its job 'named here'"), "%s", result.out);
}
