/* See take_in.h. Sums are made before anything is written to the journal, and are left in the mailbox
 * ("final"): whoever comes after a crash finds them, and adds nothing to a line that has them already. */
#include "take_in.h"

#include "append.h"
#include "base/sys.h"
#include "lookup.h"
#include "values.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENCE_MS = 20, SPACE = 3 * TEL_RUNLINE_MAX };

/* One mailbox being taken in. */
struct taking {
    const struct tel_datadir *dir;
    struct tel_mailbox box;
    struct tel_run_facts facts;
    struct tel_values values;
    struct tel_runline line; /* the run's last one */
    struct tel_buf out;
};

static int read_last_line(struct taking *taking, struct tel_str run_id, struct tel_buf *memory,
                          struct tel_error *err)
{
    struct tel_journal_pos pos = taking->facts.last_line;
    struct tel_str text;
    int status = tel_journal_find(taking->dir->raw, run_id, &pos, memory, &text, NULL, err);

    if (status < 0)
        return status;
    return tel_runline_parse(text, &taking->line) == TEL_LINE_RUN
               ? 0
               : tel_fail(err, TEL_ERR_INVALID, "the run's last line cannot be read", NULL);
}

static int leave_sums(struct taking *taking, struct tel_error *err)
{
    char memory[256];
    struct tel_buf final;

    if (!tel_values_any_add(&taking->values))
        return 0;
    tel_buf_init(&final, memory, sizeof memory);
    tel_values_put_final(&final, &taking->values, &taking->line);
    return tel_mailbox_append(&taking->box, tel_buf_view(&final), false, err);
}

static int append_line(struct taking *taking, struct tel_error *err)
{
    const size_t start = taking->out.len;

    tel_runline_put(&taking->out, &taking->line);
    if (taking->out.overflow)
        return tel_fail(err, -E2BIG, "the run's line would be too long", NULL);
    return tel_append(taking->dir, taking->facts.last_line.date, false,
                      (struct tel_str){taking->out.ptr + start, taking->out.len - start}, err);
}

/* With the mailbox locked, and its lines read. */
static int add_to_journal(struct taking *taking, struct tel_str run_id, struct tel_str said,
                          struct tel_error *err)
{
    char *space = malloc(SPACE);
    struct tel_buf memory;
    int status;

    if (space == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot take in a mailbox", NULL);
    tel_buf_init(&memory, space, TEL_RUNLINE_MAX);
    tel_buf_init(&taking->out, space + TEL_RUNLINE_MAX, SPACE - TEL_RUNLINE_MAX);
    tel_values_read(&taking->values, said);
    status = read_last_line(taking, run_id, &memory, err);
    if (status == 0)
        status = leave_sums(taking, err);
    if (status == 0 && (tel_values_apply(&taking->values, &taking->line, &taking->out) ||
                        taking->facts.event_after)) {
        status = append_line(taking, err);
        status = status < 0 ? status : 1;
    }
    free(space);
    return status;
}

/* By the owner of the run's handle, who does not know yet that another process has ended the run. */
static bool may_be_looked_at(const struct tel_run_facts *facts)
{
    return facts->has_process && !tel_run_process_is_gone(facts);
}

static int take(struct taking *taking, struct tel_str run_id, const struct tel_journal_pos *from,
                struct tel_error *err)
{
    char *memory = NULL;
    struct tel_str said;
    struct tel_str line;
    bool is_sealed = false;
    int status = tel_run_look_up(taking->dir, run_id, from, &taking->facts, err);

    if (status <= 0 || taking->facts.running)
        return status < 0 ? status : 0;
    status = tel_mailbox_read(&taking->box, &memory, &said, err);
    if (status == 0) {
        is_sealed = tel_mailbox_is_sealed(said, &line);
        status = add_to_journal(taking, run_id, is_sealed ? TEL_STR_NONE : said, err);
    }
    if (status >= 0 && !(is_sealed && may_be_looked_at(&taking->facts)))
        tel_mailbox_remove(&taking->box);
    free(memory);
    return status;
}

int tel_take_in(const struct tel_datadir *dir, struct tel_str run_id,
                const struct tel_journal_pos *from, struct tel_error *err)
{
    struct taking taking = {.dir = dir};
    int status = tel_mailbox_open(&taking.box, dir, run_id, TEL_MAILBOX_TAKE, PATIENCE_MS, err);

    if (status < 0)
        return status == -ENOENT || status == TEL_ERR_INVALID ? 0 : status;
    status = take(&taking, run_id, from, err);
    tel_mailbox_close(&taking.box);
    return status;
}

/* --- all of them ------------------------------------------------------------------------------ */

static int take_if_ended(const struct tel_datadir *dir, struct tel_store *store,
                         struct tel_str run_id, struct tel_error *err)
{
    struct tel_run_state state;
    const int status = tel_store_run_state(store, run_id, &state, err);

    if (status < 0 || !state.found || state.running)
        return status;
    return tel_take_in(dir, run_id, &state.last_line, err);
}

int tel_take_in_all(const struct tel_datadir *dir, struct tel_fold *fold, struct tel_error *err)
{
    DIR *run = opendir(dir->run);
    struct tel_store *store = NULL;
    struct dirent *entry;
    int result = 0;

    while (run != NULL && (entry = readdir(run)) != NULL) {
        const struct tel_str run_id = tel_mailbox_run_of(tel_str_from(entry->d_name));
        int status;

        if (run_id.ptr == NULL)
            continue;
        store = store != NULL ? store : tel_fold_store(fold, err);
        status = store == NULL ? -EIO : take_if_ended(dir, store, run_id, err);
        if (status < 0 || (status > 0 && result >= 0))
            result = status;
    }
    if (run != NULL)
        closedir(run);
    return result;
}
