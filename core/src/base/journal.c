/* Appending lines to the journal so that none is ever torn, lost among others, or written into the
 * wrong place; and finding a line again (CONTRACT 3). */
#include "journal.h"

#include "json_write.h"
#include "runid.h"
#include "runline.h"
#include "sys.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>

enum {
    LOCK_TRIES = 20,
    LOCK_PAUSE_NS = 1000000, /* 20 tries: at most 20 ms behind a foreign writer */
    FIND_WINDOW = 1024 * 1024
};

void tel_journal_name(char name[TEL_JOURNAL_NAME_MAX], uint32_t date)
{
    struct tel_buf buf;

    tel_buf_init(&buf, name, TEL_JOURNAL_NAME_MAX);
    tel_buf_cstr(&buf, "events_");
    tel_buf_padded(&buf, date, 8);
    tel_buf_cstr(&buf, ".ndjson");
    tel_buf_terminate(&buf);
}

uint32_t tel_journal_date(struct tel_str name)
{
    uint64_t date;

    if (name.len != 22 || !tel_str_starts(name, "events_") ||
        !tel_str_is(tel_str_from_pos(name, 15), ".ndjson") ||
        !tel_str_to_u64((struct tel_str){name.ptr + 7, 8}, &date))
        return 0;
    return (uint32_t)date;
}

int tel_journal_path(char path[TEL_PATH_MAX], const char *raw, uint32_t date, struct tel_error *err)
{
    char name[TEL_JOURNAL_NAME_MAX];
    struct tel_buf buf;

    tel_journal_name(name, date);
    tel_buf_init(&buf, path, TEL_PATH_MAX);
    tel_buf_cstr(&buf, raw);
    tel_buf_char(&buf, '/');
    tel_buf_cstr(&buf, name);
    if (tel_buf_terminate(&buf) == NULL)
        return tel_fail(err, -ENAMETOOLONG, "the path of the journal is too long", NULL);
    return 0;
}

/* Opens the file of that date without following links or blocking on a FIFO; st describes it. */
static int open_file(struct tel_journal_writer *writer, uint32_t date, int flags, struct stat *st,
                     struct tel_error *err)
{
    char *const path = writer->path;
    int fd = tel_journal_path(path, writer->raw, date, err);
    int status;

    if (fd < 0)
        return fd;
    fd = tel_sys_openat(AT_FDCWD, path,
                        O_RDWR | O_APPEND | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | flags,
                        writer->file_mode);
    if (fd < 0)
        return tel_fail_sys(err, fd, "cannot open ", path, NULL);
    status = tel_sys_fstat(fd, st);
    if (status == 0 && S_ISREG(st->st_mode)) {
        /* A file that is empty is most likely ours and new: its mode must not depend on the umask. */
        if (st->st_size == 0)
            tel_datadir_set_file_mode(fd, st, writer->file_mode);
        return fd;
    }
    tel_sys_close(fd);
    if (status < 0)
        return tel_fail_sys(err, status, "cannot examine ", path, NULL);
    return tel_fail(err, TEL_ERR_REFUSED, path, " is not a regular file", NULL);
}

static bool is_last(const struct tel_journal_file *last, uint32_t date, const struct stat *st)
{
    return last->date == date && last->dev == st->st_dev && last->inode == st->st_ino;
}

/* Proves that the directory is still the one of the last append: its file is at the same path. */
static int check_directory(struct tel_journal_writer *writer, struct tel_error *err)
{
    struct stat st;
    int fd = open_file(writer, writer->last.date, 0, &st, err);

    if (fd < 0)
        return fd;
    tel_sys_close(fd);
    if (!is_last(&writer->last, writer->last.date, &st))
        return tel_fail(err, TEL_ERR_REFUSED, writer->raw, " is not the journal of the start",
                        NULL);
    return 0;
}

static int open_for_append(struct tel_journal_writer *writer, uint32_t date, struct stat *st,
                           struct tel_error *err)
{
    const bool same_day = writer->last.date == date;
    int fd;

    if (writer->existing && !same_day) {
        int status = check_directory(writer, err);

        if (status < 0)
            return status;
    }
    fd = open_file(writer, date, writer->existing && same_day ? 0 : O_CREAT, st, err);
    if (fd >= 0 && writer->existing && same_day && !is_last(&writer->last, date, st)) {
        tel_sys_close(fd);
        return tel_fail(err, TEL_ERR_REFUSED, writer->raw, " is not the journal of the start",
                        NULL);
    }
    return fd;
}

/* Shared among our writers, so that they never wait for each other; the Python client's exclusive
 * lock is waited for, but never long: the line matters more than the lock. */
static void lock(int fd, int operation)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        if (tel_sys_flock(fd, operation | LOCK_NB) != -EWOULDBLOCK)
            return;
        tel_sys_sleep_ns(LOCK_PAUSE_NS);
    }
}

static bool ends_with_newline(int fd, uint64_t size)
{
    char last = '\n';

    if (size == 0 || tel_sys_pread(fd, &last, 1, (off_t)(size - 1)) != 1)
        return true;
    return last == '\n';
}

/* The file does not end in a newline: torn for good (a full disk, a power cut), or a writer is in
 * the middle of its line, which readers may see growing. Only with the lock to ourselves can the
 * two be told apart. */
static bool is_torn(int fd, int operation, struct stat *st)
{
    bool alone = false;
    bool torn = true;

    for (int i = 0; torn && !alone && i < LOCK_TRIES; i++) {
        if (i > 0)
            tel_sys_sleep_ns(LOCK_PAUSE_NS);
        alone = tel_sys_flock(fd, LOCK_EX | LOCK_NB) == 0;
        torn = tel_sys_fstat(fd, st) == 0 && !ends_with_newline(fd, (uint64_t)st->st_size);
    }
    /* Asking for more in vain has lost the lock we had (flock(2)). Writing without one, we would be
     * seen as a tear ourselves. */
    if (!alone)
        lock(fd, operation);
    return torn;
}

/* One write for the whole line. A newline that ends a torn line first goes in a write of its own:
 * should our line fail to fit, the tear is at least mended. */
static int write_line(int fd, struct tel_str line, bool torn, bool signals_blocked,
                      struct tel_error *err)
{
    /* The limit may be lower by now, and others may have filled the file up to it. */
    ssize_t (*const put)(int, const void *, size_t) =
        signals_blocked ? tel_sys_write_blocked : tel_sys_write_quietly;
    ssize_t written = torn ? put(fd, "\n", 1) : 1;

    if (written == 1)
        written = put(fd, line.ptr, line.len);
    if (written < 0)
        return tel_fail_sys(err, (int)written, "cannot append to the journal", NULL);
    if ((size_t)written < line.len)
        return tel_fail(err, -ENOSPC, "the disk is full: the line was cut short", NULL);
    return 0;
}

static int append_to(struct tel_journal_writer *writer, int fd, uint32_t date, struct stat *st,
                     struct tel_str line, struct tel_journal_pos *pos, struct tel_error *err)
{
    const int operation = writer->exclusive ? LOCK_EX : LOCK_SH;
    bool untouched;
    bool torn;
    int status;

    if ((uint64_t)st->st_size + line.len >= writer->max_size)
        return tel_fail(err, -EFBIG, "the line would cross the file size limit (ulimit -f)", NULL);
    lock(fd, operation);
    untouched = is_last(&writer->last, date, st) && writer->last.size == (uint64_t)st->st_size;
    torn =
        !untouched && !ends_with_newline(fd, (uint64_t)st->st_size) && is_torn(fd, operation, st);
    status = write_line(fd, line, torn, writer->signals_blocked, err);
    if (status < 0)
        return status;
    if (pos != NULL)
        *pos = (struct tel_journal_pos){date, (uint32_t)line.len, (uint64_t)st->st_size + torn};
    writer->last = (struct tel_journal_file){date, st->st_dev, st->st_ino,
                                             (uint64_t)st->st_size + torn + line.len};
    if (writer->sync) {
        status = tel_sys_fdatasync(fd);
        if (status < 0)
            return tel_fail_sys(err, status, "cannot sync the journal", NULL);
    }
    return 0;
}

int tel_journal_append(struct tel_journal_writer *writer, uint32_t date, struct tel_str line,
                       struct tel_journal_pos *pos, struct tel_error *err)
{
    struct stat st;
    int status;
    int fd;

    if (date < writer->last.date)
        date = writer->last.date;
    fd = open_for_append(writer, date, &st, err);
    if (fd < 0)
        return fd;
    status = append_to(writer, fd, date, &st, line, pos, err);
    tel_sys_close(fd); /* releases the lock too */
    return status;
}

int tel_journal_open_kept(struct tel_journal_writer *writer, uint32_t date, struct tel_error *err)
{
    struct stat st;
    const int fd = open_for_append(writer, date, &st, err);

    if (fd < 0)
        return fd;
    lock(fd, LOCK_SH);
    if (!ends_with_newline(fd, (uint64_t)st.st_size) && is_torn(fd, LOCK_SH, &st))
        (void)tel_sys_write_quietly(fd, "\n", 1);
    tel_sys_flock(fd, LOCK_UN);
    writer->last = (struct tel_journal_file){date, st.st_dev, st.st_ino, 0};
    return fd;
}

enum { HEAD_MAX = 3 * TEL_RUN_ID_MAX + 32 }; /* two bytes of UTF-8 become six of JSON */

/* How the run lines of run_id begin, in the bytes that tel_runline_put writes (none for no id of
 * ours). The second key tells them from the lines of its events. */
static struct tel_str head_of(char memory[HEAD_MAX], struct tel_str run_id)
{
    struct tel_buf head;

    tel_buf_init(&head, memory, HEAD_MAX);
    tel_buf_cstr(&head, "{\"run_id\": ");
    tel_json_put_text(&head, run_id);
    tel_buf_cstr(&head, ", \"agent_name\": ");
    return tel_buf_view(&head);
}

/* The position in text of the line that begins with head, or -1. It may be glued to what is left of another
 * one; inside of a string the first quotation mark would be escaped. */
static ptrdiff_t find_line(struct tel_str text, struct tel_str head)
{
    size_t at = 0;

    while (text.len - at > head.len && head.len > 0) {
        const char *brace;

        if (memcmp(text.ptr + at, head.ptr, head.len) == 0)
            return (ptrdiff_t)at;
        brace = memchr(text.ptr + at + 1, '{', text.len - at - 1);
        if (brace == NULL)
            break;
        at = (size_t)(brace - text.ptr);
    }
    return -1;
}

/* Where the last complete line in text ends, or 0. */
static size_t complete_lines(const char *text, size_t len)
{
    while (len > 0 && text[len - 1] != '\n')
        len--;
    return len;
}

static int find_in(int fd, struct tel_str run_id, struct tel_journal_pos *pos,
                   struct tel_buf *memory, struct tel_str *line, struct tel_error *err)
{
    char head_memory[HEAD_MAX];
    const struct tel_str head = head_of(head_memory, run_id);
    const uint64_t end = pos->offset + FIND_WINDOW;
    uint64_t offset = pos->offset;

    while (offset < end) {
        ssize_t got = tel_sys_pread(fd, memory->ptr, memory->cap, (off_t)offset);
        size_t whole;
        ptrdiff_t at;

        if (got < 0)
            return tel_fail_sys(err, (int)got, "cannot read the journal", NULL);
        whole = complete_lines(memory->ptr, (size_t)got);
        if (whole == 0)
            break;
        at = find_line((struct tel_str){memory->ptr, whole}, head);
        if (at >= 0) {
            const char *start = memory->ptr + at;
            const char *newline = memchr(start, '\n', whole - (size_t)at);

            *line = (struct tel_str){start, (size_t)(newline - start) + 1};
            pos->offset = offset + (uint64_t)at;
            pos->length = (uint32_t)line->len;
            return 0;
        }
        offset += whole;
    }
    return tel_fail(err, TEL_ERR_NOT_FOUND, "the run's line is not where it should be", NULL);
}

int tel_journal_find(const char *raw, struct tel_str run_id, struct tel_journal_pos *pos,
                     struct tel_buf *memory, struct tel_str *line, struct tel_journal_file *file,
                     struct tel_error *err)
{
    char path[TEL_PATH_MAX];
    int status = tel_journal_path(path, raw, pos->date, err);
    struct stat st;
    int fd;

    if (status < 0)
        return status;
    fd = tel_sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, 0);
    if (fd < 0)
        return tel_fail_sys(err, fd, "cannot open ", path, NULL);
    status = find_in(fd, run_id, pos, memory, line, err);
    if (status == 0 && file != NULL && tel_sys_fstat(fd, &st) == 0)
        *file = (struct tel_journal_file){pos->date, st.st_dev, st.st_ino, 0};
    tel_sys_close(fd);
    return status;
}
