/* Start lines of session leaders that may yet execute something. */
#include "pending.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "base/runid.h"

static struct tel_pending *pending;
static char released[256];

static void set_up(void)
{
    pending = tel_pending_new();
    cr_assert_not_null(pending);
}

static void tear_down(void)
{
    tel_pending_free(pending);
}

TestSuite(pending, .init = set_up, .fini = tear_down);

static void note(void *arg, struct tel_str line)
{
    (void)arg;
    strncat(released, line.ptr, line.len);
}

static void add(const char *run_id, const char *line, uint64_t process, int64_t due)
{
    cr_assert(tel_pending_add(pending, tel_str_from(run_id), tel_str_from(line), process, due));
}

static const char *release(int64_t now)
{
    released[0] = '\0';
    tel_pending_release(pending, now, note, NULL);
    return released;
}

Test(pending, kept_until_due)
{
    cr_expect_eq(tel_pending_due(pending), 0);
    add("a", "A", 1, 100);
    add("b", "B", 2, 200);
    cr_expect_eq(tel_pending_due(pending), 100);
    cr_expect_str_eq(release(99), "");
    cr_expect(tel_pending_has(pending, TEL_STR("a")));
    cr_expect_str_eq(release(100), "A");
    cr_expect_not(tel_pending_has(pending, TEL_STR("a")));
    cr_expect(tel_pending_has(pending, TEL_STR("b")));
    cr_expect_eq(tel_pending_due(pending), 200);
    cr_expect_str_eq(release(INT64_MAX), "B");
    cr_expect_eq(tel_pending_due(pending), 0);
}

Test(pending, replaced_by_what_the_process_executes)
{
    char run_id[TEL_RUN_ID_MAX];

    add("a", "A", 1, 100);
    add("b", "B", 2, 100);
    cr_assert(tel_pending_take_process(pending, 2, run_id));
    cr_expect_str_eq(run_id, "b");
    cr_expect_not(tel_pending_take_process(pending, 2, run_id));
    cr_expect_str_eq(release(100), "A");
}

Test(pending, an_unknown_process_is_nobodys)
{
    char run_id[TEL_RUN_ID_MAX];

    add("a", "A", 0, 100);
    cr_expect_not(tel_pending_take_process(pending, 0, run_id));
    cr_expect_str_eq(release(100), "A");
}

Test(pending, handed_on_to_a_child)
{
    char run_id[TEL_RUN_ID_MAX];

    add("a", "old", 1, 100);
    add("a", "new", 2, 150);
    cr_expect_not(tel_pending_take_process(pending, 1, run_id));
    cr_expect_str_eq(release(120), "");
    cr_expect_str_eq(release(150), "new");
}

Test(pending, one_run_at_a_time)
{
    add("a", "A", 1, 100);
    add("b", "B", 2, 100);
    released[0] = '\0';
    tel_pending_release_run(pending, TEL_STR("b"), note, NULL);
    tel_pending_release_run(pending, TEL_STR("c"), note, NULL);
    cr_expect_str_eq(released, "B");
    cr_expect_str_eq(release(100), "A");
}

Test(pending, an_id_that_is_none)
{
    char id[TEL_RUN_ID_MAX];

    memset(id, 'x', sizeof id);
    cr_expect_not(
        tel_pending_add(pending, (struct tel_str){id, sizeof id}, TEL_STR("line"), 1, 100));
    cr_expect_eq(tel_pending_due(pending), 0);
}
