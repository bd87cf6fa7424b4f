/* Talking to the collector from the host's side: addresses of any length, messages, bounded waits. */
#include "base/proto.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/spawn.h"
#include "base/sys.h"
#include "support/places.h"
#include "support/support.h"
#include "support/view.h"

static struct tel_datadir dir;
static struct tel_error err;

static struct tel_claim claim_in(const char *base)
{
    struct tel_claim claim;

    make_place(&dir, base);
    cr_assert_eq(tel_claim_take(&claim, &dir, &err), 0, "%s", err.message);
    return claim;
}

static struct tel_claim claim_here(void)
{
    return claim_in(test_dir());
}

/* A base so deep that no path in it fits into a socket address. */
static const char *deep_base(void)
{
    const char *base = test_dir();

    while (strlen(base) < 200)
        base = text("%s/a-directory-with-a-long-name", base);
    return base;
}

/* --- paths and addresses ---------------------------------------------------------------------- */

Test(proto, paths)
{
    char path[TEL_PATH_MAX];
    char too_long[TEL_PATH_MAX];

    make_place(&dir, test_dir());
    cr_assert_eq(tel_run_path(path, &dir, ".lock"), 0);
    cr_expect_str_eq(path, text("%s/run/%s.lock", test_dir(), dir.collector));
    memset(too_long, 'x', sizeof too_long);
    too_long[sizeof too_long - 1] = '\0';
    dir.run = too_long;
    cr_expect_eq(tel_run_path(path, &dir, ".lock"), -ENAMETOOLONG);
}

Test(proto, a_short_address_needs_no_descriptor)
{
    struct sockaddr_un address;
    socklen_t len;
    int dirfd = 12345;

    make_place(&dir, test_dir());
    cr_assert_eq(tel_socket_address(&address, &len, &dir, TEL_SOCKET_START, &dirfd), 0);
    cr_expect_eq(dirfd, -1);
    cr_expect_eq(address.sun_family, AF_UNIX);
    cr_expect_str_eq(address.sun_path, text("%s/run/%s.start", test_dir(), dir.collector));
    cr_expect_eq(len, offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path) + 1);
}

Test(proto, a_long_address_goes_through_its_directory)
{
    struct sockaddr_un address;
    struct stat wanted;
    struct stat reached;
    socklen_t len;
    int dirfd;

    make_place(&dir, deep_base());
    cr_assert_eq(tel_datadir_prepare_run(&dir, &err), 0);
    cr_assert_eq(tel_socket_address(&address, &len, &dir, TEL_SOCKET_REQUEST, &dirfd), 0);
    cr_assert_geq(dirfd, 3);
    cr_expect_str_eq(address.sun_path, text("/proc/self/fd/%d/%s.request", dirfd, dir.collector));
    cr_assert_eq(stat(dir.run, &wanted), 0);
    cr_assert_eq(fstat(dirfd, &reached), 0);
    cr_expect_eq(reached.st_ino, wanted.st_ino);
    close(dirfd);
}

Test(proto, a_long_address_of_nothing)
{
    struct sockaddr_un address;
    socklen_t len;
    int dirfd;

    make_place(&dir, deep_base());
    cr_expect_eq(tel_socket_address(&address, &len, &dir, TEL_SOCKET_START, &dirfd), -ENOENT);
    cr_expect_eq(tel_proto_connect(&dir, TEL_SOCKET_START), -ENOENT);
}

/* --- connecting ------------------------------------------------------------------------------- */

Test(proto, nobody_there)
{
    struct tel_claim claim;

    make_place(&dir, test_dir());
    cr_expect_eq(tel_proto_connect(&dir, TEL_SOCKET_START), -ENOENT);
    claim = claim_here();
    tel_claim_drop(&claim, &dir, false); /* as a collector that was killed: the names stay */
    cr_expect_eq(tel_proto_connect(&dir, TEL_SOCKET_START), -ECONNREFUSED);
    cr_expect_eq(tel_proto_connect(&dir, TEL_SOCKET_REQUEST), -ECONNREFUSED);
}

Test(proto, something_else_there)
{
    make_place(&dir, test_dir());
    cr_assert_eq(tel_datadir_prepare_run(&dir, &err), 0);
    write_file(text("%s/%s.start", dir.run, dir.collector), "", 0600);
    cr_expect_eq(tel_proto_connect(&dir, TEL_SOCKET_START), -ECONNREFUSED);
}

static void listen_as_nobody(int fd)
{
    const pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0)
        _exit(setresuid(65534, 65534, 65534) != 0 || listen(fd, 16) != 0);
    cr_assert_eq(waitpid(pid, NULL, 0), pid);
}

/* In a directory that others may write to, one of them has been first. Nothing is said to it. */
Test(proto, somebody_else_listens)
{
    struct tel_claim claim = claim_here();

    if (geteuid() == 0)
        listen_as_nobody(claim.start);
    else
        dir.uid++;
    dir.shared = true;
    cr_expect_eq(tel_proto_connect(&dir, TEL_SOCKET_START), -EACCES);
    tel_claim_drop(&claim, &dir, true);
}

/* A program that was started before an upgrade finds the collector of its own version. */
Test(proto, the_version_is_in_the_names)
{
    make_place(&dir, test_dir());
    cr_expect_not_null(strstr(dir.collector, text("-v%d-", TEL_PROTO_VERSION)), "%s",
                       dir.collector);
}

Test(proto, no_descriptor_is_left)
{
    const char *bases[] = {test_dir(), deep_base()};

    for (int i = 0; i < 2; i++) {
        struct tel_message message;
        struct tel_claim claim;
        int before = count_descriptors();

        make_place(&dir, bases[i]);
        tel_message_init(&message, TEL_REQUEST_COMMIT, TEL_STR("r"));
        tel_proto_ask(&dir, &message, TEL_STR_NONE, 0);
        claim = claim_in(bases[i]);
        cr_expect_eq(count_descriptors(), before + 3);
        tel_proto_ask(&dir, &message, TEL_STR_NONE, 0);
        cr_expect_eq(count_descriptors(), before + 3);
        tel_claim_drop(&claim, &dir, true);
        cr_expect_eq(count_descriptors(), before);
    }
}

/* A collector that is behind: the backlog is what is bounded, never the caller's time. */
Test(proto, never_blocks, .timeout = 60)
{
    struct tel_claim claim = claim_here();
    int fds[256];
    int count = 0;
    int fd = 0;

    cr_assert_eq(listen(claim.start, 16), 0);
    while (count < 256 && (fd = tel_proto_connect(&dir, TEL_SOCKET_START)) >= 0)
        fds[count++] = fd;
    cr_expect_eq(fd, -EAGAIN);
    cr_expect_geq(count, 16);
    while (count > 0)
        close(fds[--count]);
    tel_claim_drop(&claim, &dir, true);
}

/* --- messages --------------------------------------------------------------------------------- */

Test(proto, a_new_message)
{
    char longest[TEL_RUN_ID_MAX + 1];
    struct tel_message message;

    memset(&message, 0xa5, sizeof message);
    tel_message_init(&message, TEL_REQUEST_COMMIT, TEL_STR("run-1"));
    cr_expect_eq(message.magic, TEL_PROTO_MAGIC);
    cr_expect_eq(message.version, TEL_PROTO_VERSION);
    cr_expect_eq(message.request, TEL_REQUEST_COMMIT);
    cr_expect_str_eq(message.run_id, "run-1");
    cr_expect_eq(message.url_length + message.token_length, 0,
                 "no byte of the caller's stack is sent");

    memset(longest, 'x', sizeof longest);
    tel_message_init(&message, TEL_REQUEST_START,
                     (struct tel_str){longest, sizeof message.run_id - 1});
    cr_expect_eq(strlen(message.run_id), sizeof message.run_id - 1);
    tel_message_init(&message, TEL_REQUEST_START, (struct tel_str){longest, sizeof message.run_id});
    cr_expect_str_eq(message.run_id, "", "too long, and not cut to some other run's id");
    tel_message_init(&message, TEL_REQUEST_START, TEL_STR_NONE);
    cr_expect_str_eq(message.run_id, "");
}

/* What arrives on a connection: text of message and line, and a descriptor or -1. */
static ssize_t receive(int listener, struct tel_message *message, char *line, size_t cap,
                       int *passed)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec parts[2] = {{message, sizeof *message}, {line, cap}};
    struct msghdr header = {.msg_iov = parts,
                            .msg_iovlen = 2,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    ssize_t got;

    cr_assert_geq(fd, 0);
    got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    close(fd);
    *passed = -1;
    if (header.msg_controllen > 0)
        memcpy(passed, CMSG_DATA(&control.header), sizeof *passed);
    return got - (ssize_t)sizeof *message;
}

Test(proto, a_message_with_a_descriptor_and_a_line)
{
    struct tel_claim claim = claim_here();
    struct tel_message sent;
    struct tel_message got;
    char line[64] = "";
    int passed;
    int pidfd = tel_sys_pidfd_open(getpid());
    int fd = tel_proto_connect(&dir, TEL_SOCKET_START);

    cr_assert_geq(fd, 0);
    tel_message_init(&sent, TEL_REQUEST_START, TEL_STR("run-1"));
    sent.line = (struct tel_journal_pos){20261122, 7, 8};
    cr_assert_eq(tel_proto_send(fd, &sent, pidfd, TEL_STR("{\"a\": 1}\n"), NULL), 0);
    cr_assert_eq(receive(claim.start, &got, line, sizeof line, &passed), 9);
    cr_expect_eq(got.line_length, 9);
    cr_expect_str_eq(line, "{\"a\": 1}\n");
    cr_expect_str_eq(got.run_id, "run-1");
    cr_expect_eq(got.line.date, 20261122);
    cr_expect_eq(got.line.offset, 8);
    cr_assert_geq(passed, 0);
    close(passed);
    close(fd);
    close(pidfd);
    tel_claim_drop(&claim, &dir, true);
}

Test(proto, a_message_alone)
{
    struct tel_claim claim = claim_here();
    struct tel_message sent;
    struct tel_message got;
    char line[64];
    int passed;
    int fd = tel_proto_connect(&dir, TEL_SOCKET_START);

    tel_message_init(&sent, TEL_REQUEST_START, TEL_STR("run-1"));
    cr_assert_eq(tel_proto_send(fd, &sent, -1, TEL_STR_NONE, NULL), 0);
    cr_expect_eq(receive(claim.start, &got, line, sizeof line, &passed), 0);
    cr_expect_eq(passed, -1);
    close(fd);
    tel_claim_drop(&claim, &dir, true);
}

/* Where a run is to be posted to travels behind the line. */
Test(proto, a_message_with_a_target)
{
    const struct tel_target target = {TEL_STR("http://127.0.0.1/x"), TEL_STR("s3cret")};
    struct tel_claim claim = claim_here();
    struct tel_message sent;
    struct tel_message got;
    char texts[64] = "";
    int passed;
    int fd = tel_proto_connect(&dir, TEL_SOCKET_START);

    tel_message_init(&sent, TEL_REQUEST_START, TEL_STR("run-1"));
    cr_assert_eq(tel_proto_send(fd, &sent, -1, TEL_STR("{}\n"), &target), 0);
    cr_assert_eq(receive(claim.start, &got, texts, sizeof texts, &passed), 3 + 18 + 6);
    cr_expect_eq(got.line_length, 3);
    cr_expect_eq(got.url_length, 18);
    cr_expect_eq(got.token_length, 6);
    cr_expect_str_eq(texts, "{}\nhttp://127.0.0.1/xs3cret");
    close(fd);
    tel_claim_drop(&claim, &dir, true);
}

/* The longest line there can be, for when the disk is full. */
Test(proto, the_longest_line)
{
    static char line[TEL_RUNLINE_MAX];
    static char got_line[TEL_RUNLINE_MAX];
    struct tel_claim claim = claim_here();
    struct tel_message sent;
    struct tel_message got;
    int passed;
    int fd = tel_proto_connect(&dir, TEL_SOCKET_START);
    int status;

    memset(line, 'x', sizeof line);
    tel_message_init(&sent, TEL_REQUEST_START, TEL_STR("run-1"));
    status = tel_proto_send(fd, &sent, -1, (struct tel_str){line, sizeof line}, NULL);
    cr_assert(status == 0 || status == -EMSGSIZE, "%d", status);
    if (status == 0)
        cr_expect_eq(receive(claim.start, &got, got_line, sizeof got_line, &passed),
                     (ssize_t)sizeof line);
    close(fd);
    tel_claim_drop(&claim, &dir, true);
}

/* The collector went away between connect and send. */
Test(proto, no_signal_from_a_closed_connection)
{
    struct tel_claim claim = claim_here();
    struct tel_message message;
    int fd = tel_proto_connect(&dir, TEL_SOCKET_START);
    int peer = accept(claim.start, NULL, NULL);

    signal(SIGPIPE, SIG_DFL);
    close(peer);
    tel_message_init(&message, TEL_REQUEST_START, TEL_STR("run-1"));
    cr_expect_eq(tel_proto_send(fd, &message, -1, TEL_STR_NONE, NULL), -EPIPE);
    close(fd);
    tel_claim_drop(&claim, &dir, true);
}

/* --- asking ----------------------------------------------------------------------------------- */

static int ask(int timeout_ms)
{
    struct tel_message message;

    tel_message_init(&message, TEL_REQUEST_SYNC, TEL_STR("run-1"));
    return tel_proto_ask(&dir, &message, TEL_STR_NONE, timeout_ms);
}

/* A collector for one request: answers with what *arg says, 0 for nothing at all. */
struct server {
    pthread_t thread;
    int listener;
    char answer;
    struct tel_message got;
};

static void *serve(void *arg)
{
    struct server *server = arg;
    int fd = accept(server->listener, NULL, NULL);

    if (recv(fd, &server->got, sizeof server->got, 0) > 0 && server->answer != 0)
        (void)!send(fd, &server->answer, 1, 0);
    close(fd);
    return NULL;
}

Test(proto, answers)
{
    static const char answers[] = {TEL_ANSWER_DONE, TEL_ANSWER_LATER, TEL_ANSWER_FAILED};
    struct tel_claim claim = claim_here();

    for (size_t i = 0; i < sizeof answers; i++) {
        struct server server = {.listener = claim.request, .answer = answers[i]};

        fcntl(claim.request, F_SETFL, 0);
        cr_assert_eq(pthread_create(&server.thread, NULL, serve, &server), 0);
        cr_expect_eq(ask(20000), answers[i]);
        pthread_join(server.thread, NULL);
        cr_expect_eq(server.got.request, TEL_REQUEST_SYNC);
        cr_expect_str_eq(server.got.run_id, "run-1");
    }
    tel_claim_drop(&claim, &dir, true);
}

Test(proto, hung_up_without_an_answer)
{
    struct tel_claim claim = claim_here();
    struct server server = {.listener = claim.request};

    fcntl(claim.request, F_SETFL, 0);
    cr_assert_eq(pthread_create(&server.thread, NULL, serve, &server), 0);
    cr_expect_eq(ask(20000), -ECONNRESET);
    pthread_join(server.thread, NULL);
    tel_claim_drop(&claim, &dir, true);
}

Test(proto, waits_no_longer_than_it_was_told)
{
    struct tel_claim claim = claim_here();

    cr_expect_eq(ask(0), -ETIMEDOUT);
    cr_expect_eq(ask(20), -ETIMEDOUT);
    tel_claim_drop(&claim, &dir, true);
    cr_expect_eq(ask(60000), -ENOENT);
}

/* --- surroundings ----------------------------------------------------------------------------- */

static struct tel_process self;

static void leave_site(const char *site)
{
    char path[TEL_SITE_PATH_MAX];

    cr_assert_not_null(tel_site_path(path, &dir));
    unlink(path);
    cr_assert_eq(symlink(site, path), 0, "%s", path);
}

/* As a process that knows nothing yet. */
static int meet(void)
{
    dir.collector[0] = '\0';
    memset(&self, 0, sizeof self);
    return tel_proto_meet(&dir, &self);
}

/* From /proc. */
static void expect_own_look(const char *why)
{
    const struct tel_process wanted = this_process();

    cr_expect_eq(meet(), -ENOENT, "%s", why);
    cr_expect_eq(self.pid_ns, wanted.pid_ns, "%s", why);
    cr_expect_str_eq(self.boot_id, wanted.boot_id, "%s", why);
    cr_expect_not_null(strstr(dir.collector, text("%llu", (unsigned long long)wanted.pid_ns)), "%s",
                       why);
}

#define OTHER_BOOT "01234567-89ab-cdef-0123-456789abcdef"

static const char *site_of(pid_t pid)
{
    return text("%llu %d " OTHER_BOOT, (unsigned long long)tel_pid_namespace(), (int)pid);
}

Test(proto, surroundings_as_the_collector_there_sees_them)
{
    struct tel_claim claim = claim_here();
    const char *name = text("%s", dir.collector);
    int fd;

    leave_site(site_of(getpid()));
    dir.shared = false;
    fd = meet();
    cr_expect_geq(fd, 3);
    cr_expect_eq(self.pid_ns, tel_pid_namespace());
    cr_expect_str_eq(self.boot_id, OTHER_BOOT);
    cr_expect_str_eq(dir.collector, name);
    close(fd);
    tel_claim_drop(&claim, &dir, false);
    expect_own_look("nobody listens any more");
}

Test(proto, surroundings_by_a_look_of_ones_own)
{
    const int before = count_descriptors();
    struct tel_claim claim = claim_here();

    dir.shared = false;
    expect_own_look("no link");
    leave_site(site_of(getppid()));
    expect_own_look("left by another one than who listens");
    leave_site(text("1 %d " OTHER_BOOT, getpid()));
    expect_own_look("of a namespace in which nobody listens");
    for (const char *const *site = LIST("1", "1 2", "4026531836 x " OTHER_BOOT, "-1 1 " OTHER_BOOT,
                                        text("%s4", site_of(getpid())));
         *site != NULL; site++) {
        leave_site(*site);
        expect_own_look(*site);
    }
    leave_site(site_of(getpid()));
    dir.shared = true;
    expect_own_look("others can write there");
    tel_claim_drop(&claim, &dir, true);
    cr_expect_eq(count_descriptors(), before);
}

Test(proto, a_site_too_deep_for_a_link)
{
    struct tel_claim claim = claim_in(deep_base());
    char path[TEL_SITE_PATH_MAX];

    dir.shared = false;
    cr_expect_null(tel_site_path(path, &dir));
    expect_own_look("the path is too long");
    tel_claim_drop(&claim, &dir, true);
}

/* --- the claim -------------------------------------------------------------------------------- */

Test(proto, only_one_has_the_claim)
{
    struct tel_claim claim = claim_here();
    struct tel_claim second = {-1, -1, -1};

    cr_expect_eq(tel_claim_take(&second, &dir, &err), -EWOULDBLOCK);
    cr_expect_geq(tel_proto_connect(&dir, TEL_SOCKET_START), 0, "the first one still listens");
    tel_claim_drop(&claim, &dir, false);
    cr_expect_eq(tel_claim_take(&second, &dir, &err), 0, "%s", err.message);
    cr_expect_geq(tel_proto_connect(&dir, TEL_SOCKET_START), 0, "over the dead one's sockets");
    tel_claim_drop(&second, &dir, true);
    cr_expect_not(file_exists(text("%s/%s.start", dir.run, dir.collector)));
    cr_expect_not(file_exists(text("%s/%s.request", dir.run, dir.collector)));
    cr_expect(file_exists(text("%s/%s.lock", dir.run, dir.collector)), "the lock's file stays");
}

Test(proto, a_lock_that_is_no_file)
{
    struct tel_claim claim;
    const char *lock;

    make_place(&dir, test_dir());
    cr_assert_eq(tel_datadir_prepare_run(&dir, &err), 0);
    lock = text("%s/%s.lock", dir.run, dir.collector);
    cr_assert_eq(mkfifo(lock, 0600), 0);
    cr_expect_eq(tel_claim_take(&claim, &dir, &err), TEL_ERR_REFUSED);
    cr_assert_eq(unlink(lock), 0);
    cr_assert_eq(mkdir(lock, 0700), 0);
    cr_expect_lt(tel_claim_take(&claim, &dir, &err), 0);
    cr_assert_eq(rmdir(lock), 0);
    cr_assert_eq(symlink("elsewhere", lock), 0);
    cr_expect_eq(tel_claim_take(&claim, &dir, &err), -ELOOP);
    cr_expect_str_neq(err.message, "");
}

static const char *file_of(const char *suffix)
{
    return text("%s/%s%s", dir.run, dir.collector, suffix);
}

Test(proto, modes_whatever_the_umask)
{
    static const mode_t umasks[] = {0, 022, 077, 0777};

    for (size_t i = 0; i < sizeof umasks / sizeof umasks[0]; i++) {
        struct tel_claim claim;

        resolve_place(&dir, LIST(text("TELEMETRY_BASE_DIR=%s/%zu", test_dir(), i),
                                 "TELEMETRY_FILE_MODE=0660"));
        umask(umasks[i]);
        cr_assert_eq(tel_claim_take(&claim, &dir, &err), 0, "%s", err.message);
        umask(022);
        cr_expect_eq(mode_of(file_of(".lock")), 0660, "%o", umasks[i]);
        cr_expect_eq(mode_of(file_of(".start")), 0660, "%o", umasks[i]);
        cr_expect_eq(mode_of(file_of(".request")), 0660, "%o", umasks[i]);
        tel_claim_drop(&claim, &dir, true);
    }
}

Test(proto, a_deep_directory_works_like_any_other)
{
    struct tel_claim claim = claim_in(deep_base());
    int fd = tel_proto_connect(&dir, TEL_SOCKET_REQUEST);

    cr_expect_geq(fd, 0);
    cr_expect(file_exists(text("%s/%s.request", dir.run, dir.collector)));
    close(fd);
    tel_claim_drop(&claim, &dir, true);
    cr_expect_not(file_exists(text("%s/%s.request", dir.run, dir.collector)));
}
