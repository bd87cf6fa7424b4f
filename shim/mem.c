/* The few functions of <string.h> that base uses, so that the shim takes nothing from libc that a
 * host, or another preload, could replace. Hidden: only the shim sees them. Written for size, as
 * nothing here ever moves more than a few kilobytes. */
#include <stddef.h>
#include <string.h>

void *memcpy(void *restrict to, const void *restrict from, size_t len)
{
    void *const start = to;

#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(len) : : "memory");
#else
    unsigned char *out = to;
    const unsigned char *in = from;

    while (len-- > 0)
        *out++ = *in++;
#endif
    return start;
}

void *memmove(void *to, const void *from, size_t len)
{
    unsigned char *out = to;
    const unsigned char *in = from;

    if (out <= in || out >= in + len)
        return memcpy(to, from, len);
    while (len-- > 0)
        out[len] = in[len];
    return to;
}

void *memset(void *to, int value, size_t len)
{
    void *const start = to;

#if defined(__x86_64__) || defined(__i386__)
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(value) : "memory");
#else
    unsigned char *out = to;

    while (len-- > 0)
        *out++ = (unsigned char)value;
#endif
    return start;
}

int memcmp(const void *left, const void *right, size_t len)
{
    const unsigned char *a = left;
    const unsigned char *b = right;

    for (; len > 0; len--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

void *memchr(const void *in, int value, size_t len)
{
    const unsigned char *at = in;

    for (; len > 0; len--, at++)
        if (*at == (unsigned char)value)
            return (void *)(size_t)at;
    return NULL;
}

size_t strlen(const char *text)
{
    const char *end = text;

    while (*end != '\0')
        end++;
    return (size_t)(end - text);
}
