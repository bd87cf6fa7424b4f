/* What JSON values become as values of columns. */
#include "value.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

static const struct tel_field text_field = {.kind = TEL_KIND_TEXT, .unset = TEL_UNSET_NONE};
static const struct tel_field json_field = {.kind = TEL_KIND_JSON, .unset = TEL_UNSET_NONE};
static const struct tel_field integer_field = {.kind = TEL_KIND_INTEGER, .unset = TEL_UNSET_NONE};
static const struct tel_field count_field = {.kind = TEL_KIND_INTEGER, .unset = TEL_UNSET_ZERO};
static const struct tel_field bool_field = {.kind = TEL_KIND_BOOL, .unset = TEL_UNSET_FALSE};

/* The value in words: "-" for NULL, "=text" or a number. */
static const char *value_of(const struct tel_field *field, const char *raw)
{
    const struct tel_str text_of_value = raw == NULL ? TEL_STR_NONE : tel_str_from(raw);
    const size_t cap = tel_value_scratch(text_of_value);
    struct tel_value value;
    struct tel_buf scratch;
    const char *words = "-";
    char *memory = malloc(cap + 1);

    tel_buf_init(&scratch, memory, cap);
    value = tel_value_of(field, text_of_value, &scratch);
    if (value.type == TEL_VALUE_INTEGER)
        words = text("%lld", (long long)value.integer);
    if (value.type == TEL_VALUE_TEXT)
        words = text("=%.*s", (int)value.text.len, value.text.ptr);
    free(memory);
    return words;
}

Test(value, text)
{
    cr_expect_str_eq(value_of(&text_field, "\"plain text of more than one word\""),
                     "=plain text of more than one word");
    cr_expect_str_eq(value_of(&text_field, "\"\""), "=");
    cr_expect_str_eq(value_of(&text_field, "\"a\\tb\\u00e9\\ud83d\\ude00\\ud800\""), "=a\tbé😀�");
    cr_expect_str_eq(value_of(&text_field, "\"\xff\xff\xff\xff\xff\xff\xff\xff\""), "=��������");
    cr_expect_str_eq(value_of(&text_field, "null"), "-");
    cr_expect_str_eq(value_of(&text_field, NULL), "-");
    cr_expect_str_eq(value_of(&text_field, "1.50"), "=1.50");
    cr_expect_str_eq(value_of(&text_field, "false"), "=false");
    cr_expect_str_eq(value_of(&text_field, "{\"a\": [\"\\n\xff\"]}"), "={\"a\": [\"\\n�\"]}");
}

Test(value, json)
{
    cr_expect_str_eq(value_of(&json_field, "[\"a\\nb\", null]"), "=[\"a\\nb\", null]");
    cr_expect_str_eq(value_of(&json_field, "\"x\""), "=\"x\"");
    cr_expect_str_eq(value_of(&json_field, "null"), "-");
}

Test(value, integers)
{
    cr_expect_str_eq(value_of(&integer_field, "-9223372036854775808"), "-9223372036854775808");
    cr_expect_str_eq(value_of(&integer_field, "9223372036854775808"), "-");
    cr_expect_str_eq(value_of(&count_field, "9223372036854775808"), "0");
    cr_expect_str_eq(value_of(&integer_field, "\"\""), "-");
    cr_expect_str_eq(value_of(&integer_field, "\"0x10\""), "-");
    cr_expect_str_eq(value_of(&count_field, NULL), "0");
    cr_expect_str_eq(value_of(&integer_field, "\" 7 \""), "7");
    cr_expect_str_eq(value_of(&integer_field, "7e2"), "700");
    cr_expect_str_eq(value_of(&integer_field, "true"), "1");
}

Test(value, booleans)
{
    cr_expect_str_eq(value_of(&bool_field, "true"), "1");
    cr_expect_str_eq(value_of(&bool_field, "\"Yes\""), "1");
    cr_expect_str_eq(value_of(&bool_field, "-2"), "1");
    cr_expect_str_eq(value_of(&bool_field, "\"maybe\""), "0");
    cr_expect_str_eq(value_of(&bool_field, "[]"), "0");
}

Test(value, words)
{
    const struct tel_value word = tel_value_text(TEL_STR("word"));
    const struct tel_value empty = tel_value_text(TEL_STR(""));
    const struct tel_value none = TEL_VALUE_NONE;
    const struct tel_value number = tel_value_int(0);

    cr_expect(tel_value_is_word(&word, "word") && !tel_value_is_word(&word, "words"));
    cr_expect(tel_value_is_empty(&empty) && tel_value_is_empty(&none));
    cr_expect_not(tel_value_is_empty(&word) || tel_value_is_empty(&number));
}
