/* Raw Linux system calls for x86_64, aarch64 and i386. Nothing here touches errno or goes through a libc
 * wrapper, so a host that interposes open() or cancels threads never notices. Only calls that exist
 * on all of them are used (openat instead of open, ppoll instead of poll). */
#include "sys.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#if !defined(__LP64__) && !defined(__i386__)
#error "this word size is not supported: the kernel's structures are taken as libc declares them"
#endif

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* Linux 5.3; older headers lack the name */
#endif

/* On i386 a call's first form has 16 bits for a user, or 32 for a size, an inode number or a time. The
 * one to take is the one whose structures glibc declares with _FILE_OFFSET_BITS=64 and _TIME_BITS=32. */
#if defined(__i386__)
#define CALL_FSTAT SYS_fstat64
#define CALL_FSTATAT SYS_fstatat64
#define CALL_GETEUID SYS_geteuid32
#ifndef SYS_clock_gettime64
#define SYS_clock_gettime64 403 /* Linux 5.1 */
#endif
_Static_assert(sizeof(off_t) == 8 && sizeof(ino_t) == 8, "_FILE_OFFSET_BITS=64 is missing");
_Static_assert(sizeof(struct stat) == 96, "not the kernel's struct stat64");
_Static_assert(sizeof(struct rlimit) == 16, "not the kernel's struct rlimit64");
_Static_assert(sizeof(struct statfs) == 84, "not the kernel's struct statfs64");
_Static_assert(sizeof(struct timespec) == 8 && sizeof(struct rusage) == 72, "_TIME_BITS is not 32");
#else
#define CALL_FSTAT SYS_fstat
#define CALL_FSTATAT SYS_newfstatat
#define CALL_GETEUID SYS_geteuid
#endif

enum {
    FIRST_FREE_FD = 3,       /* below it lie the host's standard streams */
    KERNEL_SIGSET_BYTES = 8, /* sizeof(kernel sigset_t), not libc's */
    NS_PER_SECOND = 1000000000
};

/* The kernel's own layout. musl declares the two lengths as 32 bits beside padding that it clears
 * in its wrapper; a raw call has to do that itself. */
struct kernel_msghdr {
    void *name;
    int name_len;
    struct iovec *iov;
    size_t iov_len;
    void *control;
    size_t control_len;
    unsigned flags;
};

#if defined(__i386__)
/* In assembly, since the sixth argument takes the frame pointer's register. By interrupt: what is faster
 * lies in a vDSO that not every process has. */
__asm__(".text\n"
        ".hidden tel_sys_call\n"
        ".globl tel_sys_call\n"
        ".type tel_sys_call,@function\n"
        "tel_sys_call:\n"
        "    push %ebp\n"
        "    push %edi\n"
        "    push %esi\n"
        "    push %ebx\n"
        "    mov 20(%esp), %eax\n"
        "    mov 24(%esp), %ebx\n"
        "    mov 28(%esp), %ecx\n"
        "    mov 32(%esp), %edx\n"
        "    mov 36(%esp), %esi\n"
        "    mov 40(%esp), %edi\n"
        "    mov 44(%esp), %ebp\n"
        "    int $0x80\n"
        "    pop %ebx\n"
        "    pop %esi\n"
        "    pop %edi\n"
        "    pop %ebp\n"
        "    ret\n"
        ".size tel_sys_call, . - tel_sys_call\n");
#else
long tel_sys_call(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc 0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
#else
#error "no system call sequence for this machine"
#endif
}
#endif

static long call0(long number)
{
    return tel_sys_call(number, 0, 0, 0, 0, 0, 0);
}

static long call2(long number, long a, long b)
{
    return tel_sys_call(number, a, b, 0, 0, 0, 0);
}

static long call4(long number, long a, long b, long c, long d)
{
    return tel_sys_call(number, a, b, c, d, 0, 0);
}

/* Sockets have calls of their own on i386 from Linux 4.3 on only. Its libc goes through this one, too, with
 * the numbers of <linux/net.h>. */
#if defined(__i386__)
enum {
    CALL_SOCKET = 1,
    CALL_BIND = 2,
    CALL_CONNECT = 3,
    CALL_LISTEN = 4,
    CALL_RECVFROM = 12,
    CALL_GETSOCKOPT = 15,
    CALL_SENDMSG = 16
};

static long socket_call(long number, long a, long b, long c, long d, long e, long f)
{
    const long arguments[] = {a, b, c, d, e, f};

    return call2(SYS_socketcall, number, (long)arguments);
}

static long socket_call4(long number, long a, long b, long c, long d)
{
    return socket_call(number, a, b, c, d, 0, 0);
}

static long socket_call2(long number, long a, long b)
{
    return socket_call(number, a, b, 0, 0, 0, 0);
}
#else
enum {
    CALL_SOCKET = SYS_socket,
    CALL_BIND = SYS_bind,
    CALL_CONNECT = SYS_connect,
    CALL_LISTEN = SYS_listen,
    CALL_RECVFROM = SYS_recvfrom,
    CALL_GETSOCKOPT = SYS_getsockopt,
    CALL_SENDMSG = SYS_sendmsg
};

#define socket_call tel_sys_call
#define socket_call4 call4
#define socket_call2 call2
#endif

/* For calls that a signal may stop before they have done anything. */
static long call4_again(long number, long a, long b, long c, long d)
{
    long result;

    do {
        result = call4(number, a, b, c, d);
    } while (result == -EINTR);
    return result;
}

/* A host that closed its standard streams would otherwise get our file as its stdout. */
static int move_above_standard(int fd)
{
    int moved = (int)call4(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FIRST_FREE_FD, 0);

    tel_sys_close(fd);
    return moved;
}

int tel_sys_openat(int dirfd, const char *path, int flags, mode_t mode)
{
    int fd = (int)call4_again(SYS_openat, dirfd, (long)path, flags | O_CLOEXEC | O_LARGEFILE,
                              (long)mode);

    if (fd >= 0 && fd < FIRST_FREE_FD)
        return move_above_standard(fd);
    return fd;
}

/* Never repeated: after EINTR the descriptor is gone and its number may be another thread's. */
int tel_sys_close(int fd)
{
    return (int)call2(SYS_close, fd, 0);
}

ssize_t tel_sys_read(int fd, void *buf, size_t len)
{
    return call4_again(SYS_read, fd, (long)buf, (long)len, 0);
}

ssize_t tel_sys_pread(int fd, void *buf, size_t len, off_t offset)
{
#if defined(__i386__)
    long got;

    do {
        got = tel_sys_call(SYS_pread64, fd, (long)buf, (long)len, (long)offset,
                           (long)(offset >> 32), 0);
    } while (got == -EINTR);
    return got;
#else
    return call4_again(SYS_pread64, fd, (long)buf, (long)len, offset);
#endif
}

ssize_t tel_sys_write(int fd, const void *buf, size_t len)
{
    return call4_again(SYS_write, fd, (long)buf, (long)len, 0);
}

#define BIT_OF(signal) (UINT64_C(1) << ((signal)-1))
#define RAISED_BY_WRITES (BIT_OF(SIGPIPE) | BIT_OF(SIGXFSZ))

/* Takes back what the write has raised, which is blocked; but not what was pending. */
static ssize_t write_and_take(int fd, const void *buf, size_t len, uint64_t pending)
{
    const struct timespec at_once = {0, 0};
    const ssize_t written = tel_sys_write(fd, buf, len);
    const uint64_t ours = BIT_OF(written == -EFBIG ? SIGXFSZ : SIGPIPE) & ~pending;

    if (written == -EPIPE || written == -EFBIG)
        call4(SYS_rt_sigtimedwait, (long)&ours, 0, (long)&at_once, KERNEL_SIGSET_BYTES);
    return written;
}

ssize_t tel_sys_write_blocked(int fd, const void *buf, size_t len)
{
    return write_and_take(fd, buf, len, 0);
}

ssize_t tel_sys_write_quietly(int fd, const void *buf, size_t len)
{
    const uint64_t raised = RAISED_BY_WRITES;
    uint64_t before = 0;
    uint64_t old;
    ssize_t written;

    tel_sys_sigprocmask(SIG_BLOCK, &raised, &old);
    call2(SYS_rt_sigpending, (long)&before, KERNEL_SIGSET_BYTES);
    written = write_and_take(fd, buf, len, before);
    tel_sys_sigprocmask(SIG_SETMASK, &old, NULL);
    return written;
}

int tel_sys_fstat(int fd, struct stat *st)
{
    return (int)call2(CALL_FSTAT, fd, (long)st);
}

int tel_sys_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
    return (int)call4(CALL_FSTATAT, dirfd, (long)path, (long)st, flags);
}

int tel_sys_access(const char *path, int mode)
{
    return (int)call4(SYS_faccessat, AT_FDCWD, (long)path, mode, 0);
}

int tel_sys_mkdirat(int dirfd, const char *path, mode_t mode)
{
    return (int)call4(SYS_mkdirat, dirfd, (long)path, (long)mode, 0);
}

int tel_sys_fchmod(int fd, mode_t mode)
{
    return (int)call2(SYS_fchmod, fd, (long)mode);
}

int tel_sys_chmod(const char *path, mode_t mode)
{
    return (int)call4(SYS_fchmodat, AT_FDCWD, (long)path, (long)mode, 0);
}

int tel_sys_unlinkat(int dirfd, const char *path)
{
    return (int)call4(SYS_unlinkat, dirfd, (long)path, 0, 0);
}

ssize_t tel_sys_readlink(const char *path, char *text, size_t cap)
{
    return call4(SYS_readlinkat, AT_FDCWD, (long)path, (long)text, (long)cap);
}

int tel_sys_flock(int fd, int operation)
{
    return (int)call4_again(SYS_flock, fd, operation, 0, 0);
}

int tel_sys_fdatasync(int fd)
{
    return (int)call4_again(SYS_fdatasync, fd, 0, 0, 0);
}

ssize_t tel_sys_getcwd(char *buf, size_t len)
{
    long with_nul = call2(SYS_getcwd, (long)buf, (long)len);

    if (with_nul <= 0)
        return with_nul < 0 ? with_nul : -ENOENT;
    /* After a chroot or a lazy unmount the kernel answers "(unreachable)/…", which is no path. */
    if (buf[0] != '/')
        return -ENOENT;
    return with_nul - 1;
}

int64_t tel_sys_fstatfs_type(int fd)
{
    struct statfs fs = {0};
#if defined(__i386__)
    long result = call4(SYS_fstatfs64, fd, sizeof fs, (long)&fs, 0);
#else
    long result = call2(SYS_fstatfs, fd, (long)&fs);
#endif

    return result < 0 ? result : (int64_t)((unsigned long)fs.f_type & 0xffffffffUL);
}

pid_t tel_sys_getpid(void)
{
    return (pid_t)call0(SYS_getpid);
}

pid_t tel_sys_getppid(void)
{
    return (pid_t)call0(SYS_getppid);
}

pid_t tel_sys_getsid(void)
{
    return (pid_t)tel_sys_call(SYS_getsid, 0, 0, 0, 0, 0, 0);
}

uid_t tel_sys_geteuid(void)
{
    return (uid_t)call0(CALL_GETEUID);
}

int tel_sys_uname(struct utsname *name)
{
    return (int)call2(SYS_uname, (long)name, 0);
}

int tel_sys_getrusage(int who, struct rusage *usage)
{
    return (int)call2(SYS_getrusage, who, (long)usage);
}

int tel_sys_getrlimit(int resource, struct rlimit *limit)
{
#if defined(__LP64__)
    return (int)call2(SYS_getrlimit, resource, (long)limit); /* half as much as prlimit64 */
#else
    return (int)call4(SYS_prlimit64, 0, resource, 0, (long)limit);
#endif
}

int tel_sys_pidfd_open(pid_t pid)
{
    return (int)call2(SYS_pidfd_open, pid, 0);
}

_Noreturn void tel_sys_exit_group(int status)
{
    for (;;)
        call2(SYS_exit_group, status, 0);
}

int tel_sys_sigprocmask(int how, const uint64_t *set, uint64_t *old)
{
    return (int)call4(SYS_rt_sigprocmask, how, (long)set, (long)old, KERNEL_SIGSET_BYTES);
}

void *tel_sys_map(size_t len)
{
    long address = tel_sys_call(TEL_SYS_MMAP, 0, (long)len, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return address < 0 && address > -4096 ? NULL : (void *)address;
}

void tel_sys_unmap(void *ptr, size_t len)
{
    if (ptr != NULL)
        call2(SYS_munmap, (long)ptr, (long)len);
}

int64_t tel_sys_clock_ns(int clock_id)
{
    tel_timespec now = {0};

#if defined(__i386__)
    if (call2(SYS_clock_gettime64, clock_id, (long)&now) == -ENOSYS) {
        struct timespec narrow = {0, 0};

        call2(SYS_clock_gettime, clock_id, (long)&narrow);
        now = (tel_timespec){narrow.tv_sec, narrow.tv_nsec};
    }
#else
    call2(SYS_clock_gettime, clock_id, (long)&now);
#endif
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

void tel_sys_sleep_ns(int64_t ns)
{
    struct timespec left = {.tv_sec = (time_t)(ns / NS_PER_SECOND),
                            .tv_nsec = (long)(ns % NS_PER_SECOND)};

    if (ns <= 0)
        return;
    while (call2(SYS_nanosleep, (long)&left, (long)&left) == -EINTR)
        ; /* the kernel has stored what is left */
}

int tel_sys_socket(int domain, int type, int protocol)
{
    int fd = (int)socket_call4(CALL_SOCKET, domain, type | SOCK_CLOEXEC, protocol, 0);

    if (fd >= 0 && fd < FIRST_FREE_FD)
        return move_above_standard(fd);
    return fd;
}

int tel_sys_connect(int fd, const struct sockaddr_un *address, socklen_t len)
{
    return (int)socket_call4(CALL_CONNECT, fd, (long)address, (long)len, 0);
}

int tel_sys_bind(int fd, const struct sockaddr_un *address, socklen_t len)
{
    return (int)socket_call4(CALL_BIND, fd, (long)address, (long)len, 0);
}

int tel_sys_listen(int fd, int backlog)
{
    return (int)socket_call2(CALL_LISTEN, fd, backlog);
}

struct ucred tel_sys_peer(int fd)
{
    struct ucred peer = {.uid = (uid_t)-1};
    socklen_t len = sizeof peer;

    socket_call(CALL_GETSOCKOPT, fd, SOL_SOCKET, SO_PEERCRED, (long)&peer, (long)&len, 0);
    return peer;
}

ssize_t tel_sys_sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct kernel_msghdr raw = {
        .name = message->msg_name,
        .name_len = (int)message->msg_namelen,
        .iov = message->msg_iov,
        .iov_len = (size_t)message->msg_iovlen,
        .control = message->msg_control,
        .control_len = (size_t)message->msg_controllen,
    };

    return socket_call4(CALL_SENDMSG, fd, (long)&raw, flags, 0);
}

ssize_t tel_sys_recv(int fd, void *buf, size_t len, int flags)
{
    return socket_call4(CALL_RECVFROM, fd, (long)buf, (long)len, flags);
}

int tel_sys_wait_readable(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    struct timespec left = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
    long timeout = timeout_ms < 0 ? 0 : (long)&left;
    long ready;

    /* The raw ppoll stores what is left, so that a stream of signals cannot stretch the wait. */
    do {
        ready = call4(SYS_ppoll, (long)&poll_fd, 1, timeout, 0);
    } while (ready == -EINTR);
    if (ready > 0 && (poll_fd.revents & POLLNVAL) != 0)
        return -EBADF;
    return (int)ready;
}
