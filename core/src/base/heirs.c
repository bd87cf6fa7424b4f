/* See heirs.h. */
#include "heirs.h"

#include "recorder_internal.h"
#include "sys.h"

#include <string.h>

/* The first line that says what of this run, or of one that began inside it at since, another process is
 * the owner; in scratch. */
static struct tel_str render_heir(struct tel_recorder *recorder, struct tel_str run_id,
                                  const struct tel_owner *owner, const struct tel_instant *since)
{
    struct tel_runline line;
    struct tel_buf scratch;
    size_t start;

    if (tel_runline_parse(recorder->last_line, &line) != TEL_LINE_RUN)
        return TEL_STR_NONE;
    tel_buf_init(&scratch, recorder->scratch, sizeof recorder->scratch);
    if (since != NULL) {
        tel_slot_text(&line.run[TEL_RUN_RUN_ID], &scratch, run_id);
        tel_slot_time(&line.run[TEL_RUN_START_TIME], &scratch, since->realtime_ns);
        tel_slot_text(&line.process[TEL_PROC_PARENT_RUN_ID], &scratch, owner->parent);
        line.process[TEL_PROC_PPID] = line.process[TEL_PROC_PID];
        tel_slot_int(&line.process[TEL_PROC_START_BOOT_NS], &scratch, since->boottime_ns);
    }
    tel_recorder_put_identity(line.process, &scratch, &owner->process);
    start = scratch.len;
    tel_runline_put(&scratch, &line);
    return scratch.overflow ? TEL_STR_NONE
                            : (struct tel_str){scratch.ptr + start, scratch.len - start};
}

/* Without a collector. The leader's own end is yet to be written, so its writer stays as it is. */
static void append_heir(const struct tel_recorder *recorder, struct tel_str line,
                        struct tel_journal_pos *pos)
{
    struct tel_journal_writer writer = recorder->journal;

    writer.existing = true;
    writer.sync = recorder->config.durability == TEL_DURABILITY_SYSTEM;
    tel_journal_append(&writer, tel_recorder_today(), line, pos, NULL);
}

/* A collector keeps the line, for what the heir may yet execute; fd is connected to it. Closes both. */
static void announce_heir(const struct tel_recorder *recorder, int fd, struct tel_str run_id,
                          struct tel_str line, int pidfd)
{
    struct tel_journal_pos pos;
    struct tel_message message;

    tel_message_init(&message, TEL_REQUEST_LEADER, run_id);
    if (fd < 0 || tel_recorder_send(recorder, fd, &message, pidfd, line) < 0)
        append_heir(recorder, line, &pos);
    tel_sys_close(pidfd);
}

pid_t tel_recorder_pass(struct tel_recorder *recorder, const struct tel_follower *follower,
                        struct tel_buf *owner_text)
{
    const struct tel_str run_id = tel_str_from(recorder->run_id);
    struct tel_owner owner;
    int pidfd;

    if (!tel_owner_parse(tel_str_from(recorder->owner_text), &owner))
        return 0;
    pidfd = tel_process_heir(recorder->self.pid, 0, &owner.process);
    if (pidfd < 0) /* it has said so before it left the session */
        pidfd = tel_process_heir(recorder->self.pid, atomic_load(&follower->pid), &owner.process);
    if (pidfd < 0)
        return 0;
    owner.before = (struct tel_cpu_times){0};
    tel_owner_put(owner_text, &owner);
    tel_buf_terminate(owner_text);
    announce_heir(recorder, tel_proto_connect(&recorder->dir, TEL_SOCKET_START), run_id,
                  render_heir(recorder, run_id, &owner, NULL), pidfd);
    return owner.process.pid;
}

/* Named as the run of recorder is. */
static void put_follower_id(const struct tel_recorder *recorder, const struct tel_owner *owner,
                            const struct tel_instant *since, struct tel_buf *run_id)
{
    enum { BEFORE_AGENT = sizeof "YYYYMMDDTHHMMSSZ", AFTER_AGENT = sizeof "xxxxxxxx" };
    const struct tel_str own = tel_str_from(recorder->run_id);
    const struct tel_process_key *key = &owner->process;
    struct utsname machine;

    if (tel_sys_uname(&machine) < 0)
        machine.nodename[0] = '\0';
    tel_runid_put(run_id, since->realtime_ns,
                  (struct tel_str){own.ptr + BEFORE_AGENT, own.len - BEFORE_AGENT - AFTER_AGENT},
                  key->pidfs_ino != 0 ? key->pidfs_ino : (uint64_t)key->pid,
                  tel_str_from(machine.nodename));
    tel_buf_terminate(run_id);
}

/* As a follower's number: its leader is about to look, or has looked in vain; or it is about to be one. */
enum { LOOKING = -1, TOO_LATE = -2, COMING = -3 };

bool tel_recorder_follow(struct tel_follower *follower)
{
    const pid_t self = tel_sys_getpid();
    int before = atomic_load(&follower->pid);
    int coming = COMING;

    if (before == COMING || (before > 0 && tel_process_lives(before)))
        return true;
    if (before < 0 || !atomic_compare_exchange_strong(&follower->pid, &before, COMING))
        return before == COMING || before > 0;
    tel_clock_now(&follower->since);
    follower->session = self;
    return atomic_compare_exchange_strong(&follower->pid, &coming, self);
}

void tel_recorder_stay(struct tel_follower *follower)
{
    int self = tel_sys_getpid();

    atomic_compare_exchange_strong(&follower->pid, &self, 0);
}

void tel_recorder_step_aside(struct tel_follower *follower)
{
    enum { TRIES = 50, PAUSE_NS = 200000 };
    int self = tel_sys_getpid();
    struct tel_process_key heir = {0};
    int pidfd;

    if (follower->session != self)
        return;
    for (int i = 0; i < TRIES && atomic_load(&follower->pid) == LOOKING; i++)
        tel_sys_sleep_ns(PAUSE_NS);
    if (atomic_load(&follower->pid) != self)
        return;
    pidfd = tel_process_heir(self, 0, &heir);
    if (pidfd >= 0)
        tel_sys_close(pidfd);
    if (!atomic_compare_exchange_strong(&follower->pid, &self, heir.pid))
        tel_recorder_step_aside(follower); /* its leader has begun to look */
}

pid_t tel_recorder_found(struct tel_recorder *recorder, struct tel_follower *follower,
                         struct tel_instant *since, struct tel_buf *run_id,
                         struct tel_buf *owner_text)
{
    const pid_t pid = atomic_exchange(&follower->pid, LOOKING);
    struct tel_owner owner = {.flags = recorder->owner.flags,
                              .parent = tel_str_from(recorder->run_id)};
    const int pidfd = pid > 0 ? tel_process_follower(pid, follower->session, &owner.process) : -1;
    struct tel_str line;
    int fd;

    if (pidfd < 0) {
        atomic_store(&follower->pid, TOO_LATE);
        return 0;
    }
    *since = follower->since;
    put_follower_id(recorder, &owner, since, run_id);
    line = render_heir(recorder, tel_buf_view(run_id), &owner, since);
    fd = tel_proto_connect(&recorder->dir, TEL_SOCKET_START);
    if (fd >= 0)
        owner.flags |= TEL_OWNER_PENDING;
    else
        append_heir(recorder, line, &owner.start);
    tel_owner_put(owner_text, &owner);
    tel_buf_terminate(owner_text);
    if (fd >= 0)
        announce_heir(recorder, fd, tel_buf_view(run_id), line, pidfd);
    else
        tel_sys_close(pidfd);
    return owner.process.pid;
}

/* Goes on with a run that has been begun for this process, whose memory is still its parent's. */
static bool take_over(struct tel_recorder *recorder, struct tel_str run_id,
                      const struct tel_owner *owner, const struct tel_instant *since)
{
    const struct tel_str line = render_heir(recorder, run_id, owner, since);
    struct tel_buf id;

    if (line.ptr == NULL)
        return false;
    tel_buf_init(&id, recorder->run_id, sizeof recorder->run_id);
    tel_buf_str(&id, run_id);
    tel_buf_terminate(&id);
    memcpy(recorder->line_memory, line.ptr, line.len);
    recorder->last_line = (struct tel_str){recorder->line_memory, line.len};
    recorder->began_boot_ns = since->boottime_ns;
    recorder->self.pid = owner->process.pid;
    return true;
}

/* Where the text is still that of who has handed it over. */
static void name_self(struct tel_owner *owner)
{
    struct tel_process self;
    int pidfd;

    tel_process_self(&self, &pidfd);
    if (pidfd >= 0)
        tel_sys_close(pidfd);
    owner->process = tel_recorder_key(&self);
    owner->before = (struct tel_cpu_times){0};
}

bool tel_recorder_inherit(struct tel_recorder *recorder, struct tel_str run_id,
                          struct tel_str owner_text, const struct tel_instant *since)
{
    const pid_t self = tel_sys_getpid();
    struct tel_owner owner;

    if (recorder->owner.process.pid == self)
        return true;
    if (!tel_owner_id_valid(run_id) || !tel_owner_parse(owner_text, &owner))
        return false;
    if (owner.process.pid != self)
        name_self(&owner);
    if (!tel_str_is(run_id, recorder->run_id) && !take_over(recorder, run_id, &owner, since))
        return false;
    recorder->owner = owner;
    tel_recorder_put_owner(recorder);
    return true;
}
