/* Starting the collector from inside a host that must never notice (DESIGN 6): whoever finds none
 * takes the lock, binds the sockets, so that connections queue at once, and hands all to a process
 * that is neither the host's child nor able to disturb it. */
#ifndef TEL_BASE_SPAWN_H
#define TEL_BASE_SPAWN_H

#include "proto.h"

/* Descriptors that the collector starts with, and their numbers there. */
enum { TEL_INHERIT_LOCK = 3, TEL_INHERIT_START = 4, TEL_INHERIT_REQUEST = 5 };

/* The right to be, or to start, the collector of a data directory. */
struct tel_claim {
    int lock;
    int start;
    int request;
};

/* Takes the lock and listens on both sockets. Errors: -EWOULDBLOCK when another process has the
 * claim, negative errno, TEL_ERR_REFUSED. The descriptors are close-on-exec. */
int tel_claim_take(struct tel_claim *claim, const struct tel_datadir *dir, struct tel_error *err);
/* The second half of tel_claim_take, for who has the lock: listens on new sockets. */
int tel_claim_listen(struct tel_claim *claim, const struct tel_datadir *dir, struct tel_error *err);
/* Removes the sockets' names: nobody can connect any more. */
void tel_claim_unlink(const struct tel_datadir *dir);
/* Closes the descriptors; with abandon also unlinks the sockets, for when no collector came. */
void tel_claim_drop(struct tel_claim *claim, const struct tel_datadir *dir, bool abandon);

/* Why no collector may be started here, or NULL: pid 1, limits that would kill it, a pid namespace
 * of which the first child would become init. */
const char *tel_spawn_obstacle(void);

struct tel_spawn {
    const char *program;       /* the telemetry executable */
    const struct tel_env *env; /* the host's; what the collector may have is picked from it */
    const struct tel_datadir *dir;
    const char *config_file; /* that the host uses, or empty: the collector is to use the same */
    const struct tel_claim *claim;
    struct tel_buf scratch; /* at least TEL_SPAWN_SCRATCH bytes for stacks and environment */
};
#define TEL_SPAWN_SCRATCH (64 * 1024)

/* Starts `program collect --inherited`, detached. 0 once it has been executed; negative errno. */
int tel_spawn_collector(struct tel_spawn *spawn);

/* Finds the telemetry executable: TELEMETRY_COLLECTOR, else beside object (the path of the shim or
 * of the program itself, may be NULL), in a build tree or an installation that was moved, else where
 * it was installed. 0 with an absolute path in out, or -ENOENT. */
int tel_spawn_find_program(char out[TEL_PATH_MAX], const struct tel_config *config,
                           const char *object);

#endif
