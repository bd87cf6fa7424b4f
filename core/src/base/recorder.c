/* See recorder.h. Everything that happens to a run inside its own process, in order. */
#include "recorder_internal.h"

#include "clock.h"
#include "git.h"
#include "infer.h"
#include "mask.h"
#include "sys.h"

#include <errno.h>
#include <string.h>

#ifndef TELEMETRY_VERSION
#define TELEMETRY_VERSION "0.0.0"
#endif

enum {
    CONNECT_TRIES = 20,
    CONNECT_PAUSE_NS = 250000 /* while another process, which has the claim, binds: 5 ms at most */
};

/* PROC_PID_INIT_INO of the kernel: the pid namespace that the machine booted with. */
#define MACHINE_PID_NS 0xEFFFFFFCU

/* --- the start line -------------------------------------------------------------------------- */

/* All that the start line is made of beside the configuration. */
struct facts {
    const struct tel_subject *subject;
    struct tel_instant now;
    struct tel_str agent;
    struct tel_str exe;
    struct utsname machine;
    struct tel_git git;
    struct tel_str traceparent;
};

static struct tel_str value_or(struct tel_str value, struct tel_str otherwise)
{
    return value.len > 0 ? value : otherwise;
}

/* Fields that come from a variable of the same meaning, and from nowhere else. */
static const struct {
    unsigned char field;
    unsigned char var;
} tags[] = {
    {TEL_RUN_AGENT_OWNER, TEL_VAR_AGENT_OWNER},
    {TEL_RUN_INPUT_SUMMARY, TEL_VAR_INPUT_SUMMARY},
    {TEL_RUN_OUTPUT_SUMMARY, TEL_VAR_OUTPUT_SUMMARY},
    {TEL_RUN_METRICS_JSON, TEL_VAR_METRICS_JSON},
    {TEL_RUN_INSIGHT_ID, TEL_VAR_INSIGHT_ID},
    {TEL_RUN_PRODUCT, TEL_VAR_PRODUCT},
    {TEL_RUN_PLATFORM, TEL_VAR_PLATFORM},
    {TEL_RUN_PRODUCT_FAMILY, TEL_VAR_PRODUCT_FAMILY},
    {TEL_RUN_SUBDOMAIN, TEL_VAR_SUBDOMAIN},
    {TEL_RUN_GIT_RUN_TAG, TEL_VAR_GIT_RUN_TAG},
};

static struct tel_str job_of(const struct tel_recorder *recorder, const struct facts *facts)
{
    const struct tel_str *value = recorder->config.value;
    struct tel_str named = value_or(value[TEL_VAR_JOB_TYPE], value[TEL_VAR_JOB_NAME]);

    if (named.len > 0)
        return named;
    return value_or(tel_infer_job(facts->subject->env), facts->agent);
}

static void fill_run(struct tel_str *run, struct tel_buf *scratch,
                     const struct tel_recorder *recorder, const struct facts *facts)
{
    const struct tel_str *value = recorder->config.value;
    struct tel_str trigger = value[TEL_VAR_TRIGGER_TYPE];

    if (trigger.len == 0)
        trigger = tel_infer_trigger(facts->subject->env, recorder->self.has_terminal);
    tel_slot_text(&run[TEL_RUN_RUN_ID], scratch, tel_str_from(recorder->run_id));
    tel_slot_text(&run[TEL_RUN_AGENT_NAME], scratch, facts->agent);
    tel_slot_text(&run[TEL_RUN_JOB_TYPE], scratch, job_of(recorder, facts));
    tel_slot_text(&run[TEL_RUN_TRIGGER_TYPE], scratch, trigger);
    tel_slot_time(&run[TEL_RUN_START_TIME], scratch, facts->now.realtime_ns);
    run[TEL_RUN_STATUS] = TEL_STR("\"running\"");
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (value[tags[i].var].len > 0)
            tel_slot_text(&run[tags[i].field], scratch, value[tags[i].var]);
    tel_slot_text(
        &run[TEL_RUN_GIT_REPO], scratch,
        value_or(value[TEL_VAR_GIT_REPO], value_or(tel_str_from(facts->git.repo), TEL_STR_NONE)));
    tel_slot_text(&run[TEL_RUN_GIT_BRANCH], scratch,
                  value_or(value[TEL_VAR_GIT_BRANCH],
                           value_or(tel_str_from(facts->git.branch), TEL_STR_NONE)));
    tel_slot_text(&run[TEL_RUN_HOST], scratch, tel_str_from(facts->machine.nodename));
}

/* Zero stands for "unknown" in the numbers that identify a process. */
static void slot_known(struct tel_str *slot, struct tel_buf *scratch, uint64_t value)
{
    if (value != 0)
        tel_slot_int(slot, scratch, (int64_t)value);
}

void tel_recorder_put_identity(struct tel_str *process, struct tel_buf *scratch,
                               const struct tel_process_key *key)
{
    tel_slot_int(&process[TEL_PROC_PID], scratch, key->pid);
    slot_known(&process[TEL_PROC_PIDFS_INO], scratch, key->pidfs_ino);
    slot_known(&process[TEL_PROC_START_TICKS], scratch, key->start_ticks);
}

struct tel_process_key tel_recorder_key(const struct tel_process *self)
{
    return (struct tel_process_key){self->pid, self->pidfs_ino, self->start_ticks};
}

static void fill_process(struct tel_str *process, struct tel_buf *scratch,
                         const struct tel_recorder *recorder, const struct facts *facts)
{
    const struct tel_process *self = &recorder->self;
    const struct tel_process_key key = tel_recorder_key(self);
    size_t start;

    if (facts->subject->parent_run_id.len > 0)
        tel_slot_text(&process[TEL_PROC_PARENT_RUN_ID], scratch, facts->subject->parent_run_id);
    tel_recorder_put_identity(process, scratch, &key);
    tel_slot_int(&process[TEL_PROC_PPID], scratch, self->ppid);
    if (self->boot_id[0] != '\0')
        tel_slot_text(&process[TEL_PROC_BOOT_ID], scratch, tel_str_from(self->boot_id));
    slot_known(&process[TEL_PROC_PID_NS], scratch, self->pid_ns);
    tel_slot_int(&process[TEL_PROC_START_BOOT_NS], scratch, facts->now.boottime_ns);
    tel_slot_text(&process[TEL_PROC_EXE], scratch, facts->exe);
    tel_slot_text(&process[TEL_PROC_CWD], scratch, tel_str_from(recorder->cwd));
    tel_slot_int(&process[TEL_PROC_UID], scratch, recorder->dir.uid);
    if (recorder->config.value[TEL_VAR_SUCCESS_EXIT_CODES].len > 0)
        tel_slot_text(&process[TEL_PROC_SUCCESS_EXIT_CODES], scratch,
                      recorder->config.value[TEL_VAR_SUCCESS_EXIT_CODES]);
    tel_slot_text(&process[TEL_PROC_SHIM_VERSION], scratch, TEL_STR(TELEMETRY_VERSION));
    if (recorder->config.post)
        tel_slot_bool(&process[TEL_PROC_POST], true);
    tel_slot_text(&process[TEL_PROC_TRACEPARENT], scratch, facts->traceparent);
    start = scratch->len;
    tel_mask_put_argv(scratch, facts->subject->argc, facts->subject->argv);
    if (!scratch->overflow)
        process[TEL_PROC_ARGV] = (struct tel_str){scratch->ptr + start, scratch->len - start};
}

/* Writes line into line_memory, as the run's last line. */
static int keep_line(struct tel_recorder *recorder, const struct tel_runline *line,
                     struct tel_error *err)
{
    struct tel_buf out;

    tel_buf_init(&out, recorder->line_memory, sizeof recorder->line_memory);
    tel_runline_put(&out, line);
    if (out.overflow)
        return tel_fail(err, -E2BIG, "the run's line would be too long", NULL);
    recorder->last_line = tel_buf_view(&out);
    return 0;
}

static void gather(struct facts *facts, struct tel_recorder *recorder)
{
    const struct tel_subject *subject = facts->subject;
    const struct tel_config *config = &recorder->config;

    facts->exe = recorder->exe;
    facts->agent = value_or(config->value[TEL_VAR_AGENT_NAME],
                            tel_infer_agent(facts->exe, subject->argc, subject->argv));
    if (tel_sys_uname(&facts->machine) < 0)
        facts->machine.nodename[0] = '\0';
    if (config->value[TEL_VAR_GIT_REPO].len == 0 || config->value[TEL_VAR_GIT_BRANCH].len == 0)
        tel_git_discover(&facts->git, recorder->cwd);
}

static void name_run(struct tel_recorder *recorder, const struct facts *facts)
{
    const struct tel_process *self = &recorder->self;
    struct tel_buf id;

    tel_buf_init(&id, recorder->run_id, sizeof recorder->run_id);
    tel_runid_put(&id, facts->now.realtime_ns, facts->agent,
                  self->pidfs_ino != 0 ? self->pidfs_ino : (uint64_t)self->pid,
                  tel_str_from(facts->machine.nodename));
    tel_buf_terminate(&id);
}

/* The trace that the run was started in; or, where there is none, one that begins with it. */
static void name_trace(struct tel_recorder *recorder, struct facts *facts)
{
    struct tel_buf made;

    facts->traceparent = tel_env_get(facts->subject->env, "TRACEPARENT");
    recorder->traceparent[0] = '\0';
    if (tel_traceparent_valid(facts->traceparent))
        return;
    tel_buf_init(&made, recorder->traceparent, sizeof recorder->traceparent);
    tel_traceparent_put(&made, tel_str_from(recorder->run_id));
    tel_buf_terminate(&made);
    facts->traceparent = tel_buf_view(&made);
}

int tel_recorder_render_start(struct tel_recorder *recorder, const struct tel_subject *subject,
                              struct tel_error *err)
{
    struct facts facts = {.subject = subject};
    struct tel_runline line = {0};
    struct tel_buf scratch;

    tel_clock_now(&facts.now);
    recorder->began_boot_ns = facts.now.boottime_ns;
    gather(&facts, recorder);
    name_run(recorder, &facts);
    name_trace(recorder, &facts);
    tel_buf_init(&scratch, recorder->scratch, sizeof recorder->scratch);
    fill_run(line.run, &scratch, recorder, &facts);
    fill_process(line.process, &scratch, recorder, &facts);
    return keep_line(recorder, &line, err);
}

/* --- the journal ----------------------------------------------------------------------------- */

/* How large a file may grow now; a write beyond it would raise SIGXFSZ and end the host. */
static uint64_t size_limit(void)
{
    struct rlimit limit = {.rlim_cur = UINT64_MAX}; /* that is RLIM_INFINITY, too */

    tel_sys_getrlimit(RLIMIT_FSIZE, &limit);
    return limit.rlim_cur;
}

void tel_recorder_open_journal(struct tel_recorder *recorder)
{
    recorder->journal = (struct tel_journal_writer){
        .raw = recorder->dir.raw,
        .file_mode = recorder->dir.file_mode,
        .exclusive = recorder->dir.network,
        .max_size = size_limit(),
    };
    recorder->journal.signals_blocked = recorder->journal.max_size == UINT64_MAX;
}

uint32_t tel_recorder_today(void)
{
    struct tel_instant now;

    tel_clock_now(&now);
    return tel_date_of(now.realtime_ns);
}

int tel_recorder_append(struct tel_recorder *recorder, struct tel_error *err)
{
    struct tel_journal_pos pos;
    int status = tel_journal_append(&recorder->journal, tel_recorder_today(), recorder->last_line,
                                    &pos, err);

    recorder->in_journal = status == 0;
    if (status == 0)
        recorder->owner.start = pos;
    return status;
}

/* --- the collector --------------------------------------------------------------------------- */

/* The collector's copy of the line, when the journal did not take it. */
static struct tel_str line_to_send(const struct tel_recorder *recorder)
{
    return recorder->in_journal ? (struct tel_str){NULL, 0} : recorder->last_line;
}

/* A message has no room for longer ones. The run is posted once there is one that can be used. */
static bool can_be_sent(const struct tel_target *target)
{
    return target->url.len <= TEL_API_TEXT_MAX && target->token.len <= TEL_API_TEXT_MAX;
}

int tel_recorder_send(const struct tel_recorder *recorder, int fd, struct tel_message *message,
                      int pidfd, struct tel_str line)
{
    const struct tel_str *value = recorder->config.value;
    const struct tel_target target = {value[TEL_VAR_API_URL], value[TEL_VAR_API_TOKEN]};
    const bool with_target = recorder->config.post && can_be_sent(&target);
    const int status = tel_proto_send(fd, message, pidfd, line, with_target ? &target : NULL);

    tel_sys_close(fd);
    return status;
}

static int send_start(struct tel_recorder *recorder, int fd, int pidfd)
{
    struct tel_message message;

    tel_message_init(&message, recorder->pending ? TEL_REQUEST_LEADER : TEL_REQUEST_START,
                     tel_str_from(recorder->run_id));
    message.line = recorder->owner.start;
    return tel_recorder_send(recorder, fd, &message, pidfd, line_to_send(recorder));
}

static bool nobody_there(int status)
{
    return status == -ENOENT || status == -ECONNREFUSED || status == -ECONNRESET ||
           status == -EPIPE;
}

static int find_program(struct tel_recorder *recorder, const struct tel_subject *subject)
{
    char *const found = recorder->scratch;
    const char *path = "";

    if (subject->object != NULL && subject->object(found, TEL_PATH_MAX))
        path = tel_path_absolute(recorder->object, recorder->cwd, found);
    return tel_spawn_find_program(recorder->collector, &recorder->config,
                                  path[0] == '/' ? path : "");
}

/* One more collector, for which the start message waits already when it begins to listen. */
static int launch(struct tel_recorder *recorder, struct tel_claim *claim,
                  const struct tel_subject *subject, int pidfd, struct tel_error *err)
{
    struct tel_spawn spawn = {recorder->collector, subject->env, &recorder->dir,
                              recorder->file.path, claim,        {0}};
    int status = tel_proto_connect(&recorder->dir, TEL_SOCKET_START);

    if (status >= 0)
        status = send_start(recorder, status, pidfd);
    if (status == 0)
        status = find_program(recorder, subject);
    if (status < 0)
        return tel_fail_sys(err, status, "no collector program found (TELEMETRY_COLLECTOR)", NULL);
    tel_buf_init(&spawn.scratch, recorder->scratch, sizeof recorder->scratch);
    status = tel_spawn_collector(&spawn);
    if (status < 0)
        return tel_fail_sys(err, status, "cannot start the collector ", recorder->collector, NULL);
    return 0;
}

static int start_collector(struct tel_recorder *recorder, const struct tel_subject *subject,
                           int pidfd, struct tel_error *err)
{
    struct tel_claim claim;
    const char *obstacle;
    int status;

    if (recorder->config.collector_off)
        return tel_fail(err, -ENOENT, "no collector runs, and TELEMETRY_COLLECTOR is off", NULL);
    if (recorder->dir.network)
        return tel_fail(err, -ENOENT, "no collector runs on a network filesystem", NULL);
    obstacle = tel_spawn_obstacle();
    if (obstacle != NULL)
        return tel_fail(err, -ENOENT, "no collector is started here: ", obstacle, NULL);
    status = tel_claim_take(&claim, &recorder->dir, err);
    if (status < 0)
        return status;
    status = launch(recorder, &claim, subject, pidfd, err);
    tel_claim_drop(&claim, &recorder->dir, status < 0);
    return status;
}

int tel_recorder_announce(struct tel_recorder *recorder, const struct tel_subject *subject, int fd,
                          int pidfd, struct tel_error *err)
{
    int status = 0;

    for (int i = 0; i < CONNECT_TRIES; i++) {
        if (i > 0 || fd < 0)
            fd = tel_proto_connect(&recorder->dir, TEL_SOCKET_START);
        status = fd < 0 ? fd : send_start(recorder, fd, pidfd);
        if (!nobody_there(status))
            break;
        status = start_collector(recorder, subject, pidfd, err);
        if (status != -EWOULDBLOCK)
            return status;
        tel_sys_sleep_ns(CONNECT_PAUSE_NS);
    }
    return status < 0 ? tel_fail_sys(err, status, "cannot reach the collector", NULL) : 0;
}

/* --- the three moments of a run -------------------------------------------------------------- */

/* Include and exclude lists, and the switch in the configuration file. */
static int check_selection(const struct tel_recorder *recorder, struct tel_error *err)
{
    const enum tel_var var = tel_config_objection(&recorder->config, recorder->exe, NULL);

    if (var == TEL_VARS)
        return 0;
    return tel_fail(err, TEL_ERR_REFUSED, tel_var_name(var), " leaves this program out", NULL);
}

/* The settings of a run that begins, or goes on: that creates nothing, and nothing objects to it any
 * more. A run that begins at setsid creates nothing either: that may be inside a chroot by now. The collector is
 * yet to be named. */
static int load(struct tel_recorder *recorder, const struct tel_subject *subject, bool begins,
                struct tel_error *err)
{
    struct tel_surroundings around = {subject->env, recorder->cwd, TEL_STR_NONE, subject->uid};
    int status;

    if (tel_sys_getcwd(recorder->cwd, sizeof recorder->cwd) < 0)
        memcpy(recorder->cwd, "/", 2);
    if (subject->exe != NULL)
        around.exe =
            tel_str_from(tel_path_absolute(recorder->exe_memory, recorder->cwd, subject->exe));
    recorder->exe = around.exe;
    status = tel_settings_load(&recorder->config, &recorder->dir, &recorder->file, &around, err);
    if (status == 0 && begins && !subject->asked_for)
        status = check_selection(recorder, err);
    if (status == 0)
        status = tel_datadir_prepare(&recorder->dir, begins && !subject->pending, err);
    return status;
}

void tel_recorder_put_owner(struct tel_recorder *recorder)
{
    struct tel_buf text;

    tel_buf_init(&text, recorder->owner_text, sizeof recorder->owner_text);
    tel_owner_put(&text, &recorder->owner);
    tel_buf_terminate(&text);
}

static void name_owner(struct tel_recorder *recorder, struct tel_str parent)
{
    recorder->owner.process = tel_recorder_key(&recorder->self);
    recorder->owner.before = recorder->self.cpu;
    recorder->owner.flags = (recorder->pending ? TEL_OWNER_PENDING : 0U) |
                            (recorder->config.children_all ? TEL_OWNER_ALL_CHILDREN : 0U);
    recorder->owner.parent = recorder->pending ? parent : TEL_STR_NONE;
    tel_recorder_put_owner(recorder);
}

static int open_run(struct tel_recorder *recorder, const struct tel_subject *subject, int pidfd,
                    struct tel_error *err)
{
    struct tel_error journal_err = {0};
    int written = -ENOENT;
    int status = load(recorder, subject, true, err);
    int fd;

    if (status < 0)
        return status;
    fd = tel_proto_meet(&recorder->dir, &recorder->self);
    status = tel_recorder_render_start(recorder, subject, err);
    if (status < 0) {
        if (fd >= 0)
            tel_sys_close(fd);
        return status;
    }
    tel_recorder_open_journal(recorder);
    recorder->pending = subject->pending;
    if (!recorder->pending)
        written = tel_recorder_append(recorder, &journal_err);
    status = tel_recorder_announce(recorder, subject, fd, pidfd, err);
    if (recorder->pending && status < 0) {
        written = tel_recorder_append(recorder, &journal_err); /* nobody else keeps it */
        recorder->pending = false;
    }
    recorder->watched = status == 0;
    if (written < 0 && status < 0)
        return tel_fail(err, written, journal_err.message, NULL);
    name_owner(recorder, subject->parent_run_id);
    return 0;
}

int tel_recorder_start(struct tel_recorder *recorder, const struct tel_subject *subject,
                       struct tel_error *err)
{
    int pidfd;
    int status;

    tel_process_self(&recorder->self, &pidfd);
    if (recorder->self.pid == 1 && tel_pid_namespace() == MACHINE_PID_NS)
        status = tel_fail(err, TEL_ERR_REFUSED, "the machine's own init is left alone", NULL);
    else
        status = open_run(recorder, subject, pidfd, err);
    if (status < 0)
        tel_conf_file_drop(&recorder->file);
    if (pidfd >= 0)
        tel_sys_close(pidfd);
    return status;
}

int tel_recorder_continue(struct tel_recorder *recorder, const struct tel_subject *subject,
                          struct tel_str run_id, const struct tel_owner *owner,
                          struct tel_error *err)
{
    struct tel_buf memory;
    struct tel_buf id;
    int status;

    recorder->owner = *owner;
    tel_recorder_put_owner(recorder);
    recorder->self.pid = owner->process.pid;
    recorder->self.pid_ns = tel_pid_namespace();
    recorder->self.session = tel_sys_getsid();
    status = load(recorder, subject, false, err);
    if (status < 0)
        return status;
    tel_datadir_name_collector(&recorder->dir, recorder->self.pid_ns);
    tel_buf_init(&id, recorder->run_id, sizeof recorder->run_id);
    tel_buf_str(&id, run_id);
    if (tel_buf_terminate(&id) == NULL)
        return tel_fail(err, TEL_ERR_INVALID, "the inherited run id is too long", NULL);
    tel_recorder_open_journal(recorder);
    tel_buf_init(&memory, recorder->line_memory, sizeof recorder->line_memory);
    recorder->in_journal = true;
    return tel_journal_find(recorder->dir.raw, run_id, &recorder->owner.start, &memory,
                            &recorder->last_line, &recorder->journal.last, err);
}

/* Whether the journal of the start is there to take the end line; without one nothing is created. */
static int append_end(struct tel_recorder *recorder, struct tel_error *err)
{
    if (!recorder->in_journal)
        return tel_fail(err, -ENOENT, "the start line is not in the journal", NULL);
    recorder->journal.existing = true;
    recorder->journal.sync = recorder->config.durability == TEL_DURABILITY_SYSTEM;
    return tel_recorder_append(recorder, err);
}

/* The run's last line: the one before, with its cost and, when it is known, its ending. */
static int render_end(struct tel_recorder *recorder, const struct tel_ending *ending,
                      struct tel_error *err)
{
    struct tel_runline line;
    struct tel_buf scratch;
    struct rusage self = {0};
    struct rusage children = {0};
    size_t start;

    if (tel_runline_parse(recorder->last_line, &line) != TEL_LINE_RUN)
        return tel_fail(err, TEL_ERR_INVALID, "the run's start line cannot be read", NULL);
    tel_sys_getrusage(RUSAGE_SELF, &self);
    tel_sys_getrusage(RUSAGE_CHILDREN, &children);
    tel_buf_init(&scratch, recorder->scratch, sizeof recorder->scratch);
    tel_recorder_put_identity(line.process, &scratch, &recorder->owner.process);
    tel_ending_set_cost(&line, &scratch, &self, &children, &recorder->owner.before);
    if (ending->known)
        tel_ending_apply(&line, &scratch, ending);
    start = scratch.len;
    tel_runline_put(&scratch, &line);
    if (scratch.overflow)
        return tel_fail(err, -E2BIG, "the run's line would be too long", NULL);
    recorder->last_line = (struct tel_str){scratch.ptr + start, scratch.len - start};
    return 0;
}

static int ask_for_commit(struct tel_recorder *recorder, struct tel_error *err)
{
    struct tel_message message;
    int status;

    tel_message_init(&message, TEL_REQUEST_COMMIT, tel_str_from(recorder->run_id));
    message.line = recorder->owner.start;
    status = tel_proto_request(&recorder->dir, &message, line_to_send(recorder));
    if (status < 0)
        return tel_fail_sys(err, status, "cannot reach the collector", NULL);
    /* What the answer says makes no difference here; that it came does. */
    if (tel_sys_wait_readable(status, (int)recorder->config.wait_ms) != 1)
        tel_fail(err, -ETIMEDOUT, "the collector did not answer in time", NULL);
    tel_sys_close(status);
    return 0;
}

int tel_recorder_end(struct tel_recorder *recorder, const struct tel_ending *ending,
                     struct tel_error *err)
{
    int status = render_end(recorder, ending, err);
    int appended;

    if (status < 0)
        return status;
    appended = append_end(recorder, err);
    if (appended == 0 && (!ending->known || recorder->config.wait_ms == 0))
        return 0;
    status = ask_for_commit(recorder, err);
    return appended < 0 ? appended : status;
}
