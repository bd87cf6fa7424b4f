/* What `telemetry event`, `set`, `add` and `status` share: finding the run that they speak for, and
 * saying why that was not possible. */
#ifndef SPEAK_H
#define SPEAK_H

#include "context.h"
#include "voice.h"

struct speaker {
    struct context context;
    struct tel_voice voice;
};

/* The help of the option that names a run. */
#define SPEAK_RUN_HELP "the run's id (else that of TELEMETRY_RUN_ID: the run this is started in)"

/* run_id NULL: the run that this process is in. False, and said why, with *exit_code the program's:
 * CLI_USAGE outside of a run, CLI_FAILED when it has ended or is not known. */
bool speak_find(struct speaker *speaker, const char *run_id, int *exit_code);
/* Says that something could not be said. Returns the program's exit code: CLI_USAGE for a value that
 * is wrong, else CLI_FAILED. */
int speak_failed(const struct tel_error *err);

#endif
