/* Run lines: split, changed, written. */
#include "base/runline.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "support/view.h"

static char memory[64 * 1024];

static struct tel_buf make_buf(void)
{
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory));
    return buf;
}

/* As Python's client writes them: no process. */
static const char python_line[] =
    "{\"run_id\": \"20261122T101112Z-a.py-01234567\", \"agent_name\": \"a.py\", "
    "\"job_type\": \"nightly\", \"trigger_type\": \"cli\", "
    "\"start_time\": \"2026-11-22T10:11:12.000000+00:00\", \"schema_version\": 3, "
    "\"agent_owner\": null, \"end_time\": null, \"status\": \"running\", "
    "\"items_discovered\": 0, \"items_succeeded\": 0, \"items_failed\": 0, "
    "\"duration_ms\": null, \"input_summary\": null, \"output_summary\": null, "
    "\"error_summary\": null, \"metrics_json\": null, \"insight_id\": null, \"product\": null, "
    "\"platform\": null, \"product_family\": null, \"subdomain\": null, \"git_repo\": null, "
    "\"git_branch\": null, \"git_run_tag\": null, \"host\": null, \"api_posted\": false, "
    "\"api_posted_at\": null, \"api_retry_count\": 0, \"created_at\": null, "
    "\"updated_at\": null, \"record_type\": \"run\"}\n";

static enum tel_line_kind kind_of(const char *text)
{
    struct tel_runline line;

    return tel_runline_parse(tel_str_from(text), &line);
}

Test(runline, empty_slots_are_the_contracts_line)
{
    struct tel_runline line = {0};
    struct tel_buf buf = make_buf();

    line.run[TEL_RUN_RUN_ID] = TEL_STR("\"20261122T101112Z-a.py-01234567\"");
    line.run[TEL_RUN_AGENT_NAME] = TEL_STR("\"a.py\"");
    line.run[TEL_RUN_JOB_TYPE] = TEL_STR("\"nightly\"");
    line.run[TEL_RUN_TRIGGER_TYPE] = TEL_STR("\"cli\"");
    line.run[TEL_RUN_START_TIME] = TEL_STR("\"2026-11-22T10:11:12.000000+00:00\"");
    line.run[TEL_RUN_STATUS] = TEL_STR("\"running\"");
    tel_runline_put(&buf, &line);
    cr_expect_str_eq(buf_text(&buf), python_line);
}

Test(runline, comes_back_byte_for_byte)
{
    struct tel_runline line;
    struct tel_buf buf = make_buf();

    cr_assert_eq(tel_runline_parse(TEL_STR(python_line), &line), TEL_LINE_RUN);
    for (int i = 0; i < TEL_RUN_PROCESS; i++)
        cr_expect_not_null(line.run[i].ptr, "%s", tel_field_name(&tel_run_fields[i]).ptr);
    cr_expect_null(line.run[TEL_RUN_PROCESS].ptr);
    tel_runline_put(&buf, &line);
    cr_expect_str_eq(buf_text(&buf), python_line);
}

Test(runline, process_is_split_and_written)
{
    struct tel_runline line = {0};
    struct tel_runline again;
    struct tel_buf buf = make_buf();
    struct tel_str text;

    line.run[TEL_RUN_RUN_ID] = TEL_STR("\"r\"");
    line.run[TEL_RUN_AGENT_NAME] = TEL_STR("\"a\"");
    line.run[TEL_RUN_PROCESS] = TEL_STR("\"not looked at\"");
    line.process[TEL_PROC_PID] = TEL_STR("42");
    line.process[TEL_PROC_ARGV] = TEL_STR("[\"a\", \"b}\"]");
    tel_runline_put(&buf, &line);
    text = tel_buf_view(&buf);
    cr_expect_not_null(strstr(view_text(text),
                              ", \"record_type\": \"run\", \"process\": {\"parent_run_id\": null, "
                              "\"pid\": 42, \"ppid\": null, "));
    cr_expect_not_null(strstr(view_text(text), "\"argv\": [\"a\", \"b}\"], \"uid\": null, "));
    cr_expect_not_null(strstr(view_text(text), "\"post_after\": null}}\n"));

    cr_assert_eq(tel_runline_parse(text, &again), TEL_LINE_RUN);
    cr_expect_str_eq(view_text(again.process[TEL_PROC_PID]), "42");
    cr_expect_str_eq(view_text(again.process[TEL_PROC_ARGV]), "[\"a\", \"b}\"]");
    cr_expect_str_eq(view_text(again.process[TEL_PROC_SHIM_VERSION]), "null");
}

Test(runline, keys_in_any_order_unknown_and_repeated)
{
    struct tel_runline line;

    cr_assert_eq(
        tel_runline_parse(
            TEL_STR("{\"future\": {\"x\": [1]}, \"agent_name\": \"first\", "
                    "\"process\": {\"ppid\": 1, \"pid\": 2, \"other\": 3, \"pid\": 4}, "
                    "\"agent_name\": \"last\", \"run_id\": \"r\", \"run_\\u0069d\": \"s\", "
                    "\"st\\u0061tus\": \"failed\", \"unknown\\u0020key\": 1}"),
            &line),
        TEL_LINE_RUN);
    cr_expect_str_eq(view_text(line.run[TEL_RUN_AGENT_NAME]), "\"last\"");
    cr_expect_str_eq(view_text(line.run[TEL_RUN_RUN_ID]), "\"s\"", "an escaped key is a key");
    cr_expect_str_eq(view_text(line.run[TEL_RUN_STATUS]), "\"failed\"");
    cr_expect_str_eq(view_text(line.process[TEL_PROC_PID]), "4");
    cr_expect_str_eq(view_text(line.process[TEL_PROC_PPID]), "1");
    cr_expect_str_eq(view_text(line.run[TEL_RUN_JOB_TYPE]), "(none)");
}

Test(runline, a_process_that_is_no_object_sets_nothing)
{
    static const char *const values[] = {"null", "1", "\"{}\"", "[{\"pid\": 1}]", "{}"};
    char text[256];

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct tel_runline line;

        strcpy(text, "{\"run_id\": \"r\", \"agent_name\": \"a\", \"process\": {\"pid\": 1}, "
                     "\"process\": ");
        strcat(text, values[i]);
        strcat(text, "}");
        cr_assert_eq(tel_runline_parse(tel_str_from(text), &line), TEL_LINE_RUN);
        for (int field = 0; field < TEL_PROC_FIELDS; field++)
            cr_expect_null(line.process[field].ptr);
        cr_expect_str_eq(view_text(line.run[TEL_RUN_PROCESS]), values[i]);
    }
}

Test(runline, kinds)
{
    cr_expect_eq(kind_of("{\"run_id\": \"r\", \"agent_name\": \"a\"}"), TEL_LINE_RUN);
    cr_expect_eq(kind_of("{\"run_id\": \"r\", \"agent_name\": \"a\", \"record_type\": \"run\"}"),
                 TEL_LINE_RUN);
    cr_expect_eq(
        kind_of("{\"run_id\": \"r\", \"agent_name\": \"a\", \"record_type\": \"r\\u0075n\"}"),
        TEL_LINE_RUN);
    cr_expect_eq(kind_of("{\"run_id\": \"r\", \"record_type\": \"event\"}"), TEL_LINE_EVENT);
    cr_expect_eq(kind_of("{\"record_type\": \"event\"}"), TEL_LINE_OTHER);
    cr_expect_eq(kind_of("{\"run_id\": 7, \"record_type\": \"event\"}"), TEL_LINE_OTHER);
    cr_expect_eq(kind_of("{\"run_id\": \"r\"}"), TEL_LINE_OTHER);
    cr_expect_eq(kind_of("{\"run_id\": \"r\", \"agent_name\": null}"), TEL_LINE_OTHER);
    cr_expect_eq(kind_of("{\"run_id\": null, \"agent_name\": \"a\"}"), TEL_LINE_OTHER);
    cr_expect_eq(kind_of("{\"run_id\": \"r\", \"agent_name\": \"a\", \"record_type\": \"commit\"}"),
                 TEL_LINE_OTHER);
    cr_expect_eq(kind_of("{\"run_id\": \"r\", \"agent_name\": \"a\", \"record_type\": 1}"),
                 TEL_LINE_OTHER);
    cr_expect_eq(kind_of("{}"), TEL_LINE_OTHER);
    cr_expect_eq(kind_of("[]"), TEL_LINE_BAD);
    cr_expect_eq(kind_of(""), TEL_LINE_BAD);
    cr_expect_eq(kind_of("\n"), TEL_LINE_BAD);
    cr_expect_eq(kind_of("{\"run_id\": \"r\", \"agent_name\": \"a\"} {"), TEL_LINE_BAD);
    cr_expect_eq(kind_of("{\"run_id\": \"r\", \"agent_name\": \"a\", \"x\": NaN}"), TEL_LINE_BAD);
}

Test(runline, only_a_run_fills_the_slots)
{
    struct tel_runline line;

    tel_runline_parse(TEL_STR("{\"run_id\": \"r\", \"status\": \"x\", \"record_type\": \"event\"}"),
                      &line);
    cr_expect_str_eq(view_text(line.run[TEL_RUN_RUN_ID]), "\"r\"");
    cr_expect_null(line.run[TEL_RUN_STATUS].ptr);
    tel_runline_parse(TEL_STR("{\"run_id\": \"r\", \"agent_name\": \"a\""), &line);
    cr_expect_null(line.run[TEL_RUN_RUN_ID].ptr);
    tel_runline_parse(TEL_STR("{\"run_id\": \"r\", \"status\": \"x\"}"), &line);
    cr_expect_null(line.run[TEL_RUN_RUN_ID].ptr);
}

Test(runline, every_truncation_is_bad)
{
    size_t len = sizeof(python_line) - 2; /* without the newline */

    for (size_t cut = 0; cut < len; cut++) {
        struct tel_runline line;
        char *copy = malloc(cut + 1);

        cr_assert_not_null(copy);
        memcpy(copy, python_line, cut);
        cr_expect_eq(tel_runline_parse((struct tel_str){copy, cut}, &line), TEL_LINE_BAD, "%zu",
                     cut);
        free(copy);
    }
}

Test(runline, slots)
{
    struct tel_buf scratch = make_buf();
    struct tel_str slot;

    tel_slot_text(&slot, &scratch, TEL_STR("a\"\xc3\xa4"));
    cr_expect_str_eq(view_text(slot), "\"a\\\"\\u00e4\"");
    tel_slot_text(&slot, &scratch, TEL_STR_NONE);
    cr_expect_str_eq(view_text(slot), "null");
    tel_slot_int(&slot, &scratch, -5);
    cr_expect_str_eq(view_text(slot), "-5");
    tel_slot_bool(&slot, true);
    cr_expect_str_eq(view_text(slot), "true");
    tel_slot_bool(&slot, false);
    cr_expect_str_eq(view_text(slot), "false");
    tel_slot_time(&slot, &scratch, 1999);
    cr_expect_str_eq(view_text(slot), "\"1970-01-01T00:00:00.000001+00:00\"");
}

Test(runline, full_scratch_leaves_the_slot)
{
    struct tel_buf scratch;
    struct tel_str slot = TEL_STR("before");

    tel_buf_init(&scratch, memory, 4);
    tel_slot_text(&slot, &scratch, TEL_STR("longer"));
    cr_expect_str_eq(view_text(slot), "before");
    tel_slot_int(&slot, &scratch, 1);
    cr_expect_str_eq(view_text(slot), "before", "a failure is sticky");
    tel_slot_time(&slot, &scratch, 0);
    cr_expect_str_eq(view_text(slot), "before");
}

/* Changed bytes at random, always the same ones: nothing is read that must not be, and what is
 * taken for a run can be written and read once more. */
Test(runline, survives_any_change)
{
    uint64_t state = 88172645463325252u;
    size_t len = sizeof(python_line) - 1;

    for (int round = 0; round < 20000; round++) {
        struct tel_runline line, again;
        struct tel_buf buf = make_buf();
        char copy[sizeof(python_line)];

        memcpy(copy, python_line, sizeof(copy));
        for (int change = 0; change <= round % 3; change++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            copy[state % len] = (char)(state >> 32);
        }
        if (tel_runline_parse((struct tel_str){copy, len}, &line) != TEL_LINE_RUN)
            continue;
        tel_runline_put(&buf, &line);
        cr_assert_eq(tel_runline_parse(tel_buf_view(&buf), &again), TEL_LINE_RUN);
    }
}
