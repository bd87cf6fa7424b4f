/* What epoll tells the collector: whose message has come, whose process has ended and when that was, also
 * in the middle of a long fold. */
#include "collector_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/epoll.h>

#define MS INT64_C(1000000)

static const int64_t behind_after_ns = 60 * MS;     /* of folding, "later" is the better answer */
static const int64_t overslept_after_ns = 500 * MS; /* beyond what was to be waited */

enum { EVENTS = 256 };

/* What epoll's data.ptr holds for descriptors that are no run: an address in here. */
static char tags[TEL_SOURCES];

static int control(struct tel_collector *collector, int operation, enum tel_source source, int fd)
{
    struct epoll_event event = {
        .events = source == TEL_SOURCE_START ? EPOLLIN | EPOLLONESHOT : EPOLLIN,
        .data.ptr = &tags[source],
    };

    return epoll_ctl(collector->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

int tel_collector_watch(struct tel_collector *collector, enum tel_source source, int fd)
{
    return control(collector, EPOLL_CTL_ADD, source, fd);
}

void tel_collector_watch_again(struct tel_collector *collector, enum tel_source source, int fd)
{
    control(collector, EPOLL_CTL_MOD, source, fd);
}

/* entered: when epoll was asked. What it told after waiting has just happened; what was there at once
 * has happened since it was asked before, which may be long ago (a long batch, a collector that was
 * stopped). */
static void note_end(struct tel_collector *collector, struct tel_live_run *run, int64_t entered)
{
    const bool was_alive = collector->looked_ns > run->added_boot_ns;

    if (run->pidfd < 0)
        return; /* forgotten by a message of the same batch */
    tel_live_ended(collector->live, run, was_alive ? entered - collector->looked_ns : INT64_MAX);
    tel_agenda_add(&collector->agenda, TEL_WORK_SETTLE);
}

static void handle_event(struct tel_collector *collector, void *tag, int64_t entered)
{
    if (tag == &tags[TEL_SOURCE_OUTBOX])
        return; /* it is worked off with what is due, and is no reason to stay */
    collector->last_active_ns = tel_clock_boottime_ns();
    if (tag == &tags[TEL_SOURCE_REQUEST]) {
        tel_collector_take_requests(collector);
    } else if (tag == &tags[TEL_SOURCE_LATE]) {
        tel_inbox_take_late(collector->inbox);
        tel_agenda_add(&collector->agenda, TEL_WORK_STARTS); /* a line may have come along */
        tel_agenda_add(&collector->agenda, TEL_WORK_FOLD);
        tel_upkeep_note_written(&collector->upkeep);
    } else if (tag == &tags[TEL_SOURCE_START]) {
        tel_agenda_add(&collector->agenda, TEL_WORK_STARTS);
    } else if (tag == &tags[TEL_SOURCE_SIGNAL]) {
        collector->is_told_to_stop = true;
    } else {
        note_end(collector, tag, entered);
    }
}

/* A stopped process that goes on finds EINTR, or has slept for longer than it wanted: then it has not been
 * looked, and was not waited. */
void tel_collector_take_events(struct tel_collector *collector, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int64_t entered = tel_clock_boottime_ns();
    int count = epoll_wait(collector->epoll_fd, events, EVENTS, timeout_ms);

    if (tel_clock_boottime_ns() - entered > timeout_ms * MS + overslept_after_ns)
        entered = tel_clock_boottime_ns();
    while (count > 0) {
        for (int i = 0; i < count; i++)
            handle_event(collector, events[i].data.ptr, entered);
        if (count < EVENTS)
            break;
        count = epoll_wait(collector->epoll_fd, events, EVENTS, 0);
    }
    if (count >= 0)
        collector->looked_ns = tel_clock_boottime_ns();
}

/* Between the batches of a long pass (a database rebuilt, a journal that others filled): ends are
 * noted when they happen, and whoever waits for one row is told at once that it will take longer. */
int tel_collector_look_up(void *arg)
{
    struct tel_collector *collector = arg;

    if (tel_clock_boottime_ns() - collector->upkeep.fold_began_ns < behind_after_ns)
        return 0;
    tel_collector_take_events(collector, 0);
    tel_inbox_put_off(collector->inbox);
    return 0;
}
