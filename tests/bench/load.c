/* Asks one server for many things, some at a time, over connections that stay.
 *
 *   bench_load ADDRESS PORT CONNECTIONS FILE [HEADER]
 *
 * Prints the seconds that it took, the milliseconds from a request to the end of its answer (median and 99th
 * percentile) and the bytes of all bodies. FILE has a request target a line: a path, or for a proxy a URL;
 * HEADER goes with each. Every answer must be a 200 with Content-Length or in chunks. One thread; bodies are
 * thrown away. Not a client for anything else. */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 8192

struct connection {
    int fd;
    char head[HEAD_MAX];
    size_t head_size;
    size_t body_left; /* of the body, or of the chunk */
    bool in_body, chunked, last_chunk;
    char line[32]; /* a chunk's head */
    size_t line_size;
    double asked;
};

struct load {
    char **targets;
    const char *header; /* "" or a line with its end */
    double *took;       /* seconds, of each answer */
    size_t count, next, done;
    unsigned long long bytes;
    int poll;
    struct sockaddr_in address;
};

static void die(const char *what)
{
    bench_die(what, strerror(errno));
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
    int n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.1\r\nHost: a\r\nX-Dragonfly-Use-P2P: true\r\n%s\r\n",
                     load->targets[load->next++], load->header);
    if (n < 0 || (size_t)n >= sizeof(request) || write(c->fd, request, (size_t)n) != n)
        die("request");
    c->head_size = 0;
    c->in_body = false;
    c->asked = bench_now();
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
    char *coding = strcasestr(c->head, "\r\ntransfer-encoding: chunked");
    c->chunked = coding && coding < end;
    if (strncmp(c->head, "HTTP/1.1 200 ", 13) != 0 || (!c->chunked && (!length || length > end)))
        bench_die("not 200 with a length", c->head);
    c->body_left = c->chunked ? 0 : strtoull(length + 17, NULL, 10);
    c->line_size = 0;
    c->last_chunk = false;
    c->in_body = true;
    return c->head_size - (size_t)(end + 4 - c->head);
}

static void answered(struct load *load, struct connection *c)
{
    load->took[load->done++] = bench_now() - c->asked;
    ask(load, c);
}

/* Whether it was the last line of a body in chunks. */
static bool take_line(struct connection *c)
{
    bool empty = c->line_size == 0;
    c->line[c->line_size] = 0;
    c->line_size = 0;
    if (empty) /* behind a chunk, or behind the last */
        return c->last_chunk;
    c->body_left = strtoull(c->line, NULL, 16);
    c->last_chunk = c->body_left == 0;
    return false;
}

static bool take_chunks(struct load *load, struct connection *c, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t part = size - i < c->body_left ? size - i : c->body_left;
        if (part > 0) {
            load->bytes += part;
            c->body_left -= part;
            i += part;
            continue;
        }
        char byte = bytes[i++];
        if (byte == '\n' && take_line(c))
            return true;
        if (byte != '\n' && byte != '\r' && c->line_size < sizeof(c->line) - 1)
            c->line[c->line_size++] = byte;
    }
    return false;
}

static void take_body(struct load *load, struct connection *c, const char *bytes, size_t size)
{
    if (c->chunked) {
        if (take_chunks(load, c, bytes, size))
            answered(load, c);
        return;
    }
    if (size > c->body_left)
        die("more bytes than Content-Length says");
    load->bytes += size;
    c->body_left -= size;
    if (c->body_left == 0)
        answered(load, c);
}

static void readable(struct load *load, struct connection *c)
{
    static char scrap[256 << 10];
    char *into = c->in_body ? scrap : c->head + c->head_size;
    ssize_t n = read(c->fd, into, c->in_body ? sizeof(scrap) : HEAD_MAX - 1 - c->head_size);
    if (n <= 0)
        die("the server closed a connection");
    if (c->in_body) {
        take_body(load, c, scrap, (size_t)n);
        return;
    }
    c->head_size += (size_t)n;
    size_t rest = take_head(c);
    if (c->in_body)
        take_body(load, c, c->head + c->head_size - rest, rest);
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void print(struct load *load, double seconds)
{
    qsort(load->took, load->done, sizeof(*load->took), by_size);
    printf("%.6f %.3f %.3f %llu\n", seconds, load->took[load->done / 2] * 1000,
           load->took[load->done * 99 / 100] * 1000, load->bytes);
}

static double ask_all(struct load *load, size_t connections)
{
    struct connection *all = calloc(connections, sizeof(*all));
    load->took = calloc(load->count + 1, sizeof(*load->took));
    if (!all || !load->took)
        die("memory");
    double begin = bench_now();
    for (size_t i = 0; i < connections; i++)
        open_connection(load, &all[i]);
    while (load->done < load->count) {
        struct epoll_event events[64];
        int n = epoll_wait(load->poll, events, 64, 30000);
        if (n <= 0)
            die("nothing for 30 s");
        for (int i = 0; i < n; i++)
            readable(load, events[i].data.ptr);
    }
    return bench_now() - begin;
}

int main(int argc, char **argv)
{
    struct load load = {.poll = epoll_create1(EPOLL_CLOEXEC)};
    char header[1024] = "";
    if (argc != 5 && argc != 6) {
        fprintf(stderr, "usage: bench_load ADDRESS PORT CONNECTIONS FILE [HEADER]\n");
        return 2;
    }
    if (argc == 6)
        (void)snprintf(header, sizeof(header), "%s\r\n", argv[5]);
    load.header = header;
    load.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &load.address.sin_addr) != 1)
        die(argv[1]);
    read_targets(&load, argv[4]);
    print(&load, ask_all(&load, strtoul(argv[3], NULL, 10)));
    return 0;
}
