/* Filling in an error. */
#include "error.h"

#include <stdarg.h>
#include <string.h>

enum {
    MESSAGE_END = sizeof(((struct tel_error *)NULL)->message) - 1,
    ERRNO_ROOM = 48 /* kept for the system's reason behind parts that may be long paths */
};

/* Appends what fits before end; control characters become blanks, because file names may hold
 * newlines and a message is one line. */
static void put_part(struct tel_error *err, size_t *at, size_t end, const char *text)
{
    struct tel_str part = tel_str_cut_utf8(tel_str_from(text), end - *at);

    for (size_t i = 0; i < part.len; i++) {
        unsigned char byte = (unsigned char)part.ptr[i];

        err->message[(*at)++] = byte < 0x20 || byte == 0x7f ? ' ' : part.ptr[i];
    }
}

static size_t put_parts(struct tel_error *err, size_t end, int code, va_list parts)
{
    size_t at = 0;
    const char *part;

    err->code = code;
    while ((part = va_arg(parts, const char *)) != NULL)
        put_part(err, &at, end, part);
    err->message[at] = '\0';
    return at;
}

int tel_fail(struct tel_error *err, int code, ...)
{
    va_list parts;

    if (err == NULL)
        return code;
    va_start(parts, code);
    put_parts(err, MESSAGE_END, code, parts);
    va_end(parts);
    return code;
}

static void put_errno(struct tel_error *err, size_t at, int negative_errno)
{
    const char *text = tel_errno_text(-negative_errno);
    char number[32];
    struct tel_buf buf;

    if (text == NULL) {
        tel_buf_init(&buf, number, sizeof(number));
        tel_buf_cstr(&buf, "error ");
        tel_buf_i64(&buf, -(int64_t)negative_errno);
        text = tel_buf_terminate(&buf);
    }
    if (at > 0)
        put_part(err, &at, MESSAGE_END, ": ");
    put_part(err, &at, MESSAGE_END, text);
    err->message[at] = '\0';
}

int tel_fail_sys(struct tel_error *err, int negative_errno, ...)
{
    va_list parts;
    size_t at;

    if (err == NULL)
        return negative_errno;
    va_start(parts, negative_errno);
    at = put_parts(err, MESSAGE_END - ERRNO_ROOM, negative_errno, parts);
    va_end(parts);
    put_errno(err, at, negative_errno);
    return negative_errno;
}
