/* See settle.h. */
#include "settle.h"

#include "append.h"
#include "lookup.h"
#include "overrule.h"
#include "take_in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Later than that, an end time would be a guess. */
static const int64_t known_within_ns = 1000000000;

/* --- what the run's own lines say ------------------------------------------------------------- */

static void read_claim(const struct tel_runline *line, struct tel_run_state *state)
{
    int64_t number;

    state->found = true;
    state->running = tel_str_is(line->run[TEL_RUN_STATUS], "\"running\"");
    state->scope = tel_str_is(line->process[TEL_PROC_SCOPE], "true");
    state->has_exit_code = tel_json_to_i64(line->process[TEL_PROC_EXIT_CODE], &number);
    if (state->has_exit_code)
        state->exit_code = (int)number;
    state->has_signal = tel_json_to_i64(line->process[TEL_PROC_SIGNAL], &number);
    if (state->has_signal)
        state->signal = (int)number;
}

/* Reads the run's line at pos into memory. */
static int read_line(const struct tel_settler *settler, struct tel_str run_id,
                     struct tel_journal_pos *pos, struct tel_buf *memory, struct tel_runline *line)
{
    struct tel_str text;
    int status = tel_journal_find(settler->dir->raw, run_id, pos, memory, &text, NULL, NULL);

    if (status < 0)
        return status;
    return tel_runline_parse(text, line) == TEL_LINE_RUN ? 0 : TEL_ERR_INVALID;
}

/* The run's state by the database; where that is out of order or behind (it can be read while
 * somebody else has locked it), by the journal. */
static int find_state(const struct tel_settler *settler, struct tel_str run_id,
                      const struct tel_journal_pos *start, struct tel_run_state *state)
{
    struct tel_store *store = settler->up_to_date ? tel_fold_store(settler->fold, NULL) : NULL;
    struct tel_run_facts facts;
    struct tel_runline line;
    struct tel_buf buf;
    char *memory;
    int status;

    memset(state, 0, sizeof *state);
    if (store != NULL && tel_store_run_state(store, run_id, state, NULL) == 0 && state->found)
        return 0;
    if (tel_run_look_up(settler->dir, run_id, start, &facts, NULL) != 1)
        return TEL_ERR_NOT_FOUND;
    state->last_line = facts.last_line;
    memory = malloc(TEL_RUNLINE_MAX);
    if (memory == NULL)
        return TEL_ERR_NOT_FOUND;
    tel_buf_init(&buf, memory, TEL_RUNLINE_MAX);
    status = read_line(settler, run_id, &state->last_line, &buf, &line);
    if (status == 0)
        read_claim(&line, state);
    free(memory);
    return status;
}

/* True when the run's last line says the same as the kernel. A section of a process has ended by
 * itself, or not: what its process does later is none of its business. */
static bool agrees(const struct tel_run_state *state, int wait_status)
{
    if (state->running)
        return false;
    if (state->scope)
        return true;
    if (WIFSIGNALED(wait_status))
        return state->has_signal && state->signal == WTERMSIG(wait_status);
    return state->has_exit_code && state->exit_code == WEXITSTATUS(wait_status);
}

/* --- writing the last line -------------------------------------------------------------------- */

/* When run's process ended, 0 when that is not known well enough. It cannot have ended before it
 * began, whenever the collector heard of it. */
static int64_t time_of_end(const struct tel_live_run *run, const struct tel_runline *line)
{
    int64_t late_ns = run->late_ns;
    int64_t start_ns;

    if (tel_json_to_i64(line->process[TEL_PROC_START_BOOT_NS], &start_ns) &&
        run->ended_boot_ns - start_ns < late_ns)
        late_ns = run->ended_boot_ns - start_ns;
    return late_ns <= known_within_ns ? run->ended_boot_ns : 0;
}

/* A section that its process has left by exiting has failed, whatever the code: it was to be ended by a
 * call. A crash has words of its own. */
static void judge_section(struct tel_runline *line, struct tel_buf *scratch,
                          const struct tel_ending *ending)
{
    char memory[64];
    struct tel_buf reason;

    if (!ending->known || !WIFEXITED(ending->wait_status))
        return;
    tel_buf_init(&reason, memory, sizeof memory);
    tel_buf_cstr(&reason, "process exited with code ");
    tel_buf_i64(&reason, WEXITSTATUS(ending->wait_status));
    tel_buf_cstr(&reason, " before the run ended");
    line->run[TEL_RUN_STATUS] = TEL_STR("\"failed\"");
    tel_slot_text(&line->run[TEL_RUN_ERROR_SUMMARY], scratch, tel_buf_view(&reason));
}

/* run is NULL when nobody watched it. */
static int write_ending(const struct tel_settler *settler, struct tel_str run_id,
                        struct tel_journal_pos pos, struct tel_ending ending,
                        const struct tel_live_run *run)
{
    struct tel_runline line;
    struct tel_buf memory;
    struct tel_buf out;
    size_t start;
    char *space = malloc(3 * TEL_RUNLINE_MAX);
    int status;

    if (space == NULL)
        return -1;
    tel_buf_init(&memory, space, TEL_RUNLINE_MAX);
    tel_buf_init(&out, space + TEL_RUNLINE_MAX, 2 * TEL_RUNLINE_MAX);
    status = read_line(settler, run_id, &pos, &memory, &line);
    if (status == 0) {
        if (run != NULL)
            ending.boottime_ns = time_of_end(run, &line);
        if (tel_str_is(line.process[TEL_PROC_SCOPE], "true"))
            judge_section(&line, &out, &ending);
        tel_overrule(&line, &out, &ending);
        start = out.len;
        tel_runline_put(&out, &line);
        status = out.overflow
                     ? -1
                     : tel_append(settler->dir, pos.date, false,
                                  (struct tel_str){out.ptr + start, out.len - start}, NULL);
    }
    free(space);
    return status;
}

/* --- the two cases ---------------------------------------------------------------------------- */

static enum tel_settled write_or_retry(const struct tel_settler *settler, struct tel_str run_id,
                                       const struct tel_journal_pos *pos,
                                       const struct tel_ending *ending,
                                       const struct tel_live_run *run)
{
    int status = write_ending(settler, run_id, *pos, *ending, run);

    if (status == 0)
        return TEL_SETTLED_WRITTEN;
    /* A line that cannot be found or read never will be; anything else may pass. */
    return status == TEL_ERR_NOT_FOUND || status == TEL_ERR_INVALID || status == -ENOENT
               ? TEL_SETTLED
               : TEL_SETTLE_LATER;
}

/* Why it is not known how a process ended. */
static const char *cause_of(enum tel_exit_answer answer)
{
    switch (answer) {
    case TEL_EXIT_ZOMBIE:
        return "its parent does not wait for it, and nobody else may see its exit code";
    case TEL_EXIT_FORBIDDEN:
        return "the collector may not ask this kernel how a process ended";
    default:
        return "this kernel does not tell how a process ended";
    }
}

/* What was said of a run that is settled now belongs on its last line, too. */
static enum tel_settled take_in(const struct tel_settler *settler, struct tel_str run_id,
                                const struct tel_journal_pos *from, enum tel_settled settled)
{
    int taken;

    if (settled == TEL_SETTLE_LATER || !tel_mailbox_exists(settler->dir, run_id))
        return settled;
    taken = tel_take_in(settler->dir, run_id, from, NULL);
    if (taken < 0)
        return TEL_SETTLE_LATER;
    return taken > 0 ? TEL_SETTLED_WRITTEN : settled;
}

static enum tel_settled settle_ended(const struct tel_settler *settler,
                                     const struct tel_live_run *run, enum tel_patience patience,
                                     struct tel_run_state *state)
{
    const struct tel_str run_id = tel_str_from(run->run_id);
    struct tel_ending ending = {.source = TEL_END_INFERRED};
    enum tel_exit_answer answer = tel_exit_status(settler->source, run->pidfd, &ending.wait_status);

    if (answer == TEL_EXIT_RUNNING || (answer == TEL_EXIT_ZOMBIE && patience == TEL_PATIENT))
        return TEL_SETTLE_LATER;
    /* A zombie that nobody reaps: then its own file tells, if we may read it. */
    if (answer == TEL_EXIT_ZOMBIE && settler->source == TEL_EXIT_AUTO)
        answer = tel_exit_status(TEL_EXIT_PROC, run->pidfd, &ending.wait_status);
    if (answer == TEL_EXIT_ZOMBIE && patience == TEL_IMPATIENT)
        return TEL_SETTLE_LATER;
    if (find_state(settler, run_id, &run->start, state) < 0)
        return TEL_SETTLED;
    if (answer != TEL_EXIT_KNOWN && !state->running)
        return TEL_SETTLED; /* the run's own word is all there is */
    if (answer == TEL_EXIT_KNOWN && agrees(state, ending.wait_status))
        return TEL_SETTLED;
    ending.known = answer == TEL_EXIT_KNOWN;
    if (ending.known)
        ending.source = TEL_END_KERNEL;
    else
        ending.detail = cause_of(answer);
    return write_or_retry(settler, run_id, &state->last_line, &ending, run);
}

enum tel_settled tel_settle_ended(const struct tel_settler *settler, const struct tel_live_run *run,
                                  enum tel_patience patience)
{
    struct tel_run_state state = {0};
    const enum tel_settled settled = settle_ended(settler, run, patience, &state);

    return take_in(settler, tel_str_from(run->run_id), state.found ? &state.last_line : &run->start,
                   settled);
}

enum tel_settled tel_settle_lost(const struct tel_settler *settler, struct tel_str run_id,
                                 const struct tel_journal_pos *last_line, const char *why)
{
    const struct tel_ending ending = {.source = TEL_END_INFERRED, .detail = why};

    return take_in(settler, run_id, last_line,
                   write_or_retry(settler, run_id, last_line, &ending, NULL));
}
