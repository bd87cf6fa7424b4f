/* See fill.h. */
#include "bench/fill.h"

#include "base/clock.h"
#include "base/journal.h"
#include "base/runline.h"
#include "bench/place.h"
#include "bench/stopwatch.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DAYS = 10 };

static const int64_t second_ns = INT64_C(1000000000);

/* What is written: one line, again and again with another id and other times. */
struct filler {
    char *raw;
    FILE *file;
    uint32_t date;
    struct tel_runline line;
    char line_memory[TEL_RUNLINE_MAX];
};

/* The last line of today's journal. */
static void read_model(struct filler *filler)
{
    struct tel_instant now;
    char name[TEL_JOURNAL_NAME_MAX];
    char *path;
    FILE *file;

    tel_clock_now(&now);
    tel_journal_name(name, tel_date_of(now.realtime_ns));
    path = format("%s/%s", filler->raw, name);
    file = fopen(path, "re");
    if (file == NULL)
        err(1, "%s", path);
    while (fgets(filler->line_memory, sizeof filler->line_memory, file) != NULL)
        continue;
    fclose(file);
    if (tel_runline_parse(tel_str_from(filler->line_memory), &filler->line) != TEL_LINE_RUN)
        errx(1, "%s does not end with a run line", path);
}

static FILE *file_of(struct filler *filler, uint32_t date)
{
    char name[TEL_JOURNAL_NAME_MAX];
    char *path;

    if (date == filler->date)
        return filler->file;
    if (filler->file != NULL && fclose(filler->file) != 0)
        err(1, "%s", filler->raw);
    tel_journal_name(name, date);
    path = format("%s/%s", filler->raw, name);
    filler->file = fopen(path, "ae");
    if (filler->file == NULL)
        err(1, "%s", path);
    filler->date = date;
    return filler->file;
}

static void write_run(struct filler *filler, size_t number, int64_t start_ns)
{
    static char memory[TEL_RUNLINE_MAX];
    struct tel_str *fields = filler->line.run;
    struct tel_buf out;
    struct tel_str line;
    size_t head;

    tel_buf_init(&out, memory, sizeof memory);
    fields[TEL_RUN_RUN_ID].ptr = memory;
    tel_buf_char(&out, '"');
    tel_time_put_compact(&out, start_ns);
    tel_buf_cstr(&out, "-true-");
    tel_buf_hex(&out, number, 8);
    tel_buf_char(&out, '"');
    fields[TEL_RUN_RUN_ID].len = out.len;
    tel_slot_time(&fields[TEL_RUN_START_TIME], &out, start_ns);
    tel_slot_time(&fields[TEL_RUN_END_TIME], &out, start_ns);
    head = out.len;
    tel_runline_put(&out, &filler->line);
    line = (struct tel_str){memory + head, out.len - head};
    if (fwrite(line.ptr, 1, line.len, file_of(filler, tel_date_of(start_ns))) != line.len)
        err(1, "%s", filler->raw);
}

void fill(const char *base, const char *cli, size_t rows)
{
    static struct filler filler;
    const char *const sync_argv[] = {cli, "sync", NULL};
    const struct program sync_program = {
        sync_argv, environment(ENTRIES(format("TELEMETRY_BASE_DIR=%s", base)))};
    const int64_t step_ns = DAYS * 86400 * second_ns / (int64_t)rows;
    struct tel_instant now;

    filler.raw = format("%s/raw", base);
    read_model(&filler);
    tel_clock_now(&now);
    for (size_t i = 0; i < rows; i++)
        write_run(&filler, i, now.realtime_ns - (int64_t)(rows - i) * step_ns);
    if (filler.file == NULL || fclose(filler.file) != 0)
        err(1, "%s", filler.raw);
    printf("folding %zu lines takes %.1f s\n", rows, time_program(&sync_program) / 1e3);
    sync(); /* or the disk is busy with it for the next minute */
}
