/* See due.h. The index on run_process holds only runs that are still to be posted, so none of this
 * depends on how many there are in all. */
#include "due.h"

#include "base/clock.h"

#include <limits.h>

/* CROSS JOIN keeps the order: the few by the partial index, then their rows. */
#define FROM_PENDING                                                                               \
    " FROM run_process p CROSS JOIN agent_runs r ON r.run_id = p.run_id"                           \
    " WHERE p.post = 1 AND p.uid = ?1 AND r.api_posted = 0"
#define ENDED " AND r.status <> 'running'"
#define IS_DUE                                                                                     \
    " (p.post_after IS NULL OR p.post_after <= ?2 OR (?3 AND r.api_retry_count >= 3) OR ?4)"

static const char due_text[] =
    "SELECT p.run_id, p.journal_date, p.journal_offset, p.journal_length, r.api_retry_count,"
    " p.post_after IS NOT NULL, p.scope, p.pid, p.pidfs_ino, p.start_ticks, p.pid_ns, "
    "p.boot_id" FROM_PENDING ENDED " AND" IS_DUE " ORDER BY p.post_after";
static const char next_text[] = "SELECT min(p.post_after)" FROM_PENDING ENDED " AND NOT" IS_DUE;
static const char pending_text[] =
    "SELECT sum(r.status <> 'running' AND" IS_DUE "), sum(r.status <> 'running' AND NOT" IS_DUE
    "), sum(r.status = 'running')" FROM_PENDING;
static const char done_text[] =
    "SELECT sum(r.api_posted <> 0), sum(p.post_error IS NOT NULL) FROM run_process p"
    " JOIN agent_runs r ON r.run_id = p.run_id WHERE p.post IS NOT NULL AND p.uid = ?1";

struct moment {
    char text[TEL_TIME_LEN];
};

/* moment has to live until the statement has been stepped. */
static int prepare(sqlite3 *db, const char *text, const struct tel_due_filter *filter,
                   struct moment *moment, sqlite3_stmt **stmt, struct tel_error *err)
{
    int status = tel_db_prepare(db, text, stmt, err);
    struct tel_buf now;

    if (status < 0)
        return status;
    tel_buf_init(&now, moment->text, sizeof moment->text);
    tel_time_put(&now, filter->now_ns);
    sqlite3_bind_int64(*stmt, 1, filter->uid);
    if (sqlite3_bind_parameter_count(*stmt) >= 4) {
        tel_db_bind(*stmt, 2, tel_buf_view(&now));
        sqlite3_bind_int(*stmt, 3, filter->impatient);
        sqlite3_bind_int(*stmt, 4, filter->all);
    }
    return 0;
}

static unsigned next_retry(int64_t retries, bool tried)
{
    if (retries < 0 || retries >= INT_MAX)
        return 0;
    return (unsigned)retries + (retries > 0 || tried ? 1 : 0);
}

int tel_due_each(sqlite3 *db, const struct tel_due_filter *filter, tel_due_fn *fn, void *arg,
                 struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    struct moment moment;
    int status = prepare(db, due_text, filter, &moment, &stmt, err);
    int stopped = 0;

    while (status >= 0 && stopped == 0 && (status = tel_db_step(stmt, err)) == 1) {
        const struct tel_due due = {
            .run_id = tel_db_column(stmt, 0),
            .last_line = {(uint32_t)sqlite3_column_int64(stmt, 1),
                          (uint32_t)sqlite3_column_int64(stmt, 3),
                          (uint64_t)sqlite3_column_int64(stmt, 2)},
            .scope = sqlite3_column_int(stmt, 6) != 0,
            .process = {(pid_t)sqlite3_column_int64(stmt, 7),
                        (uint64_t)sqlite3_column_int64(stmt, 8),
                        (uint64_t)sqlite3_column_int64(stmt, 9)},
            .pid_ns = (uint64_t)sqlite3_column_int64(stmt, 10),
            .boot_id = tel_db_column(stmt, 11),
            .retries = next_retry(sqlite3_column_int64(stmt, 4), sqlite3_column_int(stmt, 5) != 0),
        };

        stopped = fn(arg, &due);
    }
    return status < 0 ? status : stopped;
}

int tel_due_next(sqlite3 *db, const struct tel_due_filter *filter, int64_t *out_ns,
                 struct tel_error *err)
{
    TEL_AUTO_STMT stmt = NULL;
    struct moment moment;
    int status = prepare(db, next_text, filter, &moment, &stmt, err);

    *out_ns = 0;
    if (status == 0)
        status = tel_db_step(stmt, err);
    if (status == 1 && !tel_time_parse(tel_db_column(stmt, 0), out_ns))
        *out_ns = 0;
    return status < 0 ? status : 0;
}

int tel_due_count(sqlite3 *db, const struct tel_due_filter *filter, struct tel_due_counts *out,
                  struct tel_error *err)
{
    TEL_AUTO_STMT pending = NULL;
    TEL_AUTO_STMT done = NULL;
    struct moment moment;
    int status = prepare(db, pending_text, filter, &moment, &pending, err);

    if (status == 0)
        status = tel_db_step(pending, err);
    if (status >= 0)
        status = prepare(db, done_text, filter, &moment, &done, err);
    if (status == 0)
        status = tel_db_step(done, err);
    if (status < 0)
        return status;
    *out = (struct tel_due_counts){
        .ready = sqlite3_column_int64(pending, 0),
        .waiting = sqlite3_column_int64(pending, 1),
        .running = sqlite3_column_int64(pending, 2),
        .posted = sqlite3_column_int64(done, 0),
        .refused = sqlite3_column_int64(done, 1),
    };
    return 0;
}
