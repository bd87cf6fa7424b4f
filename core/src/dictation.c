/* See dictation.h. */
#include "dictation.h"

#include "append.h"
#include "base/clock.h"
#include "base/proto.h"
#include "event_line.h"
#include "mailbox.h"
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

/* What is written down, and where it goes. */
struct dictation {
    const struct tel_datadir *dir;
    struct tel_str run_id;
    const struct tel_journal_pos *pos;
    struct tel_buf line;
    bool is_event;
};

static int put_event(struct dictation *dictation, struct tel_str type, struct tel_str payload,
                     struct tel_error *err)
{
    struct tel_instant now;

    tel_clock_now(&now);
    return tel_event_line_put(&dictation->line, dictation->run_id, type,
                              payload.len > 0 ? payload : TEL_STR_NONE, now.realtime_ns, err);
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

static int put_line(struct dictation *dictation, struct tel_str text, struct tel_error *err)
{
    const struct tel_str what = take_part(&text);
    const struct tel_str name = take_part(&text);
    int status = TEL_ERR_INVALID;

    dictation->is_event = tel_str_is(what, TEL_SAY_EVENT);
    if (dictation->is_event)
        return put_event(dictation, name, text, err);
    if (tel_str_is(what, TEL_SAY_SET))
        status = put_value(&dictation->line, name, text, err);
    tel_said_end(&dictation->line);
    return status;
}

/* An event may come behind the run's end line, which is written before its process is gone: that there is
 * a mailbox has the run's last line written once more. */
static int write_down(const struct dictation *dictation, struct tel_error *err)
{
    const struct tel_str line = tel_buf_view(&dictation->line);
    struct tel_mailbox box;
    int status = tel_mailbox_open(&box, dictation->dir, dictation->run_id, TEL_MAILBOX_SPEAK,
                                  PATIENCE_MS, err);

    if (status < 0)
        return status;
    status = dictation->is_event
                 ? tel_append(dictation->dir, dictation->pos->date, false, line, err)
                 : tel_mailbox_append(&box, line, false, err);
    tel_mailbox_close(&box);
    return status;
}

int tel_dictation_take(const struct tel_datadir *dir, struct tel_str run_id,
                       const struct tel_journal_pos *pos, struct tel_str text,
                       struct tel_error *err)
{
    struct dictation dictation = {.dir = dir, .run_id = run_id, .pos = pos};
    char *memory = malloc(TEL_EVENT_LINE_MAX);
    int status;

    if (memory == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot write down what is said", NULL);
    tel_buf_init(&dictation.line, memory, TEL_EVENT_LINE_MAX);
    status = put_line(&dictation, text, err);
    if (status == 0 && dictation.line.overflow)
        status = tel_fail(err, -E2BIG, "that is too long", NULL);
    if (status == 0)
        status = write_down(&dictation, err);
    free(memory);
    return status;
}
