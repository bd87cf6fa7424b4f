/* See context.h. */
#include "context.h"

#include "base/process.h"
#include "base/proto.h"
#include "cli.h"
#include "complain.h"
#include "launch.h"
#include "orphans.h"
#include "take_in.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REFRESH_MS = 5000, BUSY_MS = 5000 };

bool context_load(struct context *context)
{
    struct tel_error err = {0};
    char cwd[TEL_PATH_MAX];
    const struct tel_surroundings around = {&context->env, cwd, TEL_STR_NONE, geteuid()};
    int status;

    context->env.entries = environ;
    if (getcwd(cwd, sizeof cwd) == NULL)
        strcpy(cwd, "/");
    status = tel_settings_load(&context->config, &context->dir, &context->file, &around, &err);
    if (status < 0)
        complain("%s", err.message);
    else
        tel_datadir_name_collector(&context->dir, tel_pid_namespace());
    return status == 0;
}

bool context_has_directory(struct context *context, int *exit_code)
{
    struct tel_error err = {0};
    const int status = tel_datadir_prepare(&context->dir, false, &err);

    /* A database without a journal beside it is worth looking at all the same. */
    if (status == 0 || (status == -ENOENT && access(context->dir.db, F_OK) == 0))
        return true;
    *exit_code = CLI_FAILED;
    if (status != -ENOENT) {
        complain("%s", err.message);
        return false;
    }
    if (context->config.skip_validation)
        *exit_code = CLI_OK;
    complain("%snothing has been recorded yet: there is no %s %s",
             context->config.skip_validation ? "warning: " : "",
             access(context->dir.base, F_OK) == 0 ? "journal in" : "data directory",
             context->dir.base);
    return false;
}

int context_collector(const struct context *context)
{
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    int fd = tel_proto_connect(&context->dir, TEL_SOCKET_REQUEST);

    if (fd < 0)
        return fd;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        peer.pid = 0;
    close(fd);
    return peer.pid;
}

static void note_alive(void *arg, struct tel_str run_id, int pidfd,
                       const struct tel_journal_pos *last_line)
{
    (void)run_id;
    (void)last_line;
    close(pidfd);
    *(bool *)arg = true;
}

/* What is marked running may have ended unseen: a reboot, a collector that was killed. What is still
 * alive gets a new collector, which sees its end. */
static int settle_orphans(const struct context *context, struct tel_fold *fold,
                          struct tel_error *err)
{
    const struct tel_settler settler = {
        .dir = &context->dir,
        .fold = fold,
        .source = tel_exit_source_parse(context->config.value[TEL_VAR_EXIT_SOURCE]),
    };
    bool alive = false;
    const int status = tel_orphans_settle(&settler, NULL, note_alive, &alive, err);

    if (status >= 0 && alive && !context->config.collector_off)
        launch_collector(context, NULL);
    return status;
}

static int fold_here(const struct context *context, struct sync_result *result,
                     struct tel_error *err)
{
    struct tel_fold *fold;
    int status = tel_fold_open(&fold, &context->dir, BUSY_MS, err);

    if (status < 0)
        return status;
    status = tel_fold_pass(fold, true, &result->stats, err);
    if (status >= 0)
        status = settle_orphans(context, fold, err);
    if (status >= 0 && tel_take_in_all(&context->dir, fold, NULL) > 0)
        status = tel_fold_pass(fold, false, &result->stats, err);
    snprintf(result->set_aside, sizeof result->set_aside, "%s", tel_fold_take_set_aside(fold));
    tel_fold_close(fold);
    return status;
}

int context_sync(const struct context *context, int timeout_ms, struct sync_result *result,
                 struct tel_error *err)
{
    struct tel_message message;
    int answer;

    memset(result, 0, sizeof *result);
    tel_message_init(&message, TEL_REQUEST_SYNC, TEL_STR_NONE);
    result->collector = context_collector(context);
    answer = result->collector < 0
                 ? result->collector
                 : tel_proto_ask(&context->dir, &message, TEL_STR_NONE, timeout_ms);
    if (answer == TEL_ANSWER_DONE) {
        result->by_collector = true;
        return 0;
    }
    if (answer == -ETIMEDOUT || answer == -EAGAIN)
        return tel_fail(err, -ETIMEDOUT, "the collector is still busy with it", NULL);
    /* There is none, or it has a difficulty: folding here works, or says which. */
    return fold_here(context, result, err);
}

static bool is_read_only(int status)
{
    return status == -EROFS || status == -EACCES || status == -EPERM;
}

static void refresh(const struct context *context)
{
    struct sync_result result;
    struct tel_error err = {0};
    int status;

    if (context->dir.network && context_collector(context) < 0) {
        complain("note: %s is on a network filesystem; 'telemetry sync' brings the database up to "
                 "date",
                 context->dir.base);
        return;
    }
    status = context_sync(context, REFRESH_MS, &result, &err);
    if (status == 0 && result.set_aside[0] != '\0')
        complain("note: the database was damaged; it is kept as %s and has been rebuilt from the "
                 "journal",
                 result.set_aside);
    if (is_read_only(status))
        complain("note: %s cannot be written to; showing what the database holds",
                 context->dir.base);
    else if (status < 0)
        complain("note: this may not be the latest: %s", err.message);
}

struct tel_query *context_open_query(struct context *context, int *exit_code)
{
    struct tel_query *query;
    struct tel_error err = {0};

    *exit_code = CLI_FAILED;
    if (!context_load(context) || !context_has_directory(context, exit_code))
        return NULL;
    refresh(context);
    if (tel_query_open(&query, &context->dir, &err) == 0)
        return query;
    complain("%s", err.message);
    return NULL;
}
