/* Speaking for a run that another process began, or that only its id is left of: setting values and
 * logging events while it lasts. Needs the journal, never the database. */
#ifndef TEL_VOICE_H
#define TEL_VOICE_H

#include "base/config.h"
#include "lookup.h"

#define TEL_VOICE_PATIENCE_MS 1000 /* behind others who speak for the run, or who end it */

/* About 1 KiB of state; dir and run_id are borrowed and must outlive it. */
struct tel_voice {
    const struct tel_datadir *dir;
    struct tel_str run_id;
    bool sync;      /* durability: the disk has it before a call returns */
    bool has_owner; /* owner is the run's process, alive when it was looked at */
    struct tel_process_key owner;
    struct tel_journal_pos from; /* at or before the run's last line */
    uint32_t date;               /* of that line: no later line lies in an older file */
};

/* Finds the run. inherited: TELEMETRY_RUN_ID and TELEMETRY_RUN_OWNER as config has them tell where it
 * lies, when run_id is that run. Errors: TEL_ERR_NOT_FOUND, TEL_ERR_ENDED, TEL_ERR_INVALID (no run id),
 * negative errno. */
int tel_voice_find(struct tel_voice *voice, const struct tel_datadir *dir,
                   const struct tel_config *config, struct tel_str run_id, struct tel_error *err);

/* Says one thing: a line of values.h. What has been said when this returns 0 will be on the run's last
 * line, whatever happens to the run, to this process or to the collector.
 * Errors: TEL_ERR_ENDED, TEL_ERR_BUSY, TEL_ERR_REFUSED, negative errno (nothing was said). */
int tel_voice_say(struct tel_voice *voice, struct tel_str said, struct tel_error *err);
/* Logs an event; type and payload (JSON text, or not set) as tel_event_line_put has them. */
int tel_voice_event(struct tel_voice *voice, struct tel_str type, struct tel_str payload,
                    struct tel_error *err);

#endif
