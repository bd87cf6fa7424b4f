/* Moments as people write them. */
#include "when.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#define S INT64_C(1000000000)
#define NOW (INT64_C(1767261600) * S) /* 2026-01-01T10:00:00Z */

/* In seconds; -1 when it is not understood. */
static int64_t parse(const char *text, bool utc)
{
    int64_t moment_ns = -S;

    return when_parse(text, utc, NOW, &moment_ns) ? moment_ns / S : -1;
}

static int64_t ago(const char *text)
{
    const int64_t moment = parse(text, true);

    return moment < 0 ? -1 : NOW / S - moment;
}

Test(when, how_long_ago)
{
    cr_assert_eq(ago("0s"), 0);
    cr_assert_eq(ago("90m"), 5400);
    cr_assert_eq(ago("2h"), 7200);
    cr_assert_eq(ago("2h ago"), 7200);
    cr_assert_eq(ago("7d"), 604800);
    cr_assert_eq(ago("1w"), 604800);
    cr_assert_eq(ago("now"), 0);
    cr_assert_eq(ago("today"), 36000);
    cr_assert_eq(ago("yesterday"), 36000 + 86400);
}

Test(when, dates_and_times_in_utc)
{
    cr_assert_eq(parse("1970-01-02", true), 86400);
    cr_assert_eq(parse("2026-01-01T10:00", true), NOW / S);
    cr_assert_eq(parse("2026-01-01 10:00:05", true), NOW / S + 5);
    cr_assert_eq(parse("2026-01-01T10:00:00Z", false), NOW / S);
    cr_assert_eq(parse("2026-01-01T11:00:00+01:00", false), NOW / S);
    cr_assert_eq(parse("2026-01-01T10:00:00.123456+00:00", false), NOW / S);
}

Test(when, dates_and_times_here)
{
    setenv("TZ", "XXX-5:30", 1);
    tzset();
    cr_assert_eq(parse("2026-01-01T15:30", false), NOW / S);
    cr_assert_eq(parse("2026-01-01", false), NOW / S - 15 * 3600 - 1800);
    cr_assert_eq(parse("today", false), NOW / S - 15 * 3600 - 1800);
}

Test(when, what_is_none)
{
    static const char *const texts[] = {
        "",
        "h",
        "2",
        "2x",
        "-2h",
        "2hours",
        "2026",
        "2026-1-1",
        "2026-02-31",
        "2026-13-01",
        "2026-01-01T",
        "2026-01-01T25:00",
        "2026-01-01T10:60",
        "2026-01-01T10:00:61",
        "2026-01-01 10:00 ",
        "tomorrow",
        "99999999999w",
        "3000w ago",
        "99999999w",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_assert_eq(parse(texts[i], true), -1, "'%s'", texts[i]);
}
