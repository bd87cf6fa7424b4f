/* The database as the fold writes it: opening, creating and repairing the schema, and the
 * statements that turn a run line into rows. The only module that writes to SQLite. */
#ifndef TEL_STORE_H
#define TEL_STORE_H

#include "base/datadir.h"
#include "base/journal.h"
#include "base/runline.h"
#include "due.h"

struct tel_store;

/* Opens {dir->db}, creating directory, file and schema when missing, completing columns that an
 * older schema lacks. A damaged database (or a file that is none) is renamed to
 * "<name>.corrupt-YYYYMMDDTHHMMSSZ" together with its -wal and -shm, and a new one made; set_aside
 * (optional, TEL_PATH_MAX bytes) then receives the new name, else "".
 * busy_ms: how long to wait for somebody else's lock.
 * Errors: TEL_ERR_SCHEMA (newer schema, untouched), TEL_ERR_BUSY, TEL_ERR_REFUSED, negative errno.
 * On success *out is the caller's to close. */
int tel_store_open(struct tel_store **out, const struct tel_datadir *dir, int busy_ms,
                   char *set_aside, struct tel_error *err);
void tel_store_close(struct tel_store *store);

/* BEGIN IMMEDIATE, so that cursor and rows are read and written by one writer at a time.
 * Errors of these: TEL_ERR_BUSY, TEL_ERR_CORRUPT, negative errno (-ENOSPC for a full disk). */
int tel_store_begin(struct tel_store *store, struct tel_error *err);
int tel_store_commit(struct tel_store *store, struct tel_error *err);
/* In a transaction: whether others may have changed the database since the last one of this store, which
 * is the answer until its first commit, too. */
bool tel_store_was_changed(const struct tel_store *store);
void tel_store_rollback(struct tel_store *store);

/* How far a journal file has been folded. */
struct tel_cursor {
    uint32_t date;
    uint64_t inode;
    int64_t born_ns;    /* together with inode: which file it was */
    uint64_t offset;    /* bytes folded, always at the start of a line */
    uint64_t bad_lines; /* lines skipped so far because they did not parse */
};
/* 1 found, 0 not there, negative on error. */
int tel_store_cursor_get(struct tel_store *store, uint32_t date, struct tel_cursor *cursor,
                         struct tel_error *err);
int tel_store_cursor_put(struct tel_store *store, const struct tel_cursor *cursor,
                         struct tel_error *err);
/* Forgets the cursors of this date and later: those files are folded again. */
int tel_store_cursor_forget(struct tel_store *store, uint32_t from_date, struct tel_error *err);

/* True when line has what a row must have: run_id, agent_name and start_time. */
bool tel_store_accepts(const struct tel_runline *line);
/* Makes the rows of agent_runs and run_process what line says: inserts, or updates only columns
 * that differ. Never lowers api_posted and api_retry_count; a "running" line never reopens a row
 * that has ended. pos says where line lies; it is kept with the process row. Foreign values are
 * mapped as CONTRACT 4 says. A line from an older day's file than the one of the run's last line
 * changes nothing but those two. TEL_ERR_INVALID: line can be no row; the transaction goes on. */
int tel_store_put_run(struct tel_store *store, const struct tel_runline *line,
                      const struct tel_journal_pos *pos, struct tel_error *err);

/* Makes the row of commits that an event line asks for; nothing when it is of no commit, or of one that
 * has a row already. */
int tel_store_put_commit(struct tel_store *store, struct tel_str event_line, struct tel_error *err);

/* What the database knows of how a run ended; strings are NUL-terminated and cut to fit. */
struct tel_run_state {
    bool found;
    bool running;
    bool scope; /* a section of a process, ended by a call */
    bool has_exit_code;
    bool has_signal;
    int exit_code;
    int signal;
    char end_source[16];
    struct tel_journal_pos last_line; /* where the run's last folded line lies */
};
int tel_store_run_state(struct tel_store *store, struct tel_str run_id, struct tel_run_state *state,
                        struct tel_error *err);

/* Calls fn for each of our own runs (those with process facts) still marked running. The strings
 * live during the call only; fn must not write to the store. A nonzero return of fn stops. */
struct tel_running {
    struct tel_str run_id;
    struct tel_str boot_id;
    struct tel_str host;
    int64_t uid;
    int64_t pid;
    uint64_t pid_ns;
    uint64_t pidfs_ino;
    uint64_t start_ticks;
    struct tel_journal_pos last_line;
};
typedef int tel_running_fn(void *arg, const struct tel_running *run);
int tel_store_each_running(struct tel_store *store, tel_running_fn *fn, void *arg,
                           struct tel_error *err);

/* tel_due_each and tel_due_next on this database. */
int tel_store_each_due(struct tel_store *store, const struct tel_due_filter *filter, tel_due_fn *fn,
                       void *arg, struct tel_error *err);
int tel_store_next_due(struct tel_store *store, const struct tel_due_filter *filter,
                       int64_t *out_ns, struct tel_error *err);

/* Copies the WAL back into the database (PASSIVE: blocks nobody) and makes the next commit cheap
 * by a small changing write that pays for the restarted WAL's header. The file keeps its size, for what is to come,
 * or is cut back when it is a big one, which takes a moment. */
enum tel_wal_size { TEL_WAL_KEEP, TEL_WAL_CUT };
int tel_store_checkpoint(struct tel_store *store, enum tel_wal_size size, struct tel_error *err);
/* The same in another thread, by a connection of its own to the database of dir; nobody can commit for the last moment
 * of it. 1 when the log has begun anew, which the store there is to be told; 0 when a reader was in the way. */
int tel_store_copy_wal(const struct tel_datadir *dir, enum tel_wal_size size,
                       struct tel_error *err);
void tel_store_note_new_wal(struct tel_store *store);
/* Bytes in use in the WAL, as of our last commit; 0 after a whole checkpoint, although the file
 * keeps its size then. */
uint64_t tel_store_wal_bytes(const struct tel_store *store);
/* Makes room in the WAL for the commits to come, when it is short of it: they are cheaper then. */
void tel_store_make_room(struct tel_store *store);
/* Gives page memory back after a lot of work. */
void tel_store_release_memory(struct tel_store *store);

/* True when the file that store has open, its WAL or its WAL index is no longer the one at the
 * path: all three must be shared with other processes, or nothing is safe. */
bool tel_store_is_stale(struct tel_store *store);
/* For damage that shows only while working (TEL_ERR_CORRUPT from the calls above): closes store,
 * whatever the outcome, and sets its database aside as tel_store_open does, unless someone else
 * has replaced it meanwhile. */
int tel_store_condemn(struct tel_store *store, char *set_aside, struct tel_error *err);

#endif
