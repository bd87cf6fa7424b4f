/* See inbox.h. */
#include "inbox.h"

#include "append.h"
#include "base/clock.h"
#include "base/runline.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5, socket(7) */
#endif

enum {
    ASKING_MAX = 4096,
    ACCEPT_AT_ONCE = 512,              /* then others get their turn */
    HELD_BYTES_MAX = 16 * 1024 * 1024, /* of lines while the disk is full */
    PAUSE_MS = 20
};

static const int64_t late_patience = INT64_C(10) * 1000 * 1000 * 1000; /* ns */

/* A line that its sender could not append. */
struct held_line {
    struct held_line *next;
    size_t len;
    char text[];
};

struct line_queue {
    struct held_line *first;
    struct held_line **end;
};

/* A connection whose message is not there yet. */
struct late {
    struct late *next;
    int64_t since_ns; /* CLOCK_BOOTTIME */
    int fd;
};

struct tel_inbox {
    const struct tel_datadir *dir;
    struct line_queue starts; /* of these first: a run's end may be received before its start */
    struct line_queue ends;
    size_t held_bytes;
    tel_parcel_fn *on_message;
    void *on_message_arg;
    tel_say_fn *on_say;
    void *on_say_arg;
    int late_fd; /* an epoll set of its own */
    struct late *late;
    int spare_fd; /* given up for a connection when there are no more descriptors; -1 none left */
    int asking_count;
    struct asking {
        int fd;
        struct tel_message message;
    } asking[ASKING_MAX];
    char buffer[sizeof(struct tel_message) + TEL_RUNLINE_MAX + 2 * TEL_API_TEXT_MAX];
};

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void close_spare(struct tel_inbox *inbox)
{
    if (inbox->spare_fd >= 0)
        close(inbox->spare_fd);
    inbox->spare_fd = -1;
}

struct tel_inbox *tel_inbox_new(const struct tel_datadir *dir)
{
    struct tel_inbox *inbox = calloc(1, sizeof *inbox);

    if (inbox == NULL)
        return NULL;
    inbox->dir = dir;
    inbox->starts.end = &inbox->starts.first;
    inbox->ends.end = &inbox->ends.first;
    inbox->spare_fd = open_spare();
    inbox->late_fd = epoll_create1(EPOLL_CLOEXEC);
    if (inbox->late_fd >= 0)
        return inbox;
    close_spare(inbox);
    free(inbox);
    return NULL;
}

void tel_inbox_on_message(struct tel_inbox *inbox, tel_parcel_fn *fn, void *arg)
{
    inbox->on_message = fn;
    inbox->on_message_arg = arg;
}

static void drop_first(struct line_queue *queue)
{
    struct held_line *line = queue->first;

    queue->first = line->next;
    if (queue->first == NULL)
        queue->end = &queue->first;
    free(line);
}

/* Takes the entry at link out of its list; its descriptor. */
static int remove_late(struct late **link)
{
    struct late *late = *link;
    const int fd = late->fd;

    *link = late->next;
    free(late);
    return fd;
}

void tel_inbox_free(struct tel_inbox *inbox)
{
    if (inbox == NULL)
        return;
    tel_inbox_answer(inbox, TEL_ANSWER_LATER);
    while (inbox->starts.first != NULL)
        drop_first(&inbox->starts);
    while (inbox->ends.first != NULL)
        drop_first(&inbox->ends);
    while (inbox->late != NULL)
        close(remove_late(&inbox->late));
    close_spare(inbox);
    close(inbox->late_fd);
    free(inbox);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* Only the same user, or root, is listened to. */
static bool is_welcome(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* The first descriptor that came along; further ones are closed. */
static int take_descriptor(struct msghdr *header)
{
    int taken = -1;

    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part != NULL;
         part = CMSG_NXTHDR(header, part)) {
        size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            if (taken < 0)
                taken = fd;
            else
                close(fd);
        }
    }
    return taken;
}

static bool is_sound(const struct tel_parcel *parcel, size_t received)
{
    const struct tel_message *message = &parcel->message;

    return received >= sizeof *message && message->magic == TEL_PROTO_MAGIC &&
           message->version == TEL_PROTO_VERSION && message->url_length <= TEL_API_TEXT_MAX &&
           message->token_length <= TEL_API_TEXT_MAX &&
           received == sizeof *message + message->line_length + message->url_length +
                           message->token_length &&
           memchr(message->run_id, '\0', sizeof message->run_id) != NULL;
}

static struct tel_str take_text(const char **at, size_t len)
{
    const struct tel_str text = {len > 0 ? *at : NULL, len};

    *at += len;
    return text;
}

static void find_texts(struct tel_parcel *parcel, const char *at)
{
    parcel->line = take_text(&at, parcel->message.line_length);
    parcel->target.url = take_text(&at, parcel->message.url_length);
    parcel->target.token = take_text(&at, parcel->message.token_length);
}

enum received { RECEIVED, RECEIVED_NOTHING_YET, RECEIVED_NONSENSE };

static enum received receive(struct tel_inbox *inbox, int fd, struct tel_parcel *parcel)
{
    char control[CMSG_SPACE(4 * sizeof(int))];
    struct iovec part = {inbox->buffer, sizeof inbox->buffer};
    struct msghdr header = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control,
        .msg_controllen = sizeof control,
    };
    ssize_t received = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (received < 0)
        return errno == EAGAIN ? RECEIVED_NOTHING_YET : RECEIVED_NONSENSE;
    parcel->passed_fd = take_descriptor(&header);
    if ((size_t)received >= sizeof parcel->message)
        memcpy(&parcel->message, inbox->buffer, sizeof parcel->message);
    if (is_sound(parcel, (size_t)received)) {
        find_texts(parcel, inbox->buffer + sizeof parcel->message);
        return RECEIVED;
    }
    if (parcel->passed_fd >= 0)
        close(parcel->passed_fd);
    return RECEIVED_NONSENSE;
}

/* accept4 makes a whole socket before it sees that there is none to be had. */
static bool is_waiting(int socket)
{
    struct pollfd fd = {.fd = socket, .events = POLLIN};

    return poll(&fd, 1, 0) == 1;
}

/* The next connection of somebody who is listened to, or -1 with errno. */
static int accept_welcome(int listener)
{
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 || is_welcome(fd))
            return fd;
        close(fd);
    }
}

/* Out of descriptors, the connection would stay in the queue, and epoll tell of it again and again:
 * it gets the spare one. Who sent it is heard, and answered, even though nothing that comes along can
 * be kept. Where not even that is left, the collector at least does not spin. */
static int accept_next(struct tel_inbox *inbox, int listener)
{
    int fd = accept_welcome(listener);

    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    close_spare(inbox);
    fd = accept_welcome(listener);
    if (fd < 0 && errno != EAGAIN)
        poll(NULL, 0, PAUSE_MS);
    return fd;
}

/* --- lines that the disk did not take --------------------------------------------------------- */

static void hold_line(struct tel_inbox *inbox, struct line_queue *queue, struct tel_str text)
{
    struct held_line *line;

    if (text.len == 0 || text.ptr[text.len - 1] != '\n' ||
        inbox->held_bytes + text.len > HELD_BYTES_MAX)
        return;
    line = malloc(sizeof *line + text.len);
    if (line == NULL)
        return;
    line->next = NULL;
    line->len = text.len;
    memcpy(line->text, text.ptr, text.len);
    *queue->end = line;
    queue->end = &line->next;
    inbox->held_bytes += text.len;
}

void tel_inbox_hold_start(struct tel_inbox *inbox, struct tel_str line)
{
    hold_line(inbox, &inbox->starts, line);
}

bool tel_inbox_holds_lines(const struct tel_inbox *inbox)
{
    return inbox->starts.first != NULL || inbox->ends.first != NULL;
}

static int append_queue(struct tel_inbox *inbox, struct line_queue *queue)
{
    while (queue->first != NULL) {
        const struct tel_str text = {queue->first->text, queue->first->len};
        int status = tel_append(inbox->dir, 0, false, text, NULL);

        if (status < 0)
            return status;
        inbox->held_bytes -= text.len;
        drop_first(queue);
    }
    return 0;
}

int tel_inbox_append_lines(struct tel_inbox *inbox)
{
    int status = append_queue(inbox, &inbox->starts);

    return status < 0 ? status : append_queue(inbox, &inbox->ends);
}

/* --- starts ----------------------------------------------------------------------------------- */

/* For senders that could not open or pass a pidfd of themselves. */
static int pidfd_of_peer(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    int pidfd = -1;
    socklen_t pidfd_len = sizeof pidfd;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &pidfd_len) == 0)
        return pidfd;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid <= 0)
        return -1;
    return (int)syscall(SYS_pidfd_open, peer.pid, 0);
}

static void take_start(struct tel_inbox *inbox, int fd, struct tel_parcel *parcel)
{
    if (parcel->passed_fd < 0)
        parcel->passed_fd = pidfd_of_peer(fd);
    if (parcel->message.request == TEL_REQUEST_START)
        hold_line(inbox, &inbox->starts, parcel->line);
    if (inbox->on_message != NULL)
        inbox->on_message(inbox->on_message_arg, parcel);
    else if (parcel->passed_fd >= 0)
        close(parcel->passed_fd);
    close(fd);
}

void tel_inbox_on_say(struct tel_inbox *inbox, tel_say_fn *fn, void *arg)
{
    inbox->on_say = fn;
    inbox->on_say_arg = arg;
}

/* --- requests --------------------------------------------------------------------------------- */

static void answer_one(int fd, enum tel_answer answer)
{
    const char byte = (char)answer;

    (void)send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static void take_request(struct tel_inbox *inbox, int fd, struct tel_parcel *parcel)
{
    if (parcel->passed_fd >= 0)
        close(parcel->passed_fd);
    if (parcel->message.request == TEL_REQUEST_SAY) {
        const bool done = inbox->on_say != NULL &&
                          inbox->on_say(inbox->on_say_arg, &parcel->message, parcel->line);

        answer_one(fd, done ? TEL_ANSWER_DONE : TEL_ANSWER_FAILED);
        return;
    }
    if (parcel->line.len > 0 && inbox->on_message != NULL)
        inbox->on_message(inbox->on_message_arg, parcel);
    hold_line(inbox, &inbox->ends, parcel->line);
    inbox->asking[inbox->asking_count++] = (struct asking){fd, parcel->message};
}

/* --- connections ------------------------------------------------------------------------------ */

/* The sender has connected, but was interrupted before it sent: it is waited for, not the other way
 * round. */
static void wait_for_message(struct tel_inbox *inbox, int fd, int64_t since_ns)
{
    struct late *late = malloc(sizeof *late);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = late};

    if (late == NULL || epoll_ctl(inbox->late_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        free(late);
        close(fd);
        return;
    }
    *late = (struct late){inbox->late, since_ns, fd};
    inbox->late = late;
}

/* Takes the message of a connection; false when it is not there yet. */
static bool take_message(struct tel_inbox *inbox, int fd)
{
    struct tel_parcel parcel;
    enum received received = receive(inbox, fd, &parcel);

    if (received == RECEIVED_NOTHING_YET)
        return false;
    if (received == RECEIVED_NONSENSE) {
        close(fd);
        return true;
    }
    if (parcel.message.request == TEL_REQUEST_START || parcel.message.request == TEL_REQUEST_LEADER)
        take_start(inbox, fd, &parcel);
    else
        take_request(inbox, fd, &parcel);
    return true;
}

bool tel_inbox_take(struct tel_inbox *inbox, enum tel_socket which, int listener)
{
    /* Starts are taken all at once, and often there is none; of requests, of which epoll has told, only so
     * many that the first are answered soon. */
    const bool is_start = which == TEL_SOCKET_START;
    const int most = is_start ? ASKING_MAX : ACCEPT_AT_ONCE;
    int taken = 0;

    for (; taken < most && inbox->asking_count < ASKING_MAX; taken++) {
        const bool is_sure = !is_start && taken == 0;
        const int fd = is_sure || is_waiting(listener) ? accept_next(inbox, listener) : -1;

        if (fd < 0)
            break;
        if (!take_message(inbox, fd))
            wait_for_message(inbox, fd, tel_clock_boottime_ns());
    }
    if (inbox->spare_fd < 0)
        inbox->spare_fd = open_spare();
    return taken > 0;
}

int tel_inbox_late_fd(const struct tel_inbox *inbox)
{
    return inbox->late_fd;
}

bool tel_inbox_any_late(const struct tel_inbox *inbox)
{
    return inbox->late != NULL;
}

static struct late **link_of(struct tel_inbox *inbox, const struct late *late)
{
    struct late **link = &inbox->late;

    while (*link != late)
        link = &(*link)->next;
    return link;
}

void tel_inbox_take_late(struct tel_inbox *inbox)
{
    struct epoll_event events[64];
    int count = epoll_wait(inbox->late_fd, events, 64, 0);

    for (int i = 0; i < count && inbox->asking_count < ASKING_MAX; i++) {
        const struct late *late = events[i].data.ptr;
        const int64_t since_ns = late->since_ns;
        const int fd = remove_late(link_of(inbox, late));

        epoll_ctl(inbox->late_fd, EPOLL_CTL_DEL, fd, NULL);
        if (!take_message(inbox, fd))
            wait_for_message(inbox, fd, since_ns);
    }
}

void tel_inbox_drop_late(struct tel_inbox *inbox)
{
    const int64_t oldest = tel_clock_boottime_ns() - late_patience;

    for (struct late **link = &inbox->late; *link != NULL;)
        if ((*link)->since_ns < oldest && !is_waiting((*link)->fd))
            close(remove_late(link));
        else
            link = &(*link)->next;
}

bool tel_inbox_any_asking(const struct tel_inbox *inbox)
{
    return inbox->asking_count > 0;
}

static bool wants_all(const struct asking *asking)
{
    return asking->message.request == TEL_REQUEST_SYNC;
}

void tel_inbox_each_asking(const struct tel_inbox *inbox, tel_asked_fn *fn, void *arg)
{
    for (int i = 0; i < inbox->asking_count; i++)
        fn(arg, &inbox->asking[i].message);
}

bool tel_inbox_wants_all(const struct tel_inbox *inbox)
{
    for (int i = 0; i < inbox->asking_count; i++)
        if (wants_all(&inbox->asking[i]))
            return true;
    return false;
}

void tel_inbox_answer(struct tel_inbox *inbox, enum tel_answer answer)
{
    for (int i = 0; i < inbox->asking_count; i++)
        answer_one(inbox->asking[i].fd, answer);
    inbox->asking_count = 0;
}

void tel_inbox_put_off(struct tel_inbox *inbox)
{
    int kept = 0;

    for (int i = 0; i < inbox->asking_count; i++) {
        if (wants_all(&inbox->asking[i]))
            inbox->asking[kept++] = inbox->asking[i];
        else
            answer_one(inbox->asking[i].fd, TEL_ANSWER_LATER);
    }
    inbox->asking_count = kept;
}
