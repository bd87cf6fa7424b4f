/* Waiting until the remote API has a run (telemetry/client.h). Posting itself is the collector's; what
 * became of it is in the database. */
#include "client_internal.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/sys.h"
#include "lookup.h"
#include "query.h"

#include <errno.h>
#include <string.h>

enum { LOOK_AGAIN_NS = 20 * 1000 * 1000 };

enum fate { UNKNOWN, UNWANTED, PENDING, REFUSED, POSTED };

struct look {
    enum fate fate;
    struct tel_error *err;
};

static int take_row(void *arg, const struct tel_run_row *row)
{
    struct look *look = arg;
    const struct tel_str why = row->process[TEL_PROC_POST_ERROR];
    char memory[200];
    struct tel_buf text;

    if (tel_str_is(row->run[TEL_RUN_API_POSTED], "1")) {
        look->fate = POSTED;
    } else if (why.ptr != NULL) {
        look->fate = REFUSED;
        tel_buf_init(&text, memory, sizeof memory);
        tel_buf_str(&text, tel_str_cut_utf8(why, sizeof memory - 1));
        tel_fail(look->err, TEL_ERR_REFUSED,
                 "the remote API has refused the run: ", tel_buf_terminate(&text), NULL);
    } else {
        look->fate = row->process[TEL_PROC_POST].ptr == NULL ? UNWANTED : PENDING;
    }
    return 1;
}

/* Where there is no database yet, or it is locked, another look is due. */
static enum fate look_at(const telemetry_client *client, struct tel_str run_id,
                         struct tel_error *err)
{
    const struct tel_run_filter filter = {.id = run_id, .limit = 1};
    struct look look = {UNKNOWN, err};
    struct tel_query *query;

    if (tel_query_open(&query, &client->recorder->dir, NULL) < 0)
        return UNKNOWN;
    tel_query_runs(query, &filter, take_row, &look, NULL);
    tel_query_close(query);
    return look.fate;
}

static int wait_posted(const telemetry_client *client, struct tel_str run_id, int timeout_ms,
                       struct tel_error *err)
{
    const int64_t deadline = tel_clock_boottime_ns() + (int64_t)timeout_ms * 1000000;

    for (;;) {
        switch (look_at(client, run_id, err)) {
        case POSTED:
            return 0;
        case REFUSED:
            return TEL_ERR_REFUSED;
        case UNWANTED:
            return tel_fail(err, TEL_ERR_INVALID,
                            "the run is not to be posted: set METRICS_API_URL", NULL);
        case PENDING:
        case UNKNOWN:
            break;
        }
        if (tel_clock_boottime_ns() >= deadline)
            return tel_fail(err, -ETIMEDOUT, "the run is not posted yet; it will be tried again",
                            NULL);
        tel_sys_sleep_ns(LOOK_AGAIN_NS);
    }
}

static int check(const telemetry_client *client, struct tel_str run_id, struct tel_error *err)
{
    if (!tel_client_usable(client, err))
        return err->code;
    if (!tel_owner_id_valid(run_id))
        return tel_fail(err, TEL_ERR_INVALID, "that is no run id", NULL);
    return tel_client_may_use_database(err) < 0 ? err->code : 0;
}

int tel_client_wait_posted(telemetry_client *client, struct tel_str run_id, int timeout_ms,
                           struct tel_error *err)
{
    const int status = check(client, run_id, err);

    return status < 0 ? status : wait_posted(client, run_id, timeout_ms, err);
}

/* A run that has no row yet is in the journal. */
static int check_known(telemetry_client *client, struct tel_str run_id, struct tel_error *err)
{
    static const struct tel_journal_pos anywhere;
    const struct tel_datadir *dir = &client->recorder->dir;
    char memory[TEL_RUN_ID_MAX];
    struct tel_run_facts facts;
    struct tel_buf id;

    if (look_at(client, run_id, NULL) != UNKNOWN ||
        tel_run_look_up(dir, run_id, &anywhere, &facts, NULL) != 0)
        return 0;
    tel_buf_init(&id, memory, sizeof memory);
    tel_buf_str(&id, run_id);
    return tel_fail(err, TEL_ERR_NOT_FOUND, "run ", tel_buf_terminate(&id), " is not recorded in ",
                    dir->base, NULL);
}

int telemetry_wait_posted(telemetry_client *client, const char *run_id, int timeout_ms,
                          struct telemetry_error *err)
{
    const struct tel_str id = tel_str_from(run_id);
    struct tel_error own = {0};
    int status = check(client, id, &own);

    if (status == 0)
        status = check_known(client, id, &own);
    if (status == 0)
        status = wait_posted(client, id, timeout_ms, &own);
    return tel_client_result(err, &own, status);
}
