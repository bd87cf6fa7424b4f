/* Runs posted to a remote API: real servers on loopback, real recorded programs. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/http.h"
#include "support/places.h"
#include "support/recording.h"

#define TOKEN "s3cret-t0ken"

static const char *const counts_sql = "SELECT count(*), sum(api_posted), sum(api_retry_count)"
                                      " FROM agent_runs";

/* An environment in which runs of base are posted to that path of server, with the token and more
 * entries. */
static const char *const *posting_env_and(const char *base, const struct http_server *server,
                                          const char *path, const char *const more[])
{
    const char *entries[16] = {text("METRICS_API_URL=%s", http_url(server, path)),
                               "METRICS_API_TOKEN=" TOKEN};
    size_t count = 2;

    for (; *more != NULL; more++)
        entries[count++] = *more;
    return shim_env_and(base, entries);
}

static const char *const *posting_env(const struct http_server *server)
{
    return posting_env_and(base_dir(), server, "/runs", (const char *const[]){NULL});
}

/* One run of a program, posted to server. */
static void record_posted(const struct http_server *server, const char *program)
{
    cr_assert_eq(run(LIST(program), posting_env(server)).status, 0);
}

static bool posted(const char *counts)
{
    return sql_becomes(base_dir(), counts_sql, counts);
}

/* --- one run ---------------------------------------------------------------------------------- */

/* Each key of the contract that is not null, as the row has it, and no other. */
static void expect_same(const cJSON *body, const char *base)
{
    static const char *const keys[] = {
        "run_id",         "agent_name",  "job_type",      "trigger_type",     "start_time",
        "status",         "agent_owner", "end_time",      "items_discovered", "items_succeeded",
        "items_failed",   "duration_ms", "error_summary", "product",          "platform",
        "product_family", "subdomain",   "git_repo",      "git_branch",       "host"};
    int present = 0;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(body, keys[i]);
        const char *value = item == NULL           ? ""
                            : cJSON_IsNumber(item) ? text("%.0f", cJSON_GetNumberValue(item))
                                                   : cJSON_GetStringValue(item);

        cr_assert_not_null(value, "%s is neither text nor a number", keys[i]);
        cr_expect_str_eq(value, run_value(base, keys[i]), "%s", keys[i]);
        present += item != NULL;
    }
    cr_expect_eq(cJSON_GetArraySize(body), present, "there are other keys");
}

Test(post, one_run_one_post)
{
    const struct http_server server = http_start("200\n");
    const cJSON *request;

    cr_assert_eq(run(LIST("/bin/ls"), posting_env_and(base_dir(), &server, "/runs?v=1",
                                                      LIST("TELEMETRY_PRODUCT=a \"product\"",
                                                           "TELEMETRY_INPUT_SUMMARY=not posted")))
                     .status,
                 0);
    cr_assert(posted("1|1|0"), "%s", sql_text(base_dir(), counts_sql));
    cr_assert_eq(http_count(&server), 1);
    request = http_request(&server, 0);
    cr_expect_str_eq(http_text(request, "method"), "POST");
    cr_expect_str_eq(http_text(request, "path"), "/runs?v=1");
    cr_expect_str_eq(http_header(request, "content-type"), "application/json");
    cr_expect_str_eq(http_header(request, "authorization"), "Bearer " TOKEN);
    cr_expect_str_eq(http_header(request, "user-agent"), "telemetry/" TELEMETRY_VERSION);
    expect_same(http_body(request), base_dir());
    cr_expect_str_eq(run_value(base_dir(), "api_posted_at IS NOT NULL"), "1");
    cr_expect_str_eq(field_of(last_line_of(journal_text(base_dir())), "api_posted"), "true");
    cr_expect_str_eq(field_of(last_line_of(journal_text(base_dir())), "post"), "true");
}

Test(post, without_a_token)
{
    const struct http_server server = http_start("201\n");

    cr_assert_eq(
        run(LIST("/bin/true"),
            shim_env_and(base_dir(), LIST(text("METRICS_API_URL=%s", http_url(&server, "/")))))
            .status,
        0);
    cr_assert(posted("1|1|0"));
    cr_expect_null(http_header(http_request(&server, 0), "authorization"));
}

/* What is posted is how the run really ended, not what it said before. */
Test(post, the_last_word_is_posted)
{
    const struct http_server server = http_start("200\n");

    need_exit_codes_of_strangers();
    run(LIST(fixture_path("end"), "flush-crash"), posting_env(&server));
    cr_assert(posted("1|1|0"));
    cr_assert_eq(http_count(&server), 1);
    cr_expect_str_eq(http_text(http_body(http_request(&server, 0)), "status"), "failed");
    cr_expect_str_eq(run_value(base_dir(), "status"), "failed");
}

Test(post, nothing_where_it_is_not_wanted)
{
    const struct http_server server = http_start("200\n");
    const char *url = text("METRICS_API_URL=%s", http_url(&server, "/"));

    run(LIST("/bin/true"), shim_env_and(base_dir(), LIST(url, "METRICS_API_ENABLED=false")));
    run(LIST("/bin/true"), shim_env_and(base_dir(), LIST(url, "TELEMETRY_TEST_MODE=mock")));
    run(LIST("/bin/true"), shim_env(base_dir()));
    /* And one that is, so that there has been an opportunity. */
    record_posted(&server, "/bin/ls");
    cr_assert(posted("4|1|0"));
    cr_expect_eq(http_count(&server), 1);
    cr_expect_str_eq(sql_text(base_dir(), "SELECT count(*) FROM agent_runs JOIN run_process USING "
                                          "(run_id) WHERE post IS NULL AND api_posted = 0 AND "
                                          "api_retry_count = 0 AND api_posted_at IS NULL"),
                     "3");
}

Test(post, nothing_of_foreign_runs)
{
    const struct http_server server = http_start("200\n");

    cr_assert_eq(mkdir(base_dir(), 0700), 0);
    cr_assert_eq(mkdir(text("%s/raw", base_dir()), 0700), 0);
    write_file(text("%s/raw/events_20250101.ndjson", base_dir()),
               "{\"run_id\": \"p\", \"agent_name\": \"python\", \"start_time\": "
               "\"2025-01-01T10:00:00.000000+00:00\", \"status\": \"success\", \"api_posted\": "
               "false, \"record_type\": \"run\"}\n",
               0600);
    record_posted(&server, "/bin/true");
    cr_assert(posted("2|1|0"));
    cr_expect_eq(http_count(&server), 1);
}

/* --- failures --------------------------------------------------------------------------------- */

/* Seconds between two requests. */
static double pause_before(const struct http_server *server, int index)
{
    return http_time(http_request(server, index)) - http_time(http_request(server, index - 1));
}

Test(post, retried_after_one_and_two_seconds, .timeout = 60)
{
    const struct http_server server = http_start("500\n503\n200\n");

    record_posted(&server, "/bin/true");
    cr_assert(http_counts(&server, 3));
    cr_assert(posted("1|1|2"));
    cr_expect_geq(pause_before(&server, 1), 0.9);
    cr_expect_geq(pause_before(&server, 2), 1.9);
    cr_expect_eq(http_count(&server), 3);
}

/* The connection, rather than the answer, is what fails. */
Test(post, retried_when_there_is_no_answer, .timeout = 60)
{
    const struct http_server server = http_start("die\ngarbage\ndie-headers\n200\n");

    record_posted(&server, "/bin/true");
    cr_assert(http_counts(&server, 4));
    cr_assert(posted("1|1|3"));
}

Test(post, four_attempts_then_later, .timeout = 90)
{
    const struct http_server server = http_start("500\n");

    record_posted(&server, "/bin/true");
    cr_assert(http_counts(&server, 4));
    cr_expect_geq(pause_before(&server, 3), 3.9);
    cr_assert(posted("1|0|3"));
    cr_expect_str_eq(run_value(base_dir(), "post_after > start_time"), "1");
    cr_assert(collectors_leave(base_dir()), "what fails is no reason to stay");
    cr_expect_eq(http_count(&server), 4);
}

Test(post, refused_for_good)
{
    const struct http_server server = http_start("404\n200\n");

    record_posted(&server, "/bin/true");
    cr_assert(sql_becomes(base_dir(), "SELECT post_error, post FROM run_process", "HTTP 404|0"));
    record_posted(&server, "/bin/true");
    cr_assert(posted("2|1|0"));
    cr_expect_eq(http_count(&server), 2, "once each");
    cr_expect_eq(count_of(journal_text(base_dir()), "HTTP 404"), 1);
}

Test(post, waits_as_long_as_the_server_says, .timeout = 60)
{
    const struct http_server server = http_start("429 Retry-After=2\nretry-date 503 4\n200\n");

    record_posted(&server, "/bin/true");
    cr_assert(http_counts(&server, 3));
    cr_assert(posted("1|1|2"));
    cr_expect_geq(pause_before(&server, 1), 1.9);
    cr_expect_geq(pause_before(&server, 2), 2.5, "a date has whole seconds");
}

Test(post, does_not_wait_for_an_hour)
{
    const struct http_server server = http_start("429 Retry-After=3600\n200\n");

    record_posted(&server, "/bin/true");
    cr_assert(sql_becomes(base_dir(),
                          "SELECT post_after > strftime('%Y-%m-%dT%H:%M:%S', 'now', '+55 minutes')"
                          " FROM run_process",
                          "1"));
    cr_assert(collectors_leave(base_dir()));
    cr_expect_eq(http_count(&server), 1);
}

static bool is_put_off(void *arg)
{
    (void)arg;
    return starts_with(field_of(last_line_of(journal_text(base_dir())), "post_after"), "\"2");
}

/* Whoever leaves between two attempts says what has been tried. */
Test(post, a_collector_that_leaves_between_two_attempts, .timeout = 60)
{
    const struct http_server server = http_start("429 Retry-After=7\n");

    record_posted(&server, "/bin/true");
    cr_assert(http_counts(&server, 1));
    end_collectors(base_dir(), SIGTERM);
    cr_assert(wait_until(is_put_off, NULL, 20000));
    cr_assert_eq(telemetry("sync").status, 0);
    cr_expect_str_eq(run_value(base_dir(), "api_retry_count || (post_after NOT NULL)"), "01",
                     "the first is no retry");
}

/* And has it in the row before it goes. */
Test(post, a_collector_whose_time_is_over, .timeout = 60)
{
    const struct http_server server = http_start("429 Retry-After=7\n");

    record_posted(&server, "/bin/true");
    cr_assert(http_counts(&server, 2));
    cr_assert(collectors_leave(base_dir()));
    cr_expect_str_eq(run_value(base_dir(), "api_retry_count || (post_after NOT NULL)"), "11");
}

/* A collector that stays makes the later attempts by itself. */
Test(post, later_by_a_collector_that_stays, .timeout = 90)
{
    const struct http_server server = http_start("429 Retry-After=10\n200\n");
    struct program *collector =
        start(&(struct run_options){.argv = LIST(cli_path(), "collect", "--foreground"),
                                    .env = base_env(),
                                    .timeout_ms = 80000});

    cr_assert(file_appears(text("%s/run", base_dir())));
    record_posted(&server, "/bin/true");
    cr_assert(http_counts(&server, 2));
    cr_expect_geq(pause_before(&server, 1), 9.5);
    cr_assert(posted("1|1|1"));
    kill(program_pid(collector), SIGTERM);
    cr_expect_eq(finish(collector).status, 0);
}

/* The server has said that it has the run; that the rest takes its time is no reason to repeat it. */
Test(post, a_slow_answer_counts_once, .timeout = 60)
{
    const struct http_server server =
        http_start("slow-headers 3\nslow-body 3\ndie-body\nendless\n500\n");

    for (int i = 1; i <= 4; i++) {
        record_posted(&server, "/bin/true");
        cr_assert(http_counts(&server, i));
        cr_assert(posted(text("%d|%d|0", i, i)), "%d: %s", i, sql_text(base_dir(), counts_sql));
    }
    cr_expect_eq(http_count(&server), 4);
}

Test(post, a_server_that_never_answers, .timeout = 90)
{
    const struct http_server server = http_start("hang\n200\n");

    record_posted(&server, "/bin/true"); /* this is where it would hang */
    cr_assert(http_counts(&server, 1));
    record_posted(&server, "/bin/true");
    cr_assert(http_counts(&server, 3));
    cr_assert(posted("2|2|1"));
    cr_expect_geq(http_time(http_request(&server, 2)) - http_time(http_request(&server, 0)), 9.9);
}

/* Some runs find out that the server fails; the others are spared. */
Test(post, a_failing_server_is_not_hammered, .timeout = 120)
{
    const struct http_server server = http_start("500\n");

    for (int i = 0; i < 60; i++)
        record_posted(&server, "/bin/true");
    cr_assert(collectors_leave(base_dir()));
    cr_expect_leq(http_count(&server), 120, "%d", http_count(&server));
    http_script(&server, "200\n");
    record_posted(&server, "/bin/true");
    cr_assert(sql_becomes(base_dir(),
                          "SELECT count(*) FROM agent_runs JOIN run_process USING (run_id)"
                          " WHERE api_posted = 0 AND post_after IS NULL",
                          "0"),
              "the next run takes along what was not tried");
}

/* --- redirects -------------------------------------------------------------------------------- */

/* As Google's Apps Script answers. */
Test(post, redirected_to_another_path)
{
    const struct http_server server = http_start("302 Location=/answer\n200\n");

    record_posted(&server, "/bin/true");
    cr_assert(posted("1|1|0"));
    cr_assert_eq(http_count(&server), 2);
    cr_expect_str_eq(http_text(http_request(&server, 1), "method"), "GET");
    cr_expect_str_eq(http_text(http_request(&server, 1), "path"), "/answer");
    cr_expect_str_eq(http_header(http_request(&server, 1), "authorization"), "Bearer " TOKEN);
}

Test(post, redirected_with_its_body)
{
    const struct http_server server = http_start("307 Location=/moved\n200\n");

    record_posted(&server, "/bin/true");
    cr_assert(posted("1|1|0"));
    cr_expect_str_eq(http_text(http_request(&server, 1), "method"), "POST");
    expect_same(http_body(http_request(&server, 1)), base_dir());
}

Test(post, the_token_goes_to_no_other_host)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};

    for (int i = 0; i < 2; i++) {
        const struct http_server other = http_start("200\n");
        const struct http_server server =
            http_start(text("307 Location=http://%s:%d/elsewhere\n", hosts[i], other.port));

        record_posted(&server, "/bin/true");
        cr_assert(http_counts(&other, 1));
        cr_expect_null(http_header(http_request(&other, 0), "authorization"), "%s", hosts[i]);
        cr_expect_str_eq(http_header(http_request(&server, 0), "authorization"), "Bearer " TOKEN);
        cr_assert(posted(text("%d|%d|0", i + 1, i + 1)));
    }
}

Test(post, redirected_without_end, .timeout = 60)
{
    const struct http_server server = http_start("302 Location=/again\n");

    record_posted(&server, "/bin/true");
    cr_assert(posted("1|0|3"));
    cr_expect_eq(http_count(&server), 4 * 6, "five redirects for each attempt");
}

/* --- TLS -------------------------------------------------------------------------------------- */

static struct http_server start_tls(const char *script)
{
    const char *cert = text("%s/cert.pem", test_dir());
    const char *key = text("%s/key.pem", test_dir());
    const struct run_result made =
        run(LIST("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                 "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
                 key, "-out", cert),
            NULL);

    if (made.status == 127)
        cr_skip_test("there is no openssl");
    cr_assert_eq(made.status, 0, "%s", made.err);
    return http_start_tls(script, cert, key);
}

Test(post, a_certificate_that_nobody_vouches_for, .timeout = 60)
{
    const struct http_server server = start_tls("200\n");

    run(LIST("/bin/true"),
        shim_env_and(base_dir(), LIST(text("METRICS_API_URL=https://127.0.0.1:%d/", server.port))));
    cr_assert(posted("1|0|3"));
    cr_expect_eq(http_count(&server), 0);
}

Test(post, a_certificate_that_is_vouched_for)
{
    static const char *const variables[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE"};
    const struct http_server server = start_tls("200\n");

    for (int i = 0; i < 2; i++) {
        const char *base = new_base();

        run(LIST("/bin/true"),
            shim_env_and(base, LIST(text("METRICS_API_URL=https://127.0.0.1:%d/", server.port),
                                    text("%s=%s/cert.pem", variables[i], test_dir()))));
        cr_expect(sql_becomes(base, counts_sql, "1|1|0"), "%s", variables[i]);
    }
}

Test(post, never_from_https_to_http, .timeout = 60)
{
    const struct http_server plain = http_start("200\n");
    const struct http_server server =
        start_tls(text("307 Location=http://127.0.0.1:%d/x\n", plain.port));

    run(LIST("/bin/true"),
        shim_env_and(base_dir(), LIST(text("METRICS_API_URL=https://127.0.0.1:%d/", server.port),
                                      text("CURL_CA_BUNDLE=%s/cert.pem", test_dir()))));
    cr_assert(posted("1|0|3"));
    cr_expect_eq(http_count(&plain), 0);
}

/* --- many runs -------------------------------------------------------------------------------- */

/* Ids that were posted, the successful ones among the requests of the script being 200. */
static int distinct_posts(const struct http_server *server)
{
    const int count = http_count(server);
    const char **ids = calloc((size_t)count + 1, sizeof *ids);
    int distinct = 0;

    for (int i = 0; i < count; i++) {
        const char *id = http_text(http_body(http_request(server, i)), "run_id");
        bool seen = false;

        for (int j = 0; j < distinct && !seen; j++)
            seen = strcmp(ids[j], id) == 0;
        if (!seen)
            ids[distinct++] = id;
    }
    free(ids);
    return distinct;
}

Test(post, a_server_that_was_down, .timeout = 200)
{
    enum { RUNS = 100 };
    struct http_server server = http_start("200\n");

    http_stop(&server);
    for (int i = 0; i < RUNS; i++)
        record_posted(&server, "/bin/true");
    cr_assert(collectors_leave(base_dir()));
    http_restart(&server, "200\n");
    record_posted(&server, "/bin/true");
    cr_assert(collectors_leave(base_dir()));
    run(LIST(cli_path(), "post"), posting_env(&server)); /* what has used up its retries */
    cr_assert(sql_becomes(base_dir(), "SELECT count(*), sum(api_posted) FROM agent_runs",
                          text("%d|%d", RUNS + 1, RUNS + 1)));
    cr_expect_eq(http_count(&server), RUNS + 1, "none twice");
    cr_expect_eq(distinct_posts(&server), RUNS + 1);
    /* What was posted is in the journal. */
    run(LIST("rm", "-r", text("%s/db", base_dir())), NULL);
    cr_assert_eq(telemetry("sync").status, 0);
    run(LIST(cli_path(), "post"), posting_env(&server));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT sum(api_posted) FROM agent_runs"),
                     text("%d", RUNS + 1));
    cr_expect_eq(http_count(&server), RUNS + 1);
}

Test(post, collectors_that_are_killed, .timeout = 300)
{
    enum { RUNS = 200 };
    const struct http_server server = http_start("200\n");

    srand((unsigned)getpid());
    for (int i = 0; i < RUNS; i++) {
        record_posted(&server, "/bin/true");
        if (i % 20 == 19) {
            usleep((unsigned)(rand() % 60000));
            end_collectors(base_dir(), SIGKILL);
        }
    }
    record_posted(&server, "/bin/true");
    cr_assert(sql_becomes(base_dir(), "SELECT count(*), sum(api_posted) FROM agent_runs",
                          text("%d|%d", RUNS + 1, RUNS + 1)),
              "%s", sql_text(base_dir(), counts_sql));
    cr_expect_eq(distinct_posts(&server), RUNS + 1);
    cr_log_info("%d runs, %d repeated", RUNS + 1, http_count(&server) - (RUNS + 1));
}

/* Posters of base, by their parent. */
static int posters(pid_t *pids, int max)
{
    DIR *proc = opendir("/proc");
    int count = 0;

    cr_assert_not_null(proc);
    for (struct dirent *entry = readdir(proc); entry != NULL; entry = readdir(proc)) {
        const int pid = atoi(entry->d_name);
        char link[64];
        char target[512];
        ssize_t len;

        snprintf(link, sizeof link, "/proc/%d/exe", pid);
        len = pid > 0 ? readlink(link, target, sizeof target - 1) : -1;
        if (len <= 0)
            continue;
        target[len] = '\0';
        if (strstr(target, "/telemetry-post") == NULL)
            continue;
        if (getpgid(pid) != getpgid(collector_of(base_dir())))
            continue;
        if (count < max)
            pids[count] = pid;
        count++;
    }
    closedir(proc);
    return count;
}

static bool has_poster(void *arg)
{
    return posters(arg, 1) == 1;
}

Test(post, a_poster_that_is_killed, .timeout = 60)
{
    const struct http_server server = http_start("hang\n200\n");
    pid_t poster = 0;

    record_posted(&server, "/bin/true");
    cr_assert(http_counts(&server, 1));
    cr_assert(wait_until(has_poster, &poster, 10000));
    kill(poster, SIGKILL);
    cr_assert(posted("1|1|0"));
    cr_expect_eq(http_count(&server), 2);
}

/* --- secrets ---------------------------------------------------------------------------------- */

/* All of /proc/PID/NAME, NULs and all; whether text is in it. */
static bool proc_file_holds(pid_t pid, const char *name, const char *needle)
{
    static char block[1 << 20];
    FILE *file = fopen(text("/proc/%d/%s", (int)pid, name), "re");
    size_t len;

    if (file == NULL)
        return false;
    len = fread(block, 1, sizeof block, file);
    fclose(file);
    return memmem(block, len, needle, strlen(needle)) != NULL;
}

Test(post, the_token_is_nowhere, .timeout = 60)
{
    const struct http_server server = http_start("hang\n");
    const char *debug = text("%s/debug", test_dir());
    pid_t pids[2] = {0};
    struct run_result doctor;

    run(LIST("/bin/true"),
        posting_env_and(base_dir(), &server, "/", LIST(text("TELEMETRY_DEBUG=%s", debug))));
    cr_assert(http_counts(&server, 1));
    cr_assert(wait_until(has_poster, &pids[0], 10000));
    pids[1] = collector_of(base_dir());
    for (int i = 0; i < 2; i++) {
        cr_expect_not(proc_file_holds(pids[i], "cmdline", TOKEN));
        cr_expect_not(proc_file_holds(pids[i], "environ", TOKEN));
        cr_expect_not(proc_file_holds(pids[i], "cmdline", "127.0.0.1"));
        cr_expect_not(proc_file_holds(pids[i], "environ", "127.0.0.1"));
    }
    doctor = run(LIST(cli_path(), "doctor"), posting_env(&server));
    cr_expect(contains(doctor.out, "METRICS_API_TOKEN"));
    cr_expect_not(contains(doctor.out, TOKEN));
    cr_expect_not(contains(doctor.err, TOKEN));
    cr_expect_eq(run(LIST("grep", "-rq", TOKEN, base_dir()), NULL).status, 1);
    cr_expect_eq(run(LIST("grep", "-rq", "127.0.0.1", base_dir()), NULL).status, 1);
    if (file_exists(debug))
        cr_expect_not(contains(read_file(debug), TOKEN));
}

/* Each run goes where its own environment says. */
Test(post, two_targets)
{
    const struct http_server one = http_start("200\n");
    const struct http_server two = http_start("200\n");

    for (int i = 0; i < 3; i++) {
        record_posted(&one, "/bin/true");
        record_posted(&two, "/bin/true");
    }
    cr_assert(posted("6|6|0"));
    cr_expect_eq(http_count(&one), 3);
    cr_expect_eq(http_count(&two), 3);
}

/* --- telemetry post --------------------------------------------------------------------------- */

#define post_with(server, ...) run(LIST(cli_path(), "post", __VA_ARGS__), posting_env(server))

/* Runs that a server which is down has left. */
static void leave_unposted(struct http_server *server, int runs)
{
    http_stop(server);
    for (int i = 0; i < runs; i++)
        record_posted(server, "/bin/true");
    cr_assert(collectors_leave(base_dir()));
    http_restart(server, "200\n");
}

Test(post, by_hand, .timeout = 120)
{
    struct http_server server = http_start("200\n");
    struct run_result result;

    leave_unposted(&server, 3);
    cr_expect_str_eq(run_value(base_dir(), "count(*) || ' ' || sum(api_retry_count)"), "3 9");
    cr_expect_eq(
        count_of(run(LIST(cli_path(), "runs", "--unposted", "--csv"), posting_env(&server)).out,
                 "-true-"),
        3);

    result = post_with(&server, "--dry-run");
    cr_expect_eq(result.status, 0);
    cr_expect_eq(count_of(result.out, "-true-"), 3);
    cr_expect(contains(result.out, "3 runs would be posted"), "%s", result.out);
    cr_expect_eq(http_count(&server), 0);

    result = post_with(&server, "--status");
    cr_expect(starts_with(result.out, "0 posted, 0 refused, 0 to be posted, 3 waiting"), "%s",
              result.out);
    cr_expect(contains(result.out, "next attempt at "), "%s", result.out);
    cr_expect(contains(result.out, "with a token"), "%s", result.out);

    result = post_with(&server, "--limit", "1");
    cr_expect_eq(result.status, 0, "%s%s", result.out, result.err);
    cr_expect(starts_with(result.out, "1 run posted\n2 runs left"), "%s", result.out);
    cr_expect_eq(http_count(&server), 1);

    result = post_with(&server, "--now");
    cr_expect_eq(result.status, 0, "%s%s", result.out, result.err);
    cr_expect_str_eq(result.out, "2 runs posted\n");
    cr_expect_str_eq(run_value(base_dir(), "sum(api_posted) || ' ' || sum(api_retry_count)"),
                     "3 12");

    result = post_with(&server, "--now");
    cr_expect_str_eq(result.out, "0 runs posted\n");
    cr_expect_eq(http_count(&server), 3);
}

Test(post, by_hand_without_success, .timeout = 120)
{
    struct http_server server = http_start("200\n");
    struct run_result result;

    leave_unposted(&server, 2);
    http_script(&server, "400\n500\n");
    result = post_with(&server, "--now");
    cr_expect_eq(result.status, 1);
    cr_expect(contains(result.out, "0 runs posted\n"), "%s", result.out);
    cr_expect(contains(result.out, "1 run refused for good: HTTP 400\n"), "%s", result.out);
    cr_expect(contains(result.out, "1 run not posted for now: HTTP 500\n"), "%s", result.out);
    cr_expect(contains(result.out, "1 run left to be posted\n"), "%s", result.out);
}

/* A server that asked for an hour is left alone for it, unless a person insists. */
Test(post, by_hand_before_the_server_wants_it, .timeout = 60)
{
    const struct http_server server = http_start("429 Retry-After=3600\n200\n");

    record_posted(&server, "/bin/true");
    cr_assert(sql_becomes(base_dir(), "SELECT post_after IS NOT NULL FROM run_process", "1"));
    cr_assert(collectors_leave(base_dir()));
    cr_expect_eq(post_with(&server, "--limit", "0").status, 1);
    cr_expect_eq(http_count(&server), 1);
    cr_expect_eq(post_with(&server, "--now").status, 0);
    cr_expect_eq(http_count(&server), 2);
}

/* Two at once: what the one is posting, the other does not post. */
Test(post, by_two_hands, .timeout = 120)
{
    struct http_server server = http_start("200\n");
    const char *const argv[] = {cli_path(), "post", NULL};
    const struct run_options options = {.argv = argv, .env = posting_env(&server)};
    struct program *one;
    struct program *two;

    leave_unposted(&server, 20);
    one = start(&options);
    two = start(&options);
    cr_expect_eq(finish(one).status, 0);
    cr_expect_eq(finish(two).status, 0);
    cr_expect_eq(http_count(&server), 20);
    cr_expect_eq(distinct_posts(&server), 20);
}

Test(post, by_hand_without_a_url, .timeout = 60)
{
    const struct http_server server = http_start("500\n");
    struct run_result result;

    record_posted(&server, "/bin/true");
    result = telemetry("post");
    cr_expect_eq(result.status, 1);
    cr_expect(contains(result.err, "METRICS_API_URL is not set"), "%s", result.err);
    result =
        run(LIST(cli_path(), "post"),
            base_env_and(LIST("METRICS_API_URL=http://127.0.0.1:1/", "METRICS_API_TOKEN=a\nb")));
    cr_expect_eq(result.status, 1);
    cr_expect(contains(result.err, "METRICS_API_TOKEN has blanks, line breaks"), "%s", result.err);
    result =
        run(LIST(cli_path(), "post"),
            base_env_and(LIST("METRICS_API_URL=http://127.0.0.1:1/", "METRICS_API_ENABLED=no")));
    cr_expect(contains(result.err, "posting is off"), "%s", result.err);
}

static const char *status_with(const char *url)
{
    return run(LIST(cli_path(), "post", "--status"),
               base_env_and(LIST(text("METRICS_API_URL=%s", url))))
        .out;
}

Test(post, what_is_wrong_with_a_url, .timeout = 60)
{
    const struct http_server server = http_start("500\n");
    const char *out;

    record_posted(&server, "/bin/true");
    out = status_with("127.0.0.1:18099/x");
    cr_expect(contains(out, "METRICS_API_URL does not begin with https:// or http://: correct it"),
              "%s", out);
    out = status_with("ftp://h/x");
    cr_expect(contains(out, "METRICS_API_URL does not begin with https:// or http://: correct it"),
              "%s", out);
}

/* As with any other that cannot be used, the run waits for one that can. */
Test(post, a_url_that_is_too_long, .timeout = 60)
{
    const struct http_server server = http_start("200\n");
    const char *url = text("http://127.0.0.1:1/%03000d", 1);
    struct run_result result;

    cr_assert_eq(
        run(LIST("/bin/true"), shim_env_and(base_dir(), LIST(text("METRICS_API_URL=%s", url))))
            .status,
        0);
    cr_expect(contains(status_with(url), "has more than 2048 bytes"), "%s", status_with(url));
    result = run(LIST(cli_path(), "post"), base_env_and(LIST(text("METRICS_API_URL=%s", url))));
    cr_expect(contains(result.err, "has more than 2048 bytes"), "%s", result.err);
    record_posted(&server, "/bin/true");
    cr_expect(posted("2|2|0"), "%s", sql_text(base_dir(), counts_sql));
}

Test(post, by_hand_without_the_poster, .timeout = 60)
{
    const struct http_server server = http_start("500\n");
    const char *alone = text("%s/telemetry", test_dir());
    struct run_result result;

    if (file_exists("/usr/local/libexec/telemetry-post"))
        cr_skip_test("it is installed");
    record_posted(&server, "/bin/true");
    cr_assert(collectors_leave(base_dir()));
    cr_assert_eq(run(LIST("cp", cli_path(), alone), NULL).status, 0);
    result = run(LIST(alone, "post"), posting_env(&server));
    cr_expect_eq(result.status, 1);
    cr_expect(contains(result.err, "telemetry-post is not installed"), "%s", result.err);
}

/* --- doctor ----------------------------------------------------------------------------------- */

static struct run_result doctor_with(const char *url, const char *more)
{
    return run(LIST(cli_path(), "doctor"),
               base_env_and(LIST(text("METRICS_API_URL=%s", url), more)));
}

Test(post, what_doctor_says)
{
    struct run_result result =
        doctor_with("https://u:pass@api.example.org/x", "METRICS_API_TOKEN=" TOKEN);

    cr_expect(contains(result.out, "runs are posted to https://api.example.org, with a token"),
              "%s", result.out);
    cr_expect_not(contains(result.out, "pass@"));
    cr_expect_not(contains(result.out, TOKEN));
    result = doctor_with("http://api.example.org/x", "METRICS_API_TOKEN=" TOKEN);
    cr_expect(contains(result.out, "plain http"), "%s", result.out);
    cr_expect_eq(result.status, 1);
    result = doctor_with("http://127.0.0.1/x", "METRICS_API_TOKEN=" TOKEN "\n");
    cr_expect(contains(result.out, "METRICS_API_TOKEN has blanks, line breaks"), "%s", result.out);
    cr_expect_not(contains(result.out, TOKEN));
    result = doctor_with("http://127.0.0.1/x", "TELEMETRY_TEST_MODE=mock");
    cr_expect(contains(result.out, "nothing is posted"), "%s", result.out);
    result = doctor_with("ftp://127.0.0.1/x", "METRICS_API_ENABLED=maybe");
    cr_expect(contains(result.out, "does not begin with https://"), "%s", result.out);
    cr_expect(contains(result.out, "neither true nor false"), "%s", result.out);
}

/* A token in the wrong place of a configuration file. */
Test(post, what_doctor_does_not_say)
{
    const char *file = text("%s/telemetry.conf", test_dir());
    struct run_result result;

    write_file(file, "[defaults]\nMETRICS_API_TOKN = " TOKEN "\nMETRICS_API_TOKEN " TOKEN "\n",
               0600);
    result = run(LIST(cli_path(), "doctor"), base_env_and(LIST(text("TELEMETRY_CONFIG=%s", file))));
    cr_expect(contains(result.out, "did you mean METRICS_API_TOKEN?"), "%s", result.out);
    cr_expect_not(contains(result.out, TOKEN), "%s", result.out);
}

/* Where none may run, people post by hand. */
Test(post, without_any_collector)
{
    const struct http_server server = http_start("200\n");
    const char *const *env =
        posting_env_and(base_dir(), &server, "/runs", LIST("TELEMETRY_COLLECTOR=off"));

    cr_assert_eq(run(LIST("/bin/true"), env).status, 0);
    cr_assert_eq(run(LIST(cli_path(), "post"), env).status, 0);
    cr_expect_str_eq(sql_text(base_dir(), counts_sql), "1|1|0");
    cr_expect_eq(http_count(&server), 1);
}

/* --- the client library ---------------------------------------------------------------------------- */

static const char *client_says(const struct http_server *server)
{
    const char *const more[] = {"LD_PRELOAD=", NULL};
    struct run_result result =
        run(LIST(fixture_path("client"), "post"),
            server == NULL ? shim_env_and(base_dir(), more)
                           : posting_env_and(base_dir(), server, "/runs", more));

    cr_assert_eq(result.status, 0, "%s%s", result.out, result.err);
    return result.out;
}

Test(post, runs_of_the_client_library, .timeout = 60)
{
    const struct http_server server = http_start("200\n");

    cr_expect_str_eq(client_says(&server), "waited 0 \nended 0 \n");
    cr_expect(posted("2|2|0"));
    cr_expect_str_eq(sql_text(base_dir(), "SELECT job_type, status, error_summary FROM agent_runs "
                                          "ORDER BY start_time"),
                     "background|success|\nat once|partial|half");
    cr_expect_eq(http_count(&server), 2);
}

Test(post, runs_of_the_client_library_that_are_refused, .timeout = 60)
{
    const struct http_server server = http_start("404\n");
    const char *said = client_says(&server);

    cr_expect(starts_with(said, "waited -1001 the remote API has refused the run: "), "%s", said);
    cr_expect(contains(said, "\nended -1001 "), "%s", said);
}

Test(post, runs_of_the_client_library_that_are_not_wanted)
{
    const char *said = client_says(NULL);

    cr_expect(starts_with(said, "waited -1005 the run is not to be posted"), "%s", said);
}
