/* Run ids: YYYYMMDDTHHMMSSZ-{agent}-{8 hex} (CONTRACT 3). */
#ifndef TEL_BASE_RUNID_H
#define TEL_BASE_RUNID_H

#include "buf.h"

#define TEL_RUN_ID_MAX 160 /* longest id with its NUL: 16 + 1 + 128 + 1 + 8 + 1, rounded up */
#define TEL_AGENT_IN_ID_MAX 128

/* Appends an id. unique tells processes of one machine apart (the pidfs inode, or the pid); nodename
 * tells machines and containers apart. Within one second, one machine and up to 2^22 processes,
 * ids differ by construction, not by luck: unique and the millisecond go through a bijection.
 * The agent's part loses control characters, '/' and invalid UTF-8, and is cut at a character;
 * an empty one becomes "agent". */
void tel_runid_put(struct tel_buf *buf, int64_t realtime_ns, struct tel_str agent, uint64_t unique,
                   struct tel_str nodename);

/* The same for a section of a process, of which there may be any number in one second. number counts up
 * from a random start in each process: within one the ids differ by construction, and between two (or from
 * that of a process) when one does not happen to count where the other does. */
void tel_runid_put_section(struct tel_buf *buf, int64_t realtime_ns, struct tel_str agent,
                           uint32_t number);

#endif
