/* See record.h. */
#include "record.h"

#include "base/clock.h"
#include "lookup.h"
#include "mailbox.h"

#include <errno.h>
#include <stdlib.h>

static bool is_true(struct tel_str raw)
{
    return tel_str_is(raw, "true") || tel_str_is(raw, "1");
}

static bool is_set(struct tel_str raw)
{
    return raw.ptr != NULL && !tel_str_is(raw, "null");
}

const char *tel_post_objection(const struct tel_runline *line)
{
    if (!is_true(line->process[TEL_PROC_POST]))
        return "it is not to be posted";
    if (tel_str_is(line->run[TEL_RUN_STATUS], "\"running\""))
        return "it has not ended";
    if (is_true(line->run[TEL_RUN_API_POSTED]))
        return "it has been posted";
    return is_set(line->process[TEL_PROC_POST_ERROR]) ? "it was refused" : NULL;
}

static void apply(struct tel_runline *line, struct tel_buf *scratch,
                  const struct tel_post_result *result)
{
    tel_slot_int(&line->run[TEL_RUN_API_RETRY_COUNT], scratch, result->retries);
    line->process[TEL_PROC_POST_AFTER] = TEL_STR_NONE;
    if (result->outcome == TEL_POST_DONE) {
        tel_slot_bool(&line->run[TEL_RUN_API_POSTED], true);
        tel_slot_time(&line->run[TEL_RUN_API_POSTED_AT], scratch, result->now_ns);
    } else if (result->outcome == TEL_POST_REFUSED) {
        tel_slot_text(&line->process[TEL_PROC_POST_ERROR], scratch, tel_str_from(result->why));
    } else {
        tel_slot_time(&line->process[TEL_PROC_POST_AFTER], scratch, result->after_ns);
    }
}

static int append(struct tel_journal_writer *writer, struct tel_buf *memory, struct tel_str line,
                  const struct tel_post_result *result, struct tel_error *err)
{
    struct tel_runline parsed;
    size_t start;

    if (tel_runline_parse(line, &parsed) != TEL_LINE_RUN)
        return tel_fail(err, TEL_ERR_INVALID, "the run's line cannot be read", NULL);
    apply(&parsed, memory, result);
    start = memory->len;
    tel_runline_put(memory, &parsed);
    if (memory->overflow)
        return tel_fail(err, -E2BIG, "the run's line would be too long", NULL);
    return tel_journal_append(writer, tel_date_of(result->now_ns),
                              (struct tel_str){memory->ptr + start, memory->len - start}, NULL,
                              err);
}

/* A line that was being written when the journal's end was looked at began before that. */
static struct tel_journal_pos place_to_begin(const struct tel_post_run *run)
{
    struct tel_journal_pos from = {.date = run->seen.date};

    if (run->seen.offset > TEL_RUNLINE_MAX)
        from.offset = run->seen.offset - TEL_RUNLINE_MAX;
    if (from.date < run->line.date ||
        (from.date == run->line.date && from.offset < run->line.offset))
        return run->line;
    return from;
}

int tel_post_locate(const struct tel_datadir *dir, struct tel_post_run *run, struct tel_error *err)
{
    const struct tel_journal_pos from = place_to_begin(run);
    struct tel_run_facts facts;
    const int status = tel_run_look_up(dir, run->run_id, &from, &facts, err);

    if (status == 1)
        run->line = facts.last_line;
    return status < 0 ? status : 0;
}

static int record(struct tel_journal_writer *writer, struct tel_post_run *run,
                  const struct tel_post_result *result, struct tel_error *err)
{
    enum { ADDED = 1024 }; /* keys that a line of an older version lacks, and the values */
    const size_t cap = run->line.length > 0 ? run->line.length : TEL_RUNLINE_MAX;
    const size_t room = 2 * cap + (size_t)2 * ADDED;
    struct tel_str line;
    struct tel_buf memory;
    char *space = malloc(room);
    int status;

    if (space == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot record what was posted", NULL);
    tel_buf_init(&memory, space, room);
    status = tel_journal_find(writer->raw, run->run_id, &run->line, &memory, &line, NULL, err);
    if (writer->last.date < run->line.date)
        writer->last = (struct tel_journal_file){.date = run->line.date};
    if (status == 0) {
        tel_buf_init(&memory, space + cap, room - cap);
        status = append(writer, &memory, line, result, err);
    }
    free(space);
    return status;
}

/* Whoever takes a mailbox in makes a line of the run's last one, too. */
int tel_post_record(struct tel_journal_writer *writer, const struct tel_datadir *dir,
                    struct tel_post_run *run, const struct tel_post_result *result,
                    struct tel_error *err)
{
    enum { PATIENCE_MS = 20 };
    struct tel_mailbox box;
    int status = tel_mailbox_open(&box, dir, run->run_id, TEL_MAILBOX_TAKE, PATIENCE_MS, err);

    if (status == TEL_ERR_BUSY)
        return status;
    status = tel_post_locate(dir, run, err);
    if (status == 0)
        status = record(writer, run, result, err);
    tel_mailbox_close(&box);
    return status;
}
