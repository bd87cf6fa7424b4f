/* TELEMETRY_DEBUG: one line about each decision, on stderr or appended to a file. */
#ifndef TEL_BASE_DEBUG_H
#define TEL_BASE_DEBUG_H

#include "config.h"

/* Joins the parts up to the first NULL into one line "telemetry[PID]: …". Nothing when
 * TELEMETRY_DEBUG is unset or 0. */
void tel_debug(struct tel_str target, ...) __attribute__((sentinel));

#endif
