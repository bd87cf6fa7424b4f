/* Writing, reading and judging TELEMETRY_RUN_OWNER. */
#include "owner.h"

#include "sys.h"

enum { FORM = 2 }; /* of the text */

enum {
    VERSION,
    PID,
    PIDFS_INO,
    START_TICKS,
    DATE,
    OFFSET,
    USER,
    SYSTEM,
    CHILDREN_USER,
    CHILDREN_SYSTEM,
    FLAGS,
    NUMBERS
};

void tel_owner_put(struct tel_buf *buf, const struct tel_owner *owner)
{
    const uint64_t numbers[NUMBERS] = {
        [VERSION] = FORM,
        [PID] = (uint64_t)owner->process.pid,
        [PIDFS_INO] = owner->process.pidfs_ino,
        [START_TICKS] = owner->process.start_ticks,
        [DATE] = owner->start.date,
        [OFFSET] = owner->start.offset,
        [USER] = owner->before.user_ms,
        [SYSTEM] = owner->before.system_ms,
        [CHILDREN_USER] = owner->before.children_user_ms,
        [CHILDREN_SYSTEM] = owner->before.children_system_ms,
        [FLAGS] = owner->flags,
    };

    for (int i = 0; i < NUMBERS; i++) {
        tel_buf_u64(buf, numbers[i]);
        tel_buf_char(buf, ':');
    }
    tel_buf_str(buf, owner->parent);
}

/* Numbers that each end in ':'; what follows them is left in text. */
static bool split(struct tel_str *text, uint64_t numbers[NUMBERS])
{
    for (int i = 0; i < NUMBERS; i++) {
        ptrdiff_t colon = tel_str_find(*text, ':');

        if (colon < 0 || !tel_str_to_u64((struct tel_str){text->ptr, (size_t)colon}, &numbers[i]))
            return false;
        *text = tel_str_from_pos(*text, (size_t)colon + 1);
    }
    return true;
}

bool tel_owner_parse(struct tel_str text, struct tel_owner *owner)
{
    uint64_t numbers[NUMBERS];

    if (!split(&text, numbers) || numbers[VERSION] != FORM || numbers[PID] == 0 ||
        numbers[PID] > INT32_MAX || numbers[DATE] > UINT32_MAX ||
        (text.len > 0 && !tel_owner_id_valid(text)))
        return false;
    owner->process =
        (struct tel_process_key){(pid_t)numbers[PID], numbers[PIDFS_INO], numbers[START_TICKS]};
    owner->start = (struct tel_journal_pos){(uint32_t)numbers[DATE], 0, numbers[OFFSET]};
    owner->before = (struct tel_cpu_times){numbers[USER], numbers[SYSTEM], numbers[CHILDREN_USER],
                                           numbers[CHILDREN_SYSTEM]};
    owner->flags = (unsigned)numbers[FLAGS];
    owner->parent = text;
    return true;
}

bool tel_owner_id_valid(struct tel_str run_id)
{
    if (run_id.len == 0 || run_id.len >= TEL_RUN_ID_MAX)
        return false;
    for (size_t i = 0; i < run_id.len; i++) {
        const unsigned char c = (unsigned char)run_id.ptr[i];

        if (c < 0x20 || c == 0x7f || c == '/')
            return false;
    }
    return true;
}

enum tel_standing tel_owner_standing(const struct tel_owner *owner, pid_t pid)
{
    const struct tel_process_key *key = &owner->process;

    if (pid == key->pid)
        return tel_process_is_running(key) ? TEL_OWNS : TEL_OUTSIDE;
    if (tel_sys_getppid() == key->pid || tel_process_is_running(key))
        return TEL_INSIDE;
    return TEL_OUTSIDE;
}
