/* Which journal files are brought to the disk, and when that is certain. */
#include "janitor.h"

#include <criterion/criterion.h>

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
    struct tel_janitor *janitor = tel_janitor_start(&dir);

    tel_janitor_sync(janitor, 20261123, 20261123);
    tel_janitor_stop(janitor);
    cr_expect_eq(syncs, 1);
    cr_expect_eq(synced, (off_t)sizeof "today");
}

/* However soon the next request follows. */
Test(janitor, the_day_before_is_not_forgotten_at_midnight)
{
    struct tel_janitor *janitor = tel_janitor_start(&dir);

    tel_janitor_sync(janitor, 20261122, 20261122);
    tel_janitor_sync(janitor, 20261123, 20261123);
    tel_janitor_stop(janitor);
    cr_expect_eq(syncs, 2);
    cr_expect_eq(synced, (off_t)sizeof "today");
}

Test(janitor, a_file_that_is_not_there_is_no_reason_to_stop)
{
    struct tel_janitor *janitor = tel_janitor_start(&dir);

    tel_janitor_sync(janitor, 20261121, 20261123);
    tel_janitor_stop(janitor);
    cr_expect_eq(syncs, 1);
    cr_expect_eq(synced, (off_t)sizeof "today");
}
