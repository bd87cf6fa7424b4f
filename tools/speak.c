/* See speak.h. */
#include "speak.h"

#include "cli.h"
#include "complain.h"

#include <signal.h>

int speak_failed(const struct tel_error *err)
{
    complain("%s", err->message);
    return err->code == TEL_ERR_INVALID ? CLI_USAGE : CLI_FAILED;
}

bool speak_find(struct speaker *speaker, const char *run_id, int *exit_code)
{
    struct context *context = &speaker->context;
    struct tel_error err = {0};
    struct tel_str id = tel_str_from(run_id);

    *exit_code = CLI_FAILED;
    if (!context_load(context))
        return false;
    if (id.ptr == NULL)
        id = context->config.value[TEL_VAR_RUN_ID];
    if (id.len == 0) {
        complain("not inside a recorded run: TELEMETRY_RUN_ID is not set; --run names another one");
        *exit_code = CLI_USAGE;
        return false;
    }
    signal(SIGXFSZ, SIG_IGN);
    if (tel_datadir_prepare(&context->dir, false, &err) < 0 ||
        tel_voice_find(&speaker->voice, &context->dir, &context->config, id, &err) < 0) {
        *exit_code = speak_failed(&err);
        return false;
    }
    return true;
}
