/* Errors as a value the caller owns and passes last. NULL means "only the status matters". */
#ifndef TEL_BASE_ERROR_H
#define TEL_BASE_ERROR_H

#include "buf.h"

struct tel_error {
    int code;          /* negative errno value, or one of enum tel_error_code; 0 when unset */
    char message[256]; /* NUL-terminated, one line, says what to do where something can be done */
};

/* Failures that have no errno of their own. */
enum tel_error_code {
    TEL_ERR_REFUSED =
        -1001,              /* something unsafe: foreign owner, symbolic link, not a regular file */
    TEL_ERR_SCHEMA = -1002, /* the database is of a newer schema */
    TEL_ERR_CORRUPT = -1003,   /* the database is no database, or damaged */
    TEL_ERR_BUSY = -1004,      /* locked by someone else for too long */
    TEL_ERR_INVALID = -1005,   /* bad input */
    TEL_ERR_NOT_FOUND = -1006, /* no such run */
    TEL_ERR_ENDED = -1007      /* the run has ended: nothing more can be said of it */
};

/* Sets code and joins the parts up to the first NULL into message (truncated to fit).
 * Returns code, so that a failure can be raised in one statement. err may be NULL. */
int tel_fail(struct tel_error *err, int code, ...) __attribute__((sentinel));
/* Like tel_fail, with the system's name of the errno value appended: "open X: No such file…".
 * negative_errno as the raw system calls return it. */
int tel_fail_sys(struct tel_error *err, int negative_errno, ...) __attribute__((sentinel));
/* Short English text of an errno value, NULL when it has none (tel_fail_sys then says "error N"; the
 * shim has none at all). */
const char *tel_errno_text(int number);

#endif
