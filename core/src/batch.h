/* The lines of one transaction: parsed, and thinned to those that still matter. */
#ifndef TEL_BATCH_H
#define TEL_BATCH_H

#include "base/journal.h"
#include "base/runline.h"

/* What was read, whether it mattered or not. */
struct tel_batch_counts {
    uint64_t lines; /* without empty ones */
    uint64_t runs;
    uint64_t events;
    uint64_t bad;
    uint64_t bytes;
};

struct tel_batch_line {
    struct tel_str commit; /* an event line that may be of a commit; then nothing else is filled */
    struct tel_runline line; /* borrowed from the text that was read */
    struct tel_journal_pos pos;
    uint32_t hash; /* private */
};

struct tel_batch {
    struct tel_batch_line *lines;
    size_t count;
    struct tel_batch_counts counts;
    size_t cap;      /* private */
    uint32_t *slots; /* private: 1 + index of a run's latest line, by the hash of its id */
};

/* Empties batch and reads lines of text, which lies at offset of date's file, until the text or the
 * room ends. Bytes taken are in counts.bytes. A line that a later one of its run makes irrelevant
 * is dropped. Error: -ENOMEM. */
int tel_batch_read(struct tel_batch *batch, struct tel_str text, uint32_t date, uint64_t offset,
                   struct tel_error *err);
void tel_batch_free(struct tel_batch *batch);

#endif
