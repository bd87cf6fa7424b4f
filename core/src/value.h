/* A JSON value of a journal line as the value of a column, whatever its writer made of it. */
#ifndef TEL_VALUE_H
#define TEL_VALUE_H

#include "base/fields.h"

enum tel_value_type { TEL_VALUE_NULL, TEL_VALUE_INTEGER, TEL_VALUE_TEXT };

struct tel_value {
    enum tel_value_type type;
    int64_t integer;
    struct tel_str text; /* valid UTF-8; borrowed from the line or from scratch */
};

#define TEL_VALUE_NONE ((struct tel_value){TEL_VALUE_NULL, 0, {NULL, 0}})

/* Bytes of scratch that tel_value_of may need for raw. */
size_t tel_value_scratch(struct tel_str raw);

/* The value of field on a line that says raw (raw JSON text, ptr NULL = unset). Integers may be
 * written as floats or strings; what is missing, or no number that fits, becomes the field's
 * default. Text without escapes is borrowed from raw, other text is decoded into scratch. */
struct tel_value tel_value_of(const struct tel_field *field, struct tel_str raw,
                              struct tel_buf *scratch);

struct tel_value tel_value_text(struct tel_str text);
struct tel_value tel_value_int(int64_t integer);
/* True for NULL and for empty text. */
bool tel_value_is_empty(const struct tel_value *value);
bool tel_value_is_word(const struct tel_value *value, const char *word);

#endif
