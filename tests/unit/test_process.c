/* Facts about processes: one's own, and whether another one is still the one that was meant. */
#include "base/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"

/* --- /proc/PID/stat --------------------------------------------------------------------------- */

static bool parse(const char *content, struct tel_proc_stat *out)
{
    return tel_proc_stat_parse(tel_str_from(content), out);
}

#define FIELDS_4_TO_22 " 7 42 42 34816 42 4194304 1 2 3 4 50 60 70 80 20 0 1 0 123456"
#define FIELDS_23_TO_51                                                                            \
    " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29"

Test(process, stat_fields)
{
    struct tel_proc_stat stat;

    cr_assert(parse("42 (sleep) Z" FIELDS_4_TO_22 FIELDS_23_TO_51 " 768\n", &stat));
    cr_expect_eq(stat.pid, 42);
    cr_expect_eq(stat.state, 'Z');
    cr_expect_eq(stat.ppid, 7);
    cr_expect_eq(stat.tty, 34816);
    cr_expect_eq(stat.start_ticks, 123456);
    cr_expect_eq(stat.exit_code, 768);
    cr_expect_eq(stat.cpu.user_ms, 500);
    cr_expect_eq(stat.cpu.system_ms, 600);
    cr_expect_eq(stat.cpu.children_user_ms, 700);
    cr_expect_eq(stat.cpu.children_system_ms, 800);
}

Test(process, stat_of_a_kernel_without_exit_codes)
{
    struct tel_proc_stat stat;

    cr_assert(parse("42 (sleep) S" FIELDS_4_TO_22 "\n", &stat));
    cr_expect_eq(stat.start_ticks, 123456);
    cr_expect_eq(stat.exit_code, 0);
}

/* What the numbers mean depends on one constant that has been the same for thirty years. */
Test(process, clock_ticks_last_ten_milliseconds)
{
    cr_expect_eq(sysconf(_SC_CLK_TCK), 100);
}

Test(process, names_hold_anything)
{
    static const char *const names[] = {"a b",         ") S 1 1", "(", "))",
                                        "x) R 9 9 (y", "a\nb",    "",  "\xff"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct tel_proc_stat stat;

        cr_assert(parse(text("42 (%s) S" FIELDS_4_TO_22 FIELDS_23_TO_51 " 0\n", names[i]), &stat));
        cr_expect_eq(stat.ppid, 7, "%s", names[i]);
        cr_expect_eq(stat.start_ticks, 123456, "%s", names[i]);
    }
}

Test(process, malformed_stat)
{
    static const char *const bad[] = {"",        "42",        "42 (x",          "42 (x)", "42 (x) ",
                                      "x (x) S", "(x) S 1 2", "42 (x) S 1 2\n", "\n"};
    struct tel_proc_stat stat;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(parse(bad[i], &stat), "%s", bad[i]);
    cr_expect_eq(tel_proc_stat_read("/proc/0/stat", &stat), -ENOENT);
    write_file(text("%s/stat", test_dir()), "nonsense", 0600);
    cr_expect_lt(tel_proc_stat_read(text("%s/stat", test_dir()), &stat), 0);
}

Test(process, stat_of_a_real_process_with_an_odd_name)
{
    struct tel_proc_stat stat;

    cr_assert_eq(prctl(PR_SET_NAME, ") Z 1 (\n"), 0);
    cr_assert_eq(tel_proc_stat_read(text("/proc/%d/stat", getpid()), &stat), 0);
    cr_expect_eq(stat.pid, getpid());
    cr_expect_eq(stat.ppid, getppid());
    cr_expect_gt(stat.start_ticks, 0);
}

/* --- oneself ---------------------------------------------------------------------------------- */

Test(process, oneself)
{
    struct tel_process self;
    struct stat st;
    int before = count_descriptors();
    int pidfd;

    tel_process_self(&self, &pidfd);
    tel_process_look_around(&self);
    cr_expect_eq(self.pid, getpid());
    cr_expect_eq(self.ppid, getppid());
    cr_expect_gt(self.start_ticks, 0);
    cr_assert_eq(stat("/proc/self/ns/pid", &st), 0);
    cr_expect_eq(self.pid_ns, st.st_ino);
    cr_expect_eq(tel_pid_namespace(), st.st_ino);
    cr_assert_geq(pidfd, 3);
    cr_expect(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
    cr_expect_eq(self.pidfs_ino, tel_pidfd_inode(pidfd));
    cr_expect_eq(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0), 0);
    close(pidfd);
    cr_expect_eq(count_descriptors(), before);
}

static void *wait_for_unlock(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

static bool sees_its_threads(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    bool right = tel_process_is_alone();

    pthread_mutex_lock(&lock);
    if (pthread_create(&thread, NULL, wait_for_unlock, &lock) != 0)
        return false;
    right = right && !tel_process_is_alone();
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    return right;
}

/* A filter of system calls that does this to whoever calls unshare. */
static void forbid_unshare(unsigned action)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, action),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog filter = {sizeof code / sizeof code[0], code};

    if (action == SECCOMP_RET_ALLOW)
        return;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
        _exit(2);
}

/* In a forked child: that has none of the threads that the test itself runs with. */
Test(process, threads_beside_ones_own)
{
    static const unsigned actions[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM,
                                       SECCOMP_RET_KILL_PROCESS};

    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        const pid_t child = fork();
        int status;

        if (child == 0) {
            forbid_unshare(actions[i]);
            _exit(sees_its_threads() ? 0 : 1);
        }
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_expect_eq(status, 0, "%#x: wait status %#x", actions[i], (unsigned)status);
    }
}

Test(process, boot_id)
{
    char id[TEL_BOOT_ID_LEN + 1];
    char expected[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY);

    cr_assert_eq(read(fd, expected, sizeof expected - 1), TEL_BOOT_ID_LEN + 1);
    expected[TEL_BOOT_ID_LEN] = '\0';
    close(fd);
    tel_boot_id(id);
    cr_expect_str_eq(id, expected);
}

/* A session without a terminal has none, and one on a terminal has. */
Test(process, terminals)
{
    struct tel_process self;
    struct run_result result;
    int pidfd;
    pid_t pid;
    int wait_status;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        setsid();
        tel_process_self(&self, &pidfd);
        _exit(self.has_terminal);
    }
    cr_assert_eq(waitpid(pid, &wait_status, 0), pid);
    cr_expect_eq(wait_status, 0);

    result = run(LIST("script", "-qc", "cat /proc/self/stat", "/dev/null"), NULL);
    if (result.status != 0)
        cr_skip_test("a controlling terminal: needs script(1)");
    else {
        struct tel_proc_stat stat;

        cr_assert(parse(result.out, &stat), "%s", result.out);
        cr_expect_neq(stat.tty, 0, "%s", result.out);
    }
}

/* --- others ----------------------------------------------------------------------------------- */

/* A child that waits to be killed, and what recognises it. */
static struct tel_process_key sleeping_child(void)
{
    struct tel_process_key key = {0};
    struct tel_proc_stat stat;
    int pidfd;

    fflush(NULL);
    key.pid = fork();
    cr_assert_geq(key.pid, 0);
    if (key.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    pidfd = (int)syscall(SYS_pidfd_open, key.pid, 0);
    key.pidfs_ino = tel_pidfd_inode(pidfd);
    close(pidfd);
    cr_assert_eq(tel_proc_stat_read(text("/proc/%d/stat", key.pid), &stat), 0);
    key.start_ticks = stat.start_ticks;
    return key;
}

static void expect_open(const struct tel_process_key *key, bool expected, const char *what)
{
    int before = count_descriptors();
    int pidfd = tel_process_open(key);

    if (expected)
        cr_expect_geq(pidfd, 0, "%s: %d", what, pidfd);
    else
        cr_expect_eq(pidfd, -ESRCH, "%s: %d", what, pidfd);
    if (pidfd >= 0)
        close(pidfd);
    cr_expect_eq(count_descriptors(), before, "%s", what);
}

Test(process, recognised_by_its_inode)
{
    struct tel_process_key key = sleeping_child();
    struct tel_process_key other = key;

    if (key.pidfs_ino == 0)
        cr_skip_test("this kernel has no pidfs (Linux 6.9)");
    expect_open(&key, true, "the same");
    other.start_ticks = 0;
    expect_open(&other, true, "the inode says all");
    other = key;
    other.pidfs_ino++;
    expect_open(&other, false, "a number used again");
    kill(key.pid, SIGKILL);
    waitpid(key.pid, NULL, 0);
}

Test(process, recognised_by_its_start)
{
    struct tel_process_key key = sleeping_child();
    struct tel_process_key other;

    key.pidfs_ino = 0;
    expect_open(&key, true, "the same");
    other = key;
    other.start_ticks++;
    expect_open(&other, false, "a number used again");
    kill(key.pid, SIGKILL);
    waitpid(key.pid, NULL, 0);
}

Test(process, a_zombie_is_still_there_until_it_is_reaped)
{
    struct tel_process_key key = sleeping_child();
    struct tel_process_key by_start = key;
    siginfo_t info;

    by_start.pidfs_ino = 0;
    kill(key.pid, SIGKILL);
    cr_assert_eq(waitid(P_PID, (id_t)key.pid, &info, WEXITED | WNOWAIT), 0);
    expect_open(&key, true, "a zombie");
    expect_open(&by_start, true, "a zombie, by its start");
    cr_assert_eq(waitpid(key.pid, NULL, 0), key.pid);
    expect_open(&key, false, "reaped");
    expect_open(&by_start, false, "reaped");
}

Test(process, numbers_that_are_no_process)
{
    static const pid_t none[] = {0, -1, INT32_MAX};

    for (size_t i = 0; i < 3; i++)
        expect_open(&(struct tel_process_key){none[i], 1, 1}, false, text("%d", none[i]));
}

Test(process, an_inode_of_something_else)
{
    int fd = open("/dev/null", O_RDONLY);

    cr_expect_eq(tel_pidfd_inode(-1), 0);
    cr_expect_eq(tel_pidfd_inode(fd), 0);
    close(fd);
}
