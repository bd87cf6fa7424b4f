/* The journal file kept open for events: one write each, no lock held across it, from any number of
 * threads and (after fork) processes. What costs more (finding the file, its lock, a torn line) is done
 * when it is opened, when the day changes, and after a write that did not go well. Before a
 * write it is asked whether the descriptor is still that of the file, and whether the file has a name. */
#ifndef TEL_EVENT_FILE_H
#define TEL_EVENT_FILE_H

#include "base/journal.h"
#include "kept_fd.h"

#include <pthread.h>
#include <stdatomic.h>

struct tel_event_file {
    pthread_mutex_t lock;             /* of opening it anew */
    struct tel_journal_writer writer; /* of no use but for opening, and on networks */
    struct tel_kept_fd kept;          /* from the first event on */
    atomic_llong looked_ns;           /* time of the last line with a look before it */
    atomic_llong ends_ns;             /* when the file's day is over; 0: there is none */
    atomic_bool suspect;              /* the last write did not go well */
};

/* dir is borrowed. sync: every event is on the disk before its call returns. */
void tel_event_file_init(struct tel_event_file *file, const struct tel_datadir *dir, bool sync);
void tel_event_file_close(struct tel_event_file *file);

/* Appends line (whole, with its newline) to the file of the day of realtime_ns, which is now, or of a later
 * one that has been written to. Errors: negative errno, TEL_ERR_REFUSED. */
int tel_event_file_append(struct tel_event_file *file, int64_t realtime_ns, struct tel_str line,
                          struct tel_error *err);

#endif
