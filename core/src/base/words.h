/* The words of a command line, one after another, wherever they come from: an argument vector, or
 * the text of `sh -c`. Good enough to name a command, not to run it; nothing is expanded. */
#ifndef TEL_BASE_WORDS_H
#define TEL_BASE_WORDS_H

#include "buf.h"

struct tel_words {
    struct tel_str text; /* read first; borrowed */
    bool shell;          /* text is a shell script: ';' and the like end a command, argv is not read
                            on after it but holds $0, $1, … */
    int argc;            /* borrowed; elements up to argc or a NULL */
    char *const *argv;
};

/* The next word of the current command, without the quotes when they go all around it;
 * redirections and comments are skipped. False at the command's end. */
bool tel_words_next(struct tel_words *words, struct tel_str *word);

/* Goes on to the next command of a shell script; false when there is none. */
bool tel_words_next_command(struct tel_words *words);

#endif
