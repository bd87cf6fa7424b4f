/* SQLite writes a commit to its write-ahead log in pieces, a header and a page for each frame: twenty
 * writes for one run. With this, it is one. */
#ifndef TEL_WAL_WRITER_H
#define TEL_WAL_WRITER_H

#include <sqlite3.h>
#include <stdbool.h>

/* From now on this process opens databases so, by default. For programs of our own alone: SQLite keeps
 * what is registered here for as long as it is loaded. Connections must not spill their cache (PRAGMA
 * cache_spill = OFF): then a transaction's frames all come at its commit, one behind the other. */
void tel_wal_writer_use(void);

/* A commit that makes its log longer costs twice as much as one that finds the room there: new pages of the
 * file. So it is made longer while nobody waits.
 * True when db's log has little room left behind the last commit. Always false for a database that was opened
 * otherwise, or has committed nothing yet. */
bool tel_wal_writer_is_short(sqlite3 *db);
/* Makes the room, of zeros, which no reader takes for a frame. For a connection that is in a write transaction
 * (BEGIN IMMEDIATE): nobody else writes to the log meanwhile. A disk that does not take it is no failure. */
void tel_wal_writer_extend(sqlite3 *db);

#endif
