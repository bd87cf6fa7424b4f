/* clone(2) with CLONE_VM | CLONE_VFORK | CLONE_UNTRACED and exit signal 0. In assembly because the
 * child returns from the system call on another stack. */
#include "clone.h"

#include <sched.h>
#include <stdint.h>

#ifndef CLONE_UNTRACED
#define CLONE_UNTRACED 0x00800000
#endif

/* long clone_call(flags, stack_top, fn, arg): in the child, fn(arg) and then exit. */
long tel_clone_call(unsigned long flags, void *stack_top, int (*fn)(void *), void *arg);

#if defined(__x86_64__)
__asm__(".text\n"
        ".hidden tel_clone_call\n"
        ".globl tel_clone_call\n"
        ".type tel_clone_call,@function\n"
        "tel_clone_call:\n"
        "    mov %rdx, -8(%rsi)\n" /* fn and arg wait on the child's stack */
        "    mov %rcx, -16(%rsi)\n"
        "    sub $16, %rsi\n"
        "    xor %edx, %edx\n" /* no parent or child tid, no TLS */
        "    xor %r10d, %r10d\n"
        "    xor %r8d, %r8d\n"
        "    mov $56, %eax\n" /* clone */
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jz 1f\n"
        "    ret\n"
        "1:  xor %ebp, %ebp\n"
        "    pop %rdi\n"
        "    pop %rax\n"
        "    call *%rax\n"
        "    mov %eax, %edi\n"
        "    mov $60, %eax\n" /* exit */
        "    syscall\n"
        "    hlt\n"
        ".size tel_clone_call, . - tel_clone_call\n");
#elif defined(__i386__)
__asm__(".text\n"
        ".hidden tel_clone_call\n"
        ".globl tel_clone_call\n"
        ".type tel_clone_call,@function\n"
        "tel_clone_call:\n"
        "    push %ebx\n"
        "    mov 8(%esp), %ebx\n"
        "    mov 12(%esp), %ecx\n"
        "    mov 16(%esp), %edx\n" /* fn and arg wait on the child's stack */
        "    mov %edx, -12(%ecx)\n"
        "    mov 20(%esp), %edx\n"
        "    mov %edx, -16(%ecx)\n"
        "    sub $16, %ecx\n"
        "    mov $120, %eax\n" /* clone; without flags for them, the other registers say nothing */
        "    int $0x80\n"
        "    test %eax, %eax\n"
        "    jz 1f\n"
        "    pop %ebx\n"
        "    ret\n"
        "1:  xor %ebp, %ebp\n"
        "    call *4(%esp)\n"
        "    mov %eax, %ebx\n"
        "    mov $1, %eax\n" /* exit */
        "    int $0x80\n"
        "    hlt\n"
        ".size tel_clone_call, . - tel_clone_call\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".hidden tel_clone_call\n"
        ".globl tel_clone_call\n"
        ".type tel_clone_call,@function\n"
        "tel_clone_call:\n"
        "    stp x2, x3, [x1, #-16]!\n"
        "    mov x2, #0\n"
        "    mov x3, #0\n"
        "    mov x4, #0\n"
        "    mov x8, #220\n"
        "    svc #0\n"
        "    cbz x0, 1f\n"
        "    ret\n"
        "1:  mov x29, #0\n"
        "    mov x30, #0\n"
        "    ldp x1, x0, [sp], #16\n"
        "    blr x1\n"
        "    mov x8, #93\n"
        "    svc #0\n"
        "    brk #0\n"
        ".size tel_clone_call, . - tel_clone_call\n");
#endif

long tel_clone_vfork(int (*fn)(void *), void *arg, void *stack_top)
{
    return tel_clone_call(CLONE_VM | CLONE_VFORK | CLONE_UNTRACED, stack_top, fn, arg);
}
