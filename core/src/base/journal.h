/* Appending to the journal, and finding lines in it again (CONTRACT 3). */
#ifndef TEL_BASE_JOURNAL_H
#define TEL_BASE_JOURNAL_H

#include "datadir.h"

/* Where a line lies: file of that UTC date, byte offset, length with its newline.
 * length 0 = nowhere. */
struct tel_journal_pos {
    uint32_t date;
    uint32_t length;
    uint64_t offset;
};

#define TEL_JOURNAL_NAME_MAX 32
/* "events_YYYYMMDD.ndjson", NUL-terminated. */
void tel_journal_name(char name[TEL_JOURNAL_NAME_MAX], uint32_t date);
/* "{raw}/events_YYYYMMDD.ndjson", NUL-terminated; -ENAMETOOLONG when it does not fit. */
int tel_journal_path(char path[TEL_PATH_MAX], const char *raw, uint32_t date,
                     struct tel_error *err);
/* The date of a journal file's name, or 0 when name is not one. */
uint32_t tel_journal_date(struct tel_str name);

/* The file a writer appended to last: lets the next append skip the check for a torn line, and
 * refuse to write when the path leads elsewhere meanwhile (chroot, a base made anew). */
struct tel_journal_file {
    uint32_t date; /* 0 = none yet */
    uint64_t dev;
    uint64_t inode;
    uint64_t size; /* after our last append */
};

struct tel_journal_writer {
    const char *raw; /* absolute path of the journal directory; borrowed */
    mode_t file_mode;
    bool existing;  /* only into the directory that `last` was in: never creates a stray file */
    bool sync;      /* fdatasync before returning */
    bool exclusive; /* lock out every other writer: O_APPEND is no help on a network */
    /* The file size limit when it was last asked for, UINT64_MAX without one: a line that would cross
     * it is not begun. */
    uint64_t max_size;
    /* SIGXFSZ is blocked, or cannot be raised: saves three system calls for each line. */
    bool signals_blocked;
    struct tel_journal_file last;
    char path[TEL_PATH_MAX]; /* private: a run may end on a signal stack of 8 KiB */
};

/* Appends line (which ends in '\n') to the file of that date (or of last.date when that is newer:
 * a run's lines never go back a day) by one write. Ends an unfinished line first. Waits at most
 * 20 ms (60 where the file looks torn) for somebody else's lock, then appends all the same. Fails with -EFBIG when the line would
 * cross max_size, or the limit that there is meanwhile; SIGXFSZ is never raised.
 * pos (optional) receives where the line lies, or shortly before, when others append at the same
 * moment: tel_journal_find takes it. Errors: negative errno, TEL_ERR_REFUSED. */
int tel_journal_append(struct tel_journal_writer *writer, uint32_t date, struct tel_str line,
                       struct tel_journal_pos *pos, struct tel_error *err);

/* Opens the file for appends of the caller's own, each one write: for those who keep it open. The check
 * for a torn line is made now. The descriptor is the caller's to close; writer->last tells which file it
 * is. Errors as tel_journal_append. */
int tel_journal_open_kept(struct tel_journal_writer *writer, uint32_t date, struct tel_error *err);

/* Reads the run line of run_id that lies at pos or within the next MiB into memory,
 * and makes pos exact. file (optional) receives which file that is.
 * Errors: negative errno, TEL_ERR_NOT_FOUND. */
int tel_journal_find(const char *raw, struct tel_str run_id, struct tel_journal_pos *pos,
                     struct tel_buf *memory, struct tel_str *line, struct tel_journal_file *file,
                     struct tel_error *err);

#endif
