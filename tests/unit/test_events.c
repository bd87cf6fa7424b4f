/* The events of a run, found in the journal of its days. */
#include "events.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/places.h"
#include "support/support.h"

enum { DAY = 20240122 };

static struct tel_datadir dir;
static struct tel_error err;

static void setup(void)
{
    make_place(&dir, text("%s/base", test_dir()));
}

TestSuite(events, .init = setup);

static void append(uint32_t date, const char *line)
{
    int fd = open(journal_path(dir.raw, date), O_WRONLY | O_APPEND | O_CREAT, 0600);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, line, strlen(line)), (ssize_t)strlen(line));
    close(fd);
}

static void append_event(uint32_t date, const char *run_id, const char *type, const char *payload)
{
    append(date, text("{\"run_id\": \"%s\", \"event_type\": \"%s\", \"timestamp\": "
                      "\"2024-01-22T10:00:00.000000+00:00\", \"payload_json\": %s, \"id\": null, "
                      "\"record_type\": \"event\"}\n",
                      run_id, type, payload));
}

static int note_event(void *arg, const struct tel_event *event)
{
    const char **seen = arg;

    cr_expect_eq(event->timestamp.len, 34);
    *seen = text("%s%.*s:%.*s ", *seen, (int)event->type.len, event->type.ptr,
                 (int)event->payload.len, event->payload.ptr);
    return tel_str_is(event->type, "\"stop\"") ? 9 : 0;
}

static const char *events_of(const char *run_id, const char *start, const char *end)
{
    const char *seen = "";
    int status = tel_events_each(&dir, tel_str_from(run_id), tel_str_from(start), tel_str_from(end),
                                 note_event, &seen, &err);

    return status == 0 ? seen : text("%d %s", status, seen);
}

#define START "2024-01-22T10:00:00.000000+00:00"

Test(events, in_the_order_of_the_journal)
{
    append(DAY, start_line("r1", 1));
    append_event(DAY, "r1", "one", "\"{\\\"a\\\": 1}\"");
    append_event(DAY, "r11", "other", "null");
    append_event(DAY, "r1", "two", "null");
    append(DAY, "torn r1\n\n");
    append_event(DAY + 1, "r1", "three", "null");
    cr_expect_str_eq(events_of("r1", START, NULL),
                     "\"one\":\"{\\\"a\\\": 1}\" \"two\":null \"three\":null ");
    cr_expect_str_eq(events_of("r2", START, NULL), "");
}

Test(events, of_the_runs_days_only)
{
    for (int i = -1; i <= 3; i++)
        append_event((uint32_t)(DAY + i), "r1", text("day%d", i), "null");
    cr_expect_str_eq(events_of("r1", START, "2024-01-22T11:00:00.000000+00:00"),
                     "\"day0\":null \"day1\":null ");
    cr_expect_str_eq(events_of("r1", "no time", "2024-01-21T11:00:00.000000+00:00"),
                     "\"day-1\":null \"day0\":null ");
}

Test(events, ids_in_other_words)
{
    append_event(DAY, "caf\\u00e9", "escaped", "null");
    append_event(DAY, "café", "plain", "null");
    append_event(DAY, "cafe", "another", "null");
    append_event(DAY, "a\\\"b", "quoted", "null");
    cr_expect_str_eq(events_of("café", START, NULL), "\"escaped\":null \"plain\":null ");
    cr_expect_str_eq(events_of("a\"b", START, NULL), "\"quoted\":null ");
}

Test(events, the_id_in_a_payload_is_no_id)
{
    append_event(DAY, "r2", "mentions", "\"r1\"");
    append_event(DAY, "r1", "is", "null");
    cr_expect_str_eq(events_of("r1", START, NULL), "\"is\":null ");
}

Test(events, a_walk_can_be_stopped)
{
    append_event(DAY, "r1", "go", "null");
    append_event(DAY, "r1", "stop", "null");
    append_event(DAY, "r1", "never", "null");
    cr_expect_str_eq(events_of("r1", START, NULL), "9 \"go\":null \"stop\":null ");
}

Test(events, no_journal_no_events)
{
    cr_expect_str_eq(events_of("r1", START, NULL), "");
    rmdir(dir.raw);
    cr_expect_str_eq(events_of("r1", START, NULL), "");
}

Test(events, more_than_a_chunk)
{
    static char filler[3 * 1024 * 1024];

    memset(filler, 'x', sizeof filler - 1);
    append_event(DAY, "r1", "first", "null");
    append_event(DAY, "r2", "big", text("\"%s\"", filler));
    append_event(DAY, "r1", "last", "null");
    cr_expect_str_eq(events_of("r1", START, NULL), "\"first\":null \"last\":null ");
}
