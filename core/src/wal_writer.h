/* SQLite writes a commit to its write-ahead log in pieces, a header and a page for each frame: twenty
 * writes for one run. With this, it is one. */
#ifndef TEL_WAL_WRITER_H
#define TEL_WAL_WRITER_H

/* From now on this process opens databases so, by default. For programs of our own alone: SQLite keeps
 * what is registered here for as long as it is loaded. Connections must not spill their cache (PRAGMA
 * cache_spill = OFF): then a transaction's frames all come at its commit, one behind the other. */
void tel_wal_writer_use(void);

#endif
