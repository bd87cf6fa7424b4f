/* W3C trace context. */
#include "base/traceparent.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *made_for(const char *run_id)
{
    static char memory[2][TEL_TRACEPARENT_LEN + 1];
    static int turn;
    struct tel_buf buf;

    turn = !turn;
    tel_buf_init(&buf, memory[turn], sizeof memory[turn]);
    tel_traceparent_put(&buf, tel_str_from(run_id));
    return tel_buf_terminate(&buf);
}

Test(traceparent, of_a_run)
{
    const char *one = made_for("20261123T010203Z-agent-01234567");
    const char *other = made_for("20261123T010203Z-agent-01234568");

    cr_assert_not_null(one);
    cr_expect_eq(strlen(one), TEL_TRACEPARENT_LEN);
    cr_expect(tel_traceparent_valid(tel_str_from(one)), "%s", one);
    cr_expect_str_neq(one, other);
    cr_expect_str_eq(other, made_for("20261123T010203Z-agent-01234568"), "always the same");
    cr_expect(memcmp(one + 3, one + 19, 16) != 0, "%s", one);
}

Test(traceparent, what_is_one)
{
    static const char *const bad[] = {
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-011",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
    };

    cr_expect(
        tel_traceparent_valid(TEL_STR("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(tel_traceparent_valid(tel_str_from(bad[i])), "%s", bad[i]);
    cr_expect_not(tel_traceparent_valid(TEL_STR_NONE));
}
