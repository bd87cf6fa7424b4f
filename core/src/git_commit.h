/* What git says of a commit. The only module that runs git; never in the shim. */
#ifndef TEL_GIT_COMMIT_H
#define TEL_GIT_COMMIT_H

#include "base/error.h"
#include "commit_event.h"

/* Appends the payload of a commit event for revision (such as "HEAD") of the repository that directory
 * lies in. Errors: TEL_ERR_INVALID (no such revision, no repository), -ENOENT (no git), negative errno. */
int tel_git_commit_put(struct tel_buf *payload, const char *directory, const char *revision,
                       struct tel_error *err);

#endif
