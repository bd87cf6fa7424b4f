/* JSON text as Python's json.dumps(ensure_ascii=True) writes it. */
#include "json_write.h"

#include "utf8.h"

static bool is_plain(unsigned char byte)
{
    return byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
}

static size_t plain_prefix(struct tel_str text)
{
    size_t len = 0;

    while (len < text.len && is_plain((unsigned char)text.ptr[len]))
        len++;
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

void tel_json_put_escaped(struct tel_buf *buf, struct tel_str text)
{
    while (text.len > 0) {
        size_t len = plain_prefix(text);

        tel_buf_bytes(buf, text.ptr, len);
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
