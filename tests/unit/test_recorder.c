/* A process recording itself: start line, word to the collector, a later image, end line. The runs
 * here are this test's own process; the collector is played by the test, or by a shell script. */
#include "base/recorder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sys.h"
#include "support/places.h"
#include "support/support.h"
#include "support/view.h"

static struct tel_recorder recorder;
static struct tel_error err;

static const char *base(void)
{
    return text("%s/base", test_dir());
}

/* An environment block of entries, with the directory and no collector unless they say otherwise. */
static struct tel_env environment_of(const char *const *entries)
{
    const char *all[64] = {NULL};
    size_t count = 0;

    for (; entries[count] != NULL; count++)
        all[count] = entries[count];
    all[count++] = text("TELEMETRY_BASE_DIR=%s", base());
    all[count++] = "TELEMETRY_COLLECTOR=off";
    all[count++] = "TELEMETRY_AUTO_WAIT_MS=0";
    return block_of(all);
}

static char *arguments[] = {(char[]){"agent.sh"}, (char[]){"--password"}, (char[]){"hunter2"},
                            (char[]){"--fast"}, NULL};

static int begin_as(const char *const *entries, const char *exe, struct tel_str parent)
{
    const struct tel_env env = environment_of(entries);
    const struct tel_subject subject = {
        .env = &env,
        .argc = 4,
        .argv = arguments,
        .exe = exe,
        .uid = geteuid(),
        .parent_run_id = parent,
    };

    cr_assert_eq(chdir(test_dir()), 0);
    err = (struct tel_error){0};
    return tel_recorder_start(&recorder, &subject, &err);
}

static int begin(const char *const *entries)
{
    return begin_as(entries, "/opt/agent.sh", TEL_STR_NONE);
}

static int end_with(int wait_status)
{
    const struct tel_ending ending = {TEL_END_OBSERVED, true, wait_status, tel_clock_boottime_ns(),
                                      NULL};

    err = (struct tel_error){0};
    return tel_recorder_end(&recorder, &ending, &err);
}

static size_t lines(void)
{
    return count_of(journal_text(base()), "\n");
}

static const char *last_line(void)
{
    return last_line_of(journal_text(base()));
}

static void expect_field(const char *name, const char *value)
{
    cr_expect_str_eq(field_of(last_line(), name), value, "%s: %s", name,
                     field_of(last_line(), name));
}

/* --- the start line ---------------------------------------------------------------------------- */

Test(recorder, the_start_line)
{
    char host[256] = "";

    cr_assert_eq(begin(LIST("HOME=/nowhere")), 0, "%s", err.message);
    cr_assert_eq(lines(), 1);
    gethostname(host, sizeof host - 1);
    expect_field("run_id", text("\"%s\"", recorder.run_id));
    expect_field("agent_name", "\"agent.sh\"");
    expect_field("job_type", "\"agent.sh\"");
    expect_field("status", "\"running\"");
    expect_field("schema_version", "3");
    expect_field("end_time", "null");
    expect_field("duration_ms", "null");
    expect_field("items_failed", "0");
    expect_field("host", text("\"%s\"", host));
    expect_field("api_posted", "false");
    expect_field("record_type", "\"run\"");
    expect_field("parent_run_id", "null");
    expect_field("pid", text("%d", getpid()));
    expect_field("ppid", text("%d", getppid()));
    expect_field("uid", text("%u", geteuid()));
    expect_field("exe", "\"/opt/agent.sh\"");
    expect_field("cwd", text("\"%s\"", test_dir()));
    expect_field("argv", "[\"agent.sh\", \"--password\", \"***\", \"--fast\"]");
    expect_field("exit_code", "null");
    expect_field("user_ms", "null");
    expect_field("shim_version", "\"" TELEMETRY_VERSION "\"");
    cr_expect_null(strstr(last_line(), "hunter2"));
    cr_expect_null(strstr(last_line(), "/nowhere"), "the environment is not recorded");
}

Test(recorder, facts_that_recognise_the_process)
{
    const struct tel_process self = this_process();

    cr_assert_eq(begin(LIST("A=b")), 0);
    expect_field("boot_id", text("\"%s\"", self.boot_id));
    expect_field("pid_ns", text("%llu", (unsigned long long)self.pid_ns));
    expect_field("start_ticks", text("%llu", (unsigned long long)self.start_ticks));
    if (self.pidfs_ino != 0)
        expect_field("pidfs_ino", text("%llu", (unsigned long long)self.pidfs_ino));
}

Test(recorder, every_tag_has_its_variable)
{
    static const struct {
        const char *variable;
        const char *field;
    } tags[] = {
        {"TELEMETRY_AGENT_NAME", "agent_name"},
        {"TELEMETRY_JOB_TYPE", "job_type"},
        {"AGENT_OWNER", "agent_owner"},
        {"TELEMETRY_INPUT_SUMMARY", "input_summary"},
        {"TELEMETRY_OUTPUT_SUMMARY", "output_summary"},
        {"TELEMETRY_INSIGHT_ID", "insight_id"},
        {"TELEMETRY_PRODUCT", "product"},
        {"TELEMETRY_PLATFORM", "platform"},
        {"TELEMETRY_PRODUCT_FAMILY", "product_family"},
        {"TELEMETRY_SUBDOMAIN", "subdomain"},
        {"TELEMETRY_GIT_REPO", "git_repo"},
        {"TELEMETRY_GIT_BRANCH", "git_branch"},
        {"TELEMETRY_GIT_RUN_TAG", "git_run_tag"},
    };
    enum { COUNT = sizeof tags / sizeof tags[0] };
    const char *entries[COUNT + 3] = {NULL};

    for (int i = 0; i < COUNT; i++)
        entries[i] = text("%s=value \"%d\" \xc3\xa4", tags[i].variable, i);
    entries[COUNT] = "TELEMETRY_METRICS_JSON={\"a\": [1, \"x\"]}";
    entries[COUNT + 1] = "TELEMETRY_TRIGGER_TYPE=mcp";
    cr_assert_eq(begin(entries), 0, "%s", err.message);
    for (int i = 0; i < COUNT; i++)
        expect_field(tags[i].field, text("\"value \\\"%d\\\" \\u00e4\"", i));
    expect_field("metrics_json", "\"{\\\"a\\\": [1, \\\"x\\\"]}\"");
    expect_field("trigger_type", "\"mcp\"");
    cr_assert_eq(end_with(0), 0, "%s", err.message);
    for (int i = 0; i < COUNT; i++)
        expect_field(tags[i].field, text("\"value \\\"%d\\\" \\u00e4\"", i));
}

Test(recorder, the_job_has_two_names)
{
    cr_assert_eq(begin(LIST("TELEMETRY_JOB_NAME=nightly")), 0);
    expect_field("job_type", "\"nightly\"");
    cr_assert_eq(begin(LIST("TELEMETRY_JOB_NAME=nightly", "TELEMETRY_JOB_TYPE=weekly")), 0);
    expect_field("job_type", "\"weekly\"");
    cr_assert_eq(begin(LIST("TELEMETRY_AGENT_NAME=named", "SLURM_JOB_NAME=batch")), 0);
    expect_field("job_type", "\"batch\"");
    cr_assert_eq(begin(LIST("TELEMETRY_AGENT_NAME=named")), 0);
    expect_field("job_type", "\"named\"");
}

Test(recorder, a_parent_and_success_codes)
{
    cr_assert_eq(
        begin_as(LIST("TELEMETRY_SUCCESS_EXIT_CODES=0,3"), "/opt/a", TEL_STR("parent-run")), 0);
    expect_field("parent_run_id", "\"parent-run\"");
    expect_field("success_exit_codes", "\"0,3\"");
    cr_assert_eq(end_with(3 << 8), 0);
    expect_field("status", "\"success\"");
    expect_field("exit_code", "3");
}

Test(recorder, a_relative_program_is_made_absolute)
{
    cr_assert_eq(begin_as(LIST("A=b"), "./agent.sh", TEL_STR_NONE), 0);
    expect_field("exe", text("\"%s/agent.sh\"", test_dir()));
    cr_assert_eq(begin_as(LIST("A=b"), "bin/agent.sh", TEL_STR_NONE), 0);
    expect_field("exe", text("\"%s/bin/agent.sh\"", test_dir()));
}

/* Bounded inputs make bounded lines: the longest and worst of everything is still recorded. */
Test(recorder, the_longest_line_there_can_be)
{
    static const char *const variables[] = {
        "TELEMETRY_AGENT_NAME",    "TELEMETRY_JOB_TYPE",       "AGENT_OWNER",
        "TELEMETRY_INPUT_SUMMARY", "TELEMETRY_OUTPUT_SUMMARY", "TELEMETRY_INSIGHT_ID",
        "TELEMETRY_PRODUCT",       "TELEMETRY_PLATFORM",       "TELEMETRY_PRODUCT_FAMILY",
        "TELEMETRY_SUBDOMAIN",     "TELEMETRY_GIT_REPO",       "TELEMETRY_GIT_BRANCH",
        "TELEMETRY_GIT_RUN_TAG"};
    enum { COUNT = sizeof variables / sizeof variables[0] };
    static char control[100001];
    static char metrics[TEL_METRICS_JSON_MAX + 1];
    static char codes[TEL_TEXT_MAX + 1];
    const char *entries[COUNT + 3] = {NULL};

    memset(control, 1, sizeof control - 1);
    memset(metrics, 0x7f, sizeof metrics - 1);
    metrics[0] = '"';
    metrics[sizeof metrics - 2] = '"';
    memset(codes, '0', sizeof codes - 1);
    for (size_t i = 1; i < sizeof codes - 2; i += 2)
        codes[i] = ',';
    for (int i = 0; i < COUNT; i++)
        entries[i] = text("%s=%s", variables[i], control);
    entries[COUNT] = text("TELEMETRY_METRICS_JSON=%s", metrics);
    entries[COUNT + 1] = text("TELEMETRY_SUCCESS_EXIT_CODES=%s", codes);
    arguments[3] = control;
    cr_assert_eq(begin(entries), 0, "%s", err.message);
    cr_assert_eq(lines(), 1);
    expect_field("status", "\"running\"");
    cr_expect_eq(strlen(field_of(last_line(), "agent_name")), 2 + 6 * TEL_TEXT_MAX);
    cr_expect_eq(strlen(field_of(last_line(), "git_run_tag")), 2 + 6 * TEL_TEXT_MAX);
    cr_expect_gt(strlen(field_of(last_line(), "metrics_json")), 6 * (TEL_METRICS_JSON_MAX - 2));
    expect_field("pid", text("%d", getpid()));
    expect_field("shim_version", "\"" TELEMETRY_VERSION "\"");
    cr_expect_neq(field_of(last_line(), "argv")[0], '\0');
    cr_assert_eq(end_with(0), 0, "%s", err.message);
    cr_assert_eq(lines(), 2);
    expect_field("status", "\"success\"");
    expect_field("exit_code", "0");
}

/* --- standing down ----------------------------------------------------------------------------- */

Test(recorder, no_directory_no_run)
{
    write_file(base(), "in the way", 0600);
    cr_expect_eq(begin(LIST("A=b")), -ENOTDIR);
    cr_expect_not_null(strstr(err.message, "not a directory"), "%s", err.message);
}

/* The process may be inside a chroot by then. */
Test(recorder, a_session_creates_no_directory)
{
    const struct tel_env env = environment_of(LIST("A=b"));
    const struct tel_subject subject = {
        .env = &env,
        .exe = "/opt/agent.sh",
        .uid = geteuid(),
        .pending = true,
    };

    cr_expect_eq(tel_recorder_start(&recorder, &subject, &err), -ENOENT);
    cr_expect_neq(access(base(), F_OK), 0);
}

Test(recorder, no_journal_and_no_collector_no_run)
{
    cr_assert_eq(begin(LIST("A=b")), 0);
    cr_assert_eq(unlink(journal_path(recorder.dir.raw, this_date())), 0);
    cr_assert_eq(mkfifo(journal_path(recorder.dir.raw, this_date()), 0600), 0);
    cr_expect_eq(begin(LIST("A=b")), TEL_ERR_REFUSED);
    cr_expect_not_null(strstr(err.message, "not a regular file"), "%s", err.message);
}

Test(recorder, no_descriptor_is_left_and_no_standard_one_taken)
{
    int before;

    test_dir();
    before = count_descriptors();
    cr_assert_eq(begin(LIST("A=b")), 0);
    cr_assert_eq(end_with(0), 0);
    cr_expect_eq(count_descriptors(), before);
}

/* --- the end ------------------------------------------------------------------------------------- */

Test(recorder, the_end_line)
{
    cr_assert_eq(begin(LIST("A=b")), 0);
    cr_assert_eq(end_with(3 << 8), 0, "%s", err.message);
    cr_assert_eq(lines(), 2);
    expect_field("run_id", text("\"%s\"", recorder.run_id));
    expect_field("status", "\"failed\"");
    expect_field("error_summary", "\"exit code 3\"");
    expect_field("exit_code", "3");
    expect_field("end_source", "\"observed\"");
    cr_expect_str_neq(field_of(last_line(), "end_time"), "null");
    cr_expect_str_neq(field_of(last_line(), "user_ms"), "null");
    cr_expect_str_neq(field_of(last_line(), "max_rss_kib"), "0");
    cr_expect_str_neq(field_of(last_line(), "max_rss_kib"), "null");
}

/* musl's exit, quick_exit: the cost is known, the code is not. */
Test(recorder, an_end_whose_code_is_not_known)
{
    const struct tel_ending ending = {.source = TEL_END_OBSERVED};

    cr_assert_eq(begin(LIST("A=b")), 0);
    cr_assert_eq(tel_recorder_end(&recorder, &ending, &err), 0, "%s", err.message);
    cr_assert_eq(lines(), 2);
    expect_field("status", "\"running\"");
    expect_field("exit_code", "null");
    expect_field("end_source", "null");
    cr_expect_str_neq(field_of(last_line(), "max_rss_kib"), "null");
}

Test(recorder, the_end_creates_nothing)
{
    cr_assert_eq(begin(LIST("A=b")), 0);
    cr_assert_eq(rename(base(), text("%s/moved", test_dir())), 0);
    cr_expect_lt(end_with(0), 0);
    cr_expect_not(file_exists(base()));
}

Test(recorder, the_end_goes_to_the_journal_of_the_start)
{
    const char *raw;

    cr_assert_eq(begin(LIST("A=b")), 0);
    raw = recorder.dir.raw;
    cr_assert_eq(rename(raw, text("%s/moved", test_dir())), 0);
    cr_assert_eq(mkdir(raw, 0700), 0);
    write_file(journal_path(raw, this_date()), "", 0600);
    cr_expect_lt(end_with(0), 0);
    cr_expect_str_eq(journal_text(base()), "", "another run's journal");
}

/* --- clocks ------------------------------------------------------------------------------------- */

static struct tel_instant instant;

static int read_instant(clockid_t clock, struct timespec *time)
{
    const int64_t ns = clock == CLOCK_REALTIME ? instant.realtime_ns : instant.boottime_ns;

    *time = (struct timespec){ns / 1000000000, ns % 1000000000};
    return 0;
}

/* A run of 1.5 s from half a second before midnight on, while the wall clock is set by step_s. */
static void run_across_midnight(int64_t step_s)
{
    tel_clock_use(read_instant);
    cr_assert(tel_time_parse(TEL_STR("2026-11-22T23:59:59.5Z"), &instant.realtime_ns));
    instant.boottime_ns = 1000000000000;
    cr_assert_eq(begin(LIST("A=b")), 0, "%s", err.message);
    instant.boottime_ns += 1500000000;
    instant.realtime_ns += 1500000000 + step_s * 1000000000;
    cr_assert_eq(end_with(0), 0, "%s", err.message);
    tel_clock_use(NULL);
}

static size_t lines_of(uint32_t date)
{
    return count_of(read_file(journal_path(recorder.dir.raw, date)), "\n");
}

static void expect_true_times(void)
{
    expect_field("status", "\"success\"");
    expect_field("start_time", "\"2026-11-22T23:59:59.500000+00:00\"");
    expect_field("end_time", "\"2026-11-23T00:00:01.000000+00:00\"");
    expect_field("duration_ms", "1500");
}

Test(recorder, across_midnight)
{
    run_across_midnight(0);
    cr_expect_eq(lines_of(20261122), 1);
    cr_expect_eq(lines_of(20261123), 1, "the day of its writing");
    expect_true_times();
}

/* How long it took is true, and its end line comes after its start line. */
Test(recorder, a_clock_that_is_set_back)
{
    run_across_midnight(-10 * 86400);
    cr_expect_eq(lines_of(20261122), 2);
    expect_true_times();
}

Test(recorder, a_clock_that_is_set_forward)
{
    run_across_midnight(30 * 86400);
    cr_expect_eq(lines_of(20261122), 1);
    cr_expect_eq(lines_of(20261223), 1);
    expect_true_times();
}

/* --- durability ---------------------------------------------------------------------------------- */

Test(recorder, synced_when_asked)
{
    cr_assert_eq(begin(LIST("TELEMETRY_DURABILITY=system")), 0);
    cr_expect_eq(end_with(0), 0, "%s", err.message);
    cr_expect(recorder.journal.sync);
    cr_expect_eq(lines(), 2);
}

/* --- a later image ------------------------------------------------------------------------------- */

static int go_on(const char *run_id, const char *owner_text, const char *const *entries)
{
    const struct tel_env env = environment_of(entries);
    struct tel_owner owner;

    cr_assert(tel_owner_parse(tel_str_from(owner_text), &owner));
    memset(&recorder, 0, sizeof recorder);
    err = (struct tel_error){0};
    return tel_recorder_continue(&recorder, &(struct tel_subject){.env = &env, .uid = geteuid()},
                                 tel_str_from(run_id), &owner, &err);
}

Test(recorder, continued_by_a_later_image)
{
    const char *run_id;
    const char *owner;

    cr_assert_eq(begin(LIST("TELEMETRY_JOB_NAME=nightly")), 0);
    run_id = text("%s", recorder.run_id);
    owner = text("%s", recorder.owner_text);
    cr_assert_eq(go_on(run_id, owner, LIST("TELEMETRY_JOB_NAME=another")), 0, "%s", err.message);
    cr_expect_str_eq(recorder.run_id, run_id);
    cr_assert_eq(end_with(0), 0, "%s", err.message);
    cr_expect_eq(lines(), 2);
    expect_field("run_id", text("\"%s\"", run_id));
    expect_field("job_type", "\"nightly\"");
    expect_field("status", "\"success\"");
}

Test(recorder, continued_among_others)
{
    const char *run_id;
    const char *owner;

    cr_assert_eq(begin(LIST("A=b")), 0);
    cr_assert_eq(begin(LIST("TELEMETRY_JOB_NAME=ours")), 0);
    run_id = text("%s", recorder.run_id);
    owner = text("%s", recorder.owner_text);
    cr_assert_eq(begin(LIST("A=b")), 0);
    cr_assert_eq(go_on(run_id, owner, LIST("A=b")), 0, "%s", err.message);
    cr_assert_eq(end_with(0), 0, "%s", err.message);
    cr_expect_eq(lines(), 4);
    expect_field("job_type", "\"ours\"");
}

/* The new image's settings lead elsewhere: its run is not there, and nothing is made. */
Test(recorder, continued_elsewhere)
{
    const char *owner;
    const char *run_id;

    cr_assert_eq(begin(LIST("A=b")), 0);
    run_id = text("%s", recorder.run_id);
    owner = text("%s", recorder.owner_text);
    cr_expect_lt(go_on(run_id, owner, LIST(text("TELEMETRY_BASE_DIR=%s/other", test_dir()))), 0);
    cr_expect_not(file_exists(text("%s/other", test_dir())));
    cr_expect_eq(go_on("20261122T100000Z-nobody-00000000", owner, LIST("A=b")), TEL_ERR_NOT_FOUND);
    cr_expect_eq(lines(), 1);
}

/* --- word to the collector ----------------------------------------------------------------------- */

struct received {
    struct tel_message message;
    char line[TEL_RUNLINE_MAX];
    ssize_t line_len;
    int passed_fd;
    int connection; /* where an answer would go */
};

static struct received received;
static struct tel_claim claim;

static void play_collector(void)
{
    struct tel_datadir dir;

    make_place(&dir, base());
    cr_assert_eq(tel_claim_take(&claim, &dir, &err), 0, "%s", err.message);
}

/* The next message on a socket; false when there is none. */
static bool receive(int listener)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec parts[2] = {{&received.message, sizeof received.message},
                             {received.line, sizeof received.line}};
    struct msghdr header = {.msg_iov = parts,
                            .msg_iovlen = 2,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    ssize_t got;

    received.connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (received.connection < 0)
        return false;
    got = recvmsg(received.connection, &header, MSG_CMSG_CLOEXEC);
    cr_assert_geq(got, (ssize_t)sizeof received.message);
    received.line_len = got - (ssize_t)sizeof received.message;
    received.passed_fd = -1;
    if (header.msg_controllen > 0)
        memcpy(&received.passed_fd, CMSG_DATA(&control.header), sizeof received.passed_fd);
    return true;
}

Test(recorder, tells_the_collector_of_its_start)
{
    struct stat st;

    play_collector();
    cr_assert_eq(begin(LIST("A=b")), 0, "%s", err.message);
    cr_assert(receive(claim.start));
    cr_expect_eq(received.message.request, TEL_REQUEST_START);
    cr_expect_str_eq(received.message.run_id, recorder.run_id);
    cr_expect_eq(received.line_len, 0, "the line is in the journal");
    cr_expect_eq(received.message.line.date, this_date());
    cr_expect_eq(received.message.line.offset, 0);
    cr_assert_geq(received.passed_fd, 0);
    cr_assert_eq(fstat(received.passed_fd, &st), 0);
    if (recorder.self.pidfs_ino != 0)
        cr_expect_eq(st.st_ino, recorder.self.pidfs_ino);
    cr_expect_not(receive(claim.start), "once");
    cr_expect_not(receive(claim.request));
}

/* What the message says beside its fixed part is the target: the line is in the journal. */
Test(recorder, tells_the_collector_where_to_post)
{
    play_collector();
    cr_assert_eq(begin(LIST("METRICS_API_URL=http://127.0.0.1:1/x", "METRICS_API_TOKEN=s3cret")), 0,
                 "%s", err.message);
    cr_assert(receive(claim.start));
    cr_expect_eq(received.message.line_length, 0);
    cr_expect_eq(received.message.url_length, 20);
    cr_expect_eq(received.message.token_length, 6);
    cr_expect_eq(received.line_len, 26);
    cr_expect_str_eq(field_of(journal_text(base()), "post"), "true");
    cr_expect_null(strstr(journal_text(base()), "s3cret"));
    cr_expect_null(strstr(journal_text(base()), "127.0.0.1"));
}

Test(recorder, tells_nothing_of_an_api_that_is_off)
{
    play_collector();
    cr_assert_eq(begin(LIST("METRICS_API_URL=http://127.0.0.1:1/x", "METRICS_API_ENABLED=no")), 0,
                 "%s", err.message);
    cr_assert(receive(claim.start));
    cr_expect_eq(received.line_len, 0);
    cr_expect_str_eq(field_of(journal_text(base()), "post"), "null");
}

Test(recorder, does_not_wait_when_told_not_to)
{
    play_collector();
    cr_assert_eq(begin(LIST("TELEMETRY_AUTO_WAIT_MS=0")), 0);
    cr_assert_eq(end_with(0), 0);
    cr_expect_not(receive(claim.request), "not even a nudge");
    cr_expect_eq(lines(), 2);
}

Test(recorder, does_not_wait_for_an_end_it_does_not_know)
{
    const struct tel_ending ending = {.source = TEL_END_OBSERVED};

    play_collector();
    cr_assert_eq(begin(LIST("TELEMETRY_AUTO_WAIT_MS=20000")), 0);
    cr_assert_eq(tel_recorder_end(&recorder, &ending, &err), 0);
    cr_expect_not(receive(claim.request));
}

/* A collector that never answers: the bound is what ends the wait, or this test never ends. */
Test(recorder, waits_no_longer_than_it_was_told, .timeout = 20)
{
    play_collector();
    cr_assert_eq(begin(LIST("TELEMETRY_AUTO_WAIT_MS=30")), 0);
    cr_expect_eq(end_with(0), 0, "the run is in the journal");
    cr_expect_eq(err.code, -ETIMEDOUT);
    cr_assert(receive(claim.request));
    cr_expect_eq(received.message.request, TEL_REQUEST_COMMIT);
    cr_expect_str_eq(received.message.run_id, recorder.run_id);
    cr_expect_eq(received.line_len, 0);
}

/* The collector dies while the host waits: the host goes on at once. */
Test(recorder, a_collector_that_dies, .timeout = 20)
{
    int wait_status;
    pid_t pid;

    play_collector();
    cr_assert_eq(begin(LIST("TELEMETRY_AUTO_WAIT_MS=60000")), 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        while (!receive(claim.request))
            usleep(1000);
        _exit(0);
    }
    tel_claim_drop(&claim, &recorder.dir, false);
    cr_expect_eq(end_with(0), 0);
    cr_assert_eq(waitpid(pid, &wait_status, 0), pid);
    cr_expect_eq(wait_status, 0);
}

Test(recorder, no_collector_any_more)
{
    play_collector();
    cr_assert_eq(begin(LIST("TELEMETRY_AUTO_WAIT_MS=20000")), 0);
    tel_claim_drop(&claim, &recorder.dir, false);
    cr_expect_eq(end_with(0), -ECONNREFUSED);
    cr_expect_eq(lines(), 2, "the line is there all the same");
}

/* --- a journal that takes nothing ----------------------------------------------------------------- */

static void limit_file_size(rlim_t size)
{
    const struct rlimit limit = {size, RLIM_INFINITY};

    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(recorder, lines_go_through_the_collector_when_the_journal_takes_none)
{
    int status;

    signal(SIGXFSZ, SIG_DFL);
    play_collector();
    limit_file_size(0);
    status = begin(LIST("TELEMETRY_AUTO_WAIT_MS=0"));
    limit_file_size(RLIM_INFINITY);
    cr_assert_eq(status, 0, "%s", err.message);
    cr_assert(receive(claim.start));
    cr_expect_gt(received.line_len, 0);
    cr_expect_str_eq(field_of(text("%.*s", (int)received.line_len, received.line), "status"),
                     "\"running\"");
    cr_expect_geq(received.passed_fd, 0);

    limit_file_size(0);
    status = end_with(5 << 8);
    limit_file_size(RLIM_INFINITY);
    cr_expect_lt(status, 0);
    cr_assert(receive(claim.request), "its end has no other way");
    cr_expect_eq(received.message.request, TEL_REQUEST_COMMIT);
    cr_expect_str_eq(field_of(text("%.*s", (int)received.line_len, received.line), "exit_code"),
                     "5");
    cr_expect_str_eq(journal_text(base()), "");
}

/* The start line went in, the end line does not fit any more. */
Test(recorder, an_end_line_beyond_the_limit)
{
    int status;

    signal(SIGXFSZ, SIG_DFL);
    play_collector();
    cr_assert_eq(begin(LIST("TELEMETRY_AUTO_WAIT_MS=0")), 0);
    recorder.journal.max_size = recorder.journal.last.size + 10;
    limit_file_size(recorder.journal.max_size);
    status = end_with(0);
    limit_file_size(RLIM_INFINITY);
    cr_expect_eq(status, -EFBIG);
    cr_expect_eq(lines(), 1);
    cr_assert(receive(claim.request));
    cr_expect_gt(received.line_len, 0);
}

/* --- starting a collector ------------------------------------------------------------------------- */

/* A collector that tells what it was given, and serves nobody. */
static const char *curious_collector(void)
{
    const char *path = text("%s/collector.sh", test_dir());

    write_file(
        path,
        text("#!/bin/sh\n"
             "exec 9>&-\n"
             "{ echo \"$@\"; for fd in /proc/$$/fd/*; do echo \"${fd##*/} $(readlink $fd)\";\n"
             "done; } > %s/seen.fds\n"
             "env | sort > %s/seen.env\n"
             "cat /proc/$$/stat > %s/seen.stat\n"
             "mv %s/seen.fds %s/told.fds\n",
             test_dir(), test_dir(), test_dir(), test_dir(), test_dir()),
        0700);
    return path;
}

static bool has_told(void *arg)
{
    (void)arg;
    return file_exists(text("%s/told.fds", test_dir()));
}

static bool start_curious(const char *const *more)
{
    const char *entries[16] = {text("TELEMETRY_COLLECTOR=%s", curious_collector())};

    for (int i = 0; more[i] != NULL && i < 14; i++)
        entries[i + 1] = more[i];
    cr_assert_eq(begin(entries), 0, "%s", err.message);
    return wait_until(has_told, NULL, 20000);
}

Test(recorder, starts_a_collector_with_its_claim)
{
    const char *fds;

    cr_assert_geq(dup2(2, 50), 0); /* as a host might have */
    cr_assert(start_curious(LIST("A=b")));
    fds = read_file(text("%s/told.fds", test_dir()));
    cr_expect_eq(strncmp(fds, "collect --inherited\n", 20), 0, "%s", fds);
    cr_expect_not_null(strstr(fds, "\n0 /dev/null\n"), "%s", fds);
    cr_expect_not_null(strstr(fds, "\n2 /dev/null\n"), "%s", fds);
    cr_expect_not_null(strstr(fds, text("\n3 %s/run/%s.lock", base(), recorder.dir.collector)),
                       "%s", fds);
    cr_expect_not_null(strstr(fds, "\n4 socket:"), "%s", fds);
    cr_expect_not_null(strstr(fds, "\n5 socket:"), "%s", fds);
    cr_expect_eq(waitpid(-1, NULL, __WALL), -1);
    cr_expect_eq(errno, ECHILD, "and is nobody's child here");
}

Test(recorder, a_collectors_environment)
{
    const char *env;

    cr_assert(start_curious(LIST("LD_PRELOAD=/x.so", "LD_LIBRARY_PATH=/x", "SECRET_TOKEN=x",
                                 "PATH=/usr/bin:/bin", "HOME=/h", "TELEMETRY_FILE_MODE=0660",
                                 "TELEMETRY_JOB_NAME=x", "TELEMETRY_RUN_ID=x")));
    env = read_file(text("%s/seen.env", test_dir()));
    cr_expect_null(strstr(env, "LD_"), "%s", env);
    cr_expect_null(strstr(env, "SECRET"), "%s", env);
    cr_expect_null(strstr(env, "JOB_NAME"), "%s", env);
    cr_expect_null(strstr(env, "RUN_ID"), "%s", env);
    cr_expect_not_null(strstr(env, "TELEMETRY_AUTO=0\n"), "%s", env);
    cr_expect_not_null(strstr(env, text("TELEMETRY_BASE_DIR=%s\n", base())), "%s", env);
    cr_expect_not_null(strstr(env, "TELEMETRY_FILE_MODE=0660\n"), "%s", env);
    cr_expect_not_null(strstr(env, "HOME=/h\n"), "%s", env);
}

/* However long a host's variables are, the collector learns which directory is its own. */
Test(recorder, a_collectors_environment_is_bounded)
{
    static char filler[120000];
    const char *env;

    memset(filler, ':', sizeof filler - 1);
    cr_assert(
        start_curious(LIST(text("PATH=/usr/bin:/bin%s", filler), text("http_proxy=%s", filler),
                           text("https_proxy=%s", filler), text("HTTPS_PROXY=%s", filler),
                           text("all_proxy=%s", filler), text("ALL_PROXY=%s", filler),
                           text("no_proxy=%s", filler), "TELEMETRY_FILE_MODE=0660")));
    env = read_file(text("%s/seen.env", test_dir()));
    cr_expect_not_null(strstr(env, text("TELEMETRY_BASE_DIR=%s\n", base())));
    cr_expect_not_null(strstr(env, "TELEMETRY_AUTO=0\n"));
    cr_expect_not_null(strstr(env, "TELEMETRY_FILE_MODE=0660\n"), "what fits comes along");
}

Test(recorder, a_collector_has_its_own_session)
{
    const char *stat;
    int pid, ppid, group, session, tty;

    cr_assert(start_curious(LIST("A=b")));
    stat = read_file(text("%s/seen.stat", test_dir()));
    cr_assert_eq(sscanf(strrchr(stat, ')') + 3, "%*c %d %d %d %d", &ppid, &group, &session, &tty),
                 4);
    cr_assert_eq(sscanf(stat, "%d", &pid), 1);
    cr_expect_eq(session, pid);
    cr_expect_eq(group, pid);
    cr_expect_eq(tty, 0);
    cr_expect_neq(ppid, getpid());
}

/* A subreaper adopts orphans; not this one. */
Test(recorder, a_subreaper_gets_no_child)
{
    int subreaper = 0;

    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    cr_assert(start_curious(LIST("A=b")));
    cr_assert_eq(prctl(PR_GET_CHILD_SUBREAPER, &subreaper), 0);
    cr_expect_eq(subreaper, 1, "it still is one");
    cr_expect_eq(waitpid(-1, NULL, __WALL | WNOHANG), -1);
    cr_expect_eq(errno, ECHILD);
}

static void expect_no_collector(const char *program)
{
    const char *const *entries =
        LIST(text("TELEMETRY_COLLECTOR=%s", program), "TELEMETRY_AUTO_WAIT_MS=20000");

    cr_expect_eq(begin(entries), 0, "the journal has it: %s", err.message);
    cr_expect_neq(err.code, 0, "%s", program);
    cr_expect_eq(tel_proto_connect(&recorder.dir, TEL_SOCKET_START), -ENOENT,
                 "nobody waits for one that never came: %s", program);
    cr_expect_eq(waitpid(-1, NULL, __WALL), -1);
    cr_expect_eq(end_with(0), -ENOENT);
}

Test(recorder, collectors_that_cannot_be_started)
{
    const char *broken = text("%s/broken", test_dir());

    write_file(broken, "#!/nonexistent/interpreter\n", 0700);
    expect_no_collector(broken);
    write_file(text("%s/no-format", test_dir()), "neither", 0700);
    expect_no_collector(text("%s/no-format", test_dir()));
    write_file(text("%s/no-x", test_dir()), "#!/bin/sh\n", 0600);
    expect_no_collector(text("%s/no-x", test_dir()));
    expect_no_collector("/nonexistent");
    expect_no_collector(test_dir());
    cr_expect_eq(lines(), 10);
}

/* The one before has told, but may not be gone yet. */
static bool nobody_listens(void *arg)
{
    int fd = tel_proto_connect(&recorder.dir, TEL_SOCKET_START);

    (void)arg;
    if (fd >= 0)
        close(fd);
    return fd == -ENOENT || fd == -ECONNREFUSED;
}

Test(recorder, few_descriptors_are_enough_or_nothing_happens)
{
    for (rlim_t most = 4; most < 24; most++) {
        struct rlimit old;
        struct rlimit few = {most, 0};
        int status;
        int connected;

        unlink(text("%s/told.fds", test_dir()));
        cr_assert_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
        few.rlim_max = old.rlim_max;
        curious_collector();
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        status = begin(LIST(text("TELEMETRY_COLLECTOR=%s/collector.sh", test_dir())));
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
        if (status < 0)
            continue;
        connected = tel_proto_connect(&recorder.dir, TEL_SOCKET_START);
        if (connected >= 0)
            close(connected);
        cr_expect(connected == -ENOENT || wait_until(has_told, NULL, 20000),
                  "with %d descriptors: sockets, and no collector", (int)most);
        cr_assert(wait_until(nobody_listens, NULL, 20000));
    }
}
