/* A run's last line, after its process is gone: the run's own word, the kernel's, and what is left
 * when there is neither. */
#include "settle.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/process.h"
#include "support/appends.h"
#include "support/places.h"
#include "support/recording.h"
#include "support/support.h"

#define RUN "20261122T100000Z-agent-00000001"

static struct tel_datadir dir;
static struct tel_fold *fold;
static struct tel_error err;
static const char *begun; /* the run's start line */
static int64_t began;
static bool up_to_date; /* what the collector knows of its fold */

/* --- a place with one run ---------------------------------------------------------------------- */

static void set_up(void)
{
    make_place(&dir, test_dir());
    cr_assert_eq(tel_fold_open(&fold, &dir, 0, &err), 0, "%s", err.message);
    began = tel_clock_boottime_ns() - 2000000000;
    begun = start_line(RUN, began);
}

static void tear_down(void)
{
    tel_fold_close(fold);
}

TestSuite(settle, .init = set_up, .fini = tear_down);

static void bring_up_to_date(void)
{
    cr_assert_eq(tel_fold_pass(fold, true, NULL, &err), 0, "%s", err.message);
    up_to_date = true;
}

/* A process that ends as act says, reaped or not, as the collector watched it. */
static struct tel_live_run *ended(void (*act)(void), bool reaped)
{
    struct tel_live_run *run = calloc(1, sizeof *run + sizeof RUN);
    siginfo_t info;
    pid_t pid;

    cr_assert_not_null(run);
    fflush(NULL);
    strcpy(run->run_id, RUN);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        act();
        _exit(99);
    }
    run->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    cr_assert_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | (reaped ? 0 : WNOWAIT)), 0);
    run->ended_boot_ns = began + 2500000000;
    return run;
}

static void forget(struct tel_live_run *run)
{
    close(run->pidfd);
    while (waitpid(-1, NULL, 0) > 0)
        ;
    free(run);
}

static void be_killed(void)
{
    kill(getpid(), SIGKILL);
}

static void exit_0(void)
{
    _exit(0);
}

static void exit_3(void)
{
    _exit(3);
}

static enum tel_settled settle(const struct tel_live_run *run, enum tel_exit_source source,
                               enum tel_patience patience)
{
    const struct tel_settler settler = {
        .dir = &dir, .fold = fold, .source = source, .up_to_date = up_to_date};

    return tel_settle_ended(&settler, run, patience);
}

static const char *last_line(void)
{
    return last_line_of(journal_text(test_dir()));
}

static size_t lines(void)
{
    return count_of(journal_text(test_dir()), "\n");
}

/* --- no end line ------------------------------------------------------------------------------- */

Test(settle, killed_without_an_end_line)
{
    struct tel_live_run *run;

    need_exit_codes_of_strangers();
    write_line(&dir, begun);
    bring_up_to_date();
    run = ended(be_killed, true);
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_eq(lines(), 2);
    cr_expect_str_eq(field_of(last_line(), "status"), "\"failed\"");
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"killed by SIGKILL (9)\"");
    cr_expect_str_eq(field_of(last_line(), "signal"), "9");
    cr_expect_str_eq(field_of(last_line(), "exit_code"), "null");
    cr_expect_str_eq(field_of(last_line(), "end_source"), "\"kernel\"");
    cr_expect_str_eq(field_of(last_line(), "duration_ms"), "2500");
    cr_expect_str_eq(field_of(last_line(), "end_time"), "\"2026-11-22T10:00:02.500000+00:00\"");
    cr_expect_str_eq(field_of(last_line(), "user_ms"), "null", "nobody could see its cost");
    cr_expect_str_eq(field_of(last_line(), "job_type"), "\"job\"", "all else as it was");

    bring_up_to_date();
    cr_expect_str_eq(sql_text(test_dir(), "SELECT status, error_summary FROM agent_runs"),
                     "failed|killed by SIGKILL (9)");
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_PATIENT), TEL_SETTLED, "once is enough");
    cr_expect_eq(lines(), 2);
    forget(run);
}

/* A raw exit_group, which no destructor sees. */
Test(settle, an_exit_that_nobody_saw)
{
    struct tel_live_run *run;

    need_exit_codes_of_strangers();
    write_line(&dir, begun);
    bring_up_to_date();
    run = ended(exit_0, true);
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "status"), "\"success\"");
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "null");
    cr_expect_str_eq(field_of(last_line(), "exit_code"), "0");
    forget(run);
}

/* A section of a process is ended by a call: exit 0 without one is no success. */
Test(settle, a_section_left_by_exit)
{
    struct tel_live_run *run;

    need_exit_codes_of_strangers();
    write_line(&dir, changed_line(begun, "scope", "true", NULL));
    bring_up_to_date();
    run = ended(exit_0, true);
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "status"), "\"failed\"");
    cr_expect_str_eq(field_of(last_line(), "error_summary"),
                     "\"process exited with code 0 before the run ended\"");
    cr_expect_str_eq(field_of(last_line(), "exit_code"), "0");
    forget(run);
}

Test(settle, a_section_that_was_killed)
{
    struct tel_live_run *run;

    need_exit_codes_of_strangers();
    write_line(&dir, changed_line(begun, "scope", "true", NULL));
    run = ended(be_killed, true);
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"killed by SIGKILL (9)\"");
    forget(run);
}

/* What its process does afterwards is none of its business. */
Test(settle, a_section_that_has_ended_stays_as_it_is)
{
    struct tel_live_run *run = ended(exit_3, true);

    write_line(&dir, changed_line(begun, "scope", "true", NULL));
    write_line(&dir, changed_line(begun, "scope", "true", "status", "\"partial\"", NULL));
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_PATIENT), TEL_SETTLED, "by the journal");
    bring_up_to_date();
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_PATIENT), TEL_SETTLED, "by the database");
    cr_expect_str_eq(field_of(last_line(), "status"), "\"partial\"");
    cr_expect_eq(lines(), 2);
    forget(run);
}

Test(settle, a_zombie_is_waited_for_but_not_for_ever)
{
    struct tel_live_run *run;

    write_line(&dir, begun);
    bring_up_to_date();
    run = ended(exit_3, false);
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_PATIENT), TEL_SETTLE_LATER);
    cr_expect_eq(lines(), 1);
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_IMPATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"exit code 3\"");
    cr_expect_str_eq(field_of(last_line(), "end_source"), "\"kernel\"");
    forget(run);
}

/* Its own file tells nothing: it was set-user-ID, say. (Here it is not asked.) */
Test(settle, a_zombie_that_only_its_parent_may_ask)
{
    struct tel_live_run *run;

    write_line(&dir, begun);
    bring_up_to_date();
    run = ended(exit_3, false);
    cr_expect_eq(settle(run, TEL_EXIT_PIDFD, TEL_IMPATIENT), TEL_SETTLE_LATER,
                 "it may be reaped yet");
    cr_expect_eq(lines(), 1);
    cr_expect_eq(settle(run, TEL_EXIT_PIDFD, TEL_GIVE_UP), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(
        field_of(last_line(), "error_summary"),
        "\"ended without a trace: its parent does not wait for it, and nobody else may "
        "see its exit code\"");
    forget(run);
}

/* A collector that was busy: late is not the same as unknown. */
Test(settle, reaped_long_ago)
{
    struct tel_live_run *run;

    need_exit_codes_of_strangers();
    write_line(&dir, begun);
    bring_up_to_date();
    run = ended(be_killed, true);
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_IMPATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"killed by SIGKILL (9)\"");
    forget(run);
}

/* --- when it ended ------------------------------------------------------------------------------ */

static void expect_times(int64_t began_before_ns, int64_t late_ns, const char *duration,
                         const char *end_time)
{
    struct tel_live_run *run = ended(be_killed, false);

    begun = start_line(RUN, run->ended_boot_ns - began_before_ns);
    write_line(&dir, begun);
    bring_up_to_date();
    run->late_ns = late_ns;
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"killed by SIGKILL (9)\"");
    cr_expect_str_eq(field_of(last_line(), "duration_ms"), duration);
    cr_expect_str_eq(field_of(last_line(), "end_time"), end_time);
    forget(run);
}

Test(settle, noticed_soon)
{
    expect_times(60500000000, 999999999, "60500", "\"2026-11-22T10:01:00.500000+00:00\"");
}

/* The collector was stopped, and nobody else has seen it. */
Test(settle, noticed_too_late)
{
    expect_times(60500000000, 1000000001, "null", "null");
}

Test(settle, gone_before_it_was_watched)
{
    expect_times(60500000000, INT64_MAX, "null", "null");
}

/* It cannot have ended before it began. */
Test(settle, gone_before_it_was_watched_but_begun_just_before)
{
    expect_times(20000000, INT64_MAX, "20", "\"2026-11-22T10:00:00.020000+00:00\"");
}

Test(settle, on_older_kernels_a_zombie_tells)
{
    struct tel_live_run *run;

    write_line(&dir, begun);
    bring_up_to_date();
    run = ended(be_killed, false);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"killed by SIGKILL (9)\"");
    forget(run);
}

Test(settle, on_older_kernels_nobody_may_know)
{
    struct tel_live_run *run;

    write_line(&dir, begun);
    bring_up_to_date();
    run = ended(be_killed, true);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "status"), "\"failed\"");
    cr_expect_eq(strncmp(field_of(last_line(), "error_summary"), "\"ended without a trace", 22), 0);
    cr_expect_str_eq(field_of(last_line(), "end_source"), "\"inferred\"");
    cr_expect_str_eq(field_of(last_line(), "duration_ms"), "2500", "when is known");
    cr_expect_str_eq(field_of(last_line(), "exit_code"), "null");
    forget(run);
}

/* --- with an end line --------------------------------------------------------------------------- */

/* The run's own end line, as the shim writes it. */
static const char *end_line(const char *status, const char *summary, const char *code)
{
    return changed_line(begun, "status", status, "error_summary", summary, "end_time",
                        "\"2026-11-22T10:00:01.000000+00:00\"", "duration_ms", "1000", "exit_code",
                        code, "end_source", "\"observed\"", "user_ms", "77", NULL);
}

Test(settle, the_runs_own_word_when_it_is_right)
{
    static const enum tel_exit_source sources[] = {TEL_EXIT_AUTO, TEL_EXIT_PROC, TEL_EXIT_NONE};
    struct tel_live_run *run;

    write_line(&dir, begun);
    write_line(&dir, end_line("\"failed\"", "\"exit code 3\"", "3"));
    bring_up_to_date();
    run = ended(exit_3, true);
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(settle(run, sources[i], false), TEL_SETTLED, "%zu", i);
    cr_expect_eq(lines(), 2);
    forget(run);
}

/* It crashed in an exit handler, after its end line. */
Test(settle, the_kernel_disagrees)
{
    struct tel_live_run *run;

    write_line(&dir, begun);
    write_line(&dir, end_line("\"success\"", "null", "0"));
    bring_up_to_date();
    run = ended(be_killed, false);
    cr_expect_eq(settle(run, TEL_EXIT_AUTO, TEL_IMPATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_eq(lines(), 3);
    cr_expect_str_eq(field_of(last_line(), "status"), "\"failed\"");
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"killed by SIGKILL (9)\"");
    cr_expect_str_eq(field_of(last_line(), "exit_code"), "null");
    cr_expect_str_eq(field_of(last_line(), "user_ms"), "77", "what the shim saw stays");
    forget(run);
}

Test(settle, another_code)
{
    struct tel_live_run *run;

    write_line(&dir, begun);
    write_line(&dir, end_line("\"success\"", "null", "0"));
    bring_up_to_date();
    run = ended(exit_3, false);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"exit code 3\"");
    forget(run);
}

Test(settle, its_own_verdict_is_kept)
{
    struct tel_live_run *run;

    write_line(&dir,
               changed_line(begun, "status", "\"partial\"", "error_summary", "\"2 of 3\"", NULL));
    bring_up_to_date();
    run = ended(exit_0, false);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "status"), "\"partial\"");
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"2 of 3\"");
    cr_expect_str_eq(field_of(last_line(), "exit_code"), "0");
    forget(run);
}

/* --- the database out of order ------------------------------------------------------------------- */

static sqlite3 *open_database(void)
{
    sqlite3 *db;

    cr_assert_eq(sqlite3_open(dir.db, &db), SQLITE_OK);
    return db;
}

/* The database knows the start only: somebody has locked it since. */
Test(settle, a_locked_database)
{
    struct tel_live_run *run;
    sqlite3 *db;

    write_line(&dir, begun);
    bring_up_to_date();
    db = open_database();
    cr_assert_eq(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    write_line(&dir, end_line("\"failed\"", "\"exit code 3\"", "3"));
    up_to_date = tel_fold_pass(fold, false, NULL, &err) == 0;
    cr_assert_not(up_to_date);
    run = ended(exit_3, false);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED,
                 "the journal has its end line");
    cr_expect_eq(lines(), 2);
    sqlite3_close(db);
    forget(run);
}

Test(settle, a_locked_database_and_no_end_line)
{
    struct tel_live_run *run;
    sqlite3 *db;

    write_line(&dir, begun);
    bring_up_to_date();
    db = open_database();
    cr_assert_eq(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    write_line(&dir, start_line("another", began));
    up_to_date = tel_fold_pass(fold, false, NULL, &err) == 0;
    cr_assert_not(up_to_date);
    run = ended(be_killed, false);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"killed by SIGKILL (9)\"");
    sqlite3_close(db);
    forget(run);
}

static void expect_settled_by_the_journal(void)
{
    struct tel_live_run *run;
    size_t before = lines();

    write_line(&dir, begun);
    write_line(&dir, end_line("\"success\"", "null", "0"));
    write_line(&dir, start_line("another", began));
    run = ended(exit_0, false);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED);
    cr_expect_eq(lines(), before + 3);
    forget(run);
    run = ended(exit_3, false);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"exit code 3\"");
    cr_expect_str_eq(field_of(last_line(), "user_ms"), "77", "made from its last line");
    forget(run);
}

Test(settle, no_database_can_be_made)
{
    write_file(text("%s/db", test_dir()), "in the way", 0600);
    expect_settled_by_the_journal();
}

Test(settle, a_database_of_a_newer_schema)
{
    sqlite3 *db;

    write_line(&dir, start_line("an earlier one", began));
    bring_up_to_date();
    up_to_date = false;
    tel_fold_close(fold);
    db = open_database();
    cr_assert_eq(
        sqlite3_exec(db, "INSERT INTO schema_migrations (version) VALUES (99)", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    cr_assert_eq(tel_fold_open(&fold, &dir, 0, &err), 0);
    expect_settled_by_the_journal();
}

/* --- what cannot be written ----------------------------------------------------------------------- */

Test(settle, a_disk_that_takes_nothing)
{
    struct tel_live_run *run;

    write_line(&dir, begun);
    bring_up_to_date();
    run = ended(be_killed, false);
    append_status = -ENOSPC;
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLE_LATER);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_IMPATIENT), TEL_SETTLE_LATER,
                 "as long as it takes");
    append_status = 0;
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_IMPATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "error_summary"), "\"killed by SIGKILL (9)\"");
    forget(run);
}

Test(settle, a_run_that_no_line_tells_of)
{
    struct tel_live_run *run = ended(be_killed, false);

    write_line(&dir, start_line("another", began));
    bring_up_to_date();
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED);
    cr_expect_eq(lines(), 1);
    forget(run);
}

/* Its place is not known, as its start line came with its message. The day in its id says where to
 * begin: what lies before, which may be years, is not read. */
Test(settle, a_run_whose_place_is_not_known)
{
    struct tel_live_run *run = ended(exit_0, false);
    const uint32_t day = 20261122; /* RUN's */

    write_line_to(&dir, day - 1, begun);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED,
                 "not looked for so far back");
    write_line_to(&dir, day, begun);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "status"), "\"success\"");
    cr_expect_eq(lines(), 3);
    forget(run);
}

/* Its line will not come back: nothing is gained by trying again and again. */
Test(settle, a_journal_that_was_deleted)
{
    struct tel_live_run *run;

    write_line(&dir, begun);
    bring_up_to_date();
    cr_assert_eq(unlink(journal_path(dir.raw, this_date())), 0);
    run = ended(be_killed, false);
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_IMPATIENT), TEL_SETTLED);
    cr_expect_eq(lines(), 0, "and no file is made anew");
    forget(run);
}

/* The clock was set back meanwhile: its last line still comes after its others. */
Test(settle, never_into_an_older_days_file)
{
    struct tel_live_run *run;
    uint32_t later = this_date() + 10000;

    write_line(&dir, start_line("another", began));
    write_line_to(&dir, later, begun);
    bring_up_to_date();
    run = ended(be_killed, false);
    run->start = (struct tel_journal_pos){later, 0, 0};
    cr_expect_eq(settle(run, TEL_EXIT_PROC, TEL_PATIENT), TEL_SETTLED_WRITTEN);
    cr_expect_eq(count_of(read_file(journal_path(dir.raw, later)), "\n"), 2);
    forget(run);
}

/* --- lost runs ------------------------------------------------------------------------------------ */

Test(settle, lost)
{
    const struct tel_settler settler = {.dir = &dir, .fold = fold, .source = TEL_EXIT_AUTO};
    struct tel_journal_pos pos = write_line(&dir, begun);

    bring_up_to_date();
    cr_expect_eq(tel_settle_lost(&settler, TEL_STR(RUN), &pos, "the machine was restarted"),
                 TEL_SETTLED_WRITTEN);
    cr_expect_str_eq(field_of(last_line(), "status"), "\"failed\"");
    cr_expect_str_eq(field_of(last_line(), "error_summary"),
                     "\"ended without a trace: the machine was restarted\"");
    cr_expect_str_eq(field_of(last_line(), "end_source"), "\"inferred\"");
    cr_expect_str_eq(field_of(last_line(), "end_time"), "null");
    cr_expect_str_eq(field_of(last_line(), "duration_ms"), "null");
    bring_up_to_date();
    cr_expect_str_eq(sql_text(test_dir(), "SELECT status FROM agent_runs"), "failed");
}

Test(settle, lost_without_a_line)
{
    const struct tel_settler settler = {.dir = &dir, .fold = fold, .source = TEL_EXIT_AUTO};
    struct tel_journal_pos pos = {this_date(), 0, 0};

    cr_expect_eq(tel_settle_lost(&settler, TEL_STR(RUN), &pos, "why"), TEL_SETTLED);
    write_line(&dir, start_line("another", began));
    cr_expect_eq(tel_settle_lost(&settler, TEL_STR(RUN), &pos, "why"), TEL_SETTLED);
    cr_expect_eq(lines(), 1);
}
