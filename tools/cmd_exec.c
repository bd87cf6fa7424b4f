/* telemetry exec: opens a run for a command and becomes it. */
#include "args.h"
#include "base/clock.h"
#include "base/json_scan.h"
#include "base/process.h"
#include "base/recorder.h"
#include "base/sys.h"
#include "cli.h"
#include "complain.h"
#include "elf_file.h"
#include "environment.h"
#include "exec_command.h"
#include "exit_status.h"
#include "program.h"
#include "suggest.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a shell answers. */
enum { EXIT_NOT_EXECUTABLE = 126, EXIT_NOT_FOUND = 127 };

struct request {
    struct environment env;
    bool no_preload;
    bool quiet;
    const char *shim; /* as given */
    int argc;
    char **argv;
    char path[TEL_PATH_MAX]; /* of the command's file */
    int found;               /* what program_find said */
};

/* --- the run --------------------------------------------------------------------------------- */

static struct tel_str outer_run(const struct tel_env *env)
{
    const struct tel_str run_id = tel_env_get(env, "TELEMETRY_RUN_ID");

    return tel_owner_id_valid(run_id) ? run_id : TEL_STR_NONE;
}

/* Opens the run; NULL when that was not possible, and the command has to do without. */
static struct tel_recorder *open_run(struct request *request)
{
    const struct tel_env env = {request->env.entries};
    const struct tel_subject subject = {
        .env = &env,
        .argc = request->argc,
        .argv = request->argv,
        .exe = request->path,
        .object = program_self,
        .uid = geteuid(),
        .parent_run_id = outer_run(&env),
        .asked_for = true,
    };
    struct tel_recorder *recorder = tel_sys_map(sizeof *recorder);
    struct tel_error err = {0};
    int status = -ENOMEM;

    if (recorder != NULL)
        status = tel_recorder_start(recorder, &subject, &err);
    if (status == 0) {
        environment_set(&request->env, "TELEMETRY_RUN_ID", tel_str_from(recorder->run_id));
        environment_set(&request->env, "TELEMETRY_RUN_OWNER", tel_str_from(recorder->owner_text));
        if (recorder->traceparent[0] != '\0')
            environment_set(&request->env, "TRACEPARENT", tel_str_from(recorder->traceparent));
        return recorder;
    }
    if (!request->quiet)
        complain("this run is not recorded: %s", recorder == NULL ? "no memory" : err.message);
    if (recorder != NULL)
        tel_sys_unmap(recorder, sizeof *recorder);
    return NULL;
}

static void close_run(struct tel_recorder *recorder, const struct tel_ending *ending)
{
    if (recorder == NULL)
        return;
    signal(SIGXFSZ, SIG_IGN);
    tel_recorder_end(recorder, ending, NULL);
}

/* --- the shim -------------------------------------------------------------------------------- */

/* The loader separates LD_PRELOAD at these, and expands the last (ld.so(8)): as it is meant to only in
 * "$LIB". */
static bool fits_preload(const char *path)
{
    const char *at = strpbrk(path, " :$");

    return at == NULL || (strncmp(at, "$LIB/", 5) == 0 && strpbrk(at + 1, " :$") == NULL);
}

static bool names_shim(struct tel_str entry)
{
    return tel_str_is(tel_str_basename(entry), SHIM_NAME);
}

static bool is_preloaded(struct tel_str list)
{
    size_t start = 0;

    for (size_t i = 0; i <= list.len; i++) {
        if (i < list.len && list.ptr[i] != ':' && list.ptr[i] != ' ')
            continue;
        if (names_shim((struct tel_str){list.ptr + start, i - start}))
            return true;
        start = i + 1;
    }
    return false;
}

/* What to preload into the command. A loader of another architecture complains on standard error of an object
 * that it cannot load; one of 32 bits finds its own by "$LIB", which musl's does not know. False when there is
 * nothing for it. */
static bool choose_shim(const char *command, char shim[TEL_PATH_MAX])
{
    struct elf_facts facts = {0};

    if (elf_file_inspect(command, &facts, NULL) < 0 || !facts.is_elf || facts.is_native)
        return program_find_shim(shim);
    return facts.is_twin && !facts.is_musl && program_find_shims(shim);
}

static void preload(struct request *request)
{
    const struct tel_env env = {request->env.entries};
    const struct tel_str others = tel_env_get(&env, "LD_PRELOAD");
    char shim[TEL_PATH_MAX];
    char *list;
    int len;

    if (request->no_preload || is_preloaded(others))
        return;
    if (request->shim != NULL)
        snprintf(shim, sizeof shim, "%s", request->shim);
    else if (!choose_shim(request->path, shim))
        return;
    if (!fits_preload(shim)) {
        if (!request->quiet)
            complain("%s cannot be preloaded: there is a blank, ':' or '$' in its path", shim);
        return;
    }
    list = must_alloc(strlen(shim) + 1 + others.len + 1);
    len = sprintf(list, "%s%s%.*s", shim, others.len > 0 ? ":" : "", (int)others.len, others.ptr);
    environment_set(&request->env, "LD_PRELOAD", (struct tel_str){list, (size_t)len});
    free(list);
}

/* --- the command ----------------------------------------------------------------------------- */

/* Without the kernel's word at the end (before Linux 6.15), or a collector to ask for it (in a
 * container, say, whose first process this is), somebody has to wait for it. */
static bool has_to_wait(const struct tel_recorder *recorder)
{
    const enum tel_exit_source source =
        tel_exit_source_parse(recorder->config.value[TEL_VAR_EXIT_SOURCE]);

    if (!recorder->watched)
        return true;
    return source == TEL_EXIT_AUTO ? !tel_exit_pidfd_works() : source != TEL_EXIT_PIDFD;
}

/* Why it could not start, in the words of a shell; *exit_code as a shell's. */
static const char *explain(const struct request *request, int status, int *exit_code)
{
    *exit_code = EXIT_NOT_EXECUTABLE;
    if (status == -ENOENT && request->found == 0 && access(request->path, F_OK) == 0)
        return "its interpreter or loader is missing";
    if (status == -ENOENT || status == -ENOTDIR)
        *exit_code = EXIT_NOT_FOUND;
    return strerror(-status);
}

static int fail_to_start(const struct request *request, struct tel_recorder *recorder, int status)
{
    enum { NAME_MAX_LEN = 60 };
    char detail[128];
    const char *name = request->argv[0];
    const struct tel_str shown = tel_str_cut_utf8(tel_str_from(name), NAME_MAX_LEN);
    struct tel_ending ending = {.source = TEL_END_OBSERVED, .known = true, .detail = detail};
    int exit_code;
    const char *why = explain(request, status, &exit_code);

    snprintf(detail, sizeof detail, "%.*s%s: %s", (int)shown.len, name,
             name[shown.len] != '\0' ? "..." : "", why);
    ending.wait_status = exit_code << 8;
    ending.boottime_ns = tel_clock_boottime_ns();
    close_run(recorder, &ending);
    complain("%s: %s", name, why);
    return exit_code;
}

/* Stays, and tells how the command ended. */
static int wait_for_command(const struct request *request, struct tel_recorder *recorder,
                            const struct exec_command *command)
{
    struct tel_ending ending = {.source = TEL_END_KERNEL, .known = true};
    const int status = exec_wait(command, &ending.wait_status);

    if (status < 0)
        return fail_to_start(request, recorder, status);
    ending.boottime_ns = tel_clock_boottime_ns();
    close_run(recorder, &ending);
    return exec_end_alike(ending.wait_status);
}

static int run_command(struct request *request)
{
    struct exec_command command = {request->path, request->argv, NULL};
    struct tel_recorder *recorder = NULL;
    struct tel_config config;
    const struct tel_env env = {request->env.entries};
    int status;

    request->found = program_find(request->argv[0], tel_env_get(&env, "PATH"), request->path);
    tel_config_load(&config, &(struct tel_config_source){.env = &env}, NULL, NULL);
    if (config.enabled)
        recorder = open_run(request);
    if (recorder != NULL)
        preload(request);
    command.envp = request->env.entries;
    if (request->found < 0)
        return fail_to_start(request, recorder, request->found);
    if (recorder != NULL && has_to_wait(recorder))
        return wait_for_command(request, recorder, &command);
    status = exec_replace(&command);
    return fail_to_start(request, recorder, status);
}

/* --- options --------------------------------------------------------------------------------- */

/* An option, or a tag, that is a variable for the run. */
struct setting {
    struct environment *env;
    const char *variable;
};

static const char *take_setting(void *into, const char *value)
{
    const struct setting *setting = into;

    environment_set(setting->env, setting->variable, tel_str_from(value));
    return NULL;
}

static const char *take_trigger(void *into, const char *value)
{
    static const char *const words[] = {"cli", "web", "scheduler", "mcp", "manual"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(value, words[i]) == 0)
            return take_setting(into, value);
    return "one of cli, web, scheduler, mcp, manual";
}

static const struct tag {
    const char *key;
    enum tel_var var;
} tags[] = {
    {"input-summary", TEL_VAR_INPUT_SUMMARY},
    {"output-summary", TEL_VAR_OUTPUT_SUMMARY},
    {"metrics-json", TEL_VAR_METRICS_JSON},
    {"insight-id", TEL_VAR_INSIGHT_ID},
    {"product", TEL_VAR_PRODUCT},
    {"platform", TEL_VAR_PLATFORM},
    {"product-family", TEL_VAR_PRODUCT_FAMILY},
    {"subdomain", TEL_VAR_SUBDOMAIN},
    {"git-repo", TEL_VAR_GIT_REPO},
    {"git-branch", TEL_VAR_GIT_BRANCH},
    {"git-run-tag", TEL_VAR_GIT_RUN_TAG},
};
enum { TAGS = sizeof tags / sizeof tags[0] };

#define TAG_KEYS                                                                                   \
    "insight-id, product, platform, product-family, subdomain,\n"                                  \
    "git-repo, git-branch, git-run-tag, input-summary,\n"                                          \
    "output-summary, metrics-json"

static const char *refuse_tag(const char *key)
{
    static char wanted[96];
    struct suggestion near = suggest_for(key);

    for (int i = 0; i < TAGS; i++)
        suggest_offer(&near, tags[i].key);
    if (near.best == NULL)
        return "KEY=VALUE with a key that 'telemetry exec --help' lists";
    snprintf(wanted, sizeof wanted, "KEY=VALUE with a known key; did you mean %s=?", near.best);
    return wanted;
}

static const char *take_tag(void *into, const char *value)
{
    char key[32];
    const char *equals = strchr(value, '=');
    int i = 0;

    if (equals == NULL || (size_t)(equals - value) >= sizeof key)
        return "KEY=VALUE";
    snprintf(key, sizeof key, "%.*s", (int)(equals - value), value);
    for (char *at = key; *at != '\0'; at++)
        if (*at == '_') /* as the fields are called */
            *at = '-';
    while (i < TAGS && strcmp(tags[i].key, key) != 0)
        i++;
    if (i == TAGS)
        return refuse_tag(key);
    if (tags[i].var == TEL_VAR_METRICS_JSON && !tel_json_valid(tel_str_from(equals + 1)))
        return "valid JSON for metrics-json";
    environment_set(into, tel_var_name(tags[i].var), tel_str_from(equals + 1));
    return NULL;
}

/* Absolute, since the command may change directory before it starts others. */
static const char *take_shim(void *into, const char *value)
{
    char *path = realpath(value, NULL);

    if (path == NULL)
        return "the path of " SHIM_NAME " (this file cannot be found)";
    *(const char **)into = path;
    return NULL;
}

int cmd_exec(int argc, char **argv)
{
    static struct request request;
    struct setting agent = {&request.env, "TELEMETRY_AGENT_NAME"};
    struct setting job = {&request.env, "TELEMETRY_JOB_TYPE"};
    struct setting trigger = {&request.env, "TELEMETRY_TRIGGER_TYPE"};
    struct setting owner = {&request.env, "AGENT_OWNER"};
    const struct arg_option options[] = {
        {"agent", "NAME", "the agent's name (else it is taken from the command)", take_setting,
         &agent},
        {"job", "NAME", "the job's name (else the scheduler's, or the agent's)", take_setting,
         &job},
        {"trigger", "TYPE", "cli, web, scheduler, mcp or manual", take_trigger, &trigger},
        {"owner", "NAME", "who owns the agent", take_setting, &owner},
        {"tag", "KEY=VALUE", "one of " TAG_KEYS, take_tag, &request.env},
        {"no-preload", NULL, "leave LD_PRELOAD as it is", arg_flag, &request.no_preload},
        {"shim", "PATH", "preload this " SHIM_NAME, take_shim, &request.shim},
        {"quiet", NULL, "say nothing when the run cannot be recorded", arg_flag, &request.quiet},
    };
    const struct arg_spec spec = {
        .command = "exec",
        .synopsis = "[OPTION...] [--] COMMAND [ARGUMENT...]",
        .about = "Records a run of a command: opens the run, then becomes the command, whose exit\n"
                 "status is what the caller sees. Works for programs that the shim cannot enter,\n"
                 "too: static, Go and setuid ones. 127 when the command cannot be found, 126 when\n"
                 "it cannot be executed; the run says so.\n",
        .options = options,
        .option_count = sizeof options / sizeof options[0],
        .examples =
            "  telemetry exec --job nightly -- ./report.sh --all\n"
            "  telemetry exec --agent importer --tag product=words -- java -jar import.jar\n",
        .min_operands = 1,
        .max_operands = -1,
        .operand = "the command",
        .command_follows = true,
    };
    struct arg_operands operands;
    int exit_code;

    environment_init(&request.env, environ);
    if (!args_parse(&spec, argc, argv, &operands, &exit_code))
        return exit_code;
    request.argc = operands.count;
    request.argv = operands.at;
    return run_command(&request);
}
