/* The keys of a run line, of its process object, and the columns they become: two tables that
 * the writer, the fold, the queries and the documentation check all share (CONTRACT 3, 4, 5). */
#ifndef TEL_BASE_FIELDS_H
#define TEL_BASE_FIELDS_H

#include "buf.h"

/* One line for each: its identifier, its name, of what kind its values are, and what is written when it is not
 * set. In the order of the keys on a run line. */
#define TEL_RUN_FIELD_LIST(X)                                                                      \
    X(RUN_ID, "run_id", TEXT, NONE)                                                                \
    X(AGENT_NAME, "agent_name", TEXT, NONE)                                                        \
    X(JOB_TYPE, "job_type", TEXT, NONE)                                                            \
    X(TRIGGER_TYPE, "trigger_type", TEXT, NONE)                                                    \
    X(START_TIME, "start_time", TEXT, NONE)                                                        \
    X(SCHEMA_VERSION, "schema_version", INTEGER, SCHEMA)                                           \
    X(AGENT_OWNER, "agent_owner", TEXT, NONE)                                                      \
    X(END_TIME, "end_time", TEXT, NONE)                                                            \
    X(STATUS, "status", TEXT, NONE)                                                                \
    X(ITEMS_DISCOVERED, "items_discovered", INTEGER, ZERO)                                         \
    X(ITEMS_SUCCEEDED, "items_succeeded", INTEGER, ZERO)                                           \
    X(ITEMS_FAILED, "items_failed", INTEGER, ZERO)                                                 \
    X(DURATION_MS, "duration_ms", INTEGER, NONE)                                                   \
    X(INPUT_SUMMARY, "input_summary", TEXT, NONE)                                                  \
    X(OUTPUT_SUMMARY, "output_summary", TEXT, NONE)                                                \
    X(ERROR_SUMMARY, "error_summary", TEXT, NONE)                                                  \
    X(METRICS_JSON, "metrics_json", TEXT, NONE)                                                    \
    X(INSIGHT_ID, "insight_id", TEXT, NONE)                                                        \
    X(PRODUCT, "product", TEXT, NONE)                                                              \
    X(PLATFORM, "platform", TEXT, NONE)                                                            \
    X(PRODUCT_FAMILY, "product_family", TEXT, NONE)                                                \
    X(SUBDOMAIN, "subdomain", TEXT, NONE)                                                          \
    X(GIT_REPO, "git_repo", TEXT, NONE)                                                            \
    X(GIT_BRANCH, "git_branch", TEXT, NONE)                                                        \
    X(GIT_RUN_TAG, "git_run_tag", TEXT, NONE)                                                      \
    X(HOST, "host", TEXT, NONE)                                                                    \
    X(API_POSTED, "api_posted", BOOL, FALSE)                                                       \
    X(API_POSTED_AT, "api_posted_at", TEXT, NONE)                                                  \
    X(API_RETRY_COUNT, "api_retry_count", INTEGER, ZERO)                                           \
    X(CREATED_AT, "created_at", TEXT, NONE)                                                        \
    X(UPDATED_AT, "updated_at", TEXT, NONE)                                                        \
    X(RECORD_TYPE, "record_type", TEXT, RUN)                                                       \
    X(PROCESS, "process", JSON, NONE)

/* In the order of the keys in the process object, and of run_process's columns after run_id. */
#define TEL_PROCESS_FIELD_LIST(X)                                                                  \
    X(PARENT_RUN_ID, "parent_run_id", TEXT, NONE)                                                  \
    X(PID, "pid", INTEGER, NONE)                                                                   \
    X(PPID, "ppid", INTEGER, NONE)                                                                 \
    X(BOOT_ID, "boot_id", TEXT, NONE)                                                              \
    X(PID_NS, "pid_ns", INTEGER, NONE)                                                             \
    X(PIDFS_INO, "pidfs_ino", INTEGER, NONE)                                                       \
    X(START_TICKS, "start_ticks", INTEGER, NONE)                                                   \
    X(START_BOOT_NS, "start_boot_ns", INTEGER, NONE)                                               \
    X(EXE, "exe", TEXT, NONE)                                                                      \
    X(CWD, "cwd", TEXT, NONE)                                                                      \
    X(ARGV, "argv", JSON, NONE)                                                                    \
    X(UID, "uid", INTEGER, NONE)                                                                   \
    X(SUCCESS_EXIT_CODES, "success_exit_codes", TEXT, NONE)                                        \
    X(EXIT_CODE, "exit_code", INTEGER, NONE)                                                       \
    X(SIGNAL, "signal", INTEGER, NONE)                                                             \
    X(CORE_DUMPED, "core_dumped", BOOL, NONE)                                                      \
    X(END_SOURCE, "end_source", TEXT, NONE)                                                        \
    X(USER_MS, "user_ms", INTEGER, NONE)                                                           \
    X(SYSTEM_MS, "system_ms", INTEGER, NONE)                                                       \
    X(CHILDREN_USER_MS, "children_user_ms", INTEGER, NONE)                                         \
    X(CHILDREN_SYSTEM_MS, "children_system_ms", INTEGER, NONE)                                     \
    X(MAX_RSS_KIB, "max_rss_kib", INTEGER, NONE)                                                   \
    X(MINOR_FAULTS, "minor_faults", INTEGER, NONE)                                                 \
    X(MAJOR_FAULTS, "major_faults", INTEGER, NONE)                                                 \
    X(VOLUNTARY_SWITCHES, "voluntary_switches", INTEGER, NONE)                                     \
    X(INVOLUNTARY_SWITCHES, "involuntary_switches", INTEGER, NONE)                                 \
    X(BLOCKS_READ, "blocks_read", INTEGER, NONE)                                                   \
    X(BLOCKS_WRITTEN, "blocks_written", INTEGER, NONE)                                             \
    X(SHIM_VERSION, "shim_version", TEXT, NONE)                                                    \
    X(TRACEPARENT, "traceparent", TEXT,                                                            \
      NONE)                       /* W3C trace context that the run was started in, or began */    \
    X(SCOPE, "scope", BOOL, NONE) /* true: a section of a process, ended by a call (client API) */ \
    X(POST, "post", BOOL, NONE)   /* true: the run is to be posted to the remote API */            \
    X(POST_ERROR, "post_error", TEXT, NONE) /* why the remote API refused it for good */           \
    X(POST_AFTER, "post_after", TEXT, NONE) /* not before this time, after attempts that failed */

#define TEL_RUN_ENTRY(id, name, kind, unset) TEL_RUN_##id,
#define TEL_PROC_ENTRY(id, name, kind, unset) TEL_PROC_##id,
enum tel_run_field { TEL_RUN_FIELD_LIST(TEL_RUN_ENTRY) TEL_RUN_FIELDS };
enum tel_process_field { TEL_PROCESS_FIELD_LIST(TEL_PROC_ENTRY) TEL_PROC_FIELDS };
#undef TEL_RUN_ENTRY
#undef TEL_PROC_ENTRY

enum tel_field_kind {
    TEL_KIND_TEXT,
    TEL_KIND_INTEGER,
    TEL_KIND_BOOL,
    TEL_KIND_JSON /* kept as JSON text: argv, process */
};

/* What is written when a value is not set. */
enum tel_field_unset {
    TEL_UNSET_NONE,
    TEL_UNSET_ZERO,
    TEL_UNSET_FALSE,
    TEL_UNSET_SCHEMA, /* the version of the schema */
    TEL_UNSET_RUN     /* the type of the record */
};

/* Without pointers, so that the shim needs no relocations for them. */
struct tel_field {
    uint16_t name_at; /* see tel_field_name */
    uint8_t name_len;
    uint8_t kind : 4;  /* enum tel_field_kind */
    uint8_t unset : 4; /* enum tel_field_unset */
};

extern const struct tel_field tel_run_fields[TEL_RUN_FIELDS];
extern const struct tel_field tel_process_fields[TEL_PROC_FIELDS];

/* NUL-terminated, static. */
struct tel_str tel_field_name(const struct tel_field *field);
/* JSON text of a value that is not set. */
const char *tel_field_unset(const struct tel_field *field);

/* Index of the field called name in a table, or -1. hint is tried first: keys nearly always come
 * in table order. */
int tel_field_find(const struct tel_field *table, int count, struct tel_str name, int hint);

#endif
