/* How fast journal lines become rows. Run by fold.sh, or by hand:
 *
 *   bench_fold generate BASE RUNS   writes a journal of RUNS runs, two lines each
 *   bench_fold fold BASE            folds it and prints the seconds it took
 *   bench_fold hot BASE RUNS        appends and folds single runs, prints the median and the 99th
 *                                   percentile of one pass in microseconds
 */
#include "base/clock.h"
#include "base/runid.h"
#include "fold.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
    DAYS = 10,
    CONCURRENT = 8, /* runs that overlap */
    AGENTS = 40,
    SCRATCH = 16 * 1024,
    STEP_MS = 17 /* between starts */
};

static const int64_t first_start_ns = INT64_C(1790000000) * 1000000000;

struct run {
    char memory[SCRATCH];
    struct tel_buf scratch;
    struct tel_runline line;
    int64_t start_ns;
    uint32_t date;
};

static uint64_t random_state = 88172645463325252U;

/* xorshift64: the same journal every time. */
static uint64_t next_random(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % below;
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void fail(const char *what, const struct tel_error *err)
{
    fprintf(stderr, "bench_fold: %s: %s\n", what, err == NULL ? strerror(errno) : err->message);
    exit(1);
}

static void set_text(struct run *run, struct tel_str *slot, const char *text)
{
    tel_slot_text(slot, &run->scratch, tel_str_from(text));
}

static void set_int(struct run *run, struct tel_str *slot, int64_t value)
{
    tel_slot_int(slot, &run->scratch, value);
}

static void set_process(struct run *run, uint64_t number)
{
    struct tel_str *process = run->line.process;

    set_int(run, &process[TEL_PROC_PID], 1000 + (int64_t)(number % 4000000));
    set_int(run, &process[TEL_PROC_PPID], 990);
    set_text(run, &process[TEL_PROC_BOOT_ID], "0b6f3a52-8c1e-4f59-9f0e-2a7d41c7b9aa");
    set_int(run, &process[TEL_PROC_PID_NS], 4026531836);
    set_int(run, &process[TEL_PROC_PIDFS_INO], 17000 + (int64_t)number);
    set_int(run, &process[TEL_PROC_START_TICKS], 8000000 + (int64_t)number * 2);
    set_int(run, &process[TEL_PROC_START_BOOT_NS], 80000000000000 + (int64_t)number * 17000000);
    set_text(run, &process[TEL_PROC_EXE], "/usr/local/lib/agents/bin/python3.11");
    set_text(run, &process[TEL_PROC_CWD], "/srv/agents/content/work");
    run->line.process[TEL_PROC_ARGV] =
        TEL_STR("[\"python3\", \"/srv/agents/content/agent.py\", \"--source\", "
                "\"/data/in/batch.csv\", \"--token\", \"***\", \"--limit\", \"500\"]");
    set_int(run, &process[TEL_PROC_UID], 1000);
    set_text(run, &process[TEL_PROC_SUCCESS_EXIT_CODES], "0");
    set_text(run, &process[TEL_PROC_SHIM_VERSION], "0.1.0");
}

static void start_run(struct run *run, uint64_t number, int64_t start_ns)
{
    struct tel_str *fields = run->line.run;
    char agent[32], job[32], id[TEL_RUN_ID_MAX];
    struct tel_buf buf;

    run->line = (struct tel_runline){0};
    run->start_ns = start_ns;
    run->date = tel_date_of(start_ns);
    tel_buf_init(&run->scratch, run->memory, sizeof run->memory);
    snprintf(agent, sizeof agent, "agent-%02u.py", (unsigned)next_random(AGENTS));
    snprintf(job, sizeof job, "nightly-job-%03u", (unsigned)next_random(100));
    tel_buf_init(&buf, id, sizeof id);
    tel_runid_put(&buf, start_ns, tel_str_from(agent), number, TEL_STR("host-17"));
    set_text(run, &fields[TEL_RUN_RUN_ID], tel_buf_terminate(&buf));
    set_text(run, &fields[TEL_RUN_AGENT_NAME], agent);
    set_text(run, &fields[TEL_RUN_JOB_TYPE], job);
    set_text(run, &fields[TEL_RUN_TRIGGER_TYPE], "scheduler");
    tel_slot_time(&fields[TEL_RUN_START_TIME], &run->scratch, start_ns);
    set_text(run, &fields[TEL_RUN_AGENT_OWNER], "content-team");
    set_text(run, &fields[TEL_RUN_STATUS], "running");
    set_text(run, &fields[TEL_RUN_PRODUCT], "catalogue");
    set_text(run, &fields[TEL_RUN_GIT_REPO], "content-agents");
    set_text(run, &fields[TEL_RUN_GIT_BRANCH], "main");
    set_text(run, &fields[TEL_RUN_HOST], "host-17");
    set_process(run, number);
}

static void end_run(struct run *run)
{
    struct tel_str *fields = run->line.run;
    struct tel_str *process = run->line.process;
    const int64_t duration_ms = 20 + (int64_t)next_random(90000);
    const int64_t exit_code = next_random(10) == 0 ? 3 : 0;

    tel_slot_time(&fields[TEL_RUN_END_TIME], &run->scratch, run->start_ns + duration_ms * 1000000);
    set_text(run, &fields[TEL_RUN_STATUS], exit_code == 0 ? "success" : "failed");
    set_int(run, &fields[TEL_RUN_DURATION_MS], duration_ms);
    if (exit_code != 0)
        set_text(run, &fields[TEL_RUN_ERROR_SUMMARY], "exit code 3");
    set_int(run, &process[TEL_PROC_EXIT_CODE], exit_code);
    set_text(run, &process[TEL_PROC_END_SOURCE], "observed");
    for (int i = TEL_PROC_USER_MS; i <= TEL_PROC_BLOCKS_WRITTEN; i++)
        set_int(run, &process[i], (int64_t)next_random(50000));
}

static struct tel_str render(const struct run *run, char *memory, size_t cap)
{
    struct tel_buf buf;

    tel_buf_init(&buf, memory, cap);
    tel_runline_put(&buf, &run->line);
    return tel_buf_view(&buf);
}

/* --- generate ---------------------------------------------------------------------------------- */

struct output {
    const char *raw;
    uint32_t date;
    FILE *file;
};

static void write_line(struct output *out, const struct run *run)
{
    static char memory[SCRATCH];
    const struct tel_str line = render(run, memory, sizeof memory);

    if (run->date > out->date) {
        char path[TEL_PATH_MAX], name[TEL_JOURNAL_NAME_MAX];

        if (out->file != NULL)
            fclose(out->file);
        tel_journal_name(name, run->date);
        snprintf(path, sizeof path, "%s/%s", out->raw, name);
        out->file = fopen(path, "w");
        if (out->file == NULL)
            fail(path, NULL);
        out->date = run->date;
    }
    if (fwrite(line.ptr, 1, line.len, out->file) != line.len)
        fail("write", NULL);
}

static void generate(const struct tel_datadir *dir, uint64_t runs)
{
    static struct run live[CONCURRENT];
    const int64_t step = INT64_C(86400) * DAYS * 1000000000 / (int64_t)runs;
    struct output out = {.raw = dir->raw};

    for (uint64_t i = 0; i < runs + CONCURRENT; i++) {
        struct run *run = &live[i % CONCURRENT];

        if (i >= CONCURRENT) {
            end_run(run);
            write_line(&out, run);
        }
        if (i < runs) {
            start_run(run, i, first_start_ns + (int64_t)i * step);
            write_line(&out, run);
        }
    }
    if (out.file != NULL)
        fclose(out.file);
}

/* --- fold -------------------------------------------------------------------------------------- */

static long resident_kib(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    long pages = 0;

    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file != NULL)
        fclose(file);
    return pages * 4;
}

static void fold_all(const struct tel_datadir *dir)
{
    struct tel_fold_stats stats = {0};
    struct tel_error err = {0};
    struct tel_fold *fold;
    int64_t before = now_ns();
    double seconds;

    if (tel_fold_open(&fold, dir, 5000, &err) < 0 || tel_fold_pass(fold, true, &stats, &err) < 0)
        fail("fold", &err);
    seconds = (double)(now_ns() - before) / 1e9;
    fprintf(stderr, "%llu lines, %llu batches, %llu bad, %.0f MB; resident after it %ld KiB\n",
            (unsigned long long)stats.lines, (unsigned long long)stats.batches,
            (unsigned long long)stats.bad_lines, (double)stats.bytes / 1e6, resident_kib());
    before = now_ns();
    if (tel_store_checkpoint(tel_fold_store(fold, &err), TEL_WAL_KEEP, &err) < 0)
        fail("checkpoint", &err);
    printf("%.3f %.3f\n", seconds, (double)(now_ns() - before) / 1e9);
    tel_fold_close(fold);
}

/* --- hot --------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void append(struct tel_journal_writer *writer, const struct run *run)
{
    static char memory[SCRATCH];
    struct tel_error err = {0};
    struct tel_instant now;

    tel_clock_now(&now);
    if (tel_journal_append(writer, tel_date_of(now.realtime_ns), render(run, memory, sizeof memory),
                           NULL, &err) < 0)
        fail("append", &err);
}

static int64_t timed_pass(struct tel_fold *fold)
{
    struct tel_error err = {0};
    const int64_t before = now_ns();

    if (tel_fold_pass(fold, false, NULL, &err) < 0)
        fail("fold", &err);
    return now_ns() - before;
}

static void print_times(const char *what, int64_t *times, size_t count)
{
    qsort(times, count, sizeof *times, by_value);
    printf("%s: median %.1f us, 99%% %.1f us\n", what, (double)times[count / 2] / 1e3,
           (double)times[count * 99 / 100] / 1e3);
}

static void fold_singly(const struct tel_datadir *dir, uint64_t runs)
{
    static struct run run;
    struct tel_journal_writer writer = {.raw = dir->raw, .file_mode = 0600, .max_size = UINT64_MAX};
    int64_t *insert = calloc(runs, sizeof *insert);
    int64_t *update = calloc(runs, sizeof *update);
    int64_t *nothing = calloc(runs, sizeof *nothing);
    struct tel_error err = {0};
    struct tel_fold *fold;
    struct tel_instant now;

    if (insert == NULL || update == NULL || nothing == NULL ||
        tel_fold_open(&fold, dir, 5000, &err) < 0 || tel_fold_pass(fold, true, NULL, &err) < 0)
        fail("fold", &err);
    for (uint64_t i = 0; i < runs; i++) {
        tel_clock_now(&now);
        start_run(&run, i, now.realtime_ns);
        append(&writer, &run);
        if (i % 2 == 1)
            timed_pass(fold);
        end_run(&run);
        append(&writer, &run);
        *(i % 2 == 0 ? &insert[i / 2] : &update[i / 2]) = timed_pass(fold);
        nothing[i] = timed_pass(fold);
        if (i % 500 == 499 &&
            tel_store_checkpoint(tel_fold_store(fold, &err), TEL_WAL_KEEP, &err) < 0)
            fail("checkpoint", &err);
    }
    print_times("start and end at once", insert, runs / 2);
    print_times("end alone", update, runs / 2);
    print_times("nothing new", nothing, runs);
    tel_fold_close(fold);
    free(insert);
    free(update);
    free(nothing);
}

static void make_directories(struct tel_datadir *dir, const char *base)
{
    static char raw[TEL_PATH_MAX];
    static char db[TEL_PATH_MAX];
    static char run[TEL_PATH_MAX];

    snprintf(raw, sizeof raw, "%s/raw", base);
    snprintf(db, sizeof db, "%s/db/telemetry.sqlite", base);
    snprintf(run, sizeof run, "%s/run", base);
    dir->base = base;
    dir->raw = raw;
    dir->db = db;
    dir->run = run;
    dir->file_mode = 0600;
    dir->dir_mode = 0700;
    mkdir(dir->base, 0700);
    mkdir(dir->raw, 0700);
}

int main(int argc, char **argv)
{
    static struct tel_datadir dir;

    if (argc < 3)
        return fprintf(stderr, "usage: bench_fold generate|fold|hot BASE [RUNS]\n"), 2;
    make_directories(&dir, argv[2]);
    if (strcmp(argv[1], "generate") == 0 && argc == 4)
        generate(&dir, strtoull(argv[3], NULL, 10));
    else if (strcmp(argv[1], "fold") == 0)
        fold_all(&dir);
    else if (strcmp(argv[1], "hot") == 0 && argc == 4)
        fold_singly(&dir, strtoull(argv[3], NULL, 10));
    else
        return fprintf(stderr, "usage: bench_fold generate|fold|hot BASE [RUNS]\n"), 2;
    return 0;
}
