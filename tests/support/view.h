/* Views and buffers in assertions. */
#ifndef TEL_TEST_VIEW_H
#define TEL_TEST_VIEW_H

#include <string.h>

#include "base/buf.h"

/* A NUL-terminated copy that lives for the next seven calls; "(none)" for TEL_STR_NONE, "(long)"
 * when it is too long for this. */
static inline const char *view_text(struct tel_str view)
{
    static char copies[8][8192];
    static size_t next;
    char *copy = copies[next++ % 8];

    if (view.ptr == NULL)
        return "(none)";
    if (view.len >= sizeof(copies[0]))
        return "(long)";
    memcpy(copy, view.ptr, view.len);
    copy[view.len] = '\0';
    return copy;
}

/* Length of a NULL-terminated list. */
static inline int entries_in(const char *const *list)
{
    int count = 0;

    while (list[count] != NULL)
        count++;
    return count;
}

static inline const char *buf_text(const struct tel_buf *buf)
{
    return view_text(tel_buf_view(buf));
}

#endif
