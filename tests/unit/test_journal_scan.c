/* Listing journal files and reading whole lines from them. */
#include "journal_scan.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"

static struct tel_error err;

static void touch(uint32_t date, const char *content)
{
    write_file(journal_path(test_dir(), date), content, 0600);
}

static const char *dates_in(const char *raw)
{
    struct tel_dates dates;
    const char *out = "";

    cr_assert_eq(tel_journal_list(raw, &dates, &err), 0, "%s", err.message);
    for (size_t i = 0; i < dates.count; i++)
        out = text("%s%u ", out, dates.date[i]);
    tel_dates_free(&dates);
    return out;
}

Test(journal_scan, lists_files_by_date)
{
    touch(20261122, "");
    touch(20250101, "");
    touch(20260303, "");
    write_file(text("%s/events_2026.ndjson", test_dir()), "", 0600);
    write_file(text("%s/other", test_dir()), "", 0600);
    cr_expect_str_eq(dates_in(test_dir()), "20250101 20260303 20261122 ");
    cr_expect_str_eq(dates_in(text("%s/none", test_dir())), "");
}

Test(journal_scan, lists_many_files)
{
    struct tel_dates dates;

    for (uint32_t i = 0; i < 300; i++)
        touch(20260000 + i, "");
    cr_assert_eq(tel_journal_list(test_dir(), &dates, &err), 0);
    cr_expect_eq(dates.count, 300);
    cr_expect_eq(dates.date[299], 20260299);
    tel_dates_free(&dates);
}

Test(journal_scan, where_the_journal_ends)
{
    const char *raw = test_dir();

    cr_expect_eq(tel_journal_end(raw).date, 0);
    write_file(journal_path(raw, 20201122), "{}\n", 0600);
    write_file(journal_path(raw, 20201121), "{}\n{}\n", 0600);
    write_file(journal_path(raw, 99991231), "{}\n", 0600);
    cr_expect_eq(tel_journal_end(raw).date, 20201122);
    cr_expect_eq(tel_journal_end(raw).offset, 3);
}

Test(journal_scan, a_directory_that_cannot_be_listed)
{
    struct tel_dates dates;

    touch(20261122, "");
    cr_expect_eq(tel_journal_list(journal_path(test_dir(), 20261122), &dates, &err), -ENOTDIR);
}

Test(journal_scan, opens_regular_files_only)
{
    struct tel_journal_facts facts;

    cr_expect_eq(tel_journal_open(test_dir(), 20261121, &facts, &err), -ENOENT);
    mkdir(journal_path(test_dir(), 20261122), 0700);
    cr_expect_eq(tel_journal_open(test_dir(), 20261122, &facts, &err), TEL_ERR_REFUSED);
    mkfifo(journal_path(test_dir(), 20261123), 0600);
    cr_expect_eq(tel_journal_open(test_dir(), 20261123, &facts, &err), TEL_ERR_REFUSED);
    cr_assert_eq(symlink("/etc/passwd", journal_path(test_dir(), 20261124)), 0);
    cr_expect_eq(tel_journal_open(test_dir(), 20261124, &facts, &err), TEL_ERR_REFUSED);
}

Test(journal_scan, a_file_and_its_successor)
{
    struct tel_journal_facts before, same, after;
    int fd;

    touch(20261122, "one\n");
    cr_expect_eq(tel_journal_look(test_dir(), 20261122, &before), 0);
    cr_expect_eq(before.size, 4);
    touch(20261122, "more\n");
    fd = tel_journal_open(test_dir(), 20261122, &same, &err);
    cr_assert_geq(fd, 0);
    close(fd);
    cr_expect(tel_journal_is_same(&before, &same));
    if (before.born_ns == 0)
        cr_skip_test("this filesystem keeps no time of birth");
    unlink(journal_path(test_dir(), 20261122));
    cr_expect_eq(tel_journal_look(test_dir(), 20261122, &after), -ENOENT);
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    touch(20261122, "one\n");
    cr_expect_eq(tel_journal_look(test_dir(), 20261122, &after), 0);
    cr_expect_not(tel_journal_is_same(&before, &after));
}

/* --- chunks ------------------------------------------------------------------------------------ */

static int load(struct tel_chunk *chunk, const char *content, uint64_t offset, size_t want)
{
    struct tel_journal_facts facts;
    int status;
    int fd;

    touch(20261122, content);
    fd = tel_journal_open(test_dir(), 20261122, &facts, &err);
    cr_assert_geq(fd, 0);
    status = tel_chunk_load(chunk, fd, offset, want, &err);
    close(fd);
    return status;
}

Test(journal_scan, whole_lines_only)
{
    struct tel_chunk chunk = {0};

    cr_expect_eq(load(&chunk, "one\ntwo\nthr", 0, 100), 1);
    cr_expect(tel_str_is(chunk.text, "one\ntwo\n"));
    cr_expect_eq(load(&chunk, "one\ntwo\nthr", 4, 100), 1);
    cr_expect(tel_str_is(chunk.text, "two\n"));
    cr_expect_eq(load(&chunk, "one\ntwo\nthr", 8, 100), 0);
    cr_expect_eq(load(&chunk, "one\ntwo\n", 8, 100), 0);
    cr_expect_eq(load(&chunk, "one\ntwo\n", 800, 100), 0);
    tel_chunk_free(&chunk);
}

Test(journal_scan, a_line_longer_than_what_was_wanted)
{
    struct tel_chunk chunk = {0};

    cr_expect_eq(load(&chunk, "0123456789\nnext\n", 0, 2), 1);
    cr_expect(tel_str_starts(chunk.text, "0123456789\n"));
    cr_expect_eq(load(&chunk, "a\nb\nc\n", 0, 3), 1);
    cr_expect(tel_str_is(chunk.text, "a\n"));
    tel_chunk_free(&chunk);
}

Test(journal_scan, a_line_beyond_all_bounds)
{
    const size_t len = 3 * TEL_LINE_MAX;
    struct tel_chunk chunk = {0};
    char *line = malloc(len + 8);

    memset(line, 'x', len);
    line[len] = '\0';
    cr_expect_eq(load(&chunk, line, 0, 100), 0);
    strcpy(line + len, "\nnext\n");
    cr_expect_eq(load(&chunk, line, 0, 100), 1);
    cr_expect_eq(chunk.too_long, len + 1);
    cr_expect_eq(chunk.text.len, 0);
    cr_expect_leq(chunk.cap, TEL_LINE_MAX);
    tel_chunk_free(&chunk);
    free(line);
}

Test(journal_scan, lines_of_a_text)
{
    struct tel_str lines = TEL_STR("a\n\nlast");
    struct tel_str line;

    cr_expect(tel_line_next(&lines, &line) && tel_str_is(line, "a\n"));
    cr_expect(tel_line_next(&lines, &line) && tel_str_is(line, "\n") && tel_line_is_empty(line));
    cr_expect(tel_line_next(&lines, &line) && tel_str_is(line, "last"));
    cr_expect_not(tel_line_is_empty(line));
    cr_expect_not(tel_line_next(&lines, &line));
    cr_expect(tel_line_is_empty(TEL_STR(" \t\r\n")));
}

/* --- walking ----------------------------------------------------------------------------------- */

static int note_line(void *arg, struct tel_str line, const struct tel_journal_pos *pos)
{
    const char **out = arg;

    *out = text("%s%u+%llu:%.*s ", *out, pos->date % 100, (unsigned long long)pos->offset,
                (int)line.len - 1, line.ptr);
    cr_expect_eq(pos->length, line.len);
    return tel_str_is(line, "stop\n") ? 5 : 0;
}

static const char *walk(uint32_t from, uint64_t offset, uint32_t to, const char *needle)
{
    const struct tel_journal_pos start = {from, 0, offset};
    const char *out = "";
    int status =
        tel_journal_walk(test_dir(), &start, to, tel_str_from(needle), note_line, &out, &err);

    return status == 0 ? out : text("%d %s", status, out);
}

Test(journal_scan, walks_lines_from_a_place_on)
{
    touch(20261121, "a1\na2\n");
    touch(20261122, "b1\nunfinished");
    touch(20261123, "c1\n");
    cr_expect_str_eq(walk(0, 0, UINT32_MAX, ""), "21+0:a1 21+3:a2 22+0:b1 23+0:c1 ");
    cr_expect_str_eq(walk(20261121, 3, 20261122, ""), "21+3:a2 22+0:b1 ");
    cr_expect_str_eq(walk(20261122, 3, 20261122, ""), "");
}

Test(journal_scan, walks_lines_that_hold_the_needle)
{
    touch(20261121, "needle\nother\na needle in the middle, needle\nneedl\n");
    cr_expect_str_eq(walk(0, 0, UINT32_MAX, "needle"),
                     "21+0:needle 21+13:a needle in the middle, needle ");
}

Test(journal_scan, a_walk_can_be_stopped)
{
    touch(20261121, "go\nstop\nnever\n");
    touch(20261122, "never\n");
    cr_expect_str_eq(walk(0, 0, UINT32_MAX, ""), "5 21+0:go 21+3:stop ");
}

Test(journal_scan, needles)
{
    cr_expect(tel_str_is(tel_journal_needle(TEL_STR("20261122T100000Z-a.py-0000")),
                         "20261122T100000Z-a.py-0000"));
    cr_expect_eq(tel_journal_needle(TEL_STR("caf\xc3\xa9")).len, 0);
    cr_expect_eq(tel_journal_needle(TEL_STR("a\"b")).len, 0);
    cr_expect_eq(tel_journal_needle(TEL_STR("a\\b")).len, 0);
    cr_expect_eq(tel_journal_needle(TEL_STR("a\x7f")).len, 0);
    cr_expect_eq(tel_journal_needle(TEL_STR("a\nb")).len, 0);
}

/* --- lines behind a torn one ---------------------------------------------------------------------- */

#define EVENT_OF(run)                                                                              \
    "{\"run_id\": \"" run "\", \"event_type\": \"x\", \"timestamp\": \"t\", \"payload_json\": "    \
    "\"{\\\"run_id\\\": \\\"{\\\\u00e9\\\"}\", \"id\": null, \"record_type\": \"event\"}\n"

#define RUN_OF(run)                                                                                \
    "{\"run_id\": \"" run                                                                          \
    "\", \"agent_name\": \"a\", \"start_time\": \"s\", \"record_type\": \"run\", "                 \
    "\"process\": {\"argv\": [\"{\"], \"cwd\": null}}\n"

/* Where a writer was stopped. */
static const char *const fragments[] = {
    "{",
    "{\"",
    "{\"run_id\": ",
    "{\"run_id\": \"",
    "{\"run_id\": \"lost\", \"payload_json\": \"in a string",
    "{\"run_id\": \"lost\", \"payload_json\": \"in an escape\\",
    "{\"run_id\": \"lost\", \"payload_json\": \"in an escape\\u00",
    "{\"run_id\": \"lost\", \"payload_json\": \"in a character\xc3",
    "{\"run_id\": \"lost\", \"process\": {\"",
    "{\"run_id\": \"lost\", \"process\": {\"run_id\": {\"run_id\": \"",
    "{\"run_id\": \"lost\", \"agent_name\": \"a\"}",
    "{\"run_id\": \"lost\", \"agent_name\": {\"run_id\": \"twice",
    "no JSON at all",
};

static void expect_whole(const char *fragment, const char *whole, enum tel_line_kind kind)
{
    const char *const both = text("%s%s", fragment, whole);
    struct tel_str line = tel_str_from(both);
    struct tel_runline parsed;

    cr_expect_eq(tel_line_parse(&line, &parsed), kind, "%s", both);
    cr_expect_eq((size_t)(line.ptr - both), strlen(fragment), "%s", both);
    cr_expect_eq(line.len, strlen(whole));
    cr_expect(tel_str_is(parsed.run[TEL_RUN_RUN_ID], "\"kept\""), "%s", both);
}

Test(journal_scan, a_line_behind_a_torn_one)
{
    expect_whole("", EVENT_OF("kept"), TEL_LINE_EVENT);
    expect_whole("", RUN_OF("kept"), TEL_LINE_RUN);
    for (size_t i = 0; i < sizeof fragments / sizeof fragments[0]; i++) {
        expect_whole(fragments[i], EVENT_OF("kept"), TEL_LINE_EVENT);
        expect_whole(fragments[i], RUN_OF("kept"), TEL_LINE_RUN);
        expect_whole(text("%s%s", fragments[0], fragments[i]), RUN_OF("kept"), TEL_LINE_RUN);
    }
}

Test(journal_scan, a_bad_line_without_a_whole_one)
{
    for (size_t i = 0; i < sizeof fragments / sizeof fragments[0] - 3; i++) {
        const char *const both = text("%s%s\n", fragments[4], fragments[i]);
        struct tel_str line = tel_str_from(both);
        struct tel_runline parsed;

        cr_expect_eq(tel_line_parse(&line, &parsed), TEL_LINE_BAD, "%s", both);
        cr_expect_eq(line.ptr, both);
        cr_expect_null(parsed.run[TEL_RUN_RUN_ID].ptr);
    }
}

/* What belongs to a good line is no line of its own. */
Test(journal_scan, a_good_line_is_left_whole)
{
    const char *const nested = "{\"x\": {\"run_id\": \"in\", \"agent_name\": \"a\"}, \"run_id\": "
                               "\"kept\", \"agent_name\": \"a\"}\n";

    expect_whole("", nested, TEL_LINE_RUN);
}
