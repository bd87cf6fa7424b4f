/* See visible.h. */
#include "visible.h"

#include "base/utf8.h"
#include "complain.h"

#include <stdlib.h>
#include <string.h>

struct range {
    uint32_t first;
    uint32_t last;
};

/* Beside the control characters: marks that reorder or hide text (Unicode 15, section 23.2), and
 * line separators. */
static const struct range hidden[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c}, {0x200b, 0x200f},
    {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
};

static const struct range wide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},
    {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
    {0x20000, 0x3fffd},
};

static const struct range combining[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f}, {0x1ab0, 0x1aff},
    {0x1dc0, 0x1dff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xe0100, 0xe01ef},
};

#define IN(ranges, c) is_in(ranges, sizeof(ranges) / sizeof((ranges)[0]), c)

static bool is_in(const struct range *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

/* The visible form of one character, in at most 12 bytes. */
static size_t render(char out[12], uint32_t c)
{
    struct tel_buf buf;

    tel_buf_init(&buf, out, 12);
    if (c == '\n') {
        tel_buf_cstr(&buf, "\\n");
    } else if (c == '\t') {
        tel_buf_cstr(&buf, "\\t");
    } else if (IN(hidden, c)) {
        tel_buf_cstr(&buf, c < 0x100 ? "\\x" : "\\u");
        tel_buf_hex(&buf, c, c < 0x100 ? 2 : 4);
    } else {
        tel_utf8_put(&buf, c);
    }
    return buf.len;
}

char *visible_text(struct tel_str text)
{
    char *out = must_alloc(text.len * 6 + 1); /* \u1234, or a replacement for each byte */
    size_t len = 0;
    uint32_t c;
    bool valid;

    while (text.len > 0) {
        char bytes[12];
        size_t count;

        text = tel_str_from_pos(text, tel_utf8_decode(text, &c, &valid));
        count = render(bytes, c);
        memcpy(out + len, bytes, count);
        len += count;
    }
    out[len] = '\0';
    return out;
}

static size_t columns_of(uint32_t c)
{
    if (c < 0x300)
        return 1;
    if (IN(combining, c))
        return 0;
    return IN(wide, c) ? 2 : 1;
}

size_t visible_fit(const char *text, size_t columns)
{
    struct tel_str rest = tel_str_from(text);
    size_t used = 0;
    uint32_t c;
    bool valid;

    while (rest.len > 0) {
        const size_t len = tel_utf8_decode(rest, &c, &valid);

        used += columns_of(c);
        if (used > columns)
            break;
        rest = tel_str_from_pos(rest, len);
    }
    return (size_t)(rest.ptr - text);
}

size_t visible_width(const char *text)
{
    struct tel_str rest = tel_str_from(text);
    size_t width = 0;
    uint32_t c;
    bool valid;

    while (rest.len > 0) {
        rest = tel_str_from_pos(rest, tel_utf8_decode(rest, &c, &valid));
        width += columns_of(c);
    }
    return width;
}

void visible_put(FILE *out, struct tel_str text)
{
    char *shown = visible_text(text);

    fputs(shown, out);
    free(shown);
}
