/* Connections that wait for their next command; see redis.h. */
#include "redis.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* --- nodes ------------------------------------------------------------------------------------------ */

static struct node *find_node(struct redis *redis, const struct place *place)
{
    struct node *node = redis->nodes;
    while (node && (node->place.port != place->port || strcmp(node->place.host, place->host) != 0))
        node = node->next;
    return node;
}

static struct node *new_node(struct redis *redis, const struct place *place)
{
    struct node *node = redis->node_count < NODES_MOST ? calloc(1, sizeof(*node)) : NULL;
    pthread_condattr_t monotonic;
    if (!node)
        return NULL;
    node->place = *place;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&node->freed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    node->next = redis->nodes;
    redis->nodes = node;
    redis->node_count++;
    return node;
}

struct node *pool_node(struct redis *redis, const struct place *place)
{
    pthread_mutex_lock(&redis->lock);
    struct node *node = find_node(redis, place);
    if (!node)
        node = new_node(redis, place);
    pthread_mutex_unlock(&redis->lock);
    return node;
}

/* --- taking and giving ------------------------------------------------------------------------------ */

static struct timespec in_ms(uint64_t ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(ms / 1000);
    at.tv_nsec += (long)(ms % 1000 * 1000000);
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static int all_busy(const struct redis *redis, struct dtr_error *err)
{
    return dtr_error_set(err, DTR_EUNAVAILABLE, DTR_RETRY_SAME,
                         "all %lld connections to Redis were busy for %llu ms; see options poolSize and "
                         "poolTimeout",
                         (long long)redis->options->pool_size,
                         (unsigned long long)redis->options->pool_timeout_ms);
}

/* With the lock held: an idle link, or the right to open one (*ret_link NULL). */
static int take_turn(struct redis *redis, struct node *node, struct link **ret_link, struct dtr_error *err)
{
    struct timespec until = in_ms(redis->options->pool_timeout_ms);
    while (!node->idle && node->open >= (uint64_t)redis->options->pool_size)
        if (pthread_cond_timedwait(&node->freed, &redis->lock, &until) == ETIMEDOUT && !node->idle &&
            node->open >= (uint64_t)redis->options->pool_size)
            return all_busy(redis, err);
    *ret_link = node->idle;
    if (node->idle)
        node->idle = node->idle->next;
    else
        node->open++;
    return DTR_OK;
}

static int take_any(struct redis *redis, struct node *node, struct link **ret_link, uint64_t *ret_generation,
                    struct dtr_error *err)
{
    pthread_mutex_lock(&redis->lock);
    int status = take_turn(redis, node, ret_link, err);
    *ret_generation = node->generation;
    pthread_mutex_unlock(&redis->lock);
    return status;
}

static void leave(struct redis *redis, struct node *node)
{
    pthread_mutex_lock(&redis->lock);
    node->open--;
    (void)pthread_cond_signal(&node->freed);
    pthread_mutex_unlock(&redis->lock);
}

int pool_take(struct redis *redis, struct node *node, struct link **ret_link, struct dtr_error *err)
{
    struct link *link = NULL;
    uint64_t generation;
    int status = take_any(redis, node, &link, &generation, err);
    while (status == DTR_OK && link && (link->generation != generation || link_is_stale(link))) {
        link_close(link);
        leave(redis, node);
        link = NULL;
        status = take_any(redis, node, &link, &generation, err);
    }
    if (status == DTR_OK && !link) {
        status = link_open_ready(redis, &node->place, &link, err);
        if (status != DTR_OK)
            leave(redis, node);
    }
    if (status != DTR_OK)
        return status;
    link->node = node;
    link->generation = generation;
    *ret_link = link;
    return DTR_OK;
}

void pool_give(struct redis *redis, struct link *link, bool good)
{
    struct node *node = link->node;
    pthread_mutex_lock(&redis->lock);
    if (good) {
        link->next = node->idle;
        node->idle = link;
    } else {
        node->open--;
        node->generation++;
    }
    (void)pthread_cond_signal(&node->freed);
    pthread_mutex_unlock(&redis->lock);
    if (!good)
        link_close(link);
}

/* --- life ------------------------------------------------------------------------------------------- */

int pool_open(struct redis *redis, struct dtr_error *err)
{
    (void)pthread_mutex_init(&redis->lock, NULL);
    if (redis->mode == MODE_CLUSTER)
        redis->slots = calloc(SLOTS, sizeof(struct node *));
    bool good = redis->mode != MODE_CLUSTER || redis->slots;
    size_t nodes = redis->mode == MODE_CLUSTER ? redis->addr_count : 1;
    for (size_t i = 0; i < nodes && good; i++)
        good = pool_node(redis, &redis->addrs[i]) != NULL;
    if (good)
        return DTR_OK;
    pool_close(redis);
    return dtr_error_set(err, DTR_ENOMEM, DTR_RETRY_SAME, "out of memory for connections");
}

void pool_close(struct redis *redis)
{
    for (struct node *node = redis->nodes, *next; node; node = next) {
        next = node->next;
        for (struct link *link; (link = node->idle);) {
            node->idle = link->next;
            link_close(link);
        }
        (void)pthread_cond_destroy(&node->freed);
        free(node);
    }
    redis->nodes = NULL;
    free(redis->slots);
    (void)pthread_mutex_destroy(&redis->lock);
}
