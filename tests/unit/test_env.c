/* Reading environment blocks, well-formed or not. */
#include "base/env.h"

#include <criterion/criterion.h>

#include "support/view.h"

/* What a host may leave there: entries without '=', without a name, twice the same name. */
static char *const block[] = {
    (char[]){"A=1"},      (char[]){"AB=2"},
    (char[]){"nonsense"}, (char[]){""},
    (char[]){"=odd"},     (char[]){"EMPTY="},
    (char[]){"A=again"},  (char[]){"WITH=a=b"},
    (char[]){"CRON_X="},  NULL,
};
static const struct tel_env env = {block};
static const struct tel_env empty = {NULL};

Test(env, gets)
{
    cr_expect_str_eq(view_text(tel_env_get(&env, "A")), "1", "the first one counts");
    cr_expect_str_eq(view_text(tel_env_get(&env, "AB")), "2");
    cr_expect_str_eq(view_text(tel_env_get(&env, "EMPTY")), "");
    cr_expect_str_eq(view_text(tel_env_get(&env, "WITH")), "a=b");
    cr_expect_str_eq(view_text(tel_env_get(&env, "nonsense")), "(none)");
    cr_expect_str_eq(view_text(tel_env_get(&env, "ABC")), "(none)");
    cr_expect_str_eq(view_text(tel_env_get_nonempty(&env, "EMPTY")), "(none)");
    cr_expect_str_eq(view_text(tel_env_get_nonempty(&env, "A")), "1");
    cr_expect_str_eq(view_text(tel_env_get(&empty, "A")), "(none)");
}

Test(env, gets_many)
{
    static const char *const names[] = {"AB", "A", "MISSING", "EMPTY"};
    struct tel_str values[4];

    tel_env_get_many(&env, names, values, 4);
    cr_expect_str_eq(view_text(values[0]), "2");
    cr_expect_str_eq(view_text(values[1]), "1");
    cr_expect_str_eq(view_text(values[2]), "(none)");
    cr_expect_str_eq(view_text(values[3]), "");
    tel_env_get_many(&empty, names, values, 4);
    cr_expect_null(values[0].ptr);
}

Test(env, names_of_entries)
{
    cr_expect_str_eq(view_text(tel_env_name("A=1")), "A");
    cr_expect_str_eq(view_text(tel_env_name("A=b=c")), "A");
    cr_expect_str_eq(view_text(tel_env_name("=x")), "");
    cr_expect_str_eq(view_text(tel_env_name("nonsense")), "(none)");
    cr_expect_str_eq(view_text(tel_env_name("")), "(none)");
}

Test(env, prefixes)
{
    cr_expect(tel_env_has_prefix(&env, "CRON_"));
    cr_expect_not(tel_env_has_prefix(&env, "CRON_Y"));
    cr_expect_not(tel_env_has_prefix(&empty, "A"));
}
