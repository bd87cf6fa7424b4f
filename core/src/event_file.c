/* See event_file.h. */
#include "event_file.h"

#include "base/clock.h"
#include "base/sys.h"

#include <errno.h>
#include <unistd.h>

#define MOMENT_NS UINT64_C(100000)
#define DAY_NS (INT64_C(86400) * 1000000000)

void tel_event_file_init(struct tel_event_file *file, const struct tel_datadir *dir, bool sync)
{
    pthread_mutex_init(&file->lock, NULL);
    file->writer = (struct tel_journal_writer){
        .raw = dir->raw,
        .file_mode = dir->file_mode,
        .sync = sync,
        .exclusive = dir->network,
        .max_size = UINT64_MAX,
    };
    tel_kept_fd_init(&file->kept);
    atomic_init(&file->looked_ns, 0);
    atomic_init(&file->ends_ns, 0);
    atomic_init(&file->suspect, false);
}

void tel_event_file_close(struct tel_event_file *file)
{
    tel_kept_fd_close(&file->kept);
    pthread_mutex_destroy(&file->lock);
}

/* The look at the descriptor costs a third of a write, and is good for a moment: to get a high number in
 * so little time, a program would have to close ours and open hundreds of files of its own. */
static bool has_been_looked_at(const struct tel_event_file *file, int64_t now)
{
    const uint64_t age = (uint64_t)now - (uint64_t)atomic_load(&file->looked_ns);

    return age < MOMENT_NS /* and not before it: the clock may step */ &&
           tel_kept_fd_is_high(&file->kept);
}

/* The descriptor to write a line of now to, or -1 when it has to be opened first: somebody has closed
 * it, or taken the file away. */
static int usable(struct tel_event_file *file, int64_t now)
{
    bool linked = false;
    int fd;

    if (now >= atomic_load(&file->ends_ns) || atomic_load(&file->suspect))
        return -1;
    if (has_been_looked_at(file, now))
        return atomic_load(&file->kept.number);
    fd = tel_kept_fd_use(&file->kept, &linked);
    if (!linked)
        return -1;
    atomic_store(&file->looked_ns, now);
    return fd;
}

/* Puts the file of that day behind the number that writers in other threads may be about to use. */
static int open_anew(struct tel_event_file *file, int64_t now, struct tel_error *err)
{
    const int64_t before = atomic_load(&file->ends_ns);
    const int64_t ends = now < before ? before : now - now % DAY_NS + DAY_NS;
    int fd = tel_journal_open_kept(&file->writer, tel_date_of(ends - 1), err);

    if (fd < 0)
        return fd;
    fd = tel_kept_fd_replace(&file->kept, fd);
    if (fd < 0)
        return tel_fail_sys(err, fd, "cannot keep the journal open", NULL);
    atomic_store(&file->ends_ns, ends);
    atomic_store(&file->suspect, false);
    return atomic_load(&file->kept.number);
}

static int make_usable(struct tel_event_file *file, int64_t now, struct tel_error *err)
{
    int fd;

    pthread_mutex_lock(&file->lock);
    fd = usable(file, now);
    if (fd < 0)
        fd = open_anew(file, now, err);
    pthread_mutex_unlock(&file->lock);
    return fd;
}

/* Where O_APPEND is no help, every line is written under a lock, with the file opened anew. */
static int append_on_network(struct tel_event_file *file, int64_t now, struct tel_str line,
                             struct tel_error *err)
{
    int status;

    pthread_mutex_lock(&file->lock);
    status = tel_journal_append(&file->writer, tel_date_of(now), line, NULL, err);
    pthread_mutex_unlock(&file->lock);
    return status;
}

/* A signal that would end the program is not raised. The program may set a limit at any time, and asking
 * for it costs a third of what blocking the signal does. */
static ssize_t write_line(int fd, struct tel_str line)
{
    struct rlimit limit;

    if (tel_sys_getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY)
        return tel_sys_write_quietly(fd, line.ptr, line.len);
    return tel_sys_write(fd, line.ptr, line.len);
}

/* Writes line, and has it on the disk. The change of day may put another file behind the shared number
 * between the two: a number of one's own stays with the file. Where there is none to spare, there is none
 * for a new file either. */
static int write_synced(int shared, struct tel_str line, ssize_t *written)
{
    const int own = fcntl(shared, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    const int fd = own < 0 ? shared : own;
    int status = 0;

    *written = write_line(fd, line);
    if (*written == (ssize_t)line.len)
        status = tel_sys_fdatasync(fd);
    if (own >= 0)
        tel_sys_close(own);
    return status;
}

static int try_append(struct tel_event_file *file, int64_t now, struct tel_str line,
                      struct tel_error *err)
{
    ssize_t written;
    int status = 0;
    int fd = usable(file, now);

    if (fd < 0)
        fd = make_usable(file, now, err);
    if (fd < 0)
        return fd;
    if (file->writer.sync)
        status = write_synced(fd, line, &written);
    else
        written = write_line(fd, line);
    if (written != (ssize_t)line.len) {
        atomic_store(&file->suspect, true);
        return tel_fail_sys(err, written < 0 ? (int)written : -ENOSPC,
                            "cannot append to the journal", NULL);
    }
    return status < 0 ? tel_fail_sys(err, status, "cannot sync the journal", NULL) : 0;
}

int tel_event_file_append(struct tel_event_file *file, int64_t realtime_ns, struct tel_str line,
                          struct tel_error *err)
{
    int status;

    if (file->writer.exclusive)
        return append_on_network(file, realtime_ns, line, err);
    status = try_append(file, realtime_ns, line, err);
    if (status == -EBADF) /* closed by the program a moment ago */
        status = try_append(file, realtime_ns, line, err);
    return status;
}
