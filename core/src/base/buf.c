/* Text views and the fixed-capacity buffer. */
#include "buf.h"

#include <string.h>

enum { DECIMAL_DIGITS = 20 }; /* of the largest uint64_t */

struct tel_str tel_str_from(const char *text)
{
    return text == NULL ? TEL_STR_NONE : (struct tel_str){text, strlen(text)};
}

bool tel_str_equal(struct tel_str a, struct tel_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool tel_str_is(struct tel_str a, const char *text)
{
    return tel_str_equal(a, tel_str_from(text));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool tel_str_equal_nocase(struct tel_str a, struct tel_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.ptr[i]) != lower(b.ptr[i]))
            return false;
    }
    return true;
}

bool tel_str_is_nocase(struct tel_str a, const char *text)
{
    return tel_str_equal_nocase(a, tel_str_from(text));
}

bool tel_str_starts(struct tel_str a, const char *prefix)
{
    size_t len = strlen(prefix);

    return len == 0 || (a.len >= len && memcmp(a.ptr, prefix, len) == 0);
}

ptrdiff_t tel_str_find(struct tel_str a, char c)
{
    const char *hit = a.len == 0 ? NULL : memchr(a.ptr, c, a.len);

    return hit == NULL ? -1 : hit - a.ptr;
}

ptrdiff_t tel_str_find_last(struct tel_str a, char c)
{
    for (size_t i = a.len; i > 0; i--) {
        if (a.ptr[i - 1] == c)
            return (ptrdiff_t)(i - 1);
    }
    return -1;
}

struct tel_str tel_str_from_pos(struct tel_str a, size_t from)
{
    if (a.ptr == NULL)
        return a;
    if (from > a.len)
        from = a.len;
    return (struct tel_str){a.ptr + from, a.len - from};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct tel_str tel_str_trim(struct tel_str a)
{
    while (a.len > 0 && is_blank(a.ptr[a.len - 1]))
        a.len--;
    while (a.len > 0 && is_blank(a.ptr[0])) {
        a.ptr++;
        a.len--;
    }
    return a;
}

struct tel_str tel_str_basename(struct tel_str path)
{
    return tel_str_from_pos(path, (size_t)(tel_str_find_last(path, '/') + 1));
}

struct tel_str tel_str_take(struct tel_str *rest, char separator)
{
    const ptrdiff_t at = tel_str_find(*rest, separator);
    struct tel_str taken = *rest;

    *rest = TEL_STR_NONE;
    if (at >= 0) {
        *rest = tel_str_from_pos(taken, (size_t)at + 1);
        taken.len = (size_t)at;
    }
    return taken;
}

bool tel_str_take_item(struct tel_str *list, struct tel_str *item)
{
    if (list->len == 0)
        return false;
    *item = tel_str_take(list, ' ');
    return true;
}

bool tel_str_in_list(struct tel_str word, const char *list)
{
    struct tel_str rest = tel_str_from(list);
    struct tel_str item;

    while (tel_str_take_item(&rest, &item)) {
        if (tel_str_equal(item, word))
            return true;
    }
    return false;
}

bool tel_str_to_u64(struct tel_str a, uint64_t *out)
{
    uint64_t value = 0;

    if (a.len == 0)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (a.ptr[i] < '0' || a.ptr[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(a.ptr[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

/* Bytes that a UTF-8 character takes going by its first byte; 1 for bytes that begin none. */
static size_t utf8_expected(unsigned char lead)
{
    if (lead >= 0xf0)
        return lead < 0xf5 ? 4 : 1;
    if (lead >= 0xe0)
        return 3;
    return lead >= 0xc2 ? 2 : 1;
}

uint32_t tel_str_hash(struct tel_str a, uint32_t hash)
{
    for (size_t i = 0; i < a.len; i++)
        hash = (hash ^ (uint8_t)a.ptr[i]) * UINT32_C(16777619);
    return hash;
}

struct tel_str tel_str_cut_utf8(struct tel_str a, size_t max)
{
    if (a.len <= max)
        return a;
    a.len = max;
    for (size_t back = 1; back <= 3 && back <= max; back++) {
        unsigned char byte = (unsigned char)a.ptr[max - back];

        if ((byte & 0xc0) == 0x80)
            continue;
        if (utf8_expected(byte) > back)
            a.len = max - back;
        break;
    }
    return a;
}

void tel_buf_init(struct tel_buf *buf, char *memory, size_t cap)
{
    *buf = (struct tel_buf){.ptr = memory, .cap = cap};
}

void tel_buf_bytes(struct tel_buf *buf, const char *ptr, size_t len)
{
    if (buf->overflow || len == 0)
        return;
    if (len > buf->cap - buf->len) {
        buf->overflow = true;
        return;
    }
    memcpy(buf->ptr + buf->len, ptr, len);
    buf->len += len;
}

void tel_buf_str(struct tel_buf *buf, struct tel_str text)
{
    tel_buf_bytes(buf, text.ptr, text.len);
}

void tel_buf_cstr(struct tel_buf *buf, const char *text)
{
    tel_buf_bytes(buf, text, strlen(text));
}

void tel_buf_char(struct tel_buf *buf, char c)
{
    tel_buf_bytes(buf, &c, 1);
}

void tel_buf_u64(struct tel_buf *buf, uint64_t value)
{
    char digits[DECIMAL_DIGITS];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    tel_buf_bytes(buf, digits + at, sizeof(digits) - at);
}

void tel_buf_i64(struct tel_buf *buf, int64_t value)
{
    if (value < 0) {
        char digits[DECIMAL_DIGITS + 1];
        struct tel_buf number;

        /* Sign and digits go in together: a buffer never ends in a lone "-". */
        tel_buf_init(&number, digits, sizeof(digits));
        tel_buf_char(&number, '-');
        tel_buf_u64(&number, 0 - (uint64_t)value);
        tel_buf_str(buf, tel_buf_view(&number));
        return;
    }
    tel_buf_u64(buf, (uint64_t)value);
}

void tel_buf_hex(struct tel_buf *buf, uint64_t value, unsigned digits)
{
    char text[16];

    if (digits > sizeof(text))
        digits = sizeof(text);
    for (unsigned i = digits; i > 0; i--) {
        text[i - 1] = "0123456789abcdef"[value & 0xf];
        value >>= 4;
    }
    tel_buf_bytes(buf, text, digits);
}

void tel_buf_padded(struct tel_buf *buf, uint64_t value, unsigned digits)
{
    char text[DECIMAL_DIGITS];

    if (digits > sizeof(text))
        digits = sizeof(text);
    for (unsigned i = digits; i > 0; i--) {
        text[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    tel_buf_bytes(buf, text, digits);
}

struct tel_str tel_buf_view(const struct tel_buf *buf)
{
    return buf->overflow ? TEL_STR_NONE : (struct tel_str){buf->ptr, buf->len};
}

char *tel_buf_terminate(struct tel_buf *buf)
{
    if (buf->len == buf->cap)
        buf->overflow = true;
    if (buf->overflow)
        return NULL;
    buf->ptr[buf->len] = '\0';
    return buf->ptr;
}
