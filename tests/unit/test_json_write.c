/* JSON text with the bytes of Python's json.dumps. */
#include "base/json_write.h"

#include <criterion/criterion.h>
#include <string.h>

#include "support/support.h"
#include "support/view.h"

static char memory[4096];

static struct tel_buf make_buf(void)
{
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory));
    return buf;
}

/* The right half was printed by Python: json.dumps(bytes.decode("utf-8", "replace")). */
static const struct {
    const char *bytes;
    const char *json;
} cases[] = {
    {"", "\"\""},
    {"plain text", "\"plain text\""},
    {"quote \" backslash \\ slash /", "\"quote \\\" backslash \\\\ slash /\""},
    {"\x0a\x0d\x09\x08\x0c", "\"\\n\\r\\t\\b\\f\""},
    {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17"
     "\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f",
     "\"\\u0001\\u0002\\u0003\\u0004\\u0005\\u0006\\u0007\\b\\t\\n\\u000b\\f\\r\\u000e\\u000f\\u001"
     "0\\u0011\\u0012\\u0013\\u0014\\u0015\\u0016\\u0017\\u0018\\u0019\\u001a\\u001b\\u001c\\u001d"
     "\\u001e\\u001f\""},
    {"\x7f", "\"\\u007f\""},
    {"~\x7f\x80", "\"~\\u007f\\ufffd\""},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\\u00e4\\u20ac\\ud83d\\ude00\""},
    {"\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\""},
    {"\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
     "\"\\ue000\\uffff\\ud800\\udc00\\udbff\\udfff\""},
    {"\xc2\x80\xdf\xbf\xe0\xa0\x80", "\"\\u0080\\u07ff\\u0800\""},
    {"\x80", "\"\\ufffd\""},
    {"\xc3", "\"\\ufffd\""},
    {"\xc3z", "\"\\ufffdz\""},
    {"\xc0\xaf", "\"\\ufffd\\ufffd\""},
    {"\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\""},
    {"\xe2\x82", "\"\\ufffd\""},
    {"\xe2\x82z", "\"\\ufffdz\""},
    {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
    {"\xf0\x9f\x98", "\"\\ufffd\""},
    {"\xf0\x9f\x98z", "\"\\ufffdz\""},
    {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {"\xf5\x80\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {"\xfe\xff", "\"\\ufffd\\ufffd\""},
    {"\xf0\x80\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    {"a\xff"
     "b\xfe"
     "c",
     "\"a\\ufffdb\\ufffdc\""},
    {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf"
     "A",
     "\"\\ufffd\\ufffd\\ufffd\\ufffdA\""},
};

Test(json_write, text_is_pythons)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tel_buf buf = make_buf();

        tel_json_put_text(&buf, tel_str_from(cases[i].bytes));
        cr_expect_str_eq(buf_text(&buf), cases[i].json);
    }
}

/* Most of a text is looked at eight bytes at a time: wherever a case lies in it, and however much room
 * there is, the bytes are the same, or there is an overflow. */
Test(json_write, text_is_pythons_wherever_it_lies)
{
    enum { AROUND = 17 };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const size_t len = strlen(cases[i].json) - 2;

        for (int before = 0; before < AROUND; before++) {
            const char *const bytes = text("%.*s%s%.*s", before, "plain and \x7e quite",
                                           cases[i].bytes, AROUND - before, ".................");
            struct tel_buf buf = make_buf();

            tel_json_put_escaped(&buf, tel_str_from(bytes));
            cr_expect_str_eq(buf_text(&buf),
                             text("%.*s%.*s%.*s", before, "plain and \x7e quite", (int)len,
                                  cases[i].json + 1, AROUND - before, "................."));
            for (size_t cap = 0; cap <= AROUND + len; cap++) {
                char little[4096];

                memset(little, '#', sizeof(little));
                tel_buf_init(&buf, little, cap);
                tel_json_put_escaped(&buf, tel_str_from(bytes));
                cr_expect_eq(buf.overflow, cap < AROUND + len);
                cr_expect_eq(little[cap], '#');
            }
        }
    }
}

Test(json_write, nul_and_null)
{
    struct tel_buf buf = make_buf();

    tel_json_put_text(&buf, (struct tel_str){"a\0b", 3});
    tel_json_put_text(&buf, TEL_STR_NONE);
    cr_expect_str_eq(buf_text(&buf), "\"a\\u0000b\"null");
}

Test(json_write, every_character_is_ascii)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        struct tel_buf buf = make_buf();
        char text[2] = {'x', (char)byte};

        tel_json_put_text(&buf, (struct tel_str){text, sizeof(text)});
        for (size_t i = 0; i < buf.len; i++)
            cr_expect(buf.ptr[i] >= ' ' && buf.ptr[i] < 0x7f, "byte %u", byte);
    }
}

Test(json_write, inside_of_a_string)
{
    struct tel_buf buf = make_buf();

    tel_json_put_escaped(&buf, TEL_STR("a\"b"));
    tel_json_put_escaped(&buf, TEL_STR_NONE);
    cr_expect_str_eq(buf_text(&buf), "a\\\"b");
}

Test(json_write, other_values)
{
    struct tel_buf buf = make_buf();

    tel_json_put_int(&buf, INT64_MIN);
    tel_buf_char(&buf, ' ');
    tel_json_put_int(&buf, 42);
    tel_buf_char(&buf, ' ');
    tel_json_put_null(&buf);
    cr_expect_str_eq(buf_text(&buf), "-9223372036854775808 42 null");
}

Test(json_write, too_small_a_buffer_is_no_harm)
{
    for (size_t cap = 0; cap < 30; cap++) {
        struct tel_buf buf;

        tel_buf_init(&buf, memory, cap);
        memory[cap] = '#';
        tel_json_put_text(&buf, TEL_STR("a\xf0\x9f\x98\x80\"\n\xff"));
        cr_expect_eq(buf.overflow, cap < 25, "cap %zu", cap);
        cr_expect_eq(memory[cap], '#');
    }
}
