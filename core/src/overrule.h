/* The kernel's word on a run whose last line tells of an ending already: of a crash in an exit handler, say,
 * or after a guess. */
#ifndef TEL_OVERRULE_H
#define TEL_OVERRULE_H

#include "base/ending.h"

/* As tel_ending_apply, to a line that may have an ending: the verdict that was derived from that is taken
 * back. Words of the run's own stay, unless they are just what would have been derived. */
void tel_overrule(struct tel_runline *line, struct tel_buf *scratch,
                  const struct tel_ending *ending);

#endif
