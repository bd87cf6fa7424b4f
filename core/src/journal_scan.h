/* Reading the journal: which files there are, and their whole lines in chunks of bounded size. */
#ifndef TEL_JOURNAL_SCAN_H
#define TEL_JOURNAL_SCAN_H

#include "base/journal.h"
#include "base/runline.h"

/* Longer lines are skipped: no writer of ours makes them, and memory stays bounded. */
#define TEL_LINE_MAX ((size_t)16 * 1024 * 1024)

struct tel_dates {
    uint32_t *date; /* ascending */
    size_t count;
};

/* The dates of the files in directory raw; none when there is no such directory.
 * tel_dates_free releases the list. */
int tel_journal_list(const char *raw, struct tel_dates *out, struct tel_error *err);
void tel_dates_free(struct tel_dates *dates);

/* Where the journal ends now: in the newest of its files but those of days to come, which a clock that was set
 * back has left, or somebody else. Nowhere (a zero date) when there is none. */
struct tel_journal_pos tel_journal_end(const char *raw);

/* What tells a file from another one that takes its name later. Inode numbers are used again at
 * once, and a job's lines are as long as they were yesterday: only the time of birth is different. */
struct tel_journal_facts {
    uint64_t dev;
    uint64_t inode;
    int64_t born_ns; /* 0 where the filesystem does not keep it */
    uint64_t size;
};
bool tel_journal_is_same(const struct tel_journal_facts *a, const struct tel_journal_facts *b);

/* Opens the file of that date for reading, without following a link or blocking on a FIFO.
 * Returns a descriptor, the caller's to close. Errors: -ENOENT, TEL_ERR_REFUSED, negative errno. */
int tel_journal_open(const char *raw, uint32_t date, struct tel_journal_facts *facts,
                     struct tel_error *err);
/* Describes what lies at the path of that date now. 0 or negative errno. */
int tel_journal_look(const char *raw, uint32_t date, struct tel_journal_facts *facts);

/* Whole lines of a file, from offset on. */
struct tel_chunk {
    char *memory; /* the chunk's own, grown as needed */
    size_t cap;
    uint64_t offset;     /* of text in the file */
    struct tel_str text; /* whole lines; empty when there are none, or one was too long */
    uint64_t too_long;   /* length of a line at offset that is longer than TEL_LINE_MAX, else 0 */
};

/* Reads lines at offset, about want bytes of them, or one line when it is longer than that.
 * 1 when text or too_long is set, 0 when no whole line is there, negative errno. */
int tel_chunk_load(struct tel_chunk *chunk, int fd, uint64_t offset, size_t want,
                   struct tel_error *err);
/* Takes the next line, with its newline, from text; false at the end. */
bool tel_line_next(struct tel_str *text, struct tel_str *line);
/* True when line holds nothing but blanks. */
bool tel_line_is_empty(struct tel_str line);
/* As tel_runline_parse. Where line is bad because it begins with what is left of another one (whose writer
 * was killed, or found the disk full, while this one was about to write), line becomes its whole end. */
enum tel_line_kind tel_line_parse(struct tel_str *line, struct tel_runline *out);
void tel_chunk_free(struct tel_chunk *chunk);

/* Text that every line about run_id holds: the id, unless JSON may spell it in more than one way;
 * then nothing, and the caller looks at every line. */
struct tel_str tel_journal_needle(struct tel_str run_id);

/* Calls fn for each line of the files from from's position to to_date's end that contains needle
 * (every line when it is empty), oldest first. A nonzero return of fn stops and is returned. */
typedef int tel_line_fn(void *arg, struct tel_str line, const struct tel_journal_pos *pos);
int tel_journal_walk(const char *raw, const struct tel_journal_pos *from, uint32_t to_date,
                     struct tel_str needle, tel_line_fn *fn, void *arg, struct tel_error *err);

#endif
