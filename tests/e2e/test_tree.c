/* telemetry runs --tree: who started whom, for people and for jq. */
#include "support/recording.h"

#include <criterion/criterion.h>
#include <string.h>

/* One run with two below it, of which one has a failed one below it; and one more, later. */
static void setup(void)
{
    const char *exec = text("%s exec --agent", cli_path());
    const char *const *env = shim_env(base_dir()); /* ends the collector afterwards */

    run(LIST("/bin/sh", "-c",
             text("%s top -- /bin/sh -c '%s first -- true; %s second -- /bin/sh -c \"%s last -- "
                  "false; true\"'; %s alone -- true",
                  exec, exec, exec, exec, exec)),
        env + 1); /* without the shim: what is recorded is said by name */
    cr_assert(all_ended(base_dir(), 5), "%s",
              sql_text(base_dir(), "SELECT agent_name, status FROM agent_runs"));
}

TestSuite(tree, .init = setup);

/* The agents' column, cut out by the headings' places. */
static const char *agents(const char *out)
{
    const char *heading = strstr(out, "AGENT");
    const char *all = "";
    size_t from;

    cr_assert_not_null(heading, "%s", out);
    from = (size_t)(heading - out);
    while ((out = strchr(out, '\n')) != NULL && out[1] != '\0') {
        const char *cell = ++out + from;
        size_t len = strcspn(cell, "\n");

        for (size_t i = 0; i + 1 < len; i++)
            if (cell[i] == ' ' && cell[i + 1] == ' ' && i > 0 && cell[i - 1] != '|' &&
                strspn(cell, " |`-") < i)
                len = i;
        all = text("%s%.*s\n", all, (int)len, cell);
    }
    return all;
}

static struct run_result tree(const char *const more[])
{
    const char *argv[16] = {cli_path(), "runs", "--tree"};

    for (size_t i = 0; more[i] != NULL; i++)
        argv[3 + i] = more[i];
    return run(argv, base_env_and(LIST("LC_ALL=C")));
}

#define assert_tree(result, expected)                                                              \
    do {                                                                                           \
        const struct run_result got_ = (result);                                                   \
                                                                                                   \
        cr_assert_eq(got_.status, 0, "%s", got_.err);                                              \
        cr_assert_str_eq(agents(got_.out), expected, "%s", got_.out);                              \
    } while (0)

#define WHOLE "top\n|- first\n`- second\n   `- last\n"

Test(tree, children_below_their_parents)
{
    assert_tree(tree(LIST("--limit", "0")), "alone\n" WHOLE);
}

Test(tree, box_drawing_on_utf8_terminals)
{
    const struct run_result result =
        run(LIST(cli_path(), "runs", "--tree"), base_env_and(LIST("LC_ALL=C.UTF-8")));

    cr_expect_eq(count_of(result.out, "\xe2\x94\x9c\xe2\x94\x80 first"), 1, "%s", result.out);
    cr_expect_eq(count_of(result.out, "   \xe2\x94\x94\xe2\x94\x80 last"), 1, "%s", result.out);
}

/* A run that matches, what it belongs to and what it started. */
Test(tree, filters)
{
    assert_tree(tree(LIST("--status", "failed")), "top\n`- second\n   `- last\n");
    assert_tree(tree(LIST("--agent", "second")), "top\n`- second\n   `- last\n");
    assert_tree(tree(LIST("--agent", "first")), "top\n`- first\n");
    assert_tree(tree(LIST("--agent", "top")), WHOLE);
    cr_expect_str_eq(tree(LIST("--agent", "nobody")).out, "");
}

/* So that no tree is cut in half. */
Test(tree, the_limit_counts_trees)
{
    const struct run_result result = tree(LIST("--limit", "1"));

    assert_tree(result, "alone\n");
    assert_tree(tree(LIST("--limit", "1", "--agent", "*st")),
                "top\n|- first\n`- second\n   `- last\n");
}

Test(tree, nested_json)
{
    const struct run_result json = tree(LIST("--json"));
    struct run_result result;

    write_file(text("%s/tree.json", test_dir()), json.out, 0600);
    result = run(LIST("jq", "-c",
                      "map([.agent_name, (.children | map([.agent_name, .process.parent_run_id != "
                      "null, (.children | map(.agent_name))]))])",
                      text("%s/tree.json", test_dir())),
                 NULL);
    if (result.status == 127)
        cr_skip_test("nested JSON: needs jq");
    cr_expect_eq(result.status, 0, "%s%s", result.err, json.out);
    cr_expect_str_eq(result.out, "[[\"alone\",[]],[\"top\",[[\"first\",true,[]],[\"second\",true,"
                                 "[\"last\"]]]]]\n");
    cr_expect_eq(count_of(json.out, "\n"), 4, "a tree to a line: %s", json.out);
}

Test(tree, not_as_csv)
{
    cr_expect_eq(tree(LIST("--csv")).status, 2);
}
