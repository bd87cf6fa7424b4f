/* telemetry/client.h - record runs from inside a program.
 *
 *     telemetry_client *client = telemetry_client_open(NULL, NULL);
 *     telemetry_run *run = telemetry_run_start(client, "importer", "nightly", NULL, NULL);
 *
 *     telemetry_run_set_items_discovered(run, 10, NULL);
 *     telemetry_run_log_event(run, "page", "{\"number\": 1}", NULL);
 *     telemetry_run_add(run, "items_succeeded", 1, NULL);
 *     telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, NULL);
 *     telemetry_run_free(run);
 *     telemetry_client_close(client, 1000, NULL);
 *
 * A run is a row of the table agent_runs, and its lines in the journal: one when it starts, one for
 * each event, one when it ends. A run that is never ended because the process is killed, crashes or
 * exits is ended as failed by the collector, which sees that.
 *
 * Nothing in here prints, exits, or raises a signal, and no failure has to be looked at: every call
 * takes NULL for a client or a run that could not be had, and answers with a status. A program may close
 * all descriptors (closefrom) and set itself a file size limit at any time.
 *
 * Statuses: 0 or more is success. Negative is failure: one of enum telemetry_code, or an errno value
 * of the system, negative. The last parameter receives what went wrong in words; it may be NULL.
 *
 * Texts are UTF-8 and NUL-terminated, borrowed for the call only; NULL and "" mean "not set".
 *
 * Threads: every function may be called by any thread at any time, on the same client and run, too;
 * only the freeing calls (telemetry_run_free, telemetry_client_close) must be the last on their object.
 *
 * fork: in the child the client works as before. Runs that the parent started stay the parent's: the
 * child may log events and set values of them while they last, and free its handles, but ending them
 * is refused. The child of a program that had other threads, or had made rows itself for want of a
 * collector, leaves the database to the collector, or to whoever folds next. Not after vfork, nor after a clone() that does not go through libc.
 */
#ifndef TELEMETRY_CLIENT_H
#define TELEMETRY_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(TELEMETRY_BUILDING) && defined(__GNUC__)
#define TELEMETRY_API __attribute__((visibility("default")))
#else
#define TELEMETRY_API
#endif

/* The version of the header; telemetry_version says that of the library. */
#define TELEMETRY_VERSION_MAJOR 0
#define TELEMETRY_VERSION_MINOR 1
#define TELEMETRY_VERSION_PATCH 0

/* Failures that are no errno value. */
enum telemetry_code {
    TELEMETRY_ERR_REFUSED = -1001, /* unsafe: a data directory of somebody else, a link in it, … */
    TELEMETRY_ERR_SCHEMA = -1002,  /* the database is of a newer schema, and left untouched */
    TELEMETRY_ERR_CORRUPT = -1003,   /* the database is none, or damaged */
    TELEMETRY_ERR_BUSY = -1004,      /* locked by somebody else for too long */
    TELEMETRY_ERR_INVALID = -1005,   /* an argument: NULL, no such field, no JSON, a bad status */
    TELEMETRY_ERR_NOT_FOUND = -1006, /* no such run */
    TELEMETRY_ERR_ENDED = -1007,     /* the run has ended: nothing more can be said of it */
    TELEMETRY_ERR_NOT_OWNER = -1008  /* a forked child must not end its parent's run */
};

/* The caller's own. message is one line, NUL-terminated, "" when nothing has gone wrong. */
struct telemetry_error {
    int code;
    char message[256];
};

/* How a run went. */
enum telemetry_status { TELEMETRY_SUCCESS = 0, TELEMETRY_FAILED = 1, TELEMETRY_PARTIAL = 2 };

typedef struct telemetry_client telemetry_client;
typedef struct telemetry_run telemetry_run;

/* "0.1.0"; static. */
TELEMETRY_API const char *telemetry_version(void);

/* --- the client ------------------------------------------------------------------------------- */

/* What is to be other than the environment and the configuration file say; see docs/reference/config.md.
 * Set size to sizeof(struct telemetry_config), or begin with TELEMETRY_CONFIG_INIT; members that are
 * NULL or negative change nothing, and values that the variables do not take are refused
 * (TELEMETRY_ERR_INVALID). */
struct telemetry_config {
    size_t size;
    const char *base_dir;   /* TELEMETRY_BASE_DIR */
    const char *db_path;    /* TELEMETRY_DB_PATH */
    const char *ndjson_dir; /* TELEMETRY_NDJSON_DIR */
    const char *file_mode;  /* TELEMETRY_FILE_MODE, such as "0660" */
    const char *collector;  /* TELEMETRY_COLLECTOR: a program, or "off" */
    const char *durability; /* TELEMETRY_DURABILITY: "process" or "system" */
    int wait_ms;      /* TELEMETRY_AUTO_WAIT_MS: how long a start and an end wait for the row */
    int post_wait_ms; /* how long an end waits until the remote API has the run; 0, the default: not at
                       * all, it is posted in the background */
};
#define TELEMETRY_CONFIG_INIT                                                                      \
    {                                                                                              \
        sizeof(struct telemetry_config), NULL, NULL, NULL, NULL, NULL, NULL, -1, -1                \
    }

/* Makes a client: reads the environment once, makes the data directory where it is missing, and checks
 * that it can be used. config may be NULL. The client is the caller's to close. NULL on failure, with
 * the reason in err: -EACCES, -EROFS, TELEMETRY_ERR_REFUSED, … */
TELEMETRY_API telemetry_client *telemetry_client_open(const struct telemetry_config *config,
                                                      struct telemetry_error *err);

/* The data directory, absolute; borrowed, lives as long as the client. NULL for NULL. */
TELEMETRY_API const char *telemetry_client_base_dir(const telemetry_client *client);

struct telemetry_stats {
    int64_t total;
    int64_t running;
    int64_t success;
    int64_t failed;
    int64_t partial;
    int64_t pending_posts; /* ended, wanted by the remote API, and not yet posted */
};
/* Counts the runs in the database, whoever recorded them. */
TELEMETRY_API int telemetry_client_stats(telemetry_client *client, struct telemetry_stats *stats,
                                         struct telemetry_error *err);

/* Waits at most timeout_ms until all that this client has written is on the disk and in the database.
 * -ETIMEDOUT when that takes longer; nothing is lost then. */
TELEMETRY_API int telemetry_client_flush(telemetry_client *client, int timeout_ms,
                                         struct telemetry_error *err);

/* Flushes as telemetry_client_flush and frees the client, whatever the outcome. Runs that are open stay
 * open: they are failed when the process ends, unless somebody ends them by their ids. Their handles stay
 * valid until they are freed, but answer TELEMETRY_ERR_INVALID. */
TELEMETRY_API int telemetry_client_close(telemetry_client *client, int timeout_ms,
                                         struct telemetry_error *err);

/* --- runs ------------------------------------------------------------------------------------- */

/* What else is known of a run when it starts. As struct telemetry_config, begin with the INIT. */
struct telemetry_run_options {
    size_t size;
    const char *trigger_type;  /* cli, web, scheduler, mcp or manual; NULL: inferred */
    const char *parent_run_id; /* NULL: the run that the process is in, by TELEMETRY_RUN_ID */
    const char *agent_owner;
    const char *input_summary;
    const char *insight_id;
    const char *product;
    const char *platform;
    const char *product_family;
    const char *subdomain;
    const char *git_repo; /* NULL: that of the working directory, likewise git_branch */
    const char *git_branch;
    const char *git_run_tag;
};
#define TELEMETRY_RUN_OPTIONS_INIT                                                                 \
    {                                                                                              \
        sizeof(struct telemetry_run_options), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,      \
            NULL, NULL, NULL, NULL                                                                 \
    }

/* Starts a run: its line is in the journal when this returns. agent NULL: the name that the environment
 * or the program gives; job NULL: that of the environment, else the agent's name. options may be NULL.
 * The handle is the caller's to free. NULL on failure: then nothing was recorded. */
TELEMETRY_API telemetry_run *telemetry_run_start(telemetry_client *client, const char *agent,
                                                 const char *job,
                                                 const struct telemetry_run_options *options,
                                                 struct telemetry_error *err);

/* The run's id; borrowed, lives as long as the handle. "" for NULL. */
TELEMETRY_API const char *telemetry_run_id(const telemetry_run *run);

/* Logs an event: type of at most 128 bytes, payload_json any JSON value of at most 64 KiB, or NULL. One
 * write to the journal; no lock is held across it. */
TELEMETRY_API int telemetry_run_log_event(telemetry_run *run, const char *type,
                                          const char *payload_json, struct telemetry_error *err);

/* Sets a text field of the run: input_summary, output_summary, error_summary, metrics_json (JSON),
 * insight_id, product, platform, product_family, subdomain, git_repo, git_branch, git_run_tag,
 * agent_owner, trigger_type; and status, which counts only where nobody says another one when the run ends.
 * NULL or "" unsets it; more than 4096 bytes are cut. The value is on the
 * run's row when it has ended, even if the process is killed before. When the disk does not take it, it is
 * kept in memory, and the status says so. */
TELEMETRY_API int telemetry_run_set(telemetry_run *run, const char *field, const char *value,
                                    struct telemetry_error *err);
/* Sets a count, or adds to it: items_discovered, items_succeeded, items_failed. 0 or more. */
TELEMETRY_API int telemetry_run_set_count(telemetry_run *run, const char *field, int64_t value,
                                          struct telemetry_error *err);
TELEMETRY_API int telemetry_run_add(telemetry_run *run, const char *field, int64_t value,
                                    struct telemetry_error *err);

/* Records a git commit that the run has made, as a row of the table commits: revision (NULL: HEAD) of the
 * repository that directory (NULL: the working directory) lies in. Runs git. */
TELEMETRY_API int telemetry_run_commit(telemetry_run *run, const char *directory,
                                       const char *revision, struct telemetry_error *err);

/* Ends the run. summary is its error_summary (of a success, its output_summary); NULL leaves what was
 * set. Its line is in the journal when this returns, and usually its row in the database.
 * TELEMETRY_ERR_ENDED when it has ended before. When not even the collector takes the line (a full disk)
 * the run is still open, and this can be tried again. */
TELEMETRY_API int telemetry_run_end(telemetry_run *run, enum telemetry_status status,
                                    const char *summary, struct telemetry_error *err);

/* Frees the handle. A run that has not been ended goes on: it can be ended by its id. NULL is fine. */
TELEMETRY_API void telemetry_run_free(telemetry_run *run);

/* --- runs by their ids: for callers that keep only the id, and for other processes ---------------- */

/* As above. A run that a shim or `telemetry exec` records cannot be ended (TELEMETRY_ERR_REFUSED): it
 * ends with its process. Slower than by a handle: the run is looked up in the journal. */
TELEMETRY_API int telemetry_event_by_id(telemetry_client *client, const char *run_id,
                                        const char *type, const char *payload_json,
                                        struct telemetry_error *err);
TELEMETRY_API int telemetry_set_by_id(telemetry_client *client, const char *run_id,
                                      const char *field, const char *value,
                                      struct telemetry_error *err);
TELEMETRY_API int telemetry_set_count_by_id(telemetry_client *client, const char *run_id,
                                            const char *field, int64_t value,
                                            struct telemetry_error *err);
TELEMETRY_API int telemetry_add_by_id(telemetry_client *client, const char *run_id,
                                      const char *field, int64_t value,
                                      struct telemetry_error *err);
TELEMETRY_API int telemetry_commit_by_id(telemetry_client *client, const char *run_id,
                                         const char *directory, const char *revision,
                                         struct telemetry_error *err);
TELEMETRY_API int telemetry_end_by_id(telemetry_client *client, const char *run_id,
                                      enum telemetry_status status, const char *summary,
                                      struct telemetry_error *err);

/* --- the remote API ---------------------------------------------------------------------------- */

/* Runs that have ended are posted in the background when METRICS_API_URL is set (docs/remote-api.md).
 * Waits at most timeout_ms until that has happened to one: 0 when the API has taken it,
 * TELEMETRY_ERR_REFUSED when it has refused it for good (the reason in err), -ETIMEDOUT when it is tried
 * again later, TELEMETRY_ERR_INVALID when it is not to be posted, TELEMETRY_ERR_NOT_FOUND when there is
 * no such run. With post_wait_ms in the configuration,
 * telemetry_run_end and telemetry_end_by_id do this, and answer with it; the run has ended in any case. */
TELEMETRY_API int telemetry_wait_posted(telemetry_client *client, const char *run_id,
                                        int timeout_ms, struct telemetry_error *err);

/* --- conveniences ----------------------------------------------------------------------------- */

#define TELEMETRY_DEFINE_TEXT_SETTER(field)                                                        \
    static inline int telemetry_run_set_##field(telemetry_run *run, const char *value,             \
                                                struct telemetry_error *err)                       \
    {                                                                                              \
        return telemetry_run_set(run, #field, value, err);                                         \
    }
#define TELEMETRY_DEFINE_COUNT_SETTER(field)                                                       \
    static inline int telemetry_run_set_##field(telemetry_run *run, int64_t value,                 \
                                                struct telemetry_error *err)                       \
    {                                                                                              \
        return telemetry_run_set_count(run, #field, value, err);                                   \
    }
/* telemetry_run_set_product(run, "words", NULL) and so on: as telemetry_run_set, with the field checked
 * by the compiler. */
TELEMETRY_DEFINE_COUNT_SETTER(items_discovered)
TELEMETRY_DEFINE_COUNT_SETTER(items_succeeded)
TELEMETRY_DEFINE_COUNT_SETTER(items_failed)
TELEMETRY_DEFINE_TEXT_SETTER(input_summary)
TELEMETRY_DEFINE_TEXT_SETTER(output_summary)
TELEMETRY_DEFINE_TEXT_SETTER(error_summary)
TELEMETRY_DEFINE_TEXT_SETTER(metrics_json)
TELEMETRY_DEFINE_TEXT_SETTER(insight_id)
TELEMETRY_DEFINE_TEXT_SETTER(product)
TELEMETRY_DEFINE_TEXT_SETTER(platform)
TELEMETRY_DEFINE_TEXT_SETTER(product_family)
TELEMETRY_DEFINE_TEXT_SETTER(subdomain)
TELEMETRY_DEFINE_TEXT_SETTER(git_repo)
TELEMETRY_DEFINE_TEXT_SETTER(git_branch)
TELEMETRY_DEFINE_TEXT_SETTER(git_run_tag)
TELEMETRY_DEFINE_TEXT_SETTER(agent_owner)
TELEMETRY_DEFINE_TEXT_SETTER(trigger_type)
#undef TELEMETRY_DEFINE_TEXT_SETTER
#undef TELEMETRY_DEFINE_COUNT_SETTER

#if defined(__GNUC__)
/* A run for as long as a block:
 *
 *     {
 *         TELEMETRY_SCOPED telemetry_run *run = telemetry_run_start(client, "agent", "job", NULL, NULL);
 *         …
 *     }
 *
 * However the block is left (its end, return, break, goto), the run is ended as a success unless it has
 * been ended before, and its handle freed. exit, a crash or a kill inside of it makes the run failed. */
#define TELEMETRY_SCOPED __attribute__((cleanup(telemetry_run_leave_scope)))
static inline void telemetry_run_leave_scope(telemetry_run **run)
{
    if (*run != NULL) {
        telemetry_run_end(*run, TELEMETRY_SUCCESS, NULL, NULL);
        telemetry_run_free(*run);
    }
}
#endif

#ifdef __cplusplus
}
#endif

#endif
