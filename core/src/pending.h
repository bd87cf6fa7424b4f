/* Runs that began when a process became a session leader. What the process executes next, if anything,
 * is a run of its own and takes their place: until that is settled their start lines are kept here. */
#ifndef TEL_PENDING_H
#define TEL_PENDING_H

#include "base/buf.h"

struct tel_pending;

/* NULL when there is no memory. */
struct tel_pending *tel_pending_new(void);
void tel_pending_free(struct tel_pending *pending);

/* Keeps the start line of a run until due_boot_ns, instead of an earlier one of the same run. process: its
 * tel_live_identity. False when there is no memory. */
bool tel_pending_add(struct tel_pending *pending, struct tel_str run_id, struct tel_str line,
                     uint64_t process, int64_t due_boot_ns);
/* Forgets the run of a process that has begun another one. True when there was one: run_id, of
 * TEL_RUN_ID_MAX bytes, receives which, NUL-terminated. */
bool tel_pending_take_process(struct tel_pending *pending, uint64_t process, char *run_id);
void tel_pending_drop(struct tel_pending *pending, struct tel_str run_id);
bool tel_pending_has(const struct tel_pending *pending, struct tel_str run_id);
/* When the first line is due; 0 when there is none. */
int64_t tel_pending_due(const struct tel_pending *pending);

/* Gets each line in turn. */
typedef void tel_pending_fn(void *arg, struct tel_str line);
/* Gives the lines that are due at now, or all of them (INT64_MAX), to fn and forgets them. */
void tel_pending_release(struct tel_pending *pending, int64_t now, tel_pending_fn *fn, void *arg);
/* The line of one run, if it is kept here. */
void tel_pending_release_run(struct tel_pending *pending, struct tel_str run_id, tel_pending_fn *fn,
                             void *arg);

#endif
