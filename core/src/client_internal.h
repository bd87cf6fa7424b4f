/* What the parts of the client library share (telemetry/client.h): the client, the run, and the steps
 * that they take together. */
#ifndef TEL_CLIENT_INTERNAL_H
#define TEL_CLIENT_INTERNAL_H

#include "base/recorder.h"
#include "event_file.h"
#include "fold.h"
#include "kept_fd.h"
#include "mailbox.h"
#include "telemetry/client.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>

struct telemetry_client {
    pthread_mutex_t lock;          /* of recorder, and what follows */
    struct tel_recorder *recorder; /* a mapping of its own; dir and file do not change */
    struct tel_kept_fd pidfd;      /* of this process */
    bool self_is_stale;            /* this is a forked child: recorder->self is its parent */

    int post_wait_ms;         /* how long an end waits for the remote API; 0: not at all */
    struct tel_config config; /* does not change, as opposed to that of recorder */
    char **environment;       /* a copy, in one piece with its texts */
    struct tel_env env;
    char *command_line; /* of this process, as the kernel has it */
    char **argv;
    int argc;
    char exe[TEL_PATH_MAX];

    struct tel_event_file events;
    pthread_mutex_t fold_lock;
    struct tel_fold *fold;        /* for when there is no collector */
    struct tel_kept_fd fold_mark; /* opened just before, and closed by who closes the fold's */

    atomic_uint generation; /* which fork: a run of another one is another process's */
    atomic_int references;  /* the caller's, and one of each run */
    atomic_bool closed;
    struct telemetry_client *next; /* of all clients of the process */
};

struct telemetry_run {
    struct telemetry_client *client;
    unsigned generation;
    atomic_bool ended;
    atomic_int speakers; /* calls that are about to write something of the run */
    struct rusage self_before;
    struct rusage children_before;
    pthread_mutex_t lock;   /* of what follows */
    struct tel_mailbox box; /* open from the first value on */
    struct tel_kept_fd box_fd;
    char *unsaid; /* values that the disk did not take */
    size_t unsaid_len;
    struct tel_journal_pos start;
    bool in_journal;
    size_t line_len;
    char *line; /* the start line */
    char id[TEL_RUN_ID_MAX];
};

/* Gives out what went wrong: status, with its words in out (NULL: not wanted). */
int tel_client_result(struct telemetry_error *out, const struct tel_error *err, int status);
/* A struct of the caller's has another size than ours. */
int tel_client_refuse_size(const char *what, size_t size, struct tel_error *err);
/* True when client can be used; else says so in err. */
bool tel_client_usable(const telemetry_client *client, struct tel_error *err);
void tel_client_hold(telemetry_client *client);
void tel_client_drop(telemetry_client *client);

/* Makes sure that the recorder knows this process, and that its pidfd is there (where the kernel has
 * those): a forked child is another process than the one that the client was made in. */
void tel_client_know_self(telemetry_client *client);
/* For ids that no other process gives: once in each. */
void tel_client_seed_ids(void);
/* Leaves the database to others from now on, without touching what is open of it. */
void tel_client_forget_database(telemetry_client *client);

/* Opens and locks the run's mailbox, to speak. With the run locked. Errors as tel_mailbox_open and _lock. */
int tel_client_lock_mailbox(telemetry_run *run, struct tel_error *err);

/* Where the library lies, for the collector to be looked for beside it. */
bool tel_client_object(char *out, size_t cap);

/* --- runs: client_run.c ------------------------------------------------------------------------- */

/* For others who speak for the run, or end it. */
#define TEL_CLIENT_PATIENCE_MS 1000

/* 0 when run can be asked; else err says why not. */
int tel_client_check_run(const telemetry_run *run, struct tel_error *err);
/* It was begun by this process, and not by one that has forked it. */
bool tel_client_is_ours(const telemetry_run *run);
/* TEL_ERR_ENDED. */
int tel_client_refuse_ended(struct tel_error *err);
/* Between these two, nobody in this process ends the run: no lock, so that speakers do not wait for
 * each other. 0, or TEL_ERR_ENDED. */
int tel_client_begin_to_speak(telemetry_run *run, struct tel_error *err);
void tel_client_have_spoken(telemetry_run *run);

/* --- values: client_speak.c --------------------------------------------------------------------- */

#define TEL_CLIENT_SAID_MAX (80 * 1024)

/* What is to be said of a field. All borrowed. */
struct tel_client_saying {
    const char *what; /* TEL_SAID_SET or TEL_SAID_ADD */
    const char *field;
    const char *text; /* NULL: the field is unset */
    bool is_count;    /* not text, but count */
    int64_t count;
};
/* Renders it as values.h has it, into at most TEL_CLIENT_SAID_MAX bytes. TEL_ERR_INVALID when there is no
 * such field, or when it does not take that. */
int tel_client_put_saying(struct tel_buf *said, const struct tel_client_saying *saying,
                          struct tel_error *err);

/* --- rows: client_rows.c ---------------------------------------------------------------------- */

/* 0, or why SQLite must not be touched in this process. */
int tel_client_may_use_database(struct tel_error *err);
void tel_client_close_fold(telemetry_client *client);
/* Folds in this process, for at most about busy_ms: -ETIMEDOUT when that was not enough. */
int tel_client_fold(telemetry_client *client, bool all, int busy_ms, struct tel_error *err);
/* A run has ended: its line lies at pos, or (line set) is to be appended by the collector. Waits for the
 * row as the configuration says. Negative only when the line has not been taken by anybody. */
int tel_client_commit(telemetry_client *client, struct tel_str run_id,
                      const struct tel_journal_pos *pos, struct tel_str line,
                      struct tel_error *err);

/* --- posting: client_post.c --------------------------------------------------------------------- */

/* telemetry_wait_posted of a run that is known to be there, with an error of our own. */
int tel_client_wait_posted(telemetry_client *client, struct tel_str run_id, int timeout_ms,
                           struct tel_error *err);

/* --- endings: client_end.c ---------------------------------------------------------------------- */

/* A run that is being ended. All borrowed. */
struct tel_client_ending {
    struct tel_str run_id;
    struct tel_str line;        /* the run's last one */
    struct tel_journal_pos pos; /* of that line */
    bool in_journal;            /* it lies there */
    struct tel_mailbox *box;    /* locked; fd -1: there is none */
    bool by_id;                 /* not by the owner of its handle */
    struct tel_str unsaid;      /* values that are in no mailbox */
    enum telemetry_status status;
    const char *summary;
    const struct rusage *self_before; /* NULL: its cost is not known */
    const struct rusage *children_before;
};
/* Writes the end line with all that was said, and has it committed; the mailbox is removed, or sealed.
 * TEL_ERR_ENDED: another one has ended the run, which has its line last in the journal. */
int tel_client_end(telemetry_client *client, const struct tel_client_ending *ending,
                   struct tel_error *err);

#endif
