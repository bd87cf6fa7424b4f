/* telemetry show: all that is known of one run. */
#include "args.h"
#include "base/clock.h"
#include "base/ending.h"
#include "base/json_scan.h"
#include "cli.h"
#include "complain.h"
#include "context.h"
#include "events.h"
#include "human.h"
#include "output.h"
#include "run_text.h"
#include "so_far.h"
#include "visible.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    bool json;
    bool utc;
};

struct page {
    const struct options *options;
    const struct tel_datadir *dir;
    const struct tel_run_row *row; /* while it is shown */
    const char *group;             /* headline that is due before the next fact */
    bool begun;
    int exit_code;
};

/* --- facts ----------------------------------------------------------------------------------- */

/* What follows is shown under this headline; without facts, neither is. */
static void begin_group(struct page *page, const char *title)
{
    page->group = title;
}

static void put_label(struct page *page, const char *label)
{
    enum { LABEL_WIDTH = 16 };

    if (page->group != NULL) {
        printf("%s%s%s%s\n", page->begun ? "\n" : "", out_begin(OUT_BOLD), page->group,
               out_end(OUT_BOLD));
        page->group = NULL;
        page->begun = true;
    }
    printf("  %-*s  ", LABEL_WIDTH, label);
}

static void put_fact(struct page *page, const char *label, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put_fact(struct page *page, const char *label, const char *format, ...)
{
    va_list args;

    put_label(page, label);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static void put_text(struct page *page, const char *label, struct tel_str text)
{
    if (text.len == 0)
        return;
    put_label(page, label);
    visible_put(stdout, text);
    putchar('\n');
}

static bool number_of(struct tel_str value, int64_t *number)
{
    return value.ptr != NULL && tel_json_to_i64(value, number);
}

static void put_number(struct page *page, const char *label, struct tel_str value)
{
    int64_t number;

    if (number_of(value, &number))
        put_fact(page, label, "%lld", (long long)number);
}

/* "2026-11-22 11:00:00 +01:00 (2026-11-22T10:00:00.123456+00:00)" */
static void put_time(struct page *page, const char *label, struct tel_str value)
{
    int64_t moment_ns;

    if (!tel_time_parse(value, &moment_ns)) {
        put_text(page, label, value);
        return;
    }
    put_label(page, label);
    printf("%s (", human_time(moment_ns, HUMAN_TIME_ZONED, page->options->utc).text);
    visible_put(stdout, value);
    puts(")");
}

/* --- groups ---------------------------------------------------------------------------------- */

static void put_identity(struct page *page)
{
    const struct tel_str *run = page->row->run;

    begin_group(page, "Run");
    put_text(page, "id", run[TEL_RUN_RUN_ID]);
    put_text(page, "agent", run[TEL_RUN_AGENT_NAME]);
    put_text(page, "job", run[TEL_RUN_JOB_TYPE]);
    put_text(page, "owner", run[TEL_RUN_AGENT_OWNER]);
    put_text(page, "trigger", run[TEL_RUN_TRIGGER_TYPE]);
    put_text(page, "host", run[TEL_RUN_HOST]);
    put_text(page, "part of", page->row->process[TEL_PROC_PARENT_RUN_ID]);
}

/* "12.3 s (12345 ms)"; "340 ms", which is exact already. */
static struct human exact_duration(int64_t ms)
{
    struct human out = human_duration(ms);
    const size_t len = strlen(out.text);

    if (ms >= 1000)
        snprintf(out.text + len, sizeof out.text - len, " (%lld ms)", (long long)ms);
    return out;
}

static void put_duration(struct page *page)
{
    const struct tel_str *run = page->row->run;
    struct tel_instant now;
    int64_t ms;

    tel_clock_now(&now);
    if (number_of(run[TEL_RUN_DURATION_MS], &ms))
        put_fact(page, "duration", "%s", exact_duration(ms).text);
    else if (tel_str_is(run[TEL_RUN_STATUS], "running") &&
             tel_time_parse(run[TEL_RUN_START_TIME], &ms) && ms <= now.realtime_ns)
        put_fact(page, "duration", "%s so far",
                 human_duration((now.realtime_ns - ms) / 1000000).text);
}

static void put_times(struct page *page)
{
    begin_group(page, "Time");
    put_time(page, "started", page->row->run[TEL_RUN_START_TIME]);
    put_time(page, "ended", page->row->run[TEL_RUN_END_TIME]);
    put_duration(page);
}

static const char *source_text(struct tel_str source)
{
    if (tel_str_is(source, "observed"))
        return "observed: seen from inside the process";
    if (tel_str_is(source, "kernel"))
        return "kernel: the wait status that the kernel kept";
    return "inferred: nobody saw it";
}

static void put_signal(struct page *page, int number)
{
    const struct tel_str dumped = page->row->process[TEL_PROC_CORE_DUMPED];
    char memory[32];
    struct tel_buf name;

    tel_buf_init(&name, memory, sizeof memory);
    tel_signal_name_put(&name, number);
    put_fact(page, "signal", "%s (%d)%s", tel_buf_terminate(&name), number,
             tel_str_is(dumped, "1") ? ", core dumped" : "");
}

static void put_ending(struct page *page)
{
    const struct tel_str *run = page->row->run;
    const struct tel_str *process = page->row->process;
    int64_t number;

    begin_group(page, "Ending");
    put_text(page, "status", run[TEL_RUN_STATUS]);
    put_text(page, "error", run[TEL_RUN_ERROR_SUMMARY]);
    put_number(page, "exit code", process[TEL_PROC_EXIT_CODE]);
    if (number_of(process[TEL_PROC_SIGNAL], &number))
        put_signal(page, (int)number);
    put_text(page, "success codes", process[TEL_PROC_SUCCESS_EXIT_CODES]);
    if (process[TEL_PROC_END_SOURCE].len > 0)
        put_fact(page, "known from", "%s", source_text(process[TEL_PROC_END_SOURCE]));
}

/* "1.2 s user, 40 ms system" of two fields; nothing when they are not known. */
static void put_cpu(struct page *page, const char *label, int user, int sys)
{
    int64_t user_ms;
    int64_t system_ms;

    if (number_of(page->row->process[user], &user_ms) &&
        number_of(page->row->process[sys], &system_ms))
        put_fact(page, label, "%s user, %s system", exact_duration(user_ms).text,
                 exact_duration(system_ms).text);
}

/* "12 voluntary, 3 involuntary" of two fields. */
static void put_pair(struct page *page, const char *label, int first, const char *first_word,
                     int second, const char *second_word)
{
    int64_t a;
    int64_t b;

    if (number_of(page->row->process[first], &a) && number_of(page->row->process[second], &b))
        put_fact(page, label, "%lld %s, %lld %s", (long long)a, first_word, (long long)b,
                 second_word);
}

static void put_cost(struct page *page)
{
    const struct tel_str *process = page->row->process;
    int64_t kib;

    begin_group(page, "Cost");
    put_cpu(page, "CPU time", TEL_PROC_USER_MS, TEL_PROC_SYSTEM_MS);
    put_cpu(page, "of its children", TEL_PROC_CHILDREN_USER_MS, TEL_PROC_CHILDREN_SYSTEM_MS);
    if (number_of(process[TEL_PROC_MAX_RSS_KIB], &kib) && kib >= 0)
        put_fact(page, "memory", "%s at most (%lld KiB)", human_size((uint64_t)kib * 1024).text,
                 (long long)kib);
    put_pair(page, "page faults", TEL_PROC_MINOR_FAULTS, "minor", TEL_PROC_MAJOR_FAULTS, "major");
    put_pair(page, "task switches", TEL_PROC_VOLUNTARY_SWITCHES, "voluntary",
             TEL_PROC_INVOLUNTARY_SWITCHES, "involuntary");
    put_pair(page, "disk blocks", TEL_PROC_BLOCKS_READ, "read", TEL_PROC_BLOCKS_WRITTEN, "written");
    if (page->group != NULL && page->row->has_process &&
        !tel_str_is(page->row->run[TEL_RUN_STATUS], "running"))
        put_fact(page, "not known", "nobody could see it");
}

/* A word as one would type it into a shell. */
static void put_word(struct tel_str word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_-+=./:,@%";
    bool quoted = word.len == 0;

    for (size_t i = 0; i < word.len && !quoted; i++)
        quoted = (unsigned char)word.ptr[i] < 0x80 && strchr(plain, word.ptr[i]) == NULL;
    if (!quoted) {
        visible_put(stdout, word);
        return;
    }
    putchar('\'');
    for (size_t i = 0, start = 0; i <= word.len; i++) {
        if (i < word.len && word.ptr[i] != '\'')
            continue;
        visible_put(stdout, (struct tel_str){word.ptr + start, i - start});
        fputs(i < word.len ? "'\\''" : "", stdout);
        start = i + 1;
    }
    putchar('\'');
}

/* The next JSON string of an array, with its quotes, taken off text. */
static bool next_string(struct tel_str *text, struct tel_str *string)
{
    const ptrdiff_t quote = tel_str_find(*text, '"');
    size_t at;

    if (quote < 0)
        return false;
    for (at = (size_t)quote + 1; at < text->len && text->ptr[at] != '"'; at++)
        if (text->ptr[at] == '\\')
            at++;
    if (at >= text->len)
        return false;
    *string = (struct tel_str){text->ptr + quote, at + 1 - (size_t)quote};
    *text = tel_str_from_pos(*text, at + 1);
    return true;
}

static void put_command(struct page *page)
{
    struct tel_str rest = page->row->process[TEL_PROC_ARGV];
    struct tel_str raw;
    const char *blank = "";
    char *memory;

    if (rest.len == 0)
        return;
    memory = must_alloc(rest.len);
    put_label(page, "command");
    while (next_string(&rest, &raw)) {
        struct tel_buf word;

        tel_buf_init(&word, memory, page->row->process[TEL_PROC_ARGV].len);
        tel_json_unescape(raw, &word);
        fputs(blank, stdout);
        put_word(tel_buf_view(&word));
        blank = " ";
    }
    putchar('\n');
    free(memory);
}

static void put_process(struct page *page)
{
    const struct tel_str *process = page->row->process;

    begin_group(page, "Process");
    put_command(page);
    put_text(page, "executable", process[TEL_PROC_EXE]);
    put_text(page, "directory", process[TEL_PROC_CWD]);
    put_number(page, "process id", process[TEL_PROC_PID]);
    put_number(page, "parent's id", process[TEL_PROC_PPID]);
    put_number(page, "user id", process[TEL_PROC_UID]);
    put_text(page, "boot id", process[TEL_PROC_BOOT_ID]);
    put_number(page, "pid namespace", process[TEL_PROC_PID_NS]);
    put_text(page, "trace", process[TEL_PROC_TRACEPARENT]);
    put_text(page, "shim's version", process[TEL_PROC_SHIM_VERSION]);
}

/* Counts are 0 for every run that never counted anything. */
static bool counted(const struct tel_str *run)
{
    int64_t number;

    for (int i = TEL_RUN_ITEMS_DISCOVERED; i <= TEL_RUN_ITEMS_FAILED; i++)
        if (number_of(run[i], &number) && number != 0)
            return true;
    return false;
}

static void put_tags(struct page *page)
{
    static const struct {
        const char *label;
        int field;
    } tags[] = {
        {"input", TEL_RUN_INPUT_SUMMARY},     {"output", TEL_RUN_OUTPUT_SUMMARY},
        {"metrics", TEL_RUN_METRICS_JSON},    {"insight id", TEL_RUN_INSIGHT_ID},
        {"product", TEL_RUN_PRODUCT},         {"product family", TEL_RUN_PRODUCT_FAMILY},
        {"platform", TEL_RUN_PLATFORM},       {"subdomain", TEL_RUN_SUBDOMAIN},
        {"git repository", TEL_RUN_GIT_REPO}, {"git branch", TEL_RUN_GIT_BRANCH},
        {"git run tag", TEL_RUN_GIT_RUN_TAG},
    };
    const struct tel_str *run = page->row->run;

    begin_group(page, "Tags");
    if (counted(run)) {
        put_number(page, "items found", run[TEL_RUN_ITEMS_DISCOVERED]);
        put_number(page, "items succeeded", run[TEL_RUN_ITEMS_SUCCEEDED]);
        put_number(page, "items failed", run[TEL_RUN_ITEMS_FAILED]);
    }
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        put_text(page, tags[i].label, run[tags[i].field]);
}

static void put_record(struct page *page)
{
    const struct tel_str *run = page->row->run;

    begin_group(page, "Record");
    put_fact(page, "posted", "%s", tel_str_is(run[TEL_RUN_API_POSTED], "1") ? "yes" : "no");
    put_time(page, "posted at", run[TEL_RUN_API_POSTED_AT]);
    put_text(page, "created", run[TEL_RUN_CREATED_AT]);
    put_text(page, "updated", run[TEL_RUN_UPDATED_AT]);
}

/* --- events ---------------------------------------------------------------------------------- */

/* Text of a raw JSON string (or the raw value itself, where it is none), the caller's to free. */
static char *text_of(struct tel_str raw, size_t *len)
{
    const size_t cap = raw.len + 4;
    char *memory = must_alloc(cap);
    struct tel_buf buf;

    tel_buf_init(&buf, memory, cap);
    if (!tel_json_unescape(raw, &buf)) {
        buf.len = 0;
        tel_buf_str(&buf, raw);
    }
    *len = buf.len;
    return memory;
}

static void put_raw(struct tel_str raw)
{
    size_t len;
    char *text = text_of(raw, &len);

    visible_put(stdout, (struct tel_str){text, len});
    free(text);
}

static int show_event(void *arg, const struct tel_event *event)
{
    struct page *page = arg;
    char label[48] = "";
    size_t len;
    char *time = text_of(event->timestamp, &len);
    int64_t moment_ns;

    if (tel_time_parse((struct tel_str){time, len}, &moment_ns))
        snprintf(label, sizeof label, "%s",
                 human_time(moment_ns, HUMAN_TIME_BRIEF, page->options->utc).text);
    free(time);
    put_label(page, label);
    put_raw(event->type);
    if (event->payload.len > 0 && !tel_str_is(event->payload, "null")) {
        fputs("  ", stdout);
        put_raw(event->payload);
    }
    putchar('\n');
    return ferror(stdout) != 0;
}

struct event_list {
    FILE *out;
    bool any;
};

static void put_raw_member(FILE *out, const char *name, struct tel_str raw)
{
    fprintf(out, "\"%s\": ", name);
    if (tel_json_valid(raw))
        fwrite(raw.ptr, 1, raw.len, out);
    else
        fputs("null", out);
}

static int list_event(void *arg, const struct tel_event *event)
{
    struct event_list *list = arg;

    fputs(list->any ? ", {" : "{", list->out);
    put_raw_member(list->out, "event_type", event->type);
    fputs(", ", list->out);
    put_raw_member(list->out, "timestamp", event->timestamp);
    fputs(", ", list->out);
    put_raw_member(list->out, "payload_json", event->payload);
    fputc('}', list->out);
    list->any = true;
    return 0;
}

static void each_event(struct page *page, tel_event_fn *fn, void *arg)
{
    const struct tel_str *run = page->row->run;
    struct tel_error err = {0};

    if (tel_events_each(page->dir, run[TEL_RUN_RUN_ID], run[TEL_RUN_START_TIME],
                        run[TEL_RUN_END_TIME], fn, arg, &err) < 0) {
        complain("cannot read its events: %s", err.message);
        page->exit_code = CLI_FAILED;
    }
}

/* --- the command ----------------------------------------------------------------------------- */

static void show_as_json(struct page *page)
{
    char *text = NULL;
    size_t len = 0;
    struct event_list list = {open_memstream(&text, &len), false};

    if (list.out == NULL) {
        complain("no memory");
        page->exit_code = CLI_FAILED;
        return;
    }
    fputs(", \"events\": [", list.out);
    each_event(page, list_event, &list);
    fputc(']', list.out);
    fclose(list.out);
    run_text_json(stdout, page->row, text);
    putchar('\n');
    free(text);
}

static void show_as_text(struct page *page)
{
    put_identity(page);
    put_times(page);
    put_ending(page);
    put_cost(page);
    put_process(page);
    put_tags(page);
    put_record(page);
    begin_group(page, "Events");
    each_event(page, show_event, page);
}

static int show_row(void *arg, const struct tel_run_row *row)
{
    struct page *page = arg;
    struct so_far so_far;

    page->row = so_far_of(&so_far, page->dir, row);
    if (page->options->json)
        show_as_json(page);
    else
        show_as_text(page);
    so_far_drop(&so_far);
    return 0;
}

static int find_and_show(struct tel_query *query, const char *id, struct page *page)
{
    const struct tel_run_filter filter = {.id = tel_str_from(id)};
    struct tel_error err = {0};
    int status;

    if (strcmp(id, "latest") == 0) {
        status = tel_query_latest(query, show_row, page, &err);
        if (status == 0)
            status = tel_fail(&err, TEL_ERR_NOT_FOUND, "no run has been recorded yet", NULL);
    } else {
        status = tel_query_runs(query, &filter, show_row, page, &err);
    }
    if (status >= 0)
        return page->exit_code;
    if (err.code == TEL_ERR_NOT_FOUND && strcmp(id, "latest") != 0)
        complain("'%s': %s; 'telemetry runs' lists them", id, err.message);
    else
        complain("%s", err.message);
    return CLI_FAILED;
}

static int show(const char *id, const struct options *options)
{
    struct context context;
    struct page page = {.options = options, .dir = &context.dir};
    int exit_code;
    struct tel_query *query = context_open_query(&context, &exit_code);

    if (query == NULL)
        return exit_code;
    exit_code = find_and_show(query, id, &page);
    tel_query_close(query);
    return exit_code;
}

int cmd_show(int argc, char **argv)
{
    struct options options = {false, false};
    const struct arg_option list[] = {
        {"json", NULL, "one object, with its events", arg_flag, &options.json},
        {"utc", NULL, "times in UTC instead of local time", arg_flag, &options.utc},
    };
    const struct arg_spec spec = {
        .command = "show",
        .synopsis = "[OPTION...] ID|latest",
        .about = "Shows all that is known of a run. Its id may be shortened to a beginning or an\n"
                 "end that no other run has, such as the last eight characters.\n",
        .options = list,
        .option_count = sizeof list / sizeof list[0],
        .examples = "  telemetry show latest\n"
                    "  telemetry show 1f0c62ab --json | jq .process.argv\n",
        .min_operands = 1,
        .max_operands = 1,
        .operand = "a run's id, or 'latest',",
    };
    struct arg_operands operands;
    int exit_code;

    return args_parse(&spec, argc, argv, &operands, &exit_code) ? show(operands.at[0], &options)
                                                                : exit_code;
}
