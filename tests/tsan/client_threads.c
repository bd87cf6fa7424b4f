/* Eight threads that share one client, with a fork in the middle, for ThreadSanitizer. A plain program:
 * Criterion crashes under it. */
#include "telemetry/client.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 20 };

static telemetry_client *client;
static int failures;

static void expect_ok(int status)
{
    if (status < 0)
        __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
    telemetry_run *shared = arg;

    for (int i = 0; i < ROUNDS; i++) {
        telemetry_run *run = telemetry_run_start(client, "agent", "job", NULL, NULL);
        struct telemetry_stats stats;

        expect_ok(telemetry_run_log_event(run, "own", "{\"a\": [1, 2]}", NULL));
        expect_ok(telemetry_run_log_event(shared, "shared", NULL, NULL));
        expect_ok(telemetry_run_add(shared, "items_succeeded", 1, NULL));
        expect_ok(telemetry_run_set_product(run, "p", NULL));
        if (i % 5 == 0)
            expect_ok(telemetry_client_stats(client, &stats, NULL));
        expect_ok(telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, NULL));
        telemetry_run_free(run);
    }
    return NULL;
}

static void fork_once(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        telemetry_run *run = telemetry_run_start(client, "agent", "child", NULL, NULL);

        expect_ok(telemetry_run_log_event(run, "child", NULL, NULL));
        expect_ok(telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, NULL));
        _exit(run == NULL || failures > 0);
    }
    waitpid(pid, &pid, 0);
    expect_ok(pid == 0 ? 0 : -1);
}

int main(int argc, char **argv)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    struct telemetry_error err;
    pthread_t threads[THREADS];
    telemetry_run *shared;

    config.base_dir = argc > 1 ? argv[1] : NULL;
    config.collector = "off";
    client = telemetry_client_open(&config, &err);
    if (client == NULL) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    shared = telemetry_run_start(client, "agent", "shared", NULL, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, shared);
    fork_once();
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    expect_ok(telemetry_run_end(shared, TELEMETRY_SUCCESS, NULL, NULL));
    telemetry_run_free(shared);
    expect_ok(telemetry_client_close(client, 20000, NULL));
    if (failures > 0)
        fprintf(stderr, "%d calls failed\n", failures);
    return failures > 0;
}
