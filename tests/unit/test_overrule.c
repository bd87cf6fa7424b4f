/* The kernel's word after another one: what was derived goes, what the run has said stays. */
#include "overrule.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#include "support/places.h"
#include "support/support.h"
#include "support/view.h"

/* As wait(2) has them. */
#define EXITED(code) ((code) << 8)
#define KILLED(signal) (signal)
#define DUMPED(signal) ((signal) | 0x80)

static char memory[4 * TEL_RUNLINE_MAX];
static struct tel_buf scratch;
static struct tel_runline line;

static void begin(const char *text_of_line)
{
    cr_assert_eq(tel_runline_parse(tel_str_from(text("%s", text_of_line)), &line), TEL_LINE_RUN);
    tel_buf_init(&scratch, memory, sizeof memory);
}

static void end(enum tel_end_source source, int wait_status)
{
    const struct tel_ending ending = {source, true, wait_status, 0, NULL};

    tel_overrule(&line, &scratch, &ending);
}

static void begin_and_end(int wait_status)
{
    begin(start_line("20261122T100000Z-agent-00000001", 1));
    end(TEL_END_OBSERVED, wait_status);
}

/* What the run has said lies on its last line once its mailbox has been taken in. */
static void say(const char *summary)
{
    line.run[TEL_RUN_ERROR_SUMMARY] = tel_str_from(summary);
}

static void expect(const char *status, const char *summary)
{
    const struct tel_str raw = line.run[TEL_RUN_ERROR_SUMMARY];

    cr_expect_str_eq(view_text(line.run[TEL_RUN_STATUS]), status);
    cr_expect_str_eq(raw.ptr == NULL ? "null" : view_text(raw), summary);
    cr_expect_str_eq(view_text(line.process[TEL_PROC_END_SOURCE]), "\"kernel\"");
}

/* A crash in an exit handler, after the shim has written its end line. */
Test(overrule, an_observed_ending)
{
    begin_and_end(EXITED(0));
    end(TEL_END_KERNEL, DUMPED(SIGABRT));
    expect("\"failed\"", "\"killed by SIGABRT (6), core dumped\"");

    begin_and_end(EXITED(3));
    end(TEL_END_KERNEL, EXITED(0));
    expect("\"success\"", "null");

    begin_and_end(EXITED(3));
    end(TEL_END_KERNEL, EXITED(4));
    expect("\"failed\"", "\"exit code 4\"");
}

Test(overrule, an_earlier_word_of_the_kernel)
{
    begin_and_end(KILLED(SIGKILL));
    end(TEL_END_KERNEL, KILLED(SIGTERM));
    expect("\"failed\"", "\"killed by SIGTERM (15)\"");

    begin_and_end(DUMPED(SIGSEGV));
    end(TEL_END_KERNEL, EXITED(0));
    expect("\"success\"", "null");
}

Test(overrule, a_guess)
{
    static const char *const causes[] = {NULL, "no collector was there"};

    for (size_t i = 0; i < 2; i++) {
        const struct tel_ending guess = {TEL_END_INFERRED, false, 0, 0, causes[i]};

        begin(start_line("20261122T100000Z-agent-00000001", 1));
        tel_overrule(&line, &scratch, &guess);
        end(TEL_END_KERNEL, EXITED(0));
        expect("\"success\"", "null");
    }
}

/* Whatever they begin with. */
Test(overrule, words_of_the_runs_own_stay)
{
    static const char *const words[] = {
        "\"disk full\"",
        "\"exit code 12 from rsync\"",
        "\"exit code 3: no input\"",
        "\"exit code 4\"",
        "\"killed by SIGTERM (15)\"",
        "\"killed by SIGHUP of the scheduler\"",
        "\"ended without a trace: of a result\"",
    };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        begin_and_end(EXITED(3));
        say(words[i]);
        end(TEL_END_KERNEL, DUMPED(SIGABRT));
        expect("\"failed\"", words[i]);

        begin_and_end(EXITED(0));
        say(words[i]);
        end(TEL_END_KERNEL, EXITED(5));
        expect("\"failed\"", words[i]);
    }
}

/* With a code that is a success there is nothing that could have been derived. */
Test(overrule, so_does_its_own_verdict)
{
    begin(changed_line(start_line("r", 1), "success_exit_codes", "\"0,3\"", NULL));
    end(TEL_END_OBSERVED, EXITED(3));
    line.run[TEL_RUN_STATUS] = TEL_STR("\"partial\"");
    say("\"exit code 3\"");
    end(TEL_END_KERNEL, EXITED(0));
    expect("\"partial\"", "\"exit code 3\"");
}

/* A line that tells of no ending yet. */
Test(overrule, the_first_word)
{
    begin(changed_line(start_line("r", 1), "error_summary", "\"exit code 9\"", NULL));
    end(TEL_END_KERNEL, EXITED(9));
    expect("\"failed\"", "\"exit code 9\"");
    begin(changed_line(start_line("r", 1), "status", "\"failed\"", "error_summary",
                       "\"ended without a trace\"", NULL));
    end(TEL_END_KERNEL, EXITED(0));
    expect("\"failed\"", "\"ended without a trace\"");
}
