/* telemetry commit: records a git commit that a run has made. */
#include "args.h"
#include "cli.h"
#include "git_commit.h"
#include "speak.h"

static int record_commit(const char *run_id, const char *revision)
{
    static char memory[TEL_COMMIT_PAYLOAD_MAX];
    static struct speaker speaker;
    struct tel_error err = {0};
    struct tel_buf payload;
    int exit_code;

    if (!speak_find(&speaker, run_id, &exit_code))
        return exit_code;
    tel_buf_init(&payload, memory, sizeof memory);
    if (tel_git_commit_put(&payload, ".", revision, &err) < 0 ||
        tel_voice_event(&speaker.voice, TEL_STR(TEL_COMMIT_TYPE), tel_buf_view(&payload), &err) < 0)
        return speak_failed(&err);
    return CLI_OK;
}

int cmd_commit(int argc, char **argv)
{
    const char *run_id = NULL;
    const struct arg_option options[] = {{"run", "ID", SPEAK_RUN_HELP, arg_text, &run_id}};
    const struct arg_spec spec = {
        .command = "commit",
        .synopsis = "[--run ID] [REVISION]",
        .about = "Records a git commit that the run has made (HEAD, unless another revision is\n"
                 "given): a row of the table commits, with what git says of it.\n",
        .options = options,
        .option_count = 1,
        .examples = "  git commit -qam 'New figures' && telemetry commit\n",
        .max_operands = 1,
    };
    struct arg_operands operands;
    int exit_code;

    if (!args_parse(&spec, argc, argv, &operands, &exit_code))
        return exit_code;
    return record_commit(run_id, operands.count > 0 ? operands.at[0] : "HEAD");
}
