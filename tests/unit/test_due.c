/* Which runs are to be posted, by what the fold made of their lines. */
#include "due.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "fold.h"
#include "support/places.h"
#include "support/support.h"
#include "support/view.h"

static struct tel_datadir dir;
static struct tel_fold *fold;

/* 2026-11-22T12:00:00Z */
#define NOON INT64_C(1795348800000000000)

static void set_up(void)
{
    make_place(&dir, test_dir());
    cr_assert_eq(tel_fold_open(&fold, &dir, 1000, NULL), 0);
}

static void tear_down(void)
{
    tel_fold_close(fold);
}

TestSuite(due, .init = set_up, .fini = tear_down);

static const char *ended(const char *run_id, const char *post)
{
    return changed_line(start_line(run_id, 1), "status", "\"success\"", "post", post, NULL);
}

static void fold_lines(const char *lines)
{
    struct tel_error err = {0};

    write_file(journal_path(dir.raw, this_date()), lines, 0600);
    cr_assert_eq(tel_fold_pass(fold, true, NULL, &err), 0, "%s", err.message);
}

static struct tel_due_filter at_noon(void)
{
    return (struct tel_due_filter){.now_ns = NOON, .uid = (int64_t)dir.uid};
}

static int note(void *arg, const struct tel_due *due)
{
    const char **list = arg;

    *list = text("%s%s:%u ", *list, view_text(due->run_id), due->retries);
    return 0;
}

/* "id:retries " of each. */
static const char *due_by(const struct tel_due_filter *filter)
{
    const char *list = "";
    struct tel_error err = {0};

    cr_assert_eq(tel_store_each_due(tel_fold_store(fold, NULL), filter, note, &list, &err), 0, "%s",
                 err.message);
    return list;
}

static const char *due_now(void)
{
    const struct tel_due_filter filter = at_noon();

    return due_by(&filter);
}

Test(due, only_what_has_ended_and_wants_it)
{
    fold_lines(text("%s%s%s%s", ended("a", "true"), ended("b", "null"), ended("c", "false"),
                    changed_line(start_line("d", 1), "post", "true", NULL)));
    cr_expect_str_eq(due_now(), "a:0 ");
}

Test(due, nothing_of_foreign_runs)
{
    fold_lines(
        "{\"run_id\": \"p\", \"agent_name\": \"python\", \"start_time\": "
        "\"2026-11-22T10:00:00.000000+00:00\", \"status\": \"success\", \"api_posted\": false, "
        "\"record_type\": \"run\"}\n");
    cr_expect_str_eq(due_now(), "");
}

Test(due, nothing_of_other_users)
{
    fold_lines(changed_line(ended("a", "true"), "uid", text("%u", (unsigned)dir.uid + 1), NULL));
    cr_expect_str_eq(due_now(), "");
}

Test(due, what_is_done_is_done)
{
    const char *a = ended("a", "true");
    const char *b = ended("b", "true");

    fold_lines(text("%s%s%s%s", a, b, changed_line(a, "api_posted", "true", NULL),
                    changed_line(b, "post_error", "\"HTTP 404\"", NULL)));
    cr_expect_str_eq(due_now(), "");
    cr_expect_str_eq(sql_text(test_dir(), "SELECT group_concat(post) FROM run_process"), "0,0");
}

/* A settled ending that did not know of the post yet: what the line says is older than the row. */
Test(due, a_late_line_posts_nothing_again)
{
    const char *a = ended("a", "true");

    fold_lines(text("%s%s%s", a, changed_line(a, "api_posted", "true", NULL), a));
    cr_expect_str_eq(due_now(), "");
}

Test(due, later_and_how_often)
{
    const char *failed = changed_line(ended("x", "true"), "api_retry_count", "3", NULL);
    const char *soon = "\"2026-11-22T12:10:00.000000+00:00\"";
    struct tel_due_filter filter = at_noon();

    fold_lines(
        text("%s%s%s", changed_line(failed, "run_id", "\"a\"", "post_after", soon, NULL),
             changed_line(failed, "run_id", "\"b\"", "post_after",
                          "\"2026-11-22T11:00:00.000000+00:00\"", "api_retry_count", "4", NULL),
             changed_line(failed, "run_id", "\"c\"", "api_retry_count", "0", "post_after",
                          "\"2026-11-22T12:20:00.000000+00:00\"", NULL)));
    cr_expect_str_eq(due_by(&filter), "b:5 ");
    filter.impatient = true;
    cr_expect_str_eq(due_by(&filter), "b:5 a:4 ", "c waits because the server said so");
    filter.all = true;
    cr_expect_str_eq(due_by(&filter), "b:5 a:4 c:1 ");
}

Test(due, when_the_next_one_is)
{
    const struct tel_due_filter filter = at_noon();
    int64_t next_ns = 1;
    struct tel_store *store;

    fold_lines(ended("a", "true"));
    store = tel_fold_store(fold, NULL);
    cr_assert_eq(tel_store_next_due(store, &filter, &next_ns, NULL), 0);
    cr_expect_eq(next_ns, 0, "it is due already");
    fold_lines(changed_line(ended("a", "true"), "post_after",
                            "\"2026-11-22T12:10:00.000000+00:00\"", NULL));
    cr_assert_eq(tel_store_next_due(tel_fold_store(fold, NULL), &filter, &next_ns, NULL), 0);
    cr_expect_eq(next_ns, NOON + INT64_C(600000000000));
}

/* However many runs there are: the index holds those that are to be posted. */
Test(due, found_by_the_index)
{
    fold_lines(ended("a", "true"));
    cr_expect_neq(strstr(sql_text(test_dir(),
                                  "SELECT sql FROM sqlite_schema WHERE name = 'idx_process_post'"),
                         "WHERE post = 1"),
                  NULL);
}

static int note_scope(void *arg, const struct tel_due *due)
{
    const char **list = arg;

    *list = text("%s%s:%d ", *list, view_text(due->run_id), due->scope);
    return 0;
}

Test(due, sections_of_a_process)
{
    const struct tel_due_filter filter = at_noon();
    const char *list = "";

    fold_lines(
        text("%s%s", ended("a", "true"), changed_line(ended("b", "true"), "scope", "true", NULL)));
    cr_assert_eq(tel_store_each_due(tel_fold_store(fold, NULL), &filter, note_scope, &list, NULL),
                 0);
    cr_expect_str_eq(list, "a:0 b:1 ");
}
