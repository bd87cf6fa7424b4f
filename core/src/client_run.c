/* Runs of telemetry/client.h by their handles: how they begin and end. What is said of them in between is in
 * client_speak.c. */
#include "client_internal.h"

#include "base/clock.h"
#include "base/sys.h"
#include "take_in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { SPEAKER_PAUSE_NS = 50000 };

/* --- the start -------------------------------------------------------------------------------- */

/* Numbers of sections, of all clients of the process: none is given twice. They begin anywhere, so that
 * others (who forked this process, or were executed in its place) do not give the same. */
static atomic_uint next_section;

void tel_client_seed_ids(void)
{
    unsigned seed;

    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed)
        seed = (unsigned)tel_clock_boottime_ns() ^ (unsigned)tel_sys_getpid() << 16;
    atomic_store(&next_section, seed);
}

struct option {
    int var;
    const char *value;
};

/* What the caller says comes before environment and file. */
static int take_options(struct tel_config *config, const char *agent, const char *job,
                        const struct telemetry_run_options *options, struct tel_error *err)
{
    const struct option list[] = {
        {TEL_VAR_AGENT_NAME, agent},
        {TEL_VAR_JOB_TYPE, job},
        {TEL_VAR_TRIGGER_TYPE, options->trigger_type},
        {TEL_VAR_AGENT_OWNER, options->agent_owner},
        {TEL_VAR_INPUT_SUMMARY, options->input_summary},
        {TEL_VAR_INSIGHT_ID, options->insight_id},
        {TEL_VAR_PRODUCT, options->product},
        {TEL_VAR_PLATFORM, options->platform},
        {TEL_VAR_PRODUCT_FAMILY, options->product_family},
        {TEL_VAR_SUBDOMAIN, options->subdomain},
        {TEL_VAR_GIT_REPO, options->git_repo},
        {TEL_VAR_GIT_BRANCH, options->git_branch},
        {TEL_VAR_GIT_RUN_TAG, options->git_run_tag},
    };

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        const struct tel_str value = tel_str_cut_utf8(tel_str_from(list[i].value), TEL_TEXT_MAX);

        if (value.len == 0)
            continue;
        if (list[i].var == TEL_VAR_TRIGGER_TYPE &&
            !tel_str_in_list(value, "cli web scheduler mcp manual"))
            return tel_fail(err, TEL_ERR_INVALID,
                            "trigger_type takes cli, web, scheduler, mcp or manual", NULL);
        config->value[list[i].var] = value;
    }
    return 0;
}

static int find_parent(const telemetry_client *client, const struct telemetry_run_options *options,
                       struct tel_str *parent, struct tel_error *err)
{
    *parent = tel_str_from(options->parent_run_id);
    if (parent->len > 0)
        return tel_owner_id_valid(*parent)
                   ? 0
                   : tel_fail(err, TEL_ERR_INVALID, "parent_run_id is no run id", NULL);
    *parent = client->config.value[TEL_VAR_RUN_ID];
    if (!tel_owner_id_valid(*parent))
        *parent = TEL_STR_NONE;
    return 0;
}

void tel_client_know_self(telemetry_client *client)
{
    int pidfd;

    if (!client->self_is_stale && tel_kept_fd_use(&client->pidfd, NULL) >= 0)
        return;
    tel_process_self(&client->recorder->self, &pidfd);
    tel_process_look_around(&client->recorder->self);
    tel_kept_fd_close(&client->pidfd);
    tel_kept_fd_set(&client->pidfd, tel_kept_fd_raise(pidfd));
    client->self_is_stale = false;
}

/* A trace that begins with the run is the run's own, as its id is. */
static void name_trace(struct tel_str *slot, struct tel_buf *scratch, struct tel_str run_id)
{
    char memory[TEL_TRACEPARENT_LEN + 1];
    struct tel_buf text;

    tel_buf_init(&text, memory, sizeof memory);
    tel_traceparent_put(&text, run_id);
    tel_slot_text(slot, scratch, tel_buf_view(&text));
}

/* The recorder's start line, as that of a section with an id of its own. */
static int render_section(telemetry_client *client, struct tel_error *err)
{
    struct tel_recorder *recorder = client->recorder;
    char agent_memory[TEL_TEXT_MAX];
    struct tel_instant now;
    struct tel_runline line;
    struct tel_buf agent;
    struct tel_buf id;
    struct tel_buf out;
    size_t start;

    if (tel_runline_parse(recorder->last_line, &line) != TEL_LINE_RUN)
        return tel_fail(err, TEL_ERR_INVALID, "the start line cannot be made", NULL);
    tel_buf_init(&agent, agent_memory, sizeof agent_memory);
    tel_json_unescape(line.run[TEL_RUN_AGENT_NAME], &agent);
    tel_clock_now(&now);
    tel_buf_init(&id, recorder->run_id, sizeof recorder->run_id);
    tel_runid_put_section(&id, now.realtime_ns, tel_buf_view(&agent),
                          atomic_fetch_add(&next_section, 1));
    tel_buf_terminate(&id);
    tel_buf_init(&out, recorder->scratch, sizeof recorder->scratch);
    tel_slot_text(&line.run[TEL_RUN_RUN_ID], &out, tel_buf_view(&id));
    tel_slot_bool(&line.process[TEL_PROC_SCOPE], true);
    if (recorder->traceparent[0] != '\0')
        name_trace(&line.process[TEL_PROC_TRACEPARENT], &out, tel_buf_view(&id));
    start = out.len;
    tel_runline_put(&out, &line);
    if (out.overflow)
        return tel_fail(err, -E2BIG, "the run's line would be too long", NULL);
    memcpy(recorder->line_memory, out.ptr + start, out.len - start);
    recorder->last_line = (struct tel_str){recorder->line_memory, out.len - start};
    return 0;
}

static telemetry_run *new_run(telemetry_client *client, struct tel_error *err)
{
    const struct tel_recorder *recorder = client->recorder;
    telemetry_run *run = calloc(1, sizeof *run);

    if (run != NULL)
        run->line = malloc(recorder->last_line.len);
    if (run == NULL || run->line == NULL) {
        free(run);
        tel_fail_sys(err, -ENOMEM, "cannot start a run", NULL);
        return NULL;
    }
    memcpy(run->line, recorder->last_line.ptr, recorder->last_line.len);
    run->line_len = recorder->last_line.len;
    memcpy(run->id, recorder->run_id, sizeof run->id);
    run->client = client;
    run->generation = atomic_load(&client->generation);
    run->box.fd = -1;
    tel_kept_fd_init(&run->box_fd);
    pthread_mutex_init(&run->lock, NULL);
    tel_client_hold(client);
    return run;
}

/* Forgets the mailbox where the host has closed it. With the run locked. */
static void look_at_mailbox(telemetry_run *run)
{
    if (run->box.fd >= 0 && tel_kept_fd_use(&run->box_fd, NULL) < 0)
        run->box.fd = -1;
}

int tel_client_lock_mailbox(telemetry_run *run, struct tel_error *err)
{
    int status;

    look_at_mailbox(run);
    if (run->box.fd >= 0)
        return tel_mailbox_lock(&run->box, TEL_MAILBOX_SPEAK, TEL_CLIENT_PATIENCE_MS, err);
    status = tel_mailbox_open(&run->box, &run->client->recorder->dir, tel_str_from(run->id),
                              TEL_MAILBOX_SPEAK, TEL_CLIENT_PATIENCE_MS, err);
    run->box.fd = tel_kept_fd_raise(run->box.fd);
    tel_kept_fd_set(&run->box_fd, run->box.fd);
    return status;
}

static void free_run(telemetry_run *run)
{
    look_at_mailbox(run);
    tel_mailbox_close(&run->box);
    pthread_mutex_destroy(&run->lock);
    free(run->unsaid);
    free(run->line);
    tel_client_drop(run->client);
    free(run);
}

/* With the client locked. *watched: a collector makes the row. */
static telemetry_run *begin(telemetry_client *client, const struct tel_subject *subject,
                            bool *watched, struct tel_error *err)
{
    struct tel_recorder *recorder = client->recorder;
    struct tel_error journal_err = {0};
    telemetry_run *run = NULL;
    int written;

    if (tel_recorder_render_start(recorder, subject, err) == 0 && render_section(client, err) == 0)
        run = new_run(client, err);
    if (run == NULL)
        return NULL;
    tel_sys_getrusage(RUSAGE_SELF, &run->self_before);
    tel_sys_getrusage(RUSAGE_CHILDREN, &run->children_before);
    recorder->journal.sync = client->config.durability == TEL_DURABILITY_SYSTEM;
    written = tel_recorder_append(recorder, &journal_err);
    *watched =
        tel_recorder_announce(recorder, subject, -1, atomic_load(&client->pidfd.number), NULL) == 0;
    run->in_journal = written == 0;
    run->start = written == 0 ? recorder->owner.start : (struct tel_journal_pos){0};
    if (written == 0 || *watched)
        return run;
    tel_fail(err, written, journal_err.message, NULL);
    free_run(run);
    return NULL;
}

static telemetry_run *start(telemetry_client *client, const char *agent, const char *job,
                            const struct telemetry_run_options *options, struct tel_error *err)
{
    struct tel_recorder *recorder = client->recorder;
    struct tel_subject subject = {
        .env = &client->env,
        .argc = client->argc,
        .argv = client->argv,
        .object = tel_client_object,
        .uid = recorder->dir.uid,
        .asked_for = true,
    };
    telemetry_run *run = NULL;
    bool watched = true;

    pthread_mutex_lock(&client->lock);
    tel_client_know_self(client);
    if (tel_sys_getcwd(recorder->cwd, sizeof recorder->cwd) < 0)
        memcpy(recorder->cwd, "/", 2);
    if (find_parent(client, options, &subject.parent_run_id, err) == 0 &&
        take_options(&recorder->config, agent, job, options, err) == 0)
        run = begin(client, &subject, &watched, err);
    recorder->config = client->config;
    pthread_mutex_unlock(&client->lock);
    if (!watched)
        tel_client_fold(client, false, (int)client->config.wait_ms, NULL);
    return run;
}

telemetry_run *telemetry_run_start(telemetry_client *client, const char *agent, const char *job,
                                   const struct telemetry_run_options *options,
                                   struct telemetry_error *err)
{
    static const struct telemetry_run_options none = TELEMETRY_RUN_OPTIONS_INIT;
    struct tel_error own = {0};
    telemetry_run *run = NULL;

    if (options != NULL && options->size != sizeof *options)
        tel_client_refuse_size("struct telemetry_run_options", options->size, &own);
    else if (tel_client_usable(client, &own))
        run = start(client, agent, job, options != NULL ? options : &none, &own);
    tel_client_result(err, &own, run != NULL ? 0 : own.code);
    return run;
}

const char *telemetry_run_id(const telemetry_run *run)
{
    return run == NULL ? "" : run->id;
}

/* --- those who speak -------------------------------------------------------------------------- */

bool tel_client_is_ours(const telemetry_run *run)
{
    return run->generation == atomic_load(&run->client->generation);
}

int tel_client_refuse_ended(struct tel_error *err)
{
    return tel_fail(err, TEL_ERR_ENDED, "the run has ended", NULL);
}

int tel_client_begin_to_speak(telemetry_run *run, struct tel_error *err)
{
    atomic_fetch_add(&run->speakers, 1);
    if (!atomic_load(&run->ended))
        return 0;
    atomic_fetch_sub(&run->speakers, 1);
    return tel_client_refuse_ended(err);
}

void tel_client_have_spoken(telemetry_run *run)
{
    atomic_fetch_sub(&run->speakers, 1);
}

int tel_client_check_run(const telemetry_run *run, struct tel_error *err)
{
    if (run == NULL)
        return tel_fail(err, TEL_ERR_INVALID, "there is no run", NULL);
    return tel_client_usable(run->client, err) ? 0 : err->code;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* With the run locked. Others (the CLI, by the run's id) may have a mailbox that this run knows
 * nothing of. */
static int take_mailbox(telemetry_run *run, struct tel_error *err)
{
    const struct tel_datadir *dir = &run->client->recorder->dir;
    int status;

    look_at_mailbox(run);
    if (run->box.fd >= 0)
        status = tel_mailbox_lock(&run->box, TEL_MAILBOX_TAKE, TEL_CLIENT_PATIENCE_MS, err);
    else
        status = tel_mailbox_open(&run->box, dir, tel_str_from(run->id), TEL_MAILBOX_TAKE,
                                  TEL_CLIENT_PATIENCE_MS, err);
    if (status == -ESTALE)
        return tel_client_refuse_ended(err);
    return status == -ENOENT ? 0 : status;
}

/* The mailbox was sealed by another process that ended the run. Should an event have come after that, the
 * run's last line is repeated. */
static void know_of_end(telemetry_run *run)
{
    tel_mailbox_close(&run->box);
    tel_take_in(&run->client->recorder->dir, tel_str_from(run->id), &run->start, NULL);
    tel_mailbox_remove(&run->box);
}

static int end_locked(telemetry_run *run, enum telemetry_status verdict, const char *summary,
                      struct tel_error *err)
{
    const struct tel_client_ending ending = {
        .run_id = tel_str_from(run->id),
        .line = {run->line, run->line_len},
        .pos = run->start,
        .in_journal = run->in_journal,
        .box = &run->box,
        .unsaid = {run->unsaid, run->unsaid_len},
        .status = verdict,
        .summary = summary,
        .self_before = &run->self_before,
        .children_before = &run->children_before,
    };
    int status = take_mailbox(run, err);

    if (status == 0)
        status = tel_client_end(run->client, &ending, err);
    if (status == TEL_ERR_ENDED && run->box.fd >= 0)
        know_of_end(run);
    tel_mailbox_close(&run->box);
    return status;
}

static void wait_for_speakers(const telemetry_run *run)
{
    while (atomic_load(&run->speakers) > 0)
        tel_sys_sleep_ns(SPEAKER_PAUSE_NS);
}

static int end(telemetry_run *run, enum telemetry_status verdict, const char *summary,
               struct tel_error *err)
{
    int status;

    if (!tel_client_is_ours(run))
        return tel_fail(err, TELEMETRY_ERR_NOT_OWNER, "the run is that of the parent process",
                        NULL);
    if (verdict < TELEMETRY_SUCCESS || verdict > TELEMETRY_PARTIAL)
        return tel_fail(err, TEL_ERR_INVALID, "the status is none of enum telemetry_status", NULL);
    if (atomic_exchange(&run->ended, true))
        return tel_client_refuse_ended(err);
    wait_for_speakers(run);
    pthread_mutex_lock(&run->lock);
    status = end_locked(run, verdict, summary, err);
    pthread_mutex_unlock(&run->lock);
    if (status < 0 && status != TEL_ERR_ENDED)
        atomic_store(&run->ended, false); /* it can be tried again */
    return status;
}

int telemetry_run_end(telemetry_run *run, enum telemetry_status status, const char *summary,
                      struct telemetry_error *err)
{
    struct tel_error own = {0};
    int result = tel_client_check_run(run, &own);

    if (result == 0)
        result = end(run, status, summary, &own);
    if (result == 0 && run->client->post_wait_ms > 0)
        result = tel_client_wait_posted(run->client, tel_str_from(run->id),
                                        run->client->post_wait_ms, &own);
    return tel_client_result(err, &own, result);
}

/* Whoever ends the run by its id need not tell anybody; who has done so already, has told in vain. */
static void leave(telemetry_run *run)
{
    const int status = tel_client_lock_mailbox(run, NULL);

    if (status == 0 && tel_mailbox_leave(&run->box, NULL) == -ESTALE)
        know_of_end(run);
}

void telemetry_run_free(telemetry_run *run)
{
    if (run == NULL)
        return;
    if (tel_client_is_ours(run) && !atomic_load(&run->ended))
        leave(run);
    free_run(run);
}
