/* What is posted of a run (CONTRACT 6). */
#ifndef TEL_POST_BODY_H
#define TEL_POST_BODY_H

#include "base/runline.h"

/* Appends the JSON object of a run whose last line this is: the contract's keys in its order, without
 * those that are null. */
void tel_post_body_put(struct tel_buf *buf, const struct tel_runline *line);

#endif
