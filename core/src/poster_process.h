/* The poster as a child process. */
#ifndef TEL_POSTER_PROCESS_H
#define TEL_POSTER_PROCESS_H

#include "base/error.h"

#include <sys/types.h>

/* Starts program with one end of a SOCK_SEQPACKET pair as its TEL_POST_FD, and an environment without
 * anything of ours or of the loader's; its other output goes where ours goes. *fd is the caller's end. */
int tel_poster_start(const char *program, pid_t *pid, int *fd, struct tel_error *err);

#endif
