/* See speech.h. */
#include "speech.h"

#include "append.h"
#include "mailbox.h"

/* An event may come behind the run's end line, which is written before its process is gone: that there is
 * a mailbox has the run's last line written once more. */
int tel_speech_write(const struct tel_speech *speech, int patience_ms, struct tel_error *err)
{
    struct tel_mailbox box;
    int status =
        tel_mailbox_open(&box, speech->dir, speech->run_id, TEL_MAILBOX_SPEAK, patience_ms, err);

    if (status < 0)
        return status;
    if (speech->check != NULL)
        status = speech->check(speech->arg, err);
    if (status == 0)
        status = speech->is_event
                     ? tel_append(speech->dir, speech->date, speech->sync, speech->line, err)
                     : tel_mailbox_append(&box, speech->line, speech->sync, err);
    tel_mailbox_close(&box);
    return status;
}
