/* HTTP by libcurl: several POSTs at once, over connections that are kept. The only file that knows
 * libcurl. */
#ifndef TEL_POST_HTTP_H
#define TEL_POST_HTTP_H

#include "base/proto.h"

enum { TEL_HTTP_AT_ONCE = 8, TEL_HTTP_TIMEOUT_MS = 10000 };

struct tel_http;

/* Reads from the environment what curl(1) reads: CURL_CA_BUNDLE, SSL_CERT_FILE, SSL_CERT_DIR, the
 * proxies' variables; and METRICS_API_CLIENT_CERT and METRICS_API_CLIENT_KEY (PEM files). */
int tel_http_open(struct tel_http **out, struct tel_error *err);
/* Ends everything that is under way, without a word. NULL is fine. */
void tel_http_close(struct tel_http *http);

/* Requests under way. */
int tel_http_count(const struct tel_http *http);

/* Begins to post body (JSON; borrowed until it is done, as is target) when fewer than TEL_HTTP_AT_ONCE
 * are under way. arg comes back when it is done. 0 or negative. */
int tel_http_post(struct tel_http *http, const struct tel_target *target, struct tel_str body,
                  void *arg, struct tel_error *err);

struct tel_http_answer {
    int status;            /* of the last response; 0: there was none */
    int64_t retry_after_s; /* what it asked for; 0: nothing */
    const char *error;     /* static; why there was none, or it broke off; NULL */
};
typedef void tel_http_done_fn(void *context, void *arg, const struct tel_http_answer *answer);

/* Waits for the network, for fd (-1: none) to become readable, or until timeout_ms have passed, and
 * tells of every request that is done. */
void tel_http_wait(struct tel_http *http, int fd, int timeout_ms, tel_http_done_fn *fn,
                   void *context);

#endif
