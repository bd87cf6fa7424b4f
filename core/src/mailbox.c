/* See mailbox.h. */
#include "mailbox.h"

#include "base/clock.h"
#include "base/owner.h"
#include "base/sys.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

enum { NS_PER_MS = 1000 * 1000, POLL_NS = NS_PER_MS };

#define SIZE_MAX_READ ((off_t)64 * 1024 * 1024)

static int path_of(char path[TEL_PATH_MAX], const struct tel_datadir *dir, struct tel_str run_id,
                   struct tel_error *err)
{
    struct tel_buf buf;

    if (!tel_owner_id_valid(run_id))
        return tel_fail(err, TEL_ERR_INVALID, "this is no run id", NULL);
    tel_buf_init(&buf, path, TEL_PATH_MAX);
    tel_buf_cstr(&buf, dir->run);
    tel_buf_char(&buf, '/');
    tel_buf_str(&buf, run_id);
    tel_buf_cstr(&buf, TEL_MAILBOX_SUFFIX);
    if (tel_buf_terminate(&buf) == NULL)
        return tel_fail_sys(err, -ENAMETOOLONG, "cannot open the run's mailbox", NULL);
    return 0;
}

/* Whoever finds it locked waits; whoever took it in has removed it by then. */
static int lock(int fd, int operation, int patience_ms, struct tel_error *err)
{
    const int64_t deadline = tel_clock_boottime_ns() + (int64_t)patience_ms * NS_PER_MS;
    struct stat st;
    int status;

    while ((status = tel_sys_flock(fd, operation | LOCK_NB)) == -EWOULDBLOCK) {
        if (tel_clock_boottime_ns() >= deadline)
            return tel_fail(err, TEL_ERR_BUSY, "the run's mailbox is locked by another process",
                            NULL);
        tel_sys_sleep_ns(POLL_NS);
    }
    /* Without locks (some network filesystems) it is still of use. */
    status = tel_sys_fstat(fd, &st);
    if (status < 0)
        return tel_fail_sys(err, status, "cannot examine the run's mailbox", NULL);
    if (!S_ISREG(st.st_mode))
        return tel_fail(err, TEL_ERR_REFUSED, "the run's mailbox is not a regular file", NULL);
    return st.st_nlink == 0 ? -ESTALE : 0;
}

static int open_file(struct tel_mailbox *box, const struct tel_datadir *dir, bool create,
                     struct tel_error *err)
{
    const int flags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    int fd = tel_sys_openat(AT_FDCWD, box->path, flags, 0);

    box->made = false;
    if (fd == -ENOENT && create) {
        int status = tel_datadir_prepare_run(dir, err);

        if (status < 0)
            return status;
        fd = tel_sys_openat(AT_FDCWD, box->path, flags | O_CREAT, dir->file_mode);
        box->made = fd >= 0;
        if (fd >= 0)
            tel_sys_fchmod(fd, dir->file_mode); /* whatever the umask is */
    }
    if (fd < 0 && (fd != -ENOENT || create))
        return tel_fail_sys(err, fd, "cannot open ", box->path, NULL);
    return fd;
}

static int operation_of(enum tel_mailbox_use use)
{
    return use == TEL_MAILBOX_SPEAK || use == TEL_MAILBOX_LOOK ? LOCK_SH : LOCK_EX;
}

int tel_mailbox_open(struct tel_mailbox *box, const struct tel_datadir *dir, struct tel_str run_id,
                     enum tel_mailbox_use use, int patience_ms, struct tel_error *err)
{
    int status = path_of(box->path, dir, run_id, err);

    box->fd = -1;
    if (status < 0)
        return status;
    /* One that is taken in while it is opened is as good as none: the next one is opened. */
    do {
        box->fd = open_file(box, dir, use == TEL_MAILBOX_SPEAK || use == TEL_MAILBOX_END, err);
        if (box->fd < 0)
            return box->fd;
        status = lock(box->fd, operation_of(use), patience_ms, err);
        if (status < 0)
            tel_mailbox_close(box);
    } while (status == -ESTALE);
    return status;
}

int tel_mailbox_lock(struct tel_mailbox *box, enum tel_mailbox_use use, int patience_ms,
                     struct tel_error *err)
{
    return lock(box->fd, operation_of(use), patience_ms, err);
}

void tel_mailbox_unlock(struct tel_mailbox *box)
{
    tel_sys_flock(box->fd, LOCK_UN);
}

void tel_mailbox_close(struct tel_mailbox *box)
{
    if (box->fd >= 0)
        tel_sys_close(box->fd);
    box->fd = -1;
}

void tel_mailbox_remove(const struct tel_mailbox *box)
{
    tel_sys_unlinkat(AT_FDCWD, box->path);
}

/* No line of another kind ends like this (values.h, runline.h). */
#define SEAL "{\"ended\": true}\n"
#define LEFT "{\"left\": true}\n"

/* TORN: the last line was not taken whole by a full disk. */
enum tail { WHOLE, TORN, SEALED };

static enum tail tail_of(int fd)
{
    char memory[sizeof SEAL - 1];
    struct stat st;
    off_t len = sizeof memory;

    if (tel_sys_fstat(fd, &st) < 0 || st.st_size == 0)
        return WHOLE;
    if (len > st.st_size)
        len = st.st_size;
    if (tel_sys_pread(fd, memory, (size_t)len, st.st_size - len) != len)
        return WHOLE;
    if (len == sizeof memory && memcmp(memory, SEAL, sizeof memory) == 0)
        return SEALED;
    return memory[len - 1] == '\n' ? WHOLE : TORN;
}

int tel_mailbox_append(const struct tel_mailbox *box, struct tel_str line, bool sync,
                       struct tel_error *err)
{
    const enum tail tail = tail_of(box->fd);
    ssize_t written = 0;

    if (tail == SEALED)
        return tel_fail(err, -ESTALE, "the run has ended", NULL);
    if (tail == TORN)
        written = tel_sys_write_quietly(box->fd, "\n", 1);
    if (written >= 0)
        written = tel_sys_write_quietly(box->fd, line.ptr, line.len);
    if (written >= 0 && (size_t)written < line.len)
        written = -ENOSPC;
    if (written >= 0 && sync)
        written = tel_sys_fdatasync(box->fd);
    return written < 0 ? tel_fail_sys(err, (int)written, "cannot write to ", box->path, NULL) : 0;
}

int tel_mailbox_seal(const struct tel_mailbox *box, struct tel_str line, struct tel_error *err)
{
    const size_t room = line.len + sizeof SEAL;
    char *memory = malloc(room);
    struct tel_buf buf;
    int status;

    if (memory == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot write to ", box->path, NULL);
    tel_buf_init(&buf, memory, room);
    tel_buf_str(&buf, line);
    tel_buf_cstr(&buf, SEAL);
    status = tel_mailbox_append(box, tel_buf_view(&buf), false, err);
    free(memory);
    return status;
}

int tel_mailbox_leave(const struct tel_mailbox *box, struct tel_error *err)
{
    return tel_mailbox_append(box, TEL_STR(LEFT), false, err);
}

bool tel_mailbox_is_sealed(struct tel_str lines, struct tel_str *line)
{
    const struct tel_str before = {lines.ptr,
                                   lines.len < sizeof SEAL ? 0 : lines.len - sizeof SEAL};
    const size_t end = lines.len - (sizeof SEAL - 1);

    if (lines.len < sizeof SEAL - 1 || !tel_str_is(tel_str_from_pos(lines, end), SEAL))
        return false;
    *line = tel_str_from_pos((struct tel_str){lines.ptr, end},
                             (size_t)(tel_str_find_last(before, '\n') + 1));
    return true;
}

bool tel_mailbox_is_left(struct tel_str lines)
{
    const char *at =
        lines.len == 0 ? NULL : memmem(lines.ptr, lines.len, "\n" LEFT, sizeof "\n" LEFT - 1);

    return at != NULL || tel_str_starts(lines, LEFT);
}

int tel_mailbox_read(const struct tel_mailbox *box, char **memory, struct tel_str *lines,
                     struct tel_error *err)
{
    struct stat st;
    size_t have = 0;
    ssize_t got = tel_sys_fstat(box->fd, &st);

    *memory = NULL;
    *lines = TEL_STR_NONE;
    if (got < 0 || st.st_size == 0)
        return got < 0 ? tel_fail_sys(err, (int)got, "cannot examine ", box->path, NULL) : 0;
    if (st.st_size > SIZE_MAX_READ)
        st.st_size = SIZE_MAX_READ;
    *memory = malloc((size_t)st.st_size);
    if (*memory == NULL)
        return tel_fail_sys(err, -ENOMEM, "cannot read ", box->path, NULL);
    while (have < (size_t)st.st_size &&
           (got = tel_sys_pread(box->fd, *memory + have, (size_t)st.st_size - have, (off_t)have)) >
               0)
        have += (size_t)got;
    if (got < 0) {
        free(*memory);
        *memory = NULL;
        return tel_fail_sys(err, (int)got, "cannot read ", box->path, NULL);
    }
    *lines = (struct tel_str){*memory, have};
    return 0;
}

bool tel_mailbox_exists(const struct tel_datadir *dir, struct tel_str run_id)
{
    char path[TEL_PATH_MAX];

    return path_of(path, dir, run_id, NULL) == 0 && tel_sys_access(path, 0 /* F_OK */) == 0;
}

struct tel_str tel_mailbox_run_of(struct tel_str name)
{
    const size_t suffix = sizeof TEL_MAILBOX_SUFFIX - 1;
    struct tel_str run_id = {name.ptr, name.len > suffix ? name.len - suffix : 0};

    if (!tel_str_is(tel_str_from_pos(name, run_id.len), TEL_MAILBOX_SUFFIX) ||
        !tel_owner_id_valid(run_id))
        return TEL_STR_NONE;
    return run_id;
}

static bool has_any(const char *directory)
{
    DIR *run = opendir(directory);
    struct dirent *entry;
    bool found = run == NULL;

    while (!found && (entry = readdir(run)) != NULL)
        found = tel_mailbox_run_of(tel_str_from(entry->d_name)).ptr != NULL;
    if (run != NULL)
        closedir(run);
    return found;
}

/* Looked at before it is listed: what comes meanwhile shows the next time. */
bool tel_mailboxes_have(struct tel_mailboxes *boxes, const struct tel_datadir *dir,
                        struct tel_str run_id)
{
    if (!tel_directory_is_same(&boxes->directory, dir->run))
        boxes->any = !boxes->directory.is_known || has_any(dir->run);
    return boxes->any && tel_mailbox_exists(dir, run_id);
}
