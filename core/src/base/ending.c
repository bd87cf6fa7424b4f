/* The table of CONTRACT 5 as code: wait status -> status, error_summary and process facts. */
#include "ending.h"

#include "clock.h"

#include <string.h>
#include <sys/wait.h>

#define NS_PER_MS 1000000
#define US_PER_MS 1000

const char tel_end_source_names[3][9] = {
    [TEL_END_OBSERVED] = "observed",
    [TEL_END_KERNEL] = "kernel",
    [TEL_END_INFERRED] = "inferred",
};

/* signal(7), the numbers of x86 and ARM. */
static const char signal_names[32][8] = {
    "0",    "HUP",  "INT",  "QUIT", "ILL",    "TRAP",   "ABRT",  "BUS",  "FPE",  "KILL", "USR1",
    "SEGV", "USR2", "PIPE", "ALRM", "TERM",   "STKFLT", "CHLD",  "CONT", "STOP", "TSTP", "TTIN",
    "TTOU", "URG",  "XCPU", "XFSZ", "VTALRM", "PROF",   "WINCH", "IO",   "PWR",  "SYS",
};

void tel_signal_name_put(struct tel_buf *buf, int number)
{
    enum { FIRST_REALTIME = 34 }; /* glibc keeps 32 and 33 for itself */

    tel_buf_cstr(buf, "SIG");
    if (number > 0 && number < 32) {
        tel_buf_cstr(buf, signal_names[number]);
    } else if (number >= FIRST_REALTIME) {
        tel_buf_cstr(buf, "RTMIN+");
        tel_buf_i64(buf, number - FIRST_REALTIME);
    } else {
        tel_buf_i64(buf, number);
    }
}

static bool is_success(const struct tel_runline *line, int exit_code)
{
    struct tel_str raw = line->process[TEL_PROC_SUCCESS_EXIT_CODES];
    uint8_t codes[32] = {1};

    if (raw.len > 2 && raw.ptr[0] == '"')
        tel_config_parse_codes((struct tel_str){raw.ptr + 1, raw.len - 2}, codes);
    return tel_config_is_success(codes, exit_code);
}

static void put_reason(struct tel_buf *text, const struct tel_ending *ending)
{
    int status = ending->wait_status;

    if (!ending->known) {
        tel_buf_cstr(text, "ended without a trace");
    } else if (WIFSIGNALED(status)) {
        tel_buf_cstr(text, "killed by ");
        tel_signal_name_put(text, WTERMSIG(status));
        tel_buf_cstr(text, " (");
        tel_buf_i64(text, WTERMSIG(status));
        tel_buf_char(text, ')');
        if (WCOREDUMP(status))
            tel_buf_cstr(text, ", core dumped");
    } else {
        tel_buf_cstr(text, "exit code ");
        tel_buf_i64(text, WEXITSTATUS(status));
    }
    if (ending->detail != NULL) {
        tel_buf_cstr(text, ": ");
        tel_buf_cstr(text, ending->detail);
    }
}

/* True when the run's own words stand: it has said how it ended, and nothing speaks against it. */
static bool said_so_itself(const struct tel_runline *line)
{
    struct tel_str status = line->run[TEL_RUN_STATUS];

    return tel_str_is(status, "\"success\"") || tel_str_is(status, "\"failed\"") ||
           tel_str_is(status, "\"partial\"");
}

static void apply_verdict(struct tel_runline *line, struct tel_buf *scratch,
                          const struct tel_ending *ending)
{
    const bool clean = ending->known && WIFEXITED(ending->wait_status) &&
                       is_success(line, WEXITSTATUS(ending->wait_status));
    char memory[512];
    struct tel_buf reason;

    if (clean) {
        if (!said_so_itself(line))
            line->run[TEL_RUN_STATUS] = TEL_STR("\"success\"");
        return;
    }
    line->run[TEL_RUN_STATUS] = TEL_STR("\"failed\"");
    if (line->run[TEL_RUN_ERROR_SUMMARY].ptr != NULL &&
        !tel_str_is(line->run[TEL_RUN_ERROR_SUMMARY], "null"))
        return;
    tel_buf_init(&reason, memory, sizeof memory);
    put_reason(&reason, ending);
    tel_slot_text(&line->run[TEL_RUN_ERROR_SUMMARY], scratch, tel_buf_view(&reason));
}

void tel_ending_set_times(struct tel_runline *line, struct tel_buf *scratch, int64_t boottime_ns)
{
    struct tel_str raw = line->run[TEL_RUN_START_TIME];
    int64_t start_boot_ns;
    int64_t start_ns;
    int64_t duration_ns;

    if (boottime_ns == 0 || raw.len < 2 ||
        !tel_json_to_i64(line->process[TEL_PROC_START_BOOT_NS], &start_boot_ns) ||
        !tel_time_parse((struct tel_str){raw.ptr + 1, raw.len - 2}, &start_ns))
        return;
    duration_ns = boottime_ns - start_boot_ns;
    if (duration_ns < 0)
        duration_ns = 0;
    tel_slot_int(&line->run[TEL_RUN_DURATION_MS], scratch, duration_ns / NS_PER_MS);
    tel_slot_time(&line->run[TEL_RUN_END_TIME], scratch, start_ns + duration_ns);
}

static void apply_process(struct tel_runline *line, struct tel_buf *scratch,
                          const struct tel_ending *ending)
{
    struct tel_str *process = line->process;
    const int status = ending->wait_status;
    const bool signaled = ending->known && WIFSIGNALED(status);

    process[TEL_PROC_EXIT_CODE] = TEL_STR_NONE;
    process[TEL_PROC_SIGNAL] = TEL_STR_NONE;
    process[TEL_PROC_CORE_DUMPED] = TEL_STR_NONE;
    if (ending->known && WIFEXITED(status))
        tel_slot_int(&process[TEL_PROC_EXIT_CODE], scratch, WEXITSTATUS(status));
    if (signaled) {
        tel_slot_int(&process[TEL_PROC_SIGNAL], scratch, WTERMSIG(status));
        tel_slot_bool(&process[TEL_PROC_CORE_DUMPED], WCOREDUMP(status));
    }
    tel_slot_text(&process[TEL_PROC_END_SOURCE], scratch,
                  tel_str_from(tel_end_source_names[ending->source]));
}

void tel_ending_apply(struct tel_runline *line, struct tel_buf *scratch,
                      const struct tel_ending *ending)
{
    apply_verdict(line, scratch, ending);
    tel_ending_set_times(line, scratch, ending->boottime_ns);
    apply_process(line, scratch, ending);
}

bool tel_ending_leaves_status(const struct tel_runline *line)
{
    const struct tel_str *process = line->process;
    int64_t number;

    if (tel_str_is(line->run[TEL_RUN_STATUS], "\"running\"") ||
        tel_json_to_i64(process[TEL_PROC_SIGNAL], &number) ||
        tel_str_is(process[TEL_PROC_END_SOURCE], "\"inferred\""))
        return false;
    if (!tel_json_to_i64(process[TEL_PROC_EXIT_CODE], &number))
        return true;
    return !tel_str_is(process[TEL_PROC_SCOPE], "true") && is_success(line, (int)number);
}

static void set_time(struct tel_str *slot, struct tel_buf *scratch, struct timeval time,
                     uint64_t before_ms)
{
    const int64_t ms = (int64_t)time.tv_sec * 1000 + time.tv_usec / US_PER_MS - (int64_t)before_ms;

    tel_slot_int(slot, scratch, ms < 0 ? 0 : ms);
}

/* Where a long has 32 bits, that of both may have more. */
static int64_t sum(long self, long children)
{
    return (int64_t)self + children;
}

void tel_ending_set_cost(struct tel_runline *line, struct tel_buf *scratch,
                         const struct rusage *self, const struct rusage *children,
                         const struct tel_cpu_times *before)
{
    struct tel_str *process = line->process;
    const int64_t rss =
        self->ru_maxrss > children->ru_maxrss ? self->ru_maxrss : children->ru_maxrss;

    set_time(&process[TEL_PROC_USER_MS], scratch, self->ru_utime, before->user_ms);
    set_time(&process[TEL_PROC_SYSTEM_MS], scratch, self->ru_stime, before->system_ms);
    set_time(&process[TEL_PROC_CHILDREN_USER_MS], scratch, children->ru_utime,
             before->children_user_ms);
    set_time(&process[TEL_PROC_CHILDREN_SYSTEM_MS], scratch, children->ru_stime,
             before->children_system_ms);
    tel_slot_int(&process[TEL_PROC_MAX_RSS_KIB], scratch, rss);
    tel_slot_int(&process[TEL_PROC_MINOR_FAULTS], scratch,
                 sum(self->ru_minflt, children->ru_minflt));
    tel_slot_int(&process[TEL_PROC_MAJOR_FAULTS], scratch,
                 sum(self->ru_majflt, children->ru_majflt));
    tel_slot_int(&process[TEL_PROC_VOLUNTARY_SWITCHES], scratch,
                 sum(self->ru_nvcsw, children->ru_nvcsw));
    tel_slot_int(&process[TEL_PROC_INVOLUNTARY_SWITCHES], scratch,
                 sum(self->ru_nivcsw, children->ru_nivcsw));
    tel_slot_int(&process[TEL_PROC_BLOCKS_READ], scratch,
                 sum(self->ru_inblock, children->ru_inblock));
    tel_slot_int(&process[TEL_PROC_BLOCKS_WRITTEN], scratch,
                 sum(self->ru_oublock, children->ru_oublock));
}
