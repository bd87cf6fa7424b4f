/* Moments as people write them on a command line. */
#ifndef WHEN_H
#define WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* What when_parse takes, for messages and help. */
#define WHEN_FORMS "a time: 2026-11-22, 2026-11-22T10:00, 90m, 2h or 7d (ago), today, yesterday"

/* A date or time, with an offset such as Z or +01:00, else local, or UTC when utc is set; or how long
 * ago: a number with s, m, h, d or w; or now, today, yesterday. False when it is none of these. */
bool when_parse(const char *text, bool utc, int64_t now_ns, int64_t *realtime_ns);

#endif
