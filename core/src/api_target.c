/* See api_target.h. */
#include "api_target.h"

#include <string.h>

static bool is_visible(struct tel_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return false;
    return true;
}

static bool has_scheme(struct tel_str url, const char *scheme)
{
    const size_t len = strlen(scheme);

    return url.len >= len && tel_str_is_nocase((struct tel_str){url.ptr, len}, scheme);
}

/* With "://"; 0 when there is none. */
static size_t scheme_length(struct tel_str url)
{
    const ptrdiff_t colon = tel_str_find(url, ':');

    if (colon < 0 || !tel_str_starts(tel_str_from_pos(url, (size_t)colon), "://"))
        return 0;
    return (size_t)colon + strlen("://");
}

/* What stands between the scheme and the path, credentials included. */
static struct tel_str authority_of(struct tel_str url)
{
    struct tel_str rest = tel_str_from_pos(url, scheme_length(url));
    size_t len = 0;

    while (len < rest.len && memchr("/?#", rest.ptr[len], 3) == NULL)
        len++;
    return (struct tel_str){rest.ptr, len};
}

/* Without credentials; with its port. */
static struct tel_str host_of(struct tel_str url)
{
    const struct tel_str authority = authority_of(url);

    return tel_str_from_pos(authority, (size_t)(tel_str_find_last(authority, '@') + 1));
}

const char *tel_target_problem(const struct tel_target *target)
{
    if (target->url.len == 0)
        return "METRICS_API_URL is not set";
    if (target->url.len > TEL_API_TEXT_MAX || target->token.len > TEL_API_TEXT_MAX)
        return "METRICS_API_URL or METRICS_API_TOKEN has more than 2048 bytes";
    if (!is_visible(target->url))
        return "METRICS_API_URL has blanks, line breaks or other control characters";
    if (!is_visible(target->token))
        return "METRICS_API_TOKEN has blanks, line breaks or other control characters";
    if (!has_scheme(target->url, "http://") && !has_scheme(target->url, "https://"))
        return "METRICS_API_URL does not begin with https:// or http://";
    if (host_of(target->url).len == 0)
        return "METRICS_API_URL names no host";
    return NULL;
}

static bool ends_with(struct tel_str text, const char *end)
{
    const size_t len = strlen(end);

    return text.len >= len && tel_str_is_nocase(tel_str_from_pos(text, text.len - len), end);
}

static bool is_dotted_quad(struct tel_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((text.ptr[i] < '0' || text.ptr[i] > '9') && text.ptr[i] != '.')
            return false;
    return true;
}

static bool is_loopback(struct tel_str host)
{
    const ptrdiff_t colon = tel_str_find_last(host, ':');

    if (tel_str_starts(host, "[::1]"))
        return true;
    if (colon >= 0)
        host.len = (size_t)colon;
    return tel_str_is_nocase(host, "localhost") || ends_with(host, ".localhost") ||
           (tel_str_starts(host, "127.") && is_dotted_quad(host));
}

bool tel_target_is_exposed(const struct tel_target *target)
{
    return target->token.len > 0 && has_scheme(target->url, "http://") &&
           !is_loopback(host_of(target->url));
}

void tel_url_show(struct tel_str url, char *out, size_t cap)
{
    const struct tel_str authority = authority_of(url);
    const struct tel_str host = host_of(url);
    const size_t scheme = scheme_length(url);
    struct tel_str path = tel_str_from_pos(url, scheme + authority.len);
    size_t len = 0;
    struct tel_buf buf;

    while (len < path.len && path.ptr[len] != '?' && path.ptr[len] != '#')
        len++;
    path.len = len;
    tel_buf_init(&buf, out, cap);
    tel_buf_str(&buf, tel_str_cut_utf8((struct tel_str){url.ptr, scheme}, cap - 1 - buf.len));
    tel_buf_str(&buf, tel_str_cut_utf8(host, cap - 1 - buf.len));
    tel_buf_str(&buf, tel_str_cut_utf8(path, cap - 1 - buf.len));
    tel_buf_terminate(&buf);
}

void tel_target_show(const struct tel_target *target, char *out, size_t cap)
{
    struct tel_buf buf;

    tel_buf_init(&buf, out, cap);
    tel_buf_cstr(&buf, has_scheme(target->url, "https://") ? "https://" : "http://");
    tel_buf_str(&buf, tel_str_cut_utf8(host_of(target->url), cap - sizeof "https://"));
    tel_buf_terminate(&buf);
}
