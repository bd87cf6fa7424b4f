/* Commits that reach the log in one piece: what other connections find, and what becomes of those that
 * the disk does not take. SQLite's own table of system calls counts its writes, and lets them fail. */
#include "wal_writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
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

/* --- room in the log ----------------------------------------------------------------------------- */

static long log_size(void)
{
    struct stat st;

    return stat(text("%s-wal", path), &st) == 0 ? (long)st.st_size : 0;
}

static void make_room(void)
{
    change(db, "BEGIN IMMEDIATE");
    tel_wal_writer_extend(db);
    change(db, "ROLLBACK");
}

Test(wal_writer, commits_find_room)
{
    long size;

    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    cr_expect(tel_wal_writer_is_short(db));
    make_room();
    cr_expect_not(tel_wal_writer_is_short(db));
    size = log_size();
    cr_expect_gt(size, 512 * 1024);
    change(db, "INSERT INTO t VALUES (2, 'two', 'b')");
    change(other, "INSERT INTO t VALUES (3, 'three', 'c')");
    change(db, "INSERT INTO t VALUES (4, 'four', 'd')");
    cr_expect_eq(log_size(), size, "all of them");
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 4);
    cr_assert(is_sound());
}

Test(wal_writer, room_is_made_when_little_is_left)
{
    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    make_room();
    for (int i = 2; !tel_wal_writer_is_short(db); i++) {
        cr_assert_lt(i, 1000);
        change(db, text("INSERT INTO t VALUES (%d, 'word %d', 'b')", i, i));
    }
    cr_expect_gt(log_size(), 512 * 1024, "it is not used up then");
    make_room();
    cr_expect_not(tel_wal_writer_is_short(db));
    cr_assert(is_sound());
}

/* Another program has cut it off. Where it goes on is known with the next commit. */
Test(wal_writer, no_room_in_a_log_that_has_begun_anew)
{
    change(db, "INSERT INTO t VALUES (1, 'one', randomblob(100000))");
    make_room();
    change(other, "PRAGMA wal_checkpoint(TRUNCATE)");
    cr_assert_eq(log_size(), 0);
    cr_expect_not(tel_wal_writer_is_short(db));
    make_room();
    cr_expect_eq(log_size(), 0);
    change(db, "INSERT INTO t VALUES (2, 'two', 'b')");
    cr_expect(tel_wal_writer_is_short(db));
    make_room();
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 2);
    cr_assert(is_sound());
}

/* As after a crash: whoever reads the log next finds zeros behind its frames. */
Test(wal_writer, room_is_not_taken_for_frames)
{
    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    make_room();
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_db_config(other, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(db);
    sqlite3_close(other);
    unlink(text("%s-shm", path));
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 1);
    change(other, "INSERT INTO t VALUES (2, 'two', 'b')");
    cr_assert_eq(number(db, "SELECT count(*) FROM t"), 2);
    cr_assert(is_sound());
}

Test(wal_writer, no_room_on_the_disk)
{
    change(db, "INSERT INTO t VALUES (1, 'one', 'a')");
    failing = 1;
    make_room();
    cr_expect(tel_wal_writer_is_short(db));
    change(db, "INSERT INTO t VALUES (2, 'two', 'b')");
    cr_assert_eq(number(other, "SELECT count(*) FROM t"), 2);
    cr_assert(is_sound());
}

Test(wal_writer, room_in_logs_of_ones_own_only)
{
    change(other, "INSERT INTO t VALUES (1, 'one', 'a')");
    cr_expect_not(tel_wal_writer_is_short(other), "it does not know where its log ends");
    tel_wal_writer_extend(other);
    cr_assert(is_sound());
}
