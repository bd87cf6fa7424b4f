/* Commits that reach the log in one piece: what other connections find, and what becomes of those that
 * the disk does not take. SQLite's own table of system calls counts its writes, and lets them fail. */
#include "wal_writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

static int writes;
static int failing; /* so many of the next writes */
static const char *path;
static sqlite3 *db;
static sqlite3 *other;

static ssize_t count_write(int fd, const void *bytes, size_t len, off_t at)
{
    writes++;
    if (failing > 0) {
        failing--;
        errno = ENOSPC;
        return -1;
    }
    return pwrite(fd, bytes, len, at);
}

static int execute(sqlite3 *connection, const char *sql)
{
    return sqlite3_exec(connection, sql, NULL, NULL, NULL);
}

static void change(sqlite3 *connection, const char *sql)
{
    cr_assert_eq(execute(connection, sql), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(connection));
}

static int number(sqlite3 *connection, const char *sql)
{
    sqlite3_stmt *stmt;
    int value;

    cr_assert_eq(sqlite3_prepare_v2(connection, sql, -1, &stmt, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW, "%s", sqlite3_errmsg(connection));
    value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return value;
}

static bool is_sound(void)
{
    return number(other,
                  "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1;
}

/* other is opened by the system's own VFS, as another program would. */
static void setup(void)
{
    sqlite3_vfs *plain = sqlite3_vfs_find(NULL);

    path = text("%s/db", test_dir());
    plain->xSetSystemCall(plain, "pwrite", (sqlite3_syscall_ptr)count_write);
    plain->xSetSystemCall(plain, "pwrite64", (sqlite3_syscall_ptr)count_write);
    tel_wal_writer_use();
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_open_v2(path, &other, SQLITE_OPEN_READWRITE, plain->zName), SQLITE_OK);
    sqlite3_busy_timeout(other, 5000);
    change(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_spill = OFF;"
               "PRAGMA wal_autocheckpoint = 0;"
               "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT UNIQUE, padding);"
               "CREATE INDEX i ON t (padding)");
    change(other, "PRAGMA wal_autocheckpoint = 0");
}

static void teardown(void)
{
    sqlite3_close(db);
    sqlite3_close(other);
}

TestSuite(wal_writer, .init = setup, .fini = teardown);

Test(wal_writer, a_commit_is_one_write)
{
    writes = 0;
    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    cr_assert_eq(writes, 1);
}

Test(wal_writer, others_see_the_commit_at_once)
{
    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 1);
    change(other, "INSERT INTO t VALUES (2, 'two', 'b')");
    change(db, "INSERT INTO t VALUES (3, 'three', 'c')");
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 3);
    cr_assert(is_sound());
}

Test(wal_writer, a_commit_of_many_pages_is_whole)
{
    change(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
               "INSERT INTO t SELECT i, 'word ' || i, randomblob(3000) FROM n");
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 1000);
    cr_assert(is_sound());
}

Test(wal_writer, the_largest_pages)
{
    change(db, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE");
    change(db, "PRAGMA page_size = 65536; VACUUM; PRAGMA journal_mode = WAL");
    cr_assert_eq(number(db, "PRAGMA page_size"), 65536);
    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    change(db, "INSERT INTO t VALUES (2, 'two', randomblob(200000))");
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 2);
    cr_assert(is_sound());
}

Test(wal_writer, what_the_disk_does_not_take_is_rolled_back)
{
    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    failing = 1;
    cr_assert_neq(execute(db, "INSERT INTO t VALUES (2, 'two', 'b')"), SQLITE_OK);
    cr_assert_eq(number(db, "SELECT count(*) FROM t"), 1);
    change(other, "INSERT INTO t VALUES (3, 'three', 'c')");
    change(db, "INSERT INTO t VALUES (4, 'four', 'd')");
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 3);
    cr_assert(is_sound());
}

Test(wal_writer, the_log_is_copied_and_begun_anew)
{
    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    change(db, "PRAGMA wal_checkpoint(PASSIVE)");
    change(db, "INSERT INTO t VALUES (2, 'two', 'b')");
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 2);
    cr_assert(is_sound());
}

Test(wal_writer, a_log_that_was_left_behind_is_read)
{
    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(other, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(db);
    sqlite3_close(other);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
    cr_assert_eq(number(db, "SELECT count(*) FROM t"), 1);
    cr_assert(is_sound());
}
