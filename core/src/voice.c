/* See voice.h. The run's mailbox is the lock: whoever ends the run, or settles it, waits until what is
 * being said has been said. Whether the run still lasts is asked before, so that an ended one gets no mailbox,
 * once more with the mailbox locked, which decides, and after: then either the one who takes the mailbox in has
 * seen it all, or is asked to look again. */
#include "voice.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/proto.h"
#include "event_line.h"
#include "speech.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { ASK_MS = 1000 };

/* --- finding the run -------------------------------------------------------------------------- */

static int refuse_ended(const struct tel_voice *voice, struct tel_error *err)
{
    char memory[TEL_RUN_ID_MAX];
    struct tel_buf id;

    tel_buf_init(&id, memory, sizeof memory);
    tel_buf_str(&id, voice->run_id);
    return tel_fail(err, TEL_ERR_ENDED, "run ", tel_buf_terminate(&id), " has ended", NULL);
}

static int refuse_unknown(const struct tel_voice *voice, struct tel_error *err)
{
    char memory[TEL_RUN_ID_MAX];
    struct tel_buf id;

    tel_buf_init(&id, memory, sizeof memory);
    tel_buf_str(&id, voice->run_id);
    return tel_fail(err, TEL_ERR_NOT_FOUND, "run ", tel_buf_terminate(&id), " is not recorded in ",
                    voice->dir->base, NULL);
}

/* By the journal: slow when there is a lot of it, and right in every case. */
static int look_up(struct tel_voice *voice, struct tel_error *err)
{
    struct tel_run_facts facts;
    const int status = tel_run_look_up(voice->dir, voice->run_id, &voice->from, &facts, err);

    if (status < 0)
        return status;
    if (status == 0)
        return refuse_unknown(voice, err);
    if (!facts.running || tel_run_process_is_gone(&facts))
        return refuse_ended(voice, err);
    voice->from = facts.last_line;
    voice->date = facts.last_line.date;
    return 0;
}

/* The environment may have come along into another data directory. */
static bool is_in_journal(struct tel_voice *voice)
{
    struct tel_buf buf;
    struct tel_str line;
    char *memory = malloc(TEL_RUNLINE_MAX);
    bool found;

    if (memory == NULL)
        return false;
    tel_buf_init(&buf, memory, TEL_RUNLINE_MAX);
    found = tel_journal_find(voice->dir->raw, voice->run_id, &voice->from, &buf, &line, NULL,
                             NULL) == 0;
    free(memory);
    return found;
}

/* True when the environment says all that is needed: the owner is alive, and its start line is where it
 * should be. */
static bool trust_environment(struct tel_voice *voice, const struct tel_config *config)
{
    struct tel_owner owner;

    if (!tel_str_equal(voice->run_id, config->value[TEL_VAR_RUN_ID]) ||
        !tel_owner_parse(config->value[TEL_VAR_RUN_OWNER], &owner) ||
        tel_owner_standing(&owner, getpid()) == TEL_OUTSIDE)
        return false;
    voice->from = owner.start;
    voice->owner = owner.process;
    voice->has_owner = is_in_journal(voice);
    voice->date = voice->from.date;
    return voice->has_owner;
}

int tel_voice_find(struct tel_voice *voice, const struct tel_datadir *dir,
                   const struct tel_config *config, struct tel_str run_id, struct tel_error *err)
{
    *voice = (struct tel_voice){
        .dir = dir,
        .run_id = run_id,
        .sync = config->durability == TEL_DURABILITY_SYSTEM,
    };
    if (!tel_owner_id_valid(run_id))
        return tel_fail(err, TEL_ERR_INVALID, "this is no run id", NULL);
    if (trust_environment(voice, config))
        return 0;
    voice->from = (struct tel_journal_pos){0};
    return look_up(voice, err);
}

/* --- speaking --------------------------------------------------------------------------------- */

/* 0, or TEL_ERR_ENDED. Between its end line and the end of its process a run still counts as lasting:
 * the collector looks again when the process has gone. */
static int check_lasts(void *arg, struct tel_error *err)
{
    struct tel_voice *voice = arg;

    if (!voice->has_owner)
        return look_up(voice, err);
    return tel_process_is_running(&voice->owner) ? 0 : refuse_ended(voice, err);
}

/* The run ended in the very moment in which something was said: whoever settled it may have looked
 * before. Without a collector the next sync finds the mailbox. */
static void have_taken_in(const struct tel_voice *voice)
{
    struct tel_message message;

    tel_message_init(&message, TEL_REQUEST_COMMIT, voice->run_id);
    message.line = voice->from;
    tel_proto_ask(voice->dir, &message, TEL_STR_NONE, ASK_MS);
}

static int speak(struct tel_voice *voice, bool is_event, struct tel_str line, struct tel_error *err)
{
    struct tel_speech speech = {
        .dir = voice->dir,
        .run_id = voice->run_id,
        .line = line,
        .is_event = is_event,
        .sync = voice->sync,
        .check = check_lasts,
        .arg = voice,
    };
    int status = check_lasts(voice, err);

    if (status < 0)
        return status;
    speech.date = voice->date;
    status = tel_speech_write(&speech, TEL_VOICE_PATIENCE_MS, err);
    /* The mailbox that was opened in vain goes, too. */
    if (status == TEL_ERR_ENDED || (status == 0 && check_lasts(voice, NULL) == TEL_ERR_ENDED))
        have_taken_in(voice);
    return status;
}

int tel_voice_say(struct tel_voice *voice, struct tel_str said, struct tel_error *err)
{
    return speak(voice, false, said, err);
}

int tel_voice_event(struct tel_voice *voice, struct tel_str type, struct tel_str payload,
                    struct tel_error *err)
{
    char *memory = malloc(TEL_EVENT_LINE_MAX);
    struct tel_instant now;
    struct tel_buf line;
    int status;

    if (memory == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot log the event", NULL);
    tel_clock_now(&now);
    tel_buf_init(&line, memory, TEL_EVENT_LINE_MAX);
    status = tel_event_line_put(&line, voice->run_id, type, payload, now.realtime_ns, err);
    if (status == 0)
        status = speak(voice, true, tel_buf_view(&line), err);
    free(memory);
    return status;
}
