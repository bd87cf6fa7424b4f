/* What the collector has to do beside answering, and when: each kind of work becomes due after a delay
 * of its own, so that much of it is done at once. Times are CLOCK_BOOTTIME, in nanoseconds. */
#ifndef TEL_AGENDA_H
#define TEL_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

enum tel_work {
    TEL_WORK_STARTS, /* starts are drained together */
    TEL_WORK_FOLD,   /* most runs end before their start is folded */
    TEL_WORK_SETTLE, /* ends, after those who wait */
    TEL_WORK_RETRY,  /* disk full, database locked */
    TEL_WORK_SYNC,   /* the journal is on disk within a second */
    TEL_WORK_ROOM,   /* the WAL is made longer for the commits to come */
    TEL_WORK_CARE,   /* the WAL is copied back after so much quiet time */
    TEL_WORK_LOOK,   /* whether the data directory is still ours */
    TEL_WORK_ADOPT,  /* the journal is searched for runs that nobody watches */
    TEL_WORKS
};

/* All zero: nothing is due. */
struct tel_agenda {
    int64_t at[TEL_WORKS]; /* 0 = not due */
};

/* The usual delay of that kind of work. */
int64_t tel_agenda_delay_ns(enum tel_work work);

/* Makes work due after its usual delay, or at a given time, at the latest. */
void tel_agenda_add(struct tel_agenda *agenda, enum tel_work work);
void tel_agenda_add_at(struct tel_agenda *agenda, enum tel_work work, int64_t at_ns);
void tel_agenda_drop(struct tel_agenda *agenda, enum tel_work work);

bool tel_agenda_has(const struct tel_agenda *agenda, enum tel_work work);
/* True when work is due now: from then on it is so no longer. */
bool tel_agenda_take(struct tel_agenda *agenda, enum tel_work work, int64_t now_ns);
/* When the first work is due; INT64_MAX: never. */
int64_t tel_agenda_next_ns(const struct tel_agenda *agenda);

#endif
