/* Between the shim's parts: auto.c decides and records, interpose.c stands in front of libc's functions
 * and reports what it sees, api.c speaks for programs that know of the shim. */
#ifndef TEL_SHIM_H
#define TEL_SHIM_H

#include "base/recorder.h"

#include <sys/types.h>

/* The process is about to end with this status, as given to exit or _exit. Returns at once in
 * processes that are no run, and after the first call. */
void tel_shim_end(int status);

/* The session that the process is in, if that makes a difference to the next function; else 0. */
pid_t tel_shim_session(void);

/* The calling process has just become a session leader, and was in the session before until then (0: it
 * is a daemon for certain). Unless it is the run's own process, or a worker of one that leads a session
 * itself, it is a run of its own from now on. */
void tel_shim_new_session(pid_t before);
/* It has not, although tel_shim_session was called. */
void tel_shim_no_session(void);

/* The host has asked the kernel to filter its system calls: from now on the shim makes none of its
 * own, since any could kill the host. What is left is the kernel's word. */
void tel_shim_fall_silent(void);

/* The run that this process is part of, while it lasts; NULL when there is none, or nothing may be said
 * of it. What it holds is not to be changed. */
struct tel_recorder *tel_shim_recorder(void);

#endif
