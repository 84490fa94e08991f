/* For tests: servers on loopback, a real Redis and false ones that answer what the test says. Failures abort.
 */
#ifndef CACHE_REDIS_SERVER_RIG_H
#define CACHE_REDIS_SERVER_RIG_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

/* Of those that the kernel gives to nobody who asks for any, so that it stays free. */
uint16_t rig_free_port(void);

struct real_server {
    pid_t pid;
    int output; /* what it says */
};

/* Returns when it takes connections. */
void real_start(struct real_server *server, uint16_t port);
void real_kill(struct real_server *server);

/* What a false server answers to a command that has `word` in it. `reply` NULL: nothing at all; "": it closes
 * the connection. The row without a word is for all other commands and ends the table. */
struct fake_row {
    const char *word, *reply;
};

enum { FAKE_CONNECTIONS = 16, FAKE_SEEN = 1024 };

struct fake {
    uint16_t port;
    int listener, bell[2];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t came;
    const struct fake_row *rows;
    char seen[FAKE_SEEN]; /* the first words of commands, each with a space after it */
};

void fake_start(struct fake *fake, const struct fake_row *rows);
void fake_say(struct fake *fake, const struct fake_row *rows);
/* What has been seen since the last call; good until the next. */
const char *fake_seen(struct fake *fake);
/* Waits, 10 s at most, until a command of this name was seen. */
void fake_await(struct fake *fake, const char *word);
void fake_stop(struct fake *fake);

#endif
