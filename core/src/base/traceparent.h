/* W3C Trace Context (https://www.w3.org/TR/trace-context/), the traceparent text as programs pass it
 * on in the variable TRACEPARENT. */
#ifndef TEL_BASE_TRACEPARENT_H
#define TEL_BASE_TRACEPARENT_H

#include "buf.h"

#define TEL_TRACEPARENT_LEN 55 /* of version 00: "00-" 32 hex "-" 16 hex "-" 2 hex */

/* True for a version 00 traceparent with a trace id and a span id. */
bool tel_traceparent_valid(struct tel_str text);
/* Appends the one that stands for a run: always the same for the same id. */
void tel_traceparent_put(struct tel_buf *buf, struct tel_str run_id);

#endif
