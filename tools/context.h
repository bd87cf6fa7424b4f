/* What every command that looks at records needs: the configuration, the data directory, and a
 * database that is up to date. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "base/settings.h"
#include "fold.h"
#include "query.h"

struct context {
    struct tel_env env;
    struct tel_config config;
    struct tel_datadir dir;
    struct tel_conf_file file;
};

/* From the environment of the process and the configuration file; of that, what is said for all
 * programs. False, and said why, when there can be no data directory. */
bool context_load(struct context *context);

/* True when the data directory is there and may be used. Otherwise says why not; with
 * TELEMETRY_SKIP_VALIDATION a missing one is only a warning, and *exit_code is CLI_OK. */
bool context_has_directory(struct context *context, int *exit_code);

/* Process id of the collector that serves the data directory; 0 unknown, negative errno when none
 * can be reached (-ENOENT and -ECONNREFUSED: there is none). */
int context_collector(const struct context *context);

struct sync_result {
    bool by_collector;
    int collector;               /* its pid, 0 unknown */
    struct tel_fold_stats stats; /* of a fold in this process */
    char set_aside[TEL_PATH_MAX];
};
/* Brings the database up to date: asks a living collector and waits at most timeout_ms for it, else
 * folds in this process, and closes runs whose end nobody has seen. Errors: -ETIMEDOUT, those of tel_fold_pass. */
int context_sync(const struct context *context, int timeout_ms, struct sync_result *result,
                 struct tel_error *err);

/* For commands that show runs: loads the context, brings the database up to date if that can be done
 * soon, and opens it. What only keeps it from being the latest becomes a note on standard error.
 * NULL, and said why, when there is nothing to show; *exit_code is then the program's. */
struct tel_query *context_open_query(struct context *context, int *exit_code);

#endif
