/* Waiting until the remote API has a run (telemetry/client.h). Posting itself is the collector's; what
 * became of it is in the database. */
#include "client_internal.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/sys.h"
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

int tel_client_wait_posted(telemetry_client *client, struct tel_str run_id, int timeout_ms,
                           struct tel_error *err)
{
    if (!tel_client_usable(client, err))
        return err->code;
    if (!tel_owner_id_valid(run_id))
        return tel_fail(err, TEL_ERR_INVALID, "that is no run id", NULL);
    if (tel_client_may_use_database(err) < 0)
        return err->code;
    return wait_posted(client, run_id, timeout_ms, err);
}

int telemetry_wait_posted(telemetry_client *client, const char *run_id, int timeout_ms,
                          struct telemetry_error *err)
{
    struct tel_error own = {0};

    return tel_client_result(
        err, &own, tel_client_wait_posted(client, tel_str_from(run_id), timeout_ms, &own));
}
