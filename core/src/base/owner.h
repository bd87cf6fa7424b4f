/* What TELEMETRY_RUN_ID and TELEMETRY_RUN_OWNER say to later images: which run this process is in,
 * which process owns it, where its start line lies (DESIGN 3). */
#ifndef TEL_BASE_OWNER_H
#define TEL_BASE_OWNER_H

#include "journal.h"
#include "process.h"
#include "runid.h"

#define TEL_OWNER_MAX (200 + TEL_RUN_ID_MAX) /* longest text with its NUL */

/* What holds for a run and all that is started inside it. */
enum tel_owner_flag {
    TEL_OWNER_ALL_CHILDREN = 1, /* TELEMETRY_AUTO_CHILDREN=all: each image inside is a run, too */
    TEL_OWNER_PENDING = 2       /* began at setsid: what the process executes next begins anew */
};

struct tel_owner {
    struct tel_process_key process;
    struct tel_journal_pos start; /* length is not kept */
    struct tel_cpu_times before;  /* what the process had spent when the run began */
    unsigned flags;               /* of enum tel_owner_flag */
    struct tel_str parent; /* the run that a pending one was begun in; borrowed, may be empty */
};

/* "2:PID:PIDFS_INO:START_TICKS:DATE:OFFSET:USER_MS:SYSTEM_MS:CHILDREN_USER_MS:CHILDREN_SYSTEM_MS:FLAGS:
 * PARENT_RUN_ID", numbers decimal. */
void tel_owner_put(struct tel_buf *buf, const struct tel_owner *owner);
/* False when text is not of that form. */
bool tel_owner_parse(struct tel_str text, struct tel_owner *owner);
/* A run id that may be used in paths and messages: bounded, printable, no '/'. */
bool tel_owner_id_valid(struct tel_str run_id);

enum tel_standing {
    TEL_OUTSIDE, /* in no run, or the run's owner is gone */
    TEL_INSIDE,  /* a descendant of a live run's owner */
    TEL_OWNS     /* the owner itself, in a later image */
};
/* How the calling process, whose number is pid, stands to the run that its environment names. Costs
 * the owner's children a getppid; all others a pidfd, too. */
enum tel_standing tel_owner_standing(const struct tel_owner *owner, pid_t pid);

#endif
