/* Finding the events of a run among the lines of its days. */
#include "events.h"

#include "base/clock.h"
#include "base/runline.h"
#include "journal_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_DAY (INT64_C(86400) * 1000000000)

struct search {
    struct tel_str run_id;
    struct tel_buf id; /* where an id on a line is decoded */
    tel_event_fn *fn;
    void *arg;
};

static struct tel_event read_event(struct tel_str line)
{
    struct tel_event event = {TEL_STR_NONE, TEL_STR_NONE, TEL_STR_NONE};
    struct tel_json_iter iter;
    struct tel_json_member member;

    tel_json_iter_init(&iter, line);
    while (tel_json_iter_next(&iter, &member) == 1) {
        if (tel_str_is(member.key, "event_type"))
            event.type = member.value;
        else if (tel_str_is(member.key, "timestamp"))
            event.timestamp = member.value;
        else if (tel_str_is(member.key, "payload_json"))
            event.payload = member.value;
    }
    return event;
}

static bool is_of_run(struct search *search, const struct tel_runline *line)
{
    search->id.len = 0;
    search->id.overflow = false;
    return tel_json_unescape(line->run[TEL_RUN_RUN_ID], &search->id) &&
           tel_str_equal(tel_buf_view(&search->id), search->run_id);
}

static int check_line(void *arg, struct tel_str line, const struct tel_journal_pos *pos)
{
    struct search *search = arg;
    struct tel_runline parsed;
    struct tel_event event;

    (void)pos;
    if (tel_line_parse(&line, &parsed) != TEL_LINE_EVENT || !is_of_run(search, &parsed))
        return 0;
    event = read_event(line);
    return search->fn(search->arg, &event);
}

/* The day of a time, shifted; fallback for one that cannot be read. */
static uint32_t day_of(struct tel_str time, int64_t shift_ns, uint32_t fallback)
{
    int64_t ns;

    return tel_time_parse(time, &ns) ? tel_date_of(ns + shift_ns) : fallback;
}

static uint32_t last_day(struct tel_str end_time)
{
    struct tel_instant now;

    tel_clock_now(&now);
    return day_of(end_time, NS_PER_DAY, tel_date_of(now.realtime_ns + NS_PER_DAY));
}

int tel_events_each(const struct tel_datadir *dir, struct tel_str run_id, struct tel_str start_time,
                    struct tel_str end_time, tel_event_fn *fn, void *arg, struct tel_error *err)
{
    /* Longer ids on a line than the one that is looked for do not fit, and are not it. */
    const size_t cap = run_id.len + 1;
    const struct tel_journal_pos from = {.date = day_of(start_time, 0, 0)};
    struct search search = {.run_id = run_id, .fn = fn, .arg = arg};
    char *memory = malloc(cap);
    int status;

    if (memory == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot look for events", NULL);
    tel_buf_init(&search.id, memory, cap);
    status = tel_journal_walk(dir->raw, &from, last_day(end_time), tel_journal_needle(run_id),
                              check_line, &search, err);
    free(memory);
    return status;
}
