/* Standard output: what it is, how wide, whether colours are welcome, and whether all of it arrived. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/* A reader that has gone away (telemetry runs | head) is an error of writing, not a signal. */
void out_ignore_sigpipe(void);

bool out_is_terminal(void);
/* Columns of the terminal; 0 = no limit, when it is none. */
size_t out_width(void);
/* Whether the locale says that the terminal takes UTF-8. */
bool out_is_utf8(void);

enum out_style { OUT_PLAIN, OUT_BOLD, OUT_DIM, OUT_GOOD, OUT_WARN, OUT_BAD };
/* What to print before text of that style, and after it; "" without colours (no terminal, NO_COLOR,
 * TERM=dumb). */
const char *out_begin(enum out_style style);
const char *out_end(enum out_style style);

/* Writes out what is buffered. exit_code, or CLI_FAILED when it could not all be written; that is
 * said, unless the reader has gone away. */
int out_finish(int exit_code);

#endif
