/* See record.h. */
#include "record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "exit_status.h"
#include "support/recording.h"

static const char runs_sql[] =
    "SELECT agent_name, status, exit_code, signal, end_source FROM agent_runs LEFT JOIN "
    "run_process USING (run_id) ORDER BY start_boot_ns, run_id";

const char *runs_of(const char *base)
{
    const char *rows = sql_text(base, runs_sql);

    return rows != NULL ? rows : "";
}

int count_runs(const char *base)
{
    const char *count = sql_text(base, "SELECT count(*) FROM agent_runs");

    return count != NULL ? atoi(count) : 0;
}

/* The first run of an execution, after so many others. */
static const char *expected_run(const struct row *row, int wait_status)
{
    const char *source = row->source != NULL ? row->source : "observed";

    if (strcmp(source, "any") == 0)
        source = "*";
    if (WIFSIGNALED(wait_status))
        return text("%s|failed||%d|%s", row->agent, WTERMSIG(wait_status), source);
    return text("%s|%s|%d||%s", row->agent, WEXITSTATUS(wait_status) == 0 ? "success" : "failed",
                WEXITSTATUS(wait_status), source);
}

/* A "*" at the end stands for any source. */
static bool is_run(const char *got, const char *expected)
{
    const size_t len = strlen(expected);

    if (expected[len - 1] == '*')
        return strncmp(got, expected, len - 1) == 0;
    return strcmp(got, expected) == 0;
}

struct wanted {
    const struct row *row;
    const char *base;
    const char *run;
    int before;
    int runs;
};

static bool is_so(void *arg)
{
    const struct wanted *wanted = arg;
    const int runs = count_runs(wanted->base);
    const char *first =
        sql_text(wanted->base, text("%s LIMIT 1 OFFSET %d", runs_sql, wanted->before));
    const char *running =
        sql_text(wanted->base, "SELECT count(*) FROM agent_runs WHERE status = 'running'");

    if (runs < wanted->runs || (runs > wanted->runs && !wanted->row->or_more))
        return false;
    if (first == NULL || running == NULL)
        return false;
    return is_run(first, wanted->run) && strcmp(running, "0") == 0;
}

const char *record_differs(const struct row *row, const char *base, const struct seen *seen,
                           int before)
{
    struct wanted wanted = {.row = row, .base = base, .before = before};

    if (row->runs == NO_RUN)
        return count_runs(base) == before ? NULL : text("no run expected:\n%s\n", runs_of(base));
    if (row->runs == RUNS_UNSEEN)
        return NULL;
    if (row->source != NULL && !tel_exit_pidfd_works())
        return NULL; /* this kernel does not tell how it ended */
    wanted.run = expected_run(row, seen->wait_status);
    wanted.runs = before + (row->runs == ONE_RUN ? 1 : row->runs);
    if (wait_until(is_so, &wanted, 20000))
        return NULL;
    return text("expected %s%d runs, of which number %d: %s\nthere are:\n%s\n",
                row->or_more ? "at least " : "", wanted.runs, before + 1, wanted.run,
                runs_of(base));
}
