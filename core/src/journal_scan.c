/* Listing journal files and reading whole lines from them. */
#include "journal_scan.h"

#include "base/clock.h"
#include "base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum {
    WALK_CHUNK = 1024 * 1024,
    BEGINNINGS_TRIED = 16, /* in one bad line: it may be long, and made for us */
    NS_PER_SECOND = 1000000000
};

/* --- files ------------------------------------------------------------------------------------- */

static int add_date(struct tel_dates *dates, size_t *cap, uint32_t date)
{
    if (dates->count == *cap) {
        size_t bigger = *cap == 0 ? 64 : *cap * 2;
        uint32_t *memory = realloc(dates->date, bigger * sizeof *memory);

        if (memory == NULL)
            return -ENOMEM;
        dates->date = memory;
        *cap = bigger;
    }
    dates->date[dates->count++] = date;
    return 0;
}

static int by_date(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int read_dates(DIR *directory, struct tel_dates *dates)
{
    const struct dirent *entry;
    size_t cap = 0;
    int status = 0;

    while (status == 0 && (entry = readdir(directory)) != NULL) {
        uint32_t date = tel_journal_date(tel_str_from(entry->d_name));

        if (date != 0)
            status = add_date(dates, &cap, date);
    }
    return status;
}

int tel_journal_list(const char *raw, struct tel_dates *out, struct tel_error *err)
{
    struct tel_dates dates = {NULL, 0};
    DIR *directory = opendir(raw);
    int status;

    if (directory == NULL && errno != ENOENT)
        return tel_fail_sys(err, -errno, "cannot list ", raw, NULL);
    if (directory != NULL) {
        status = read_dates(directory, &dates);
        closedir(directory);
        if (status < 0) {
            tel_dates_free(&dates);
            return tel_fail_sys(err, status, "cannot list ", raw, NULL);
        }
        if (dates.count > 0)
            qsort(dates.date, dates.count, sizeof *dates.date, by_date);
    }
    *out = dates;
    return 0;
}

void tel_dates_free(struct tel_dates *dates)
{
    free(dates->date);
    *dates = (struct tel_dates){NULL, 0};
}

/* 1 a regular file, 0 something else, negative errno. */
static int look(int fd, const char *path, int flags, struct tel_journal_facts *facts)
{
    struct statx st;

    if (statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        return -errno;
    *facts = (struct tel_journal_facts){
        .dev = makedev(st.stx_dev_major, st.stx_dev_minor),
        .inode = st.stx_ino,
        .size = st.stx_size,
    };
    if ((st.stx_mask & STATX_BTIME) != 0)
        facts->born_ns = st.stx_btime.tv_sec * NS_PER_SECOND + st.stx_btime.tv_nsec;
    return S_ISREG(st.stx_mode);
}

bool tel_journal_is_same(const struct tel_journal_facts *a, const struct tel_journal_facts *b)
{
    return a->dev == b->dev && a->inode == b->inode && a->born_ns == b->born_ns;
}

int tel_journal_open(const char *raw, uint32_t date, struct tel_journal_facts *facts,
                     struct tel_error *err)
{
    char path[TEL_PATH_MAX];
    int status = tel_journal_path(path, raw, date, err);
    int fd;

    if (status < 0)
        return status;
    fd = tel_sys_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY, 0);
    if (fd == -ELOOP)
        return tel_fail(err, TEL_ERR_REFUSED, path, " is a symbolic link", NULL);
    if (fd < 0)
        return tel_fail_sys(err, fd, "cannot open ", path, NULL);
    status = look(fd, "", AT_EMPTY_PATH, facts);
    if (status == 1)
        return fd;
    tel_sys_close(fd);
    if (status < 0)
        return tel_fail_sys(err, status, "cannot examine ", path, NULL);
    return tel_fail(err, TEL_ERR_REFUSED, path, " is not a regular file", NULL);
}

int tel_journal_look(const char *raw, uint32_t date, struct tel_journal_facts *facts)
{
    char path[TEL_PATH_MAX];
    int status = tel_journal_path(path, raw, date, NULL);

    if (status == 0)
        status = look(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, facts);
    return status < 0 ? status : 0;
}

struct tel_journal_pos tel_journal_end(const char *raw)
{
    struct tel_journal_pos end = {0};
    struct tel_journal_facts facts;
    struct tel_instant now;
    struct tel_dates dates;

    if (tel_journal_list(raw, &dates, NULL) < 0)
        return end;
    tel_clock_now(&now);
    for (size_t i = 0; i < dates.count && dates.date[i] <= tel_date_of(now.realtime_ns); i++)
        end.date = dates.date[i];
    if (end.date != 0 && tel_journal_look(raw, end.date, &facts) == 0)
        end.offset = facts.size;
    tel_dates_free(&dates);
    return end;
}

/* --- lines ------------------------------------------------------------------------------------- */

static int reserve(struct tel_chunk *chunk, size_t cap, struct tel_error *err)
{
    char *memory;

    if (chunk->memory != NULL && cap <= chunk->cap)
        return 0;
    /* Nothing in it is worth copying. */
    memory = malloc(cap);
    if (memory == NULL) {
        tel_fail_sys(err, -ENOMEM, "cannot read the journal", NULL);
        return -ENOMEM;
    }
    free(chunk->memory);
    chunk->memory = memory;
    chunk->cap = cap;
    return 0;
}

/* Reads up to len bytes; less only at the end of the file. */
static int read_at(const struct tel_chunk *chunk, int fd, uint64_t offset, size_t len, size_t *out,
                   struct tel_error *err)
{
    ssize_t got = tel_sys_pread(fd, chunk->memory, len, (off_t)offset);

    /* A regular file gives all there is at once, up to 2 GiB. */
    if (got < 0)
        return tel_fail_sys(err, (int)got, "cannot read the journal", NULL);
    *out = (size_t)got;
    return 0;
}

/* Measures the line at offset, of which cap bytes were seen, without keeping it. */
static int skip_line(struct tel_chunk *chunk, int fd, uint64_t offset, struct tel_error *err)
{
    uint64_t at = offset + chunk->cap;

    for (;;) {
        const char *newline;
        size_t have = 0;
        int status = read_at(chunk, fd, at, chunk->cap, &have, err);

        if (status < 0 || have == 0)
            return status;
        newline = memchr(chunk->memory, '\n', have);
        if (newline != NULL) {
            chunk->too_long = at + (uint64_t)(newline - chunk->memory) + 1 - offset;
            return 1;
        }
        at += have;
    }
}

int tel_chunk_load(struct tel_chunk *chunk, int fd, uint64_t offset, size_t want,
                   struct tel_error *err)
{
    chunk->offset = offset;
    chunk->text = TEL_STR_NONE;
    chunk->too_long = 0;
    for (;;) {
        const char *newline;
        size_t have = 0;
        int status = reserve(chunk, want, err);

        if (status == 0)
            status = read_at(chunk, fd, offset, want, &have, err);
        if (status < 0)
            return status;
        newline = have == 0 ? NULL : memrchr(chunk->memory, '\n', have);
        if (newline != NULL) {
            chunk->text = (struct tel_str){chunk->memory, (size_t)(newline - chunk->memory) + 1};
            return 1;
        }
        if (have < want)
            return 0;
        if (want >= TEL_LINE_MAX)
            return skip_line(chunk, fd, offset, err);
        want = want * 4 < TEL_LINE_MAX ? want * 4 : TEL_LINE_MAX;
    }
}

bool tel_line_next(struct tel_str *text, struct tel_str *line)
{
    const char *newline;

    if (text->len == 0)
        return false;
    newline = memchr(text->ptr, '\n', text->len);
    *line = *text;
    if (newline != NULL)
        line->len = (size_t)(newline - text->ptr) + 1;
    *text = tel_str_from_pos(*text, line->len);
    return true;
}

bool tel_line_is_empty(struct tel_str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (memchr(" \t\r\n", line.ptr[i], 4) == NULL)
            return false;
    return true;
}

/* Where the last line that may begin in text begins, behind its first byte; NULL for nowhere. Our own and the
 * Python client's begin so; inside of a string the quotation mark would be escaped. */
static const char *last_beginning(struct tel_str text)
{
    static const char beginning[] = "{\"run_id\": ";
    const char *at = text.ptr + text.len;

    while (at > text.ptr + 1 &&
           (at = memrchr(text.ptr + 1, '{', (size_t)(at - text.ptr) - 1)) != NULL)
        if (tel_str_starts((struct tel_str){at, text.len - (size_t)(at - text.ptr)}, beginning))
            return at;
    return NULL;
}

enum tel_line_kind tel_line_parse(struct tel_str *line, struct tel_runline *out)
{
    const enum tel_line_kind kind = tel_runline_parse(*line, out);
    const char *const end = line->ptr + line->len;
    struct tel_str before = *line;

    if (kind != TEL_LINE_BAD)
        return kind;
    for (int i = 0; i < BEGINNINGS_TRIED; i++) {
        const char *const at = last_beginning(before);
        struct tel_str rest;
        enum tel_line_kind found;

        if (at == NULL)
            break;
        rest = (struct tel_str){at, (size_t)(end - at)};
        found = tel_runline_parse(rest, out);
        if (found == TEL_LINE_RUN || found == TEL_LINE_EVENT) {
            *line = rest;
            return found;
        }
        before.len = (size_t)(at - before.ptr);
    }
    *out = (struct tel_runline){0};
    return TEL_LINE_BAD;
}

void tel_chunk_free(struct tel_chunk *chunk)
{
    free(chunk->memory);
    *chunk = (struct tel_chunk){0};
}

/* --- walking ----------------------------------------------------------------------------------- */

struct walk {
    struct tel_str needle;
    tel_line_fn *fn;
    void *arg;
};

/* The line around the next occurrence of needle in text, which moves behind it. */
static bool find_line(struct tel_str *text, struct tel_str needle, struct tel_str *line)
{
    const char *hit;
    const char *start;

    if (needle.len == 0)
        return tel_line_next(text, line);
    hit = text->len == 0 ? NULL : memmem(text->ptr, text->len, needle.ptr, needle.len);
    if (hit == NULL)
        return false;
    start = memrchr(text->ptr, '\n', (size_t)(hit - text->ptr));
    if (start != NULL)
        *text = tel_str_from_pos(*text, (size_t)(start - text->ptr) + 1);
    return tel_line_next(text, line);
}

static int walk_chunk(const struct walk *walk, const struct tel_chunk *chunk, uint32_t date)
{
    struct tel_str text = chunk->text;
    struct tel_str line;
    int stopped = 0;

    while (stopped == 0 && find_line(&text, walk->needle, &line)) {
        const struct tel_journal_pos pos = {date, (uint32_t)line.len,
                                            chunk->offset + (uint64_t)(line.ptr - chunk->text.ptr)};

        stopped = walk->fn(walk->arg, line, &pos);
    }
    return stopped;
}

static int walk_file(const struct walk *walk, const char *raw, uint32_t date, uint64_t offset,
                     struct tel_error *err)
{
    struct tel_chunk chunk = {0};
    struct tel_journal_facts facts;
    int stopped = 0;
    int status = 0;
    int fd = tel_journal_open(raw, date, &facts, err);

    if (fd == -ENOENT || fd == TEL_ERR_REFUSED)
        return 0; /* deleted since it was listed, or never a journal file */
    if (fd < 0)
        return fd;
    while (stopped == 0 && (status = tel_chunk_load(&chunk, fd, offset, WALK_CHUNK, err)) == 1) {
        stopped = walk_chunk(walk, &chunk, date);
        offset += chunk.too_long + chunk.text.len;
    }
    tel_chunk_free(&chunk);
    tel_sys_close(fd);
    return stopped != 0 ? stopped : status;
}

struct tel_str tel_journal_needle(struct tel_str run_id)
{
    for (size_t i = 0; i < run_id.len; i++) {
        const unsigned char c = (unsigned char)run_id.ptr[i];

        if (c < 0x20 || c >= 0x7f || memchr("\"\\/", c, 3) != NULL)
            return TEL_STR_NONE;
    }
    return run_id;
}

int tel_journal_walk(const char *raw, const struct tel_journal_pos *from, uint32_t to_date,
                     struct tel_str needle, tel_line_fn *fn, void *arg, struct tel_error *err)
{
    const struct walk walk = {needle, fn, arg};
    struct tel_dates dates = {NULL, 0};
    int status = tel_journal_list(raw, &dates, err);

    if (status < 0)
        return status;
    for (size_t i = 0; i < dates.count && status == 0; i++) {
        const uint32_t date = dates.date[i];

        if (date >= from->date && date <= to_date)
            status = walk_file(&walk, raw, date, date == from->date ? from->offset : 0, err);
    }
    tel_dates_free(&dates);
    return status;
}
