/* Times as texts and back. */
#include "base/clock.h"

#include <criterion/criterion.h>
#include <time.h>

#include "support/view.h"

#define SECOND INT64_C(1000000000)

static const char *time_text(int64_t ns)
{
    static char memory[TEL_TIME_LEN];
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory));
    tel_time_put(&buf, ns);
    return buf_text(&buf);
}

static const char *compact_text(int64_t ns)
{
    static char memory[16];
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory));
    tel_time_put_compact(&buf, ns);
    return buf_text(&buf);
}

static const struct {
    int64_t ns;
    const char *text;
    const char *compact;
    uint32_t date;
} instants[] = {
    {0, "1970-01-01T00:00:00.000000+00:00", "19700101T000000Z", 19700101},
    {-1, "1970-01-01T00:00:00.000000+00:00", "19700101T000000Z", 19700101},
    {INT64_MIN, "1970-01-01T00:00:00.000000+00:00", "19700101T000000Z", 19700101},
    {999, "1970-01-01T00:00:00.000000+00:00", "19700101T000000Z", 19700101},
    {1999, "1970-01-01T00:00:00.000001+00:00", "19700101T000000Z", 19700101},
    {86399 * SECOND + 999999999, "1970-01-01T23:59:59.999999+00:00", "19700101T235959Z", 19700101},
    {951782400 * SECOND, "2000-02-29T00:00:00.000000+00:00", "20000229T000000Z", 20000229},
    {951868799 * SECOND, "2000-02-29T23:59:59.000000+00:00", "20000229T235959Z", 20000229},
    {951868800 * SECOND, "2000-03-01T00:00:00.000000+00:00", "20000301T000000Z", 20000301},
    {978220799 * SECOND, "2000-12-30T23:59:59.000000+00:00", "20001230T235959Z", 20001230},
    {1709164800 * SECOND, "2024-02-29T00:00:00.000000+00:00", "20240229T000000Z", 20240229},
    {1735689599 * SECOND, "2024-12-31T23:59:59.000000+00:00", "20241231T235959Z", 20241231},
    {2147483647 * SECOND, "2038-01-19T03:14:07.000000+00:00", "20380119T031407Z", 20380119},
    {2147483648 * SECOND, "2038-01-19T03:14:08.000000+00:00", "20380119T031408Z", 20380119},
    {4107542400 * SECOND, "2100-03-01T00:00:00.000000+00:00", "21000301T000000Z", 21000301},
    {INT64_MAX, "2262-04-11T23:47:16.854775+00:00", "22620411T234716Z", 22620411},
};

Test(clock, writes_times)
{
    for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
        cr_expect_str_eq(time_text(instants[i].ns), instants[i].text);
        cr_expect_str_eq(compact_text(instants[i].ns), instants[i].compact);
        cr_expect_eq(tel_date_of(instants[i].ns), instants[i].date, "%s", instants[i].text);
    }
}

Test(clock, agrees_with_libc_on_every_day)
{
    for (int64_t day = 0; day < 106751; day++) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        struct tm tm;
        char expected[40];

        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000000+00:00", &tm);
        cr_assert_str_eq(time_text(seconds * SECOND), expected);
    }
}

Test(clock, reads_what_it_writes)
{
    for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
        int64_t ns;

        cr_assert(tel_time_parse(tel_str_from(instants[i].text), &ns), "%s", instants[i].text);
        cr_expect_str_eq(time_text(ns), instants[i].text);
    }
    for (int64_t ns = 0; ns < INT64_MAX / 2; ns += INT64_C(98765432109876543)) {
        int64_t back;

        cr_assert(tel_time_parse(tel_str_from(time_text(ns)), &back));
        cr_assert_eq(back, ns - ns % 1000);
    }
}

Test(clock, reads_pythons_forms)
{
    static const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"2026-11-22T10:11:12.123456+00:00", 1795342272 * SECOND + 123456000},
        {"2026-11-22T10:11:12.123+00:00", 1795342272 * SECOND + 123000000},
        {"2026-11-22T10:11:12+00:00", 1795342272 * SECOND},
        {"2026-11-22T10:11:12Z", 1795342272 * SECOND},
        {"2026-11-22T10:11:12", 1795342272 * SECOND},
        {"2026-11-22 10:11:12", 1795342272 * SECOND}, /* SQLite's datetime() */
        {"2026-11-22T10:11", 1795342260 * SECOND},
        {"2026-11-22T12:11:12+02:00", 1795342272 * SECOND},
        {"2026-11-22T04:41:12-05:30", 1795342272 * SECOND},
        {"2026-11-22T10:11:12.5Z", 1795342272 * SECOND + 500000000},
        {"2026-11-22T10:11:12.1234567891", 1795342272 * SECOND + 123456789},
        {"1969-12-31T23:59:59Z", -SECOND},
        {"1970-01-01T00:00:00.5+01:00", -3600 * SECOND + 500000000},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t ns = 0;

        cr_expect(tel_time_parse(tel_str_from(cases[i].text), &ns), "%s", cases[i].text);
        cr_expect_eq(ns, cases[i].ns, "%s", cases[i].text);
    }
}

Test(clock, refuses_nonsense)
{
    static const char *const cases[] = {
        "",
        "x",
        "2026",
        "2026-11-22",
        "2026-11-22T",
        "2026-11-22T10",
        "2026-11-22T10:1",
        "2026-13-22T10:11:12",
        "2026-00-22T10:11:12",
        "2026-11-00T10:11:12",
        "2026-11-31T10:11:12",
        "2026-02-29T10:11:12",
        "2100-02-29T10:11:12",
        "2026-11-22T24:00:00",
        "2026-11-22T10:60:00",
        "2026-11-22T10:11:60",
        "2026-11-22T10:11:12.",
        "2026-11-22T10:11:12+",
        "2026-11-22T10:11:12+2",
        "2026-11-22T10:11:12+24:00",
        "2026-11-22T10:11:12Z ",
        "2026-11-22T10:11:12Zulu",
        " 2026-11-22T10:11:12",
        "2026-11-22T10:11:1a",
        "-026-11-22T10:11:12",
        "2026/11/22T10:11:12",
        "9999-12-31T23:59:59Z", /* beyond what 64 bits of nanoseconds hold */
        "0000-01-01T00:00:00Z",
    };
    int64_t ns = 7;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_not(tel_time_parse(tel_str_from(cases[i]), &ns), "%s", cases[i]);
    cr_expect_not(tel_time_parse(TEL_STR_NONE, &ns));
    cr_expect_eq(ns, 7, "untouched on failure");
}

Test(clock, every_cut_of_a_time_is_read_or_refused)
{
    struct tel_str whole = TEL_STR("2026-11-22T10:11:12.123456+00:00");

    for (size_t len = 0; len <= whole.len; len++) {
        char copy[TEL_TIME_LEN];
        int64_t ns;

        memcpy(copy, whole.ptr, len); /* so that a sanitizer sees a read behind the end */
        tel_time_parse((struct tel_str){copy, len}, &ns);
    }
}

Test(clock, ticks)
{
    struct tel_instant now;
    struct timespec libc_now;
    int64_t difference;

    tel_clock_now(&now);
    clock_gettime(CLOCK_REALTIME, &libc_now);
    difference = (int64_t)libc_now.tv_sec * SECOND + libc_now.tv_nsec - now.realtime_ns;
    cr_expect(difference >= -SECOND && difference < 60 * SECOND);
    cr_expect_geq(tel_clock_boottime_ns(), now.boottime_ns);
}

Test(clock, needs_room_for_all_of_it)
{
    char memory[TEL_TIME_LEN];
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory) - 1);
    tel_time_put(&buf, 0);
    cr_expect(buf.overflow);
    cr_expect_eq(buf.len, 0);
}
