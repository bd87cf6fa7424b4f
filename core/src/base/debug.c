/* Saying why, for whoever asked by TELEMETRY_DEBUG. The only output the shim can ever make. */
#include "debug.h"

#include "sys.h"

#include <stdarg.h>

static int open_target(struct tel_str target)
{
    char path[1024];
    struct tel_buf buf;

    tel_buf_init(&buf, path, sizeof path);
    tel_buf_str(&buf, target);
    if (tel_buf_terminate(&buf) == NULL)
        return -1;
    return tel_sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_NOCTTY,
                          0600);
}

void tel_debug(struct tel_str target, ...)
{
    const bool to_stderr = tel_str_is(target, "1") || tel_str_is(target, "stderr");
    char text[768];
    struct tel_buf line;
    va_list parts;
    int fd;

    if (target.len == 0 || tel_str_is(target, "0"))
        return;
    tel_buf_init(&line, text, sizeof text);
    tel_buf_cstr(&line, "telemetry[");
    tel_buf_i64(&line, tel_sys_getpid());
    tel_buf_cstr(&line, "]: ");
    va_start(parts, target);
    for (const char *part = va_arg(parts, const char *); part != NULL;
         part = va_arg(parts, const char *))
        tel_buf_cstr(&line, part);
    va_end(parts);
    tel_buf_char(&line, '\n');
    fd = to_stderr ? 2 : open_target(target);
    if (fd < 0)
        return;
    if (!line.overflow)
        tel_sys_write_quietly(fd, line.ptr, line.len);
    if (!to_stderr)
        tel_sys_close(fd);
}
