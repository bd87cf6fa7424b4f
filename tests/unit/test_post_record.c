/* What became of posting a run, as its last line says it. */
#include "post/record.h"

#include <criterion/criterion.h>
#include <string.h>

#include "support/places.h"
#include "support/support.h"

static struct tel_datadir dir;

static const char *ended_line(void)
{
    return changed_line(start_line("run-1", 1), "status", "\"success\"", "post", "true", NULL);
}

static struct tel_runline parsed(const char *line)
{
    struct tel_runline out;

    cr_assert_eq(tel_runline_parse(tel_str_from(line), &out), TEL_LINE_RUN);
    return out;
}

static const char *record(const char *line, const struct tel_post_result *result)
{
    struct tel_journal_writer writer;
    struct tel_error err = {0};

    make_place(&dir, test_dir());
    writer = (struct tel_journal_writer){
        .raw = dir.raw, .file_mode = dir.file_mode, .max_size = UINT64_MAX};
    cr_assert_eq(tel_post_record(&writer, tel_str_from(line), 20260101, result, &err), 0, "%s",
                 err.message);
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
    struct tel_journal_writer writer;
    const struct tel_post_result result = {.outcome = TEL_POST_DONE, .now_ns = 1795399421639000000};

    make_place(&dir, test_dir());
    writer = (struct tel_journal_writer){
        .raw = dir.raw, .file_mode = dir.file_mode, .max_size = UINT64_MAX};
    cr_assert_eq(tel_post_record(&writer, tel_str_from(ended_line()), 20270101, &result, NULL), 0);
    cr_expect(file_exists(journal_path(dir.raw, 20270101)));
}

/* A line of an earlier version has fewer keys than the one that is written. */
Test(post_record, a_short_line_grows)
{
    const char *line =
        record("{\"run_id\": \"r\", \"agent_name\": \"a\", \"start_time\": "
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
