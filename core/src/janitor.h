/* Slow disk work off the path of those who wait: a thread that syncs the journal and copies the WAL
 * back, at low priority. */
#ifndef TEL_JANITOR_H
#define TEL_JANITOR_H

#include "base/datadir.h"

struct tel_janitor;

/* dir is borrowed. NULL when no thread can be had: then nothing is synced ahead of time. */
struct tel_janitor *tel_janitor_start(const struct tel_datadir *dir);
/* Finishes what was asked for, then ends the thread. NULL is fine. */
void tel_janitor_stop(struct tel_janitor *janitor);

/* Asks for fdatasync of the journal files of these two dates, mostly one and the same; returns at once. */
void tel_janitor_sync(struct tel_janitor *janitor, uint32_t first, uint32_t last);
/* Asks for the WAL to be copied (tel_store_copy_wal); returns at once. */
void tel_janitor_copy_wal(struct tel_janitor *janitor);
/* It has been asked for, and is not done yet. Never so without a thread. */
bool tel_janitor_is_copying(struct tel_janitor *janitor);

#endif
