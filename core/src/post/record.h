/* A run's last line, as the one who posts it reads it, and what became of posting it: that line, as it is
 * by then, with the four fields about it replaced. */
#ifndef TEL_POST_RECORD_H
#define TEL_POST_RECORD_H

#include "base/journal.h"
#include "base/runline.h"
#include "wire.h"

/* Why the run of this line is not to be posted; NULL when it is: it has ended, wants it, and has neither
 * been posted nor refused. */
const char *tel_post_objection(const struct tel_runline *line);

/* A run that is to be posted. */
struct tel_post_run {
    struct tel_str run_id;
    struct tel_journal_pos line; /* its last one, as far as is known */
    /* The journal's end when that was found out: a later one lies behind it. */
    struct tel_journal_pos seen;
};

/* Makes run->line its last line in the journal now. */
int tel_post_locate(const struct tel_datadir *dir, struct tel_post_run *run, struct tel_error *err);

struct tel_post_result {
    enum tel_post_outcome outcome; /* DONE, REFUSED or LATER */
    unsigned retries;
    int64_t now_ns;   /* CLOCK_REALTIME */
    int64_t after_ns; /* LATER: of the next attempt */
    const char *why;  /* REFUSED */
};

/* Appends the run's new last line, by one write: its last one of this moment, while nobody takes in what was
 * said of it. Negative when the journal did not take it; TEL_ERR_NOT_FOUND, -ENOENT and TEL_ERR_INVALID: it
 * never will. */
int tel_post_record(struct tel_journal_writer *writer, const struct tel_datadir *dir,
                    struct tel_post_run *run, const struct tel_post_result *result,
                    struct tel_error *err);

#endif
