/* JSON text (RFC 8259) without a tree: one pass that validates while it slices. Containers are
 * followed with a bit stack, not by recursion: text comes from other people's files, stacks in a
 * host may be 16 KiB. */
#include "json_scan.h"

#include <string.h>

#include "stride.h"
#include "utf8.h"

/* All skip_* functions take a position and the end of the text, and return the position behind
 * what they skipped, or NULL when it is not there or malformed. */

enum { BITS = 64 };

/* The containers that are open; the bit of an object is set. */
struct nesting {
    unsigned depth;
    unsigned limit;
    uint64_t objects[TEL_JSON_MAX_DEPTH / BITS];
};

static void push(struct nesting *open, bool object)
{
    uint64_t bit = UINT64_C(1) << open->depth % BITS;

    if (object)
        open->objects[open->depth / BITS] |= bit;
    else
        open->objects[open->depth / BITS] &= ~bit;
    open->depth++;
}

static bool in_object(const struct nesting *open)
{
    unsigned top = open->depth - 1;

    return (open->objects[top / BITS] >> top % BITS & 1) != 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline const char *skip_blanks(const char *p, const char *end)
{
    if (p < end && *p == ' ') /* as writers have it: one, or none */
        p++;
    while (p < end && is_blank(*p))
        p++;
    return p;
}

/* --- strings ------------------------------------------------------------------------------- */

/* Index of the first byte that ends a plain stretch of a string (quote, backslash, control
 * character), STRIDE when there is none. */
static inline unsigned find_in_stride(const char *p)
{
    uint64_t bytes, hits;

    memcpy(&bytes, p, sizeof(bytes));
    hits = bytes_below(bytes, 0x20) | bytes_below(bytes ^ EVERY_BYTE('"'), 1) |
           bytes_below(bytes ^ EVERY_BYTE('\\'), 1);
    return first_hit(hits);
}

/* Position of the next quote, backslash or control character, or end. */
static inline const char *find_special(const char *p, const char *end)
{
    while (end - p >= STRIDE) {
        unsigned at = find_in_stride(p);

        p += at;
        if (at < STRIDE)
            return p;
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
        p++;
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* p is behind the backslash. */
static const char *skip_escape(const char *p, const char *end)
{
    if (p == end || *p == '\0')
        return NULL;
    if (*p != 'u')
        return memchr("\"\\/bfnrt", *p, 8) != NULL ? p + 1 : NULL;
    if (end - p < 5)
        return NULL;
    for (int i = 1; i <= 4; i++) {
        if (hex_digit(p[i]) < 0)
            return NULL;
    }
    return p + 5;
}

/* p is behind the opening quote. */
static inline const char *skip_string(const char *p, const char *end)
{
    for (;;) {
        p = find_special(p, end);
        if (p == end)
            return NULL;
        if (*p == '"')
            return p + 1;
        if (*p != '\\')
            return NULL;
        p = skip_escape(p + 1, end);
        if (p == NULL)
            return NULL;
    }
}

/* --- values -------------------------------------------------------------------------------- */

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* At least one. */
static const char *skip_digits(const char *p, const char *end)
{
    if (p == end || !is_digit(*p))
        return NULL;
    while (p < end && is_digit(*p))
        p++;
    return p;
}

static const char *skip_exponent(const char *p, const char *end)
{
    if (p < end && (*p == '+' || *p == '-'))
        p++;
    return skip_digits(p, end);
}

static const char *skip_number(const char *p, const char *end)
{
    if (*p == '-')
        p++;
    p = p < end && *p == '0' ? p + 1 : skip_digits(p, end);
    if (p != NULL && p < end && *p == '.')
        p = skip_digits(p + 1, end);
    if (p != NULL && p < end && (*p == 'e' || *p == 'E'))
        p = skip_exponent(p + 1, end);
    return p;
}

static const char *skip_word(const char *p, const char *end, const char *word, size_t len)
{
    return (size_t)(end - p) >= len && memcmp(p, word, len) == 0 ? p + len : NULL;
}

static inline const char *skip_scalar(const char *p, const char *end)
{
    switch (*p) {
    case '"':
        return skip_string(p + 1, end);
    case 'n':
        return skip_word(p, end, "null", 4);
    case 't':
        return skip_word(p, end, "true", 4);
    case 'f':
        return skip_word(p, end, "false", 5);
    default:
        return skip_number(p, end);
    }
}

/* A key and its colon. */
static const char *skip_key(const char *p, const char *end)
{
    p = skip_blanks(p, end);
    if (p == end || *p != '"')
        return NULL;
    p = skip_string(p + 1, end);
    if (p == NULL)
        return NULL;
    p = skip_blanks(p, end);
    return p < end && *p == ':' ? p + 1 : NULL;
}

/* Goes down to the first scalar and skips it, opening containers on the way; stops before the
 * closing bracket of an empty one. */
static const char *descend(const char *p, const char *end, struct nesting *open)
{
    for (;;) {
        bool object;

        p = skip_blanks(p, end);
        if (p == end)
            return NULL;
        if (*p != '{' && *p != '[')
            return skip_scalar(p, end);
        if (open->depth == open->limit)
            return NULL;
        object = *p == '{';
        push(open, object);
        p = skip_blanks(p + 1, end);
        if (p < end && *p == (object ? '}' : ']'))
            return p;
        if (object && (p = skip_key(p, end)) == NULL)
            return NULL;
    }
}

/* Closes containers up to a comma, which it skips with the key behind it, or until none is open. */
static const char *ascend(const char *p, const char *end, struct nesting *open)
{
    while (open->depth > 0) {
        bool object = in_object(open);

        p = skip_blanks(p, end);
        if (p == end)
            return NULL;
        if (*p == ',')
            return object ? skip_key(p + 1, end) : p + 1;
        if (*p != (object ? '}' : ']'))
            return NULL;
        open->depth--;
        p++;
    }
    return p;
}

/* Any value, with at most limit containers inside each other. */
static const char *skip_value(const char *p, const char *end, unsigned limit)
{
    struct nesting open = {.limit = limit};

    do {
        p = descend(p, end, &open);
        if (p != NULL)
            p = ascend(p, end, &open);
    } while (p != NULL && open.depth > 0);
    return p;
}

static const char *start_of(struct tel_str text)
{
    return text.ptr == NULL ? "" : text.ptr;
}

bool tel_json_valid(struct tel_str text)
{
    const char *p = start_of(text);
    const char *end = p + text.len;

    p = skip_value(p, end, TEL_JSON_MAX_DEPTH);
    return p != NULL && skip_blanks(p, end) == end;
}

/* --- members ------------------------------------------------------------------------------- */

enum { BEFORE_FIRST, BEFORE_VALUE, BEHIND_VALUE, AT_END, MALFORMED };

static void init_at(struct tel_json_iter *iter, const char *p, const char *end)
{
    bool object = p < end && *p == '{';

    iter->at = object ? p + 1 : p;
    iter->end = end;
    iter->state = object ? BEFORE_FIRST : MALFORMED;
    iter->limit = TEL_JSON_MAX_DEPTH - 1;
    iter->inner = false;
}

void tel_json_iter_init(struct tel_json_iter *iter, struct tel_str text)
{
    const char *end = start_of(text) + text.len;

    init_at(iter, skip_blanks(start_of(text), end), end);
}

static int fail(struct tel_json_iter *iter)
{
    iter->state = MALFORMED;
    return -1;
}

/* p is behind the closing bracket. */
static int finish(struct tel_json_iter *iter, const char *p)
{
    if (!iter->inner && skip_blanks(p, iter->end) != iter->end)
        return fail(iter);
    iter->at = p;
    iter->state = AT_END;
    return 0;
}

/* To the colon's other side. */
static int read_key(struct tel_json_iter *iter, const char *p, struct tel_str *key)
{
    const char *end = iter->end;
    const char *behind = p < end && *p == '"' ? skip_string(p + 1, end) : NULL;

    if (behind == NULL)
        return fail(iter);
    *key = (struct tel_str){p + 1, (size_t)(behind - p) - 2};
    p = skip_blanks(behind, end);
    if (p == end || *p != ':')
        return fail(iter);
    iter->at = skip_blanks(p + 1, end);
    iter->state = BEFORE_VALUE;
    return 1;
}

int tel_json_iter_next_key(struct tel_json_iter *iter, struct tel_str *key)
{
    const char *end = iter->end;
    const char *p;

    if (iter->state == AT_END)
        return 0;
    if (iter->state != BEFORE_FIRST && iter->state != BEHIND_VALUE)
        return fail(iter);
    p = skip_blanks(iter->at, end);
    if (p < end && *p == '}')
        return finish(iter, p + 1);
    if (iter->state == BEHIND_VALUE) {
        if (p == end || *p != ',')
            return fail(iter);
        p = skip_blanks(p + 1, end);
    }
    return read_key(iter, p, key);
}

/* Most of the time went into finding the ends of keys. Comparing with the key that is expected
 * costs next to nothing: the processor goes on before it knows the outcome. */
bool tel_json_iter_expect_key(struct tel_json_iter *iter, struct tel_str key)
{
    static const char before[] = {',', ' ', '"'};
    static const char behind[] = {'"', ':', ' '};
    const char *name = iter->at + sizeof(before);
    size_t len = sizeof(before) + key.len + sizeof(behind);

    if (iter->state != BEHIND_VALUE || (size_t)(iter->end - iter->at) <= len ||
        memcmp(iter->at, before, sizeof(before)) != 0 || memcmp(name, key.ptr, key.len) != 0 ||
        memcmp(name + key.len, behind, sizeof(behind)) != 0 || is_blank(iter->at[len]))
        return false;
    iter->at += len;
    iter->state = BEFORE_VALUE;
    return true;
}

/* behind is where the value ends, or NULL. */
static int take_value(struct tel_json_iter *iter, const char *behind, struct tel_str *value)
{
    if (behind == NULL)
        return fail(iter);
    *value = (struct tel_str){iter->at, (size_t)(behind - iter->at)};
    iter->at = behind;
    iter->state = BEHIND_VALUE;
    return 1;
}

int tel_json_iter_value(struct tel_json_iter *iter, struct tel_str *value)
{
    const char *p = iter->at;

    if (iter->state != BEFORE_VALUE || p == iter->end)
        return fail(iter);
    if (*p == '{' || *p == '[')
        return take_value(iter, skip_value(p, iter->end, iter->limit), value);
    return take_value(iter, skip_scalar(p, iter->end), value);
}

bool tel_json_iter_enter(const struct tel_json_iter *iter, struct tel_json_iter *inner)
{
    if (iter->state != BEFORE_VALUE || iter->limit == 0)
        return false;
    init_at(inner, iter->at, iter->end);
    inner->limit = iter->limit - 1;
    inner->inner = true;
    return inner->state == BEFORE_FIRST;
}

int tel_json_iter_leave(struct tel_json_iter *iter, const struct tel_json_iter *inner,
                        struct tel_str *value)
{
    return take_value(iter, inner->state == AT_END ? inner->at : NULL, value);
}

int tel_json_iter_next(struct tel_json_iter *iter, struct tel_json_member *member)
{
    int more = tel_json_iter_next_key(iter, &member->key);

    if (more <= 0 || tel_json_iter_value(iter, &member->value) < 0)
        return more <= 0 ? more : -1;
    member->type = tel_json_type_of(member->value);
    return 1;
}

enum tel_json_type tel_json_type_of(struct tel_str raw)
{
    switch (raw.len == 0 ? 'n' : raw.ptr[0]) {
    case 'n':
        return TEL_JSON_NULL;
    case 't':
    case 'f':
        return TEL_JSON_BOOL;
    case '"':
        return TEL_JSON_STRING;
    case '[':
        return TEL_JSON_ARRAY;
    case '{':
        return TEL_JSON_OBJECT;
    default:
        return TEL_JSON_NUMBER;
    }
}

/* --- reading values ------------------------------------------------------------------------ */

/* p is at four hexadecimal digits. */
static uint32_t read_unit(const char *p)
{
    uint32_t unit = 0;

    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (uint32_t)hex_digit(p[i]);
    return unit;
}

static bool is_high_surrogate(uint32_t unit)
{
    return (unit & 0xfc00) == 0xd800;
}

static bool is_low_surrogate(uint32_t unit)
{
    return (unit & 0xfc00) == 0xdc00;
}

/* p is at the digits of a valid \uXXXX that a quote follows sooner or later, which is why looking
 * for a second escape is safe. Returns the position behind it, or behind the pair. */
static const char *put_unicode_escape(const char *p, struct tel_buf *out)
{
    uint32_t unit = read_unit(p);

    p += 4;
    if (is_high_surrogate(unit) && p[0] == '\\' && p[1] == 'u' &&
        is_low_surrogate(read_unit(p + 2))) {
        unit = 0x10000 + ((unit & 0x3ff) << 10) + (read_unit(p + 2) & 0x3ff);
        p += 6;
    } else if (is_high_surrogate(unit) || is_low_surrogate(unit)) {
        unit = TEL_UTF8_REPLACEMENT;
    }
    tel_utf8_put(out, unit);
    return p;
}

/* p is behind a valid escape's backslash. */
static const char *put_escape(const char *p, struct tel_buf *out)
{
    static const char letters[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    const char *letter;

    if (*p == 'u')
        return put_unicode_escape(p + 1, out);
    letter = memchr(letters, *p, sizeof(letters) - 1);
    tel_buf_char(out, letter == NULL ? *p : meanings[letter - letters]);
    return p + 1;
}

static const char *put_plain(const char *p, const char *end, struct tel_buf *out)
{
    const char *from = p;

    while (p < end && *p != '\\' && (unsigned char)*p < 0x80)
        p++;
    tel_buf_bytes(out, from, (size_t)(p - from));
    return p;
}

static const char *put_character(const char *p, const char *end, struct tel_buf *out)
{
    uint32_t code_point;
    bool valid;
    size_t len = tel_utf8_decode((struct tel_str){p, (size_t)(end - p)}, &code_point, &valid);

    tel_utf8_put(out, code_point);
    return p + len;
}

bool tel_json_unescape(struct tel_str raw, struct tel_buf *out)
{
    const char *p = start_of(raw);
    const char *end = p + raw.len; /* first of the whole, then of what the quotes hold */

    if (raw.len < 2 || *p != '"' || skip_string(p + 1, end) != end)
        return false;
    p++;
    end--;
    while (p < end) {
        p = put_plain(p, end, out);
        if (p == end)
            break;
        p = *p == '\\' ? put_escape(p + 1, out) : put_character(p, end, out);
    }
    return true;
}

/* A number taken apart: the digits of its mantissa and where the point stands among them. */
struct decimal {
    struct tel_str whole, fraction;
    int64_t exponent;
};

static struct tel_str take_digits(struct tel_str *text)
{
    struct tel_str digits = {text->ptr, 0};

    while (digits.len < text->len && is_digit(text->ptr[digits.len]))
        digits.len++;
    *text = tel_str_from_pos(*text, digits.len);
    return digits;
}

/* Clamped far beyond any text's length, so that sums with lengths cannot overflow. */
static int64_t read_exponent(struct tel_str text)
{
    const uint64_t limit = UINT64_C(1) << 60;
    bool minus = text.ptr[0] == '-';
    uint64_t value;

    if (minus || text.ptr[0] == '+')
        text = tel_str_from_pos(text, 1);
    if (!tel_str_to_u64(text, &value) || value > limit)
        value = limit;
    return minus ? -(int64_t)value : (int64_t)value;
}

/* text is a valid number without its sign. */
static struct decimal read_decimal(struct tel_str text)
{
    struct decimal number = {.whole = take_digits(&text)};

    if (text.len > 0 && text.ptr[0] == '.') {
        text = tel_str_from_pos(text, 1);
        number.fraction = take_digits(&text);
    }
    if (text.len > 0)
        number.exponent = read_exponent(tel_str_from_pos(text, 1));
    return number;
}

/* The number's digits before its point, up to limit. */
static bool truncate_decimal(const struct decimal *number, uint64_t limit, uint64_t *out)
{
    int64_t digits = (int64_t)number->whole.len + number->exponent;
    int64_t written = (int64_t)(number->whole.len + number->fraction.len);
    uint64_t value = 0;

    for (int64_t i = 0; i < digits && (i < written || value != 0); i++) {
        size_t at = (size_t)i;
        uint64_t digit = 0;

        if (at < number->whole.len)
            digit = (uint64_t)(number->whole.ptr[at] - '0');
        else if (i < written)
            digit = (uint64_t)(number->fraction.ptr[at - number->whole.len] - '0');
        if (value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool tel_json_to_i64(struct tel_str raw, int64_t *out)
{
    const char *end = start_of(raw) + raw.len;
    struct decimal number;
    uint64_t value;
    bool minus;

    if (raw.len == 0 || skip_number(raw.ptr, end) != end)
        return false;
    minus = raw.ptr[0] == '-';
    number = read_decimal(tel_str_from_pos(raw, minus));
    if (!truncate_decimal(&number, (uint64_t)INT64_MAX + minus, &value))
        return false;
    *out = minus ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}
