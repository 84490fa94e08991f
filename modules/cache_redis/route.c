/* Which server a command goes to: the only one, or that which has the key's slot in a cluster. Where slots
 * are is learned from the servers' redirections, and forgotten when a server is lost; then one of the
 * configured ones is asked again. See redis.h. */
#include "redis.h"

#include <stdlib.h>

enum { HOPS_MOST = 5 };

/* --- slots ------------------------------------------------------------------------------------------ */

/* CRC-16/XMODEM, as Redis's cluster specification has it. */
static uint16_t crc16(const char *bytes, size_t length)
{
    unsigned crc = 0;
    for (size_t i = 0; i < length; i++) {
        crc ^= (unsigned)(unsigned char)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
    }
    return (uint16_t)crc;
}

/* What stands between the first { and the next } counts alone, if there is something. */
unsigned route_slot(const char *key)
{
    const char *open = strchr(key, '{'), *close = open ? strchr(open, '}') : NULL;
    if (close && close > open + 1)
        return crc16(open + 1, (size_t)(close - open - 1)) % SLOTS;
    return crc16(key, strlen(key)) % SLOTS;
}

static struct node *node_of(struct redis *redis, unsigned slot)
{
    if (redis->mode != MODE_CLUSTER)
        return redis->nodes;
    pthread_mutex_lock(&redis->lock);
    struct node *node = redis->slots[slot];
    size_t next = redis->next_addr;
    pthread_mutex_unlock(&redis->lock);
    return node ? node : pool_node(redis, &redis->addrs[next % redis->addr_count]);
}

static void learn(struct redis *redis, unsigned slot, struct node *node)
{
    pthread_mutex_lock(&redis->lock);
    redis->slots[slot] = node;
    pthread_mutex_unlock(&redis->lock);
}

/* The server is lost: its slots may be elsewhere by now, and another one will know. */
static void forget_node(struct redis *redis, const struct node *node)
{
    if (redis->mode != MODE_CLUSTER)
        return;
    pthread_mutex_lock(&redis->lock);
    for (size_t i = 0; i < SLOTS; i++)
        if (redis->slots[i] == node)
            redis->slots[i] = NULL;
    redis->next_addr++;
    pthread_mutex_unlock(&redis->lock);
}

/* --- commands --------------------------------------------------------------------------------------- */

/* `asking`: the slot is on its way to this server. Error replies are replies. */
static int ask_once(struct redis *redis, struct node *node, bool asking, const struct command *command,
                    uint64_t wait_ms, redisReply **ret_reply, struct dtr_error *err)
{
    struct link *link = NULL;
    redisReply *first = NULL, *reply = NULL;
    int status = pool_take(redis, node, &link, err);
    if (status != DTR_OK)
        return status;
    if (asking) {
        struct short_command words = {0};
        command_add(&words, "ASKING");
        struct command before = command_of(&words);
        status = link_ask(redis, link, &before, 0, &first, err);
        freeReplyObject(first);
    }
    if (status == DTR_OK)
        status = link_ask(redis, link, command, wait_ms, &reply, err);
    struct redirect redirect;
    bool redirected = status == DTR_OK && redis->mode == MODE_CLUSTER && reply_redirect(reply, &redirect);
    pool_give(redis, link, status == DTR_OK && (redirected || !reply_turns_away(reply)));
    *ret_reply = reply;
    return status;
}

/* An error reply becomes this function's error. */
static int settle(const struct redis *redis, const struct node *node, redisReply **reply,
                  struct dtr_error *err)
{
    char who[HOST_MOST + 16] = "Redis";
    if (redis->mode != MODE_SENTINEL)
        (void)snprintf(who, sizeof(who), "Redis %s:%u", node->place.host, (unsigned)node->place.port);
    int status = reply_status(*reply, who, err);
    if (status != DTR_OK) {
        freeReplyObject(*reply);
        *reply = NULL;
    }
    return status;
}

int route_ask_node(struct redis *redis, struct node *node, const struct command *command, uint64_t wait_ms,
                   redisReply **ret_reply, struct dtr_error *err)
{
    int status = ask_once(redis, node, false, command, wait_ms, ret_reply, err);
    return status == DTR_OK ? settle(redis, node, ret_reply, err) : status;
}

/* Where to go from here; NULL: nowhere. */
static struct node *follow(struct redis *redis, struct node *node, const struct redirect *redirect)
{
    struct place place = redirect->place;
    if (!place.host[0])
        (void)snprintf(place.host, sizeof(place.host), "%s", node->place.host);
    struct node *next = pool_node(redis, &place);
    if (next && !redirect->ask)
        learn(redis, redirect->slot, next);
    return next;
}

int route_ask(struct redis *redis, const char *key, const struct command *command, uint64_t wait_ms,
              redisReply **ret_reply, struct dtr_error *err)
{
    struct node *node = node_of(redis, redis->mode == MODE_CLUSTER ? route_slot(key) : 0);
    bool asking = false;
    for (int hop = 0; node && hop < HOPS_MOST; hop++) {
        struct redirect redirect;
        int status = ask_once(redis, node, asking, command, wait_ms, ret_reply, err);
        if (status == DTR_EUNAVAILABLE)
            forget_node(redis, node);
        if (status != DTR_OK)
            return status;
        if (redis->mode != MODE_CLUSTER || !reply_redirect(*ret_reply, &redirect)) {
            if (reply_turns_away(*ret_reply))
                forget_node(redis, node);
            return settle(redis, node, ret_reply, err);
        }
        freeReplyObject(*ret_reply);
        *ret_reply = NULL;
        asking = redirect.ask;
        node = follow(redis, node, &redirect);
    }
    return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                         "the servers of the Redis cluster send a command around in circles");
}

/* --- all servers ------------------------------------------------------------------------------------ */

static int each_master(struct redis *redis, struct node *told, const redisReply *ranges,
                       int (*visit)(struct redis *, struct node *, void *, struct dtr_error *), void *context,
                       struct dtr_error *err)
{
    struct place place;
    struct node *seen[NODES_MOST];
    size_t count = 0;
    int status = DTR_OK;
    for (size_t i = 0; status == DTR_OK && reply_range(ranges, i, &place); i++) {
        struct redirect there = {.ask = true, .place = place};
        struct node *node = follow(redis, told, &there);
        size_t at = 0;
        while (at < count && seen[at] != node)
            at++;
        if (!node || at < count || count == NODES_MOST)
            continue;
        seen[count++] = node;
        status = visit(redis, node, context, err);
    }
    if (status == DTR_OK && count == 0)
        return dtr_error_set(err, DTR_EPROTOCOL, DTR_RETRY_NEVER,
                             "Redis %.80s:%u does not say which servers its cluster has", told->place.host,
                             (unsigned)told->place.port);
    return status;
}

int route_each(struct redis *redis, int (*visit)(struct redis *, struct node *, void *, struct dtr_error *),
               void *context, struct dtr_error *err)
{
    struct short_command words = {0};
    redisReply *ranges = NULL;
    int status = DTR_EUNAVAILABLE;
    struct node *told = redis->nodes;
    if (redis->mode != MODE_CLUSTER)
        return visit(redis, redis->nodes, context, err);
    command_add(&words, "CLUSTER");
    command_add(&words, "SLOTS");
    struct command command = command_of(&words);
    for (size_t i = 0; i < redis->addr_count && status == DTR_EUNAVAILABLE; i++) {
        told = pool_node(redis, &redis->addrs[i]);
        if (told)
            status = route_ask_node(redis, told, &command, 0, &ranges, err);
    }
    if (status == DTR_OK)
        status = each_master(redis, told, ranges, visit, context, err);
    freeReplyObject(ranges);
    return status;
}
