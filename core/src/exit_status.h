/* How a process ended, by the kernel's word, for processes that are nobody's child here. */
#ifndef TEL_EXIT_STATUS_H
#define TEL_EXIT_STATUS_H

#include "base/buf.h"

#include <sys/types.h>

/* Which interface is asked. AUTO takes what the kernel has; the others exist for tests
 * (TELEMETRY_EXIT_SOURCE=pidfd, proc, none). */
enum tel_exit_source { TEL_EXIT_AUTO, TEL_EXIT_PIDFD, TEL_EXIT_PROC, TEL_EXIT_NONE };
enum tel_exit_source tel_exit_source_parse(struct tel_str text);

enum tel_exit_answer {
    TEL_EXIT_KNOWN,    /* *wait_status is filled, as wait(2) would have it */
    TEL_EXIT_ZOMBIE,   /* ended, not yet reaped, and the kernel does not say yet: ask again */
    TEL_EXIT_RUNNING,  /* has not ended */
    TEL_EXIT_UNKNOWN,  /* ended, and this kernel does not tell how, or not any more */
    TEL_EXIT_FORBIDDEN /* likewise, because it may not be asked (a filter of system calls) */
};

/* Where there is nothing better, /proc is read, but only while pidfd proves that the number there still
 * means the same process. Sources: ioctl PIDFD_GET_INFO with PIDFD_INFO_EXIT (Linux 6.15, include/uapi/linux/pidfd.h), and
 * field 52 of proc_pid_stat(5). */
enum tel_exit_answer tel_exit_status(enum tel_exit_source source, int pidfd, int *wait_status);

/* The number of the process behind pidfd in this pid namespace; 0 when it has none here, or no longer. */
pid_t tel_pidfd_pid(int pidfd);

/* Whether PIDFD_INFO_EXIT works here, found out with a child of one's own. */
bool tel_exit_pidfd_works(void);

#endif
