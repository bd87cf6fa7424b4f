/* A run line as an array of raw JSON values, one for each field: parsed from text, changed field
 * by field, written back. A start line fills the array from facts; every later line of a run is
 * "the last line with these fields replaced", whoever writes it (shim, exec, collector). */
#ifndef TEL_BASE_RUNLINE_H
#define TEL_BASE_RUNLINE_H

#include "fields.h"
#include "json_scan.h"

/* Longest run line ever written, newline included. Inputs are bounded so that it holds: 13 texts of
 * TEL_TEXT_MAX bytes, metrics, two paths and the arguments, each byte of which may become "\u0001". */
#define TEL_RUNLINE_MAX (512 * 1024)

struct tel_runline {
    struct tel_str run[TEL_RUN_FIELDS];      /* raw JSON text, borrowed; ptr NULL = unset */
    struct tel_str process[TEL_PROC_FIELDS]; /* members of the process object, likewise */
};

enum tel_line_kind {
    TEL_LINE_BAD,   /* not a JSON object */
    TEL_LINE_RUN,   /* a run line with a run_id */
    TEL_LINE_EVENT, /* an event line with a run_id */
    TEL_LINE_OTHER  /* JSON, but neither */
};

/* Splits one journal line (without or with its newline). Slices borrow from line. Unknown keys
 * are skipped. On TEL_LINE_EVENT only run[TEL_RUN_RUN_ID] is filled. */
enum tel_line_kind tel_runline_parse(struct tel_str line, struct tel_runline *out);

/* Whether line has facts of a process: one of our own writers made it. */
bool tel_runline_has_process(const struct tel_runline *line);

/* Appends the whole line in contract order, newline included. */
void tel_runline_put(struct tel_buf *buf, const struct tel_runline *line);

/* Render a value into scratch and point a slot at it. On overflow of scratch the slot is left. */
void tel_slot_text(struct tel_str *slot, struct tel_buf *scratch, struct tel_str text);
void tel_slot_int(struct tel_str *slot, struct tel_buf *scratch, int64_t value);
void tel_slot_bool(struct tel_str *slot, bool value);
void tel_slot_time(struct tel_str *slot, struct tel_buf *scratch, int64_t realtime_ns);

#endif
