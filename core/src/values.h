/* What is said of a run beside its own lines (by the CLI, by the client API): which fields may be set,
 * to which values, and how what was said becomes part of the run's last line. */
#ifndef TEL_VALUES_H
#define TEL_VALUES_H

#include "base/error.h"
#include "base/runline.h"

enum { TEL_COUNTS = 3 }; /* items_discovered and the two fields behind it */

/* One thing said is a line {"set": {FIELD: VALUE, …}}, {"add": {COUNT: N, …}}, or "final" in the place
 * of "set" once sums have been made (mailbox.h). */
#define TEL_SAID_SET "set"
#define TEL_SAID_ADD "add"
#define TEL_SAID_FINAL "final"

/* The field of that name if it may be set (status is one of them), else -1. */
int tel_values_field(struct tel_str name);
bool tel_values_is_count(int field);

/* Writing such a line: begin, one or more members, end. */
void tel_said_begin(struct tel_buf *line, const char *what);
/* A field's value. Empty text unsets the field; text that is too long is cut as that of the variables
 * is. Negative, and nothing appended, when it is none that the field can take: trigger_type, status
 * and metrics_json are picky. field must be settable, and no count. */
int tel_said_put_text(struct tel_buf *line, int field, struct tel_str text, struct tel_error *err);
/* A count, or (in an "add") what to add to it: 0 or more. */
int tel_said_put_count(struct tel_buf *line, int field, int64_t count, struct tel_error *err);
void tel_said_end(struct tel_buf *line);
/* A whole number of 0 or more; TEL_ERR_INVALID otherwise. */
int tel_said_parse_count(struct tel_str text, int64_t *count, struct tel_error *err);

/* All that was said, put together. */
struct tel_values {
    /* Raw JSON, borrowed from what was read; ptr NULL: not said. */
    struct tel_str set[TEL_RUN_FIELDS];
    int64_t add[TEL_COUNTS]; /* on top of that */
    bool any;                /* anything was said at all */
    bool final;              /* sums have been made: add is 0 */
};

/* Puts together lines in the order in which they were said. What is no such line, or no value of its
 * field, is passed over. */
void tel_values_read(struct tel_values *values, struct tel_str lines);
bool tel_values_any_add(const struct tel_values *values);
/* The counts that were added to, as sums with those of the run's last line: a "final" line. */
void tel_values_put_final(struct tel_buf *out, const struct tel_values *values,
                          const struct tel_runline *line);
/* Makes it part of line. Text is rendered into scratch, or stays borrowed. The said status counts
 * unless the run is still running, or its process crashed or gave a code that is no success. True when
 * line is another one now. */
bool tel_values_apply(const struct tel_values *values, struct tel_runline *line,
                      struct tel_buf *scratch);

#endif
