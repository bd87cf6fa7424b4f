/* Mailboxes become part of run lines: once, whatever dies on the way. */
#include "take_in.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/appends.h"
#include "support/places.h"
#include "support/support.h"

#define RUN "20261122T100000Z-agent-00000001"

static struct tel_datadir dir;
static struct tel_error err;
static struct tel_journal_pos nowhere;

static void write_end(void)
{
    write_line(&dir, changed_line(start_line(RUN, 1), "status", "\"success\"", "exit_code", "0",
                                  "items_succeeded", "5", NULL));
}

static void set_up(void)
{
    make_place(&dir, test_dir());
    write_line(&dir, start_line(RUN, 1));
}

TestSuite(take_in, .init = set_up);

static void say(const char *run_id, const char *lines)
{
    struct tel_mailbox box;

    cr_assert_eq(tel_mailbox_open(&box, &dir, tel_str_from(run_id), TEL_MAILBOX_SPEAK, 0, &err), 0,
                 "%s", err.message);
    cr_assert_eq(tel_mailbox_append(&box, tel_str_from(lines), false, &err), 0);
    tel_mailbox_close(&box);
}

static int take(void)
{
    return tel_take_in(&dir, TEL_STR(RUN), &nowhere, &err);
}

static bool is_there(void)
{
    return tel_mailbox_exists(&dir, TEL_STR(RUN));
}

static const char *last_value(const char *name)
{
    return field_of(last_line_of(journal_text(dir.base)), name);
}

Test(take_in, nothing_said_nothing_done)
{
    write_end();
    cr_expect_eq(take(), 0);
    cr_expect_eq(count_of(journal_text(dir.base), "\n"), 2);
}

Test(take_in, what_was_said_is_on_the_last_line)
{
    say(RUN, "{\"set\": {\"product\": \"p\", \"status\": \"partial\"}}\n"
             "{\"add\": {\"items_succeeded\": 2}}\n");
    write_end();
    cr_expect_eq(take(), 1, "%s", err.message);
    cr_expect_str_eq(last_value("product"), "\"p\"");
    cr_expect_str_eq(last_value("status"), "\"partial\"");
    cr_expect_str_eq(last_value("items_succeeded"), "7");
    cr_expect_str_eq(last_value("exit_code"), "0", "all else is as it was");
    cr_expect_not(is_there());
    cr_expect_eq(take(), 0);
}

Test(take_in, a_run_that_goes_on_keeps_its_mailbox)
{
    say(RUN, "{\"set\": {\"product\": \"p\"}}\n");
    cr_expect_eq(take(), 0);
    cr_expect(is_there());
    cr_expect_eq(count_of(journal_text(dir.base), "\n"), 1);
}

Test(take_in, a_death_after_the_line_adds_nothing_twice)
{
    struct tel_mailbox box;
    const char *said;

    say(RUN, "{\"add\": {\"items_succeeded\": 2}}\n");
    write_end();
    append_status = -ENOSPC;
    cr_expect_eq(take(), -ENOSPC);
    cr_expect(is_there(), "it is kept until its line is in the journal");
    cr_assert_eq(tel_mailbox_open(&box, &dir, TEL_STR(RUN), TEL_MAILBOX_TAKE, 0, &err), 0);
    said = read_file(box.path);
    tel_mailbox_close(&box);
    append_status = 0;
    cr_expect_eq(take(), 1);
    cr_expect_str_eq(last_value("items_succeeded"), "7");
    /* As if whoever took it in had died before it could be removed. */
    say(RUN, said);
    cr_expect_eq(take(), 0);
    cr_expect_str_eq(last_value("items_succeeded"), "7");
    cr_expect_not(is_there());
}

Test(take_in, said_again_after_the_first_time_is_on_top)
{
    say(RUN, "{\"add\": {\"items_succeeded\": 2}}\n");
    write_end();
    cr_expect_eq(take(), 1);
    say(RUN, "{\"add\": {\"items_succeeded\": 1}}\n");
    cr_expect_eq(take(), 1);
    cr_expect_str_eq(last_value("items_succeeded"), "8");
}

Test(take_in, the_last_line_is_a_run_line)
{
    say(RUN, "{\"set\": {}}\n");
    write_end();
    write_line(&dir,
               "{\"run_id\": \"" RUN "\", \"event_type\": \"late\", \"record_type\": \"event\"}\n");
    cr_expect_eq(take(), 1, "an event has come after the end");
    cr_expect_str_eq(last_value("items_succeeded"), "5");
    cr_expect_eq(take(), 0);
}

/* The owner of the run's handle has not heard of the end yet; while it lives, it may ask. */
Test(take_in, a_sealed_mailbox_is_left_for_its_owner)
{
    const struct tel_process self = this_process();
    struct tel_mailbox box;

    write_line(&dir, changed_line(start_line(RUN, 1), "status", "\"partial\"", "pid",
                                  text("%d", self.pid), "pidfs_ino",
                                  text("%llu", (unsigned long long)self.pidfs_ino), "start_ticks",
                                  text("%llu", (unsigned long long)self.start_ticks), "pid_ns",
                                  text("%llu", (unsigned long long)self.pid_ns), NULL));
    say(RUN, "{\"add\": {\"items_succeeded\": 2}}\n");
    cr_assert_eq(tel_mailbox_open(&box, &dir, TEL_STR(RUN), TEL_MAILBOX_TAKE, 0, &err), 0);
    cr_assert_eq(tel_mailbox_seal(&box, TEL_STR("{}\n"), &err), 0);
    tel_mailbox_close(&box);
    cr_expect_eq(take(), 0, "all of it has been taken in");
    cr_expect(is_there());
    write_line(&dir, changed_line(start_line(RUN, 1), "status", "\"partial\"", "pid",
                                  text("%d", self.pid), "pidfs_ino", "1", "start_ticks", "1",
                                  "pid_ns", text("%llu", (unsigned long long)self.pid_ns), NULL));
    cr_expect_eq(take(), 0);
    cr_expect_not(is_there(), "its process is gone");
}

Test(take_in, a_speaker_is_waited_for)
{
    struct tel_mailbox box;

    write_end();
    cr_assert_eq(tel_mailbox_open(&box, &dir, TEL_STR(RUN), TEL_MAILBOX_SPEAK, 0, &err), 0);
    cr_expect_eq(take(), TEL_ERR_BUSY);
    tel_mailbox_close(&box);
    cr_expect_eq(take(), 0);
    cr_expect_not(is_there());
}

Test(take_in, all_of_the_runs_that_have_ended)
{
    struct tel_fold *fold;

    write_line(&dir, start_line("20261122T100000Z-agent-00000002", 1));
    write_line(&dir, start_line("20261122T100000Z-agent-00000003", 1));
    write_line(&dir, changed_line(start_line("20261122T100000Z-agent-00000002", 1), "status",
                                  "\"success\"", NULL));
    write_end();
    say(RUN, "{\"set\": {\"product\": \"one\"}}\n");
    say("20261122T100000Z-agent-00000002", "{\"set\": {\"product\": \"two\"}}\n");
    say("20261122T100000Z-agent-00000003", "{\"set\": {\"product\": \"three\"}}\n");
    say("20261122T100000Z-agent-00000004", "{\"set\": {\"product\": \"four\"}}\n");
    cr_assert_eq(tel_fold_open(&fold, &dir, 0, &err), 0);
    cr_assert_eq(tel_fold_pass(fold, true, NULL, &err), 0, "%s", err.message);
    cr_expect_eq(tel_take_in_all(&dir, fold, &err), 1);
    cr_assert_eq(tel_fold_pass(fold, true, NULL, &err), 0);
    cr_expect_eq(tel_take_in_all(&dir, fold, &err), 0);
    tel_fold_close(fold);
    cr_expect_str_eq(sql_text(dir.base, "SELECT coalesce(product, '-') FROM agent_runs ORDER BY 1"),
                     "-\none\ntwo");
    cr_expect(tel_mailbox_exists(&dir, TEL_STR("20261122T100000Z-agent-00000003")), "it runs");
    cr_expect(tel_mailbox_exists(&dir, TEL_STR("20261122T100000Z-agent-00000004")),
              "nobody knows it: it may be of another journal");
}
