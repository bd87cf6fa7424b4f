/* What an event costs: telemetry_run_log_event against a bare write(2) of the same line, and against
 * write and fsync; then pairs of start and end. Interleaved rounds, the median of each.
 * usage: bench_events [DIRECTORY] */
#include "telemetry/client.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 15, EVENTS = 20000, SYNCED = 100, PAIRS = 200, PROCESSES = 8 };

static const char payload[] =
    "{\"step\": 17, \"file\": \"/srv/in/2026-11-22.csv\", \"rows\": 4711}";

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

/* Seconds for each write of len bytes; synced: and fsync. */
static double bare(int fd, const char *line, size_t len, int count, int synced)
{
    const double began = now_s();

    for (int i = 0; i < count; i++) {
        if (write(fd, line, len) != (ssize_t)len || (synced && fsync(fd) != 0))
            exit(1);
    }
    return (now_s() - began) / count;
}

static double events(telemetry_run *run)
{
    const double began = now_s();

    for (int i = 0; i < EVENTS; i++)
        if (telemetry_run_log_event(run, "checkpoint", payload, NULL) < 0)
            exit(1);
    return (now_s() - began) / EVENTS;
}

static double pairs(telemetry_client *client)
{
    const double began = now_s();

    for (int i = 0; i < PAIRS; i++) {
        telemetry_run *run = telemetry_run_start(client, "bench", "pairs", NULL, NULL);

        telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, NULL);
        telemetry_run_free(run);
    }
    return (now_s() - began) / PAIRS;
}

static telemetry_client *open_client(const char *base, const char *collector)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    struct telemetry_error err;
    telemetry_client *client;

    config.base_dir = base;
    config.collector = collector;
    client = telemetry_client_open(&config, &err);
    if (client == NULL) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    return client;
}

/* Events a second of so many processes at once, each with a client of its own. */
static double many(const char *base)
{
    const double began = now_s();

    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            telemetry_client *client = open_client(base, "off");
            telemetry_run *run = telemetry_run_start(client, "bench", "many", NULL, NULL);

            events(run);
            _exit(0);
        }
    }
    while (wait(NULL) > 0)
        ;
    return PROCESSES * EVENTS / (now_s() - began);
}

int main(int argc, char **argv)
{
    char base[] = "/tmp/bench-events-XXXXXX";
    const char *directory = argc > 1 ? argv[1] : mkdtemp(base);
    char path[4096];
    char line[512];
    double of_events[ROUNDS];
    double of_bare[ROUNDS];
    telemetry_client *client = open_client(directory, NULL);
    telemetry_run *run = telemetry_run_start(client, "bench", "events", NULL, NULL);
    const size_t len = sizeof payload + 190; /* about what an event's line takes */
    int fd;

    memset(line, 'x', sizeof line);
    line[len - 1] = '\n';
    snprintf(path, sizeof path, "%s/bare", directory);
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || run == NULL)
        return 1;
    for (int i = 0; i < ROUNDS; i++) {
        of_bare[i] = bare(fd, line, len, EVENTS, 0);
        of_events[i] = events(run);
    }
    printf("bare write        %8.0f a second\n", 1 / median(of_bare));
    printf("log_event         %8.0f a second, %.2f times a bare write\n", 1 / median(of_events),
           median(of_events) / median(of_bare));
    printf("write and fsync   %8.0f a second\n", 1 / bare(fd, line, len, SYNCED, 1));
    telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, NULL);
    telemetry_run_free(run);
    printf("start and end     %8.0f a second with a collector\n", 1 / pairs(client));
    telemetry_client_close(client, 60000, NULL);
    client = open_client(directory, "off");
    printf("%d processes       %8.0f events a second\n", PROCESSES, many(directory));
    telemetry_client_close(client, 1000, NULL);
    printf("in %s\n", directory);
    return 0;
}
