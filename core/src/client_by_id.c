/* Runs of telemetry/client.h by their ids alone: found in the journal, spoken for as the CLI does. */
#include "client_internal.h"

#include "git_commit.h"
#include "lookup.h"
#include "values.h"
#include "voice.h"

#include <errno.h>
#include <stdlib.h>

static int find(struct tel_voice *voice, telemetry_client *client, const char *run_id,
                struct tel_error *err)
{
    if (!tel_client_usable(client, err))
        return err->code;
    return tel_voice_find(voice, &client->recorder->dir, &client->config, tel_str_from(run_id),
                          err);
}

int telemetry_event_by_id(telemetry_client *client, const char *run_id, const char *type,
                          const char *payload_json, struct telemetry_error *err)
{
    struct tel_error own = {0};
    struct tel_voice voice;
    int status = find(&voice, client, run_id, &own);

    if (status == 0)
        status = tel_voice_event(&voice, tel_str_from(type), tel_str_from(payload_json), &own);
    return tel_client_result(err, &own, status);
}

int telemetry_commit_by_id(telemetry_client *client, const char *run_id, const char *directory,
                           const char *revision, struct telemetry_error *err)
{
    char memory[TEL_COMMIT_PAYLOAD_MAX];
    struct tel_error own = {0};
    struct tel_voice voice;
    struct tel_buf payload;
    int status = find(&voice, client, run_id, &own);

    tel_buf_init(&payload, memory, sizeof memory);
    if (status == 0)
        status = tel_git_commit_put(&payload, directory != NULL ? directory : ".",
                                    revision != NULL ? revision : "HEAD", &own);
    if (status == 0)
        status = tel_voice_event(&voice, TEL_STR(TEL_COMMIT_TYPE), tel_buf_view(&payload), &own);
    return tel_client_result(err, &own, status);
}

/* --- values ----------------------------------------------------------------------------------- */

static int say(telemetry_client *client, const char *run_id, const struct tel_client_saying *saying,
               struct telemetry_error *err)
{
    char memory[TEL_CLIENT_SAID_MAX];
    struct tel_error own = {0};
    struct tel_voice voice;
    struct tel_buf said;
    int status;

    tel_buf_init(&said, memory, sizeof memory);
    status = tel_client_put_saying(&said, saying, &own);
    if (status == 0)
        status = find(&voice, client, run_id, &own);
    if (status == 0)
        status = tel_voice_say(&voice, tel_buf_view(&said), &own);
    return tel_client_result(err, &own, status);
}

int telemetry_set_by_id(telemetry_client *client, const char *run_id, const char *field,
                        const char *value, struct telemetry_error *err)
{
    const struct tel_client_saying saying = {.what = TEL_SAID_SET, .field = field, .text = value};

    return say(client, run_id, &saying, err);
}

int telemetry_set_count_by_id(telemetry_client *client, const char *run_id, const char *field,
                              int64_t value, struct telemetry_error *err)
{
    const struct tel_client_saying saying = {
        .what = TEL_SAID_SET, .field = field, .is_count = true, .count = value};

    return say(client, run_id, &saying, err);
}

int telemetry_add_by_id(telemetry_client *client, const char *run_id, const char *field,
                        int64_t value, struct telemetry_error *err)
{
    const struct tel_client_saying saying = {
        .what = TEL_SAID_ADD, .field = field, .is_count = true, .count = value};

    return say(client, run_id, &saying, err);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* With the mailbox locked: nobody else ends the run now. */
static int end_locked(telemetry_client *client, struct tel_client_ending *ending,
                      const struct tel_journal_pos *from, struct tel_error *err)
{
    const struct tel_datadir *dir = &client->recorder->dir;
    struct tel_run_facts facts;
    struct tel_buf memory;
    char *space;
    int status = tel_run_look_up(dir, ending->run_id, from, &facts, err);

    if (status == 1 && !facts.running)
        status = tel_client_refuse_ended(err);
    if (status == 1 && !facts.scope)
        status = tel_fail(err, TEL_ERR_REFUSED, "this run ends with its process", NULL);
    if (status != 1)
        return status;
    space = malloc(TEL_RUNLINE_MAX);
    if (space == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot end the run", NULL);
    tel_buf_init(&memory, space, TEL_RUNLINE_MAX);
    ending->pos = facts.last_line;
    status =
        tel_journal_find(dir->raw, ending->run_id, &ending->pos, &memory, &ending->line, NULL, err);
    if (status == 0)
        status = tel_client_end(client, ending, err);
    free(space);
    return status;
}

static int end(telemetry_client *client, const char *run_id, enum telemetry_status verdict,
               const char *summary, struct tel_error *err)
{
    struct tel_mailbox box;
    struct tel_voice voice;
    struct tel_client_ending ending = {.run_id = tel_str_from(run_id),
                                       .in_journal = true,
                                       .box = &box,
                                       .by_id = true,
                                       .status = verdict,
                                       .summary = summary};
    int status;

    if (verdict < TELEMETRY_SUCCESS || verdict > TELEMETRY_PARTIAL)
        return tel_fail(err, TEL_ERR_INVALID, "the status is none of enum telemetry_status", NULL);
    status = find(&voice, client, run_id, err);
    if (status == 0)
        status = tel_mailbox_open(&box, voice.dir, voice.run_id, TEL_MAILBOX_END,
                                  TEL_VOICE_PATIENCE_MS, err);
    if (status < 0)
        return status;
    status = end_locked(client, &ending, &voice.from, err);
    if (status < 0 && box.made)
        tel_mailbox_remove(&box);
    tel_mailbox_close(&box);
    return status;
}

int telemetry_end_by_id(telemetry_client *client, const char *run_id, enum telemetry_status status,
                        const char *summary, struct telemetry_error *err)
{
    struct tel_error own = {0};
    int result = end(client, run_id, status, summary, &own);

    if (result == 0 && client->post_wait_ms > 0)
        result = tel_client_wait_posted(client, tel_str_from(run_id), client->post_wait_ms, &own);
    return tel_client_result(err, &own, result);
}
