/* telemetry post: posts to the remote API what is to be posted, now, and says how that went. */
#include "args.h"
#include "base/clock.h"
#include "cli.h"
#include "complain.h"
#include "context.h"
#include "human.h"
#include "outbox.h"
#include "output.h"
#include "program.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MS INT64_C(1000000)

enum { REASONS = 8, REFRESH_MS = 15000, SAY_AFTER_MS = 2000, PROGRESS_MS = 200 };

struct options {
    bool now;
    bool dry_run;
    bool status;
    int64_t limit;
};

/* Why runs could not be posted, and how many. */
struct reasons {
    struct {
        char why[96];
        int64_t count;
    } list[REASONS];
    int count;
    int64_t others;
};

struct post {
    struct context context;
    struct tel_query *query;
    const struct options *options;
    struct tel_target target;
    int64_t posted;
    struct reasons refused;
    struct reasons failed;
    struct tel_error trouble; /* with the database */
    int64_t said_at;          /* CLOCK_BOOTTIME */
    bool said_progress;
};

/* --- what is to be done ----------------------------------------------------------------------- */

static struct tel_due_filter filter_of(const struct post *post)
{
    struct tel_instant now;

    tel_clock_now(&now);
    return (struct tel_due_filter){
        .now_ns = now.realtime_ns,
        .impatient = true,
        .all = post->options->now,
        .uid = (int64_t)post->context.dir.uid,
    };
}

static int refresh(void *arg, struct tel_error *err)
{
    struct post *post = arg;
    struct sync_result result;
    const int status = context_sync(&post->context, REFRESH_MS, &result, &post->trouble);

    return status < 0 ? tel_fail(err, status, post->trouble.message, NULL) : 0;
}

static int each_due(void *arg, const struct tel_due_filter *filter, tel_due_fn *fn, void *fn_arg,
                    struct tel_error *err)
{
    struct post *post = arg;

    return tel_query_each_due(post->query, filter, fn, fn_arg, err);
}

/* Nobody waits here for what is due another day. */
static int next_due(void *arg, const struct tel_due_filter *filter, int64_t *out_ns,
                    struct tel_error *err)
{
    (void)arg;
    (void)filter;
    (void)err;
    *out_ns = 0;
    return 0;
}

/* --- how it goes ------------------------------------------------------------------------------ */

static void note_reason(struct reasons *reasons, const char *why)
{
    int at = 0;

    while (at < reasons->count && strcmp(reasons->list[at].why, why) != 0)
        at++;
    if (at == REASONS) {
        reasons->others++;
        return;
    }
    if (at == reasons->count)
        snprintf(reasons->list[reasons->count++].why, sizeof reasons->list[0].why, "%s", why);
    reasons->list[at].count++;
}

static void show_progress(struct post *post)
{
    const int64_t now = tel_clock_boottime_ns();

    if (!out_is_terminal() || now - post->said_at < PROGRESS_MS * MS)
        return;
    post->said_at = now;
    post->said_progress = true;
    printf("\r%s posted ", human_count(post->posted, "run").text);
    fflush(stdout);
}

static void end_progress(const struct post *post)
{
    if (post->said_progress)
        fputs("\r\033[K", stdout);
}

static void note_report(void *arg, const struct tel_post_report *report)
{
    struct post *post = arg;

    if (report->outcome == TEL_POST_DONE)
        post->posted++;
    else if (report->outcome == TEL_POST_REFUSED)
        note_reason(&post->refused, report->why);
    else if (report->outcome == TEL_POST_LATER || report->outcome == TEL_POST_GONE)
        note_reason(&post->failed, report->why);
    show_progress(post);
}

static void print_reasons(const struct reasons *reasons, const char *what)
{
    for (int i = 0; i < reasons->count; i++)
        printf("%s %s: %s\n", human_count(reasons->list[i].count, "run").text, what,
               reasons->list[i].why);
    if (reasons->others > 0)
        printf("%s %s for other reasons\n", human_count(reasons->others, "run").text, what);
}

static int conclude(struct post *post)
{
    const struct tel_due_filter filter = filter_of(post);
    struct tel_due_counts counts = {0};
    struct tel_error err = {0};
    int64_t left;

    end_progress(post);
    printf("%s posted\n", human_count(post->posted, "run").text);
    print_reasons(&post->refused, "refused for good");
    print_reasons(&post->failed, "not posted for now");
    if (tel_query_count_due(post->query, &filter, &counts, &err) < 0) {
        complain("%s", err.message);
        return CLI_FAILED;
    }
    left = counts.ready + counts.waiting;
    if (left > 0)
        printf("%s left to be posted\n", human_count(left, "run").text);
    return post->refused.count == 0 && (left == 0 || post->options->limit > 0) ? CLI_OK
                                                                               : CLI_FAILED;
}

/* --- posting ---------------------------------------------------------------------------------- */

static int until_ms(int64_t due_ns)
{
    const int64_t left = due_ns - tel_clock_boottime_ns();

    if (due_ns == 0 || left > 1000 * MS)
        return 1000;
    return left <= 0 ? 0 : (int)(left / MS) + 1;
}

static void work_off(struct post *post, struct tel_outbox *outbox)
{
    const int64_t began = tel_clock_boottime_ns();
    bool said = false;

    tel_outbox_set_default(outbox, &post->target);
    tel_outbox_look(outbox);
    while (tel_outbox_is_busy(outbox) && post->trouble.code == 0) {
        struct pollfd fd = {.fd = tel_outbox_fd(outbox), .events = POLLIN};

        poll(&fd, 1, until_ms(tel_outbox_due_ns(outbox)));
        tel_outbox_work(outbox);
        if (!said && tel_outbox_waits(outbox) &&
            tel_clock_boottime_ns() - began > SAY_AFTER_MS * MS) {
            complain("note: another process is posting just now; waiting for it");
            said = true;
        }
    }
}

static int post_now(struct post *post)
{
    char program[TEL_PATH_MAX];
    const struct tel_outbox_options options = {
        .dir = &post->context.dir,
        .program = program_find_poster(program) ? program : NULL,
        .source = {refresh, each_due, next_due, NULL, note_report, post},
        .impatient = true,
        .all = post->options->now,
        .limit = post->options->limit,
    };
    struct tel_outbox *outbox;
    int exit_code = CLI_FAILED;

    signal(SIGCHLD, SIG_IGN);
    outbox = tel_outbox_new(&options);
    if (outbox == NULL) {
        complain("no memory");
        return CLI_FAILED;
    }
    work_off(post, outbox);
    if (post->trouble.code != 0)
        complain("%s", post->trouble.message);
    else if (tel_outbox_trouble(outbox)[0] != '\0')
        complain("%s", tel_outbox_trouble(outbox));
    else
        exit_code = CLI_OK;
    tel_outbox_free(outbox);
    return exit_code == CLI_OK ? conclude(post) : exit_code;
}

/* --- looking only ----------------------------------------------------------------------------- */

struct listing {
    int64_t limit;
    int64_t count;
};

static int print_due(void *arg, const struct tel_due *due)
{
    struct listing *listing = arg;

    if (listing->limit > 0 && listing->count == listing->limit)
        return 1;
    listing->count++;
    printf("%.*s", (int)due->run_id.len, due->run_id.ptr);
    if (due->retries > 0)
        printf("  (retry %u)", due->retries);
    putchar('\n');
    return 0;
}

static const char posting_is_off[] =
    "posting is off: see METRICS_API_ENABLED and TELEMETRY_TEST_MODE "
    "in 'telemetry doctor'";

static void print_target(const struct post *post)
{
    const char *problem = tel_target_problem(&post->target);
    char shown[TEL_API_TEXT_MAX];

    if (post->target.url.ptr == NULL) {
        printf("METRICS_API_URL is not set here: set it to where runs are to be posted\n");
    } else if (problem != NULL) {
        printf("%s: correct it; until then nothing is posted\n", problem);
    } else if (!post->context.config.post) {
        printf("%s\n", posting_is_off);
    } else {
        tel_target_show(&post->target, shown, sizeof shown);
        printf("to %s, %s a token\n", shown, post->target.token.len > 0 ? "with" : "without");
    }
}

static int list_due(const struct post *post)
{
    const struct tel_due_filter filter = filter_of(post);
    struct listing listing = {.limit = post->options->limit};
    struct tel_error err = {0};

    if (tel_query_each_due(post->query, &filter, print_due, &listing, &err) < 0) {
        complain("%s", err.message);
        return CLI_FAILED;
    }
    printf("%s would be posted\n", human_count(listing.count, "run").text);
    print_target(post);
    return CLI_OK;
}

static int print_status(const struct post *post)
{
    struct tel_due_filter filter = filter_of(post);
    struct tel_due_counts counts;
    struct tel_error err = {0};
    int64_t next_ns = 0;
    int status;

    filter.impatient = false;
    filter.all = false;
    status = tel_query_count_due(post->query, &filter, &counts, &err);
    if (status == 0)
        status = tel_query_next_due(post->query, &filter, &next_ns, &err);
    if (status < 0) {
        complain("%s", err.message);
        return CLI_FAILED;
    }
    printf("%lld posted, %lld refused, %lld to be posted, %lld waiting for a later attempt, "
           "%lld running\n",
           (long long)counts.posted, (long long)counts.refused, (long long)counts.ready,
           (long long)counts.waiting, (long long)counts.running);
    if (next_ns != 0)
        printf("next attempt at %s\n", human_time(next_ns, HUMAN_TIME, false).text);
    print_target(post);
    return CLI_OK;
}

/* --- the command ------------------------------------------------------------------------------ */

static int begin(struct post *post)
{
    const struct tel_config *config = &post->context.config;
    const char *problem;

    post->target =
        (struct tel_target){config->value[TEL_VAR_API_URL], config->value[TEL_VAR_API_TOKEN]};
    if (post->options->status)
        return print_status(post);
    if (post->options->dry_run)
        return list_due(post);
    if (!config->post && config->value[TEL_VAR_API_URL].ptr != NULL) {
        complain("%s", posting_is_off);
        return CLI_FAILED;
    }
    problem = tel_target_problem(&post->target);
    if (problem == NULL)
        return post_now(post);
    complain("%s", problem);
    return CLI_FAILED;
}

static int post_runs(const struct options *options)
{
    static struct post post;
    int exit_code;

    post.options = options;
    post.query = context_open_query(&post.context, &exit_code);
    if (post.query == NULL)
        return exit_code;
    exit_code = begin(&post);
    tel_query_close(post.query);
    return exit_code;
}

int cmd_post(int argc, char **argv)
{
    struct options options = {.limit = 0};
    const struct arg_option list[] = {
        {"now", NULL, "also what the server asked to be left for later", arg_flag, &options.now},
        {"dry-run", NULL, "only list what would be posted", arg_flag, &options.dry_run},
        {"limit", "N", "at most so many, 0 for all (the default)", arg_count, &options.limit},
        {"status", NULL, "only say how many have been posted, and how many not", arg_flag,
         &options.status},
    };
    const struct arg_spec spec = {
        .command = "post",
        .synopsis = "[OPTION...]",
        .about =
            "Posts ended runs to the remote API (METRICS_API_URL, METRICS_API_TOKEN) that were\n"
            "recorded where posting was wanted, and have neither been posted nor refused.\n"
            "Rarely needed, since the collector does it after every run; what a server that\n"
            "failed has left goes out this way. The exit status is 0 when nothing is left.\n",
        .options = list,
        .option_count = sizeof list / sizeof list[0],
        .examples = "  telemetry post --status\n"
                    "  telemetry post --limit 1\n",
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code) ? post_runs(&options) : exit_code;
}
