/* Commits as events: what is written is read again, and other events are left alone. */
#include "commit_event.h"

#include <criterion/criterion.h>
#include <string.h>

#include "event_line.h"
#include "git_commit.h"
#include "support/support.h"
#include "support/view.h"

static char payload_memory[TEL_COMMIT_PAYLOAD_MAX];
static char line_memory[TEL_EVENT_LINE_MAX];
static char read_memory[TEL_EVENT_LINE_MAX];
static struct tel_error err;

static struct tel_str line_of(const char *type, struct tel_str payload)
{
    struct tel_buf line;

    tel_buf_init(&line, line_memory, sizeof line_memory);
    cr_assert_eq(tel_event_line_put(&line, TEL_STR("r-1"), tel_str_from(type), payload, 0, &err), 0,
                 "%s", err.message);
    return tel_buf_view(&line);
}

static bool read_back(struct tel_str line, struct tel_commit_event *event)
{
    struct tel_buf memory;

    tel_buf_init(&memory, read_memory, sizeof read_memory);
    return tel_commit_read(line, &memory, event);
}

Test(commit_event, what_is_written_is_read)
{
    const struct tel_commit commit = {
        .hash = TEL_STR("0123456789abcdef0123456789abcdef01234567"),
        .repo = TEL_STR("work"),
        .date = TEL_STR("2026-11-22T10:00:00+01:00"),
        .author = TEL_STR("J\xc3\xb6rg <j@example.org>"),
        .message = TEL_STR("one \"line\"\n\nand more\\"),
        .files_changed = 3,
        .insertions = 5,
        .deletions = INT64_MAX,
    };
    struct tel_commit_event event;
    struct tel_buf payload;
    struct tel_str line;

    tel_buf_init(&payload, payload_memory, sizeof payload_memory);
    tel_commit_put(&payload, &commit);
    line = line_of("commit", tel_buf_view(&payload));
    cr_expect(tel_commit_is_likely(line));
    cr_assert(read_back(line, &event));
    cr_expect_str_eq(view_text(event.run_id), "r-1");
    cr_expect_str_eq(view_text(event.timestamp), "1970-01-01T00:00:00.000000+00:00");
    cr_expect_str_eq(view_text(event.commit.hash), view_text(commit.hash));
    cr_expect_str_eq(view_text(event.commit.repo), "work");
    cr_expect_null(event.commit.branch.ptr);
    cr_expect_str_eq(view_text(event.commit.author), view_text(commit.author));
    cr_expect_str_eq(view_text(event.commit.message), view_text(commit.message));
    cr_expect_eq(event.commit.files_changed, 3);
    cr_expect_eq(event.commit.insertions, 5);
    cr_expect_eq(event.commit.deletions, INT64_MAX);
}

Test(commit_event, other_events_are_none)
{
    struct tel_commit_event event;

    cr_expect_not(tel_commit_is_likely(line_of("check", TEL_STR("{\"hash\": \"a\"}"))));
    cr_expect_not(read_back(line_of("check", TEL_STR("{\"hash\": \"a\"}")), &event));
    cr_expect_not(read_back(line_of("commit", TEL_STR_NONE), &event));
    cr_expect_not(read_back(line_of("commit", TEL_STR("[1]")), &event));
    cr_expect_not(read_back(line_of("commit", TEL_STR("{\"hash\": 5}")), &event));
    cr_expect_not(read_back(line_of("commit", TEL_STR("{\"hash\": \"\"}")), &event));
    cr_expect_not(read_back(TEL_STR("nonsense"), &event));
    cr_expect(
        read_back(line_of("commit", TEL_STR("{\"hash\": \"a\", \"insertions\": \"x\"}")), &event));
    cr_expect_eq(event.commit.insertions, 0);
}

Test(commit_event, git_says_why_there_is_none)
{
    struct tel_buf payload;

    tel_buf_init(&payload, payload_memory, sizeof payload_memory);
    cr_expect_eq(tel_git_commit_put(&payload, "/", "HEAD", &err), TEL_ERR_INVALID);
    cr_expect_str_eq(err.message, "git knows no commit 'HEAD' here");
    cr_expect_eq(tel_git_commit_put(&payload, "/", "--all", &err), TEL_ERR_INVALID);
    cr_expect_eq(tel_git_commit_put(&payload, "/", "", &err), TEL_ERR_INVALID);
    cr_expect_eq(payload.len, 0);
}
