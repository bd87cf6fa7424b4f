/* Ending a run of the client library: all that was said of it, its cost, and the caller's verdict become
 * its last line. */
#include "client_internal.h"

#include "base/clock.h"
#include "base/sys.h"
#include "values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SPACE = 2 * TEL_RUNLINE_MAX };

static struct timeval time_since(struct timeval now, struct timeval before)
{
    struct timeval out = {now.tv_sec - before.tv_sec, now.tv_usec - before.tv_usec};

    if (out.tv_usec < 0) {
        out.tv_usec += 1000000;
        out.tv_sec--;
    }
    return out;
}

/* What the process has used since; its memory is that of the process. */
static struct rusage usage_since(int who, const struct rusage *before)
{
    struct rusage now = {0};

    tel_sys_getrusage(who, &now);
    now.ru_utime = time_since(now.ru_utime, before->ru_utime);
    now.ru_stime = time_since(now.ru_stime, before->ru_stime);
    now.ru_minflt -= before->ru_minflt;
    now.ru_majflt -= before->ru_majflt;
    now.ru_nvcsw -= before->ru_nvcsw;
    now.ru_nivcsw -= before->ru_nivcsw;
    now.ru_inblock -= before->ru_inblock;
    now.ru_oublock -= before->ru_oublock;
    return now;
}

static void set_cost(struct tel_runline *line, struct tel_buf *scratch,
                     const struct tel_client_ending *ending)
{
    static const struct tel_cpu_times nothing;
    struct rusage self;
    struct rusage children;

    if (ending->self_before == NULL)
        return;
    self = usage_since(RUSAGE_SELF, ending->self_before);
    children = usage_since(RUSAGE_CHILDREN, ending->children_before);
    tel_ending_set_cost(line, scratch, &self, &children, &nothing);
}

static void set_verdict(struct tel_runline *line, struct tel_buf *scratch,
                        const struct tel_client_ending *ending)
{
    static const char words[][12] = {"\"success\"", "\"failed\"", "\"partial\""};
    const int field =
        ending->status == TELEMETRY_SUCCESS ? TEL_RUN_OUTPUT_SUMMARY : TEL_RUN_ERROR_SUMMARY;
    const struct tel_str summary = tel_str_from(ending->summary);

    line->run[TEL_RUN_STATUS] = tel_str_from(words[ending->status]);
    if (summary.len > 0)
        tel_slot_text(&line->run[field], scratch, tel_str_cut_utf8(summary, TEL_TEXT_MAX));
    tel_ending_set_times(line, scratch, tel_clock_boottime_ns());
    line->process[TEL_PROC_END_SOURCE] = TEL_STR("\"observed\"");
}

/* Before the line: whoever comes after a crash of this process adds nothing twice (take_in.h). */
static int leave_sums(const struct tel_client_ending *ending, const struct tel_values *values,
                      const struct tel_runline *line, struct tel_error *err)
{
    char memory[256];
    struct tel_buf final;

    if (ending->box->fd < 0 || !tel_values_any_add(values))
        return 0;
    tel_buf_init(&final, memory, sizeof memory);
    tel_values_put_final(&final, values, line);
    return tel_mailbox_append(ending->box, tel_buf_view(&final), false, err);
}

/* What is in the mailbox, then what never got there. */
static int read_said(const struct tel_client_ending *ending, char **memory, struct tel_str *said,
                     struct tel_error *err)
{
    char *lines = NULL;
    char *all;
    int status = 0;

    *memory = NULL;
    *said = TEL_STR_NONE;
    if (ending->box->fd >= 0)
        status = tel_mailbox_read(ending->box, &lines, said, err);
    if (status < 0 || ending->unsaid.len == 0) {
        *memory = lines;
        return status;
    }
    all = realloc(lines, said->len + 1 + ending->unsaid.len);
    if (all == NULL) {
        free(lines);
        return tel_fail_sys(err, -ENOMEM, "cannot end the run", NULL);
    }
    all[said->len] = '\n'; /* behind a line that the disk did not take whole */
    memcpy(all + said->len + 1, ending->unsaid.ptr, ending->unsaid.len);
    *said = (struct tel_str){all, said->len + 1 + ending->unsaid.len};
    *memory = all;
    return 0;
}

static int render(const struct tel_client_ending *ending, struct tel_str said, struct tel_buf *out,
                  struct tel_str *text, struct tel_error *err)
{
    struct tel_values values;
    struct tel_runline line;
    size_t start;
    int status;

    if (tel_runline_parse(ending->line, &line) != TEL_LINE_RUN)
        return tel_fail(err, TEL_ERR_INVALID, "the run's last line cannot be read", NULL);
    tel_values_read(&values, said);
    status = leave_sums(ending, &values, &line, err);
    if (status < 0 && status != -ENOSPC)
        return status;
    tel_values_apply(&values, &line, out);
    set_cost(&line, out, ending);
    set_verdict(&line, out, ending);
    start = out->len;
    tel_runline_put(out, &line);
    if (out->overflow)
        return tel_fail(err, -E2BIG, "the run's line would be too long", NULL);
    *text = (struct tel_str){out->ptr + start, out->len - start};
    return 0;
}

static int append(telemetry_client *client, const struct tel_client_ending *ending,
                  struct tel_str text, struct tel_journal_pos *pos, struct tel_error *err)
{
    struct tel_recorder *recorder = client->recorder;
    struct tel_instant now;
    uint32_t date;
    int status;

    if (!ending->in_journal)
        return tel_fail(err, -ENOENT, "the run's start line is not in the journal", NULL);
    tel_clock_now(&now);
    date = tel_date_of(now.realtime_ns);
    pthread_mutex_lock(&client->lock);
    recorder->journal.sync = client->config.durability == TEL_DURABILITY_SYSTEM;
    status = tel_journal_append(&recorder->journal,
                                date < ending->pos.date ? ending->pos.date : date, text, pos, err);
    pthread_mutex_unlock(&client->lock);
    return status;
}

/* --- two who end one run ---------------------------------------------------------------------- */

static void discard(struct tel_mailbox *box)
{
    if (box->fd >= 0)
        tel_mailbox_remove(box);
    tel_mailbox_close(box);
}

/* seal: the owner of the handle is told. Without room for that on the disk, it is not. */
static void finish_mailbox(struct tel_mailbox *box, bool seal, struct tel_str text)
{
    if (seal && tel_mailbox_seal(box, text, NULL) == 0)
        tel_mailbox_close(box);
    else
        discard(box);
}

/* Whoever ended the run by its id has looked for its end before our line was there. Theirs, accepted first,
 * has to be the last one. */
static int restore(telemetry_client *client, const struct tel_client_ending *ending,
                   const struct tel_mailbox *box, struct tel_journal_pos *pos,
                   struct tel_error *err)
{
    char *memory;
    struct tel_str lines;
    struct tel_str line;
    int status = tel_mailbox_read(box, &memory, &lines, NULL);

    if (status == 0 && tel_mailbox_is_sealed(lines, &line)) {
        append(client, ending, line, pos, NULL);
        tel_mailbox_remove(box);
        status = tel_client_refuse_ended(err);
    } else {
        status = 0;
    }
    free(memory);
    return status;
}

/* The owner of a handle, who found no mailbox before, and has appended the end line to the journal. */
static int give_way(telemetry_client *client, const struct tel_client_ending *ending,
                    struct tel_journal_pos *pos, struct tel_error *err)
{
    const struct tel_datadir *dir = &client->recorder->dir;
    struct tel_mailbox box;
    int status = 0;

    if (!tel_mailbox_exists(dir, ending->run_id) ||
        tel_mailbox_open(&box, dir, ending->run_id, TEL_MAILBOX_TAKE, TEL_CLIENT_PATIENCE_MS,
                         NULL) < 0)
        return 0;
    status = restore(client, ending, &box, pos, err);
    tel_mailbox_close(&box);
    return status;
}

/* --- the line --------------------------------------------------------------------------------- */

static int write_end(telemetry_client *client, const struct tel_client_ending *ending, bool seal,
                     struct tel_str text, struct tel_error *err)
{
    struct tel_journal_pos pos = ending->pos;
    struct tel_error journal_err = {0};
    const bool appended = append(client, ending, text, &pos, &journal_err) == 0;
    int refused = 0;
    int status;

    if (appended) {
        if (ending->box->fd < 0)
            refused = give_way(client, ending, &pos, err);
        finish_mailbox(ending->box, seal, text); /* before anybody is asked: it has been taken in */
        status = tel_client_commit(client, ending->run_id, &pos, TEL_STR_NONE, err);
        return refused < 0 ? refused : status;
    }
    status = tel_client_commit(client, ending->run_id, &pos, text, NULL);
    if (status < 0)
        return tel_fail(err, journal_err.code, journal_err.message, NULL);
    finish_mailbox(ending->box, seal, text);
    return 0;
}

int tel_client_end(telemetry_client *client, const struct tel_client_ending *ending,
                   struct tel_error *err)
{
    char *space = malloc(SPACE);
    char *memory = NULL;
    struct tel_str said;
    struct tel_str text;
    struct tel_str line;
    struct tel_buf out;
    int status = space == NULL ? tel_fail_sys(err, -ENOMEM, "cannot end the run", NULL)
                               : read_said(ending, &memory, &said, err);

    if (status == 0 && tel_mailbox_is_sealed(said, &line))
        status = tel_client_refuse_ended(err);
    if (status == 0) {
        tel_buf_init(&out, space, SPACE);
        status = render(ending, said, &out, &text, err);
    }
    if (status == 0)
        status = write_end(client, ending, ending->by_id && !tel_mailbox_is_left(said), text, err);
    free(memory);
    free(space);
    return status;
}
