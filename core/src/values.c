/* See values.h. */
#include "values.h"

#include "base/config.h"
#include "base/ending.h"
#include "base/json_write.h"
#include "journal_scan.h"

#include <errno.h>
#include <string.h>

#define BIT(field) (UINT64_C(1) << (field))

static const uint64_t settable =
    BIT(TEL_RUN_TRIGGER_TYPE) | BIT(TEL_RUN_AGENT_OWNER) | BIT(TEL_RUN_STATUS) |
    BIT(TEL_RUN_ITEMS_DISCOVERED) | BIT(TEL_RUN_ITEMS_SUCCEEDED) | BIT(TEL_RUN_ITEMS_FAILED) |
    BIT(TEL_RUN_INPUT_SUMMARY) | BIT(TEL_RUN_OUTPUT_SUMMARY) | BIT(TEL_RUN_ERROR_SUMMARY) |
    BIT(TEL_RUN_METRICS_JSON) | BIT(TEL_RUN_INSIGHT_ID) | BIT(TEL_RUN_PRODUCT) |
    BIT(TEL_RUN_PLATFORM) | BIT(TEL_RUN_PRODUCT_FAMILY) | BIT(TEL_RUN_SUBDOMAIN) |
    BIT(TEL_RUN_GIT_REPO) | BIT(TEL_RUN_GIT_BRANCH) | BIT(TEL_RUN_GIT_RUN_TAG);

int tel_values_field(struct tel_str name)
{
    const int field = tel_field_find(tel_run_fields, TEL_RUN_FIELDS, name, -1);

    return field >= 0 && (settable & BIT(field)) != 0 ? field : -1;
}

bool tel_values_is_count(int field)
{
    return field >= TEL_RUN_ITEMS_DISCOVERED && field < TEL_RUN_ITEMS_DISCOVERED + TEL_COUNTS;
}

/* --- writing --------------------------------------------------------------------------------- */

void tel_said_begin(struct tel_buf *line, const char *what)
{
    tel_buf_cstr(line, "{\"");
    tel_buf_cstr(line, what);
    tel_buf_cstr(line, "\": {");
}

void tel_said_end(struct tel_buf *line)
{
    tel_buf_cstr(line, "}}\n");
}

static void put_name(struct tel_buf *line, int field)
{
    if (line->len > 0 && line->ptr[line->len - 1] != '{')
        tel_buf_cstr(line, ", ");
    tel_buf_char(line, '"');
    tel_buf_cstr(line, tel_field_name(&tel_run_fields[field]).ptr);
    tel_buf_cstr(line, "\": ");
}

static int refuse(struct tel_error *err, int field, const char *wanted)
{
    return tel_fail(err, TEL_ERR_INVALID, tel_field_name(&tel_run_fields[field]).ptr, " takes ",
                    wanted, NULL);
}

static int check_text(int field, struct tel_str text, struct tel_error *err)
{
    if (field == TEL_RUN_STATUS && !tel_str_in_list(text, "success failed partial"))
        return refuse(err, field, "success, failed or partial");
    if (text.len == 0)
        return 0;
    if (field == TEL_RUN_TRIGGER_TYPE && !tel_str_in_list(text, "cli web scheduler mcp manual"))
        return refuse(err, field, "cli, web, scheduler, mcp or manual");
    if (field == TEL_RUN_METRICS_JSON && (text.len > TEL_METRICS_JSON_MAX || !tel_json_valid(text)))
        return refuse(err, field, "valid JSON of at most 8192 bytes");
    return 0;
}

int tel_said_put_text(struct tel_buf *line, int field, struct tel_str text, struct tel_error *err)
{
    int status;

    if (field < 0 || (settable & BIT(field)) == 0 || tel_values_is_count(field))
        return tel_fail(err, TEL_ERR_INVALID, "this is no text that can be set", NULL);
    status = check_text(field, text, err);
    if (status < 0)
        return status;
    if (field != TEL_RUN_METRICS_JSON)
        text = tel_str_cut_utf8(text, TEL_TEXT_MAX);
    put_name(line, field);
    tel_json_put_text(line, text.len > 0 ? text : TEL_STR_NONE);
    return 0;
}

int tel_said_put_count(struct tel_buf *line, int field, int64_t count, struct tel_error *err)
{
    if (!tel_values_is_count(field))
        return tel_fail(err, TEL_ERR_INVALID, "this is no count", NULL);
    if (count < 0)
        return refuse(err, field, "a whole number of 0 or more");
    put_name(line, field);
    tel_json_put_int(line, count);
    return 0;
}

int tel_said_parse_count(struct tel_str text, int64_t *count, struct tel_error *err)
{
    uint64_t number;

    if (!tel_str_to_u64(text, &number) || number > INT64_MAX)
        return tel_fail(err, TEL_ERR_INVALID, "a whole number of 0 or more is needed", NULL);
    *count = (int64_t)number;
    return 0;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Never negative, never more than fits. */
static int64_t sum_of(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static bool read_count(struct tel_str raw, int64_t *count)
{
    return tel_json_to_i64(raw, count) && *count >= 0;
}

static bool is_status(struct tel_str raw)
{
    return raw.len > 2 &&
           tel_str_in_list((struct tel_str){raw.ptr + 1, raw.len - 2}, "success failed partial");
}

static void take_set(struct tel_values *values, int field, const struct tel_json_member *member)
{
    int64_t count;

    if (tel_values_is_count(field)) {
        if (!read_count(member->value, &count))
            return;
        values->add[field - TEL_RUN_ITEMS_DISCOVERED] = 0;
    } else if ((member->type != TEL_JSON_STRING && member->type != TEL_JSON_NULL) ||
               (field == TEL_RUN_STATUS && !is_status(member->value))) {
        return;
    }
    values->set[field] = member->value;
    values->any = true;
}

static void take_add(struct tel_values *values, int field, const struct tel_json_member *member)
{
    int64_t *add;
    int64_t count;

    if (!tel_values_is_count(field) || !read_count(member->value, &count))
        return;
    add = &values->add[field - TEL_RUN_ITEMS_DISCOVERED];
    *add = sum_of(*add, count);
    values->any = true;
}

static void read_members(struct tel_values *values, struct tel_str what, struct tel_str object)
{
    const bool adds = tel_str_is(what, TEL_SAID_ADD);
    struct tel_json_iter iter;
    struct tel_json_member member;

    if (!adds && !tel_str_is(what, TEL_SAID_SET) && !tel_str_is(what, TEL_SAID_FINAL))
        return;
    values->final = values->final || tel_str_is(what, TEL_SAID_FINAL);
    tel_json_iter_init(&iter, object);
    while (tel_json_iter_next(&iter, &member) == 1) {
        const int field = tel_values_field(member.key);

        if (field < 0)
            continue;
        if (adds)
            take_add(values, field, &member);
        else
            take_set(values, field, &member);
    }
}

static void read_line(struct tel_values *values, struct tel_str line)
{
    struct tel_json_iter iter;
    struct tel_json_member member;

    /* The rest of a line that the disk did not take whole was never acknowledged. */
    if (line.len == 0 || line.ptr[line.len - 1] != '\n' || !tel_json_valid(line))
        return;
    tel_json_iter_init(&iter, line);
    while (tel_json_iter_next(&iter, &member) == 1)
        if (member.type == TEL_JSON_OBJECT)
            read_members(values, member.key, member.value);
}

void tel_values_read(struct tel_values *values, struct tel_str lines)
{
    struct tel_str line;

    memset(values, 0, sizeof *values);
    while (tel_line_next(&lines, &line))
        read_line(values, line);
}

/* --- applying -------------------------------------------------------------------------------- */

bool tel_values_any_add(const struct tel_values *values)
{
    for (int i = 0; i < TEL_COUNTS; i++)
        if (values->add[i] != 0)
            return true;
    return false;
}

/* What the count will be. */
static int64_t total_of(const struct tel_values *values, const struct tel_runline *line, int field)
{
    const struct tel_str set = values->set[field];
    int64_t count = 0;

    if (!read_count(set.ptr != NULL ? set : line->run[field], &count))
        count = 0;
    return sum_of(count, values->add[field - TEL_RUN_ITEMS_DISCOVERED]);
}

void tel_values_put_final(struct tel_buf *out, const struct tel_values *values,
                          const struct tel_runline *line)
{
    tel_said_begin(out, TEL_SAID_FINAL);
    for (int i = 0; i < TEL_COUNTS; i++) {
        const int field = TEL_RUN_ITEMS_DISCOVERED + i;

        if (values->add[i] != 0)
            tel_said_put_count(out, field, total_of(values, line, field), NULL);
    }
    tel_said_end(out);
}

static bool is_unset(struct tel_str raw)
{
    return raw.ptr == NULL || tel_str_is(raw, "null");
}

static bool change(struct tel_str *slot, struct tel_str value)
{
    const bool same =
        is_unset(*slot) ? is_unset(value) : !is_unset(value) && tel_str_equal(*slot, value);

    if (!same)
        *slot = value;
    return !same;
}

static bool apply_count(const struct tel_values *values, struct tel_runline *line, int field,
                        struct tel_buf *scratch)
{
    const struct tel_str before = line->run[field];

    tel_slot_int(&line->run[field], scratch, total_of(values, line, field));
    return !tel_str_equal(before.ptr == NULL ? TEL_STR("0") : before, line->run[field]);
}

static bool apply_field(const struct tel_values *values, struct tel_runline *line, int field,
                        struct tel_buf *scratch)
{
    const struct tel_str value = values->set[field];

    if (tel_values_is_count(field) &&
        (value.ptr != NULL || values->add[field - TEL_RUN_ITEMS_DISCOVERED] != 0))
        return apply_count(values, line, field, scratch);
    if (value.ptr == NULL)
        return false;
    if (field == TEL_RUN_STATUS && !tel_ending_leaves_status(line))
        return false;
    return change(&line->run[field], value);
}

bool tel_values_apply(const struct tel_values *values, struct tel_runline *line,
                      struct tel_buf *scratch)
{
    bool changed = false;

    for (int field = 0; field < TEL_RUN_FIELDS; field++)
        changed = apply_field(values, line, field, scratch) || changed;
    return changed;
}
