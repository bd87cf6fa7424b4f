/* The functions of libc that the shim stands in front of, each doing exactly what libc's does. None
 * needs the original, so dlsym is never called. */
#include "base/sys.h"
#include "shim.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define EXPORTED __attribute__((visibility("default")))

/* libc's errno, wherever it is for this thread. Weak: a symbol that is missing must not keep a
 * program from starting. */
extern int *__errno_location(void) __attribute__((weak));
extern pid_t fork(void) __attribute__((weak));
extern const char *gnu_get_libc_version(void) __attribute__((weak));

/* _exit(2): glibc's and musl's are a bare exit_group. Shells, forked children and interpreters end
 * this way, without running a destructor. */
EXPORTED _Noreturn void tel_interposed_exit(int status) __asm__("_exit");
EXPORTED _Noreturn void tel_interposed_exit(int status)
{
    tel_shim_end(status);
    tel_sys_exit_group(status);
}

EXPORTED _Noreturn void tel_interposed_exit_c99(int status) __asm__("_Exit");
EXPORTED _Noreturn void tel_interposed_exit_c99(int status)
{
    tel_shim_end(status);
    tel_sys_exit_group(status);
}

/* Result of a raw call as libc gives it. Also called from the assembly below. */
__attribute__((used)) long tel_interposed_result(long result) __asm__("tel_interposed_result");
__attribute__((used)) long tel_interposed_result(long result)
{
    if (result >= 0 || result < -4095)
        return result;
    if (__errno_location != NULL)
        *__errno_location() = (int)-result;
    return -1;
}

static pid_t lead_session(pid_t before)
{
    const long session = tel_interposed_result(tel_sys_call(SYS_setsid, 0, 0, 0, 0, 0, 0));

    if (session >= 0)
        tel_shim_new_session(before);
    else
        tel_shim_no_session();
    return (pid_t)session;
}

/* setsid(2): a child that calls it is what becomes of a daemon. */
EXPORTED pid_t tel_interposed_setsid(void) __asm__("setsid");
EXPORTED pid_t tel_interposed_setsid(void)
{
    return lead_session(tel_shim_session());
}

/* daemon(3): glibc's calls none of the functions above by their names. */

/* Goes on in a child; the parent ends. 0, or -1 with errno set. */
static int go_on_in_child(void)
{
    const pid_t pid = fork != NULL ? fork() : (pid_t)tel_interposed_result(-ENOSYS);

    if (pid > 0)
        tel_interposed_exit(0);
    return pid;
}

static bool is_null_device(int fd)
{
    enum { NULL_DEVICE = 1 << 8 | 3 }; /* null(4) */
    struct stat st;

    return tel_sys_fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == NULL_DEVICE;
}

/* Standard input, output and error to the null device. A libc's result. */
static int open_null_device(void)
{
    const long fd = tel_sys_call(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR, 0, 0, 0);
    long status = fd < 0 || is_null_device((int)fd) ? fd : -ENODEV;

    for (int i = 0; i < 3 && status >= 0; i++)
        if (fd != i)
            status = tel_sys_call(SYS_dup3, fd, i, 0, 0, 0, 0);
    if (fd > 2 || (fd >= 0 && status < 0))
        tel_sys_close((int)fd);
    return status < 0 ? (int)tel_interposed_result(status) : 0;
}

EXPORTED int tel_interposed_daemon(int nochdir, int noclose) __asm__("daemon");
EXPORTED int tel_interposed_daemon(int nochdir, int noclose)
{
    /* glibc forks first and does not mind a missing "/"; musl forks last, and twice. */
    const bool glibc = gnu_get_libc_version != NULL;

    if (glibc && (go_on_in_child() < 0 || lead_session(0) < 0))
        return -1;
    if (!nochdir && tel_sys_call(SYS_chdir, (long)"/", 0, 0, 0, 0, 0) < 0 && !glibc)
        return -1;
    if (!noclose && open_null_device() < 0)
        return -1;
    if (!glibc && (go_on_in_child() < 0 || lead_session(0) < 0 || go_on_in_child() < 0))
        return -1;
    return 0;
}

/* prctl(2): watched for PR_SET_SECCOMP. Variadic in the header; its arguments are five registers
 * all the same. */
EXPORTED int tel_interposed_prctl(int option, long a, long b, long c, long d) __asm__("prctl");
EXPORTED int tel_interposed_prctl(int option, long a, long b, long c, long d)
{
    if (option == PR_SET_SECCOMP)
        tel_shim_fall_silent();
    return (int)tel_interposed_result(tel_sys_call(SYS_prctl, option, a, b, c, d, 0));
}

/* The cold half of syscall below: is this call one that starts a filter? */
__attribute__((used)) void tel_interposed_watch(long number,
                                                long first) __asm__("tel_interposed_watch");
__attribute__((used)) void tel_interposed_watch(long number, long first)
{
    if (number == SYS_seccomp ? first == SECCOMP_SET_MODE_STRICT || first == SECCOMP_SET_MODE_FILTER
                              : first == PR_SET_SECCOMP)
        tel_shim_fall_silent();
}

/* syscall(2), which libseccomp goes through. In assembly, like libc's: a child made by
 * syscall(SYS_vfork) or SYS_clone returns on the caller's stack, where a C frame would be overwritten
 * under the parent. */
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall,@function\n"
        "syscall:\n"
        "    endbr64\n"
        "    cmp $317, %rdi\n" /* SYS_seccomp */
        "    je 2f\n"
        "    cmp $157, %rdi\n" /* SYS_prctl */
        "    je 2f\n"
        "1:  mov %rdi, %rax\n"
        "    mov %rsi, %rdi\n"
        "    mov %rdx, %rsi\n"
        "    mov %rcx, %rdx\n"
        "    mov %r8, %r10\n"
        "    mov %r9, %r8\n"
        "    mov 8(%rsp), %r9\n"
        "    syscall\n"
        "    cmp $-4095, %rax\n"
        "    jae 3f\n"
        "    ret\n"
        "2:  push %rdi\n"
        "    push %rsi\n"
        "    push %rdx\n"
        "    push %rcx\n"
        "    push %r8\n"
        "    push %r9\n"
        "    sub $8, %rsp\n"
        "    call tel_interposed_watch\n"
        "    add $8, %rsp\n"
        "    pop %r9\n"
        "    pop %r8\n"
        "    pop %rcx\n"
        "    pop %rdx\n"
        "    pop %rsi\n"
        "    pop %rdi\n"
        "    jmp 1b\n"
        "3:  mov %rax, %rdi\n"
        "    jmp tel_interposed_result\n"
        ".size syscall, . - syscall\n");
#elif defined(__i386__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall,@function\n"
        "syscall:\n"
        "    endbr32\n"
        "    mov 4(%esp), %eax\n"
        "    cmp $354, %eax\n" /* SYS_seccomp */
        "    je 2f\n"
        "    cmp $172, %eax\n" /* SYS_prctl */
        "    je 2f\n"
        "1:  push %ebp\n"
        "    push %edi\n"
        "    push %esi\n"
        "    push %ebx\n"
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
        "    cmp $-4095, %eax\n"
        "    jae 3f\n"
        "    ret\n"
        "2:  sub $4, %esp\n"
        "    push 12(%esp)\n" /* the first argument */
        "    push 12(%esp)\n" /* the number */
        "    call tel_interposed_watch\n"
        "    add $12, %esp\n"
        "    mov 4(%esp), %eax\n"
        "    jmp 1b\n"
        "3:  mov %eax, 4(%esp)\n" /* where the arguments lie is the callee's */
        "    jmp tel_interposed_result\n"
        ".size syscall, . - syscall\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl syscall\n"
        ".type syscall,@function\n"
        "syscall:\n"
        "    cmp x0, #277\n" /* SYS_seccomp */
        "    b.eq 2f\n"
        "    cmp x0, #167\n" /* SYS_prctl */
        "    b.eq 2f\n"
        "1:  mov x8, x0\n"
        "    mov x0, x1\n"
        "    mov x1, x2\n"
        "    mov x2, x3\n"
        "    mov x3, x4\n"
        "    mov x4, x5\n"
        "    mov x5, x6\n"
        "    svc #0\n"
        "    cmn x0, #4095\n"
        "    b.cs 3f\n"
        "    ret\n"
        "2:  stp x29, x30, [sp, #-80]!\n"
        "    stp x0, x1, [sp, #16]\n"
        "    stp x2, x3, [sp, #32]\n"
        "    stp x4, x5, [sp, #48]\n"
        "    str x6, [sp, #64]\n"
        "    bl tel_interposed_watch\n"
        "    ldp x0, x1, [sp, #16]\n"
        "    ldp x2, x3, [sp, #32]\n"
        "    ldp x4, x5, [sp, #48]\n"
        "    ldr x6, [sp, #64]\n"
        "    ldp x29, x30, [sp], #80\n"
        "    b 1b\n"
        "3:  b tel_interposed_result\n"
        ".size syscall, . - syscall\n");
#endif
