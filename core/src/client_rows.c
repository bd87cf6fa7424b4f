/* Rows for what the client library writes: by the collector where one lives, else by a fold in this
 * process, of bounded time. */
#include "client_internal.h"

#include "base/clock.h"
#include "base/sys.h"

#include <errno.h>

#define NS_PER_MS INT64_C(1000000)

enum { BUSY_MS_MAX = 5000 };

static int is_late(void *arg)
{
    return tel_clock_boottime_ns() >= *(const int64_t *)arg;
}

/* With the lowest number there is: whoever closes those that SQLite opens next closes this one, too. */
static void mark(telemetry_client *client)
{
    const char *const base = client->recorder->dir.base;

    tel_kept_fd_close(&client->fold_mark);
    tel_kept_fd_set(&client->fold_mark, tel_sys_openat(AT_FDCWD, base, O_PATH | O_DIRECTORY, 0));
}

void tel_client_close_fold(telemetry_client *client)
{
    if (client->fold != NULL && tel_kept_fd_use(&client->fold_mark, NULL) < 0)
        tel_client_forget_database(client);
    tel_fold_close(client->fold);
    tel_kept_fd_close(&client->fold_mark);
}

static int fold(telemetry_client *client, bool all, int busy_ms, struct tel_error *err)
{
    const int wait_ms = (int)client->config.wait_ms;
    int64_t deadline = tel_clock_boottime_ns() + busy_ms * NS_PER_MS;
    int status = 0;

    if (client->fold != NULL && tel_kept_fd_use(&client->fold_mark, NULL) < 0)
        tel_client_forget_database(client);
    if (tel_client_may_use_database(err) < 0)
        return TEL_ERR_REFUSED;
    if (client->fold == NULL)
        mark(client);
    if (client->fold == NULL)
        status = tel_fold_open(&client->fold, &client->recorder->dir,
                               wait_ms < BUSY_MS_MAX ? wait_ms : BUSY_MS_MAX, err);
    if (status < 0)
        return status;
    tel_fold_set_between(client->fold, is_late, &deadline);
    status = tel_fold_pass(client->fold, all, NULL, err);
    return status == 1
               ? tel_fail(err, -ETIMEDOUT, "the journal has not been folded to its end yet", NULL)
               : status;
}

int tel_client_fold(telemetry_client *client, bool all, int busy_ms, struct tel_error *err)
{
    struct rlimit limit;
    int status;

    if (tel_sys_getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        return tel_fail(err, -EFBIG, "the database is not written under a file size limit", NULL);
    if (client->recorder->dir.network)
        return tel_fail(err, -EOPNOTSUPP,
                        "on a network filesystem only 'telemetry sync' writes the database", NULL);
    pthread_mutex_lock(&client->fold_lock);
    status = fold(client, all, busy_ms, err);
    pthread_mutex_unlock(&client->fold_lock);
    return status;
}

int tel_client_commit(telemetry_client *client, struct tel_str run_id,
                      const struct tel_journal_pos *pos, struct tel_str line, struct tel_error *err)
{
    const int wait_ms = (int)client->config.wait_ms;
    struct tel_message message;
    int fd;

    tel_message_init(&message, TEL_REQUEST_LEAVE, run_id);
    message.line = *pos;
    fd = tel_proto_request(&client->recorder->dir, &message, line);
    if (fd >= 0) {
        if (wait_ms > 0)
            tel_sys_wait_readable(fd, wait_ms);
        tel_sys_close(fd);
        return 0;
    }
    if (line.len > 0)
        return tel_fail_sys(err, fd, "neither the journal nor a collector takes the run's line",
                            NULL);
    tel_client_fold(client, false, wait_ms, NULL); /* or the next fold, whoever makes it */
    return 0;
}
