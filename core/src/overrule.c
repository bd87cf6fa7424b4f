/* See overrule.h. What was derived is not marked as such on the line; but the line has all that it was derived
 * from, so that it can be done again and compared. */
#include "overrule.h"

enum { CORE_DUMPED = 0x80 }; /* in a wait status, wait(2) */

/* The ending that line tells of. */
static struct tel_ending ending_of(const struct tel_runline *line)
{
    struct tel_ending ending = {.source = TEL_END_INFERRED};
    int64_t number;

    if (tel_json_to_i64(line->process[TEL_PROC_SIGNAL], &number)) {
        ending.known = true;
        ending.wait_status = (int)number & 0x7f;
        if (tel_str_is(line->process[TEL_PROC_CORE_DUMPED], "true"))
            ending.wait_status |= CORE_DUMPED;
    } else if (tel_json_to_i64(line->process[TEL_PROC_EXIT_CODE], &number)) {
        ending.known = true;
        ending.wait_status = ((int)number & 0xff) << 8;
    }
    return ending;
}

/* Where nobody saw the end, the reason is joined to the derived words: both are JSON text. */
static bool is_joined(struct tel_str summary, struct tel_str derived)
{
    const struct tel_str words = {derived.ptr, derived.len > 0 ? derived.len - 1 : 0};

    return words.len > 0 && summary.len > words.len &&
           tel_str_equal((struct tel_str){summary.ptr, words.len}, words) &&
           tel_str_starts(tel_str_from_pos(summary, words.len), ": ");
}

static bool is_set(struct tel_str raw)
{
    return raw.ptr != NULL && !tel_str_is(raw, "null");
}

static bool is_derived(const struct tel_runline *line, struct tel_buf *scratch)
{
    const struct tel_ending ending = ending_of(line);
    const struct tel_str summary = line->run[TEL_RUN_ERROR_SUMMARY];
    struct tel_runline again = *line;
    struct tel_str derived;

    if (!is_set(line->process[TEL_PROC_END_SOURCE]) || !is_set(summary))
        return false;
    again.run[TEL_RUN_ERROR_SUMMARY] = TEL_STR_NONE;
    tel_ending_apply(&again, scratch, &ending);
    derived = again.run[TEL_RUN_ERROR_SUMMARY];
    return tel_str_equal(summary, derived) || (!ending.known && is_joined(summary, derived));
}

void tel_overrule(struct tel_runline *line, struct tel_buf *scratch,
                  const struct tel_ending *ending)
{
    if (is_derived(line, scratch)) {
        line->run[TEL_RUN_ERROR_SUMMARY] = TEL_STR_NONE;
        line->run[TEL_RUN_STATUS] = TEL_STR_NONE;
    }
    tel_ending_apply(line, scratch, ending);
}
