/* Making run ids. */
#include "runid.h"

#include "clock.h"
#include "utf8.h"

enum { UNIQUE_BITS = 22 }; /* PID_MAX_LIMIT on 64-bit Linux is 2^22; with 10 bits of ms: 32 */

/* Every step (xorshift, multiplication by an odd number) can be undone, so different inputs stay
 * different. The constants are Chris Wellon's lowbias32 (public domain). */
static uint32_t scramble(uint32_t x)
{
    x ^= x >> 16;
    x *= UINT32_C(0x7feb352d);
    x ^= x >> 15;
    x *= UINT32_C(0x846ca68b);
    x ^= x >> 16;
    return x;
}

static uint32_t suffix_of(int64_t realtime_ns, uint64_t unique, struct tel_str nodename)
{
    uint32_t millisecond = realtime_ns < 0 ? 0 : (uint32_t)(realtime_ns / 1000000 % 1000);
    uint32_t low = (uint32_t)(unique & ((UINT64_C(1) << UNIQUE_BITS) - 1));

    return scramble(low << 10 | millisecond) ^ scramble(tel_str_hash(nodename, TEL_HASH_START));
}

/* C0, DEL and C1, and the slash: a run id may become a file's name. */
static bool is_unwanted(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) || code_point == '/';
}

static void put_agent(struct tel_buf *buf, struct tel_str agent)
{
    char memory[TEL_AGENT_IN_ID_MAX];
    struct tel_buf name;

    tel_buf_init(&name, memory, sizeof(memory));
    while (agent.len > 0 && !name.overflow) {
        uint32_t code_point;
        bool valid;
        size_t len = tel_utf8_decode(agent, &code_point, &valid);

        if (valid && !is_unwanted(code_point))
            tel_buf_bytes(&name, agent.ptr, len);
        agent = tel_str_from_pos(agent, len);
    }
    if (name.len == 0)
        tel_buf_cstr(buf, "agent");
    else
        tel_buf_bytes(buf, name.ptr, name.len); /* whole characters, also after an overflow */
}

static void put_id(struct tel_buf *buf, int64_t realtime_ns, struct tel_str agent, uint32_t suffix)
{
    tel_time_put_compact(buf, realtime_ns);
    tel_buf_char(buf, '-');
    put_agent(buf, agent);
    tel_buf_char(buf, '-');
    tel_buf_hex(buf, suffix, 8);
}

void tel_runid_put(struct tel_buf *buf, int64_t realtime_ns, struct tel_str agent, uint64_t unique,
                   struct tel_str nodename)
{
    put_id(buf, realtime_ns, agent, suffix_of(realtime_ns, unique, nodename));
}

void tel_runid_put_section(struct tel_buf *buf, int64_t realtime_ns, struct tel_str agent,
                           uint32_t number)
{
    put_id(buf, realtime_ns, agent, scramble(number));
}
