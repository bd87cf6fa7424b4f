/* JSON text as Python's json.dumps(ensure_ascii=True) writes it. */
#include "json_write.h"

#include <string.h>

#include "stride.h"
#include "utf8.h"

static bool is_plain(unsigned char byte)
{
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

/* Writes the plain characters at the front of text and returns how many there were. */
static size_t put_plain(struct tel_buf *buf, struct tel_str text)
{
    size_t len = 0;

    while (len < text.len && is_plain((unsigned char)text.ptr[len]))
        len++;
    tel_buf_bytes(buf, text.ptr, len);
    return len;
}

static void put_unit(struct tel_buf *buf, uint32_t utf16)
{
    tel_buf_cstr(buf, "\\u");
    tel_buf_hex(buf, utf16, 4);
}

static void put_code_point(struct tel_buf *buf, uint32_t code_point)
{
    if (code_point < 0x10000) {
        put_unit(buf, code_point);
        return;
    }
    put_unit(buf, 0xd800 + ((code_point - 0x10000) >> 10));
    put_unit(buf, 0xdc00 + ((code_point - 0x10000) & 0x3ff));
}

/* The letter of a two-character escape, or 0. */
static char short_escape(uint32_t code_point)
{
    switch (code_point) {
    case '"':
    case '\\':
        return (char)code_point;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* Escapes the first character of text and returns how many bytes it took. */
static size_t put_escaped(struct tel_buf *buf, struct tel_str text)
{
    uint32_t code_point;
    bool valid;
    size_t len = tel_utf8_decode(text, &code_point, &valid);
    char letter = short_escape(code_point);

    if (letter != 0) {
        tel_buf_char(buf, '\\');
        tel_buf_char(buf, letter);
    } else {
        put_code_point(buf, code_point);
    }
    return len;
}

#ifdef TELEMETRY_IN_SHIM /* writes few texts, and has no room */
#define put_simple put_plain
#else
static inline bool is_quoted(char c)
{
    return c == '"' || c == '\\';
}

/* All of them are plain, quotes or backslashes. */
static inline bool all_simple(uint64_t bytes)
{
    return (bytes_below(bytes, ' ') | ((bytes | (bytes + EVERY_BYTE(1))) & EVERY_BYTE(0x80))) == 0;
}

static inline bool any_quoted(uint64_t bytes)
{
    const uint64_t quotes = bytes_below(bytes ^ EVERY_BYTE('"'), 1);

    return (quotes | bytes_below(bytes ^ EVERY_BYTE('\\'), 1)) != 0;
}

/* Writes a stride of them: no branches, since JSON inside of JSON has a quote every few bytes. */
static inline char *put_quoted(char *to, const char *from)
{
    for (unsigned i = 0; i < STRIDE; i++) {
        *to = '\\';
        to += is_quoted(from[i]);
        *to++ = from[i];
    }
    return to;
}

/* Writes plain characters, quotes and backslashes as long as there is ample room, and returns how many
 * there were. */
static size_t put_in_strides(struct tel_buf *buf, struct tel_str text)
{
    const char *from = text.ptr;
    const char *const end = from + text.len;
    char *to = buf->ptr + buf->len;
    const char *const full = buf->ptr + buf->cap;

    while (end - from >= STRIDE && full - to >= 2 * STRIDE) {
        uint64_t bytes;

        memcpy(&bytes, from, STRIDE);
        if (!all_simple(bytes))
            break;
        memcpy(to, &bytes, STRIDE);
        to = any_quoted(bytes) ? put_quoted(to, from) : to + STRIDE;
        from += STRIDE;
    }
    for (; from < end && full - to >= 2; from++) {
        if (is_quoted(*from))
            *to++ = '\\';
        else if (!is_plain((unsigned char)*from))
            break;
        *to++ = *from;
    }
    buf->len = (size_t)(to - buf->ptr);
    return (size_t)(from - text.ptr);
}

static size_t put_simple(struct tel_buf *buf, struct tel_str text)
{
    const size_t len = buf->overflow ? 0 : put_in_strides(buf, text);

    return len + put_plain(buf, tel_str_from_pos(text, len));
}
#endif

void tel_json_put_escaped(struct tel_buf *buf, struct tel_str text)
{
    while (text.len > 0) {
        size_t len = put_simple(buf, text);

        if (len < text.len)
            len += put_escaped(buf, tel_str_from_pos(text, len));
        text = tel_str_from_pos(text, len);
    }
}

void tel_json_put_text(struct tel_buf *buf, struct tel_str text)
{
    if (text.ptr == NULL) {
        tel_json_put_null(buf);
        return;
    }
    tel_buf_char(buf, '"');
    tel_json_put_escaped(buf, text);
    tel_buf_char(buf, '"');
}

void tel_json_put_int(struct tel_buf *buf, int64_t value)
{
    tel_buf_i64(buf, value);
}

void tel_json_put_null(struct tel_buf *buf)
{
    tel_buf_cstr(buf, "null");
}
