/* Whether the last word has been spoken about a run that has ended: its process is gone, so that nothing
 * can be said of it any more, and what was said stands on its last line. */
#ifndef TEL_LAST_WORD_H
#define TEL_LAST_WORD_H

#include "due.h"

enum tel_last_word {
    TEL_WORD_SPOKEN,   /* due->last_line is the run's last one, or nobody can tell */
    TEL_WORD_TAKEN_IN, /* its mailbox has been taken in just now: that made a later line */
    TEL_WORD_AWAITED   /* its process goes on, or its mailbox cannot be taken in now */
};

enum tel_last_word tel_last_word(const struct tel_datadir *dir, const struct tel_due *due);

#endif
