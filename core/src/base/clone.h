/* A child that shares the caller's memory and suspends it until it has executed or exited: vfork
 * without libc, on a stack of its own, unseen by tracers and by the host's wait(). */
#ifndef TEL_BASE_CLONE_H
#define TEL_BASE_CLONE_H

/* For wait4: only children whose exit signal is not SIGCHLD (__WCLONE in wait(2)). */
#define TEL_WAIT_CLONE ((long)0x80000000UL)

/* Runs fn(arg) in the child, whose exit status is what fn returns. stack_top: end of the child's
 * stack, aligned to 16 bytes. The child's pid, or negative errno. */
long tel_clone_vfork(int (*fn)(void *), void *arg, void *stack_top);

#endif
