/* The policy of repeating: verdicts, pauses, what the server asks for. */
#include "post/retry.h"

#include <criterion/criterion.h>

static struct tel_retry decide(int http_status, unsigned retries, int64_t retry_after_s)
{
    const struct tel_attempt attempt = {http_status, retry_after_s, retries, 0};

    return tel_retry_decide(&attempt);
}

Test(post_retry, success)
{
    for (int status = 200; status < 300; status++)
        cr_expect_eq(decide(status, 0, 0).verdict, TEL_VERDICT_POSTED, "%d", status);
}

Test(post_retry, refused_for_good)
{
    for (int status = 400; status < 500; status++) {
        const bool again = status == 408 || status == 425 || status == 429;

        cr_expect_eq(decide(status, 0, 0).verdict, again ? TEL_VERDICT_AGAIN : TEL_VERDICT_REFUSED,
                     "%d", status);
    }
}

Test(post_retry, tried_again)
{
    static const int statuses[] = {0, 100, 302, 304, 500, 502, 503, 504, 599, 600, 999};

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        cr_expect_eq(decide(statuses[i], 0, 0).verdict, TEL_VERDICT_AGAIN, "%d", statuses[i]);
}

Test(post_retry, three_quick_retries)
{
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_eq(decide(500, i, 0).pause_ms, 1000 << i);
        cr_expect(decide(500, i, 0).soon);
    }
    cr_expect_not(decide(500, 3, 0).soon);
}

Test(post_retry, growing_pauses)
{
    const int64_t minute = 60000;

    cr_expect_eq(decide(500, 3, 0).pause_ms, 15 * minute);
    cr_expect_eq(decide(500, 4, 0).pause_ms, 30 * minute);
    cr_expect_eq(decide(500, 7, 0).pause_ms, 240 * minute);
    cr_expect_eq(decide(500, 8, 0).pause_ms, 480 * minute);
    cr_expect_eq(decide(500, 9, 0).pause_ms, 480 * minute);
    cr_expect_eq(decide(500, 4000000000U, 0).pause_ms, 480 * minute);
}

Test(post_retry, jitter_takes_at_most_a_fifth)
{
    const int64_t whole = decide(500, 5, 0).pause_ms;
    int64_t least = whole;
    int64_t most = 0;

    for (uint32_t random = 0; random < 5000; random++) {
        const struct tel_attempt attempt = {500, 0, 5, random * 2654435761U};
        const int64_t pause = tel_retry_decide(&attempt).pause_ms;

        least = pause < least ? pause : least;
        most = pause > most ? pause : most;
    }
    cr_expect_geq(least, whole / 5 * 4);
    cr_expect_lt(least, whole / 10 * 9, "it does vary");
    cr_expect_leq(most, whole);
}

Test(post_retry, what_the_server_asks_for)
{
    cr_expect_eq(decide(429, 0, 5).pause_ms, 5000);
    cr_expect(decide(429, 0, 5).soon);
    cr_expect_eq(decide(503, 2, 1).pause_ms, 4000, "never sooner than by our own pauses");
    cr_expect_eq(decide(429, 0, 3600).pause_ms, 3600 * 1000);
    cr_expect_not(decide(429, 0, 3600).soon);
    cr_expect_eq(decide(429, 3, 60).pause_ms, 15 * 60000);
    cr_expect_eq(decide(429, 0, 864000).pause_ms, 86400 * 1000, "a day at most");
    cr_expect_eq(decide(429, 0, INT64_MAX).pause_ms, 86400 * 1000);
    cr_expect_eq(decide(429, 0, -5).pause_ms, 1000);
}
