/* Event lines: the contract's bytes, and what is refused. */
#include "event_line.h"

#include <cJSON.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "support/support.h"
#include "support/view.h"

static char memory[TEL_EVENT_LINE_MAX];
static struct tel_buf line;
static struct tel_error err;

static void set_up(void)
{
    tel_buf_init(&line, memory, sizeof memory);
}

TestSuite(event_line, .init = set_up);

static int put(const char *type, const char *payload)
{
    return tel_event_line_put(&line, TEL_STR("r-1"), tel_str_from(type), tel_str_from(payload),
                              INT64_C(1700000000123456789), &err);
}

Test(event_line, has_exactly_the_contracts_keys)
{
    cr_expect_eq(put("check", "{\"a\": \"\\u00e9\"}"), 0);
    cr_expect_str_eq(buf_text(&line),
                     "{\"run_id\": \"r-1\", \"event_type\": \"check\", \"timestamp\": "
                     "\"2023-11-14T22:13:20.123456+00:00\", \"payload_json\": "
                     "\"{\\\"a\\\": \\\"\\\\u00e9\\\"}\", \"id\": null, \"record_type\": "
                     "\"event\"}\n");
    line.len = 0;
    cr_expect_eq(put("check", NULL), 0);
    cr_expect(strstr(buf_text(&line), "\"payload_json\": null, ") != NULL);
}

/* Of lines of one second, of the next one, and of one before it. */
Test(event_line, each_has_its_own_time)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {INT64_C(1700000000000000999), "\"2023-11-14T22:13:20.000000+00:00\""},
        {INT64_C(1700000000999999999), "\"2023-11-14T22:13:20.999999+00:00\""},
        {INT64_C(1700000000000010000), "\"2023-11-14T22:13:20.000010+00:00\""},
        {INT64_C(1700000001000000000), "\"2023-11-14T22:13:21.000000+00:00\""},
        {INT64_C(1699999999500000000), "\"2023-11-14T22:13:19.500000+00:00\""},
        {0, "\"1970-01-01T00:00:00.000000+00:00\""},
        {-1, "\"1970-01-01T00:00:00.000000+00:00\""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        line.len = 0;
        cr_expect_eq(tel_event_line_put(&line, TEL_STR("r-1"), TEL_STR("x"), TEL_STR_NONE,
                                        cases[i].ns, &err),
                     0);
        cr_expect(strstr(buf_text(&line), cases[i].text) != NULL, "%s", buf_text(&line));
    }
}

Test(event_line, whatever_the_text_is_the_line_is_json)
{
    cJSON *parsed;

    cr_expect_eq(put("\xff\n\"type", "[\"\xc3\xa9\", null]"), 0);
    cr_expect_eq(strchr(memory, '\n'), memory + line.len - 1);
    parsed = cJSON_ParseWithLength(memory, line.len);
    cr_assert_not_null(parsed);
    cr_expect_str_eq(cJSON_GetObjectItem(parsed, "payload_json")->valuestring,
                     "[\"\xc3\xa9\", null]");
    cJSON_Delete(parsed);
}

Test(event_line, what_is_wrong_is_refused_and_leaves_nothing_behind)
{
    char *big = malloc(TEL_EVENT_PAYLOAD_MAX + 2);

    memset(big, '1', TEL_EVENT_PAYLOAD_MAX + 1);
    big[TEL_EVENT_PAYLOAD_MAX + 1] = '\0';
    cr_expect_eq(put("", NULL), TEL_ERR_INVALID);
    cr_expect_eq(put(NULL, NULL), TEL_ERR_INVALID);
    cr_expect_eq(put("x", "{bad"), TEL_ERR_INVALID);
    cr_expect_str_eq(err.message, "the event's payload is not valid JSON");
    cr_expect_eq(put("x", ""), TEL_ERR_INVALID);
    cr_expect_eq(put("x", big), TEL_ERR_INVALID);
    big[TEL_EVENT_TYPE_MAX + 1] = '\0';
    cr_expect_eq(put(big, NULL), TEL_ERR_INVALID);
    cr_expect_eq(line.len, 0);
    line.cap = 20;
    cr_expect_eq(put("x", NULL), -E2BIG);
    cr_expect_eq(line.len, 0);
    cr_expect_not(line.overflow);
    free(big);
}

Test(event_line, the_longest_payload_fits)
{
    char *big = malloc(TEL_EVENT_PAYLOAD_MAX + 1);

    memset(big, 0x7f, TEL_EVENT_PAYLOAD_MAX);
    big[0] = big[TEL_EVENT_PAYLOAD_MAX - 1] = '"';
    big[TEL_EVENT_PAYLOAD_MAX] = '\0';
    cr_expect_eq(put("x", big), 0, "%s", err.message);
    free(big);
}
