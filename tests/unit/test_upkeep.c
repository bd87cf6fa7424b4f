/* The collector's work on journal and database, and on whose. */
#include "upkeep.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "support/places.h"
#include "support/support.h"
#include "wal_writer.h"

static struct tel_datadir dir;
static struct tel_claim claim;
static struct tel_agenda agenda;
static struct tel_upkeep upkeep;

static void set_up(void)
{
    struct tel_error err = {0};

    make_place(&dir, test_dir());
    cr_assert_eq(tel_datadir_prepare_run(&dir, NULL), 0);
    cr_assert_eq(tel_claim_take(&claim, &dir, &err), 0, "%s", err.message);
    tel_wal_writer_use(); /* as the collector does */
    upkeep = (struct tel_upkeep){.dir = &dir, .claim = &claim, .agenda = &agenda};
    cr_assert_eq(tel_upkeep_open(&upkeep, &err), 0, "%s", err.message);
}

static void tear_down(void)
{
    tel_upkeep_close(&upkeep, NULL);
    tel_claim_drop(&claim, &dir, true);
}

TestSuite(upkeep, .init = set_up, .fini = tear_down);

Test(upkeep, a_fold_is_followed_by_care)
{
    write_file(journal_path(dir.raw, this_date()), start_line("r1", 1), 0600);
    tel_agenda_add(&agenda, TEL_WORK_FOLD);
    cr_expect(tel_upkeep_fold(&upkeep, false));
    cr_expect_str_eq(sql_text(dir.base, "select run_id from agent_runs"), "r1");
    cr_expect_not(tel_agenda_has(&agenda, TEL_WORK_FOLD));
    cr_expect(tel_agenda_has(&agenda, TEL_WORK_CARE));
    cr_expect_not(tel_agenda_has(&agenda, TEL_WORK_RETRY));
}

Test(upkeep, a_fold_that_fails_is_tried_again)
{
    write_file(journal_path(dir.raw, this_date()), start_line("r1", 1), 0600);
    write_file(text("%s/db", dir.base), "in the way", 0600);
    cr_expect_not(tel_upkeep_fold(&upkeep, false));
    cr_expect(tel_agenda_has(&agenda, TEL_WORK_RETRY));
    cr_expect_not(upkeep.is_lost);
}

/* Its files have gone with it: they must not come back to life in the new one. */
Test(upkeep, a_directory_that_was_made_again_is_anothers)
{
    char path[TEL_PATH_MAX];

    cr_expect(tel_upkeep_is_ours(&upkeep));
    cr_assert_eq(tel_run_path(path, &dir, TEL_LOCK_SUFFIX), 0);
    cr_assert_eq(rename(path, text("%s.old", path)), 0);
    write_file(path, "", 0600);
    write_file(journal_path(dir.raw, this_date()), start_line("r1", 1), 0600);
    cr_expect_not(tel_upkeep_fold(&upkeep, true));
    cr_expect(upkeep.is_lost);
    cr_expect_null(tel_upkeep_store(&upkeep));
    cr_expect_null(sql_text(dir.base, "select run_id from agent_runs"));
    cr_expect_not(tel_agenda_has(&agenda, TEL_WORK_RETRY));
}

Test(upkeep, what_was_written_is_synced_soon)
{
    tel_upkeep_note_written(&upkeep);
    cr_expect(tel_agenda_has(&agenda, TEL_WORK_SYNC));
}

/* --- the write-ahead log ------------------------------------------------------------------------- */

static const int64_t quiet_ns = INT64_C(60000000000);

static uint64_t wal_bytes(void)
{
    return tel_store_wal_bytes(tel_upkeep_store(&upkeep));
}

static void fold_runs(int count)
{
    static int next;
    FILE *journal = fopen(journal_path(dir.raw, this_date()), "ae");

    cr_assert_not_null(journal);
    for (int i = 0; i < count; i++, next++)
        fputs(start_line(text("r%d", next), next), journal);
    fclose(journal);
    cr_assert(tel_upkeep_fold(&upkeep, false));
}

static bool is_cared_for(void *arg)
{
    (void)arg;
    tel_upkeep_care(&upkeep, quiet_ns);
    return wal_bytes() < 64 * 1024;
}

Test(upkeep, a_log_is_left_alone_while_there_is_something_to_do)
{
    uint64_t before;

    fold_runs(2000);
    before = wal_bytes();
    cr_assert_gt(before, 256 * 1024);
    tel_agenda_drop(&agenda, TEL_WORK_CARE);
    tel_upkeep_care(&upkeep, 0);
    cr_expect_eq(wal_bytes(), before);
    cr_expect_null(upkeep.copier);
    cr_expect(tel_agenda_has(&agenda, TEL_WORK_CARE), "it is looked at again");
}

/* No host waits for the disk. */
Test(upkeep, a_log_is_copied_by_the_copier)
{
    uint64_t before;

    fold_runs(2000);
    before = wal_bytes();
    tel_agenda_drop(&agenda, TEL_WORK_CARE);
    tel_upkeep_care(&upkeep, quiet_ns);
    cr_assert_not_null(upkeep.copier);
    cr_expect_eq(wal_bytes(), before, "it has been asked, and nothing else has been done");
    cr_expect(tel_agenda_has(&agenda, TEL_WORK_CARE), "it is looked whether it is done");
    cr_expect(wait_until(is_cared_for, NULL, 20000));
    cr_expect_str_eq(sql_text(dir.base, "SELECT count FROM fold_prime"), "1");
    cr_expect_str_eq(sql_text(dir.base, "SELECT count(*) FROM agent_runs"), "2000");
    cr_expect_str_eq(sql_text(dir.base, "PRAGMA integrity_check"), "ok");
}

/* What comes while the copier is at work is copied, too; and the next log as this one. */
Test(upkeep, a_log_that_goes_on_growing_is_copied_nevertheless)
{
    for (int i = 0; i < 3; i++) {
        fold_runs(2000);
        tel_upkeep_care(&upkeep, quiet_ns);
        for (int k = 0; k < 50; k++)
            fold_runs(1);
        cr_expect(wait_until(is_cared_for, NULL, 20000), "%d", i);
    }
    cr_expect_str_eq(sql_text(dir.base, "SELECT count(*) FROM agent_runs"), "6150");
    cr_expect_str_eq(sql_text(dir.base, "PRAGMA integrity_check"), "ok");
}

static bool is_put_off(void *arg)
{
    (void)arg;
    tel_agenda_drop(&agenda, TEL_WORK_CARE);
    tel_upkeep_care(&upkeep, 0);
    return agenda.at[TEL_WORK_CARE] > tel_clock_boottime_ns() + 100 * INT64_C(1000000);
}

/* Then it is tried again, but not without a pause. */
Test(upkeep, a_reader_is_in_the_way)
{
    sqlite3 *reader;

    fold_runs(2000);
    cr_assert_eq(sqlite3_open(dir.db, &reader), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(reader, "BEGIN; SELECT * FROM agent_runs", NULL, NULL, NULL),
                 SQLITE_OK);
    fold_runs(10);
    tel_upkeep_care(&upkeep, quiet_ns);
    cr_expect(wait_until(is_put_off, NULL, 20000));
    tel_upkeep_care(&upkeep, quiet_ns);
    cr_expect_eq(tel_janitor_take_copy(upkeep.copier), TEL_COPY_NONE, "not at once");
    cr_expect_gt(wal_bytes(), 256 * 1024);
    fold_runs(10);
    sqlite3_close(reader);
    cr_expect(wait_until(is_cared_for, NULL, 20000));
    cr_expect_str_eq(sql_text(dir.base, "SELECT count(*) FROM agent_runs"), "2020");
}

/* --- room in it ---------------------------------------------------------------------------------- */

static off_t size_of_log(void)
{
    struct stat st;

    return stat(text("%s-wal", dir.db), &st) == 0 ? st.st_size : 0;
}

Test(upkeep, room_is_made_after_a_commit)
{
    off_t size;

    fold_runs(1);
    cr_expect(tel_agenda_has(&agenda, TEL_WORK_ROOM));
    size = size_of_log();
    tel_upkeep_make_room(&upkeep);
    cr_expect_gt(size_of_log(), size + 256 * 1024);
    size = size_of_log();
    tel_upkeep_make_room(&upkeep);
    cr_expect_eq(size_of_log(), size, "there is enough");
    tel_agenda_drop(&agenda, TEL_WORK_ROOM);
    cr_expect(tel_upkeep_fold(&upkeep, false));
    cr_expect_not(tel_agenda_has(&agenda, TEL_WORK_ROOM), "nothing was committed");
}

Test(upkeep, room_is_not_waited_for)
{
    sqlite3 *other;

    fold_runs(1);
    cr_assert_eq(sqlite3_open(dir.db, &other), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    tel_upkeep_make_room(&upkeep);
    cr_expect_lt(size_of_log(), 256 * 1024);
    sqlite3_close(other);
    tel_upkeep_make_room(&upkeep);
    cr_expect_gt(size_of_log(), 256 * 1024);
}

Test(upkeep, no_room_in_a_database_that_is_not_open)
{
    tel_upkeep_make_room(&upkeep);
    cr_expect_not(file_exists(dir.db));
}
