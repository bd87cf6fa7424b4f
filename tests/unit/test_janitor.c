/* Which journal files are brought to the disk, and when that is certain. */
#include "janitor.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "store.h"
#include "support/places.h"
#include "support/support.h"
#include "support/syncs.h"

static struct tel_datadir dir;

static void set_up(void)
{
    make_place(&dir, test_dir());
    write_file(journal_path(dir.raw, 20261122), "yesterday\n", 0600);
    write_file(journal_path(dir.raw, 20261123), "today\n", 0600);
}

TestSuite(janitor, .init = set_up);

Test(janitor, one_day)
{
    struct tel_janitor *janitor = tel_janitor_start(&dir, 10);

    tel_janitor_sync(janitor, 20261123, 20261123);
    tel_janitor_stop(janitor);
    cr_expect_eq(syncs, 1);
    cr_expect_eq(synced, (off_t)sizeof "today");
}

/* However soon the next request follows. */
Test(janitor, the_day_before_is_not_forgotten_at_midnight)
{
    struct tel_janitor *janitor = tel_janitor_start(&dir, 10);

    tel_janitor_sync(janitor, 20261122, 20261122);
    tel_janitor_sync(janitor, 20261123, 20261123);
    tel_janitor_stop(janitor);
    cr_expect_eq(syncs, 2);
    cr_expect_eq(synced, (off_t)sizeof "today");
}

Test(janitor, a_file_that_is_not_there_is_no_reason_to_stop)
{
    struct tel_janitor *janitor = tel_janitor_start(&dir, 10);

    tel_janitor_sync(janitor, 20261121, 20261123);
    tel_janitor_stop(janitor);
    cr_expect_eq(syncs, 1);
    cr_expect_eq(synced, (off_t)sizeof "today");
}

static enum tel_copy copied;

static bool is_done(void *janitor)
{
    copied = tel_janitor_take_copy(janitor);
    return copied != TEL_COPY_BUSY;
}

/* What a copy of the database's file holds, without its log. */
static const char *in_the_file(const char *sql)
{
    const char *base = text("%s/copy", test_dir());

    run(LIST("mkdir", "-p", text("%s/db", base)), NULL);
    run(LIST("cp", dir.db, text("%s/db/telemetry.sqlite", base)), NULL);
    return sql_text(base, sql);
}

static void commit(struct tel_store *store, uint64_t offset)
{
    const struct tel_cursor cursor = {.date = 20261123, .offset = offset};
    struct tel_error err = {0};

    cr_assert_eq(tel_store_begin(store, &err), 0, "%s", err.message);
    cr_assert_eq(tel_store_cursor_put(store, &cursor, &err), 0, "%s", err.message);
    cr_assert_eq(tel_store_commit(store, &err), 0, "%s", err.message);
}

Test(janitor, the_log_is_copied_and_begins_anew)
{
    struct tel_janitor *janitor = tel_janitor_start(&dir, 10);
    struct tel_store *store;
    struct tel_error err = {0};

    cr_expect_eq(tel_janitor_take_copy(janitor), TEL_COPY_NONE);
    cr_assert_eq(tel_store_open(&store, &dir, 1000, NULL, &err), 0, "%s", err.message);
    commit(store, 77);
    cr_expect_null(in_the_file("SELECT offset FROM fold_cursor"));
    tel_janitor_copy_wal(janitor, TEL_WAL_KEEP);
    cr_expect(wait_until(is_done, janitor, 20000));
    cr_expect_eq(copied, TEL_COPY_WHOLE);
    cr_expect_eq(tel_janitor_take_copy(janitor), TEL_COPY_NONE, "it is told once");
    cr_expect_str_eq(in_the_file("SELECT offset FROM fold_cursor"), "77");
    cr_expect_str_eq(sql_text(dir.base, "SELECT count FROM fold_prime"), "1");
    tel_store_note_new_wal(store);
    cr_expect_eq(tel_store_wal_bytes(store), 0);
    commit(store, 78);
    cr_expect_gt(tel_store_wal_bytes(store), 0);
    cr_expect_str_eq(sql_text(dir.base, "SELECT offset FROM fold_cursor"), "78");
    tel_janitor_stop(janitor);
    tel_store_close(store);
}

Test(janitor, no_log_to_copy)
{
    struct tel_janitor *janitor = tel_janitor_start(&dir, 10);

    tel_janitor_copy_wal(janitor, TEL_WAL_KEEP);
    cr_expect(wait_until(is_done, janitor, 20000));
    cr_expect_eq(copied, TEL_COPY_PART);
    cr_expect_not(file_exists(dir.db));
    tel_janitor_stop(janitor);
    cr_expect_eq(tel_janitor_take_copy(NULL), TEL_COPY_NONE);
}
