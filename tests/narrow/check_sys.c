/* base/sys.h and clone.h as programs of 32 bits have them, where numbers of 64 bits do not fit into a long.
 * A plain main: Criterion is there for one word size. */
#include "base/clone.h"
#include "base/sys.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define GIB ((off_t)1 << 30)

/* Only the shim's own debugging would need the names. */
const char *tel_errno_text(int number);
const char *tel_errno_text(int number)
{
    (void)number;
    return NULL;
}

static int failures;

#define EXPECT(condition) expect(condition, #condition, __LINE__)

static void expect(bool condition, const char *text, int line)
{
    if (condition)
        return;
    printf("line %d: not so: %s\n", line, text);
    failures++;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static void check_offsets(void)
{
    char path[] = "/tmp/telemetry-narrow.XXXXXX";
    const int made = mkstemp(path);
    const int fd = tel_sys_openat(AT_FDCWD, path, O_RDWR | O_APPEND, 0);
    char got[2] = "";
    struct stat st;

    EXPECT(made >= 0 && fd >= 0);
    if (ftruncate(made, 5 * GIB) == 0) { /* else this filesystem has no such files */
        EXPECT(tel_sys_write(fd, "ab", 2) == 2);
        EXPECT(tel_sys_pread(fd, got, 2, 5 * GIB) == 2 && got[0] == 'a' && got[1] == 'b');
        EXPECT(tel_sys_pread(fd, got, 2, 5 * GIB + 1) == 1 && got[0] == 'b');
        EXPECT(tel_sys_fstat(fd, &st) == 0 && st.st_size == 5 * GIB + 2);
        EXPECT(tel_sys_fstatat(AT_FDCWD, path, &st, 0) == 0 && st.st_size == 5 * GIB + 2);
        EXPECT(st.st_nlink == 1 && S_ISREG(st.st_mode) && st.st_uid == geteuid());
    }
    tel_sys_close(fd);
    close(made);
    EXPECT(tel_sys_unlinkat(AT_FDCWD, path) == 0);
}

static void check_limits(void)
{
    struct rlimit limit = {6 * GIB, RLIM_INFINITY};
    struct rlimit got;

    EXPECT(tel_sys_getrlimit(RLIMIT_FSIZE, &got) == 0);
    limit.rlim_max = got.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &limit) == 0)
        EXPECT(tel_sys_getrlimit(RLIMIT_FSIZE, &got) == 0 && got.rlim_cur == 6 * GIB &&
               got.rlim_max == limit.rlim_max);
}

/* The magic number has its highest bit set, and is no error. */
static void check_filesystem(void)
{
    enum { HUGETLB = 4 }; /* MFD_HUGETLB, memfd_create(2) */
    const int fd = (int)syscall(SYS_memfd_create, "huge", HUGETLB);

    if (fd >= 0)
        EXPECT(tel_sys_fstatfs_type(fd) == INT64_C(0x958458f6));
    EXPECT(tel_sys_fstatfs_type(-1) == -EBADF);
}

static void check_users(void)
{
    enum { LARGE = 100000 };
    const pid_t child = fork();
    int status = 0;

    if (child == 0)
        _exit(setuid(LARGE) == 0 && tel_sys_geteuid() != LARGE);
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
}

/* --- time ------------------------------------------------------------------------------------- */

static bool tells_time(void)
{
    const time_t before = time(NULL);
    const int64_t now = tel_sys_clock_ns(CLOCK_REALTIME) / 1000000000;

    return now >= before - 1 && now <= time(NULL) + 1;
}

/* As a kernel before Linux 5.1 would. */
static bool forget_call(unsigned number)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {sizeof rules / sizeof rules[0], rules};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

static void check_clock(void)
{
    struct timespec time;

    EXPECT(tells_time());
    if (forget_call(SYS_clock_gettime64) &&
        syscall(SYS_clock_gettime64, CLOCK_REALTIME, &time) < 0 && errno == ENOSYS)
        EXPECT(tells_time());
    else
        puts("not checked: a kernel that tells the time in 32 bits");
}

static void check_waiting(void)
{
    int ends[2];

    EXPECT(pipe(ends) == 0);
    EXPECT(tel_sys_wait_readable(ends[0], 20) == 0);
    EXPECT(write(ends[1], "x", 1) == 1);
    EXPECT(tel_sys_wait_readable(ends[0], 10000) == 1);
    close(ends[0]);
    EXPECT(tel_sys_write_quietly(ends[1], "x", 1) == -EPIPE); /* SIGPIPE would end us */
    tel_sys_sleep_ns(1000000);
}

/* --- processes -------------------------------------------------------------------------------- */

static int touch(void *arg)
{
    *(int *)arg = tel_sys_getpid();
    return 5;
}

/* The child works in this memory, on another stack, and is no child that wait() sees. */
static void check_clone(void)
{
    static _Alignas(16) char stack[16384];
    volatile int seen = 0;
    const long pid = tel_clone_vfork(touch, (void *)(uintptr_t)&seen, stack + sizeof stack);
    int status = 0;

    EXPECT(pid > 0 && seen == pid);
    EXPECT(waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD);
    EXPECT(waitpid((pid_t)pid, &status, (int)TEL_WAIT_CLONE) == pid && status == 5 << 8);
}

int main(void)
{
    check_offsets();
    check_limits();
    check_filesystem();
    check_users();
    check_waiting();
    check_clone();
    check_clock();
    return failures > 0;
}
