/* Reading the database for people: never writes, never creates. */
#ifndef TEL_QUERY_H
#define TEL_QUERY_H

#include "base/datadir.h"
#include "base/fields.h"
#include "due.h"

struct tel_query;

/* Opens {dir->db} for reading. Errors: -ENOENT when there is none yet, TEL_ERR_SCHEMA,
 * TEL_ERR_CORRUPT, TEL_ERR_BUSY. */
int tel_query_open(struct tel_query **out, const struct tel_datadir *dir, struct tel_error *err);
void tel_query_close(struct tel_query *query);

/* Times compare as text in the contract's form. Unset members (ptr NULL) filter nothing. */
struct tel_run_filter {
    struct tel_str agent; /* exact, or a glob when it holds * or ? */
    struct tel_str job;
    struct tel_str status;
    struct tel_str since; /* start_time >= */
    struct tel_str until; /* start_time < */
    struct tel_str id;    /* exact run id, or a unique prefix or suffix of one */
    bool unposted;        /* only what is still to be posted to the remote API */
    int64_t limit;        /* newest first; 0 = no limit */
};

/* A run as stored; ptr NULL = SQL NULL. Integers come as their decimal text. Valid during the
 * callback only. created_at and updated_at are filled too (TEL_RUN_RECORD_TYPE and TEL_RUN_PROCESS
 * never). has_process: there is a row in run_process. */
struct tel_run_row {
    struct tel_str run[TEL_RUN_FIELDS];
    struct tel_str process[TEL_PROC_FIELDS];
    bool has_process;
};
/* A nonzero return stops the walk, and is returned by tel_query_runs. */
typedef int tel_run_row_fn(void *arg, const struct tel_run_row *row);
int tel_query_runs(struct tel_query *query, const struct tel_run_filter *filter, tel_run_row_fn *fn,
                   void *arg, struct tel_error *err);
/* Calls fn for every run that was started from another one that is here as well: the older first of
 * those that have the same parent. A nonzero return stops, and is returned. */
typedef int tel_parent_fn(void *arg, struct tel_str run_id, struct tel_str parent_run_id);
int tel_query_parents(struct tel_query *query, tel_parent_fn *fn, void *arg, struct tel_error *err);
/* The newest run. 1 found and fn called, 0 no runs, negative on error. */
int tel_query_latest(struct tel_query *query, tel_run_row_fn *fn, void *arg, struct tel_error *err);

/* tel_due_each, tel_due_next and tel_due_count; nothing is due in a database that knows of no posting. */
int tel_query_each_due(struct tel_query *query, const struct tel_due_filter *filter, tel_due_fn *fn,
                       void *arg, struct tel_error *err);
int tel_query_next_due(struct tel_query *query, const struct tel_due_filter *filter,
                       int64_t *out_ns, struct tel_error *err);
int tel_query_count_due(struct tel_query *query, const struct tel_due_filter *filter,
                        struct tel_due_counts *out, struct tel_error *err);

/* For doctor. */
struct tel_query_info {
    int64_t schema_version; /* highest in schema_migrations, 0 unknown */
    int64_t runs;
    int64_t running;
    int64_t bad_lines;
    bool integrity_ok; /* PRAGMA quick_check, only when asked for */
};
int tel_query_info(struct tel_query *query, bool check_integrity, struct tel_query_info *info,
                   struct tel_error *err);
/* How many runs there are. */
struct tel_query_counts {
    int64_t total;
    int64_t running;
    int64_t success;
    int64_t failed;
    int64_t partial;
    int64_t pending_posts; /* ended, wanted by the remote API, and neither posted nor refused */
};
int tel_query_count(struct tel_query *query, struct tel_query_counts *counts,
                    struct tel_error *err);
/* How far the fold is behind the journal, in bytes. */
int tel_query_behind(struct tel_query *query, const struct tel_datadir *dir, uint64_t *bytes,
                     struct tel_error *err);

#endif
