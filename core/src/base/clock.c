/* Clocks, and the calendar arithmetic behind the contract's texts. */
#include "clock.h"

#include <time.h>

#include "sys.h"

#define NS_PER_SECOND INT64_C(1000000000)
#define NS_PER_MICROSECOND INT64_C(1000)

enum {
    SECONDS_PER_DAY = 86400,
    DAYS_PER_ERA = 146097, /* 400 years, after which the calendar repeats */
    DAYS_TO_EPOCH = 719468 /* from 0000-03-01, where the eras begin, to 1970-01-01 */
};

struct calendar {
    unsigned year, month, day, hour, minute, second, microsecond;
};

static tel_clock_fn *fast_clock; /* set once, before there can be threads */

void tel_clock_use(tel_clock_fn *clock)
{
    fast_clock = clock;
}

static int64_t read_clock(clockid_t clock)
{
    tel_timespec time;

    if (fast_clock == NULL || fast_clock(clock, &time) != 0)
        return tel_sys_clock_ns(clock);
    return (int64_t)time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

void tel_clock_now(struct tel_instant *now)
{
    now->realtime_ns = read_clock(CLOCK_REALTIME);
    now->boottime_ns = read_clock(CLOCK_BOOTTIME);
}

int64_t tel_clock_boottime_ns(void)
{
    return read_clock(CLOCK_BOOTTIME);
}

/* Howard Hinnant's civil_from_days (public domain): years begin in March, so that the leap day is
 * a year's last. For days since the epoch that are not negative. */
static void set_date(struct calendar *c, uint64_t days)
{
    uint64_t shifted = days + DAYS_TO_EPOCH;
    unsigned day_of_era = (unsigned)(shifted % DAYS_PER_ERA);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned month_from_march = (5 * day_of_year + 2) / 153;

    c->day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    c->month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    c->year = (unsigned)(shifted / DAYS_PER_ERA) * 400 + year_of_era + (c->month <= 2);
}

/* The inverse (days_from_civil), for any year from 0. */
static int64_t days_from_date(unsigned year, unsigned month, unsigned day)
{
    int64_t shifted_year = (int64_t)year - (month <= 2);
    int64_t era = (shifted_year >= 0 ? shifted_year : shifted_year - 399) / 400;
    unsigned year_of_era = (unsigned)(shifted_year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * DAYS_PER_ERA + (int64_t)day_of_era - DAYS_TO_EPOCH;
}

static struct calendar calendar_of(int64_t realtime_ns)
{
    uint64_t ns = realtime_ns < 0 ? 0 : (uint64_t)realtime_ns;
    uint64_t seconds = ns / NS_PER_SECOND;
    unsigned of_day = (unsigned)(seconds % SECONDS_PER_DAY);
    struct calendar c = {
        .hour = of_day / 3600,
        .minute = of_day / 60 % 60,
        .second = of_day % 60,
        .microsecond = (unsigned)(ns % NS_PER_SECOND / NS_PER_MICROSECOND),
    };

    set_date(&c, seconds / SECONDS_PER_DAY);
    return c;
}

void tel_time_put(struct tel_buf *buf, int64_t realtime_ns)
{
    struct calendar c = calendar_of(realtime_ns);
    char text[TEL_TIME_LEN];
    struct tel_buf out;

    tel_buf_init(&out, text, sizeof(text));
    tel_buf_padded(&out, c.year, 4);
    tel_buf_char(&out, '-');
    tel_buf_padded(&out, c.month, 2);
    tel_buf_char(&out, '-');
    tel_buf_padded(&out, c.day, 2);
    tel_buf_char(&out, 'T');
    tel_buf_padded(&out, c.hour, 2);
    tel_buf_char(&out, ':');
    tel_buf_padded(&out, c.minute, 2);
    tel_buf_char(&out, ':');
    tel_buf_padded(&out, c.second, 2);
    tel_buf_char(&out, '.');
    tel_buf_padded(&out, c.microsecond, 6);
    tel_buf_cstr(&out, "+00:00");
    tel_buf_str(buf, tel_buf_view(&out)); /* all of it or nothing */
}

void tel_time_put_compact(struct tel_buf *buf, int64_t realtime_ns)
{
    struct calendar c = calendar_of(realtime_ns);
    char text[16];
    struct tel_buf out;

    tel_buf_init(&out, text, sizeof(text));
    tel_buf_padded(&out, c.year * 10000 + c.month * 100 + c.day, 8);
    tel_buf_char(&out, 'T');
    tel_buf_padded(&out, c.hour * 10000 + c.minute * 100 + c.second, 6);
    tel_buf_char(&out, 'Z');
    tel_buf_str(buf, tel_buf_view(&out));
}

uint32_t tel_date_of(int64_t realtime_ns)
{
    struct calendar c = calendar_of(realtime_ns);

    return c.year * 10000 + c.month * 100 + c.day;
}

/* --- reading ------------------------------------------------------------------------------ */

/* Takes exactly digits decimal digits off the front of text. */
static bool take_number(struct tel_str *text, size_t digits, unsigned *out)
{
    uint64_t value;

    if (text->len < digits || !tel_str_to_u64((struct tel_str){text->ptr, digits}, &value))
        return false;
    *text = tel_str_from_pos(*text, digits);
    *out = (unsigned)value;
    return true;
}

static bool take_char(struct tel_str *text, char c)
{
    if (text->len == 0 || text->ptr[0] != c)
        return false;
    *text = tel_str_from_pos(*text, 1);
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    if (month == 2)
        return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool take_date(struct tel_str *text, struct calendar *c)
{
    return take_number(text, 4, &c->year) && take_char(text, '-') &&
           take_number(text, 2, &c->month) && take_char(text, '-') &&
           take_number(text, 2, &c->day) && c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= days_in_month(c->year, c->month);
}

/* ".5" to ".123456789"; more digits are read over. Leaves *ns alone when there is none. */
static bool take_fraction(struct tel_str *text, unsigned *ns)
{
    unsigned scale = 100000000;
    unsigned value = 0;
    size_t digits = 0;

    if (!take_char(text, '.'))
        return true;
    while (digits < text->len && text->ptr[digits] >= '0' && text->ptr[digits] <= '9') {
        value += (unsigned)(text->ptr[digits] - '0') * scale;
        scale /= 10;
        digits++;
    }
    *text = tel_str_from_pos(*text, digits);
    *ns = value;
    return digits > 0;
}

/* "HH:MM", with ":SS" and a fraction or without. */
static bool take_time(struct tel_str *text, unsigned *seconds, unsigned *ns)
{
    unsigned hour, minute;
    unsigned second = 0;

    *ns = 0;
    if (!take_number(text, 2, &hour) || !take_char(text, ':') || !take_number(text, 2, &minute))
        return false;
    if (take_char(text, ':') && (!take_number(text, 2, &second) || !take_fraction(text, ns)))
        return false;
    *seconds = hour * 3600 + minute * 60 + second;
    return hour < 24 && minute < 60 && second < 60;
}

/* Nothing, "Z" or "+HH:MM" to the end of text. */
static bool take_offset(struct tel_str *text, int64_t *offset_seconds)
{
    unsigned seconds = 0, ns;
    bool minus;

    *offset_seconds = 0;
    if (text->len == 0 || take_char(text, 'Z'))
        return text->len == 0;
    minus = take_char(text, '-');
    if (!minus && !take_char(text, '+'))
        return false;
    if (!take_time(text, &seconds, &ns) || text->len != 0)
        return false;
    *offset_seconds = minus ? -(int64_t)seconds : (int64_t)seconds;
    return true;
}

bool tel_time_parse(struct tel_str text, int64_t *realtime_ns)
{
    struct calendar c = {0};
    unsigned of_day, ns;
    int64_t offset, total;

    if (!take_date(&text, &c) || (!take_char(&text, 'T') && !take_char(&text, ' ')) ||
        !take_time(&text, &of_day, &ns) || !take_offset(&text, &offset))
        return false;
    total = days_from_date(c.year, c.month, c.day) * SECONDS_PER_DAY + (int64_t)of_day - offset;
    if (__builtin_mul_overflow(total, NS_PER_SECOND, &total) ||
        __builtin_add_overflow(total, (int64_t)ns, &total))
        return false;
    *realtime_ns = total;
    return true;
}
