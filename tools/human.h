/* Numbers as people read them. Results are values: human_size(n).text lives to the end of the
 * statement. */
#ifndef HUMAN_H
#define HUMAN_H

#include <stdbool.h>
#include <stdint.h>

struct human {
    char text[48];
};

/* "340 ms", "12.3 s", "4 min 05 s", "2 h 05 min", "3 d 04 h". */
struct human human_duration(int64_t ms);
/* "512 B", "12.3 MiB". */
struct human human_size(uint64_t bytes);
/* "1 run", "2 runs": the plural is the word and an s. */
struct human human_count(int64_t count, const char *word);

enum human_time { HUMAN_TIME, HUMAN_TIME_BRIEF, HUMAN_TIME_ZONED };
/* "2026-11-22 10:00:00", "11-22 10:00:00", or "2026-11-22 10:00:00 +01:00", local unless utc. */
struct human human_time(int64_t realtime_ns, enum human_time form, bool utc);

#endif
