/* Which lines of a stretch of journal are left for the database. */
#include "batch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/places.h"
#include "support/support.h"

static struct tel_batch batch;
static struct tel_error err;

static void free_batch(void)
{
    tel_batch_free(&batch);
}

TestSuite(batch, .fini = free_batch);

static void read_lines(const char *lines)
{
    cr_assert_eq(tel_batch_read(&batch, tel_str_from(lines), 20261122, 1000, &err), 0);
}

/* The ids and statuses of what is left. */
static const char *left(void)
{
    const char *out = "";

    for (size_t i = 0; i < batch.count; i++) {
        const struct tel_str *run = batch.lines[i].line.run;

        out =
            text("%s%.*s:%.*s ", out, (int)run[TEL_RUN_RUN_ID].len - 2, run[TEL_RUN_RUN_ID].ptr + 1,
                 (int)run[TEL_RUN_STATUS].len - 2, run[TEL_RUN_STATUS].ptr + 1);
    }
    return out;
}

static const char *ended(const char *run_id)
{
    return changed_line(start_line(run_id, 1), "status", "\"success\"", NULL);
}

Test(batch, an_end_takes_its_starts_place)
{
    read_lines(text("%s%s%s", start_line("a", 1), start_line("b", 1), ended("a")));
    cr_expect_str_eq(left(), "a:success b:running ");
    cr_expect_eq(batch.lines[0].pos.date, 20261122);
    cr_expect_eq(batch.lines[0].pos.offset, 1000 + 2 * strlen(start_line("a", 1)));
    cr_expect_eq(batch.lines[0].pos.length, strlen(ended("a")));
    cr_expect_eq(batch.counts.runs, 3);
    cr_expect_eq(batch.counts.lines, 3);
}

Test(batch, what_the_store_has_to_decide_is_left_to_it)
{
    const char *posted = changed_line(ended("a"), "api_posted", "true", NULL);
    const char *retried = changed_line(ended("b"), "api_retry_count", "1", NULL);

    read_lines(text("%s%s", ended("x"), start_line("x", 1)));
    cr_expect_str_eq(left(), "x:success x:running ");
    read_lines(text("%s%s%s%s", posted, ended("a"), retried, ended("b")));
    cr_expect_eq(batch.count, 4);
    read_lines(text("%s{\"run_id\": \"a\", \"agent_name\": \"a\", \"start_time\": \"s\", "
                    "\"status\": \"partial\"}\n",
                    ended("a")));
    cr_expect_str_eq(left(), "a:success a:partial ");
    read_lines(text("%s{\"run_id\": \"a\", \"agent_name\": \"a\", \"start_time\": \"s\", "
                    "\"status\": \"partial\", \"process\": null}\n",
                    ended("a")));
    cr_expect_str_eq(left(), "a:success a:partial ", "an empty object tells nothing either");
}

Test(batch, a_bad_line_takes_nobodys_place)
{
    read_lines(
        text("%s{\"run_id\": \"a\", \"agent_name\": \"x\"}\n%.50s\n\n", ended("a"), ended("a")));
    cr_expect_str_eq(left(), "a:success ");
    cr_expect_eq(batch.counts.bad, 2);
    cr_expect_eq(batch.counts.lines, 3);
}

Test(batch, a_line_behind_a_torn_one_is_read)
{
    const char *const torn = text("%.50s", start_line("b", 1));

    read_lines(text("%s%s%s", start_line("a", 1), torn, ended("a")));
    cr_expect_str_eq(left(), "a:success ");
    cr_expect_eq(batch.lines[0].pos.offset, 1000 + strlen(start_line("a", 1)) + strlen(torn));
    cr_expect_eq(batch.lines[0].pos.length, strlen(ended("a")));
    cr_expect_eq(batch.counts.runs, 2);
    cr_expect_eq(batch.counts.bad, 1);
    cr_expect_eq(batch.counts.lines, 3);
}

Test(batch, it_is_emptied_before_it_is_filled)
{
    read_lines(ended("a"));
    read_lines(start_line("a", 1));
    cr_expect_str_eq(left(), "a:running ");
    read_lines("");
    cr_expect_eq(batch.count, 0);
    cr_expect_eq(batch.counts.bytes, 0);
}

Test(batch, there_is_only_so_much_room)
{
    enum { LINES = 6000 };
    static char lines[LINES * 80];
    size_t len = 0;
    size_t first;

    for (int i = 0; i < LINES; i++)
        len += (size_t)snprintf(lines + len, sizeof lines - len,
                                "{\"run_id\": \"%d\", \"agent_name\": \"a\", \"start_time\": "
                                "\"s\"}\n",
                                i);
    read_lines(lines);
    first = batch.count;
    cr_expect(first > 1000 && first < LINES);
    cr_expect_eq(lines[batch.counts.bytes - 1], '\n');
    read_lines(lines + batch.counts.bytes);
    cr_expect_eq(first + batch.count, LINES);
}
