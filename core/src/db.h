/* SQLite as our files see it: its result codes become statuses and messages, and statements clean up
 * after themselves. */
#ifndef TEL_DB_H
#define TEL_DB_H

#include "base/error.h"

#include <sqlite3.h>

/* Raises SQLite's result code rc of a call on db (NULL when there is no connection) as one of ours:
 * TEL_ERR_BUSY, TEL_ERR_CORRUPT, TEL_ERR_REFUSED, TEL_ERR_INVALID (a constraint), -ENOSPC, -EIO and
 * other negative errno values. */
int tel_db_fail(struct tel_error *err, sqlite3 *db, int rc);

/* Whether SQLite can open path at all: of one that is too long, or of something else in the place of
 * its log, it would say no more than "invalid argument" or "I/O error". 0, -ENAMETOOLONG,
 * TEL_ERR_REFUSED. */
int tel_db_check_path(const char *path, struct tel_error *err);

/* What lies at path, looked at by stat alone: opening and closing the file would drop the locks that
 * another connection of this process holds on it (https://www.sqlite.org/howtocorrupt.html, 2.2). 0 a
 * regular file; -ENOENT (err is not filled), -EISDIR, TEL_ERR_REFUSED, other negative errno. */
int tel_db_check_file(const char *path, struct tel_error *err);

/* Runs one or more statements that return nothing of interest. */
int tel_db_exec(sqlite3 *db, const char *sql, struct tel_error *err);
int tel_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct tel_error *err);
/* As tel_db_prepare, for a statement that is kept for as long as the connection. */
int tel_db_prepare_kept(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct tel_error *err);
/* 1 a row, 0 done, negative on error. Except after 1 the statement is reset and holds no lock. */
int tel_db_step(sqlite3_stmt *stmt, struct tel_error *err);
/* The first column of the first row as an integer; out is 0 when there is no row, or NULL in it. */
int tel_db_get_int(sqlite3 *db, const char *sql, int64_t *out, struct tel_error *err);

/* Binds text (NULL when not set), which must live until the statement has been stepped. */
void tel_db_bind(sqlite3_stmt *stmt, int index, struct tel_str text);
/* A column's text; not set when it is NULL. Lives until the next step or reset. */
struct tel_str tel_db_column(sqlite3_stmt *stmt, int index);

void tel_db_cleanup_stmt(sqlite3_stmt **stmt);
/* A variable that finalizes what it holds when it goes out of scope. */
#define TEL_AUTO_STMT __attribute__((cleanup(tel_db_cleanup_stmt))) sqlite3_stmt *

#endif
