/* telemetry_auto_*: what a program that knows of the shim may say of the run it is part of
 * (telemetry/auto.h). The collector writes it down: it has all that this takes, and the shim is in every
 * process. */
#include "base/sys.h"
#include "shim.h"

#define EXPORTED __attribute__((visibility("default")))

enum { TEXT_MAX = 80 * 1024, ANSWER_MS = 2000 };

EXPORTED const char *telemetry_auto_run_id(void);
EXPORTED int telemetry_auto_event(const char *type, const char *payload_json);
EXPORTED int telemetry_auto_set(const char *field, const char *value);

/* what and name with their NULs, and value without. */
static int say(const char *what, const char *name, const char *value)
{
    struct tel_recorder *recorder = tel_shim_recorder();
    char *memory = recorder == NULL ? NULL : tel_sys_map(TEXT_MAX);
    struct tel_message message;
    struct tel_buf text;
    int answer = -1;

    if (memory == NULL)
        return -1;
    tel_buf_init(&text, memory, TEXT_MAX);
    tel_buf_cstr(&text, what);
    tel_buf_char(&text, '\0');
    tel_buf_str(&text, tel_str_from(name));
    tel_buf_char(&text, '\0');
    tel_buf_str(&text, tel_str_from(value));
    tel_message_init(&message, TEL_REQUEST_SAY, tel_str_from(recorder->run_id));
    message.line = recorder->owner.start;
    if (!text.overflow)
        answer = tel_proto_ask(&recorder->dir, &message, tel_buf_view(&text), ANSWER_MS);
    tel_sys_unmap(memory, TEXT_MAX);
    return answer == TEL_ANSWER_DONE ? 0 : -1;
}

const char *telemetry_auto_run_id(void)
{
    const struct tel_recorder *recorder = tel_shim_recorder();

    return recorder == NULL ? NULL : recorder->run_id;
}

int telemetry_auto_event(const char *type, const char *payload_json)
{
    return say(TEL_SAY_EVENT, type, payload_json);
}

int telemetry_auto_set(const char *field, const char *value)
{
    return say(TEL_SAY_SET, field, value);
}
