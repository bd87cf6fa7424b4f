/* See human.h. */
#include "human.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MS_PER_S = 1000, S_PER_MIN = 60, S_PER_H = 3600, S_PER_DAY = 86400 };
#define NS_PER_S INT64_C(1000000000)

struct human human_duration(int64_t ms)
{
    struct human out;
    const int64_t s = ms / MS_PER_S;

    if (ms < MS_PER_S)
        snprintf(out.text, sizeof out.text, "%lld ms", (long long)ms);
    else if (s < S_PER_MIN)
        snprintf(out.text, sizeof out.text, "%lld.%lld s", (long long)s,
                 (long long)(ms % MS_PER_S / 100));
    else if (s < S_PER_H)
        snprintf(out.text, sizeof out.text, "%lld min %02lld s", (long long)(s / S_PER_MIN),
                 (long long)(s % S_PER_MIN));
    else if (s < S_PER_DAY)
        snprintf(out.text, sizeof out.text, "%lld h %02lld min", (long long)(s / S_PER_H),
                 (long long)(s % S_PER_H / S_PER_MIN));
    else
        snprintf(out.text, sizeof out.text, "%lld d %02lld h", (long long)(s / S_PER_DAY),
                 (long long)(s % S_PER_DAY / S_PER_H));
    return out;
}

struct human human_size(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    struct human out;
    double value = (double)bytes;
    int unit = 0;

    for (; value >= 1023.95 && unit < 6; unit++)
        value /= 1024;
    snprintf(out.text, sizeof out.text, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
    return out;
}

struct human human_count(int64_t count, const char *word)
{
    struct human out;

    snprintf(out.text, sizeof out.text, "%lld %s%s", (long long)count, word, count == 1 ? "" : "s");
    return out;
}

struct human human_time(int64_t realtime_ns, enum human_time form, bool utc)
{
    const time_t seconds = (time_t)(realtime_ns / NS_PER_S);
    struct human out = {""};
    struct tm tm;
    size_t len;
    long offset_min;

    if ((utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm)) == NULL)
        return out;
    len = form == HUMAN_TIME_BRIEF ? strftime(out.text, sizeof out.text, "%m-%d %H:%M:%S", &tm)
                                   : strftime(out.text, sizeof out.text, "%Y-%m-%d %H:%M:%S", &tm);
    offset_min = tm.tm_gmtoff / 60;
    if (form == HUMAN_TIME_ZONED)
        snprintf(out.text + len, sizeof out.text - len, " %c%02ld:%02ld",
                 offset_min < 0 ? '-' : '+', labs(offset_min) / 60, labs(offset_min) % 60);
    return out;
}
