/* When a failed attempt is repeated: the whole policy, as one pure function (CONTRACT 6). */
#ifndef TEL_POST_RETRY_H
#define TEL_POST_RETRY_H

#include <stdbool.h>
#include <stdint.h>

enum tel_verdict { TEL_VERDICT_POSTED, TEL_VERDICT_REFUSED, TEL_VERDICT_AGAIN };

struct tel_attempt {
    int http_status;       /* of the last response; 0: there was none */
    int64_t retry_after_s; /* what the server asked for; 0: nothing */
    unsigned retries;      /* this attempt was the so-manyeth: 0 for the first attempt */
    uint32_t random;       /* any number */
};

struct tel_retry {
    enum tel_verdict verdict;
    int64_t pause_ms; /* AGAIN: before the next attempt */
    bool soon;        /* AGAIN: so soon that it is worth waiting for */
};

/* Posted: 2xx. Refused: 4xx other than 408, 425 and 429. Everything else is tried again: after 1, 2 and
 * 4 s, then after 15 minutes, doubling to 8 hours (less up to a fifth, so that many do not come back at
 * one moment), and never before the server said, a day at most. */
struct tel_retry tel_retry_decide(const struct tel_attempt *attempt);

#endif
