/* telemetry set, add, status: what a run says about itself, from any language that can start a
 * command. */
#include "args.h"
#include "cli.h"
#include "complain.h"
#include "speak.h"
#include "suggest.h"
#include "values.h"

#include <string.h>

enum { SAID_MAX = 256 * 1024 };

static int refuse_field(struct tel_str name)
{
    char text[32];
    struct tel_buf buf;
    struct suggestion near;

    tel_buf_init(&buf, text, sizeof text);
    tel_buf_str(&buf, name);
    if (tel_buf_terminate(&buf) == NULL) {
        complain("there is no field with a name as long as that");
        return CLI_USAGE;
    }
    near = suggest_for(text);
    for (int i = 0; i < TEL_RUN_FIELDS; i++)
        if (i != TEL_RUN_STATUS && tel_values_field(tel_field_name(&tel_run_fields[i])) >= 0)
            suggest_offer(&near, tel_field_name(&tel_run_fields[i]).ptr);
    if (near.best != NULL)
        complain("'%s' is no field that can be set; did you mean %s?", text, near.best);
    else
        complain("'%s' is no field that can be set; 'telemetry set --help' lists them", text);
    return CLI_USAGE;
}

/* "FIELD=VALUE" into its two halves; the field's number, or -1 when that has been complained of. */
static int split(const char *word, struct tel_str *value)
{
    const struct tel_str all = tel_str_from(word);
    const ptrdiff_t equals = tel_str_find(all, '=');
    struct tel_str name;
    int field;

    if (equals < 0) {
        complain("'%s' is not of the form FIELD=VALUE", word);
        return -1;
    }
    name = (struct tel_str){all.ptr, (size_t)equals};
    *value = tel_str_from_pos(all, (size_t)equals + 1);
    field = tel_values_field(name);
    if (field == TEL_RUN_STATUS) {
        complain("the status is set by 'telemetry status %s'", value->ptr);
        return -1;
    }
    if (field < 0)
        refuse_field(name);
    return field;
}

static int put_count(struct tel_buf *said, int field, struct tel_str value, struct tel_error *err)
{
    int64_t count;

    if (tel_said_parse_count(value, &count, NULL) < 0)
        count = -1; /* refused in the same words */
    return tel_said_put_count(said, field, count, err);
}

static int put_word(struct tel_buf *said, const char *what, const char *word)
{
    struct tel_error err = {0};
    struct tel_str value;
    const int field = split(word, &value);
    int status;

    if (field < 0)
        return CLI_USAGE;
    if (tel_values_is_count(field))
        status = put_count(said, field, value, &err);
    else if (strcmp(what, TEL_SAID_ADD) == 0)
        status = tel_fail(&err, TEL_ERR_INVALID, tel_field_name(&tel_run_fields[field]).ptr,
                          " is no count", NULL);
    else
        status = tel_said_put_text(said, field, value, &err);
    return status < 0 ? speak_failed(&err) : CLI_OK;
}

/* All of them or none: everything is checked before anything is said. */
static int put_words(struct tel_buf *said, const char *what, const struct arg_operands *words)
{
    int exit_code = CLI_OK;

    tel_said_begin(said, what);
    for (int i = 0; i < words->count && exit_code == CLI_OK; i++)
        exit_code = put_word(said, what, words->at[i]);
    tel_said_end(said);
    if (exit_code == CLI_OK && said->overflow) {
        complain("this is more than can be set at once");
        exit_code = CLI_USAGE;
    }
    return exit_code;
}

static int say(const char *run_id, const struct tel_buf *said)
{
    static struct speaker speaker;
    struct tel_error err = {0};
    int exit_code;

    if (!speak_find(&speaker, run_id, &exit_code))
        return exit_code;
    return tel_voice_say(&speaker.voice, tel_buf_view(said), &err) < 0 ? speak_failed(&err)
                                                                       : CLI_OK;
}

static int say_words(const char *run_id, const char *what, const struct arg_operands *words)
{
    static char memory[SAID_MAX];
    struct tel_buf said;
    int exit_code;

    tel_buf_init(&said, memory, sizeof memory);
    exit_code = put_words(&said, what, words);
    return exit_code == CLI_OK ? say(run_id, &said) : exit_code;
}

int cmd_set(int argc, char **argv)
{
    const char *run_id = NULL;
    const struct arg_option options[] = {{"run", "ID", SPEAK_RUN_HELP, arg_text, &run_id}};
    const struct arg_spec spec = {
        .command = "set",
        .synopsis = "[--run ID] FIELD=VALUE...",
        .about = "Sets fields of the run that this is started in. They are on its row when it has\n"
                 "ended, however it ends. A value that is empty unsets the field.\n"
                 "\n"
                 "counts  items_discovered, items_succeeded, items_failed\n"
                 "texts   input_summary, output_summary, error_summary, metrics_json (JSON),\n"
                 "        insight_id, product, platform, product_family, subdomain, git_repo,\n"
                 "        git_branch, git_run_tag, agent_owner, trigger_type\n",
        .options = options,
        .option_count = 1,
        .examples = "  telemetry set items_discovered=10 output_summary='10 pages'\n"
                    "  telemetry set metrics_json='{\"tokens\": 812}'\n",
        .min_operands = 1,
        .max_operands = -1,
        .operand = "FIELD=VALUE",
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code)
               ? say_words(run_id, TEL_SAID_SET, &operands)
               : exit_code;
}

int cmd_add(int argc, char **argv)
{
    const char *run_id = NULL;
    const struct arg_option options[] = {{"run", "ID", SPEAK_RUN_HELP, arg_text, &run_id}};
    const struct arg_spec spec = {
        .command = "add",
        .synopsis = "[--run ID] COUNT=N...",
        .about = "Adds to counts of the run that this is started in: items_discovered,\n"
                 "items_succeeded, items_failed. Any number of processes may do so at once.\n",
        .options = options,
        .option_count = 1,
        .examples = "  telemetry add items_succeeded=1\n",
        .min_operands = 1,
        .max_operands = -1,
        .operand = "COUNT=N",
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code)
               ? say_words(run_id, TEL_SAID_ADD, &operands)
               : exit_code;
}

static int say_status(const char *run_id, const char *word, const char *summary)
{
    static char memory[SAID_MAX];
    struct tel_error err = {0};
    struct tel_buf said;
    /* What is said of a run that did not go well is its error; else it is its output. */
    const int field = strcmp(word, "success") == 0 ? TEL_RUN_OUTPUT_SUMMARY : TEL_RUN_ERROR_SUMMARY;
    int status;

    tel_buf_init(&said, memory, sizeof memory);
    tel_said_begin(&said, TEL_SAID_SET);
    status = tel_said_put_text(&said, TEL_RUN_STATUS, tel_str_from(word), &err);
    if (status == 0 && summary != NULL)
        status = tel_said_put_text(&said, field, tel_str_from(summary), &err);
    tel_said_end(&said);
    return status < 0 ? speak_failed(&err) : say(run_id, &said);
}

int cmd_status(int argc, char **argv)
{
    const char *run_id = NULL;
    const char *summary = NULL;
    const struct arg_option options[] = {
        {"summary", "TEXT", "why: the run's error_summary, or output_summary of a success",
         arg_text, &summary},
        {"run", "ID", SPEAK_RUN_HELP, arg_text, &run_id},
    };
    const struct arg_spec spec = {
        .command = "status",
        .synopsis = "[OPTION...] success|failed|partial",
        .about =
            "Says how the run that this is started in went. A crash, or an exit code that is no\n"
            "success, still makes it failed.\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .examples = "  telemetry status partial --summary '3 of 10 pages were not there'\n",
        .min_operands = 1,
        .max_operands = 1,
        .operand = "the status",
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code)
               ? say_status(run_id, operands.at[0], summary)
               : exit_code;
}
