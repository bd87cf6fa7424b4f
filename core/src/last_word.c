/* See last_word.h. */
#include "last_word.h"

#include "namespaces.h"
#include "take_in.h"

/* A section ends by a call, whatever its process does then. */
static bool is_going_on(const struct tel_due *due)
{
    char boot_id[TEL_BOOT_ID_LEN + 1];

    if (due->scope || due->process.pid == 0)
        return false;
    tel_boot_id(boot_id);
    if (due->boot_id.len > 0 && boot_id[0] != '\0' && !tel_str_is(due->boot_id, boot_id))
        return false;
    if (due->pid_ns == tel_pid_namespace())
        return tel_process_is_running(&due->process);
    return due->process.pidfs_ino != 0 &&
           tel_process_whereabouts(due->process.pidfs_ino) == TEL_PROCESS_THERE;
}

/* In this order: who speaks for the run looks for its process after having opened the mailbox. */
enum tel_last_word tel_last_word(const struct tel_datadir *dir, const struct tel_due *due)
{
    int taken;

    if (is_going_on(due))
        return TEL_WORD_AWAITED;
    if (!tel_mailbox_exists(dir, due->run_id))
        return TEL_WORD_SPOKEN;
    taken = tel_take_in(dir, due->run_id, &due->last_line, NULL);
    if (taken < 0)
        return TEL_WORD_AWAITED;
    return taken > 0 ? TEL_WORD_TAKEN_IN : TEL_WORD_SPOKEN;
}
