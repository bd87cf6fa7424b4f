/* A git commit that a run made, as an event of the type "commit": the payload that the fold turns into a
 * row of the table commits. */
#ifndef TEL_COMMIT_EVENT_H
#define TEL_COMMIT_EVENT_H

#include "base/buf.h"

#define TEL_COMMIT_TYPE "commit"
#define TEL_COMMIT_MESSAGE_MAX 4096 /* bytes; longer ones are cut at a character */
/* Room for a payload: every byte of its texts may become six. */
#define TEL_COMMIT_PAYLOAD_MAX 32768

struct tel_commit {
    struct tel_str hash; /* full, lower-case hexadecimal */
    struct tel_str repo;
    struct tel_str branch;
    struct tel_str date;   /* of the committer, as git's %cI has it */
    struct tel_str author; /* "Name <address>" */
    struct tel_str message;
    int64_t files_changed;
    int64_t insertions;
    int64_t deletions;
};

void tel_commit_put(struct tel_buf *payload, const struct tel_commit *commit);

/* A commit event as it lies in the journal. Texts are decoded, in memory that was given. */
struct tel_commit_event {
    struct tel_str run_id;
    struct tel_str timestamp;
    struct tel_commit commit;
};
/* True when line, an event line, looks like one of a commit: few others need to be read. */
bool tel_commit_is_likely(struct tel_str line);
/* False when it is none, or has no hash. memory needs twice the room of line. */
bool tel_commit_read(struct tel_str line, struct tel_buf *memory, struct tel_commit_event *event);

#endif
