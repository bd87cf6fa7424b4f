/* Reading JSON: what RFC 8259 allows and what it does not, at every byte. */
#include "base/json_scan.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "support/view.h"

/* Text in memory of exactly its size, so that a sanitizer sees every read behind its end. */
static struct tel_str exact(const char *bytes, size_t len)
{
    char *copy = malloc(len == 0 ? 1 : len);

    cr_assert_not_null(copy);
    memcpy(copy, bytes, len);
    return (struct tel_str){copy, len};
}

static void release(struct tel_str text)
{
    union {
        const char *borrowed;
        char *owned;
    } pointer = {text.ptr};

    free(pointer.owned);
}

static bool is_valid(const char *bytes, size_t len)
{
    struct tel_str text = exact(bytes, len);
    bool valid = tel_json_valid(text);

    release(text);
    return valid;
}

static bool text_is_valid(const char *text)
{
    return is_valid(text, strlen(text));
}

/* Number of members, or -1 when malformed. */
static int count_members(const char *bytes, size_t len)
{
    struct tel_str text = exact(bytes, len);
    struct tel_json_iter iter;
    struct tel_json_member member;
    int count = 0;
    int more;

    tel_json_iter_init(&iter, text);
    while ((more = tel_json_iter_next(&iter, &member)) > 0) {
        cr_expect(member.key.ptr >= text.ptr &&
                  member.value.ptr + member.value.len <= text.ptr + len);
        cr_expect(tel_json_valid(member.value), "%s", view_text(member.value));
        count++;
    }
    cr_expect_eq(tel_json_iter_next(&iter, &member), more, "the answer stays the same");
    release(text);
    return more == 0 ? count : -1;
}

static const char *const valid_texts[] = {
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "10",
    "1.5",
    "0.0",
    "1e1",
    "1E+1",
    "1e-1",
    "-1.25e+10",
    "123456789012345678901234567890",
    "\"\"",
    "\"a\"",
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "{\"a\":[]}",
    "[1,2]",
    "[1, \"a\", null, true, {\"b\": [{}]}]",
    " \t\r\n1 \t\r\n",
    "{ \"a\" : 1 , \"b\" : [ ] }",
    "{\"\":0}",
    "{\"a\":1,\"a\":2}",
    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
    "\"\\u0000\"",
    "\"\\uD83D\\uDE00\"",
    "\"\\ud800\"",
    "\"\\uDEAD\\u0041\"",
    "\"\x7f\"",
    "\"\xc3\xa4\"",
    "\"\x80\xff\"",
    "\"\\u00e4\\uABCD\"",
    "[\"0123456789abcdef0123456789abcdef\"]",
    "\"0123456789abcde\"",
    "\"0123456789abcdef\"",
    "\"0123456789abcdef0\"",
    "[0,0.5,-0]",
};

static const char *const malformed_texts[] = {
    "",
    " ",
    "nul",
    "nulll",
    "True",
    "NaN",
    "Infinity",
    "-Infinity",
    "-",
    "+1",
    "01",
    "-01",
    "1.",
    ".5",
    "1.e1",
    "1e",
    "1e+",
    "0x1",
    "1 2",
    "1,",
    "\"",
    "\"a",
    "a\"",
    "'a'",
    "\"\\\"",
    "\"\\x\"",
    "\"\\a\"",
    "\"\\u\"",
    "\"\\u12\"",
    "\"\\u123\"",
    "\"\\u123g\"",
    "\"\\U0041\"",
    "\"\\u 041\"",
    "\"\t\"",
    "\"\n\"",
    "\"\x01\"",
    "\"\x1f\"",
    "\"0123456789abcdef\x1f\"",
    "[",
    "]",
    "[1",
    "[1,",
    "[,]",
    "[1,]",
    "[1 2]",
    "[1,,2]",
    "[}",
    "[1}",
    "{",
    "}",
    "{]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1",
    "{\"a\":1,",
    "{\"a\":1,}",
    "{,}",
    "{\"a\":1]",
    "{a:1}",
    "{'a':1}",
    "{1:1}",
    "{\"a\",1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":1}{",
    "{\"a\":1}}",
    "{\"a\":1},",
    "[]]",
    "[[]",
    "\xef\xbb\xbf{}",
    "{}\x0c",
    "\x0b{}",
    "/**/1",
    "{\"a\"::1}",
    "\"a\"\"b\"",
    "[\"a\" : 1]",
    "{\"a\":1:2}",
    "truefalse",
    "[tru]",
    "\\",
    "{\"a\\q\":1}",
};

Test(json_scan, accepts_what_the_rfc_does)
{
    for (size_t i = 0; i < sizeof(valid_texts) / sizeof(valid_texts[0]); i++)
        cr_expect(text_is_valid(valid_texts[i]), "%s", valid_texts[i]);
}

Test(json_scan, refuses_what_the_rfc_does)
{
    for (size_t i = 0; i < sizeof(malformed_texts) / sizeof(malformed_texts[0]); i++) {
        cr_expect_not(text_is_valid(malformed_texts[i]), "%s", malformed_texts[i]);
        cr_expect_eq(count_members(malformed_texts[i], strlen(malformed_texts[i])), -1, "%s",
                     malformed_texts[i]);
    }
    cr_expect_not(tel_json_valid(TEL_STR_NONE));
}

Test(json_scan, nul_bytes_are_malformed)
{
    cr_expect_not(is_valid("1\0", 2));
    cr_expect_not(is_valid("\"\0\"", 3));
    cr_expect_not(is_valid("\"\\\0\"", 4));
    cr_expect_not(is_valid("{\0}", 3));
}

static const char sample[] =
    "{\"run_id\": \"20261122T101112Z-a.py-01234567\", \"n\": -12.5e+3, \"t\": true, \"f\": false,"
    " \"z\": null, \"s\": \"\\u00e4\\\\\\\"\\ud83d\\ude00 0123456789abcdef\","
    " \"o\": {\"a\": [1, [], {}, {\"b\": \"c\"}]}, \"e\": {}}";

Test(json_scan, every_truncation_is_malformed)
{
    size_t len = sizeof(sample) - 1;

    cr_assert(is_valid(sample, len));
    cr_assert_eq(count_members(sample, len), 8);
    for (size_t cut = 0; cut < len; cut++) {
        cr_expect_not(is_valid(sample, cut), "%zu bytes", cut);
        cr_expect_eq(count_members(sample, cut), -1, "%zu bytes", cut);
    }
}

/* Whatever byte stands wherever: both ways of reading agree, and none reads where it must not. */
Test(json_scan, every_changed_byte_is_judged_alike)
{
    char copy[sizeof(sample)];

    for (size_t at = 0; at < sizeof(sample) - 1; at++) {
        for (unsigned byte = 0; byte < 256; byte++) {
            memcpy(copy, sample, sizeof(sample));
            copy[at] = (char)byte;
            if (is_valid(copy, sizeof(sample) - 1))
                cr_expect_geq(count_members(copy, sizeof(sample) - 1), 0, "byte %u at %zu", byte,
                              at);
            else
                cr_expect_eq(count_members(copy, sizeof(sample) - 1), -1, "byte %u at %zu", byte,
                             at);
        }
    }
}

Test(json_scan, garbage_behind_the_object)
{
    static const char *const tails[] = {"x", "}", ",", "{}", " null", "\"", "\x01"};
    char text[64];

    for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
        strcpy(text, "{\"a\": 1}");
        strcat(text, tails[i]);
        cr_expect_eq(count_members(text, strlen(text)), -1, "%s", text);
        strcpy(text, "{}");
        strcat(text, tails[i]);
        cr_expect_eq(count_members(text, strlen(text)), -1, "%s", text);
    }
    cr_expect_eq(count_members("{\"a\": 1} \r\n", 11), 1);
    cr_expect_eq(count_members(" {} ", 4), 0);
}

static void nest(char *text, const char *open, const char *close, size_t depth)
{
    char *p = text;

    for (size_t i = 0; i < depth; i++)
        p = stpcpy(p, open);
    p = stpcpy(p, "0");
    for (size_t i = 0; i < depth; i++)
        p = stpcpy(p, close);
}

Test(json_scan, nesting_is_bounded)
{
    static char text[8 * 200000];

    nest(text, "[", "]", TEL_JSON_MAX_DEPTH);
    cr_expect(text_is_valid(text));
    nest(text, "[", "]", TEL_JSON_MAX_DEPTH + 1);
    cr_expect_not(text_is_valid(text));
    nest(text, "{\"a\":", "}", TEL_JSON_MAX_DEPTH);
    cr_expect(text_is_valid(text));
    cr_expect_eq(count_members(text, strlen(text)), 1, "members are counted from the same depth");
    nest(text, "{\"a\":", "}", TEL_JSON_MAX_DEPTH + 1);
    cr_expect_not(text_is_valid(text));
    cr_expect_eq(count_members(text, strlen(text)), -1);
    nest(text, "[", "]", 200000);
    cr_expect_not(text_is_valid(text));
    nest(text, "[{\"a\":", "}]", TEL_JSON_MAX_DEPTH / 2);
    cr_expect(text_is_valid(text));
    nest(text, "[{\"a\":", "]}", 2);
    cr_expect_not(text_is_valid(text), "brackets that cross");
}

Test(json_scan, members)
{
    static const struct {
        const char *key, *value;
        enum tel_json_type type;
    } expected[] = {
        {"a", "1", TEL_JSON_NUMBER},      {"b\\n", "\"x\\\"y\"", TEL_JSON_STRING},
        {"", "null", TEL_JSON_NULL},      {"t", "true", TEL_JSON_BOOL},
        {"l", "[1, {}]", TEL_JSON_ARRAY}, {"o", "{\"k\": \"}\"}", TEL_JSON_OBJECT},
        {"a", "-2.5", TEL_JSON_NUMBER},
    };
    struct tel_json_iter iter;
    struct tel_json_member member;

    tel_json_iter_init(&iter, TEL_STR("{\"a\":1 , \"b\\n\" : \"x\\\"y\",\"\":null,\"t\":true,"
                                      "\"l\":[1, {}],\"o\":{\"k\": \"}\"},\"a\":-2.5}"));
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        cr_assert_eq(tel_json_iter_next(&iter, &member), 1);
        cr_expect_str_eq(view_text(member.key), expected[i].key);
        cr_expect_str_eq(view_text(member.value), expected[i].value);
        cr_expect_eq(member.type, expected[i].type);
    }
    cr_expect_eq(tel_json_iter_next(&iter, &member), 0);
}

Test(json_scan, expected_keys)
{
    struct tel_json_iter iter;
    struct tel_str key, value;

    tel_json_iter_init(&iter,
                       TEL_STR("{\"a\": 1, \"b\": 2,\"c\": 3, \"d\":4, \"e\":  5, \"f\": 6}"));
    cr_expect_not(tel_json_iter_expect_key(&iter, TEL_STR("a")), "the first is left to next_key");
    cr_assert_eq(tel_json_iter_next_key(&iter, &key), 1);
    cr_expect_str_eq(view_text(key), "a");
    cr_assert_eq(tel_json_iter_value(&iter, &value), 1);
    cr_expect_not(tel_json_iter_expect_key(&iter, TEL_STR("x")));
    cr_expect_not(tel_json_iter_expect_key(&iter, TEL_STR("")));
    cr_expect_not(
        tel_json_iter_expect_key(&iter, TEL_STR("a key longer than the rest of the text")));
    cr_expect(tel_json_iter_expect_key(&iter, TEL_STR("b")));
    cr_expect_not(tel_json_iter_expect_key(&iter, TEL_STR("b")), "a value is next");
    cr_assert_eq(tel_json_iter_value(&iter, &value), 1);
    cr_expect_str_eq(view_text(value), "2");
    for (const char *name = "cde"; *name != '\0'; name++) {
        cr_expect_not(tel_json_iter_expect_key(&iter, (struct tel_str){name, 1}),
                      "written in another way");
        cr_assert_eq(tel_json_iter_next_key(&iter, &key), 1);
        cr_assert_eq(tel_json_iter_value(&iter, &value), 1);
    }
    cr_expect_str_eq(view_text(value), "5");
    cr_expect(tel_json_iter_expect_key(&iter, TEL_STR("f")));
    cr_assert_eq(tel_json_iter_value(&iter, &value), 1);
    cr_expect_eq(tel_json_iter_next_key(&iter, &key), 0);
    cr_expect_not(tel_json_iter_expect_key(&iter, TEL_STR("f")));
}

Test(json_scan, objects_inside)
{
    struct tel_json_iter iter, inner;
    struct tel_json_member member;
    struct tel_str key, value;

    tel_json_iter_init(&iter, TEL_STR("{\"n\": 1, \"o\": {\"a\": [{}], \"b\": 2} , \"e\": {}}"));
    cr_assert_eq(tel_json_iter_next_key(&iter, &key), 1);
    cr_expect_not(tel_json_iter_enter(&iter, &inner), "no object");
    cr_assert_eq(tel_json_iter_value(&iter, &value), 1);
    cr_assert_eq(tel_json_iter_next_key(&iter, &key), 1);
    cr_assert(tel_json_iter_enter(&iter, &inner));
    cr_assert_eq(tel_json_iter_next(&inner, &member), 1);
    cr_expect_str_eq(view_text(member.value), "[{}]");
    cr_assert_eq(tel_json_iter_next(&inner, &member), 1);
    cr_assert_eq(tel_json_iter_next(&inner, &member), 0);
    cr_assert_eq(tel_json_iter_leave(&iter, &inner, &value), 1);
    cr_expect_str_eq(view_text(value), "{\"a\": [{}], \"b\": 2}");
    cr_assert_eq(tel_json_iter_next_key(&iter, &key), 1);
    cr_assert(tel_json_iter_enter(&iter, &inner));
    cr_assert_eq(tel_json_iter_next(&inner, &member), 0);
    cr_assert_eq(tel_json_iter_leave(&iter, &inner, &value), 1);
    cr_expect_str_eq(view_text(value), "{}");
    cr_expect_eq(tel_json_iter_next_key(&iter, &key), 0);
}

Test(json_scan, malformed_objects_inside)
{
    static const char *const texts[] = {"{\"o\": {", "{\"o\": {\"a\": 1", "{\"o\": {]}",
                                        "{\"o\": {,}}"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct tel_json_iter iter, inner;
        struct tel_json_member member;
        struct tel_str key, value;
        int more;

        tel_json_iter_init(&iter, tel_str_from(texts[i]));
        cr_assert_eq(tel_json_iter_next_key(&iter, &key), 1);
        cr_assert(tel_json_iter_enter(&iter, &inner));
        do {
            more = tel_json_iter_next(&inner, &member);
        } while (more > 0);
        cr_expect_eq(more, -1, "%s", texts[i]);
        cr_expect_eq(tel_json_iter_leave(&iter, &inner, &value), -1);
        cr_expect_eq(tel_json_iter_next_key(&iter, &key), -1);
    }
}

/* Keys and values are asked for in turn. */
Test(json_scan, steps_out_of_turn)
{
    struct tel_json_iter iter, inner;
    struct tel_str key, value;

    tel_json_iter_init(&iter, TEL_STR("{\"a\": {}}"));
    cr_expect_not(tel_json_iter_enter(&iter, &inner));
    cr_expect_eq(tel_json_iter_value(&iter, &value), -1);
    tel_json_iter_init(&iter, TEL_STR("{\"a\": {}}"));
    cr_expect_eq(tel_json_iter_next_key(&iter, &key), 1);
    cr_expect_eq(tel_json_iter_next_key(&iter, &key), -1);
}

Test(json_scan, only_objects_have_members)
{
    static const char *const texts[] = {"[]", "1", "\"a\"", "null", "", " "};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_eq(count_members(texts[i], strlen(texts[i])), -1, "%s", texts[i]);
}

static const char *unescaped(const char *raw)
{
    static char memory[256];
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory));
    return tel_json_unescape(tel_str_from(raw), &buf) ? buf_text(&buf) : "(refused)";
}

Test(json_scan, unescapes)
{
    static const struct {
        const char *raw, *text;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e4\\u20AC\"", "A\xc3\xa4\xe2\x82\xac"},
        {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf"},
        {"\"\\ud83d\"", "\xef\xbf\xbd"},
        {"\"\\ud83dx\"", "\xef\xbf\xbdx"},
        {"\"\\ud83d\\n\"", "\xef\xbf\xbd\n"},
        {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                               "A"},
        {"\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80"},
        {"\"\\ude00\\ud83d\"", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\xc3\xa4\"", "\xc3\xa4"},
        {"\"\xc3\"", "\xef\xbf\xbd"},
        {"\"a\xe2\x82z\"", "a\xef\xbf\xbdz"},
        {"\"\xed\xa0\x80\"", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\xff\xfe\"", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\"\xf0\x9f\\n\"", "\xef\xbf\xbd\n"},
        {"null", "(refused)"},
        {"", "(refused)"},
        {"\"", "(refused)"},
        {"\"a", "(refused)"},
        {"\"a\"b\"", "(refused)"},
        {"\"\\u12\"", "(refused)"},
        {"\"\\\"", "(refused)"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_str_eq(unescaped(cases[i].raw), cases[i].text, "%s", cases[i].raw);
}

Test(json_scan, unescapes_nul)
{
    char memory[8];
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory));
    cr_expect(tel_json_unescape(TEL_STR("\"a\\u0000b\""), &buf));
    cr_expect_eq(buf.len, 3);
    cr_expect_eq(memcmp(memory, "a\0b", 3), 0);
}

Test(json_scan, integers)
{
    static const struct {
        const char *raw;
        int64_t value;
    } good[] = {
        {"0", 0},
        {"-0", 0},
        {"1", 1},
        {"-1", -1},
        {"42", 42},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
        {"1.9", 1},
        {"-1.9", -1},
        {"0.999", 0},
        {"-0.5", 0},
        {"1e3", 1000},
        {"1E+3", 1000},
        {"1.5e1", 15},
        {"1.25e1", 12},
        {"-1.25e1", -12},
        {"12e-1", 1},
        {"12e-2", 0},
        {"123456e-3", 123},
        {"0.000123e6", 123},
        {"0e999999999999999999999999", 0},
        {"0.0e5", 0},
        {"1e-99999999999999999999", 0},
        {"1e18", 1000000000000000000},
        {"9223372036854775807.999", INT64_MAX},
        {"0.00000000000000000000000000001e30", 10},
        {"92233720368547758070e-1", INT64_MAX},
    };
    static const char *const bad[] = {
        "9223372036854775808",
        "-9223372036854775809",
        "1e19",
        "1e99999999999999999999",
        "-1e400",
        "99999999999999999999999",
        "null",
        "true",
        "\"1\"",
        "[1]",
        "{}",
        "",
        "1x",
        "-",
        "1.",
        "01",
    };
    int64_t value;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        value = 77;
        cr_expect(tel_json_to_i64(tel_str_from(good[i].raw), &value), "%s", good[i].raw);
        cr_expect_eq(value, good[i].value, "%s", good[i].raw);
    }
    value = 77;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(tel_json_to_i64(tel_str_from(bad[i]), &value), "%s", bad[i]);
    cr_expect_eq(value, 77, "untouched on failure");
}

/* Strings of all lengths, with what ends a stretch of plain bytes at each place. */
Test(json_scan, strides)
{
    char text[80];

    for (size_t len = 0; len < 70; len++) {
        memset(text, 'a', sizeof(text));
        text[0] = '"';
        text[len + 1] = '"';
        cr_expect(is_valid(text, len + 2), "%zu", len);
        for (size_t at = 1; at <= len; at++) {
            text[at] = '\x1f';
            cr_expect_not(is_valid(text, len + 2), "%zu %zu", len, at);
            text[at] = ' ';
            cr_expect(is_valid(text, len + 2), "%zu %zu", len, at);
            text[at] = '\xff';
            cr_expect(is_valid(text, len + 2), "%zu %zu", len, at);
            text[at] = '"';
            cr_expect_not(is_valid(text, len + 2), "%zu %zu", len, at);
            text[at] = '\\';
            cr_expect_not(is_valid(text, len + 2), "%zu %zu", len, at);
            text[at] = 'a';
        }
    }
}
