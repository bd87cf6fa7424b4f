/* The configuration file's form: what counts, what is reported, and that no input disturbs it. */
#include "base/conf_file.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "support/view.h"

/* All of a file in one text: "LINE SECTION GLOB|KEY|VALUE" or "LINE !VALUE" an item. */
static const char *read_all(struct tel_str file)
{
    static const char *const sections[] = {"none", "defaults", "match", "ignored"};
    struct tel_conf conf;
    struct tel_conf_item item;
    const char *all = "";

    tel_conf_open(&conf, file);
    while (tel_conf_next(&conf, &item)) {
        if (item.why != NULL)
            all = text("%s%u !%s\n", all, conf.line, view_text(item.value));
        else
            all = text("%s%u %s %s|%s|%s\n", all, conf.line, sections[conf.section],
                       conf.section == TEL_CONF_MATCH ? view_text(conf.glob) : "",
                       view_text(item.key), view_text(item.value));
    }
    return all;
}

#define expect_items(file, expected) cr_expect_str_eq(read_all(tel_str_from(file)), expected)

Test(conf_file, sections_keys_and_values)
{
    expect_items("# comment\n"
                 "; another\n"
                 "\n"
                 "[defaults]\n"
                 "A = 1\n"
                 "  B=two words  \n"
                 "[match /opt/*]\n"
                 "C = x\n"
                 "[defaults]\n"
                 "D = y",
                 "5 defaults |A|1\n"
                 "6 defaults |B|two words\n"
                 "8 match /opt/*|C|x\n"
                 "10 defaults |D|y\n");
}

Test(conf_file, quotes_are_optional)
{
    expect_items(
        "[defaults]\nA = \" x \"\nB = 'y'\nC = \"\nD = 'a\"\nE = \"a\"b\"\nF = \"\"\nG=\nH='\n",
        "2 defaults |A| x \n3 defaults |B|y\n4 defaults |C|\"\n5 defaults |D|'a\"\n"
        "6 defaults |E|a\"b\n7 defaults |F|\n8 defaults |G|\n9 defaults |H|'\n");
}

/* Values are taken as they are: a '#' or '=' in one is no comment and no key. */
Test(conf_file, nothing_in_a_value_is_special)
{
    expect_items("[defaults]\nA = b # c\nB = x=y\nC = ; d\nD = [x]\nE = a\\\nF = $HOME ~ %s\n",
                 "2 defaults |A|b # c\n3 defaults |B|x=y\n4 defaults |C|; d\n5 defaults |D|[x]\n"
                 "6 defaults |E|a\\\n7 defaults |F|$HOME ~ %s\n");
}

Test(conf_file, line_ends)
{
    expect_items("\xef\xbb\xbf[defaults]\r\nA = 1\r\n\r\n# c\r\n\tB\t=\t2\t\r\nC = \"3\"\r",
                 "2 defaults |A|1\n5 defaults |B|2\n6 defaults |C|3\n");
}

Test(conf_file, section_lines)
{
    expect_items("[ defaults ]\nA=1\n"
                 "[match [a]]\nB=2\n" /* ends at the last ']' */
                 "[match\t'/with blank/*']\nC=3\n"
                 " [match  /opt/a b ] \nD=4\n",
                 "2 defaults |A|1\n4 match [a]|B|2\n6 match /with blank/*|C|3\n"
                 "8 match /opt/a b|D|4\n");
}

/* What belongs to a section whose first line is bad never goes to the one before. */
Test(conf_file, bad_sections_are_ignored_as_a_whole)
{
    static const char *const bad[] = {"[",
                                      "[]",
                                      "[defaults",
                                      "[Defaults]",
                                      "[default]",
                                      "[match]",
                                      "[matching /x]",
                                      "[match /x] # why",
                                      "[[defaults]]",
                                      "[other /x]",
                                      NULL};

    for (int i = 0; bad[i] != NULL; i++)
        cr_expect_str_eq(
            read_all(tel_str_from(text("[defaults]\nA=1\n%s\nB=2\n[defaults]\nC=3\n", bad[i]))),
            text("2 defaults |A|1\n3 !%s\n6 defaults |C|3\n", bad[i]), "%s", bad[i]);
}

Test(conf_file, lines_that_are_none)
{
    expect_items("A = 1\n[defaults]\nword\nB = 2\n= 3\n", "1 !A = 1\n3 !word\n4 defaults |B|2\n"
                                                          "5 defaults ||3\n");
}

Test(conf_file, long_lines)
{
    static char longest[TEL_CONF_LINE_MAX + 1];
    static char too_long[TEL_CONF_LINE_MAX + 2];

    memset(longest, 'x', sizeof longest - 1);
    memcpy(longest, "K=", 2);
    memset(too_long, 'x', sizeof too_long - 1);
    memcpy(too_long, "K=", 2);
    cr_expect_str_eq(read_all(tel_str_from(text("[defaults]\n%s\nA=1\n", longest))),
                     text("2 defaults |K|%s\n3 defaults |A|1\n", longest + 2));
    cr_expect_str_eq(read_all(tel_str_from(text("[defaults]\n%s\nA=1\n", too_long))),
                     text("2 !%s\n3 defaults |A|1\n", too_long));
    memcpy(too_long, "[match /", 8);
    cr_expect_str_eq(read_all(tel_str_from(text("[defaults]\n%s]\nA=1\n", too_long))),
                     text("2 !%s]\n", too_long), "its keys are not the defaults'");
}

Test(conf_file, nul_bytes)
{
    static const char file[] = "[defaults]\nA=1\0x\n\0\nB=2\n[match \0]\nC=3\n";
    struct tel_conf conf;
    struct tel_conf_item item;
    int good = 0;
    int bad = 0;

    tel_conf_open(&conf, TEL_STR(file));
    while (tel_conf_next(&conf, &item)) {
        good += item.why == NULL;
        bad += item.why != NULL;
    }
    cr_expect_eq(good, 1);
    cr_expect_eq(bad, 3);
}

Test(conf_file, empty_files)
{
    expect_items("", "");
    expect_items("\n\n\r\n", "");
    expect_items("\xef\xbb\xbf", "");
    cr_expect_str_eq(read_all(TEL_STR_NONE), "");
}

static bool is_inside(struct tel_str view, struct tel_str file)
{
    return view.ptr == NULL || (view.ptr >= file.ptr && view.ptr + view.len <= file.ptr + file.len);
}

/* Whatever the bytes: it ends, line numbers grow, and no view leaves the text (a sanitizer looks at the
 * rest). The text has no NUL behind it. */
Test(conf_file, any_bytes)
{
    static const char *const pieces[] = {
        "[", "]", "match", "defaults",       " ", "\t", "=",   "\"", "'", "\n", "\r",
        "#", ";", "A",     "TELEMETRY_AUTO", "*", "\\", "\xff"};
    unsigned seed = 3;

    for (int i = 0; i < 20000; i++) {
        char memory[400];
        size_t len = 0;
        unsigned line = 0;
        struct tel_conf conf;
        struct tel_conf_item item;
        struct tel_str file;
        char *exact;

        for (int j = rand_r(&seed) % 40; j > 0; j--) {
            const char *piece = pieces[(size_t)rand_r(&seed) % (sizeof pieces / sizeof pieces[0])];

            memcpy(memory + len, piece, strlen(piece));
            len += strlen(piece);
            if (rand_r(&seed) % 50 == 0)
                memory[len++] = '\0';
        }
        exact = malloc(len + 1);
        cr_assert_not_null(exact);
        memcpy(exact + 1, memory, len);
        file = (struct tel_str){exact + 1, len};
        tel_conf_open(&conf, file);
        while (tel_conf_next(&conf, &item)) {
            cr_assert_gt(conf.line, line);
            line = conf.line;
            cr_assert(is_inside(item.key, file) && is_inside(item.value, file) &&
                      is_inside(conf.glob, file));
            cr_assert(item.why != NULL || conf.section == TEL_CONF_DEFAULTS ||
                      conf.section == TEL_CONF_MATCH);
        }
        free(exact);
    }
}
