/* Facts about processes from the cheapest source there is (DESIGN 4): pidfd first, one cold read
 * under /proc at most. */
#include "process.h"

#include "sys.h"

#include <errno.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* Fields of proc_pid_stat(5), counted from 1. */
enum {
    STAT_STATE = 3,
    STAT_PPID = 4,
    STAT_SESSION = 6,
    STAT_TTY = 7,
    STAT_FLAGS = 9,
    STAT_UTIME = 14,
    STAT_STIME,
    STAT_CUTIME,
    STAT_CSTIME,
    STAT_START = 22,
    STAT_EXIT_CODE = 52
};

enum { MS_PER_TICK = 10 }; /* USER_HZ is 100 wherever Linux has it (time(7)) */

static ssize_t read_file(const char *path, char *memory, size_t cap)
{
    int fd = tel_sys_openat(AT_FDCWD, path, O_RDONLY | O_NOCTTY, 0);
    ssize_t got;

    if (fd < 0)
        return fd;
    got = tel_sys_read(fd, memory, cap);
    tel_sys_close(fd);
    return got;
}

/* Takes the next blank-separated word off text. */
static struct tel_str next_word(struct tel_str *text)
{
    struct tel_str word;
    ptrdiff_t blank = tel_str_find(*text, ' ');

    word = blank < 0 ? *text : (struct tel_str){text->ptr, (size_t)blank};
    *text = tel_str_from_pos(*text, word.len + 1);
    if (word.len > 0 && word.ptr[word.len - 1] == '\n')
        word.len--;
    return word;
}

static void take_field(struct tel_proc_stat *out, int field, struct tel_str word)
{
    uint64_t number = 0;

    if (field == STAT_STATE) {
        out->state = word.len > 0 ? word.ptr[0] : '?';
        return;
    }
    if (!tel_str_to_u64(word, &number))
        return;
    switch (field) {
    case STAT_PPID:
        out->ppid = (pid_t)number;
        break;
    case STAT_SESSION:
        out->session = (pid_t)number;
        break;
    case STAT_TTY:
        out->tty = (int)number;
        break;
    case STAT_FLAGS:
        out->flags = (unsigned)number;
        break;
    case STAT_UTIME:
        out->cpu.user_ms = number * MS_PER_TICK;
        break;
    case STAT_STIME:
        out->cpu.system_ms = number * MS_PER_TICK;
        break;
    case STAT_CUTIME:
        out->cpu.children_user_ms = number * MS_PER_TICK;
        break;
    case STAT_CSTIME:
        out->cpu.children_system_ms = number * MS_PER_TICK;
        break;
    case STAT_START:
        out->start_ticks = number;
        break;
    case STAT_EXIT_CODE:
        out->exit_code = (int)number;
        break;
    default:
        break;
    }
}

bool tel_proc_stat_parse(struct tel_str text, struct tel_proc_stat *out)
{
    ptrdiff_t close = tel_str_find_last(text, ')');
    struct tel_str rest;
    uint64_t pid;
    int field = STAT_STATE;

    memset(out, 0, sizeof *out);
    if (close < 0 || !tel_str_to_u64(next_word(&(struct tel_str){text.ptr, text.len}), &pid))
        return false;
    out->pid = (pid_t)pid;
    rest = tel_str_from_pos(text, (size_t)close + 2);
    for (; rest.len > 0; field++)
        take_field(out, field, next_word(&rest));
    return field > STAT_START;
}

bool tel_proc_stat_has_ended(const struct tel_proc_stat *stat)
{
    return stat->state == 'Z' || stat->state == 'X';
}

int tel_proc_stat_read(const char *path, struct tel_proc_stat *out)
{
    char text[1024];
    ssize_t got = read_file(path, text, sizeof text);

    if (got < 0)
        return (int)got;
    return tel_proc_stat_parse((struct tel_str){text, (size_t)got}, out) ? 0 : -EPROTO;
}

/* unshare(2): with this flag it does nothing in a process of one thread, and fails in any other. A tenth of what
 * a look under /proc costs; but some filters of system calls end whoever makes it, so under a filter it is not
 * made. */
static bool may_unshare(void)
{
    return tel_sys_call(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) == 0 &&
           tel_sys_call(SYS_unshare, CLONE_SIGHAND, 0, 0, 0, 0, 0) == 0;
}

bool tel_process_is_alone(void)
{
    enum { LINKS_OF_ONE = 3 }; /* ".", the entry in its parent, and one thread's ".." */
    struct stat st;

    return may_unshare() || (tel_sys_fstatat(AT_FDCWD, "/proc/self/task", &st, 0) == 0 &&
                             st.st_nlink <= LINKS_OF_ONE);
}

void tel_boot_id(char out[TEL_BOOT_ID_LEN + 1])
{
    if (read_file("/proc/sys/kernel/random/boot_id", out, TEL_BOOT_ID_LEN) != TEL_BOOT_ID_LEN)
        out[0] = '\0';
    out[TEL_BOOT_ID_LEN] = '\0';
}

uint64_t tel_pid_namespace(void)
{
    struct stat st;

    return tel_sys_fstatat(AT_FDCWD, "/proc/self/ns/pid", &st, 0) == 0 ? st.st_ino : 0;
}

uint64_t tel_pidfd_inode(int pidfd)
{
    struct stat st;

    /* Before pidfs (Linux 6.9) every pidfd is one and the same anonymous inode of mode 0600; pidfs
     * inodes have 0700. Taking one for the other only means comparing start times instead. */
    if (tel_sys_fstat(pidfd, &st) < 0 || (st.st_mode & S_IXUSR) == 0)
        return 0;
    return st.st_ino;
}

void tel_process_self(struct tel_process *self, int *pidfd)
{
    struct tel_proc_stat stat;
    const bool known = tel_proc_stat_read("/proc/self/stat", &stat) == 0;

    memset(self, 0, sizeof *self);
    self->pid = tel_sys_getpid();
    if (known) {
        self->ppid = stat.ppid;
        self->session = stat.session;
        self->start_ticks = stat.start_ticks;
        self->has_terminal = stat.tty != 0;
        self->cpu = stat.cpu;
    }
    /* No /proc, or one of another pid namespace, whose numbers mean nothing here. */
    if (!known || stat.pid != self->pid)
        self->ppid = tel_sys_getppid();
    *pidfd = tel_sys_pidfd_open(self->pid);
    if (*pidfd < 0)
        *pidfd = -1;
    else
        self->pidfs_ino = tel_pidfd_inode(*pidfd);
}

void tel_process_look_around(struct tel_process *self)
{
    self->pid_ns = tel_pid_namespace();
    tel_boot_id(self->boot_id);
}

static bool read_stat_of(pid_t pid, struct tel_proc_stat *stat)
{
    char path[32];
    struct tel_buf buf;

    tel_buf_init(&buf, path, sizeof path);
    tel_buf_cstr(&buf, "/proc/");
    tel_buf_u64(&buf, (uint64_t)pid);
    tel_buf_cstr(&buf, "/stat");
    tel_buf_terminate(&buf);
    return tel_proc_stat_read(path, stat) == 0;
}

static bool has_start_ticks(const struct tel_process_key *key)
{
    struct tel_proc_stat stat;

    return read_stat_of(key->pid, &stat) && stat.start_ticks == key->start_ticks;
}

/* Without pidfd_open (before Linux 5.3, or forbidden by a container's filter), by /proc alone. */
static bool is_running_by_proc(const struct tel_process_key *key)
{
    struct tel_proc_stat stat;

    return read_stat_of(key->pid, &stat) && stat.start_ticks == key->start_ticks &&
           !tel_proc_stat_has_ended(&stat);
}

bool tel_process_is_running(const struct tel_process_key *key)
{
    int pidfd = tel_process_open(key);
    bool ended;

    if (pidfd < 0)
        return pidfd != -ESRCH && is_running_by_proc(key);
    ended = tel_sys_wait_readable(pidfd, 0) == 1;
    tel_sys_close(pidfd);
    return !ended;
}

int tel_process_open(const struct tel_process_key *key)
{
    int pidfd = tel_sys_pidfd_open(key->pid);
    bool same;

    if (pidfd < 0)
        return pidfd == -EINVAL ? -ESRCH : pidfd;
    if (key->pidfs_ino != 0)
        same = tel_pidfd_inode(pidfd) == key->pidfs_ino;
    else
        same = has_start_ticks(key);
    if (same)
        return pidfd;
    tel_sys_close(pidfd);
    return -ESRCH;
}

/* True when the process that stat describes could go on with a run of session, or be follower. In the
 * session it may have executed something already: a step between is not always the quicker one. */
static bool is_heir(const struct tel_proc_stat *stat, pid_t session, pid_t follower)
{
    enum { FORKNOEXEC = 0x40 }; /* PF_FORKNOEXEC of <linux/sched.h>: forked, but did not exec */

    return (stat->session == session ||
            (stat->pid == follower && (stat->flags & FORKNOEXEC) != 0)) &&
           !tel_proc_stat_has_ended(stat);
}

bool tel_process_lives(pid_t pid)
{
    struct tel_proc_stat stat;

    return read_stat_of(pid, &stat) && !tel_proc_stat_has_ended(&stat);
}

/* A pidfd of the process that stat describes, whose key it fills; or negative. */
static int open_described(const struct tel_proc_stat *stat, struct tel_process_key *key)
{
    const int pidfd = tel_sys_pidfd_open(stat->pid);

    if (pidfd >= 0)
        *key = (struct tel_process_key){stat->pid, tel_pidfd_inode(pidfd), stat->start_ticks};
    return pidfd;
}

int tel_process_follower(pid_t pid, pid_t session, struct tel_process_key *key)
{
    struct tel_proc_stat stat;

    if (!read_stat_of(pid, &stat) || (pid == session && stat.ppid != tel_sys_getpid()) ||
        !is_heir(&stat, pid == session ? -1 : session, session))
        return -ESRCH;
    return open_described(&stat, key);
}

int tel_process_heir(pid_t session, pid_t follower, struct tel_process_key *key)
{
    char text[512];
    const ssize_t got = read_file("/proc/thread-self/children", text, sizeof text);
    struct tel_str list = {text, got < 0 ? 0 : (size_t)got};

    while (list.len > 0) {
        struct tel_proc_stat stat;
        uint64_t pid;
        int pidfd;

        if (!tel_str_to_u64(next_word(&list), &pid) || !read_stat_of((pid_t)pid, &stat) ||
            !is_heir(&stat, session, follower))
            continue;
        pidfd = open_described(&stat, key);
        if (pidfd >= 0)
            return pidfd;
    }
    return -ESRCH;
}
