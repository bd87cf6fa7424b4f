/* The file in which things are said of a run, and who may have it when. */
#include "mailbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"
#include "support/syncs.h"
#include "support/view.h"

#define RUN TEL_STR("20261122T100000Z-agent-00000001")

static struct tel_datadir dir;
static struct tel_error err;
static int fds_before;

static void set_up(void)
{
    make_place(&dir, test_dir());
    fds_before = count_descriptors();
}

static void tear_down(void)
{
    if (count_descriptors() != fds_before)
        abort();
}

TestSuite(mailbox, .init = set_up, .fini = tear_down);

static int open_for(struct tel_mailbox *box, enum tel_mailbox_use use)
{
    return tel_mailbox_open(box, &dir, RUN, use, 0, &err);
}

static const char *lines_of(const struct tel_mailbox *box)
{
    char *memory;
    struct tel_str lines;
    const char *copy;

    cr_assert_eq(tel_mailbox_read(box, &memory, &lines, &err), 0, "%s", err.message);
    copy = text("%.*s", (int)lines.len, lines.ptr == NULL ? "" : lines.ptr);
    free(memory);
    return copy;
}

Test(mailbox, a_sealed_one_takes_nothing)
{
    struct tel_mailbox box;
    struct tel_str line;

    cr_assert_eq(open_for(&box, TEL_MAILBOX_END), 0);
    cr_assert_eq(tel_mailbox_append(&box, TEL_STR("{\"set\": {}}\n"), false, &err), 0);
    cr_expect_not(tel_mailbox_is_sealed(tel_str_from(lines_of(&box)), &line));
    cr_assert_eq(tel_mailbox_seal(&box, TEL_STR("{\"status\": \"failed\"}\n"), &err), 0);
    cr_expect_eq(tel_mailbox_append(&box, TEL_STR("{\"set\": {}}\n"), false, &err), -ESTALE);
    cr_expect(tel_mailbox_is_sealed(tel_str_from(lines_of(&box)), &line));
    cr_expect_str_eq(view_text(line), "{\"status\": \"failed\"}\n");
    cr_expect_not(tel_mailbox_is_left(tel_str_from(lines_of(&box))));
    tel_mailbox_close(&box);
    cr_expect_not(tel_mailbox_is_sealed(TEL_STR_NONE, &line));
}

Test(mailbox, a_handle_that_is_left)
{
    struct tel_mailbox box;

    cr_assert_eq(open_for(&box, TEL_MAILBOX_SPEAK), 0);
    cr_expect_not(tel_mailbox_is_left(tel_str_from(lines_of(&box))));
    cr_assert_eq(tel_mailbox_leave(&box, &err), 0);
    cr_expect(tel_mailbox_is_left(tel_str_from(lines_of(&box))));
    cr_assert_eq(tel_mailbox_append(&box, TEL_STR("{\"set\": {}}\n"), false, &err), 0);
    cr_assert_eq(tel_mailbox_leave(&box, &err), 0);
    cr_expect(tel_mailbox_is_left(tel_str_from(lines_of(&box))));
    tel_mailbox_close(&box);
}

Test(mailbox, speakers_make_it_and_share_it)
{
    struct tel_mailbox a;
    struct tel_mailbox b;
    struct stat st;

    cr_expect_not(tel_mailbox_exists(&dir, RUN));
    cr_assert_eq(open_for(&a, TEL_MAILBOX_SPEAK), 0, "%s", err.message);
    cr_expect(a.made);
    cr_assert_eq(open_for(&b, TEL_MAILBOX_SPEAK), 0, "%s", err.message);
    cr_expect_not(b.made);
    cr_expect_eq(tel_mailbox_append(&a, TEL_STR("one\n"), false, &err), 0);
    cr_expect_eq(tel_mailbox_append(&b, TEL_STR("two\n"), true, &err), 0);
    cr_expect_str_eq(lines_of(&a), "one\ntwo\n");
    cr_expect(tel_mailbox_exists(&dir, RUN));
    cr_assert_eq(stat(a.path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    tel_mailbox_close(&a);
    tel_mailbox_close(&b);
    tel_mailbox_close(&b);
}

/* As a collector asks: before anything was said, at once afterwards, and when it has been taken in. */
Test(mailbox, one_that_comes_or_goes_is_noticed_at_once)
{
    enum { SETTLED_US = 80 * 1000 };
    struct tel_mailboxes boxes = {0};
    struct tel_mailbox box;

    cr_assert_eq(tel_datadir_prepare_run(&dir, &err), 0);
    for (int i = 0; i < 2; i++) {
        cr_expect_not(tel_mailboxes_have(&boxes, &dir, RUN));
        usleep(SETTLED_US);
        cr_expect_not(tel_mailboxes_have(&boxes, &dir, RUN));
        cr_expect_not(tel_mailboxes_have(&boxes, &dir, RUN));
        cr_assert_eq(open_for(&box, TEL_MAILBOX_SPEAK), 0, "%s", err.message);
        cr_expect(tel_mailboxes_have(&boxes, &dir, RUN));
        usleep(SETTLED_US);
        cr_expect(tel_mailboxes_have(&boxes, &dir, RUN));
        cr_expect(tel_mailboxes_have(&boxes, &dir, RUN));
        cr_expect_not(tel_mailboxes_have(&boxes, &dir, TEL_STR("another")));
        tel_mailbox_remove(&box);
        tel_mailbox_close(&box);
    }
}

Test(mailbox, who_takes_it_has_it_alone)
{
    struct tel_mailbox speaker;
    struct tel_mailbox taker;

    cr_expect_eq(open_for(&taker, TEL_MAILBOX_TAKE), -ENOENT);
    cr_assert_eq(open_for(&speaker, TEL_MAILBOX_SPEAK), 0);
    cr_expect_eq(open_for(&taker, TEL_MAILBOX_TAKE), TEL_ERR_BUSY);
    tel_mailbox_unlock(&speaker);
    cr_assert_eq(open_for(&taker, TEL_MAILBOX_TAKE), 0);
    cr_expect_eq(tel_mailbox_lock(&speaker, TEL_MAILBOX_SPEAK, 0, &err), TEL_ERR_BUSY);
    tel_mailbox_remove(&taker);
    tel_mailbox_close(&taker);
    cr_expect_eq(tel_mailbox_lock(&speaker, TEL_MAILBOX_SPEAK, 0, &err), -ESTALE,
                 "it has been taken in");
    tel_mailbox_close(&speaker);
    cr_assert_eq(open_for(&speaker, TEL_MAILBOX_SPEAK), 0);
    cr_expect(speaker.made);
    cr_expect_str_eq(lines_of(&speaker), "");
    tel_mailbox_close(&speaker);
}

Test(mailbox, an_unfinished_line_is_ended_first)
{
    struct tel_mailbox box;

    cr_assert_eq(open_for(&box, TEL_MAILBOX_SPEAK), 0);
    cr_assert_eq(write(box.fd, "half", 4), 4);
    cr_expect_eq(tel_mailbox_append(&box, TEL_STR("whole\n"), false, &err), 0);
    cr_expect_str_eq(lines_of(&box), "half\nwhole\n");
    tel_mailbox_close(&box);
}

Test(mailbox, strange_files_are_left_alone)
{
    struct tel_mailbox box;
    const char *path = text("%s/%s.set", dir.run, "20261122T100000Z-agent-00000001");

    cr_assert_eq(tel_datadir_prepare_run(&dir, &err), 0);
    cr_assert_eq(symlink("elsewhere", path), 0);
    cr_expect_eq(open_for(&box, TEL_MAILBOX_SPEAK), -ELOOP);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(open_for(&box, TEL_MAILBOX_SPEAK), TEL_ERR_REFUSED);
    cr_expect_not(file_exists(text("%s/elsewhere", dir.run)));
}

Test(mailbox, an_id_never_leads_out_of_its_directory)
{
    struct tel_mailbox box;

    cr_expect_eq(tel_mailbox_open(&box, &dir, TEL_STR("../../x"), TEL_MAILBOX_SPEAK, 0, &err),
                 TEL_ERR_INVALID);
    cr_expect_eq(tel_mailbox_open(&box, &dir, TEL_STR(""), TEL_MAILBOX_SPEAK, 0, &err),
                 TEL_ERR_INVALID);
    cr_expect_not(tel_mailbox_exists(&dir, TEL_STR("a/b")));
}

Test(mailbox, names_tell_their_run)
{
    cr_expect_str_eq(view_text(tel_mailbox_run_of(TEL_STR("x-1.set"))), "x-1");
    cr_expect_null(tel_mailbox_run_of(TEL_STR("collector-0-1.lock")).ptr);
    cr_expect_null(tel_mailbox_run_of(TEL_STR(".set")).ptr);
    cr_expect_null(tel_mailbox_run_of(TEL_STR("")).ptr);
}

Test(mailbox, synced_when_asked)
{
    struct tel_mailbox box;

    cr_assert_eq(open_for(&box, TEL_MAILBOX_SPEAK), 0, "%s", err.message);
    cr_expect_eq(tel_mailbox_append(&box, TEL_STR("one\n"), false, &err), 0);
    cr_expect_eq(syncs, 0);
    cr_expect_eq(tel_mailbox_append(&box, TEL_STR("two\n"), true, &err), 0);
    cr_expect_eq(syncs, 1);
    cr_expect_eq(synced, 8, "with the line in it");
    sync_status = -EIO;
    cr_expect_eq(tel_mailbox_append(&box, TEL_STR("three\n"), true, &err), -EIO);
    tel_mailbox_close(&box);
}
