/* The tables of run and process fields. */
#include "fields.h"

#include <stddef.h>

/* All names, one behind the other. */
#define RUN_NAME(id, name, kind, unset) char run_##id[sizeof(name)];
#define PROCESS_NAME(id, name, kind, unset) char process_##id[sizeof(name)];
#define TEXT_OF(id, name, kind, unset) name,

static const struct names {
    TEL_RUN_FIELD_LIST(RUN_NAME)
    TEL_PROCESS_FIELD_LIST(PROCESS_NAME)
} names = {TEL_RUN_FIELD_LIST(TEXT_OF) TEL_PROCESS_FIELD_LIST(TEXT_OF)};

#define FIELD(member, name, kind_of, unset_as)                                                     \
    {offsetof(struct names, member), sizeof(name) - 1, TEL_KIND_##kind_of, TEL_UNSET_##unset_as},
#define RUN_FIELD(id, name, kind, unset) FIELD(run_##id, name, kind, unset)
#define PROCESS_FIELD(id, name, kind, unset) FIELD(process_##id, name, kind, unset)

const struct tel_field tel_run_fields[TEL_RUN_FIELDS] = {TEL_RUN_FIELD_LIST(RUN_FIELD)};
const struct tel_field tel_process_fields[TEL_PROC_FIELDS] = {
    TEL_PROCESS_FIELD_LIST(PROCESS_FIELD)};

struct tel_str tel_field_name(const struct tel_field *field)
{
    return (struct tel_str){(const char *)&names + field->name_at, field->name_len};
}

const char *tel_field_unset(const struct tel_field *field)
{
    static const char texts[][6] = {
        [TEL_UNSET_NONE] = "null", [TEL_UNSET_ZERO] = "0",      [TEL_UNSET_FALSE] = "false",
        [TEL_UNSET_SCHEMA] = "3",  [TEL_UNSET_RUN] = "\"run\"",
    };

    return texts[field->unset];
}

int tel_field_find(const struct tel_field *table, int count, struct tel_str name, int hint)
{
    if (hint >= 0 && hint < count && tel_str_equal(tel_field_name(&table[hint]), name))
        return hint;
    for (int i = 0; i < count; i++) {
        if (tel_str_equal(tel_field_name(&table[i]), name))
            return i;
    }
    return -1;
}
