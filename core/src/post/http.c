/* See http.h. */
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef TELEMETRY_VERSION
#define TELEMETRY_VERSION "0.0.0"
#endif

enum { REDIRECTS_MAX = 5, RESPONSE_MAX = 64 * 1024 };

/* One request under way; its handle is used again for the next. */
struct slot {
    CURL *easy; /* NULL until it is needed */
    struct curl_slist *headers;
    size_t received;
    void *arg;
    bool busy;
};

struct tel_http {
    CURLM *multi;
    int count;
    struct slot slots[TEL_HTTP_AT_ONCE];
};

/* --- opening and closing ----------------------------------------------------------------------- */

int tel_http_open(struct tel_http **out, struct tel_error *err)
{
    struct tel_http *http;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return tel_fail(err, -ENOMEM, "libcurl cannot be used", NULL);
    http = calloc(1, sizeof *http);
    if (http != NULL)
        http->multi = curl_multi_init();
    if (http == NULL || http->multi == NULL) {
        free(http);
        return tel_fail(err, -ENOMEM, "libcurl cannot be used", NULL);
    }
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)TEL_HTTP_AT_ONCE);
    *out = http;
    return 0;
}

static void release(struct tel_http *http, struct slot *slot)
{
    curl_multi_remove_handle(http->multi, slot->easy);
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
    slot->busy = false;
    http->count--;
}

void tel_http_close(struct tel_http *http)
{
    if (http == NULL)
        return;
    for (int i = 0; i < TEL_HTTP_AT_ONCE; i++) {
        if (http->slots[i].busy)
            release(http, &http->slots[i]);
        curl_easy_cleanup(http->slots[i].easy);
    }
    curl_multi_cleanup(http->multi);
    curl_global_cleanup();
    free(http);
}

int tel_http_count(const struct tel_http *http)
{
    return http->count;
}

/* --- requests ---------------------------------------------------------------------------------- */

/* Nothing of an answer is kept but its status: it may say anything, the token too. */
static size_t discard(char *data, size_t size, size_t count, void *arg)
{
    struct slot *slot = arg;

    (void)data;
    slot->received += size * count;
    return slot->received <= RESPONSE_MAX ? size * count : 0;
}

static bool add_header(struct slot *slot, const char *text)
{
    struct curl_slist *list = curl_slist_append(slot->headers, text);

    if (list == NULL)
        return false;
    slot->headers = list;
    return true;
}

/* As a header of its own, which libcurl gives to no other host than the first. */
static bool add_token(struct slot *slot, struct tel_str token)
{
    char header[sizeof "Authorization: Bearer " + TEL_API_TEXT_MAX];

    if (token.len == 0)
        return true;
    snprintf(header, sizeof header, "Authorization: Bearer %.*s", (int)token.len, token.ptr);
    return add_header(slot, header);
}

static bool add_headers(struct slot *slot, const struct tel_target *target)
{
    slot->headers = NULL;
    if (add_header(slot, "Content-Type: application/json") && add_header(slot, "Expect:") &&
        add_token(slot, target->token))
        return true;
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
    return false;
}

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

static CURLcode set_text(CURL *easy, CURLoption option, const char *text)
{
    return text != NULL ? curl_easy_setopt(easy, option, text) : CURLE_OK;
}

/* As curl(1): its library looks at none of these by itself. */
static CURLcode set_certificates(CURL *easy)
{
    const char *bundle = variable("CURL_CA_BUNDLE");
    CURLcode rc =
        set_text(easy, CURLOPT_CAINFO, bundle != NULL ? bundle : variable("SSL_CERT_FILE"));

    if (rc == CURLE_OK)
        rc = set_text(easy, CURLOPT_CAPATH, variable("SSL_CERT_DIR"));
    if (rc == CURLE_OK)
        rc = set_text(easy, CURLOPT_SSLCERT, variable("METRICS_API_CLIENT_CERT"));
    if (rc == CURLE_OK)
        rc = set_text(easy, CURLOPT_SSLKEY, variable("METRICS_API_CLIENT_KEY"));
    return rc;
}

static CURLcode set_url(CURL *easy, struct tel_str url)
{
    char text[TEL_API_TEXT_MAX + 1];
    const bool secure = tel_str_is_nocase((struct tel_str){url.ptr, 6}, "https:");
    CURLcode rc;

    snprintf(text, sizeof text, "%.*s", (int)url.len, url.ptr);
    rc = curl_easy_setopt(easy, CURLOPT_URL, text);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (rc == CURLE_OK) /* what was encrypted stays so */
        rc = curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    return rc;
}

/* A redirect by 301, 302 or 303 turns the POST into a GET, which is how Google's Apps Script gives its
 * answers; 307 and 308 repeat it. */
static CURLcode set_behaviour(CURL *easy)
{
    static const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_NOSIGNAL, 1},
        {CURLOPT_TIMEOUT_MS, TEL_HTTP_TIMEOUT_MS},
        {CURLOPT_CONNECTTIMEOUT_MS, TEL_HTTP_TIMEOUT_MS},
        {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS},
        {CURLOPT_FOLLOWLOCATION, 1},
        {CURLOPT_MAXREDIRS, REDIRECTS_MAX},
        {CURLOPT_SSL_VERIFYPEER, 1},
        {CURLOPT_SSL_VERIFYHOST, 2},
        {CURLOPT_POST, 1},
    };
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_USERAGENT, "telemetry/" TELEMETRY_VERSION);

    for (size_t i = 0; rc == CURLE_OK && i < sizeof numbers / sizeof numbers[0]; i++)
        rc = curl_easy_setopt(easy, numbers[i].option, numbers[i].value);
    return rc;
}

static CURLcode set_content(struct slot *slot, struct tel_str body)
{
    CURLcode rc = curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);

    if (rc == CURLE_OK)
        rc = curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, body.ptr);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, slot->headers);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, discard);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
    if (rc == CURLE_OK)
        rc = curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
    return rc;
}

static CURLcode set_up(struct slot *slot, const struct tel_target *target, struct tel_str body)
{
    CURLcode rc;

    if (slot->easy == NULL)
        slot->easy = curl_easy_init();
    if (slot->easy == NULL || !add_headers(slot, target))
        return CURLE_OUT_OF_MEMORY;
    curl_easy_reset(slot->easy);
    rc = set_behaviour(slot->easy);
    if (rc == CURLE_OK)
        rc = set_certificates(slot->easy);
    if (rc == CURLE_OK)
        rc = set_url(slot->easy, target->url);
    if (rc == CURLE_OK)
        rc = set_content(slot, body);
    return rc;
}

static struct slot *free_slot(struct tel_http *http)
{
    for (int i = 0; i < TEL_HTTP_AT_ONCE; i++)
        if (!http->slots[i].busy)
            return &http->slots[i];
    return NULL;
}

int tel_http_post(struct tel_http *http, const struct tel_target *target, struct tel_str body,
                  void *arg, struct tel_error *err)
{
    struct slot *slot = free_slot(http);
    CURLcode rc;

    if (slot == NULL)
        return tel_fail(err, -EBUSY, "too many requests at once", NULL);
    rc = set_up(slot, target, body);
    if (rc == CURLE_OK && curl_multi_add_handle(http->multi, slot->easy) != CURLM_OK)
        rc = CURLE_FAILED_INIT;
    if (rc != CURLE_OK) {
        curl_slist_free_all(slot->headers);
        slot->headers = NULL;
        return tel_fail(err, -EINVAL, curl_easy_strerror(rc), NULL);
    }
    slot->received = 0;
    slot->arg = arg;
    slot->busy = true;
    http->count++;
    return 0;
}

/* --- answers ----------------------------------------------------------------------------------- */

/* A status that has come stands, even where the body behind it broke off or never ended: it is the
 * server's word on whether it has the run. */
static void tell(struct tel_http *http, CURL *easy, CURLcode rc, tel_http_done_fn *fn,
                 void *context)
{
    struct tel_http_answer answer = {0};
    struct slot *slot = NULL;
    curl_off_t retry_after = 0;
    long status = 0;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &slot);
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    answer.status = (int)status;
    answer.retry_after_s = (int64_t)retry_after;
    if (rc != CURLE_OK)
        answer.error = curl_easy_strerror(rc);
    release(http, slot);
    fn(context, slot->arg, &answer);
}

/* True when something was done: then there is room for the next. */
static bool work(struct tel_http *http, tel_http_done_fn *fn, void *context)
{
    CURLMsg *message;
    int running;
    int left;
    bool done = false;

    curl_multi_perform(http->multi, &running);
    while ((message = curl_multi_info_read(http->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        tell(http, message->easy_handle, message->data.result, fn, context);
        done = true;
    }
    return done;
}

void tel_http_wait(struct tel_http *http, int fd, int timeout_ms, tel_http_done_fn *fn,
                   void *context)
{
    struct curl_waitfd extra = {.fd = fd, .events = CURL_WAIT_POLLIN};

    if (work(http, fn, context))
        return;
    curl_multi_poll(http->multi, fd >= 0 ? &extra : NULL, fd >= 0 ? 1 : 0, timeout_ms, NULL);
    work(http, fn, context);
}
