/* See event_file.h. */
#include "event_file.h"

#include "base/sys.h"

#include <errno.h>
#include <unistd.h>

void tel_event_file_init(struct tel_event_file *file, const struct tel_datadir *dir, bool sync)
{
    struct rlimit limit;

    pthread_mutex_init(&file->lock, NULL);
    file->writer = (struct tel_journal_writer){
        .raw = dir->raw,
        .file_mode = dir->file_mode,
        .sync = sync,
        .exclusive = dir->network,
        .max_size = UINT64_MAX,
    };
    if (tel_sys_getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        file->writer.max_size = limit.rlim_cur;
    atomic_init(&file->fd, -1);
    atomic_init(&file->date, 0);
    atomic_init(&file->suspect, false);
}

void tel_event_file_close(struct tel_event_file *file)
{
    const int fd = atomic_exchange(&file->fd, -1);

    if (fd >= 0)
        tel_sys_close(fd);
    pthread_mutex_destroy(&file->lock);
}

static bool is_ready(struct tel_event_file *file, uint32_t date)
{
    return atomic_load(&file->fd) >= 0 && atomic_load(&file->date) >= date &&
           !atomic_load(&file->suspect);
}

/* Puts the file of that date behind the number that writers in other threads may be about to use. */
static int open_anew(struct tel_event_file *file, uint32_t date, struct tel_error *err)
{
    const int old = atomic_load(&file->fd);
    int fd;

    if (date < atomic_load(&file->date))
        date = atomic_load(&file->date);
    fd = tel_journal_open_kept(&file->writer, date, err);
    if (fd < 0)
        return fd;
    if (old < 0) {
        atomic_store(&file->fd, fd);
    } else {
        const int moved = dup3(fd, old, O_CLOEXEC) < 0 ? -errno : 0;

        tel_sys_close(fd);
        if (moved < 0)
            return tel_fail_sys(err, moved, "cannot keep the journal open", NULL);
    }
    atomic_store(&file->date, date);
    atomic_store(&file->suspect, false);
    return 0;
}

static int make_ready(struct tel_event_file *file, uint32_t date, struct tel_error *err)
{
    int status = 0;

    pthread_mutex_lock(&file->lock);
    if (!is_ready(file, date))
        status = open_anew(file, date, err);
    pthread_mutex_unlock(&file->lock);
    return status;
}

/* Where O_APPEND is no help, every line is written under a lock, with the file opened anew. */
static int append_on_network(struct tel_event_file *file, uint32_t date, struct tel_str line,
                             struct tel_error *err)
{
    int status;

    pthread_mutex_lock(&file->lock);
    status = tel_journal_append(&file->writer, date, line, NULL, err);
    pthread_mutex_unlock(&file->lock);
    return status;
}

static ssize_t write_line(const struct tel_event_file *file, int fd, struct tel_str line)
{
    if (file->writer.max_size != UINT64_MAX) /* a signal that would end the program is not raised */
        return tel_sys_write_quietly(fd, line.ptr, line.len);
    return tel_sys_write(fd, line.ptr, line.len);
}

/* Writes line, and has it on the disk. The change of day may put another file behind the shared number
 * between the two: a number of one's own stays with the file. Where there is none to spare, there is none
 * for a new file either. */
static int write_synced(const struct tel_event_file *file, int shared, struct tel_str line,
                        ssize_t *written)
{
    const int own = fcntl(shared, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int fd = own < 0 ? shared : own;
    int status = 0;

    *written = write_line(file, fd, line);
    if (*written == (ssize_t)line.len)
        status = tel_sys_fdatasync(fd);
    if (own >= 0)
        tel_sys_close(own);
    return status;
}

int tel_event_file_append(struct tel_event_file *file, uint32_t date, struct tel_str line,
                          struct tel_error *err)
{
    ssize_t written;
    int status = 0;

    if (file->writer.exclusive)
        return append_on_network(file, date, line, err);
    if (!is_ready(file, date)) {
        status = make_ready(file, date, err);
        if (status < 0)
            return status;
    }
    if (file->writer.sync)
        status = write_synced(file, atomic_load(&file->fd), line, &written);
    else
        written = write_line(file, atomic_load(&file->fd), line);
    if (written != (ssize_t)line.len) {
        atomic_store(&file->suspect, true);
        return tel_fail_sys(err, written < 0 ? (int)written : -ENOSPC,
                            "cannot append to the journal", NULL);
    }
    return status < 0 ? tel_fail_sys(err, status, "cannot sync the journal", NULL) : 0;
}
