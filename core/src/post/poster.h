/* The poster: takes orders from whoever started it (a collector, or `telemetry post`), posts runs, and
 * records in the journal what became of each before it reports it. */
#ifndef TEL_POST_POSTER_H
#define TEL_POST_POSTER_H

#include "base/error.h"

/* Serves the other end of fd (TEL_POST_FD) until that is closed; finishes then what is under way. 0 or
 * negative. */
int tel_poster_serve(int fd, struct tel_error *err);

#endif
