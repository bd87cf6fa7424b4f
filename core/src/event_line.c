/* See event_line.h. On the path of every event of the client library: one pass over the payload to
 * check it, one to write it. */
#include "event_line.h"

#include "base/clock.h"
#include "base/json_write.h"

#include <errno.h>

#define NS_PER_SECOND 1000000000

static int check(struct tel_str type, struct tel_str payload, struct tel_error *err)
{
    if (type.len == 0)
        return tel_fail(err, TEL_ERR_INVALID, "an event needs a type", NULL);
    if (type.len > TEL_EVENT_TYPE_MAX)
        return tel_fail(err, TEL_ERR_INVALID, "the event's type is longer than 128 bytes", NULL);
    if (payload.ptr == NULL)
        return 0;
    if (payload.len > TEL_EVENT_PAYLOAD_MAX)
        return tel_fail(err, TEL_ERR_INVALID, "the event's payload is longer than 65536 bytes",
                        NULL);
    if (!tel_json_valid(payload))
        return tel_fail(err, TEL_ERR_INVALID, "the event's payload is not valid JSON", NULL);
    return 0;
}

/* What lies between type and payload, in the second of the thread's last event: between two of them the
 * calendar mostly stands still. */
#define BEFORE_TIME "\", \"timestamp\": \""
#define BEHIND_TIME "\", \"payload_json\": "

enum {
    MICROSECONDS_AT = sizeof BEFORE_TIME - 1 + sizeof "YYYY-MM-DDTHH:MM:SS." - 1,
    MICROSECONDS = 6
};

static _Thread_local struct {
    int64_t second;
    size_t len; /* 0: there was none */
    char text[sizeof BEFORE_TIME + TEL_TIME_LEN + sizeof BEHIND_TIME];
} middle;

static void render_middle(int64_t second)
{
    struct tel_buf text;

    tel_buf_init(&text, middle.text, sizeof middle.text);
    tel_buf_str(&text, TEL_STR(BEFORE_TIME));
    tel_time_put(&text, second * NS_PER_SECOND);
    tel_buf_str(&text, TEL_STR(BEHIND_TIME));
    middle.len = text.len;
    middle.second = second;
}

static void put_middle(struct tel_buf *line, int64_t realtime_ns)
{
    const uint64_t ns = realtime_ns < 0 ? 0 : (uint64_t)realtime_ns;
    const int64_t second = (int64_t)(ns / NS_PER_SECOND);
    unsigned microsecond = (unsigned)(ns % NS_PER_SECOND / 1000);

    if (middle.len == 0 || middle.second != second)
        render_middle(second);
    for (int i = MICROSECONDS - 1; i >= 0; i--) {
        middle.text[MICROSECONDS_AT + i] = (char)('0' + microsecond % 10);
        microsecond /= 10;
    }
    tel_buf_bytes(line, middle.text, middle.len);
}

int tel_event_line_put(struct tel_buf *line, struct tel_str run_id, struct tel_str type,
                       struct tel_str payload, int64_t realtime_ns, struct tel_error *err)
{
    const struct tel_buf before = *line;
    const int status = check(type, payload, err);

    if (status < 0)
        return status;
    tel_buf_str(line, TEL_STR("{\"run_id\": \""));
    tel_json_put_escaped(line, run_id);
    tel_buf_str(line, TEL_STR("\", \"event_type\": \""));
    tel_json_put_escaped(line, type);
    put_middle(line, realtime_ns);
    tel_json_put_text(line, payload);
    tel_buf_str(line, TEL_STR(", \"id\": null, \"record_type\": \"event\"}\n"));
    if (!line->overflow)
        return 0;
    *line = before;
    return tel_fail(err, -E2BIG, "the event's line would be too long", NULL);
}
