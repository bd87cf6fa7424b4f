/* Durations, sizes and times as people read them. */
#include "human.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

Test(human, durations)
{
    cr_assert_str_eq(human_duration(0).text, "0 ms");
    cr_assert_str_eq(human_duration(999).text, "999 ms");
    cr_assert_str_eq(human_duration(1000).text, "1.0 s");
    cr_assert_str_eq(human_duration(59999).text, "59.9 s");
    cr_assert_str_eq(human_duration(60000).text, "1 min 00 s");
    cr_assert_str_eq(human_duration(245000).text, "4 min 05 s");
    cr_assert_str_eq(human_duration(7500000).text, "2 h 05 min");
    cr_assert_str_eq(human_duration(86400000).text, "1 d 00 h");
    cr_assert_str_eq(human_duration(-5).text, "-5 ms");
}

Test(human, sizes)
{
    cr_assert_str_eq(human_size(0).text, "0 B");
    cr_assert_str_eq(human_size(1023).text, "1023 B");
    cr_assert_str_eq(human_size(1024).text, "1.0 KiB");
    cr_assert_str_eq(human_size(1048575).text, "1.0 MiB");
    cr_assert_str_eq(human_size(12902400).text, "12.3 MiB");
    cr_assert_str_eq(human_size(UINT64_MAX).text, "16.0 EiB");
}

Test(human, counts)
{
    cr_assert_str_eq(human_count(0, "run").text, "0 runs");
    cr_assert_str_eq(human_count(1, "run").text, "1 run");
    cr_assert_str_eq(human_count(2, "run").text, "2 runs");
}

Test(human, times)
{
    const int64_t moment = INT64_C(1767261600) * 1000000000; /* 2026-01-01T10:00:00Z */

    setenv("TZ", "XXX-5:30", 1);
    tzset();
    cr_assert_str_eq(human_time(moment, HUMAN_TIME, true).text, "2026-01-01 10:00:00");
    cr_assert_str_eq(human_time(moment, HUMAN_TIME, false).text, "2026-01-01 15:30:00");
    cr_assert_str_eq(human_time(moment, HUMAN_TIME_BRIEF, true).text, "01-01 10:00:00");
    cr_assert_str_eq(human_time(moment, HUMAN_TIME_ZONED, false).text,
                     "2026-01-01 15:30:00 +05:30");
    setenv("TZ", "XXX3:30", 1);
    tzset();
    cr_assert_str_eq(human_time(moment, HUMAN_TIME_ZONED, false).text,
                     "2026-01-01 06:30:00 -03:30");
}
