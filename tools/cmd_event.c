/* telemetry event: logs an event of a run. */
#include "args.h"
#include "base/json_write.h"
#include "cli.h"
#include "complain.h"
#include "event_line.h"
#include "speak.h"

#include <string.h>

/* Escaped, each byte of a payload may take six. */
enum { PAYLOAD_ROOM = 6 * 64 * 1024 + 1 };

/* A JSON number, true, false or null stays what it is; everything else is text. */
static bool is_literal(struct tel_str value)
{
    if (value.len == 0 || !tel_json_valid(value) || value.ptr[0] == ' ' ||
        value.ptr[value.len - 1] == ' ')
        return false;
    switch (tel_json_type_of(value)) {
    case TEL_JSON_NULL:
    case TEL_JSON_BOOL:
    case TEL_JSON_NUMBER:
        return true;
    default:
        return false;
    }
}

static int put_pair(struct tel_buf *payload, const char *word, bool first)
{
    const struct tel_str all = tel_str_from(word);
    const ptrdiff_t equals = tel_str_find(all, '=');
    struct tel_str value;

    if (equals <= 0) {
        complain("'%s' is not of the form KEY=VALUE", word);
        return CLI_USAGE;
    }
    value = tel_str_from_pos(all, (size_t)equals + 1);
    tel_buf_cstr(payload, first ? "" : ", ");
    tel_json_put_text(payload, (struct tel_str){all.ptr, (size_t)equals});
    tel_buf_cstr(payload, ": ");
    if (is_literal(value))
        tel_buf_str(payload, value);
    else
        tel_json_put_text(payload, value);
    return CLI_OK;
}

/* A reader of the payload would see one of the two, and which is not said anywhere. */
static bool is_given_before(const struct arg_operands *operands, int at)
{
    const size_t len = strcspn(operands->at[at], "=") + 1;

    for (int i = 1; i < at; i++)
        if (strncmp(operands->at[i], operands->at[at], len) == 0)
            return true;
    return false;
}

static int put_pairs(struct tel_buf *payload, const struct arg_operands *operands)
{
    int exit_code = CLI_OK;

    tel_buf_char(payload, '{');
    for (int i = 1; i < operands->count && exit_code == CLI_OK; i++) {
        exit_code = put_pair(payload, operands->at[i], i == 1);
        if (exit_code == CLI_OK && is_given_before(operands, i)) {
            complain("'%s': there is another value of that key before", operands->at[i]);
            exit_code = CLI_USAGE;
        }
    }
    tel_buf_char(payload, '}');
    if (exit_code == CLI_OK && payload->overflow) {
        complain("the event's payload is too long");
        exit_code = CLI_USAGE;
    }
    return exit_code;
}

/* What is wrong with an event is said outside of a run, too. */
static int check(const char *type, struct tel_str payload)
{
    static char memory[TEL_EVENT_LINE_MAX];
    struct tel_error err = {0};
    struct tel_buf line;

    tel_buf_init(&line, memory, sizeof memory);
    if (tel_event_line_put(&line, TEL_STR(""), tel_str_from(type), payload, 0, &err) == 0)
        return CLI_OK;
    complain("%s", err.message);
    return CLI_USAGE;
}

static int log_event(const char *run_id, const char *type, struct tel_str payload)
{
    static struct speaker speaker;
    struct tel_error err = {0};
    int exit_code = check(type, payload);

    if (exit_code != CLI_OK || !speak_find(&speaker, run_id, &exit_code))
        return exit_code;
    return tel_voice_event(&speaker.voice, tel_str_from(type), payload, &err) < 0
               ? speak_failed(&err)
               : CLI_OK;
}

static int make_event(const char *run_id, const char *json, const struct arg_operands *operands)
{
    static char memory[PAYLOAD_ROOM];
    struct tel_buf payload;
    int exit_code;

    if (json != NULL && operands->count > 1) {
        complain("--json and KEY=VALUE exclude each other");
        return CLI_USAGE;
    }
    if (operands->count == 1)
        return log_event(run_id, operands->at[0], tel_str_from(json));
    tel_buf_init(&payload, memory, sizeof memory);
    exit_code = put_pairs(&payload, operands);
    return exit_code == CLI_OK ? log_event(run_id, operands->at[0], tel_buf_view(&payload))
                               : exit_code;
}

int cmd_event(int argc, char **argv)
{
    const char *run_id = NULL;
    const char *json = NULL;
    const struct arg_option options[] = {
        {"json", "JSON", "the event's payload, any JSON value", arg_text, &json},
        {"run", "ID", SPEAK_RUN_HELP, arg_text, &run_id},
    };
    const struct arg_spec spec = {
        .command = "event",
        .synopsis = "[OPTION...] TYPE [KEY=VALUE...]",
        .about =
            "Logs an event of the run that this is started in: a line of the journal, which\n"
            "'telemetry show' shows. Of KEY=VALUE, a value that is a JSON number, true, false\n"
            "or null is taken as that, any other as text.\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .examples = "  telemetry event checkpoint step=3 file=/srv/in.csv\n"
                    "  telemetry event response --json '{\"code\": 200, \"tags\": [\"a\"]}'\n",
        .min_operands = 1,
        .max_operands = -1,
        .operand = "the event's type",
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code)
               ? make_event(run_id, json, &operands)
               : exit_code;
}
