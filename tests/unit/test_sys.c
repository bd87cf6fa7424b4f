/* Raw system calls: the kernel's answers, and the promises beyond them. */
#include "base/sys.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/time.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MILLISECOND INT64_C(1000000)

static char dir[64];

static void make_dir(void)
{
    strcpy(dir, "/tmp/tel_sys_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chdir(dir), 0);
}

static void remove_dir(void)
{
    cr_assert_eq(chdir("/"), 0);
    cr_expect_eq(rmdir(dir), 0, "the test leaves nothing");
}

TestSuite(sys, .init = make_dir, .fini = remove_dir);

Test(sys, errno_is_never_touched)
{
    errno = 1234;
    cr_expect_eq(tel_sys_openat(AT_FDCWD, "missing", O_RDONLY, 0), -ENOENT);
    cr_expect_eq(tel_sys_close(-1), -EBADF);
    cr_expect_eq(tel_sys_read(-1, NULL, 1), -EBADF);
    cr_expect_eq(errno, 1234);
}

Test(sys, files)
{
    struct stat st, by_name;
    char buf[16] = "";
    int fd = tel_sys_openat(AT_FDCWD, "f", O_RDWR | O_CREAT | O_EXCL, 0600);

    cr_assert_geq(fd, 3);
    cr_expect_eq(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    cr_expect_eq(tel_sys_write(fd, "hello", 5), 5);
    cr_expect_eq(tel_sys_pread(fd, buf, sizeof(buf), 1), 4);
    cr_expect_eq(memcmp(buf, "ello", 4), 0);
    cr_expect_eq(tel_sys_read(fd, buf, sizeof(buf)), 0);
    cr_expect_eq(tel_sys_fstat(fd, &st), 0);
    cr_expect_eq(st.st_size, 5);
    cr_expect_eq(st.st_uid, geteuid());
    cr_expect(S_ISREG(st.st_mode));
    cr_expect_eq(tel_sys_fstatat(AT_FDCWD, "f", &by_name, AT_SYMLINK_NOFOLLOW), 0);
    cr_expect_eq(by_name.st_ino, st.st_ino);
    cr_expect_eq(by_name.st_dev, st.st_dev);
    cr_expect_eq(tel_sys_fchmod(fd, 0640), 0);
    cr_expect_eq(tel_sys_fstat(fd, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0640);
    cr_expect_eq(tel_sys_access("f", R_OK), 0);
    cr_expect_eq(tel_sys_access("g", R_OK), -ENOENT);
    cr_expect_eq(tel_sys_flock(fd, LOCK_EX | LOCK_NB), 0);
    cr_expect_eq(tel_sys_fdatasync(fd), 0);
    cr_expect_eq(tel_sys_close(fd), 0);
    cr_expect_eq(tel_sys_unlinkat(AT_FDCWD, "f"), 0);
    cr_expect_eq(tel_sys_unlinkat(AT_FDCWD, "f"), -ENOENT);
}

Test(sys, locks_of_others_are_told)
{
    int mine = tel_sys_openat(AT_FDCWD, "f", O_RDWR | O_CREAT, 0600);
    int other = tel_sys_openat(AT_FDCWD, "f", O_RDWR, 0);

    cr_expect_eq(tel_sys_flock(mine, LOCK_EX | LOCK_NB), 0);
    cr_expect_eq(tel_sys_flock(other, LOCK_SH | LOCK_NB), -EWOULDBLOCK);
    tel_sys_close(mine);
    tel_sys_close(other);
    tel_sys_unlinkat(AT_FDCWD, "f");
}

Test(sys, directories)
{
    char cwd[256];
    struct statfs fs;
    int fd;

    cr_expect_eq(tel_sys_mkdirat(AT_FDCWD, "d", 0700), 0);
    cr_expect_eq(tel_sys_mkdirat(AT_FDCWD, "d", 0700), -EEXIST);
    cr_expect_eq(tel_sys_getcwd(cwd, sizeof(cwd)), (ssize_t)strlen(dir));
    cr_expect_str_eq(cwd, dir);
    cr_expect_eq(tel_sys_getcwd(cwd, 4), -ERANGE);
    cr_expect_eq(symlink("target", "l"), 0);
    cr_expect_eq(tel_sys_openat(AT_FDCWD, "l", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
    fd = tel_sys_openat(AT_FDCWD, "d", O_RDONLY | O_DIRECTORY, 0);
    cr_assert_geq(fd, 3);
    cr_expect_eq(fstatfs(fd, &fs), 0);
    cr_expect_eq(tel_sys_fstatfs_type(fd), (long)((unsigned long)fs.f_type & 0xffffffff));
    cr_expect_eq(tel_sys_fstatfs_type(-1), -EBADF);
    tel_sys_close(fd);
    cr_expect_eq(rmdir("d"), 0);
    cr_expect_eq(unlink("l"), 0);
}

Test(sys, a_directory_that_is_gone_has_no_path)
{
    char cwd[256];

    cr_assert_eq(mkdir("gone", 0700), 0);
    cr_assert_eq(chdir("gone"), 0);
    cr_assert_eq(rmdir("../gone"), 0);
    cr_expect_eq(tel_sys_getcwd(cwd, sizeof(cwd)), -ENOENT);
    cr_assert_eq(chdir(dir), 0);
}

/* coreutils close 1 and 2 at exit, daemons close everything. */
Test(sys, standard_streams_are_never_taken)
{
    int saved = dup(0);
    int file, connection, others;

    close(0);
    file = tel_sys_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);
    connection = tel_sys_socket(AF_UNIX, SOCK_STREAM, 0);
    cr_expect_geq(file, 3);
    cr_expect_geq(connection, 3);
    cr_expect_eq(fcntl(file, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    cr_expect_eq(fcntl(connection, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    others = fcntl(0, F_GETFD);
    cr_expect_eq(others, -1, "nothing was left at 0");
    tel_sys_close(file);
    tel_sys_close(connection);
    cr_assert_eq(dup2(saved, 0), 0);
    close(saved);
}

Test(sys, processes)
{
    struct utsname raw, libc;
    struct rusage usage;
    struct rlimit limit, libc_limit;
    int fd;

    cr_expect_eq(tel_sys_getpid(), getpid());
    cr_expect_eq(tel_sys_getppid(), getppid());
    cr_expect_eq(tel_sys_geteuid(), geteuid());
    cr_expect_eq(tel_sys_uname(&raw), 0);
    cr_expect_eq(uname(&libc), 0);
    cr_expect_str_eq(raw.nodename, libc.nodename);
    cr_expect_eq(tel_sys_getrusage(RUSAGE_SELF, &usage), 0);
    cr_expect_gt(usage.ru_maxrss, 0);
    cr_expect_eq(tel_sys_getrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_expect_eq(getrlimit(RLIMIT_NOFILE, &libc_limit), 0);
    cr_expect_eq(limit.rlim_cur, libc_limit.rlim_cur);
    cr_expect_eq(limit.rlim_max, libc_limit.rlim_max);
    fd = tel_sys_pidfd_open(getpid());
    cr_expect(fd >= 3 || fd == -ENOSYS || fd == -EPERM, "%d", fd);
    if (fd >= 0)
        tel_sys_close(fd);
}

Test(sys, exits)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        tel_sys_exit_group(42);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

Test(sys, signal_mask)
{
    uint64_t set = UINT64_C(1) << (SIGXFSZ - 1);
    uint64_t before, now;
    sigset_t libc;

    cr_expect_eq(tel_sys_sigprocmask(SIG_BLOCK, &set, &before), 0);
    sigprocmask(SIG_BLOCK, NULL, &libc);
    cr_expect(sigismember(&libc, SIGXFSZ));
    cr_expect_eq(tel_sys_sigprocmask(SIG_SETMASK, &before, &now), 0);
    cr_expect_eq(now, before | set);
}

Test(sys, memory)
{
    char *memory = tel_sys_map(100000);

    cr_assert_not_null(memory);
    cr_expect_eq(memory[99999], 0);
    memory[99999] = 1;
    tel_sys_unmap(memory, 100000);
    tel_sys_unmap(NULL, 100000);
    cr_expect_null(tel_sys_map(SIZE_MAX / 2));
}

static void on_alarm(int number)
{
    (void)number;
}

/* A host with an interval timer: every wait below is interrupted many times. */
static void start_interruptions(void)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval every = {.it_interval = {.tv_usec = 2000}, .it_value = {.tv_usec = 2000}};

    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
}

Test(sys, sleeps_through_interruptions)
{
    int64_t before = tel_sys_clock_ns(CLOCK_MONOTONIC);
    int64_t slept;

    start_interruptions();
    tel_sys_sleep_ns(50 * MILLISECOND);
    slept = tel_sys_clock_ns(CLOCK_MONOTONIC) - before;
    cr_expect_geq(slept, 50 * MILLISECOND);
    cr_expect_lt(slept, 30000 * MILLISECOND);
    tel_sys_sleep_ns(0);
    tel_sys_sleep_ns(-1);
}

Test(sys, waits_are_bounded_despite_interruptions)
{
    int ends[2];
    int64_t before, waited;

    cr_assert_eq(pipe(ends), 0);
    start_interruptions();
    before = tel_sys_clock_ns(CLOCK_MONOTONIC);
    cr_expect_eq(tel_sys_wait_readable(ends[0], 50), 0);
    waited = tel_sys_clock_ns(CLOCK_MONOTONIC) - before;
    cr_expect_geq(waited, 49 * MILLISECOND);
    cr_expect_lt(waited, 30000 * MILLISECOND);
    cr_expect_eq(tel_sys_wait_readable(ends[0], 0), 0);
    cr_expect_eq(write(ends[1], "x", 1), 1);
    cr_expect_eq(tel_sys_wait_readable(ends[0], 50), 1);
    cr_expect_eq(tel_sys_wait_readable(ends[0], -1), 1);
    close(ends[1]);
    close(ends[0]);
    cr_expect_eq(tel_sys_wait_readable(ends[0], 50), -EBADF);
}

Test(sys, the_other_end_gone_counts_as_readable)
{
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    close(ends[1]);
    cr_expect_eq(tel_sys_wait_readable(ends[0], 1000), 1);
    close(ends[0]);
}

Test(sys, sockets)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s"};
    struct iovec part = {.iov_base = (char[]){"hi"}, .iov_len = 2};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    int server = tel_sys_socket(AF_UNIX, SOCK_STREAM, 0);
    int client = tel_sys_socket(AF_UNIX, SOCK_STREAM, 0);
    int connection;
    char buf[8];

    cr_expect_eq(tel_sys_connect(client, &address, sizeof(address)), -ENOENT);
    cr_assert_eq(tel_sys_bind(server, &address, sizeof(address)), 0);
    cr_expect_eq(tel_sys_connect(client, &address, sizeof(address)), -ECONNREFUSED);
    cr_assert_eq(tel_sys_listen(server, 8), 0);
    cr_assert_eq(tel_sys_connect(client, &address, sizeof(address)), 0);
    cr_expect_eq(tel_sys_wait_readable(server, 1000), 1);
    connection = accept(server, NULL, NULL);
    cr_expect_eq(tel_sys_sendmsg(client, &message, MSG_NOSIGNAL), 2);
    cr_expect_eq(tel_sys_recv(connection, buf, sizeof(buf), 0), 2);
    cr_expect_eq(memcmp(buf, "hi", 2), 0);
    cr_expect_eq(tel_sys_recv(connection, buf, sizeof(buf), MSG_DONTWAIT), -EAGAIN);
    close(connection);
    cr_expect_eq(tel_sys_sendmsg(client, &message, MSG_NOSIGNAL), -EPIPE);
    tel_sys_close(client);
    tel_sys_close(server);
    cr_expect_eq(tel_sys_unlinkat(AT_FDCWD, "s"), 0);
}

Test(sys, clocks)
{
    int64_t first = tel_sys_clock_ns(CLOCK_MONOTONIC);

    cr_expect_gt(first, 0);
    cr_expect_geq(tel_sys_clock_ns(CLOCK_MONOTONIC), first);
}

/* The signal that the write raises is gone; one that was pending before is not. */
Test(sys, quiet_writes)
{
    sigset_t set;
    int fds[2];

    signal(SIGPIPE, SIG_DFL);
    cr_assert_eq(pipe(fds), 0);
    cr_expect_eq(tel_sys_write_quietly(fds[1], "x", 1), 1);
    close(fds[0]);
    cr_expect_eq(tel_sys_write_quietly(fds[1], "x", 1), -EPIPE);
    sigprocmask(SIG_BLOCK, NULL, &set);
    cr_expect_not(sigismember(&set, SIGPIPE), "the mask is as it was");

    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGPIPE);
    cr_expect_eq(tel_sys_write_quietly(fds[1], "x", 1), -EPIPE);
    sigpending(&set);
    cr_expect(sigismember(&set, SIGPIPE));
    close(fds[1]);
}

/* Where the caller has blocked everything: what was sent to the whole process is not taken either. */
Test(sys, writes_with_signals_blocked)
{
    sigset_t set;
    int fds[2];

    signal(SIGPIPE, SIG_DFL);
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    cr_assert_eq(pipe(fds), 0);
    cr_expect_eq(tel_sys_write_blocked(fds[1], "x", 1), 1);
    close(fds[0]);
    cr_expect_eq(tel_sys_write_blocked(fds[1], "x", 1), -EPIPE);
    sigpending(&set);
    cr_expect_not(sigismember(&set, SIGPIPE));

    kill(getpid(), SIGPIPE);
    cr_expect_eq(tel_sys_write_blocked(fds[1], "x", 1), -EPIPE);
    sigpending(&set);
    cr_expect(sigismember(&set, SIGPIPE));
    close(fds[1]);
}
