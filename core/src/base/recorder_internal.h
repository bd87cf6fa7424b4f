/* What recorder.c lends to heirs.c. */
#ifndef TEL_BASE_RECORDER_INTERNAL_H
#define TEL_BASE_RECORDER_INTERNAL_H

#include "recorder.h"

/* What recognises the process that self describes. */
struct tel_process_key tel_recorder_key(const struct tel_process *self);
/* Fills the fields of key, as texts in scratch. */
void tel_recorder_put_identity(struct tel_str *process, struct tel_buf *scratch,
                               const struct tel_process_key *key);
/* owner_text as owner is by now. */
void tel_recorder_put_owner(struct tel_recorder *recorder);
/* Whose file a line goes to that is written now. */
uint32_t tel_recorder_today(void);
/* tel_proto_send, with the API that the run is to be posted to, if it is. Closes fd. */
int tel_recorder_send(const struct tel_recorder *recorder, int fd, struct tel_message *message,
                      int pidfd, struct tel_str line);

#endif
