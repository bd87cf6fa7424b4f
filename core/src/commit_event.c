/* See commit_event.h. */
#include "commit_event.h"

#include "base/json_scan.h"
#include "base/json_write.h"

#include <stddef.h>
#include <string.h>

#define AT(member) offsetof(struct tel_commit, member)

static const struct {
    const char *name;
    size_t at;
    bool count;
} members[] = {
    {"hash", AT(hash), false},
    {"repo", AT(repo), false},
    {"branch", AT(branch), false},
    {"date", AT(date), false},
    {"author", AT(author), false},
    {"message", AT(message), false},
    {"files_changed", AT(files_changed), true},
    {"insertions", AT(insertions), true},
    {"deletions", AT(deletions), true},
};
enum { MEMBERS = sizeof members / sizeof members[0] };

void tel_commit_put(struct tel_buf *payload, const struct tel_commit *commit)
{
    const char *const from = (const char *)commit;

    for (int i = 0; i < MEMBERS; i++) {
        struct tel_str text;
        int64_t count;

        tel_buf_cstr(payload, i == 0 ? "{\"" : ", \"");
        tel_buf_cstr(payload, members[i].name);
        tel_buf_cstr(payload, "\": ");
        if (members[i].count) {
            memcpy(&count, from + members[i].at, sizeof count);
            tel_json_put_int(payload, count);
        } else {
            memcpy(&text, from + members[i].at, sizeof text);
            tel_json_put_text(payload, text.len > 0 ? text : TEL_STR_NONE);
        }
    }
    tel_buf_char(payload, '}');
}

bool tel_commit_is_likely(struct tel_str line)
{
    static const char mark[] = "\"" TEL_COMMIT_TYPE "\"";

    return memmem(line.ptr, line.len, mark, sizeof mark - 1) != NULL;
}

static struct tel_str decode(struct tel_str raw, struct tel_buf *memory)
{
    const size_t start = memory->len;

    if (!tel_json_unescape(raw, memory) || memory->overflow)
        return TEL_STR_NONE;
    return (struct tel_str){memory->ptr + start, memory->len - start};
}

static void take_member(struct tel_commit *commit, const struct tel_json_member *member,
                        struct tel_buf *memory)
{
    char *const into = (char *)commit;

    for (int i = 0; i < MEMBERS; i++) {
        struct tel_str text;
        int64_t count = 0;

        if (!tel_str_is(member->key, members[i].name))
            continue;
        if (members[i].count) {
            tel_json_to_i64(member->value, &count);
            memcpy(into + members[i].at, &count, sizeof count);
        } else {
            text = decode(member->value, memory);
            memcpy(into + members[i].at, &text, sizeof text);
        }
    }
}

bool tel_commit_read(struct tel_str line, struct tel_buf *memory, struct tel_commit_event *event)
{
    struct tel_str type = TEL_STR_NONE;
    struct tel_str payload = TEL_STR_NONE;
    struct tel_json_iter iter;
    struct tel_json_member member;

    *event = (struct tel_commit_event){0};
    tel_json_iter_init(&iter, line);
    while (tel_json_iter_next(&iter, &member) == 1) {
        if (tel_str_is(member.key, "event_type"))
            type = member.value;
        else if (tel_str_is(member.key, "run_id"))
            event->run_id = decode(member.value, memory);
        else if (tel_str_is(member.key, "timestamp"))
            event->timestamp = decode(member.value, memory);
        else if (tel_str_is(member.key, "payload_json"))
            payload = decode(member.value, memory);
    }
    if (!tel_str_is(type, "\"" TEL_COMMIT_TYPE "\"") || payload.ptr == NULL)
        return false;
    tel_json_iter_init(&iter, payload);
    while (tel_json_iter_next(&iter, &member) == 1)
        take_member(&event->commit, &member, memory);
    return event->commit.hash.len > 0;
}
