/* Words of argument vectors and of shell text. */
#include "base/words.h"

#include <criterion/criterion.h>

#include "support/view.h"

/* All words between bars, commands between " ; ". */
static const char *split(const char *script)
{
    static char memory[512];
    struct tel_buf out;
    struct tel_words words = {.text = tel_str_from(script), .shell = true};
    struct tel_str word;
    bool more = true;

    tel_buf_init(&out, memory, sizeof(memory));
    while (more) {
        while (tel_words_next(&words, &word)) {
            tel_buf_char(&out, '|');
            tel_buf_str(&out, word);
        }
        more = tel_words_next_command(&words);
        if (more)
            tel_buf_cstr(&out, " ; ");
    }
    return buf_text(&out);
}

Test(words, of_scripts)
{
    static const struct {
        const char *script, *words;
    } cases[] = {
        {"", ""},
        {"  \t ", ""},
        {"a", "|a"},
        {"  a  bc\td ", "|a|bc|d"},
        {"a;b", "|a ; |b"},
        {"a && b || c | d & e", "|a ; |b ; |c ; |d ; |e"},
        {"a\nb", "|a ; |b"},
        {"(cd x; ./y)", " ; |cd|x ; |./y"},
        {"'a b' \"c d\"", "|a b|c d"},
        {"'' \"\"", "||"},
        {"a'b c'd", "|a'b c'd"},
        {"\"a\\\"b\" c", "|a\\\"b|c"},
        {"'a'\"b\"", "|'a'\"b\""},
        {"a\\ b c", "|a\\ b|c"},
        {"a\\;b", "|a\\;b"},
        {"a \\\n b", "|a|b"},
        {"a >f b", "|a|b"},
        {"a 2>&1 b", "|a|b"},
        {"a >> 'f g' b < h", "|a|b"},
        {"exec 3<&0 a", "|exec|a"},
        {"a 2 b", "|a|2|b"},
        {"a # b c", "|a"},
        {"a # b\nc", "|a ; |c"},
        {"a#b", "|a#b"},
        {"a $(b; c) d", "|a|$(b; c)|d"},
        {"a `b; c` d", "|a|`b; c`|d"},
        {"a ${b:-c d} e", "|a|${b:-c d}|e"},
        {"a \"$(b \"c\")\"", "|a|\"$(b \"c\")\""},
        {"'open", "|'open"},
        {"\"open\\", "|\"open\\"},
        {"a$(b", "|a$(b"},
        {"a \\", "|a|\\"},
        {"$", "|$"},
        {">", ""},
        {"a >", "|a"},
        {";;;", ""},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_str_eq(split(cases[i].script), cases[i].words, "%s", cases[i].script);
}

Test(words, of_argument_vectors)
{
    char *argv[] = {(char[]){"a b"}, (char[]){""}, (char[]){";"}, NULL, (char[]){"beyond"}};
    struct tel_words words = {.argc = 5, .argv = argv};
    struct tel_str word;

    cr_expect(tel_words_next(&words, &word) && tel_str_is(word, "a b"), "never split");
    cr_expect(tel_words_next(&words, &word) && word.ptr != NULL && word.len == 0);
    cr_expect(tel_words_next(&words, &word) && tel_str_is(word, ";"));
    cr_expect_not(tel_words_next(&words, &word));
    cr_expect_not(tel_words_next(&words, &word));
}

Test(words, text_comes_before_the_vector)
{
    char *argv[] = {(char[]){"c"}, NULL};
    struct tel_words words = {.text = TEL_STR("a 'b b'"), .argc = 1, .argv = argv};
    struct tel_str word;

    cr_expect(tel_words_next(&words, &word) && tel_str_is(word, "a"));
    cr_expect(tel_words_next(&words, &word) && tel_str_is(word, "b b"));
    cr_expect(tel_words_next(&words, &word) && tel_str_is(word, "c"));
    cr_expect_not(tel_words_next(&words, &word));
}
