/* Reading journal lines for one transaction. A short run's start and end usually meet here, and then
 * cost one insert. */
#include "batch.h"

#include "commit_event.h"
#include "journal_scan.h"
#include "store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A line takes about 1 KiB of memory here; slots are kept half empty. */
enum { FIRST_CAP = 16, CAP_MAX = 4096, SLOTS_PER_LINE = 2 };

static struct tel_str id_of(const struct tel_batch_line *line)
{
    return line->line.run[TEL_RUN_RUN_ID];
}

/* The slot of line's run: the one that holds its latest line, else an empty one. */
static uint32_t *find_slot(const struct tel_batch *batch, const struct tel_batch_line *line)
{
    const size_t mask = batch->cap * SLOTS_PER_LINE - 1;

    for (size_t at = line->hash & mask;; at = (at + 1) & mask) {
        uint32_t *slot = &batch->slots[at];
        const struct tel_batch_line *found;

        if (*slot == 0)
            return slot;
        found = &batch->lines[*slot - 1];
        if (found->hash == line->hash && tel_str_equal(id_of(found), id_of(line)))
            return slot;
    }
}

static int grow(struct tel_batch *batch, struct tel_error *err)
{
    const size_t cap = batch->cap == 0 ? FIRST_CAP : batch->cap * 2;
    struct tel_batch_line *lines = realloc(batch->lines, cap * sizeof *lines);
    uint32_t *slots;

    if (lines == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot read the journal", NULL);
    batch->lines = lines;
    slots = calloc(cap * SLOTS_PER_LINE, sizeof *slots);
    if (slots == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot read the journal", NULL);
    free(batch->slots);
    batch->slots = slots;
    batch->cap = cap;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->lines[i].commit.ptr == NULL)
            *find_slot(batch, &batch->lines[i]) = (uint32_t)i + 1;
    return 0;
}

static bool is_one_of(struct tel_str raw, const char *a, const char *b)
{
    return raw.ptr == NULL || tel_str_is(raw, "null") || tel_str_is(raw, a) || tel_str_is(raw, b);
}

static bool is_open(const struct tel_runline *line)
{
    return is_one_of(line->run[TEL_RUN_STATUS], "\"running\"", "null");
}

static bool knows_of_posting(const struct tel_runline *line)
{
    return !is_one_of(line->run[TEL_RUN_API_POSTED], "false", "0") ||
           !is_one_of(line->run[TEL_RUN_API_RETRY_COUNT], "0", "false");
}

/* Whether the rows are the same with old left out. The rules themselves are the store's: where
 * they would have to choose, both lines stay. */
static bool supersedes(const struct tel_runline *line, const struct tel_runline *old)
{
    return (is_open(old) || !is_open(line)) && !knows_of_posting(old) &&
           (tel_runline_has_process(line) || !tel_runline_has_process(old));
}

/* The line lies behind the last one already; it stays there, or takes its predecessor's place. */
static void keep_line(struct tel_batch *batch)
{
    struct tel_batch_line *line = &batch->lines[batch->count];
    uint32_t *slot;

    line->hash = tel_str_hash(id_of(line), TEL_HASH_START);
    slot = find_slot(batch, line);
    if (*slot != 0 && supersedes(&line->line, &batch->lines[*slot - 1].line)) {
        batch->lines[*slot - 1] = *line;
        return;
    }
    batch->count++;
    *slot = (uint32_t)batch->count;
}

static void read_line(struct tel_batch *batch, struct tel_str line, uint32_t date, uint64_t offset)
{
    struct tel_batch_line *next = &batch->lines[batch->count];
    const char *const start = line.ptr;
    enum tel_line_kind kind;

    if (tel_line_is_empty(line))
        return;
    batch->counts.lines++;
    next->commit = TEL_STR_NONE;
    kind = tel_line_parse(&line, &next->line);
    if (line.ptr != start) {
        batch->counts.lines++;
        batch->counts.bad++; /* what it was glued to */
        offset += (uint64_t)(line.ptr - start);
    }
    switch (kind) {
    case TEL_LINE_RUN:
        batch->counts.runs++;
        next->pos = (struct tel_journal_pos){date, (uint32_t)line.len, offset};
        if (tel_store_accepts(&next->line))
            keep_line(batch);
        else
            batch->counts.bad++;
        break;
    case TEL_LINE_EVENT:
        batch->counts.events++;
        if (tel_commit_is_likely(line)) {
            next->commit = line;
            batch->count++;
        }
        break;
    case TEL_LINE_BAD:
        batch->counts.bad++;
        break;
    case TEL_LINE_OTHER:
        break;
    }
}

int tel_batch_read(struct tel_batch *batch, struct tel_str text, uint32_t date, uint64_t offset,
                   struct tel_error *err)
{
    struct tel_str line;

    batch->count = 0;
    batch->counts = (struct tel_batch_counts){0};
    if (batch->cap > 0)
        memset(batch->slots, 0, batch->cap * SLOTS_PER_LINE * sizeof *batch->slots);
    while (batch->count < CAP_MAX) {
        if (batch->count == batch->cap) {
            int status = grow(batch, err);

            if (status < 0)
                return status;
        }
        if (!tel_line_next(&text, &line))
            break;
        read_line(batch, line, date, offset + batch->counts.bytes);
        batch->counts.bytes += line.len;
    }
    return 0;
}

void tel_batch_free(struct tel_batch *batch)
{
    free(batch->lines);
    free(batch->slots);
    *batch = (struct tel_batch){0};
}
