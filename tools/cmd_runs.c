/* telemetry runs: the recorded runs as a table, a tree, JSON or CSV. */
#include "args.h"
#include "base/clock.h"
#include "base/ending.h"
#include "base/json_scan.h"
#include "cli.h"
#include "complain.h"
#include "context.h"
#include "forest.h"
#include "human.h"
#include "run_text.h"
#include "so_far.h"
#include "suggest.h"
#include "table.h"
#include "visible.h"
#include "when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LIMIT = 20, ID_SUFFIX = 8, UNSET = -1 };

struct options {
    const char *agent;
    const char *job;
    const char *status;
    const char *since;
    const char *until;
    int64_t limit;
    bool utc;
    bool json;
    bool csv;
    bool tree;
    bool unposted;
};

/* --- the table ------------------------------------------------------------------------------- */

static const struct table_column columns[] = {
    {"STARTED", false, false, 0, 0}, {"AGENT", false, true, 6, 40},
    {"JOB", false, true, 6, 40},     {"STATUS", false, false, 0, 0},
    {"DURATION", true, false, 0, 0}, {"ENDING", false, true, 11, 60},
    {"RUN ID", false, false, 0, 0},
};

/* What runs started hangs below them, in the agent's column. */
static const struct table_column tree_columns[] = {
    {"STARTED", false, false, 0, 0}, {"AGENT", false, true, 16, 80},
    {"JOB", false, true, 6, 40},     {"STATUS", false, false, 0, 0},
    {"DURATION", true, false, 0, 0}, {"ENDING", false, true, 11, 60},
    {"RUN ID", false, false, 0, 0},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

struct listing {
    const struct options *options;
    const struct tel_datadir *dir;
    struct table *table;
    struct tel_query *query;
    struct forest *forest; /* of --tree; else NULL */
    const char *branch;    /* to be drawn before the agent's name */
    struct tel_error *err;
    int64_t now_ns;
    int64_t rows;
    int64_t limit; /* 0: none */
    bool filtered;
};

static bool is_running(const struct tel_run_row *row)
{
    return tel_str_is(row->run[TEL_RUN_STATUS], "running");
}

static void add_visible(struct table *table, struct tel_str text, enum out_style style)
{
    char *shown = visible_text(text);

    table_add(table, shown, NULL, style);
    free(shown);
}

static void add_started(struct listing *listing, const struct tel_run_row *row)
{
    const bool utc = listing->options->utc;
    int64_t start_ns;

    if (!tel_time_parse(row->run[TEL_RUN_START_TIME], &start_ns)) {
        add_visible(listing->table, row->run[TEL_RUN_START_TIME], OUT_PLAIN);
        return;
    }
    table_add(listing->table, human_time(start_ns, HUMAN_TIME, utc).text,
              human_time(start_ns, HUMAN_TIME_BRIEF, utc).text, OUT_PLAIN);
}

static enum out_style style_of_status(struct tel_str status)
{
    if (tel_str_is(status, "success"))
        return OUT_GOOD;
    if (tel_str_is(status, "failed"))
        return OUT_BAD;
    return tel_str_is(status, "partial") ? OUT_WARN : OUT_BOLD;
}

/* How long it took; of one that is running, how long so far. */
static void add_duration(struct listing *listing, const struct tel_run_row *row)
{
    int64_t ms;
    int64_t start_ns;

    if (tel_json_to_i64(row->run[TEL_RUN_DURATION_MS], &ms))
        table_add(listing->table, human_duration(ms).text, NULL, OUT_PLAIN);
    else if (is_running(row) && tel_time_parse(row->run[TEL_RUN_START_TIME], &start_ns) &&
             start_ns <= listing->now_ns)
        table_add(listing->table, human_duration((listing->now_ns - start_ns) / 1000000).text, NULL,
                  OUT_BOLD);
    else
        table_add(listing->table, "", NULL, OUT_PLAIN);
}

/* "SIGKILL"; else what the run's error says, such as "exit code 3". */
static void add_ending(struct listing *listing, const struct tel_run_row *row)
{
    char memory[32];
    struct tel_buf text;
    int64_t number;

    if (!tel_json_to_i64(row->process[TEL_PROC_SIGNAL], &number)) {
        add_visible(listing->table, row->run[TEL_RUN_ERROR_SUMMARY], OUT_PLAIN);
        return;
    }
    tel_buf_init(&text, memory, sizeof memory);
    tel_signal_name_put(&text, (int)number);
    add_visible(listing->table, tel_buf_view(&text), OUT_PLAIN);
}

static void add_agent(struct listing *listing, const struct tel_run_row *row)
{
    char *agent = visible_text(row->run[TEL_RUN_AGENT_NAME]);
    char *cell = must_alloc(strlen(listing->branch) + strlen(agent) + 1);

    strcat(strcpy(cell, listing->branch), agent);
    table_add(listing->table, cell, NULL, OUT_PLAIN);
    free(cell);
    free(agent);
}

/* The last eight characters tell runs apart well enough for `telemetry show`. */
static void add_id(struct listing *listing, const struct tel_run_row *row)
{
    char *id = visible_text(row->run[TEL_RUN_RUN_ID]);
    const size_t len = strlen(id);

    table_add(listing->table, id, len > ID_SUFFIX ? id + len - ID_SUFFIX : NULL, OUT_DIM);
    free(id);
}

static void add_row(struct listing *listing, const struct tel_run_row *row)
{
    const struct tel_str status = row->run[TEL_RUN_STATUS];

    add_started(listing, row);
    add_agent(listing, row);
    add_visible(listing->table, row->run[TEL_RUN_JOB_TYPE], OUT_PLAIN);
    add_visible(listing->table, status, style_of_status(status));
    add_duration(listing, row);
    add_ending(listing, row);
    add_id(listing, row);
}

/* --- the walk -------------------------------------------------------------------------------- */

static void list_row(struct listing *listing, const struct tel_run_row *row)
{
    if (listing->options->json) {
        fputs(listing->rows > 1 ? ",\n" : "", stdout);
        run_text_json(stdout, row, "");
    } else if (listing->options->csv) {
        run_text_csv(stdout, row, out_is_terminal());
    } else {
        add_row(listing, row);
    }
}

static int take_row(void *arg, const struct tel_run_row *row)
{
    struct listing *listing = arg;
    struct so_far so_far;

    listing->rows++;
    if (listing->limit > 0 && listing->rows > listing->limit)
        return 1; /* one more than asked for: only to know that there is one */
    list_row(listing, so_far_of(&so_far, listing->dir, row));
    so_far_drop(&so_far);
    return ferror(stdout) != 0;
}

/* --- trees ----------------------------------------------------------------------------------- */

static int take_parent(void *arg, struct tel_str run_id, struct tel_str parent_run_id)
{
    forest_add(arg, run_id, parent_run_id);
    return 0;
}

static int take_match(void *arg, const struct tel_run_row *row)
{
    forest_select(arg, row->run[TEL_RUN_RUN_ID]);
    return 0;
}

static int print_run(void *arg, const struct tel_run_row *row)
{
    struct listing *listing = arg;
    struct so_far so_far;

    row = so_far_of(&so_far, listing->dir, row);
    if (listing->options->json) {
        run_text_json_begin(stdout, row);
        fputs(", \"children\": [", stdout);
    } else {
        add_row(listing, row);
    }
    so_far_drop(&so_far);
    return ferror(stdout) != 0;
}

static int take_step(void *arg, const struct forest_step *step)
{
    struct listing *listing = arg;
    const struct tel_run_filter filter = {.id = step->id};
    const bool json = listing->options->json;

    if (!step->entering) {
        fputs(json ? "]}" : "", stdout);
        return 0;
    }
    if (json && !step->first)
        fputs(", ", stdout);
    listing->branch = step->branch;
    return tel_query_runs(listing->query, &filter, print_run, listing, listing->err);
}

/* Of all runs, the newest first: those at the top of a tree that is wanted. */
static int take_root(void *arg, const struct tel_run_row *row)
{
    struct listing *listing = arg;

    if (!forest_is_root(listing->forest, row->run[TEL_RUN_RUN_ID]))
        return 0;
    listing->rows++;
    if (listing->limit > 0 && listing->rows > listing->limit)
        return 1; /* one more than asked for: only to know that there is one */
    if (listing->options->json && listing->rows > 1)
        fputs(",\n", stdout);
    return forest_walk(listing->forest, row->run[TEL_RUN_RUN_ID], !out_is_utf8(), take_step,
                       listing);
}

static int walk_trees(struct listing *listing, const struct tel_run_filter *filter)
{
    const struct tel_run_filter everything = {.limit = 0};
    struct tel_run_filter matches = *filter;
    int status;

    matches.limit = 0;
    listing->forest = forest_new(listing->filtered);
    status = tel_query_parents(listing->query, take_parent, listing->forest, listing->err);
    if (status == 0 && listing->filtered)
        status =
            tel_query_runs(listing->query, &matches, take_match, listing->forest, listing->err);
    forest_settle(listing->forest);
    if (status == 0)
        status = tel_query_runs(listing->query, &everything, take_root, listing, listing->err);
    forest_free(listing->forest);
    return status;
}

/* --- the listing ----------------------------------------------------------------------------- */

static void print_head(const struct listing *listing)
{
    if (listing->options->json)
        fputs("[\n", stdout);
    else if (listing->options->csv)
        run_text_csv_header(stdout);
}

static void print_tail(struct listing *listing)
{
    if (listing->options->json) {
        fputs(listing->rows > 0 ? "\n]\n" : "]\n", stdout);
    } else if (!listing->options->csv) {
        if (listing->rows > 0)
            table_print(listing->table);
        else
            complain("no run %s", listing->filtered ? "matches" : "has been recorded yet");
        if (listing->limit > 0 && listing->rows > listing->limit &&
            listing->options->limit == UNSET)
            complain("these are the newest %lld%s; --limit 0 shows all", (long long)listing->limit,
                     listing->options->tree ? " trees" : "");
    }
}

static int list(struct tel_query *query, const struct tel_datadir *dir,
                const struct tel_run_filter *filter, const struct options *options)
{
    struct tel_error err = {0};
    struct listing listing = {.options = options,
                              .dir = dir,
                              .query = query,
                              .err = &err,
                              .branch = "",
                              .limit = filter->limit};
    struct tel_run_filter one_more = *filter;
    struct tel_instant now;
    int status;

    tel_clock_now(&now);
    listing.now_ns = now.realtime_ns;
    listing.table = table_new(options->tree ? tree_columns : columns, COLUMNS);
    listing.filtered = filter->unposted || filter->agent.ptr != NULL || filter->job.ptr != NULL ||
                       filter->status.ptr != NULL || filter->since.ptr != NULL ||
                       filter->until.ptr != NULL;
    one_more.limit = filter->limit > 0 ? filter->limit + 1 : 0;
    print_head(&listing);
    status = options->tree ? walk_trees(&listing, filter)
                           : tel_query_runs(query, &one_more, take_row, &listing, &err);
    print_tail(&listing);
    table_free(listing.table);
    if (status < 0)
        complain("%s", err.message);
    return status < 0 ? CLI_FAILED : CLI_OK;
}

static int open_and_list(const struct tel_run_filter *filter, const struct options *options)
{
    struct context context;
    int exit_code;
    struct tel_query *query = context_open_query(&context, &exit_code);

    if (query == NULL)
        return exit_code;
    exit_code = list(query, &context.dir, filter, options);
    tel_query_close(query);
    return exit_code;
}

/* --- options --------------------------------------------------------------------------------- */

static const char *take_status(void *into, const char *value)
{
    static const char *const words[] = {"running", "success", "failed", "partial"};
    static char wanted[96];
    struct suggestion near = suggest_for(value);

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        suggest_offer(&near, words[i]);
        if (strcmp(value, words[i]) == 0)
            return arg_text(into, value);
    }
    snprintf(wanted, sizeof wanted, "running, success, failed or partial%s%s%s",
             near.best != NULL ? "; did you mean " : "", near.best != NULL ? near.best : "",
             near.best != NULL ? "?" : "");
    return wanted;
}

/* The text of a moment as the database has it, in memory; not set when none was given. */
static bool parse_moment(const char *text, bool utc, char memory[TEL_TIME_LEN + 1],
                         struct tel_str *out)
{
    struct tel_instant now;
    struct tel_buf buf;
    int64_t moment_ns;

    if (text == NULL)
        return true;
    tel_clock_now(&now);
    if (!when_parse(text, utc, now.realtime_ns, &moment_ns))
        return false;
    tel_buf_init(&buf, memory, TEL_TIME_LEN + 1);
    tel_time_put(&buf, moment_ns);
    *out = tel_buf_view(&buf);
    return true;
}

static int run_listing(const struct options *options)
{
    char since[TEL_TIME_LEN + 1];
    char until[TEL_TIME_LEN + 1];
    struct tel_run_filter filter = {
        .agent = tel_str_from(options->agent),
        .job = tel_str_from(options->job),
        .status = tel_str_from(options->status),
        .unposted = options->unposted,
        .limit = options->limit,
    };

    if (options->json && options->csv) {
        complain("--json and --csv exclude each other");
        return CLI_USAGE;
    }
    if (options->tree && options->csv) {
        complain("--tree and --csv exclude each other");
        return CLI_USAGE;
    }
    if (!parse_moment(options->since, options->utc, since, &filter.since))
        return args_bad_value("since", options->since, WHEN_FORMS);
    if (!parse_moment(options->until, options->utc, until, &filter.until))
        return args_bad_value("until", options->until, WHEN_FORMS);
    if (filter.limit == UNSET)
        filter.limit = options->json || options->csv ? 0 : DEFAULT_LIMIT;
    return open_and_list(&filter, options);
}

int cmd_runs(int argc, char **argv)
{
    struct options options = {.limit = UNSET};
    const struct arg_option list_options[] = {
        {"agent", "NAME", "only runs of this agent; * and ? match any text", arg_text,
         &options.agent},
        {"job", "NAME", "only runs under this job name; * and ? match any text", arg_text,
         &options.job},
        {"status", "STATUS", "only running, success, failed or partial ones", take_status,
         &options.status},
        {"since", "TIME",
         "only runs that started then or later: 2026-11-22,\n"
         "2026-11-22T10:00, 90m, 2h or 7d (ago), today, yesterday",
         arg_text, &options.since},
        {"until", "TIME", "only runs that started before then", arg_text, &options.until},
        {"unposted", NULL, "only runs that are still to be posted to the remote API", arg_flag,
         &options.unposted},
        {"limit", "N", "at most so many, 0 for all (default: 20 in the table, else all)", arg_count,
         &options.limit},
        {"utc", NULL, "times in UTC instead of local time, --since and --until too", arg_flag,
         &options.utc},
        {"tree", NULL,
         "what runs started below them; with the options above: each\n"
         "run that they select, what it belongs to and what it started.\n"
         "--limit then counts trees; with --json: \"children\" in each",
         arg_flag, &options.tree},
        {"json", NULL, "an array of objects, one to a line, with all that is known", arg_flag,
         &options.json},
        {"csv", NULL, "comma-separated values with a header: the columns of agent_runs", arg_flag,
         &options.csv},
    };
    const struct arg_spec spec = {
        .command = "runs",
        .synopsis = "[OPTION...]",
        .about = "Lists recorded runs, the newest first.\n",
        .options = list_options,
        .option_count = sizeof list_options / sizeof list_options[0],
        .examples = "  telemetry runs --status failed --since yesterday\n"
                    "  telemetry runs --job 'nightly*' --json | jq '.[].duration_ms'\n"
                    "  telemetry runs --tree --since 1h\n",
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code) ? run_listing(&options) : exit_code;
}
