/* Slow disk work off the path of those who wait: a thread that syncs the journal, or one that copies the WAL back. */
#ifndef TEL_JANITOR_H
#define TEL_JANITOR_H

#include "store.h"

struct tel_janitor;

/* dir is borrowed; nice is the thread's niceness: 0 for what copies, as it holds the database's write lock in the
 * end. NULL when no thread can be had: then nothing is synced ahead of time, nor copied. */
struct tel_janitor *tel_janitor_start(const struct tel_datadir *dir, int nice);
/* Finishes what was asked for, then ends the thread. NULL is fine. */
void tel_janitor_stop(struct tel_janitor *janitor);

/* Asks for fdatasync of the journal files of these two dates, mostly one and the same; returns at once. */
void tel_janitor_sync(struct tel_janitor *janitor, uint32_t first, uint32_t last);
/* Asks for the WAL to be copied (tel_store_copy_wal); returns at once. */
void tel_janitor_copy_wal(struct tel_janitor *janitor, enum tel_wal_size size);
/* What has become of that, told once. Always TEL_COPY_NONE without a thread. */
enum tel_copy {
    TEL_COPY_NONE, /* not asked for */
    TEL_COPY_BUSY,
    TEL_COPY_PART, /* something was in the way */
    TEL_COPY_WHOLE /* the log has begun anew */
};
enum tel_copy tel_janitor_take_copy(struct tel_janitor *janitor);

#endif
