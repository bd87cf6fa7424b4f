/* See when.h. */
#include "when.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static time_t seconds_of(struct tm *tm, bool utc)
{
    tm->tm_isdst = -1;
    return utc ? timegm(tm) : mktime(tm);
}

/* "90m", "2h ago". */
static bool parse_ago(const char *text, int64_t now_ns, int64_t *realtime_ns)
{
    static const struct {
        char letter;
        int seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    uint64_t number;
    const size_t digits = strspn(text, "0123456789");
    const char *rest = text + digits;

    if (!tel_str_to_u64((struct tel_str){text, digits}, &number) || number > INT32_MAX)
        return false;
    if (rest[0] == '\0' || (rest[1] != '\0' && strcmp(rest + 1, " ago") != 0))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        const int64_t seconds = (int64_t)number * units[i].seconds;

        if (units[i].letter != rest[0])
            continue;
        if (seconds > now_ns / NS_PER_S)
            return false;
        *realtime_ns = now_ns - seconds * NS_PER_S;
        return true;
    }
    return false;
}

/* "today", "yesterday", "now". */
static bool parse_word(const char *text, bool utc, int64_t now_ns, int64_t *realtime_ns)
{
    const time_t now = (time_t)(now_ns / NS_PER_S);
    const bool yesterday = strcmp(text, "yesterday") == 0;
    struct tm tm;

    if (strcmp(text, "now") == 0) {
        *realtime_ns = now_ns;
        return true;
    }
    if (!yesterday && strcmp(text, "today") != 0)
        return false;
    if ((utc ? gmtime_r(&now, &tm) : localtime_r(&now, &tm)) == NULL)
        return false;
    tm.tm_hour = 0;
    tm.tm_min = 0;
    tm.tm_sec = 0;
    tm.tm_mday -= yesterday ? 1 : 0;
    *realtime_ns = (int64_t)seconds_of(&tm, utc) * NS_PER_S;
    return true;
}

/* Takes a number of exactly count digits off text. */
static bool take_digits(const char **text, int count, int *out)
{
    *out = 0;
    for (; count > 0; count--, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *out = *out * 10 + (**text - '0');
    }
    return true;
}

static bool take_char(const char **text, const char *any_of)
{
    if (**text == '\0' || strchr(any_of, **text) == NULL)
        return false;
    (*text)++;
    return true;
}

/* ":SS" may be left out, and all of the time too. */
static bool take_time(const char **text, struct tm *tm)
{
    if (**text == '\0')
        return true;
    if (!take_char(text, "T ") || !take_digits(text, 2, &tm->tm_hour) || !take_char(text, ":") ||
        !take_digits(text, 2, &tm->tm_min))
        return false;
    return !take_char(text, ":") || take_digits(text, 2, &tm->tm_sec);
}

static bool same_fields(const struct tm *a, const struct tm *b)
{
    return a->tm_mday == b->tm_mday && a->tm_mon == b->tm_mon && a->tm_sec == b->tm_sec &&
           a->tm_min == b->tm_min;
}

static bool parse_date(const char *text, bool utc, int64_t *realtime_ns)
{
    struct tm tm = {0};
    struct tm normal;
    int month;
    int year;

    if (!take_digits(&text, 4, &year) || !take_char(&text, "-") || !take_digits(&text, 2, &month) ||
        !take_char(&text, "-") || !take_digits(&text, 2, &tm.tm_mday) || !take_time(&text, &tm) ||
        *text != '\0')
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    normal = tm;
    *realtime_ns = (int64_t)seconds_of(&normal, utc) * NS_PER_S;
    /* The 31st of February would have become a day in March. */
    return same_fields(&tm, &normal) && tm.tm_hour < 24;
}

/* A full timestamp that says its own offset. */
static bool parse_zoned(const char *text, int64_t *realtime_ns)
{
    const char *time = strpbrk(text, "T ");

    return time != NULL && strpbrk(time, "Zz+-") != NULL &&
           tel_time_parse(tel_str_from(text), realtime_ns);
}

bool when_parse(const char *text, bool utc, int64_t now_ns, int64_t *realtime_ns)
{
    int64_t parsed;

    if (!parse_ago(text, now_ns, &parsed) && !parse_word(text, utc, now_ns, &parsed) &&
        !parse_date(text, utc, &parsed) && !parse_zoned(text, &parsed))
        return false;
    *realtime_ns = parsed;
    return true;
}
