/* Raw Linux system calls: no errno, no cancellation points, nothing another preload can interpose.
 * All return the kernel's value, negative errno on failure. File calls go on after EINTR, except
 * close. Only what the base needs is here. */
#ifndef TEL_BASE_SYS_H
#define TEL_BASE_SYS_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/utsname.h>

long tel_sys_call(long number, long a, long b, long c, long d, long e, long f);

/* mmap(2) with its arguments in registers, and an offset of 0: i386 counts it in pages. */
#if defined(__i386__)
#define TEL_SYS_MMAP SYS_mmap2
#else
#define TEL_SYS_MMAP SYS_mmap
#endif

/* Files. openat adds O_CLOEXEC, and moves a result below 3 up, so that 0, 1 and 2 are never kept. */
int tel_sys_openat(int dirfd, const char *path, int flags, mode_t mode);
int tel_sys_close(int fd);
ssize_t tel_sys_read(int fd, void *buf, size_t len);
ssize_t tel_sys_pread(int fd, void *buf, size_t len, off_t offset);
ssize_t tel_sys_write(int fd, const void *buf, size_t len);
/* As tel_sys_write; the SIGPIPE or SIGXFSZ that the write itself may raise never reaches the process. */
ssize_t tel_sys_write_quietly(int fd, const void *buf, size_t len);
/* The same where both are blocked, and were not before; nothing but the write when that goes well. */
ssize_t tel_sys_write_blocked(int fd, const void *buf, size_t len);
int tel_sys_fstat(int fd, struct stat *st);
/* flags as fstatat(2). */
int tel_sys_fstatat(int dirfd, const char *path, struct stat *st, int flags);
int tel_sys_access(const char *path, int mode);
int tel_sys_mkdirat(int dirfd, const char *path, mode_t mode);
int tel_sys_fchmod(int fd, mode_t mode);
/* Follows links. */
int tel_sys_chmod(const char *path, mode_t mode);
int tel_sys_unlinkat(int dirfd, const char *path);
/* The text of the link at path: its length, of cap bytes at most, without a NUL. */
ssize_t tel_sys_readlink(const char *path, char *text, size_t cap);
int tel_sys_flock(int fd, int operation);
int tel_sys_fdatasync(int fd);
/* Current directory, NUL-terminated; length without NUL. */
ssize_t tel_sys_getcwd(char *buf, size_t len);
/* f_type of statfs(2), as a non-negative number. */
int64_t tel_sys_fstatfs_type(int fd);

/* Processes. */
pid_t tel_sys_getpid(void);
pid_t tel_sys_getppid(void);
pid_t tel_sys_getsid(void); /* the caller's */
uid_t tel_sys_geteuid(void);
int tel_sys_uname(struct utsname *name);
int tel_sys_getrusage(int who, struct rusage *usage);
int tel_sys_getrlimit(int resource, struct rlimit *limit);
int tel_sys_pidfd_open(pid_t pid);
_Noreturn void tel_sys_exit_group(int status);

/* Signals: the kernel's 64-bit set. how as rt_sigprocmask(2). */
int tel_sys_sigprocmask(int how, const uint64_t *set, uint64_t *old);

/* Memory: a private anonymous mapping, or NULL. */
void *tel_sys_map(size_t len);
void tel_sys_unmap(void *ptr, size_t len);

/* A time as the kernel tells it, in 64 bits: libc's own, but on i386. */
#if defined(__i386__)
typedef struct {
    int64_t tv_sec;
    int64_t tv_nsec;
} tel_timespec;
#else
typedef struct timespec tel_timespec;
#endif

/* Clocks, in nanoseconds. */
int64_t tel_sys_clock_ns(int clock_id);
void tel_sys_sleep_ns(int64_t ns);

/* Sockets. socket adds SOCK_CLOEXEC and keeps clear of 0, 1 and 2 as openat does. sendmsg and recv
 * may fail with -EINTR: repeating them would start their timeouts afresh. */
int tel_sys_socket(int domain, int type, int protocol);
int tel_sys_connect(int fd, const struct sockaddr_un *address, socklen_t len);
int tel_sys_bind(int fd, const struct sockaddr_un *address, socklen_t len);
int tel_sys_listen(int fd, int backlog);
/* Who is at the other end (SO_PEERCRED of unix(7)): where that is a listening socket, who made it one. The pid
 * is the caller's number of it, 0 when it has none; uid is (uid_t)-1 when the kernel does not say. */
struct ucred tel_sys_peer(int fd);
ssize_t tel_sys_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t tel_sys_recv(int fd, void *buf, size_t len, int flags);
/* Waits until fd is readable; 1 readable, 0 timed out, negative errno. EINTR goes on waiting. */
int tel_sys_wait_readable(int fd, int timeout_ms);

#endif
