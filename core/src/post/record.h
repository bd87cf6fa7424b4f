/* What became of posting a run, in the journal: its last line with the four fields about it replaced. */
#ifndef TEL_POST_RECORD_H
#define TEL_POST_RECORD_H

#include "base/journal.h"
#include "base/runline.h"
#include "wire.h"

/* Why the run of this line is not to be posted; NULL when it is: it has ended, wants it, and has neither
 * been posted nor refused. */
const char *tel_post_objection(const struct tel_runline *line);

struct tel_post_result {
    enum tel_post_outcome outcome; /* DONE, REFUSED or LATER */
    unsigned retries;
    int64_t now_ns;   /* CLOCK_REALTIME */
    int64_t after_ns; /* LATER: of the next attempt */
    const char *why;  /* REFUSED */
};

/* Appends the run's new last line, by one write; line is its last one, in the file of that date.
 * Negative when the journal did not take it. */
int tel_post_record(struct tel_journal_writer *writer, struct tel_str line, uint32_t date,
                    const struct tel_post_result *result, struct tel_error *err);

#endif
