/* What became of posting a run, as its last line says it. */
#include "post/record.h"

#include <criterion/criterion.h>
#include <string.h>

#include "mailbox.h"
#include "support/places.h"
#include "support/support.h"

#define RUN "run-1"

static struct tel_datadir dir;

static const char *ended_line(void)
{
    return changed_line(start_line(RUN, 1), "status", "\"success\"", "post", "true", NULL);
}

static struct tel_runline parsed(const char *line)
{
    struct tel_runline out;

    cr_assert_eq(tel_runline_parse(tel_str_from(line), &out), TEL_LINE_RUN);
    return out;
}

static int record_at(const struct tel_journal_pos *line, const struct tel_post_result *result)
{
    struct tel_journal_writer writer = {
        .raw = dir.raw, .file_mode = dir.file_mode, .max_size = UINT64_MAX};
    struct tel_post_run run = {TEL_STR(RUN), *line, {line->date, 0, line->offset + line->length}};

    return tel_post_record(&writer, &dir, &run, result, NULL);
}

static const char *record(const char *line, const struct tel_post_result *result)
{
    struct tel_journal_pos pos;

    make_place(&dir, test_dir());
    pos = write_line_to(&dir, 20260101, line);
    cr_assert_eq(record_at(&pos, result), 0);
    return last_line_of(journal_text(test_dir()));
}

Test(post_record, posted)
{
    const char *line = record(ended_line(), &(struct tel_post_result){.outcome = TEL_POST_DONE,
                                                                      .retries = 2,
                                                                      .now_ns = 1795399421639000000,
                                                                      .why = "HTTP 200"});

    cr_expect_str_eq(field_of(line, "api_posted"), "true");
    cr_expect_str_eq(field_of(line, "api_posted_at"), "\"2026-11-23T02:03:41.639000+00:00\"");
    cr_expect_str_eq(field_of(line, "api_retry_count"), "2");
    cr_expect_str_eq(field_of(line, "post"), "true", "that it was wanted is still so");
    cr_expect_str_eq(field_of(line, "post_error"), "null");
    cr_expect_str_eq(field_of(line, "status"), "\"success\"");
    cr_expect_str_eq(field_of(line, "start_boot_ns"), "1", "the rest is as it was");
    cr_expect(file_exists(journal_path(dir.raw, 20261123)), "in the file of that day");
}

Test(post_record, put_off)
{
    const char *line =
        record(ended_line(), &(struct tel_post_result){.outcome = TEL_POST_LATER,
                                                       .retries = 3,
                                                       .now_ns = 1795399421639000000,
                                                       .after_ns = 1795399431639000000});

    cr_expect_str_eq(field_of(line, "api_posted"), "false");
    cr_expect_str_eq(field_of(line, "api_retry_count"), "3");
    cr_expect_str_eq(field_of(line, "post_after"), "\"2026-11-23T02:03:51.639000+00:00\"");
    /* And posted after all. */
    line = record(line, &(struct tel_post_result){
                            .outcome = TEL_POST_DONE, .retries = 4, .now_ns = 1795399441639000000});
    cr_expect_str_eq(field_of(line, "api_posted"), "true");
    cr_expect_str_eq(field_of(line, "post_after"), "null");
}

Test(post_record, refused)
{
    const char *line = record(ended_line(), &(struct tel_post_result){.outcome = TEL_POST_REFUSED,
                                                                      .now_ns = 1795399421639000000,
                                                                      .why = "HTTP 404"});

    cr_expect_str_eq(field_of(line, "api_posted"), "false");
    cr_expect_str_eq(field_of(line, "post_error"), "\"HTTP 404\"");
    cr_expect_str_eq(field_of(line, "api_retry_count"), "0");
}

/* No line of a run goes to an older day's file than its previous one. */
Test(post_record, after_the_clock_was_set_back)
{
    const struct tel_post_result result = {.outcome = TEL_POST_DONE, .now_ns = 1795399421639000000};
    struct tel_journal_pos pos;

    make_place(&dir, test_dir());
    pos = write_line_to(&dir, 20270101, ended_line());
    cr_assert_eq(record_at(&pos, &result), 0);
    cr_expect_not(file_exists(journal_path(dir.raw, 20261123)));
    cr_expect_eq(count_of(read_file(journal_path(dir.raw, 20270101)), "\n"), 2);
}

/* What came while it was being posted: the last line is the whole truth. */
Test(post_record, a_later_line_is_kept)
{
    const struct tel_post_result result = {.outcome = TEL_POST_DONE, .now_ns = 1795399421639000000};
    struct tel_journal_pos pos;
    const char *line;

    make_place(&dir, test_dir());
    pos = write_line(&dir, ended_line());
    write_line(&dir, changed_line(start_line("run-2", 1), "items_failed", "9", NULL));
    write_line(&dir, changed_line(ended_line(), "items_failed", "5", NULL));
    cr_assert_eq(record_at(&pos, &result), 0);
    line = last_line_of(journal_text(test_dir()));
    cr_expect_str_eq(field_of(line, "items_failed"), "5");
    cr_expect_str_eq(field_of(line, "api_posted"), "true");
}

/* In the middle of a line, when that was just being written. */
Test(post_record, the_line_that_was_being_written_is_found)
{
    struct tel_journal_pos pos;
    struct tel_post_run run = {.run_id = TEL_STR(RUN)};

    make_place(&dir, test_dir());
    run.line = write_line(&dir, ended_line());
    pos = write_line(&dir, changed_line(ended_line(), "items_failed", "5", NULL));
    run.seen = (struct tel_journal_pos){pos.date, 0, pos.offset + 10};
    cr_assert_eq(tel_post_locate(&dir, &run, NULL), 0);
    cr_expect_eq(run.line.offset, pos.offset);
    cr_expect_eq(run.line.length, pos.length);
}

/* Who does it makes a line of the last one as well. */
Test(post_record, not_while_a_mailbox_is_being_taken_in)
{
    const struct tel_post_result result = {.outcome = TEL_POST_DONE, .now_ns = 1795399421639000000};
    struct tel_mailbox box;
    struct tel_journal_pos pos;

    make_place(&dir, test_dir());
    pos = write_line(&dir, ended_line());
    cr_assert_eq(tel_mailbox_open(&box, &dir, TEL_STR(RUN), TEL_MAILBOX_END, 0, NULL), 0);
    cr_expect_eq(record_at(&pos, &result), TEL_ERR_BUSY);
    tel_mailbox_close(&box);
    cr_expect_eq(record_at(&pos, &result), 0);
}

Test(post_record, a_run_that_was_deleted_meanwhile)
{
    const struct tel_post_result result = {.outcome = TEL_POST_DONE, .now_ns = 1795399421639000000};
    struct tel_journal_pos pos;

    make_place(&dir, test_dir());
    pos = write_line(&dir, ended_line());
    write_file(journal_path(dir.raw, pos.date), "{}\n", 0600);
    cr_expect_eq(record_at(&pos, &result), TEL_ERR_NOT_FOUND);
}

/* A line of an earlier version has fewer keys than the one that is written. */
Test(post_record, a_short_line_grows)
{
    const char *line =
        record("{\"run_id\": \"" RUN "\", \"agent_name\": \"a\", \"start_time\": "
               "\"2026-11-22T10:00:00.000000+00:00\", \"status\": \"success\", "
               "\"record_type\": \"run\", \"process\": {\"post\": true}}\n",
               &(struct tel_post_result){.outcome = TEL_POST_DONE, .now_ns = 1795399421639000000});

    cr_expect_str_eq(field_of(line, "api_posted"), "true");
}

Test(post_record, which_runs_are_posted)
{
    struct tel_runline line = parsed(ended_line());

    cr_expect_null(tel_post_objection(&line));
    line = parsed(changed_line(ended_line(), "post", "null", NULL));
    cr_expect_not_null(tel_post_objection(&line));
    line = parsed(changed_line(ended_line(), "post", "false", NULL));
    cr_expect_not_null(tel_post_objection(&line));
    line = parsed(changed_line(ended_line(), "status", "\"running\"", NULL));
    cr_expect_not_null(tel_post_objection(&line));
    line = parsed(changed_line(ended_line(), "api_posted", "true", NULL));
    cr_expect_not_null(tel_post_objection(&line));
    line = parsed(changed_line(ended_line(), "post_error", "\"HTTP 404\"", NULL));
    cr_expect_not_null(tel_post_objection(&line));
}
