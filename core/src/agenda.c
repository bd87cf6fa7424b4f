/* See agenda.h. */
#include "agenda.h"

#include "base/clock.h"

#define MS INT64_C(1000000)

static const int64_t delays[TEL_WORKS] = {
    [TEL_WORK_STARTS] = 20 * MS,  [TEL_WORK_FOLD] = 50 * MS,   [TEL_WORK_SETTLE] = 10 * MS,
    [TEL_WORK_RETRY] = 1000 * MS, [TEL_WORK_SYNC] = 800 * MS,  [TEL_WORK_ROOM] = 20 * MS,
    [TEL_WORK_CARE] = 300 * MS,   [TEL_WORK_LOOK] = 2000 * MS, [TEL_WORK_ADOPT] = 1000 * MS,
};

int64_t tel_agenda_delay_ns(enum tel_work work)
{
    return delays[work];
}

void tel_agenda_add(struct tel_agenda *agenda, enum tel_work work)
{
    tel_agenda_add_at(agenda, work, tel_clock_boottime_ns() + delays[work]);
}

void tel_agenda_add_at(struct tel_agenda *agenda, enum tel_work work, int64_t at_ns)
{
    int64_t *at = &agenda->at[work];

    if (*at == 0 || *at > at_ns)
        *at = at_ns;
}

void tel_agenda_drop(struct tel_agenda *agenda, enum tel_work work)
{
    agenda->at[work] = 0;
}

bool tel_agenda_has(const struct tel_agenda *agenda, enum tel_work work)
{
    return agenda->at[work] != 0;
}

bool tel_agenda_take(struct tel_agenda *agenda, enum tel_work work, int64_t now_ns)
{
    if (agenda->at[work] == 0 || agenda->at[work] > now_ns)
        return false;
    agenda->at[work] = 0;
    return true;
}

int64_t tel_agenda_next_ns(const struct tel_agenda *agenda)
{
    int64_t next = INT64_MAX;

    for (size_t i = 0; i < TEL_WORKS; i++)
        if (agenda->at[i] != 0 && agenda->at[i] < next)
            next = agenda->at[i];
    return next;
}
