/* Recorded text made harmless, and how wide it is. */
#include "visible.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void assert_shown(const char *text, size_t len, const char *expected)
{
    char *shown = visible_text((struct tel_str){text, len});

    cr_assert_str_eq(shown, expected);
    free(shown);
}

#define shows(literal, expected) assert_shown(literal, sizeof(literal) - 1, expected)

Test(visible, ordinary_text_stays)
{
    shows("", "");
    shows("plain \\ \"text\"", "plain \\ \"text\"");
    shows("Grüße, 世界 🚀", "Grüße, 世界 🚀");
}

Test(visible, control_characters_are_escaped)
{
    shows("a\nb\tc", "a\\nb\\tc");
    shows("\033[31m\r\x7f", "\\x1b[31m\\x0d\\x7f");
    shows("a\0b", "a\\x00b");
    shows("\xc2\x9b", "\\x9b");
}

Test(visible, marks_that_reorder_text_are_escaped)
{
    shows("\u202egnp.exe\u2066", "\\u202egnp.exe\\u2066");
    shows("\u200b\ufeff\u2028", "\\u200b\\ufeff\\u2028");
}

Test(visible, broken_utf8_is_replaced)
{
    shows("a\xff"
          "b\xe2\x82",
          "a\ufffdb\ufffd");
}

Test(visible, not_set_is_nothing)
{
    char *shown = visible_text(TEL_STR_NONE);

    cr_assert_str_empty(shown);
    free(shown);
}

Test(visible, width)
{
    cr_assert_eq(visible_width("abc"), 3);
    cr_assert_eq(visible_width("Grüße"), 5);
    cr_assert_eq(visible_width("世界"), 4);
    cr_assert_eq(visible_width("e\u0301"), 1);
    cr_assert_eq(visible_width("🚀"), 2);
}

Test(visible, what_fits)
{
    cr_assert_eq(visible_fit("abc", 2), 2);
    cr_assert_eq(visible_fit("abc", 9), 3);
    cr_assert_eq(visible_fit("世界", 3), strlen("世"));
    cr_assert_eq(visible_fit("üx", 1), strlen("ü"));
    cr_assert_eq(visible_fit("e\u0301x", 1), strlen("e\u0301"));
}
