/* What the collector has to do, and when. */
#include "agenda.h"

#include <criterion/criterion.h>

#include "base/clock.h"

Test(agenda, nothing_is_due_at_first)
{
    struct tel_agenda agenda = {0};

    cr_expect_eq(tel_agenda_next_ns(&agenda), INT64_MAX);
    cr_expect_not(tel_agenda_has(&agenda, TEL_WORK_FOLD));
    cr_expect_not(tel_agenda_take(&agenda, TEL_WORK_FOLD, INT64_MAX));
}

Test(agenda, work_is_done_once_when_it_is_due)
{
    struct tel_agenda agenda = {0};

    tel_agenda_add_at(&agenda, TEL_WORK_FOLD, 100);
    cr_expect_not(tel_agenda_take(&agenda, TEL_WORK_FOLD, 99));
    cr_expect(tel_agenda_has(&agenda, TEL_WORK_FOLD));
    cr_expect(tel_agenda_take(&agenda, TEL_WORK_FOLD, 100));
    cr_expect_not(tel_agenda_has(&agenda, TEL_WORK_FOLD));
    cr_expect_not(tel_agenda_take(&agenda, TEL_WORK_FOLD, 100));
}

/* However often a busy machine asks for it. */
Test(agenda, asking_again_does_not_put_work_off)
{
    struct tel_agenda agenda = {0};

    tel_agenda_add_at(&agenda, TEL_WORK_SYNC, 100);
    tel_agenda_add_at(&agenda, TEL_WORK_SYNC, 200);
    cr_expect_eq(tel_agenda_next_ns(&agenda), 100);
    tel_agenda_add_at(&agenda, TEL_WORK_SYNC, 50);
    cr_expect_eq(tel_agenda_next_ns(&agenda), 50);
}

Test(agenda, the_first_work_of_all_comes_next)
{
    struct tel_agenda agenda = {0};

    tel_agenda_add_at(&agenda, TEL_WORK_ADOPT, 300);
    tel_agenda_add_at(&agenda, TEL_WORK_STARTS, 200);
    cr_expect_eq(tel_agenda_next_ns(&agenda), 200);
    tel_agenda_drop(&agenda, TEL_WORK_STARTS);
    cr_expect_eq(tel_agenda_next_ns(&agenda), 300);
}

Test(agenda, each_kind_has_a_delay)
{
    for (enum tel_work work = 0; work < TEL_WORKS; work++) {
        struct tel_agenda agenda = {0};
        const int64_t before = tel_clock_boottime_ns();

        tel_agenda_add(&agenda, work);
        cr_expect_gt(tel_agenda_delay_ns(work), 0, "%d", (int)work);
        cr_expect_geq(agenda.at[work], before + tel_agenda_delay_ns(work), "%d", (int)work);
        cr_expect_leq(agenda.at[work], tel_clock_boottime_ns() + tel_agenda_delay_ns(work), "%d",
                      (int)work);
    }
}
