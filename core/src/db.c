/* SQLite's result codes as statuses; small wrappers that every user of the database shares. */
#include "db.h"

#include "base/datadir.h"
#include "base/sys.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { SQLITE_PATH_MAX = 504 /* MAX_PATHNAME of its os_unix.c, less the room for "-journal" */ };

/* What the system said, where SQLite kept it; else fallback (a negative errno). */
static int system_error(sqlite3 *db, int fallback)
{
    int number = db == NULL ? 0 : sqlite3_system_errno(db);

    return number > 0 ? -number : fallback;
}

static int fail_io(struct tel_error *err, sqlite3 *db, int rc)
{
    if (rc == SQLITE_IOERR_CORRUPTFS)
        return tel_fail(err, TEL_ERR_CORRUPT, "the database is damaged: ", sqlite3_errstr(rc),
                        NULL);
    if (rc == SQLITE_IOERR_NOMEM || rc == SQLITE_IOERR_SHMMAP)
        return tel_fail_sys(err, system_error(db, -ENOMEM), "cannot map the database", NULL);
    return tel_fail_sys(err, system_error(db, -EIO), "cannot read or write the database", NULL);
}

static int fail_open(struct tel_error *err, sqlite3 *db, int rc)
{
    if (rc == SQLITE_CANTOPEN_SYMLINK)
        return tel_fail(err, TEL_ERR_REFUSED, "the database is a symbolic link", NULL);
    if (rc == SQLITE_CANTOPEN_ISDIR)
        return tel_fail_sys(err, -EISDIR, "cannot open the database", NULL);
    return tel_fail_sys(err, system_error(db, -EACCES), "cannot open the database", NULL);
}

static int fail_readonly(struct tel_error *err, int rc)
{
    if (rc == SQLITE_READONLY_DBMOVED)
        return tel_fail(err, -ESTALE, "the database was moved while it was in use", NULL);
    return tel_fail_sys(err, -EROFS, "the database may not be written", NULL);
}

int tel_db_fail(struct tel_error *err, sqlite3 *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return tel_fail(err, TEL_ERR_BUSY, "the database is locked by another program", NULL);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return tel_fail(err, TEL_ERR_CORRUPT, "the database is damaged: ", sqlite3_errstr(rc),
                        NULL);
    case SQLITE_FULL:
        return tel_fail_sys(err, -ENOSPC, "cannot write the database", NULL);
    case SQLITE_IOERR:
        return fail_io(err, db, rc);
    case SQLITE_CANTOPEN:
        return fail_open(err, db, rc);
    case SQLITE_READONLY:
        return fail_readonly(err, rc);
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return tel_fail_sys(err, -EACCES, "cannot open the database", NULL);
    case SQLITE_NOMEM:
        return tel_fail_sys(err, -ENOMEM, "cannot use the database", NULL);
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
        return tel_fail(err, TEL_ERR_INVALID, "the database refused a row: ",
                        db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(db), NULL);
    default:
        return tel_fail(err, -EIO, "the database failed: ",
                        db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(db), NULL);
    }
}

int tel_db_check_path(const char *path, struct tel_error *err)
{
    static const char *const suffixes[] = {"-wal", "-shm"};

    if (strlen(path) > SQLITE_PATH_MAX)
        return tel_fail(err, -ENAMETOOLONG,
                        "the database's path is longer than the 504 bytes that SQLite can open: "
                        "choose a shorter TELEMETRY_BASE_DIR",
                        NULL);
    for (int i = 0; i < 2; i++) {
        char log[SQLITE_PATH_MAX + 8];
        struct stat st;

        snprintf(log, sizeof log, "%s%s", path, suffixes[i]);
        if (lstat(log, &st) == 0 && !S_ISREG(st.st_mode))
            return tel_fail(err, TEL_ERR_REFUSED, log,
                            " is no regular file, and in the database's way: move it", NULL);
    }
    return 0;
}

int tel_db_check_file(const char *path, struct tel_error *err)
{
    struct stat st;
    const int status = tel_sys_fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW);

    if (status == -ENOENT)
        return status;
    if (status < 0)
        return tel_fail_sys(err, status, "cannot open ", path, NULL);
    if (S_ISLNK(st.st_mode))
        return tel_fail(err, TEL_ERR_REFUSED, path,
                        " is a symbolic link; links are not followed in the data directory", NULL);
    if (S_ISDIR(st.st_mode))
        return tel_fail_sys(err, -EISDIR, "cannot open ", path, NULL);
    if (!S_ISREG(st.st_mode))
        return tel_fail(err, TEL_ERR_REFUSED, path, " is not a regular file", NULL);
    return 0;
}

int tel_db_exec(sqlite3 *db, const char *sql, struct tel_error *err)
{
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : tel_db_fail(err, db, sqlite3_extended_errcode(db));
}

static int prepare(sqlite3 *db, const char *sql, unsigned flags, sqlite3_stmt **out,
                   struct tel_error *err)
{
    int rc = sqlite3_prepare_v3(db, sql, -1, flags, out, NULL);

    return rc == SQLITE_OK ? 0 : tel_db_fail(err, db, sqlite3_extended_errcode(db));
}

int tel_db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct tel_error *err)
{
    return prepare(db, sql, 0, out, err);
}

int tel_db_prepare_kept(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct tel_error *err)
{
    return prepare(db, sql, SQLITE_PREPARE_PERSISTENT, out, err);
}

int tel_db_step(sqlite3_stmt *stmt, struct tel_error *err)
{
    int rc = sqlite3_step(stmt);
    int status;

    if (rc == SQLITE_ROW)
        return 1;
    status = rc == SQLITE_DONE ? 0
                               : tel_db_fail(err, sqlite3_db_handle(stmt),
                                             sqlite3_extended_errcode(sqlite3_db_handle(stmt)));
    sqlite3_reset(stmt);
    return status;
}

int tel_db_get_int(sqlite3 *db, const char *sql, int64_t *out, struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    int status = tel_db_prepare(db, sql, &stmt, err);

    if (status == 0)
        status = tel_db_step(stmt, err);
    if (status < 0)
        return status;
    *out = status == 1 ? sqlite3_column_int64(stmt, 0) : 0;
    return 0;
}

void tel_db_bind(sqlite3_stmt *stmt, int index, struct tel_str text)
{
    /* Cannot fail but by an index out of range or a length over SQLite's limit of 10^9 bytes, and
     * both show in the step that follows. */
    if (text.ptr == NULL)
        sqlite3_bind_null(stmt, index);
    else
        sqlite3_bind_text64(stmt, index, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

struct tel_str tel_db_column(sqlite3_stmt *stmt, int index)
{
    const unsigned char *text = sqlite3_column_text(stmt, index);

    if (text == NULL)
        return TEL_STR_NONE;
    return (struct tel_str){(const char *)text, (size_t)sqlite3_column_bytes(stmt, index)};
}

void tel_db_cleanup_stmt(sqlite3_stmt **stmt)
{
    sqlite3_finalize(*stmt);
}
