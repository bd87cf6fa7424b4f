/* See spawn.h. The steps and their reasons are those of DESIGN 6. */
#include "spawn.h"

#include "clone.h"
#include "process.h"
#include "sys.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef TELEMETRY_COLLECTOR_PATH
#define TELEMETRY_COLLECTOR_PATH "/usr/local/bin/telemetry"
#endif

enum {
    BACKLOG = 4096,
    FIRST_SPARE_FD = 10,
    ENTRIES_MAX = 64,
    STACK_BYTES = 16 * 1024,
    STACK_ALIGNMENT = 16
};

/* What a collector, and the poster it may start, can use of a host's environment. Never LD_*. One behind the
 * other: a table of pointers would have to be relocated in every process. */
static const char passed_variables[] = "PATH\0"
                                       "HOME\0"
                                       "TZ\0"
                                       "LANG\0"
                                       "TMPDIR\0"
                                       "http_proxy\0"
                                       "https_proxy\0"
                                       "HTTPS_PROXY\0"
                                       "all_proxy\0"
                                       "ALL_PROXY\0"
                                       "no_proxy\0"
                                       "NO_PROXY\0"
                                       "CURL_CA_BUNDLE\0"
                                       "SSL_CERT_FILE\0"
                                       "SSL_CERT_DIR\0"
                                       "METRICS_API_CLIENT_CERT\0"
                                       "METRICS_API_CLIENT_KEY\0"
                                       "TELEMETRY_FILE_MODE\0"
                                       "TELEMETRY_EXIT_SOURCE\0";

/* --- the claim ------------------------------------------------------------------------------- */

static int listen_at(const struct tel_datadir *dir, enum tel_socket which)
{
    char path[TEL_PATH_MAX];
    struct sockaddr_un address;
    socklen_t len;
    int dirfd;
    int fd;
    int status = tel_run_path(path, dir, tel_socket_suffix[which]);

    if (status == 0)
        status = tel_socket_address(&address, &len, dir, which, &dirfd);
    if (status < 0)
        return status;
    fd = tel_sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    status = fd;
    if (fd >= 0) {
        tel_sys_unlinkat(AT_FDCWD, path);   /* a dead collector's: we hold the lock */
        tel_sys_fchmod(fd, dir->file_mode); /* never more than this: a umask only takes away */
        status = tel_sys_bind(fd, &address, len);
    }
    if (status == 0) {
        tel_datadir_set_mode(path, S_IFSOCK, dir->file_mode); /* here it gets back what that took */
        status = tel_sys_listen(fd, BACKLOG);
    }
    if (dirfd >= 0)
        tel_sys_close(dirfd);
    if (status == 0)
        return fd;
    if (fd >= 0)
        tel_sys_close(fd);
    return status;
}

static int take_lock(const struct tel_datadir *dir, struct tel_error *err)
{
    char path[TEL_PATH_MAX];
    struct stat st;
    int fd;
    int status = tel_run_path(path, dir, TEL_LOCK_SUFFIX);

    if (status < 0)
        return tel_fail_sys(err, status, "the data directory's path is too long", NULL);
    fd = tel_sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, dir->file_mode);
    if (fd < 0)
        return tel_fail_sys(err, fd, "cannot open ", path, NULL);
    status = tel_sys_fstat(fd, &st);
    if (status == 0 && !S_ISREG(st.st_mode))
        status = tel_fail(err, TEL_ERR_REFUSED, path, " is not a regular file", NULL);
    if (status == 0)
        tel_datadir_set_file_mode(fd, &st, dir->file_mode); /* whatever the umask was */
    if (status == 0)
        status = tel_sys_flock(fd, LOCK_EX | LOCK_NB);
    if (status == 0)
        return fd;
    tel_sys_close(fd);
    return status;
}

int tel_claim_listen(struct tel_claim *claim, const struct tel_datadir *dir, struct tel_error *err)
{
    char site[TEL_SITE_PATH_MAX];
    int status;

    /* One from before a boot could be right by chance: numbers of processes come again. */
    if (tel_site_path(site, dir) != NULL)
        tel_sys_unlinkat(AT_FDCWD, site);
    claim->start = listen_at(dir, TEL_SOCKET_START);
    claim->request = claim->start < 0 ? -1 : listen_at(dir, TEL_SOCKET_REQUEST);
    if (claim->start >= 0 && claim->request >= 0)
        return 0;
    status = claim->start < 0 ? claim->start : claim->request;
    return tel_fail_sys(err, status, "cannot listen in ", dir->run, NULL);
}

int tel_claim_take(struct tel_claim *claim, const struct tel_datadir *dir, struct tel_error *err)
{
    int status = tel_datadir_prepare_run(dir, err);

    if (status < 0)
        return status;
    *claim = (struct tel_claim){-1, -1, -1};
    claim->lock = take_lock(dir, err);
    if (claim->lock < 0)
        return claim->lock;
    status = tel_claim_listen(claim, dir, err);
    if (status < 0)
        tel_claim_drop(claim, dir, true);
    return status;
}

void tel_claim_unlink(const struct tel_datadir *dir)
{
    char path[TEL_PATH_MAX];

    for (int which = 0; which < 2; which++)
        if (tel_run_path(path, dir, tel_socket_suffix[which]) == 0)
            tel_sys_unlinkat(AT_FDCWD, path);
}

void tel_claim_drop(struct tel_claim *claim, const struct tel_datadir *dir, bool abandon)
{
    int *const fds[] = {&claim->start, &claim->request, &claim->lock};

    if (abandon)
        tel_claim_unlink(dir);
    for (int i = 0; i < 3; i++) {
        if (*fds[i] >= 0)
            tel_sys_close(*fds[i]);
        *fds[i] = -1;
    }
}

/* --- whether a collector may be started ------------------------------------------------------ */

static bool hard_limited(int resource)
{
    struct rlimit limit;

    return tel_sys_getrlimit(resource, &limit) == 0 && limit.rlim_max != RLIM_INFINITY;
}

const char *tel_spawn_obstacle(void)
{
    struct stat children;
    uint64_t own = tel_pid_namespace();

    if (tel_sys_getpid() == 1)
        return "this is process 1, whose orphans would be its children";
    if (tel_sys_fstatat(AT_FDCWD, "/proc/self/ns/pid_for_children", &children, 0) < 0)
        return "the pid namespace of its children is not known";
    if (children.st_ino != own)
        return "its first child would become init of a new pid namespace";
    if (hard_limited(RLIMIT_FSIZE) || hard_limited(RLIMIT_AS) || hard_limited(RLIMIT_CPU))
        return "a hard limit on file size, memory or CPU time would end the collector";
    return NULL;
}

/* --- the program ----------------------------------------------------------------------------- */

static bool is_executable(const char *path)
{
    struct stat st;

    return tel_sys_fstatat(AT_FDCWD, path, &st, 0) == 0 && S_ISREG(st.st_mode) &&
           tel_sys_access(path, 1 /* X_OK */) == 0;
}

static bool try_path(char out[TEL_PATH_MAX], struct tel_str directory, const char *rest)
{
    struct tel_buf path;

    tel_buf_init(&path, out, TEL_PATH_MAX);
    tel_buf_str(&path, directory);
    tel_buf_cstr(&path, rest);
    return tel_buf_terminate(&path) != NULL && is_executable(out);
}

/* Where the executable lies as seen from the shim: the build tree, then lib/ and lib/TRIPLET/. */
static bool find_beside(char out[TEL_PATH_MAX], struct tel_str object)
{
    static const char places[][24] = {"/../tools/telemetry", "/../bin/telemetry",
                                      "/../../bin/telemetry"};
    ptrdiff_t slash = tel_str_find_last(object, '/');
    struct tel_str directory = {object.ptr, slash < 0 ? 0 : (size_t)slash};

    if (!tel_str_starts(object, "/"))
        return false;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (try_path(out, directory, places[i]))
            return true;
    return false;
}

int tel_spawn_find_program(char out[TEL_PATH_MAX], const struct tel_config *config,
                           const char *object)
{
    const struct tel_str chosen = config->value[TEL_VAR_COLLECTOR];

    if (chosen.ptr != NULL)
        return try_path(out, chosen, "") ? 0 : -ENOENT;
    if (object != NULL && find_beside(out, tel_str_from(object)))
        return 0;
    return try_path(out, TEL_STR(TELEMETRY_COLLECTOR_PATH), "") ? 0 : -ENOENT;
}

/* --- the processes --------------------------------------------------------------------------- */

struct child {
    const char *program;
    char *const *argv;
    char **envp;
    const struct tel_claim *claim;
    void *stack_top; /* of the second child */
    int error;       /* why it could not be executed; 0 when it was */
};

static void dup_to(int from, int to)
{
    if (from != to)
        tel_sys_call(SYS_dup3, from, to, 0, 0, 0, 0);
    else
        tel_sys_call(SYS_fcntl, from, F_SETFD, 0, 0, 0, 0);
}

/* Its own session, no terminal, only its own descriptors. */
static int arrange_descriptors(const struct child *child)
{
    const int wanted[3] = {child->claim->lock, child->claim->start, child->claim->request};
    int high[3];
    int null;

    for (int i = 0; i < 3; i++) {
        high[i] = (int)tel_sys_call(SYS_fcntl, wanted[i], F_DUPFD_CLOEXEC, FIRST_SPARE_FD, 0, 0, 0);
        if (high[i] < 0)
            return high[i];
    }
    null = tel_sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
    if (null < 0)
        return null;
    for (int fd = 0; fd < 3; fd++)
        dup_to(null, fd);
    for (int i = 0; i < 3; i++)
        dup_to(high[i], TEL_INHERIT_LOCK + i);
    return 0;
}

/* The collector to be. Shares the host's memory until execve, so it changes none but child->error. */
static int run_collector(void *arg)
{
    struct child *child = arg;

    tel_sys_call(SYS_setsid, 0, 0, 0, 0, 0, 0);
    child->error = arrange_descriptors(child);
    if (child->error == 0)
        child->error = (int)tel_sys_call(SYS_execve, (long)child->program, (long)child->argv,
                                         (long)child->envp, 0, 0, 0);
    return 1;
}

/* Only there so that the collector's parent is gone: execve would have given it SIGCHLD as its exit
 * signal, and made it something the host's wait() can see. */
static int run_intermediate(void *arg)
{
    const struct child *child = arg;

    return tel_clone_vfork(run_collector, arg, child->stack_top) < 0 ? 1 : 0;
}

static int start_detached(struct child *child, void *stack_top)
{
    const uint64_t all = ~UINT64_C(0);
    uint64_t old;
    int subreaper = 0;
    int wait_status = 0;
    long pid;

    /* A subreaper would adopt the collector and find a child it never had. */
    tel_sys_call(SYS_prctl, PR_GET_CHILD_SUBREAPER, (long)&subreaper, 0, 0, 0, 0);
    if (subreaper != 0)
        tel_sys_call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0, 0);
    tel_sys_sigprocmask(SIG_BLOCK, &all, &old);
    pid = tel_clone_vfork(run_intermediate, child, stack_top);
    if (pid > 0)
        tel_sys_call(SYS_wait4, pid, (long)&wait_status, TEL_WAIT_CLONE, 0, 0, 0);
    tel_sys_sigprocmask(SIG_SETMASK, &old, NULL);
    if (subreaper != 0)
        tel_sys_call(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0);
    if (pid < 0)
        return (int)pid;
    return wait_status == 0 ? child->error : -ECHILD;
}

/* Appends "NAME=value" with its NUL, and its address to entries; one that does not fit is left out. */
static void add_entry(char **entries, int *count, struct tel_buf *memory, const char *name,
                      struct tel_str value)
{
    const size_t around = strlen(name) + sizeof "=";

    if (value.ptr == NULL || *count >= ENTRIES_MAX || value.len > memory->cap - memory->len ||
        around > memory->cap - memory->len - value.len)
        return;
    entries[(*count)++] = memory->ptr + memory->len;
    tel_buf_cstr(memory, name);
    tel_buf_char(memory, '=');
    tel_buf_str(memory, value);
    tel_buf_char(memory, '\0');
}

/* Ours first: however long the host's are, the collector has to know which directory is its own. */
static void build_environment(char **entries, struct tel_buf *memory, const struct tel_spawn *spawn)
{
    int count = 0;

    add_entry(entries, &count, memory, "TELEMETRY_AUTO", TEL_STR("0"));
    add_entry(entries, &count, memory, "TELEMETRY_BASE_DIR", tel_str_from(spawn->dir->base));
    if (spawn->dir->raw_chosen)
        add_entry(entries, &count, memory, "TELEMETRY_NDJSON_DIR", tel_str_from(spawn->dir->raw));
    if (spawn->dir->db_chosen)
        add_entry(entries, &count, memory, "TELEMETRY_DB_PATH", tel_str_from(spawn->dir->db));
    if (spawn->config_file[0] != '\0')
        add_entry(entries, &count, memory, "TELEMETRY_CONFIG", tel_str_from(spawn->config_file));
    for (const char *name = passed_variables; *name != '\0'; name += tel_str_from(name).len + 1)
        add_entry(entries, &count, memory, name, tel_env_get(spawn->env, name));
    entries[count] = NULL;
}

int tel_spawn_collector(struct tel_spawn *spawn)
{
    static char name[] = "telemetry";
    static char command[] = "collect";
    static char option[] = "--inherited";
    char *const argv[] = {name, command, option, NULL};
    char *entries[ENTRIES_MAX + 1];
    struct tel_buf *scratch = &spawn->scratch;
    char *stacks = scratch->ptr + scratch->cap - 2 * STACK_BYTES;
    struct child child = {spawn->program, argv, entries, spawn->claim, NULL, 0};
    struct tel_buf memory;

    stacks -= (uintptr_t)stacks % STACK_ALIGNMENT; /* scratch may lie anywhere */
    tel_buf_init(&memory, scratch->ptr, (size_t)(stacks - scratch->ptr));
    build_environment(entries, &memory, spawn);
    child.stack_top = stacks + STACK_BYTES;
    return start_detached(&child, stacks + 2 * STACK_BYTES);
}
