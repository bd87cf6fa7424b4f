/* Shell patterns on paths, as the selection of programs has them. */
#ifndef TEL_BASE_GLOB_MATCH_H
#define TEL_BASE_GLOB_MATCH_H

#include "buf.h"

/* True when pattern matches all of text: '*' any bytes ('/' too), '?' any one byte, [a-z] one byte of
 * a set, [!a-z] one that is not in it, and a backslash takes the next byte as it is. A '[' without
 * its ']' matches nothing. Takes at most pattern.len times text.len steps, and no memory. */
bool tel_glob_match(struct tel_str pattern, struct tel_str text);

#endif
