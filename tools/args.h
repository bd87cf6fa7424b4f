/* Options of a command, described once: parsed, checked, and shown by --help from one table. */
#ifndef ARGS_H
#define ARGS_H

#include <stdbool.h>
#include <stddef.h>

/* Takes an option's value (NULL for one that has none) into `into`. Returns NULL, or what would have
 * been right, such as "a number". */
typedef const char *arg_take_fn(void *into, const char *value);

struct arg_option {
    const char *name;  /* without the dashes */
    const char *value; /* how the help calls its value, such as "NAME"; NULL: it has none */
    const char *help;  /* may be of several lines; NULL: not shown */
    arg_take_fn *take;
    void *into;
};

/* All texts are borrowed. */
struct arg_spec {
    const char *command;
    const char *synopsis; /* what follows the command: "[OPTION...] ID|latest" */
    const char *about;    /* what it does: whole lines */
    const struct arg_option *options;
    size_t option_count;
    const char *examples; /* whole lines */
    int min_operands;
    int max_operands;     /* -1: any number */
    const char *operand;  /* what is missing when there are too few, such as "a run's id" */
    bool command_follows; /* options end at the first operand: a command line of its own */
};

struct arg_operands {
    int count;
    char **at; /* NULL-terminated; in argv, which is reordered */
};

/* "--name value", "--name=value", "--help"; "--" ends the options. False when the program is to end
 * with *exit_code: help was shown, or something was wrong and has been said. */
bool args_parse(const struct arg_spec *spec, int argc, char **argv, struct arg_operands *operands,
                int *exit_code);
/* Says that a value is wrong and what would be right. Returns CLI_USAGE. */
int args_bad_value(const char *option, const char *value, const char *wanted);

/* arg_take_fn: sets a bool; points a const char * at the value; an int64_t of 0 or more. */
const char *arg_flag(void *into, const char *value);
const char *arg_text(void *into, const char *value);
const char *arg_count(void *into, const char *value);

#endif
