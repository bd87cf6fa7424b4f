/* See live.h: a hash table of runs, and the list of those whose process has ended. */
#include "live.h"

#include "base/clock.h"
#include "base/process.h"
#include "exit_status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CHAINS = 4096 };

struct tel_live {
    int epoll_fd;
    size_t count;
    struct tel_live_run *ended;
    struct tel_live_run *forgotten; /* linked by next, until tel_live_bury */
    struct tel_live_run *chains[CHAINS];
};

struct tel_live *tel_live_new(int epoll_fd)
{
    struct tel_live *live = calloc(1, sizeof *live);

    if (live != NULL)
        live->epoll_fd = epoll_fd;
    return live;
}

static void free_run(struct tel_live_run *run)
{
    close(run->pidfd);
    free(run);
}

void tel_live_bury(struct tel_live *live)
{
    while (live->forgotten != NULL) {
        struct tel_live_run *run = live->forgotten;

        live->forgotten = run->next;
        free(run);
    }
}

void tel_live_free(struct tel_live *live)
{
    if (live == NULL)
        return;
    tel_live_bury(live);
    for (int i = 0; i < CHAINS; i++) {
        while (live->chains[i] != NULL) {
            struct tel_live_run *run = live->chains[i];

            live->chains[i] = run->next;
            free_run(run);
        }
    }
    free(live);
}

static size_t chain_of(struct tel_str run_id)
{
    return tel_str_hash(run_id, TEL_HASH_START) % CHAINS;
}

static struct tel_live_run *find(const struct tel_live *live, struct tel_str run_id)
{
    struct tel_live_run *run = live->chains[chain_of(run_id)];

    while (run != NULL && !tel_str_is(run_id, run->run_id))
        run = run->next;
    return run;
}

bool tel_live_has(const struct tel_live *live, struct tel_str run_id)
{
    return find(live, run_id) != NULL;
}

bool tel_live_lasts(const struct tel_live *live, struct tel_str run_id)
{
    const struct tel_live_run *run = find(live, run_id);

    return run != NULL && run->ended_boot_ns == 0;
}

size_t tel_live_count(const struct tel_live *live)
{
    return live->count;
}

uint64_t tel_live_identity(int pidfd)
{
    const uint64_t inode = tel_pidfd_inode(pidfd);

    return inode != 0 ? inode : (uint64_t)tel_pidfd_pid(pidfd);
}

bool tel_live_has_process(const struct tel_live *live, int pidfd)
{
    const uint64_t identity = tel_live_identity(pidfd);

    for (int i = 0; i < CHAINS; i++)
        for (const struct tel_live_run *run = live->chains[i]; run != NULL; run = run->next)
            if (identity != 0 && run->identity == identity &&
                tel_live_identity(run->pidfd) == identity)
                return true;
    return false;
}

static int watch(const struct tel_live *live, struct tel_live_run *run, int operation,
                 uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = run};

    return epoll_ctl(live->epoll_fd, operation, run->pidfd, &event) < 0 ? -errno : 0;
}

int tel_live_add(struct tel_live *live, struct tel_str run_id, int pidfd,
                 const struct tel_journal_pos *start)
{
    const size_t chain = chain_of(run_id);
    struct tel_live_run *run;
    int status;

    if (tel_live_has(live, run_id)) {
        close(pidfd);
        return 1;
    }
    run = calloc(1, sizeof *run + run_id.len + 1);
    if (run == NULL) {
        close(pidfd);
        return -ENOMEM;
    }
    memcpy(run->run_id, run_id.ptr, run_id.len);
    run->pidfd = pidfd;
    run->identity = tel_live_identity(pidfd);
    run->start = *start;
    run->added_boot_ns = tel_clock_boottime_ns();
    status = watch(live, run, EPOLL_CTL_ADD, EPOLLIN | EPOLLONESHOT);
    if (status < 0) {
        free_run(run);
        return status;
    }
    run->next = live->chains[chain];
    live->chains[chain] = run;
    live->count++;
    return 0;
}

void tel_live_ended(struct tel_live *live, struct tel_live_run *run, int64_t late_ns)
{
    if (run->ended_boot_ns != 0)
        return; /* on the list already: this was the reaping */
    run->ended_boot_ns = tel_clock_boottime_ns();
    run->late_ns = late_ns;
    tel_live_put_back(live, run);
    watch(live, run, EPOLL_CTL_MOD, EPOLLONESHOT); /* EPOLLHUP always comes */
}

struct tel_live_run *tel_live_take_ended(struct tel_live *live)
{
    struct tel_live_run *list = live->ended;

    live->ended = NULL;
    return list;
}

const struct tel_live_run *tel_live_first_ended(const struct tel_live *live)
{
    return live->ended;
}

bool tel_live_any_ended(const struct tel_live *live)
{
    return live->ended != NULL;
}

void tel_live_put_back(struct tel_live *live, struct tel_live_run *run)
{
    run->queued = live->ended;
    live->ended = run;
}

static void take_off(struct tel_live *live, struct tel_live_run *run)
{
    struct tel_live_run **link =
        &live->chains[chain_of((struct tel_str){run->run_id, strlen(run->run_id)})];

    while (*link != run)
        link = &(*link)->next;
    *link = run->next;
    live->count--;
    /* Closing alone does not end the watch while its sender has a copy of the pidfd (epoll(7)). */
    watch(live, run, EPOLL_CTL_DEL, 0);
}

void tel_live_remove(struct tel_live *live, struct tel_live_run *run)
{
    take_off(live, run);
    free_run(run);
}

void tel_live_forget(struct tel_live *live, struct tel_str run_id)
{
    struct tel_live_run *run = find(live, run_id);

    if (run == NULL)
        return;
    for (struct tel_live_run **link = &live->ended; *link != NULL; link = &(*link)->queued) {
        if (*link == run) {
            *link = run->queued;
            break;
        }
    }
    take_off(live, run);
    close(run->pidfd);
    run->pidfd = -1;
    run->next = live->forgotten;
    live->forgotten = run;
}
