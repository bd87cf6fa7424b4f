/* What the parts of the collector share (collector.h): its state, and the steps that they take
 * together. */
#ifndef TEL_COLLECTOR_INTERNAL_H
#define TEL_COLLECTOR_INTERNAL_H

#include "agenda.h"
#include "collector.h"
#include "inbox.h"
#include "live.h"
#include "mailbox.h"
#include "outbox.h"
#include "pending.h"
#include "settle.h"
#include "upkeep.h"

struct tel_collector {
    struct tel_collector_options *options;
    const struct tel_datadir *dir;
    int epoll_fd;
    int signal_fd;
    struct tel_agenda agenda;
    struct tel_upkeep upkeep;
    struct tel_live *live;
    struct tel_pending *pending;
    struct tel_inbox *inbox;
    struct tel_mailboxes mailboxes;
    struct tel_outbox *outbox;
    int64_t last_active_ns; /* CLOCK_BOOTTIME, as is looked_ns */
    int64_t looked_ns;      /* all that had ended by then has been noted */
    bool is_told_to_stop;
};

/* --- collector_poll.c: what epoll tells ------------------------------------------------------- */

/* What is watched beside runs. */
enum tel_source {
    TEL_SOURCE_START,   /* a listening socket; silent once it has told, until watched again */
    TEL_SOURCE_REQUEST, /* a listening socket */
    TEL_SOURCE_LATE,    /* tel_inbox_late_fd */
    TEL_SOURCE_SIGNAL,
    TEL_SOURCE_OUTBOX, /* tel_outbox_fd */
    TEL_SOURCES
};

/* 0 or negative errno. */
int tel_collector_watch(struct tel_collector *collector, enum tel_source source, int fd);
void tel_collector_watch_again(struct tel_collector *collector, enum tel_source source, int fd);
void tel_collector_take_events(struct tel_collector *collector, int timeout_ms);
/* A tel_fold_between_fn. */
int tel_collector_look_up(void *collector);

/* --- collector_starts.c: runs that begin ------------------------------------------------------ */

/* A tel_parcel_fn. */
void tel_collector_take_parcel(void *collector, const struct tel_parcel *parcel);
/* Takes what has been sent to the socket of starts. */
void tel_collector_drain_starts(struct tel_collector *collector);
/* Lines of session leaders that are due at now_ns, or all (INT64_MAX), go to the journal. */
void tel_collector_release_leaders(struct tel_collector *collector, int64_t now_ns);
/* Those of leaders whose process has ended: such a run remains what it is. */
void tel_collector_release_ended_leaders(struct tel_collector *collector);

/* --- collector_ends.c: runs that end, or have ended ------------------------------------------- */

/* Runs whose process has ended: forgotten when their last line is right, completed when not. */
void tel_collector_settle_ended(struct tel_collector *collector);
/* Runs of earlier collectors: those that go on are watched, those that have ended are completed. */
void tel_collector_adopt_orphans(struct tel_collector *collector);

/* --- collector_requests.c: those who wait for an answer --------------------------------------- */

/* A tel_say_fn. */
bool tel_collector_write_down(void *collector, const struct tel_message *message,
                              struct tel_str text);
void tel_collector_take_requests(struct tel_collector *collector);
/* Everything that has been asked for until now is answered by one fold. */
void tel_collector_answer_requests(struct tel_collector *collector);

/* --- collector_posts.c: the outbox ------------------------------------------------------------ */

/* 0 or negative errno. */
int tel_collector_open_outbox(struct tel_collector *collector);
/* It is to stay, for posts that are under way. */
bool tel_collector_waits_for_posts(const struct tel_collector *collector);

#endif
