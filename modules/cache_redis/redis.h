/* What the parts of cache_redis share: settings, connections, and the servers that they lead to. */
#ifndef CACHE_REDIS_H
#define CACHE_REDIS_H

#include "reply.h"

#include <darter/cache.h>
#include <darter/module.h>
#include <pthread.h>

struct options {
    const char *addrs, *master_name, *username, *password, *sentinel_username, *sentinel_password;
    int64_t db, pool_size;
    uint64_t pool_timeout_ms, connect_timeout_ms, io_timeout_ms;
    bool tls;
    const char *tls_ca_cert, *tls_cert, *tls_key;
    bool tls_skip_verify;
    const char *prefix;
};

enum mode {
    MODE_ONE,      /* one address */
    MODE_SENTINEL, /* the addresses are sentinels, which know where the master is */
    MODE_CLUSTER,  /* several addresses: some servers of a cluster */
};

enum { NODES_MOST = 1000, PREFIX_MOST = 100, KEY_ROOM = PREFIX_MOST + DTR_CACHE_KEY_MAX + 1 };

/* A server that commands go to, and its connections. */
struct node {
    struct node *next;
    struct place place;  /* MODE_SENTINEL: not used, the sentinels are asked for each connection */
    struct link *idle;   /* the one that was used last first */
    uint64_t open;       /* connections, idle ones too */
    uint64_t generation; /* changes when one is lost: older ones are not used any more */
    pthread_cond_t freed;
};

struct redis {
    const struct options *options;
    enum mode mode;
    bool tls;
    struct place *addrs;
    size_t addr_count;
    pthread_mutex_t lock; /* guards all below and the nodes */
    struct node *nodes;
    size_t node_count;
    struct node **slots; /* MODE_CLUSTER: SLOTS of them, NULL where it is not known */
    size_t next_addr;    /* the one to ask when nothing is known */
};

/* A command as its words. */
struct command {
    int count;
    const char **words;
    size_t *lengths;
};

/* Short ones on the stack: struct short_command c = {0}; then add(). */
enum { WORDS_MOST = 8 };
struct short_command {
    const char *words[WORDS_MOST];
    size_t lengths[WORDS_MOST];
    int count;
};
void command_add(struct short_command *command, const char *text);
void command_add_bytes(struct short_command *command, const void *bytes, size_t length);
struct command command_of(struct short_command *command);

/* --- link.c: one connection; one thread at a time --------------------------------------------------- */

struct link {
    struct link *next; /* idle */
    struct node *node;
    uint64_t generation;
    struct dtr_conn *conn;
    struct replies replies;
    char name[HOST_MOST + 8]; /* "host:port" */
};

/* Connects; presents user and password unless `password` is "". */
int link_open(const struct redis *redis, const struct place *place, const char *username,
              const char *password, struct link **ret_link, struct dtr_error *err);
/* NULL is fine. */
void link_close(struct link *link);
/* Sends a command and waits for the reply, `wait_ms` longer than usual. Errors are DTR_EUNAVAILABLE,
 * DTR_EDENIED and DTR_EPROTOCOL, and the link is of no use after them. A reply of type error is a reply. */
int link_ask(const struct redis *redis, struct link *link, const struct command *command, uint64_t wait_ms,
             redisReply **ret_reply, struct dtr_error *err);
/* Whether an idle one was closed by the server, or sent something. */
bool link_is_stale(struct link *link);
/* A connection on which commands can begin: logged in, the right database; MODE_SENTINEL: to the master. */
int link_open_ready(const struct redis *redis, const struct place *place, struct link **ret_link,
                    struct dtr_error *err);

/* --- pool.c ----------------------------------------------------------------------------------------- */

int pool_open(struct redis *redis, struct dtr_error *err);
/* After the last command. */
void pool_close(struct redis *redis);
/* A connection to a node; waits for one for poolTimeout at most. */
int pool_take(struct redis *redis, struct node *node, struct link **ret_link, struct dtr_error *err);
/* `good`: others may use it. Else it is closed, and so are idle ones to that node when they are taken. */
void pool_give(struct redis *redis, struct link *link, bool good);
/* The node at a place, made when there is none. NULL: there are too many, or no memory. */
struct node *pool_node(struct redis *redis, const struct place *place);

/* --- route.c: which server a command goes to -------------------------------------------------------- */

/* Carries out a command on `key` (as in the command, with its prefix). Replies of type error are errors of
 * this function. */
int route_ask(struct redis *redis, const char *key, const struct command *command, uint64_t wait_ms,
              redisReply **ret_reply, struct dtr_error *err);
/* Calls `visit` for each server that has keys of its own. It ends with the first that gives no DTR_OK. */
int route_each(struct redis *redis, int (*visit)(struct redis *, struct node *, void *, struct dtr_error *),
               void *context, struct dtr_error *err);
/* One command on one server. */
int route_ask_node(struct redis *redis, struct node *node, const struct command *command, uint64_t wait_ms,
                   redisReply **ret_reply, struct dtr_error *err);
/* The slot of a key in a cluster. */
unsigned route_slot(const char *key);

/* --- settings.c, forget.c --------------------------------------------------------------------------- */

/* Reads the addresses, and with them decides what they are. The addresses are the caller's to free, also
 * after an error. */
int settings_check(struct redis *redis, struct dtr_error *err);
/* Removes all keys that begin so; `prefix` is that of Redis's keys. */
int forget_keys(struct redis *redis, const char *prefix, struct dtr_error *err);

extern const struct dtr_host *redis_host;

#endif
