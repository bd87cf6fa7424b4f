/* Filling in an error, and the system's error names without libc's locale-dependent strerror. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* What our own calls can meet; anything else is "error N". */
#define ERRNO_TEXTS(X)                                                                             \
    X(EPERM, "Operation not permitted")                                                            \
    X(ENOENT, "No such file or directory")                                                         \
    X(ESRCH, "No such process")                                                                    \
    X(EINTR, "Interrupted system call")                                                            \
    X(EIO, "Input/output error")                                                                   \
    X(ENXIO, "No such device or address")                                                          \
    X(E2BIG, "Argument list too long")                                                             \
    X(ENOEXEC, "Exec format error")                                                                \
    X(EBADF, "Bad file descriptor")                                                                \
    X(EAGAIN, "Resource temporarily unavailable")                                                  \
    X(ENOMEM, "Cannot allocate memory")                                                            \
    X(EACCES, "Permission denied")                                                                 \
    X(EBUSY, "Device or resource busy")                                                            \
    X(EEXIST, "File exists")                                                                       \
    X(EXDEV, "Invalid cross-device link")                                                          \
    X(ENOTDIR, "Not a directory")                                                                  \
    X(EISDIR, "Is a directory")                                                                    \
    X(EINVAL, "Invalid argument")                                                                  \
    X(ENFILE, "Too many open files in system")                                                     \
    X(EMFILE, "Too many open files")                                                               \
    X(ETXTBSY, "Text file busy")                                                                   \
    X(EFBIG, "File too large")                                                                     \
    X(ENOSPC, "No space left on device")                                                           \
    X(EROFS, "Read-only file system")                                                              \
    X(EPIPE, "Broken pipe")                                                                        \
    X(ENAMETOOLONG, "File name too long")                                                          \
    X(ENOLCK, "No locks available")                                                                \
    X(ENOSYS, "Function not implemented")                                                          \
    X(ELOOP, "Too many levels of symbolic links")                                                  \
    X(EMSGSIZE, "Message too long")                                                                \
    X(EPROTOTYPE, "Protocol wrong type for socket")                                                \
    X(EADDRINUSE, "Address already in use")                                                        \
    X(ECONNRESET, "Connection reset by peer")                                                      \
    X(ENOBUFS, "No buffer space available")                                                        \
    X(ETIMEDOUT, "Connection timed out")                                                           \
    X(ECONNREFUSED, "Connection refused")                                                          \
    X(ESTALE, "Stale file handle")                                                                 \
    X(EDQUOT, "Disk quota exceeded")

/* Number and text in turn, one behind the other: half as large in the shim as rows of one width, and no
 * pointers that would have to be relocated. */
#define MEMBERS(number, text) unsigned char number_##number; char text_##number[sizeof(text)];
#define VALUES(number, text) number, text,

static const struct {
    ERRNO_TEXTS(MEMBERS)
} errno_texts = {ERRNO_TEXTS(VALUES)};

static const char *find_errno_text(int number)
{
    const char *at = (const char *)&errno_texts;
    const char *const end = at + sizeof errno_texts;

    for (; at < end; at += strlen(at + 1) + 2)
        if ((unsigned char)*at == number)
            return at + 1;
    return NULL;
}

const char *tel_errno_text(int error_number)
{
    const char *text = find_errno_text(error_number < 0 ? -error_number : error_number);

    return text == NULL ? "unknown error" : text;
}

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
    const char *text = find_errno_text(-negative_errno);
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
