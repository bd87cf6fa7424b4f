/* telemetry collect: starts the collector of the data directory, or is it. */
#include "args.h"
#include "cli.h"
#include "collector.h"
#include "complain.h"
#include "context.h"
#include "launch.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct options {
    bool foreground;
    bool inherited;
};

static int serve(struct context *context, const struct tel_claim *claim, bool stay)
{
    const struct tel_config *config = &context->config;
    char poster[TEL_PATH_MAX];
    struct tel_collector_options options = {
        .dir = &context->dir,
        .claim = *claim,
        .exit_source = tel_exit_source_parse(config->value[TEL_VAR_EXIT_SOURCE]),
        .stay = stay,
        .poster = program_find_poster(poster) ? poster : NULL,
    };
    struct tel_error err = {0};

    if (config->post)
        options.target =
            (struct tel_target){config->value[TEL_VAR_API_URL], config->value[TEL_VAR_API_TOKEN]};
    if (tel_collector_run(&options, &err) == 0)
        return CLI_OK;
    complain("%s", err.message);
    return CLI_FAILED;
}

static bool is_socket(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* A host has started us, with its claim in our descriptors. */
static int serve_inherited(void)
{
    const struct tel_claim claim = {TEL_INHERIT_LOCK, TEL_INHERIT_START, TEL_INHERIT_REQUEST};
    struct context context;
    struct tel_error err = {0};

    if (!is_socket(claim.start) || !is_socket(claim.request)) {
        complain("--inherited is for recorded programs; people use --foreground");
        return CLI_USAGE;
    }
    tel_collector_detach();
    /* SO_PEERCRED names who listened last: so far the host, from now on this process. */
    listen(claim.start, SOMAXCONN);
    listen(claim.request, SOMAXCONN);
    if (!context_load(&context))
        return CLI_FAILED;
    if (tel_datadir_prepare(&context.dir, false, &err) < 0) {
        complain("%s", err.message);
        return CLI_FAILED;
    }
    return serve(&context, &claim, false);
}

static const char *pid_text(int pid, char memory[32])
{
    if (pid <= 0)
        return "";
    snprintf(memory, 32, " (pid %d)", pid);
    return memory;
}

static int serve_in_foreground(struct context *context)
{
    struct tel_claim claim;
    struct tel_error err = {0};
    char pid[32];
    int status = 0;

    if (context->dir.network)
        status = tel_fail(&err, TEL_ERR_REFUSED, context->dir.base, LAUNCH_NO_NETWORK, NULL);
    if (status == 0)
        status = tel_claim_take(&claim, &context->dir, &err);
    if (status == 0)
        return serve(context, &claim, true);
    if (status == -EWOULDBLOCK)
        complain("another collector%s serves %s", pid_text(context_collector(context), pid),
                 context->dir.base);
    else
        complain("%s", err.message);
    return CLI_FAILED;
}

static int start_in_background(const struct context *context)
{
    struct tel_error err = {0};
    char pid[32];
    const int alive = context_collector(context);
    const int status = alive >= 0 ? -EWOULDBLOCK : launch_collector(context, &err);

    if (status < 0 && status != -EWOULDBLOCK) {
        complain("%s", err.message);
        return CLI_FAILED;
    }
    printf("%s for %s%s\n", status == 0 ? "started a collector" : "a collector is already running",
           context->dir.base, status == 0 ? "" : pid_text(alive, pid));
    return CLI_OK;
}

static int collect(const struct options *options)
{
    struct context context;
    struct tel_error err = {0};

    if (options->inherited)
        return serve_inherited();
    if (!context_load(&context))
        return CLI_FAILED;
    if (tel_datadir_prepare(&context.dir, true, &err) < 0) {
        complain("%s", err.message);
        return CLI_FAILED;
    }
    return options->foreground ? serve_in_foreground(&context) : start_in_background(&context);
}

int cmd_collect(int argc, char **argv)
{
    struct options options = {false, false};
    const struct arg_option list[] = {
        {"foreground", NULL, "be the collector, until SIGTERM or SIGINT: for service managers",
         arg_flag, &options.foreground},
        {"inherited", NULL, NULL, arg_flag, &options.inherited},
    };
    const struct arg_spec spec = {
        .command = "collect",
        .synopsis = "[--foreground]",
        .about = "Starts the collector of the data directory in the background, unless there is\n"
                 "one. Rarely needed: recorded programs start it themselves. It leaves when\n"
                 "nothing is left to watch.\n",
        .options = list,
        .option_count = sizeof list / sizeof list[0],
        .examples = "  telemetry collect\n"
                    "  TELEMETRY_BASE_DIR=/data/telemetry telemetry collect --foreground\n",
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code) ? collect(&options) : exit_code;
}
