/* HTTP servers on loopback, for programs that measure posting. */
#ifndef TEL_BENCH_SERVER_H
#define TEL_BENCH_SERVER_H

enum server_kind {
    SERVER_ANSWERS, /* everything with 200; one in each process */
    SERVER_DOWN,    /* refuses connections */
    SERVER_HANGS    /* accepts them, and says nothing */
};

/* Starts one, which stays until the process ends, and returns its port. */
int start_server(enum server_kind kind);
/* How many requests the one that answers has had. */
long server_requests(void);

#endif
