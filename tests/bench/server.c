/* See server.h. One thread, which answers without parsing more than it needs. */
#include "server.h"

#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 256, REQUEST_MAX = 64 * 1024 };

struct connection {
    size_t len;
    char bytes[REQUEST_MAX];
};

static struct connection *connections[CONNECTIONS]; /* by descriptor */
static long requests;

/* Length of the whole request at the beginning of text; 0 when there is more to come. */
static size_t request_length(const char *text, size_t len)
{
    const char *end = memmem(text, len, "\r\n\r\n", 4);
    const char *field = memmem(text, len, "Content-Length: ", 16);
    size_t whole;

    if (end == NULL || field == NULL)
        return 0;
    whole = (size_t)(end - text) + 4 + (size_t)atol(field + 16);
    return whole <= len ? whole : 0;
}

static void answer(int fd, struct connection *connection)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    size_t whole;

    while ((whole = request_length(connection->bytes, connection->len)) > 0) {
        requests++;
        if (write(fd, ok, sizeof ok - 1) != (ssize_t)sizeof ok - 1)
            return;
        connection->len -= whole;
        memmove(connection->bytes, connection->bytes + whole, connection->len);
    }
}

static void drop(int fd)
{
    free(connections[fd]);
    connections[fd] = NULL;
    close(fd);
}

static void take_bytes(int fd)
{
    struct connection *connection = connections[fd];
    const ssize_t got =
        read(fd, connection->bytes + connection->len, REQUEST_MAX - connection->len);

    if (got <= 0) {
        drop(fd);
        return;
    }
    connection->len += (size_t)got;
    answer(fd, connection);
}

static void take_connection(int epoll_fd, int listener)
{
    const int one = 1;
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0 || fd >= CONNECTIONS)
        err(1, "accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections[fd] = calloc(1, sizeof *connections[fd]);
    if (connections[fd] == NULL || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        err(1, "connection");
}

static void *serve(void *arg)
{
    const int listener = *(const int *)arg;
    const int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};

    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        err(1, "epoll");
    for (;;) {
        if (epoll_wait(epoll_fd, &event, 1, -1) != 1)
            continue;
        if (event.data.fd == listener)
            take_connection(epoll_fd, listener);
        else
            take_bytes(event.data.fd);
    }
    return NULL;
}

/* A socket on a port of its own, which port receives. */
static int bind_somewhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        err(1, "server");
    *port = ntohs(address.sin_port);
    return fd;
}

int start_server(enum server_kind kind)
{
    static int listener;
    pthread_t thread;
    int port;
    const int fd = bind_somewhere(&port);

    if (kind == SERVER_DOWN)
        return port;
    if (listen(fd, 64) < 0)
        err(1, "server");
    if (kind == SERVER_HANGS)
        return port;
    listener = fd;
    if (pthread_create(&thread, NULL, serve, &listener) != 0)
        err(1, "server");
    return port;
}

long server_requests(void)
{
    return requests;
}
