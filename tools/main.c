/* telemetry: the command line program, which is the collector too. A table of commands. */
#include "cli.h"
#include "complain.h"
#include "output.h"
#include "suggest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The shim looks for this symbol, and leaves the process alone where it finds it. */
extern const char telemetry_own_program[];
const char telemetry_own_program[] = "telemetry";

static const struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
    bool executes; /* becomes another program, which gets the signals as they are */
} commands[] = {
    {"exec", "record a run of a command", cmd_exec, true},
    {"runs", "list recorded runs", cmd_runs, false},
    {"show", "show all that is known of a run", cmd_show, false},
    {"event", "log an event of the run this is started in", cmd_event, false},
    {"set", "set fields of the run this is started in", cmd_set, false},
    {"add", "add to counts of the run this is started in", cmd_add, false},
    {"status", "say how the run this is started in went", cmd_status, false},
    {"commit", "record a git commit that the run has made", cmd_commit, false},
    {"sync", "bring the database up to date now", cmd_sync, false},
    {"post", "post runs to the remote API now", cmd_post, false},
    {"collect", "start the collector, or be one", cmd_collect, false},
    {"doctor", "check the set-up, or whether a command would be recorded", cmd_doctor, false},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const struct command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_usage(FILE *out)
{
    fputs("usage: telemetry COMMAND [OPTION...]\n\n", out);
    for (int i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    fputs("\n"
          "'telemetry COMMAND --help' says more about one of them, telemetry(1) about all.\n"
          "\n"
          "A program is recorded without any of these, too:\n"
          "  LD_PRELOAD=libtelemetry_auto.so ./agent\n",
          out);
}

static int refuse_command(const char *name)
{
    struct suggestion near = suggest_for(name);

    for (int i = 0; i < COMMANDS; i++)
        suggest_offer(&near, commands[i].name);
    suggest_offer(&near, "help");
    if (near.best != NULL)
        complain("unknown command '%s'; did you mean '%s'?", name, near.best);
    else
        complain("unknown command '%s'; see 'telemetry help'", name);
    return CLI_USAGE;
}

static int run_command(const char *name, int argc, char **argv)
{
    const struct command *command = find_command(name);

    if (command == NULL)
        return refuse_command(name);
    complain_as(command->name);
    if (!command->executes)
        out_ignore_sigpipe();
    return command->run(argc, argv);
}

/* "telemetry help", "telemetry help COMMAND". */
static int help(int argc, char **argv)
{
    char option[] = "--help";

    out_ignore_sigpipe();
    if (argc < 2) {
        print_usage(stdout);
        return CLI_OK;
    }
    return run_command(argv[1], 2, (char *[]){argv[1], option, NULL});
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        out_ignore_sigpipe();
        puts("telemetry " TELEMETRY_VERSION);
        return CLI_OK;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0)
        return help(argc - 1, argv + 1);
    if (argv[1][0] == '-') {
        complain("unknown option '%s'; there are --help and --version, and commands have more",
                 argv[1]);
        return CLI_USAGE;
    }
    return run_command(argv[1], argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    return out_finish(dispatch(argc, argv));
}
