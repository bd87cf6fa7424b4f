/* When a run that has ended may be posted. */
#include "last_word.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "mailbox.h"
#include "support/places.h"
#include "support/support.h"

#define RUN "20261122T100000Z-agent-00000001"

static struct tel_datadir dir;
static struct tel_process self;
static struct tel_due due;

static void set_up(void)
{
    make_place(&dir, test_dir());
    self = this_process();
    due = (struct tel_due){
        .run_id = TEL_STR(RUN),
        .last_line =
            write_line(&dir, changed_line(start_line(RUN, 1), "status", "\"success\"", NULL)),
        .process = {self.pid, self.pidfs_ino, self.start_ticks},
        .pid_ns = self.pid_ns,
        .boot_id = tel_str_from(self.boot_id),
    };
}

TestSuite(last_word, .init = set_up);

static void say(const char *line)
{
    struct tel_mailbox box;

    cr_assert_eq(tel_mailbox_open(&box, &dir, TEL_STR(RUN), TEL_MAILBOX_SPEAK, 0, NULL), 0);
    cr_assert_eq(tel_mailbox_append(&box, tel_str_from(line), false, NULL), 0);
    tel_mailbox_close(&box);
}

/* Its end line is written before its process is gone. */
Test(last_word, not_while_its_process_goes_on)
{
    cr_expect_eq(tel_last_word(&dir, &due), TEL_WORD_AWAITED);
    due.process.start_ticks++;
    due.process.pidfs_ino++;
    cr_expect_eq(tel_last_word(&dir, &due), TEL_WORD_SPOKEN);
}

Test(last_word, a_section_ends_before_its_process)
{
    due.scope = true;
    cr_expect_eq(tel_last_word(&dir, &due), TEL_WORD_SPOKEN);
}

Test(last_word, no_process_outlives_the_machine)
{
    due.boot_id = TEL_STR("00000000-0000-0000-0000-000000000000");
    cr_expect_eq(tel_last_word(&dir, &due), TEL_WORD_SPOKEN);
}

Test(last_word, what_was_said_is_taken_in_first)
{
    due.scope = true;
    say("{\"set\": {\"items_failed\": 5}}\n");
    cr_expect_eq(tel_last_word(&dir, &due), TEL_WORD_TAKEN_IN);
    cr_expect_str_eq(field_of(last_line_of(journal_text(dir.base)), "items_failed"), "5");
    cr_expect_eq(tel_last_word(&dir, &due), TEL_WORD_SPOKEN);
}

Test(last_word, who_is_speaking_is_waited_for)
{
    struct tel_mailbox box;

    due.scope = true;
    cr_assert_eq(tel_mailbox_open(&box, &dir, TEL_STR(RUN), TEL_MAILBOX_SPEAK, 0, NULL), 0);
    cr_expect_eq(tel_last_word(&dir, &due), TEL_WORD_AWAITED);
    tel_mailbox_close(&box);
    cr_expect_eq(tel_last_word(&dir, &due), TEL_WORD_SPOKEN);
}
