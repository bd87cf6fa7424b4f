/* What a program says of its run through the shim, and where it is written down. */
#include "dictation.h"

#include <criterion/criterion.h>

#include "mailbox.h"
#include "support/places.h"
#include "support/support.h"

#define RUN "20261122T100000Z-agent-00000001"

static struct tel_datadir dir;
static struct tel_error err;

static void set_up(void)
{
    make_place(&dir, test_dir());
}

TestSuite(dictation, .init = set_up);

/* A text with its NULs in it, as it comes with the message. */
#define SAY(literal) take((struct tel_str){literal, sizeof(literal) - 1})

static int take(struct tel_str text)
{
    const struct tel_journal_pos pos = {.date = this_date()};

    return tel_dictation_take(&dir, TEL_STR(RUN), &pos, text, &err);
}

static const char *mailbox_text(void)
{
    return read_file(text("%s/" RUN TEL_MAILBOX_SUFFIX, dir.run));
}

Test(dictation, an_event_goes_to_the_journal)
{
    cr_expect_eq(SAY("event\0step\0{\"n\": 1}"), 0, "%s", err.message);
    cr_expect_eq(SAY("event\0done\0"), 0, "%s", err.message);
    cr_expect_eq(count_of(journal_text(dir.base), "\"event_type\": \"step\""), 1);
    cr_expect_eq(count_of(journal_text(dir.base), "\"payload_json\": \"{\\\"n\\\": 1}\""), 1);
    cr_expect_eq(count_of(journal_text(dir.base), "\"payload_json\": null"), 1);
    cr_expect_str_eq(mailbox_text(), "", "but it is there: one may lie behind the end line");
}

Test(dictation, a_value_goes_to_the_mailbox)
{
    cr_expect_eq(SAY("set\0product\0pump"), 0, "%s", err.message);
    cr_expect_eq(SAY("set\0items_failed\0"
                     "2"),
                 0, "%s", err.message);
    cr_expect_eq(SAY("set\0items_failed\0+3"), 0, "%s", err.message);
    cr_expect_str_eq(mailbox_text(), "{\"set\": {\"product\": \"pump\"}}\n"
                                     "{\"set\": {\"items_failed\": 2}}\n"
                                     "{\"add\": {\"items_failed\": 3}}\n");
    cr_expect_not(file_exists(journal_path(dir.raw, this_date())));
}

Test(dictation, what_cannot_be_said_is_refused)
{
    cr_expect_eq(SAY(""), TEL_ERR_INVALID);
    cr_expect_eq(SAY("shout\0product\0pump"), TEL_ERR_INVALID);
    cr_expect_eq(SAY("set\0run_id\0x"), TEL_ERR_INVALID);
    cr_expect_eq(SAY("set\0items_failed\0many"), TEL_ERR_INVALID);
    cr_expect_eq(SAY("set\0trigger_type\0whim"), TEL_ERR_INVALID);
    cr_expect_eq(SAY("event\0\0"), TEL_ERR_INVALID);
    cr_expect_eq(SAY("event\0step\0{"), TEL_ERR_INVALID);
    cr_expect_not(tel_mailbox_exists(&dir, TEL_STR(RUN)));
    cr_expect_not(file_exists(journal_path(dir.raw, this_date())));
}

/* Somebody takes the mailbox in: the collector has more to do than to wait. */
Test(dictation, who_ends_the_run_comes_first)
{
    struct tel_mailbox box;

    cr_assert_eq(tel_mailbox_open(&box, &dir, TEL_STR(RUN), TEL_MAILBOX_END, 0, &err), 0);
    cr_expect_eq(SAY("set\0product\0pump"), TEL_ERR_BUSY);
    cr_expect_eq(SAY("event\0step\0"), TEL_ERR_BUSY);
    tel_mailbox_close(&box);
    cr_expect_str_eq(mailbox_text(), "");
}
