/* JSON text with the bytes of Python's json.dumps (CONTRACT 3): ASCII only, \uXXXX with surrogate
 * pairs, 0x7f as \u007f, separators ", " and ": "; invalid UTF-8 becomes U+FFFD. */
#ifndef TEL_BASE_JSON_WRITE_H
#define TEL_BASE_JSON_WRITE_H

#include "buf.h"

/* A quoted, escaped JSON string; the word null when text.ptr is NULL. */
void tel_json_put_text(struct tel_buf *buf, struct tel_str text);
/* The inside of a string: escaped, without the quotes. */
void tel_json_put_escaped(struct tel_buf *buf, struct tel_str text);
void tel_json_put_int(struct tel_buf *buf, int64_t value);
void tel_json_put_null(struct tel_buf *buf);

#endif
