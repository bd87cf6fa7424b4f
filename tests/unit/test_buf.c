/* Views, and the buffer whose failure is sticky. */
#include "base/buf.h"

#include <criterion/criterion.h>

#include "support/view.h"

static struct tel_buf make_buf(size_t cap)
{
    static char memory[256];
    struct tel_buf buf;

    cr_assert_leq(cap, sizeof(memory));
    memset(memory, '#', sizeof(memory));
    tel_buf_init(&buf, memory, cap);
    return buf;
}

Test(str, none_is_not_empty)
{
    cr_expect_null(tel_str_from(NULL).ptr);
    cr_expect_not_null(tel_str_from("").ptr);
    cr_expect(tel_str_equal(tel_str_from(NULL), tel_str_from("")), "both hold no bytes");
    cr_expect_eq(TEL_STR("abc").len, 3);
}

Test(str, compares)
{
    cr_expect(tel_str_is(TEL_STR("abc"), "abc"));
    cr_expect_not(tel_str_is(TEL_STR("abc"), "abcd"));
    cr_expect_not(tel_str_is(TEL_STR("abcd"), "abc"));
    cr_expect_not(tel_str_is(TEL_STR("abc"), "abd"));
    cr_expect(tel_str_is_nocase(TEL_STR("TrUe"), "true"));
    cr_expect_not(tel_str_is_nocase(TEL_STR("true"), "tru"));
    cr_expect_not(tel_str_is_nocase(TEL_STR("[rue"), "{rue"), "only letters have two cases");
    cr_expect(tel_str_starts(TEL_STR("abc"), ""));
    cr_expect(tel_str_starts(TEL_STR_NONE, ""));
    cr_expect(tel_str_starts(TEL_STR("abc"), "ab"));
    cr_expect_not(tel_str_starts(TEL_STR("a"), "ab"));
}

Test(str, finds)
{
    cr_expect_eq(tel_str_find(TEL_STR("a/b/c"), '/'), 1);
    cr_expect_eq(tel_str_find_last(TEL_STR("a/b/c"), '/'), 3);
    cr_expect_eq(tel_str_find(TEL_STR("abc"), '/'), -1);
    cr_expect_eq(tel_str_find_last(TEL_STR("abc"), '/'), -1);
    cr_expect_eq(tel_str_find(TEL_STR_NONE, '/'), -1);
    cr_expect_eq(tel_str_find_last(TEL_STR_NONE, '/'), -1);
}

Test(str, takes_parts)
{
    cr_expect_str_eq(view_text(tel_str_from_pos(TEL_STR("abc"), 1)), "bc");
    cr_expect_str_eq(view_text(tel_str_from_pos(TEL_STR("abc"), 3)), "");
    cr_expect_str_eq(view_text(tel_str_from_pos(TEL_STR("abc"), 99)), "");
    cr_expect_str_eq(view_text(tel_str_from_pos(TEL_STR_NONE, 1)), "(none)");
    cr_expect_str_eq(view_text(tel_str_trim(TEL_STR(" \t a b\t "))), "a b");
    cr_expect_str_eq(view_text(tel_str_trim(TEL_STR(" \t "))), "");
    cr_expect_str_eq(view_text(tel_str_basename(TEL_STR("/usr/bin/env"))), "env");
    cr_expect_str_eq(view_text(tel_str_basename(TEL_STR("env"))), "env");
    cr_expect_str_eq(view_text(tel_str_basename(TEL_STR("/usr/"))), "");
}

Test(str, numbers)
{
    uint64_t value = 7;

    cr_expect(tel_str_to_u64(TEL_STR("0"), &value) && value == 0);
    cr_expect(tel_str_to_u64(TEL_STR("007"), &value) && value == 7);
    cr_expect(tel_str_to_u64(TEL_STR("18446744073709551615"), &value) && value == UINT64_MAX);
    value = 7;
    cr_expect_not(tel_str_to_u64(TEL_STR("18446744073709551616"), &value));
    cr_expect_not(tel_str_to_u64(TEL_STR("99999999999999999999999"), &value));
    cr_expect_not(tel_str_to_u64(TEL_STR(""), &value));
    cr_expect_not(tel_str_to_u64(TEL_STR_NONE, &value));
    cr_expect_not(tel_str_to_u64(TEL_STR("-1"), &value));
    cr_expect_not(tel_str_to_u64(TEL_STR("1 "), &value));
    cr_expect_eq(value, 7, "untouched on failure");
}

Test(str, cuts_between_characters)
{
    static const struct {
        const char *text;
        size_t max;
        const char *expected;
    } cases[] = {
        {"abc", 3, "abc"},
        {"abc", 2, "ab"},
        {"abc", 0, ""},
        {"a\xc3\xa4z", 2, "a"},
        {"a\xc3\xa4z", 3, "a\xc3\xa4"},
        {"\xe2\x82\xac!", 2, ""},
        {"\xe2\x82\xac!", 3, "\xe2\x82\xac"},
        {"x\xf0\x9f\x98\x80y", 4, "x"},
        {"x\xf0\x9f\x98\x80y", 5, "x\xf0\x9f\x98\x80"},
        {"\x80\x80\x80\x80\x80", 3, "\x80\x80\x80"}, /* no character that could be cut */
        {"ab\xffz", 3, "ab\xff"},
        {"\xc3", 1, "\xc3"}, /* it is all there is */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_str_eq(view_text(tel_str_cut_utf8(tel_str_from(cases[i].text), cases[i].max)),
                         cases[i].expected, "case %zu", i);
}

Test(str, lists)
{
    struct tel_str list = TEL_STR("one two");
    struct tel_str item;

    cr_expect(tel_str_take_item(&list, &item) && tel_str_is(item, "one"));
    cr_expect(tel_str_take_item(&list, &item) && tel_str_is(item, "two"));
    cr_expect_not(tel_str_take_item(&list, &item));
    cr_expect(tel_str_in_list(TEL_STR("two"), "one two"));
    cr_expect_not(tel_str_in_list(TEL_STR("tw"), "one two"));
    cr_expect_not(tel_str_in_list(TEL_STR(""), "one two"));
    cr_expect_not(tel_str_in_list(TEL_STR("x"), ""));
}

Test(buf, appends)
{
    struct tel_buf buf = make_buf(200);

    tel_buf_cstr(&buf, "a");
    tel_buf_str(&buf, TEL_STR("b"));
    tel_buf_str(&buf, TEL_STR_NONE);
    tel_buf_char(&buf, ' ');
    tel_buf_u64(&buf, 0);
    tel_buf_char(&buf, ' ');
    tel_buf_u64(&buf, UINT64_MAX);
    tel_buf_char(&buf, ' ');
    tel_buf_i64(&buf, INT64_MIN);
    tel_buf_char(&buf, ' ');
    tel_buf_i64(&buf, -1);
    tel_buf_char(&buf, ' ');
    tel_buf_hex(&buf, 0xdeadbeef12345678, 4);
    tel_buf_hex(&buf, 0xab, 16);
    tel_buf_char(&buf, ' ');
    tel_buf_padded(&buf, 42, 6);
    tel_buf_padded(&buf, 1234, 2);
    cr_expect_str_eq(buf_text(&buf),
                     "ab 0 18446744073709551615 -9223372036854775808 -1 567800000000000000ab "
                     "00004234");
}

Test(buf, failure_is_sticky)
{
    struct tel_buf buf = make_buf(4);

    tel_buf_cstr(&buf, "abc");
    tel_buf_cstr(&buf, "de");
    cr_expect(buf.overflow);
    cr_expect_eq(buf.len, 3, "nothing of what did not fit");
    tel_buf_char(&buf, 'd');
    cr_expect_eq(buf.len, 3, "nor anything later");
    cr_expect_null(tel_buf_view(&buf).ptr);
    cr_expect_null(tel_buf_terminate(&buf));
    cr_expect_eq(buf.ptr[4], '#', "nothing behind the end");
}

Test(buf, fills_to_the_last_byte)
{
    struct tel_buf buf = make_buf(4);

    tel_buf_cstr(&buf, "abc");
    cr_expect_str_eq(tel_buf_terminate(&buf), "abc");
    tel_buf_char(&buf, 'd');
    cr_expect_str_eq(buf_text(&buf), "abcd");
    cr_expect_null(tel_buf_terminate(&buf), "no room for the NUL");
    cr_expect(buf.overflow);
    cr_expect_eq(buf.ptr[4], '#');
}

Test(buf, without_memory)
{
    struct tel_buf buf;

    tel_buf_init(&buf, NULL, 0);
    tel_buf_cstr(&buf, "");
    cr_expect_not(buf.overflow);
    tel_buf_char(&buf, 'x');
    cr_expect(buf.overflow);
}

Test(buf, takes_parts_off)
{
    struct tel_str rest = TEL_STR("a::b:");

    cr_expect_str_eq(view_text(tel_str_take(&rest, ':')), "a");
    cr_expect_str_eq(view_text(tel_str_take(&rest, ':')), "");
    cr_expect_str_eq(view_text(tel_str_take(&rest, ':')), "b");
    cr_expect_str_eq(view_text(rest), "", "there is an empty part behind the last one");
    cr_expect_str_eq(view_text(tel_str_take(&rest, ':')), "");
    cr_expect_str_eq(view_text(rest), "(none)");
    cr_expect_str_eq(view_text(tel_str_take(&rest, ':')), "(none)");
}

/* The test vectors of the hash's authors. */
Test(buf, hashes)
{
    cr_expect_eq(tel_str_hash(TEL_STR(""), TEL_HASH_START), 0x811c9dc5);
    cr_expect_eq(tel_str_hash(TEL_STR("a"), TEL_HASH_START), 0xe40c292c);
    cr_expect_eq(tel_str_hash(TEL_STR("foobar"), TEL_HASH_START), 0xbf9cf968);
    cr_expect_eq(tel_str_hash(TEL_STR("bar"), tel_str_hash(TEL_STR("foo"), TEL_HASH_START)),
                 0xbf9cf968, "in parts");
}
