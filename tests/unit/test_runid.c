/* Run ids: their form, and that they differ. */
#include "base/runid.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/view.h"

#define SECOND INT64_C(1000000000)
#define START (INT64_C(1795342272) * SECOND) /* 2026-11-22T10:11:12Z */

static const char *id_of(int64_t ns, struct tel_str agent, uint64_t unique, struct tel_str node)
{
    static char memory[TEL_RUN_ID_MAX];
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory));
    tel_runid_put(&buf, ns, agent, unique, node);
    return tel_buf_terminate(&buf);
}

/* The eight digits as a number. */
static uint32_t suffix_of(int64_t ns, uint64_t unique)
{
    const char *id = id_of(ns, TEL_STR("a"), unique, TEL_STR("node"));

    return (uint32_t)strtoul(id + strlen(id) - 8, NULL, 16);
}

static const char *agent_part(struct tel_str agent)
{
    const char *id = id_of(START, agent, 1, TEL_STR("node"));
    size_t len = strlen(id);

    cr_assert_gt(len, 16 + 1 + 1 + 8);
    return view_text((struct tel_str){id + 17, len - 17 - 9});
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

Test(runid, form)
{
    const char *id = id_of(START, TEL_STR("nightly.py"), 4242, TEL_STR("node"));

    cr_assert_not_null(id);
    cr_expect_eq(strncmp(id, "20261122T101112Z-nightly.py-", 28), 0, "%s", id);
    cr_expect_eq(strlen(id), 28 + 8);
    cr_expect_eq(strspn(id + 28, "0123456789abcdef"), 8);
}

Test(runid, agent_part)
{
    char longest[300];
    char expected[300];

    cr_expect_str_eq(agent_part(TEL_STR("a-b.c d")), "a-b.c d");
    cr_expect_str_eq(agent_part(TEL_STR("../../etc/passwd")), "....etcpasswd");
    cr_expect_str_eq(agent_part(TEL_STR("a\nb\tc\x7f"
                                        "d\x01\x1b[0m")),
                     "abcd[0m");
    cr_expect_str_eq(agent_part(TEL_STR("a\xc2\x85z")), "az", "C1 controls");
    cr_expect_str_eq(agent_part(TEL_STR("a\xff\xc3z")), "az", "invalid UTF-8");
    cr_expect_str_eq(agent_part(TEL_STR("\xc3\xa4\xf0\x9f\x98\x80")), "\xc3\xa4\xf0\x9f\x98\x80");
    cr_expect_str_eq(agent_part(TEL_STR("")), "agent");
    cr_expect_str_eq(agent_part(TEL_STR_NONE), "agent");
    cr_expect_str_eq(agent_part(TEL_STR("///\n")), "agent");

    memset(longest, 'x', sizeof(longest));
    cr_expect_eq(strlen(agent_part((struct tel_str){longest, sizeof(longest)})), 128);
    memset(expected, 'x', 127);
    expected[127] = '\0';
    memcpy(longest + 127, "\xc3\xa4", 2);
    cr_expect_str_eq(agent_part((struct tel_str){longest, sizeof(longest)}), expected,
                     "cut between characters");
}

Test(runid, nodes_differ)
{
    char first[TEL_RUN_ID_MAX];

    strcpy(first, id_of(START, TEL_STR("a"), 1, TEL_STR("node-1")));
    cr_expect_str_neq(first, id_of(START, TEL_STR("a"), 1, TEL_STR("node-2")));
    cr_expect_str_neq(first, id_of(START, TEL_STR("a"), 1, TEL_STR("")));
}

static int compare(const void *a, const void *b)
{
    const uint32_t *x = a;
    const uint32_t *y = b;

    return (*x > *y) - (*x < *y);
}

static void expect_all_different(uint32_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare);
    for (size_t i = 1; i < count; i++)
        cr_assert_neq(values[i - 1], values[i]);
}

/* One machine, one second: every millisecond with many processes, and all pids at one moment. */
Test(runid, no_two_starts_of_a_second_are_alike)
{
    enum { PROCESSES = 300, MILLISECONDS = 1000 };
    size_t count = (size_t)PROCESSES * MILLISECONDS;
    uint32_t *values = malloc(count * sizeof(*values));
    size_t at = 0;

    cr_assert_not_null(values);
    for (uint64_t process = 0; process < PROCESSES; process++) {
        for (int64_t ms = 0; ms < MILLISECONDS; ms++)
            values[at++] = suffix_of(START + ms * 1000000 + 999, process * 13981);
    }
    expect_all_different(values, count);
    for (uint64_t process = 0; process < count; process++)
        values[process] = suffix_of(START, process);
    expect_all_different(values, count);
    free(values);
}

Test(runid, needs_no_more_than_it_says)
{
    char longest[TEL_AGENT_IN_ID_MAX];
    char memory[TEL_RUN_ID_MAX];
    struct tel_buf buf;

    memset(longest, 'x', sizeof(longest));
    cr_expect_not_null(
        id_of(INT64_MAX, (struct tel_str){longest, sizeof(longest)}, UINT64_MAX, TEL_STR("node")));
    tel_buf_init(&buf, memory, 20);
    tel_runid_put(&buf, START, TEL_STR("agent"), 1, TEL_STR("node"));
    cr_expect(buf.overflow);
}

/* Sections have numbers of their own, however many there are in a second. */
Test(runid, sections_differ)
{
    enum { SECTIONS = 1000 };
    char ids[SECTIONS][TEL_RUN_ID_MAX];
    struct tel_buf buf;

    for (uint32_t i = 0; i < SECTIONS; i++) {
        tel_buf_init(&buf, ids[i], sizeof ids[i]);
        tel_runid_put_section(&buf, START, TEL_STR("a"), UINT32_MAX - SECTIONS / 2 + i);
        cr_assert_not_null(tel_buf_terminate(&buf));
        cr_expect_eq(strncmp(ids[i], "20261122T101112Z-a-", 19), 0, "%s", ids[i]);
    }
    qsort(ids, SECTIONS, sizeof ids[0], by_text);
    for (size_t i = 1; i < SECTIONS; i++)
        cr_expect_str_neq(ids[i], ids[i - 1]);
}
