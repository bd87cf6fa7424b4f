/* Every row of the table "How an ending maps" (CONTRACT 5), and what overrules what. */
#include "base/ending.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "support/places.h"
#include "support/view.h"

#define SECOND INT64_C(1000000000)
#define START_BOOT (5 * SECOND)

/* As wait(2) has them. */
#define EXITED(code) ((code) << 8)
#define KILLED(signal) (signal)
#define DUMPED(signal) ((signal) | 0x80)

static char memory[TEL_RUNLINE_MAX];
static struct tel_buf scratch;
static struct tel_runline line;

/* The run's previous line: a start line with these changes. */
static void begin(const char *text_of_line)
{
    static char copy[16384];

    cr_assert_lt(strlen(text_of_line), sizeof copy);
    strcpy(copy, text_of_line);
    cr_assert_eq(tel_runline_parse(tel_str_from(copy), &line), TEL_LINE_RUN);
    tel_buf_init(&scratch, memory, sizeof memory);
}

static void begin_new(void)
{
    begin(start_line("20261122T100000Z-agent-00000001", START_BOOT));
}

static void apply(enum tel_end_source source, int wait_status)
{
    const struct tel_ending ending = {source, true, wait_status, START_BOOT + 2 * SECOND, NULL};

    tel_ending_apply(&line, &scratch, &ending);
}

static const char *run_field(enum tel_run_field field)
{
    return line.run[field].ptr == NULL ? "null" : view_text(line.run[field]);
}

static const char *process_field(enum tel_process_field field)
{
    return line.process[field].ptr == NULL ? "null" : view_text(line.process[field]);
}

static void expect(const char *status, const char *summary, const char *code, const char *signal,
                   const char *dumped)
{
    cr_expect_str_eq(run_field(TEL_RUN_STATUS), status);
    cr_expect_str_eq(run_field(TEL_RUN_ERROR_SUMMARY), summary);
    cr_expect_str_eq(process_field(TEL_PROC_EXIT_CODE), code);
    cr_expect_str_eq(process_field(TEL_PROC_SIGNAL), signal);
    cr_expect_str_eq(process_field(TEL_PROC_CORE_DUMPED), dumped);
}

/* --- the rows of the table ------------------------------------------------------------------- */

Test(ending, a_success)
{
    begin_new();
    apply(TEL_END_OBSERVED, EXITED(0));
    expect("\"success\"", "null", "0", "null", "null");
    cr_expect_str_eq(process_field(TEL_PROC_END_SOURCE), "\"observed\"");
}

Test(ending, another_code)
{
    begin_new();
    apply(TEL_END_OBSERVED, EXITED(3));
    expect("\"failed\"", "\"exit code 3\"", "3", "null", "null");

    begin_new();
    apply(TEL_END_KERNEL, EXITED(255));
    expect("\"failed\"", "\"exit code 255\"", "255", "null", "null");
    cr_expect_str_eq(process_field(TEL_PROC_END_SOURCE), "\"kernel\"");
}

Test(ending, a_code_that_was_declared_a_success)
{
    const char *declared =
        changed_line(start_line("r", START_BOOT), "success_exit_codes", "\"3, 4\"", NULL);

    begin(declared);
    apply(TEL_END_OBSERVED, EXITED(4));
    expect("\"success\"", "null", "4", "null", "null");

    begin(declared);
    apply(TEL_END_OBSERVED, EXITED(0));
    expect("\"failed\"", "\"exit code 0\"", "0", "null", "null");

    begin(changed_line(declared, "success_exit_codes", "\"nonsense\"", NULL));
    apply(TEL_END_OBSERVED, EXITED(0));
    expect("\"success\"", "null", "0", "null", "null");
}

Test(ending, killed)
{
    begin_new();
    apply(TEL_END_KERNEL, KILLED(SIGKILL));
    expect("\"failed\"", "\"killed by SIGKILL (9)\"", "null", "9", "false");

    begin_new();
    apply(TEL_END_KERNEL, KILLED(SIGTERM));
    expect("\"failed\"", "\"killed by SIGTERM (15)\"", "null", "15", "false");
}

Test(ending, killed_with_a_core)
{
    begin_new();
    apply(TEL_END_KERNEL, DUMPED(SIGSEGV));
    expect("\"failed\"", "\"killed by SIGSEGV (11), core dumped\"", "null", "11", "true");
}

Test(ending, without_a_trace)
{
    const struct tel_ending ending = {TEL_END_INFERRED, false, 0, 0, "the machine was restarted"};

    begin_new();
    tel_ending_apply(&line, &scratch, &ending);
    expect("\"failed\"", "\"ended without a trace: the machine was restarted\"", "null", "null",
           "null");
    cr_expect_str_eq(process_field(TEL_PROC_END_SOURCE), "\"inferred\"");
    cr_expect_str_eq(run_field(TEL_RUN_END_TIME), "null", "nobody knows when");
    cr_expect_str_eq(run_field(TEL_RUN_DURATION_MS), "null");
}

Test(ending, without_a_trace_and_without_a_reason)
{
    const struct tel_ending ending = {.source = TEL_END_INFERRED};

    begin_new();
    tel_ending_apply(&line, &scratch, &ending);
    cr_expect_str_eq(run_field(TEL_RUN_ERROR_SUMMARY), "\"ended without a trace\"");
}

Test(ending, a_detail_joins_the_exit_code)
{
    const struct tel_ending ending = {TEL_END_OBSERVED, true, EXITED(127), 0, "no such file"};

    begin_new();
    tel_ending_apply(&line, &scratch, &ending);
    cr_expect_str_eq(run_field(TEL_RUN_ERROR_SUMMARY), "\"exit code 127: no such file\"");
}

/* --- what the run says itself ---------------------------------------------------------------- */

static void begin_with(const char *status, const char *summary)
{
    begin(changed_line(start_line("r", START_BOOT), "status", status, "error_summary", summary,
                       NULL));
}

Test(ending, its_own_status_stands)
{
    static const char *const own[] = {"\"partial\"", "\"failed\"", "\"success\""};

    for (size_t i = 0; i < 3; i++) {
        begin_with(own[i], "\"3 of 5 pages\"");
        apply(TEL_END_OBSERVED, EXITED(0));
        expect(own[i], "\"3 of 5 pages\"", "0", "null", "null");
    }
}

Test(ending, a_crash_overrules_its_own_success)
{
    begin_with("\"success\"", "null");
    apply(TEL_END_KERNEL, KILLED(SIGSEGV));
    expect("\"failed\"", "\"killed by SIGSEGV (11)\"", "null", "11", "false");

    begin_with("\"partial\"", "null");
    apply(TEL_END_OBSERVED, EXITED(2));
    expect("\"failed\"", "\"exit code 2\"", "2", "null", "null");
}

Test(ending, its_own_words_are_kept_when_it_fails)
{
    begin_with("\"partial\"", "\"disk full\"");
    apply(TEL_END_OBSERVED, EXITED(2));
    expect("\"failed\"", "\"disk full\"", "2", "null", "null");
}

/* --- times ------------------------------------------------------------------------------------ */

Test(ending, the_end_is_the_start_plus_the_duration)
{
    const struct tel_ending ending = {TEL_END_OBSERVED, true, 0,
                                      START_BOOT + 90 * SECOND + 123999999, NULL};

    begin_new();
    tel_ending_apply(&line, &scratch, &ending);
    cr_expect_str_eq(run_field(TEL_RUN_DURATION_MS), "90123", "whole milliseconds, truncated");
    cr_expect_str_eq(run_field(TEL_RUN_END_TIME), "\"2026-11-22T10:01:30.123999+00:00\"");
}

Test(ending, never_lasts_less_than_nothing)
{
    const struct tel_ending ending = {TEL_END_OBSERVED, true, 0, START_BOOT - SECOND, NULL};

    begin_new();
    tel_ending_apply(&line, &scratch, &ending);
    cr_expect_str_eq(run_field(TEL_RUN_DURATION_MS), "0");
    cr_expect_str_eq(run_field(TEL_RUN_END_TIME), "\"2026-11-22T10:00:00.000000+00:00\"");
}

Test(ending, times_that_cannot_be_computed_are_left)
{
    begin(changed_line(start_line("r", START_BOOT), "start_boot_ns", "null", NULL));
    apply(TEL_END_OBSERVED, EXITED(0));
    expect("\"success\"", "null", "0", "null", "null");
    cr_expect_str_eq(run_field(TEL_RUN_DURATION_MS), "null");

    begin(changed_line(start_line("r", START_BOOT), "start_time", "\"yesterday\"", NULL));
    apply(TEL_END_OBSERVED, EXITED(0));
    cr_expect_str_eq(run_field(TEL_RUN_END_TIME), "null");

    begin(changed_line(start_line("r", START_BOOT), "start_time", "5", NULL));
    apply(TEL_END_OBSERVED, EXITED(0));
    cr_expect_str_eq(run_field(TEL_RUN_END_TIME), "null");
}

/* --- cost ------------------------------------------------------------------------------------- */

Test(ending, cost)
{
    struct rusage self = {.ru_utime = {1, 2999}, .ru_stime = {0, 999}, .ru_maxrss = 100};
    struct rusage children = {.ru_utime = {0, 5000}, .ru_stime = {2, 0}, .ru_maxrss = 300};

    self.ru_minflt = 1;
    children.ru_minflt = 10;
    self.ru_majflt = 2;
    children.ru_majflt = 20;
    self.ru_nvcsw = 3;
    children.ru_nvcsw = 30;
    self.ru_nivcsw = 4;
    children.ru_nivcsw = 40;
    self.ru_inblock = 5;
    children.ru_inblock = 50;
    self.ru_oublock = 6;
    children.ru_oublock = 60;
    begin_new();
    tel_ending_set_cost(&line, &scratch, &self, &children, &(struct tel_cpu_times){0});
    cr_expect_str_eq(process_field(TEL_PROC_USER_MS), "1002");
    cr_expect_str_eq(process_field(TEL_PROC_SYSTEM_MS), "0");
    cr_expect_str_eq(process_field(TEL_PROC_CHILDREN_USER_MS), "5");
    cr_expect_str_eq(process_field(TEL_PROC_CHILDREN_SYSTEM_MS), "2000");
    cr_expect_str_eq(process_field(TEL_PROC_MAX_RSS_KIB), "300", "the largest one");
    cr_expect_str_eq(process_field(TEL_PROC_MINOR_FAULTS), "11");
    cr_expect_str_eq(process_field(TEL_PROC_MAJOR_FAULTS), "22");
    cr_expect_str_eq(process_field(TEL_PROC_VOLUNTARY_SWITCHES), "33");
    cr_expect_str_eq(process_field(TEL_PROC_INVOLUNTARY_SWITCHES), "44");
    cr_expect_str_eq(process_field(TEL_PROC_BLOCKS_READ), "55");
    cr_expect_str_eq(process_field(TEL_PROC_BLOCKS_WRITTEN), "66");
}

/* A shell that worked for a while and then executed the program: the run is the program. */
Test(ending, what_was_spent_before_is_not_the_runs)
{
    const struct rusage self = {.ru_utime = {1, 0}, .ru_stime = {0, 500000}};
    const struct rusage children = {.ru_utime = {3, 0}, .ru_stime = {4, 0}};

    begin_new();
    tel_ending_set_cost(&line, &scratch, &self, &children,
                        &(struct tel_cpu_times){300, 510, 1000, 4000});
    cr_expect_str_eq(process_field(TEL_PROC_USER_MS), "700");
    cr_expect_str_eq(process_field(TEL_PROC_SYSTEM_MS), "0",
                     "a tick is coarser, never less than 0");
    cr_expect_str_eq(process_field(TEL_PROC_CHILDREN_USER_MS), "2000");
    cr_expect_str_eq(process_field(TEL_PROC_CHILDREN_SYSTEM_MS), "0");
}

Test(ending, a_killed_run_has_no_cost)
{
    begin_new();
    apply(TEL_END_KERNEL, KILLED(SIGKILL));
    cr_expect_str_eq(process_field(TEL_PROC_USER_MS), "null", "never 0");
    cr_expect_str_eq(process_field(TEL_PROC_MAX_RSS_KIB), "null");
}

/* --- names of signals ------------------------------------------------------------------------- */

static const char *name_of(int number)
{
    static char name[32];
    struct tel_buf buf;

    tel_buf_init(&buf, name, sizeof name);
    tel_signal_name_put(&buf, number);
    return tel_buf_terminate(&buf);
}

Test(ending, signal_names_are_libcs)
{
    for (int number = 1; number < 32; number++) {
        const char *expected = sigabbrev_np(number);

        cr_assert_not_null(expected, "%d", number);
        cr_expect_str_eq(name_of(number) + 3, strcmp(expected, "POLL") == 0 ? "IO" : expected);
    }
    cr_expect_str_eq(name_of(34), "SIGRTMIN+0");
    cr_expect_str_eq(name_of(64), "SIGRTMIN+30");
    cr_expect_str_eq(name_of(32), "SIG32");
    cr_expect_str_eq(name_of(0), "SIG0");
}
