/* telemetry sync: brings the database up to date with the journal, now. */
#include "args.h"
#include "cli.h"
#include "complain.h"
#include "context.h"
#include "human.h"

#include <errno.h>
#include <stdio.h>

/* A rebuild from a journal of gigabytes takes minutes. */
enum { PATIENCE_MS = 5000, TIMEOUT_MS = 15 * 60 * 1000 };

static void report(const struct sync_result *result)
{
    if (result->by_collector) {
        if (result->collector > 0)
            printf("the collector (pid %d) has brought the database up to date\n",
                   result->collector);
        else
            printf("the collector has brought the database up to date\n");
        return;
    }
    printf("%s folded, %llu of runs, %llu of events, %s skipped\n",
           human_count((int64_t)result->stats.lines, "line").text,
           (unsigned long long)result->stats.runs, (unsigned long long)result->stats.events,
           human_count((int64_t)result->stats.bad_lines, "bad line").text);
    if (result->set_aside[0] != '\0')
        printf("the old database was damaged; it is kept as %s\n", result->set_aside);
}

static int sync_now(void)
{
    struct context context;
    struct sync_result result;
    struct tel_error err = {0};
    int exit_code = CLI_FAILED;
    int status;

    if (!context_load(&context) || !context_has_directory(&context, &exit_code))
        return exit_code;
    status = context_sync(&context, PATIENCE_MS, &result, &err);
    if (status == -ETIMEDOUT) {
        complain("note: the collector (pid %d) is busy, or stopped; still waiting for it",
                 result.collector);
        status = context_sync(&context, TIMEOUT_MS, &result, &err);
    }
    if (status < 0) {
        complain("%s", err.message);
        return CLI_FAILED;
    }
    report(&result);
    return CLI_OK;
}

int cmd_sync(int argc, char **argv)
{
    static const struct arg_spec spec = {
        .command = "sync",
        .synopsis = "",
        .about = "Brings the database up to date with the journal: asks the collector when one is\n"
                 "running, else does it itself. Rarely needed, since the collector does it after\n"
                 "every run; a database that was deleted comes back this way.\n",
        .examples = "  rm \"$TELEMETRY_BASE_DIR\"/db/*; telemetry sync\n",
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code) ? sync_now() : exit_code;
}
