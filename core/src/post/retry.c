/* See retry.h. */
#include "retry.h"

enum { QUICK_RETRIES = 3, SLOW_DOUBLINGS = 5, SOON_MS = 8000 };

static const int64_t slow_ms = INT64_C(15) * 60 * 1000;
static const int64_t slowest_ms = INT64_C(8) * 3600 * 1000;
static const int64_t longest_asked_s = 86400;

static enum tel_verdict judge(int http_status)
{
    if (http_status >= 200 && http_status < 300)
        return TEL_VERDICT_POSTED;
    if (http_status == 408 || http_status == 425 || http_status == 429)
        return TEL_VERDICT_AGAIN;
    return http_status >= 400 && http_status < 500 ? TEL_VERDICT_REFUSED : TEL_VERDICT_AGAIN;
}

static int64_t own_pause_ms(unsigned retries, uint32_t random)
{
    unsigned doublings;
    int64_t pause_ms;

    if (retries < QUICK_RETRIES)
        return INT64_C(1000) << retries;
    doublings = retries - QUICK_RETRIES;
    pause_ms = doublings > SLOW_DOUBLINGS ? slowest_ms : slow_ms << doublings;
    if (pause_ms > slowest_ms)
        pause_ms = slowest_ms;
    return pause_ms - pause_ms / 5 * (random % 1024) / 1024;
}

struct tel_retry tel_retry_decide(const struct tel_attempt *attempt)
{
    struct tel_retry retry = {judge(attempt->http_status), 0, false};
    int64_t asked_s = attempt->retry_after_s;

    if (retry.verdict != TEL_VERDICT_AGAIN)
        return retry;
    retry.pause_ms = own_pause_ms(attempt->retries, attempt->random);
    if (asked_s > longest_asked_s)
        asked_s = longest_asked_s;
    if (asked_s * 1000 > retry.pause_ms)
        retry.pause_ms = asked_s * 1000;
    retry.soon = attempt->retries < QUICK_RETRIES && retry.pause_ms <= SOON_MS;
    return retry;
}
