/* Matching without recursion: of all '*' only the last one ever has to take more. */
#include "glob_match.h"

#define NO_STAR SIZE_MAX

/* The byte at *at, or the one behind a backslash; *at is moved behind it. */
static unsigned char take_byte(struct tel_str pattern, size_t *at)
{
    if (pattern.ptr[*at] == '\\' && *at + 1 < pattern.len)
        ++*at;
    return (unsigned char)pattern.ptr[(*at)++];
}

/* Whether c is in the set that begins behind the '[' before *at, which is moved behind its ']'. A ']'
 * that comes first is in the set. */
static bool match_set(struct tel_str pattern, size_t *at, unsigned char c)
{
    const bool inverted = *at < pattern.len && pattern.ptr[*at] == '!';
    bool found = false;

    *at += inverted;
    do {
        unsigned char low;
        unsigned char high;

        if (*at >= pattern.len)
            return false;
        low = high = take_byte(pattern, at);
        if (*at + 1 < pattern.len && pattern.ptr[*at] == '-' && pattern.ptr[*at + 1] != ']') {
            ++*at;
            high = take_byte(pattern, at);
        }
        found |= low <= c && c <= high;
    } while (*at >= pattern.len || pattern.ptr[*at] != ']');
    ++*at;
    return found != inverted;
}

/* Whether the element at *at, which is no '*', matches c; *at is moved behind it. */
static bool match_one(struct tel_str pattern, size_t *at, unsigned char c)
{
    const char kind = pattern.ptr[*at];

    if (kind != '?' && kind != '[')
        return take_byte(pattern, at) == c;
    ++*at;
    return kind == '?' || match_set(pattern, at, c);
}

bool tel_glob_match(struct tel_str pattern, struct tel_str text)
{
    size_t star = NO_STAR; /* behind the last '*' met */
    size_t taken = 0;      /* where the text goes on behind what that '*' has taken */
    size_t p = 0;
    size_t t = 0;

    for (;;) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = ++p;
            taken = t;
        } else if (t == text.len) {
            return p == pattern.len;
        } else if (p < pattern.len && match_one(pattern, &p, (unsigned char)text.ptr[t])) {
            t++;
        } else if (star == NO_STAR) {
            return false;
        } else {
            p = star;
            t = ++taken;
        }
    }
}
