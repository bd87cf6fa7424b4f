/* telemetry doctor: the collector, what the kernel offers it, and the shim. */
#include "base/process.h"
#include "base/proto.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "doctor.h"
#include "elf_file.h"
#include "exit_status.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <unistd.h>

/* --- the collector --------------------------------------------------------------------------- */

enum { ANSWER_MS = 3000 };

/* Somebody is collector, or is just starting one. */
static bool is_locked(const struct tel_datadir *dir)
{
    char path[TEL_PATH_MAX];
    bool locked;
    int fd;

    if (tel_run_path(path, dir, TEL_LOCK_SUFFIX) < 0)
        return false;
    fd = tel_sys_openat(AT_FDCWD, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return false;
    locked = tel_sys_flock(fd, LOCK_SH | LOCK_NB) == -EWOULDBLOCK;
    tel_sys_close(fd);
    return locked;
}

static void check_answer(struct doctor *doctor, int pid)
{
    struct tel_message message;
    int answer;

    tel_message_init(&message, TEL_REQUEST_COMMIT, TEL_STR_NONE);
    answer = tel_proto_ask(&doctor->context.dir, &message, TEL_STR_NONE, ANSWER_MS);
    if (answer == TEL_ANSWER_DONE)
        doctor_ok("running (process %d), and answers", pid);
    else if (answer == TEL_ANSWER_LATER || answer == TEL_ANSWER_FAILED)
        doctor_warn(doctor, "see 'Database' above; if that is well, it is catching up",
                    "running (process %d), but cannot write the database now", pid);
    else
        doctor_warn(doctor, "end it; the next recorded run starts another one",
                    "running (process %d), but does not answer", pid);
}

static void check_alive(struct doctor *doctor)
{
    const int pid = context_collector(&doctor->context);

    if (pid >= 0)
        check_answer(doctor, pid);
    else if (pid == -EACCES)
        doctor_warn(doctor,
                    "set TELEMETRY_FILE_MODE for whoever starts it, or use another directory",
                    "its socket belongs to somebody else");
    else if (is_locked(&doctor->context.dir))
        doctor_warn(doctor, "try again in a moment; if this stays, see who has that lock open",
                    "somebody holds the lock in %s, but does not listen", doctor->context.dir.run);
    else
        doctor_ok("not running now; the next recorded run starts one");
}

static void check_program(struct doctor *doctor)
{
    const struct tel_config *config = &doctor->context.config;
    char shim[TEL_PATH_MAX];
    char program[TEL_PATH_MAX];
    char *plain;

    if (config->collector_off) {
        doctor_note("TELEMETRY_COLLECTOR is off: recorded programs start none");
        return;
    }
    if (tel_spawn_find_program(program, config, program_find_shim(shim) ? shim : NULL) < 0) {
        doctor_fail(doctor, "set TELEMETRY_COLLECTOR to this program's path",
                    "recorded programs do not find the program to start as collector");
        return;
    }
    plain = realpath(program, NULL);
    doctor_ok("it would be %s", plain != NULL ? plain : program);
    free(plain);
}

static void check_kernel(void)
{
    struct utsname name;
    const int pidfd = tel_sys_pidfd_open(getpid());
    const bool has_pidfs = pidfd >= 0 && tel_pidfd_inode(pidfd) != 0;

    if (pidfd >= 0)
        tel_sys_close(pidfd);
    if (uname(&name) != 0)
        name.release[0] = '\0';
    if (tel_exit_pidfd_works())
        doctor_ok("Linux %s tells how every process ended", name.release);
    else
        doctor_note(
            "Linux %s does not tell how a killed process ended (6.15 does): only 'telemetry "
            "exec' knows, by waiting for it",
            name.release);
    if (!has_pidfs)
        doctor_note("Linux %s has no unique process numbers (6.9 does); start times are compared",
                    name.release);
}

void doctor_check_collector(struct doctor *doctor)
{
    const char *obstacle = tel_spawn_obstacle();

    doctor_section("Collector");
    check_alive(doctor);
    check_program(doctor);
    if (obstacle != NULL)
        doctor_warn(doctor, "start one elsewhere: 'telemetry collect --foreground'",
                    "programs started from here can start none: %s", obstacle);
    check_kernel();
}

/* --- the shim -------------------------------------------------------------------------------- */

static void check_file(struct doctor *doctor, const char *path)
{
    struct tel_error err = {0};
    struct elf_facts facts;

    if (elf_file_inspect(path, &facts, &err) < 0)
        doctor_fail(doctor, "let it be readable", "%s", err.message);
    else if (!facts.is_elf || !facts.is_native)
        doctor_fail(doctor, "install it again", "%s is no shared object of this machine", path);
    else
        doctor_ok("%s", path);
}

/* The loader complains on standard error of each entry that it cannot load. */
static void check_entry(struct doctor *doctor, struct tel_str entry)
{
    char path[TEL_PATH_MAX];

    if (entry.len == 0 || tel_str_find(entry, '/') < 0 || tel_str_find(entry, '$') >= 0)
        return;
    snprintf(path, sizeof path, "%.*s", (int)entry.len, entry.ptr);
    if (access(path, R_OK) != 0)
        doctor_fail(doctor, "take it out of LD_PRELOAD", "LD_PRELOAD names %s: %s", path,
                    strerror(errno));
}

static void check_preload(struct doctor *doctor)
{
    const struct tel_str list = tel_env_get_nonempty(&doctor->context.env, "LD_PRELOAD");
    size_t start = 0;

    if (list.ptr == NULL)
        return;
    doctor_note("LD_PRELOAD is %.*s", (int)list.len, list.ptr);
    for (size_t i = 0; i <= list.len; i++) {
        if (i < list.len && list.ptr[i] != ':' && list.ptr[i] != ' ')
            continue;
        check_entry(doctor, (struct tel_str){list.ptr + start, i - start});
        start = i + 1;
    }
}

void doctor_check_shim(struct doctor *doctor)
{
    char path[TEL_PATH_MAX];

    doctor_section("Shim");
    if (program_find_shim(path))
        check_file(doctor, path);
    else
        doctor_fail(doctor, "install it: 'tools/dev install' in the source tree",
                    SHIM_NAME " is neither beside this program nor at %s", path);
    if (program_find_shims(path))
        doctor_ok("%s, for 32-bit programs, too", path);
    check_preload(doctor);
}
