/* What is said of a run of telemetry/client.h while it lasts: events go to the journal, values to its
 * mailbox. */
#include "client_internal.h"

#include "event_line.h"
#include "git_commit.h"
#include "values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    EVENT_ON_STACK = 4096,
    EVENT_OVERHEAD = 512 /* of a line beside id, type and payload */
};

/* --- events ----------------------------------------------------------------------------------- */

static int write_event(telemetry_run *run, struct tel_buf *line, struct tel_str type,
                       struct tel_str payload, struct tel_error *err)
{
    struct timespec now;
    int64_t now_ns;
    int status;

    clock_gettime(CLOCK_REALTIME, &now);
    now_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    status = tel_event_line_put(line, tel_str_from(run->id), type, payload, now_ns, err);
    if (status == 0)
        status = tel_client_begin_to_speak(run, err);
    if (status < 0)
        return status;
    status = tel_event_file_append(&run->client->events, now_ns, tel_buf_view(line), err);
    tel_client_have_spoken(run);
    return status;
}

static int log_event(telemetry_run *run, struct tel_str type, struct tel_str payload,
                     struct tel_error *err)
{
    /* Each byte may become six; too long ones are refused by what writes the line. */
    const size_t room = EVENT_OVERHEAD + 6 * (sizeof run->id + TEL_EVENT_TYPE_MAX + payload.len);
    char memory[EVENT_ON_STACK];
    struct tel_buf line;
    char *larger;
    int status;

    if (room <= sizeof memory || payload.len > TEL_EVENT_PAYLOAD_MAX) {
        tel_buf_init(&line, memory, sizeof memory);
        return write_event(run, &line, type, payload, err);
    }
    larger = malloc(room);
    if (larger == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot log the event", NULL);
    tel_buf_init(&line, larger, room);
    status = write_event(run, &line, type, payload, err);
    free(larger);
    return status;
}

int telemetry_run_log_event(telemetry_run *run, const char *type, const char *payload_json,
                            struct telemetry_error *err)
{
    struct tel_error own; /* which takes a while to clear */
    int status;

    own.code = 0;
    status = tel_client_check_run(run, &own);
    if (status == 0 && !tel_client_is_ours(run))
        return telemetry_event_by_id(run->client, run->id, type, payload_json, err);
    if (status == 0)
        status = log_event(run, tel_str_from(type), tel_str_from(payload_json), &own);
    return tel_client_result(err, &own, status);
}

int telemetry_run_commit(telemetry_run *run, const char *directory, const char *revision,
                         struct telemetry_error *err)
{
    char memory[TEL_COMMIT_PAYLOAD_MAX];
    struct tel_error own = {0};
    struct tel_buf payload;
    int status = tel_client_check_run(run, &own);

    if (status == 0 && !tel_client_is_ours(run))
        return telemetry_commit_by_id(run->client, run->id, directory, revision, err);
    tel_buf_init(&payload, memory, sizeof memory);
    if (status == 0)
        status = tel_git_commit_put(&payload, directory != NULL ? directory : ".",
                                    revision != NULL ? revision : "HEAD", &own);
    if (status == 0)
        status = log_event(run, TEL_STR(TEL_COMMIT_TYPE), tel_buf_view(&payload), &own);
    return tel_client_result(err, &own, status);
}

/* --- values ----------------------------------------------------------------------------------- */

static void keep_in_memory(telemetry_run *run, struct tel_str said)
{
    char *more = realloc(run->unsaid, run->unsaid_len + said.len);

    if (more == NULL)
        return;
    memcpy(more + run->unsaid_len, said.ptr, said.len);
    run->unsaid = more;
    run->unsaid_len += said.len;
}

/* A mailbox that is gone, or sealed, is the work of somebody who has ended the run by its id. */
static int say_locked(telemetry_run *run, struct tel_str said, struct tel_error *err)
{
    int status = tel_client_lock_mailbox(run, err);

    if (status == 0) {
        status = tel_mailbox_append(&run->box, said,
                                    run->client->config.durability == TEL_DURABILITY_SYSTEM, err);
        tel_mailbox_unlock(&run->box);
    }
    if (status == -ESTALE)
        return tel_client_refuse_ended(err);
    if (status < 0)
        keep_in_memory(run, said);
    return status;
}

static int say(telemetry_run *run, struct tel_str said, struct tel_error *err)
{
    int status = tel_client_begin_to_speak(run, err);

    if (status < 0)
        return status;
    pthread_mutex_lock(&run->lock);
    status = say_locked(run, said, err);
    pthread_mutex_unlock(&run->lock);
    tel_client_have_spoken(run);
    return status;
}

int tel_client_put_saying(struct tel_buf *said, const struct tel_client_saying *saying,
                          struct tel_error *err)
{
    const int field = tel_values_field(tel_str_from(saying->field));
    int status;

    if (field < 0)
        return tel_fail(err, TEL_ERR_INVALID, "no field that can be set is called '",
                        saying->field == NULL ? "" : saying->field, "'", NULL);
    tel_said_begin(said, saying->what);
    status = saying->is_count ? tel_said_put_count(said, field, saying->count, err)
                              : tel_said_put_text(said, field, tel_str_from(saying->text), err);
    tel_said_end(said);
    return status;
}

static int say_value(telemetry_run *run, const struct tel_client_saying *saying,
                     struct tel_error *err)
{
    char memory[TEL_CLIENT_SAID_MAX];
    struct tel_buf said;
    int status;

    tel_buf_init(&said, memory, sizeof memory);
    status = tel_client_put_saying(&said, saying, err);
    return status < 0 ? status : say(run, tel_buf_view(&said), err);
}

int telemetry_run_set(telemetry_run *run, const char *field, const char *value,
                      struct telemetry_error *err)
{
    const struct tel_client_saying saying = {.what = TEL_SAID_SET, .field = field, .text = value};
    struct tel_error own = {0};
    int status = tel_client_check_run(run, &own);

    if (status == 0 && !tel_client_is_ours(run))
        return telemetry_set_by_id(run->client, run->id, field, value, err);
    if (status == 0)
        status = say_value(run, &saying, &own);
    return tel_client_result(err, &own, status);
}

int telemetry_run_set_count(telemetry_run *run, const char *field, int64_t value,
                            struct telemetry_error *err)
{
    const struct tel_client_saying saying = {
        .what = TEL_SAID_SET, .field = field, .is_count = true, .count = value};
    struct tel_error own = {0};
    int status = tel_client_check_run(run, &own);

    if (status == 0 && !tel_client_is_ours(run))
        return telemetry_set_count_by_id(run->client, run->id, field, value, err);
    if (status == 0)
        status = say_value(run, &saying, &own);
    return tel_client_result(err, &own, status);
}

int telemetry_run_add(telemetry_run *run, const char *field, int64_t value,
                      struct telemetry_error *err)
{
    const struct tel_client_saying saying = {
        .what = TEL_SAID_ADD, .field = field, .is_count = true, .count = value};
    struct tel_error own = {0};
    int status = tel_client_check_run(run, &own);

    if (status == 0 && !tel_client_is_ours(run))
        return telemetry_add_by_id(run->client, run->id, field, value, err);
    if (status == 0)
        status = say_value(run, &saying, &own);
    return tel_client_result(err, &own, status);
}
