/* See body.h. */
#include "body.h"

#include "base/json_write.h"

static const unsigned char posted_fields[] = {
    TEL_RUN_RUN_ID,           TEL_RUN_AGENT_NAME,      TEL_RUN_JOB_TYPE,     TEL_RUN_TRIGGER_TYPE,
    TEL_RUN_START_TIME,       TEL_RUN_STATUS,          TEL_RUN_AGENT_OWNER,  TEL_RUN_END_TIME,
    TEL_RUN_ITEMS_DISCOVERED, TEL_RUN_ITEMS_SUCCEEDED, TEL_RUN_ITEMS_FAILED, TEL_RUN_DURATION_MS,
    TEL_RUN_ERROR_SUMMARY,    TEL_RUN_PRODUCT,         TEL_RUN_PLATFORM,     TEL_RUN_PRODUCT_FAMILY,
    TEL_RUN_SUBDOMAIN,        TEL_RUN_GIT_REPO,        TEL_RUN_GIT_BRANCH,   TEL_RUN_HOST,
};

void tel_post_body_put(struct tel_buf *buf, const struct tel_runline *line)
{
    const char *separator = "{";

    for (size_t i = 0; i < sizeof posted_fields; i++) {
        const struct tel_field *field = &tel_run_fields[posted_fields[i]];
        struct tel_str value = line->run[posted_fields[i]];

        if (value.ptr == NULL)
            value = tel_str_from(tel_field_unset(field));
        if (tel_str_is(value, "null"))
            continue;
        tel_buf_cstr(buf, separator);
        tel_json_put_text(buf, tel_field_name(field));
        tel_buf_cstr(buf, ": ");
        tel_buf_str(buf, value);
        separator = ", ";
    }
    tel_buf_char(buf, '}');
}
