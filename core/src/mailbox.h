/* A run's mailbox: what is said of it from outside its own lines (by `telemetry set`, by the client
 * API) lies there until the run has ended and a run line takes it in. The file {run}/<run id>.set,
 * appended to line by line (values.h), is also the lock between those who speak for a run and those
 * who end it: speakers share it, whoever takes it in has it alone and then removes it. */
#ifndef TEL_MAILBOX_H
#define TEL_MAILBOX_H

#include "base/datadir.h"
#include "directory.h"

#define TEL_MAILBOX_SUFFIX ".set"

struct tel_mailbox {
    int fd;    /* -1: closed */
    bool made; /* by this opening */
    char path[TEL_PATH_MAX];
};

enum tel_mailbox_use {
    TEL_MAILBOX_SPEAK, /* shared with other speakers; made when missing */
    TEL_MAILBOX_LOOK,  /* shared; only one that is there */
    TEL_MAILBOX_TAKE,  /* alone; only one that is there */
    TEL_MAILBOX_END    /* alone; made when missing */
};

/* Opens and locks the mailbox of run_id, waiting at most patience_ms for others. run_id must be a valid
 * one (tel_owner_id_valid). Errors: -ENOENT (LOOK and TAKE: there is none), TEL_ERR_BUSY,
 * TEL_ERR_REFUSED, other negative errno. */
int tel_mailbox_open(struct tel_mailbox *box, const struct tel_datadir *dir, struct tel_str run_id,
                     enum tel_mailbox_use use, int patience_ms, struct tel_error *err);
/* Unlocks, and keeps the file open; and locks it again. -ESTALE: it has been taken in since. */
void tel_mailbox_unlock(struct tel_mailbox *box);
int tel_mailbox_lock(struct tel_mailbox *box, enum tel_mailbox_use use, int patience_ms,
                     struct tel_error *err);
/* Unlocks and closes. */
void tel_mailbox_close(struct tel_mailbox *box);
/* Removes the file; box stays locked until it is closed. */
void tel_mailbox_remove(const struct tel_mailbox *box);

/* Appends one line by one write, ending an unfinished one first. sync: to the disk, too. -ESTALE: it has
 * been sealed. */
int tel_mailbox_append(const struct tel_mailbox *box, struct tel_str line, bool sync,
                       struct tel_error *err);
/* All lines, in memory that is the caller's to free; NULL when there are none. */
int tel_mailbox_read(const struct tel_mailbox *box, char **memory, struct tel_str *lines,
                     struct tel_error *err);

/* Whoever ends a run by its id leaves the mailbox sealed, with the line that ended the run, for the owner of
 * its handle to find; unless the owner has left it before. A sealed mailbox holds nothing to be taken in, and
 * goes when the owner has seen it, or is gone. */
int tel_mailbox_seal(const struct tel_mailbox *box, struct tel_str line, struct tel_error *err);
int tel_mailbox_leave(const struct tel_mailbox *box, struct tel_error *err);
/* Both on what tel_mailbox_read has read. line receives the one that ended the run, within lines. */
bool tel_mailbox_is_sealed(struct tel_str lines, struct tel_str *line);
bool tel_mailbox_is_left(struct tel_str lines);

/* True when run_id has a mailbox. One system call. */
bool tel_mailbox_exists(const struct tel_datadir *dir, struct tel_str run_id);

/* The same for who asks again and again: as long as there is no mailbox at all, a look at the directory
 * is enough, at a fifth of what a name that is not there costs. All zero to begin with. */
struct tel_mailboxes {
    struct tel_directory directory;
    bool any;
};
bool tel_mailboxes_have(struct tel_mailboxes *boxes, const struct tel_datadir *dir,
                        struct tel_str run_id);

/* The run id of a mailbox's file name; TEL_STR_NONE when it is no such name. */
struct tel_str tel_mailbox_run_of(struct tel_str name);

#endif
