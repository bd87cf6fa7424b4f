/* See args.h. */
#include "args.h"

#include "base/buf.h"
#include "cli.h"
#include "complain.h"
#include "output.h"
#include "suggest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* --- help ------------------------------------------------------------------------------------ */

static const struct arg_option help_option = {"help", NULL, "show this text", NULL, NULL};

static size_t label_width(const struct arg_option *option)
{
    return strlen("--") + strlen(option->name) +
           (option->value != NULL ? 1 + strlen(option->value) : 0);
}

static void print_option(const struct arg_option *option, int width)
{
    const char *line = option->help;

    printf("  --%s%s%s%*s", option->name, option->value != NULL ? " " : "",
           option->value != NULL ? option->value : "", width - (int)label_width(option) + 2, "");
    for (;;) {
        const size_t len = strcspn(line, "\n");

        printf("%.*s\n", (int)len, line);
        if (line[len] == '\0')
            break;
        line += len + 1;
        printf("%*s", width + 4, "");
    }
}

static void print_help(const struct arg_spec *spec)
{
    size_t width = label_width(&help_option);

    out_ignore_sigpipe();
    printf("usage: telemetry %s%s%s\n\n%s\n", spec->command, spec->synopsis[0] != '\0' ? " " : "",
           spec->synopsis, spec->about);
    for (size_t i = 0; i < spec->option_count; i++)
        if (spec->options[i].help != NULL && label_width(&spec->options[i]) > width)
            width = label_width(&spec->options[i]);
    for (size_t i = 0; i < spec->option_count; i++)
        if (spec->options[i].help != NULL)
            print_option(&spec->options[i], (int)width);
    print_option(&help_option, (int)width);
    printf("\nexamples:\n%s", spec->examples);
}

/* --- parsing --------------------------------------------------------------------------------- */

struct parser {
    const struct arg_spec *spec;
    int argc;
    char **argv;
    int at; /* the argument that is looked at */
    struct arg_operands *operands;
};

static const struct arg_option *find_option(const struct arg_spec *spec, struct tel_str name)
{
    for (size_t i = 0; i < spec->option_count; i++)
        if (tel_str_is(name, spec->options[i].name))
            return &spec->options[i];
    return NULL;
}

static int refuse_option(const struct arg_spec *spec, const char *arg)
{
    struct suggestion near;
    char name[64];

    snprintf(name, sizeof name, "%.*s", (int)strcspn(arg, "="), arg);
    near = suggest_for(name + strspn(name, "-"));
    for (size_t i = 0; i < spec->option_count; i++)
        if (spec->options[i].help != NULL)
            suggest_offer(&near, spec->options[i].name);
    suggest_offer(&near, help_option.name);
    if (near.best != NULL)
        complain("unknown option '%s'; did you mean --%s?", name, near.best);
    else
        complain("unknown option '%s'; see 'telemetry %s --help'", name, spec->command);
    return CLI_USAGE;
}

int args_bad_value(const char *option, const char *value, const char *wanted)
{
    complain("bad value '%s' for --%s; it takes %s", value, option, wanted);
    return CLI_USAGE;
}

/* "--name", "--name=value", or "--name" and the next argument. */
static int take_option(struct parser *parser)
{
    const char *arg = parser->argv[parser->at];
    const char *equals = strchr(arg, '=');
    const struct arg_option *option =
        find_option(parser->spec, (struct tel_str){arg + 2, strcspn(arg + 2, "=")});
    const char *value = equals != NULL ? equals + 1 : NULL;
    const char *wanted;

    if (option == NULL)
        return refuse_option(parser->spec, arg);
    if (option->value == NULL && value != NULL) {
        complain("--%s takes no value", option->name);
        return CLI_USAGE;
    }
    if (option->value != NULL && value == NULL) {
        if (parser->at + 1 >= parser->argc) {
            complain("--%s needs a value: --%s %s", option->name, option->name, option->value);
            return CLI_USAGE;
        }
        value = parser->argv[++parser->at];
    }
    wanted = option->take(option->into, value);
    return wanted == NULL ? CLI_OK : args_bad_value(option->name, value, wanted);
}

static void add_operand(struct parser *parser)
{
    parser->operands->at[parser->operands->count++] = parser->argv[parser->at];
}

static int check_operands(const struct parser *parser)
{
    const struct arg_spec *spec = parser->spec;
    const struct arg_operands *operands = parser->operands;

    if (operands->count < spec->min_operands) {
        complain("%s is missing; see 'telemetry %s --help'", spec->operand, spec->command);
        return CLI_USAGE;
    }
    if (spec->max_operands >= 0 && operands->count > spec->max_operands) {
        complain("unexpected argument '%s'; see 'telemetry %s --help'",
                 operands->at[spec->max_operands], spec->command);
        return CLI_USAGE;
    }
    return CLI_OK;
}

static bool is_help(const char *arg)
{
    return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

bool args_parse(const struct arg_spec *spec, int argc, char **argv, struct arg_operands *operands,
                int *exit_code)
{
    struct parser parser = {spec, argc, argv, 1, operands};
    bool only_operands = false;

    *operands = (struct arg_operands){0, argv + (argc > 0 ? 1 : 0)};
    *exit_code = CLI_OK;
    for (; parser.at < argc && *exit_code == CLI_OK; parser.at++) {
        const char *arg = argv[parser.at];

        if (only_operands || arg[0] != '-' || arg[1] == '\0') {
            add_operand(&parser);
            only_operands = only_operands || spec->command_follows;
        } else if (strcmp(arg, "--") == 0) {
            only_operands = true;
        } else if (is_help(arg)) {
            print_help(spec);
            return false;
        } else if (arg[1] != '-') {
            *exit_code = refuse_option(spec, arg);
        } else {
            *exit_code = take_option(&parser);
        }
    }
    if (*exit_code == CLI_OK)
        *exit_code = check_operands(&parser);
    operands->at[operands->count] = NULL;
    return *exit_code == CLI_OK;
}

/* --- values ---------------------------------------------------------------------------------- */

const char *arg_flag(void *into, const char *value)
{
    (void)value;
    *(bool *)into = true;
    return NULL;
}

const char *arg_text(void *into, const char *value)
{
    *(const char **)into = value;
    return NULL;
}

const char *arg_count(void *into, const char *value)
{
    uint64_t number;

    if (!tel_str_to_u64(tel_str_from(value), &number) || number > INT32_MAX)
        return "a number from 0 to 2147483647";
    *(int64_t *)into = (int64_t)number;
    return NULL;
}
