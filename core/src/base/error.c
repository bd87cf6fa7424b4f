/* Filling in an error, and the system's error names without libc's locale-dependent strerror. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* What our own calls can meet; anything else is "error N". Texts inside the table, not pointers to
 * them: the shim then needs no relocations for it. */
static const struct {
    short number;
    char text[34];
} errno_texts[] = {
    {EPERM, "Operation not permitted"},
    {ENOENT, "No such file or directory"},
    {ESRCH, "No such process"},
    {EINTR, "Interrupted system call"},
    {EIO, "Input/output error"},
    {ENXIO, "No such device or address"},
    {E2BIG, "Argument list too long"},
    {ENOEXEC, "Exec format error"},
    {EBADF, "Bad file descriptor"},
    {EAGAIN, "Resource temporarily unavailable"},
    {ENOMEM, "Cannot allocate memory"},
    {EACCES, "Permission denied"},
    {EBUSY, "Device or resource busy"},
    {EEXIST, "File exists"},
    {EXDEV, "Invalid cross-device link"},
    {ENOTDIR, "Not a directory"},
    {EISDIR, "Is a directory"},
    {EINVAL, "Invalid argument"},
    {ENFILE, "Too many open files in system"},
    {EMFILE, "Too many open files"},
    {ETXTBSY, "Text file busy"},
    {EFBIG, "File too large"},
    {ENOSPC, "No space left on device"},
    {EROFS, "Read-only file system"},
    {EPIPE, "Broken pipe"},
    {ENAMETOOLONG, "File name too long"},
    {ENOLCK, "No locks available"},
    {ENOSYS, "Function not implemented"},
    {ELOOP, "Too many levels of symbolic links"},
    {EMSGSIZE, "Message too long"},
    {EPROTOTYPE, "Protocol wrong type for socket"},
    {EADDRINUSE, "Address already in use"},
    {ECONNRESET, "Connection reset by peer"},
    {ENOBUFS, "No buffer space available"},
    {ETIMEDOUT, "Connection timed out"},
    {ECONNREFUSED, "Connection refused"},
    {ESTALE, "Stale file handle"},
    {EDQUOT, "Disk quota exceeded"},
};

static const char *find_errno_text(int number)
{
    for (size_t i = 0; i < sizeof(errno_texts) / sizeof(errno_texts[0]); i++) {
        if (errno_texts[i].number == number)
            return errno_texts[i].text;
    }
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
