/* See traceparent.h. */
#include "traceparent.h"

enum { TRACE = 3, SPAN = 36, FLAGS = 53 }; /* where each part begins */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool is_dash(size_t at)
{
    return at == TRACE - 1 || at == SPAN - 1 || at == FLAGS - 1;
}

/* All zeros stands for no id. */
static bool names_something(struct tel_str text, size_t from, size_t end)
{
    while (from < end && text.ptr[from] == '0')
        from++;
    return from < end;
}

bool tel_traceparent_valid(struct tel_str text)
{
    if (text.len != TEL_TRACEPARENT_LEN || !tel_str_starts(text, "00-"))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (is_dash(i) ? text.ptr[i] != '-' : !is_hex(text.ptr[i]))
            return false;
    return names_something(text, TRACE, SPAN - 1) && names_something(text, SPAN, FLAGS - 1);
}

/* FNV-1a, 64 bits, carried on over the id once more for each further word. */
static uint64_t hash_on(uint64_t hash, struct tel_str text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void tel_traceparent_put(struct tel_buf *buf, struct tel_str run_id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    tel_buf_cstr(buf, "00-");
    for (int word = 0; word < 3; word++) {
        hash = hash_on(hash, run_id);
        if (word == 2)
            tel_buf_char(buf, '-');
        tel_buf_hex(buf, hash, 16);
    }
    tel_buf_cstr(buf, "-01");
}
