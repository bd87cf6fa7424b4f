/* The collector's side of the sockets: real ones, with whatever anybody may send. */
#include "inbox.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/spawn.h"
#include "base/sys.h"
#include "support/places.h"
#include "support/support.h"
#include "support/view.h"

static struct tel_datadir dir;
static struct tel_claim claim;
static struct tel_inbox *inbox;
static int fds_before;

/* What on_message was told of starts, in order. */
static struct {
    char run_id[TEL_RUN_ID_MAX];
    char url[64];
    char token[64];
    int pidfd;
} starts[16];
static int start_count;

static void note_start(void *arg, const struct tel_parcel *parcel)
{
    cr_assert_eq(arg, &starts);
    if (parcel->message.request != TEL_REQUEST_START)
        return;
    cr_assert_lt(start_count, 16);
    strcpy(starts[start_count].run_id, parcel->message.run_id);
    strcpy(starts[start_count].url, view_text(parcel->target.url));
    strcpy(starts[start_count].token, view_text(parcel->target.token));
    starts[start_count++].pidfd = parcel->passed_fd;
}

static void set_up(void)
{
    struct tel_error err = {0};

    make_place(&dir, test_dir());
    fds_before = count_descriptors();
    cr_assert_eq(tel_claim_take(&claim, &dir, &err), 0, "%s", err.message);
    inbox = tel_inbox_new(&dir);
    cr_assert_not_null(inbox);
    tel_inbox_on_message(inbox, note_start, &starts);
}

static void tear_down(void)
{
    for (int i = 0; i < start_count; i++)
        if (starts[i].pidfd >= 0)
            close(starts[i].pidfd);
    tel_inbox_free(inbox);
    tel_claim_drop(&claim, &dir, true);
    /* An assertion that fails here is printed, and forgotten. */
    if (count_descriptors() != fds_before)
        abort();
}

TestSuite(inbox, .init = set_up, .fini = tear_down);

/* Sends on a connection of its own, and returns that. */
static int send_on(enum tel_socket which, enum tel_request request, const char *run_id, int pass_fd,
                   const char *line)
{
    struct tel_message message;
    int fd = tel_proto_connect(&dir, which);

    cr_assert_geq(fd, 0);
    tel_message_init(&message, request, tel_str_from(run_id));
    cr_assert_eq(tel_proto_send(fd, &message, pass_fd,
                                line == NULL ? TEL_STR_NONE : tel_str_from(line), NULL),
                 0);
    return fd;
}

static void send_start(const char *run_id, int pass_fd, const char *line)
{
    close(send_on(TEL_SOCKET_START, TEL_REQUEST_START, run_id, pass_fd, line));
}

static void take_starts(void)
{
    tel_inbox_take(inbox, TEL_SOCKET_START, claim.start);
}

static void take_requests(void)
{
    tel_inbox_take(inbox, TEL_SOCKET_REQUEST, claim.request);
}

/* The answer that has come on fd: its letter, '-' when there is none yet, '.' when it was closed
 * without one. */
static char answer_on(int fd)
{
    char answer;
    ssize_t got = recv(fd, &answer, 1, MSG_DONTWAIT);

    if (got == 1)
        return answer;
    return got < 0 && errno == EAGAIN ? '-' : '.';
}

/* --- starts ----------------------------------------------------------------------------------- */

Test(inbox, a_start_with_a_target)
{
    const struct tel_target with_token = {TEL_STR("http://127.0.0.1/x"), TEL_STR("s3cret")};
    const struct tel_target without = {TEL_STR("http://127.0.0.1/y"), TEL_STR_NONE};
    const struct tel_target *const targets[] = {&with_token, &without, NULL};

    for (int i = 0; i < 3; i++) {
        struct tel_message message;
        int fd = tel_proto_connect(&dir, TEL_SOCKET_START);

        cr_assert_geq(fd, 0);
        tel_message_init(&message, TEL_REQUEST_START, TEL_STR("run"));
        cr_assert_eq(tel_proto_send(fd, &message, -1, TEL_STR("{}\n"), targets[i]), 0);
        close(fd);
    }
    take_starts();
    cr_assert_eq(start_count, 3);
    cr_expect_str_eq(starts[0].url, "http://127.0.0.1/x");
    cr_expect_str_eq(starts[0].token, "s3cret");
    cr_expect_str_eq(starts[1].url, "http://127.0.0.1/y");
    cr_expect_str_eq(starts[1].token, "(none)");
    cr_expect_str_eq(starts[2].url, "(none)");
    cr_expect(tel_inbox_holds_lines(inbox), "the lines came along");
    cr_assert_eq(tel_inbox_append_lines(inbox), 0);
}

Test(inbox, a_start_with_a_pidfd)
{
    struct stat sent;
    struct stat got;
    int pidfd = tel_sys_pidfd_open(getpid());

    send_start("run-1", pidfd, NULL);
    take_starts();
    cr_assert_eq(start_count, 1);
    cr_expect_str_eq(starts[0].run_id, "run-1");
    cr_assert_geq(starts[0].pidfd, 0);
    cr_expect_neq(starts[0].pidfd, pidfd);
    cr_expect(fcntl(starts[0].pidfd, F_GETFD) & FD_CLOEXEC);
    fstat(pidfd, &sent);
    fstat(starts[0].pidfd, &got);
    cr_expect_eq(sent.st_ino, got.st_ino);
    close(pidfd);
    cr_expect_not(tel_inbox_any_asking(inbox), "starts are not answered");
    cr_expect_not(tel_inbox_holds_lines(inbox));
}

Test(inbox, a_start_without_one)
{
    send_start("run-1", -1, NULL);
    take_starts();
    cr_assert_eq(start_count, 1);
    cr_assert_geq(starts[0].pidfd, 0, "the connection itself tells who it is");
    cr_expect_eq(syscall(SYS_pidfd_send_signal, starts[0].pidfd, 0, NULL, 0), 0);
}

/* The process was gone before anybody looked: its pidfd is all that is left of it. */
Test(inbox, a_start_of_a_process_that_has_ended)
{
    int wait_status;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        send_start("run-1", tel_sys_pidfd_open(getpid()), NULL);
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &wait_status, 0), pid);
    cr_assert_eq(wait_status, 0);
    take_starts();
    cr_assert_eq(start_count, 1);
    cr_assert_geq(starts[0].pidfd, 0);
    cr_expect_eq(tel_sys_wait_readable(starts[0].pidfd, 0), 1);
}

Test(inbox, nobody_has_to_listen)
{
    tel_inbox_on_message(inbox, NULL, NULL);
    send_start("run-1", -1, NULL);
    take_starts();
    cr_expect_eq(start_count, 0);
}

/* --- requests --------------------------------------------------------------------------------- */

Test(inbox, a_request_is_answered)
{
    int fd = send_on(TEL_SOCKET_REQUEST, TEL_REQUEST_COMMIT, "run-1", -1, NULL);

    cr_expect_not(tel_inbox_any_asking(inbox));
    take_requests();
    cr_expect(tel_inbox_any_asking(inbox));
    cr_expect_not(tel_inbox_wants_all(inbox));
    cr_expect_eq(answer_on(fd), '-');
    tel_inbox_answer(inbox, TEL_ANSWER_DONE);
    cr_expect_eq(answer_on(fd), TEL_ANSWER_DONE);
    cr_expect_eq(answer_on(fd), '.');
    cr_expect_not(tel_inbox_any_asking(inbox));
    close(fd);
}

Test(inbox, a_sync_wants_all)
{
    int sync = send_on(TEL_SOCKET_REQUEST, TEL_REQUEST_SYNC, "", -1, NULL);
    int commit = send_on(TEL_SOCKET_REQUEST, TEL_REQUEST_COMMIT, "run-1", -1, NULL);

    take_requests();
    cr_expect(tel_inbox_wants_all(inbox));
    tel_inbox_put_off(inbox);
    cr_expect_eq(answer_on(commit), TEL_ANSWER_LATER);
    cr_expect_eq(answer_on(sync), '-', "it has all the time in the world");
    tel_inbox_answer(inbox, TEL_ANSWER_DONE);
    cr_expect_eq(answer_on(sync), TEL_ANSWER_DONE);
    cr_expect_not(tel_inbox_wants_all(inbox));
    close(sync);
    close(commit);
}

Test(inbox, those_who_have_left_get_no_answer)
{
    signal(SIGPIPE, SIG_DFL);
    close(send_on(TEL_SOCKET_REQUEST, TEL_REQUEST_COMMIT, "run-1", -1, NULL));
    take_requests();
    cr_expect(tel_inbox_any_asking(inbox), "its line has been written all the same");
    tel_inbox_answer(inbox, TEL_ANSWER_DONE);
}

/* Whoever waits when the collector leaves is told. */
Test(inbox, closing_answers_later)
{
    int fd = send_on(TEL_SOCKET_REQUEST, TEL_REQUEST_COMMIT, "run-1", -1, NULL);
    struct tel_inbox *other = tel_inbox_new(&dir);

    tel_inbox_take(other, TEL_SOCKET_REQUEST, claim.request);
    tel_inbox_free(other);
    cr_expect_eq(answer_on(fd), TEL_ANSWER_LATER);
    close(fd);
    tel_inbox_free(NULL);
}

Test(inbox, many_at_once)
{
    enum { MANY = 1200 };
    static int fds[MANY];
    int answered = 0;

    for (int i = 0; i < MANY; i++)
        fds[i] = send_on(TEL_SOCKET_REQUEST, TEL_REQUEST_COMMIT, "run-1", -1, NULL);
    for (int turn = 0; turn < 10 && answered < MANY; turn++) {
        take_requests();
        tel_inbox_answer(inbox, TEL_ANSWER_DONE);
        while (answered < MANY && answer_on(fds[answered]) == TEL_ANSWER_DONE)
            answered++;
    }
    cr_expect_eq(answered, MANY);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
}

/* --- late ones -------------------------------------------------------------------------------- */

static bool is_readable(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0) == 1;
}

/* Connected, and then interrupted. */
Test(inbox, a_message_that_comes_later)
{
    struct tel_message message;
    int start = tel_proto_connect(&dir, TEL_SOCKET_START);
    int request = tel_proto_connect(&dir, TEL_SOCKET_REQUEST);

    take_starts();
    take_requests();
    cr_expect_eq(start_count, 0);
    cr_expect(tel_inbox_any_late(inbox));
    cr_expect_not(is_readable(tel_inbox_late_fd(inbox)));

    tel_message_init(&message, TEL_REQUEST_START, TEL_STR("run-1"));
    cr_assert_eq(tel_proto_send(start, &message, -1, TEL_STR_NONE, NULL), 0);
    cr_expect(is_readable(tel_inbox_late_fd(inbox)));
    tel_inbox_take_late(inbox);
    cr_assert_eq(start_count, 1);
    cr_expect(tel_inbox_any_late(inbox), "the other one");

    tel_message_init(&message, TEL_REQUEST_COMMIT, TEL_STR("run-1"));
    cr_assert_eq(tel_proto_send(request, &message, -1, TEL_STR_NONE, NULL), 0);
    tel_inbox_take_late(inbox);
    cr_expect_not(tel_inbox_any_late(inbox));
    tel_inbox_answer(inbox, TEL_ANSWER_DONE);
    cr_expect_eq(answer_on(request), TEL_ANSWER_DONE);
    close(start);
    close(request);
}

Test(inbox, one_that_never_says_a_word)
{
    int fd = tel_proto_connect(&dir, TEL_SOCKET_REQUEST);

    take_requests();
    tel_inbox_take_late(inbox);
    cr_expect(tel_inbox_any_late(inbox));
    close(fd);
    tel_inbox_take_late(inbox);
    cr_expect_not(tel_inbox_any_late(inbox));
    cr_expect_not(tel_inbox_any_asking(inbox));
}

static int64_t clock_ahead_s;

static int read_clock_ahead(clockid_t clock, struct timespec *time)
{
    const int status = clock_gettime(clock, time);

    time->tv_sec += clock_ahead_s;
    return status;
}

/* A host that is stopped between connecting and sending is waited for, but not for ever. */
Test(inbox, one_that_is_silent_for_too_long)
{
    struct tel_message message;
    int silent = tel_proto_connect(&dir, TEL_SOCKET_START);
    int in_time = tel_proto_connect(&dir, TEL_SOCKET_START);

    tel_clock_use(read_clock_ahead);
    take_starts();
    clock_ahead_s = 9;
    tel_inbox_drop_late(inbox);
    tel_message_init(&message, TEL_REQUEST_START, TEL_STR("run-1"));
    cr_expect_eq(tel_proto_send(in_time, &message, -1, TEL_STR_NONE, NULL), 0, "it still listens");
    clock_ahead_s = 11;
    tel_inbox_drop_late(inbox);
    cr_expect(tel_inbox_any_late(inbox), "its message is there");
    tel_inbox_take_late(inbox);
    cr_expect_eq(start_count, 1);
    cr_expect_not(tel_inbox_any_late(inbox));
    cr_expect_eq(tel_proto_send(silent, &message, -1, TEL_STR_NONE, NULL), -EPIPE);
    tel_clock_use(NULL);
    close(silent);
    close(in_time);
}

/* --- no descriptor left ----------------------------------------------------------------------- */

static struct rlimit descriptors;

static void leave_no_descriptor(void)
{
    struct rlimit few;

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &descriptors), 0);
    few = descriptors;
    /* Numbers are given from the lowest: until there is a hole, that many are all. */
    few.rlim_cur = (rlim_t)fcntl(0, F_DUPFD_CLOEXEC, 0);
    close((int)few.rlim_cur);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
}

static void allow_descriptors_again(void)
{
    setrlimit(RLIMIT_NOFILE, &descriptors);
}

/* The queue is emptied all the same: epoll would tell of it again and again. */
Test(inbox, no_descriptor_left)
{
    struct pollfd waiting[2] = {{.fd = claim.start, .events = POLLIN},
                                {.fd = claim.request, .events = POLLIN}};
    int fds[3];

    for (int i = 0; i < 3; i++)
        send_start(text("run-%d", i), -1, "a line\n");
    for (int i = 0; i < 3; i++)
        fds[i] = send_on(TEL_SOCKET_REQUEST, TEL_REQUEST_COMMIT, "run", -1, NULL);
    leave_no_descriptor();
    take_starts();
    cr_expect_eq(start_count, 3);
    for (int i = 0; i < start_count; i++)
        cr_expect_eq(starts[i].pidfd, -1, "there is none to be had");
    cr_expect(tel_inbox_holds_lines(inbox));
    for (int i = 0; i < 3; i++) {
        take_requests();
        tel_inbox_answer(inbox, TEL_ANSWER_DONE);
        cr_expect_eq(answer_on(fds[i]), TEL_ANSWER_DONE);
    }
    cr_expect_eq(poll(waiting, 2, 0), 0);
    allow_descriptors_again();
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

/* --- nonsense --------------------------------------------------------------------------------- */

/* Sends bytes as they are; the connection is closed without an answer, and nothing else happens. */
static void expect_refused(const void *bytes, size_t len, const char *what)
{
    int fd = tel_proto_connect(&dir, TEL_SOCKET_REQUEST);

    cr_assert_eq(send(fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
    take_requests();
    cr_expect_eq(answer_on(fd), '.', "%s", what);
    cr_expect_not(tel_inbox_any_asking(inbox), "%s", what);
    cr_expect_not(tel_inbox_any_late(inbox), "%s", what);
    cr_expect_not(tel_inbox_holds_lines(inbox), "%s", what);
    cr_expect_eq(start_count, 0, "%s", what);
    close(fd);
}

Test(inbox, nonsense)
{
    struct {
        struct tel_message message;
        char more[64];
    } bytes = {.more = "more"};
    struct tel_message *message = &bytes.message;

    tel_message_init(message, TEL_REQUEST_COMMIT, TEL_STR("run-1"));
    expect_refused("GET / HTTP/1.1\r\n\r\n", 18, "another protocol");
    expect_refused(message, sizeof *message - 1, "too short");
    expect_refused(&bytes, sizeof *message + 4, "more than it says");
    message->line_length = 5;
    expect_refused(&bytes, sizeof *message + 4, "less than it says");
    message->line_length = UINT32_MAX;
    expect_refused(message, sizeof *message, "much less than it says");
    message->line_length = 0;
    message->magic++;
    expect_refused(message, sizeof *message, "another magic number");
    message->magic--;
    message->version++;
    expect_refused(message, sizeof *message, "another version");
    message->version--;
    memset(message->run_id, 'x', sizeof message->run_id);
    expect_refused(message, sizeof *message, "an id without an end");
}

Test(inbox, an_endless_message)
{
    static char bytes[sizeof(struct tel_message) + TEL_RUNLINE_MAX + 1];
    struct tel_message *message = (struct tel_message *)(void *)bytes;
    int fd = tel_proto_connect(&dir, TEL_SOCKET_REQUEST);

    tel_message_init(message, TEL_REQUEST_COMMIT, TEL_STR("run-1"));
    message->line_length = TEL_RUNLINE_MAX + 1;
    if (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) < 0) {
        cr_assert_eq(errno, EMSGSIZE, "the kernel takes no such message");
        close(fd);
        return;
    }
    take_requests();
    cr_expect_eq(answer_on(fd), '.');
    close(fd);
}

/* However many come along, one is kept at most; tear_down counts them. */
Test(inbox, descriptors_by_the_dozen)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(12 * sizeof(int))];
    } control;
    struct tel_message message;
    struct iovec part = {&message, sizeof message};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    int sent[12];

    for (int i = 0; i < 12; i++)
        sent[i] = 2;
    memset(&control, 0, sizeof control);
    control.header.cmsg_len = CMSG_LEN(sizeof sent);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&control.header), sent, sizeof sent);
    for (int request = TEL_REQUEST_START; request <= TEL_REQUEST_SYNC; request++) {
        const bool start = request == TEL_REQUEST_START;
        int fd = tel_proto_connect(&dir, start ? TEL_SOCKET_START : TEL_SOCKET_REQUEST);

        tel_message_init(&message, (enum tel_request)request, TEL_STR("run-1"));
        cr_assert_gt(sendmsg(fd, &header, MSG_NOSIGNAL), 0);
        close(fd);
    }
    take_starts();
    take_requests();
    cr_expect_eq(start_count, 1);
    tel_inbox_answer(inbox, TEL_ANSWER_DONE);
}

/* --- who may talk ----------------------------------------------------------------------------- */

Test(inbox, only_the_same_user)
{
    int wait_status;
    pid_t pid;

    if (geteuid() != 0)
        cr_skip_test("somebody else: only root can be one");
    cr_assert_eq(chmod(test_dir(), 0777), 0);
    cr_assert_eq(chmod(dir.run, 0777), 0);
    cr_assert_eq(chmod(text("%s/%s.request", dir.run, dir.collector), 0777), 0);
    cr_assert_eq(chmod(text("%s/%s.start", dir.run, dir.collector), 0777), 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(1);
        send_start("run-1", -1, "{\"evil\": 1}\n");
        _exit(answer_on(send_on(TEL_SOCKET_REQUEST, TEL_REQUEST_COMMIT, "r", -1, "{}\n")) == '-'
                  ? 0
                  : 1);
    }
    cr_assert_eq(waitpid(pid, &wait_status, 0), pid);
    cr_assert_eq(wait_status, 0, "it could connect");
    take_starts();
    take_requests();
    cr_expect_eq(start_count, 0);
    cr_expect_not(tel_inbox_any_asking(inbox));
    cr_expect_not(tel_inbox_holds_lines(inbox));

    /* And whoever comes after is not held up by it. */
    send_start("run-2", -1, NULL);
    take_starts();
    cr_expect_eq(start_count, 1);
}

/* --- lines that their senders could not append ------------------------------------------------- */

Test(inbox, lines_are_appended)
{
    send_start("run-1", -1, "{\"n\": 1}\n");
    send_start("run-2", -1, "{\"n\": 2}\n");
    take_starts();
    cr_expect(tel_inbox_holds_lines(inbox));
    cr_expect_str_eq(journal_text(test_dir()), "");
    cr_assert_eq(tel_inbox_append_lines(inbox), 0);
    cr_expect_not(tel_inbox_holds_lines(inbox));
    cr_expect_str_eq(journal_text(test_dir()), "{\"n\": 1}\n{\"n\": 2}\n");
    cr_assert_eq(tel_inbox_append_lines(inbox), 0, "nothing twice");
    cr_expect_str_eq(journal_text(test_dir()), "{\"n\": 1}\n{\"n\": 2}\n");
}

/* Requests are taken before starts: a short run's end is here before its start. */
Test(inbox, a_start_line_comes_before_its_end_line)
{
    int fd = send_on(TEL_SOCKET_REQUEST, TEL_REQUEST_COMMIT, "run-1", -1, "{\"end\": 1}\n");

    send_start("run-1", -1, "{\"start\": 1}\n");
    take_requests();
    take_starts();
    cr_assert_eq(tel_inbox_append_lines(inbox), 0);
    cr_expect_str_eq(journal_text(test_dir()), "{\"start\": 1}\n{\"end\": 1}\n");
    tel_inbox_answer(inbox, TEL_ANSWER_DONE);
    close(fd);
}

Test(inbox, half_a_line_is_none)
{
    send_start("run-1", -1, "{\"n\": 1}");
    take_starts();
    cr_expect_eq(start_count, 1);
    cr_expect_not(tel_inbox_holds_lines(inbox));
}

/* A full disk, a directory in the way: they are kept, in order, until it passes. */
Test(inbox, lines_are_kept_while_they_cannot_be_appended)
{
    cr_assert_eq(rename(dir.raw, text("%s/away", test_dir())), 0);
    send_start("run-1", -1, "{\"n\": 1}\n");
    take_starts();
    cr_expect_lt(tel_inbox_append_lines(inbox), 0);
    send_start("run-2", -1, "{\"n\": 2}\n");
    take_starts();
    cr_expect_lt(tel_inbox_append_lines(inbox), 0);
    cr_expect(tel_inbox_holds_lines(inbox));

    cr_assert_eq(rename(text("%s/away", test_dir()), dir.raw), 0);
    cr_expect_eq(tel_inbox_append_lines(inbox), 0);
    cr_expect_str_eq(journal_text(test_dir()), "{\"n\": 1}\n{\"n\": 2}\n");
    send_start("run-3", -1, "{\"n\": 3}\n");
    take_starts();
    cr_expect_eq(tel_inbox_append_lines(inbox), 0, "and it goes on");
    cr_expect_str_eq(journal_text(test_dir()), "{\"n\": 1}\n{\"n\": 2}\n{\"n\": 3}\n");
}

/* Memory is bounded: what does not fit is lost, not the collector. */
Test(inbox, no_more_than_so_many_lines_are_kept)
{
    static char line[100 * 1024];
    size_t kept;

    memset(line, 'x', sizeof line - 2);
    line[sizeof line - 2] = '\n';
    for (int i = 0; i < 200; i++) {
        send_start("run-1", -1, line);
        start_count = 0;
        take_starts();
        close(starts[0].pidfd);
    }
    start_count = 0;
    cr_assert_eq(tel_inbox_append_lines(inbox), 0);
    kept = strlen(journal_text(test_dir()));
    cr_expect_leq(kept, 16U * 1024 * 1024);
    cr_expect_geq(kept, 15U * 1024 * 1024);
}
