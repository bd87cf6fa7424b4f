/* Reading UTF-8 that may be broken. */
#ifndef TEL_BASE_UTF8_H
#define TEL_BASE_UTF8_H

#include "buf.h"

#define TEL_UTF8_REPLACEMENT 0xfffd

/* Decodes the first character of text, which must not be empty, and returns how many bytes it
 * takes. Bytes that begin no character count as U+FFFD, one for each maximal subpart (Unicode 15,
 * section 3.9), as Python's errors="replace" has it; *valid is then false. */
size_t tel_utf8_decode(struct tel_str text, uint32_t *code_point, bool *valid);

/* Appends code_point, which must not be a surrogate nor beyond U+10FFFF, as UTF-8. */
void tel_utf8_put(struct tel_buf *buf, uint32_t code_point);

#endif
