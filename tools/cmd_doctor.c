/* telemetry doctor: is everything set up well, and would a command be recorded? */
#include "args.h"
#include "cli.h"
#include "doctor.h"
#include "human.h"
#include "output.h"

#include <stdio.h>

static int conclude(const struct doctor *doctor)
{
    const enum out_style style = doctor->problems == 0 ? OUT_GOOD : OUT_WARN;

    if (doctor->problems == 0)
        printf("\n%sAll is well.%s\n", out_begin(style), out_end(style));
    else
        printf("\n%s%s.%s\n", out_begin(style), human_count(doctor->problems, "problem").text,
               out_end(style));
    return doctor->problems == 0 ? CLI_OK : CLI_FAILED;
}

static int examine(char **command)
{
    struct doctor doctor = {.problems = 0};

    if (!doctor_check_configuration(&doctor))
        return CLI_FAILED;
    doctor_check_directory(&doctor);
    doctor_check_journal(&doctor);
    doctor_check_database(&doctor);
    doctor_check_collector(&doctor);
    doctor_check_shim(&doctor);
    doctor_check_posting(&doctor);
    if (command[0] != NULL)
        doctor_check_command(&doctor, command);
    return conclude(&doctor);
}

int cmd_doctor(int argc, char **argv)
{
    static const struct arg_spec spec = {
        .command = "doctor",
        .synopsis = "[-- COMMAND [ARGUMENT...]]",
        .about = "Shows the effective configuration and where each value comes from, and checks\n"
                 "the data directory, journal, database, collector, shim and remote API. With a "
                 "command: would\n"
                 "it be recorded, and if not, why not? Nothing is executed. The exit status is 0\n"
                 "when all is well, and 1 when something needs attention.\n",
        .examples = "  telemetry doctor\n"
                    "  telemetry doctor -- ./agent --all\n",
        .max_operands = -1,
        .command_follows = true,
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code) ? examine(operands.at) : exit_code;
}
