/* What is posted of a run, read back by a second opinion. */
#include "post/body.h"

#include <cJSON.h>
#include <criterion/criterion.h>

#include "support/places.h"
#include "support/support.h"
#include "support/view.h"

static const char *body_of(const char *line)
{
    static char memory[8192];
    struct tel_runline parsed;
    struct tel_buf buf;

    cr_assert_eq(tel_runline_parse(tel_str_from(line), &parsed), TEL_LINE_RUN);
    tel_buf_init(&buf, memory, sizeof memory);
    tel_post_body_put(&buf, &parsed);
    return text("%s", buf_text(&buf));
}

Test(post_body, all_that_there_can_be)
{
    const char *line = changed_line(
        start_line("run-1", 1), "agent_owner", "\"o\"", "end_time", "\"e\"", "status", "\"failed\"",
        "items_discovered", "3", "items_succeeded", "2", "items_failed", "1", "duration_ms", "7",
        "error_summary", "\"exit code 1\"", "product", "\"p\"", "platform", "\"pl\"",
        "product_family", "\"pf\"", "subdomain", "\"s\"", "git_repo", "\"r\"", "git_branch",
        "\"b\"", "input_summary", "\"not posted\"", "metrics_json", "\"{}\"", "git_run_tag",
        "\"not posted\"", "exit_code", "1", NULL);

    cr_expect_str_eq(
        body_of(line),
        "{\"run_id\": \"run-1\", \"agent_name\": \"agent\", \"job_type\": \"job\", "
        "\"trigger_type\": \"cli\", \"start_time\": \"2026-11-22T10:00:00.000000+00:00\", "
        "\"status\": \"failed\", \"agent_owner\": \"o\", \"end_time\": \"e\", "
        "\"items_discovered\": 3, \"items_succeeded\": 2, \"items_failed\": 1, "
        "\"duration_ms\": 7, \"error_summary\": \"exit code 1\", \"product\": \"p\", "
        "\"platform\": \"pl\", \"product_family\": \"pf\", \"subdomain\": \"s\", "
        "\"git_repo\": \"r\", \"git_branch\": \"b\", \"host\": \"here\"}");
}

Test(post_body, nulls_are_left_out)
{
    cr_expect_str_eq(
        body_of(changed_line(start_line("run-1", 1), "status", "\"success\"", "job_type", "null",
                             NULL)),
        "{\"run_id\": \"run-1\", \"agent_name\": \"agent\", \"trigger_type\": \"cli\", "
        "\"start_time\": \"2026-11-22T10:00:00.000000+00:00\", \"status\": \"success\", "
        "\"items_discovered\": 0, \"items_succeeded\": 0, \"items_failed\": 0, "
        "\"host\": \"here\"}");
}

Test(post_body, any_text_stays_json)
{
    cJSON *parsed = cJSON_Parse(
        body_of(changed_line(start_line("run-1", 1), "error_summary",
                             "\"a \\\"quoted\\\"\\nline \\u00e9\\ud83d\\ude00\"", NULL)));

    cr_assert_not_null(parsed);
    cr_expect_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(parsed, "error_summary")),
                     "a \"quoted\"\nline é😀");
    cJSON_Delete(parsed);
}
