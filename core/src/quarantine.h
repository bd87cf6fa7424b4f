/* Setting a damaged database aside, under a name with the time: nothing is ever deleted. */
#ifndef TEL_QUARANTINE_H
#define TEL_QUARANTINE_H

#include "base/error.h"

/* Takes {run}/rebuild.lock, which whoever replaces a database holds, waiting at most busy_ms.
 * *fd then holds it, the caller's to close; -1 when there is no run directory to lock in.
 * Errors: TEL_ERR_BUSY, negative errno. */
int tel_quarantine_lock(const char *run, int busy_ms, int *fd, struct tel_error *err);

/* Renames db, db-wal and db-shm to {db}.corrupt-YYYYMMDDTHHMMSSZ, …-wal and …-shm. set_aside
 * (TEL_PATH_MAX bytes) receives the first of these names. */
int tel_quarantine_move(const char *db, char *set_aside, struct tel_error *err);

#endif
