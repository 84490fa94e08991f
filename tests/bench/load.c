/* Asks one server for many files, some at a time, over connections that stay, and prints how many seconds it
 * took.
 *
 *   bench_load ADDRESS PORT CONNECTIONS FILE
 *
 * FILE has a request target a line: a path, or for a proxy a URL. Every answer must be a 200 with
 * Content-Length. One thread; bodies are thrown away. Not a client for anything else. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 8192

struct connection {
    int fd;
    char head[HEAD_MAX];
    size_t head_size;
    size_t body_left;
    bool in_body;
};

struct load {
    char **targets;
    size_t count, next, done;
    int poll;
    struct sockaddr_in address;
};

static void die(const char *what)
{
    fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void read_targets(struct load *load, const char *path)
{
    char *line = NULL;
    size_t size = 0, room = 0;
    FILE *file = fopen(path, "r");
    if (!file)
        die(path);
    for (ssize_t n; (n = getline(&line, &size, file)) > 0;) {
        line[strcspn(line, "\n")] = 0;
        if (load->count == room) {
            room = room ? 2 * room : 256;
            load->targets = realloc(load->targets, room * sizeof(*load->targets));
        }
        if (!load->targets || !(load->targets[load->count++] = strdup(line)))
            die("memory");
    }
    free(line);
    fclose(file);
}

static void ask(struct load *load, struct connection *c)
{
    char request[2048];
    if (load->next == load->count)
        return;
    int n =
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\nX-Dragonfly-Use-P2P: true\r\n\r\n",
                 load->targets[load->next++]);
    if (n < 0 || (size_t)n >= sizeof(request) || write(c->fd, request, (size_t)n) != n)
        die("request");
    c->head_size = 0;
    c->in_body = false;
}

static void open_connection(struct load *load, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&load->address, sizeof(load->address)) != 0 ||
        epoll_ctl(load->poll, EPOLL_CTL_ADD, c->fd, &event) != 0)
        die("connect");
    ask(load, c);
}

/* Bytes of the body that came with the head. */
static size_t take_head(struct connection *c)
{
    char *end = memmem(c->head, c->head_size, "\r\n\r\n", 4);
    if (!end) {
        if (c->head_size == HEAD_MAX - 1)
            die("a head that is too long");
        return 0;
    }
    c->head[c->head_size] = 0;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    if (strncmp(c->head, "HTTP/1.1 200 ", 13) != 0 || !length || length > end) {
        fprintf(stderr, "bench_load: not 200 with Content-Length: %.300s\n", c->head);
        exit(1);
    }
    c->body_left = strtoull(length + 17, NULL, 10);
    c->in_body = true;
    return c->head_size - (size_t)(end + 4 - c->head);
}

static void take_body(struct load *load, struct connection *c, size_t size)
{
    if (size > c->body_left)
        die("more bytes than Content-Length says");
    c->body_left -= size;
    if (c->body_left)
        return;
    load->done++;
    ask(load, c);
}

static void readable(struct load *load, struct connection *c)
{
    static char scrap[256 << 10];
    char *into = c->in_body ? scrap : c->head + c->head_size;
    ssize_t n = read(c->fd, into, c->in_body ? sizeof(scrap) : HEAD_MAX - 1 - c->head_size);
    if (n <= 0)
        die("the server closed a connection");
    if (c->in_body) {
        take_body(load, c, (size_t)n);
        return;
    }
    c->head_size += (size_t)n;
    size_t rest = take_head(c);
    if (c->in_body)
        take_body(load, c, rest);
}

int main(int argc, char **argv)
{
    struct load load = {.poll = epoll_create1(EPOLL_CLOEXEC)};
    if (argc != 5) {
        fprintf(stderr, "usage: bench_load ADDRESS PORT CONNECTIONS FILE\n");
        return 2;
    }
    load.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &load.address.sin_addr) != 1)
        die(argv[1]);
    read_targets(&load, argv[4]);
    size_t connections = strtoul(argv[3], NULL, 10);
    struct connection *all = calloc(connections, sizeof(*all));
    if (!all)
        die("memory");
    double begin = now();
    for (size_t i = 0; i < connections; i++)
        open_connection(&load, &all[i]);
    while (load.done < load.count) {
        struct epoll_event events[64];
        int n = epoll_wait(load.poll, events, 64, 30000);
        if (n <= 0)
            die("nothing for 30 s");
        for (int i = 0; i < n; i++)
            readable(&load, events[i].data.ptr);
    }
    printf("%.6f\n", now() - begin);
    return 0;
}
