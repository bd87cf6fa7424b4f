/* What hosts and the CLI send to the collector: accepting connections, checking who is there,
 * taking messages and descriptors, answering; and keeping lines that the disk did not take. */
#ifndef TEL_INBOX_H
#define TEL_INBOX_H

#include "base/proto.h"

struct tel_inbox;

/* dir is borrowed. NULL when there is no memory. */
struct tel_inbox *tel_inbox_new(const struct tel_datadir *dir);
void tel_inbox_free(struct tel_inbox *inbox);

/* A message as received. */
struct tel_parcel {
    struct tel_message message;
    struct tel_str line;      /* borrowed, as are the texts of target */
    struct tel_target target; /* without url: the run is not to be posted */
    int passed_fd;            /* a start's: pidfd of its process, or -1 where none is to be had */
};

/* Who gets each start, and its descriptor for good; and each request that comes with a line, before that
 * is taken for the journal. The line of a TEL_REQUEST_LEADER is the callee's to keep. */
typedef void tel_parcel_fn(void *arg, const struct tel_parcel *parcel);
void tel_inbox_on_message(struct tel_inbox *inbox, tel_parcel_fn *fn, void *arg);

/* Accepts everything that waits on a listening socket and takes the messages that are there. Those
 * who sent a request then wait for tel_inbox_answer. False when nobody was waiting. */
bool tel_inbox_take(struct tel_inbox *inbox, enum tel_socket which, int listener);
/* Connections whose message was not there yet: readable when one has come. Borrowed. */
int tel_inbox_late_fd(const struct tel_inbox *inbox);
void tel_inbox_take_late(struct tel_inbox *inbox);
bool tel_inbox_any_late(const struct tel_inbox *inbox);
/* Closes those that have been silent for 10 s: whoever is stopped between connecting and sending must
 * not keep the collector for ever. */
void tel_inbox_drop_late(struct tel_inbox *inbox);
bool tel_inbox_any_asking(const struct tel_inbox *inbox);
/* Calls fn with the message of each of those who ask. */
typedef void tel_asked_fn(void *arg, const struct tel_message *message);
void tel_inbox_each_asking(const struct tel_inbox *inbox, tel_asked_fn *fn, void *arg);
/* One of those who ask wants the whole journal folded, however long it takes. */
bool tel_inbox_wants_all(const struct tel_inbox *inbox);
void tel_inbox_answer(struct tel_inbox *inbox, enum tel_answer answer);
/* "Later", to hosts that wait for their own run only. */
void tel_inbox_put_off(struct tel_inbox *inbox);

/* Who gets what programs say (TEL_REQUEST_SAY); true when it has been written down. Borrowed, and gone
 * with the next message. */
typedef bool tel_say_fn(void *arg, const struct tel_message *message, struct tel_str text);
void tel_inbox_on_say(struct tel_inbox *inbox, tel_say_fn *fn, void *arg);

/* Takes a start line for the journal, as if it had come with a START. */
void tel_inbox_hold_start(struct tel_inbox *inbox, struct tel_str line);
/* Appends the lines that came with messages, because their senders could not, to the journal: those
 * of starts first. Negative when some are still left. */
int tel_inbox_append_lines(struct tel_inbox *inbox);
bool tel_inbox_holds_lines(const struct tel_inbox *inbox);

#endif
