/* Fold: journal -> database. Lines are read and parsed before the database is locked; inside the
 * transaction the cursor is compared with what was assumed, rows are made, and the cursor moves on
 * with them. So any number of folds may work on one directory, and each line is applied once. */
#include "fold.h"

#include "base/clock.h"
#include "base/sys.h"
#include "batch.h"
#include "journal_scan.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    CHUNK_MIN = 64 * 1024,
    CHUNK_MAX = 4 * 1024 * 1024,
    FILES_KEPT_OPEN = 2, /* today's, and yesterday's for what began before midnight */
    BULK_BATCHES = 4,    /* a pass of so many gives its memory back */
    DAMAGE_TRIES = 3,
    WAL_MAX = 64 * 1024 * 1024
};

/* A journal file as far as this process knows it. */
struct journal {
    uint32_t date;
    int fd; /* -1 closed */
    struct tel_journal_facts facts;
    bool known;    /* what follows is what the database said last */
    bool replaced; /* its cursor belongs to another file, and has to go */
    bool has_cursor;
    bool is_sure; /* nobody else can have moved the cursor since it was seen in a transaction */
    struct tel_cursor cursor;
    uint64_t folded;  /* where the next batch starts */
    uint64_t settled; /* size of the file when there is nothing to fold */
    bool due;         /* to be looked at in any pass */
};

struct tel_fold {
    const struct tel_datadir *dir;
    int busy_ms;
    struct tel_store *store;
    struct journal *journals; /* ascending dates */
    size_t count;
    size_t cap;
    bool listed;
    bool leaves_log; /* to its caller, but for that of a long pass */
    bool start_over; /* the database is another one: every file is due */
    struct tel_chunk chunk;
    struct tel_batch batch;
    tel_fold_between_fn *between;
    void *between_arg;
    char set_aside[TEL_PATH_MAX];
    char set_aside_taken[TEL_PATH_MAX];
    struct tel_fold *forgotten_before;
};

int tel_fold_open(struct tel_fold **out, const struct tel_datadir *dir, int busy_ms,
                  struct tel_error *err)
{
    struct tel_fold *fold = calloc(1, sizeof *fold);

    if (fold == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot fold the journal", NULL);
    fold->dir = dir;
    fold->busy_ms = busy_ms;
    *out = fold;
    return 0;
}

void tel_fold_set_between(struct tel_fold *fold, tel_fold_between_fn *fn, void *arg)
{
    fold->between = fn;
    fold->between_arg = arg;
}

void tel_fold_leave_log(struct tel_fold *fold)
{
    fold->leaves_log = true;
}

static void close_journal(struct journal *journal)
{
    if (journal->fd >= 0)
        tel_sys_close(journal->fd);
    journal->fd = -1;
}

static void free_buffers(struct tel_fold *fold)
{
    tel_batch_free(&fold->batch);
    tel_chunk_free(&fold->chunk);
}

void tel_fold_close(struct tel_fold *fold)
{
    if (fold == NULL)
        return;
    for (size_t i = 0; i < fold->count; i++)
        close_journal(&fold->journals[i]);
    free(fold->journals);
    free_buffers(fold);
    tel_store_close(fold->store);
    free(fold);
}

/* Kept where leak checkers find them. */
static struct tel_fold *forgotten;

void tel_fold_forget(struct tel_fold *fold)
{
    fold->forgotten_before = forgotten;
    forgotten = fold;
}

/* --- the store --------------------------------------------------------------------------------- */

static void forget(struct journal *journal)
{
    journal->known = false;
    journal->due = true;
}

/* The next pass opens the database again and asks it how far it is. */
static void drop_store(struct tel_fold *fold)
{
    tel_store_close(fold->store);
    fold->store = NULL;
    for (size_t i = 0; i < fold->count; i++)
        forget(&fold->journals[i]);
    fold->start_over = true;
}

static int need_store(struct tel_fold *fold, struct tel_error *err)
{
    char set_aside[TEL_PATH_MAX];
    int status;

    if (fold->store != NULL)
        return 0;
    status = tel_store_open(&fold->store, fold->dir, fold->busy_ms, set_aside, err);
    if (status == 0 && set_aside[0] != '\0')
        memcpy(fold->set_aside, set_aside, strlen(set_aside) + 1);
    return status;
}

struct tel_store *tel_fold_store_if_open(const struct tel_fold *fold)
{
    return fold->store;
}

struct tel_store *tel_fold_store(struct tel_fold *fold, struct tel_error *err)
{
    if (fold->store != NULL && tel_store_is_stale(fold->store))
        drop_store(fold);
    return need_store(fold, err) < 0 ? NULL : fold->store;
}

const char *tel_fold_take_set_aside(struct tel_fold *fold)
{
    memcpy(fold->set_aside_taken, fold->set_aside, sizeof fold->set_aside);
    fold->set_aside[0] = '\0';
    return fold->set_aside_taken;
}

/* --- which files ------------------------------------------------------------------------------- */

static size_t position_of(const struct tel_fold *fold, uint32_t date)
{
    size_t at = fold->count;

    while (at > 0 && fold->journals[at - 1].date >= date)
        at--;
    return at;
}

static struct journal *find_journal(const struct tel_fold *fold, uint32_t date)
{
    size_t at = position_of(fold, date);

    return at < fold->count && fold->journals[at].date == date ? &fold->journals[at] : NULL;
}

static int add_journal(struct tel_fold *fold, uint32_t date, struct tel_error *err)
{
    size_t at = position_of(fold, date);

    if (fold->count == fold->cap) {
        size_t cap = fold->cap == 0 ? 8 : fold->cap * 2;
        struct journal *memory = realloc(fold->journals, cap * sizeof *memory);

        if (memory == NULL)
            return tel_fail_sys(err, -ENOMEM, "cannot fold the journal", NULL);
        fold->journals = memory;
        fold->cap = cap;
    }
    memmove(&fold->journals[at + 1], &fold->journals[at],
            (fold->count - at) * sizeof *fold->journals);
    fold->journals[at] = (struct journal){.date = date, .fd = -1};
    fold->count++;
    return 0;
}

static int add_missing(struct tel_fold *fold, const struct tel_dates *dates, struct tel_error *err)
{
    int status = 0;

    for (size_t i = 0; i < dates->count && status == 0; i++)
        if (find_journal(fold, dates->date[i]) == NULL)
            status = add_journal(fold, dates->date[i], err);
    return status;
}

static int list_journals(struct tel_fold *fold, struct tel_error *err)
{
    struct tel_dates dates = {NULL, 0};
    int status = tel_journal_list(fold->dir->raw, &dates, err);

    if (status < 0)
        return status;
    status = add_missing(fold, &dates, err);
    tel_dates_free(&dates);
    if (status == 0)
        fold->listed = true;
    return status;
}

static int add_if_there(struct tel_fold *fold, uint32_t date, struct tel_error *err)
{
    struct tel_journal_facts facts;

    if (find_journal(fold, date) != NULL || tel_journal_look(fold->dir->raw, date, &facts) < 0)
        return 0;
    return add_journal(fold, date, err);
}

static uint32_t today(void)
{
    return tel_date_of((int64_t)time(NULL) * 1000000000);
}

/* Marks what this pass looks at. */
static int choose_journals(struct tel_fold *fold, bool scan_all, struct tel_error *err)
{
    const uint32_t date = today();
    int status =
        scan_all || !fold->listed ? list_journals(fold, err) : add_if_there(fold, date, err);

    if (status < 0)
        return status;
    for (size_t i = 0; i < fold->count; i++) {
        struct journal *journal = &fold->journals[i];

        if (scan_all || i + FILES_KEPT_OPEN >= fold->count || journal->date == date)
            journal->due = true;
    }
    return 0;
}

static int open_journal(struct tel_fold *fold, struct journal *journal, struct tel_error *err)
{
    struct tel_journal_facts facts = {0};
    int fd = tel_journal_open(fold->dir->raw, journal->date, &facts, err);

    if (fd == -ENOENT || fd == TEL_ERR_REFUSED)
        return 0;
    if (fd < 0)
        return fd;
    journal->fd = fd;
    if (!tel_journal_is_same(&facts, &journal->facts))
        journal->known = false;
    journal->facts = facts;
    return 1;
}

/* The cursor is kept at the start of a line. When it is not, the file is not the one it was, even
 * though it has its inode number. */
static bool is_line_start(const struct journal *journal, uint64_t offset)
{
    char before = '\0';

    return offset == 0 ||
           (tel_sys_pread(journal->fd, &before, 1, (off_t)(offset - 1)) == 1 && before == '\n');
}

/* 1 when journal, now open, may hold something new; 0 when not. */
static int look_at(struct tel_fold *fold, struct journal *journal, struct tel_error *err)
{
    struct tel_journal_facts facts = {0};
    int status = tel_journal_look(fold->dir->raw, journal->date, &facts);

    if (status < 0 || !tel_journal_is_same(&facts, &journal->facts)) {
        close_journal(journal);
        journal->known = false;
    }
    if (status < 0)
        return 0; /* gone; should it come back, it is another one */
    if (journal->known && facts.size == journal->settled)
        return 0;
    if (journal->fd < 0) {
        status = open_journal(fold, journal, err);
        if (status != 1)
            return status;
    } else {
        journal->facts = facts;
    }
    if (journal->facts.size < journal->folded || !is_line_start(journal, journal->folded))
        journal->known = false;
    return 1;
}

/* --- batches ----------------------------------------------------------------------------------- */

/* Takes over what the database says of the file. */
static void adopt_cursor(struct journal *journal, bool found, const struct tel_cursor *cursor)
{
    journal->known = true;
    journal->is_sure = false;
    journal->settled = UINT64_MAX;
    journal->has_cursor = found;
    journal->cursor = found ? *cursor : (struct tel_cursor){.date = journal->date};
    journal->replaced =
        found &&
        (cursor->inode != journal->facts.inode || cursor->born_ns != journal->facts.born_ns ||
         cursor->offset > journal->facts.size || !is_line_start(journal, cursor->offset));
    journal->folded = found && !journal->replaced ? cursor->offset : 0;
}

static int read_cursor(struct tel_fold *fold, struct journal *journal, struct tel_error *err)
{
    struct tel_cursor cursor = {0};
    int found = need_store(fold, err);

    if (found == 0)
        found = tel_store_cursor_get(fold->store, journal->date, &cursor, err);
    if (found < 0)
        return found;
    adopt_cursor(journal, found == 1, &cursor);
    return 0;
}

/* 1 when the database's cursor is still the assumed one, 0 when somebody else has folded. */
static int check_cursor(struct tel_fold *fold, const struct journal *journal, struct tel_error *err)
{
    struct tel_cursor cursor = {0};
    int found;

    if (journal->is_sure)
        return 1;
    found = tel_store_cursor_get(fold->store, journal->date, &cursor, err);
    if (found < 0)
        return found;
    if (found == 0 || !journal->has_cursor)
        return (found == 1) == journal->has_cursor;
    return cursor.inode == journal->cursor.inode && cursor.born_ns == journal->cursor.born_ns &&
           cursor.offset == journal->cursor.offset;
}

static int put_lines(struct tel_fold *fold, struct tel_error *err)
{
    struct tel_batch *batch = &fold->batch;

    for (size_t i = 0; i < batch->count; i++) {
        const struct tel_batch_line *line = &batch->lines[i];
        int status = line->commit.ptr != NULL
                         ? tel_store_put_commit(fold->store, line->commit, err)
                         : tel_store_put_run(fold->store, &line->line, &line->pos, err);

        if (status == TEL_ERR_INVALID)
            batch->counts.bad++;
        else if (status < 0)
            return status;
    }
    return 0;
}

static int move_cursor(struct tel_fold *fold, const struct journal *journal,
                       struct tel_cursor *cursor, struct tel_error *err)
{
    const bool anew = journal->folded == 0;

    *cursor = (struct tel_cursor){
        .date = journal->date,
        .inode = journal->facts.inode,
        .born_ns = journal->facts.born_ns,
        .offset = journal->folded + fold->batch.counts.bytes,
        .bad_lines = (anew ? 0 : journal->cursor.bad_lines) + fold->batch.counts.bad,
    };
    return tel_store_cursor_put(fold->store, cursor, err);
}

/* Inside the transaction. 1 applied, 0 somebody else has folded meanwhile. */
static int apply_batch(struct tel_fold *fold, const struct journal *journal,
                       struct tel_cursor *cursor, struct tel_error *err)
{
    int status = check_cursor(fold, journal, err);

    if (status != 1)
        return status;
    status = journal->replaced ? tel_store_cursor_forget(fold->store, journal->date, err) : 0;
    if (status == 0)
        status = put_lines(fold, err);
    if (status == 0)
        status = move_cursor(fold, journal, cursor, err);
    return status < 0 ? status : 1;
}

/* Files of later days are folded again after one that was replaced: what its lines changed, theirs
 * may have to change back. */
static void forget_later(struct tel_fold *fold, uint32_t date)
{
    for (size_t i = 0; i < fold->count; i++)
        if (fold->journals[i].date > date)
            forget(&fold->journals[i]);
}

static void note_committed(struct tel_fold *fold, struct journal *journal,
                           const struct tel_cursor *cursor, struct tel_fold_stats *stats)
{
    const struct tel_batch_counts *counts = &fold->batch.counts;

    if (journal->replaced)
        forget_later(fold, journal->date);
    journal->replaced = false;
    journal->has_cursor = true;
    journal->is_sure = true;
    journal->cursor = *cursor;
    journal->folded = cursor->offset;
    journal->settled = cursor->offset;
    stats->lines += counts->lines;
    stats->runs += counts->runs;
    stats->events += counts->events;
    stats->bad_lines += counts->bad;
    stats->bytes += counts->bytes;
    stats->batches++;
}

static void be_sure_of_none(struct tel_fold *fold)
{
    for (size_t i = 0; i < fold->count; i++)
        fold->journals[i].is_sure = false;
}

static int commit_batch(struct tel_fold *fold, struct journal *journal,
                        struct tel_fold_stats *stats, struct tel_error *err)
{
    struct tel_cursor cursor = {0};
    int status = tel_store_begin(fold->store, err);

    if (status < 0)
        return status;
    if (tel_store_was_changed(fold->store))
        be_sure_of_none(fold);
    status = apply_batch(fold, journal, &cursor, err);
    if (status != 1) {
        tel_store_rollback(fold->store);
        if (status == 0)
            journal->known = false;
        return status;
    }
    status = tel_store_commit(fold->store, err);
    if (status == 0)
        note_committed(fold, journal, &cursor, stats);
    return status;
}

/* A line beyond all bounds counts as a bad one of its length. */
static int read_batch(struct tel_fold *fold, const struct journal *journal, struct tel_error *err)
{
    int status =
        tel_batch_read(&fold->batch, fold->chunk.text, journal->date, journal->folded, err);

    if (status == 0 && fold->chunk.too_long > 0)
        fold->batch.counts =
            (struct tel_batch_counts){.lines = 1, .bad = 1, .bytes = fold->chunk.too_long};
    return status;
}

static size_t chunk_size(const struct journal *journal)
{
    const uint64_t left =
        journal->facts.size > journal->folded ? journal->facts.size - journal->folded : 0;

    return left < CHUNK_MIN ? CHUNK_MIN : left > CHUNK_MAX ? CHUNK_MAX : (size_t)left;
}

/* 1 go on, 0 nothing whole is left, negative on error. */
static int fold_batch(struct tel_fold *fold, struct journal *journal, struct tel_fold_stats *stats,
                      struct tel_error *err)
{
    int status = journal->known ? 0 : read_cursor(fold, journal, err);

    if (status == 0)
        status =
            tel_chunk_load(&fold->chunk, journal->fd, journal->folded, chunk_size(journal), err);
    if (status == 0)
        journal->settled = journal->facts.size;
    if (status <= 0)
        return status;
    status = read_batch(fold, journal, err);
    if (status == 0)
        status = need_store(fold, err);
    if (status == 0)
        status = commit_batch(fold, journal, stats, err);
    return status < 0 ? status : 1;
}

/* --- passes ------------------------------------------------------------------------------------ */

/* A log that grows makes every read slower. Failing to copy it now is no failure of the fold. */
static void limit_wal(struct tel_fold *fold, const struct tel_fold_stats *stats)
{
    if (tel_store_wal_bytes(fold->store) > WAL_MAX &&
        (!fold->leaves_log || stats->batches >= BULK_BATCHES))
        tel_store_checkpoint(fold->store, fold->leaves_log ? TEL_WAL_KEEP : TEL_WAL_CUT, NULL);
}

/* look_at has said that there is something. Between batches the file may be replaced, too. */
static int fold_journal(struct tel_fold *fold, struct journal *journal,
                        struct tel_fold_stats *stats, struct tel_error *err)
{
    int status;

    do {
        status = fold_batch(fold, journal, stats, err);
        if (status != 1)
            return status;
        limit_wal(fold, stats);
        if (fold->between != NULL && fold->between(fold->between_arg) != 0)
            return 1;
        if (journal->folded == journal->facts.size)
            return 0; /* what has come since is for the next pass */
        status = look_at(fold, journal, err);
    } while (status == 1);
    return status;
}

/* A file that cannot be read is no reason to leave out the others; its error is the pass's in the
 * end. */
static int fold_due(struct tel_fold *fold, struct tel_fold_stats *stats, struct tel_error *err)
{
    int unreadable = 0;

    for (size_t i = 0; i < fold->count; i++) {
        struct journal *journal = &fold->journals[i];
        int status;

        if (!journal->due)
            continue;
        status = look_at(fold, journal, unreadable == 0 ? err : NULL);
        if (status < 0) {
            unreadable = unreadable == 0 ? status : unreadable;
            continue;
        }
        if (status == 1)
            status = fold_journal(fold, journal, stats, err);
        if (i + FILES_KEPT_OPEN < fold->count)
            close_journal(journal);
        if (status != 0)
            return status;
        journal->due = false;
    }
    return unreadable;
}

static int pass_once(struct tel_fold *fold, bool scan_all, struct tel_fold_stats *stats,
                     struct tel_error *err)
{
    int status;

    if (fold->store != NULL && tel_store_is_stale(fold->store))
        drop_store(fold);
    status = choose_journals(fold, scan_all || fold->start_over, err);
    if (status == 0)
        status = fold_due(fold, stats, err);
    if (status == 0)
        fold->start_over = false;
    return status;
}

/* Once damage may be a file that was just being replaced: it is looked at afresh. Damage that is
 * still there sets the database aside. */
static int handle_damage(struct tel_fold *fold, bool again, struct tel_error *err)
{
    struct tel_store *store = fold->store;
    int status = 0;

    if (again && store != NULL) {
        fold->store = NULL;
        status = tel_store_condemn(store, fold->set_aside, err);
    }
    drop_store(fold);
    return status;
}

static void give_memory_back(struct tel_fold *fold)
{
    free_buffers(fold);
    if (fold->store != NULL)
        tel_store_release_memory(fold->store);
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

/* The database is damaged, or was taken away under our hands. */
static bool is_damage(int status)
{
    return status == TEL_ERR_CORRUPT || status == -ESTALE || status == -ENOENT;
}

/* After such a failure the connection may be of no more use: the next pass opens another, which
 * also mends what somebody did to the schema. */
static bool spoils_store(int status)
{
    return is_damage(status) || status == -EIO || status == -EROFS;
}

int tel_fold_pass(struct tel_fold *fold, bool scan_all, struct tel_fold_stats *stats,
                  struct tel_error *err)
{
    struct tel_fold_stats own = {0};
    int status = pass_once(fold, scan_all, &own, err);

    for (int i = 0; i < DAMAGE_TRIES && is_damage(status); i++) {
        status = handle_damage(fold, i > 0 && status == TEL_ERR_CORRUPT, err);
        if (status == 0)
            status = pass_once(fold, scan_all, &own, err);
    }
    if (spoils_store(status))
        drop_store(fold);
    if (own.batches >= BULK_BATCHES)
        give_memory_back(fold);
    if (stats != NULL) {
        stats->lines += own.lines;
        stats->runs += own.runs;
        stats->events += own.events;
        stats->bad_lines += own.bad_lines;
        stats->bytes += own.bytes;
        stats->batches += own.batches;
    }
    return status;
}
