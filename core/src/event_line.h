/* An event as a line of the journal (CONTRACT 3). */
#ifndef TEL_EVENT_LINE_H
#define TEL_EVENT_LINE_H

#include "base/error.h"
#include "base/json_scan.h"

#define TEL_EVENT_TYPE_MAX 128
#define TEL_EVENT_PAYLOAD_MAX ((size_t)64 * 1024)
/* Longest event line, newline included: every byte of the payload may become "\u0001". */
#define TEL_EVENT_LINE_MAX ((size_t)400 * 1024)

/* Appends the line of an event of run_id that happened at realtime_ns. payload is JSON text, or not
 * set. TEL_ERR_INVALID, and nothing appended, when type is empty or too long, or payload no JSON or too
 * long; -E2BIG when line has no room. */
int tel_event_line_put(struct tel_buf *line, struct tel_str run_id, struct tel_str type,
                       struct tel_str payload, int64_t realtime_ns, struct tel_error *err);

#endif
