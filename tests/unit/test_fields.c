/* The field tables are the contract: names and order are written out here once more. */
#include "base/fields.h"

#include <criterion/criterion.h>
#include <string.h>

/* CONTRACT 3. */
static const char *const run_names[] = {
    "run_id",          "agent_name",
    "job_type",        "trigger_type",
    "start_time",      "schema_version",
    "agent_owner",     "end_time",
    "status",          "items_discovered",
    "items_succeeded", "items_failed",
    "duration_ms",     "input_summary",
    "output_summary",  "error_summary",
    "metrics_json",    "insight_id",
    "product",         "platform",
    "product_family",  "subdomain",
    "git_repo",        "git_branch",
    "git_run_tag",     "host",
    "api_posted",      "api_posted_at",
    "api_retry_count", "created_at",
    "updated_at",      "record_type",
    "process",
};

static const char *const process_names[] = {
    "parent_run_id",
    "pid",
    "ppid",
    "boot_id",
    "pid_ns",
    "pidfs_ino",
    "start_ticks",
    "start_boot_ns",
    "exe",
    "cwd",
    "argv",
    "uid",
    "success_exit_codes",
    "exit_code",
    "signal",
    "core_dumped",
    "end_source",
    "user_ms",
    "system_ms",
    "children_user_ms",
    "children_system_ms",
    "max_rss_kib",
    "minor_faults",
    "major_faults",
    "voluntary_switches",
    "involuntary_switches",
    "blocks_read",
    "blocks_written",
    "shim_version",
    "traceparent",
    "scope",
    "post",
    "post_error",
    "post_after",
};

static void check_table(const struct tel_field *table, int count, const char *const *names)
{
    for (int i = 0; i < count; i++) {
        cr_expect_str_eq(tel_field_name(&table[i]).ptr, names[i]);
        cr_expect_eq(tel_field_name(&table[i]).len, strlen(names[i]), "%s", names[i]);
        cr_expect_neq(tel_field_unset(&table[i])[0], '\0', "%s", names[i]);
        for (int hint = -1; hint <= count; hint++)
            cr_expect_eq(tel_field_find(table, count, tel_str_from(names[i]), hint), i, "%s",
                         names[i]);
    }
    cr_expect_eq(tel_field_find(table, count, TEL_STR("run_i"), 0), -1);
    cr_expect_eq(tel_field_find(table, count, TEL_STR("run_idx"), 0), -1);
    cr_expect_eq(tel_field_find(table, count, TEL_STR(""), 0), -1);
    cr_expect_eq(tel_field_find(table, count, TEL_STR_NONE, 0), -1);
}

Test(fields, run_table_is_the_contracts)
{
    cr_assert_eq(TEL_RUN_FIELDS, sizeof(run_names) / sizeof(run_names[0]));
    check_table(tel_run_fields, TEL_RUN_FIELDS, run_names);
}

Test(fields, process_table)
{
    cr_assert_eq(TEL_PROC_FIELDS, sizeof(process_names) / sizeof(process_names[0]));
    check_table(tel_process_fields, TEL_PROC_FIELDS, process_names);
}

Test(fields, unset_values_are_the_contracts)
{
    static const struct {
        enum tel_run_field field;
        const char *unset;
    } cases[] = {
        {TEL_RUN_SCHEMA_VERSION, "3"},  {TEL_RUN_ITEMS_DISCOVERED, "0"},
        {TEL_RUN_ITEMS_SUCCEEDED, "0"}, {TEL_RUN_ITEMS_FAILED, "0"},
        {TEL_RUN_DURATION_MS, "null"},  {TEL_RUN_API_POSTED, "false"},
        {TEL_RUN_API_RETRY_COUNT, "0"}, {TEL_RUN_RECORD_TYPE, "\"run\""},
        {TEL_RUN_AGENT_OWNER, "null"},  {TEL_RUN_PROCESS, "null"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_str_eq(tel_field_unset(&tel_run_fields[cases[i].field]), cases[i].unset);
    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        cr_expect_str_eq(tel_field_unset(&tel_process_fields[i]), "null");
}

Test(fields, kinds)
{
    cr_expect_eq(tel_run_fields[TEL_RUN_RUN_ID].kind, TEL_KIND_TEXT);
    cr_expect_eq(tel_run_fields[TEL_RUN_METRICS_JSON].kind, TEL_KIND_TEXT);
    cr_expect_eq(tel_run_fields[TEL_RUN_DURATION_MS].kind, TEL_KIND_INTEGER);
    cr_expect_eq(tel_run_fields[TEL_RUN_API_POSTED].kind, TEL_KIND_BOOL);
    cr_expect_eq(tel_run_fields[TEL_RUN_PROCESS].kind, TEL_KIND_JSON);
    cr_expect_eq(tel_process_fields[TEL_PROC_ARGV].kind, TEL_KIND_JSON);
    cr_expect_eq(tel_process_fields[TEL_PROC_PID].kind, TEL_KIND_INTEGER);
    cr_expect_eq(tel_process_fields[TEL_PROC_CORE_DUMPED].kind, TEL_KIND_BOOL);
    cr_expect_eq(tel_process_fields[TEL_PROC_SUCCESS_EXIT_CODES].kind, TEL_KIND_TEXT);
    cr_expect_eq(tel_process_fields[TEL_PROC_SHIM_VERSION].kind, TEL_KIND_TEXT);
}
