/* See run_text.h. */
#include "run_text.h"

#include "base/json_scan.h"
#include "base/json_write.h"
#include "complain.h"
#include "visible.h"

#include <stdlib.h>
#include <string.h>

void run_text_json_string(FILE *out, struct tel_str text)
{
    const size_t cap = text.len * 6 + 8; /* \uXXXX for each byte, quotes */
    char *memory = must_alloc(cap);
    struct tel_buf buf;

    tel_buf_init(&buf, memory, cap);
    tel_json_put_text(&buf, text);
    fwrite(buf.ptr, 1, buf.len, out);
    free(memory);
}

/* The database may have been written by others: what does not look like its kind becomes text. */
static void put_value(FILE *out, const struct tel_field *field, struct tel_str value)
{
    int64_t number;

    if (value.ptr == NULL)
        fputs("null", out);
    else if (field->kind == TEL_KIND_BOOL && tel_json_to_i64(value, &number))
        fputs(number != 0 ? "true" : "false", out);
    else if (field->kind == TEL_KIND_INTEGER && tel_json_to_i64(value, &number))
        fprintf(out, "%lld", (long long)number);
    else if (field->kind == TEL_KIND_JSON && tel_json_valid(value))
        fwrite(value.ptr, 1, value.len, out);
    else
        run_text_json_string(out, value);
}

static void put_members(FILE *out, const struct tel_field *fields, const struct tel_str *values,
                        int count)
{
    for (int i = 0; i < count; i++) {
        fprintf(out, "%s\"%s\": ", i > 0 ? ", " : "", tel_field_name(&fields[i]).ptr);
        put_value(out, &fields[i], values[i]);
    }
}

void run_text_json_begin(FILE *out, const struct tel_run_row *row)
{
    fputc('{', out);
    put_members(out, tel_run_fields, row->run, TEL_RUN_UPDATED_AT + 1);
    fputs(", \"process\": ", out);
    if (row->has_process) {
        fputc('{', out);
        put_members(out, tel_process_fields, row->process, TEL_PROC_FIELDS);
        fputc('}', out);
    } else {
        fputs("null", out);
    }
}

void run_text_json(FILE *out, const struct tel_run_row *row, const char *more)
{
    run_text_json_begin(out, row);
    fprintf(out, "%s}", more);
}

/* The columns of agent_runs (CONTRACT 4), whose order is not that of a journal line's keys. */
static const unsigned char csv_columns[] = {
    TEL_RUN_RUN_ID,          TEL_RUN_SCHEMA_VERSION,
    TEL_RUN_AGENT_NAME,      TEL_RUN_AGENT_OWNER,
    TEL_RUN_JOB_TYPE,        TEL_RUN_TRIGGER_TYPE,
    TEL_RUN_START_TIME,      TEL_RUN_END_TIME,
    TEL_RUN_STATUS,          TEL_RUN_ITEMS_DISCOVERED,
    TEL_RUN_ITEMS_SUCCEEDED, TEL_RUN_ITEMS_FAILED,
    TEL_RUN_DURATION_MS,     TEL_RUN_INPUT_SUMMARY,
    TEL_RUN_OUTPUT_SUMMARY,  TEL_RUN_ERROR_SUMMARY,
    TEL_RUN_METRICS_JSON,    TEL_RUN_INSIGHT_ID,
    TEL_RUN_PRODUCT,         TEL_RUN_PLATFORM,
    TEL_RUN_PRODUCT_FAMILY,  TEL_RUN_SUBDOMAIN,
    TEL_RUN_GIT_REPO,        TEL_RUN_GIT_BRANCH,
    TEL_RUN_GIT_RUN_TAG,     TEL_RUN_HOST,
    TEL_RUN_API_POSTED,      TEL_RUN_API_POSTED_AT,
    TEL_RUN_API_RETRY_COUNT, TEL_RUN_CREATED_AT,
    TEL_RUN_UPDATED_AT,
};
enum { CSV_COLUMNS = sizeof csv_columns / sizeof csv_columns[0] };

static bool needs_quotes(struct tel_str value)
{
    return value.len == 0 || tel_str_find(value, ',') >= 0 || tel_str_find(value, '"') >= 0 ||
           tel_str_find(value, '\n') >= 0 || tel_str_find(value, '\r') >= 0;
}

static void put_csv_value(FILE *out, struct tel_str value)
{
    if (!needs_quotes(value)) {
        fwrite(value.ptr, 1, value.len, out);
        return;
    }
    fputc('"', out);
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"')
            fputc('"', out);
        fputc(value.ptr[i], out);
    }
    fputc('"', out);
}

void run_text_csv_header(FILE *out)
{
    for (int i = 0; i < CSV_COLUMNS; i++)
        fprintf(out, "%s%s", i > 0 ? "," : "", tel_field_name(&tel_run_fields[csv_columns[i]]).ptr);
    fputs("\r\n", out);
}

void run_text_csv(FILE *out, const struct tel_run_row *row, bool visible)
{
    for (int i = 0; i < CSV_COLUMNS; i++) {
        const struct tel_str value = row->run[csv_columns[i]];
        char *shown = visible && value.ptr != NULL ? visible_text(value) : NULL;

        if (i > 0)
            fputc(',', out);
        if (value.ptr != NULL)
            put_csv_value(out, shown != NULL ? tel_str_from(shown) : value);
        free(shown);
    }
    fputs("\r\n", out);
}
