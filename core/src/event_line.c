/* See event_line.h. On the path of every event of the client library: one pass over the payload to
 * check it, one to write it. */
#include "event_line.h"

#include "base/clock.h"
#include "base/json_write.h"

#include <errno.h>

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

int tel_event_line_put(struct tel_buf *line, struct tel_str run_id, struct tel_str type,
                       struct tel_str payload, int64_t realtime_ns, struct tel_error *err)
{
    const struct tel_buf before = *line;
    const int status = check(type, payload, err);

    if (status < 0)
        return status;
    tel_buf_str(line, TEL_STR("{\"run_id\": "));
    tel_json_put_text(line, run_id);
    tel_buf_str(line, TEL_STR(", \"event_type\": "));
    tel_json_put_text(line, type);
    tel_buf_str(line, TEL_STR(", \"timestamp\": \""));
    tel_time_put(line, realtime_ns);
    tel_buf_str(line, TEL_STR("\", \"payload_json\": "));
    tel_json_put_text(line, payload);
    tel_buf_str(line, TEL_STR(", \"id\": null, \"record_type\": \"event\"}\n"));
    if (!line->overflow)
        return 0;
    *line = before;
    return tel_fail(err, -E2BIG, "the event's line would be too long", NULL);
}
