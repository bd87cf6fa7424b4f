/* Clocks and the contract's text forms of time (UTC throughout). */
#ifndef TEL_BASE_CLOCK_H
#define TEL_BASE_CLOCK_H

#include "buf.h"
#include "vdso.h"

struct tel_instant {
    int64_t realtime_ns; /* CLOCK_REALTIME, since 1970-01-01 UTC */
    int64_t boottime_ns; /* CLOCK_BOOTTIME, counts while suspended, never steps */
};

#define TEL_TIME_LEN 32 /* "YYYY-MM-DDTHH:MM:SS.ffffff+00:00" */
#define TEL_DATE_LEN 8  /* "YYYYMMDD" */

/* Reads the clocks through clock (NULL: by system calls) from now on. Not thread-safe. */
void tel_clock_use(tel_clock_fn *clock);
void tel_clock_now(struct tel_instant *now);
int64_t tel_clock_boottime_ns(void);
/* Appends the contract's timestamp, microseconds truncated. Negative times count as the epoch. */
void tel_time_put(struct tel_buf *buf, int64_t realtime_ns);
/* Appends the compact form of a run id: "YYYYMMDDTHHMMSSZ". */
void tel_time_put_compact(struct tel_buf *buf, int64_t realtime_ns);
/* The UTC date as a number such as 20261122, as journal files are named. */
uint32_t tel_date_of(int64_t realtime_ns);
/* Reads a timestamp as CONTRACT 3 writes it, and the forms Python's isoformat gives (without
 * fraction, "Z", other offsets, none = UTC). False when malformed. */
bool tel_time_parse(struct tel_str text, int64_t *realtime_ns);

#endif
