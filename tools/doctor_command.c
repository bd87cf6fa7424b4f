/* telemetry doctor -- COMMAND: would a run of it be recorded, and if not, why not? Nothing is
 * executed: this looks at the files that the kernel and the loader would look at. */
#include "base/infer.h"
#include "base/owner.h"
#include "base/words.h"
#include "doctor.h"
#include "elf_file.h"
#include "exit_status.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define USE_EXEC "record it with 'telemetry exec -- COMMAND', which needs no way into it"

/* --- scripts --------------------------------------------------------------------------------- */

enum { SCRIPTS_DEEP = 5 }; /* as many as the kernel follows */

/* The "#!" line's program, and its one argument (execve(2)). */
struct shebang {
    char program[256];
    char argument[256];
};

static bool read_shebang(const char *path, struct shebang *shebang)
{
    char line[256];
    char *at = line + 2;
    size_t len;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got;

    if (fd < 0)
        return false;
    got = read(fd, line, sizeof line - 1);
    close(fd);
    if (got < 2 || line[0] != '#' || line[1] != '!')
        return false;
    line[got] = '\0';
    line[strcspn(line, "\n")] = '\0';
    at += strspn(at, " \t");
    len = strcspn(at, " \t");
    snprintf(shebang->program, sizeof shebang->program, "%.*s", (int)len, at);
    at += len;
    at += strspn(at, " \t");
    snprintf(shebang->argument, sizeof shebang->argument, "%s", at);
    return true;
}

/* "#!/usr/bin/env python3" ends up in python3, which is looked for in PATH. */
static bool through_env(const struct doctor *doctor, const struct shebang *shebang,
                        char path[TEL_PATH_MAX])
{
    char *const no_more[] = {NULL};
    struct tel_words words = {tel_str_from(shebang->argument), false, 0, no_more};
    struct tel_str word;
    char name[256];

    if (!tel_str_is(tel_str_basename(tel_str_from(shebang->program)), "env"))
        return false;
    do {
        if (!tel_words_next(&words, &word))
            return false;
    } while (word.ptr[0] == '-' || tel_str_find(word, '=') >= 0);
    snprintf(name, sizeof name, "%.*s", (int)word.len, word.ptr);
    return program_find(name, tel_env_get(&doctor->context.env, "PATH"), path) == 0;
}

/* Goes on from a script to what interprets it, until a program that is none. False when there is
 * something wrong, and has been said. */
static bool follow_scripts(struct doctor *doctor, char path[TEL_PATH_MAX])
{
    struct shebang shebang;

    for (int depth = 0; read_shebang(path, &shebang); depth++) {
        char next[TEL_PATH_MAX];

        snprintf(next, sizeof next, "%s", shebang.program);
        if (depth >= SCRIPTS_DEEP || access(next, X_OK) != 0) {
            doctor_fail(doctor, "correct the script's first line",
                        "%s cannot be executed: its interpreter '%s': %s", path, next,
                        depth >= SCRIPTS_DEEP ? "too many in a row" : strerror(errno));
            return false;
        }
        (void)through_env(doctor, &shebang, next);
        doctor_ok("%s is a script: %s executes it", path, next);
        snprintf(path, TEL_PATH_MAX, "%s", next);
    }
    return true;
}

/* --- privileges ------------------------------------------------------------------------------ */

/* Why the loader would take nothing from the environment (AT_SECURE, getauxval(3)), or NULL. */
static const char *privilege_of(const char *path)
{
    struct stat st;
    char none[1];

    if (stat(path, &st) != 0)
        return NULL;
    if ((st.st_mode & S_ISUID) != 0 && st.st_uid != getuid())
        return "setuid";
    if ((st.st_mode & S_ISGID) != 0 && (st.st_mode & S_IXGRP) != 0 && st.st_gid != getgid())
        return "setgid";
    /* ERANGE: there is one, and it does not fit. Root has all capabilities anyway. */
    if (getuid() != 0 &&
        (getxattr(path, "security.capability", none, sizeof none) >= 0 || errno == ERANGE))
        return "given file capabilities";
    return NULL;
}

/* --- the program ----------------------------------------------------------------------------- */

static void report_foreign(struct doctor *doctor, const char *path, const struct elf_facts *facts)
{
    char memory[32];

    if (facts->is_twin)
        doctor_fail(
            doctor,
            USE_EXEC "; or install a shim for it: 'tools/dev install' builds one where the "
                     "compiler makes 32-bit programs (Debian: gcc-multilib)",
            "%s is for %s, and there is no shim for it: its loader says on standard error "
            "that a 64-bit shim 'cannot be preloaded (wrong ELF class)', and goes on without "
            "it",
            path, elf_machine_name(facts, memory));
    else
        doctor_fail(doctor, USE_EXEC, "%s is for %s; the shim is for this machine's own programs",
                    path, elf_machine_name(facts, memory));
}

static bool has_shim(const struct elf_facts *facts)
{
    char shims[TEL_PATH_MAX];

    return facts->is_twin && !facts->is_musl && program_find_shims(shims);
}

/* By its own shim. */
static void report_twin(const char *path, const struct elf_facts *facts)
{
    char memory[32];

    doctor_ok("%s would be recorded, by the shim for %s, where LD_PRELOAD has $LIB in its path or "
              "no path at "
              "all",
              path, elf_machine_name(facts, memory));
}

static void report_native(struct doctor *doctor, const char *path, const struct elf_facts *facts)
{
    const char *privilege = privilege_of(path);

    if (privilege != NULL)
        doctor_fail(doctor, USE_EXEC,
                    "%s is %s: the loader takes no LD_PRELOAD from its environment", path,
                    privilege);
    else if (!facts->has_loader)
        doctor_fail(doctor, USE_EXEC, "%s is statically linked%s: no loader, no LD_PRELOAD", path,
                    facts->is_go ? " (Go)" : "");
    else if (!facts->needs_libc && facts->is_go)
        doctor_fail(doctor, USE_EXEC, "%s is a Go program without libc", path);
    else if (facts->is_twin)
        report_twin(path, facts);
    else if (facts->is_musl)
        doctor_ok("%s would be recorded; it is linked with musl, so its exit code is known from %s",
                  path, tel_exit_pidfd_works() ? "the kernel" : "'telemetry exec' only");
    else
        doctor_ok("%s would be recorded", path);
}

static void report_program(struct doctor *doctor, const char *path)
{
    struct elf_facts facts;
    struct tel_error err = {0};

    if (elf_file_inspect(path, &facts, &err) < 0)
        /* Executable, not readable: so much can be said. */
        doctor_note("%s; the loader decides", err.message);
    else if (!facts.is_elf)
        doctor_ok("%s is no program that the kernel knows: a shell executes it, and is recorded",
                  path);
    else if (!facts.is_native && !has_shim(&facts))
        report_foreign(doctor, path, &facts);
    else
        report_native(doctor, path, &facts);
}

static bool find_program(struct doctor *doctor, const char *name, char path[TEL_PATH_MAX])
{
    const int status = program_find(name, tel_env_get(&doctor->context.env, "PATH"), path);

    if (status == 0)
        return true;
    doctor_fail(doctor,
                status == -ENOENT ? "check its name, and PATH" : "make it an executable file",
                "%s: %s", path, strerror(-status));
    return false;
}

/* --- selection ------------------------------------------------------------------------------- */

/* From now on the configuration is that of this program: its [match] sections count. */
static void choose_sections(struct doctor *doctor, struct tel_str exe)
{
    struct context *context = &doctor->context;
    const struct tel_config_source source = {&context->env, context->file.text, exe};

    tel_config_load(&context->config, &source, NULL, NULL);
}

static void report_switched_off(struct doctor *doctor, const char *origin)
{
    if (doctor->context.config.line[TEL_VAR_AUTO] == 0)
        doctor_fail(doctor, "unset TELEMETRY_AUTO", "TELEMETRY_AUTO is off: nothing is recorded");
    else
        doctor_fail(doctor,
                    "switch it on in a [match] section, or record it with 'telemetry exec', which "
                    "does not mind",
                    "TELEMETRY_AUTO is off for it (%s)", origin);
}

/* Would the lists, and the switch, let the shim record it? */
static void check_selection(struct doctor *doctor, struct tel_str exe)
{
    static const char advice[] = "change that list, or record it with 'telemetry exec', which does "
                                 "not mind";
    const struct tel_config *config = &doctor->context.config;
    char origin[DOCTOR_ORIGIN_MAX];
    struct tel_str glob;
    const enum tel_var var = tel_config_objection(config, exe, &glob);
    const int len = (int)exe.len;

    if (var == TEL_VAR_AUTO)
        report_switched_off(doctor, doctor_origin(doctor, var, origin));
    else if (var == TEL_VAR_AUTO_EXCLUDE)
        doctor_fail(doctor, advice, "%.*s is excluded by '%.*s' of TELEMETRY_AUTO_EXCLUDE (%s)",
                    len, exe.ptr, (int)glob.len, glob.ptr, doctor_origin(doctor, var, origin));
    else if (var == TEL_VAR_AUTO_INCLUDE)
        doctor_fail(doctor, advice, "%.*s matches nothing in TELEMETRY_AUTO_INCLUDE (%s)", len,
                    exe.ptr, doctor_origin(doctor, var, origin));
    else if (glob.ptr != NULL)
        doctor_ok("%.*s is included by '%.*s' of TELEMETRY_AUTO_INCLUDE (%s)", len, exe.ptr,
                  (int)glob.len, glob.ptr, doctor_origin(doctor, TEL_VAR_AUTO_INCLUDE, origin));
}

/* --- the environment ------------------------------------------------------------------------- */

static void check_standing(struct doctor *doctor)
{
    const struct tel_env *env = &doctor->context.env;
    const struct tel_str run_id = tel_env_get(env, "TELEMETRY_RUN_ID");
    struct tel_owner owner;

    if (!tel_owner_id_valid(run_id) ||
        !tel_owner_parse(tel_env_get(env, "TELEMETRY_RUN_OWNER"), &owner))
        return;
    if (tel_owner_standing(&owner, getpid()) == TEL_OUTSIDE)
        doctor_note("it would be a child of run %.*s, which has ended", (int)run_id.len,
                    run_id.ptr);
    else
        doctor_note("this is inside run %.*s: it would be part of that, and 'telemetry exec' makes "
                    "it a run of its own",
                    (int)run_id.len, run_id.ptr);
}

static void report_names(const struct doctor *doctor, char **argv, const char *path)
{
    const struct tel_str *value = doctor->context.config.value;
    struct tel_str agent = value[TEL_VAR_AGENT_NAME];
    struct tel_str job =
        value[value[TEL_VAR_JOB_TYPE].ptr != NULL ? TEL_VAR_JOB_TYPE : TEL_VAR_JOB_NAME];
    int argc = 0;

    while (argv[argc] != NULL)
        argc++;
    if (agent.ptr == NULL)
        agent = tel_infer_agent(tel_str_from(path), argc, argv);
    if (job.ptr == NULL)
        job = tel_infer_job(&doctor->context.env);
    if (job.ptr == NULL)
        job = agent;
    doctor_note("its agent would be called '%.*s', its job '%.*s'", (int)agent.len, agent.ptr,
                (int)job.len, job.ptr);
}

static void report_how(char **argv, const char *program)
{
    struct elf_facts facts = {0};
    char shim[TEL_PATH_MAX];
    const bool is_twin = elf_file_inspect(program, &facts, NULL) == 0 && facts.is_twin;
    const char *quote = is_twin ? "'" : ""; /* "$LIB" is for the loader, not for the shell */

    if (is_twin ? program_find_shims(shim) : program_find_shim(shim))
        doctor_note("to record it: LD_PRELOAD=%s%s%s %s%s", quote, shim, quote, argv[0],
                    argv[1] != NULL ? " ..." : "");
}

void doctor_check_command(struct doctor *doctor, char **argv)
{
    const int before = doctor->problems;
    char path[TEL_PATH_MAX];
    char program[TEL_PATH_MAX];
    char cwd[TEL_PATH_MAX];
    char memory[TEL_PATH_MAX];
    struct tel_str exe;

    doctor_section("Command");
    if (!find_program(doctor, argv[0], path))
        return;
    if (getcwd(cwd, sizeof cwd) == NULL)
        strcpy(cwd, "/");
    exe = tel_str_from(tel_path_absolute(memory, cwd, path));
    choose_sections(doctor, exe);
    check_standing(doctor);
    check_selection(doctor, exe);
    strcpy(program, path);
    if (!follow_scripts(doctor, program))
        return;
    report_program(doctor, program);
    report_names(doctor, argv, path);
    if (doctor->problems == before)
        report_how(argv, program);
}
