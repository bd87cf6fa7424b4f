/* Run lines: taken apart, changed, written. */
#include "runline.h"

#include <string.h>

#include "clock.h"
#include "json_write.h"

/* Python's writer escapes no ASCII letter, so this is for the lines of others. Text that does not
 * fit is longer than any name compared here. */
static struct tel_str unescape_short(struct tel_str raw, struct tel_buf *buf)
{
    return tel_json_unescape(raw, buf) ? tel_buf_view(buf) : TEL_STR_NONE;
}

static bool raw_is(struct tel_str raw, const char *text)
{
    char memory[32];
    struct tel_buf buf;

    tel_buf_init(&buf, memory, sizeof(memory));
    return tel_str_is(unescape_short(raw, &buf), text);
}

/* The field a member's key names, or -1. */
static int find_field(const struct tel_field *table, int count, struct tel_str key, int hint)
{
    int field = tel_field_find(table, count, key, hint);
    struct tel_str quoted = {key.ptr - 1, key.len + 2};
    char memory[32];
    struct tel_buf buf;

    if (field >= 0 || tel_str_find(key, '\\') < 0)
        return field;
    tel_buf_init(&buf, memory, sizeof(memory));
    return tel_field_find(table, count, unescape_short(quoted, &buf), hint);
}

/* One kind of object: its fields, and where their values go. */
struct target {
    const struct tel_field *table;
    int count;
    struct tel_str *slots;
    struct tel_str *process; /* slots of the process object, which a run line has */
};

/* Takes the next key. *field becomes its field, or -1; hint is the one to be expected. */
static int next_field(struct tel_json_iter *iter, const struct target *target, int hint, int *field)
{
    struct tel_str key;
    int more;

    if (hint < target->count) {
        key = tel_field_name(&target->table[hint]);
        *field = hint;
        if (tel_json_iter_expect_key(iter, key))
            return 1;
    }
    more = tel_json_iter_next_key(iter, &key);
    if (more > 0)
        *field = find_field(target->table, target->count, key, hint);
    return more;
}

static int take_value(struct tel_json_iter *iter, const struct target *target, int field);

/* Fills slots from the members that iter walks; returns its last answer. */
static int split_members(struct tel_json_iter *iter, const struct target *target)
{
    int hint = 0;
    int field = -1;
    int more;

    while ((more = next_field(iter, target, hint, &field)) > 0) {
        if (take_value(iter, target, field) < 0)
            return -1;
        if (field >= 0)
            hint = field + 1;
    }
    return more;
}

/* Anything but an object sets nothing. */
static int split_process(struct tel_json_iter *iter, struct tel_str *slots, struct tel_str *value)
{
    struct target target = {tel_process_fields, TEL_PROC_FIELDS, slots, NULL};
    struct tel_json_iter inner;

    memset(slots, 0, TEL_PROC_FIELDS * sizeof(*slots)); /* of repeated keys the last one counts */
    if (!tel_json_iter_enter(iter, &inner))
        return tel_json_iter_value(iter, value);
    split_members(&inner, &target);
    return tel_json_iter_leave(iter, &inner, value);
}

static int take_value(struct tel_json_iter *iter, const struct target *target, int field)
{
    struct tel_str value;
    int more;

    if (target->process != NULL && field == TEL_RUN_PROCESS)
        more = split_process(iter, target->process, &value);
    else
        more = tel_json_iter_value(iter, &value);
    if (more > 0 && field >= 0)
        target->slots[field] = value;
    return more;
}

static bool split_line(struct tel_str text, struct tel_runline *out)
{
    struct target target = {tel_run_fields, TEL_RUN_FIELDS, out->run, out->process};
    struct tel_json_iter iter;

    tel_json_iter_init(&iter, text);
    return split_members(&iter, &target) == 0;
}

static bool is_string(struct tel_str raw)
{
    return raw.ptr != NULL && tel_json_type_of(raw) == TEL_JSON_STRING;
}

static bool is_null(struct tel_str raw)
{
    return raw.ptr == NULL || tel_json_type_of(raw) == TEL_JSON_NULL;
}

static enum tel_line_kind kind_of(const struct tel_runline *line)
{
    struct tel_str type = line->run[TEL_RUN_RECORD_TYPE];

    if (!is_string(line->run[TEL_RUN_RUN_ID]))
        return TEL_LINE_OTHER;
    if ((type.ptr == NULL || raw_is(type, "run")) && !is_null(line->run[TEL_RUN_AGENT_NAME]))
        return TEL_LINE_RUN;
    return type.ptr != NULL && raw_is(type, "event") ? TEL_LINE_EVENT : TEL_LINE_OTHER;
}

enum tel_line_kind tel_runline_parse(struct tel_str line, struct tel_runline *out)
{
    enum tel_line_kind kind = TEL_LINE_BAD;
    struct tel_str run_id;

    *out = (struct tel_runline){0};
    if (split_line(line, out))
        kind = kind_of(out);
    if (kind == TEL_LINE_RUN)
        return kind;
    run_id = out->run[TEL_RUN_RUN_ID];
    *out = (struct tel_runline){0};
    if (kind == TEL_LINE_EVENT)
        out->run[TEL_RUN_RUN_ID] = run_id;
    return kind;
}

static void put_member(struct tel_buf *buf, const struct tel_field *field, struct tel_str value,
                       bool first)
{
    tel_buf_str(buf, first ? TEL_STR("\"") : TEL_STR(", \""));
    tel_buf_str(buf, tel_field_name(field));
    tel_buf_str(buf, TEL_STR("\": "));
    if (value.ptr == NULL)
        tel_buf_cstr(buf, tel_field_unset(field));
    else
        tel_buf_str(buf, value);
}

static bool any_set(const struct tel_str *slots, int count)
{
    for (int i = 0; i < count; i++) {
        if (slots[i].ptr != NULL)
            return true;
    }
    return false;
}

static void put_process(struct tel_buf *buf, const struct tel_str *slots)
{
    tel_buf_cstr(buf, ", \"process\": {");
    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        put_member(buf, &tel_process_fields[i], slots[i], i == 0);
    tel_buf_char(buf, '}');
}

bool tel_runline_has_process(const struct tel_runline *line)
{
    for (int i = 0; i < TEL_PROC_FIELDS; i++)
        if (line->process[i].ptr != NULL)
            return true;
    return false;
}

void tel_runline_put(struct tel_buf *buf, const struct tel_runline *line)
{
    tel_buf_char(buf, '{');
    for (int i = 0; i < TEL_RUN_PROCESS; i++)
        put_member(buf, &tel_run_fields[i], line->run[i], i == 0);
    if (any_set(line->process, TEL_PROC_FIELDS))
        put_process(buf, line->process);
    tel_buf_cstr(buf, "}\n");
}

/* Points slot at what was appended to scratch since from. */
static void take_rendered(struct tel_str *slot, const struct tel_buf *scratch, size_t from)
{
    if (!scratch->overflow)
        *slot = (struct tel_str){scratch->ptr + from, scratch->len - from};
}

void tel_slot_text(struct tel_str *slot, struct tel_buf *scratch, struct tel_str text)
{
    size_t from = scratch->len;

    tel_json_put_text(scratch, text);
    take_rendered(slot, scratch, from);
}

void tel_slot_int(struct tel_str *slot, struct tel_buf *scratch, int64_t value)
{
    size_t from = scratch->len;

    tel_json_put_int(scratch, value);
    take_rendered(slot, scratch, from);
}

void tel_slot_bool(struct tel_str *slot, bool value)
{
    *slot = value ? TEL_STR("true") : TEL_STR("false");
}

void tel_slot_time(struct tel_str *slot, struct tel_buf *scratch, int64_t realtime_ns)
{
    size_t from = scratch->len;

    tel_buf_char(scratch, '"');
    tel_time_put(scratch, realtime_ns);
    tel_buf_char(scratch, '"');
    take_rendered(slot, scratch, from);
}
