/* What an event costs: telemetry_run_log_event against write(2) of exactly the same bytes to a file in the
 * same directory, by one thread and by eight processes, and against write and fsync; and how many runs can
 * be started and ended in a second. What is compared is done in turn, in many short rounds. */
#include "telemetry/client.h"

#include "bench/place.h"
#include "bench/stopwatch.h"

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 41, EVENTS = 5000, PROCESSES = 8, SYNCED = 50, PAIRS = 50, LINE_MAX_BYTES = 1024 };

static const double goal = 1.7; /* times a bare write */

static const char payload[] =
    "{\"step\": 17, \"file\": \"/srv/in/2026-11-22.csv\", \"rows\": 4711}";

/* One way to do something count times. */
struct way {
    void (*act)(const struct way *way);
    int count;
    telemetry_client *client;
    telemetry_run *run;
    int fd; /* of the file for bare writes */
    const char *line;
    size_t line_len;
};

static void write_bare(const struct way *way)
{
    if (write(way->fd, way->line, way->line_len) != (ssize_t)way->line_len)
        err(1, "write");
}

static void write_and_sync(const struct way *way)
{
    write_bare(way);
    if (fsync(way->fd) != 0)
        err(1, "fsync");
}

static void log_event(const struct way *way)
{
    struct telemetry_error why;

    if (telemetry_run_log_event(way->run, "checkpoint", payload, &why) < 0)
        errx(1, "%s", why.message);
}

static void start_and_end(const struct way *way)
{
    struct telemetry_error why;
    telemetry_run *run = telemetry_run_start(way->client, "bench", "pairs", NULL, &why);

    if (run == NULL || telemetry_run_end(run, TELEMETRY_SUCCESS, NULL, &why) < 0)
        errx(1, "%s", why.message);
    telemetry_run_free(run);
}

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Seconds for each time. */
static double time_way(const struct way *way)
{
    const double began = now_s();

    for (int i = 0; i < way->count; i++)
        way->act(way);
    return (now_s() - began) / way->count;
}

/* --- what is compared ------------------------------------------------------------------------- */

static telemetry_client *open_client(const char *base, const char *collector,
                                     const char *durability)
{
    struct telemetry_config config = TELEMETRY_CONFIG_INIT;
    struct telemetry_error why;
    telemetry_client *client;

    config.base_dir = base;
    config.collector = collector;
    config.durability = durability;
    client = telemetry_client_open(&config, &why);
    if (client == NULL)
        errx(1, "%s", why.message);
    return client;
}

static struct way events_of(const char *base, const char *durability)
{
    struct way way = {.act = log_event, .count = EVENTS};
    struct telemetry_error why;

    way.client = open_client(base, "off", durability);
    way.run = telemetry_run_start(way.client, "bench", "events", NULL, &why);
    if (way.run == NULL)
        errx(1, "%s", why.message);
    log_event(&way); /* opens the file */
    return way;
}

/* The last line of the only journal file in raw. */
static size_t read_last_line(const char *raw, char line[LINE_MAX_BYTES])
{
    DIR *directory = opendir(raw);
    struct dirent *entry;
    size_t len = 0;

    if (directory == NULL)
        err(1, "%s", raw);
    while ((entry = readdir(directory)) != NULL) {
        FILE *file;

        if (strstr(entry->d_name, ".ndjson") == NULL)
            continue;
        file = fopen(format("%s/%s", raw, entry->d_name), "re");
        while (file != NULL && fgets(line, LINE_MAX_BYTES, file) != NULL)
            len = strlen(line);
        if (file != NULL)
            fclose(file);
    }
    closedir(directory);
    if (len == 0)
        errx(1, "there is no line in %s", raw);
    return len;
}

static int open_bare(const char *base)
{
    const char *path = format("%s/raw/bare", base);
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd < 0)
        err(1, "%s", path);
    return fd;
}

/* --- eight processes --------------------------------------------------------------------------- */

/* A worker makes ready, says so, waits for the start, and works. */
static _Noreturn void work(const char *base, const struct way *bare, const int ready[2],
                           const int go[2])
{
    struct way way = *bare;
    char byte;

    if (bare->act == log_event)
        way = events_of(base, NULL);
    else
        way.fd = open_bare(base);
    way.count = bare->count;
    close(go[1]);
    if (write(ready[1], "", 1) != 1)
        _exit(1);
    close(ready[1]); /* whoever is waited for has it open: nobody waits for one that has failed */
    if (read(go[0], &byte, 1) != 0)
        _exit(1);
    time_way(&way);
    _exit(0);
}

/* Seconds for each time, of all workers together. */
static double time_processes(const char *base, const struct way *way)
{
    pid_t workers[PROCESSES];
    int ready[2];
    int go[2];
    char byte;
    double began;

    if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(go, O_CLOEXEC) != 0)
        err(1, "pipe");
    for (int i = 0; i < PROCESSES; i++) {
        workers[i] = fork();
        if (workers[i] == 0)
            work(base, way, ready, go);
    }
    close(ready[1]);
    for (int i = 0; i < PROCESSES; i++)
        if (read(ready[0], &byte, 1) != 1)
            errx(1, "a worker does not begin");
    began = now_s();
    close(go[1]);
    for (int i = 0; i < PROCESSES; i++) {
        int status = 1;

        if (waitpid(workers[i], &status, 0) < 0 || status != 0)
            errx(1, "a worker failed");
    }
    began = now_s() - began;
    close(go[0]);
    close(ready[0]);
    return began / way->count / PROCESSES;
}

/* --- the table --------------------------------------------------------------------------------- */

static void print_row(const char *name, double seconds, double ratio, double most)
{
    printf("%-44s %10.0f", name, 1 / seconds);
    if (ratio > 0)
        printf(" %8.2f", ratio);
    if (most > 0)
        printf("   %.1f: %s", most, ratio <= most ? "met" : "missed");
    putchar('\n');
}

/* Two ways in turn, and what the second one costs, in times of the first one. base: by eight processes, in
 * that data directory; NULL: by one thread. */
static void compare(const char *first_name, const struct way *first, const char *second_name,
                    const struct way *second, double most, const char *base)
{
    double firsts[ROUNDS];
    double seconds[ROUNDS];
    double ratios[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        firsts[i] = base != NULL ? time_processes(base, first) : time_way(first);
        seconds[i] = base != NULL ? time_processes(base, second) : time_way(second);
        ratios[i] = seconds[i] / firsts[i];
    }
    print_row(first_name, spread_of(firsts, ROUNDS).median, 1, 0);
    print_row(second_name, spread_of(seconds, ROUNDS).median, spread_of(ratios, ROUNDS).median,
              most);
}

static void measure_pairs(const char *name, const char *base, const char *collector)
{
    struct way way = {.act = start_and_end, .count = PAIRS};
    double times[ROUNDS];

    way.client = open_client(base, collector, NULL);
    for (int i = 0; i < ROUNDS; i++)
        times[i] = time_way(&way);
    print_row(name, spread_of(times, ROUNDS).median, 0, 0);
    telemetry_client_close(way.client, 60000, NULL);
}

static void finish(struct way *way)
{
    telemetry_run_end(way->run, TELEMETRY_SUCCESS, NULL, NULL);
    telemetry_run_free(way->run);
    telemetry_client_close(way->client, 60000, NULL);
}

static void measure_events(const char *base)
{
    char line[LINE_MAX_BYTES];
    struct way events = events_of(base, NULL);
    struct way bare = {.act = write_bare, .count = EVENTS, .line = line};
    struct way synced;
    struct way durable = events_of(base, "system");

    bare.line_len = read_last_line(format("%s/raw", base), line);
    bare.fd = open_bare(base);
    printf("%-44s %10s %8s   %s\n", format("lines of %zu bytes", bare.line_len), "a second",
           "times", "goal");
    compare("write(2), one thread", &bare, "log_event, one thread", &events, goal, NULL);
    bare.count = events.count = EVENTS / PROCESSES;
    compare("write(2), 8 processes", &bare, "log_event, 8 processes", &events, goal, base);
    synced = bare;
    synced.act = write_and_sync;
    synced.count = durable.count = SYNCED;
    compare("write(2) and fsync(2)", &synced, "log_event, TELEMETRY_DURABILITY=system", &durable, 0,
            NULL);
    finish(&events);
    finish(&durable);
    close(bare.fd);
}

int main(void)
{
    const char *place = enter_new_place();

    clearenv();
    setenv("HOME", place, 1);
    measure_events(format("%s/events", place));
    measure_pairs("start and end, with a collector", format("%s/with", place), TELEMETRY_TEST_CLI);
    measure_pairs("start and end, without one", format("%s/without", place), "off");
    return 0;
}
