/* See lookup.h. */
#include "lookup.h"

#include "base/clock.h"
#include "journal_scan.h"

#include <string.h>

struct search {
    struct tel_str run_id;
    struct tel_run_facts *facts;
    bool found;
    struct tel_buf id; /* where an id on a line is decoded */
};

static bool is_of_run(struct search *search, const struct tel_runline *line)
{
    search->id.len = 0;
    search->id.overflow = false;
    return tel_json_unescape(line->run[TEL_RUN_RUN_ID], &search->id) &&
           tel_str_equal(tel_buf_view(&search->id), search->run_id);
}

static uint64_t number_of(struct tel_str raw)
{
    int64_t number = 0;

    return tel_json_to_i64(raw, &number) ? (uint64_t)number : 0;
}

static void read_facts(struct tel_run_facts *facts, const struct tel_runline *line,
                       const struct tel_journal_pos *pos)
{
    const struct tel_str *process = line->process;
    const struct tel_str status = line->run[TEL_RUN_STATUS];

    *facts = (struct tel_run_facts){
        .last_line = *pos,
        .running =
            status.ptr == NULL || tel_str_is(status, "\"running\"") || tel_str_is(status, "null"),
        .scope = tel_str_is(process[TEL_PROC_SCOPE], "true"),
        .has_process = number_of(process[TEL_PROC_PID]) != 0,
        .pid_ns = number_of(process[TEL_PROC_PID_NS]),
        .process = {(pid_t)number_of(process[TEL_PROC_PID]), number_of(process[TEL_PROC_PIDFS_INO]),
                    number_of(process[TEL_PROC_START_TICKS])},
    };
}

static int check_line(void *arg, struct tel_str line, const struct tel_journal_pos *pos)
{
    struct search *search = arg;
    struct tel_runline parsed;
    const char *const start = line.ptr;
    const enum tel_line_kind kind = tel_line_parse(&line, &parsed);
    const uint64_t before = (uint64_t)(line.ptr - start);
    const struct tel_journal_pos found = {pos->date, (uint32_t)line.len, pos->offset + before};

    if ((kind != TEL_LINE_RUN && kind != TEL_LINE_EVENT) || !is_of_run(search, &parsed))
        return 0;
    if (kind == TEL_LINE_RUN) {
        read_facts(search->facts, &parsed, &found);
        search->found = true;
    } else {
        search->facts->event_after = true;
    }
    return 0;
}

/* Zero for ids of another form, which may be of any day. */
static struct tel_journal_pos earliest_place(struct tel_str run_id)
{
    uint64_t date;

    if (run_id.len <= TEL_DATE_LEN || run_id.ptr[TEL_DATE_LEN] != 'T' ||
        !tel_str_to_u64((struct tel_str){run_id.ptr, TEL_DATE_LEN}, &date))
        return (struct tel_journal_pos){0};
    return (struct tel_journal_pos){.date = (uint32_t)date};
}

int tel_run_look_up(const struct tel_datadir *dir, struct tel_str run_id,
                    const struct tel_journal_pos *from, struct tel_run_facts *facts,
                    struct tel_error *err)
{
    const struct tel_journal_pos earliest = earliest_place(run_id);
    char memory[1024];
    struct search search = {.run_id = run_id, .facts = facts};
    int status;

    memset(facts, 0, sizeof *facts);
    tel_buf_init(&search.id, memory, sizeof memory);
    status = tel_journal_walk(dir->raw, from->date != 0 ? from : &earliest, UINT32_MAX,
                              tel_journal_needle(run_id), check_line, &search, err);
    return status < 0 ? status : search.found;
}

bool tel_run_process_is_gone(const struct tel_run_facts *facts)
{
    return facts->has_process && facts->pid_ns == tel_pid_namespace() &&
           !tel_process_is_running(&facts->process);
}
