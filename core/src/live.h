/* The runs that are being watched: one pidfd each, in the collector's epoll set. */
#ifndef TEL_LIVE_H
#define TEL_LIVE_H

#include "base/journal.h"

#include <sys/types.h>

struct tel_live_run {
    struct tel_live_run *next;    /* in the table's chain */
    struct tel_live_run *queued;  /* in the list of ended runs that are not settled yet */
    struct tel_journal_pos start; /* where a line of the run lies, or shortly before */
    int64_t added_boot_ns;        /* watched since */
    int64_t ended_boot_ns;        /* when the end was noticed; 0 while it runs */
    int64_t late_ns;   /* by how much that may be later than the end; INT64_MAX: never seen alive */
    uint64_t identity; /* of its process; where that is its pid, as long as it lives */
    int pidfd;         /* owned */
    char run_id[];
};

struct tel_live;

/* epoll_fd is borrowed. NULL when there is no memory. */
struct tel_live *tel_live_new(int epoll_fd);
void tel_live_free(struct tel_live *live);

/* A number that two pidfds of one process have in common, and no other process's at that time: its pidfs
 * inode, or its pid where there is no pidfs. 0 unknown. */
uint64_t tel_live_identity(int pidfd);

/* Watches a run. Takes pidfd in any case. start may be zero. 0; 1 when it is watched already;
 * negative errno. */
int tel_live_add(struct tel_live *live, struct tel_str run_id, int pidfd,
                 const struct tel_journal_pos *start);
bool tel_live_has(const struct tel_live *live, struct tel_str run_id);
/* Some run's process is the one behind pidfd. */
bool tel_live_has_process(const struct tel_live *live, int pidfd);
/* It is watched, and its process has not ended. */
bool tel_live_lasts(const struct tel_live *live, struct tel_str run_id);
size_t tel_live_count(const struct tel_live *live);

/* epoll says that the process of run has ended: notes the time, which may be late by late_ns (once),
 * and puts the run on the list of ended ones; from now on only its reaping wakes the collector. */
void tel_live_ended(struct tel_live *live, struct tel_live_run *run, int64_t late_ns);
/* The list of ended runs, to look at. */
const struct tel_live_run *tel_live_first_ended(const struct tel_live *live);
/* The same list; the caller takes it over and gives every run to remove or ended again. */
struct tel_live_run *tel_live_take_ended(struct tel_live *live);
bool tel_live_any_ended(const struct tel_live *live);
/* Puts a run that could not be settled back on the list. */
void tel_live_put_back(struct tel_live *live, struct tel_live_run *run);
void tel_live_remove(struct tel_live *live, struct tel_live_run *run);
/* Watches a run no longer, if it was watched; also when it is on the list of ended ones. Who has a pointer
 * to it (a batch of events, a list taken over) finds pidfd -1 there, until tel_live_bury. */
void tel_live_forget(struct tel_live *live, struct tel_str run_id);
/* Frees what was forgotten: when nobody has pointers to runs. */
void tel_live_bury(struct tel_live *live);

#endif
