/* See janitor.h. One slot for the request: a second one before the first was served is the same. */
#include "janitor.h"

#include "base/journal.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct tel_janitor {
    const struct tel_datadir *dir;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    uint32_t date; /* 0: nothing to do */
    bool stop;
};

static void sync_file(const struct tel_datadir *dir, uint32_t date)
{
    char path[TEL_PATH_MAX];
    int fd;

    if (tel_journal_path(path, dir->raw, date, NULL) < 0)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    fdatasync(fd);
    close(fd);
}

static void *serve(void *arg)
{
    struct tel_janitor *janitor = arg;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
    pthread_mutex_lock(&janitor->mutex);
    for (;;) {
        uint32_t date = janitor->date;

        janitor->date = 0;
        if (date != 0) {
            pthread_mutex_unlock(&janitor->mutex);
            sync_file(janitor->dir, date);
            pthread_mutex_lock(&janitor->mutex);
        } else if (janitor->stop) {
            break;
        } else {
            pthread_cond_wait(&janitor->wanted, &janitor->mutex);
        }
    }
    pthread_mutex_unlock(&janitor->mutex);
    return NULL;
}

struct tel_janitor *tel_janitor_start(const struct tel_datadir *dir)
{
    struct tel_janitor *janitor = calloc(1, sizeof *janitor);

    if (janitor == NULL)
        return NULL;
    janitor->dir = dir;
    pthread_mutex_init(&janitor->mutex, NULL);
    pthread_cond_init(&janitor->wanted, NULL);
    if (pthread_create(&janitor->thread, NULL, serve, janitor) == 0)
        return janitor;
    free(janitor);
    return NULL;
}

static void tell(struct tel_janitor *janitor, uint32_t date, bool stop)
{
    pthread_mutex_lock(&janitor->mutex);
    if (date > janitor->date)
        janitor->date = date;
    janitor->stop = janitor->stop || stop;
    pthread_cond_signal(&janitor->wanted);
    pthread_mutex_unlock(&janitor->mutex);
}

void tel_janitor_sync(struct tel_janitor *janitor, uint32_t date)
{
    if (janitor != NULL)
        tell(janitor, date, false);
}

void tel_janitor_stop(struct tel_janitor *janitor)
{
    if (janitor == NULL)
        return;
    tell(janitor, 0, true);
    pthread_join(janitor->thread, NULL);
    pthread_mutex_destroy(&janitor->mutex);
    pthread_cond_destroy(&janitor->wanted);
    free(janitor);
}
