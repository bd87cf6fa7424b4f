/* What processes say to the collector, and how they reach it: two SOCK_SEQPACKET sockets in run/,
 * one for starts (never answered), one for requests that are waited for. One message a connection.
 * Same machine, same version (it is in the sockets' names): fixed structures in host byte order. */
#ifndef TEL_BASE_PROTO_H
#define TEL_BASE_PROTO_H

#include "datadir.h"
#include "journal.h"
#include "process.h"
#include "runid.h"

#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { TEL_PROTO_MAGIC = 0x544c4d31 };

enum tel_request {
    TEL_REQUEST_START =
        1, /* watch this run; the sender's pidfd comes by SCM_RIGHTS if it has one */
    TEL_REQUEST_COMMIT = 2, /* fold now, then answer: the run's end line has been written */
    TEL_REQUEST_SYNC = 3,   /* fold everything, however long it takes, then answer */
    TEL_REQUEST_LEADER =
        4, /* as START, of a process that has just become a session leader: keep its line
                               for a moment, in which a START of the same process replaces it */
    TEL_REQUEST_SAY =
        6, /* a text follows in the place of the line: what a program says of its run */
    TEL_REQUEST_LEAVE = 5 /* as COMMIT; and the run is a section of a process that goes on, which
                               need not be watched any longer */
};

struct tel_message {
    uint32_t magic;
    uint16_t version;
    uint16_t request;
    uint32_t line_length; /* a journal line follows: the sender could not append it; or a text */
    uint16_t url_length;  /* then where the run is to be posted to, if it is */
    uint16_t token_length;
    struct tel_journal_pos line; /* where the run's line lies, or shortly before */
    char run_id[TEL_RUN_ID_MAX];
};
/* A program of 32 bits, where a uint64_t may lie at a multiple of 4, talks to the same collector. */
_Static_assert(offsetof(struct tel_message, line.offset) == 24 &&
                   offsetof(struct tel_message, run_id) == 32 &&
                   sizeof(struct tel_message) == 32 + TEL_RUN_ID_MAX,
               "laid out differently on this machine");

/* The text of a SAY: one of these and a name, each with a NUL behind it, and a value. */
#define TEL_SAY_EVENT "event" /* type, payload (JSON, or nothing) */
#define TEL_SAY_SET "set"     /* field, value */

/* A remote API: borrowed texts, each of at most TEL_API_TEXT_MAX bytes. */
struct tel_target {
    struct tel_str url;
    struct tel_str token; /* not set: none is needed */
};

/* Answers: one byte, then the connection is closed. A waiting shim only waits for that. Failed is what
 * those are told who wanted everything: whoever asks can find out why by trying. */
enum tel_answer { TEL_ANSWER_DONE = 'D', TEL_ANSWER_LATER = 'L', TEL_ANSWER_FAILED = 'F' };

enum tel_socket { TEL_SOCKET_START, TEL_SOCKET_REQUEST };

/* Suffixes of files in run/ behind dir->collector. */
#define TEL_LOCK_SUFFIX ".lock"
extern const char tel_socket_suffix[2][9];

/* "{run}/{collector}{suffix}"; -ENAMETOOLONG when it does not fit. */
int tel_run_path(char path[TEL_PATH_MAX], const struct tel_datadir *dir, const char *suffix);

/* A socket address for a path of any length: what does not fit is reached through a descriptor of
 * its directory, kept in *dirfd (else -1) until the address has been used. */
int tel_socket_address(struct sockaddr_un *address, socklen_t *len, const struct tel_datadir *dir,
                       enum tel_socket which, int *dirfd);

/* Connects without blocking. Descriptor, or negative errno: -ENOENT and -ECONNREFUSED mean that no
 * collector is there, -EAGAIN that one is but behind, -EACCES that somebody else listens: neither the
 * user of dir nor root. */
int tel_proto_connect(const struct tel_datadir *dir, enum tel_socket which);

/* What is the same for all programs of a pid namespace costs each of them four cold looks under /proc. So each
 * collector leaves it in a link beside its sockets, whose text is "NAMESPACE PID BOOT-ID": its own, as it sees
 * them. One for all namespaces: the collector that came last has left it. NULL when the path does not fit. */
#define TEL_SITE_PATH_MAX 108 /* in deeper directories each program looks for itself */
#define TEL_SITE_MAX 80
const char *tel_site_path(char memory[TEL_SITE_PATH_MAX], const struct tel_datadir *dir);
/* Names the collector in dir, and fills pid_ns and boot_id of self: from that link, with a connection to the
 * socket of starts, if a collector of the caller's own pid namespace has left it; else from /proc, and with
 * -ENOENT. A directory in which others can make links is not believed. */
int tel_proto_meet(struct tel_datadir *dir, struct tel_process *self);

void tel_message_init(struct tel_message *message, enum tel_request request, struct tel_str run_id);

/* Sends one message, with a descriptor (-1: none), a line (len 0: none) and a target (NULL: none), on
 * a connection. Never raises SIGPIPE. 0 or negative errno. */
int tel_proto_send(int fd, struct tel_message *message, int pass_fd, struct tel_str line,
                   const struct tel_target *target);

/* Sends a message on the request socket. The connection, whose first byte to read is the answer, or
 * what tel_proto_connect and tel_proto_send return. */
int tel_proto_request(const struct tel_datadir *dir, struct tel_message *message,
                      struct tel_str line);
/* Likewise, and waits at most timeout_ms for the answer: an enum tel_answer, -ETIMEDOUT, or an
 * error of tel_proto_request. */
int tel_proto_ask(const struct tel_datadir *dir, struct tel_message *message, struct tel_str line,
                  int timeout_ms);

#endif
