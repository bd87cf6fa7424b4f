/* Real HTTP servers on loopback that answer by a script (http_server.py says how), and what they were
 * asked. They end with the test. */
#ifndef TEL_TEST_HTTP_H
#define TEL_TEST_HTTP_H

#include "support/support.h"

#include <cJSON.h>

struct http_server {
    const char *dir; /* of its files */
    int port;
    struct program *program;
};

/* Starts one; skips the test where there is no python3. */
struct http_server http_start(const char *script);
/* Likewise, with TLS by this certificate and key. */
struct http_server http_start_tls(const char *script, const char *cert, const char *key);
/* Starts it again after http_stop, on the port it had. */
void http_restart(struct http_server *server, const char *script);
void http_stop(struct http_server *server);
/* From the next request on, this. */
void http_script(const struct http_server *server, const char *script);
/* "http://127.0.0.1:PORT/path" */
const char *http_url(const struct http_server *server, const char *path);

/* How many requests there were so far. */
int http_count(const struct http_server *server);
/* Waits up to 30 s until there have been so many; false when it stays at fewer. */
bool http_counts(const struct http_server *server, int count);
/* The so-manyeth request, from 0 on; fails the test when there was none. */
const cJSON *http_request(const struct http_server *server, int index);
/* Parts of it: NULL when it has no such header. */
const char *http_text(const cJSON *request, const char *key);
const char *http_header(const cJSON *request, const char *name);
double http_time(const cJSON *request);
/* What it posted. */
cJSON *http_body(const cJSON *request);

#endif
