/* UTF-8, broken in every way: what Python's bytes.decode(errors="replace") makes of it. */
#include "base/utf8.h"

#include <criterion/criterion.h>

#include "support/view.h"

struct expectation {
    const char *bytes;
    const char *decoded; /* U+FFFD written as "?" */
};

/* The right half is Python's answer. */
static const struct expectation cases[] = {
    {"plain", "plain"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"a\x80z", "a?z"}, /* continuation alone */
    {"\xbf\xbf", "??"},
    {"\xc0\xaf", "??"}, /* overlong */
    {"\xc1\xbf", "??"},
    {"\xe0\x80\xaf", "???"},
    {"\xe0\x9f\xbf", "???"},
    {"\xf0\x80\x80\xaf", "????"},
    {"\xf0\x8f\xbf\xbf", "????"},
    {"\xed\xa0\x80", "???"}, /* surrogates */
    {"\xed\xbf\xbf", "???"},
    {"\xed\x9f\xbf", "\xed\x9f\xbf"},
    {"\xee\x80\x80", "\xee\x80\x80"},
    {"\xf4\x90\x80\x80", "????"}, /* beyond U+10FFFF */
    {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    {"\xf5\x80\x80\x80", "????"},
    {"\xfe\xff", "??"},
    {"\xc3", "?"}, /* cut off */
    {"\xc3z", "?z"},
    {"\xe2\x82", "?"},
    {"\xe2\x82z", "?z"},
    {"\xe2z", "?z"},
    {"\xf0\x9f\x98", "?"},
    {"\xf0\x9f\x98z", "?z"},
    {"\xf0\x9fz", "?z"},
    {"\xf0\x9f\xc3\xa4", "?\xc3\xa4"},
    {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "????A"}, /* Unicode 15, table 3-11 */
};

Test(utf8, decodes_as_python_does)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tel_str rest = tel_str_from(cases[i].bytes);
        char memory[64];
        struct tel_buf out;

        tel_buf_init(&out, memory, sizeof(memory));
        while (rest.len > 0) {
            uint32_t code_point;
            bool valid;
            size_t len = tel_utf8_decode(rest, &code_point, &valid);

            cr_assert(len >= 1 && len <= rest.len, "case %zu", i);
            if (valid)
                tel_utf8_put(&out, code_point);
            else
                tel_buf_char(&out, '?');
            cr_expect(valid || code_point == TEL_UTF8_REPLACEMENT, "case %zu", i);
            rest = tel_str_from_pos(rest, len);
        }
        cr_expect_str_eq(buf_text(&out), cases[i].decoded, "case %zu", i);
    }
}

Test(utf8, every_character_comes_back)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char memory[4];
        struct tel_buf out;
        uint32_t back;
        bool valid;

        if (c >= 0xd800 && c <= 0xdfff)
            continue;
        tel_buf_init(&out, memory, sizeof(memory));
        tel_utf8_put(&out, c);
        cr_assert_eq(tel_utf8_decode(tel_buf_view(&out), &back, &valid), out.len);
        cr_assert(valid && back == c, "U+%04X", c);
    }
}
