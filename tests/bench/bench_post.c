/* How fast pending runs go out, and in how much memory: `telemetry post` against an HTTP server of this
 * process that answers everything with 200.
 *
 *   bench_post CLI [RUNS]
 *
 * RUNS (10000) ended runs are written to a journal of their own. The goal is 2000 a second, and less than
 * 64 MiB for CLI and poster each. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "place.h"
#include "server.h"

enum { DEFAULT_RUNS = 10000 };

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_post: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- the runs --------------------------------------------------------------------------------- */

static void write_runs(const char *base, long runs)
{
    struct tel_instant now;
    FILE *journal;

    tel_clock_now(&now);
    if (mkdir(base, 0700) < 0 || mkdir(format("%s/raw", base), 0700) < 0)
        die(base);
    journal = fopen(format("%s/raw/events_%08u.ndjson", base, tel_date_of(now.realtime_ns)), "we");
    if (journal == NULL)
        die(base);
    for (long i = 0; i < runs; i++)
        fprintf(journal,
                "{\"run_id\": \"20261122T100000Z-agent-%08lx\", \"agent_name\": \"agent\", "
                "\"job_type\": \"nightly\", \"trigger_type\": \"scheduler\", \"start_time\": "
                "\"2026-11-22T10:00:00.000000+00:00\", \"schema_version\": 3, \"end_time\": "
                "\"2026-11-22T10:00:01.000000+00:00\", \"status\": \"success\", \"duration_ms\": "
                "1000, \"host\": \"here\", \"api_posted\": false, \"api_retry_count\": 0, "
                "\"record_type\": \"run\", \"process\": {\"pid\": 1, \"uid\": %u, \"exe\": "
                "\"/usr/bin/agent\", \"cwd\": \"/\", \"post\": true}}\n",
                i, (unsigned)geteuid());
    if (fclose(journal) != 0)
        die(base);
}

/* --- measuring -------------------------------------------------------------------------------- */

/* Most memory that the poster, a child of pid, has had so far, KiB; 0 when it is not there. */
static long poster_rss_kib(pid_t pid)
{
    char line[256];
    long child = 0;
    long kib = 0;
    FILE *file = fopen(format("/proc/%d/task/%d/children", (int)pid, (int)pid), "re");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld", &child) != 1)
        child = 0;
    fclose(file);
    file = child > 0 ? fopen(format("/proc/%ld/status", child), "re") : NULL;
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    fclose(file);
    return kib;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static pid_t start_post(const char *cli, const char *base, int port)
{
    char *const *env = environment(ENTRIES(format("TELEMETRY_BASE_DIR=%s", base),
                                           format("METRICS_API_URL=http://127.0.0.1:%d/runs", port),
                                           "METRICS_API_TOKEN=token", "TELEMETRY_COLLECTOR=off"));
    char *const argv[] = {format("%s", cli), format("post"), NULL};
    const pid_t pid = fork();

    if (pid == 0) {
        execve(cli, argv, env);
        _exit(127);
    }
    if (pid < 0)
        die("fork");
    return pid;
}

int main(int argc, char **argv)
{
    const struct timespec pause = {0, 20000000};
    const long runs = argc > 2 ? atol(argv[2]) : DEFAULT_RUNS;
    long poster_kib = 0;
    struct rusage usage;
    const char *base;
    double began;
    double took;
    int status;
    pid_t pid;

    if (argc < 2 || runs <= 0) {
        fputs("usage: bench_post CLI [RUNS]\n", stderr);
        return 2;
    }
    base = format("%s/data", enter_new_place());
    write_runs(base, runs);
    began = seconds();
    pid = start_post(argv[1], base, start_server(SERVER_ANSWERS));
    while (wait4(pid, &status, WNOHANG, &usage) == 0) {
        const long kib = poster_rss_kib(pid);

        poster_kib = kib > poster_kib ? kib : poster_kib;
        nanosleep(&pause, NULL);
    }
    took = seconds() - began;
    printf("%ld runs, %ld requests, %.2f s: %.0f a second; telemetry %.1f MiB, poster %.1f MiB; "
           "exit status %d\n",
           runs, server_requests(), took, (double)server_requests() / took,
           (double)usage.ru_maxrss / 1024, (double)poster_kib / 1024, WEXITSTATUS(status));
    return status == 0 && server_requests() == runs ? 0 : 1;
}
