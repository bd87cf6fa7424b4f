/* What can be known of other pid namespaces, here: as much as this machine and user allow. */
#include "namespaces.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"

static uint64_t inode_of(pid_t pid)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    const uint64_t inode = tel_pidfd_inode(pidfd);

    cr_assert_geq(pidfd, 0);
    close(pidfd);
    return inode;
}

Test(namespaces, where_a_process_is)
{
    uint64_t inode;
    siginfo_t info;
    pid_t pid;

    if (tel_process_whereabouts(inode_of(getpid())) == TEL_PROCESS_NOT_KNOWN)
        cr_skip_test("processes by their inode: needs Linux 6.14, and the machine's own namespace");
    cr_expect_eq(tel_process_whereabouts(inode_of(getpid())), TEL_PROCESS_THERE);
    fflush(NULL);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0)
        for (;;)
            pause();
    inode = inode_of(pid);
    cr_expect_eq(tel_process_whereabouts(inode), TEL_PROCESS_THERE);
    kill(pid, SIGKILL);
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    cr_expect_eq(tel_process_whereabouts(inode), TEL_PROCESS_THERE, "a zombie");
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
    cr_expect_eq(tel_process_whereabouts(inode), TEL_PROCESS_GONE);
}

Test(namespaces, a_process_without_an_inode)
{
    cr_expect_eq(tel_process_whereabouts(0), TEL_PROCESS_NOT_KNOWN);
}

/* Never certain of what was not seen: either the own one is there, or nothing is said. */
Test(namespaces, all_that_have_a_process)
{
    struct tel_namespaces seen;

    if (tel_namespaces_look(&seen)) {
        cr_expect(tel_namespaces_has(&seen, tel_pid_namespace()));
        cr_expect_not(tel_namespaces_has(&seen, 7));
    }
    tel_namespaces_free(&seen);
    cr_expect_eq(seen.count, 0);
}
