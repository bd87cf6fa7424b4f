/* What recording a run costs the program that is recorded, beside the figures that it should stay
 * below. Rounds of /bin/true, in which every variant runs once, in an order of its own in each. */
#include "base/clock.h"
#include "base/owner.h"
#include "base/sys.h"
#include "bench/fill.h"
#include "bench/place.h"
#include "bench/server.h"
#include "bench/stopwatch.h"
#include "bench/syscalls.h"

#include <elf.h>
#include <err.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUNDS = 2000,
    COLD_ROUNDS_DIVISOR = 20, /* a start of the collector takes much longer */
    POSTING_ROUNDS_DIVISOR = 4,
    WARM_UP = 20,
    AT_ONCE_RUNS = 200,
    CROWD = 2000,
    CROWD_WIDTH = 16,
    BIG_ROWS = 1000000, /* and 1.4 GB of journal */
    PROCESSES = CROWD_WIDTH
};

/* The figures of the requirements. Times are shares of the bare program's. */
static const double recorded_target = 0.50;
static const double not_waiting_target = 0.20;
static const double untouched_target = 0.02;
static const double first_run_target = 6;
static const double first_directory_target = 45;
static const double version_target = 1.5;
static const long system_calls_target = 45;
static const long crowd_rss_target_kib = 32 * 1024;
static const long shim_size_target = 64 * 1024;

static struct {
    const char *shim;
    const char *cli;
    size_t rounds;
    bool big;
} options = {TELEMETRY_TEST_SHIM, TELEMETRY_TEST_CLI, ROUNDS, false};

/* --- variants -------------------------------------------------------------------------------- */

enum measure {
    ADDED, /* over the empty object, as a share of bare */
    RATIO  /* to bare */
};

struct variant {
    const char *name;
    struct program program;
    enum measure measure;
    double target;                              /* at most; 0: none */
    void (*prepare)(const struct variant *own); /* before each run, and not timed; may be NULL */
    const char *base;                           /* for prepare */
    double *times;                              /* one for each round, in milliseconds */
};

/* The first two of every table: what all others are compared with. */
enum { BARE, EMPTY, FIRST_OTHER };

static const char *const true_argv[] = {"/bin/true", NULL};

static struct variant plain(const char *name, char *const *envp)
{
    return (struct variant){.name = name, .program = {true_argv, envp}, .measure = ADDED};
}

static struct variant preloaded(const char *name, const char *object, const char *setting)
{
    return plain(name, environment(ENTRIES(format("LD_PRELOAD=%s", object), setting)));
}

/* Under the shim, recording into base. */
static struct variant recorded(const char *name, const char *base, const char *setting,
                               double target)
{
    char *const preload = format("LD_PRELOAD=%s", options.shim);
    char *const base_dir = format("TELEMETRY_BASE_DIR=%s", base);
    struct variant variant = plain(name, environment(ENTRIES(preload, base_dir, setting)));

    variant.target = target;
    variant.base = base;
    return variant;
}

/* Under the shim, inside a run that process key owns. */
static struct variant inside_run(const char *name, const char *base,
                                 const struct tel_process_key *key)
{
    const struct tel_owner owner = {.process = *key, .start = {.date = 20261122}};
    struct variant variant = recorded(name, base, NULL, untouched_target);
    char *const preload = format("LD_PRELOAD=%s", options.shim);
    char *const base_dir = format("TELEMETRY_BASE_DIR=%s", base);
    char memory[TEL_OWNER_MAX];
    struct tel_buf text;

    tel_buf_init(&text, memory, sizeof memory);
    tel_owner_put(&text, &owner);
    variant.program.envp =
        environment(ENTRIES(preload, base_dir, "TELEMETRY_RUN_ID=20261122T120000Z-bench-0123abcd",
                            format("TELEMETRY_RUN_OWNER=%s", tel_buf_terminate(&text))));
    return variant;
}

static struct tel_process_key key_of(pid_t pid)
{
    struct tel_process_key key = {.pid = pid};
    char *path = format("/proc/%d/stat", (int)pid);
    const int pidfd = tel_sys_pidfd_open(pid);
    struct tel_proc_stat stat;

    if (pidfd >= 0) {
        key.pidfs_ino = tel_pidfd_inode(pidfd);
        close(pidfd);
    }
    if (tel_proc_stat_read(path, &stat) == 0)
        key.start_ticks = stat.start_ticks;
    free(path);
    return key;
}

static struct variant version_of_cli(void)
{
    const char **argv = calloc(3, sizeof *argv);
    struct variant variant = plain("telemetry --version", environment(ENTRIES(NULL)));

    if (argv == NULL)
        err(1, NULL);
    argv[0] = options.cli;
    argv[1] = "--version";
    variant.program.argv = argv;
    variant.measure = RATIO;
    variant.target = version_target;
    return variant;
}

/* --- rounds ---------------------------------------------------------------------------------- */

static void run_round(struct variant *variants, size_t count, size_t round)
{
    size_t order[32];

    shuffle(order, count);
    for (size_t i = 0; i < count; i++) {
        struct variant *variant = &variants[order[i]];

        if (variant->prepare != NULL)
            variant->prepare(variant);
        variant->times[round] = time_program(&variant->program);
    }
}

static void run_rounds(struct variant *variants, size_t count, size_t rounds, size_t warm_up)
{
    for (size_t i = 0; i < count; i++) {
        variants[i].times = calloc(rounds, sizeof *variants[i].times);
        if (variants[i].times == NULL)
            err(1, NULL);
    }
    for (size_t i = 0; i < warm_up; i++)
        run_round(variants, count, 0);
    for (size_t i = 0; i < rounds; i++)
        run_round(variants, count, i);
}

/* --- the table ------------------------------------------------------------------------------- */

static const char *verdict(bool passed)
{
    return passed ? "pass" : "MISS";
}

static void print_ratio(const struct variant *variant, double ratio)
{
    printf("  %7.2f x bare %41s <= %5.2f  %s\n", ratio, "", variant->target,
           verdict(ratio <= variant->target));
}

/* Shares of the bare program's time. The median of the differences in each round is what counts. The
 * differences of medians and of lower quartiles are there to be compared with it: they lie close
 * together on a quiet machine, and the last one hardly sees what others do on a busy one. */
static void print_added(const struct variant *variant, const struct variant *empty,
                        const struct spread *bare, size_t rounds)
{
    const struct spread added = spread_of_differences(variant->times, empty->times, rounds);
    const struct spread own = spread_of(variant->times, rounds);
    const struct spread other = spread_of(empty->times, rounds);

    printf("  %7.3f (%6.3f .. %6.3f)  %7.3f  %7.3f", added.median / bare->median,
           added.low / bare->median, added.high / bare->median,
           (own.median - other.median) / bare->median, (own.low - other.low) / bare->low);
    if (variant->target > 0)
        printf("     <= %5.2f  %s", variant->target,
               verdict(added.median / bare->median <= variant->target));
    printf("\n");
}

static void print_table(const struct variant *variants, size_t count, size_t rounds)
{
    const struct spread bare = spread_of(variants[BARE].times, rounds);

    printf("%-36s %-25s   added to an empty object, as a share of bare\n", "", "milliseconds");
    printf("%-36s %-25s   %-26s  %7s  %7s\n", "", "median (quartiles)", "median (quartiles)",
           "medians", "low qu.");
    for (size_t i = 0; i < count; i++) {
        const struct variant *variant = &variants[i];
        const struct spread time = spread_of(variant->times, rounds);

        printf("%-36s %6.3f (%6.3f .. %6.3f)", variant->name, time.median, time.low, time.high);
        if (i <= EMPTY)
            printf("\n");
        else if (variant->measure == RATIO)
            print_ratio(variant, time.median / bare.median);
        else
            print_added(variant, &variants[EMPTY], &bare, rounds);
    }
    printf("\n");
}

/* --- warm: the collector is there ------------------------------------------------------------- */

static void check_count(const char *base, size_t expected)
{
    long count = count_successes(base);

    /* Those that nobody waited for are folded some milliseconds after their end. */
    for (int i = 0; i < 20 && count != (long)expected; i++) {
        usleep(100000);
        count = count_successes(base);
    }

    if (count != (long)expected)
        warnx("%s holds %ld runs instead of %zu: these figures mean nothing", base, count,
              expected);
}

static void measure_warm(const char *empty, const char *floor_object)
{
    const struct tel_process_key self = key_of(getpid());
    const struct tel_process_key first = key_of(1);
    struct variant variants[] = {
        [BARE] = plain("/bin/true", environment(ENTRIES(NULL))),
        [EMPTY] = preloaded("with an empty object", empty, NULL),
        preloaded("floor: two lines appended", floor_object, "TELEMETRY_BENCH_FLOOR=floor.ndjson"),
        recorded("recorded", "warm", NULL, recorded_target),
        recorded("recorded, WAIT_MS=0", "unwaited", "TELEMETRY_AUTO_WAIT_MS=0", not_waiting_target),
        inside_run("child of a run's process", "inside", &self),
        inside_run("deeper inside a run", "inside", &first),
        recorded("TELEMETRY_AUTO=0", "inside", "TELEMETRY_AUTO=0", untouched_target),
        version_of_cli(),
        recorded("recorded, big directory", "big", NULL, recorded_target),
        recorded("recorded, WAIT_MS=0, big directory", "big", "TELEMETRY_AUTO_WAIT_MS=0",
                 not_waiting_target),
    };
    const size_t count = sizeof variants / sizeof variants[0] - (options.big ? 0 : 2);
    const size_t runs = options.rounds + WARM_UP;
    struct collectors collectors;

    run_rounds(variants, count, options.rounds, WARM_UP);
    printf("%zu rounds, the collector already there:\n\n", options.rounds);
    print_table(variants, count, options.rounds);
    collectors = stop_collectors();
    printf("collectors used %.0f us of CPU time for each of these runs\n\n",
           collectors.cpu_ms * 1e3 / (double)(runs * (options.big ? 4 : 2)));
    check_count("warm", runs);
    check_count("unwaited", runs);
    if (access("inside", F_OK) == 0)
        warnx("a run was recorded where none should be: these figures mean nothing");
}

/* --- cold: the first run starts the collector -------------------------------------------------- */

static void without_collector(const struct variant *own)
{
    (void)own;
    stop_collectors();
}

static void without_directory(const struct variant *own)
{
    stop_collectors();
    remove_tree(own->base);
}

static void measure_cold(const char *empty)
{
    struct variant variants[] = {
        [BARE] = plain("/bin/true", environment(ENTRIES(NULL))),
        [EMPTY] = preloaded("with an empty object", empty, NULL),
        recorded("first run, no collector yet", "warm", NULL, first_run_target),
        recorded("first run in a new directory", "new", NULL, first_directory_target),
        recorded("first run, big directory", "big", NULL, first_run_target),
    };
    const size_t count = sizeof variants / sizeof variants[0] - (options.big ? 0 : 1);
    const size_t rounds = options.rounds / COLD_ROUNDS_DIVISOR + 1;

    for (size_t i = FIRST_OTHER; i < count; i++)
        variants[i].prepare = without_collector;
    variants[FIRST_OTHER + 1].prepare = without_directory;
    run_rounds(variants, count, rounds, 1);
    printf("%zu rounds, no collector there:\n\n", rounds);
    print_table(variants, count, rounds);
}

/* --- posting ----------------------------------------------------------------------------------- */

static struct variant posting(const char *name, const char *base, enum server_kind kind)
{
    const char *const url = format("METRICS_API_URL=http://127.0.0.1:%d/runs", start_server(kind));

    return recorded(name, base, url, 0);
}

/* What posts is a process of its own, which works while others are timed: all variants bear that. */
static void measure_posting(const char *empty)
{
    struct variant variants[] = {
        [BARE] = plain("/bin/true", environment(ENTRIES(NULL))),
        [EMPTY] = preloaded("with an empty object", empty, NULL),
        recorded("recorded", "warm", NULL, 0),
        posting("posting, the server answers", "answers", SERVER_ANSWERS),
        posting("posting, the server is down", "down", SERVER_DOWN),
        posting("posting, the server hangs", "hangs", SERVER_HANGS),
    };
    const size_t rounds = options.rounds / POSTING_ROUNDS_DIVISOR + 1;

    run_rounds(variants, sizeof variants / sizeof variants[0], rounds, WARM_UP);
    printf("%zu rounds, every run to be posted:\n\n", rounds);
    print_table(variants, sizeof variants / sizeof variants[0], rounds);
    stop_collectors();
    printf("requests that were answered: %ld of %zu\n\n", server_requests(), rounds + WARM_UP);
}

/* --- system calls ----------------------------------------------------------------------------- */

static void count_calls_in(const struct variant *empty, const struct variant *variant,
                           const char *directory)
{
    long without;
    long with;

    time_program(&variant->program); /* the collector is there */
    without = count_system_calls(&empty->program, directory);
    with = count_system_calls(&variant->program, directory);
    if (without < 0 || with < 0)
        printf("system calls: tracing is not allowed here\n");
    else
        printf("system calls, in %s: %ld with an empty object, %ld more when recorded    <= %ld  "
               "%s\n",
               directory, without, with - without, system_calls_target,
               verdict(with - without <= system_calls_target));
}

static void count_calls(const char *empty_object)
{
    const char *base = format("%s/warm", getcwd(NULL, 0));
    const struct variant empty = preloaded("", empty_object, NULL);
    const struct variant variant = recorded("", base, NULL, 0);

    count_calls_in(&empty, &variant, "/");
    count_calls_in(&empty, &variant, getcwd(NULL, 0));
}

/* --- committed before the exit ----------------------------------------------------------------- */

static void look_at_once(void)
{
    const struct variant variant = recorded("", "warm", NULL, 0);
    long there = count_successes("warm");
    int found = 0;

    for (int i = 0; i < AT_ONCE_RUNS; i++) {
        long now;

        time_program(&variant.program);
        now = count_successes("warm");
        found += now == there + 1;
        there = now;
    }
    printf("rows there when the program has ended: %d of %d    %s\n", found, AT_ONCE_RUNS,
           verdict(found == AT_ONCE_RUNS));
}

/* --- a crowd ----------------------------------------------------------------------------------- */

static size_t find_process(const pid_t *processes, pid_t pid)
{
    for (size_t i = 0; i < PROCESSES; i++)
        if (processes[i] == pid)
            return i;
    return PROCESSES;
}

/* Waits for the end of one of them and returns its place. */
static size_t wait_for_one(const pid_t *processes)
{
    for (;;) {
        struct rusage usage;
        const pid_t pid = wait4(-1, NULL, 0, &usage);
        const size_t at = find_process(processes, pid);

        if (at < PROCESSES)
            return at;
        if (pid < 0)
            err(1, "wait4");
        note_collector_end(&usage);
    }
}

static void run_crowd(const struct program *program)
{
    pid_t processes[PROCESSES] = {0};

    for (size_t i = 0; i < CROWD_WIDTH; i++)
        processes[i] = start_program(program);
    for (size_t i = CROWD_WIDTH; i < CROWD + CROWD_WIDTH; i++) {
        const size_t at = wait_for_one(processes);

        processes[at] = i < CROWD ? start_program(program) : -1;
    }
}

static void measure_crowd(void)
{
    const struct variant variant = recorded("", "crowd", NULL, 0);
    struct collectors collectors;
    int64_t started;
    double seconds;
    long committed;

    stop_collectors();
    started = tel_clock_boottime_ns();
    run_crowd(&variant.program);
    seconds = (double)(tel_clock_boottime_ns() - started) / 1e9;
    committed = count_successes("crowd");
    collectors = stop_collectors();
    printf("%d runs, %d at a time, no directory yet (%.1f s):\n", CROWD, CROWD_WIDTH, seconds);
    printf("  committed at the last one's end: %ld    %s\n", committed,
           verdict(committed == CROWD));
    printf("  collectors: %zu    %s\n", collectors.count, verdict(collectors.count == 1));
    printf("  resident memory of the collector: %ld KiB    <= %ld  %s\n", collectors.max_rss_kib,
           crowd_rss_target_kib, verdict(collectors.max_rss_kib <= crowd_rss_target_kib));
    printf("  its CPU time: %.0f us for each run\n", collectors.cpu_ms * 1e3 / CROWD);
}

/* --- size of the shim -------------------------------------------------------------------------- */

/* Text and data as size(1) counts them: what is loaded, without what is zero. */
static long loaded_size(FILE *file)
{
    Elf64_Ehdr header;
    long size = 0;

    if (fread(&header, sizeof header, 1, file) != 1 ||
        fseek(file, (long)header.e_shoff, SEEK_SET) != 0)
        return -1;
    for (int i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section;

        if (fread(&section, sizeof section, 1, file) != 1)
            return -1;
        if ((section.sh_flags & SHF_ALLOC) != 0 && section.sh_type != SHT_NOBITS)
            size += (long)section.sh_size;
    }
    return size;
}

static void measure_shim(void)
{
    FILE *file = fopen(options.shim, "re");
    const long size = file == NULL ? -1 : loaded_size(file);

    if (size < 0)
        err(1, "%s", options.shim);
    fclose(file);
    printf("shim: %ld bytes of text and data    <= %ld  %s\n", size, shim_size_target,
           verdict(size <= shim_size_target));
}

/* --- main -------------------------------------------------------------------------------------- */

/* One recorded run, of which fill makes a million. */
static void make_big_directory(void)
{
    const struct variant model = recorded("", "big", "TELEMETRY_COLLECTOR=off", 0);

    time_program(&model.program);
    fill("big", options.cli, BIG_ROWS);
}

static _Noreturn void usage(int status)
{
    fprintf(status == 0 ? stdout : stderr,
            "usage: bench_run [--rounds N] [--big] [--shim FILE] [--cli FILE]\n"
            "\n"
            "  --rounds N   how often each variant runs (default %d)\n"
            "  --big        also with a database of %d rows and their journal\n"
            "  --shim FILE  another libtelemetry_auto.so (its collector is looked for beside it)\n"
            "  --cli FILE   another telemetry\n",
            ROUNDS, BIG_ROWS);
    exit(status);
}

static void read_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"rounds", required_argument, NULL, 'r'}, {"big", no_argument, NULL, 'b'},
        {"shim", required_argument, NULL, 's'},   {"cli", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},         {0},
    };
    int letter;

    while ((letter = getopt_long(argc, argv, "", known, NULL)) != -1) {
        if (letter == 'r')
            options.rounds = strtoul(optarg, NULL, 10);
        else if (letter == 'b')
            options.big = true;
        else if (letter == 's')
            options.shim = realpath(optarg, NULL);
        else if (letter == 'c')
            options.cli = realpath(optarg, NULL);
        else
            usage(letter == 'h' ? 0 : 2);
    }
    if (optind < argc || options.rounds == 0 || options.shim == NULL || options.cli == NULL)
        usage(2);
}

int main(int argc, char **argv)
{
    static const char empty[] = TELEMETRY_BENCH_DIR "/libempty.so";
    static const char floor_object[] = TELEMETRY_BENCH_DIR "/libfloor.so";

    read_options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    enter_new_place();
    if (options.big)
        make_big_directory();
    measure_warm(empty, floor_object);
    measure_cold(empty);
    measure_posting(empty);
    count_calls(empty);
    look_at_once();
    measure_crowd();
    measure_shim();
    return 0;
}
