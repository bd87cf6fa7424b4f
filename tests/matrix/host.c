/* See host.h. A warden process adopts whatever the program leaves behind, so that nothing escapes,
 * and ends it; the collector, which is none of the program's, goes on. */
#include "host.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "leftover.h"
#include "support/recording.h"
#include "varying.h"

const char system_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const char *work_dir(void)
{
    return text("%s/work", test_dir());
}

const char *made_dir(void)
{
    return text("%s/made", test_dir());
}

/* A library is there when the loader finds it. */
static bool has_library(const char *name)
{
    return run(LIST("/bin/true"), LIST(text("LD_PRELOAD=%s", name))).err[0] == '\0';
}

static bool has_file(const char *pattern)
{
    glob_t found;
    const bool some = glob(pattern, 0, NULL, &found) == 0;

    globfree(&found);
    return some;
}

static bool has_program(const char *name)
{
    const char *path = text("%s:%s", TELEMETRY_TEST_FIXTURES, system_path);

    while (*path != '\0') {
        const size_t len = strcspn(path, ":");

        if (access(text("%.*s/%s", (int)len, path, name), X_OK) == 0)
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}

bool host_has(const char *what)
{
    if (what[0] == '/')
        return has_file(what);
    return strncmp(what, "lib", 3) == 0 ? has_library(what) : has_program(what);
}

/* --- the program --------------------------------------------------------------------------------- */

static const char *object_of(const char *pattern, size_t len)
{
    if (*pattern == '%')
        return shim_path();
    return *pattern == '&' ? shims_path() : text("%.*s", (int)len, pattern);
}

/* LD_PRELOAD, where '%' stands for the shim, and '&' for that of each word size: without them, the other
 * objects are left. */
static const char *preload_of(const struct row *row, bool bare)
{
    const char *pattern = row->preload != NULL ? row->preload : "%";
    const char *out = "LD_PRELOAD=";

    while (*pattern != '\0') {
        const size_t len = strcspn(pattern, ":");
        const bool shim = *pattern == '%' || *pattern == '&';

        if (!shim || !bare)
            out = text("%s%s%s", out, out[strlen(out) - 1] != '=' ? ":" : "",
                       object_of(pattern, len));
        pattern += len + (pattern[len] == ':');
    }
    return out;
}

static const char *const *environment_of(const struct row *row, const char *base, bool bare)
{
    static const char *more[48];
    size_t count = 0;

    for (; row->env != NULL && row->env[count] != NULL && count < 40; count++)
        more[count] = row->env[count];
    more[count++] = preload_of(row, bare);
    more[count++] = text("PATH=%s:%s", TELEMETRY_TEST_FIXTURES, system_path);
    more[count++] = text("HOME=%s", work_dir());
    more[count++] = text("TMPDIR=%s", work_dir());
    more[count] = NULL;
    return shim_env_and(base, more);
}

void without_cores(int arg)
{
    const struct rlimit none = {0, 0};

    (void)arg;
    setrlimit(RLIMIT_CORE, &none);
}

static void become_user(const char *name)
{
    const struct passwd *user = getpwnam(name);

    if (user == NULL || setgroups(0, NULL) != 0 ||
        setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0 ||
        setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0)
        _exit(126);
}

static void prepare(void *arg)
{
    const struct row *row = arg;

    if (row->user != NULL)
        become_user(row->user);
    if (row->prepare != NULL)
        row->prepare(row->arg);
}

static struct run_result run_program(const struct row *row, const char *base, bool bare)
{
    const char *const script[] = {"/bin/sh", "-c", row->script, NULL};

    return run_with(&(struct run_options){
        .argv = row->script != NULL ? script : row->argv,
        .env = environment_of(row, base, bare),
        .cwd = work_dir(),
        .prepare = prepare,
        .arg = (void *)(uintptr_t)row,
        .timeout_ms = row->timeout_ms,
        .may_time_out = true,
    });
}

/* --- what can be noticed --------------------------------------------------------------------------- */

static const char *ending_of(const struct run_result *result)
{
    if (result->timed_out)
        return "not in time";
    if (WIFSIGNALED(result->wait_status))
        return text("killed by SIG%s", sigabbrev_np(WTERMSIG(result->wait_status)));
    return text("exit code %d", WEXITSTATUS(result->wait_status));
}

static const char *describe(const struct row *row, const struct run_result *result,
                            const char *left)
{
    const char *shown = "";
    const char *const hidden[] = {row->shows, NULL};
    const char *path = text("%s/%s", work_dir(), row->shows != NULL ? row->shows : "");

    if (row->shows != NULL)
        shown = text("--- %s\n%s\n", row->shows, file_exists(path) ? read_file(path) : "none");
    return without_varying(
        text("ended: %s\n--- standard output\n%s\n--- standard error\n%s\n%s--- files\n%s"
             "--- left behind\n%s\n",
             ending_of(result), result->out, result->err, shown,
             files_below(work_dir(), row->shows != NULL ? hidden : row->volatile_files), left),
        row->varies);
}

/* What the warden hands over: the wait status, whether it was in time, and the description. */
static _Noreturn void be_warden(const struct row *row, const char *base, bool bare, int report)
{
    struct run_result result;
    const char *left;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    result = run_program(row, base, bare);
    left = wait_for_leftover(base, row->stays != NULL ? row->stays : "");
    dprintf(report, "%d %d\n%s", result.wait_status, result.timed_out,
            describe(row, &result, left));
    end_leftover(base);
    _exit(0);
}

/* Empty, and the row's user's own. Others may go through the test's directory to reach it. */
static void make_fresh(const char *path, const char *user)
{
    const struct passwd *owner = user != NULL ? getpwnam(user) : NULL;

    run(LIST("rm", "-rf", path), NULL);
    if (chmod(test_dir(), 0711) != 0 || mkdir(path, 0700) != 0 ||
        (owner != NULL && chown(path, owner->pw_uid, owner->pw_gid) != 0))
        perror(path);
}

struct seen run_host(const struct row *row, const char *base, bool bare)
{
    const int report = memfd_create("report", MFD_CLOEXEC);
    struct seen seen = {.text = "the engine failed\n"};
    const char *said;
    int in_time = 0;
    int length = 0;
    pid_t warden;
    int status;

    make_fresh(work_dir(), row->user);
    if (row->user != NULL && !file_exists(base))
        make_fresh(base, row->user);
    fflush(NULL);
    warden = fork();
    if (warden == 0)
        be_warden(row, base, bare, report);
    while (waitpid(warden, &status, 0) < 0 && errno == EINTR)
        ;
    said = read_file(text("/proc/self/fd/%d", report));
    close(report);
    if (sscanf(said, "%d %d\n%n", &seen.wait_status, &in_time, &length) == 2) {
        seen.text = strchr(said, '\n') + 1;
        seen.timed_out = in_time != 0;
    }
    return seen;
}
