/* Fast, allocation-free reading of JSON text (RFC 8259): validation, and the members of one object
 * as raw slices. Used on the fold's hot path, and by the shim to complete its own start line. */
#ifndef TEL_BASE_JSON_SCAN_H
#define TEL_BASE_JSON_SCAN_H

#include "buf.h"

enum tel_json_type {
    TEL_JSON_NULL,
    TEL_JSON_BOOL,
    TEL_JSON_NUMBER,
    TEL_JSON_STRING,
    TEL_JSON_ARRAY,
    TEL_JSON_OBJECT
};

struct tel_json_member {
    struct tel_str key; /* raw bytes between the quotes, escapes untouched */
    /* The value's whole JSON text, quotes included; borrowed from the input. */
    struct tel_str value;
    enum tel_json_type type;
};

struct tel_json_iter {
    const char *at;
    const char *end;
    int state;      /* private, and so is the rest */
    unsigned limit; /* of nesting within the values */
    bool inner;     /* of an object within another: the text goes on behind it */
};

/* Deepest nesting accepted; deeper text counts as malformed rather than exhausting the stack. */
#define TEL_JSON_MAX_DEPTH 256

/* True when text is exactly one valid JSON value, blanks around it allowed. NaN and Infinity,
 * which Python's writer may emit, are not JSON and are refused. */
bool tel_json_valid(struct tel_str text);

/* Walks the members of the object that text holds.
 * next returns 1 with a member, 0 at the end of a valid object, -1 when text is malformed
 * (members returned before that stay valid slices, but the caller should drop them). */
void tel_json_iter_init(struct tel_json_iter *iter, struct tel_str text);
int tel_json_iter_next(struct tel_json_iter *iter, struct tel_json_member *member);

/* next in two steps, for callers who look for certain keys or walk an object inside the object,
 * without scanning anything twice. First the key: next_key answers as next does; expect_key takes
 * the next key only if it is this one, in the very bytes that Python's writer gives, and otherwise
 * changes nothing. Then its value: value returns 1, or -1 when it is malformed. */
int tel_json_iter_next_key(struct tel_json_iter *iter, struct tel_str *key);
bool tel_json_iter_expect_key(struct tel_json_iter *iter, struct tel_str key);
int tel_json_iter_value(struct tel_json_iter *iter, struct tel_str *value);
/* In place of value, when that is an object (false when not): inner walks its members. Once inner
 * has answered 0 or -1, leave returns what value would have; iter must rest in between. */
bool tel_json_iter_enter(const struct tel_json_iter *iter, struct tel_json_iter *inner);
int tel_json_iter_leave(struct tel_json_iter *iter, const struct tel_json_iter *inner,
                        struct tel_str *value);

/* Type of a raw value by its first byte. */
enum tel_json_type tel_json_type_of(struct tel_str raw);
/* Appends the text of a raw JSON string (with its quotes) as UTF-8. Lone surrogates become U+FFFD;
 * \u0000 is kept as a NUL byte. Returns false when raw is not a string. */
bool tel_json_unescape(struct tel_str raw, struct tel_buf *out);
/* An integer value; a number with fraction or exponent is truncated toward zero; false for other
 * types and for numbers beyond 64 bits. */
bool tel_json_to_i64(struct tel_str raw, int64_t *out);

#endif
