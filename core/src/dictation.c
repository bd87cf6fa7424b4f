/* See dictation.h. */
#include "dictation.h"

#include "base/clock.h"
#include "base/proto.h"
#include "event_line.h"
#include "speech.h"
#include "values.h"

#include <errno.h>
#include <stdlib.h>

/* Behind others who speak for the run: the collector has more to do than to wait. */
enum { PATIENCE_MS = 20 };

/* The text up to the next NUL, which is taken off as well. */
static struct tel_str take_part(struct tel_str *text)
{
    const ptrdiff_t end = tel_str_find(*text, '\0');
    const struct tel_str part = {text->ptr, end < 0 ? text->len : (size_t)end};

    *text = tel_str_from_pos(*text, part.len + 1);
    return part;
}

static int put_event(struct tel_buf *line, struct tel_str run_id, struct tel_str type,
                     struct tel_str payload, struct tel_error *err)
{
    struct tel_instant now;

    tel_clock_now(&now);
    return tel_event_line_put(line, run_id, type, payload.len > 0 ? payload : TEL_STR_NONE,
                              now.realtime_ns, err);
}

static int put_count(struct tel_buf *said, int field, struct tel_str value, struct tel_error *err)
{
    const bool adds = value.len > 0 && value.ptr[0] == '+';
    int64_t count;
    int status = tel_said_parse_count(tel_str_from_pos(value, adds), &count, err);

    tel_said_begin(said, adds ? TEL_SAID_ADD : TEL_SAID_SET);
    return status < 0 ? status : tel_said_put_count(said, field, count, err);
}

static int put_value(struct tel_buf *said, struct tel_str name, struct tel_str value,
                     struct tel_error *err)
{
    const int field = tel_values_field(name);

    if (tel_values_is_count(field))
        return put_count(said, field, value, err);
    tel_said_begin(said, TEL_SAID_SET);
    return tel_said_put_text(said, field, value, err);
}

static int put_line(struct tel_buf *line, struct tel_speech *speech, struct tel_str text,
                    struct tel_error *err)
{
    const struct tel_str what = take_part(&text);
    const struct tel_str name = take_part(&text);
    int status = TEL_ERR_INVALID;

    speech->is_event = tel_str_is(what, TEL_SAY_EVENT);
    if (speech->is_event)
        return put_event(line, speech->run_id, name, text, err);
    if (tel_str_is(what, TEL_SAY_SET))
        status = put_value(line, name, text, err);
    tel_said_end(line);
    return status;
}

int tel_dictation_take(const struct tel_datadir *dir, struct tel_str run_id,
                       const struct tel_journal_pos *pos, struct tel_str text,
                       struct tel_error *err)
{
    struct tel_speech speech = {.dir = dir, .run_id = run_id, .date = pos->date};
    char *memory = malloc(TEL_EVENT_LINE_MAX);
    struct tel_buf line;
    int status;

    if (memory == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot write down what is said", NULL);
    tel_buf_init(&line, memory, TEL_EVENT_LINE_MAX);
    status = put_line(&line, &speech, text, err);
    if (status == 0 && line.overflow)
        status = tel_fail(err, -E2BIG, "that is too long", NULL);
    speech.line = tel_buf_view(&line);
    if (status == 0)
        status = tel_speech_write(&speech, PATIENCE_MS, err);
    free(memory);
    return status;
}
