/* URLs and tokens: what can be used, what travels in the open, what people are shown. */
#include "api_target.h"

#include <criterion/criterion.h>
#include <string.h>

#include "support/support.h"

static const char *problem(const char *url, const char *token)
{
    const struct tel_target target = {tel_str_from(url), tel_str_from(token)};

    return tel_target_problem(&target);
}

Test(api_target, what_can_be_used)
{
    cr_expect_null(problem("https://api.example.org/runs?key=1", "t0ken-._~+/="));
    cr_expect_null(problem("http://127.0.0.1:8080", NULL));
    cr_expect_null(problem("HTTPS://Example.org/", ""));
    cr_expect_null(problem("https://user:secret@[::1]:80/x", NULL));
}

Test(api_target, what_cannot_be_used)
{
    static const char *const urls[] = {"",
                                       "ftp://host/x",
                                       "file:///etc/passwd",
                                       "host/x",
                                       "http:/host",
                                       "https://",
                                       "https:///x",
                                       "https://user@/x",
                                       "https://host/a b",
                                       "https://host/\r\nHost: other",
                                       "https://host/\t",
                                       "https://host/\x7f",
                                       "http"};

    cr_expect_not_null(problem(NULL, NULL));
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
        cr_expect_not_null(problem(urls[i], NULL), "%s", urls[i]);
    cr_expect_not_null(problem("https://host/", "a\nb"));
    cr_expect_not_null(problem("https://host/", "a\r"));
    cr_expect_not_null(problem("https://host/", "a b"));
}

/* A configuration file can hold one. */
Test(api_target, a_nul_byte)
{
    const struct tel_target in_url = {TEL_STR("https://host/a\0b"), TEL_STR_NONE};
    const struct tel_target in_token = {TEL_STR("https://host/"), TEL_STR("a\0b")};

    cr_expect_not_null(tel_target_problem(&in_url));
    cr_expect_not_null(tel_target_problem(&in_token));
}

Test(api_target, no_problem_gives_the_token_away)
{
    const char *why = problem("https://host/", "s3cret\n");

    cr_assert_not_null(why);
    cr_expect_null(strstr(why, "s3cret"));
}

Test(api_target, the_longest)
{
    static char url[TEL_API_TEXT_MAX + 2];

    memset(url, 'x', sizeof url - 1);
    memcpy(url, "http://", 7);
    cr_expect_not_null(problem(url, NULL));
    url[TEL_API_TEXT_MAX] = '\0';
    cr_expect_null(problem(url, NULL));
}

static bool exposed(const char *url, const char *token)
{
    const struct tel_target target = {tel_str_from(url), tel_str_from(token)};

    return tel_target_is_exposed(&target);
}

Test(api_target, a_token_in_the_open)
{
    cr_expect(exposed("http://api.example.org/x", "t"));
    cr_expect(exposed("http://10.0.0.1:80/x", "t"));
    cr_expect(exposed("http://127.evil.org/", "t"));
    cr_expect(exposed("http://localhost.evil.org/", "t"));
    cr_expect(exposed("http://localhost@evil.org/", "t"));
    cr_expect(exposed("http://[2001:db8::1]/", "t"));
    cr_expect_not(exposed("http://api.example.org/x", NULL), "there is no token");
    cr_expect_not(exposed("https://api.example.org/x", "t"));
    cr_expect_not(exposed("http://127.0.0.1:8080/x", "t"));
    cr_expect_not(exposed("http://127.1.2.3", "t"));
    cr_expect_not(exposed("http://LocalHost:1/x", "t"));
    cr_expect_not(exposed("http://api.localhost/x", "t"));
    cr_expect_not(exposed("http://[::1]:80/x", "t"));
}

static const char *whole(const char *url)
{
    char out[40];

    tel_url_show(tel_str_from(url), out, sizeof out);
    return text("%s", out);
}

/* In doctor's table of variables: what is wrong with it is to be seen, but no secret. */
Test(api_target, what_a_variable_is_shown_as)
{
    cr_expect_str_eq(whole("https://user:pw@host.example/x?key=secret"), "https://host.example/x");
    cr_expect_str_eq(whole("https://host.example/u@b/x?key=secret"), "https://host.example/u@b/x");
    cr_expect_str_eq(whole("https://host.example:1?key=a@secret"), "https://host.example:1");
    cr_expect_str_eq(whole("https://host/x#secret"), "https://host/x");
    cr_expect_str_eq(whole("ftp://user:pw@host/x"), "ftp://host/x");
    cr_expect_str_eq(whole("user:pw@host:80/x?secret"), "host:80/x");
    cr_expect_str_eq(whole("127.0.0.1:80/x"), "127.0.0.1:80/x");
    cr_expect_str_eq(whole(""), "");
    cr_expect_str_eq(whole("://@?"), "://");
    cr_expect_str_eq(whole("https://host/a/very/long/path/to/post/to"),
                     "https://host/a/very/long/path/to/post/t");
}

static const char *shown(const char *url)
{
    const struct tel_target target = {tel_str_from(url), TEL_STR_NONE};
    char out[40];

    tel_target_show(&target, out, sizeof out);
    return text("%s", out);
}

Test(api_target, what_people_are_shown)
{
    cr_expect_str_eq(shown("https://user:secret@api.example.org:8080/exec/ID?key=secret"),
                     "https://api.example.org:8080");
    cr_expect_str_eq(shown("http://127.0.0.1:1/x"), "http://127.0.0.1:1");
    cr_expect_str_eq(shown("https://a.host.with.a.very.long.name.example.org/"),
                     "https://a.host.with.a.very.long.name.ex");
}
