/* What the poster is told, and what it says: fixed structures over a SOCK_SEQPACKET pair, in host byte
 * order, between programs of one build. URL and token travel here and nowhere else. */
#ifndef TEL_POST_WIRE_H
#define TEL_POST_WIRE_H

#include "base/journal.h"
#include "base/runid.h"

enum {
    TEL_POST_FD = 3, /* the poster's end */
    TEL_POST_MAGIC = 0x54504f32,
    TEL_POST_TARGETS = 64 /* different ones that a poster can be told */
};

enum tel_post_kind {
    TEL_POST_SETUP = 1, /* first: the journal's directory, the lock's path */
    TEL_POST_TARGET,    /* url, token */
    TEL_POST_RUN        /* post this run */
};

/* Two texts follow, where the kind says so. */
struct tel_post_order {
    uint32_t magic;
    uint32_t kind;
    uint32_t lengths[2];
    uint32_t file_mode;          /* SETUP: of the journal's files */
    uint32_t exclusive;          /* SETUP: see struct tel_journal_writer */
    uint32_t target;             /* TARGET, RUN: its index */
    uint32_t retries;            /* RUN: how many the attempt makes it */
    struct tel_journal_pos line; /* RUN: its last one */
    struct tel_journal_pos seen; /* RUN: the journal's end when that was found out */
    char run_id[TEL_RUN_ID_MAX];
};
#define TEL_POST_ORDER_MAX (sizeof(struct tel_post_order) + (size_t)2 * TEL_PATH_MAX)

enum tel_post_outcome {
    TEL_POST_READY = 1, /* no run's: it is the only poster now, and takes orders */
    TEL_POST_DONE,      /* posted, and recorded so */
    TEL_POST_REFUSED,   /* refused for good, and recorded so */
    TEL_POST_LATER,     /* failed, and recorded with the time of the next attempt */
    TEL_POST_LEFT, /* not tried, or given up: its target does not answer now. Nothing is recorded */
    TEL_POST_GONE  /* cannot be posted: its line is not there, or says that it is done */
};

struct tel_post_report {
    uint32_t magic;
    uint32_t outcome;
    uint32_t target;
    uint32_t retries;
    int64_t after_ns; /* LATER: CLOCK_REALTIME of the next attempt */
    char why[96];     /* what went wrong, for people; no secret in it */
    char run_id[TEL_RUN_ID_MAX];
};

#endif
