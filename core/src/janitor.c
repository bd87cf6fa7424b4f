/* See janitor.h. One slot for requests: a second one before the first was served joins it. */
#include "janitor.h"

#include "append.h"
#include "store.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct work {
    uint32_t first; /* 0: nothing to sync */
    uint32_t last;
    bool copy;
};

struct tel_janitor {
    const struct tel_datadir *dir;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wanted;
    struct work work;
    bool copying; /* asked for, or under way */
    bool stop;
};

static void sync_files(const struct tel_datadir *dir, uint32_t first, uint32_t last)
{
    tel_append_sync(dir, first, NULL);
    if (last != first)
        tel_append_sync(dir, last, NULL);
}

static void do_work(struct tel_janitor *janitor, const struct work *work)
{
    if (work->first != 0)
        sync_files(janitor->dir, work->first, work->last);
    if (work->copy)
        tel_store_copy_wal(janitor->dir, NULL);
}

static void *serve(void *arg)
{
    struct tel_janitor *janitor = arg;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10);
    pthread_mutex_lock(&janitor->mutex);
    for (;;) {
        const struct work work = janitor->work;

        janitor->work = (struct work){0};
        if (work.first != 0 || work.copy) {
            pthread_mutex_unlock(&janitor->mutex);
            do_work(janitor, &work);
            pthread_mutex_lock(&janitor->mutex);
            janitor->copying = janitor->work.copy;
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

void tel_janitor_copy_wal(struct tel_janitor *janitor)
{
    if (janitor == NULL)
        return;
    pthread_mutex_lock(&janitor->mutex);
    janitor->work.copy = janitor->copying = true;
    pthread_cond_signal(&janitor->wanted);
    pthread_mutex_unlock(&janitor->mutex);
}

bool tel_janitor_is_copying(struct tel_janitor *janitor)
{
    bool copying;

    if (janitor == NULL)
        return false;
    pthread_mutex_lock(&janitor->mutex);
    copying = janitor->copying;
    pthread_mutex_unlock(&janitor->mutex);
    return copying;
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
