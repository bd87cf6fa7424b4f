/* Speaking for a run by its id: who may, until when, and that nothing accepted is lost. */
#include "voice.h"

#include <criterion/criterion.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/owner.h"
#include "mailbox.h"
#include "support/places.h"
#include "support/support.h"
#include "support/syncs.h"

#define RUN "20261122T100000Z-agent-00000001"
#define SET TEL_STR("{\"set\": {\"product\": \"p\"}}\n")

static struct tel_datadir dir;
static struct tel_config config;
static struct tel_voice voice;
static struct tel_error err;
static struct tel_journal_pos begun;

static const char *own_line(void)
{
    struct tel_proc_stat self;

    cr_assert_eq(tel_proc_stat_read("/proc/self/stat", &self), 0);
    return changed_line(start_line(RUN, 1), "pid", text("%d", getpid()), "start_ticks",
                        text("%llu", (unsigned long long)self.start_ticks), "pid_ns",
                        text("%llu", (unsigned long long)tel_pid_namespace()), NULL);
}

static void set_up(void)
{
    make_place(&dir, test_dir());
    begun = write_line(&dir, own_line());
    write_line(&dir, "{}\n");
}

TestSuite(voice, .init = set_up);

/* What happens when a mailbox is about to be opened; NULL: nothing. */
static void (*before_opening)(void);

int __real_tel_mailbox_open(struct tel_mailbox *box, const struct tel_datadir *place,
                            struct tel_str run_id, enum tel_mailbox_use use, int patience_ms,
                            struct tel_error *error);
int __wrap_tel_mailbox_open(struct tel_mailbox *box, const struct tel_datadir *place,
                            struct tel_str run_id, enum tel_mailbox_use use, int patience_ms,
                            struct tel_error *error);

int __wrap_tel_mailbox_open(struct tel_mailbox *box, const struct tel_datadir *place,
                            struct tel_str run_id, enum tel_mailbox_use use, int patience_ms,
                            struct tel_error *error)
{
    if (before_opening != NULL)
        before_opening();
    return __real_tel_mailbox_open(box, place, run_id, use, patience_ms, error);
}

static int find(const char *run_id)
{
    return tel_voice_find(&voice, &dir, &config, tel_str_from(run_id), &err);
}

static void inherit(const struct tel_process_key *process)
{
    static char memory[TEL_OWNER_MAX];
    const struct tel_owner owner = {.process = *process, .start = begun};
    struct tel_buf text;

    tel_buf_init(&text, memory, sizeof memory);
    tel_owner_put(&text, &owner);
    config.value[TEL_VAR_RUN_ID] = TEL_STR(RUN);
    config.value[TEL_VAR_RUN_OWNER] = tel_buf_view(&text);
}

static struct tel_process_key self_key(void)
{
    const struct tel_process self = this_process();

    return (struct tel_process_key){self.pid, self.pidfs_ino, self.start_ticks};
}

static void end_run(void)
{
    write_line(&dir, changed_line(own_line(), "status", "\"success\"", NULL));
}

Test(voice, by_its_id_alone)
{
    cr_assert_eq(find(RUN), 0, "%s", err.message);
    cr_expect_not(voice.has_owner);
    cr_expect_eq(tel_voice_say(&voice, SET, &err), 0, "%s", err.message);
    cr_expect_eq(tel_voice_event(&voice, TEL_STR("x"), TEL_STR("[1]"), &err), 0);
    cr_expect(tel_mailbox_exists(&dir, TEL_STR(RUN)));
    cr_expect_eq(count_of(journal_text(dir.base), "\"payload_json\": \"[1]\""), 1);
}

Test(voice, by_the_environment)
{
    const struct tel_process_key key = self_key();

    inherit(&key);
    cr_assert_eq(find(RUN), 0, "%s", err.message);
    cr_expect(voice.has_owner);
    cr_expect_eq(voice.from.offset, begun.offset);
    cr_expect_eq(tel_voice_say(&voice, SET, &err), 0, "%s", err.message);
}

Test(voice, an_owner_that_is_gone_means_the_end)
{
    struct tel_process_key key = self_key();

    key.pidfs_ino += 1;
    key.start_ticks += 1;
    inherit(&key);
    write_line(&dir, changed_line(own_line(), "start_ticks", "1", "pidfs_ino", "1", NULL));
    cr_expect_eq(find(RUN), TEL_ERR_ENDED);
    cr_expect_str_eq(err.message, "run " RUN " has ended");
}

Test(voice, nobody_else_is_spoken_for)
{
    cr_expect_eq(find("20261122T100000Z-agent-00000002"), TEL_ERR_NOT_FOUND);
    cr_expect_eq(find(""), TEL_ERR_INVALID);
    cr_expect_eq(find("a/b"), TEL_ERR_INVALID);
    end_run();
    cr_expect_eq(find(RUN), TEL_ERR_ENDED);
}

Test(voice, an_end_in_between_is_seen)
{
    cr_assert_eq(find(RUN), 0);
    end_run();
    cr_expect_eq(tel_voice_say(&voice, SET, &err), TEL_ERR_ENDED);
    cr_expect_eq(tel_voice_event(&voice, TEL_STR("x"), TEL_STR_NONE, &err), TEL_ERR_ENDED);
    cr_expect_not(tel_mailbox_exists(&dir, TEL_STR(RUN)));
    cr_expect_eq(count_of(journal_text(dir.base), "\"event\""), 0);
}

/* Whoever settled the run then has found no mailbox, and does not look again. */
Test(voice, an_end_before_the_mailbox_is_open_is_seen)
{
    cr_assert_eq(find(RUN), 0);
    before_opening = end_run;
    cr_expect_eq(tel_voice_say(&voice, SET, &err), TEL_ERR_ENDED);
    cr_expect_str_eq(read_file(text("%s/" RUN ".set", dir.run)), "");
}

Test(voice, what_cannot_be_written_is_an_error)
{
    cr_assert_eq(find(RUN), 0);
    cr_assert_eq(tel_datadir_prepare_run(&dir, &err), 0);
    cr_assert_eq(mkdir(text("%s/" RUN ".set", dir.run), 0700), 0);
    cr_expect_lt(tel_voice_say(&voice, SET, &err), 0);
    cr_expect_eq(tel_voice_event(&voice, TEL_STR("x"), TEL_STR("{"), &err), TEL_ERR_INVALID);
}

Test(voice, what_is_said_is_synced_where_the_configuration_says_so)
{
    cr_assert_eq(find(RUN), 0);
    cr_expect_eq(tel_voice_say(&voice, SET, &err), 0);
    cr_expect_eq(tel_voice_event(&voice, TEL_STR("x"), TEL_STR_NONE, &err), 0);
    cr_expect_eq(syncs, 0);
    config.durability = TEL_DURABILITY_SYSTEM;
    cr_assert_eq(find(RUN), 0);
    cr_expect_eq(tel_voice_say(&voice, SET, &err), 0);
    cr_expect_eq(syncs, 1);
    cr_expect_eq(tel_voice_event(&voice, TEL_STR("x"), TEL_STR_NONE, &err), 0);
    cr_expect_eq(syncs, 2);
}
