/* Servers for tests; see server_rig.h. */
#include "server_rig.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LATE_S = 10, COMMAND_MOST = 8192 };

extern char **environ;

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "server of the test: %s failed\n", what);
    abort();
}

/* 0: any. -1: it is taken. */
static int listen_on(uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0, "socket()");
    if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 16) != 0) {
        (void)close(fd);
        return -1;
    }
    must(getsockname(fd, (struct sockaddr *)&addr, &size) == 0, "getsockname()");
    *ret_port = ntohs(addr.sin_port);
    return fd;
}

uint16_t rig_free_port(void)
{
    uint16_t port = 0;
    int fd = -1;
    for (int tries = 0; fd < 0 && tries < 100; tries++)
        fd = listen_on((uint16_t)(10000 + arc4random_uniform(10000)), &port);
    must(fd >= 0, "finding a free port");
    (void)close(fd);
    return port;
}

/* --- a real one ------------------------------------------------------------------------------------- */

static void await_ready(int output)
{
    char said[8192];
    size_t length = 0;
    struct pollfd at = {.fd = output, .events = POLLIN};
    do {
        must(poll(&at, 1, LATE_S * 1000) == 1, "waiting for redis-server");
        ssize_t count = read(output, said + length, sizeof(said) - 1 - length);
        must(count > 0, "redis-server (is it installed? packaging/install-deps test)");
        length += (size_t)count;
        said[length] = '\0';
    } while (!strstr(said, "Ready to accept connections"));
}

void real_start(struct real_server *server, uint16_t port)
{
    /* setpriv: it ends with the test, also when that fails. */
    static char words[][16] = {"setpriv",   "--pdeathsig", "KILL", "redis-server", "--bind",
                               "127.0.0.1", "--save",      "",     "--port"};
    enum { WORDS = sizeof(words) / sizeof(words[0]) };
    char text[8], *arguments[WORDS + 2] = {NULL};
    for (size_t i = 0; i < WORDS; i++)
        arguments[i] = words[i];
    arguments[WORDS] = text;
    posix_spawn_file_actions_t actions;
    int ends[2];
    (void)snprintf(text, sizeof(text), "%u", (unsigned)port);
    must(pipe(ends) == 0 && posix_spawn_file_actions_init(&actions) == 0 &&
             posix_spawn_file_actions_adddup2(&actions, ends[1], 1) == 0 &&
             posix_spawn_file_actions_adddup2(&actions, ends[1], 2) == 0 &&
             posix_spawn_file_actions_addclose(&actions, ends[0]) == 0,
         "a pipe");
    must(posix_spawnp(&server->pid, words[0], &actions, NULL, arguments, environ) == 0,
         "redis-server (is it installed? packaging/install-deps test)");
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    server->output = ends[0];
    await_ready(ends[0]);
}

void real_kill(struct real_server *server)
{
    must(kill(server->pid, SIGKILL) == 0 && waitpid(server->pid, NULL, 0) == server->pid,
         "ending redis-server");
    (void)close(server->output);
}

/* --- a false one ------------------------------------------------------------------------------------ */

/* "*2\r\n$3\r\nGET\r\n..." -> "GET " */
static void note(struct fake *fake, const char *command)
{
    const char *word = strchr(command, '\n');
    word = word ? strchr(word + 1, '\n') : NULL;
    size_t length = strlen(fake->seen);
    if (word)
        (void)snprintf(fake->seen + length, FAKE_SEEN - length, "%.*s ", (int)strcspn(word + 1, "\r"),
                       word + 1);
    (void)pthread_cond_broadcast(&fake->came);
}

static const char *reply_to(struct fake *fake, const char *command)
{
    (void)pthread_mutex_lock(&fake->lock);
    const struct fake_row *row = fake->rows;
    while (row->word && !strstr(command, row->word))
        row++;
    note(fake, command);
    const char *reply = row->reply;
    (void)pthread_mutex_unlock(&fake->lock);
    return reply;
}

/* False: the connection is over. Commands of tests are short, so that one comes in one piece. */
static bool answer(struct fake *fake, int fd)
{
    char command[COMMAND_MOST];
    ssize_t count = recv(fd, command, sizeof(command) - 1, 0);
    if (count <= 0)
        return false;
    command[count] = '\0';
    const char *reply = reply_to(fake, command);
    return !reply || (*reply && send(fd, reply, strlen(reply), MSG_NOSIGNAL) == (ssize_t)strlen(reply));
}

static void *serve(void *context)
{
    struct fake *fake = context;
    struct pollfd list[2 + FAKE_CONNECTIONS] = {{.fd = fake->bell[0], .events = POLLIN},
                                                {.fd = fake->listener, .events = POLLIN}};
    nfds_t count = 2;
    while (poll(list, count, -1) > 0 && !list[0].revents) {
        for (nfds_t i = 2; i < count;) {
            if (!list[i].revents || answer(fake, list[i].fd)) {
                i++;
                continue;
            }
            (void)close(list[i].fd);
            list[i] = list[--count];
        }
        if (!list[1].revents)
            continue;
        must(count < 2 + FAKE_CONNECTIONS, "having so many connections");
        list[count++] = (struct pollfd){.fd = accept(fake->listener, NULL, NULL), .events = POLLIN};
    }
    for (nfds_t i = 2; i < count; i++)
        (void)close(list[i].fd);
    return NULL;
}

void fake_start(struct fake *fake, const struct fake_row *rows)
{
    *fake = (struct fake){.rows = rows};
    fake->listener = listen_on(0, &fake->port);
    must(fake->listener >= 0, "listening");
    (void)pthread_mutex_init(&fake->lock, NULL);
    (void)pthread_cond_init(&fake->came, NULL);
    must(pipe(fake->bell) == 0 && pthread_create(&fake->thread, NULL, serve, fake) == 0, "a thread");
}

void fake_say(struct fake *fake, const struct fake_row *rows)
{
    (void)pthread_mutex_lock(&fake->lock);
    fake->rows = rows;
    (void)pthread_mutex_unlock(&fake->lock);
}

const char *fake_seen(struct fake *fake)
{
    static char seen[FAKE_SEEN];
    (void)pthread_mutex_lock(&fake->lock);
    memcpy(seen, fake->seen, FAKE_SEEN);
    fake->seen[0] = '\0';
    (void)pthread_mutex_unlock(&fake->lock);
    return seen;
}

void fake_await(struct fake *fake, const char *word)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LATE_S;
    (void)pthread_mutex_lock(&fake->lock);
    while (!strstr(fake->seen, word))
        must(pthread_cond_timedwait(&fake->came, &fake->lock, &until) == 0, "waiting for a command");
    (void)pthread_mutex_unlock(&fake->lock);
}

void fake_stop(struct fake *fake)
{
    must(write(fake->bell[1], "", 1) == 1 && pthread_join(fake->thread, NULL) == 0, "ending");
    (void)close(fake->bell[0]);
    (void)close(fake->bell[1]);
    (void)close(fake->listener);
    (void)pthread_cond_destroy(&fake->came);
    (void)pthread_mutex_destroy(&fake->lock);
}
