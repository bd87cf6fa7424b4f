/* See janitor.h. One slot for requests: a second one before the first was served joins it. */
#include "janitor.h"

#include "append.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct work {
    uint32_t first; /* 0: nothing to sync */
    uint32_t last;
    bool copy;
    enum tel_wal_size size;
};

struct tel_janitor {
    const struct tel_datadir *dir;
    int nice;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    struct work work;
    enum tel_copy copy;
    bool stop;
};

static void sync_files(const struct tel_datadir *dir, uint32_t first, uint32_t last)
{
    tel_append_sync(dir, first, NULL);
    if (last != first)
        tel_append_sync(dir, last, NULL);
}

static enum tel_copy do_work(struct tel_janitor *janitor, const struct work *work)
{
    if (work->first != 0)
        sync_files(janitor->dir, work->first, work->last);
    if (!work->copy)
        return TEL_COPY_NONE;
    return tel_store_copy_wal(janitor->dir, work->size, NULL) == 1 ? TEL_COPY_WHOLE : TEL_COPY_PART;
}

static void *serve(void *arg)
{
    struct tel_janitor *janitor = arg;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), janitor->nice);
    pthread_mutex_lock(&janitor->mutex);
    for (;;) {
        const struct work work = janitor->work;

        janitor->work = (struct work){0};
        if (work.first != 0 || work.copy) {
            enum tel_copy copy;

            pthread_mutex_unlock(&janitor->mutex);
            copy = do_work(janitor, &work);
            pthread_mutex_lock(&janitor->mutex);
            if (work.copy && !janitor->work.copy)
                janitor->copy = copy;
        } else if (janitor->stop) {
            break;
        } else {
            pthread_cond_wait(&janitor->wanted, &janitor->mutex);
        }
    }
    pthread_mutex_unlock(&janitor->mutex);
    return NULL;
}

struct tel_janitor *tel_janitor_start(const struct tel_datadir *dir, int nice)
{
    struct tel_janitor *janitor = calloc(1, sizeof *janitor);

    if (janitor == NULL)
        return NULL;
    janitor->dir = dir;
    janitor->nice = nice;
    pthread_mutex_init(&janitor->mutex, NULL);
    pthread_cond_init(&janitor->wanted, NULL);
    if (pthread_create(&janitor->thread, NULL, serve, janitor) == 0)
        return janitor;
    free(janitor);
    return NULL;
}

void tel_janitor_sync(struct tel_janitor *janitor, uint32_t first, uint32_t last)
{
    if (janitor == NULL)
        return;
    pthread_mutex_lock(&janitor->mutex);
    if (janitor->work.first == 0 || janitor->work.first > first)
        janitor->work.first = first;
    janitor->work.last = last;
    pthread_cond_signal(&janitor->wanted);
    pthread_mutex_unlock(&janitor->mutex);
}

void tel_janitor_copy_wal(struct tel_janitor *janitor, enum tel_wal_size size)
{
    if (janitor == NULL)
        return;
    pthread_mutex_lock(&janitor->mutex);
    janitor->work.copy = true;
    janitor->work.size = size;
    janitor->copy = TEL_COPY_BUSY;
    pthread_cond_signal(&janitor->wanted);
    pthread_mutex_unlock(&janitor->mutex);
}

enum tel_copy tel_janitor_take_copy(struct tel_janitor *janitor)
{
    enum tel_copy copy;

    if (janitor == NULL)
        return TEL_COPY_NONE;
    pthread_mutex_lock(&janitor->mutex);
    copy = janitor->copy;
    if (copy != TEL_COPY_BUSY)
        janitor->copy = TEL_COPY_NONE;
    pthread_mutex_unlock(&janitor->mutex);
    return copy;
}

void tel_janitor_stop(struct tel_janitor *janitor)
{
    if (janitor == NULL)
        return;
    pthread_mutex_lock(&janitor->mutex);
    janitor->stop = true;
    pthread_cond_signal(&janitor->wanted);
    pthread_mutex_unlock(&janitor->mutex);
    pthread_join(janitor->thread, NULL);
    pthread_mutex_destroy(&janitor->mutex);
    pthread_cond_destroy(&janitor->wanted);
    free(janitor);
}
