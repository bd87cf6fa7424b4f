/* What the parts of the store share (store.h): its state, and the steps that they take together. */
#ifndef TEL_STORE_INTERNAL_H
#define TEL_STORE_INTERNAL_H

#include "db.h"
#include "directory.h"
#include "rows.h"
#include "store.h"

/* Prepared when they are first wanted, and kept. */
enum tel_statement {
    TEL_STATEMENT_BEGIN,
    TEL_STATEMENT_SCHEMA_COOKIE,
    TEL_STATEMENT_COMMIT,
    TEL_STATEMENT_CURSOR_GET,
    TEL_STATEMENT_CURSOR_PUT,
    TEL_STATEMENT_CURSOR_FORGET,
    TEL_STATEMENT_RUN_STATE,
    TEL_STATEMENT_PUT_COMMIT,
    TEL_STATEMENT_PRIME,
    TEL_STATEMENTS
};

/* What a connection has open: the database, its WAL, its WAL index. */
enum { TEL_STORE_FILES = 3 };

struct tel_file_id {
    uint64_t dev;
    uint64_t inode;
};

struct tel_store {
    sqlite3 *db;
    struct tel_rows *rows;
    sqlite3_stmt *statements[TEL_STATEMENTS];
    struct tel_file_id files[TEL_STORE_FILES];
    struct tel_directory directory;
    int busy_ms;
    int64_t wal_pages; /* -1: nothing committed yet */
    int64_t page_size;
    int64_t schema_cookie; /* SQLite's count of changes to the schema, when last looked at */
    unsigned data_version; /* of the pager's, after our last commit; anybody's commit changes it */
    bool was_changed;      /* tel_store_was_changed */
    mode_t file_mode;
    char path[TEL_PATH_MAX]; /* of the database, as configured */
    char run[TEL_PATH_MAX];
};

/* --- store_open.c ------------------------------------------------------------------------------- */

/* Not connected yet; NULL when there is no memory. */
struct tel_store *tel_store_new(const struct tel_datadir *dir, int busy_ms);
/* Opens the file, which has to be there. Its schema has not been looked at. */
int tel_store_connect(struct tel_store *store, struct tel_error *err);

/* --- store.c ------------------------------------------------------------------------------------ */

int tel_store_statement(struct tel_store *store, enum tel_statement which, sqlite3_stmt **out,
                        struct tel_error *err);
/* As tel_db_step, for one without parameters. */
int tel_store_run(struct tel_store *store, enum tel_statement which, struct tel_error *err);

#endif
