/* A run that goes on in another process than the one that began it: the daemon that a session leader leaves
 * behind (docs/design.md, "The classic double fork"). */
#ifndef TEL_BASE_HEIRS_H
#define TEL_BASE_HEIRS_H

#include "recorder.h"

#include <stdatomic.h>

/* A child that leads, or is about to, a session of its own, and since when; or who goes on for it there. In
 * shared memory. */
struct tel_follower {
    struct tel_instant since;
    pid_t session;
    atomic_int pid; /* 0: there is none. Written last */
};
/* In such a child, which becomes the follower unless there is one that lives. False when its leader has looked
 * already. */
bool tel_recorder_follow(struct tel_follower *follower);
/* The session has not begun. */
void tel_recorder_stay(struct tel_follower *follower);
/* When the follower ends: its own child, in its session, takes its place, if there is one. */
void tel_recorder_step_aside(struct tel_follower *follower);
/* Hands the run of a session leader that ends to a child that it has forked and that goes on (the
 * classic double fork), in its session or as its follower. Gives the child's number, and in owner its
 * owner's text; the run has not ended then. 0 when there is none. */
pid_t tel_recorder_pass(struct tel_recorder *recorder, const struct tel_follower *follower,
                        struct tel_buf *owner);
/* Begins a run inside this one, which ends, for the follower that goes on: a daemon. Gives its number: since
 * receives when the run began, run_id and owner what its environment should say. 0 when there is none. Nobody
 * can follow any more then. */
pid_t tel_recorder_found(struct tel_recorder *recorder, struct tel_follower *follower,
                         struct tel_instant *since, struct tel_buf *run_id, struct tel_buf *owner);
/* In such a child, when a run has been handed to it, or begun for it at since: goes on with it, as run_id and
 * owner in its environment say. False when they cannot be read. */
bool tel_recorder_inherit(struct tel_recorder *recorder, struct tel_str run_id,
                          struct tel_str owner, const struct tel_instant *since);

#endif
