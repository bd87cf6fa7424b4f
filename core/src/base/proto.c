/* The client's half of talking to the collector; every call is bounded in time. */
#include "proto.h"

#include "sys.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

const char tel_socket_suffix[2][9] = {
    [TEL_SOCKET_START] = ".start",
    [TEL_SOCKET_REQUEST] = ".request",
};

int tel_run_path(char path[TEL_PATH_MAX], const struct tel_datadir *dir, const char *suffix)
{
    struct tel_buf buf;

    tel_buf_init(&buf, path, TEL_PATH_MAX);
    tel_buf_cstr(&buf, dir->run);
    tel_buf_char(&buf, '/');
    tel_buf_cstr(&buf, dir->collector);
    tel_buf_cstr(&buf, suffix);
    return tel_buf_terminate(&buf) == NULL ? -ENAMETOOLONG : 0;
}

static int fill_address(struct sockaddr_un *address, socklen_t *len, struct tel_str directory,
                        const char *name, const char *suffix)
{
    struct tel_buf buf;

    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    tel_buf_init(&buf, address->sun_path, sizeof address->sun_path);
    tel_buf_str(&buf, directory);
    tel_buf_char(&buf, '/');
    tel_buf_cstr(&buf, name);
    tel_buf_cstr(&buf, suffix);
    if (tel_buf_terminate(&buf) == NULL)
        return -ENAMETOOLONG;
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + buf.len + 1);
    return 0;
}

int tel_socket_address(struct sockaddr_un *address, socklen_t *len, const struct tel_datadir *dir,
                       enum tel_socket which, int *dirfd)
{
    char link[32];
    struct tel_buf buf;

    *dirfd = -1;
    if (fill_address(address, len, tel_str_from(dir->run), dir->collector,
                     tel_socket_suffix[which]) == 0)
        return 0;
    *dirfd = tel_sys_openat(AT_FDCWD, dir->run, O_PATH | O_DIRECTORY, 0);
    if (*dirfd < 0)
        return *dirfd;
    tel_buf_init(&buf, link, sizeof link);
    tel_buf_cstr(&buf, "/proc/self/fd/");
    tel_buf_u64(&buf, (uint64_t)*dirfd);
    return fill_address(address, len, tel_buf_view(&buf), dir->collector, tel_socket_suffix[which]);
}

/* In a directory that is open to others, anybody can listen under our collector's name. */
static bool is_trusted(const struct tel_datadir *dir, int fd)
{
    const uid_t peer = dir->shared ? tel_sys_peer(fd).uid : dir->uid;

    return peer == dir->uid || peer == 0;
}

int tel_proto_connect(const struct tel_datadir *dir, enum tel_socket which)
{
    struct sockaddr_un address;
    socklen_t len;
    int dirfd;
    int fd = -1;
    int status = tel_socket_address(&address, &len, dir, which, &dirfd);

    if (status == 0) {
        fd = tel_sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        status = fd < 0 ? fd : tel_sys_connect(fd, &address, len);
    }
    if (status == 0 && !is_trusted(dir, fd))
        status = -EACCES;
    if (dirfd >= 0)
        tel_sys_close(dirfd);
    if (status == 0)
        return fd;
    if (fd >= 0)
        tel_sys_close(fd);
    return status;
}

/* --- the site -------------------------------------------------------------------------------- */

const char *tel_site_path(char memory[TEL_SITE_PATH_MAX], const struct tel_datadir *dir)
{
    struct tel_buf path;

    tel_buf_init(&path, memory, TEL_SITE_PATH_MAX);
    tel_buf_cstr(&path, dir->run);
    tel_buf_char(&path, '/');
    tel_datadir_put_collector(&path, dir, 0);
    tel_buf_cstr(&path, ".site");
    return tel_buf_terminate(&path);
}

/* A link may be left from before a boot, or by somebody in another pid namespace: only a listener that is
 * there, and has here the number that it has for itself, proves it right. */
static int connect_to_site(struct tel_datadir *dir, struct tel_process *self)
{
    char memory[TEL_SITE_PATH_MAX];
    const char *path = dir->shared ? NULL : tel_site_path(memory, dir);
    char text[TEL_SITE_MAX];
    ssize_t len = path == NULL ? -1 : tel_sys_readlink(path, text, sizeof text);
    struct tel_str rest = {text, len < 0 ? 0 : (size_t)len};
    struct tel_str number = tel_str_take(&rest, ' ');
    uint64_t pid_ns;
    uint64_t pid;
    int fd;

    if (!tel_str_to_u64(number, &pid_ns) || !tel_str_to_u64(tel_str_take(&rest, ' '), &pid) ||
        rest.len != TEL_BOOT_ID_LEN)
        return -ENOENT;
    tel_datadir_name_collector(dir, pid_ns);
    fd = tel_proto_connect(dir, TEL_SOCKET_START);
    if (fd < 0)
        return fd;
    if ((uint64_t)tel_sys_peer(fd).pid != pid) {
        tel_sys_close(fd);
        return -ENOENT;
    }
    self->pid_ns = pid_ns;
    memcpy(self->boot_id, rest.ptr, TEL_BOOT_ID_LEN);
    return fd;
}

int tel_proto_meet(struct tel_datadir *dir, struct tel_process *self)
{
    const int fd = connect_to_site(dir, self);

    if (fd >= 0)
        return fd;
    tel_process_look_around(self);
    tel_datadir_name_collector(dir, self->pid_ns);
    return -ENOENT;
}

/* --- messages -------------------------------------------------------------------------------- */

void tel_message_init(struct tel_message *message, enum tel_request request, struct tel_str run_id)
{
    memset(message, 0, sizeof *message);
    message->magic = TEL_PROTO_MAGIC;
    message->version = TEL_PROTO_VERSION;
    message->request = (uint16_t)request;
    if (run_id.len < sizeof message->run_id && run_id.len > 0)
        memcpy(message->run_id, run_id.ptr, run_id.len);
}

static inline struct iovec part_of(struct tel_str text)
{
    return (struct iovec){(void *)(uintptr_t)text.ptr, text.len};
}

int tel_proto_send(int fd, struct tel_message *message, int pass_fd, struct tel_str line,
                   const struct tel_target *target)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec parts[4] = {{message, sizeof *message}, part_of(line)};
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = 4};
    ssize_t sent;

    message->line_length = (uint32_t)line.len;
    if (target != NULL) {
        message->url_length = (uint16_t)target->url.len;
        message->token_length = (uint16_t)target->token.len;
        parts[2] = part_of(target->url);
        parts[3] = part_of(target->token);
    }
    if (pass_fd >= 0) {
        memset(&control, 0, sizeof control);
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        memcpy(CMSG_DATA(&control.header), &pass_fd, sizeof pass_fd);
        header.msg_control = &control;
        header.msg_controllen = sizeof control;
    }
    sent = tel_sys_sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && pass_fd >= 0 && sent == -ETOOMANYREFS)
        return tel_proto_send(fd, message, -1, line, target); /* it asks the socket instead */
    return sent < 0 ? (int)sent : 0;
}

static int wait_for_answer(int fd, int timeout_ms)
{
    char answer = TEL_ANSWER_FAILED;
    int status = tel_sys_wait_readable(fd, timeout_ms);

    if (status < 0)
        return status;
    if (status == 0)
        return -ETIMEDOUT;
    if (tel_sys_recv(fd, &answer, 1, MSG_DONTWAIT) != 1)
        return -ECONNRESET;
    return answer;
}

int tel_proto_request(const struct tel_datadir *dir, struct tel_message *message,
                      struct tel_str line)
{
    int fd = tel_proto_connect(dir, TEL_SOCKET_REQUEST);
    int status;

    if (fd < 0)
        return fd;
    status = tel_proto_send(fd, message, -1, line, NULL);
    if (status == 0)
        return fd;
    tel_sys_close(fd);
    return status;
}

int tel_proto_ask(const struct tel_datadir *dir, struct tel_message *message, struct tel_str line,
                  int timeout_ms)
{
    int fd = tel_proto_request(dir, message, line);
    int status;

    if (fd < 0)
        return fd;
    status = wait_for_answer(fd, timeout_ms);
    tel_sys_close(fd);
    return status;
}
