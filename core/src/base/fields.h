/* The keys of a run line, of its process object, and the columns they become: two tables that
 * the writer, the fold, the queries and the documentation check all share (CONTRACT 3, 4, 5). */
#ifndef TEL_BASE_FIELDS_H
#define TEL_BASE_FIELDS_H

#include "buf.h"

/* Order = order of the keys on a run line. */
enum tel_run_field {
    TEL_RUN_RUN_ID,
    TEL_RUN_AGENT_NAME,
    TEL_RUN_JOB_TYPE,
    TEL_RUN_TRIGGER_TYPE,
    TEL_RUN_START_TIME,
    TEL_RUN_SCHEMA_VERSION,
    TEL_RUN_AGENT_OWNER,
    TEL_RUN_END_TIME,
    TEL_RUN_STATUS,
    TEL_RUN_ITEMS_DISCOVERED,
    TEL_RUN_ITEMS_SUCCEEDED,
    TEL_RUN_ITEMS_FAILED,
    TEL_RUN_DURATION_MS,
    TEL_RUN_INPUT_SUMMARY,
    TEL_RUN_OUTPUT_SUMMARY,
    TEL_RUN_ERROR_SUMMARY,
    TEL_RUN_METRICS_JSON,
    TEL_RUN_INSIGHT_ID,
    TEL_RUN_PRODUCT,
    TEL_RUN_PLATFORM,
    TEL_RUN_PRODUCT_FAMILY,
    TEL_RUN_SUBDOMAIN,
    TEL_RUN_GIT_REPO,
    TEL_RUN_GIT_BRANCH,
    TEL_RUN_GIT_RUN_TAG,
    TEL_RUN_HOST,
    TEL_RUN_API_POSTED,
    TEL_RUN_API_POSTED_AT,
    TEL_RUN_API_RETRY_COUNT,
    TEL_RUN_CREATED_AT,
    TEL_RUN_UPDATED_AT,
    TEL_RUN_RECORD_TYPE,
    TEL_RUN_PROCESS,
    TEL_RUN_FIELDS
};

/* Order = order of the keys in the process object, and of run_process's columns after run_id. */
enum tel_process_field {
    TEL_PROC_PARENT_RUN_ID,
    TEL_PROC_PID,
    TEL_PROC_PPID,
    TEL_PROC_BOOT_ID,
    TEL_PROC_PID_NS,
    TEL_PROC_PIDFS_INO,
    TEL_PROC_START_TICKS,
    TEL_PROC_START_BOOT_NS,
    TEL_PROC_EXE,
    TEL_PROC_CWD,
    TEL_PROC_ARGV,
    TEL_PROC_UID,
    TEL_PROC_SUCCESS_EXIT_CODES,
    TEL_PROC_EXIT_CODE,
    TEL_PROC_SIGNAL,
    TEL_PROC_CORE_DUMPED,
    TEL_PROC_END_SOURCE,
    TEL_PROC_USER_MS,
    TEL_PROC_SYSTEM_MS,
    TEL_PROC_CHILDREN_USER_MS,
    TEL_PROC_CHILDREN_SYSTEM_MS,
    TEL_PROC_MAX_RSS_KIB,
    TEL_PROC_MINOR_FAULTS,
    TEL_PROC_MAJOR_FAULTS,
    TEL_PROC_VOLUNTARY_SWITCHES,
    TEL_PROC_INVOLUNTARY_SWITCHES,
    TEL_PROC_BLOCKS_READ,
    TEL_PROC_BLOCKS_WRITTEN,
    TEL_PROC_SHIM_VERSION,
    TEL_PROC_TRACEPARENT, /* W3C trace context that the run was started in, or began */
    TEL_PROC_SCOPE,       /* true: a section of a process, ended by a call (client API) */
    TEL_PROC_POST,        /* true: the run is to be posted to the remote API */
    TEL_PROC_POST_ERROR,  /* why the remote API refused it for good */
    TEL_PROC_POST_AFTER,  /* not before this time, after attempts that failed */
    TEL_PROC_FIELDS
};

enum tel_field_kind {
    TEL_KIND_TEXT,
    TEL_KIND_INTEGER,
    TEL_KIND_BOOL,
    TEL_KIND_JSON /* kept as JSON text: argv, process */
};

/* What is written when a value is not set. */
enum tel_field_unset {
    TEL_UNSET_NULL,
    TEL_UNSET_ZERO,
    TEL_UNSET_FALSE,
    TEL_UNSET_SCHEMA, /* the version of the schema */
    TEL_UNSET_RUN     /* the type of the record */
};

/* The names lie in the table itself, so that the shim needs no relocations for it. */
struct tel_field {
    char name[21];
    unsigned char name_len;
    unsigned char kind;  /* enum tel_field_kind */
    unsigned char unset; /* enum tel_field_unset */
};

extern const struct tel_field tel_run_fields[TEL_RUN_FIELDS];
extern const struct tel_field tel_process_fields[TEL_PROC_FIELDS];

/* JSON text of a value that is not set. */
const char *tel_field_unset(const struct tel_field *field);

/* Index of the field called name in a table, or -1. hint is tried first: keys nearly always come
 * in table order. */
int tel_field_find(const struct tel_field *table, int count, struct tel_str name, int hint);

#endif
