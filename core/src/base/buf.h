/* Borrowed text views and a fixed-capacity buffer whose failure is sticky: append as often as
 * needed, check once. Nothing here allocates, so the shim can use all of it. */
#ifndef TEL_BASE_BUF_H
#define TEL_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes, not NUL-terminated. ptr == NULL means "not set", as opposed to empty. */
struct tel_str {
    const char *ptr;
    size_t len;
};

#define TEL_STR(literal) ((struct tel_str){(literal), sizeof(literal) - 1})
#define TEL_STR_NONE ((struct tel_str){NULL, 0})

/* View of a NUL-terminated string; NULL gives TEL_STR_NONE. */
struct tel_str tel_str_from(const char *text);
bool tel_str_equal(struct tel_str a, struct tel_str b);
bool tel_str_is(struct tel_str a, const char *text);
/* ASCII case-insensitive. */
bool tel_str_equal_nocase(struct tel_str a, struct tel_str b);
bool tel_str_is_nocase(struct tel_str a, const char *text);
bool tel_str_starts(struct tel_str a, const char *prefix);
/* Position of the first or last c, or -1. */
ptrdiff_t tel_str_find(struct tel_str a, char c);
ptrdiff_t tel_str_find_last(struct tel_str a, char c);
/* Bytes from position from to the end; from is clamped. */
struct tel_str tel_str_from_pos(struct tel_str a, size_t from);
/* Without leading and trailing blanks and tabs. */
struct tel_str tel_str_trim(struct tel_str a);
/* What follows the last '/', or all of it. */
struct tel_str tel_str_basename(struct tel_str path);
/* Takes off what comes before the first separator: *rest becomes what comes behind it, and
 * TEL_STR_NONE when there is none. */
struct tel_str tel_str_take(struct tel_str *rest, char separator);
/* Takes the next item off a list of words with one blank between them; false at its end. */
bool tel_str_take_item(struct tel_str *list, struct tel_str *item);
/* True when word is an item of such a list. */
bool tel_str_in_list(struct tel_str word, const char *list);
/* Decimal digits only, the whole view; false when empty, malformed or out of range. */
bool tel_str_to_u64(struct tel_str a, uint64_t *out);
/* FNV-1a of the bytes, going on from hash (at first TEL_HASH_START). Source:
 * http://www.isthe.com/chongo/tech/comp/fnv/ */
uint32_t tel_str_hash(struct tel_str a, uint32_t hash);
#define TEL_HASH_START UINT32_C(2166136261)
/* The longest prefix of at most max bytes that does not cut a UTF-8 character. */
struct tel_str tel_str_cut_utf8(struct tel_str a, size_t max);

/* Caller-owned memory filled from the front. After an append that did not fit, overflow is true
 * and every later append is ignored; len never exceeds cap. */
struct tel_buf {
    char *ptr;
    size_t len;
    size_t cap;
    bool overflow;
};

void tel_buf_init(struct tel_buf *buf, char *memory, size_t cap);
void tel_buf_bytes(struct tel_buf *buf, const char *ptr, size_t len);
void tel_buf_str(struct tel_buf *buf, struct tel_str text);
void tel_buf_cstr(struct tel_buf *buf, const char *text);
void tel_buf_char(struct tel_buf *buf, char c);
void tel_buf_u64(struct tel_buf *buf, uint64_t value);
void tel_buf_i64(struct tel_buf *buf, int64_t value);
/* Exactly digits lower-case hexadecimal digits (1 to 16) of value's low end. */
void tel_buf_hex(struct tel_buf *buf, uint64_t value, unsigned digits);
/* Exactly digits decimal digits, zero-padded (1 to 19). */
void tel_buf_padded(struct tel_buf *buf, uint64_t value, unsigned digits);
/* What has been appended so far; TEL_STR_NONE after an overflow. */
struct tel_str tel_buf_view(const struct tel_buf *buf);
/* Terminates with NUL (not counted in len) and returns the start; NULL after an overflow. */
char *tel_buf_terminate(struct tel_buf *buf);

#endif
