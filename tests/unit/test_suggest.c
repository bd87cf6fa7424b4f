/* Which word is offered for a mistyped one. */
#include "suggest.h"

#include <criterion/criterion.h>

static const char *nearest(const char *word)
{
    static const char *const words[] = {"runs", "show", "sync", "status", "success", "limit"};
    struct suggestion near = suggest_for(word);

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        suggest_offer(&near, words[i]);
    return near.best != NULL ? near.best : "-";
}

Test(suggest, small_mistakes)
{
    cr_assert_str_eq(nearest("rnus"), "runs");
    cr_assert_str_eq(nearest("run"), "runs");
    cr_assert_str_eq(nearest("shwo"), "show");
    cr_assert_str_eq(nearest("STATUS"), "status");
    cr_assert_str_eq(nearest("sucess"), "success");
    cr_assert_str_eq(nearest("limmit"), "limit");
}

Test(suggest, a_beginning_is_near)
{
    cr_assert_str_eq(nearest("su"), "success");
    cr_assert_str_eq(nearest("st"), "status");
}

Test(suggest, nothing_is_near)
{
    cr_assert_str_eq(nearest("xyzzy"), "-");
    cr_assert_str_eq(nearest(""), "-");
    cr_assert_str_eq(nearest("a-word-that-is-longer-than-anything-that-is-called-so"), "-");
}
