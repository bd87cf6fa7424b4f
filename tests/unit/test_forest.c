/* Runs and what they started, as trees: order, selection, drawing, and data that makes no sense. */
#include "forest.h"

#include <criterion/criterion.h>

#include "support/support.h"
#include "support/view.h"

static struct forest *forest;

static void setup(void)
{
    forest = forest_new(false);
}

static void teardown(void)
{
    forest_free(forest);
}

TestSuite(forest, .init = setup, .fini = teardown);

static void add(const char *child, const char *parent)
{
    forest_add(forest, tel_str_from(child), tel_str_from(parent));
}

static int note(void *arg, const struct forest_step *step)
{
    const char **out = arg;

    if (step->entering)
        *out = text("%s%s%s\n", *out, step->branch, view_text(step->id));
    return 0;
}

static const char *drawn(const char *root)
{
    const char *out = "";

    cr_assert_eq(forest_walk(forest, tel_str_from(root), true, note, &out), 0);
    return out;
}

static bool is_root(const char *id)
{
    return forest_is_root(forest, tel_str_from(id));
}

Test(forest, one_alone)
{
    forest_settle(forest);
    cr_expect(is_root("a"));
    cr_expect_str_eq(drawn("a"), "a\n");
}

Test(forest, children_in_their_order)
{
    add("b", "a");
    add("d", "c");
    add("c", "a");
    add("e", "b");
    add("f", "b");
    forest_settle(forest);
    cr_expect(is_root("a") && is_root("z"));
    cr_expect(!is_root("b") && !is_root("c") && !is_root("d"));
    cr_expect_str_eq(drawn("a"), "a\n"
                                 "|- b\n"
                                 "|  |- e\n"
                                 "|  `- f\n"
                                 "`- c\n"
                                 "   `- d\n");
}

Test(forest, box_drawing)
{
    const char *out = "";

    add("b", "a");
    add("c", "a");
    forest_settle(forest);
    forest_walk(forest, TEL_STR("a"), false, note, &out);
    cr_expect_str_eq(out, "a\n\xe2\x94\x9c\xe2\x94\x80 b\n\xe2\x94\x94\xe2\x94\x80 c\n");
}

/* With ancestors up to the root, and all that it started; nothing beside it. */
Test(forest, a_selected_run)
{
    forest_free(forest);
    forest = forest_new(true);
    add("b", "a");
    add("c", "b");
    add("d", "c");
    add("x", "a");
    add("y", "b");
    add("q", "p");
    cr_expect(!is_root("a"), "nothing is selected");
    forest_select(forest, TEL_STR("c"));
    forest_select(forest, TEL_STR("alone"));
    forest_settle(forest);
    cr_expect_str_eq(drawn("a"), "a\n`- b\n   `- c\n      `- d\n");
    cr_expect(is_root("a") && is_root("alone"));
    cr_expect(!is_root("c") && !is_root("p") && !is_root("z"));
}

static int trace(void *arg, const struct forest_step *step)
{
    const char **out = arg;

    *out = text("%s%s%s%s%zu ", *out, step->entering ? step->first ? "" : "," : "/",
                view_text(step->id), step->entering ? "" : "-", step->depth);
    return 0;
}

Test(forest, in_and_out_of_each)
{
    const char *out = "";

    add("b", "a");
    add("c", "b");
    add("d", "a");
    forest_settle(forest);
    forest_walk(forest, TEL_STR("a"), true, trace, &out);
    cr_expect_str_eq(out, "a0 b1 c2 /c-2 /b-1 ,d1 /d-1 /a-0 ");
}

static int compare(void *arg, const struct forest_step *step)
{
    return tel_str_is(step->id, *(const char **)arg) ? 7 : 0;
}

/* Walks until it comes to a run: 7 when it does. */
static int walk_to(const char *root, const char *id)
{
    return forest_walk(forest, tel_str_from(root), true, compare, &id);
}

Test(forest, a_walk_can_be_ended)
{
    add("b", "a");
    add("c", "a");
    forest_settle(forest);
    cr_expect_eq(walk_to("a", "b"), 7);
    cr_expect_eq(walk_to("a", "none"), 0);
    cr_expect_eq(walk_to("z", "z"), 7);
}

/* Foreign lines may say anything. */
Test(forest, runs_that_started_each_other)
{
    add("a", "a");
    add("b", "a");
    add("a", "b");
    add("b", "c");
    forest_settle(forest);
    cr_expect_str_eq(drawn("a"), "a\n`- b\n", "the first word counts");
    cr_expect(is_root("a") && is_root("c"));
}

Test(forest, many_and_deep)
{
    const char *out = "";

    for (int i = 1; i < 2000; i++)
        add(text("run-%d", i), text("run-%d", i - 1));
    for (int i = 0; i < 5000; i++)
        add(text("child-%d", i), "wide");
    forest_settle(forest);
    cr_expect_eq(walk_to("run-0", "run-1999"), 7);
    cr_expect_eq(walk_to("wide", "child-4999"), 7);
    cr_expect(is_root("run-0") && !is_root("run-1"));
    forest_walk(forest, TEL_STR("run-1990"), true, note, &out);
    cr_expect_eq(count_of(out, "\n"), 10);
}
