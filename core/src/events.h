/* Events of a run, read from the journal, where alone they live (CONTRACT 3). */
#ifndef TEL_EVENTS_H
#define TEL_EVENTS_H

#include "base/datadir.h"
#include "base/json_scan.h"

/* Raw JSON values, borrowed, valid during the callback. A nonzero return stops. */
struct tel_event {
    struct tel_str type;
    struct tel_str timestamp;
    struct tel_str payload; /* a JSON string that holds JSON, or null */
};
typedef int tel_event_fn(void *arg, const struct tel_event *event);

/* Walks the events of run_id in journal files from start_time's day to the end_time's day after
 * (an unset end means today). Times in the contract's form. */
int tel_events_each(const struct tel_datadir *dir, struct tel_str run_id, struct tel_str start_time,
                    struct tel_str end_time, tel_event_fn *fn, void *arg, struct tel_error *err);

#endif
