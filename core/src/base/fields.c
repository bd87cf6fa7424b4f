/* The tables of run and process fields. */
#include "fields.h"

#include <string.h>

#define FIELD(index, text, unset_text, kind_of)                                                    \
    [index] = {.name = text, .unset = (unset_text), .name_len = sizeof(text) - 1, .kind = kind_of}
#define TEXT(index, text) FIELD(index, text, TEL_UNSET_NULL, TEL_KIND_TEXT)
#define INTEGER(index, text) FIELD(index, text, TEL_UNSET_NULL, TEL_KIND_INTEGER)
#define COUNT(index, text) FIELD(index, text, TEL_UNSET_ZERO, TEL_KIND_INTEGER)

const struct tel_field tel_run_fields[TEL_RUN_FIELDS] = {
    TEXT(TEL_RUN_RUN_ID, "run_id"),
    TEXT(TEL_RUN_AGENT_NAME, "agent_name"),
    TEXT(TEL_RUN_JOB_TYPE, "job_type"),
    TEXT(TEL_RUN_TRIGGER_TYPE, "trigger_type"),
    TEXT(TEL_RUN_START_TIME, "start_time"),
    FIELD(TEL_RUN_SCHEMA_VERSION, "schema_version", TEL_UNSET_SCHEMA, TEL_KIND_INTEGER),
    TEXT(TEL_RUN_AGENT_OWNER, "agent_owner"),
    TEXT(TEL_RUN_END_TIME, "end_time"),
    TEXT(TEL_RUN_STATUS, "status"),
    COUNT(TEL_RUN_ITEMS_DISCOVERED, "items_discovered"),
    COUNT(TEL_RUN_ITEMS_SUCCEEDED, "items_succeeded"),
    COUNT(TEL_RUN_ITEMS_FAILED, "items_failed"),
    INTEGER(TEL_RUN_DURATION_MS, "duration_ms"),
    TEXT(TEL_RUN_INPUT_SUMMARY, "input_summary"),
    TEXT(TEL_RUN_OUTPUT_SUMMARY, "output_summary"),
    TEXT(TEL_RUN_ERROR_SUMMARY, "error_summary"),
    TEXT(TEL_RUN_METRICS_JSON, "metrics_json"),
    TEXT(TEL_RUN_INSIGHT_ID, "insight_id"),
    TEXT(TEL_RUN_PRODUCT, "product"),
    TEXT(TEL_RUN_PLATFORM, "platform"),
    TEXT(TEL_RUN_PRODUCT_FAMILY, "product_family"),
    TEXT(TEL_RUN_SUBDOMAIN, "subdomain"),
    TEXT(TEL_RUN_GIT_REPO, "git_repo"),
    TEXT(TEL_RUN_GIT_BRANCH, "git_branch"),
    TEXT(TEL_RUN_GIT_RUN_TAG, "git_run_tag"),
    TEXT(TEL_RUN_HOST, "host"),
    FIELD(TEL_RUN_API_POSTED, "api_posted", TEL_UNSET_FALSE, TEL_KIND_BOOL),
    TEXT(TEL_RUN_API_POSTED_AT, "api_posted_at"),
    COUNT(TEL_RUN_API_RETRY_COUNT, "api_retry_count"),
    TEXT(TEL_RUN_CREATED_AT, "created_at"),
    TEXT(TEL_RUN_UPDATED_AT, "updated_at"),
    FIELD(TEL_RUN_RECORD_TYPE, "record_type", TEL_UNSET_RUN, TEL_KIND_TEXT),
    FIELD(TEL_RUN_PROCESS, "process", TEL_UNSET_NULL, TEL_KIND_JSON),
};

const struct tel_field tel_process_fields[TEL_PROC_FIELDS] = {
    TEXT(TEL_PROC_PARENT_RUN_ID, "parent_run_id"),
    INTEGER(TEL_PROC_PID, "pid"),
    INTEGER(TEL_PROC_PPID, "ppid"),
    TEXT(TEL_PROC_BOOT_ID, "boot_id"),
    INTEGER(TEL_PROC_PID_NS, "pid_ns"),
    INTEGER(TEL_PROC_PIDFS_INO, "pidfs_ino"),
    INTEGER(TEL_PROC_START_TICKS, "start_ticks"),
    INTEGER(TEL_PROC_START_BOOT_NS, "start_boot_ns"),
    TEXT(TEL_PROC_EXE, "exe"),
    TEXT(TEL_PROC_CWD, "cwd"),
    FIELD(TEL_PROC_ARGV, "argv", TEL_UNSET_NULL, TEL_KIND_JSON),
    INTEGER(TEL_PROC_UID, "uid"),
    TEXT(TEL_PROC_SUCCESS_EXIT_CODES, "success_exit_codes"),
    INTEGER(TEL_PROC_EXIT_CODE, "exit_code"),
    INTEGER(TEL_PROC_SIGNAL, "signal"),
    FIELD(TEL_PROC_CORE_DUMPED, "core_dumped", TEL_UNSET_NULL, TEL_KIND_BOOL),
    TEXT(TEL_PROC_END_SOURCE, "end_source"),
    INTEGER(TEL_PROC_USER_MS, "user_ms"),
    INTEGER(TEL_PROC_SYSTEM_MS, "system_ms"),
    INTEGER(TEL_PROC_CHILDREN_USER_MS, "children_user_ms"),
    INTEGER(TEL_PROC_CHILDREN_SYSTEM_MS, "children_system_ms"),
    INTEGER(TEL_PROC_MAX_RSS_KIB, "max_rss_kib"),
    INTEGER(TEL_PROC_MINOR_FAULTS, "minor_faults"),
    INTEGER(TEL_PROC_MAJOR_FAULTS, "major_faults"),
    INTEGER(TEL_PROC_VOLUNTARY_SWITCHES, "voluntary_switches"),
    INTEGER(TEL_PROC_INVOLUNTARY_SWITCHES, "involuntary_switches"),
    INTEGER(TEL_PROC_BLOCKS_READ, "blocks_read"),
    INTEGER(TEL_PROC_BLOCKS_WRITTEN, "blocks_written"),
    TEXT(TEL_PROC_SHIM_VERSION, "shim_version"),
    TEXT(TEL_PROC_TRACEPARENT, "traceparent"),
    FIELD(TEL_PROC_SCOPE, "scope", TEL_UNSET_NULL, TEL_KIND_BOOL),
    FIELD(TEL_PROC_POST, "post", TEL_UNSET_NULL, TEL_KIND_BOOL),
    TEXT(TEL_PROC_POST_ERROR, "post_error"),
    TEXT(TEL_PROC_POST_AFTER, "post_after"),
};

const char *tel_field_unset(const struct tel_field *field)
{
    static const char texts[][6] = {
        [TEL_UNSET_NULL] = "null", [TEL_UNSET_ZERO] = "0",      [TEL_UNSET_FALSE] = "false",
        [TEL_UNSET_SCHEMA] = "3",  [TEL_UNSET_RUN] = "\"run\"",
    };

    return texts[field->unset];
}

static bool is_called(const struct tel_field *field, struct tel_str name)
{
    return field->name_len == name.len && memcmp(field->name, name.ptr, name.len) == 0;
}

int tel_field_find(const struct tel_field *table, int count, struct tel_str name, int hint)
{
    if (hint >= 0 && hint < count && is_called(&table[hint], name))
        return hint;
    for (int i = 0; i < count; i++) {
        if (is_called(&table[i], name))
            return i;
    }
    return -1;
}
