/* What may be said of a run, how it is put together, and what it makes of the run's last line. */
#include "values.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "support/places.h"
#include "support/support.h"
#include "support/view.h"

static char memory[64 * 1024];
static struct tel_buf said;
static struct tel_error err;

static void set_up(void)
{
    tel_buf_init(&said, memory, sizeof memory);
}

TestSuite(values, .init = set_up);

static int field(const char *name)
{
    return tel_values_field(tel_str_from(name));
}

static int put_text(const char *name, const char *value)
{
    return tel_said_put_text(&said, field(name), tel_str_from(value), &err);
}

/* line after all of what was said has been applied. */
static const char *applied(const char *line, const char *lines, bool *changed)
{
    static char scratch_memory[TEL_RUNLINE_MAX];
    static char out_memory[TEL_RUNLINE_MAX];
    struct tel_values values;
    struct tel_runline parsed;
    struct tel_buf scratch;
    struct tel_buf out;

    cr_assert_eq(tel_runline_parse(tel_str_from(line), &parsed), TEL_LINE_RUN);
    tel_values_read(&values, tel_str_from(lines));
    tel_buf_init(&scratch, scratch_memory, sizeof scratch_memory);
    *changed = tel_values_apply(&values, &parsed, &scratch);
    tel_buf_init(&out, out_memory, sizeof out_memory);
    tel_runline_put(&out, &parsed);
    return text("%.*s", (int)out.len, out.ptr);
}

static const char *value_after(const char *line, const char *lines, const char *name)
{
    bool changed;

    return field_of(applied(line, lines, &changed), name);
}

static const char *ended(const char *exit_code, const char *status)
{
    return changed_line(start_line("r", 1), "status", status, "exit_code", exit_code, "end_source",
                        "\"observed\"", NULL);
}

Test(values, only_what_a_run_may_say_of_itself_can_be_set)
{
    cr_expect_geq(field("items_discovered"), 0);
    cr_expect_geq(field("git_run_tag"), 0);
    cr_expect_geq(field("trigger_type"), 0);
    cr_expect_eq(field("run_id"), -1);
    cr_expect_eq(field("end_time"), -1);
    cr_expect_eq(field("api_posted"), -1);
    cr_expect_eq(field("process"), -1);
    cr_expect_eq(field("pid"), -1);
    cr_expect_eq(field(""), -1);
}

Test(values, lines_are_what_they_say)
{
    tel_said_begin(&said, TEL_SAID_SET);
    cr_expect_eq(put_text("product", "a \"b\"\n"), 0);
    cr_expect_eq(put_text("platform", ""), 0);
    cr_expect_eq(tel_said_put_count(&said, TEL_RUN_ITEMS_FAILED, 7, &err), 0);
    tel_said_end(&said);
    cr_expect_str_eq(buf_text(&said), "{\"set\": {\"product\": \"a \\\"b\\\"\\n\", \"platform\": "
                                      "null, \"items_failed\": 7}}\n");
}

Test(values, a_bad_value_is_refused_and_leaves_nothing_behind)
{
    static const char *const bad[][2] = {
        {"status", "running"},    {"status", ""},        {"status", "success failed"},
        {"trigger_type", "cron"}, {"metrics_json", "{"}, {"metrics_json", "NaN"},
        {"items_failed", "1"},    {"run_id", "x"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_eq(put_text(bad[i][0], bad[i][1]), TEL_ERR_INVALID, "%s=%s", bad[i][0],
                     bad[i][1]);
        cr_expect_eq(said.len, 0);
    }
    cr_expect_eq(tel_said_put_count(&said, TEL_RUN_ITEMS_FAILED, -1, &err), TEL_ERR_INVALID);
    cr_expect_eq(tel_said_put_count(&said, TEL_RUN_PRODUCT, 1, &err), TEL_ERR_INVALID);
    cr_expect_eq(said.len, 0);
    put_text("trigger_type", "cron");
    cr_expect_str_eq(err.message, "trigger_type takes cli, web, scheduler, mcp or manual");
}

Test(values, counts_are_whole_numbers)
{
    int64_t count = -5;

    cr_expect_eq(tel_said_parse_count(TEL_STR("9223372036854775807"), &count, &err), 0);
    cr_expect_eq(count, INT64_MAX);
    cr_expect_eq(tel_said_parse_count(TEL_STR("9223372036854775808"), &count, &err),
                 TEL_ERR_INVALID);
    cr_expect_eq(tel_said_parse_count(TEL_STR("-1"), &count, &err), TEL_ERR_INVALID);
    cr_expect_eq(tel_said_parse_count(TEL_STR("1.5"), &count, &err), TEL_ERR_INVALID);
    cr_expect_eq(tel_said_parse_count(TEL_STR(""), &count, &err), TEL_ERR_INVALID);
}

Test(values, what_is_said_last_counts_and_sums_begin_anew)
{
    const char *line = changed_line(ended("0", "\"success\""), "items_succeeded", "5", NULL);

    cr_expect_str_eq(value_after(line,
                                 "{\"set\": {\"product\": \"a\"}}\n{\"set\": {\"product\": "
                                 "\"b\"}}\n",
                                 "product"),
                     "\"b\"");
    cr_expect_str_eq(value_after(line,
                                 "{\"add\": {\"items_succeeded\": 2}}\n"
                                 "{\"add\": {\"items_succeeded\": 1}}\n",
                                 "items_succeeded"),
                     "8");
    cr_expect_str_eq(value_after(line,
                                 "{\"add\": {\"items_succeeded\": 2}}\n"
                                 "{\"set\": {\"items_succeeded\": 1}}\n"
                                 "{\"add\": {\"items_succeeded\": 3}}\n",
                                 "items_succeeded"),
                     "4");
    cr_expect_str_eq(value_after(line, "{\"add\": {\"items_succeeded\": 9223372036854775807}}\n",
                                 "items_succeeded"),
                     "9223372036854775807");
}

Test(values, after_final_nothing_is_added_twice)
{
    static const char adds[] = "{\"add\": {\"items_succeeded\": 2, \"items_failed\": 1}}\n";
    const char *line = changed_line(ended("0", "\"success\""), "items_succeeded", "5", NULL);
    struct tel_values values;
    struct tel_runline parsed;
    const char *all;
    bool changed;

    tel_values_read(&values, tel_str_from(adds));
    cr_assert(tel_values_any_add(&values));
    cr_assert_eq(tel_runline_parse(tel_str_from(line), &parsed), TEL_LINE_RUN);
    tel_values_put_final(&said, &values, &parsed);
    cr_expect_str_eq(buf_text(&said),
                     "{\"final\": {\"items_succeeded\": 7, \"items_failed\": 1}}\n");
    all = text("%s%s", adds, buf_text(&said));
    tel_values_read(&values, tel_str_from(all));
    cr_expect_not(tel_values_any_add(&values));
    cr_expect(values.final);
    line = applied(line, all, &changed);
    cr_expect(changed);
    cr_expect_str_eq(field_of(line, "items_succeeded"), "7");
    line = applied(line, all, &changed);
    cr_expect_not(changed);
    cr_expect_str_eq(field_of(line, "items_succeeded"), "7");
}

Test(values, what_is_no_such_line_is_passed_over)
{
    static const char lines[] =
        "nonsense\n[1]\n{\"set\": 5}\n{\"put\": {\"product\": \"x\"}}\n"
        "{\"set\": {\"run_id\": \"x\", \"items_failed\": \"3\", \"status\": \"great\", "
        "\"product\": 5}}\n{\"add\": {\"product\": 1, \"items_failed\": -3}}\n"
        "{\"set\": {\"platform\": \"kept\"}}\n{\"set\": {\"platform\": \"torn\"}}";
    const char *line = ended("0", "\"success\"");
    struct tel_values values;

    tel_values_read(&values, tel_str_from(lines));
    cr_expect(values.any);
    cr_expect_str_eq(value_after(line, lines, "run_id"), "\"r\"");
    cr_expect_str_eq(value_after(line, lines, "items_failed"), "0");
    cr_expect_str_eq(value_after(line, lines, "status"), "\"success\"");
    cr_expect_str_eq(value_after(line, lines, "product"), "null");
    cr_expect_str_eq(value_after(line, lines, "platform"), "\"kept\"");
}

Test(values, nothing_said_changes_nothing)
{
    bool changed;

    applied(ended("0", "\"success\""), "", &changed);
    cr_expect_not(changed);
    applied(ended("0", "\"success\""), "{\"set\": {\"product\": null, \"items_failed\": 0}}\n",
            &changed);
    cr_expect_not(changed);
}

Test(values, the_status_is_the_runs_own_unless_its_process_speaks_against_it)
{
    static const char partial[] = "{\"set\": {\"status\": \"partial\"}}\n";
    static const char success[] = "{\"set\": {\"status\": \"success\"}}\n";
    const char *section =
        changed_line(start_line("r", 1), "scope", "true", "status", "\"success\"", NULL);

    cr_expect_str_eq(value_after(ended("0", "\"success\""), partial, "status"), "\"partial\"");
    cr_expect_str_eq(value_after(ended("3", "\"failed\""), success, "status"), "\"failed\"");
    cr_expect_str_eq(
        value_after(changed_line(ended("3", "\"success\""), "success_exit_codes", "\"0,3\"", NULL),
                    partial, "status"),
        "\"partial\"");
    cr_expect_str_eq(
        value_after(changed_line(start_line("r", 1), "status", "\"failed\"", "signal", "9", NULL),
                    success, "status"),
        "\"failed\"");
    cr_expect_str_eq(value_after(changed_line(start_line("r", 1), "status", "\"failed\"",
                                              "end_source", "\"inferred\"", NULL),
                                 success, "status"),
                     "\"failed\"");
    cr_expect_str_eq(value_after(start_line("r", 1), success, "status"), "\"running\"");
    cr_expect_str_eq(value_after(section, partial, "status"), "\"partial\"");
    cr_expect_str_eq(
        value_after(changed_line(section, "status", "\"failed\"", "exit_code", "0", NULL), success,
                    "status"),
        "\"failed\"");
}

Test(values, long_text_is_cut_at_a_character)
{
    char *longer = malloc(5001);

    memset(longer, 'x', 5000);
    longer[5000] = '\0';
    longer[4095] = (char)0xc3;
    longer[4096] = (char)0xa9;
    cr_expect_eq(put_text("product", longer), 0);
    cr_expect_eq(said.len, strlen("\"product\": \"\"") + 4095);
    free(longer);
}
