/* Looking at eight bytes of text at once. */
#ifndef TEL_BASE_STRIDE_H
#define TEL_BASE_STRIDE_H

#include <stdint.h>

enum { STRIDE = sizeof(uint64_t) };

#define EVERY_BYTE(value) (UINT64_C(0x0101010101010101) * (value))

/* Sets the top bit of each byte below limit (at most 128); borrows can only spoil higher bytes than
 * the first hit. (SSE2 was tried: 16 bytes at once gain nothing, strings are short.) */
static inline uint64_t bytes_below(uint64_t bytes, uint64_t limit)
{
    return (bytes - EVERY_BYTE(limit)) & ~bytes & EVERY_BYTE(0x80);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the first byte is the lowest");

/* Index of the first byte whose top bit is set in hits, STRIDE when there is none. */
static inline unsigned first_hit(uint64_t hits)
{
    return hits == 0 ? (unsigned)STRIDE : (unsigned)__builtin_ctzll(hits) / 8;
}

#endif
