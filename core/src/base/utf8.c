/* UTF-8, one character at a time (Unicode 15, table 3-7: well-formed byte sequences). */
#include "utf8.h"

/* What may follow a first byte: how many bytes, and the range of the first of them, which is what
 * excludes overlong forms, surrogates and everything beyond U+10FFFF. */
struct lead {
    unsigned follow;
    unsigned char low, high;
};

static struct lead read_lead(unsigned char byte)
{
    if (byte >= 0xc2 && byte <= 0xdf)
        return (struct lead){1, 0x80, 0xbf};
    if (byte >= 0xe0 && byte <= 0xef)
        return (struct lead){2, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf};
    if (byte >= 0xf0 && byte <= 0xf4)
        return (struct lead){3, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf};
    return (struct lead){0, 0, 0};
}

size_t tel_utf8_decode(struct tel_str text, uint32_t *code_point, bool *valid)
{
    unsigned char first = (unsigned char)text.ptr[0];
    struct lead lead = read_lead(first);
    uint32_t value = first & (0x3fu >> lead.follow);

    *valid = first < 0x80;
    *code_point = *valid ? first : TEL_UTF8_REPLACEMENT;
    if (lead.follow == 0)
        return 1;
    for (size_t i = 1; i <= lead.follow; i++) {
        unsigned char byte = i < text.len ? (unsigned char)text.ptr[i] : 0;

        if (byte < lead.low || byte > lead.high)
            return i;
        value = value << 6 | (byte & 0x3fu);
        lead.low = 0x80;
        lead.high = 0xbf;
    }
    *valid = true;
    *code_point = value;
    return lead.follow + 1;
}

void tel_utf8_put(struct tel_buf *buf, uint32_t code_point)
{
    char bytes[4];
    size_t len = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;

    for (size_t i = len - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (code_point & 0x3f));
        code_point >>= 6;
    }
    bytes[0] = (char)(len == 1 ? code_point : (0xf00u >> len & 0xffu) | code_point);
    tel_buf_bytes(buf, bytes, len);
}
