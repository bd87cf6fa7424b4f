/* See http.h. */
#include "support/http.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reachable to the end of the test: nobody has to give it back. */
static cJSON *keep(cJSON *parsed)
{
    static cJSON *kept;

    cr_assert_not_null(parsed);
    if (kept == NULL)
        kept = cJSON_CreateArray();
    cJSON_AddItemToArray(kept, parsed);
    return parsed;
}

static const char *script_path(const struct http_server *server)
{
    return text("%s/script", server->dir);
}

static const char *log_path(const struct http_server *server)
{
    return text("%s/log", server->dir);
}

/* By renaming: the server never sees half of one, and takes it for another file. */
void http_script(const struct http_server *server, const char *script)
{
    const char *draft = text("%s.new", script_path(server));

    write_file(draft, script, 0600);
    cr_assert_eq(rename(draft, script_path(server)), 0);
}

static void launch(struct http_server *server, const char *cert, const char *key)
{
    const char *port_file = text("%s/port", server->dir);
    const char *argv[16] = {
        "python3", TELEMETRY_TEST_HTTP_SERVER, "--script",    script_path(server),
        "--log",   log_path(server),           "--port-file", port_file,
        "--port",  text("%d", server->port)};

    if (cert != NULL) {
        argv[10] = "--cert";
        argv[11] = cert;
        argv[12] = "--key";
        argv[13] = key;
    }
    unlink(port_file);
    server->program = start(&(struct run_options){.argv = argv, .timeout_ms = 1000000});
    cr_assert(file_appears(port_file), "the server does not start");
    server->port = atoi(read_file(port_file));
}

static bool has_python(void)
{
    return run(LIST("sh", "-c", "command -v python3"), NULL).status == 0;
}

struct http_server http_start_tls(const char *script, const char *cert, const char *key)
{
    static int count;
    struct http_server server = {.dir = text("%s/http-%d", test_dir(), ++count)};

    if (!has_python())
        cr_skip_test("there is no python3");
    cr_assert_eq(mkdir(server.dir, 0700), 0);
    http_script(&server, script);
    write_file(log_path(&server), "", 0600);
    launch(&server, cert, key);
    return server;
}

struct http_server http_start(const char *script)
{
    return http_start_tls(script, NULL, NULL);
}

void http_restart(struct http_server *server, const char *script)
{
    http_script(server, script);
    launch(server, NULL, NULL);
}

void http_stop(struct http_server *server)
{
    kill(program_pid(server->program), SIGKILL);
    finish(server->program);
}

const char *http_url(const struct http_server *server, const char *path)
{
    return text("http://127.0.0.1:%d%s", server->port, path);
}

int http_count(const struct http_server *server)
{
    return (int)count_of(read_file(log_path(server)), "\n");
}

struct wanted {
    const struct http_server *server;
    int count;
};

static bool has_count(void *arg)
{
    const struct wanted *wanted = arg;

    return http_count(wanted->server) >= wanted->count;
}

bool http_counts(const struct http_server *server, int count)
{
    struct wanted wanted = {server, count};

    return wait_until(has_count, &wanted, 30000);
}

const cJSON *http_request(const struct http_server *server, int index)
{
    const char *line = read_file(log_path(server));

    for (int i = 0; i < index && line != NULL; i++) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    cr_assert(line != NULL && line[0] != '\0', "there was no request %d", index);
    return keep(cJSON_ParseWithLength(line, strcspn(line, "\n")));
}

const char *http_text(const cJSON *request, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(request, key));
}

const char *http_header(const cJSON *request, const char *name)
{
    return http_text(cJSON_GetObjectItemCaseSensitive(request, "headers"), name);
}

double http_time(const cJSON *request)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(request, "time"));
}

cJSON *http_body(const cJSON *request)
{
    const char *body = http_text(request, "body");

    cr_assert_not_null(body);
    return keep(cJSON_Parse(body));
}
