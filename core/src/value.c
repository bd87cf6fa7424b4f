/* Reading column values from JSON text: our own lines take the short ways, foreign ones whichever
 * way leads to a value. */
#include "value.h"

#include "base/config.h"
#include "base/json_scan.h"
#include "base/utf8.h"

#include <string.h>

/* Every byte that cannot be part of UTF-8 may become the three bytes of U+FFFD. */
enum { GROWTH = 3 };

#define EVERY_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

static bool has_byte(uint64_t word, uint64_t byte)
{
    word ^= EVERY_BYTE(byte);
    return ((word - EVERY_BYTE(1)) & ~word & EVERY_BYTE(0x80)) != 0;
}

/* ASCII without a backslash: what a JSON string means is then what it says. */
static bool is_plain(struct tel_str text)
{
    uint64_t word;
    size_t at = 0;

    for (; text.len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text.ptr + at, sizeof word);
        if ((word & EVERY_BYTE(0x80)) != 0 || has_byte(word, '\\'))
            return false;
    }
    for (; at < text.len; at++)
        if ((unsigned char)text.ptr[at] >= 0x80 || text.ptr[at] == '\\')
            return false;
    return true;
}

size_t tel_value_scratch(struct tel_str raw)
{
    return raw.ptr == NULL || is_plain(raw) ? 0 : GROWTH * raw.len;
}

struct tel_value tel_value_text(struct tel_str text)
{
    return (struct tel_value){TEL_VALUE_TEXT, 0, text};
}

struct tel_value tel_value_int(int64_t integer)
{
    return (struct tel_value){TEL_VALUE_INTEGER, integer, TEL_STR_NONE};
}

bool tel_value_is_empty(const struct tel_value *value)
{
    return value->type == TEL_VALUE_NULL || (value->type == TEL_VALUE_TEXT && value->text.len == 0);
}

bool tel_value_is_word(const struct tel_value *value, const char *word)
{
    return value->type == TEL_VALUE_TEXT && tel_str_is(value->text, word);
}

static struct tel_str inside_quotes(struct tel_str raw)
{
    return (struct tel_str){raw.ptr + 1, raw.len - 2};
}

/* What was appended to scratch since from; NULL should the caller have given too little of it. */
static struct tel_value appended(const struct tel_buf *scratch, size_t from)
{
    if (scratch->overflow)
        return TEL_VALUE_NONE;
    return tel_value_text((struct tel_str){scratch->ptr + from, scratch->len - from});
}

static struct tel_value decode_string(struct tel_str raw, struct tel_buf *scratch)
{
    size_t from = scratch->len;

    tel_json_unescape(raw, scratch);
    return appended(scratch, from);
}

/* raw itself with invalid UTF-8 replaced: Python's reader fails on a column that holds any. */
static struct tel_value clean_text(struct tel_str raw, struct tel_buf *scratch)
{
    size_t from = scratch->len;

    for (size_t at = 0; at < raw.len;) {
        uint32_t code_point;
        bool valid;

        at += tel_utf8_decode(tel_str_from_pos(raw, at), &code_point, &valid);
        tel_utf8_put(scratch, code_point);
    }
    return appended(scratch, from);
}

/* Numbers, booleans and containers where text is expected keep their JSON text. */
static struct tel_value text_value(struct tel_str raw, struct tel_buf *scratch)
{
    const bool plain = is_plain(raw);

    if (tel_json_type_of(raw) != TEL_JSON_STRING)
        return plain ? tel_value_text(raw) : clean_text(raw, scratch);
    return plain ? tel_value_text(inside_quotes(raw)) : decode_string(raw, scratch);
}

static struct tel_value json_value(struct tel_str raw, struct tel_buf *scratch)
{
    return is_plain(raw) ? tel_value_text(raw) : clean_text(raw, scratch);
}

static struct tel_value integer_value(struct tel_str raw)
{
    const enum tel_json_type type = tel_json_type_of(raw);
    int64_t integer;

    if (type == TEL_JSON_BOOL)
        return tel_value_int(raw.ptr[0] == 't');
    if (type == TEL_JSON_STRING)
        raw = tel_str_trim(inside_quotes(raw));
    return tel_json_to_i64(raw, &integer) ? tel_value_int(integer) : TEL_VALUE_NONE;
}

static struct tel_value bool_value(struct tel_str raw)
{
    struct tel_value value = integer_value(raw);
    int word;

    if (value.type == TEL_VALUE_INTEGER)
        return tel_value_int(value.integer != 0);
    if (tel_json_type_of(raw) != TEL_JSON_STRING)
        return TEL_VALUE_NONE;
    word = tel_config_parse_bool(inside_quotes(raw));
    return word < 0 ? TEL_VALUE_NONE : tel_value_int(word);
}

static struct tel_value known_value(const struct tel_field *field, struct tel_str raw,
                                    struct tel_buf *scratch)
{
    if (raw.ptr == NULL || tel_json_type_of(raw) == TEL_JSON_NULL)
        return TEL_VALUE_NONE;
    switch ((enum tel_field_kind)field->kind) {
    case TEL_KIND_INTEGER:
        return integer_value(raw);
    case TEL_KIND_BOOL:
        return bool_value(raw);
    case TEL_KIND_JSON:
        return json_value(raw, scratch);
    case TEL_KIND_TEXT:
        break;
    }
    return text_value(raw, scratch);
}

static struct tel_value default_of(const struct tel_field *field)
{
    if (field->kind == TEL_KIND_INTEGER || field->kind == TEL_KIND_BOOL)
        return integer_value(tel_str_from(tel_field_unset(field)));
    return TEL_VALUE_NONE;
}

struct tel_value tel_value_of(const struct tel_field *field, struct tel_str raw,
                              struct tel_buf *scratch)
{
    struct tel_value value = known_value(field, raw, scratch);

    return value.type == TEL_VALUE_NULL ? default_of(field) : value;
}
