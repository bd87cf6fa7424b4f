/* A descriptor that the library keeps open in somebody else's program. The host may close it (closefrom,
 * a daemon's loop over all numbers) and open a file of its own under that number, which we must neither
 * write to, nor lock, nor close: so it is known by its file, and looked at before each use. */
#ifndef TEL_KEPT_FD_H
#define TEL_KEPT_FD_H

#include <stdatomic.h>
#include <stdbool.h>

struct tel_kept_fd {
    atomic_int number; /* -1: none */
    atomic_ullong dev;
    atomic_ullong inode;
};

/* A number far above those that hosts use, when there is one; fd is closed then. */
int tel_kept_fd_raise(int fd);

bool tel_kept_fd_is_high(const struct tel_kept_fd *kept);

void tel_kept_fd_init(struct tel_kept_fd *kept);
/* Remembers fd (-1: none) in place of what was kept; nothing is closed. */
void tel_kept_fd_set(struct tel_kept_fd *kept, int fd);
/* Takes ownership of fd in place of what was kept. The number stays the same where it is still ours: other threads may be about to use it.
 * Negative errno when that fails; fd is closed in any case. */
int tel_kept_fd_replace(struct tel_kept_fd *kept, int fd);
/* The number, or -1 when there is none or it is somebody else's by now. One system call. linked (optional)
 * receives whether the file still has a name. */
int tel_kept_fd_use(const struct tel_kept_fd *kept, bool *linked);
/* Closes it, unless it is somebody else's. */
void tel_kept_fd_close(struct tel_kept_fd *kept);

#endif
