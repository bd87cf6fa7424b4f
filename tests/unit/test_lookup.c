/* What the journal alone says of a run. */
#include "lookup.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"

static struct tel_datadir dir;
static struct tel_error err;

static void set_up(void)
{
    make_place(&dir, test_dir());
}

TestSuite(lookup, .init = set_up);

static int look_up(const char *run_id, uint32_t date, uint64_t offset, struct tel_run_facts *facts)
{
    const struct tel_journal_pos from = {date, 0, offset};

    return tel_run_look_up(&dir, tel_str_from(run_id), &from, facts, &err);
}

Test(lookup, finds_the_last_line_of_a_run)
{
    const char *begun = start_line("r1", 1);
    const char *other = start_line("r10", 1);
    struct tel_run_facts facts;
    struct tel_journal_pos at = write_line(&dir, begun);

    write_line(&dir, other);
    cr_expect_eq(look_up("r1", 0, 0, &facts), 1);
    cr_expect(facts.running && !facts.event_after && !facts.scope);
    cr_expect_eq(facts.last_line.offset, at.offset);
    cr_expect_eq(facts.last_line.length, strlen(begun));
    write_line(&dir, "{\"run_id\": \"r1\", \"event_type\": \"x\", \"record_type\": \"event\"}\n");
    cr_expect_eq(look_up("r1", at.date, at.offset, &facts), 1);
    cr_expect(facts.event_after);
    at = write_line(&dir, changed_line(begun, "status", "\"failed\"", "scope", "true", NULL));
    cr_expect_eq(look_up("r1", 0, 0, &facts), 1);
    cr_expect(!facts.running && !facts.event_after && facts.scope);
    cr_expect_eq(facts.last_line.offset, at.offset);
    cr_expect_eq(look_up("r1", at.date, at.offset + 1, &facts), 0);
    cr_expect_eq(look_up("nobody", 0, 0, &facts), 0);
}

Test(lookup, finds_a_line_behind_a_torn_one)
{
    struct tel_run_facts facts;
    const char *const ended = changed_line(start_line("r1", 1), "status", "\"success\"", NULL);

    write_line(&dir, start_line("r1", 1));
    write_line(&dir, text("{\"run_id\": \"r2\", \"payload_json\": \"%s", ended));
    cr_expect_eq(look_up("r1", 0, 0, &facts), 1);
    cr_expect_not(facts.running);
    cr_expect_eq(facts.last_line.length, strlen(ended));
    cr_expect_eq(look_up("r1", facts.last_line.date, facts.last_line.offset, &facts), 1);
}

Test(lookup, finds_a_run_whose_id_is_written_with_escapes)
{
    struct tel_run_facts facts;

    write_line(&dir, start_line("caf\\u00e9-1", 1));
    cr_expect_eq(look_up("café-1", 0, 0, &facts), 1);
}

Test(lookup, knows_whether_the_process_is_gone)
{
    const char *pid_ns = text("%llu", (unsigned long long)tel_pid_namespace());
    struct tel_run_facts facts;
    struct tel_proc_stat self;

    cr_assert_eq(tel_proc_stat_read("/proc/self/stat", &self), 0);
    write_line(&dir, changed_line(start_line("me", 1), "pid", text("%d", getpid()), "start_ticks",
                                  text("%llu", (unsigned long long)self.start_ticks), "pid_ns",
                                  pid_ns, NULL));
    cr_assert_eq(look_up("me", 0, 0, &facts), 1);
    cr_expect_not(tel_run_process_is_gone(&facts));
    write_line(&dir, changed_line(start_line("gone", 1), "pid", text("%d", getpid()), "start_ticks",
                                  "1", "pid_ns", pid_ns, NULL));
    cr_assert_eq(look_up("gone", 0, 0, &facts), 1);
    cr_expect(tel_run_process_is_gone(&facts));
    write_line(&dir, changed_line(start_line("far", 1), "pid", text("%d", getpid()), "start_ticks",
                                  "1", "pid_ns", "1", NULL));
    cr_assert_eq(look_up("far", 0, 0, &facts), 1);
    cr_expect_not(tel_run_process_is_gone(&facts), "its number means nothing here");
}

Test(lookup, begins_at_the_day_in_the_id)
{
    struct tel_run_facts facts;

    write_line(&dir, start_line("29990101T100000Z-agent-00000001", 1));
    write_line(&dir, start_line("20010101T100000Z-agent-00000001", 1));
    write_line(&dir, start_line("29990101-agent", 1));
    cr_expect_eq(look_up("29990101T100000Z-agent-00000001", 0, 0, &facts), 0);
    cr_expect_eq(look_up("20010101T100000Z-agent-00000001", 0, 0, &facts), 1);
    cr_expect_eq(look_up("29990101-agent", 0, 0, &facts), 1);
}
